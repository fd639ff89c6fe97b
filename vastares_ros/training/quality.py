# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Judging figures and parameters: joints that were not shown, that are of no use, or that no arm has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from vastares_ros.core.samples import Array, Episode
from vastares_ros.physics.friction import FrictionTerms
from vastares_ros.physics.rigid_body import RigidBodyParameters

from .filtered import extent

MIN_TRAVEL = 0.005  # range of a joint's positions; one that travels less does not move [rad or m]
MIN_TORQUE = 1e-6  # range of a joint's torques; less is constant [N·m or A]
MAX_NMSE = 1.0  # an error as large as the spread of the torque itself
MAX_RATIO = 2.0  # times the error of a simpler predictor
SPEEDS = (0.1, 0.25, 0.5, 1.0)  # of a joint's largest speed in training, at which its friction is looked at


def constant_joints(episodes: Sequence[Episode]) -> dict[str, str]:
    """Joints that some episodes do not show, such as fingers, and why: nothing can be learned of them."""
    positions, torques = (
        np.ptp(np.concatenate([extent(getattr(e, name)) for e in episodes]), axis=0) for name in ("q", "tau")
    )
    constant = {}
    for joint, travel, torque in zip(episodes[0].joints, positions, torques, strict=True):
        if travel < MIN_TRAVEL:
            constant[joint] = "does not move"
        elif torque < MIN_TORQUE:
            constant[joint] = "has a constant torque"
    return constant


def poor_joints(nmse: Mapping[str, Mapping[str, float]], constant: Collection[str] = ()) -> dict[str, str]:
    """Joints whose estimate is of no use, and why.

    Args:
        nmse: predictor -> joint -> number, see `evaluate.score`; the predictor "model" is judged by the others.
        constant: joints that are not judged.
    """
    poor = {}
    for joint, error in nmse["model"].items():
        others = {name: of[joint] for name, of in nmse.items() if name != "model"}
        best = min(others, key=lambda name: others[name])
        if joint in constant:
            continue
        if error > MAX_NMSE:
            poor[joint] = f"nmse {error:.3g}: its error is larger than the spread of its torque in training"
        elif error > MAX_RATIO * others[best]:
            poor[joint] = f"nmse {error:.3g}, and {best} has {others[best]:.3g}"
    return poor


def impossible_parameters(parameters: RigidBodyParameters, joints: Sequence[str], speed: Array) -> list[str]:
    """What no arm has of identified parameters, a line each: links of negative mass, friction that drives a joint.

    Args:
        parameters: of J joints.
        joints: their names.
        speed: largest speed of each joint in training, shape (J,) [rad/s].
    """
    lines = [
        f"the link of {joint} has a negative mass, {mass:.3g} kg"
        for joint, mass in zip(joints, parameters.links[:, 0], strict=True)
        if mass < 0
    ]
    offset = parameters.terms.index("offset")
    driving: dict[str, str] = {}
    for share in SPEEDS:
        friction = FrictionTerms(parameters.terms, parameters.smoothing, 1.0)
        factors = friction.run(share * speed[None], np.zeros((1, len(joints))))[:, 0]  # (K, J)
        factors[offset] = 0
        for joint, torque, v in zip(joints, (factors * parameters.friction).sum(axis=0), share * speed, strict=True):
            if torque < 0 and joint not in driving:
                driving[joint] = f"friction of {joint} drives it: {torque:.3g} N·m at {v:.2g} rad/s"
    return lines + list(driving.values())
