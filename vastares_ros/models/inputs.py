"""What a network sees, the same for every method."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Features besides positions and velocities; the base of every network's configuration.

    Attributes:
        acceleration: feed qdd, too.
        rigid_body_torque: feed the torque of the rigid-body model, too; only in a hybrid.
    """

    acceleration: bool = False
    rigid_body_torque: bool = False

    def features(self, joints: int) -> int:
        """How many there are, C, of an arm with J joints."""
        return (2 + self.acceleration + self.rigid_body_torque) * joints
