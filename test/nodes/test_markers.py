# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from visualization_msgs.msg import Marker, MarkerArray

from vastares_ros.core.arm import Arm
from vastares_ros.io.robots import load_robot
from vastares_ros.nodes.markers import AMBER, contact_markers

BOUND = np.array([2.0, 2.0, 4.0])
GREEN, AMBER_COLOR, RED = (0.2, 0.8, 0.2), (1.0, 0.7, 0.0), (0.9, 0.1, 0.1)


def colors(tau_ext) -> list[tuple[float, ...]]:
    array = contact_markers(Time(), ["a", "b", "c"], np.array(tau_ext), BOUND)
    return [pytest.approx((m.color.r, m.color.g, m.color.b)) for m in array.markers]


def test_colour_tells_how_far_the_torque_stands_above_the_bound():
    assert colors([0.1, -1.9, -4.1]) == [GREEN, AMBER_COLOR, RED]
    assert colors([2.0, 2.0 * AMBER, 2.7]) == [AMBER_COLOR, AMBER_COLOR, GREEN]


def test_what_is_not_known_is_grey_and_fainter():
    array = contact_markers(Time(), ["a", "b", "c"], np.array([np.nan, 0, 9]), BOUND)
    assert [m.color.r == m.color.g == m.color.b for m in array.markers] == [True, False, False]
    assert array.markers[0].color.a < array.markers[1].color.a


def test_each_sphere_is_at_its_joint_under_the_stamp_that_came_in():
    robot, stamp = load_robot("ur5"), Time(sec=12, nanosec=34)
    links = Arm(robot.urdf, robot.urdf_joints, robot.tip).links
    array = contact_markers(stamp, links, np.zeros(6), np.ones(6), "left_")
    assert [m.header.frame_id for m in array.markers] == [
        f"left_{part}_link" for part in ("shoulder", "upper_arm", "forearm", "wrist_1", "wrist_2", "wrist_3")
    ]
    assert all(m.header.stamp == stamp and m.pose.orientation.w == 1 for m in array.markers)
    assert all(m.type == Marker.SPHERE and m.action == Marker.ADD and m.scale.x > 0 for m in array.markers)
    assert [m.id for m in array.markers] == list(range(6)) and {m.ns for m in array.markers} == {"contact"}
    assert all(m.lifetime.sec or m.lifetime.nanosec for m in array.markers)  # a dead node leaves none behind
    back = deserialize_message(serialize_message(array), MarkerArray)  # colours are single precision
    assert [m.header for m in back.markers] == [m.header for m in array.markers]
