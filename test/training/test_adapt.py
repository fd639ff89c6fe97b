# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from dataclasses import replace

import numpy as np
import pytest
import torch

from vastares_ros.core.arm import Arm
from vastares_ros.core.errors import DatasetError
from vastares_ros.core.robot import Effort
from vastares_ros.io.bundles import as_parent, load_bundle, save_bundle
from vastares_ros.io.datasets import dataset_arm
from vastares_ros.io.robots import load_robot
from vastares_ros.models.recurrent import RecurrentConfig
from vastares_ros.physics.payload import mounted, solid_ball
from vastares_ros.physics.rigid_body import RigidBody
from vastares_ros.runtime.bundle import QUANTILES, Parent
from vastares_ros.runtime.estimator import Estimator
from vastares_ros.training.adapt import adapt
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.evaluate import predict
from vastares_ros.training.fit import fit
from vastares_ros.training.identify import IdentifyConfig, identify_bundle

pytest.importorskip("pinocchio")
PARENT = Parent("arm", "0" * 64)
CENTRE = (0.02, -0.03, 0.08)


@pytest.fixture(scope="module")
def with_tool(lively):
    """Makes a free motion of the UR5 of `lively` with a tool."""
    robot = load_robot("ur5")
    light, heavy = (RigidBody(Arm(robot.urdf, robot.urdf_joints, robot.tip)) for _ in range(2))
    heavy.set_inertial_parameters(mounted(heavy, heavy.inertial_parameters, solid_ball(1.5, CENTRE, 0.1)))

    def make(name, seed, samples=2000):
        e = lively(name, seed, samples)
        qdd = np.gradient(e.qd, e.t, axis=0)
        for i, row in enumerate(zip(e.q, e.qd, qdd, strict=True)):
            e.tau[i] += heavy.inverse_dynamics(*row) - light.inverse_dynamics(*row)
        return e

    return make


@pytest.fixture(scope="module")
def identified(arm_dataset):
    return identify_bundle(arm_dataset, dataset_arm(arm_dataset), IdentifyConfig(friction_model="basic"), ["three"])[0]


@pytest.fixture(scope="module")
def network(dataset):
    config = TrainConfig("gru", RecurrentConfig(kind="gru", window=8, hidden=8), epochs=4)
    return fit(dataset, config, torch.device("cpu"), test=["three"])


def shifted(episode, torque):
    """An episode whose torque is more by a function of its positions."""
    return replace(episode, tau=episode.tau + torque(episode.q))


def error(bundle, episodes):
    predictions = predict(bundle.model, bundle.ridge, bundle.filter, bundle.rate, episodes)
    return np.square(np.concatenate([p.tau_ext for p in predictions])).mean(axis=0)


def test_the_tool_becomes_part_of_the_arm(identified, with_tool, lively, tmp_path):
    e = with_tool("tool", 5)
    before = identified.model.dynamics.links.clone()
    found = adapt(identified, PARENT, [e])
    assert abs(found.payload.mass / 1.5 - 1) < 0.02
    np.testing.assert_allclose(found.payload.centre, CENTRE, atol=0.005)
    assert found.seconds == pytest.approx(1999 / 125) and found.travel.min() > 0.3
    assert found.before.nmse_mean["model"] > 30 * found.after.nmse_mean["model"]
    unseen, without = [with_tool("other", 6)], [lively("other", 6, 2000)]
    assert (error(found.bundle, unseen) < 2 * error(identified, without)).all()
    assert error(identified, unseen).max() > 10
    torch.testing.assert_close(identified.model.dynamics.links, before)  # the parent is as it was
    same = (found.bundle.model.dynamics.links == before).all(dim=1)
    assert same[:5].all() and not same[5]

    child = found.bundle
    assert child.parent == PARENT and child.residual_source.recordings == ("tool",)
    assert child.training["split"]["adaptation"] == ["tool"] and child.training["split"]["test"] == ["three"]
    np.testing.assert_array_equal(child.q_range, identified.q_range)
    (p,) = predict(child.model, child.ridge, child.filter, child.rate, [e])
    np.testing.assert_allclose(child.residual_quantiles, np.quantile(np.abs(p.tau_ext), QUANTILES, axis=0))
    save_bundle(tmp_path / "child", child)
    read = load_bundle(tmp_path / "child")
    assert read.parent == PARENT and as_parent(tmp_path / "child").name == "child"
    again = adapt(read, as_parent(tmp_path / "child"), [with_tool("again", 7)])
    assert abs(again.payload.mass) < 0.03 and again.bundle.training["split"]["adaptation"] == ["tool", "again"]


def test_only_the_first_seconds_are_taken_and_the_last_third_is_kept_out(identified, with_tool):
    e = with_tool("tool", 5)
    part = adapt(identified, PARENT, [e], 8.0)
    e.tau[1100:] += 100  # what lies after them does not count
    again = adapt(identified, PARENT, [e], 8.0)
    np.testing.assert_array_equal(part.payload.parameters, again.payload.parameters)
    e = with_tool("tool", 5)
    e.tau[700:1000] += 0.05  # within the last third of eight seconds
    judged = adapt(identified, PARENT, [e], 8.0)
    np.testing.assert_array_equal(part.payload.parameters, judged.payload.parameters)
    assert judged.after.nmse_mean["model"] > part.after.nmse_mean["model"]


