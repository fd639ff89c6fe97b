# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
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

Where [1] leaves a choice open, a field of `NetworkConfig` makes it (docs/explanation/model.md has figures).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import elu_, pad

from vastares_ros.core.config import check_ranges
from vastares_ros.core.errors import ConfigError

from . import panels
from .inputs import Inputs
from .stacked import StackedBatchNorm, StackedLinear, StackedLSTM, StackedMLP, for_each

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {  # in place: their gradients need the output alone
    "sigmoid": torch.sigmoid_,
    "tanh": torch.tanh_,
    "relu": torch.relu_,
    "elu": elu_,
    "selu": torch.selu_,
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
class NetworkConfig(Inputs):
    """The network's shape, and the choices that [1] leaves open.

    Attributes:
        window: samples T in the window, newest last, 2 to 1024.
        hidden: hidden size h of the LSTM, 2 to 1024.
        hidden_layers: hidden layers of both attention MLPs, 0 to 10 ([1], figure 7: 3).
        spatial: whether there is spatial attention over positions and velocities.
        spatial_activation: activation of its MLP: sigmoid, tanh, relu, elu or selu ([1], figure 8: sigmoid).
        residual: whether there is a residual connection around the LSTM ([1], section 3.1).
        temporal: va (velocity-aware fusion), hn (TA-hn), wa (TA-WA) or none (the last hidden state).
        temporal_activation: activation of the temporal MLP: sigmoid, tanh, relu, elu or selu ([1], figure 8: selu).
        temporal_axis: axis of the softmax of the temporal attention (algorithm 3): hidden (units of a step) or time.
        velocity: input of the fusion (algorithm 2): newest (the newest velocities of all joints), own (those of the
            joint over the window) or window (those of all joints over the window).
        sigmoid: place of the sigmoid of section 3.1: lstm (its output), residual (the branch) or sum.
        rescale: whether attention weights, which sum to one, are multiplied by their number, so that their mean is one.
    """

    window: int = 32
    hidden: int = 32
    hidden_layers: int = 3
    spatial: bool = True
    spatial_activation: str = "sigmoid"
    residual: bool = True
    temporal: str = "va"
    temporal_activation: str = "selu"
    temporal_axis: str = "hidden"
    velocity: str = "newest"
    sigmoid: str = "residual"
    rescale: bool = True

    def __post_init__(self) -> None:
        check_ranges("network", self, window=(2, 1024), hidden=(2, 1024), hidden_layers=(0, 10))
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(
                    f"network.{name} is {getattr(self, name)!r}: use one of {', '.join(allowed)}",
                    field=f"network.{name}",
                    value=getattr(self, name),
                )


class VaStaResLSTM(nn.Module):
    """J networks of [1], one per joint, in one batched pass. Inputs and outputs are standardised; see `Model`."""

    def __init__(self, joints: int, config: NetworkConfig, seeds: int = 1):
        super().__init__()
        self.config = config
        self.joints = joints
        self.nets = nets = seeds * joints  # J
        features = config.features(joints)  # C
        h = config.hidden
        if config.spatial:
            activation = ACTIVATIONS[config.spatial_activation]
            self.spatial = StackedMLP(nets, features, config.hidden_layers, activation)
        self.lstm = StackedLSTM(nets, features, h)
        if config.residual:
            self.residual = StackedLinear(nets, features, h)
        self.norm = StackedBatchNorm(nets, h)
        if config.temporal != "none":
            self.temporal = StackedMLP(nets, h, config.hidden_layers, ACTIVATIONS[config.temporal_activation])
        if config.temporal == "va":
            seen = {"newest": joints, "own": config.window, "window": joints * config.window}[config.velocity]
            self.velocity = StackedLinear(nets, seen, h)
        self.head = StackedLinear(nets, 2 * h if config.temporal == "va" else h, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Standardised torques (B, J) from standardised windows x (B, T, C) or (S, B, T, C), newest last."""
        if self.training and self._compiled and panels.usable(x):
            fused = self._by_panels(x)
        else:
            states, _ = self._states(x)  # H (J, T, B, h)
            fused = self._fused(x, states)[0]
        return self.head(fused).squeeze(2).T  # (J, B, 1) -> (B, J)

    def attention(self, x: Tensor) -> dict[str, Tensor]:
        """The attention weights for windows x (B, T, C), as [1] draws them in figures 9 to 11.

        Returns:
            Those of `spatial` (J, T, B, C), `temporal` (J, T, B, h) and `velocity` (J, B, h) that the network has; with
            `rescale`, as they act.
        """
        states, alpha = self._states(x)
        _, ta, va = self._fused(x, states)
        weights = {}
        if alpha is not None:
            alpha = alpha.reshape(self.nets, x.shape[1], x.shape[0], -1)
            weights["spatial"] = alpha * self._scale(alpha.shape[3])
        if ta is not None:
            weights["temporal"] = ta * self._scale(ta.shape[self._temporal_dim])
        if va is not None:
            weights["velocity"] = va * self._scale(va.shape[2])
        return weights

    def _states(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Spatial attention and residual LSTM: H (J, T, B, h), and alpha (J, T*B, C) or None."""
        batch, time, features = x.shape[-3:]
        rows = for_each(self.nets, x.transpose(-3, -2).contiguous()).view(self.nets, time * batch, features)
        alpha = None
        if self.config.spatial:
            alpha = softmax(self.spatial(rows))  # equation (4): over the C features
            rows = rows * alpha * self._scale(features)  # equation (5): (J, T*B, C)
        out = self.lstm(rows.view(self.nets, time, batch, features))  # (J, T, B, h)
        out = out.view(self.nets, time * batch, -1)  # (J, T*B, h)
        where = self.config.sigmoid
        if where == "lstm":
            out = out.sigmoid()
        if self.config.residual:
            skip = self.residual(rows)  # (J, T*B, h): the linear layer that matches the sizes
            out = out + (skip.sigmoid_() if where == "residual" else skip)
        if where == "sum":
            out = out.sigmoid()
        return self.norm(out).view(self.nets, time, batch, -1), alpha

    def _fused(self, x: Tensor, states: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Temporal attention and fusion: what the head sees (J, B, h or 2h), TA and VA."""
        if self.config.temporal == "none":
            return states[:, -1], None, None
        nets, time, batch, h = states.shape
        scores = self.temporal(states.view(nets, time * batch, h)).view(nets, time, batch, h)  # algorithm 3
        ta = softmax(scores) if self._temporal_dim == 3 else scores.softmax(1)
        weighted = ta * states  # equation (6): H' (J, T, B, h)
        scale = self._scale(ta.shape[self._temporal_dim])  # of TA, applied where there is less to multiply
        newest, average = scale * weighted[:, -1], scale * weighted.mean(dim=1)  # TA-hn and TA-WA, figure 4: (J, B, h)
        fused, va = self._mixed(x, newest, average)
        return fused, ta, va

    def _mixed(self, x: Tensor, newest: Tensor, average: Tensor) -> tuple[Tensor, Tensor | None]:
        """Fusion of TA-hn and TA-WA (J, B, h): what the head sees (J, B, h or 2h), and VA."""
        if self.config.temporal != "va":
            return newest if self.config.temporal == "hn" else average, None
        h = self.config.hidden
        va = self.velocity(self._velocities(x)).softmax(dim=2)  # algorithm 2: (J, B, h)
        vb = 1 - va
        to_va, to_vb = (h, h / (h - 1)) if self.config.rescale else (1, 1)  # both, so that they stay complementary
        return torch.cat([to_va * va * newest, to_vb * vb * average], dim=2), va

    @property
    def _compiled(self) -> bool:
        """Whether `_by_panels` has what the config asks for."""
        c = self.config
        return c.residual and c.sigmoid == "residual" and (c.temporal == "none" or c.temporal_axis == "hidden")

    def _by_panels(self, x: Tensor) -> Tensor:
        """What the head sees (J, B, h or 2h), in training, by compiled kernels: `_states` and `_fused` in one."""
        c, (batch, time, features) = self.config, x.shape[-3:]
        rows = panels.panels(x.transpose(-3, -2) if x.dim() == 4 else x.transpose(-3, -2)[None])  # (S, T, C, W)
        if c.spatial:
            rows = panels.attend(
                rows, list(self.spatial.parameters()), c.spatial_activation, self._scale(features), False, self.nets
            )
        else:
            rows = rows.repeat_interleave(self.nets // len(rows), dim=0)
        lstm, skip, norm = self.lstm, self.residual, self.norm
        hidden = panels.lstm(rows, lstm.weight_input, lstm.weight_hidden, lstm.bias)
        states, mean, var = panels.join(
            rows, hidden, skip.weight, skip.bias, norm.weight, norm.bias, windows=batch, eps=norm.eps
        )
        norm.track(mean, var, time * batch)
        if c.temporal == "none":
            return states[:, -1, :, :batch].mT
        pooled = panels.attend(
            states, list(self.temporal.parameters()), c.temporal_activation, self._scale(c.hidden), True, self.nets
        )
        newest, average = pooled[..., :batch].mT.unbind(1)  # TA-hn and TA-WA
        return self._mixed(x, newest, average)[0]

    def _velocities(self, x: Tensor) -> Tensor:
        """The velocity vector of algorithm 2: (J, B, ·)."""
        qd = x[..., self.joints : 2 * self.joints]  # (B, T, joints) or (S, B, T, joints)
        if self.config.velocity == "own":
            own = qd.movedim(-1, -3)  # (joints, B, T) or (S, joints, B, T)
            return own.flatten(0, 1) if x.dim() == 4 else own.repeat(self.nets // self.joints, 1, 1)
        if self.config.velocity == "newest":
            return for_each(self.nets, qd[..., -1:, :]).flatten(2)  # (J, B, joints)
        return for_each(self.nets, qd).flatten(2)  # (J, B, T*joints)

    @property
    def _temporal_dim(self) -> int:
        """Axis of (J, T, B, h) that the softmax of algorithm 3 runs over."""
        return 3 if self.config.temporal_axis == "hidden" else 1

    def _scale(self, size: int) -> int:
        """Brings the mean of `size` weights that sum to one back to one, if the config says so."""
        return size if self.config.rescale else 1


def softmax(scores: Tensor) -> Tensor:
    """Softmax over the last axis; torch is nine times slower on a CPU where that is no multiple of 16."""
    size = scores.shape[-1]
    return pad(scores, (0, -size % 16), value=-torch.inf).softmax(dim=-1)[..., :size]
