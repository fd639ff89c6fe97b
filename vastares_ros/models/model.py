"""A deployable model: standardisation as buffers around a network, in the units of the robot."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from vastares_ros.core.samples import Array
from vastares_ros.core.signals import FilterConfig, SignalChain

from .methods import NETWORKS
from .rigid_body import Prior


class Scaler(nn.Module):
    """StandardScaler statistics as buffers: saved with the weights, never trained."""

    mean: Tensor
    scale: Tensor

    def __init__(self, size: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))

    def fit(self, x: Array) -> None:
        """Take mean and standard deviation of every column of x, shape (N, size); a constant column keeps scale 1."""
        fitted = StandardScaler().fit(x)
        self.mean.copy_(torch.as_tensor(fitted.mean_))
        self.scale.copy_(torch.as_tensor(fitted.scale_))

    def forward(self, x: Tensor) -> Tensor:
        """Standardise the last axis."""
        return (x - self.mean) / self.scale

    def inverse(self, z: Tensor) -> Tensor:
        """Undo `forward`."""
        return z * self.scale + self.mean


class Correction(nn.Module):
    """What a new tool adds to the torque of a network that knows no physics, near the poses that it was seen in."""

    coefficients: Tensor

    def __init__(self, joints: int):
        super().__init__()
        self.register_buffer("coefficients", torch.zeros(1 + 2 * joints, joints))

    @staticmethod
    def features(q: Tensor) -> Tensor:
        """One, and sine and cosine of positions q (N, J) [rad]: shape (N, 1 + 2 J)."""
        return torch.cat([torch.ones_like(q[:, :1]), q.sin(), q.cos()], dim=1)

    def forward(self, q: Tensor) -> Tensor:
        """Torque (B, J) [N·m or A] at positions q (B, J) [rad]."""
        return self.features(q) @ self.coefficients


class Model(nn.Module):
    """Windows of raw features [rad, rad/s] in, contact-free torques [N·m or A] out.

    With a prior its torque is the last J of the C features. A network beside it, if there is one, adds what the prior
    leaves, each joint's share times a guard that is zero where the network does not help. A correction is what
    `vastares adapt` adds where there is no prior.
    """

    guard: Tensor

    def __init__(self, joints: int, config: Any, prior: Prior | None = None):
        super().__init__()
        self.joints = joints
        self.config = config  # one of the classes in `methods.NETWORKS`, or those of `methods.IDENTIFIED`
        self.prior = prior
        self.motion = (3 if config.acceleration or prior else 2) * joints  # features that the sensors give
        self.features = Scaler(self.motion + (joints if prior else 0))
        self.torque = Scaler(joints)
        if type(config) in NETWORKS:
            self.network = NETWORKS[type(config)](joints, config)
        if self.hybrid:
            self.residual = Scaler(joints)
            self.register_buffer("guard", torch.ones(joints))
        self.correction: Correction | None = None

    @property
    def hybrid(self) -> bool:
        """Whether a network corrects a prior."""
        return self.prior is not None and hasattr(self, "network")

    @property
    def target(self) -> Scaler:
        """Statistics of what the network learns: torque, or what the prior leaves of it."""
        return self.residual if self.hybrid else self.torque

    def inputs(self, x: Tensor) -> Tensor:
        """What the network sees of raw features x (..., C), standardised."""
        x = self.features(x)
        if not self.hybrid:
            return x
        seen = [x[..., : (3 if self.config.acceleration else 2) * self.joints]]
        if self.config.prior_torque:
            seen.append(x[..., self.motion :])
        return torch.cat(seen, dim=-1)

    def chain(self, rate: float, config: FilterConfig) -> SignalChain:
        """From raw samples at `rate` [Hz] to this model's features, with a state of its own."""
        prior = self.prior.over(rate, self.config) if self.prior else None
        return SignalChain(rate, config, self.motion == 3 * self.joints, prior)

    def forward(self, x: Tensor) -> Tensor:
        """tau_free (B, J) from windows x (B, T, C), newest last."""
        if self.prior is None:
            tau = self.torque.inverse(self.network(self.inputs(x)))
            return tau if self.correction is None else tau + self.correction(x[:, -1, : self.joints])
        known = x[:, -1, self.motion :]
        if not self.hybrid:
            return known
        return known + self.guard * self.residual.inverse(self.network(self.inputs(x)))

    @torch.inference_mode()
    def predict(self, x: Array, batch: int = 1024) -> Array:
        """tau_free, shape (N - T + 1, J), for every full window of the features x, shape (N, C)."""
        device = self.torque.mean.device
        rows = torch.as_tensor(x, dtype=torch.float32, device=device).unfold(0, self.config.window, 1)  # (N-T+1, C, T)
        parts = [self(part.transpose(1, 2)).cpu().numpy() for part in rows.split(batch)]
        return np.concatenate(parts).astype(np.float64)
