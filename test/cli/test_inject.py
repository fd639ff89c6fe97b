# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Real joint states in, the same with known pushes out."""

import numpy as np
import pinocchio as pin
import pytest
import yaml
from read_back import STORE, by_topic, when
from rosbags.rosbag2 import StoragePlugin, Writer

from vastares_ros.cli.main import main
from vastares_ros.core.external import external_torque
from vastares_ros.core.signals import CausalFilter
from vastares_ros.io.bags import MessageTable, iter_messages, read_joint_states, read_recording, write_joint_states
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.injections import TRUE_WRENCH_TOPIC, TRUTH_TOPIC
from vastares_ros.io.robots import config_folder, load_robot

UR3 = ("Base", "Shoulder", "Elbow", "Wrist 1", "Wrist 2", "Wrist 3")
PUSH = {"start": 1.0, "duration": 0.5, "force": [10, -20, 30], "torque": [1, 2, -3]}
WRENCH = np.array(PUSH["force"] + PUSH["torque"], dtype=float)
EXAMPLE = config_folder() / "wrench_push.yaml"


def profile(path, *events, **fields):
    path.write_text(yaml.safe_dump({"events": list(events or (PUSH,)), **fields}))
    return path


def inject(bag, wrench, out, *more, robot="ur3", topic="/arm"):
    named = ("--robot", robot) if robot else ()
    argv = ["inject", bag, "--wrench", wrench, "-o", out, *named, "--topic", topic, *more]
    return main([str(a) for a in argv])


def fails(capsys, *argv, **options):
    """The one line that a failing injection prints."""
    assert inject(*argv, **options) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("vastares inject: error: ")
    return lines[0]


def at_tool(q):
    """J^T F of `PUSH` in the axes of the UR3's tool, by pinocchio alone, shape (6,)."""
    model = pin.buildModelFromXML(load_robot("ur3").urdf)
    configuration = np.array([*q[:5], np.cos(q[5]), np.sin(q[5])])  # its last joint turns without end
    frame = model.getFrameId("tool0")
    return pin.computeFrameJacobian(model, model.createData(), configuration, frame, pin.LOCAL).T @ WRENCH


@pytest.fixture(scope="module")
def free(tmp_path_factory, moving):
    """A bag of free motion: an order of its own, a gripper in every message, and inverted effort."""
    e = moving("free", 300)
    order = [5, 2, 0, 1, 4, 3]
    names = (*(UR3[i] for i in order), "gripper")
    columns = (np.hstack([x[:, order], np.full((len(e), 1), 7.0)]) for x in (e.q, e.qd, -e.tau))
    stamp_ns = np.round(e.t * 1e9).astype(np.int64)
    path = tmp_path_factory.mktemp("free") / "bag"
    write_joint_states(path, {"/arm": MessageTable(names, stamp_ns, stamp_ns + 1_500_000, *columns)})
    return path


@pytest.fixture(scope="module")
def pushed(tmp_path_factory, free):
    folder = tmp_path_factory.mktemp("pushed")
    assert inject(free, profile(folder / "p.yaml"), folder / "out.mcap") == 0
    return folder / "out.mcap"


def test_messages_are_those_recorded_but_for_effort_while_pushed(free, pushed):
    states, found = read_joint_states(free, "/arm"), by_topic(pushed)["/arm"]
    assert when(found) == [(ns + 1_500_000, ns) for ns in states.tables[0].stamp_ns]
    changed = []
    for (_, message), (_, names, position, velocity, effort) in zip(found, iter_messages(states), strict=True):
        assert tuple(message.name) == names
        np.testing.assert_array_equal(message.position, position)
        np.testing.assert_array_equal(message.velocity, velocity)
        assert message.effort[6] == 7.0  # the gripper's
        changed.append((message.effort != effort).any())
    seconds = (states.tables[0].stamp_ns - states.tables[0].stamp_ns[0]) * 1e-9
    np.testing.assert_array_equal(changed, (seconds >= 1.0) & (seconds < 1.5))


