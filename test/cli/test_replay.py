# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""vastares replay: the file opens with two readers, and says what the live node would say, when it would say it."""

import numpy as np
import pytest
from read_back import by_topic, when
from rosbags.rosbag2 import Reader

from vastares_ros.cli.main import main
from vastares_ros.core.samples import JointSample, seconds
from vastares_ros.io.bags import MessageTable, iter_messages, read_joint_states, write_joint_states
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.robots import config_folder
from vastares_ros.runtime.estimator import Estimator

JOINT_STATES = (
    "estimated_torque",
    "external_torque",
    "external_torque_bound",
    "contact",
    "valid",
    "wrench_singularity",
)


def replay(bag, bundle, out, *more):
    return main(["replay", str(bundle), str(bag), "-o", str(out), *map(str, more)])


def fails(capsys, *argv):
    """The one line that a failing replay prints."""
    assert replay(*argv) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("vastares replay: error: ")
    return lines[-1]


@pytest.fixture(scope="module")
def out(tmp_path_factory, push, arm):
    path = tmp_path_factory.mktemp("replay") / "out.mcap"
    assert replay(push, arm, path) == 0
    return path


def test_inputs_stand_in_the_file_as_recorded(out, push):
    states = read_joint_states(push, "/arm")
    found = by_topic(out)["/arm"]
    assert when(found) == [(ns + 1_500_000, ns) for ns in states.tables[0].stamp_ns]
    for (_, message), (_, names, *values) in zip(found, iter_messages(states), strict=True):
        assert tuple(message.name) == names
        for field, expected in zip(("position", "velocity", "effort"), values, strict=True):
            np.testing.assert_array_equal(getattr(message, field), expected)


def test_outputs_are_the_estimators_to_the_last_bit_under_the_input_stamps(out, arm, push):
    bundle, found = load_bundle(arm), by_topic(out)
    assert set(found) == {"/arm", "/estimator/external_wrench"} | {f"/estimator/{t}" for t in JOINT_STATES}
    estimator, estimates = Estimator(bundle), []
    for stamp_ns, names, q, qd, effort in iter_messages(read_joint_states(push, "/arm")):
        order = [names.index(joint) for joint in bundle.joints]
        estimates.append(estimator.step(JointSample(seconds(stamp_ns), q[order], qd[order], -effort[order])))
    given = [i for i, e in enumerate(estimates) if np.isfinite(e.tau_ext).all()]
    assert len(given) == 200 - 7  # all but the first window
    stamps = when(found["/arm"])
    for topic, attribute in (
        ("estimated_torque", "tau_free"),
        ("external_torque", "tau_ext"),
        ("external_torque_bound", "bound"),
    ):
        messages = found[f"/estimator/{topic}"]
        assert when(messages) == [stamps[i] for i in given]
        for (_, message), i in zip(messages, given, strict=True):
            assert tuple(message.name) == bundle.joints and not len(message.position) and not len(message.velocity)
            np.testing.assert_array_equal(message.effort, getattr(estimates[i], attribute))
    valid = found["/estimator/valid"]
    assert when(valid) == stamps
    assert [m.name for _, m in valid] == [["valid"]] * 200
    assert [float(m.effort[0]) for _, m in valid] == [float(e.valid) for e in estimates]


def test_contact_is_told_by_joint_and_only_where_the_estimate_is_valid(out):
    found = by_topic(out)
    valid = [
        s for s, (_, m) in zip(when(found["/estimator/valid"]), found["/estimator/valid"], strict=True) if m.effort
    ]
    assert when(found["/estimator/contact"]) == valid == when(found["/arm"])[7:180]
    torque = dict(zip(when(found["/estimator/external_torque"]), found["/estimator/external_torque"], strict=True))
    bound = found["/estimator/external_torque_bound"][0][1].effort
    contact = np.array([m.effort for _, m in found["/estimator/contact"]])
    expected = np.abs([torque[s][1].effort for s in valid]) > bound
    np.testing.assert_array_equal(contact, expected)
    assert contact[-50:, 2].all() and not contact[:50, 2].any()


def test_the_wrench_is_at_the_tip_and_means_the_torque(out):
    found = by_topic(out)
    wrenches, torques = found["/estimator/external_wrench"], found["/estimator/external_torque"]
    assert when(wrenches) == when(torques) == when(found["/estimator/wrench_singularity"])
    assert {m.header.frame_id for _, m in wrenches} == {"tool0"}
    last = wrenches[-1][1].wrench
    assert np.isfinite([last.force.x, last.force.y, last.force.z, last.torque.x, last.torque.y, last.torque.z]).all()
    assert 0 < found["/estimator/wrench_singularity"][-1][1].effort[0] < 1


