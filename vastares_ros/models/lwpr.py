# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Locally weighted projection regression, from the newest sample, learned sample by sample.

After Vijayakumar S, D'Souza A, Schaal S (2005). Incremental online learning in high dimensions. Neural Comput. 17,
2602-2634. Receptive fields with Gaussian kernels cover the inputs; each holds a linear model by partial least squares
with sufficient statistics that forget; a sample that no field answers to becomes the centre of a new one.

Simplified: a field's distance metric is diagonal, and of the paper's gradient it follows the first term, by which a
sample that the field predicts worse than its average narrows the field, and one that it predicts better widens it. The
other terms, on how the regression itself would change, need further statistics and vanish as a field's samples grow in
number. Fields are not pruned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from vastares_ros.core.config import check_ranges
from vastares_ros.core.samples import Array

from .inputs import Inputs

CUTOFF = 1e-3  # activation below which a sample does not concern a field
TINY = 1e-10


@dataclass(frozen=True)
class LwprConfig(Inputs):
    """How the fields are placed and learn; its window is the newest sample.

    Attributes:
        fields: largest number of receptive fields of a joint.
        threshold: a sample that activates no field by more than this becomes the centre of a new field.
        metric: diagonal of the distance metric of a new field over standardised inputs; larger is narrower.
        metric_rate: step of the logarithm of the metric; 0 keeps the metric.
        projections: number of directions of the partial least squares of a field.
        forgetting: factor by which the statistics of a field are multiplied at every sample that activates it.
        passes: number of passes over the samples, in random order.
    """

    window: ClassVar[int] = 1
    fields: int = 300
    threshold: float = 0.2
    metric: float = 1.0
    metric_rate: float = 0.01
    projections: int = 4
    forgetting: float = 0.9999
    passes: int = 3

    def __post_init__(self) -> None:
        check_ranges("network", self, fields=(1, 10_000), threshold=(1e-3, 0.99), metric=(1e-6, 1e6))
        check_ranges("network", self, metric_rate=(0, 1), projections=(1, 100), forgetting=(0.5, 1), passes=(1, 1000))


class Lwpr(nn.Module):
    """J learners, one per joint, that take each sample in together. Learned by `fit` or `learn`, not by gradient.

    Everything that a learner knows is a buffer, joint by joint and field by field, so that one that was stored goes on
    learning where it was. K is the number of fields a joint can have, R that of projections.
    """

    weight: Tensor
    centre: Tensor
    log_metric: Tensor
    slope: Tensor
    intercept: Tensor

    def __init__(self, joints: int, config: LwprConfig):
        super().__init__()
        self.config = config
        features = config.features(joints)  # C
        fields, directions = (joints, config.fields), config.projections
        state = {
            "weight": torch.zeros(fields),  # sum of activations; 0 where there is no field yet
            "centre": torch.zeros(*fields, features),
            "log_metric": torch.full((*fields, features), math.log(config.metric)),
            "mean_x": torch.zeros(*fields, features),
            "mean_y": torch.zeros(fields),
            "direction": torch.zeros(*fields, directions, features),
            "ss": torch.ones(*fields, directions),  # of s squared; the one keeps a field of few samples flat
            "sy": torch.zeros(*fields, directions),  # of s and what is left of y
            "sx": torch.zeros(*fields, directions, features),  # of s and what is left of x
            "error": torch.zeros(fields),  # of the squared residual
            "slope": torch.zeros(*fields, features),  # what it all comes to: a linear model a field
            "intercept": torch.zeros(fields),
        }
        for name, value in state.items():
            self.register_buffer(name, value.double())

    def forward(self, x: Tensor) -> Tensor:
        """Standardised torques (B, J) from standardised windows x (B, 1, C)."""
        rows = x[:, -1].double()
        metric = self.log_metric.exp()  # (J, K, C)
        constant = (metric * self.centre**2).sum(2)[:, None]
        distance = rows**2 @ metric.mT - 2 * rows @ (metric * self.centre).mT + constant  # (J, B, K)
        distance = distance.masked_fill((self.weight == 0)[:, None], torch.finfo(rows.dtype).max)
        share = (-0.5 * distance).softmax(dim=2)  # activation over the sum of all; where all are tiny, the nearest
        local = rows @ self.slope.mT + self.intercept[:, None]
        return (share * local).sum(dim=2).T.to(x.dtype)

    def fit(self, x: Tensor, tau: Tensor) -> None:
        """Learn from standardised samples x (N, C) and torques tau (N, J), several times in random order."""
        for _ in range(self.config.passes):
            order = torch.randperm(len(x)).to(x.device)
            self.learn(x[order], tau[order])

    def learn(self, x: Tensor, tau: Tensor) -> None:
        """Take samples x (N, C) and torques tau (N, J) in, one after the other."""
        state = {name: value.cpu().numpy() for name, value in self.named_buffers()}
        count = (state["weight"] > 0).sum(axis=1)  # (J,)
        for sample, target in zip(x.double().cpu().numpy(), tau.double().cpu().numpy(), strict=True):
            fields = SimpleNamespace(**{name: value[:, : count.max()] for name, value in state.items()})
            activation = _update(fields, sample, target, self.config)
            lonely = (activation.max(axis=1, initial=0) < self.config.threshold) & (count < self.config.fields)
            for joint in np.flatnonzero(lonely):
                new = joint, count[joint]
                state["weight"][new] = 1
                state["centre"][new] = state["mean_x"][new] = sample
                state["mean_y"][new] = target[joint]
                count[joint] += 1
        _condense(SimpleNamespace(**state))
        for name, value in self.named_buffers():
            value.copy_(torch.from_numpy(state[name]))


