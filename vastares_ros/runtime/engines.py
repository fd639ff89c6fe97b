# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What computes the torque of a model from a window of features, one sample after the other.

An engine holds the window. To push a sample costs little; to ask for the torque runs the network. All engines give the
same torque: that of torch, which runs every model on every device, is the reference.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

from vastares_ros.core.samples import Array
from vastares_ros.models.model import Model

from .device import one_thread


class Engine(Protocol):
    """The interface of every engine, for a model of J joints with C features and windows of T samples."""

    name: str

    def push(self, x: Array) -> None:
        """Let the window slide on by one sample with these features, shape (C,)."""

    def torque(self) -> Array:
        """The model's torque tau_free, shape (J,) [N·m or A]; at least T samples were pushed before."""


class TorchEngine:
    """Runs any model by torch, on any device.

    It runs on one thread, whatever the number of threads of the process, which it leaves as it was: one window is too
    little work to share, and sharing it between busy cores costs up to a hundred times as much. A caller need not set
    anything, and gets the same bits with any number of threads.

    Attributes:
        name: of the engine, with the version of torch.
    """

    def __init__(self, model: Model, device: torch.device | None = None):
        """Run `model` on `device`, the CPU where none is given."""
        self.name = f"torch {torch.__version__}"
        self._device = device or torch.device("cpu")
        self._model = model.to(self._device).eval()
        self._window = np.zeros((model.config.window, model.feature_scaler.mean.numel()), dtype=np.float32)

    def push(self, x: Array) -> None:
        """Let the window slide on by one sample with these features, shape (C,)."""
        self._window[:-1] = self._window[1:]  # newest last
        self._window[-1] = x

    @torch.inference_mode()
    def torque(self) -> Array:
        """The model's torque tau_free, shape (J,) [N·m or A]."""
        with one_thread():
            window = torch.from_numpy(self._window[None]).to(self._device)  # (1, T, C)
            torque: Array = self._model(window)[0].cpu().numpy().astype(np.float64)
            return torque
