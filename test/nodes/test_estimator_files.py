# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""config/estimator has a file of parameters for each robot, that the estimator takes."""

import pytest
import yaml

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from made import parameters

from vastares_ros.io.robots import config_folder, robot_names
from vastares_ros.nodes.estimator import EstimatorNode

FILES = sorted((config_folder() / "estimator").glob("*.yaml"))


def test_each_robot_has_one():
    assert [file.stem for file in FILES] == robot_names()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_names_parameters_of_the_node_with_values_that_they_can_have(ros, file):
    values = yaml.safe_load(file.read_text(encoding="utf-8"))["/**"]["ros__parameters"]
    node = ros.add(EstimatorNode, **values | {"autostart": False})
    assert values.items() <= {name: p.value for name, p in parameters(node).items()}.items()
    assert values["robot"] == file.stem
