# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from dataclasses import replace

import numpy as np
import pytest
import yaml

from vastares_ros.core.arm import Arm
from vastares_ros.core.errors import BundleError, VastaresError
from vastares_ros.core.robot import Effort
from vastares_ros.core.signals import FilterConfig
from vastares_ros.io.archives import kuka1, recording_from
from vastares_ros.io.bundles import load_bundle, save_bundle
from vastares_ros.io.datasets import Dataset, dataset_arm
from vastares_ros.io.robots import load_robot
from vastares_ros.physics.rigid_body import RigidBody
from vastares_ros.runtime.estimator import Estimator, Validity
from vastares_ros.training.evaluate import predict
from vastares_ros.training.identify import IdentifyConfig, identify_bundle

pytest.importorskip("pinocchio")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def robot():
    return load_robot("ur5")


@pytest.fixture(scope="module")
def bundle(arm_dataset, robot):
    return identify_bundle(arm_dataset, dataset_arm(arm_dataset), IdentifyConfig(), test=["three"])[0]


@pytest.fixture
def folder(bundle, tmp_path):
    save_bundle(tmp_path / "b", bundle)
    return tmp_path / "b"


def test_it_is_judged_beside_mean_and_ridge_on_what_was_held_out(bundle):
    nmse = bundle.metrics["nmse_mean"]
    assert nmse["model"] < 0.002 < nmse["ridge"] < nmse["mean"] and bundle.metrics["of"] == "test"
    assert bundle.training["split"] == {"training": ["one", "two"], "validation": [], "test": ["three"]}
    base = bundle.training["identification"]["base_parameters"]
    assert {"name", "joint", "value", "deviation", "seen"} == set(base[0]) and len(base) > 60


def test_the_bundle_comes_back_and_estimates_what_it_did(bundle, folder, arm_dataset, robot):
    read = load_bundle(folder)
    assert read.model.dynamics.arm.urdf == robot.urdf and (folder / "robot.urdf").read_text() == robot.urdf
    assert read.model.dynamics.arm.joints == robot.urdf_joints and read.method == "rigid_body"
    assert read.training == bundle.training and read.metrics == bundle.metrics
    one, other = Estimator(bundle), Estimator(read)
    for sample in arm_dataset.episodes[2]:
        a, b = one.step(sample), other.step(sample)
        np.testing.assert_array_equal(a.tau_free, b.tau_free)
    assert np.abs(b.tau_ext).max() < 1


def test_offline_and_live_agree_to_the_last_bit_also_after_a_gap(bundle, arm_dataset):
    episode = arm_dataset.episodes[1]
    estimator = Estimator(bundle)
    for sample in arm_dataset.episodes[0]:  # from another place in time: the estimator starts anew
        estimator.step(sample)
    live = np.array([estimator.step(replace(s, t=s.t + 100)).tau_free for s in episode])
    assert np.isnan(live[0]).all()
    (offline,) = predict(bundle.model, bundle.ridge, bundle.filter, bundle.rate, [episode])
    np.testing.assert_array_equal(live[1:], offline.tau["model"])


def test_an_observer_comes_back_and_follows_a_push_with_its_gain(arm_dataset, robot, tmp_path):
    config = IdentifyConfig("momentum_observer", {"gain": 20.0}, live=FilterConfig("none"))
    bundle, found = identify_bundle(arm_dataset, dataset_arm(arm_dataset), config, test=["three"])
    nmse = bundle.metrics["nmse_mean"]
    assert bundle.method == "momentum_observer" and nmse["model"] < 0.002 < nmse["ridge"]
    by_itself = IdentifyConfig()  # identified from the same signals, whatever it runs on
    measured = np.concatenate([e.tau for e in arm_dataset.episodes[:2]])
    np.testing.assert_allclose(bundle.model.torque_scaler.scale, measured.std(axis=0), rtol=1e-6)
    parameters = identify_bundle(arm_dataset, dataset_arm(arm_dataset), by_itself, test=["three"])[1].parameters
    np.testing.assert_array_equal(found.parameters.links, parameters.links)
    save_bundle(tmp_path / "b", bundle)
    read = load_bundle(tmp_path / "b")
    assert read.model.config == config.network and read.filter == config.live
    episode = arm_dataset.episodes[2]
    push = np.linspace(-5, 5, 6) * (np.arange(len(episode)) >= 500)[:, None]
    free, pushed, again = Estimator(bundle), Estimator(bundle), Estimator(read)
    rise = []
    for sample, tau_ext in zip(episode, push, strict=True):
        touched = replace(sample, tau=sample.tau - tau_ext)
        estimates = [one.step(s) for one, s in ((free, sample), (pushed, touched), (again, touched))]
        np.testing.assert_array_equal(estimates[1].tau_ext, estimates[2].tau_ext)
        rise.append(estimates[1].tau_ext - estimates[0].tau_ext)
    t = (np.arange(200) + 0.5) / arm_dataset.rate  # the push begins between two samples
    np.testing.assert_allclose(rise[500:700], np.linspace(-5, 5, 6) * -np.expm1(-20 * t)[:, None], atol=0.02)
    missing = pushed.step(replace(touched, t=touched.t + 0.008, tau=np.full(6, np.nan)))
    assert missing.validity is Validity.NO_EFFORT and np.isnan([missing.tau_free, missing.tau_ext]).all()
    assert np.abs(pushed.step(replace(touched, t=touched.t + 0.016)).tau_ext).max() < 1e-4


