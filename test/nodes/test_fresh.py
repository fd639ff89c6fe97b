# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The estimator node where it is too slow: what waits is taken in, the newest is answered, and late ones are told."""

import sys
import time

import numpy as np
import pytest
from made import JOINTS, SCALE, WINDOW, motion, stamps

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState

from vastares_ros.core.samples import JointSample, seconds
from vastares_ros.io.bags import MessageTable, write_joint_states
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.playback import read_playback
from vastares_ros.nodes.estimator import EstimatorNode
from vastares_ros.nodes.messages import from_stamp, to_joint_state
from vastares_ros.nodes.parity_run import run_live
from vastares_ros.runtime.estimator import Estimator
from vastares_ros.runtime.parity import compare, run_offline
from vastares_ros.runtime.pipeline import Pipeline

N = 200
SLEEP = 0.02  # seconds that the slow engine sleeps
SLOW_NODE = f"""
import sys, time
from vastares_ros.nodes.estimator import main
from vastares_ros.runtime.engines import TorchEngine
torque = TorchEngine.torque
TorchEngine.torque = lambda engine: time.sleep({SLEEP}) or torque(engine)
sys.exit(main(sys.argv[1:]))
"""


class Sleepy:
    """An engine that takes its time, and knows how many samples were in the window each time it was asked."""

    note = ""

    def __init__(self, engine, sleep):
        self._engine, self._sleep, self.name = engine, sleep, engine.name
        self.pushed, self.asked = 0, []

    def push(self, x):
        self.pushed += 1
        self._engine.push(x)

    def torque(self):
        self.asked.append(self.pushed)
        time.sleep(self._sleep)
        return self._engine.torque()


class Node:
    """An estimator node with a sleepy engine, a publisher that it hears, and what it publishes."""

    def __init__(self, ros, bundle, sleep=SLEEP, **parameters):
        self.ros = ros
        self.node = ros.add(EstimatorNode, bundle=str(bundle), warn_period=0.0, **parameters)
        estimator = self.node._pipeline._estimator
        self.engine = estimator.engine = Sleepy(estimator.engine, sleep)
        self.torque = ros.listen(JointState, "/estimator/external_torque")
        self.contact = ros.listen(JointState, "/estimator/contact")
        self.valid = ros.listen(JointState, "/estimator/valid")
        self.reports = ros.listen(DiagnosticArray, "/diagnostics")
        self.publisher = ros.talk()
        names = ("external_torque", "contact", "valid")
        ros.wait(lambda: all(self.node._outputs[name].get_subscription_count() for name in names))

    def burst(self, messages):
        """Publish messages without giving the node a turn meanwhile, and wait until the last stamp is answered."""
        for message in messages:
            self.publisher.publish(message)
        last = from_stamp(messages[-1].header.stamp)
        self.ros.wait(lambda: self.valid and from_stamp(self.valid[-1].header.stamp) == last)

    def figures(self):
        """The figures of a report to come."""
        count = len(self.reports)
        self.ros.wait(lambda: len(self.reports) > count)
        return {value.key: value.value for value in self.reports[-1].status[0].values}

    def efforts(self, topic):
        """The only effort of each message of a topic."""
        return [message.effort[0] for message in getattr(self, topic)]

    def answers(self, topic="torque"):
        """Stamp -> effort of each message of a topic."""
        return {from_stamp(m.header.stamp): np.array(m.effort) for m in getattr(self, topic)}


def messages(samples=N):
    q, qd, effort = motion(samples)
    return [to_joint_state(at, JOINTS, q[i], qd[i], effort[i], "base") for i, at in enumerate(stamps(samples))]


def offline(bundle_path, samples=N):
    """Stamp -> external torque where every message is answered."""
    q, qd, effort = motion(samples)
    estimator = Estimator(load_bundle(bundle_path))
    all_of_it = zip(stamps(samples), q, qd, effort * SCALE, strict=True)
    found = {at: estimator.step(JointSample(seconds(at), *values)).tau_ext for at, *values in all_of_it}
    return dict(list(found.items())[WINDOW - 1 :])


