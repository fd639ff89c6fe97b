# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The compiled engine gives the torque of torch, for every network and every choice, or is refused."""

import itertools
import os
import subprocess
import sys
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
import torch

from vastares_ros.core.arm import Arm
from vastares_ros.core.errors import EngineError
from vastares_ros.io.robots import load_robot
from vastares_ros.models.identified_dynamics import IdentifiedDynamics
from vastares_ros.models.methods import METHODS, NETWORKS, network_config
from vastares_ros.models.mlp import Mlp, MlpConfig
from vastares_ros.models.networks import Correction, HybridModel, NetworkModel
from vastares_ros.models.recurrent import LAYERS, RecurrentConfig
from vastares_ros.models.rigid_body import ObserverConfig, ObserverModel, RigidBodyConfig, RigidBodyModel
from vastares_ros.models.va_sta_reslstm import CHOICES, NetworkConfig
from vastares_ros.runtime import compiled, engines, kernels
from vastares_ros.runtime.compiled import CompiledEngine
from vastares_ros.runtime.engines import TOLERANCE, PhysicsEngine, TorchEngine, make_engine

WITHOUT_KERNELS = ("transformer", "gpr", "lwpr")
BASE = NetworkConfig(window=6, hidden=5)
CHANGES = {
    **{(name, value): {name: value} for name, values in CHOICES.items() for value in values},
    **{(name, value): {name: value} for name in ("spatial", "residual", "rescale") for value in (True, False)},
    **{(name, value): {name: value} for name in ("acceleration",) for value in (True, False)},
    **{("hidden_layers", value): {"hidden_layers": value} for value in (0, 1, 3, 4)},
}
# Of the choices that meet in the code, every combination.
TOGETHER = [
    *itertools.product(["temporal"], CHOICES["temporal"], ["temporal_axis"], CHOICES["temporal_axis"]),
    *itertools.product(["residual"], (True, False), ["sigmoid"], CHOICES["sigmoid"]),
    *itertools.product(["spatial"], (True, False), ["residual"], (True, False)),
    *itertools.product(["rescale"], (True, False), ["temporal_axis"], CHOICES["temporal_axis"]),
    *itertools.product(["velocity"], CHOICES["velocity"], ["acceleration"], (True, False)),
]


