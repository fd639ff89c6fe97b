# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import pytest

from vastares_ros.core.errors import ConfigError, RobotError
from vastares_ros.core.robot import Driver, Effort, Robot, choose_driver


def robot() -> Robot:
    torque = Effort("N·m", (1.0, 1.0))
    drivers = (Driver("plain", ("a", "b"), torque), Driver("prefixed", ("x_a", "x_b"), torque))
    return Robot("two", 100.0, "tip", "", (), drivers)


def test_driver_is_found_whatever_else_is_published_and_in_any_order():
    assert robot().driver_for(["gripper", "x_b", "x_a"]).name == "prefixed"


def test_first_driver_wins_when_several_are_published():
    assert robot().driver_for(["x_a", "x_b", "b", "a"]).name == "plain"


def test_joints_of_no_driver_are_refused_with_those_known():
    with pytest.raises(RobotError, match=r"published \(a, x_b\).*plain: a, b; prefixed: x_a, x_b.*Name the joints"):
        robot().driver_for(["a", "x_b"])


def test_unknown_unit_is_refused():
    with pytest.raises(RobotError, match="'N/m' is unknown"):
        Effort("N/m", (1.0,))


@pytest.mark.parametrize("scale", [0.0, float("nan"), float("inf")])
def test_impossible_scale_is_refused(scale):
    with pytest.raises(RobotError, match="zero or a non-number"):
        Effort("A", (1.0, scale))


UR = Robot(
    "ur", 125.0, "tool0", "", (),
    (Driver("new", ("a", "b"), Effort("A", (1.0, 2.0), True)), Driver("old", ("A", "B"), Effort("N·m", (-1.0, -1.0)))),
)  # fmt: skip


@pytest.mark.parametrize(
    ("robot", "published", "joints", "unit", "scale", "expected"),
    [
        (UR, ("B", "A", "x"), (), "", (), Driver("old", ("A", "B"), Effort("N·m", (-1.0, -1.0)))),
        (UR, ("b", "a"), (), "N·m", (3.0,), Driver("new", ("a", "b"), Effort("N·m", (3.0, 3.0), True))),
        (UR, (), ("A", "B"), "", (), Driver("old", ("A", "B"), Effort("N·m", (-1.0, -1.0)))),
        (UR, (), ("p", "q"), "", (), Driver("new", ("p", "q"), Effort("A", (1.0, 2.0), True))),
        (None, ("y", "x"), (), "", (), Driver("", ("y", "x"), Effort("N·m", (1.0, 1.0)))),
        (None, ("y", "x"), ("x",), "A", (0.5,), Driver("", ("x",), Effort("A", (0.5,)))),
    ],
)
def test_parameters_go_before_the_robot_and_the_robot_before_what_is_published(
    robot, published, joints, unit, scale, expected
):
    assert choose_driver(robot, published, joints, unit, scale) == expected


def test_joints_that_are_not_there_yet_and_a_wrong_number_of_scales_are_told_apart():
    with pytest.raises(RobotError, match="not among those published"):
        choose_driver(UR, ("A",), (), "", ())
    with pytest.raises(ConfigError, match="2 factors for 3 joints"):
        choose_driver(UR, (), ("p", "q", "r"), "", ())
