"""The training loop of [1], section 4: Adam, mean squared error (3), rate reduced on plateau, batches of 128."""

from __future__ import annotations

import ctypes
import gc
import math
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vastares_ros.core.errors import ConfigError, DatasetError, DeviceError, OutputError
from vastares_ros.core.prior import FORMS
from vastares_ros.core.samples import Array, Episode
from vastares_ros.core.signals import FilterConfig, SignalChain
from vastares_ros.models.methods import NETWORKS, Fitted, method, network_config
from vastares_ros.models.model import Model
from vastares_ros.models.rigid_body import Prior

from .prior import check_following


@dataclass(frozen=True)
class PriorConfig:
    """Physics that a network corrects.

    Attributes:
        kind: "rigid_body", identified from the training recordings, or "none": the network learns all of the torque.
        form: of friction, one of `core.prior.FORMS`.
        following: time in which the level of friction is followed [s]; 0: as identified, see `core.prior`.
    """

    kind: str = "none"
    form: str = "rich"
    following: float = 20.0

    def __post_init__(self) -> None:
        if self.kind not in ("none", "rigid_body"):
            raise ConfigError(f"prior.kind is {self.kind!r}: use none or rigid_body")
        if self.form not in FORMS:
            raise ConfigError(f"prior.form is {self.form!r}: use one of {', '.join(FORMS)}")
        check_following("prior.following", self.following)


