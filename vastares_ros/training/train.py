"""The training loop of [1], section 4: Adam, mean squared error (3), rate reduced on plateau, batches of 128."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vastares_ros.core.errors import ConfigError, DatasetError, DeviceError, OutputError
from vastares_ros.core.samples import Array, Episode
from vastares_ros.core.signals import FilterConfig, SignalChain
from vastares_ros.models.methods import Fitted, method, network_config
from vastares_ros.models.model import Model


@dataclass(frozen=True)
class TrainConfig:
    """Everything that a training run depends on, besides the data.

    Attributes:
        model: the method, a name of `models.methods.METHODS`.
        network: its network, of the method's configuration class; a mapping is parsed as one.
        filter: low-pass of all signals, see `FilterConfig`.
        epochs: passes over the training windows.
        epoch_windows: windows of a pass at most; where there are more, every pass draws that many anew.
        batch: windows a step ([1]: 128).
        learning_rate: initial rate of Adam ([1]: 0.01).
        plateau_factor: what the rate is multiplied by on a plateau of the training loss.
        plateau_patience: epochs without progress that make a plateau.
        weight_decay: decoupled weight decay of Adam; 0 is the plain Adam of [1].
        early_stopping: epochs without progress on the validation recordings after which training ends; used only
            where validation recordings are named, which then also choose the best epoch, joint by joint.
        seed: of the initial weights and of the order of the windows.
    """

    model: str = "va_sta_reslstm"
    network: Any = field(default_factory=dict)
    filter: FilterConfig = field(default_factory=FilterConfig)
    epochs: int = 30
    epoch_windows: int = 20_000
    batch: int = 128
    learning_rate: float = 0.01
    plateau_factor: float = 0.5
    plateau_patience: int = 3
    weight_decay: float = 0.1
    early_stopping: int = 15
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.network, method(self.model).config):
            object.__setattr__(self, "network", network_config(self.model, self.network))
        for name, low in (
            ("epochs", 1),
            ("epoch_windows", 2),
            ("batch", 2),
            ("plateau_patience", 0),
            ("early_stopping", 1),
            ("seed", 0),
        ):
            if getattr(self, name) < low:
                raise ConfigError(f"{name} is {getattr(self, name)}: use {low} or more")
        if self.seed >= 2**32:
            raise ConfigError(f"seed is {self.seed}: use less than 2^32")
        if not self.learning_rate > 0:
            raise ConfigError(f"learning_rate is {self.learning_rate}: use a number above 0")
        if not 0 < self.plateau_factor < 1:
            raise ConfigError(f"plateau_factor is {self.plateau_factor}: use a number between 0 and 1")
        if self.weight_decay < 0:
            raise ConfigError(f"weight_decay is {self.weight_decay}: use 0 or more")


@dataclass(frozen=True)
class Progress:
    """Where a run stands after an epoch: standardised mean squared errors over all joints, and the rate of Adam."""

    epoch: int
    epochs: int
    loss: float
    validation: float | None
    learning_rate: float
    windows_per_s: float


def device_for(name: str) -> torch.device:
    """The device "cpu", "cuda", "cuda:1", or for "auto" CUDA where there is one.

    Raises:
        DeviceError: it is unknown or not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise DeviceError(f"device {name!r} is unknown: use auto, cpu, cuda or cuda:N")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        why = str(error).splitlines()[0]
        raise DeviceError(f"device {name!r} cannot be used here ({why}): use auto or cpu") from error
    return device


def signals(episode: Episode, rate: float, config: TrainConfig) -> tuple[Array, Array]:
    """Features (N, C) and filtered torque (N, J) of an episode, as the estimator would see it live."""
    return SignalChain(rate, config.filter, config.network.acceleration).run(episode.q, episode.qd, episode.tau)


