# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is written about parameters, topics and services is what the code has."""

import runpy
from dataclasses import fields
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from vastares_ros.core.signals import FilterConfig
from vastares_ros.models.methods import METHODS
from vastares_ros.nodes.estimator import EstimatorNode
from vastares_ros.nodes.managed import ManagedNode
from vastares_ros.nodes.training import TrainingNode
from vastares_ros.training.config import RigidBodyModelConfig, TrainConfig

GENERATE = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "generate.py"))


@pytest.mark.parametrize("path", GENERATE["files"](), ids=lambda path: path.name)
def test_files_are_what_the_program_writes(path):
    assert path.read_text(encoding="utf-8") == GENERATE["files"]()[path], "run python docs/generate.py"


def test_every_field_of_a_configuration_is_described():
    for config in (TrainConfig, RigidBodyModelConfig, FilterConfig, *(method.config for method in METHODS.values())):
        texts = GENERATE["field_texts"](config)
        assert set(texts) == {field.name for field in fields(config)}
        assert all(texts.values())


def endpoints(node: ManagedNode) -> dict:
    """By topic and whether it is published: depth, whether reliable, whether latched, and whether it is overridable."""
    found = {}
    for published, ends in ((True, node.publishers), (False, node.subscriptions)):
        for end in ends:
            profile = end.qos_profile if hasattr(end, "qos_profile") else end.handle.get_qos_profile()
            kind = "publisher" if published else "subscription"
            overridable = node.has_parameter(f"qos_overrides.{end.topic_name}.{kind}.reliability")
            reliable = profile.reliability == ReliabilityPolicy.RELIABLE
            latched = profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
            found[end.topic_name, published] = profile.depth, reliable, latched, overridable
    return found


@pytest.mark.parametrize("name", ["estimator", "training"])
def test_topics_are_those_of_the_running_node(ros, bundle_path, tmp_path, name):
    if name == "estimator":
        unreliable = {"reliability": "best_effort", "output_reliability": "best_effort"}
        node = ros.add(EstimatorNode, bundle=str(bundle_path), **unreliable)
    else:
        node = ros.add(TrainingNode, dataset=str(tmp_path / "dataset"), reliability="best_effort")
    assert node.state == "active"
    expected = {}
    for topic in node.TOPICS:
        depth, parameter, latched = GENERATE["qos"](name, topic)
        full = f"/{name}{topic.name[1:]}" if topic.name.startswith("~") else f"/{topic.name.lstrip('/')}"
        expected[full, topic.published] = depth, not parameter, latched, bool(parameter)
    of_ros = ("/rosout", "/parameter_events", "/clock", f"/{name}/transition_event")
    running = {end: qos for end, qos in endpoints(node).items() if end[0] not in of_ros}
    assert running == expected


@pytest.mark.parametrize(("name", "kind"), [("estimator", EstimatorNode), ("training", TrainingNode)])
def test_services_are_those_of_the_running_node(ros, bundle_path, tmp_path, name, kind):
    folder = {"bundle": str(bundle_path)} if name == "estimator" else {"dataset": str(tmp_path / "dataset")}
    node = ros.add(kind, **folder)
    triggers = {node.resolve_service_name(s.srv_name) for s in node.services if s.srv_type.__name__ == "Trigger"}
    assert triggers == {f"/{name}{service.name[1:]}" for service in kind.SERVICES}
