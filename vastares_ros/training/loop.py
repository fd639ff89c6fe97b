# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The training loop of [1], section 4: Adam, mean squared error (3), rate reduced on plateau, batches of 128."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vastares_ros.core.errors import ConfigError
from vastares_ros.core.samples import Episode
from vastares_ros.models.identified_dynamics import IdentifiedDynamics
from vastares_ros.models.kinds import make_model
from vastares_ros.models.methods import NETWORKS, Fitted
from vastares_ros.models.networks import LearningModel

from . import processes
from .checkpoint import Best, data_digest, restore_checkpoint, save_checkpoint
from .config import TrainConfig
from .seeds import SeedRun
from .torch_settings import kept_memory, quick_products
from .windows import Windows


@dataclass(frozen=True)
class Progress:
    """Where a run stands after an epoch: standardised mean squared errors over all joints, and the rate of Adam."""

    epoch: int
    epochs: int
    loss: float
    validation: float | None
    learning_rate: float
    windows_per_s: float


def in_round(report: Callable[[Progress], None], number: int, rounds: int) -> Callable[[Progress], None]:
    """A report for one of several trainings, `number` from 0, that counts the epochs of all of them."""

    def counted(p: Progress) -> None:
        report(replace(p, epoch=p.epoch + number * p.epochs, epochs=rounds * p.epochs))

    return counted


def train_seeds(
    training: Sequence[Episode],
    validation: Sequence[Episode],
    rate: float,
    config: TrainConfig,
    seeds: Sequence[int],
    device: torch.device,
    report: Callable[[Progress], None] = lambda progress: None,
    checkpoint: Path | None = None,
    dynamics: IdentifiedDynamics | None = None,
) -> list[LearningModel | ConfigError]:
    """Train one network per joint and seed, all in one batched pass.

    The seeds share nothing: each has its own weights, order of windows, learning rate, best epochs and end, and becomes
    what it would have become alone, but for rounding. Several processes can train together, see `processes`.

    Args:
        training: episodes to learn from.
        validation: episodes that choose the best epoch, per joint; may be empty.
        rate: samples per second of all episodes [Hz].
        config: everything else; its own seed does not count.
        seeds: of the initial weights and of the order of the windows.
        device: where to train.
        report: called after every epoch, with averages over the seeds.
        checkpoint: file to write after every epoch, and to go on from where it exists.
        dynamics: what the networks correct, all of them in full: every gate is one.

    Returns:
        For each seed its model, in eval mode, on the CPU; or why it has none.

    Raises:
        DatasetError: nothing is long enough for a window, or a checkpoint belongs to another run.
    """
    kind = "network" if dynamics is None else "hybrid"
    models: list[Any] = []  # all of the kind
    for seed in seeds:
        torch.manual_seed(seed)
        models.append(make_model(kind, training[0].q.shape[1], config.network, dynamics))
    data = Windows(training, rate, config.filter, models[0])
    held_out = Windows(validation, rate, config.filter, models[0]) if validation else None
    for model in models:
        model.fit_scalers(data.x, data.tau)
        model.to(device)
    data.to(models[0])
    if held_out is not None:
        held_out.to(models[0])
    if isinstance(models[0].network, Fitted):  # solved at once: no gradient, no epochs, no checkpoint
        return [_fit(model, seed, data, held_out, report) for model, seed in zip(models, seeds, strict=True)]

    joints = models[0].joints
    network = NETWORKS[type(config.network)](joints, config.network, seeds=len(seeds)).to(device)
    states = [model.network.state_dict() for model in models]
    network.load_state_dict({name: torch.cat([state[name] for state in states]) for name in states[0]})
    runs = [SeedRun(network, seed, part, joints, config) for part, seed in enumerate(seeds)]
    best = Best(network, len(seeds) * joints)
    run = {"config": repr(replace(config, seed=0)), "seeds": list(seeds), "windows": len(data)}
    if checkpoint:
        run |= {"data": data_digest(training, validation), "urdf": dynamics.arm.urdf if dynamics else ""}
    start = restore_checkpoint(checkpoint, run, network, runs, best)

    # a transformer's many small products are slower with the quick ones
    with kept_memory(), nullcontext() if config.model == "transformer" else quick_products():
        for epoch in range(start, config.epochs):
            began = time.perf_counter()
            network.train()
            total = torch.zeros(len(runs) * joints, device=device)
            steps = windows = 0
            for which in _batches(runs, len(data), epoch, device):
                steps, windows = steps + 1, windows + which.numel()
                x, tau = data.take(processes.part(which))
                if len(runs) == 1:
                    x = x[0]  # shared by all joints: not copied for each
                squares = (network(x) - tau.transpose(0, 1).flatten(1)).square()  # (B, S*J)
                loss = squares.mean(0) if processes.count() == 1 else squares.sum(0) / which.shape[-1]
                loss.sum().backward()  # the sum keeps each network's gradient its own
                processes.sum_gradients(network.parameters())
                for r in runs:
                    r.step()
                network.zero_grad(set_to_none=False)  # the runs hold views of it
                total += loss.detach()
            processes.share_statistics(network)
            losses = (processes.summed(total) / steps).view(len(runs), joints).mean(1).tolist()
            validation_loss = None
            if held_out is not None:
                per_net = processes.of_first(loss_per_net(network, held_out))
                validation_loss = float(per_net.nanmean())
                best.update(network, per_net, epoch)
            for r, train_loss in zip(runs, losses, strict=True):
                r.after_epoch(epoch, train_loss, best.epoch[r.nets] if held_out is not None else None)
            speed = windows / (time.perf_counter() - began)
            learning = [r for r in runs if r.error is None]
            if learning:
                rate_now = float(np.mean([r.learning_rate for r in learning]))
                mean_loss = float(
                    np.mean([train_loss for r, train_loss in zip(runs, losses, strict=True) if not r.error])
                )
                report(Progress(epoch + 1, config.epochs, mean_loss, validation_loss, rate_now, speed))
            save_checkpoint(checkpoint if processes.is_first() else None, run, epoch + 1, network, runs, best)
            if all(r.ended for r in runs):
                break
    if held_out is not None:
        best.restore(network)
    trained: list[LearningModel | ConfigError] = []
    for model, r in zip(models, runs, strict=True):
        model.network.load_state_dict({name: value[r.nets] for name, value in network.state_dict().items()})
        trained.append(r.error or model.eval().cpu())
    return trained


