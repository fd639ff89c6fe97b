# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The engine of compiled kernels: lays out the weights of a model for `kernels`, and runs it. One thread of a CPU."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vastares_ros.core.samples import Array
from vastares_ros.models.mlp import Mlp
from vastares_ros.models.model import Model, Scaler
from vastares_ros.models.networks import HybridModel, NetworkModel
from vastares_ros.models.recurrent import Recurrent
from vastares_ros.models.stacked import StackedGRU, StackedLinear, StackedLSTM, StackedMLP, StackedRNN
from vastares_ros.models.va_sta_reslstm import VaStaResLSTM

from . import kernels

Weights = NDArray[np.float32]
PADDING = 16  # columns; `kernels` goes by two vectors of 8
LINE = 16  # float32 in a line of the cache
NEVER = -1e30  # score of a column that is only there for the padding
ROWS = 4  # of recurrent weights: their number is padded to a multiple of this

_lock = threading.Lock()
_kernels: tuple[Callable[..., None], Callable[..., None]] | None = None


def supported(model: Model) -> bool:
    """Whether the kernels can run a model; what is derived from its classes may compute something else."""
    return type(model) in (NetworkModel, HybridModel) and type(model.network) in (VaStaResLSTM, Recurrent, Mlp)


def ready_kernels(notify: Callable[[str], None]) -> tuple[Callable[..., None], Callable[..., None]]:
    """The functions `push` and `torque` of this process.

    Args:
        notify: is told when they had to be compiled, and how long that took.
    """
    global _kernels
    with _lock:
        if _kernels is None:
            push, torque, seconds, kept = kernels.compile_kernels()
            _kernels = push, torque
            if seconds:
                when = (
                    "once for this computer" if kept else "at every start: set NUMBA_CACHE_DIR to a folder to keep them"
                )
                notify(f"compiled the kernels of the network in {seconds:.1f} s ({when})")
        return _kernels


class CompiledEngine:
    """Runs VA-STA-ResLSTM, its ablations, LSTM, GRU, RNN and MLP by compiled kernels on one thread.

    It takes the weights as they are now: to change the model afterwards changes nothing.

    Attributes:
        name: of the engine, with the version of numba.
        note: why another engine does not run, empty where none was preferred.
    """

    def __init__(self, model: Model, notify: Callable[[str], None] = lambda text: None):
        """Lay out the weights of a model that is `supported`, and compile.

        Args:
            model: with J joints, C features and windows of T samples.
            notify: is told when the kernels had to be compiled.
        """
        self.name = f"compiled by numba {numba.__version__}"
        self.note = ""
        self._push, self._torque = ready_kernels(notify)
        self._joints, self._length = model.joints, model.config.window
        with torch.no_grad():
            self._plans, self._weights, memory, work = _layout(model)
        self._memory, self._work = _zeros(memory), _zeros(work)
        raw = int(self._plans["m_raw"][0])
        self._features = self._memory[raw : raw + model.feature_scaler.mean.numel()]
        self._slot = 0

    def push(self, x: Array) -> None:
        """Let the window slide on by one sample with these features, shape (C,)."""
        self._slot = (self._slot + 1) % self._length
        self._features[:] = x
        self._push(self._plans, self._weights, self._memory, self._work, self._slot)

    def torque(self) -> Array:
        """The model's torque tau_free, shape (J,) [N·m or A]."""
        out = np.empty(self._joints)
        self._torque(self._plans, self._weights, self._memory, self._work, self._slot, out)
        return out


class _Block:
    """Gathers the weights of all joints, so that those of a joint stand side by side.

    Attributes:
        size: of what was gathered so far, a joint.
    """

    def __init__(self, joints: int):
        self._joints = joints
        self._parts: list[Weights] = []
        self.size = 0

    def add(self, *parts: Weights) -> int:
        """Add arrays (J, ...), each at the beginning of a line of the cache in all; returns the place of the first."""
        place = self.size
        flat = np.concatenate([part.reshape(self._joints, -1) for part in parts], axis=1)
        flat = np.pad(flat, ((0, 0), (0, -flat.shape[1] % LINE)))
        self._parts.append(flat.astype(np.float32))
        self.size += flat.shape[1]
        return place

    def joined(self) -> Weights:
        """All of it, joint after joint."""
        return np.concatenate(self._parts, axis=1).ravel()


