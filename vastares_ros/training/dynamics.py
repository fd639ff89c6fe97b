# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Rigid-body dynamics and friction of the arm of a dataset, identified from some of its episodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vastares_ros.core.arm import Arm
from vastares_ros.core.samples import Episode
from vastares_ros.core.signals import FilterConfig, SignalChain
from vastares_ros.io.datasets import Dataset
from vastares_ros.models.identified_dynamics import IdentifiedDynamics
from vastares_ros.physics.friction import FRICTION_MODELS
from vastares_ros.physics.identification import Identification, Motion, identify
from vastares_ros.physics.rigid_body import RigidBody

from .filtered import filtered


def identify_dynamics(
    dataset: Dataset,
    episodes: Sequence[Episode],
    arm: Arm,
    friction_model: str,
    filter_config: FilterConfig,
    friction_time_constant: float,
) -> tuple[IdentifiedDynamics, Identification]:
    """Identify an arm from some episodes of a dataset.

    Args:
        dataset: joints, rate and meaning of effort.
        episodes: what to identify from.
        arm: the arm of the dataset.
        friction_model: one of `physics.friction.FRICTION_MODELS`.
        filter_config: low-pass of all signals.
        friction_time_constant: of adaptive friction where the result runs [s], or 0.

    Returns:
        What computes torque, and what was found with its deviations.

    Raises:
        ConfigError: see `identify`.
        DatasetError: likewise.
        RobotError: the URDF cannot be read.
    """
    chain = SignalChain(dataset.rate, filter_config, acceleration=True)
    x, tau = filtered(chain, episodes)
    ends = np.cumsum([len(e) for e in episodes])[:-1]
    parts = zip(episodes, np.split(x, ends), np.split(tau, ends), strict=True)
    motions = [Motion(e.recording, *part) for e, *part in parts]
    amperes = dataset.effort.unit == "A"
    found = identify(RigidBody(arm), dataset.joints, motions, dataset.rate, friction_model, amperes)
    dynamics = IdentifiedDynamics(
        arm, FRICTION_MODELS[friction_model], found.parameters.smoothing, friction_time_constant
    )
    return dynamics.set_parameters(found.parameters), found