def _batches(runs: Sequence[SeedRun], windows: int, epoch: int, device: torch.device) -> Iterator[Tensor]:
    """Which windows each step takes, (S, B)."""
    for parts in zip(*(r.batches(windows, epoch) for r in runs), strict=True):
        yield from torch.stack(parts, dim=1).to(device)  # (steps, S, B)


@torch.inference_mode()
def loss_per_net(network: nn.Module, data: Windows) -> Tensor:
    """Standardised mean squared error of each network (seeds * joints,), with frozen statistics."""
    network.eval()
    total: Tensor | float = 0.0
    for which in data.in_order():
        x, tau = data.take(which)
        predicted = network(x)
        total = total + (predicted - tau.repeat(1, predicted.shape[1] // tau.shape[1])).square().sum(0)
    assert isinstance(total, Tensor)
    return total / len(data)


def _fit(
    model: LearningModel, seed: int, data: Windows, held_out: Windows | None, report: Callable[[Progress], None]
) -> LearningModel:
    began = time.perf_counter()
    torch.manual_seed(seed)
    x, tau = data.take(torch.arange(len(data), device=data.device))
    network: Any = model.network
    network.fit(x[:, -1], tau)
    speed = len(data) / (time.perf_counter() - began)
    train_loss = float(loss_per_net(network, data).mean())
    validation_loss = float(loss_per_net(network, held_out).mean()) if held_out is not None else None
    report(Progress(1, 1, train_loss, validation_loss, 0.0, speed))
    return model.eval().cpu()