def _layout(model: Any) -> tuple[NDArray[np.void], Weights, int, int]:
    """The plan of a model, its weights, and the sizes of the memory of the window and of the memory for work."""
    config, network, joints = model.config, model.network, model.joints
    plan: dict[str, float] = dict.fromkeys(kernels.PLAN.names or (), 0)
    hybrid = isinstance(model, HybridModel)
    features = model.feature_scaler.mean.numel()
    inputs = config.features(joints)
    window = config.window
    plan |= {
        "joints": joints,
        "features": features,
        "window": window,
        "first": (2 + config.acceleration) * joints,
        "rest_from": model.n_motion_features,
        "known_from": model.n_motion_features if hybrid else 0,
        "inputs": inputs,
        "inputs_padded": _padded(inputs),
        "hidden": config.hidden,
        "hidden_padded": _padded(config.hidden),
        "corrected": not hybrid and model.correction is not None,
    }
    block = _Block(joints)
    fill: Any = {VaStaResLSTM: _attention, Recurrent: _recurrent, Mlp: _mlp}[type(network)]
    plan |= fill(network, block)
    target: Scaler = model.target_scaler
    gate = model.gate if hybrid else torch.ones(joints)
    bias = (network.layers[-1] if isinstance(network, Mlp) else network.head).bias
    parts: tuple[Any, ...] = (bias, target.scale, target.mean, gate)
    out = [_numpy(part).reshape(joints, 1) for part in parts]
    plan["w_out"] = block.add(np.concatenate(out, axis=1))
    if plan["corrected"]:
        plan["w_correction"] = block.add(_numpy(model.correction.coefficients).T)
    common = _Block(1)
    plan["mean"] = common.add(_numpy(model.feature_scaler.mean)[None])
    plan["scale"] = common.add(_numpy(model.feature_scaler.scale)[None])
    plan["blocks"], plan["block"] = common.size, block.size
    weights = _zeros(common.size + joints * block.size)
    weights[:] = np.concatenate([common.joined(), block.joined()])

    place = 0
    rows = window * int(plan["hidden_padded"])
    for name, size in (
        ("m_raw", features),
        ("m_seen", plan["inputs_padded"]),
        ("m_velocity", window * joints),
        ("m_drive", joints * rows * plan["gates"]),
        ("m_skip", joints * rows if plan["residual"] else 0),
    ):
        plan[name] = place
        place += int(size + -size % LINE)
    plans = np.zeros(1, dtype=kernels.PLAN)
    plans[0] = tuple(plan[name] for name in plan)
    plans.flags.writeable = False
    work = 3 * rows + 4 * int(plan["hidden_padded"]) + int(plan["velocity_inputs"]) + 2 * int(plan["inputs_padded"])
    return plans, weights, place, work


def _attention(network: VaStaResLSTM, block: _Block) -> dict[str, float]:
    """Add the weights of VA-STA-ResLSTM; returns its part of the plan."""
    c = network.config
    inputs = c.features(network.joints)
    plan: dict[str, float] = {
        "kind": kernels.KINDS.index("attention"),
        "gates": 4,
        "layers": c.hidden_layers + 2,
        "spatial": c.spatial,
        "spatial_activation": kernels.ACTIVATIONS.index(c.spatial_activation),
        "spatial_scale": inputs if c.rescale else 1,
        "residual": c.residual,
        "sigmoid": kernels.SIGMOID.index(c.sigmoid),
        "temporal": kernels.TEMPORAL.index(c.temporal),
        "temporal_activation": kernels.ACTIVATIONS.index(c.temporal_activation),
        "over_time": c.temporal_axis == "time",
        "velocity": kernels.VELOCITY.index(c.velocity),
    }
    if c.spatial:
        plan["w_spatial"] = _scores(network.spatial, block)
    plan["w_input"], plan["w_hidden"] = _gated(network.lstm, block)
    if c.residual:
        plan["w_residual"] = _linear(network.residual, block)
    norm = network.norm
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    shift = norm.bias - norm.running_mean * scale
    plan["w_norm"] = block.add(_columns(_numpy(scale)), _columns(_numpy(shift)))
    if c.temporal != "none":
        plan["w_temporal"] = _scores(network.temporal, block)
        plan["temporal_scale"] = (c.hidden if c.temporal_axis == "hidden" else c.window) if c.rescale else 1
    head = _numpy(network.head.weight)[:, :, 0]
    if c.temporal == "va":
        plan["velocity_inputs"] = network.velocity.weight.shape[1]
        plan["w_velocity"] = _linear(network.velocity, block, NEVER)
        plan["va_scale"], plan["vb_scale"] = (c.hidden, c.hidden / (c.hidden - 1)) if c.rescale else (1, 1)
        plan["w_head"] = block.add(_columns(head[:, : c.hidden]), _columns(head[:, c.hidden :]))
    else:
        plan["w_head"] = block.add(_columns(head))
    return plan