def drawn(model):
    """The model with random weights and statistics."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in model.state_dict().items():
        if tensor.dtype != torch.float32:
            continue
        if name.endswith(("scale", "running_var")):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
        elif name.endswith(("mean", "gate", "coefficients")) or "norm" in name:
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
        elif "weight" in name:
            tensor.mul_(2)  # as drawn by torch, many layers have nearly the same output whatever the input
    return model.eval()


def network(config, joints=2):
    return drawn(NetworkModel(joints, config))


def hybrid(config):
    robot = load_robot("ur5")
    dynamics = IdentifiedDynamics(Arm(robot.urdf, robot.urdf_joints, robot.tip), ["viscous"], 0.05, 0.0)
    return drawn(HybridModel(6, config, dynamics))


def features(model, count, seed=0, size=2.0):
    return np.random.default_rng(seed).normal(size=(count, model.feature_scaler.mean.numel())) * size


def run(engine, samples, window):
    """The torque at every full window, shape (·, J)."""
    torques = []
    for i, x in enumerate(samples, 1):
        engine.push(x)
        if i >= window:
            torques.append(engine.torque())
    return np.array(torques)


def is_torch(model, count=0, size=2.0):
    window = model.config.window
    samples = features(model, window + (count or 2 * window + 3), size=size)
    theirs = run(TorchEngine(model), samples, window)
    ours = run(CompiledEngine(model), samples, window)
    assert ours.dtype == np.float64 and ours.shape == theirs.shape
    assert (np.abs(ours - theirs).max(axis=0) <= TOLERANCE * np.ptp(theirs, axis=0)).all()


@pytest.mark.parametrize(("name", "value"), CHANGES, ids=str)
def test_it_is_torch_with_every_choice(name, value):
    is_torch(network(replace(BASE, **CHANGES[name, value])))


@pytest.mark.parametrize("choices", TOGETHER, ids=str)
def test_it_is_torch_with_choices_that_meet(choices):
    one, a, other, b = choices
    is_torch(network(replace(BASE, **{one: a, other: b})))


def test_every_field_of_the_configuration_is_among_these():
    tested = {name for name, _ in CHANGES} | {"window", "hidden", "rigid_body_torque"}
    assert {f.name for f in fields(NetworkConfig)} == tested, "add the new field to CHANGES, and to the kernels"
    assert (
        tuple(CHOICES["temporal"]) == kernels.TEMPORAL and tuple(CHOICES["temporal_activation"]) == kernels.ACTIVATIONS
    )


@pytest.mark.parametrize("joints", [1, 6, 7])
@pytest.mark.parametrize(("window", "hidden"), [(2, 2), (5, 8), (9, 17), (32, 32), (50, 20), (33, 64)])
def test_it_is_torch_with_every_size(joints, window, hidden):
    is_torch(network(NetworkConfig(window=window, hidden=hidden), joints), count=5)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(("window", "hidden", "joints"), [(2, 1, 1), (7, 5, 2), (32, 32, 7), (20, 33, 6)])
def test_recurrent_networks_are_those_of_torch(kind, window, hidden, joints):
    for acceleration in (False, True):
        is_torch(network(RecurrentConfig(window=window, hidden=hidden, kind=kind, acceleration=acceleration), joints))


@pytest.mark.parametrize(("hidden", "layers", "joints"), [(1, 1, 1), (5, 3, 2), (64, 2, 7), (33, 10, 6)])
def test_perceptrons_are_those_of_torch(hidden, layers, joints):
    is_torch(network(MlpConfig(hidden=hidden, layers=layers), joints), count=10)


@pytest.mark.parametrize("size", [1e-3, 30.0, 3000.0])
def test_it_is_torch_where_gates_saturate(size):
    for activation in CHOICES["temporal_activation"]:
        config = replace(BASE, spatial_activation=activation, temporal_activation=activation)
        model = network(config)
        samples = features(model, 20, size=size)
        theirs, ours = (run(make(model), samples, BASE.window) for make in (TorchEngine, CompiledEngine))
        size_of = max(np.abs(theirs).max(), 1.0)
        assert np.abs(ours - theirs).max() <= (TOLERANCE if size < 1000 else 1e-4) * size_of


@pytest.mark.parametrize("name", ["va_sta_reslstm", "lstm", "gru", "rnn", "mlp"])
@pytest.mark.parametrize("acceleration", [True, False])
@pytest.mark.parametrize("rigid_body_torque", [True, False])
def test_hybrids_are_those_of_torch(name, acceleration, rigid_body_torque):
    given = {"hidden": 12, "acceleration": acceleration, "rigid_body_torque": rigid_body_torque}
    model = hybrid(network_config(name, given if name == "mlp" else {**given, "window": 5}))
    is_torch(model, count=7)
    model.gate.zero_()
    samples = features(model, 6)
    got = run(CompiledEngine(model), samples, 6)[0]
    np.testing.assert_array_equal(got, samples[-1, model.n_motion_features :].astype(np.float32))


@pytest.mark.parametrize("name", ["va_sta_reslstm", "gru", "mlp"])
def test_a_correction_is_added(name):
    model = network(network_config(name, {"hidden": 4} if name == "mlp" else {"hidden": 4, "window": 3}), 3)
    samples = features(model, 3)
    plain = run(CompiledEngine(model), samples, 3)
    model.correction = Correction(3)
    drawn(model)
    is_torch(model)
    assert np.abs(run(CompiledEngine(model), samples, 3) - plain).min() > 1e-3


@pytest.mark.parametrize("name", [name for name in METHODS if name not in WITHOUT_KERNELS])
def test_a_window_that_slid_is_a_fresh_one(name):
    model = network(network_config(name, {"hidden": 12} if name == "mlp" else {"hidden": 12, "window": 9}))
    window, samples = model.config.window, features(model, 40)
    slid = run(CompiledEngine(model), samples, window)
    for last in (window, window + 1, 25, 40):
        fresh = run(CompiledEngine(model), samples[last - window : last], window)[-1]
        np.testing.assert_array_equal(slid[last - window], fresh)


def test_the_torque_may_be_asked_for_again_or_not_at_all():
    model = network(BASE)
    samples = features(model, 30)
    engine, other = CompiledEngine(model), CompiledEngine(model)
    for x in samples:
        engine.push(x)
        other.push(x)
        other.torque()
    first = engine.torque()
    kept = first.copy()
    np.testing.assert_array_equal(engine.torque(), first)
    np.testing.assert_array_equal(other.torque(), first)
    engine.push(samples[0])
    engine.torque()
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("name", ["va_sta_reslstm", "reslstm_sa_ta_wa", "lstm", "gru", "rnn", "mlp"])
def test_nan_stays_nan_until_it_has_left_the_window(name):
    model = network(network_config(name, {"hidden": 4} if name == "mlp" else {"hidden": 4, "window": 4}))
    samples = features(model, 16)
    samples[6] = np.nan
    theirs, ours = (run(make(model), samples, model.config.window) for make in (TorchEngine, CompiledEngine))
    assert np.isnan(theirs).any() and np.isfinite(theirs).any()
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))


@pytest.mark.parametrize("name", METHODS)
def test_auto_is_compiled_where_there_are_kernels_and_says_why_not(name):
    small = {"hidden": 4, "window": 3, "width": 8, "heads": 2, "feedforward": 8, "inducing": 4, "fields": 3}
    known = {f.name for f in fields(METHODS[name].config)}
    model = network(network_config(name, {key: value for key, value in small.items() if key in known}))
    engine = make_engine(model)
    if name in WITHOUT_KERNELS:
        assert (
            isinstance(engine, TorchEngine)
            and f"no compiled kernels for a model of kind network with {name.title()}" in engine.note
        )
        with pytest.raises(EngineError, match=r"no compiled kernels for .*: use engine auto or torch") as error:
            make_engine(model, engine="compiled")
        assert error.value.about == {"field": "engine", "value": "compiled"}
    else:
        assert isinstance(engine, CompiledEngine) and not engine.note and "numba" in engine.name
        assert isinstance(make_engine(model, torch.device("cpu"), "compiled"), CompiledEngine)
    asked = make_engine(model, engine="torch")
    assert isinstance(asked, TorchEngine) and not asked.note


def test_an_unknown_engine_is_refused():
    with pytest.raises(EngineError, match="engine 'steam' is unknown: use auto, torch, compiled") as error:
        make_engine(network(BASE), engine="steam")
    assert error.value.about == {"field": "engine", "value": "steam"}


def test_there_are_no_kernels_for_a_gpu():
    with pytest.raises(EngineError, match="kernels run on the CPU, not on device cuda:1: use engine auto or torch"):
        make_engine(network(BASE), torch.device("cuda:1"), "compiled")


def test_a_network_derived_from_ours_is_left_to_torch(monkeypatch):
    @dataclass(frozen=True)
    class OtherConfig(MlpConfig):
        pass

    class Other(Mlp):
        def forward(self, x):
            return super().forward(x) + 1

    monkeypatch.setitem(NETWORKS, OtherConfig, Other)
    engine = make_engine(NetworkModel(2, OtherConfig(hidden=4)))
    assert isinstance(engine, TorchEngine) and "with Other" in engine.note


def test_without_numba_torch_takes_over(monkeypatch):
    monkeypatch.setitem(sys.modules, "vastares_ros.runtime.compiled", None)
    engine = make_engine(network(BASE))
    assert isinstance(engine, TorchEngine) and "need numba, which cannot be imported" in engine.note
    with pytest.raises(EngineError, match="need numba, which cannot be imported"):
        make_engine(network(BASE), engine="compiled")


def test_where_numba_cannot_compile_torch_takes_over(monkeypatch):
    def fails():
        raise RuntimeError("no such instruction: vfmadd\nand more")

    monkeypatch.setattr(compiled, "_kernels", None)
    monkeypatch.setattr(kernels, "compile_kernels", fails)
    engine = make_engine(network(BASE))
    assert (
        isinstance(engine, TorchEngine)
        and "cannot compile the kernels here (no such instruction, vfmadd" in engine.note
    )
    with pytest.raises(EngineError, match="cannot compile the kernels"):
        make_engine(network(BASE), engine="compiled")


@pytest.mark.parametrize("error", [3e-5, np.nan])
def test_kernels_that_differ_from_torch_are_refused_with_the_figure(monkeypatch, error):
    model = network(BASE)
    right = CompiledEngine.torque
    assert engines.difference(CompiledEngine(model), model) < TOLERANCE / 3
    monkeypatch.setattr(CompiledEngine, "torque", lambda self: right(self) * (1 + error))
    engine = make_engine(model)
    figure = f"{error:.1e}"[-3:] if np.isfinite(error) else "nan"
    assert isinstance(engine, TorchEngine) and "differs from torch by" in engine.note and figure in engine.note
    with pytest.raises(EngineError, match="differs from torch by"):
        make_engine(model, engine="compiled")


@pytest.mark.parametrize("name", ["auto", "compiled"])
def test_a_model_of_physics_alone_needs_no_network_engine(name):
    robot = load_robot("ur5")
    dynamics = IdentifiedDynamics(Arm(robot.urdf, robot.urdf_joints, robot.tip), ["viscous"], 0.05, 0.0)
    for model in (RigidBodyModel(6, RigidBodyConfig(), dynamics), ObserverModel(6, ObserverConfig(), dynamics)):
        engine = make_engine(drawn(model), engine=name)
        assert isinstance(engine, PhysicsEngine)
        samples = features(model, 9)
        np.testing.assert_array_equal(run(engine, samples, 2), run(TorchEngine(model), samples, 2))


SCRIPT = """
import numpy as np, torch
from vastares_ros.models.networks import NetworkModel
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.runtime.engines import make_engine
torch.manual_seed(0)
model = NetworkModel(2, NetworkConfig(window=4, hidden=4)).eval()
engine = make_engine(model, engine="compiled", notify=lambda text: print("told", text))
for x in np.random.default_rng(0).normal(size=(4, 4)):
    engine.push(x)
