# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What effort means, where its physics is known. `test/training/test_doctor.py` has the whole list of meanings."""

from dataclasses import replace

import numpy as np
import pytest

from vastares_ros.core.arm import Arm
from vastares_ros.io.robots import load_robot

pytest.importorskip("pinocchio")

from vastares_ros.physics.effort import EffortFit, SmoothMotion
from vastares_ros.physics.rigid_body import RigidBody

RATE = 125.0


@pytest.fixture(scope="module")
def body():
    robot = load_robot("ur5")
    return RigidBody(Arm(robot.urdf, robot.urdf_joints, robot.tip))


@pytest.fixture(scope="module")
def free(lively):
    return lively("free", 0, 2000)


def fitted(episode, body):
    return EffortFit(episode.joints, SmoothMotion.of([episode], RATE), body)


def test_the_factor_of_gravity_is_one_for_torque_and_one_over_the_gain_for_a_current(free, body):
    torque, current = fitted(free, body), fitted(replace(free, tau=free.tau / 10), body)
    for fit, factor, unit in ((torque, 1.0, "N·m"), (current, 0.1, "A")):
        assert fit.joints[1].gravity == pytest.approx(factor, rel=0.05)
        meaning, found = fit.meaning()
        assert meaning.answer == "with gravity" and found.answer == unit and found.confidence > 0.7
    assert current.meaning()[1].confidence <= 0.8  # a scale would look the same


def test_effort_that_is_too_large_for_newton_metres_has_no_unit(free, body):
    meaning, unit = fitted(replace(free, tau=1000 * free.tau), body).meaning()
    assert meaning.answer == "with gravity" and unit.answer == "unknown" and "too large" in unit.evidence


def test_torque_without_gravity_has_friction_and_external_torque_has_none(free, body):
    still = np.zeros(6)
    gravity = np.array([body.inverse_dynamics(q, still, still) for q in free.q])
    assert fitted(replace(free, tau=free.tau - gravity), body).meaning()[0].answer == "without gravity"
    noise = np.random.default_rng(0).standard_normal(free.tau.shape)
    assert fitted(replace(free, tau=noise), body).meaning()[0].answer == "external torque"


def test_motion_too_small_for_gravity_tells_no_unit_and_says_what_to_do(free, body):
    slow = replace(free, q=free.q[0] + 0.002 * free.q, qd=0.002 * free.qd)
    _, unit = fitted(replace(slow, tau=free.tau / 1000), body).meaning()
    assert unit.answer == "unknown" and "move shoulder and elbow" in unit.evidence


def test_the_delay_and_the_order_of_effort(free, body):
    assert fitted(free, body).delay()[0] == 0 and fitted(free, body).order() == {}
    late = fitted(replace(free, tau=np.roll(free.tau, 4, axis=0)), body)
    assert late.delay()[0] == 4 and late.delay()[1] > 0.1
    mixed = np.array([0, 2, 1, 3, 4, 5])
    assert fitted(replace(free, tau=free.tau[:, mixed]), body).order() == {1: 2, 2: 1}


def test_pushes_are_seen_on_the_joints_that_they_reach(free, body):
    tau = free.tau.copy()
    tau[400:500, 1:3] -= 60
    pushed, share = fitted(replace(free, tau=tau), body).pushes()
    assert set(pushed) == {1, 2} and 0.02 < share < 0.12
    assert fitted(free, body).pushes() == ({}, 0.0)


def test_an_arm_on_the_ceiling_is_not_taken_for_an_inverted_sign(free, body):
    still = np.zeros(6)
    gravity = np.array([body.inverse_dynamics(q, still, still) for q in free.q])
    hanging = fitted(replace(free, tau=free.tau - 2 * gravity), body)
    assert hanging.hanging and {s.answer for s in hanging.signs()} <= {"usual", "unknown"}
    assert not fitted(free, body).hanging and not fitted(replace(free, tau=-free.tau), body).hanging


def test_without_a_urdf_pose_tells_gravity_and_friction_the_sign(free):
    fit = fitted(replace(free, tau=-free.tau), None)
    meaning, unit = fit.meaning()
    assert meaning.confidence <= 0.6 and unit.answer == "unknown" and not fit.has_body
    assert {s.answer for s in fit.signs()} <= {"inverted", "unknown"}
