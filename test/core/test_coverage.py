# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Coverage of ranges of motion, and what is said to be missing."""

import numpy as np
import pytest

from vastares_ros.core.arm import joint_limits
from vastares_ros.core.coverage import Coverage
from vastares_ros.core.errors import RobotError
from vastares_ros.core.robot import Driver, Effort, Robot

LIMITED = ([-1.0, -2.0], [1.0, 2.0], [1.5, 3.0])
UNKNOWN = (np.full(2, np.nan),) * 3
URDF = """<robot name="r"><joint name="a"><limit lower="-1" upper="2" velocity="3" effort="1"/></joint>
<joint name="b"><limit lower="-6.3" upper="6.3" velocity="2"/></joint><joint name="c"/></robot>"""


def made(limits=LIMITED):
    return Coverage(("shoulder", "elbow"), *limits)


def swing(lower, upper, speed, samples=4000):
    """Positions and velocities, shape (N,), there and back between two positions, at every speed up to `speed`."""
    angle = np.linspace(0, 40 * np.pi, samples)
    ramp = np.linspace(0, 1, samples)
    return (lower + upper) / 2 - (upper - lower) / 2 * np.cos(angle), speed * ramp * np.sin(angle)


def both(one, other):
    return np.stack([one[0], other[0]], axis=1), np.stack([one[1], other[1]], axis=1)


def test_nothing_is_seen_before_a_sample():
    coverage = made()
    assert not coverage.position.any() and not coverage.velocity.any()
    assert coverage.missing(0.5) == ["shoulder: not seen yet", "elbow: not seen yet"]


def test_a_motion_through_all_of_the_range_is_enough():
    coverage = made()
    coverage.add(*both(swing(-1, 1, 1.5), swing(-2, 2, 3)))
    assert coverage.position.min() > 0.95 and coverage.velocity.min() > 0.95
    assert coverage.missing(0.95) == []


def test_samples_one_by_one_and_in_bulk_are_the_same():
    q, qd = both(swing(-1, 0.2, 1.0), swing(-3, 2, 5))
    bulk, single = made(), made()
    bulk.add(q, qd)
    for x, v in zip(q, qd, strict=True):
        single.add(x, v)
    assert np.array_equal(bulk.position, single.position) and np.array_equal(bulk.velocity, single.velocity)
    assert bulk.missing(1.0) == single.missing(1.0)


def test_half_of_the_range_is_half_of_it():
    coverage = made()
    coverage.add(*both(swing(0, 1, 1.5), swing(-2, 2, 1.5)))
    assert coverage.position == pytest.approx([0.5, 1.0], abs=0.06)
    assert coverage.velocity == pytest.approx([1.0, 0.5], abs=0.06)


def test_a_range_that_was_left_counts_no_more_than_all_of_it():
    coverage = made()
    coverage.add(*both(swing(-9, 9, 20, 40_000), swing(-9, 9, 20, 40_000)))
    assert coverage.position.max() <= 1 and coverage.velocity.max() <= 1


def test_one_direction_is_half_of_a_position():
    coverage = made()
    q = np.linspace(-1, 1, 1000)
    coverage.add(np.stack([q, q], axis=1), np.stack([np.ones_like(q), -np.ones_like(q)], axis=1))
    assert coverage.position == pytest.approx([0.5, 0.25], abs=0.02)
    missing = coverage.missing(0.9)
    assert "shoulder: only positive velocity between -1 and 1 rad" in missing
    assert "elbow: only negative velocity between -1 and 1.1 rad" in missing
    assert {"shoulder: never at rest", "elbow: never at rest"} <= set(missing)


def test_what_is_missing_is_said_in_words():
    coverage = made()
    q, qd = swing(-1, 1, 1.5)
    coverage.add(*both((np.where(q > 0, q, 0), qd), swing(-2, 2, 0.6)))
    assert coverage.missing(0.8) == [
        "shoulder: never moved between -1 and 0 rad",
        "elbow: never faster than 0.6 rad/s",
    ]
    forwards = made()
    forwards.add(*both((q, np.maximum(qd, -0.1)), swing(-2, 2, 3)))
    assert forwards.missing(0.9)[0] == "shoulder: never faster than 0.15 rad/s backwards"
    hole = made()
    hole.add(*both((q, np.where(np.abs(qd) < 1.0, 0.01, qd)), swing(-2, 2, 3)))
    assert hole.missing(0.9)[0] == "shoulder: never between -0.97 and 0 rad/s"


def test_without_limits_the_range_is_what_was_seen():
    coverage = made(UNKNOWN)
    q, qd = swing(-1, 1, 2)
    coverage.add(*both((q, qd), (q, np.maximum(qd, -0.5))))
    assert coverage.position.min() > 0.9 and coverage.velocity[0] == 1.0
    assert coverage.velocity[1] == pytest.approx(0.6, abs=0.1)
    assert coverage.missing(0.8) == ["elbow: never faster than 0.63 rad/s backwards"]


def robot(urdf):
    effort = Effort("N·m", (1.0,) * 3)
    return Robot("r", 100.0, "tip", urdf, ("a", "b", "c"), (Driver("d", ("A", "B", "C"), effort),))


def test_limits_come_from_the_urdf_by_the_names_of_the_driver():
    lower, upper, speed = joint_limits(robot(URDF), ("C", "B", "A"))
    np.testing.assert_array_equal(lower, [np.nan, -np.pi, -1.0])
    np.testing.assert_array_equal(upper, [np.nan, np.pi, 2.0])
    np.testing.assert_array_equal(speed, [np.nan, 2.0, 3.0])


def test_without_a_urdf_no_limit_is_known():
    for unknown in (None, robot("")):
        assert np.isnan(joint_limits(unknown, ("A", "B"))).all()
    with pytest.raises(RobotError, match="the URDF is not XML"):
        joint_limits(robot("<robot"), ("A",))
