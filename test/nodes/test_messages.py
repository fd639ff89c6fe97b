# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Messages to values and back, without a graph."""

from array import array

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from geometry_msgs.msg import WrenchStamped
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState

from vastares_ros.io.bags.decode import JOINT_STATE, ROS2
from vastares_ros.nodes.messages import (
    JointStateReader,
    Writer,
    from_stamp,
    named_values,
    to_joint_state,
    to_stamp,
    wrench_message,
)

STAMP = 1_700_000_000_123_456_789


def read(reader, *fields):
    """What the reader makes of a message of these fields, as lists."""
    found = reader.read(serialize_message(to_joint_state(*fields)))
    values = (list(x) for x in (found.position, found.velocity, found.effort))
    return found.stamp_ns, found.frame_id, found.names, *values


def test_a_message_holds_what_was_put_in():
    message = to_joint_state(STAMP, ("a", "b"), [1.0, 2.0], np.array([3.0, 4.0]), [], "frame")
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1_700_000_000, 123_456_789)
    found = JointStateReader().read(serialize_message(message))
    assert (found.stamp_ns, found.frame_id, found.names) == (STAMP, "frame", ("a", "b"))
    assert (list(found.position), list(found.velocity), list(found.effort)) == ([1.0, 2.0], [3.0, 4.0], [])


@pytest.mark.parametrize(
    "fields",
    [
        (("a", "b"), [1.0, 2.0], [3.0, 4.0], [5.0, 6.0], "frame"),
        (("b", "a"), [1.0, 2.0], [3.0, 4.0], [5.0, 6.0], "frame"),  # other names, same length
        (("a", "b"), [1.0, 2.0], [], [5.0, 6.0], "frame"),
        (("a", "b"), [], [1.0, 2.0], [5.0, 6.0], "frame"),  # another field empty, same length
        (("a", "b"), [1.0, 2.0], [3.0, 4.0], [5.0], "frame"),
        (("gelenk_ä", ""), [1.0, 2.0], [3.0, 4.0], [np.inf, -0.0], "böden"),
        ((), [], [], [], ""),
    ],
)
def test_a_message_is_read_alike_whatever_came_before(fields):
    reader = JointStateReader()
    names, *values, frame_id = fields
    for stamp_ns, frame in ((5, frame_id), (7, frame_id), (STAMP, "x" * len(frame_id.encode()))):
        for other in ((("a", "b"), [9.0, 9.0], [9.0, 9.0], [9.0, 9.0], "wrong"), (("c",), [1.0], [], [], "")):
            read(reader, 1, *other)
        assert read(reader, stamp_ns, *fields[:-1], frame) == (stamp_ns, frame, names, *values)


def test_many_layouts_are_read_without_being_kept():
    reader = JointStateReader()
    for n in range(100):
        names = tuple(f"joint_{i}" for i in range(n % 40))
        assert read(reader, n, names, names and [float(n)] * len(names), [], [], "f" * n)[2] == names


def test_a_message_in_the_other_byte_order_is_read():
    types = ROS2.types
    header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](1_700_000_000, 123_456_789), "abc")
    message = types[JOINT_STATE](header, ["a", "b"], *np.arange(6.0).reshape(3, 2))
    raw = bytes(ROS2.serialize_cdr(message, JOINT_STATE, little_endian=False))
    reader = JointStateReader()
    for _ in range(2):
        found = reader.read(raw)
        assert (found.stamp_ns, found.frame_id, found.names) == (STAMP, "abc", ("a", "b"))
        assert (list(found.position), list(found.velocity), list(found.effort)) == ([0, 1], [2, 3], [4, 5])


def test_a_writer_gives_the_bytes_of_the_message():
    writers = Writer(lambda frame, x: named_values(frame, ("a", "b"), x)), Writer(wrench_message)
    kinds = JointState, WrenchStamped
    for k, (stamp_ns, frame) in enumerate([(5, "base"), (STAMP, "base"), (STAMP, "tool"), (6, "")]):
        for writer, kind, values in zip(writers, kinds, (np.array([k, np.pi]), np.arange(6) + k / 3), strict=True):
            message = deserialize_message(writer.write(stamp_ns, frame, values), kind)
            assert (from_stamp(message.header.stamp), message.header.frame_id) == (stamp_ns, frame)
            if kind is JointState:
                assert (message.name, list(message.effort)) == (["a", "b"], values.tolist())
                assert not message.position and not message.velocity
            else:
                force, torque = message.wrench.force, message.wrench.torque
                assert [force.x, force.y, force.z, torque.x, torque.y, torque.z] == values.tolist()


@pytest.mark.parametrize("stamp_ns", [0, 1, 999_999_999, 1_000_000_000, 2**31 * 1_000_000_000 - 1])
def test_stamps_go_there_and_back_to_the_nanosecond(stamp_ns):
    assert from_stamp(to_stamp(stamp_ns)) == stamp_ns


def test_values_are_an_effort_in_the_frame_given():
    message = named_values("arm", ("a", "b"), np.array([0.1, np.pi]))
    assert message.header.frame_id == "arm"
    assert message.name == ["a", "b"]
    assert message.effort == array("d", [0.1, np.pi])
    assert not message.position and not message.velocity


def test_what_is_put_in_passes_the_field_checks_of_ros():
    message = named_values("", ("a",), np.array([1.5]))
    checked = JointState(check_fields=True)
    checked.name, checked.effort = message.name, message.effort
    assert list(checked.effort) == [1.5]


def test_a_wrench_is_force_then_torque_in_a_frame():
    message = wrench_message("left/tool0", np.array([1.0, 2.0, np.nan, 4.0, 5.0, 6.0]))
    force, torque = message.wrench.force, message.wrench.torque
    assert (force.x, force.y, np.isnan(force.z)) == (1.0, 2.0, True)
    assert (torque.x, torque.y, torque.z) == (4.0, 5.0, 6.0)
    assert message.header.frame_id == "left/tool0"
