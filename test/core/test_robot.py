import pytest

from vastares_ros.core.errors import RobotError
from vastares_ros.core.robot import Driver, Effort, Robot


def robot() -> Robot:
    torque = Effort("N·m", (1.0, 1.0))
    drivers = (Driver("plain", ("a", "b"), torque), Driver("prefixed", ("x_a", "x_b"), torque))
    return Robot("two", 100.0, "tip", "", (), drivers)


def test_driver_is_found_whatever_else_is_published_and_in_any_order():
    assert robot().driver_for(["gripper", "x_b", "x_a"]).name == "prefixed"


def test_first_driver_wins_when_several_are_published():
    assert robot().driver_for(["x_a", "x_b", "b", "a"]).name == "plain"


def test_joints_of_no_driver_are_refused_with_those_known():
    with pytest.raises(RobotError, match=r"published \(a, x_b\).*plain: a, b; prefixed: x_a, x_b.*--joints"):
        robot().driver_for(["a", "x_b"])


def test_unknown_unit_is_refused():
    with pytest.raises(RobotError, match="'Nm' is unknown"):
        Effort("Nm", (1.0,))


@pytest.mark.parametrize("scale", [0.0, float("nan"), float("inf")])
def test_impossible_scale_is_refused(scale):
    with pytest.raises(RobotError, match="zero or a non-number"):
        Effort("A", (1.0, scale))