def test_seconds_are_those_of_the_stamps(identified, with_tool):
    e = with_tool("tool", 5)
    slower = replace(e, t=e.t[0] + 1.05 * (e.t - e.t[0]))  # 119 Hz, within what the bundle takes for its 125 Hz
    found = adapt(identified, PARENT, [slower], 8.0)
    assert found.seconds == pytest.approx(8.0, abs=1.5 / 119)
    assert found.bundle.training["adaptation"]["seconds"] == found.seconds
    assert adapt(identified, PARENT, [slower]).seconds == pytest.approx(1.05 * 1999 / 125)
    pieces = [replace(e, name=f"piece-{i}", t=e.t[s], q=e.q[s], qd=e.qd[s], tau=e.tau[s])
              for i, s in enumerate((slice(0, 700), slice(1000, 2000)))]  # fmt: skip
    assert adapt(identified, PARENT, pieces, 8.0).seconds == pytest.approx(699 / 125 + 299 / 125)  # not the gap
    assert adapt(identified, PARENT, [e], 6.0).seconds == pytest.approx(749 / 125)  # the least that is accepted


def test_amperes_keep_the_scale_of_the_gains(arm_dataset, with_tool):
    gain = np.array([12.0, 12.0, 10.0, 8.0, 8.0, 8.0])
    episodes = tuple(replace(e, tau=e.tau / gain) for e in arm_dataset.episodes)
    current = replace(arm_dataset, effort=Effort("A", (1.0,) * 6), episodes=episodes)
    bundle, _ = identify_bundle(current, dataset_arm(current), IdentifyConfig(friction_model="basic"), ["three"])
    e = with_tool("tool", 5)
    found = adapt(bundle, PARENT, [replace(e, tau=e.tau / gain)])
    scale = np.median(bundle.model.dynamics.gain.numpy()[1:4] / gain[1:4])
    assert abs(found.payload.mass / (1.5 * scale) - 1) < 0.05


def test_an_observer_has_the_same_tool(arm_dataset, identified, with_tool):
    settings = IdentifyConfig("momentum_observer", friction_model="basic")
    bundle, _ = identify_bundle(arm_dataset, dataset_arm(arm_dataset), settings, ["three"])
    e = with_tool("tool", 5)
    found = [adapt(b, PARENT, [e]).payload.parameters for b in (bundle, identified)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)


def test_contact_and_too_little_motion_are_refused(identified, with_tool):
    pushed = with_tool("tool", 5)
    pushed.tau[500:700, 1] += 60
    with pytest.raises(
        DatasetError, match=r"does not fit a tool: sim_shoulder_lift_joint is .* N·m off at [4-5]\.\d s"
    ):
        adapt(identified, PARENT, [pushed])
    with pytest.raises(DatasetError, match=r"4\.0 s of motion are too little, at least 6 s"):
        adapt(identified, PARENT, [with_tool("tool", 5, 500)])


def test_a_network_gets_a_correction_that_helps(network, make_episode, tmp_path):
    def tool(q):
        return 3 * np.sin(q) + [1.0, 2.0]

    e = shifted(make_episode("tool", 2, 2500), tool)
    found = adapt(network, PARENT, [e])
    assert found.corrected == network.joints and found.payload is None
    unseen = [shifted(make_episode("other", 0, 1000), tool)]
    assert (error(found.bundle, unseen) < 0.4 * error(network, unseen)).all()
    assert network.model.correction is None
    save_bundle(tmp_path / "child", found.bundle)
    child = load_bundle(tmp_path / "child")
    (p,) = predict(child.model, child.ridge, child.filter, child.rate, unseen)
    live = Estimator(child)
    estimates = [live.step(sample).tau_ext for sample in unseen[0]]
    np.testing.assert_allclose(estimates[-len(p.t) :], p.tau_ext, atol=1e-4)
    again = adapt(child, PARENT, [shifted(e, lambda q: 0 * q + 5.0)])  # a tool on top of the tool
    both = [shifted(unseen[0], lambda q: 0 * q + 5.0)]
    assert (error(again.bundle, both) < 0.5 * error(child, both)).all()


def test_a_correction_that_does_not_help_is_none(network, make_episode):
    e = make_episode("free", 5, 2500)
    e.tau[:1600, 0] += 4.0  # gone in the last third: what was fitted would do harm
    wide = replace(network, residual_quantiles=network.residual_quantiles * 10)  # so that this is no contact
    found = adapt(wide, PARENT, [e])
    assert "shoulder" not in found.corrected
    assert not found.bundle.model.correction.coefficients[:, 0].any()
    for joint in network.joints:
        assert found.after.nmse["model"][joint] <= found.before.nmse["model"][joint]


def test_pieces_shorter_than_a_window_are_refused(network, make_episode):
    pieces = [make_episode(f"piece-{i}", i, 7) for i in range(200)]
    with pytest.raises(DatasetError, match="less than a window, 8 samples"):
        adapt(network, PARENT, pieces)
