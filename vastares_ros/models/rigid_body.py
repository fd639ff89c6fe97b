"""The physics prior as part of a model: a URDF, and what was identified of it as buffers beside the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from vastares_ros.core.config import check_ranges
from vastares_ros.core.observer import MomentumObserver
from vastares_ros.core.physics import RigidBody
from vastares_ros.core.prior import TERMS, RigidBodyParameters, RigidBodyPrior

BUFFERS = ("links", "rotor", "friction", "gain", "noise")


@dataclass(frozen=True)
class RigidBodyConfig:
    """A model that is the prior alone.

    Attributes:
        window: samples T before the first estimate; two at least, since acceleration is a difference.
    """

    window: int = 2
    acceleration: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_ranges("network", self, window=(2, 1024))


@dataclass(frozen=True)
class ObserverConfig(RigidBodyConfig):
    """A model that is the momentum observer alone.

    Attributes:
        window: samples T before the first estimate; two at least, since the first residual is zero by definition.
        gain: of the residual of all joints, K [rad/s].
    """

    gain: float = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges("network", self, gain=(0.1, 1000))


class Prior(nn.Module):
    """Identified rigid-body dynamics and friction of J joints: data only; `over` makes what computes.

    Attributes:
        urdf: text of the URDF.
        joints: its J joints, in the model's order.
        tip: its frame at the end.
        gravity: whether effort holds the arm's own weight.
        terms: friction terms, names of `core.prior.TERMS`.
        smoothing: speed over which friction changes sign [rad/s].
        following: time in which friction's level is followed [s]; 0 where it is not.
    """

    links: Tensor
    rotor: Tensor
    friction: Tensor
    gain: Tensor
    noise: Tensor

    def __init__(
        self,
        urdf: str,
        joints: Sequence[str],
        tip: str,
        gravity: bool,
        terms: Sequence[str],
        smoothing: float,
        following: float,
    ):
        super().__init__()
        self.urdf, self.joints, self.tip, self.gravity = urdf, tuple(joints), tip, gravity
        self.terms, self.smoothing, self.following = tuple(terms), smoothing, following
        count = len(joints)
        self.register_buffer("links", torch.zeros(count, 10, dtype=torch.float64))
        self.register_buffer("rotor", torch.zeros(count, dtype=torch.float64))
        self.register_buffer("friction", torch.zeros(sum(TERMS[t] for t in terms), count, dtype=torch.float64))
        self.register_buffer("gain", torch.ones(count, dtype=torch.float64))
        self.register_buffer("noise", torch.zeros(count, dtype=torch.float64))

    def take(self, parameters: RigidBodyParameters) -> Prior:
        """Keep what was identified; terms, smoothing and following must be those given above."""
        for name in BUFFERS:
            getattr(self, name).copy_(torch.as_tensor(np.ascontiguousarray(getattr(parameters, name))))
        return self

    @property
    def identified(self) -> RigidBodyParameters:
        """What was identified."""
        buffers = {name: getattr(self, name).cpu().numpy() for name in BUFFERS}
        return RigidBodyParameters(**buffers, terms=self.terms, smoothing=self.smoothing, following=self.following)

    def body(self) -> RigidBody:
        """The arm by its URDF alone.

        Raises:
            RobotError: see `RigidBody`.
        """
        body = RigidBody(self.urdf, self.joints, self.tip)
        if not self.gravity:
            body.leave_out_gravity()
        return body

    def over(self, rate: float, config: object) -> RigidBodyPrior | MomentumObserver:
        """What a model of this configuration computes from samples at `rate` [Hz], with a state of its own.

        Raises:
            RobotError: see `RigidBody`.
        """
        if isinstance(config, ObserverConfig):
            return MomentumObserver(self.body(), self.identified, rate, config.gain)
        return RigidBodyPrior(self.body(), self.identified, rate)
