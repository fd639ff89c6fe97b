# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The example `03_stop_on_contact.py` over DDS."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from vastares_ros.nodes.process import reliable

PROGRAM = Path(__file__).resolve().parents[2] / "examples" / "03_stop_on_contact.py"
JOINTS = ["shoulder", "elbow"]
POSITIONS = [0.3, -1.2]


class Arm:
    """What the node listens to, and what it says."""

    def __init__(self, ros):
        self.ros = ros
        self.publishers = {
            topic: ros.node.create_publisher(JointState, topic, reliable(1000))
            for topic in ("/estimator/contact", "/estimator/valid", "/joint_states")
        }
        self.trajectories = ros.listen(JointTrajectory, "/joint_trajectory_controller/joint_trajectory")

    def connect(self):
        """Wait until the node hears and is heard."""
        self.ros.wait(lambda: all(p.get_subscription_count() for p in self.publishers.values()))
        self.ros.wait(lambda: self.ros.node.count_publishers("/joint_trajectory_controller/joint_trajectory"))

    def say(self, *contacts, valid=True):
        """Publish as the estimator does: contact only while valid, and valid after it."""
        for contact in contacts:
            if contact is not None:
                self.publishers["/estimator/contact"].publish(JointState(name=JOINTS, effort=[0.0, float(contact)]))
            self.publishers["/estimator/valid"].publish(JointState(name=["valid"], effort=[float(valid)]))

    def move(self):
        # The first joint belongs to another device.
        state = JointState(name=["gripper", *reversed(JOINTS)], position=[0.01, *reversed(POSITIONS)])
        self.publishers["/joint_states"].publish(state)


@pytest.fixture
def example():
    spec = spec_from_file_location("stop_on_contact", PROGRAM)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def start(ros, example):
    """Start the node with arguments, connected to an arm."""

    def begin(*args):
        arm = Arm(ros)
        settings = example.parser().parse_args(args)
        node = ros.add(lambda **options: example.StopOnContact(settings, **options))
        node.seen = []
        for topic, kind in (("contact", JointState), ("valid", JointState)):
            node.create_subscription(kind, f"/estimator/{topic}", node.seen.append, reliable(1000))
        arm.connect()
        ros.wait(lambda: all(p.get_subscription_count() >= 2 for t, p in arm.publishers.items() if "estimator" in t))
        return node, arm

    return begin


def settle(ros, node, count):
    """Wait until the node has seen so many messages of contact and valid."""
    ros.wait(lambda: len(node.seen) >= count)
    ros.wait(ros.executor.create_task(lambda: None).done)


def test_it_stops_once_at_the_position_of_contact_until_it_is_armed_again(ros, start):
    node, arm = start()
    arm.move()
    ros.wait(lambda: node.positions)
    arm.say(None)  # valid
    settle(ros, node, 1)
    arm.say(1, 1, 0, 1, 1)  # never three in succession
    settle(ros, node, 11)
    assert node.armed and not arm.trajectories
    arm.say(0, 1, 1, 1, 1, 1)
    ros.wait(lambda: arm.trajectories)
    settle(ros, node, 23)
    (trajectory,) = arm.trajectories
    (point,) = trajectory.points
    assert trajectory.joint_names == JOINTS and list(point.positions) == POSITIONS
    assert list(point.velocities) == [0.0, 0.0] and not trajectory.header.stamp.sec
    assert (point.time_from_start.sec, point.time_from_start.nanosec) == (0, 200_000_000)
    ros.logged("contact at elbow: stop requested")
    response = ros.call("/stop_on_contact/arm")
    assert response.success and "no safety function" in response.message
    arm.say(1, 1, 1)
    ros.wait(lambda: len(arm.trajectories) == 2)


def test_contact_counts_only_while_the_estimate_is_valid(ros, start):
    node, arm = start("--samples", "1")
    ros.logged("no safety function")
    arm.move()
    ros.wait(lambda: node.positions)
    arm.say(1, 1, valid=False)  # before and while it is not valid
    settle(ros, node, 4)
    arm.say(None)
    settle(ros, node, 5)
    assert node.armed and not arm.trajectories
    arm.say(1)
    ros.wait(lambda: arm.trajectories)


def test_the_stop_service_is_called_too_and_without_positions_alone(ros, start):
    calls = []

    def stop(request, response):
        calls.append(request)
        response.message = "no program runs"
        return response

    ros.node.create_service(Trigger, "/stop", stop)
    node, arm = start("--samples", "1", "--stop-service", "/stop")
    ros.wait(node._stop.service_is_ready)
    arm.say(None)
    settle(ros, node, 1)
    arm.say(1)
    ros.wait(lambda: calls)
    ros.logged("the position of shoulder is not known")
    ros.logged("/stop failed: no program runs")
    assert not node.armed and not arm.trajectories


def test_it_stays_armed_where_it_could_do_nothing(ros, start):
    node, arm = start("--samples", "1")
    arm.say(None)
    settle(ros, node, 1)
    arm.say(1)
    ros.logged("the position of shoulder is not known")
    assert node.armed and not arm.trajectories


@pytest.mark.process
def test_as_a_process(ros):
    arm = Arm(ros)
    options = ["--samples", "2", "--ros-args", "-r", "__node:=guard"]
    child = subprocess.Popen([sys.executable, PROGRAM, *options], stderr=subprocess.PIPE, text=True)
    try:
        arm.connect()

        def touched():
            arm.move()
            arm.say(1)
            return arm.trajectories

        ros.wait(touched)
        assert ros.call("/guard/arm").success
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 0, child.stderr.read()
    finally:
        child.kill()
        child.wait()
    wrong = subprocess.run([sys.executable, PROGRAM, "--samples", "0"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "--samples must be 1 or more" in wrong.stderr
