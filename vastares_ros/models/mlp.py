# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The multi-layer perceptron that [1] compares with: torque from the newest sample alone, without memory.

After Yilmaz N, Wu J Y, Kazanzides P, Tumerdem U (2020). Neural network based inverse dynamics identification and
external force estimation on the da Vinci Research Kit. ICRA, 1387-1393.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from vastares_ros.core.config import check_ranges

from .inputs import Inputs
from .stacked import StackedLinear, for_each


@dataclass(frozen=True)
class MlpConfig(Inputs):
    """The perceptron's shape; its window is the newest sample.

    Attributes:
        hidden: units of a hidden layer, 1 to 4096.
        layers: number of hidden layers, 1 to 10.
    """

    window: ClassVar[int] = 1
    hidden: int = 64
    layers: int = 2

    def __post_init__(self) -> None:
        check_ranges("network", self, hidden=(1, 4096), layers=(1, 10))


class Mlp(nn.Module):
    """J perceptrons, one per joint, in one batched pass. Inputs and outputs are standardised; see `Model`."""

    def __init__(self, joints: int, config: MlpConfig, seeds: int = 1):
        super().__init__()
        self.nets = seeds * joints  # J
        sizes = [config.features(joints), *[config.hidden] * config.layers, 1]
        self.layers = nn.ModuleList(StackedLinear(self.nets, a, b) for a, b in pairwise(sizes))

    def forward(self, x: Tensor) -> Tensor:
        """Standardised torques (B, J) from standardised windows x (B, 1, C) or (S, B, 1, C)."""
        rows = for_each(self.nets, x[..., -1:, :]).flatten(1, 2)  # (J, B, C)
        for layer in self.layers[:-1]:
            rows = layer(rows).relu()
        return self.layers[-1](rows).squeeze(2).T  # (J, B, 1) -> (B, J)
