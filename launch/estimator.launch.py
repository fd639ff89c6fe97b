# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Estimate torques live: `ros2 launch vastares_ros estimator.launch.py bundle:=FOLDER`."""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.substitutions import LaunchConfiguration

from vastares_ros.nodes.interfaces import ESTIMATOR
from vastares_ros.nodes.launching import node_description

CONFIG = Path(__file__).resolve().parents[1] / "config"
PARAMETERS = ("bundle", "robot", "urdf", "frame_prefix", "autostart")  # those that are arguments too


def generate_launch_description() -> LaunchDescription:
    """The node `estimator` and its arguments."""
    words = "config/estimator/ROBOT.yaml, or config/estimator.yaml if the robot has none"
    return node_description("estimator", ESTIMATOR.parameters, PARAMETERS, _file_of_robot, words)


def _file_of_robot(context: LaunchContext) -> str:
    of_robot = CONFIG / "estimator" / f"{LaunchConfiguration('robot').perform(context)}.yaml"
    return str(of_robot if of_robot.is_file() else CONFIG / "estimator.yaml")