@dataclass(frozen=True)
class TrainConfig:
    """Everything that a training run depends on, besides the data.

    Attributes:
        model: the method, a name of `models.methods.METHODS`.
        network: its network, of the method's configuration class; a mapping is parsed as one.
        prior: what the network corrects, if anything.
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
    prior: PriorConfig = field(default_factory=PriorConfig)
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
        if self.network.prior_torque and self.prior.kind == "none":
            raise ConfigError("network.prior_torque is true, but there is no prior: set prior.kind to rigid_body")
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


def signals(episode: Episode, rate: float, config: TrainConfig, prior: Prior | None = None) -> tuple[Array, Array]:
    """Features (N, C) and filtered torque (N, J) of an episode, as the estimator would see it live."""
    physics = prior.over(rate, config.network) if prior else None
    chain = SignalChain(rate, config.filter, config.network.acceleration or physics is not None, physics)
    return chain.run(episode.q, episode.qd, episode.tau)


class Windows:
    """All windows of some episodes on a device, cut when they are asked for; none spans two episodes.

    Attributes:
        x: features of all samples, shape (N, C).
        tau: filtered torque, shape (N, J).
        target: what a network is to learn of it, shape (N, J): all, or what the prior leaves.
    """

    def __init__(self, episodes: Sequence[Episode], rate: float, config: TrainConfig, prior: Prior | None = None):
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
        parts = [signals(e, rate, config, prior) for e in usable]
        self.x = np.concatenate([x for x, _ in parts])
        self.tau = np.concatenate([tau for _, tau in parts])
        self.target = self.tau - self.x[:, -self.tau.shape[1] :] if prior else self.tau
        starts = np.cumsum([0, *(len(e) for e in usable[:-1])])
        first = [np.arange(start, start + len(e) - length + 1) for start, e in zip(starts, usable, strict=True)]
        self.first = torch.as_tensor(np.concatenate(first))
        self._steps = torch.arange(length)

    def to(self, model: Model) -> Windows:
        """Standardise by the model's buffers and move to its device."""
        device = model.torque.mean.device
        self._x = model.inputs(torch.as_tensor(self.x, dtype=torch.float32, device=device))
        self._tau = model.target(torch.as_tensor(self.target, dtype=torch.float32, device=device))
        self.first, self._steps = self.first.to(device), self._steps.to(device)
        return self

    def __len__(self) -> int:
        return len(self.first)

    def take(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised windows (…, T, C) and the torques (…, J) at their newest samples, for `which` of any shape."""
        rows = self.first[which][..., None] + self._steps
        return self._x[rows], self._tau[rows[..., -1]]


@torch.inference_mode()
def loss_per_net(network: nn.Module, data: Windows) -> Tensor:
    """Standardised mean squared error of each network (seeds * joints,), with frozen statistics."""
    network.eval()
    total: Tensor | float = 0.0
    for which in torch.arange(len(data), device=data.first.device).split(1024):
        x, tau = data.take(which)
        predicted = network(x)
        total = total + (predicted - tau.repeat(1, predicted.shape[1] // tau.shape[1])).square().sum(0)
    assert isinstance(total, Tensor)
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
    """Train one network per joint with the seed of the configuration; see `train_seeds`.

    Raises:
        ConfigError: training diverged.
        DatasetError: nothing is long enough for a window, or a checkpoint belongs to another run.
    """
    (model,) = train_seeds(training, validation, rate, config, [config.seed], device, report, checkpoint)
    if isinstance(model, ConfigError):
        raise model
    return model


def train_seeds(
    training: Sequence[Episode],
    validation: Sequence[Episode],
    rate: float,
    config: TrainConfig,
    seeds: Sequence[int],
    device: torch.device,
    report: Callable[[Progress], None] = lambda progress: None,
    checkpoint: Path | None = None,
    prior: Prior | None = None,
) -> list[Model | ConfigError]:
    """Train one network per joint and seed, all in one batched pass.

    The seeds share nothing: each has its own weights, order of windows, learning rate, best epochs and end, and becomes
    what it would have become alone, but for rounding.

    Args:
        training: episodes to learn from.
        validation: episodes that choose the best epoch, per joint; may be empty.
        rate: samples per second of all episodes [Hz].
        config: everything else; its own seed does not count.
        seeds: of the initial weights and of the order of the windows.
        device: where to train.
        report: called after every epoch, with averages over the seeds.
        checkpoint: file to write after every epoch, and to go on from where it exists.
        prior: physics that the networks correct, all of them in full: the guard is one.

    Returns:
        For each seed its model, in eval mode, on the CPU; or why it has none.

    Raises:
        DatasetError: nothing is long enough for a window, or a checkpoint belongs to another run.
    """
    data = Windows(training, rate, config, prior)
    held_out = Windows(validation, rate, config, prior) if validation else None
    models = []
    for seed in seeds:
        torch.manual_seed(seed)
        model = Model(training[0].q.shape[1], config.network, prior)
        model.features.fit(data.x)
        model.torque.fit(data.tau)
        model.target.fit(data.target)
        models.append(model.to(device))
    data.to(models[0])
    if held_out is not None:
        held_out.to(models[0])
    if isinstance(models[0].network, Fitted):  # solved at once: no gradient, no epochs, no checkpoint
        return [_fit(model, seed, data, held_out, report) for model, seed in zip(models, seeds, strict=True)]

    joints = models[0].joints
    network = NETWORKS[type(config.network)](joints, config.network, seeds=len(seeds)).to(device)
    states = [model.network.state_dict() for model in models]
    network.load_state_dict({name: torch.cat([state[name] for state in states]) for name in states[0]})
    runs = [_Run(network, seed, part, joints, config) for part, seed in enumerate(seeds)]
    best = Best(network, len(seeds) * joints)
    run = {"config": repr(replace(config, seed=0)), "seeds": list(seeds), "windows": len(data)}
    start = _restore(checkpoint, run, network, runs, best)

    # a transformer's many small products are slower with the quick ones
    with kept_memory(), nullcontext() if config.model == "transformer" else quick_products():
        for epoch in range(start, config.epochs):
            began = time.perf_counter()
            batches = torch.stack([r.batches(len(data), epoch) for r in runs], dim=1).to(device)  # (steps, S, B)
            network.train()
            total = torch.zeros(len(runs) * joints, device=device)
            for which in batches:
                x, tau = data.take(which)
                if len(runs) == 1:
                    x = x[0]  # shared by all joints: not copied for each
                loss = (network(x) - tau.transpose(0, 1).flatten(1)).square().mean(0)  # (S*J,)
                loss.sum().backward()  # the sum keeps each network's gradient its own
                for r in runs:
                    r.step()
                network.zero_grad(set_to_none=False)  # the runs hold views of it
                total += loss.detach()
            losses = (total / len(batches)).view(len(runs), joints).mean(1).tolist()
            validation_loss = None
            if held_out is not None:
                per_net = loss_per_net(network, held_out)
                validation_loss = float(per_net.nanmean())
                best.update(network, per_net, epoch)
            for r, train_loss in zip(runs, losses, strict=True):
                r.after_epoch(epoch, train_loss, best.epoch[r.nets] if held_out is not None else None)
            speed = batches.numel() / (time.perf_counter() - began)
            learning = [r for r in runs if r.error is None]
            if learning:
                rate_now = float(np.mean([r.learning_rate for r in learning]))
                mean_loss = float(
                    np.mean([train_loss for r, train_loss in zip(runs, losses, strict=True) if not r.error])
                )
                report(Progress(epoch + 1, config.epochs, mean_loss, validation_loss, rate_now, speed))
            _save(checkpoint, run, epoch + 1, network, runs, best)
            if all(r.ended for r in runs):
                break
    if held_out is not None:
        best.restore(network)
    trained: list[Model | ConfigError] = []
    for model, r in zip(models, runs, strict=True):
        model.network.load_state_dict({name: value[r.nets] for name, value in network.state_dict().items()})
        trained.append(r.error or model.eval().cpu())
    return trained


def _fit(model: Model, seed: int, data: Windows, held_out: Windows | None, report: Callable[[Progress], None]) -> Model:
    began = time.perf_counter()
    torch.manual_seed(seed)
    x, tau = data.take(torch.arange(len(data), device=data.first.device))
    network: Any = model.network
    network.fit(x[:, -1], tau)
    speed = len(data) / (time.perf_counter() - began)
    train_loss = float(loss_per_net(network, data).mean())
    validation_loss = float(loss_per_net(network, held_out).mean()) if held_out is not None else None
    report(Progress(1, 1, train_loss, validation_loss, 0.0, speed))
    return model.eval().cpu()


class _Run:
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
        """Of Adam, now."""
        return float(self.plateau.get_last_lr()[0])

    def batches(self, windows: int, epoch: int) -> Tensor:
        """Which windows an epoch takes: (steps, B)."""
        order = torch.randperm(windows, generator=torch.Generator().manual_seed(self._seed * 1_000_003 + epoch))
        order = order[: self._config.epoch_windows]
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


@contextmanager
def quick_products() -> Iterator[None]:
    """Let torch's oneDNN do matrix products on the CPU, where that does not cost precision: twice as fast on some CPUs.

    torch takes oneDNN for float32 only where less precision is allowed. On a CPU that has no quicker kind of product
    oneDNN computes in full precision all the same, and this looks whether it does.
    """
    settings = getattr(torch.backends.mkldnn, "matmul", None)
    before = getattr(settings, "fp32_precision", None)
    if settings is None or before is None or not _exact_by_onednn():
        yield
        return
    settings.fp32_precision = "bf16"
    try:
        yield
    finally:
        settings.fp32_precision = before


@contextmanager
def kept_memory() -> Iterator[None]:
    """Let the process keep the memory that a training step frees for the next step, which asks for as much again.

    glibc gives large blocks back to the system and gets new pages for the next, which on a CPU takes a tenth of the
    time and more. Python's garbage collector would go through all of torch every few steps, for nothing.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    mallopt = getattr(libc, "mallopt", None)  # of glibc; nothing is set where there is another libc
    trim, mmap_threshold, mmap_max = -1, -3, -4  # malloc.h
    gc.freeze()
    if mallopt:
        mallopt(mmap_max, 0)
        mallopt(trim, 2**31 - 1)
    try:
        yield
    finally:
        gc.unfreeze()
        if libc and mallopt:  # what glibc would have come to by itself after blocks of this size
            mallopt(mmap_max, 65_536)
            mallopt(mmap_threshold, 2**25)
            mallopt(trim, 2**26)
            libc.malloc_trim(0)


@cache
def _exact_by_onednn() -> bool:
    settings: Any = getattr(torch.backends.mkldnn, "matmul")  # noqa: B009 - newer than its type stubs
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 2, 128, 128, generator=generator)
    exact = a.double() @ b.double()
    before = settings.fp32_precision
    errors = []
    for precision in (before, "bf16"):
        settings.fp32_precision = precision
        errors.append(float((torch.bmm(a, b) - exact).abs().max()))
    settings.fp32_precision = before
    return errors[1] <= 2 * errors[0]