def test_the_known_wrench_comes_back_as_external_torque_with_the_sign_of_the_package(free, pushed):
    scale = (-1.0,) * 6
    (before,), (after,) = (read_recording(path, UR3, scale, "/arm").episodes for path in (free, pushed))
    np.testing.assert_array_equal(after.t, before.t)
    expected = np.array([at_tool(q) for q in before.q])
    during = (before.t - before.t[0] >= 1.0 - 1e-6) & (before.t - before.t[0] < 1.5 - 1e-6)
    expected[~during] = 0
    assert np.abs(expected).max() > 5
    # an estimator that knows the free torque exactly subtracts the measured one
    np.testing.assert_allclose(external_torque(before.tau, after.tau), expected, atol=1e-9)
    (truth,) = read_joint_states(pushed, TRUTH_TOPIC).tables
    assert truth.names == UR3
    np.testing.assert_allclose(truth.effort, expected, atol=1e-9)


def test_the_truth_stands_beside_every_message(pushed):
    found = by_topic(pushed)
    assert set(found) == {"/arm", TRUTH_TOPIC, TRUE_WRENCH_TOPIC}
    assert when(found[TRUTH_TOPIC]) == when(found[TRUE_WRENCH_TOPIC]) == when(found["/arm"])
    assert not any(len(m.position) or len(m.velocity) for _, m in found[TRUTH_TOPIC])
    assert {m.header.frame_id for _, m in found[TRUE_WRENCH_TOPIC]} == {"tool0"}
    told = [m.wrench for _, m in found[TRUE_WRENCH_TOPIC]]
    values = np.array([[x for v in (w.force, w.torque) for x in (v.x, v.y, v.z)] for w in told])
    np.testing.assert_array_equal(values[150], WRENCH)
    assert not values[:100].any() and not values[200:].any()


def test_replay_shows_just_what_was_injected(tmp_path, free, pushed, arm):
    """Through the bundle's filter, the estimate moves by the filtered truth and by nothing else."""
    external = []
    for bag in (free, pushed):
        out = tmp_path / f"{bag.stem}.mcap"
        assert main(["replay", str(arm), str(bag), "-o", str(out)]) == 0
        external.append(np.array([m.effort for _, m in by_topic(out)["/estimator/external_torque"]]))
    moved = external[1] - external[0]
    bundle = load_bundle(arm)
    truth = np.array([m.effort for _, m in by_topic(pushed)[TRUTH_TOPIC]])
    filtered = CausalFilter(bundle.filter, bundle.rate).run(truth)[7:]  # what is left of a window of 8
    assert np.abs(filtered).max() > 5
    np.testing.assert_allclose(moved, filtered, atol=1e-9)
    assert main(["evaluate", str(arm), str(pushed), "--topic", "/arm"]) == 0


