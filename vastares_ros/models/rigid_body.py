# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Models of physics alone: identified rigid-body dynamics with friction, and a momentum observer with the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from vastares_ros.core.config import check_ranges
from vastares_ros.physics.observer import MomentumObserver
from vastares_ros.physics.rigid_body import RigidBodyTorque

from .identified_dynamics import IdentifiedDynamics
from .model import Model


@dataclass(frozen=True)
class RigidBodyConfig:
    """Configuration of a model that is the identified rigid-body model alone.

    Attributes:
        window: samples T before the first estimate; two at least, since acceleration is a difference.
    """

    window: int = 2
    acceleration: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_ranges("network", self, window=(2, 1024))


@dataclass(frozen=True)
class ObserverConfig(RigidBodyConfig):
    """Configuration of a model that is the momentum observer alone.

    Attributes:
        window: samples T before the first estimate; two at least, since the first residual is zero by definition.
        gain: of the residual of all joints, K [rad/s].
    """

    gain: float = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges("network", self, gain=(0.1, 1000))


class RigidBodyModel(Model):
    """Identified rigid-body dynamics and friction. Its torque is the last J of the features."""

    kind = "rigid_body"
    adapts_friction: ClassVar[bool] = True
    dynamics: IdentifiedDynamics

    def __init__(self, joints: int, config: RigidBodyConfig, dynamics: IdentifiedDynamics):
        super().__init__(joints, config, acceleration=True, dynamics=dynamics)

    def physics(self, rate: float) -> RigidBodyTorque | MomentumObserver:
        """The rigid-body torque with a state of its own."""
        return self.dynamics.torque(rate)

    def forward(self, x: Tensor) -> Tensor:
        """tau_free (B, J) from windows of features x (B, T, C), newest last."""
        return x[:, -1, self.n_motion_features :]

    def describe(self) -> dict[str, str]:
        """What the model is, for people."""
        return {"rigid-body model": self.dynamics.describe()}


class ObserverModel(RigidBodyModel):
    """The generalised momentum observer with identified parameters."""

    kind = "momentum_observer"
    adapts_friction = False
    config: ObserverConfig

    def physics(self, rate: float) -> MomentumObserver:
        """The observer with a state of its own."""
        return self.dynamics.observer(rate, self.config.gain)

    def describe(self) -> dict[str, str]:
        """What the model is, for people."""
        return super().describe() | {"observer gain": f"{self.config.gain:g} rad/s"}
