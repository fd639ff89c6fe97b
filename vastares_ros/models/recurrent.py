# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""LSTM, GRU and RNN, the recurrent networks that [1] compares with: one layer over the window, a linear head."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from vastares_ros.core.config import check_ranges
from vastares_ros.core.errors import ConfigError

from .inputs import Inputs
from .stacked import StackedGRU, StackedLinear, StackedLSTM, StackedRNN, for_each

LAYERS: dict[str, type[StackedLSTM] | type[StackedGRU] | type[StackedRNN]] = {
    "lstm": StackedLSTM,
    "gru": StackedGRU,
    "rnn": StackedRNN,
}


@dataclass(frozen=True)
class RecurrentConfig(Inputs):
    """A recurrent network's shape.

    Attributes:
        window: samples T in the window, newest last, 2 to 1024.
        hidden: hidden size of the layer, 1 to 1024.
        kind: lstm, gru or rnn (tanh); given by the method.
    """

    window: int = 32
    hidden: int = 32
    kind: str = "lstm"

    def __post_init__(self) -> None:
        check_ranges("network", self, window=(2, 1024), hidden=(1, 1024))
        if self.kind not in LAYERS:
            raise ConfigError(
                f"network.kind is {self.kind!r}: use one of {', '.join(LAYERS)}", field="network.kind", value=self.kind
            )


class Recurrent(nn.Module):
    """J recurrent networks, one per joint, in one batched pass. Inputs and outputs are standardised; see `Model`."""

    def __init__(self, joints: int, config: RecurrentConfig, seeds: int = 1):
        super().__init__()
        self.nets = seeds * joints  # J
        features = config.features(joints)  # C
        self.layer = LAYERS[config.kind](self.nets, features, config.hidden)
        self.head = StackedLinear(self.nets, config.hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Standardised torques (B, J) from standardised windows x (B, T, C) or (S, B, T, C), newest last."""
        states = self.layer(for_each(self.nets, x.transpose(-3, -2)))  # (J, T, B, h)
        return self.head(states[:, -1]).squeeze(2).T  # (J, B, 1) -> (B, J)
