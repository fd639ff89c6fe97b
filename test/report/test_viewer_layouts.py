# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import torch
import yaml

from vastares_ros.core.robot import Effort
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.report.viewer_layouts import (
    SCRIPT_TOPIC,
    Curve,
    Topics,
    foxglove,
    pages,
    plotjuggler,
    plotjuggler_name,
    rviz,
)
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.fit import fit


@pytest.fixture(scope="module")
def bundle(dataset):
    config = TrainConfig(network=NetworkConfig(window=8, hidden=4), epochs=1)
    trained = fit(dataset, config, torch.device("cpu"), test=["three"])
    return replace(trained, effort=Effort("N·m", (1.0, -2.0)))


def curves(xml: str) -> dict[str, ElementTree.Element]:
    return {curve.get("name"): curve for curve in ElementTree.fromstring(xml.encode()).iter("curve")}


def test_names_are_those_that_viewers_make():
    assert plotjuggler_name(Curve("/estimator/contact", "", "elbow")) == "/estimator/contact/elbow/effort"
    path = ("wrench", "force", "x")
    assert plotjuggler_name(Curve("/e/external_wrench", "x", path=path)) == "/e/external_wrench/wrench/force/x"


def test_plotjuggler_shows_each_joint_of_each_topic(bundle):
    found = curves(plotjuggler(bundle, Topics()))
    for joint in ("shoulder", "elbow"):
        for topic in ("estimated_torque", "external_torque", "external_torque_bound", "contact"):
            assert f"/estimator/{topic}/{joint}/effort" in found
        assert f"/joint_states/{joint}/effort" in found
    assert "/diagnostics/twolink//estimator/tick_p99_us" in found
    assert {"/estimator/valid/valid/effort", "/estimator/wrench_singularity/singularity/effort"} <= set(found)


def test_measured_torque_is_shown_with_the_scale_of_the_bundle(bundle):
    found = curves(plotjuggler(bundle, Topics()))
    assert found["/joint_states/shoulder/effort"].find("transform") is None
    transform = found["/joint_states/elbow/effort"].find("transform")
    assert transform.get("name") == "Scale/Offset" and transform.get("alias") == "elbow measured"
    assert transform.find("options").attrib == {"time_offset": "0", "value_offset": "0", "value_scale": "-2"}


def test_plotjuggler_splits_its_pages_as_it_says(bundle):
    root = ElementTree.fromstring(plotjuggler(bundle, Topics()).encode())
    splitters = list(root.iter("DockSplitter"))
    assert splitters and all(int(s.get("count")) == len(s) == len(s.get("sizes").split(";")) for s in splitters)
    assert all(sum(map(float, s.get("sizes").split(";"))) == pytest.approx(1, abs=1e-4) for s in splitters)
    tabs = root.findall("tabbed_widget/Tab")
    assert [len(tab.findall("Container")) for tab in tabs] == [1] * len(tabs)
    plots = {tab.get("tab_name"): len(list(tab.iter("plot"))) for tab in tabs}
    assert plots == {"torque [N·m]": 2, "external torque [N·m]": 2, "wrench": 3, "contact": 2, "latency": 3}


def test_namespace_and_node_move_every_topic(bundle):
    topics = Topics("/left/", "touch")
    names = curves(plotjuggler(bundle, topics))
    assert {"/left/joint_states/elbow/effort", "/left/touch/contact/elbow/effort"} <= set(names)
    assert all(name.startswith(("/left/", "/diagnostics/twolink//left/touch/")) for name in names)
    shown = yaml.safe_load(rviz(bundle, topics, "left_base"))["Visualization Manager"]["Displays"]
    values = [display[key]["Value"] for display in shown for key in ("Topic", "Description Topic") if key in display]
    assert values == ["/left/robot_description", "/left/touch/external_wrench", "/left/touch/contact_markers"]
    assert '"/left/touch/contact.effort[1]"' in foxglove(bundle, topics)


def test_foxglove_finds_joints_by_their_place_and_measured_torque_by_name(bundle):
    layout = json.loads(foxglove(bundle, Topics()))
    configs = layout["configById"]
    values = [path["value"] for config in configs.values() for path in config.get("paths", ())]
    for place in (0, 1):
        assert f"{SCRIPT_TOPIC}.effort[{place}]" in values and f"/estimator/external_torque.effort[{place}]" in values
    assert "/estimator/external_wrench.wrench.torque.z" in values and "/estimator/valid.effort[0]" in values
    assert not any(value.startswith("/joint_states") for value in values)
    script = layout["userNodes"]["measured-torque"]["sourceCode"]
    for line in ('["shoulder", "elbow"]', "[1.0, -2.0]", 'inputs = ["/joint_states"]', f'output = "{SCRIPT_TOPIC}"'):
        assert line in script

    def leaves(node):
        return [node] if isinstance(node, str) else leaves(node["first"]) + leaves(node["second"])

    shown = [leaf for tab in configs[layout["layout"]]["tabs"] for leaf in leaves(tab["layout"])]
    assert sorted([*shown, layout["layout"]]) == sorted(configs)  # every panel is on one page, once


def test_amperes_have_no_wrench(bundle):
    weak = replace(bundle, effort=Effort("A", (1.0, 1.0)))
    assert "wrench" not in pages(weak, Topics()) and "torque [A]" in pages(weak, Topics())
    assert "external_wrench" not in rviz(weak, Topics(), "base_link")


def test_rviz_shows_robot_wrench_and_contact(bundle):
    manager = yaml.safe_load(rviz(bundle, Topics(), "world"))["Visualization Manager"]
    assert manager["Global Options"]["Fixed Frame"] == "world"
    classes = {display["Class"].rpartition("/")[2] for display in manager["Displays"]}
    assert {"RobotModel", "TF", "Wrench", "MarkerArray"} <= classes
