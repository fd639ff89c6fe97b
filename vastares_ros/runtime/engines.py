# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What computes the torque of a model from a window of features, one sample after the other.

An engine holds the window. To push a sample costs little; to ask for the torque runs the network. All engines give the
same torque: that of torch, which runs every model on every device, is the reference. `make_engine` chooses one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch

from vastares_ros.core.errors import EngineError, one_line
from vastares_ros.core.samples import Array
from vastares_ros.models.model import Model
from vastares_ros.models.networks import LearningModel
from vastares_ros.models.rigid_body import RigidBodyModel

from .device import one_thread
from .engine_names import ENGINES

NEXT = ": use engine auto or torch"
TOLERANCE = 1e-5  # of the size of the torque, that an engine may differ from torch


class Engine(Protocol):
    """The interface of every engine, for a model of J joints with C features and windows of T samples."""

    name: str
    note: str

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
        note: why a quicker engine does not run, where one was wished for; else empty.
    """

    def __init__(self, model: Model, device: torch.device | None = None):
        """Run `model` on `device`, the CPU where none is given."""
        self.name = f"torch {torch.__version__}"
        self.note = ""
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


class PhysicsEngine:
    """Runs the models that have no network: their torque is among the features.

    Attributes:
        name: of the engine, with the version of numpy.
        note: empty.
    """

    def __init__(self, model: RigidBodyModel):
        """Run `model`."""
        self.name = f"numpy {np.__version__}"
        self.note = ""
        self._first = model.n_motion_features
        self._torque = np.full(model.joints, np.nan, dtype=np.float32)

    def push(self, x: Array) -> None:
        """Take in the features of a sample, shape (C,)."""
        self._torque[:] = x[self._first :]

    def torque(self) -> Array:
        """The model's torque tau_free, shape (J,) [N·m or A]."""
        return self._torque.astype(np.float64)


def make_engine(
    model: Model,
    device: torch.device | None = None,
    engine: str = "auto",
    notify: Callable[[str], None] = lambda text: None,
) -> Engine:
    """The engine of a name for a model.

    Args:
        model: what it is to run.
        device: where; the CPU where none is given.
        engine: "torch", on a GPU as a CUDA graph where that is possible; "compiled", kernels for one thread of a CPU;
            or "auto", compiled where that is possible, else torch. What was not possible is in its `note`. A model
            without a network needs neither, but torch can be had.
        notify: is told of what takes seconds.

    Raises:
        EngineError: the engine is unknown, or is compiled and cannot run this model here.
    """
    if engine not in ENGINES:
        raise EngineError(f"engine {engine!r} is unknown: use {', '.join(ENGINES)}", field="engine", value=engine)
    if engine == "torch":
        return _by_torch(model, device)
    if isinstance(model, RigidBodyModel) and type(model).forward is RigidBodyModel.forward:
        return PhysicsEngine(model)
    try:
        return _compiled(model, device, notify)
    except EngineError as error:
        if engine == "compiled":
            raise
        chosen = _by_torch(model, device)
        chosen.note = "; ".join(filter(None, (str(error).removesuffix(NEXT), chosen.note)))
        return chosen


def difference(engine: Engine, model: LearningModel, device: torch.device | None = None) -> float:
    """How far the torque of a new engine is from that of torch, for made-up windows, of the size of the torque.

    The size, by joint, is the largest torque, or the spread of what the network learned where that is larger. The
    engine has made-up samples in its window afterwards. The model is on `device`, where torch runs, the CPU where none
    is given.
    """
    reference = TorchEngine(model, device)
    window = model.config.window
    scalers = model.feature_scaler.mean, model.feature_scaler.scale, model.target_scaler.scale
    mean, scale, spread = (x.cpu().numpy() for x in scalers)
    samples = mean + scale * np.random.default_rng(0).normal(size=(window + window // 2 + 1, len(mean)))
    pairs = []
    for i, x in enumerate(samples, 1):
        engine.push(x)
        reference.push(x)
        if i in (window, window + 1, len(samples)):
            pairs.append((engine.torque(), reference.torque()))
    ours, theirs = np.moveaxis(np.array(pairs), 1, 0)  # (·, J)
    size = np.maximum(np.abs(theirs).max(axis=0), spread)
    return float(np.max(np.abs(ours - theirs) / size))


def _by_torch(model: Model, device: torch.device | None) -> TorchEngine:
    """The engine of torch; for a network on a GPU that of a captured pass, where that works, else a note why not."""
    if device is None or device.type != "cuda" or not isinstance(model, LearningModel):
        return TorchEngine(model, device)
    from .cuda_graph import CudaGraphEngine  # which is built on this module

    try:
        engine = CudaGraphEngine(model, device)
        found = difference(engine, model, device)
    except RuntimeError as error:  # the first one, where to end the capture failed too
        why = f"the pass cannot be captured as a CUDA graph ({_line(error.__context__ or error)})"
    else:
        if found <= TOLERANCE:  # nor NaN
            return engine
        why = (
            f"the torque of the CUDA graph differs from that of the same pass by {found:.1e} of its size, allowed is "
            f"{TOLERANCE:g}"
        )
    plain = TorchEngine(model, device)
    plain.note = why
    return plain


def _compiled(model: Model, device: torch.device | None, notify: Callable[[str], None]) -> Engine:
    """The engine of compiled kernels.

    Raises:
        EngineError: it cannot run this model here; the reason stands before `NEXT`.
    """

    def refused(why: str) -> EngineError:
        return EngineError(why + NEXT, field="engine", value="compiled")

    if device is not None and device.type != "cpu":
        raise refused(f"compiled kernels run on the CPU, not on device {device}")
    try:
        from .compiled import CompiledEngine, supported  # numba takes time to import
    except ImportError as error:
        raise refused(f"compiled kernels need numba, which cannot be imported ({_line(error)})") from error
    if not supported(model):
        network = f" with {type(model.network).__name__}" if isinstance(model, LearningModel) else ""
        raise refused(f"there are no compiled kernels for a model of kind {model.kind}{network}")
    assert isinstance(model, LearningModel)
    try:
        engine = CompiledEngine(model.cpu().eval(), notify)
    except Exception as error:  # whatever numba and LLVM meet in an old version or on a rare processor
        raise refused(f"numba cannot compile the kernels here ({_line(error)})") from error
    found = difference(engine, model)
    if not found <= TOLERANCE:  # nor NaN
        raise refused(
            f"the torque of compiled kernels differs from torch by {found:.1e} of its size, allowed is {TOLERANCE:g}"
        )
    return engine


def _line(error: BaseException) -> str:
    """The first line of an error, without a colon."""
    return one_line(error)[:100].replace(":", ",")
