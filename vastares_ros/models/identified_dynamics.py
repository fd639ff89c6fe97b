# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What was identified of an arm, as a part of models that is saved with their weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from vastares_ros.core.arm import Arm
from vastares_ros.physics.friction import TERMS
from vastares_ros.physics.observer import MomentumObserver
from vastares_ros.physics.rigid_body import RigidBody, RigidBodyParameters, RigidBodyTorque

BUFFERS = ("links", "rotor", "friction", "gain", "noise")


class IdentifiedDynamics(nn.Module):
    """Identified rigid-body dynamics and friction of J joints, as buffers that are saved with the weights.

    Attributes:
        arm: URDF, joints in the model's order, tip, and whether gravity acts.
        terms: friction terms, names of `physics.friction.TERMS`.
        smoothing: speed over which friction changes sign [rad/s].
        friction_time_constant: of adaptive friction [s]; 0 where coefficients are kept.
    """

    links: Tensor
    rotor: Tensor
    friction: Tensor
    gain: Tensor
    noise: Tensor

    def __init__(self, arm: Arm, terms: Sequence[str], smoothing: float, friction_time_constant: float):
        super().__init__()
        self.arm, self.terms, self.smoothing = arm, tuple(terms), smoothing
        self.friction_time_constant = friction_time_constant
        count = len(arm.joints)
        self.register_buffer("links", torch.zeros(count, 10, dtype=torch.float64))
        self.register_buffer("rotor", torch.zeros(count, dtype=torch.float64))
        self.register_buffer("friction", torch.zeros(sum(TERMS[t] for t in terms), count, dtype=torch.float64))
        self.register_buffer("gain", torch.ones(count, dtype=torch.float64))
        self.register_buffer("noise", torch.zeros(count, dtype=torch.float64))

    def set_parameters(self, parameters: RigidBodyParameters) -> IdentifiedDynamics:
        """Keep what was identified; its terms, smoothing and time constant must be those given to the constructor."""
        for name in BUFFERS:
            getattr(self, name).copy_(torch.as_tensor(np.ascontiguousarray(getattr(parameters, name))))
        return self

    @property
    def identified(self) -> RigidBodyParameters:
        """The identified parameters as arrays."""
        buffers = {name: getattr(self, name).cpu().numpy() for name in BUFFERS}
        return RigidBodyParameters(
            **buffers,
            terms=self.terms,
            smoothing=self.smoothing,
            friction_time_constant=self.friction_time_constant,
        )

    def torque(self, rate: float) -> RigidBodyTorque:
        """The torque of a motion sampled at `rate` [Hz], computed with a state of its own.

        Raises:
            RobotError: see `RigidBody`.
        """
        return RigidBodyTorque(RigidBody(self.arm), self.identified, rate)

    def observer(self, rate: float, gain: float) -> MomentumObserver:
        """A momentum observer with these parameters for samples at `rate` [Hz], with a state of its own.

        Raises:
            RobotError: see `RigidBody`.
        """
        return MomentumObserver(RigidBody(self.arm), self.identified, rate, gain)

    def describe(self) -> str:
        """The friction model in words."""
        adaptive = f", adaptive within {self.friction_time_constant:g} s" if self.friction_time_constant else ""
        return f"friction {', '.join(self.terms)}{adaptive}"
