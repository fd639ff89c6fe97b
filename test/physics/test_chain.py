# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The signal chain with each model of physics: a recording at once, in pieces, and one sample after the other."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from vastares_ros.core.arm import Arm
from vastares_ros.core.signals import FilterConfig, SignalChain
from vastares_ros.io.robots import load_robot
from vastares_ros.physics.friction import (
    BASIC_TERMS,
    CLIP_SIGMAS,
    CONTACT_SIGMAS,
    FRICTION_MODELS,
    TERMS,
    TRAVELS,
    AdaptiveFriction,
    FrictionTerms,
)
from vastares_ros.physics.observer import MomentumObserver
from vastares_ros.physics.rigid_body import RigidBody, RigidBodyParameters, RigidBodyTorque

pytest.importorskip("pinocchio")
RATE = 125.0
MODELS = ("basic", "extended", "adaptive", "observer")


def chain(robot, model, order=None):
    """A chain with made-up parameters of an arm; its joints may be in another order."""
    found = load_robot(robot)
    joints = [found.urdf_joints[i] for i in order or range(len(found.urdf_joints))]
    body = RigidBody(Arm(found.urdf, tuple(joints), found.tip))
    terms = FRICTION_MODELS["basic" if model == "basic" else "extended"]
    rng = np.random.default_rng(1)
    friction = rng.uniform(0, 1, (sum(TERMS[t] for t in terms), len(joints)))
    rotor, gain = rng.uniform(0.1, 0.3, (2, len(joints)))
    noise = np.full(len(joints), 2.0)
    parameters = RigidBodyParameters(body.inertial_parameters, rotor, friction, gain + 0.5, terms, 0.05, noise)
    if model == "observer":
        return SignalChain(RATE, FilterConfig(), True, MomentumObserver(body, parameters, RATE, 20.0))
    if model == "adaptive":
        parameters = replace(parameters, friction_time_constant=2.0)
    return SignalChain(RATE, FilterConfig(), True, RigidBodyTorque(body, parameters, RATE))


def recording(joints, samples=300):
    rng = np.random.default_rng(2)
    t = np.arange(samples)[:, None] / RATE
    frequency, phase = rng.uniform(1, 4, joints), rng.uniform(0, 6, joints)
    q, qd = np.sin(frequency * t + phase), frequency * np.cos(frequency * t + phase)
    tau = 20 * np.cos(q) + qd + rng.normal(0, 1, q.shape)
    tau[[0, 99, 100, 200], [1, 0, 1, 2]] = np.nan
    return q, qd, tau


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("robot", "order"), [("ur3", None), ("iiwa14", None), ("ur3", (5, 2, 0, 1, 4, 3))])
def test_pieces_and_samples_give_the_bits_of_the_whole_and_a_reset_begins_anew(robot, order, model):
    subject = chain(robot, model, order)
    data = recording(7 if robot == "iiwa14" else 6)
    whole = subject.run(*data)
    subject.reset()
    ends = [0, 1, 2, 99, 101, 160, 300]
    parts = [subject.run(*(x[a:b] for x in data)) for a, b in pairwise(ends)]
    subject.reset()
    steps = [subject.step(*row) for row in zip(*data, strict=True)]
    fresh = chain(robot, model, order).run(*data)
    for k in (0, 1):
        np.testing.assert_array_equal(np.concatenate([part[k] for part in parts]), whole[k])
        np.testing.assert_array_equal(np.stack([step[k] for step in steps]), whole[k])
        np.testing.assert_array_equal(fresh[k], whole[k])
    missing = np.isnan(data[2]).any(axis=1)
    torque = whole[0][:, 3 * data[0].shape[1] :]
    np.testing.assert_array_equal(np.isnan(torque).all(axis=1), missing if model == "observer" else 0 * missing)
    if model == "adaptive":
        assert np.abs(torque - chain(robot, "extended", order).run(*data)[0][:, -torque.shape[1] :]).max() > 0.1


def test_presliding_is_the_recursion_of_its_definition():
    qd = recording(3)[1] * 0.05
    out = FrictionTerms(("presliding",), 0.05, RATE).run(qd, qd)
    s, state = np.tanh(qd / 0.05), None
    for i in range(len(qd)):
        kept = np.exp(-np.abs(qd[i]) / RATE / np.array(TRAVELS)[:, None])
        state = s[i] + kept * ((s[i] if state is None else state) - s[i])
        np.testing.assert_allclose(out[:, i], state, rtol=1e-12, atol=1e-14)


def test_adaptation_is_least_mean_squares_as_written_down():
    """With numpy, sample by sample: every tenth, clipped, frozen by contact and where nothing is known."""
    rng = np.random.default_rng(3)
    identified, noise = rng.normal(0, 1, (8, 2)), np.array([0.5, 1.0])
    rigid, terms, tau = rng.normal(0, 1, (2000, 2)), rng.normal(0, 1, (8, 2000, 2)), rng.normal(0, 3, (2000, 2))
    tau[500:520] = np.nan
    subject = AdaptiveFriction(identified, noise, 1.0, RATE)
    torque = subject.run(rigid, terms, tau)
    most, coefficients, adapted = CLIP_SIGMAS * noise, identified.copy(), 0
    for i in range(len(tau)):
        expected = rigid[i] + (coefficients * terms[:, i]).sum(axis=0)
        np.testing.assert_allclose(torque[i], expected, rtol=1e-12, atol=1e-12)
        error = tau[i] - expected
        if (i + 1) % 10 == 0 and (np.abs(error) < CONTACT_SIGMAS * noise).all():
            adapted += 1
            error = np.clip(error, -most, most)
            change = coefficients + 10 / RATE * error * terms[:, i] - identified
            coefficients[:BASIC_TERMS] = (identified + np.clip(change, -most, most))[:BASIC_TERMS]
    assert 50 < adapted < 190 and (np.abs(coefficients - identified)[:BASIC_TERMS] > 0.1).any()
    np.testing.assert_allclose(subject.coefficients, coefficients, rtol=1e-12)


def test_shapes_that_do_not_belong_together_are_refused():
    terms = FrictionTerms(FRICTION_MODELS["basic"], 0.05, RATE)
    with pytest.raises(ValueError, match="same joints and samples"):
        terms.run(np.ones((2, 3)), np.ones((1, 3)))
    level = AdaptiveFriction(np.ones((3, 3)), np.ones(3), 0.0, RATE)
    with pytest.raises(ValueError, match="same joints and samples"):
        level.run(np.ones((2, 3)), np.ones((3, 2, 3)), np.ones((2, 2)))
