# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is known of an arm by its URDF, and which URDF and tip count."""

import numpy as np
import pytest

from vastares_ros.core.arm import Arm, joint_limits, links, resolve_arm
from vastares_ros.core.errors import RobotError
from vastares_ros.io.robots import load_robot

UR3 = ("Elbow", "Base", "Shoulder", "Wrist 1", "Wrist 2", "Wrist 3")


@pytest.fixture(scope="module")
def ur3():
    return load_robot("ur3")


def test_published_names_are_found_in_the_urdf_by_the_drivers_of_the_robot(ur3):
    arm = resolve_arm(UR3, ur3)
    assert arm.joints[:3] == ("elbow_joint", "shoulder_pan_joint", "shoulder_lift_joint")
    assert arm.links[:2] == ("forearm_link", "shoulder_link")
    assert (arm.urdf, arm.tip, arm.root, arm.gravity) == (ur3.urdf, "tool0", "base_link", True)


def test_the_urdf_that_is_given_goes_before_that_of_the_bundle_and_that_before_the_robots(ur3):
    other = load_robot("ur5")
    carried = Arm(ur3.urdf + " ", ur3.urdf_joints, "wrist_3_link")
    names = ur3.urdf_joints
    assert resolve_arm(names, ur3, carried=carried).urdf == carried.urdf
    assert resolve_arm(names, ur3, other.urdf, carried).urdf == other.urdf
    assert resolve_arm(names, ur3).urdf == ur3.urdf


def test_the_tip_is_the_one_given_or_the_bundles_or_the_robots_or_the_last_link(ur3):
    carried, names = Arm(ur3.urdf, ur3.urdf_joints, "wrist_1_link"), ur3.urdf_joints
    assert resolve_arm(names, ur3, carried=carried, tip="flange").tip == "flange"
    assert resolve_arm(names, ur3, carried=carried).tip == "wrist_1_link"
    assert resolve_arm(names, ur3, ur3.urdf, carried).tip == "wrist_1_link"
    assert resolve_arm(names, ur3).tip == "tool0"
    assert resolve_arm(names, None, ur3.urdf).tip == "wrist_3_link"
    assert resolve_arm(UR3, ur3, tip="wrist_1_link").tip == "wrist_1_link"
    assert not resolve_arm(names, ur3, gravity=False).gravity


def test_an_arm_that_cannot_be_is_refused(ur3):
    with pytest.raises(RobotError, match="no URDF of robot 'unknown'"):
        resolve_arm(UR3)
    with pytest.raises(RobotError, match=r"the URDF has no joint Elbow, b; it has .*elbow_joint") as told:
        resolve_arm(("Elbow", "elbow_joint", "b"), None, ur3.urdf)
    assert told.value.about == {"joint": "Elbow"}
    with pytest.raises(RobotError, match="the URDF is not XML"):
        links("<robot>", "child")
    with pytest.raises(RobotError, match="no joint that begins at a link"):
        _ = Arm("<robot/>", (), "").root


def test_limits_are_nan_where_nothing_is_known(ur3):
    assert np.isnan(joint_limits(None, UR3)).all()
    lower, upper, speed = joint_limits(ur3, ("Base", "gripper"))
    assert (lower[0], upper[0]) == (-np.pi, np.pi) and speed[0] > 1
    assert np.isnan([lower[1], upper[1], speed[1]]).all()