def test_an_observer_with_another_gain_is_refused(arm_dataset, robot, tmp_path, monkeypatch):
    config = IdentifyConfig("momentum_observer", {"gain": 20.0}, "basic")
    save_bundle(tmp_path / "b", identify_bundle(arm_dataset, dataset_arm(arm_dataset), config)[0])
    index = yaml.safe_load((tmp_path / "b" / "bundle.yaml").read_text())
    index["model"]["network"]["gain"] = 25.0
    (tmp_path / "b" / "bundle.yaml").write_text(yaml.safe_dump(index))
    monkeypatch.setattr("vastares_ros.io.bundles._digest", lambda index: index["sha256"]["bundle.yaml"])
    with pytest.raises(BundleError, match="no longer gives the output"):
        load_bundle(tmp_path / "b")


def test_effort_without_gravity_is_predicted_without_gravity(arm_dataset, robot):
    still = np.zeros(6)
    basic = IdentifyConfig(friction_model="basic")
    body = RigidBody(identify_bundle(arm_dataset, dataset_arm(arm_dataset), basic)[0].model.dynamics.arm)
    weights = [np.array([body.inverse_dynamics(q, still, still) for q in e.q]) for e in arm_dataset.episodes]
    assert np.ptp(np.concatenate(weights), axis=0).max() > 10
    episodes = tuple(replace(e, tau=e.tau - w) for e, w in zip(arm_dataset.episodes, weights, strict=True))
    effort = Effort("N·m", (1.0,) * 6, gravity_compensated=True)
    dataset = replace(arm_dataset, effort=effort, episodes=episodes)
    bundle, _ = identify_bundle(dataset, dataset_arm(dataset), basic, test=["three"])
    assert bundle.metrics["nmse_mean"]["model"] < 0.01 and not bundle.model.dynamics.arm.gravity


def test_other_physics_than_when_it_was_written_are_refused(folder):
    (folder / "robot.urdf").write_text((folder / "robot.urdf").read_text() + " ")
    with pytest.raises(BundleError, match=r"robot\.urdf was altered"):
        load_bundle(folder)
    (folder / "robot.urdf").unlink()
    with pytest.raises(BundleError, match=r"robot\.urdf is missing"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("smoothing", 0.5, "no longer gives the output"),
        ("gravity", False, "no longer gives the output"),
        ("friction_terms", ["viscous", "glue"], "'glue'"),
        ("joints", ["nose"] * 6, "'nose' is not a moving joint"),
    ],
)
def test_dynamics_that_were_edited_is_refused(folder, monkeypatch, field, value, says):
    index = yaml.safe_load((folder / "bundle.yaml").read_text())
    index["rigid_body_model"][field] = value
    (folder / "bundle.yaml").write_text(yaml.safe_dump(index))
    with pytest.raises(BundleError, match=r"bundle\.yaml was altered"):
        load_bundle(folder)
    monkeypatch.setattr("vastares_ros.io.bundles._digest", lambda index: index["sha256"]["bundle.yaml"])
    with pytest.raises(VastaresError, match=says):
        load_bundle(folder)


def test_the_axes_of_the_lwr_are_those_of_its_recordings(data):
    robot = load_robot("lwr")
    ones = (1.0,) * 7
    runs = kuka1(data / "kuka1" / "KukaDirectDynamics.mat")
    episodes = [recording_from(r, robot.urdf_joints, ones).episodes[0] for r in runs]
    dataset = Dataset("lwr", robot.urdf_joints, "/joint_states", Effort("N·m", ones), 100.0, tuple(episodes))
    low = FilterConfig(cutoff_hz=4.0)
    config = IdentifyConfig(friction_model="basic", filter=low, live=low)

    def left(urdf):
        arm = Arm(urdf, robot.urdf_joints, robot.tip)
        bundle, _ = identify_bundle(dataset, arm, config, test=["kukatraj9", "kukatraj10"], cross_validate=False)
        return list(bundle.metrics["nmse"]["model"].values())[1:4]

    assert max(left(robot.urdf)) < 0.01 < 0.1 < max(left(robot.urdf.replace("0 1 0", "0 -1 0"))), "with a3 turned round"