class Best:
    """The best weights so far on the validation recordings, network by network (they share nothing).

    Attributes:
        loss: best loss of each network (N,).
        epoch: when it had that.
    """

    def __init__(self, network: nn.Module, nets: int):
        self.loss = torch.full((nets,), torch.inf)
        self.epoch = torch.zeros(nets, dtype=torch.long)
        self.state = {name: value.clone() for name, value in network.state_dict().items()}

    def update(self, network: nn.Module, loss: Tensor, epoch: int) -> None:
        """Keep what is better than before; loss (N,)."""
        better = loss.cpu() < self.loss
        self.epoch[better] = epoch
        self.loss = torch.where(better, loss.cpu(), self.loss)
        for name, value in network.state_dict().items():
            self.state[name][better] = value[better]

    def restore(self, network: nn.Module) -> None:
        """Put the best weights into the network."""
        network.load_state_dict(self.state)


def _save(
    path: Path | None, run: dict[str, Any], epoch: int, network: nn.Module, runs: Sequence[_Run], best: Best
) -> None:
    if path is None:
        return
    state = {
        "run": run,
        "epoch": epoch,
        "network": network.state_dict(),
        "optimisers": [r.optimiser.state_dict() for r in runs],
        "plateaus": [r.plateau.state_dict() for r in runs],
        "ended": [r.ended for r in runs],
        "best": {"loss": best.loss, "epoch": best.epoch, "state": best.state},
    }
    partial = path.with_suffix(".partial")
    try:
        torch.save(state, partial)
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch's own writer raises RuntimeError
        raise OutputError(f"{path} cannot be written: free some space there, then --resume") from error


def _restore(path: Path | None, run: dict[str, Any], network: nn.Module, runs: Sequence[_Run], best: Best) -> int:
    """Go on from a checkpoint where there is one; the epoch to go on with."""
    if path is None or not path.exists():
        return 0
    try:
        state = torch.load(path, weights_only=True)
    except Exception as error:  # whatever torch says of a file that is damaged or foreign
        raise DatasetError(f"{path} is not a checkpoint of this version: delete it to start afresh") from error
    if state["run"] != run:
        raise DatasetError(f"{path} belongs to a run with another configuration or dataset: delete it to start afresh")
    network.load_state_dict(state["network"])
    for r, optimiser, plateau, ended in zip(runs, state["optimisers"], state["plateaus"], state["ended"], strict=True):
        r.optimiser.load_state_dict(optimiser)
        r.plateau.load_state_dict(plateau)
        r.ended = ended
    best.loss, best.epoch, best.state = state["best"]["loss"], state["best"]["epoch"], state["best"]["state"]
    return int(state["epoch"])