def equal(answers, expected):
    """Whether all answers are there with the same bits; others may be passed over."""
    return set(answers) <= set(expected) and all(np.array_equal(answers[at], expected[at]) for at in answers)


@pytest.fixture(params=["events", "single"])
def either(ros, request):
    """The test's node under each of the executors that `make_executor` may give."""
    if request.param == "single":
        ros.executor.remove_node(ros.node)
        ros.executor.shutdown()
        ros.executor = SingleThreadedExecutor(context=ros.node.context)
        ros.executor.add_node(ros.node)
    return ros


def test_of_a_burst_the_newest_is_answered_with_the_bits_of_offline_and_all_are_accounted_for(either, bundle_path):
    live = Node(either, bundle_path, max_age=3600.0)
    sent = messages()
    for part in (sent[:60], sent[60:61], sent[61:150], sent[150:190]):
        live.burst(part)
    assert len(live.valid) < 190, "else nothing was passed over"
    for message in sent[190:]:
        live.burst([message])
    assert from_stamp(live.torque[-1].header.stamp) == stamps(N)[-1]
    assert set(stamps(N)[190:]) <= set(live.answers()), "after the burst, each is answered again"
    assert equal(live.answers(), offline(bundle_path))
    assert all(live.answers("valid").values()) and {m.header.frame_id for m in live.torque} == {"base"}
    told = live.figures()
    assert int(told["samples"]) == N == int(told["passed_over"]) + len(live.valid)
    assert told["dropped"] == told["gaps"] == "0"
    assert len(live.engine.asked) == len(live.torque), "a sample that is passed over does not run the model"
    assert live.engine.pushed == N


def test_half_a_sample_at_the_end_of_a_burst_does_not_cost_the_answer(ros, bundle_path):
    live = Node(ros, bundle_path, max_age=3600.0)
    q, qd, effort = motion(N)
    halves = [
        to_joint_state(at, JOINTS[j : j + 1], q[i, j : j + 1], qd[i, j : j + 1], effort[i, j : j + 1])
        for i, at in enumerate(stamps(N))
        for j in range(2)
    ]
    for part in (halves[:201], halves[201:399]):  # the first one ends with half of sample 100
        for message in part:
            live.publisher.publish(message)
        last = from_stamp(part[-1].header.stamp) - (10_000_000)
        ros.wait(lambda last=last: last in live.answers())
    live.burst(halves[399:])
    assert equal(live.answers(), offline(bundle_path))
    assert int(live.figures()["passed_over"]) + len(live.valid) == N


def test_what_is_passed_over_still_counts_for_what_is_wrong_with_the_joint_states(ros, bundle_path):
    live = Node(ros, bundle_path, max_age=3600.0)
    sent = messages(60)
    live.node._diagnostics_timer.cancel()
    for message in sent:
        live.publisher.publish(message)
        live.publisher.publish(message)
    ros.wait(lambda: stamps(60)[-1] in live.answers())  # the repeat does not take the place of the first
    ros.wait(lambda: live.engine.pushed == 60 and live.node._tally._samples == 120)
    live.node._diagnostics_timer.reset()
    ros.logged("60 of 120 joint states on /joint_states: stamp repeated")


def test_an_estimate_that_is_older_than_max_age_is_published_and_not_valid(ros, bundle_path):
    live = Node(ros, bundle_path, max_age=SLEEP / 2)
    sent = messages(60)
    for message in sent[:30]:
        live.burst([message])
    assert equal(live.answers(), offline(bundle_path, 60)) and len(live.torque) == 30 - WINDOW + 1
    assert not any(live.efforts("valid")) and not live.contact
    ros.logged("joint states on /joint_states: late (", "ms old, and max_age is 10 ms, use a smaller network")
    assert ros.set("/estimator", max_age=3600.0) == ""
    for message in sent[30:]:
        live.burst([message])
    assert live.efforts("valid")[30:] == [1.0] * 30
    assert "out of range" in ros.set("/estimator", max_age=-1.0)


