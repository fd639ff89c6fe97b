# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Record and train: `ros2 launch vastares_ros training.launch.py dataset:=FOLDER bundle:=FOLDER robot:=ur5e`."""

from pathlib import Path

from launch import LaunchDescription

from vastares_ros.nodes.interfaces import TRAINING
from vastares_ros.nodes.launching import node_description

FILE = Path(__file__).resolve().parents[1] / "config" / "training.yaml"
PARAMETERS = ("dataset", "bundle", "robot", "contact_topic", "estimator", "autostart")  # those that are arguments too


def generate_launch_description() -> LaunchDescription:
    """The node `training` and its arguments."""
    return node_description("training", TRAINING.parameters, PARAMETERS, lambda _: str(FILE), "config/training.yaml")