print("torque", engine.torque().tolist())
"""
QUICK = """
import numpy as np
from numba import types
from vastares_ros.runtime import kernels
at = (kernels._FLAT, types.int64)
kernels.SIGNATURES = {kernels.dot.py_func: types.float32(*at, *at, types.int64)} | {
    kernels.softmax.py_func: types.float32(*at, types.int64)
}
dot, softmax, seconds, kept = kernels.compile_kernels()
x = np.arange(8, dtype=np.float32)
print("compiled" if seconds else "read", "kept" if kept else "lost", dot(x, 0, x, 0, 8), softmax(x, 0, 8))
"""
"""Two kernels that are compiled at once, as the large ones are."""


def started(script=SCRIPT, **environment):
    """What a fresh process prints."""
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    assert not done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("kept", "says"), [(True, "once for this computer"), (False, "at every start: set NUMBA_CACHE_DIR to a folder")]
)
def test_who_waits_for_kernels_is_told(kept, says, monkeypatch):
    monkeypatch.setattr(compiled, "_kernels", None)
    monkeypatch.setattr(compiled.kernels, "compile_kernels", lambda: (max, min, 4.25, kept))
    told = []
    assert compiled.ready_kernels(told.append) == compiled.ready_kernels(told.append) == (max, min)
    (line,) = told
    assert line.startswith("compiled the kernels of the network in 4.2 s (") and says in line


@pytest.mark.process
def test_kernels_are_kept_on_disk():
    torque = started()[-1]  # compiles them, if nothing did before
    assert started() == [torque]


@pytest.mark.process
def test_kernels_are_compiled_anew_where_those_on_disk_are_damaged(tmp_path):
    kept = {"NUMBA_CACHE_DIR": str(tmp_path)}
    (first,) = started(QUICK, **kept)
    assert first.startswith("compiled kept 140.0 1.5814")  # Σ i², Σ exp(i - 7)
    assert started(QUICK, **kept) == [first.replace("compiled", "read")]
    for file in tmp_path.rglob("*.nbc"):
        file.write_bytes(file.read_bytes()[:1000])  # as by a full disk
    for file in tmp_path.rglob("*softmax*.nbi"):
        file.write_bytes(bytes(file.stat().st_size))  # as by a power cut
    assert started(QUICK, **kept) == [first]


@pytest.mark.process
def test_where_nothing_can_be_kept_kernels_are_compiled_at_every_start(tmp_path):
    (tmp_path / "file").touch()
    no = {"NUMBA_CACHE_DIR": str(tmp_path / "file"), "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"}
    for _ in range(2):
        (said,) = started(QUICK, **no)
        assert said.startswith("compiled lost 140.0 1.5814")
