# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from dataclasses import replace

import numpy as np
import pytest

from vastares_ros.core.arm import Arm
from vastares_ros.io.robots import load_robot
from vastares_ros.physics.friction import (
    FRICTION_MODELS,
    TERMS,
    UPDATE_RATE,
    AdaptiveFriction,
    FrictionTerms,
)
from vastares_ros.physics.rigid_body import RigidBody, RigidBodyParameters, RigidBodyTorque

pytest.importorskip("pinocchio")
RATE = 125.0


@pytest.fixture(params=["ur3", "iiwa14"])  # the UR3 has an endless joint
def arm(request):
    robot = load_robot(request.param)
    return Arm(robot.urdf, robot.urdf_joints, robot.tip)


@pytest.fixture
def body(arm):
    return RigidBody(arm)


def parameters(body, form="extended"):
    rng = np.random.default_rng(1)
    joints = len(body.joints)
    links = body.inertial_parameters + rng.normal(0, 0.3, (joints, 10))  # no body has such inertias
    links[:, 0] = rng.uniform(0.5, 3, joints)
    rotor, gain = rng.uniform(0, 0.2, joints), rng.uniform(0.5, 2, joints)
    friction = rng.normal(0, 1, (sum(TERMS[t] for t in FRICTION_MODELS[form]), joints))
    return RigidBodyParameters(links, rotor, friction, gain, FRICTION_MODELS[form], 0.05, np.ones(joints))


def motions(joints, samples=200):
    rng = np.random.default_rng(2)
    return np.cumsum(rng.normal(0, 0.1, (samples, 3 * joints)), axis=0)


@pytest.mark.parametrize("form", FRICTION_MODELS)
def test_a_recording_at_once_is_its_samples_one_by_one(body, form):
    model = RigidBodyTorque(body, parameters(body, form), RATE)
    x = motions(len(body.joints))
    whole = model.run(x)
    model.reset()
    parts = [model.run(x[:50]), *(model.run(row[None]) for row in x[50:])]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    again = model.run(x)
    assert (np.abs(again - whole).max() > 1e-6) == (form == "extended")  # presliding goes on from where it was


def test_torque_is_the_regressor_times_the_parameters(body):
    found = parameters(body, "basic")
    x = motions(len(body.joints), 20)
    regressors = [body.regressor(*np.split(row, 3)) for row in x]
    qd, qdd = np.split(x, 3, axis=1)[1:]
    viscous, coulomb, offset = found.friction
    torque = np.array([np.tensordot(y, found.links) for y in regressors]) + found.rotor * qdd
    torque += viscous * qd + coulomb * np.tanh(qd / 0.05) + offset
    np.testing.assert_allclose(RigidBodyTorque(body, found, RATE).run(x), torque / found.gain, rtol=1e-9, atol=1e-9)


def test_without_gravity_nothing_is_needed_to_stand_still(arm, body):
    still = np.zeros(len(body.joints))
    pose = still + 0.7
    assert np.abs(body.inverse_dynamics(pose, still, still)).max() > 1
    weightless = RigidBody(replace(arm, gravity=False))
    assert np.abs(weightless.inverse_dynamics(pose, still, still)).max() < 1e-9
    assert np.abs(weightless.regressor(pose, still, still)).max() < 1e-9


def test_presliding_keeps_its_side_at_rest_and_turns_within_a_way():
    terms = FrictionTerms(FRICTION_MODELS["extended"], 0.01, RATE)
    moving, rest = np.full((500, 1), 0.5), np.zeros((100, 1))
    out = terms.run(np.concatenate([rest, moving, rest, -moving]), np.ones((1200, 1)))[-2:, :, 0]
    assert np.all(out[:, 99] == 0) and np.all(out[:, 599] > 0.99)
    np.testing.assert_array_equal(out[:, 699], out[:, 599])
    back = np.argmax(out[:, 700:] < 0, axis=1)  # halfway after way ln 2
    np.testing.assert_allclose(back * 0.5 / RATE, np.log(2) * np.array([0.01, 0.1]), atol=0.004)


def test_each_term_is_what_its_name_says():
    qd, load = np.array([[-0.05, 0.2]]), np.array([[-4.0, 3.0]])
    s = np.tanh(qd / 0.1)
    out = FrictionTerms(FRICTION_MODELS["extended"], 0.1, RATE).run(qd, load)
    expected = [qd, s, np.ones_like(s), s * np.exp(-((qd / 0.1) ** 2)), s * np.abs(load), np.cbrt(qd), s, s]
    np.testing.assert_allclose(out, expected, rtol=1e-12)


def level_run(error_of, seconds=100.0, time=10.0, speed=1.0):
    """Correction of one joint that swings, step by step, and its friction terms."""
    level = AdaptiveFriction(np.zeros((3, 1)), np.array([1.0]), time, RATE)
    qd = speed * np.sin(np.arange(int(seconds * RATE)) / RATE)[:, None]
    terms = FrictionTerms(FRICTION_MODELS["basic"], 0.05, RATE).run(qd, qd)
    tau = np.array([error_of(row) for row in terms[:, :, 0].T]).reshape(-1, 1)
    return level.run(np.zeros_like(qd), terms, tau)[:, 0], terms[:, :, 0]


def test_a_level_of_friction_is_followed_within_its_time():
    change = np.array([0.3, 0.8, -0.4])  # viscous, Coulomb, offset
    found, terms = level_run(lambda row: row @ change)
    left = np.abs(change @ terms - found)
    begun, ended = left[:250], left[-1000:]
    assert begun.max() > 0.5 and ended.max() < 0.1
    slow, _ = level_run(lambda row: row @ change, time=100.0)
    assert np.abs(change @ terms - slow)[-1000:].max() > 0.2


def test_what_lasts_at_rest_becomes_offset_but_for_1_over_e():
    found, _ = level_run(lambda row: np.array([2.0]), seconds=10.0, time=10.0, speed=0.0)
    assert found[-1] == pytest.approx(2 * (1 - np.exp(-1)), abs=0.02)


def test_no_coefficient_changes_by_more_than_three_deviations_nor_by_contact():
    found, _ = level_run(lambda row: np.array([5.0]), speed=0.0)
    assert found.max() == 3
    touched, _ = level_run(lambda row: np.array([11.0]))
    assert not touched.any()
    nothing, _ = level_run(lambda row: np.array([np.nan]))
    assert not nothing.any()


def test_a_contact_at_one_joint_freezes_all():
    level = AdaptiveFriction(np.zeros((3, 2)), np.ones(2), 10.0, UPDATE_RATE)  # every sample is one to adapt by
    level.run(np.zeros((1, 2)), np.ones((3, 1, 2)), np.array([[1.0, 20.0]]))
    assert not level.coefficients.any()
    level.run(np.zeros((1, 2)), np.ones((3, 1, 2)), np.array([[1.0, 2.0]]))
    assert level.coefficients.all()
    level.reset()
    assert not level.coefficients.any()


def test_a_prior_that_follows_gives_the_same_at_once_and_one_by_one_and_forgets_on_reset(body):
    model = RigidBodyTorque(body, replace(parameters(body), friction_time_constant=2.0), RATE)
    x = motions(len(body.joints))
    tau = RigidBodyTorque(body, parameters(body), RATE).run(x) + 2
    whole = model.run(x, tau)
    assert np.abs(whole - tau)[-1].max() < 2 and np.abs(whole - tau + 2).max() > 0.1
    model.reset()
    parts = [model.run(x[:50], tau[:50]), *(model.run(r[None], t[None]) for r, t in zip(x[50:], tau[50:], strict=True))]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
