# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The transformer that [1] compares with: an encoder over the window, a linear head on its newest position.

After the time-series transformer of Çallar T C, Böttger S (2022). Hybrid learning of time-series inverse dynamics
models for locally isotropic robot motion. IEEE Robot. Autom. Lett. 8, 1061-1068; without their rigid-body model and
their encoding of rotational history, so that it sees what the other methods see. The layers normalise before
attention and feed-forward part, not after, since that trains without a warm-up of the rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from vastares_ros.core.config import check_ranges
from vastares_ros.core.errors import ConfigError

from .inputs import Inputs
from .stacked import StackedLayerNorm, StackedLinear, for_each


@dataclass(frozen=True)
class TransformerConfig(Inputs):
    """The encoder's shape.

    Attributes:
        window: samples T in the window, newest last, 2 to 1024.
        width: size of a sample's embedding, a multiple of twice `heads`.
        heads: number of attention heads, 1 to 64; they share the width.
        layers: number of encoder layers, 1 to 12.
        feedforward: units of the feed-forward part of a layer, 1 to 4096.
    """

    window: int = 32
    width: int = 32
    heads: int = 4
    layers: int = 2
    feedforward: int = 64

    def __post_init__(self) -> None:
        check_ranges("network", self, window=(2, 1024), width=(2, 1024), heads=(1, 64), layers=(1, 12))
        check_ranges("network", self, feedforward=(1, 4096))
        if self.width % (2 * self.heads):
            raise ConfigError(
                f"network.width is {self.width}: use a multiple of twice network.heads, {2 * self.heads}",
                field="network.width",
                value=self.width,
                lower=2 * self.heads,
            )


class Transformer(nn.Module):
    """J encoders, one per joint, in one batched pass. Inputs and outputs are standardised; see `Model`."""

    positions: Tensor

    def __init__(self, joints: int, config: TransformerConfig, seeds: int = 1):
        super().__init__()
        self.nets = nets = seeds * joints  # J
        self.embedding = StackedLinear(nets, config.features(joints), config.width)
        self.register_buffer("positions", sinusoids(config.window, config.width), persistent=False)
        self.layers = nn.ModuleList(EncoderLayer(nets, config) for _ in range(config.layers))
        self.norm = StackedLayerNorm(nets, config.width)
        self.head = StackedLinear(nets, config.width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Standardised torques (B, J) from standardised windows x (B, T, C) or (S, B, T, C), newest last."""
        batch, time = x.shape[-3:-1]
        rows = self.embedding(for_each(self.nets, x.contiguous()).flatten(1, 2))  # (J, B*T, width)
        states = rows.view(self.nets, batch, time, -1) + self.positions
        for layer in self.layers[:-1]:
            states = layer(states, time)
        newest = self.layers[-1](states, 1)[:, :, 0]  # all that the head reads
        return self.head(self.norm(newest)).squeeze(2).T  # (J, B, 1) -> (B, J)


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward part, each normalised before and added to its input."""

    def __init__(self, nets: int, config: TransformerConfig):
        super().__init__()
        self.heads = config.heads
        self.attention_norm = StackedLayerNorm(nets, config.width)
        self.queries = StackedLinear(nets, config.width, config.width)
        self.keys = StackedLinear(nets, config.width, config.width)
        self.values = StackedLinear(nets, config.width, config.width)
        self.merge = StackedLinear(nets, config.width, config.width)
        self.forward_norm = StackedLayerNorm(nets, config.width)
        self.widen = StackedLinear(nets, config.width, config.feedforward)
        self.narrow = StackedLinear(nets, config.feedforward, config.width)

    def forward(self, states: Tensor, newest: int) -> Tensor:
        """States of the `newest` samples (J, B, newest, width) from all (J, B, T, width), which they attend to."""
        nets, batch, time, width = states.shape
        normed = self.attention_norm(states.view(nets, batch * time, width))
        asking = normed.view(states.shape)[:, :, -newest:].reshape(nets, batch * newest, width)

        def heads(rows: Tensor) -> Tensor:  # (J, B*., width) -> (J*B, heads, ., width / heads)
            return rows.view(nets * batch, -1, self.heads, width // self.heads).transpose(1, 2)

        queries, keys, values = heads(self.queries(asking)), heads(self.keys(normed)), heads(self.values(normed))
        seen = scaled_dot_product_attention(queries, keys, values).transpose(1, 2)
        rows = states[:, :, -newest:].reshape(nets, batch * newest, width)
        rows = rows + self.merge(seen.reshape(nets, batch * newest, width))
        rows = rows + self.narrow(self.widen(self.forward_norm(rows)).relu())
        return rows.view(nets, batch, newest, width)


def sinusoids(time: int, width: int) -> Tensor:
    """The positional encoding of Vaswani et al. (2017): (T, width), sines first."""
    places, halves = torch.arange(time, device="cpu"), torch.arange(width // 2, device="cpu")  # real on "meta", too
    rates = torch.exp(halves * (-2 * math.log(10_000.0) / width))
    angles = places[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