def _update(f: SimpleNamespace, x: Array, y: Array, config: LwprConfig) -> Array:
    """Let the fields learn one sample, x (C,) and y (J,); their activations (J, k)."""
    metric, offset = np.exp(f.log_metric), np.square(x - f.centre)
    activation = np.exp(-0.5 * (metric * offset).sum(axis=2)) * (f.weight > 0)
    w = np.where(activation > CUTOFF, activation, 0)
    keep = np.where(w > 0, config.forgetting, 1)
    f.weight[:] = keep * f.weight + w
    share = w / np.maximum(f.weight, TINY)
    f.mean_x += share[..., None] * (x - f.mean_x)
    f.mean_y += share * (y[:, None] - f.mean_y)
    left_x, left_y = x - f.mean_x, y[:, None] - f.mean_y
    for r in range(config.projections):
        direction, sx = f.direction[:, :, r], f.sx[:, :, r]
        direction[:] = keep[..., None] * direction + (w * left_y)[..., None] * left_x
        s = (left_x * direction).sum(axis=2) / (np.linalg.norm(direction, axis=2) + TINY)
        ss = f.ss[:, :, r] = keep * f.ss[:, :, r] + w * s**2
        sy = f.sy[:, :, r] = keep * f.sy[:, :, r] + w * s * left_y
        sx[:] = keep[..., None] * sx + (w * s)[..., None] * left_x
        left_y = left_y - s * sy / ss
        left_x = left_x - (s / ss)[..., None] * sx
    f.error[:] = keep * f.error + w * left_y**2
    grown_up = f.weight > 2 * len(x)  # before that, its residuals say nothing
    worse = np.clip(left_y**2 * f.weight / (f.error + TINY) - 1, -1, 3) * grown_up
    f.log_metric += config.metric_rate * (w * worse)[..., None] * metric * offset
    return activation


def _condense(f: SimpleNamespace) -> None:
    """The linear model that each field's projections come to."""
    left = np.broadcast_to(np.eye(f.centre.shape[2]), (*f.centre.shape, f.centre.shape[2]))  # (J, K, C, C): unit inputs
    f.slope[:] = 0
    for r in range(f.ss.shape[2]):
        direction = f.direction[:, :, r] / (np.linalg.norm(f.direction[:, :, r], axis=2, keepdims=True) + TINY)
        s = (left @ direction[..., None])[..., 0] / f.ss[:, :, r, None]  # (J, K, C), of each unit input
        f.slope += s * f.sy[:, :, r, None]
        left = left - s[..., None] * f.sx[:, :, r, None, :]
    f.intercept[:] = f.mean_y - (f.slope * f.mean_x).sum(axis=2)
