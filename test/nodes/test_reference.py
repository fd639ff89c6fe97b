"""docs/reference/nodes.md says what the code has."""

import runpy
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from vastares_ros.nodes.estimator import EstimatorNode
from vastares_ros.nodes.managed import ManagedNode
from vastares_ros.nodes.training import TrainingNode

REFERENCE = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "reference" / "nodes.py"))


def test_page_is_what_the_program_writes():
    assert REFERENCE["PAGE"].read_text(encoding="utf-8") == REFERENCE["page"](), "run python docs/reference/nodes.py"


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
        depth, parameter, latched = REFERENCE["qos"](name, topic)
        full = f"/{name}{topic.name[1:]}" if topic.name.startswith("~") else f"/{topic.name.lstrip('/')}"
        expected[full, topic.published] = depth, not parameter, latched, bool(parameter)
    of_ros = ("/rosout", "/parameter_events", "/clock", f"/{name}/transition_event")
    running = {end: qos for end, qos in endpoints(node).items() if end[0] not in of_ros}
    assert running == expected


@pytest.mark.parametrize(("name", "kind"), REFERENCE["NODES"].items())
def test_services_are_those_of_the_running_node(ros, bundle_path, tmp_path, name, kind):
    folder = {"bundle": str(bundle_path)} if name == "estimator" else {"dataset": str(tmp_path / "dataset")}
    node = ros.add(kind, **folder)
    triggers = {node.resolve_service_name(s.srv_name) for s in node.services if s.srv_type.__name__ == "Trigger"}
    assert triggers == {f"/{name}{service.name[1:]}" for service in kind.SERVICES}
