"""A deployable model: standardisation as buffers around a network, in the units of the robot."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from vastares_ros.core.samples import Array

from .methods import NETWORKS


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
    """Windows of raw features [rad, rad/s] in, contact-free torques [N·m or A] out."""

    def __init__(self, joints: int, config: Any):
        super().__init__()
        self.joints = joints
        self.config = config  # one of the classes in `methods.NETWORKS`
        self.network = NETWORKS[type(config)](joints, config)
        features = (3 if config.acceleration else 2) * joints
        self.features = Scaler(features)
        self.torque = Scaler(joints)

    def forward(self, x: Tensor) -> Tensor:
        """tau_free (B, J) from windows x (B, T, C), newest last."""
        return self.torque.inverse(self.network(self.features(x)))

    @torch.inference_mode()
    def predict(self, x: Array, batch: int = 1024) -> Array:
        """tau_free, shape (N - T + 1, J), for every full window of the features x, shape (N, C)."""
        device = self.torque.mean.device
        rows = torch.as_tensor(x, dtype=torch.float32, device=device).unfold(0, self.config.window, 1)  # (N-T+1, C, T)
        parts = [self(part.transpose(1, 2)).cpu().numpy() for part in rows.split(batch)]
        return np.concatenate(parts).astype(np.float64)
