# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a tick of the network costs: to take a sample in, and the torque of the window that ends with it.

The default network with random weights, by four means, each on one thread:

- modules: a loop over joints, a network of torch's own modules (`nn.LSTM`, `nn.Linear`, `nn.BatchNorm1d`) for each;
- torch: the engine of torch, all joints in one batched pass;
- onnx: ONNX Runtime on one graph for all joints;
- compiled: the engine of compiled kernels.

All give the same torque, which is checked. They take turns, a few ticks each, so that other work on the computer meets
all of them. Prints JSON: times in microseconds, and how many times as long as the compiled engine the others take.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from machine import machine
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from vastares_ros.core.samples import Array
from vastares_ros.models.networks import NetworkModel
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.runtime.engines import Engine, TorchEngine, make_engine

SIZES = ((7, 32, 32), (7, 50, 64), (6, 20, 32))  # joints, window, hidden
TURN = 10  # ticks


class OneJoint(nn.Module):
    """The default network of one joint, of the modules of torch."""

    def __init__(self, joints: int, config: NetworkConfig):
        super().__init__()
        features, h = config.features(joints), config.hidden
        self.joints, self.features, self.hidden, self.window = joints, features, h, config.window
        count = config.hidden_layers + 2
        self.spatial = nn.ModuleList(nn.Linear(features, features) for _ in range(count))
        self.lstm = nn.LSTM(features, h, batch_first=True)
        self.residual = nn.Linear(features, h)
        self.norm = nn.BatchNorm1d(h)
        self.temporal = nn.ModuleList(nn.Linear(h, h) for _ in range(count))
        self.velocity = nn.Linear(joints, h)
        self.head = nn.Linear(2 * h, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Standardised torque (1,) from a standardised window x (1, T, C)."""
        scores = x
        for layer in self.spatial[:-1]:
            scores = layer(scores).sigmoid()
        rows = x * self.spatial[-1](scores).softmax(-1) * self.features
        states = self.lstm(rows)[0] + self.residual(rows).sigmoid()
        states = self.norm(states[0])  # (T, h)
        scores = states
        for layer in self.temporal[:-1]:
            scores = nn.functional.selu(layer(scores))
        weighted = states * self.temporal[-1](scores).softmax(-1) * self.hidden
        va = self.velocity(x[0, -1, self.joints : 2 * self.joints]).softmax(-1)
        h = self.hidden
        fused = torch.cat([h * va * weighted[-1], h / (h - 1) * (1 - va) * weighted.mean(0)])
        tau: Tensor = self.head(fused)
        return tau

    @torch.no_grad()
    def take(self, network: Any, j: int) -> OneJoint:
        """Take the weights of joint j."""
        pairs: list[tuple[Any, Any]] = [
            (self.residual, network.residual),
            (self.velocity, network.velocity),
            (self.head, network.head),
        ]
        for mine, theirs in ((self.spatial, network.spatial), (self.temporal, network.temporal)):
            pairs += zip(mine, theirs.layers, strict=True)
        for layer, stacked in pairs:
            layer.weight.copy_(stacked.weight[j].T)
            layer.bias.copy_(stacked.bias[j, 0])
        i, f, o, g = np.split(np.arange(4 * self.hidden), 4)
        order = np.concatenate([i, f, g, o])
        lstm: Any = self.lstm
        lstm.weight_ih_l0.copy_(network.lstm.weight_input[j].T[order])
        lstm.weight_hh_l0.copy_(network.lstm.weight_hidden[j].T[order])
        lstm.bias_ih_l0.copy_(network.lstm.bias[j, 0, order])
        lstm.bias_hh_l0.zero_()
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(self.norm, name).copy_(getattr(network.norm, name)[j, 0])
        return self.eval()


class ModulesEngine:
    """A loop over joints."""

    def __init__(self, model: NetworkModel):
        self.name, self.note = f"torch {torch.__version__}, module by module", ""
        self._model = model
        self._nets = [OneJoint(model.joints, model.config).take(model.network, j) for j in range(model.joints)]
        self._window = np.zeros((model.config.window, model.feature_scaler.mean.numel()), dtype=np.float32)

    def push(self, x: Array) -> None:
        """Let the window slide on."""
        self._window[:-1] = self._window[1:]
        self._window[-1] = x

    @torch.inference_mode()
    def torque(self) -> Array:
        """The torque (J,)."""
        x = self._model.feature_scaler(torch.from_numpy(self._window[None]))
        torque: Array = self._model.torque_scaler.inverse(torch.cat([net(x) for net in self._nets])).numpy()
        return torque


class OnnxEngine:
    """ONNX Runtime on one thread."""

    def __init__(self, model: NetworkModel):
        self.name, self.note = f"ONNX Runtime {onnxruntime.__version__}", ""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        graph = Graph(model).model.SerializeToString()
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._window = np.zeros((1, model.config.window, model.feature_scaler.mean.numel()), dtype=np.float32)

    def push(self, x: Array) -> None:
        """Let the window slide on."""
        self._window[0, :-1] = self._window[0, 1:]
        self._window[0, -1] = x

    def torque(self) -> Array:
        """The torque (J,)."""
        torque: Array = self._session.run(None, {"window": self._window})[0]
        return torque


class Graph:
    """The default network as a graph of ONNX, from a window (1, T, C) to the torque (J,)."""

    def __init__(self, model: NetworkModel):
        """Build it, with the weights of `model`."""
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        network: Any = model.network
        c, joints, h = model.config, model.joints, model.config.hidden
        features, window = c.features(joints), c.window
        z = self._add("Sub", "window", model.feature_scaler.mean)
        z = self._add("Div", z, model.feature_scaler.scale)  # (1, T, C)
        alpha = self._add("Softmax", self._mlp(z, network.spatial, "Sigmoid"), axis=-1)
        rows = self._add("Mul", self._add("Mul", z, alpha), np.float32(features))  # (J, T, C)
        parts = [f"rows_{j}" for j in range(joints)]
        self._nodes.append(helper.make_node("Split", [rows], parts, axis=0, num_outputs=joints))
        i, f, o, g = np.split(np.arange(4 * h), 4)
        order = np.concatenate([i, o, f, g])
        states = []
        for j, part in enumerate(parts):
            weights = [
                network.lstm.weight_input[j].T[order][None],
                network.lstm.weight_hidden[j].T[order][None],
                torch.cat([network.lstm.bias[j, 0, order], torch.zeros(4 * h)])[None],
            ]
            turned = self._add("Reshape", part, np.array([window, 1, features]))
            states.append(
                self._add("Reshape", self._add("LSTM", turned, *weights, hidden_size=h), np.array([1, -1, h]))
            )
        out = self._add("Concat", *states, axis=0)  # (J, T, h)
        out = self._add("Add", out, self._add("Sigmoid", self._linear(rows, network.residual)))
        norm = network.norm
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        out = self._add("Add", self._add("Mul", out, scale), norm.bias - norm.running_mean * scale)
        ta = self._add("Softmax", self._mlp(out, network.temporal, "Selu"), axis=-1)
        weighted = self._add("Mul", ta, out)
        newest = self._add("Gather", weighted, np.array([window - 1]), axis=1)  # (J, 1, h)
        average = self._add("ReduceMean", weighted, np.array([1]), keepdims=1)
        last = self._add("Gather", z, np.array([window - 1]), axis=1)
        qd = self._add("Gather", last, np.arange(joints, 2 * joints), axis=2)  # (1, 1, J)
        va = self._add("Softmax", self._linear(qd, network.velocity), axis=-1)
        vb = self._add("Sub", np.float32(1), va)
        seen = self._add(
            "Concat",
            self._add("Mul", self._add("Mul", va, newest), np.float32(h * h)),
            self._add("Mul", self._add("Mul", vb, average), np.float32(h * h / (h - 1))),
            axis=2,
        )
        tau = self._add("Reshape", self._linear(seen, network.head), np.array([joints]))
        tau = self._add("Add", self._add("Mul", tau, model.torque_scaler.scale), model.torque_scaler.mean)
        graph = helper.make_graph(
            self._nodes,
            "network",
            [helper.make_tensor_value_info("window", TensorProto.FLOAT, (1, window, features))],
            [helper.make_tensor_value_info(tau, TensorProto.FLOAT, (joints,))],
            self._weights,
        )
        self.model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        onnx.checker.check_model(self.model)

    def _add(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        """Add a node, whose inputs are names or weights; returns the name of its output."""
        names = []
        for value in inputs:
            if isinstance(value, str):
                names.append(value)
                continue
            array = value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)
            names.append(f"weight_{len(self._weights)}")
            self._weights.append(numpy_helper.from_array(np.ascontiguousarray(array), names[-1]))
        out = f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, names, [out], **attributes))
        return out

    def _linear(self, x: str, layer: Any) -> str:
        return self._add("Add", self._add("MatMul", x, layer.weight), layer.bias)

    def _mlp(self, x: str, mlp: Any, activation: str) -> str:
        for layer in mlp.layers[:-1]:
            x = self._add(activation, self._linear(x, layer))
        return self._linear(x, mlp.layers[-1])


def drawn(joints: int, window: int, hidden: int) -> NetworkModel:
    """A model with random weights and statistics."""
    torch.manual_seed(0)
    model = NetworkModel(joints, NetworkConfig(window=window, hidden=hidden)).eval()
    for name, tensor in model.state_dict().items():
        if name.endswith(("scale", "running_var")):
            tensor.uniform_(0.5, 1.5)
        elif name.endswith("mean") or "norm" in name:
            tensor.normal_()
    return model


def taken_in_turn(kinds: dict[str, Engine], joints: int, window: int, hidden: int, ticks: int) -> dict[str, Any]:
    """The times of engines of one model, which take turns; each has to compute the torque of the first."""
    samples = np.random.default_rng(0).normal(size=(window + ticks, 2 * joints))
    for engine in kinds.values():
        for x in samples[:window]:
            engine.push(x)
        for _ in range(TURN):  # to warm up
            engine.torque()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
    torques: dict[str, list[Array]] = {name: [] for name in kinds}
    for start in range(window, window + ticks, TURN):
        for name, engine in kinds.items():
            for x in samples[start : start + TURN]:
                began = time.perf_counter()
                engine.push(x)
                pushed = time.perf_counter()
                torques[name].append(engine.torque())
                times[name].append((pushed - began, time.perf_counter() - began))
    first = next(iter(kinds))
    theirs = np.array(torques[first])
    size = np.abs(theirs).max()
    result: dict[str, Any] = {"joints": joints, "window": window, "hidden": hidden, "ticks": ticks}
    for name, engine in kinds.items():
        push, tick = np.array(times[name]).T * 1e6
        p50, p99 = np.percentile(tick, (50, 99))
        result[name] = {
            "engine": engine.name,
            "tick_us": {"p50": round(p50, 1), "p99": round(p99, 1)},
            "push_us": {"p50": round(float(np.median(push)), 1)},
            "difference": float(np.abs(np.array(torques[name]) - theirs).max() / size),
        }
        if not result[name]["difference"] < 1e-5:
            raise SystemExit(f"{name} does not compute what {first} computes: {result[name]['difference']}")
    return result


def measure(joints: int, window: int, hidden: int, ticks: int) -> dict[str, Any]:
    """One size."""
    model = drawn(joints, window, hidden)
    kinds: dict[str, Engine] = {
        "torch": TorchEngine(model),
        "modules": ModulesEngine(model),
        "onnx": OnnxEngine(model),
        "compiled": make_engine(model, engine="compiled"),
    }
    result = taken_in_turn(kinds, joints, window, hidden, ticks)
    medians = {name: result[name]["tick_us"]["p50"] for name in kinds}
    result["times_as_long"] = {k: round(v / medians["compiled"], 1) for k, v in medians.items() if k != "compiled"}
    return result


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ticks", type=int, default=1000, help="of each engine (1000)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(json.dumps({"machine": machine(), "sizes": [measure(*size, args.ticks) for size in SIZES]}, indent=1))


if __name__ == "__main__":
    main()
