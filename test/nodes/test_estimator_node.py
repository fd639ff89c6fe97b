# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The estimator node over DDS: what goes in, what comes out, and what it says when nothing does."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from made import JOINTS, RATE, SCALE, WINDOW, motion, parameters, stamps

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import WrenchStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import GetParameters
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from test_fresh import (
    test_an_estimate_that_is_older_than_max_age_is_published_and_not_valid as _max_age,
)
from test_fresh import (
    test_without_pass_over_every_message_is_answered_and_told_how_old as _pass_over,
)
from visualization_msgs.msg import MarkerArray

from vastares_ros.cli.main import main
from vastares_ros.core.arm import Arm
from vastares_ros.core.samples import JointSample, seconds
from vastares_ros.io.bundles import INDEX, _digest, load_bundle, save_bundle
from vastares_ros.io.robots import config_folder
from vastares_ros.models.networks import NetworkModel
from vastares_ros.models.transformer import TransformerConfig
from vastares_ros.nodes.estimator import EstimatorNode
from vastares_ros.nodes.managed import Change
from vastares_ros.nodes.messages import from_stamp, to_joint_state
from vastares_ros.nodes.process import VASTARES, end, own_domain, spawn
from vastares_ros.physics.wrench import WrenchEstimator
from vastares_ros.runtime.estimator import Estimator
from vastares_ros.runtime.residual import Drift

N = 60
FIRST = WINDOW - 1  # the first sample that is answered
TORQUES = ("estimated_torque", "external_torque", "external_torque_bound", "contact")
SLOW = {"pass_over": False, "max_age": 3600.0}  # a busy machine may take its time, and answers every message
URDF = """<robot name="twolink">
  <link name="base"/> <link name="upper"/> <link name="lower"/> <link name="tool"/>
  <joint name="shoulder" type="revolute"><parent link="base"/><child link="upper"/><axis xyz="0 0 1"/>
    <limit lower="-3" upper="3" effort="10" velocity="3"/></joint>
  <joint name="elbow" type="revolute"><parent link="upper"/><child link="lower"/><origin xyz="0.4 0 0"/>
    <axis xyz="0 0 1"/><limit lower="-3" upper="3" effort="10" velocity="3"/></joint>
  <joint name="flange" type="fixed"><parent link="lower"/><child link="tool"/><origin xyz="0.3 0 0"/></joint>
</robot>"""


class Live:
    """A node, what it publishes, and a publisher that it hears."""

    def __init__(self, ros, bundle, options=None, joint_states="/joint_states", **more):
        self.ros = ros
        self.node = ros.add(EstimatorNode, options, bundle=str(bundle), warn_period=0.0, **(SLOW | more))
        self.name = self.node.get_fully_qualified_name()
        self.out = {topic: ros.listen(JointState, f"{self.name}/{topic}") for topic in (*TORQUES, "valid")}
        self.reports = ros.listen(DiagnosticArray, "/diagnostics")
        self.played_ns = 0
        self.publisher = ros.talk(joint_states)
        ros.wait(lambda: all(self.node._outputs[topic].get_subscription_count() for topic in self.out))

    def send(self, at, q, qd, effort):
        for values in zip(at, q, qd, effort, strict=True):
            self.publisher.publish(to_joint_state(values[0], JOINTS, *values[1:], "base_link"))

    def play(self, at, q, qd, effort):
        """Send it, and wait until every message has been answered.

        Meanwhile the node makes no report, so that the next one is of all of it, however long it takes.
        """
        self.node._diagnostics_timer.cancel()
        self.played_ns = self.node.get_clock().now().nanoseconds
        until = len(self.out["valid"]) + len(at)
        self.send(at, q, qd, effort)
        self.ros.wait(lambda: len(self.out["valid"]) >= until)
        self.node._diagnostics_timer.reset()

    def rest(self, count, start_s, effort=(0.0, 0.0), speed=0.0):
        """Play `count` samples of an arm that stands, or creeps."""
        q, qd = np.zeros((count, 2)), np.full((count, 2), speed)
        self.play(stamps(count, start_s), q, qd, np.tile(effort, (count, 1)))

    def stamps(self, topic):
        return [from_stamp(message.header.stamp) for message in self.out[topic]]

    def efforts(self, topic):
        return np.array([message.effort for message in self.out[topic]])

    def diagnosed(self, level, *parts):
        """The first status since the last motion was played that has a level and says all parts."""

        def found():
            for report in self.reports:
                for status in report.status if from_stamp(report.header.stamp) >= self.played_ns else ():
                    if status.name == self.name and status.level == level and all(p in status.message for p in parts):
                        return status
            return None

        self.ros.wait(found)
        return found()


@pytest.fixture
def live(ros, bundle_path):
    return Live(ros, bundle_path)


@pytest.fixture
def unhurried(monkeypatch):
    """To set zero, joint states of long ago will do: a busy machine may take its time from the last one to the call."""
    monkeypatch.setattr("vastares_ros.nodes.estimator.RECENT", 3600.0)


@pytest.fixture(scope="module")
def other_path(bundle_path, tmp_path_factory):
    """The bundle with torques that are 1 N·m higher."""
    return shifted(bundle_path, tmp_path_factory.mktemp("other") / "bundle")


def shifted(path, to):
    bundle = load_bundle(path)
    bundle.model.torque_scaler.mean += 1.0
    save_bundle(to, bundle)
    return to


def edited(path, to, **fields):
    """A copy of a bundle whose index says something else, and is signed all the same."""
    shutil.copytree(path, to)
    index = yaml.safe_load((to / INDEX).read_text()) | fields
    index["sha256"][INDEX] = _digest(index)
    (to / INDEX).write_text(yaml.safe_dump(index))
    return to


def offline(bundle_path, at, q, qd, effort):
    """What the estimator says of a sequence: tau_free and tau_ext, shape (N, 2)."""
    estimator = Estimator(load_bundle(bundle_path))
    samples = zip(map(seconds, at), q, qd, effort * SCALE, strict=True)
    estimates = [estimator.step(JointSample(*sample)) for sample in samples]
    return np.array([e.tau_free for e in estimates]), np.array([e.tau_ext for e in estimates])


def pushed():
    """`motion` with a push of 10 N·m on the shoulder for a while."""
    q, qd, effort = motion(N)
    effort[30:45, 0] -= 10 / SCALE[0]
    return q, qd, effort


def slow(samples):
    """Both joints at 0.3 rad/s, without acceleration."""
    q = 0.003 * np.arange(samples)[:, None] + np.zeros(2)
    return q, np.full((samples, 2), 0.3), np.zeros((samples, 2))


def figures(status):
    return {value.key: value.value for value in status.values}


# What comes out


