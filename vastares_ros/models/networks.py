# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Models with a network: one that learns all of the torque, and a hybrid that learns what physics leaves."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vastares_ros.core.samples import Array
from vastares_ros.core.scratch import blocks
from vastares_ros.physics.rigid_body import RigidBodyTorque

from .identified_dynamics import IdentifiedDynamics
from .methods import NETWORKS
from .model import STATISTICS, Model, Scaler
from .va_sta_reslstm import VaStaResLSTM


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


class LearningModel(Model):
    """The interface of the kinds that have a network.

    Attributes:
        network: maps standardised windows (B, T, C) to what it learns (B, J), standardised by `target_scaler`.
    """

    network: nn.Module

    @property
    def target_scaler(self) -> Scaler:
        """Statistics of what the network learns."""
        raise AssertionError("every kind of model has its own")

    def target(self, x: Array, tau: Array) -> Array:
        """What the network is to learn of the torque tau (N, J) at features x (N, C), shape (N, J)."""
        raise AssertionError("every kind of model has its own")

    def inputs(self, x: Tensor) -> Tensor:
        """What the network sees of features x (..., C), standardised."""
        raise AssertionError("every kind of model has its own")

    @torch.inference_mode()
    def attention(self, x: Array) -> dict[str, Tensor]:
        """Attention weights of the network for windows of features x (B, T, C), see `VaStaResLSTM.attention`."""
        if not isinstance(self.network, VaStaResLSTM):
            return {}
        return self.network.attention(self.inputs(torch.as_tensor(x, dtype=torch.float32)))


class NetworkModel(LearningModel):
    """A network per joint that learns all of the torque.

    Attributes:
        network: maps standardised windows (B, T, C) to standardised torques (B, J).
        correction: what `vastares adapt` added, None where it did not.
    """

    kind = "network"

    def __init__(self, joints: int, config: Any):
        super().__init__(joints, config, config.acceleration)
        self.network = NETWORKS[type(config)](joints, config)
        self.correction: Correction | None = None

    @property
    def target_scaler(self) -> Scaler:
        """Statistics of what the network learns."""
        return self.torque_scaler

    def target(self, x: Array, tau: Array) -> Array:
        """What the network is to learn of the torque tau (N, J) of features x (N, C): all of it, shape (N, J)."""
        return tau

    def inputs(self, x: Tensor) -> Tensor:
        """What the network sees of features x (..., C), standardised."""
        return self.feature_scaler(x)

    def forward(self, x: Tensor) -> Tensor:
        """tau_free (B, J) from windows of features x (B, T, C), newest last."""
        tau = self.torque_scaler.inverse(self.network(self.inputs(x)))
        return tau if self.correction is None else tau + self.correction(x[:, -1, : self.joints])

    def describe(self) -> dict[str, str]:
        """What the model is, for people."""
        return {} if self.correction is None else {"correction": "by joint position, from `vastares adapt`"}


class HybridModel(LearningModel):
    """Identified dynamics, and a network per joint that adds what they leave.

    Attributes:
        dynamics: the identified dynamics; their torque is the last J of the features.
        network: maps what it sees of the standardised windows to the standardised remainder (B, J).
        residual_scaler: statistics of the remainder.
        gate: share of the network's part that is added, shape (J,); 0 where it does not help.
    """

    kind = "hybrid"
    gate: Tensor
    dynamics: IdentifiedDynamics

    def __init__(self, joints: int, config: Any, dynamics: IdentifiedDynamics):
        super().__init__(joints, config, acceleration=True, dynamics=dynamics)
        self.network = NETWORKS[type(config)](joints, config)
        self.residual_scaler = Scaler(joints)
        self.register_buffer("gate", torch.ones(joints))

    @property
    def target_scaler(self) -> Scaler:
        """Statistics of what the network learns."""
        return self.residual_scaler

    def physics(self, rate: float) -> RigidBodyTorque:
        """The rigid-body torque with a state of its own."""
        return self.dynamics.torque(rate)

    def target(self, x: Array, tau: Array) -> Array:
        """What the network is to learn of the torque tau (N, J) of features x (N, C): what physics leaves, (N, J)."""
        return tau - x[:, self.n_motion_features :]

    def inputs(self, x: Tensor) -> Tensor:
        """What the network sees of features x (..., C), standardised."""
        x = self.feature_scaler(x)
        seen = [x[..., : (3 if self.config.acceleration else 2) * self.joints]]
        if self.config.rigid_body_torque:
            seen.append(x[..., self.n_motion_features :])
        return torch.cat(seen, dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        """tau_free (B, J) from windows of features x (B, T, C), newest last."""
        known = x[:, -1, self.n_motion_features :]
        return known + self.gate * self.residual_scaler.inverse(self.network(self.inputs(x)))

    def parts(self, x: Array) -> dict[str, Array]:
        """The torque of the identified dynamics alone."""
        return {"rigid body": x[:, self.n_motion_features :]}

    def fit_scalers(self, x: Array, tau: Array) -> None:
        """Take the statistics of training features x, shape (N, C), and torque tau, shape (N, J)."""
        super().fit_scalers(x, tau)
        self.residual_scaler.fit_parts(self.target(x[s], tau[s]) for s in blocks(len(x), STATISTICS))

    def describe(self) -> dict[str, str]:
        """What the model is, for people."""
        gates = ", ".join(f"{g:.2f}" for g in self.gate.tolist())
        return {"rigid-body model": self.dynamics.describe(), "gate of the network": gates}
