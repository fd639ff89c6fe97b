# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Messages to values and back, without a graph."""

from array import array

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from sensor_msgs.msg import JointState

from vastares_ros.nodes.messages import (
    from_joint_state,
    from_stamp,
    named_values,
    to_joint_state,
    to_stamp,
    wrench_message,
)


def test_a_message_holds_what_was_put_in():
    message = to_joint_state(1_700_000_000_123_456_789, ("a", "b"), [1.0, 2.0], np.array([3.0, 4.0]), [], "frame")
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1_700_000_000, 123_456_789)
    assert message.header.frame_id == "frame"
    stamp_ns, names, position, velocity, effort = from_joint_state(message)
    assert stamp_ns == 1_700_000_000_123_456_789
    assert names == ["a", "b"]
    assert (list(position), list(velocity), list(effort)) == ([1.0, 2.0], [3.0, 4.0], [])


@pytest.mark.parametrize("stamp_ns", [0, 1, 999_999_999, 1_000_000_000, 2**31 * 1_000_000_000 - 1])
def test_stamps_go_there_and_back_to_the_nanosecond(stamp_ns):
    assert from_stamp(to_stamp(stamp_ns)) == stamp_ns


def test_values_are_an_effort_under_the_header_given():
    header = to_joint_state(5, (), [], [], [], "arm").header
    message = named_values(header, ("a", "b"), np.array([0.1, np.pi]))
    assert message.header == header
    assert message.name == ["a", "b"]
    assert message.effort == array("d", [0.1, np.pi])
    assert not message.position and not message.velocity


def test_what_is_put_in_passes_the_field_checks_of_ros():
    message = named_values(to_joint_state(5, (), [], [], []).header, ("a",), np.array([1.5]))
    checked = JointState(check_fields=True)
    checked.name, checked.effort = message.name, message.effort
    assert list(checked.effort) == [1.5]


def test_a_wrench_is_force_then_torque_in_a_frame():
    message = wrench_message(to_stamp(5), "left/tool0", np.array([1.0, 2.0, np.nan, 4.0, 5.0, 6.0]))
    force, torque = message.wrench.force, message.wrench.torque
    assert (force.x, force.y, np.isnan(force.z)) == (1.0, 2.0, True)
    assert (torque.x, torque.y, torque.z) == (4.0, 5.0, 6.0)
    assert (message.header.frame_id, from_stamp(message.header.stamp)) == ("left/tool0", 5)
