# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The launch files with real nodes, by launch_testing; skipped where it is not installed."""

from __future__ import annotations

import os
import sys
import threading
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from made import JOINTS, motion, stamps

pytest.importorskip("rclpy")
pytest.importorskip("launch_testing", reason="launch_testing is not installed: it comes with ROS 2")

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription, SetLaunchConfiguration
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.logging import launch_config
from launch_testing import loader
from launch_testing.actions import ReadyToTest
from launch_testing.test_runner import LaunchTestRunner
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python
from sensor_msgs.msg import JointState

from vastares_ros.io.bags import iter_messages, read_joint_states
from vastares_ros.io.mcap import written_mcap
from vastares_ros.nodes.messages import from_stamp, to_joint_state

LAUNCH = Path(__file__).parents[2] / "launch"
CONFIG = LAUNCH.parent / "config"
PATIENCE = 60.0  # seconds


def installed(package: str) -> bool:
    try:
        return bool(get_package_prefix(package))
    except PackageNotFoundError:
        return False


pytestmark = pytest.mark.skipif(
    not installed("vastares_ros"), reason="vastares_ros is not on AMENT_PREFIX_PATH: colcon build, then source it"
)


@pytest.fixture(autouse=True)
def own_python(monkeypatch):
    """The executables are `env python3`, which has to be the one that runs the tests."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def include(file: str, arguments: dict[str, Any]) -> LaunchDescription:
    source = PythonLaunchDescriptionSource(str(LAUNCH / file))
    given = [(name, str(value)) for name, value in arguments.items()]
    patient = SetLaunchConfiguration("sigterm_timeout", str(PATIENCE))  # a busy computer needs more than the usual 5 s
    return LaunchDescription([patient, IncludeLaunchDescription(source, launch_arguments=given)])


def launched(file: str, arguments: dict[str, Any], check: Callable[[Any], None]) -> None:
    """Run a launch file, and `check`, which gets what the processes print, beside it."""

    def describe() -> LaunchDescription:
        return LaunchDescription([*include(file, arguments).entities, ReadyToTest()])

    class Check(unittest.TestCase):
        def test(self, proc_output):
            check(proc_output)

    class Afterwards(unittest.TestCase):
        def test(self, proc_info):
            codes = {name: proc_info[name].returncode for name in proc_info.process_names()}
            assert {code for name, code in codes.items() if "estimator" in name or "training" in name} <= {0}, codes

    tests = (unittest.TestSuite([case("test")]) for case in (Check, Afterwards))
    (result,) = LaunchTestRunner([loader.TestRun(file, describe, {}, *tests)]).run().values()
    assert result.wasSuccessful(), [*getattr(result, "failures", ()), *getattr(result, "errors", ()), result]


def runs_to_its_end(file: str, arguments: dict[str, Any]) -> None:
    """Run a launch file until it ends by itself."""
    service = LaunchService()
    service.include_launch_description(include(file, arguments))
    impatience = threading.Timer(2 * PATIENCE, service.shutdown)
    impatience.start()
    service.run()
    assert impatience.is_alive(), "it did not end by itself"
    impatience.cancel()


def state(ros: Any, node: str) -> str:
    return str(ros.ask(GetState, f"{node}/get_state", GetState.Request()).current_state.label)


def parameter(ros: Any, node: str, name: str) -> Any:
    request = GetParameters.Request(names=[name])
    return parameter_value_to_python(ros.ask(GetParameters, f"{node}/get_parameters", request).values[0])


def test_estimator_answers_under_its_namespace_and_remapping(ros, bundle_path):
    estimates = ros.listen(JointState, "/left/estimator/estimated_torque")

    def check(proc_output):
        ros.wait(lambda: state(ros, "/left/estimator") == "active")
        talker = ros.talk("/arm")
        ros.wait(lambda: ros.node.count_publishers("/left/estimator/estimated_torque"))
        q, qd, effort = motion(60)
        sent = stamps(60)
        for stamp_ns, *values in zip(sent, q, qd, effort, strict=True):
            talker.publish(to_joint_state(stamp_ns, JOINTS, *values))
        ros.wait(lambda: estimates)
        assert from_stamp(estimates[0].header.stamp) in sent

    launched("estimator.launch.py", {"bundle": bundle_path, "namespace": "left", "joint_states": "/arm"}, check)


def test_arguments_go_before_the_file_of_parameters(ros, bundle_path, tmp_path):
    file = tmp_path / "parameters.yaml"
    file.write_text("/**:\n  ros__parameters:\n    bundle: nowhere\n    robot: other\n    contact_factor: 3.0\n")
    arguments = {
        "params_file": file,
        "bundle": bundle_path,
        "robot": "made",
        "urdf": "arm.urdf",
        "frame_prefix": "left/",
        "use_sim_time": "true",
        "autostart": "false",
    }

    def check(proc_output):
        assert state(ros, "/estimator") == "unconfigured"
        expected = {"bundle": str(bundle_path), "robot": "made", "urdf": "arm.urdf", "frame_prefix": "left/"}
        expected |= {"use_sim_time": True, "contact_factor": 3.0}
        assert {name: parameter(ros, "/estimator", name) for name in expected} == expected

    launched("estimator.launch.py", arguments, check)


@pytest.mark.parametrize("robot", ["iiwa7", "made"])
def test_robot_chooses_the_file_of_parameters(ros, robot):
    file = CONFIG / "estimator" / "iiwa7.yaml" if robot == "iiwa7" else CONFIG / "estimator.yaml"
    expected = yaml.safe_load(file.read_text(encoding="utf-8"))["/**"]["ros__parameters"]["zero_speed"]

    def check(proc_output):
        assert parameter(ros, "/estimator", "robot") == robot
        assert parameter(ros, "/estimator", "zero_speed") == expected

    launched("estimator.launch.py", {"robot": robot, "autostart": "false"}, check)


def test_estimator_without_a_bundle_says_so_and_stays(ros):
    def check(proc_output):
        proc_output.assertWaitFor("parameter bundle is not set", timeout=PATIENCE)
        assert state(ros, "/estimator") == "unconfigured"

    launched("estimator.launch.py", {}, check)


def test_training_records(ros, tmp_path):
    dataset = tmp_path / "dataset"
    file = tmp_path / "parameters.yaml"
    file.write_text("/**:\n  ros__parameters:\n    enough_seconds: 7.0\n    test: [one]\n")
    arguments = {
        "params_file": file,
        "dataset": dataset,
        "bundle": tmp_path / "bundle",
        "robot": "ur5",
        "contact_topic": "/estimator/contact",
        "estimator": "/estimator",
        "use_sim_time": "false",
        "autostart": "true",
        "namespace": "left",
        "joint_states": "/arm",
    }

    def check(proc_output):
        ros.wait(lambda: state(ros, "/left/training") == "active")
        assert ros.call("/left/training/start").success
        assert "/arm" in ros.call("/left/training/stop").message
        expected = {name: str(arguments[name]) for name in ("dataset", "bundle", "robot", "contact_topic", "estimator")}
        expected |= {"use_sim_time": False, "enough_seconds": 7.0, "test": ["one"]}
        assert {name: parameter(ros, "/left/training", name) for name in expected} == expected

    launched("training.launch.py", arguments, check)


@pytest.fixture
def bag(tmp_path) -> Path:
    """Two seconds of motion."""
    file = tmp_path / "bag.mcap"
    with written_mcap(file, force=False) as recorder:
        for stamp_ns, *values in zip(stamps(200), *motion(200), strict=True):
            q, qd, effort = values
            recorder.joint_state("/arm", stamp_ns, stamp_ns, JOINTS, effort, q, qd)
    return file


def test_replay_writes_a_bag_of_input_and_output(ros, bundle_path, bag, tmp_path):
    live = ros.listen(JointState, "/left/estimator/estimated_torque")
    output, bagged = tmp_path / "out", installed("ros2bag")
    arguments = {"bag": bag, "bundle": bundle_path, "joint_states": "/arm", "output": output, "namespace": "left"}

    runs_to_its_end("replay.launch.py", arguments)
    ros.wait(lambda: live and from_stamp(live[-1].header.stamp) == stamps(200)[-1])
    (file,) = output.glob("*_0.*")
    states = read_joint_states(file, f"{'/left' * bagged}/estimator/estimated_torque")
    recorded = {stamp_ns: effort for stamp_ns, *_, effort in iter_messages(states)}
    assert set(recorded) <= set(stamps(200))
    assert len(read_joint_states(file, "/arm")) == 200
    for message in live:
        assert np.array_equal(recorded[from_stamp(message.header.stamp)], message.effort)


def test_replay_ends_where_the_bundle_is_of_no_use(ros, bag, tmp_path):
    runs_to_its_end("replay.launch.py", {"bag": bag, "bundle": tmp_path / "none"})


def viewer(folder: Path, name: str) -> Path:
    """A program of this name that prints the file it is to show, and stays open."""
    program = folder / name
    program.write_text('#!/bin/sh\ncat "$2"\nexec tail -f /dev/null\n')
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("program", "other", "shown"),
    [
        ("rviz2", "plotjuggler", "/left/estimator/contact_markers"),
        ("plotjuggler", "rviz", "/left/estimator/external_torque/elbow/effort"),
    ],
)
def test_monitor_shows_a_layout_of_the_robot(ros, bundle_path, tmp_path, monkeypatch, program, other, shown):
    viewer(tmp_path, program)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def check(proc_output):
        proc_output.assertWaitFor(shown, stream="stdout", timeout=PATIENCE)

    launched("monitor.launch.py", {"bundle": bundle_path, "namespace": "left", other: "false"}, check)


@pytest.mark.skipif(installed("rviz2"), reason="rviz2 is installed")
def test_monitor_says_what_is_not_installed(ros, bundle_path, tmp_path, monkeypatch):
    viewer(tmp_path, "plotjuggler")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def check(proc_output):
        proc_output.assertWaitFor("/estimator/contact", stream="stdout", timeout=PATIENCE)  # the other one is shown

    launched("monitor.launch.py", {"bundle": bundle_path}, check)
    assert "rviz2 is not installed" in Path(launch_config.log_dir, "launch.log").read_text()