def test_the_age_counts_from_the_receipt_whatever_the_stamps_say(ros, bundle_path):
    """The estimate itself is quick; the stamps are of long ago."""
    live = Node(ros, bundle_path, sleep=0.0, max_age=3600.0)
    sent = messages(60)
    for message in sent[:50]:
        live.burst([message])
    assert live.valid[-1].effort[0] == 1.0
    assert ros.set("/estimator", max_age=0.5) == ""
    live.node._diagnostics_timer.cancel()
    for message in sent[50:53]:
        live.publisher.publish(message)
    time.sleep(0.6)  # they wait for as long
    ros.wait(lambda: stamps(60)[52] in live.answers("valid"))
    assert live.answers("valid")[stamps(60)[52]][0] == 0.0
    assert not set(stamps(60)[50:52]) & set(live.answers("valid")), "the newest is answered"
    live.node._diagnostics_timer.reset()
    told = live.figures()
    assert "late 1" in told["invalid"] and told["passed_over"] == "2" and told["max_age_ms"] == "500"


def test_by_default_max_age_is_two_periods_or_20_ms(ros, bundle_path, fast_path):
    assert ros.add(EstimatorNode, {"namespace": "a"}, bundle=str(bundle_path)).max_age == pytest.approx(0.02)
    assert ros.add(EstimatorNode, {"namespace": "b"}, bundle=str(fast_path)).max_age == pytest.approx(0.02)
    slow = ros.add(EstimatorNode, {"namespace": "c"}, bundle=str(bundle_path))
    slow._bundle = type("Slow", (), {"rate": 50.0})
    assert slow.max_age == pytest.approx(0.04)
    slow._max_age = 0.001
    assert slow.max_age == 0.001


def test_many_that_are_passed_over_are_told_as_overload_in_place_of_late(ros, bundle_path):
    live = Node(ros, bundle_path, max_age=1e-6)
    sent = messages()
    live.node._diagnostics_timer.cancel()
    live.burst(sent[:100])
    live.burst(sent[100:])
    live.node._diagnostics_timer.reset()
    ros.logged("overload: an estimate takes ", "joint states of the last second were passed over", "smaller network")
    assert not any(": late (" in line for line in ros.logs)


def test_without_pass_over_every_message_is_answered_and_told_how_old(ros, bundle_path):
    live = Node(ros, bundle_path, pass_over=False, max_age=SLEEP * 2)
    sent = messages(60)
    live.burst(sent)
    assert list(live.answers("valid")) == stamps(60)
    assert equal(live.answers(), offline(bundle_path, 60)) and len(live.torque) == 60 - WINDOW + 1
    assert live.answers("valid")[stamps(60)[-1]][0] == 0.0, "it waited for the 52 before it"
    assert live.figures()["passed_over"] == "0"
    assert ros.set("/estimator", pass_over=True) == ""
    live.burst(messages(120)[60:])
    assert len(live.valid) < 120


@pytest.mark.ros
def test_parity_says_what_was_passed_over_and_that_the_answers_are_equal(bundle_path, tmp_path):
    q, qd, effort = motion(N)
    at = np.array(stamps(N))
    write_joint_states(tmp_path / "bag", {"/joint_states": MessageTable(JOINTS, at, at, q, qd, effort)})
    playback = read_playback(tmp_path / "bag", "/joint_states", 8.0)
    here = run_offline(Pipeline(load_bundle(bundle_path), engine="torch"), playback.messages)
    expected = {name: int(came.sum()) for name, came in here.came.items()}
    command = [sys.executable, "-c", SLOW_NODE]
    live = run_live(bundle_path, JOINTS, playback, expected, command, engine="torch")
    parity = compare(live, here)
    assert not parity.equal and parity.answers_equal
    assert parity.missed == parity.passed_over > 0
    assert parity.outputs["valid"].received + parity.passed_over == N
    assert live.came["estimated_torque"][-1], "the last one is answered"
    every = run_live(bundle_path, JOINTS, playback, expected, command, every=True, engine="torch")
    assert compare(every, here).equal and every.passed_over == 0