def test_partial_messages_are_pushed_each_by_its_own_joints(tmp_path, moving):
    """Three joints a message, by turns; one in the middle has no effort and one a position that is no number."""
    e = moving("partial", 300)
    bag, halves = tmp_path / "bag", ([0, 1, 2], [3, 4, 5])
    with Writer(bag, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/arm", "sensor_msgs/msg/JointState", typestore=STORE)
        types = STORE.types
        for i, half in ((i, half) for i in range(300) for half in halves):
            ns = round(e.t[i] * 1e9) + half[0] * 10_000
            position, effort = e.q[i, half].copy(), np.zeros(0) if (i, half[0]) == (150, 0) else -e.tau[i, half]
            if (i, half[0]) == (160, 3):
                position[0] = np.nan
            stamp = types["builtin_interfaces/msg/Time"](sec=ns // 10**9, nanosec=ns % 10**9)
            header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="")
            names = [UR3[j] for j in half]
            message = types["sensor_msgs/msg/JointState"](header, names, position, e.qd[i, half], effort)
            writer.write(connection, ns, STORE.serialize_cdr(message, "sensor_msgs/msg/JointState"))
    out = tmp_path / "out.mcap"
    assert inject(bag, profile(tmp_path / "p.yaml", PUSH | {"start": 0.0, "duration": 2.0}), out) == 0
    found = by_topic(out)
    assert len(found["/arm"]) == 600 and len(found[TRUTH_TOPIC]) == 599
    assert [len(m.effort) for _, m in found["/arm"]].count(0) == 1
    truth, raw = (
        {ns: m for (_, ns), (_, m) in zip(when(found[t]), found[t], strict=True)} for t in (TRUTH_TOPIC, "/arm")
    )
    for i, wrist_1 in ((1, e.q[0]), (140, e.q[139]), (161, e.q[159])):  # whence its newest position is
        newest = np.hstack([e.q[i, :3], wrist_1[3], e.q[i - 1, 4:]])
        ns = round(e.t[i] * 1e9)
        assert truth[ns].name == list(UR3[:3])
        np.testing.assert_allclose(truth[ns].effort, at_tool(newest)[:3], atol=1e-9)
        np.testing.assert_allclose(raw[ns].effort, -e.tau[i, :3] + at_tool(newest)[:3], atol=1e-9)
        np.testing.assert_allclose(truth[ns + 30_000].effort, at_tool(e.q[i])[3:], atol=1e-9)
    assert not truth[round(e.t[0] * 1e9)].effort.any()  # time begins with the first whole sample


def test_without_header_stamps_time_is_that_of_receipt(tmp_path, moving):
    e = moving("unstamped", 300)
    ns = np.round(e.t * 1e9).astype(np.int64)
    write_joint_states(tmp_path / "bag", {"/arm": MessageTable(UR3, 0 * ns, ns, e.q, e.qd, -e.tau)})
    assert inject(tmp_path / "bag", profile(tmp_path / "p.yaml"), tmp_path / "out.mcap") == 0
    (truth,) = read_joint_states(tmp_path / "out.mcap", TRUTH_TOPIC).tables
    assert np.flatnonzero(truth.effort.any(axis=1)).tolist() == list(range(125, 188))
    np.testing.assert_array_equal(truth.receive_ns, ns)


def test_amperes_need_the_gain_of_the_drives(tmp_path, capsys, moving):
    e, robot = moving("amperes", 300), load_robot("ur3")
    ns = np.round(e.t * 1e9).astype(np.int64)
    write_joint_states(tmp_path / "bag", {"/arm": MessageTable(robot.urdf_joints, ns, ns, e.q, e.qd, e.tau)})
    wrench, out = profile(tmp_path / "p.yaml"), tmp_path / "out.mcap"
    error = fails(capsys, tmp_path / "bag", wrench, out)
    assert "driver ur_robot_driver publishes current in A" in error and "--effort-scale" in error
    gain = np.array([10.0, 10, 10, 8, 8, 8])
    assert inject(tmp_path / "bag", wrench, out, "--effort-scale", *gain) == 0
    (table,) = read_joint_states(out, "/arm").tables
    np.testing.assert_allclose((e.tau - table.effort)[150] * gain, at_tool(e.q[150]), atol=1e-9)


def test_a_urdf_alone_will_do_and_other_topics_are_said_to_be_left_out(tmp_path, capsys, moving):
    e, robot = moving("urdf", 300), load_robot("ur3")
    ns = np.round(e.t * 1e9).astype(np.int64)
    table = MessageTable(robot.urdf_joints, ns, ns, e.q, e.qd, e.tau)
    write_joint_states(tmp_path / "bag", {"/arm": table, "/other": table})
    urdf = tmp_path / "own.urdf"
    urdf.write_text(robot.urdf.replace('"tool0"', '"flange"'))
    wrench, out = profile(tmp_path / "p.yaml", link="flange", frame="base"), tmp_path / "out.mcap"
    assert inject(tmp_path / "bag", wrench, out, "--urdf", urdf, robot=None) == 0
    printed = capsys.readouterr().out
    assert "1 push at flange in 300 messages on /arm" in printed and "left out other topics" in printed
    assert printed.rstrip().endswith(": /other")
    found = by_topic(out)
    assert set(found) == {"/arm", TRUTH_TOPIC, TRUE_WRENCH_TOPIC}
    assert {m.header.frame_id for _, m in found[TRUE_WRENCH_TOPIC]} == {"base_link"}
    again = fails(capsys, out, wrench, tmp_path / "twice.mcap", "--urdf", urdf, robot=None)
    assert f"holds {TRUTH_TOPIC}" in again or f"holds {TRUE_WRENCH_TOPIC}" in again


def test_bad_input_is_one_line_and_leaves_no_file(tmp_path, capsys, free, moving):
    out, good = tmp_path / "out.mcap", profile(tmp_path / "good.yaml")

    def bad(*events, **fields):
        return profile(tmp_path / "bad.yaml", *events, **fields)

    assert "'tool_0' is not a frame of the URDF; near it are tool0" in fails(capsys, free, bad(link="tool_0"), out)
    assert "no joint feels a push at base_link" in fails(capsys, free, bad(link="base_link"), out)
    assert "bad.yaml: events[0]: unknown field forse" in fails(capsys, free, bad(PUSH | {"forse": 1}), out)
    assert "bad.yaml: frame is 'tool'" in fails(capsys, free, bad(frame="tool"), out)
    late = fails(capsys, free, bad(PUSH, PUSH | {"start": 2.0}), out)
    assert "bad.yaml: events[1] ends at 2.5 s, but the recording is 2.39 s long" in late
    assert "does not exist: copy config/wrench_push.yaml" in fails(capsys, free, tmp_path / "none.yaml", out)
    assert "does not exist" in fails(capsys, tmp_path / "none", good, out)
    assert "choose with --topic" in fails(capsys, free, good, out, topic="/joint_states")
    assert "no URDF: name the robot with --robot" in fails(capsys, free, good, out, robot=None)
    ur3 = config_folder() / "urdf" / "ur3.urdf"
    assert "the URDF has no joint Wrist 3, Elbow" in fails(capsys, free, good, out, "--urdf", ur3, robot=None)
    (tmp_path / "bad.urdf").write_bytes(b"\xff\xfe")
    assert "not UTF-8 text" in fails(capsys, free, good, out, "--urdf", tmp_path / "bad.urdf")
    assert "the joints of iiwa14 are not among" in fails(capsys, free, good, out, robot="iiwa14")
    assert "must end in .mcap" in fails(capsys, free, good, tmp_path / "out")
    e = moving("still", 300)
    ns = np.round(e.t * 1e9).astype(np.int64)
    write_joint_states(tmp_path / "still", {"/arm": MessageTable(UR3, ns, ns, e.q, e.qd, np.empty((300, 0)))})
    assert "no effort on Base" in fails(capsys, tmp_path / "still", good, out)
    assert {p.name for p in tmp_path.iterdir()} == {"good.yaml", "bad.yaml", "bad.urdf", "still"}
    out.touch()
    assert "--force" in fails(capsys, free, good, out)
    assert inject(free, good, out, "--force") == 0


def test_the_example_pushes_a_real_recording(tmp_path, capsys, data):
    """A UR3 at work for 47 s, read from a ROS 1 bag; the rest of its effort is as recorded."""
    bag, out = data / "ur3" / "id1.bag", tmp_path / "out.mcap"
    assert inject(bag, EXAMPLE, out) == 0
    assert "19 pushes at tool0 in 5941 messages on /arm" in capsys.readouterr().out
    (before,), (after,), (truth,) = (
        read_joint_states(p, t).tables for p, t in ((bag, "/arm"), (out, "/arm"), (out, TRUTH_TOPIC))
    )
    np.testing.assert_array_equal(after.stamp_ns, before.stamp_ns)
    np.testing.assert_array_equal(after.receive_ns, before.receive_ns)
    np.testing.assert_array_equal(truth.stamp_ns, before.stamp_ns)
    np.testing.assert_array_equal(after.effort, before.effort + truth.effort)  # this driver inverts effort
    pushed = truth.effort.any(axis=1)
    assert 0.3 < pushed.mean() < 0.6
    np.testing.assert_array_equal(after.effort[~pushed], before.effort[~pushed])
