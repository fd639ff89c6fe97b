# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a GPU does with the default network: a tick, batches of windows, and training. Without ROS.

- A tick takes a sample in and gives the torque of the window that ends with it, all copies included: of the CUDA graph,
  of the same pass by torch, and of the compiled engine on a CPU, in turn, with random weights.
- The pass by torch over batches of windows that are on the GPU already; null where the memory does not suffice.
- Training: the batched pass against a loop of separate modules, in turn, as in `training_speed`.

Prints JSON, where there is no CUDA device with the reason in place of figures.
"""

import argparse
import json
import statistics
import time
from typing import Any

import torch
from machine import machine
from network_tick import SIZES, drawn, taken_in_turn
from training_speed import batched_speed, loop_speed, recording

from vastares_ros.runtime.cuda_graph import CudaGraphEngine
from vastares_ros.runtime.engines import TorchEngine, make_engine
from vastares_ros.training.config import TrainConfig

BATCHES = (1024, 4096, 16384, 65536)  # windows
LOOPED = 3  # networks that the loop trains, one after the other


def ticks_of(size: tuple[int, int, int], device: torch.device, ticks: int) -> dict[str, Any]:
    """Times of a tick of a network with these joints, window and hidden size."""
    kinds = {
        "torch": TorchEngine(drawn(*size), device),
        "cuda_graph": CudaGraphEngine(drawn(*size), device),
        "compiled": make_engine(drawn(*size), engine="compiled"),
    }
    return taken_in_turn(kinds, *size, ticks)


@torch.inference_mode()
def windows_per_s(device: torch.device, windows: int, rounds: int) -> int | None:
    """Windows a second of the pass over a batch of `windows`; None where they do not fit."""
    joints, window, hidden = SIZES[0]
    model = drawn(joints, window, hidden).to(device)
    spent = []
    try:
        x = torch.randn(windows, window, 2 * joints, device=device)
        for _ in range(1 + rounds):
            torch.cuda.synchronize(device)
            began = time.perf_counter()
            model(x)
            torch.cuda.synchronize(device)
            spent.append(time.perf_counter() - began)
    except torch.cuda.OutOfMemoryError:
        return None
    return round(windows / statistics.median(spent[1:]))  # the first one to warm up


def training(device: torch.device, seeds: int, steps: int, rounds: int) -> dict[str, Any]:
    """Network-windows a second of the batched pass and of a loop of modules."""
    episode, where = recording()
    config = TrainConfig(epoch_windows=steps * TrainConfig().batch)
    loop, batched = [], []
    for _ in range(rounds):
        loop.append(loop_speed(episode, config, device, LOOPED)[0])
        batched.append(batched_speed(episode, config, device, seeds, compiled=False)[0])
    ours, theirs = statistics.median(batched), statistics.median(loop)
    return {
        "batched_windows_per_s": round(ours),
        "loop_windows_per_s": round(theirs),
        "ratio": round(ours / theirs, 2),
        "data": where,
        "seeds": seeds,
    }


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ticks", type=int, default=1000, help="of each engine (1000)")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, metavar="WINDOWS")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20, help="optimiser steps a round")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print(json.dumps({"machine": machine(), "device": None, "skipped": "no CUDA device"}))
        return
    device = torch.device("cuda")
    torch.set_num_threads(1)
    figures = {
        "machine": machine(),
        "device": torch.cuda.get_device_name(device),
        "sizes": [ticks_of(size, device, args.ticks) for size in SIZES],
        "batches": [
            {"windows": windows, "windows_per_s": windows_per_s(device, windows, args.rounds)}
            for windows in args.batches
        ],
        "training": training(device, args.seeds, args.steps, args.rounds),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