class Windows:
    """All windows of some episodes on a device, cut when they are asked for; none spans two episodes."""

    def __init__(self, episodes: Sequence[Episode], rate: float, config: TrainConfig):
        """Filter the episodes.

        Raises:
            DatasetError: no episode is as long as a window.
        """
        length = config.network.window
        usable = [e for e in episodes if len(e) >= length]
        if not usable:
            longest = max((len(e) for e in episodes), default=0)
            raise DatasetError(
                f"too short: the longest of {len(episodes)} episodes has {longest} samples, a window takes {length}. "
                f"Record more, or make network.window smaller"
            )
        parts = [signals(e, rate, config) for e in usable]
        self.x = np.concatenate([x for x, _ in parts])
        self.tau = np.concatenate([tau for _, tau in parts])
        starts = np.cumsum([0, *(len(e) for e in usable[:-1])])
        first = [np.arange(start, start + len(e) - length + 1) for start, e in zip(starts, usable, strict=True)]
        self.first = torch.as_tensor(np.concatenate(first))
        self._steps = torch.arange(length)

    def to(self, model: Model) -> Windows:
        """Standardise by the model's buffers and move to its device."""
        device = model.torque.mean.device
        self._x = model.features(torch.as_tensor(self.x, dtype=torch.float32, device=device))
        self._tau = model.torque(torch.as_tensor(self.tau, dtype=torch.float32, device=device))
        self.first, self._steps = self.first.to(device), self._steps.to(device)
        return self

    def __len__(self) -> int:
        return len(self.first)

    def take(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised windows (B, T, C) and the torques (B, J) at their newest samples."""
        rows = self.first[which, None] + self._steps
        return self._x[rows], self._tau[rows[:, -1]]


@torch.inference_mode()
def loss_per_joint(model: Model, data: Windows) -> Tensor:
    """Standardised mean squared error per joint (J,), with frozen statistics."""
    model.eval()
    total = torch.zeros(model.joints, device=data.first.device)
    for which in torch.arange(len(data), device=data.first.device).split(1024):
        x, tau = data.take(which)
        total += (model.network(x) - tau).square().sum(0)
    return total / len(data)


def train(
    training: Sequence[Episode],
    validation: Sequence[Episode],
    rate: float,
    config: TrainConfig,
    device: torch.device,
    report: Callable[[Progress], None] = lambda progress: None,
    checkpoint: Path | None = None,
) -> Model:
    """Train one network per joint.

    Args:
        training: episodes to learn from.
        validation: episodes that choose the best epoch, per joint; may be empty.
        rate: samples per second of all episodes [Hz].
        config: everything else.
        device: where to train.
        report: called after every epoch.
        checkpoint: file to write after every epoch, and to go on from where it exists.

    Returns:
        The model in eval mode, on the CPU.

    Raises:
        DatasetError: nothing is long enough for a window, or a checkpoint belongs to another run.
    """
    torch.manual_seed(config.seed)
    data = Windows(training, rate, config)
    model = Model(training[0].q.shape[1], config.network)
    model.features.fit(data.x)
    model.torque.fit(data.tau)
    model.to(device)
    data.to(model)
    held_out = Windows(validation, rate, config).to(model) if validation else None
    if isinstance(model.network, Fitted):  # solved at once: no gradient, no epochs, no checkpoint
        began = time.perf_counter()
        x, tau = data.take(torch.arange(len(data), device=device))
        model.network.fit(x[:, -1], tau)
        speed = len(data) / (time.perf_counter() - began)
        train_loss = float(loss_per_joint(model, data).mean())
        validation_loss = float(loss_per_joint(model, held_out).mean()) if held_out is not None else None
        report(Progress(1, 1, train_loss, validation_loss, 0.0, speed))
        return model.eval().cpu()
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=config.plateau_factor, patience=config.plateau_patience, min_lr=1e-5
    )
    best = Best(model)
    run = {"config": repr(config), "windows": len(data)}
    start = _restore(checkpoint, run, model, optimiser, plateau, best)

    for epoch in range(start, config.epochs):
        began = time.perf_counter()
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(config.seed * 1_000_003 + epoch))
        order = order[: config.epoch_windows]
        size = min(config.batch, len(order))
        batches = order[: len(order) // size * size].view(-1, size).to(device)
        model.train()
        total = torch.zeros((), device=device)
        for which in batches:
            x, tau = data.take(which)
            loss = (model.network(x) - tau).square().mean(0).sum()  # the sum keeps each joint's gradient its own
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            total += loss.detach()
        train_loss = float(total) / len(batches) / model.joints
        if not math.isfinite(train_loss):
            raise ConfigError(f"training diverged in epoch {epoch + 1} (loss {train_loss}): lower learning_rate")
        plateau.step(train_loss)
        validation_loss = None
        if held_out is not None:
            per_joint = loss_per_joint(model, held_out)
            validation_loss = float(per_joint.mean())
            best.update(model, per_joint, epoch)
        speed = batches.numel() / (time.perf_counter() - began)
        report(Progress(epoch + 1, config.epochs, train_loss, validation_loss, float(plateau.get_last_lr()[0]), speed))
        _save(checkpoint, run, epoch + 1, model, optimiser, plateau, best)
        if held_out is not None and epoch - best.epoch >= config.early_stopping:
            break
    if held_out is not None:
        best.restore(model)
    return model.eval().cpu()


class Best:
    """The best weights so far on the validation recordings, joint by joint (the joints share nothing)."""

    def __init__(self, model: Model):
        self.loss = torch.full((model.joints,), torch.inf)
        self.epoch = 0
        self.state = {name: value.clone() for name, value in model.network.state_dict().items()}

    def update(self, model: Model, loss: Tensor, epoch: int) -> None:
        """Keep what is better than before; loss (J,)."""
        better = loss.cpu() < self.loss
        if better.any():
            self.epoch = epoch
            self.loss = torch.where(better, loss.cpu(), self.loss)
            for name, value in model.network.state_dict().items():
                if value.dim():  # batch-norm's step counter has none
                    joints = value.view(len(better), -1)
                    self.state[name].view(len(better), -1)[better] = joints[better]

    def restore(self, model: Model) -> None:
        """Put the best weights into the model."""
        model.network.load_state_dict(self.state)


def _save(
    path: Path | None, run: dict[str, Any], epoch: int, model: Model, optimiser: Any, plateau: Any, best: Best
) -> None:
    if path is None:
        return
    state = {
        "run": run,
        "epoch": epoch,
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "plateau": plateau.state_dict(),
        "best": {"loss": best.loss, "epoch": best.epoch, "state": best.state},
    }
    partial = path.with_suffix(".partial")
    try:
        torch.save(state, partial)
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch's own writer raises RuntimeError
        raise OutputError(f"{path} cannot be written: free some space there, then --resume") from error


def _restore(path: Path | None, run: dict[str, Any], model: Model, optimiser: Any, plateau: Any, best: Best) -> int:
    """Go on from a checkpoint where there is one; the epoch to go on with."""
    if path is None or not path.exists():
        return 0
    try:
        state = torch.load(path, weights_only=True)
    except Exception as error:  # whatever torch says of a file that is damaged or foreign
        raise DatasetError(f"{path} is not a checkpoint of this version: delete it to start afresh") from error
    if state["run"] != run:
        raise DatasetError(f"{path} belongs to a run with another configuration or dataset: delete it to start afresh")
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    plateau.load_state_dict(state["plateau"])
    best.loss, best.epoch, best.state = state["best"]["loss"], state["best"]["epoch"], state["best"]["state"]
    return int(state["epoch"])
