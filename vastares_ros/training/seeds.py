# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One seed among several that are trained in one batched pass."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from vastares_ros.core.errors import ConfigError

from .config import TrainConfig

SHUFFLED = 2**22  # windows; more are not shuffled at once
RUN = 256  # neighbours that then stay together at first
GROUP = 2**18  # windows that are then shuffled together


class SeedRun:
    """One seed of a stack: its part of every parameter, with an optimiser and a schedule of its own."""

    def __init__(self, network: nn.Module, seed: int, part: int, joints: int, config: TrainConfig):
        self.part, self.nets = part, slice(part * joints, (part + 1) * joints)
        self.error: ConfigError | None = None
        self.ended = False
        self._seed, self._config = seed, config
        parameters = []
        for whole in network.parameters():
            if whole.grad is None:
                whole.grad = torch.zeros_like(whole)
            own = nn.Parameter(whole.data[self.nets])  # the same memory
            own.grad = whole.grad[self.nets]
            parameters.append(own)
        self.optimiser = torch.optim.AdamW(
            parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser, factor=config.plateau_factor, patience=config.plateau_patience, min_lr=1e-5
        )

    @property
    def learning_rate(self) -> float:
        """The present learning rate of Adam."""
        return float(self.plateau.get_last_lr()[0])

    def batches(self, windows: int, epoch: int) -> Iterator[Tensor]:
        """Which windows an epoch takes, in parts of (steps, B); there is one part up to `SHUFFLED` windows.

        More windows are taken in runs of `RUN` neighbours: the runs are shuffled, and then the windows of as many runs
        as make `GROUP` windows. So the order takes no memory, and a group touches few pages of a file.
        """
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + epoch)
        if windows <= SHUFFLED:
            yield self._in_batches(torch.randperm(windows, generator=generator)[: self._config.epoch_windows])
            return
        left = min(windows, self._config.epoch_windows)
        for runs in torch.randperm(-(-windows // RUN), generator=generator).split(GROUP // RUN):
            order = (runs[:, None] * RUN + torch.arange(RUN)).flatten()
            order = order[order < windows]
            order = order[torch.randperm(len(order), generator=generator)[:left]]
            yield self._in_batches(order)
            left -= len(order)
            if not left:
                return

    def _in_batches(self, order: Tensor) -> Tensor:
        size = min(self._config.batch, len(order))
        return order[: len(order) // size * size].view(-1, size)

    def step(self) -> None:
        """Take a step of Adam, unless this seed has come to its end."""
        if not self.ended:
            self.optimiser.step()

    def after_epoch(self, epoch: int, loss: float, best: Tensor | None) -> None:
        """Schedule the rate by the training loss; end if it is no number, or where validation stands still.

        Args:
            epoch: the one that ended.
            loss: of training, averaged over joints.
            best: best epochs of the joints, where there is validation.
        """
        if self.ended:
            return
        if not math.isfinite(loss):
            self.error = ConfigError(f"training diverged in epoch {epoch + 1} (loss {loss}): lower learning_rate")
            self.ended = True
            return
        self.plateau.step(loss)
        self.ended = best is not None and epoch - int(best.max()) >= self._config.early_stopping
