# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The momentum observer on arms whose dynamics and external torque are known."""

from dataclasses import replace

import numpy as np
import pytest
from bodies import gravity

from vastares_ros.core.arm import Arm
from vastares_ros.io.robots import load_robot
from vastares_ros.physics.friction import FRICTION_MODELS, TERMS
from vastares_ros.physics.observer import MomentumObserver
from vastares_ros.physics.rigid_body import RigidBody, RigidBodyParameters

pytest.importorskip("pinocchio")
RATE = 500.0
STEPS = 20  # of the simulation, a sample


def arm(name="ur3"):  # which has an endless joint
    robot = load_robot(name)
    return RigidBody(Arm(robot.urdf, robot.urdf_joints, robot.tip))


def parameters(body, form="basic", size=1.0):
    rng = np.random.default_rng(1)
    joints = len(body.joints)
    friction = size * rng.uniform(0, 1, (sum(TERMS[t] for t in FRICTION_MODELS[form]), joints))
    known = {"links": body.inertial_parameters, "rotor": rng.uniform(0.1, 0.3, joints), "friction": friction}
    known |= {"gain": rng.uniform(0.5, 2, joints), "noise": np.ones(joints)}
    return RigidBodyParameters(**known, terms=FRICTION_MODELS[form], smoothing=0.05)


def pushed(body, found, tau_ext, samples=300):
    """An arm in lively motion under torque of its motors and, from sample 100 on, tau_ext: motion, and effort."""
    body.set_inertial_parameters(found.links, found.rotor)
    rng = np.random.default_rng(3)
    q, qd = rng.uniform(-1, 1, (2, len(body.joints)))
    turning, phase = rng.uniform(2, 8, (2, len(q)))
    viscous, coulomb, offset = found.friction
    rows = []
    for i in range(samples):
        tau = gravity(body, q) + 0.5 * np.sin(turning * i / RATE + phase) - 0.5 * qd
        rows.append(np.concatenate([q, qd, np.full_like(q, np.nan), tau / found.gain]))
        for _ in range(STEPS):
            # Heun's rule, so that the simulation is better than what is tested by it.
            h = 1 / RATE / STEPS
            total = tau + tau_ext * (i >= 100)

            def rate(q, qd, total=total):
                rubbing = viscous * qd + coulomb * np.tanh(qd / found.smoothing) + offset
                return body.forward_dynamics(q, qd, total - rubbing)

            one = rate(q, qd)
            two = rate(q + h * qd, qd + h * one)
            q, qd = q + h * qd + h * h / 2 * one, qd + h / 2 * (one + two)
    return np.split(np.array(rows), [3 * len(q)], axis=1)


@pytest.mark.parametrize("name", ["ur3", "iiwa14"])
def test_a_step_is_followed_with_its_sign_as_a_first_order_lag(name):
    body = arm(name)
    found = parameters(body)
    push = np.random.default_rng(0).uniform(2, 8, len(body.joints)) * np.resize([1, -1], len(body.joints))
    motion, tau = pushed(body, found, push)
    assert np.ptp(motion[:, : len(push)], axis=0).max() > 0.5
    observer = MomentumObserver(body, found, RATE, 20.0)
    r = (observer.run(motion, tau) - tau) * found.gain
    assert np.all(np.abs(r[0]) < 1e-9) and np.abs(r[:101]).max() < 0.05
    t = np.arange(200) / RATE
    expected = push * -np.expm1(-20.0 * t)[:, None]
    np.testing.assert_allclose(r[100:], expected, atol=0.02 * np.abs(push).max())


def test_a_gain_as_high_as_the_rate_and_higher_is_stable_and_fast():
    body = arm()
    found = parameters(body)
    push = np.full(6, 5.0)
    motion, tau = pushed(body, found, push)
    for gain in (RATE, 10 * RATE):
        r = (MomentumObserver(body, found, RATE, gain).run(motion, tau) - tau) * found.gain
        assert np.abs(r[:101]).max() < 0.1
        np.testing.assert_allclose(r[101], 5 * -np.expm1(-gain / RATE), atol=0.1)
        np.testing.assert_allclose(r[115:], 5, atol=0.1)


@pytest.mark.parametrize("form", FRICTION_MODELS)
def test_a_recording_at_once_is_its_samples_one_by_one(form):
    body = arm()
    found = parameters(body, form)
    rng = np.random.default_rng(2)
    motion, tau = np.cumsum(rng.normal(0, 0.1, (200, 18)), axis=0), rng.normal(0, 5, (200, 6))
    observer = MomentumObserver(body, found, RATE, 20.0)
    whole = observer.run(motion, tau)
    observer.reset()
    rows = zip(motion[50:, None], tau[50:, None], strict=True)
    parts = [observer.run(motion[:50], tau[:50]), *(observer.run(*row) for row in rows)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    np.testing.assert_array_equal(whole, MomentumObserver(arm(), found, RATE, 20.0).run(motion, tau))
    assert np.abs(observer.run(motion, tau) - whole).max() > 0.1  # without a reset it goes on


def test_without_effort_there_is_nothing_and_then_it_begins_anew():
    body = arm()
    found = parameters(body)
    motion, tau = pushed(body, found, np.full(6, 5.0))
    observer = MomentumObserver(body, found, RATE, 20.0)
    observer.run(motion[:200], tau[:200])
    missing = tau[200:201].copy()
    missing[0, 2] = np.nan
    assert np.isnan(observer.run(motion[200:201], missing)).all()
    r = (observer.run(motion[201:], tau[201:]) - tau[201:]) * found.gain
    t = np.arange(len(r)) / RATE
    assert np.abs(r[0]).max() < 1e-9
    np.testing.assert_allclose(r, np.tile(5 * -np.expm1(-20.0 * t)[:, None], 6), atol=0.1)


def test_it_needs_no_acceleration_and_no_inertia_that_a_body_can_have():
    body = arm("iiwa14")
    found = parameters(body)
    rng = np.random.default_rng(5)
    links = found.links + rng.normal(0, 0.2, found.links.shape)
    links[:, 0] = [2, -300, 1, -2, 1, -0.5, 0.3]  # sums of masses below zero and near it
    found = replace(found, links=links, rotor=np.zeros(7), friction=0 * found.friction)
    q, qd, qdd = rng.uniform(-1, 1, (3, 7))
    still = np.zeros(7)
    regressor = [body.regressor(q, still, row) - body.regressor(q, still, still) for row in np.eye(7)]
    mass = np.array([np.tensordot(y, links) for y in regressor])  # (J, J)
    assert np.linalg.eigvalsh(mass)[0] < 0
    # A motion with known acceleration, its torque by the regressor, which knows no trouble with masses.
    t = np.arange(400)[:, None] / RATE
    q, qd, qdd = q + 0.3 * np.sin(5 * t + qdd), 1.5 * np.cos(5 * t + qdd), -7.5 * np.sin(5 * t + qdd)
    tau = np.array([np.tensordot(body.regressor(*row), links) for row in zip(q, qd, qdd, strict=True)])
    motion = np.concatenate([q, qd, np.full_like(qdd, np.nan)], axis=1)
    r = MomentumObserver(body, found, RATE, 40.0).run(motion, tau / found.gain) * found.gain - tau
    assert np.abs(tau).max() > 10 and np.abs(r).max() < 1e-3 * np.abs(tau).max()