def test_estimates_have_the_input_stamps_and_the_bits_of_offline(live, bundle_path):
    q, qd, effort = pushed()
    live.play(stamps(N), q, qd, effort)
    tau_free, tau_ext = offline(bundle_path, stamps(N), q, qd, effort)
    bound = load_bundle(bundle_path).bound
    expected = (tau_free, tau_ext, np.tile(bound, (N, 1)), (np.abs(tau_ext) > bound).astype(float))
    for topic, values in zip(TORQUES, expected, strict=True):
        assert live.stamps(topic) == stamps(N)[FIRST:]
        assert {m.header.frame_id for m in live.out[topic]} == {"base_link"}
        assert {tuple(m.name) for m in live.out[topic]} == {JOINTS}
        assert not any(len(m.position) or len(m.velocity) for m in live.out[topic])
        assert np.array_equal(live.efforts(topic), values[FIRST:])
    assert 0 < live.efforts("contact").mean() < 1, "else the test says nothing of it"
    assert live.stamps("valid") == stamps(N)
    assert live.efforts("valid")[:, 0].tolist() == [0.0] * FIRST + [1.0] * (N - FIRST)
    assert live.out["valid"][0].name == ["valid"]


def test_foreign_joints_another_order_and_partial_messages_change_nothing(live, bundle_path):
    q, qd, effort = motion(N)
    for i, at in enumerate(stamps(N)):
        if i % 2:
            mixed = [(x[i, 1], 9.0, x[i, 0]) for x in (q, qd, effort)]
            live.publisher.publish(to_joint_state(at, ("elbow", "gripper", "shoulder"), *mixed))
        else:
            live.publisher.publish(to_joint_state(at - 1, ("elbow",), q[i, 1:], qd[i, 1:], effort[i, 1:]))
            live.publisher.publish(to_joint_state(at, ("shoulder",), q[i, :1], qd[i, :1], effort[i, :1]))
    live.ros.wait(lambda: len(live.out["valid"]) == N)
    tau_free, tau_ext = offline(bundle_path, stamps(N), q, qd, effort)
    assert live.stamps("external_torque") == stamps(N)[FIRST:]
    assert np.array_equal(live.efforts("estimated_torque"), tau_free[FIRST:])
    assert np.array_equal(live.efforts("external_torque"), tau_ext[FIRST:])
    assert figures(live.diagnosed(DiagnosticStatus.OK))["foreign_joints"] == "gripper"


@pytest.mark.parametrize(("jump_s", "told"), [(-5, "clock jumped back (by "), (5, "gap in the joint states (5.0")])
def test_after_a_jump_or_a_gap_the_window_starts_anew(live, bundle_path, jump_s, told):
    q, qd, effort = motion(2 * N)
    at = [*stamps(N), *(s + jump_s * 1_000_000_000 for s in stamps(2 * N)[N:])]
    live.play(at, q, qd, effort)
    live.ros.logged(told, "the window starts anew")
    assert live.stamps("external_torque") == at[FIRST:N] + at[N + FIRST :]
    _, fresh = offline(bundle_path, at[N:], q[N:], qd[N:], effort[N:])
    assert np.array_equal(live.efforts("external_torque")[N - FIRST :], fresh[FIRST:])


def test_a_bag_that_loops_gives_the_same_every_time(live):
    for _ in range(3):
        live.play(stamps(N), *motion(N))
    rounds = np.split(live.efforts("external_torque"), 3)
    assert np.array_equal(rounds[0], rounds[1]) and np.array_equal(rounds[0], rounds[2])
    live.ros.logged("does a bag loop")


def test_under_simulated_time_the_outputs_bear_the_input_stamps_too(ros, bundle_path):
    live = Live(ros, bundle_path, use_sim_time=True)
    clock = ros.node.create_publisher(Clock, "/clock", 10)
    ros.wait(clock.get_subscription_count)
    message = Clock()
    message.clock.sec = 77
    clock.publish(message)
    live.play(stamps(N, 5), *motion(N))
    assert live.stamps("external_torque") == stamps(N, 5)[FIRST:]
    arrays = ros.listen(DiagnosticArray, "/diagnostics")
    ros.wait(lambda: any(array.header.stamp.sec == 77 for array in arrays))


def test_who_joins_late_and_a_publisher_that_restarts_are_served(live, bundle_path):
    q, qd, effort = motion(3 * N)
    at = stamps(3 * N)
    live.play(at[:N], q[:N], qd[:N], effort[:N])
    late = live.ros.listen(JointState, f"{live.name}/external_torque")
    live.ros.wait(lambda: live.node._outputs["external_torque"].get_subscription_count() == 2)
    live.play(at[N : 2 * N], q[N : 2 * N], qd[N : 2 * N], effort[N : 2 * N])
    assert [from_stamp(m.header.stamp) for m in late] == at[N : 2 * N]
    live.ros.node.destroy_publisher(live.publisher)
    live.ros.wait(lambda: live.node.count_publishers("/joint_states") == 0)
    live.publisher = live.ros.talk()
    live.play(at[2 * N :], q[2 * N :], qd[2 * N :], effort[2 * N :])
    _, tau_ext = offline(bundle_path, at, q, qd, effort)
    assert np.array_equal(live.efforts("external_torque"), tau_ext[FIRST:])


def test_two_namespaces_with_other_topics_do_not_cross(ros, bundle_path, other_path):
    arms = {}
    for side, bundle in (("left", bundle_path), ("right", other_path)):
        options = {"namespace": side, "cli_args": ["--ros-args", "-r", "joint_states:=arm/states"]}
        arms[side] = Live(ros, bundle, options, f"/{side}/arm/states")
    moves = {"left": motion(N), "right": motion(N, seed=1)}
    for i, at in enumerate(stamps(N)):
        for side, arm in arms.items():
            arm.send([at], *(x[i : i + 1] for x in moves[side]))
    for (side, arm), bundle in zip(arms.items(), (bundle_path, other_path), strict=True):
        assert arm.name == f"/{side}/estimator"
        ros.wait(lambda arm=arm: len(arm.out["valid"]) == N)
        tau_free, tau_ext = offline(bundle, stamps(N), *moves[side])
        assert np.array_equal(arm.efforts("estimated_torque"), tau_free[FIRST:])
        assert np.array_equal(arm.efforts("external_torque"), tau_ext[FIRST:])


# Bad input: each with its own words, and none in an output


