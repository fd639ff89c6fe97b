# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from dataclasses import replace

import numpy as np
import pytest
import torch

from vastares_ros.core.config import from_mapping
from vastares_ros.core.errors import ConfigError, DatasetError, RobotError
from vastares_ros.io.bundles import load_bundle, save_bundle
from vastares_ros.io.datasets import dataset_arm
from vastares_ros.runtime.estimator import Estimator
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.evaluate import predict
from vastares_ros.training.fit import fit
from vastares_ros.training.hybrid import gate_of
from vastares_ros.training.identify import IdentifyConfig, identify_bundle

pytest.importorskip("pinocchio")
pytestmark = pytest.mark.slow
CPU = torch.device("cpu")


def config(**given):
    values = {
        "model": "gpr",
        "network": {"inducing": 60, "subset": 100},
        "rigid_body_model": {"kind": "identified", "friction_model": "basic", "friction_time_constant": 0},
    }
    return from_mapping(TrainConfig, values | given)


@pytest.fixture(scope="module")
def rippling(arm_dataset, lively):
    """Recordings of an arm whose joints 1 to 3 have a torque that no rigid body with friction has; noise in all."""
    rng = np.random.default_rng(0)

    def rippled(e):
        ripple = np.where(np.arange(6) < 3, 5 * np.sin(3 * e.qd), 0)
        return replace(e, tau=e.tau + ripple + rng.normal(0, 0.5, e.tau.shape))

    names = ("one", "two", "three", "four", "five")
    return replace(arm_dataset, episodes=tuple(rippled(lively(name, seed, 1000)) for seed, name in enumerate(names)))


@pytest.fixture(scope="module")
def bundle(rippling):
    return fit(rippling, config(), CPU, test=["five"], validation=["four"])


def test_the_network_helps_where_physics_falls_short_and_is_shut_out_where_not(bundle):
    nmse = bundle.metrics["nmse"]
    gate = bundle.model.gate.numpy()
    assert gate[:3].min() > 0.35 and ((gate >= 0) & (gate <= 0.5)).all()
    model, physics = (np.array(list(nmse[name].values())) for name in ("model", "rigid body"))
    assert (model[:3] < 0.8 * physics[:3]).all()
    assert (model[3:] < 1.05 * physics[3:]).all()


def test_few_recordings_let_in_half_of_the_least_share_and_many_what_harms_none():
    left, learnt = np.ones((2, 7, 2))
    product = np.column_stack([np.linspace(0.6, 1, 7), [0.2, 1, 1, 1, 1, 1, 1]])  # also the best shares
    np.testing.assert_allclose(gate_of(left[:3], product[:3], learnt[:3]), [0.3, 0.1])
    many = gate_of(left, product, learnt)
    assert many[0] == pytest.approx(0.8)  # best for the mean
    harm = many[1] ** 2 - 2 * many[1] * 0.2  # of the first recording, over what physics leaves
    assert harm == pytest.approx(0.02)
    np.testing.assert_array_equal(gate_of(left, -product, learnt)[0], 0)


def test_no_joint_is_worse_than_physics_on_a_recording_that_set_the_gate(bundle, rippling):
    (p,) = predict(bundle.model, bundle.ridge, bundle.filter, bundle.rate, rippling.episodes[3:4])
    model, physics = (np.square(p.tau[name] - p.tau_meas).mean(axis=0) for name in ("model", "rigid body"))
    assert (model <= physics * (1 + 1e-6)).all()


def test_each_training_recording_is_left_out_in_turn(rippling):
    told = []
    bundle = fit(rippling, config(), CPU, test=["three", "four", "five"], report=told.append)
    assert [p.epoch for p in told] == list(range(1, 4)) and {p.epochs for p in told} == {3}
    assert bundle.model.gate.numpy()[:3].min() > 0.35
    assert bundle.metrics["nmse_mean"]["model"] < bundle.metrics["nmse_mean"]["rigid body"]
    with pytest.raises(DatasetError, match="only one is for training"):
        fit(rippling, config(), CPU, test=["two", "three", "four", "five"])