def _recurrent(network: Recurrent, block: _Block) -> dict[str, float]:
    """Add the weights of LSTM, GRU or RNN; returns its part of the plan."""
    layer: Any = network.layer
    kind = {4: "lstm", 3: "gru", 1: "rnn"}[layer.weight_hidden.shape[2] // layer.hidden]
    plan: dict[str, float] = {"kind": kernels.KINDS.index(kind), "gates": layer.weight_hidden.shape[2] // layer.hidden}
    plan["w_input"], plan["w_hidden"] = _gated(layer, block)
    if kind == "gru":
        plan["w_candidate"] = block.add(_columns(_numpy(layer.bias_candidate) * kernels.OF_TANH))
    plan["w_head"] = block.add(_columns(_numpy(network.head.weight)[:, :, 0]))
    return plan


def _mlp(network: Mlp, block: _Block) -> dict[str, float]:
    """Add the weights of a perceptron; returns its part of the plan."""
    *layers, head = (layer for layer in network.layers if isinstance(layer, StackedLinear))
    parts = [part for layer in layers for part in (_numpy(layer.weight), _numpy(layer.bias))]
    return {
        "kind": kernels.KINDS.index("mlp"),
        "layers": len(layers),
        "w_layers": block.add(*(_flat(_columns(part)) for part in parts)),
        "w_head": block.add(_columns(_numpy(head.weight)[:, :, 0])),
    }


def _scores(mlp: StackedMLP, block: _Block) -> int:
    """Add an MLP whose output a softmax follows, layer after layer without a gap; returns its place."""
    parts = []
    for i, layer in enumerate(mlp.layers):
        assert isinstance(layer, StackedLinear)
        last = i == len(mlp.layers) - 1
        parts += [_columns(_numpy(layer.weight)), _columns(_numpy(layer.bias), NEVER if last else 0.0)]
    return block.add(*(_flat(part) for part in parts))


def _linear(layer: StackedLinear, block: _Block, padding: float = 0.0) -> int:
    """Add a linear layer, the columns of its bias padded by a number; returns its place."""
    return block.add(_flat(_columns(_numpy(layer.weight))), _flat(_columns(_numpy(layer.bias), padding)))


def _gated(layer: StackedLSTM | StackedGRU | StackedRNN, block: _Block) -> tuple[int, int]:
    """Add the weights of a recurrent layer, in groups of 8 units, whose last gate is the candidate.

    Returns:
        The places of the weights of input and of state.
    """
    hidden = layer.hidden
    factors = np.full(layer.weight_hidden.shape[2], kernels.OF_GATE)
    factors[-hidden:] = kernels.OF_TANH
    rows = hidden + -hidden % ROWS
    of_input, bias, of_state = (
        _grouped(_numpy(part) * factors, hidden) for part in (layer.weight_input, layer.bias, layer.weight_hidden)
    )
    state = np.pad(of_state, ((0, 0), (0, rows - hidden), (0, 0), (0, 0), (0, 0)))
    inputs = [_flat(part) for part in (of_input, bias)]
    return block.add(*inputs), block.add(_flat(state.transpose(0, 2, 1, 3, 4)))


def _grouped(x: Weights, hidden: int) -> Weights:
    """Gates after gates (J, R, G h) in groups of 8 units that each have all gates: (J, R, h/8, G, 8), h padded."""
    gates = x.shape[2] // hidden
    padded = _columns(x.reshape(*x.shape[:2], gates, hidden))
    return padded.reshape(*x.shape[:2], gates, -1, kernels.WIDTH).transpose(0, 1, 3, 2, 4)


def _flat(x: Weights) -> Weights:
    return x.reshape(len(x), -1)


def _columns(x: Weights, padding: float = 0.0) -> Weights:
    """An array whose last axis is padded."""
    lacking = [(0, 0)] * (x.ndim - 1) + [(0, -x.shape[-1] % PADDING)]
    return np.pad(x, lacking, constant_values=padding)


def _padded(size: int) -> int:
    return size + -size % PADDING


def _numpy(x: Tensor) -> Weights:
    return x.detach().cpu().numpy().astype(np.float32)


def _zeros(size: int) -> Weights:
    """Zeros that begin at a line of the cache."""
    whole = np.zeros(size + LINE, dtype=np.float32)
    start = (-whole.ctypes.data // 4) % LINE
    return whole[start : start + size]
