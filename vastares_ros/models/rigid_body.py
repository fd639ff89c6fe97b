"""The physics prior as part of a model: a URDF, and what was identified of it as buffers beside the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from vastares_ros.core.config import check_ranges
from vastares_ros.core.physics import RigidBody
from vastares_ros.core.prior import TERMS, RigidBodyParameters, RigidBodyPrior


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


class Prior(nn.Module):
    """Identified rigid-body dynamics and friction of J joints: data only; `over` makes what computes.

    Attributes:
        urdf: text of the URDF.
        joints: its J joints, in the model's order.
        tip: its frame at the end.
        gravity: whether effort holds the arm's own weight.
        terms: friction terms, names of `core.prior.TERMS`.
        smoothing: speed over which friction changes sign [rad/s].
    """

    links: Tensor
    rotor: Tensor
    friction: Tensor
    gain: Tensor

    def __init__(
        self, urdf: str, joints: Sequence[str], tip: str, gravity: bool, terms: Sequence[str], smoothing: float
    ):
        super().__init__()
        self.urdf, self.joints, self.tip, self.gravity = urdf, tuple(joints), tip, gravity
        self.terms, self.smoothing = tuple(terms), smoothing
        count = len(joints)
        self.register_buffer("links", torch.zeros(count, 10, dtype=torch.float64))
        self.register_buffer("rotor", torch.zeros(count, dtype=torch.float64))
        self.register_buffer("friction", torch.zeros(sum(TERMS[t] for t in terms), count, dtype=torch.float64))
        self.register_buffer("gain", torch.ones(count, dtype=torch.float64))

    def take(self, parameters: RigidBodyParameters) -> Prior:
        """Keep what was identified; terms and smoothing must be those given above."""
        for name in ("links", "rotor", "friction", "gain"):
            getattr(self, name).copy_(torch.as_tensor(np.ascontiguousarray(getattr(parameters, name))))
        return self

    def body(self) -> RigidBody:
        """The arm by its URDF alone.

        Raises:
            RobotError: see `RigidBody`.
        """
        body = RigidBody(self.urdf, self.joints, self.tip)
        if not self.gravity:
            body.leave_out_gravity()
        return body

    def over(self, rate: float) -> RigidBodyPrior:
        """The prior for samples at `rate` [Hz], with a state of its own.

        Raises:
            RobotError: see `RigidBody`.
        """
        buffers = {name: getattr(self, name).cpu().numpy() for name in ("links", "rotor", "friction", "gain")}
        return RigidBodyPrior(
            self.body(), RigidBodyParameters(**buffers, terms=self.terms, smoothing=self.smoothing), rate
        )
