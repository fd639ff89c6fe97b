# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The kinds of models by name, and how one is made."""

from __future__ import annotations

from typing import Any

from .identified_dynamics import IdentifiedDynamics
from .model import Model
from .networks import HybridModel, NetworkModel
from .rigid_body import ObserverModel, RigidBodyModel

KINDS: dict[str, type[Model]] = {kind.kind: kind for kind in (NetworkModel, HybridModel, RigidBodyModel, ObserverModel)}


def make_model(kind: str, joints: int, config: Any, dynamics: IdentifiedDynamics | None = None) -> Model:
    """A model of a kind, a key of `KINDS`, for J joints; `dynamics` is for the kinds that have physics inside."""
    make: Any = KINDS[kind]
    model: Model = make(joints, config) if dynamics is None else make(joints, config, dynamics)
    return model
