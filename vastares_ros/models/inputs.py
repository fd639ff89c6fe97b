"""What a network sees, the same for every method."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Features besides positions and velocities; the base of every network's configuration.

    Attributes:
        acceleration: feed qdd, too.
        prior_torque: feed the prior's torque, too; only where there is a prior.
    """

    acceleration: bool = False
    prior_torque: bool = False

    def features(self, joints: int) -> int:
        """How many there are, C, of an arm with J joints."""
        return (2 + self.acceleration + self.prior_torque) * joints
