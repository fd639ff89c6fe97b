"""VA-STA-ResLSTM, the inverse-dynamics network of [1].

Glossary (shapes as in the code; [1] in brackets)
    B, T, C, J      batch, window length [d, s], input features [K], joints = networks [n]
    h               hidden size of the LSTM
    alpha           (J, T*B, C) spatial attention weights, equation (4), algorithm 1
    H               (J, T, B, h) hidden states [output, H], h_n the newest of them
    TA              (J, T, B, h) temporal attention weights, algorithm 3, equation (6)
    VA              (J, B, h) velocity-aware weights, algorithm 2
    TF              (J, B, 2h) fused temporal features, algorithm 2

[1] Huang W, Lin Y, Liu M, Min H (2024). Velocity-aware spatial-temporal attention LSTM model for inverse dynamic model
    learning of manipulators. Front. Neurobot. 18:1353879.

Where [1] leaves a choice open, a field of `NetworkConfig` makes it, and docs/model.md has the figures behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from vastares_ros.core.config import check_ranges
from vastares_ros.core.errors import ConfigError

from .stacked import StackedBatchNorm, StackedLinear, StackedLSTM, StackedMLP

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
}
CHOICES = {
    "spatial_activation": tuple(ACTIVATIONS),
    "temporal_activation": tuple(ACTIVATIONS),
    "temporal": ("none", "hn", "wa", "va"),
    "temporal_axis": ("hidden", "time"),
    "velocity": ("newest", "own", "window"),
    "sigmoid": ("lstm", "residual", "sum"),
}


@dataclass(frozen=True)
class NetworkConfig:
    """The network's shape, and the choices that [1] leaves open.

    Attributes:
        window: samples T the network sees, newest last.
        hidden: hidden size h of the LSTM.
        hidden_layers: hidden layers of both attention MLPs ([1], figure 7: three).
        spatial: spatial attention on or off.
        spatial_activation: activation of its MLP ([1], figure 8: sigmoid).
        residual: residual connection around the LSTM on or off (section 3.1).
        temporal: "va" (velocity-aware fusion), "hn" (TA-hn), "wa" (TA-WA) or "none" (the last hidden state).
        temporal_activation: activation of the temporal MLP ([1], figure 8: selu).
        acceleration: feed qdd besides q and qd.
        temporal_axis: the softmax of algorithm 3 runs over "hidden" units of a step, or over "time".
        velocity: what algorithm 2 sees: the "newest" velocities of all joints, the joint's "own" over the window,
            or all joints' over the "window".
        sigmoid: where section 3.1's sigmoid stands: on the "lstm" output, on the "residual" branch, on their "sum".
        rescale: multiply attention weights that sum to one over n entries by n, so that their mean is one.
    """

    window: int = 32
    hidden: int = 32
    hidden_layers: int = 3
    spatial: bool = True
    spatial_activation: str = "sigmoid"
    residual: bool = True
    temporal: str = "va"
    temporal_activation: str = "selu"
    acceleration: bool = False
    temporal_axis: str = "hidden"
    velocity: str = "newest"
    sigmoid: str = "residual"
    rescale: bool = True

    def __post_init__(self) -> None:
        check_ranges("network", self, window=(2, 1024), hidden=(2, 1024), hidden_layers=(0, 10))
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(f"network.{name} is {getattr(self, name)!r}: use one of {', '.join(allowed)}")


class VaStaResLSTM(nn.Module):
    """J networks of [1], one per joint, in one batched pass. Inputs and outputs are standardised; see `Model`."""

    def __init__(self, joints: int, config: NetworkConfig):
        super().__init__()
        self.config = config
        self.joints = joints
        features = (3 if config.acceleration else 2) * joints  # C
        h = config.hidden
        if config.spatial:
            activation = ACTIVATIONS[config.spatial_activation]()
            self.spatial = StackedMLP(joints, features, config.hidden_layers, activation)
        self.lstm = StackedLSTM(joints, features, h)
        if config.residual:
            self.residual = StackedLinear(joints, features, h)
        self.norm = StackedBatchNorm(joints, h)
        if config.temporal != "none":
            self.temporal = StackedMLP(joints, h, config.hidden_layers, ACTIVATIONS[config.temporal_activation]())
        if config.temporal == "va":
            seen = {"newest": joints, "own": config.window, "window": joints * config.window}[config.velocity]
            self.velocity = StackedLinear(joints, seen, h)
        self.head = StackedLinear(joints, 2 * h if config.temporal == "va" else h, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Standardised torques (B, J) from standardised windows x (B, T, C), newest last."""
        states, _ = self._states(x)  # H (J, T, B, h)
        return self.head(self._fused(x, states)[0]).squeeze(2).T  # (J, B, 1) -> (B, J)

    def attention(self, x: Tensor) -> dict[str, Tensor]:
        """The attention weights for windows x (B, T, C), as [1] draws them in figures 9 to 11.

        Returns:
            Those of `spatial` (J, T, B, C), `temporal` (J, T, B, h) and `velocity` (J, B, h) that the network has.
        """
        states, spatial = self._states(x)
        _, temporal, velocity = self._fused(x, states)
        weights = {"spatial": spatial, "temporal": temporal, "velocity": velocity}
        return {name: weight for name, weight in weights.items() if weight is not None}

    def _states(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Spatial attention and residual LSTM: H (J, T, B, h), and alpha (J, T, B, C) or None."""
        batch, time, features = x.shape
        rows = x.transpose(0, 1).reshape(1, time * batch, features).expand(self.joints, -1, -1)  # (J, T*B, C)
        alpha = None
        if self.config.spatial:
            alpha = self._weights(self.spatial(rows), dim=2)  # equation (4): softmax over the C features
            rows = rows * alpha  # equation (5)
            alpha = alpha.view(self.joints, time, batch, features)
        out = self.lstm(rows.reshape(self.joints, time, batch, features))  # (J, T, B, h)
        out = out.view(self.joints, time * batch, -1)  # (J, T*B, h)
        where = self.config.sigmoid
        if where == "lstm":
            out = out.sigmoid()
        if self.config.residual:
            skip = self.residual(rows)  # (J, T*B, h): the linear layer that matches the sizes
            out = out + (skip.sigmoid() if where == "residual" else skip)
        if where == "sum":
            out = out.sigmoid()
        return self.norm(out).reshape(self.joints, time, batch, -1), alpha

    def _fused(self, x: Tensor, states: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Temporal attention and fusion: what the head sees (J, B, h or 2h), TA and VA."""
        kind = self.config.temporal
        if kind == "none":
            return states[:, -1], None, None
        nets, time, batch, h = states.shape
        scores = self.temporal(states.view(nets, time * batch, h)).view(nets, time, batch, h)  # algorithm 3
        ta = self._weights(scores, dim=3 if self.config.temporal_axis == "hidden" else 1)
        weighted = ta * states  # equation (6): H' (J, T, B, h)
        newest, average = weighted[:, -1], weighted.mean(dim=1)  # TA-hn and TA-WA, figure 4: (J, B, h)
        if kind != "va":
            return newest if kind == "hn" else average, ta, None
        va = self.velocity(self._velocities(x)).softmax(dim=2)  # algorithm 2: (J, B, h)
        vb = 1 - va
        if self.config.rescale:  # of both parts, so that they stay complementary
            va, vb = va * h, vb * (h / (h - 1))
        return torch.cat([va * newest, vb * average], dim=2), ta, va

    def _velocities(self, x: Tensor) -> Tensor:
        """The velocity vector of algorithm 2: (J, B, ·)."""
        qd = x[:, :, self.joints : 2 * self.joints]  # (B, T, J)
        if self.config.velocity == "own":
            return qd.permute(2, 0, 1)  # (J, B, T)
        seen = qd[:, -1] if self.config.velocity == "newest" else qd.flatten(1)  # (B, J) or (B, T*J)
        return seen.expand(self.joints, -1, -1)

    def _weights(self, scores: Tensor, dim: int) -> Tensor:
        """Softmax over `dim`, its mean brought back to one if the config says so."""
        size = scores.shape[dim]
        if dim == scores.dim() - 1:  # torch is nine times slower on a CPU where the last axis is no multiple of 16
            weights = pad(scores, (0, -size % 16), value=-torch.inf).softmax(dim=dim)[..., :size]
        else:
            weights = scores.softmax(dim=dim)
        return weights * size if self.config.rescale else weights
