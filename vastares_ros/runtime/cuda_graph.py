# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The engine of a captured pass: on a GPU, a tick is one launch of a CUDA graph instead of hundreds of kernels."""

from __future__ import annotations

import numpy as np
import torch

from vastares_ros.core.samples import Array
from vastares_ros.models.model import Model

from .engines import TorchEngine

WARM_UP = 3  # passes before the capture, in which the libraries of CUDA set themselves up


class CudaGraphEngine(TorchEngine):
    """Runs a model whose torque is one pass of torch on a GPU, captured once.

    The graph holds the copy of the window to the GPU, the pass, and the copy of the torque back. Every launch reads and
    writes the same memory; that of the host is pinned, so that the GPU copies by itself. Hence the window slides within
    its memory, which takes 1 µs: a ring would begin elsewhere at every tick, which costs a copy outside of the graph.

    Attributes:
        name: of the engine, with the version of torch.
        note: why a quicker engine does not run, where one was wished for; else empty.
    """

    def __init__(self, model: Model, device: torch.device):
        """Capture the pass of `model` on `device`.

        Raises:
            RuntimeError: torch or CUDA cannot capture it.
        """
        super().__init__(model, device)
        self.name += ", CUDA graph"
        window = torch.zeros(self._window.shape, pin_memory=True)  # (T, C)
        torque = torch.zeros(model.joints, pin_memory=True)  # (J,)
        self._window, self._torque = window.numpy(), torque.numpy()  # these keep the memory
        self._input = window[None].to(device)  # (1, T, C)
        self._weights = [x.detach() for x in (*model.parameters(), *model.buffers())]  # kept where the model moves away
        self._device = self._input.device  # with its number
        self._graph = torch.cuda.CUDAGraph()

        def run() -> None:
            self._input[0].copy_(window, non_blocking=True)
            torque.copy_(self._model(self._input)[0], non_blocking=True)

        stream = torch.cuda.Stream(self._device)
        stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.inference_mode(), torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                run()
            # Other threads may go on with their own work on the GPU meanwhile, as a node does while it loads a bundle.
            with torch.cuda.graph(self._graph, stream=stream, capture_error_mode="thread_local"):
                run()

    def torque(self) -> Array:
        """The model's torque tau_free, shape (J,) [N·m or A]."""
        self._graph.replay()  # on the current stream
        torch.cuda.current_stream(self._device).synchronize()
        return self._torque.astype(np.float64)
