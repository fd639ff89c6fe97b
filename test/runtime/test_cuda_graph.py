# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""On a GPU the torque of the captured pass is that of the pass; where it cannot be had, the pass runs, with the reason.

What chooses between the two is tested without a GPU too, where classes that run on the CPU stand in for both.
"""

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import numpy as np
import pytest
import torch
from test_engines import drawn, features, hybrid, network, run

from vastares_ros.models.methods import METHODS, NETWORKS, network_config
from vastares_ros.models.mlp import Mlp, MlpConfig
from vastares_ros.models.networks import Correction, NetworkModel
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.runtime import cuda_graph, engines
from vastares_ros.runtime.cuda_graph import CudaGraphEngine
from vastares_ros.runtime.engines import TOLERANCE, TorchEngine, make_engine

BASE = NetworkConfig(window=6, hidden=5)
CUDA = torch.device("cuda")
ON_CPU = "compiled kernels run on the CPU, not on device cuda"
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


class PlainOnCpu(TorchEngine):
    """Stands in for the pass that is not captured."""

    def __init__(self, model, device=None):
        super().__init__(model)


class GraphOnCpu(PlainOnCpu):
    """Stands in for the captured pass."""


@pytest.fixture
def on_cpu(monkeypatch):
    """Where a GPU is asked for, what stands in for it; gives a function that changes the torque of the graph."""
    monkeypatch.setattr(engines, "TorchEngine", PlainOnCpu)
    monkeypatch.setattr(cuda_graph, "CudaGraphEngine", GraphOnCpu)

    def change(torque):
        monkeypatch.setattr(GraphOnCpu, "torque", lambda engine: torque(PlainOnCpu.torque(engine)), raising=False)

    return change


@pytest.mark.usefixtures("on_cpu")
def test_a_network_on_a_gpu_is_captured():
    asked = make_engine(network(BASE), CUDA, "torch")
    assert type(asked) is GraphOnCpu and asked.note == ""
    auto = make_engine(hybrid(BASE), CUDA)
    assert type(auto) is GraphOnCpu and auto.note == ON_CPU
    assert type(make_engine(network(BASE), engine="torch")) is PlainOnCpu, "on the CPU there is nothing to capture"


@pytest.mark.parametrize("error", [3e-5, np.nan])
def test_a_graph_that_differs_is_refused_with_the_figure(on_cpu, error):
    on_cpu(lambda torque: torque * (1 + error))
    engine = make_engine(network(BASE), CUDA, "torch")
    figure = f"{error:.1e}"[-3:] if np.isfinite(error) else "nan"
    assert type(engine) is PlainOnCpu and "the CUDA graph differs from that of the same pass by" in engine.note
    assert figure in engine.note


@pytest.mark.usefixtures("on_cpu")
def test_a_pass_that_cannot_be_captured_runs_as_it_is(monkeypatch):
    def fails(*_):
        try:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nand more")
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")

    monkeypatch.setattr(GraphOnCpu, "__init__", fails)
    why = "the pass cannot be captured as a CUDA graph (CUDA error, operation not permitted when stream is capturing"
    engine = make_engine(network(BASE), CUDA, "torch")
    assert type(engine) is PlainOnCpu and engine.note.startswith(why)
    assert make_engine(network(BASE), CUDA).note == f"{ON_CPU}; {engine.note}"


def models():
    """A model of every method, hybrids and one with a correction."""
    small = {"hidden": 12, "window": 5, "width": 8, "heads": 2, "feedforward": 8, "inducing": 4, "fields": 3}
    for name, method in METHODS.items():
        known = {f.name for f in fields(method.config)}
        config = network_config(name, {key: value for key, value in small.items() if key in known})
        yield pytest.param(lambda config=config: network(config), id=name)
    yield pytest.param(lambda: network(NetworkConfig(), 7), id="default size")
    yield pytest.param(lambda: hybrid(BASE), id="hybrid")

    def corrected():
        model = network(BASE)
        model.correction = Correction(2)
        return drawn(model)

    yield pytest.param(corrected, id="corrected")


@on_gpu
@pytest.mark.parametrize("make", list(models()))
def test_the_graph_has_the_torque_of_the_pass(make):
    model = make()
    window, samples = model.config.window, features(model, 40)
    theirs = run(TorchEngine(copy.deepcopy(model), CUDA), samples, window)
    engine = make_engine(model, CUDA, "torch")
    assert type(engine) is CudaGraphEngine and not engine.note and engine.name.endswith(", CUDA graph")
    size = np.maximum(np.abs(theirs).max(axis=0), 1.0)
    assert (np.abs(run(engine, samples, window) - theirs).max(axis=0) <= TOLERANCE * size).all()


@on_gpu
def test_the_graph_keeps_what_it_reads_and_runs_in_any_thread():
    model = network(BASE)
    samples = features(model, 20)
    engine = make_engine(model, CUDA, "torch")
    theirs = run(engine, samples, BASE.window)
    model.cpu()
    used = [torch.full((1000, 1000), torch.nan, device=CUDA) for _ in range(20)]  # the memory that became free
    with ThreadPoolExecutor(1) as thread:
        np.testing.assert_array_equal(thread.submit(run, engine, samples, BASE.window).result(), theirs)
    assert len(used) == 20


@on_gpu
def test_a_network_that_looks_at_its_numbers_cannot_be_captured(monkeypatch):
    @dataclass(frozen=True)
    class LookingConfig(MlpConfig):
        pass

    class Looking(Mlp):
        def forward(self, x):
            return super().forward(x) if x.sum() > 0 else -super().forward(x)

    monkeypatch.setitem(NETWORKS, LookingConfig, Looking)
    model = drawn(NetworkModel(2, LookingConfig(hidden=4)))
    samples = features(model, 9)
    theirs = run(TorchEngine(copy.deepcopy(model)), samples, 1)
    engine = make_engine(model, CUDA, "torch")
    assert type(engine) is TorchEngine and "cannot be captured as a CUDA graph (" in engine.note
    np.testing.assert_allclose(run(engine, samples, 1), theirs, rtol=1e-4, atol=1e-4)
