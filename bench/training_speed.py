# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Training speed: the batched pass of `vastares experiment` against a loop of separate torch modules, in one run.

Both train VA-STA-ResLSTM for every joint and seed on the real iiwa recordings (VASTARES_DATA, or shared/data beside the
checkout; where there are none, on made-up motion), with the default configuration. The loop is of torch's own layers: a
module and an optimiser for each joint and seed, with torch's default threads. The batched passes run as an experiment
runs them: a process a core, on a GPU one. Rounds of all alternate; their medians are printed as JSON, and the ratios of
each round. A window counts once for every network that is trained on it.

`batched` takes the compiled kernels, `torch_batched` torch's operations in their place. `_cpu` counts seconds that a
CPU works, one core each: they hold where other programs have the cores too. To measure another instruction set, on a
CPU that has more: ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 ONEDNN_MAX_CPU_ISA=AVX2 NUMBA_CPU_NAME=haswell
NUMBA_CPU_FEATURES=+avx2,+fma,+avx,+f16c,+bmi,+bmi2,+lzcnt,+movbe,+popcnt,+cx16,+sse4.2
"""

import argparse
import json
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from machine import machine
from torch import nn

from vastares_ros.core.samples import Episode
from vastares_ros.models import panels
from vastares_ros.models.networks import NetworkModel
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.loop import train_seeds
from vastares_ros.training.windows import Windows

RATE = 200.0


def mlp(width: int, hidden_layers: int, activation: type[nn.Module]) -> nn.Sequential:
    """Input layer, hidden layers, output layer."""
    hidden = [layer for _ in range(hidden_layers + 1) for layer in (nn.Linear(width, width), activation())]
    return nn.Sequential(*hidden, nn.Linear(width, width))


class OneJoint(nn.Module):
    """The default network for one joint, of torch's own modules."""

    def __init__(self, joints: int, c: NetworkConfig):
        super().__init__()
        self.joints = joints
        self.spatial = mlp(2 * joints, c.hidden_layers, nn.Sigmoid)
        self.lstm = nn.LSTM(2 * joints, c.hidden, batch_first=True)
        self.residual = nn.Linear(2 * joints, c.hidden)
        self.norm = nn.BatchNorm1d(c.hidden)
        self.temporal = mlp(c.hidden, c.hidden_layers, nn.SELU)
        self.velocity = nn.Linear(joints, c.hidden)
        self.head = nn.Linear(2 * c.hidden, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Windows (B, T, C) -> torques (B,)."""
        rows = x * self.spatial(x).softmax(2)
        states = self.lstm(rows)[0] + self.residual(rows).sigmoid()
        states = self.norm(states.transpose(1, 2)).transpose(1, 2)
        weighted = self.temporal(states).softmax(2) * states
        va = self.velocity(x[:, -1, self.joints :]).softmax(1)
        torque: torch.Tensor = self.head(torch.cat([va * weighted[:, -1], (1 - va) * weighted.mean(1)], dim=1))[:, 0]
        return torque


def recording() -> tuple[Episode, str]:
    """Half a minute and more of a moving arm, and where it is from."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    file = Path(os.environ.get("VASTARES_DATA", beside)) / "iiwa" / "j3to7_dynamic.npz"
    if file.is_file():
        with np.load(file, allow_pickle=False) as data:
            q, qd, tau = (np.asarray(data[name], dtype=np.float64) for name in ("q", "qd", "tau"))
        where = f"iiwa, {file.name}"
    else:
        t = np.arange(12_000)[:, None] / RATE
        q = np.sin(t * np.linspace(0.5, 2.0, 7))
        qd = np.gradient(q, 1 / RATE, axis=0)
        tau, where = 10 * np.sin(q) + qd, "made up, since the iiwa recordings are not here"
    joints = tuple(f"joint_{i}" for i in range(1, 8))
    return Episode("recording", joints, np.arange(len(q)) / RATE, q, qd, tau, "recording"), where


def loop_speed(episode: Episode, config: TrainConfig, device: torch.device, networks: int) -> tuple[float, float]:
    """Network-windows of separate modules, one after the other: a second, and a second of a CPU."""
    model = NetworkModel(len(episode.joints), config.network)
    data = Windows([episode], RATE, config.filter, model)
    model.fit_scalers(data.x, data.tau)
    model.to(device)
    data.to(model)
    steps = config.epoch_windows // config.batch
    spent = worked = 0.0
    for number in range(networks):
        module = OneJoint(len(episode.joints), config.network).to(device)
        optimiser = torch.optim.AdamW(module.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        order = torch.randperm(len(data))[: (steps + 3) * config.batch].view(-1, config.batch).to(device)
        for step, which in enumerate(order):
            if step == 3:  # after a warm-up
                began, before = time.perf_counter(), time.process_time()
            x, tau = data.take(which)
            loss = (module(x) - tau[:, number % tau.shape[1]]).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        spent += time.perf_counter() - began
        worked += time.process_time() - before
    windows = networks * steps * config.batch
    return windows / spent, windows / worked


def batched_speed(
    episode: Episode, config: TrainConfig, device: torch.device, seeds: int, compiled: bool
) -> tuple[float, float]:
    """Network-windows of one batched pass over all joints and seeds: a second, and a second of a CPU."""
    if device.type == "cpu":
        torch.set_num_threads(1)  # as in an experiment
    reports: list[tuple[float, float]] = []
    two_epochs = replace(config, epochs=2)  # the first to warm up
    with patch.object(panels, "kernels", panels.kernels if compiled else lambda: None):
        train_seeds(
            [episode], (), RATE, two_epochs, range(seeds), device,
            lambda p: reports.append((p.windows_per_s, time.process_time())),
        )  # fmt: skip
    windows = seeds * len(episode.joints) * config.epoch_windows
    return len(episode.joints) * reports[1][0], windows / (reports[1][1] - reports[0][1])


def main() -> None:
    """Time rounds of both in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20, help="optimiser steps a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--window", type=int, default=NetworkConfig().window)
    parser.add_argument("--hidden", type=int, default=NetworkConfig().hidden)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    device = torch.device(args.device)
    episode, where = recording()
    network = NetworkConfig(window=args.window, hidden=args.hidden)
    config = TrainConfig(network=network, epoch_windows=args.steps * TrainConfig().batch)
    processes = 1 if device.type == "cuda" else os.cpu_count() or 1
    networks = len(episode.joints) if device.type == "cpu" else 3
    threads = torch.get_num_threads()
    figures: dict[str, list[float]] = {}

    def note(name: str, speed: float) -> None:
        figures.setdefault(name, []).append(speed)

    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for _ in range(args.rounds):
            note("loop", loop_speed(episode, config, device, networks)[0])
            for name, compiled in (("batched", True), ("torch_batched", False)):
                given = (episode, config, device, args.seeds, compiled)
                together = [pool.submit(batched_speed, *given) for _ in range(processes)]
                note(name, sum(speed.result()[0] for speed in together))
                alone, cpu = pool.submit(batched_speed, *given).result()
                note(f"{name}_one_process", alone)
                note(f"{name}_cpu", cpu)
            torch.set_num_threads(1)
            alone, cpu = loop_speed(episode, config, device, networks)
            note("loop_one_thread", alone)
            note("loop_cpu", cpu)
            torch.set_num_threads(threads)
    pairs = {
        "ratio": ("batched", "loop"),
        "ratio_one_core": ("batched_one_process", "loop_one_thread"),
        "ratio_cpu": ("batched_cpu", "loop_cpu"),
        "ratio_torch": ("torch_batched", "loop"),
        "ratio_torch_cpu": ("torch_batched_cpu", "loop_cpu"),
    }
    medians = {name: statistics.median(values) for name, values in figures.items()}
    compiled_kernels = panels.kernels()
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {processes} cores, {threads} threads"
    print(
        json.dumps(
            {f"{name}_windows_per_s": round(value) for name, value in medians.items()}
            | {name: round(medians[ours] / medians[theirs], 2) for name, (ours, theirs) in pairs.items()}
            | {
                f"{name}_of_rounds": [round(a / b, 2) for a, b in zip(figures[ours], figures[theirs], strict=True)]
                for name, (ours, theirs) in pairs.items()
            }
            | {"device": on, "machine": machine(), "torch_instructions": torch.backends.cpu.get_cpu_capability()}
            | {"kernel_lanes": compiled_kernels.LANES if compiled_kernels else None}
            | {"data": where, "seeds": args.seeds, "window": args.window, "hidden": args.hidden}
        )
    )


if __name__ == "__main__":
    main()