def test_without_effort_there_is_an_estimate_but_no_external_torque(live):
    q, qd, effort = motion(N)
    effort[N // 2 :, 0] = np.nan
    live.play(stamps(N), q, qd, effort)
    assert len(live.out["estimated_torque"]) == N - FIRST
    for topic in ("external_torque", "external_torque_bound", "contact"):
        assert live.stamps(topic) == stamps(N)[FIRST : N // 2]
    assert live.efforts("valid").sum() == N // 2 - FIRST
    live.ros.logged("effort missing (joint shoulder", "the driver must publish effort")


@pytest.mark.parametrize(
    ("field", "wrong"), [(0, np.nan), (0, -np.inf), (0, 1e30), (1, np.nan), (1, 1e30), (2, np.nan), (2, np.inf)]
)
def test_no_number_that_is_none_leaks_into_an_output(live, field, wrong):
    values = motion(N)
    values[field][20:25, 1] = wrong
    live.play(stamps(N), *values)
    for topic in live.out:
        assert np.isfinite(live.efforts(topic)).all()
    assert live.efforts("valid")[:20, 0].tolist() == [0.0] * FIRST + [1.0] * (20 - FIRST)
    assert not live.efforts("valid")[20:25].any()


def test_a_field_of_another_length_than_name_is_told(live):
    q, qd, effort = motion(N)
    live.play(stamps(N), q, qd, effort[:, :1])
    live.ros.logged(f"{N} of {N} joint states", "effort is of another length than name", "mend the driver")
    assert live.out["estimated_torque"] and not live.out["external_torque"]


def test_another_rate_is_told_and_not_estimated(live):
    live.play(stamps(2 * N)[::2], *motion(N))
    live.diagnosed(DiagnosticStatus.ERROR, "not at the trained rate (50.0 Hz, trained at 100.0 Hz")
    assert not live.out["estimated_torque"]


def test_motion_outside_the_training_range_is_estimated_with_a_warning(live):
    q, qd, effort = motion(N)
    live.play(stamps(N), q + np.array([3.0, 0.0]), qd, effort)
    assert len(live.out["external_torque"]) == N - FIRST
    assert not live.out["contact"] and not live.efforts("valid").any()
    status = live.diagnosed(DiagnosticStatus.ERROR, "outside the training range (position of shoulder", "do not trust")
    assert figures(status)["outside_training_range"] == f"shoulder {N - FIRST}"
    assert figures(status)["invalid"] == f"outside the training range {N - FIRST}, warming up {FIRST}"


def test_stamps_that_are_not_filled_are_told(live):
    live.play([0] * 5, *motion(5))
    live.ros.logged("4 of 5 joint states on /joint_states: stamp repeated (stamp is zero", "fill header.stamp?")


def test_a_joint_that_stands_twice_is_told(live):
    live.publisher.publish(to_joint_state(1, ("elbow", "elbow"), [0, 0], [0, 0], [0, 0]))
    live.diagnosed(DiagnosticStatus.ERROR, "joint 'elbow' stands twice in one message")


def test_joints_that_are_missing_are_named(live):
    message = to_joint_state(1, ("elbow", "gripper"), [0, 0], [0, 0], [0, 0])
    live.ros.node.create_timer(0.1, lambda: live.publisher.publish(message))
    live.diagnosed(DiagnosticStatus.ERROR, "joints missing on /joint_states: shoulder; published are elbow, gripper")


def test_a_second_publisher_and_another_frame_are_told(live):
    second = live.ros.node.create_publisher(JointState, "/joint_states", 10)
    live.ros.wait(second.get_subscription_count)
    q, qd, effort = motion(N)
    for i, at in enumerate(stamps(N)):
        live.publisher.publish(to_joint_state(at, JOINTS, q[i], qd[i], effort[i], "base_link"))
        second.publish(to_joint_state(at - 3_000_000, JOINTS, q[i], qd[i], effort[i], "world"))
    live.ros.logged("2 publishers on /joint_states whose stamps do not fit together (/tester, /tester)")
    live.ros.logged("frame_id changes (from '", "let one driver publish")


def test_silence_is_told_with_the_topic(ros, bundle_path):
    ros.add(EstimatorNode, bundle=str(bundle_path))
    ros.logged("no joint states on /joint_states, which has no publisher")


# Parameters


def test_a_best_effort_publisher_is_told_what_to_set_and_then_heard(ros, bundle_path):
    best_effort = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = ros.node.create_publisher(JointState, "/joint_states", best_effort)
    deaf = ros.add(EstimatorNode, bundle=str(bundle_path))
    ros.logged("(reliability): set parameter reliability to best_effort")
    assert "read-only" in ros.set("/estimator", reliability="best_effort")
    reports = ros.listen(DiagnosticArray, "/diagnostics")
    ros.wait(lambda: reports and reports[-1].status[0].level == DiagnosticStatus.STALE)
    assert "set parameter reliability to best_effort" in reports[-1].status[0].message
    ros.remove(deaf)
    ros.add(EstimatorNode, bundle=str(bundle_path), reliability="best_effort")
    ros.wait(publisher.get_subscription_count)
    external = ros.listen(JointState, "/estimator/external_torque")
    q, qd, effort = motion(N)
    for i, at in enumerate(stamps(N)):
        publisher.publish(to_joint_state(at, JOINTS, q[i], qd[i], effort[i]))
        ros.executor.spin_once(timeout_sec=0)
    ros.wait(lambda: external)


def test_the_quality_of_service_of_what_is_published_is_as_asked(ros, bundle_path):
    override = "qos_overrides./joint_states.subscription.depth"
    ros.add(EstimatorNode, bundle=str(bundle_path), output_reliability="best_effort", **{override: 7})
    ros.wait(lambda: ros.node.count_publishers("/estimator/contact"))
    (info,) = ros.node.get_publishers_info_by_topic("/estimator/contact")
    assert info.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    asked = GetParameters.Request(names=[override, "qos_overrides./joint_states.subscription.reliability"])
    depth, reliability = ros.ask(GetParameters, "/estimator/get_parameters", asked).values
    assert (depth.integer_value, reliability.string_value) == (7, "reliable")


def test_contact_follows_its_factor_at_once(live):
    live.play(stamps(N), *pushed())
    assert 0 < live.efforts("contact").mean() < 1
    for factor, expected in ((1000.0, 0.0), (0.0, 1.0)):
        assert live.ros.set("/estimator", contact_factor=factor) == ""
        live.out["contact"].clear()
        live.play(stamps(N), *pushed())
        assert live.efforts("contact").mean() == expected
    assert "out of range" in live.ros.set("/estimator", contact_factor=-1.0)


def test_zero_takes_the_residual_at_rest_away_until_reset(live, unhurried, monkeypatch):
    ros = live.ros
    refused = ros.call("/estimator/zero")
    assert not refused.success and "no joint states in the last 3600 s" in refused.message
    assert ros.set("/estimator", zero_duration=0.5) == ""
    live.rest(40, 1_000)
    with monkeypatch.context() as hurry:
        hurry.setattr("vastares_ros.nodes.estimator.RECENT", 0.0)
        assert "no joint states in the last 0 s" in ros.call("/estimator/zero").message
    refused = ros.call("/estimator/zero")
    assert not refused.success and "the estimate was not valid" not in refused.message
    assert "only 0.39 s of joint states so far, 0.5 s are needed" in refused.message
    live.rest(90, 1_001, speed=0.05)
    refused = ros.call("/estimator/zero")
    assert not refused.success and "moved at 0.050 rad/s" in refused.message and "stand still" in refused.message
    assert ros.set("/estimator", zero_speed=0.1) == ""
    before = live.efforts("external_torque")[-1]
    assert ros.call("/estimator/zero").success
    live.rest(1, (1_001.9).__int__() + 1, speed=0.05)  # a gap, so the window fills anew
    live.rest(N, 1_003, speed=0.05)
    assert np.abs(before).max() > 0.01
    np.testing.assert_allclose(live.efforts("external_torque")[-1], 0.0, atol=np.abs(before).max() / 100)
    status = live.diagnosed(DiagnosticStatus.WARN)
    bias = [float(figures(status)[f"bias_{joint}"]) for joint in JOINTS]
    np.testing.assert_allclose(bias, before, rtol=1e-2)
    assert ros.call("/estimator/reset").success
    live.rest(N, 1_005, speed=0.05)
    np.testing.assert_allclose(live.efforts("external_torque")[-1], before, rtol=1e-3)


def test_zero_is_refused_while_the_estimate_is_not_valid(live, unhurried):
    assert live.ros.set("/estimator", zero_duration=0.1) == ""
    live.rest(N, 1_000, effort=(np.nan, 0.0))
    refused = live.ros.call("/estimator/zero")
    assert not refused.success and "the estimate was not valid in the last 0.1 s: effort missing" in refused.message


def test_drift_is_followed_with_the_bits_of_offline_up_to_its_limit_and_can_be_switched_off(live, bundle_path):
    ros, bundle = live.ros, load_bundle(bundle_path)
    live.play(stamps(N, 1), *slow(N))
    raw = live.efforts("external_torque")
    assert figures(live.diagnosed(DiagnosticStatus.OK))["drift"] == "off"

    assert ros.set("/estimator", drift_time=0.5, contact_factor=1000.0) == ""
    q, qd, effort = slow(4 * N)
    live.play(stamps(4 * N, 10), q, qd, effort)
    estimator, drift = Estimator(bundle), Drift(JOINTS, bundle.rate, 0.5, 0.5)
    samples = [JointSample(*s) for s in zip(map(seconds, stamps(4 * N, 10)), q, qd, effort * SCALE, strict=True)]
    expected = np.array([drift.step(s, estimator.step(s), 1000.0).tau_ext for s in samples])[FIRST:]
    followed = live.efforts("external_torque")[N - FIRST :]
    assert np.array_equal(followed, expected)
    assert np.array_equal(followed[0], raw[0]) and drift.bias.min() > 0.1, "else the test says nothing of it"
    told = figures(live.diagnosed(DiagnosticStatus.OK))
    assert told["drift"] == "followed"
    np.testing.assert_allclose([float(told[f"drift_{joint}"]) for joint in JOINTS], drift.bias, rtol=1e-4)

    assert "out of range" in ros.set("/estimator", drift_limit=1.5)
    assert "out of range" in ros.set("/estimator", drift_time=-1.0)
    assert ros.set("/estimator", drift_limit=1e-3) == ""
    live.play(stamps(N, 20), *slow(N))
    assert (
        np.abs(live.node._pipeline.drift.bias) <= 1e-3 * bundle.bound
    ).all() and live.node._pipeline.drift.bias.any()
    assert ros.set("/estimator", drift_time=0.0) == ""
    live.play(stamps(N, 30), *slow(N))
    assert np.array_equal(live.efforts("external_torque")[FIRST - N :], raw)


def test_drift_stands_still_in_what_is_reported_as_contact_and_is_forgotten_by_zero_and_reset(live, unhurried):
    ros = live.ros
    assert ros.set("/estimator", drift_time=0.5, contact_factor=1000.0, zero_duration=0.1) == ""
    live.play(stamps(N, 1), *slow(N))
    bias = live.node._pipeline.drift.bias
    assert bias.all() and not live.efforts("contact").any()
    assert ros.set("/estimator", contact_factor=0.0) == ""
    live.play(stamps(N, 10), *slow(N))
    assert live.efforts("contact")[-1].all() and np.array_equal(live.node._pipeline.drift.bias, bias)
    status = live.diagnosed(DiagnosticStatus.WARN)
    assert figures(status)["drift"] == "frozen: contact on shoulder"

    live.rest(N, 20)
    assert ros.call("/estimator/zero").success
    assert not live.node._pipeline.drift.bias.any()
    assert ros.set("/estimator", contact_factor=1000.0) == ""
    live.play(stamps(N, 30), *slow(N))
    assert live.node._pipeline.drift.bias.all() and not np.array_equal(live.node._pipeline.drift.bias, bias), (
        "it follows from the zero"
    )
    assert ros.call("/estimator/reset").success
    assert not live.node._pipeline.drift.bias.any()


def test_reset_fills_the_window_anew(live, bundle_path):
    q, qd, effort = motion(2 * N)
    at = stamps(2 * N)
    live.play(at[:N], q[:N], qd[:N], effort[:N])
    assert live.ros.call("/estimator/reset").success
    live.play(at[N:], q[N:], qd[N:], effort[N:])
    assert live.stamps("external_torque") == at[FIRST:N] + at[N + FIRST :]
    _, fresh = offline(bundle_path, at[N:], q[N:], qd[N:], effort[N:])
    assert np.array_equal(live.efforts("external_torque")[N - FIRST :], fresh[FIRST:])


def test_warnings_come_once_a_period(ros, bundle_path):
    live = Live(ros, bundle_path)

    def warnings(seconds_of_trouble):
        ros.logs.clear()
        reports = ros.listen(DiagnosticArray, "/diagnostics")
        for i in range(seconds_of_trouble):
            live.play([0] * 3, *motion(3))
            ros.wait(lambda i=i, reports=reports: len(reports) > i)
        return sum("stamp repeated" in line for line in ros.logs)

    assert warnings(3) >= 2
    assert ros.set("/estimator", warn_period=3600.0) == ""
    warnings(1)
    assert warnings(2) == 0


@pytest.fixture
def with_urdf(ros, bundle_path, tmp_path):
    """Makes a node with a URDF file, and gives it, what it publishes of the wrench, and the external torque."""

    def make(text=URDF, **parameters):
        file = tmp_path / "arm.urdf"
        file.write_text(text)
        live = Live(ros, bundle_path, urdf=str(file), **parameters)
        live.wrench = ros.listen(WrenchStamped, "/estimator/external_wrench")
        live.singularity = ros.listen(JointState, "/estimator/wrench_singularity")
        ros.wait(lambda: live.node._outputs["wrench_singularity"].get_subscription_count())
        return live

    return make


def played_wrench(live, frame, reference=""):
    """Play, and compare every wrench that is published with that of the external torque published beside it."""
    q, qd, effort = motion(N)
    live.play(stamps(N), q, qd, effort)
    live.ros.wait(lambda: len(live.singularity) == N - FIRST == len(live.wrench))
    estimator = WrenchEstimator(Arm(URDF, JOINTS, frame), reference)
    for i, tau_ext in enumerate(live.efforts("external_torque")):
        expected = estimator.step(q[FIRST + i], tau_ext)
        wrench = live.wrench[i].wrench
        got = [getattr(v, axis) for v in (wrench.force, wrench.torque) for axis in "xyz"]
        assert np.array_equal(got, expected.values, equal_nan=True)
        assert live.singularity[i].effort[0] == expected.singularity
    assert [from_stamp(m.header.stamp) for m in live.wrench] == stamps(N)[FIRST:]
    return {m.header.frame_id for m in live.wrench}


def test_the_wrench_is_at_the_link_behind_the_last_joint_where_nothing_else_is_said(with_urdf):
    assert played_wrench(with_urdf(), "lower") == {"lower"}


def test_the_wrench_is_at_the_tip_in_the_frame_and_under_the_prefix_asked_for(with_urdf):
    live = with_urdf(tip_frame="tool", wrench_frame="base", frame_prefix="left/")
    assert played_wrench(live, "tool", "base") == {"left/base"}


def test_the_wrench_takes_the_urdf_of_a_publisher_that_came_first(ros, bundle_path):
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    ros.node.create_publisher(String, "/robot_description", latched).publish(String(data=URDF))
    live = Live(ros, bundle_path, tip_frame="tool")
    ros.wait(lambda: live.node._body.wrench)
    live.wrench = ros.listen(WrenchStamped, "/estimator/external_wrench")
    live.singularity = ros.listen(JointState, "/estimator/wrench_singularity")
    ros.wait(lambda: live.node._outputs["wrench_singularity"].get_subscription_count())
    assert played_wrench(live, "tool") == {"tool"}


def test_a_urdf_of_which_the_executor_was_not_told_is_taken(ros, bundle_path):
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    ros.node.create_publisher(String, "/robot_description", latched).publish(String(data=URDF))
    node = ros.add(EstimatorNode, bundle=str(bundle_path), tip_frame="tool")
    node._subscriptions.remove(node._description)  # before the executor has seen it
    ros.wait(lambda: node._body.wrench)
    node._subscriptions.append(node._description)


@pytest.mark.parametrize(
    ("text", "tip", "told"),
    [
        (URDF, "gripper", "no wrench: 'gripper' is not a frame of the URDF"),
        (
            URDF.replace('"elbow"', '"knee"'),
            "tool",
            "no wrench: the URDF has no joint elbow; it has shoulder, knee",
        ),
        ("nothing", "tool", "no wrench: the URDF is not XML"),
    ],
)
def test_a_urdf_that_does_not_fit_is_told_and_torques_go_on(with_urdf, text, tip, told):
    live = with_urdf(text, tip_frame=tip)
    live.play(stamps(N), *motion(N))
    assert len(live.out["external_torque"]) == N - FIRST and not live.wrench
    live.diagnosed(DiagnosticStatus.WARN, told)


def test_markers_are_red_in_contact_grey_where_not_valid_and_rare(with_urdf):
    live = with_urdf(frame_prefix="left/")
    arrays = live.ros.listen(MarkerArray, "/estimator/contact_markers")
    live.ros.wait(lambda: live.node._outputs["contact_markers"].get_subscription_count())
    q, qd, effort = pushed()
    live.play(stamps(N), q, qd, effort)
    live.ros.wait(lambda: len(arrays) >= N // 6)  # at 20 Hz, of 100
    assert {marker.header.frame_id for marker in arrays[0].markers} == {"left/upper", "left/lower"}
    contact = dict(zip(live.stamps("contact"), live.efforts("contact")[:, 0], strict=True))
    shown = {from_stamp(array.markers[0].header.stamp): array.markers[0].color for array in arrays}
    assert min(np.diff(list(shown))) > 45_000_000
    grey = {at for at, color in shown.items() if color.r == color.g == color.b}
    red = {at for at, color in shown.items() if color.r > 0.8 and color.g < 0.2}
    assert grey == {at for at in shown if at not in contact}
    assert red == {at for at in shown if contact.get(at) == 1.0}
    assert grey and red and len(grey) + len(red) < len(shown)


def test_without_a_urdf_one_figure_says_so(live):
    live.play(stamps(N), *motion(N))
    told = figures(live.diagnosed(DiagnosticStatus.OK))["wrench"]
    assert told.startswith("none: the package has no URDF of robot") and "robot_description" in told


def test_the_urdf_of_the_package_is_used_until_one_is_published(ros, bundle_path, tmp_path):
    """As `vastares replay` does; both say which URDF it is."""
    joints = ["shoulder_pan_joint", "shoulder_lift_joint"]
    bundle = replace(load_bundle(bundle_path), robot="ur3", joints=tuple(joints))
    save_bundle(tmp_path / "ur3", bundle)
    node = ros.add(EstimatorNode, bundle=str(tmp_path / "ur3"), tip_frame="upper_arm_link")
    assert node._body.status == "in frame upper_arm_link, by the URDF in the package"
    text = (config_folder() / "urdf" / "ur3.urdf").read_text().replace("upper_arm_link", "other_link")
    assert ros.transition("/estimator", "deactivate") and ros.transition("/estimator", "cleanup")
    assert ros.set("/estimator", tip_frame="") == ""
    assert ros.transition("/estimator", "configure") and ros.transition("/estimator", "activate")
    assert node._body.wrench.frame_id == "tool0"
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    ros.node.create_publisher(String, "/robot_description", latched).publish(String(data=text))
    ros.wait(lambda: node._body.status == "in frame tool0, by the URDF of topic /robot_description")
    assert "other_link" in node._body.links
    assert node._pipeline.wrench is node._body.wrench


# Diagnostics


def test_diagnostics_say_how_it_goes_and_what_with(live, bundle_path):
    live.play(stamps(N), *motion(N))
    status = live.diagnosed(DiagnosticStatus.OK, "all estimates are valid")
    assert (status.name, status.hardware_id) == ("/estimator", "made")
    told = figures(status)
    assert float(told["rate_hz"]) == pytest.approx(RATE) and float(told["trained_rate_hz"]) == RATE
    assert told["samples"] == str(N) and told["gaps"] == told["dropped"] == "0"
    assert 0 < float(told["tick_p50_us"]) <= float(told["tick_p99_us"]) <= float(told["tick_max_us"])
    assert float(told["valid_share"]) == pytest.approx(1 - FIRST / N, abs=1e-4)
    assert told["invalid"] == f"warming up {FIRST}"
    assert told["publishers"] == "1" and told["device"] == "cpu" and told["engine"].startswith("compiled by numba")
    assert told["bundle"] == str(bundle_path) and told["robot"] == "made" and told["swap"] == "none"
    assert int(told["held_hz"]) > 0
    assert live.diagnosed(DiagnosticStatus.STALE, "no joint states", "is the robot's driver connected?")


def test_the_engine_is_the_one_asked_for_and_says_why_it_is_not_compiled(ros, bundle_path, tmp_path):
    q, qd, effort = motion(N)
    node = Live(ros, bundle_path, engine="torch")
    node.play(stamps(N), q, qd, effort)
    assert figures(node.diagnosed(DiagnosticStatus.OK))["engine"] == f"torch {torch.__version__}"
    estimator = Estimator(load_bundle(bundle_path), engine="torch")
    expected = [estimator.step(JointSample(at * 1e-9, *row)) for at, *row in zip(stamps(N), q, qd, effort, strict=True)]
    np.testing.assert_array_equal(node.efforts("estimated_torque"), [e.tau_free for e in expected[FIRST:]])
    ros.remove(node.node)
    config = TransformerConfig(window=WINDOW, width=4, heads=1, feedforward=4)
    other = tmp_path / "other"
    model = NetworkModel(len(JOINTS), config).eval()
    save_bundle(other, replace(load_bundle(bundle_path), method="transformer", model=model))
    node = Live(ros, other)
    node.play(stamps(N), q, qd, effort)
    told = figures(node.diagnosed(DiagnosticStatus.OK))["engine"]
    assert told.startswith("torch") and "no compiled kernels for a model of kind network with Transformer" in told
    ros.remove(node.node)
    ros.add(EstimatorNode, bundle=str(other), warn_period=0.0, engine="compiled")
    ros.logged("configure failed", "with Transformer: use engine auto or torch")


# Swaps


def test_a_bundle_takes_over_at_500_hz_and_every_message_is_answered_by_one_of_the_two(ros, fast_path, tmp_path):
    rate, most = 500.0, 20_000  # 40 s, if a busy machine takes so long to load the other bundle
    other = shifted(fast_path, tmp_path / "other")
    q, qd, effort = motion(most, rate=rate)
    at = stamps(most, rate=rate)
    settings = [
        w for name, value in (SLOW | {"bundle": str(fast_path)}).items() for w in ("-p", f"{name}:={json.dumps(value)}")
    ]
    child = spawn([*VASTARES, "estimator", "--ros-args", *settings], stderr=subprocess.PIPE)
    try:
        answers = {topic: ros.listen(JointState, f"/estimator/{topic}") for topic in ("estimated_torque", "valid")}
        publisher = ros.talk()
        assert ros.call("/estimator/reset").success  # it knows who listens, once it has answered one that is newer
        sent = []

        def publish():
            i = len(sent)
            waiting = i - len(answers["valid"])
            if i < len(at) and waiting < 400:  # a machine too busy for 500 Hz goes slower: only 500 messages can wait
                sent.append(i)
                publisher.publish(to_joint_state(at[i], JOINTS, q[i], qd[i], effort[i]))

        def called():  # during traffic, which it does not disturb
            assert not ros.call("/estimator/zero").success
            return True

        timer = ros.node.create_timer(1 / rate, publish)
        ros.wait(lambda: len(sent) > 300)
        assert ros.set("/estimator", bundle=str(other)) == ""
        ros.wait(lambda: called() and any("swapped to" in line for line in ros.logs))
        enough = len(sent) + 300
        ros.wait(lambda: called() and len(sent) >= enough)
        del at[len(sent) :]  # and no more
        expected = {"estimated_torque": len(at) - FIRST, "valid": len(at)}
        ros.wait(lambda: all(len(answers[topic]) >= many for topic, many in expected.items()))
        timer.cancel()
    finally:
        end(child)
        child.stderr.close()
    count = len(at)
    q, qd, effort = q[:count], qd[:count], effort[:count]
    assert [from_stamp(m.header.stamp) for m in answers["valid"]] == at
    assert [from_stamp(m.header.stamp) for m in answers["estimated_torque"]] == at[FIRST:]
    got = np.array([m.effort for m in answers["estimated_torque"]])
    old, _ = offline(fast_path, at, q, qd, effort)
    swapped = FIRST + int(np.flatnonzero((got != old[FIRST:]).any(axis=1))[0])
    assert 300 < swapped < count - WINDOW
    begun = swapped - FIRST  # the first sample in the window of the new bundle
    new, _ = offline(other, at[begun:], q[begun:], qd[begun:], effort[begun:])
    assert np.array_equal(got, np.concatenate([old[FIRST:swapped], new[FIRST:]]))


def test_a_swap_forgets_the_zero_and_is_told(live, other_path, unhurried):
    ros = live.ros
    ros.set("/estimator", zero_duration=0.1)
    live.rest(N, 1_000)
    assert ros.call("/estimator/zero").success and live.node._pipeline.zero.bias.any()
    assert ros.set("/estimator", bundle=str(other_path)) == ""
    ros.wait(live.node._loading.done)
    live.rest(N, 1_000)
    ros.logged("swapped to ", str(other_path))
    assert not live.node._pipeline.zero.bias.any()
    told = figures(live.diagnosed(DiagnosticStatus.WARN))
    assert told["bundle"] == str(other_path) and told["swap"] == f"{other_path} took over"
    assert told["held_hz"] == "not measured since the swap"


def test_a_swap_forgets_the_drift(live, other_path):
    ros = live.ros
    assert ros.set("/estimator", drift_time=0.5, contact_factor=1000.0) == ""
    live.play(stamps(N, 1), *slow(N))
    assert live.node._pipeline.drift.bias.all()
    assert ros.set("/estimator", bundle=str(other_path)) == ""
    ros.wait(live.node._loading.done)
    q, qd, effort = slow(2 * N)
    live.play(stamps(2 * N, 1)[N:], q[N:], qd[N:], effort[N:])
    at = stamps(2 * N, 1)[N:]
    _, tau_ext = offline(other_path, at, q[N:], qd[N:], effort[N:])
    swapped = live.stamps("external_torque").index(at[FIRST])
    assert np.array_equal(live.efforts("external_torque")[swapped], tau_ext[FIRST])


def test_a_bundle_that_does_not_fit_is_refused_and_the_old_one_goes_on(live, bundle_path, tmp_path):
    ros = live.ros
    joints = edited(bundle_path, tmp_path / "joints", joints=["shoulder", "knee"])
    effort = edited(
        bundle_path, tmp_path / "effort", effort={"unit": "A", "scale": [2.0, -1.0], "gravity_compensated": False}
    )
    late = edited(bundle_path, tmp_path / "late", rate_tolerance=0.5)
    assert "nowhere does not exist: train one with" in ros.set("/estimator", bundle="nowhere")
    assert "is for made (shoulder, knee), and at work is made (shoulder, elbow)" in ros.set(
        "/estimator", bundle=str(joints)
    )
    assert "reads effort as" in ros.set("/estimator", bundle=str(effort))
    assert ros.set("/estimator", bundle=str(late)) == ""
    ros.logged(f"{bundle_path} stays at work", "rate_tolerance")
    assert live.node.parameter("bundle") == str(bundle_path), "the parameter says what is at work"
    live.play(stamps(N), *motion(N))
    live.diagnosed(DiagnosticStatus.WARN, "stays at work")
    tau_free, _ = offline(bundle_path, stamps(N), *motion(N))
    assert np.array_equal(live.efforts("estimated_torque"), tau_free[FIRST:])


def test_no_bundle_that_a_peer_asks_for_ends_the_node(live, bundle_path, tmp_path):
    ros, index = live.ros, yaml.safe_load((bundle_path / INDEX).read_text())
    tagged = edited(bundle_path, tmp_path / "tagged")
    (tagged / INDEX).write_text("schema: !!int foo")
    part = {name: value for name, value in index.items() if name != "effort"}
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / INDEX).write_text(yaml.safe_dump(part))
    for path, why in (
        (tagged, "tag !!int is not used here"),
        (tmp_path / "part", "field 'effort' is missing"),
        ("x" * 5000, "File name too long"),
        ("~nobody_of_this_name/bundle", "home directory"),
        (edited(bundle_path, tmp_path / "names", joints=[1, 2]), "joints must be 1 to 64 different names"),
    ):
        assert why in ros.set("/estimator", bundle=str(path))
    training = {name: value for name, value in index["training"].items() if name != "split"}
    huge = edited(bundle_path, tmp_path / "huge")
    os.truncate(huge / "model.safetensors", 60_000_000_000)  # it has no blocks on the disk
    for path, why in (
        (edited(bundle_path, tmp_path / "split", training=training), "field 'split' is missing"),
        (edited(bundle_path, tmp_path / "metrics", metrics={"of": "training"}), "field 'nmse_mean' is missing"),
        (huge, "has 60.0 GB"),
    ):
        assert ros.set("/estimator", bundle=str(path)) == ""
        ros.wait(lambda why=why: why in live.node._swap)
        assert live.node.parameter("bundle") == str(bundle_path)
    live.play(stamps(N), *motion(N))
    tau_free, _ = offline(bundle_path, stamps(N), *motion(N))
    assert np.array_equal(live.efforts("estimated_torque"), tau_free[FIRST:])


def test_an_error_that_nobody_expects_is_told_and_the_node_goes_on(live, monkeypatch):
    def fail(*_):
        raise KeyError("nobody expects it")

    with monkeypatch.context() as patch:
        patch.setattr(live.node._pipeline, "take", fail)
        patch.setattr(live.node._pipeline, "reset", fail)
        live.send(stamps(1), *motion(1))
        live.diagnosed(DiagnosticStatus.ERROR, "unexpected error in on_joint_state: KeyError: 'nobody expects it'")
        answer = live.ros.call("/estimator/reset")
        assert not answer.success and "unexpected error in on_reset" in answer.message
        live.ros.logged("Traceback", "nobody expects it")
    live.play(stamps(N), *motion(N))
    live.diagnosed(DiagnosticStatus.OK)


def test_a_bundle_of_another_rate_waits_and_setting_the_old_one_ends_that(live, bundle_path, fast_path, monkeypatch):
    ros = live.ros
    assert ros.set("/estimator", bundle=str(fast_path)) == ""
    ros.wait(live.node._loading.done)
    live.play(stamps(N), *motion(N))
    tau_free, _ = offline(bundle_path, stamps(N), *motion(N))
    assert np.array_equal(live.efforts("estimated_torque"), tau_free[FIRST:])
    assert "waits: " in figures(live.diagnosed(DiagnosticStatus.OK))["swap"]
    monkeypatch.setattr("vastares_ros.nodes.estimator.SWAP_PATIENCE", 0.0)
    live.diagnosed(DiagnosticStatus.WARN, f"{fast_path} waits: gap", f"set parameter bundle to {bundle_path}")
    assert ros.set("/estimator", bundle=str(bundle_path)) == ""
    live.play(stamps(N), *motion(N))
    assert figures(live.diagnosed(DiagnosticStatus.WARN))["swap"] == "none"


# Lifecycle


def test_the_life_of_a_node(ros, bundle_path, other_path, tmp_path):
    node = ros.add(EstimatorNode, bundle=str(tmp_path / "none"), warn_period=0.0, robot="ur3", **SLOW)

    def state():
        return ros.ask(GetState, "/estimator/get_state", GetState.Request()).current_state.label

    def estimates():
        external = ros.listen(JointState, "/estimator/external_torque")
        publisher = ros.talk()
        ros.wait(lambda: node._outputs["external_torque"].get_subscription_count())
        q, qd, effort = motion(N)
        for i, at in enumerate(stamps(N)):
            publisher.publish(to_joint_state(at, JOINTS, q[i], qd[i], effort[i]))
        ros.wait(lambda: len(external) == N - FIRST)
        return np.array([m.effort for m in external])

    ros.logged("configure failed", "none does not exist: train one", "then: ros2 lifecycle set /estimator configure")
    assert state() == "unconfigured"
    reports = ros.listen(DiagnosticArray, "/diagnostics")
    ros.wait(lambda: any(r.status[0].level == DiagnosticStatus.ERROR for r in reports))
    assert "none does not exist" in reports[-1].status[0].message
    impossible = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_ACTIVATE))
    assert not ros.ask(ChangeState, "/estimator/change_state", impossible).success, "and the node lives"

    assert ros.set("/estimator", bundle=str(bundle_path)) == ""
    assert not ros.transition("/estimator", "configure")
    ros.logged("is for robot 'made', and parameter robot is 'ur3'")
    assert ros.set("/estimator", robot="made", device="abacus") == ""
    assert not ros.transition("/estimator", "configure")
    ros.logged("device 'abacus' is unknown")
    assert ros.set("/estimator", device="cpu", urdf=str(tmp_path / "no.urdf")) == ""
    assert not ros.transition("/estimator", "configure")
    ros.logged("parameter urdf", "no.urdf cannot be read")
    assert ros.set("/estimator", urdf="") == ""

    assert ros.transition("/estimator", "configure") and state() == "inactive"
    assert ros.node.count_subscribers("/joint_states") == 0
    assert not ros.call("/estimator/zero").success
    reason = ros.set("/estimator", device="cuda")
    assert "parameter device can be set only while the node is unconfigured: ros2 lifecycle set" in reason
    assert ros.transition("/estimator", "activate") and state() == "active"
    first = estimates()
    assert ros.transition("/estimator", "deactivate") and state() == "inactive"
    ros.wait(lambda: ros.node.count_subscribers("/joint_states") == 0)
    ros.wait(lambda: reports[-1].status[0].message == "inactive: ros2 lifecycle set /estimator activate")
    assert ros.transition("/estimator", "activate")
    assert np.array_equal(estimates(), first), "activated anew, it is as new"
    assert ros.transition("/estimator", "deactivate") and ros.transition("/estimator", "cleanup")
    ros.wait(lambda: ros.node.count_publishers("/estimator/external_torque") == 0)
    assert ros.set("/estimator", bundle=str(other_path)) == ""
    assert ros.transition("/estimator", "configure") and ros.transition("/estimator", "activate")
    np.testing.assert_allclose(estimates() - first, 1.0, atol=1e-5)
    assert ros.transition("/estimator", "shutdown") and state() == "finalized"
    assert ros.node.count_subscribers("/joint_states") == 0


