# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from vastares_ros.core import scratch
from vastares_ros.core.arm import Arm
from vastares_ros.core.errors import ConfigError, DatasetError
from vastares_ros.io.robots import load_robot
from vastares_ros.physics import identification
from vastares_ros.physics.identification import Motion, identify
from vastares_ros.physics.rigid_body import RigidBody, RigidBodyTorque

pytest.importorskip("pinocchio")
RATE = 125.0
JOINTS = tuple("ABCDEF")
ROTOR = np.array([0.5, 0.5, 0.3, 0.1, 0.1, 0.05])
VISCOUS, COULOMB, OFFSET = np.linspace(4, 1, 6), np.linspace(5, 2, 6), np.linspace(-0.5, 0.5, 6)


def arm():
    robot = load_robot("ur5")
    return RigidBody(Arm(robot.urdf, robot.urdf_joints, robot.tip))


def free(seed, moving=slice(None), samples=800):
    """A smooth motion `[q, qd, qdd]` and its torque, friction's smoothing 0.05."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples)[:, None, None] / RATE
    omega, phase = 2 * np.pi * rng.uniform(0.1, 0.8, (4, 6)), rng.uniform(0, 6, (4, 6))
    size = np.zeros(6)
    size[moving] = 0.4
    angle = omega * t + phase
    q = (size * np.sin(angle)).sum(1) + rng.uniform(-1, 1, 6)
    qd, qdd = (size * omega * np.cos(angle)).sum(1), -(size * omega**2 * np.sin(angle)).sum(1)
    truth = arm()
    truth.set_inertial_parameters(truth.inertial_parameters, ROTOR)
    tau = np.array([truth.inverse_dynamics(*row) for row in zip(q, qd, qdd, strict=True)])
    tau += VISCOUS * qd + COULOMB * np.tanh(qd / 0.05) + OFFSET + rng.normal(0, 0.01, tau.shape)
    return Motion(f"r{seed}", np.concatenate([q, qd, qdd], axis=1), tau)


def ignorant(factor=0.5):
    """The arm with masses that are wrong."""
    body = arm()
    body.set_inertial_parameters(factor * body.inertial_parameters)
    return body


@pytest.fixture(scope="module")
def motions():
    return [free(seed) for seed in range(4)]


@pytest.mark.parametrize("form", ["basic", "extended"])
def test_a_known_arm_is_found_from_kinematics_alone(motions, form):
    found = identify(ignorant(), JOINTS, motions, RATE, form)
    unseen = free(99)
    tau = RigidBodyTorque(arm(), found.parameters, RATE).run(unseen.x)
    error = np.sqrt(np.mean((tau - unseen.tau) ** 2, axis=0))
    assert error.max() < (0.02 if form == "basic" else 0.1)  # terms that this arm lacks cost a little
    assert not found.contact
    np.testing.assert_allclose(found.residual, 0.012, rtol=0.25)
    if form == "basic":
        assert found.parameters.smoothing == 0.05
        np.testing.assert_allclose(found.parameters.friction, [VISCOUS, COULOMB, OFFSET], atol=0.02)
        entries = {(p.joint, p.name): p for p in found.base}
        for j, joint in enumerate(JOINTS):
            p = entries[joint, "viscous"]
            assert abs(p.value - VISCOUS[j]) < 5 * p.deviation < 0.1


def test_what_no_motion_tells_stays_as_in_the_urdf(motions):
    found = identify(arm(), JOINTS, motions, RATE, "basic")
    first = found.parameters.links[0]
    np.testing.assert_allclose(first[0], arm().inertial_parameters[0, 0])  # the first link's mass, borne by the base
    assert len(found.parameters.links) == 6 and 1 < found.condition < 1e4


def test_a_joint_that_stands_still_is_named(motions):
    still = [free(seed, moving=[0, 1, 2, 4, 5]) for seed in range(3)]
    found = identify(ignorant(), JOINTS, still, RATE, "basic")
    unseen = {(p.joint, p.name) for p in found.unseen}
    assert {("D", "viscous"), ("D", "coulomb")} <= unseen
    assert any(line.startswith("D: turn it") and "viscous" in line for line in found.advice())
    assert not {("A", "viscous"), ("E", "viscous")} & unseen
    other = still[0]
    tau = RigidBodyTorque(arm(), found.parameters, RATE).run(other.x)  # the rest is still right
    assert np.sqrt(np.mean((tau - other.tau) ** 2)) < 0.02
    assert not {p.joint for p in identify(ignorant(), JOINTS, motions, RATE, "basic").unseen if p.name == "viscous"}


def test_an_arm_that_never_moves_tells_nothing_and_breaks_nothing():
    motion = free(0, moving=[])
    found = identify(arm(), JOINTS, [motion], RATE, "extended")
    assert {p.joint for p in found.unseen} == set(JOINTS) and not found.tried
    assert np.isfinite(RigidBodyTorque(arm(), found.parameters, RATE).run(motion.x)).all()


def test_a_recording_with_contact_is_named_and_does_little_harm(motions):
    pushed = free(7)
    pushed.tau[200:300, 2] += 30.0
    found = identify(ignorant(), JOINTS, [*motions, pushed], RATE, "basic")
    assert found.contact == {"r7": "C"}
    assert abs(found.parameters.friction[1, 2] - COULOMB[2]) < 0.2


def test_current_gives_gains_by_the_masses_of_the_urdf(motions):
    gain = np.array([12.0, 12.0, 10.0, 8.0, 8.0, 8.0])
    currents = [Motion(m.recording, m.x, m.tau / gain) for m in motions]
    found = identify(arm(), JOINTS, currents, RATE, "basic", amperes=True)
    seen = np.isfinite(found.gain_deviation)
    assert seen[1:4].all()
    np.testing.assert_allclose(found.parameters.gain[1:4], gain[1:4], rtol=0.02)
    np.testing.assert_allclose(found.parameters.gain[~seen], np.median(found.parameters.gain[seen]))
    unseen = free(99)
    tau = RigidBodyTorque(arm(), found.parameters, RATE).run(unseen.x)
    assert np.max(np.std(tau - unseen.tau / gain, axis=0) / np.std(unseen.tau / gain, axis=0)) < 0.05
    half = identify(ignorant(0.5), JOINTS, currents, RATE, "basic", amperes=True)
    np.testing.assert_allclose(half.parameters.gain[1:4], gain[1:4] / 2, rtol=0.02)  # as wrong as the URDF


def test_current_without_masses_and_an_unknown_friction_model_are_refused(motions):
    noise = np.random.default_rng(0).normal(0, 1, motions[0].tau.shape)
    with pytest.raises(DatasetError, match=r"amperes.*--effort-scale"):
        identify(arm(), JOINTS, [Motion("noise", motions[0].x, noise)], RATE, "basic", amperes=True)
    with pytest.raises(ConfigError, match="friction_model is 'richer': use one of basic, extended"):
        identify(arm(), JOINTS, motions, RATE, "richer")


def test_blocks_of_samples_change_nothing(motions, monkeypatch):
    monkeypatch.setattr(identification, "ROWS", 700)  # every n-th sample counts
    whole = identify(arm(), JOINTS, motions[:2], RATE, "extended")
    monkeypatch.setattr(scratch, "BLOCK", 7)
    in_blocks = identify(arm(), JOINTS, motions[:2], RATE, "extended")
    np.testing.assert_array_equal(whole.parameters.links, in_blocks.parameters.links)
    np.testing.assert_array_equal(whole.parameters.friction, in_blocks.parameters.friction)
