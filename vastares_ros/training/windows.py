# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""All windows of some episodes, cut when a training step asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from vastares_ros.core.errors import DatasetError
from vastares_ros.core.samples import Episode
from vastares_ros.core.scratch import blocks, empty, release
from vastares_ros.core.signals import FilterConfig
from vastares_ros.models.networks import LearningModel

from .filtered import filtered

ON_DEVICE = 2**31  # bytes: larger arrays do not go to a GPU whole
TOUCHED = 2**16  # windows after which pages of a file are handed back


class Windows:
    """All windows of some episodes on a device, cut when they are asked for; none spans two episodes.

    Where there are many samples, arrays are in files, and batches alone are in memory and on the device.

    Attributes:
        x: features of all samples, shape (N, C).
        tau: filtered torque, shape (N, J).
        device: where batches come, after `to`.
    """

    def __init__(self, episodes: Sequence[Episode], rate: float, filter_config: FilterConfig, model: LearningModel):
        """Filter the episodes sampled at `rate` [Hz] by the signal chain of a model, whose scalers do not count yet.

        Raises:
            DatasetError: no episode is as long as a window.
        """
        length = model.config.window
        usable = [e for e in episodes if len(e) >= length]
        if not usable:
            longest = max((len(e) for e in episodes), default=0)
            raise DatasetError(
                f"too short: the longest of {len(episodes)} episodes has {longest} samples, a window takes {length}. "
                f"Record more, or make network.window smaller",
                field="network.window",
                value=longest,
                lower=length,
            )
        self.x, self.tau = filtered(model.chain(rate, filter_config), usable)
        counts = np.array([len(e) - length + 1 for e in usable])
        self._ends = torch.as_tensor(np.cumsum(counts))  # of the windows of each episode
        self._steps = torch.arange(length)
        self._touched = 0

    def to(self, model: LearningModel) -> Windows:
        """Standardise by the model's scalers and move to its device; what is too large for it stays in a file."""
        self.device = model.torque_scaler.mean.device
        inputs = model.inputs(torch.zeros(1, self.x.shape[1], device=self.device)).shape[1]
        widths = (inputs, self.tau.shape[1])
        whole = self.device.type != "cpu" and 4 * len(self.x) * sum(widths) <= ON_DEVICE
        self._x, self._tau = (self._room(width, whole) for width in widths)
        for s in blocks(len(self.x)):
            x, tau = self.x[s], self.tau[s]
            target = model.target(x, tau)
            self._x[s] = model.inputs(torch.as_tensor(x, dtype=torch.float32, device=self.device))
            self._tau[s] = model.target_scaler(torch.as_tensor(target, dtype=torch.float32, device=self.device))
        held_by = self._x.device
        self._ends, self._steps = self._ends.to(held_by), self._steps.to(held_by)
        return self

    def __len__(self) -> int:
        return int(self._ends[-1])

    def in_order(self, size: int = 1024) -> Iterator[Tensor]:
        """All windows once, in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield torch.arange(start, min(start + size, len(self)), device=self.device)

    def take(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised windows (…, T, C) and the torques (…, J) at their newest samples, for `which` of any shape."""
        which = which.to(self._ends.device)
        before = torch.bucketize(which, self._ends, right=True)  # episodes, each of which has T - 1 windows too few
        rows = (which + before * (len(self._steps) - 1))[..., None] + self._steps
        taken = self._x[rows].to(self.device), self._tau[rows[..., -1]].to(self.device)
        self._touched += which.numel()
        if self._touched > TOUCHED:
            release()
            self._touched = 0
        return taken

    def _room(self, width: int, on_device: bool) -> Tensor:
        """A tensor (N, width) for all samples: on the device, or in memory or a file, see `core.scratch`."""
        shape = (len(self.x), width)
        return (
            torch.empty(shape, device=self.device)
            if on_device
            else torch.from_numpy(empty(shape, np.float32, scattered=True))
        )