def test_without_autostart_it_waits(ros, bundle_path):
    ros.add(EstimatorNode, bundle=str(bundle_path), autostart=False)
    arrays = ros.listen(DiagnosticArray, "/diagnostics")
    ros.wait(lambda: arrays)
    assert arrays[0].status[0].level == DiagnosticStatus.STALE
    assert arrays[0].status[0].message == "unconfigured: ros2 lifecycle set /estimator configure"
    assert ros.transition("/estimator", "configure") and ros.transition("/estimator", "activate")
    ros.logged("loaded ", str(bundle_path))


def test_it_says_in_one_line_what_it_loaded(ros, bundle_path):
    ros.add(EstimatorNode, bundle=str(bundle_path))
    ros.logged("loaded ", "made", "shoulder, elbow at 100 Hz", "window of 8 samples", "cpu", "N·m", "trained on made")
    ros.logged("a tick takes ", "this computer holds ", "trained at 100 Hz")
    ros.logged("no held-out recording, training nmse", "ridge")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["-p", "bundle:=3"], "'bundle' to '3' of type 'INTEGER', expecting type 'STRING'"),
        (["-p", "reliability:=some"], "error: parameter reliability is 'some': use reliable or best_effort"),
        (["-p", "contact_factor:=-1.0"], "contact_factor"),
        (["-p", "contact_facter:=2.0"], "parameter contact_facter is unknown: did you mean contact_factor?"),
        (["-p", "estimator:contact_facter:=2.0"], "parameter contact_facter is unknown: did you mean contact_factor?"),
        (["-p", "gravity:=true"], "parameter gravity is unknown: `vastares estimator --help` has every parameter"),
        (["-p"], "use --ros-args -p NAME:=VALUE"),
        (["--", "out/bundle"], "argument 'out/bundle' is unknown: use --ros-args -p NAME:=VALUE"),
    ],
)
@pytest.mark.ros
def test_what_it_cannot_start_with_is_one_line_and_status_2(capfd, given, told):
    with own_domain():
        status = main(["estimator", "--ros-args", *given])
    error = capfd.readouterr().err.strip()
    assert status == 2
    assert told in error
    assert re.fullmatch(r"vastares estimator: error: .*", error)