def test_an_independent_reader_reads_the_same(out):
    reader = pytest.importorskip("mcap.reader", reason="the second reader, pip install mcap")
    with out.open("rb") as stream:
        opened = reader.make_reader(stream, validate_crcs=True)
        assert opened.get_header().profile == "ros2"
        summary = opened.get_summary()
        theirs = sorted((c.topic, m.log_time, bytes(m.data)) for _, c, m in opened.iter_messages())
    assert {s.encoding for s in summary.schemas.values()} == {"ros2msg"}
    assert {s.name for s in summary.schemas.values()} == {
        "sensor_msgs/msg/JointState",
        "geometry_msgs/msg/WrenchStamped",
    }
    assert {c.message_encoding for c in summary.channels.values()} == {"cdr"}
    with Reader(out) as ours:
        assert theirs == sorted((c.topic, ns, bytes(raw)) for c, ns, raw in ours.messages())
    assert len(theirs) == summary.statistics.message_count > 1000


def test_options_act(tmp_path, push, arm):
    urdf = tmp_path / "other.urdf"
    text = (config_folder() / "urdf" / "ur3.urdf").read_text()
    urdf.write_text(text.replace('"tool0"', '"flange"').replace('"base_link"', '"bottom"'))
    options = ("--urdf", urdf, "--tip", "flange", "--wrench-frame", "bottom")
    assert replay(push, arm, tmp_path / "a.mcap", *options) == 0
    assert {m.header.frame_id for _, m in by_topic(tmp_path / "a.mcap")["/estimator/external_wrench"]} == {"bottom"}


def test_another_topic_and_force(tmp_path, capsys, moving, arm):
    e = moving("other", 50)
    ns = np.round(e.t * 1e9).astype(np.int64)
    write_joint_states(tmp_path / "bag", {"/left": MessageTable(e.joints, ns, ns, e.q, e.qd, -e.tau)})
    out = tmp_path / "out.mcap"
    assert "choose with --topic" in fails(capsys, tmp_path / "bag", arm, out)
    assert replay(tmp_path / "bag", arm, out, "--topic", "/left") == 0
    assert "--force" in fails(capsys, tmp_path / "bag", arm, out, "--topic", "/left")
    assert replay(tmp_path / "bag", arm, out, "--topic", "/left", "--force") == 0
    assert len(by_topic(out)["/left"]) == 50


def test_amperes_give_no_wrench(tmp_path, capsys, push, save_arm):
    bundle = save_arm(tmp_path / "b", "A")
    assert replay(push, bundle, tmp_path / "out.mcap") == 0
    assert "no wrench: the bundle's torque is in A" in capsys.readouterr().out
    assert not [topic for topic in by_topic(tmp_path / "out.mcap") if "wrench" in topic]
    assert "is in A" in fails(capsys, push, bundle, tmp_path / "b.mcap", "--wrench-frame", "tool0")


def test_bad_input_leaves_no_file(tmp_path, capsys, moving, push, arm):
    out = tmp_path / "out.mcap"
    assert "does not exist" in fails(capsys, tmp_path / "none", arm, out)
    assert "does not exist" in fails(capsys, push, tmp_path / "none", out)
    assert "must end in .mcap" in fails(capsys, push, arm, tmp_path / "out.bag")
    assert "'tool_0' is not a frame of the URDF; near it are tool0" in fails(capsys, push, arm, out, "--tip", "tool_0")
    assert "none.urdf" in fails(capsys, push, arm, out, "--urdf", tmp_path / "none.urdf")
    (tmp_path / "bad.urdf").write_bytes(b"\xff\xfe")
    assert "not UTF-8 text" in fails(capsys, push, arm, out, "--urdf", tmp_path / "bad.urdf")
    e = moving("short", 5)
    ns = np.round(e.t * 1e9).astype(np.int64)
    write_joint_states(tmp_path / "short", {"/arm": MessageTable(e.joints, ns, ns, e.q, e.qd, e.tau)})
    assert "gives no estimate" in fails(capsys, tmp_path / "short", arm, out)
    write_joint_states(
        tmp_path / "few", {"/arm": MessageTable(e.joints[:5], ns, ns, e.q[:, :5], e.qd[:, :5], e.tau[:, :5])}
    )
    assert "no joint 'Wrist 3'" in fails(capsys, tmp_path / "few", arm, out)
    assert {p.name for p in tmp_path.iterdir()} == {"bad.urdf", "short", "few"}


@pytest.mark.slow
def test_a_real_recording(tmp_path, data, arm):
    """A UR3 at work for 47 s, read from a ROS 1 bag: stamps of all outputs are stamps of inputs."""
    out = tmp_path / "out.mcap"
    assert replay(data / "ur3" / "id1.bag", arm, out) == 0
    states, found = read_joint_states(data / "ur3" / "id1.bag", "/arm"), by_topic(out)
    assert [stamp for _, stamp in when(found["/arm"])] == [stamp_ns for stamp_ns, *_ in iter_messages(states)]
    assert all(set(when(messages)) <= set(when(found["/arm"])) for messages in found.values())
    assert len(found["/estimator/external_torque"]) == len(states) - 7
