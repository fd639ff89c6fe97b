# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What tests ask of a rigid body besides its own interface."""

from __future__ import annotations

import numpy as np

from vastares_ros.core.samples import Array
from vastares_ros.physics.rigid_body import RigidBody


def gravity(body: RigidBody, q: Array) -> Array:
    """Torque that holds the arm still at q, shape (J,)."""
    still = np.zeros_like(q)
    return body.inverse_dynamics(q, still, still)


def moving_mass(body: RigidBody) -> float:
    """Mass of all links that move [kg]."""
    return float(body.inertial_parameters[:, 0].sum())
