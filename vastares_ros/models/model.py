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


class Model(nn.Module):
    """Windows of raw features [rad, rad/s] in, contact-free torques [N·m or A] out.

    With a prior, which a model without a network has, the prior's torque is the last J of the C features.
    """

    def __init__(self, joints: int, config: Any, prior: Prior | None = None):
        super().__init__()
        self.joints = joints
        self.config = config  # one of the classes in `methods.NETWORKS`, or `RigidBodyConfig`
        self.prior = prior
        self.motion = (3 if config.acceleration else 2) * joints  # features that the sensors give
        if prior is None:
            self.network = NETWORKS[type(config)](joints, config)
        self.features = Scaler(self.motion + (joints if prior else 0))
        self.torque = Scaler(joints)

    def chain(self, rate: float, config: FilterConfig) -> SignalChain:
        """From raw samples at `rate` [Hz] to this model's features, with a state of its own."""
        return SignalChain(rate, config, self.config.acceleration, self.prior.over(rate) if self.prior else None)

    def forward(self, x: Tensor) -> Tensor:
        """tau_free (B, J) from windows x (B, T, C), newest last."""
        if self.prior is not None:
            return x[:, -1, self.motion :]
        return self.torque.inverse(self.network(self.features(x)))

    @torch.inference_mode()
    def predict(self, x: Array, batch: int = 1024) -> Array:
        """tau_free, shape (N - T + 1, J), for every full window of the features x, shape (N, C)."""
        device = self.torque.mean.device
        rows = torch.as_tensor(x, dtype=torch.float32, device=device).unfold(0, self.config.window, 1)  # (N-T+1, C, T)
        parts = [self(part.transpose(1, 2)).cpu().numpy() for part in rows.split(batch)]
        return np.concatenate(parts).astype(np.float64)
