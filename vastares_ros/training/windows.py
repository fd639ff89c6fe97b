# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""All windows of some episodes, cut when a training step asks for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vastares_ros.core.errors import DatasetError
from vastares_ros.core.samples import Episode
from vastares_ros.core.signals import FilterConfig
from vastares_ros.models.networks import LearningModel


class Windows:
    """All windows of some episodes on a device, cut when they are asked for; none spans two episodes.

    Attributes:
        x: features of all samples, shape (N, C).
        tau: filtered torque, shape (N, J).
        target: what the network of a model is to learn of it, shape (N, J).
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
        chain = model.chain(rate, filter_config)
        parts = [chain.run_afresh(e) for e in usable]
        self.x = np.concatenate([x for x, _ in parts])
        self.tau = np.concatenate([tau for _, tau in parts])
        self.target = model.target(self.x, self.tau)
        starts = np.cumsum([0, *(len(e) for e in usable[:-1])])
        first = [np.arange(start, start + len(e) - length + 1) for start, e in zip(starts, usable, strict=True)]
        self.first = torch.as_tensor(np.concatenate(first))
        self._steps = torch.arange(length)

    def to(self, model: LearningModel) -> Windows:
        """Standardise by the model's scalers and move to its device."""
        device = model.torque_scaler.mean.device
        self._x = model.inputs(torch.as_tensor(self.x, dtype=torch.float32, device=device))
        self._tau = model.target_scaler(torch.as_tensor(self.target, dtype=torch.float32, device=device))
        self.first, self._steps = self.first.to(device), self._steps.to(device)
        return self

    def __len__(self) -> int:
        return len(self.first)

    def take(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised windows (…, T, C) and the torques (…, J) at their newest samples, for `which` of any shape."""
        rows = self.first[which][..., None] + self._steps
        return self._x[rows], self._tau[rows[..., -1]]
