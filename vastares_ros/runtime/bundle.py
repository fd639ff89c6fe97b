# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a deployable model consists of. `io.bundles` reads and writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vastares_ros.core.robot import Effort
from vastares_ros.core.samples import Array
from vastares_ros.core.signals import FilterConfig
from vastares_ros.models.baselines import Ridge
from vastares_ros.models.model import Model

QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
BOUND_QUANTILE = 0.99


RESIDUAL_SOURCES = {
    "validation": "the validation recordings {}",
    "cross-validation": "cross-validated on {}",
    "blocks": "cross-validated on blocks of {}",
    "training": "the training recordings {}",
    "adaptation": "the recordings with the tool, {}",
}
"""How the quantiles of a bundle's residual were found, in words that name recordings."""


@dataclass(frozen=True)
class ResidualSource:
    """Where the quantiles of a bundle's residual come from.

    Attributes:
        how: a key of `RESIDUAL_SOURCES`.
        recordings: which recordings.
    """

    how: str
    recordings: tuple[str, ...]

    def __str__(self) -> str:
        return RESIDUAL_SOURCES[self.how].format(", ".join(self.recordings))


@dataclass(frozen=True)
class Parent:
    """The bundle that another one was adapted from.

    Attributes:
        name: of its folder.
        sha256: of the fields of its `bundle.yaml`, as it says itself.
    """

    name: str
    sha256: str


@dataclass(frozen=True)
class Bundle:
    """A trained model with all that is needed to run it and to judge whether it fits.

    Attributes:
        robot: name of the robot.
        joints: J joint names as published, in the model's order.
        topic: joint-state topic it was recorded from.
        effort: what published effort means; its scale is applied to live messages.
        rate: sample rate [Hz].
        filter: low-pass of all signals.
        method: name of the method, of `models.methods.METHODS`.
        model: network and standardisation.
        ridge: the linear baseline, fitted on the same data.
        q_range: smallest and largest training positions, shape (2, J) [rad].
        qd_range: the same of velocities, shape (2, J) [rad/s].
        residual_quantiles: `QUANTILES` of |tau_ext| in free motion, shape (len(QUANTILES), J).
        residual_source: where they come from; never from test recordings.
        training: configuration, seed, device and split by recording.
        metrics: figures of the model beside the baselines.
        dataset_sha256: hash of the training data.
        parent: what it was adapted from, if it was.
    """

    robot: str
    joints: tuple[str, ...]
    topic: str
    effort: Effort
    rate: float
    filter: FilterConfig
    method: str
    model: Model
    ridge: Ridge
    q_range: Array
    qd_range: Array
    residual_quantiles: Array
    residual_source: ResidualSource
    training: Mapping[str, Any]
    metrics: Mapping[str, Any]
    dataset_sha256: str
    parent: Parent | None = None

    @property
    def constant_joints(self) -> Mapping[str, str]:
        """Joints that the training recordings do not show, and why; mean figures leave them out."""
        constant: Mapping[str, str] = self.training.get("constant_joints", {})
        return constant

    @property
    def bound(self) -> Array:
        """What |tau_ext| stays below in 99 % of free motion, shape (J,)."""
        bound: Array = self.residual_quantiles[QUANTILES.index(BOUND_QUANTILE)]
        return bound
