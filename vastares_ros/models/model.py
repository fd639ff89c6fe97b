# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a deployable model is: features in, contact-free torques out, in the units of the robot.

There is one small class for each kind of model, with one interface: `NetworkModel` and `HybridModel` in `networks`,
`RigidBodyModel` and `ObserverModel` in `rigid_body`. A fifth kind is one more class and a line in `kinds.KINDS`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from vastares_ros.core.samples import Array
from vastares_ros.core.scratch import blocks
from vastares_ros.core.signals import FilterConfig, PhysicsTorque, SignalChain

from .identified_dynamics import IdentifiedDynamics

STATISTICS = 2**18  # rows that statistics are taken of at once


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
        self.fit_parts(x[s] for s in blocks(len(x), STATISTICS))

    def fit_parts(self, parts: Iterable[Array]) -> None:
        """The same of x that comes in parts, each of shape (n, size)."""
        fitted = StandardScaler()
        for part in parts:
            fitted.partial_fit(part)
        self.mean.copy_(torch.as_tensor(fitted.mean_))
        self.scale.copy_(torch.as_tensor(fitted.scale_))

    def forward(self, x: Tensor) -> Tensor:
        """Standardise the last axis."""
        return (x - self.mean) / self.scale

    def inverse(self, z: Tensor) -> Tensor:
        """Return standardised values z, shape (..., size), to the unit of the data, which undoes `forward`."""
        return z * self.scale + self.mean


class Model(nn.Module):
    """The interface of every kind of model.

    Features are positions [rad], velocities [rad/s], accelerations [rad/s²] where the kind takes them, each of J
    joints, and the torque of physics where the kind has some: C in all.

    Attributes:
        kind: name of the kind, as in `bundle.yaml`.
        joints: J.
        config: the method's configuration; its `window` is T.
        n_motion_features: how many of the C features the sensors give.
        feature_scaler: statistics of the features in the training data.
        torque_scaler: statistics of the torque in the training data.
        dynamics: the identified dynamics inside, None where the kind has none.
    """

    kind: ClassVar[str]

    def __init__(self, joints: int, config: Any, acceleration: bool, dynamics: IdentifiedDynamics | None = None):
        super().__init__()
        self.joints = joints
        self.config = config
        self.dynamics = dynamics
        self.n_motion_features = (3 if acceleration else 2) * joints
        self.feature_scaler = Scaler(self.n_motion_features + (joints if dynamics is not None else 0))
        self.torque_scaler = Scaler(joints)

    def physics(self, rate: float) -> PhysicsTorque | None:
        """What computes the torque of physics from samples at `rate` [Hz], with a state of its own; None for none."""
        return None

    def chain(self, rate: float, config: FilterConfig) -> SignalChain:
        """From raw samples at `rate` [Hz] to this model's features, with a state of its own.

        Raises:
            RobotError: physics is needed, and pinocchio is not installed or cannot read the URDF.
        """
        return SignalChain(rate, config, self.n_motion_features == 3 * self.joints, self.physics(rate))

    def forward(self, x: Tensor) -> Tensor:
        """tau_free (B, J) from windows of features x (B, T, C), newest last."""
        raise AssertionError("every kind of model has its own")

    @torch.inference_mode()
    def predict(self, x: Array, batch: int = 1024) -> Array:
        """tau_free, shape (N - T + 1, J), for every full window of the features x, shape (N, C)."""
        device = self.torque_scaler.mean.device
        rows = torch.as_tensor(x, dtype=torch.float32, device=device).unfold(0, self.config.window, 1)  # (N-T+1, C, T)
        parts = [self(part.transpose(1, 2)).cpu().numpy() for part in rows.split(batch)]
        return np.concatenate(parts).astype(np.float64)

    def parts(self, x: Array) -> dict[str, Array]:
        """Torques inside tau_free that are worth a column of their own, shape (N, J) each, for features x (N, C)."""
        return {}

    def attention(self, x: Array) -> dict[str, Tensor]:
        """Attention weights by name for windows of features x (B, T, C); empty where the model has no attention."""
        return {}

    def fit_scalers(self, x: Array, tau: Array) -> None:
        """Take the statistics of training features x, shape (N, C), and torque tau, shape (N, J)."""
        self.feature_scaler.fit(x)
        self.torque_scaler.fit(tau)

    def describe(self) -> dict[str, str]:
        """What the model is, for people: fact -> words."""
        return {}