def test_one_training_recording_does_with_validation(rippling):
    one = config(model="mlp", network={}, epochs=1)
    fit(rippling, one, CPU, test=["two", "three", "four"], validation=["five"], report=(told := []).append)
    assert [p.epoch for p in told] == [1]


def test_the_bundle_comes_back_and_runs_live_as_offline(bundle, rippling, tmp_path):
    save_bundle(tmp_path / "b", bundle)
    read = load_bundle(tmp_path / "b")
    assert (
        read.method == "gpr"
        and read.model.kind == "hybrid"
        and read.training["config"]["rigid_body_model"]["kind"] == "identified"
    )
    episode = rippling.episodes[4]
    estimator = Estimator(read)
    live = np.array([estimator.step(s).tau_free for s in episode])
    (p,) = predict(bundle.model, bundle.ridge, bundle.filter, bundle.rate, [episode])
    np.testing.assert_allclose(live, p.tau["model"], atol=1e-3)
    assert np.abs(p.tau["model"] - p.tau["rigid body"]).max() > 0.5


def test_with_a_gate_of_zero_only_physics_is_left(bundle, rippling):
    gate = bundle.model.gate.clone()
    try:
        bundle.model.gate.zero_()
        (p,) = predict(bundle.model, bundle.ridge, bundle.filter, bundle.rate, rippling.episodes[4:])
    finally:
        bundle.model.gate.copy_(gate)
    np.testing.assert_allclose(p.tau["model"], p.tau["rigid body"], atol=1e-4)


def test_its_physics_is_that_of_identify(bundle, rippling):
    other, _ = identify_bundle(
        rippling, dataset_arm(rippling), IdentifyConfig(friction_model="basic"), ["five"], ["four"]
    )
    np.testing.assert_array_equal(bundle.model.dynamics.links, other.model.dynamics.links)


@pytest.mark.parametrize("network", [{"rigid_body_torque": True}, {"acceleration": True}])
def test_the_network_may_see_more(network, rippling):
    held_out = {"test": ["three", "four", "five"], "validation": ["two"]}
    bundle = fit(rippling, config(model="mlp", epochs=1, network=network), CPU, **held_out)
    model = bundle.model
    assert model.network.layers[0].weight.shape[1] == 18
    x = torch.randn(5, 1, 24)
    changed = x.clone()
    changed[..., 18:] += 1  # the torque of the rigid-body model
    assert torch.equal(model.inputs(x), model.inputs(changed)) == ("acceleration" in network)


def test_a_rigid_body_model_that_cannot_be_is_refused(dataset, tmp_path):
    with pytest.raises(RobotError, match="has no URDF of robot 'twolink': give one with --urdf"):
        fit(dataset, config(), CPU, validation=["two"])
    with pytest.raises(RobotError, match=r"nowhere\.urdf cannot be read"):
        fit(dataset, config(), CPU, validation=["two"], arm=dataset_arm(dataset, tmp_path / "nowhere.urdf"))
    with pytest.raises(ConfigError, match=r"network\.rigid_body_torque is true, but there is no rigid-body model"):
        config(rigid_body_model={}, network={"rigid_body_torque": True})
    with pytest.raises(ConfigError, match=r"rigid_body_model\.kind is 'magic': use none or identified"):
        config(rigid_body_model={"kind": "magic"})
    with pytest.raises(ConfigError, match=r"\.friction_time_constant is -1: use 1 to 3600 s, or 0 for none"):
        config(rigid_body_model={"kind": "identified", "friction_time_constant": -1})


def test_a_recording_with_contact_is_named(lively, arm_dataset):
    def pushed(e):
        push = np.where((np.arange(len(e)) % 200 < 100)[:, None], 20.0, 0.0)
        return replace(e, tau=e.tau - push)

    names = ("one", "two", "three", "four")
    episodes = [lively(name, seed, 600) for seed, name in enumerate(names)]
    dataset = replace(arm_dataset, episodes=(*episodes[:3], pushed(episodes[3])))
    bundle = fit(dataset, config(model="mlp", epochs=1, network={}), CPU, test=["one"])
    assert set(bundle.training["contact"]) == {"four"}
