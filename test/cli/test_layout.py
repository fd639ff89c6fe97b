# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""vastares layout: what it shows is what `vastares replay` writes."""

import json
from xml.etree import ElementTree

import pytest
import yaml
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from vastares_ros.cli.main import main

STORE = get_typestore(Stores.ROS2_JAZZY)


@pytest.fixture(scope="module")
def last(tmp_path_factory, push, arm):
    """Topic → the last message on it, in a replay."""
    out = tmp_path_factory.mktemp("layout") / "out.mcap"
    assert main(["replay", str(arm), str(push), "-o", str(out)]) == 0
    with Reader(out) as reader:
        return {c.topic: STORE.deserialize_cdr(raw, c.msgtype) for c, _, raw in reader.messages()}


def layout(viewer, bundle, path, *more):
    return main(["layout", viewer, str(bundle), "-o", str(path), *map(str, more)])


def plotjuggler_curves(messages):
    """The names that PlotJuggler gives to the numbers of these messages, by its documented rules."""
    for topic, message in messages.items():
        for name in getattr(message, "name", ()):
            yield f"{topic}/{name}/effort"
        if hasattr(message, "wrench"):
            yield from (f"{topic}/wrench/{part}/{axis}" for part in ("force", "torque") for axis in "xyz")


def test_every_curve_of_plotjuggler_is_in_a_replay(tmp_path, arm, last):
    assert layout("plotjuggler", arm, tmp_path / "l.xml") == 0
    wanted = {curve.get("name") for curve in ElementTree.parse(tmp_path / "l.xml").iter("curve")}
    live_only = {name for name in wanted if name.startswith("/diagnostics/ur3//estimator/")}
    assert len(live_only) == 6
    assert wanted - live_only == set(plotjuggler_curves(last)) - {"/arm/gripper/effort"}


def test_every_path_of_foxglove_is_in_a_replay(tmp_path, arm, last):
    assert layout("foxglove", arm, tmp_path / "l.json") == 0
    content = json.loads((tmp_path / "l.json").read_text())
    paths = [path for config in content["configById"].values() for path in config.get("paths", ())]
    assert len(paths) == 6 * (2 + 2 + 1) + 6 + 2
    for path in paths:
        topic, _, rest = path["value"].partition(".")
        if topic.startswith("/studio_script/"):
            continue
        message = last[topic]
        if rest.startswith("effort["):
            place = int(rest[len("effort[") : -1])
            joints = ("external", "bound", "estimated")
            assert path["label"] in joints or message.name[place] == path["label"]
            assert message.effort[place] is not None
        else:
            for field in rest.split("."):
                message = getattr(message, field)
            assert isinstance(message, float)
    source = content["userNodes"]["measured-torque"]["sourceCode"]
    assert '"Wrist 1"' in source and 'Input<"/arm">' in source


def test_rviz_starts_from_the_base_of_the_robot(tmp_path, arm):
    assert layout("rviz", arm, tmp_path / "l.rviz", "--namespace", "left", "--node", "touch") == 0
    text = (tmp_path / "l.rviz").read_text()
    manager = yaml.safe_load(text)["Visualization Manager"]
    assert manager["Global Options"]["Fixed Frame"] == "base_link" and "/left/touch/external_wrench" in text
    assert layout("rviz", arm, tmp_path / "l.rviz", "--fixed-frame", "world", "--force") == 0
    manager = yaml.safe_load((tmp_path / "l.rviz").read_text())["Visualization Manager"]
    assert manager["Global Options"]["Fixed Frame"] == "world"


def test_bad_input(tmp_path, capsys, arm):
    (tmp_path / "there").touch()
    for bundle, path, match in ((arm, "there", "--force"), (tmp_path / "none", "new", "does not exist")):
        assert layout("rviz", bundle, tmp_path / path) == 2
        assert match in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        layout("gnuplot", arm, tmp_path / "new")
    assert not (tmp_path / "new").exists()