def test_integers_are_taken_for_numbers_and_parameters_of_ros_are_known(ros, bundle_path, tmp_path):
    file = tmp_path / "parameters.yaml"
    file.write_text("/**:\n  ros__parameters:\n    drift_time: 30\n")
    given = ["--params-file", str(file), "-p", "contact_factor:=2", "-p", "use_sim_time:=true"]
    given += ["-p", "qos_overrides./joint_states.subscription.depth:=7"]
    node = ros.add(EstimatorNode, {"cli_args": ["--ros-args", *given]}, bundle=str(bundle_path), zero_duration=2)
    assert [node.parameter(name) for name in ("contact_factor", "drift_time", "zero_duration")] == [2.0, 30.0, 2.0]
    assert isinstance(node.parameter("contact_factor"), float)
    assert ros.set("/estimator", contact_factor=3) == ""
    assert node.parameter("contact_factor") == node._pipeline.contact_factor == 3.0
    assert "out of range" in ros.set("/estimator", contact_factor=-1)


def test_help_has_every_parameter_topic_and_service_and_needs_no_ros():
    program = (
        "import sys; sys.modules.update(dict.fromkeys(('rclpy', 'torch', 'sensor_msgs')));"
        "from vastares_ros.cli.main import main; sys.exit(main(['estimator', '--help']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    for entry in (*EstimatorNode.PARAMETERS, *EstimatorNode.TOPICS, *EstimatorNode.SERVICES):
        assert f"  {entry.name}  (" in done.stdout
        assert " ".join(entry.description.split()) in " ".join(done.stdout.split())
    assert "(double, default 1.0, 0 to 1000, set at any time)" in done.stdout


def test_an_altered_bundle_is_refused(ros, bundle_path, tmp_path):
    copy = shutil.copytree(bundle_path, tmp_path / "copy")
    (copy / "model.safetensors").write_bytes(b"other")
    ros.add(EstimatorNode, bundle=str(copy))
    ros.logged("configure failed", "was altered")


def test_the_parameter_file_has_every_parameter_with_its_default_and_when_it_can_be_set(ros):
    node = ros.add(EstimatorNode, autostart=False)
    text = (config_folder() / "estimator.yaml").read_text(encoding="utf-8")
    file = yaml.safe_load(text)["/**"]["ros__parameters"]
    unset = {"cpu_affinity"}
    declared = {name: p.value for name, p in parameters(node).items() if name not in unset}
    assert declared == file | {"autostart": False}
    mark = {Change.LIVE: "[live] ", Change.START: "[start] ", Change.UNCONFIGURED: ""}
    for parameter in EstimatorNode.PARAMETERS:
        described = node.describe_parameter(parameter.name)
        assert described.description == parameter.description
        assert described.read_only == (parameter.change is Change.START)
        value = rf"# {parameter.name}: \[" if parameter.name in unset else f"{parameter.name}:"
        (comment,) = re.findall(rf"((?:    #.*\n)+)    {value}", text)
        assert re.findall(r"# (\[live\] |\[start\] |)", comment)[0] == mark[parameter.change]


def test_every_topic_and_service_is_in_the_tables_and_there(live):
    mine = {t.name for t in EstimatorNode.TOPICS if t.published}
    found = {
        f"~/{n.removeprefix('/estimator/')}" for n, _ in live.node.get_topic_names_and_types() if "/estimator/" in n
    }
    assert found - {"~/transition_event"} == mine - {"/diagnostics"}
    services = dict(live.node.get_service_names_and_types())
    for service in EstimatorNode.SERVICES:
        assert services[service.name.replace("~", "/estimator")] == [service.type]
    types = dict(live.node.get_topic_names_and_types())
    for topic in EstimatorNode.TOPICS:
        name = topic.name.replace("~", "/estimator")
        assert types[name if name.startswith("/") else f"/{name}"] == [topic.type]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system is not Linux")
def test_the_node_runs_on_the_cpus_it_is_given_while_it_is_configured(ros, bundle_path):
    before = os.sched_getaffinity(0)
    node = ros.add(EstimatorNode, bundle=str(bundle_path), cpu_affinity=[max(before)])
    assert node.state == "active" and os.sched_getaffinity(0) == {max(before)}
    ros.remove(node)
    assert os.sched_getaffinity(0) == before
    absent = ros.add(EstimatorNode, bundle=str(bundle_path), cpu_affinity=[4095])
    assert absent.state == "unconfigured" and "cpu_affinity has CPU 4095" in absent.last_error


@pytest.mark.skipif(not hasattr(os, "sched_setscheduler"), reason="this system is not Linux")
def test_the_node_has_the_priority_it_is_given_or_says_that_it_is_not_permitted(ros, bundle_path):
    node = ros.add(EstimatorNode, bundle=str(bundle_path), realtime_priority=10)
    assert node.state == "active"
    if os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO:
        assert os.sched_getparam(0).sched_priority == 10
    else:
        ros.wait(lambda: any("realtime_priority 10 is not permitted" in line for line in ros.logs))
    ros.remove(node)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


ACTS = {
    "bundle": test_a_bundle_takes_over_at_500_hz_and_every_message_is_answered_by_one_of_the_two,
    "robot": test_the_life_of_a_node,
    "device": test_the_life_of_a_node,
    "engine": test_the_engine_is_the_one_asked_for_and_says_why_it_is_not_compiled,
    "reliability": test_a_best_effort_publisher_is_told_what_to_set_and_then_heard,
    "output_reliability": test_the_quality_of_service_of_what_is_published_is_as_asked,
    "contact_factor": test_contact_follows_its_factor_at_once,
    "zero_duration": test_zero_takes_the_residual_at_rest_away_until_reset,
    "zero_speed": test_zero_takes_the_residual_at_rest_away_until_reset,
    "drift_time": test_drift_is_followed_with_the_bits_of_offline_up_to_its_limit_and_can_be_switched_off,
    "drift_limit": test_drift_is_followed_with_the_bits_of_offline_up_to_its_limit_and_can_be_switched_off,
    "max_age": _max_age,
    "pass_over": _pass_over,
    "cpu_affinity": test_the_node_runs_on_the_cpus_it_is_given_while_it_is_configured,
    "realtime_priority": test_the_node_has_the_priority_it_is_given_or_says_that_it_is_not_permitted,
    "urdf": test_the_wrench_is_at_the_link_behind_the_last_joint_where_nothing_else_is_said,
    "tip_frame": test_the_wrench_is_at_the_tip_in_the_frame_and_under_the_prefix_asked_for,
    "wrench_frame": test_the_wrench_is_at_the_tip_in_the_frame_and_under_the_prefix_asked_for,
    "frame_prefix": test_the_wrench_is_at_the_tip_in_the_frame_and_under_the_prefix_asked_for,
    "warn_period": test_warnings_come_once_a_period,
    "autostart": test_without_autostart_it_waits,
}


def test_every_parameter_has_a_test_that_it_acts():
    assert set(ACTS) == {parameter.name for parameter in EstimatorNode.PARAMETERS}
