# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a network sees, the same for every method."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Features besides positions and velocities; the base of every network's configuration.

    Attributes:
        acceleration: whether the acceleration (difference of the filtered velocity) is an input too.
        rigid_body_torque: whether the torque of the rigid-body model is an input too; needs a rigid-body model.
    """

    acceleration: bool = False
    rigid_body_torque: bool = False

    def features(self, joints: int) -> int:
        """How many there are, C, of an arm with J joints."""
        return (2 + self.acceleration + self.rigid_body_torque) * joints
