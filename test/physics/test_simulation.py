# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from dataclasses import replace

import numpy as np
import pytest
from bodies import gravity

from vastares_ros.core.errors import RobotError
from vastares_ros.core.robot import Robot
from vastares_ros.io.robots import load_robot
from vastares_ros.physics.simulation import FORCE, SPAN, SPEED, TORQUE, Friction, Reference, Sensors, SimulatedArm

SMOOTH = Friction(0.0, 0.0, 0.0)
EXACT = Sensors(0.0, 0.0, 0.0, 0.0)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def ur5(rate: float = 125.0) -> Robot:
    return replace(load_robot("ur5"), rate=rate)


@pytest.mark.parametrize("friction", [SMOOTH, Friction()])
def test_logged_motion_obeys_the_equation_of_the_package(friction):
    arm = SimulatedArm(ur5(1000.0), friction, EXACT)  # every step is logged
    recording = arm.pushes(6.0, rng())
    e = recording.episode
    assert np.abs(recording.tau_ext).max() > 5
    qdd = np.diff(e.qd, axis=0) * 1000
    for k in range(0, len(qdd), 7):
        body = arm.body.inverse_dynamics(e.q[k], e.qd[k], qdd[k])
        rubbing = friction.torque(e.qd[k], arm.body.effort)
        np.testing.assert_allclose(body + rubbing, e.tau[k] + recording.tau_ext[k], atol=1e-6)


@pytest.mark.parametrize("friction", [SMOOTH, Friction()])
def test_a_push_along_x_is_resisted(friction):
    """The sign contract: tau_ext = tau_free - tau_meas = Jᵀ F, where F is what the environment does to the tip."""
    arm = SimulatedArm(ur5(), friction, EXACT)
    steps = 3000
    still = Reference(np.tile(arm.home, (steps, 1)), np.zeros((steps, 6)), np.zeros((steps, 6)))
    wrench = np.zeros((steps, 6))
    wrench[1000:, 0] = 20.0
    recording = arm.follow(still, wrench, rng(), "push")
    e = recording.episode
    expected = arm.body.tip_jacobian(e.q[-1])[0] * 20.0
    np.testing.assert_allclose(recording.tau_ext[-1], expected, atol=1e-9)
    np.testing.assert_array_equal(recording.wrench[-1], [20, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(e.tau[100], gravity(arm.body, arm.home), atol=1e-6)  # at rest, before the push
    tau_free = gravity(arm.body, e.q[-1])
    np.testing.assert_allclose(tau_free - e.tau[-1], expected, atol=0.02)
    moved = arm.body.tip_position(e.q[-1]) - arm.body.tip_position(arm.home)
    assert moved[0] > 1e-4  # the arm gives way along the force


@pytest.mark.parametrize("name", ["ur5", "iiwa14", "ur3"])
def test_reference_starts_and_ends_at_rest_within_limits(name):
    arm = SimulatedArm(load_robot(name))
    motion = arm.random_motion(20.0, rng(3))
    assert motion.q.shape == (round(20.0 / arm.dt), len(arm.home))
    np.testing.assert_allclose(motion.q[[0, -1]], np.tile(arm.home, (2, 1)), atol=1e-6)
    np.testing.assert_allclose(motion.qd[[0, -1]], 0, atol=1e-4)
    assert np.all(np.abs(motion.q - arm.home).max(0) <= SPAN)
    assert np.all(np.abs(motion.q - arm.home).max(0) > 0.05)  # every joint moves
    assert np.all(motion.q > arm.body.lower) and np.all(motion.q < arm.body.upper)
    assert np.all(np.abs(motion.qd).max(0) <= SPEED * arm.body.velocity + 1e-9)
    np.testing.assert_allclose(np.gradient(motion.q, arm.dt, axis=0)[5:-5], motion.qd[5:-5], atol=1e-4)
    np.testing.assert_allclose(np.gradient(motion.qd, arm.dt, axis=0)[5:-5], motion.qdd[5:-5], atol=1e-3)


def test_reference_takes_care_of_its_end_in_a_short_motion():
    motion = SimulatedArm(ur5()).random_motion(2.0, rng())
    np.testing.assert_allclose(motion.qd[[0, -1]], 0, atol=1e-3)


def test_pushes_reach_every_joint_and_leave_time_between():
    arm = SimulatedArm(ur5())
    recording = arm.pushes(40.0, rng(1))
    assert np.all(np.abs(recording.tau_ext).max(0) > 1.0)
    free = ~np.any(recording.wrench, axis=1)
    assert 0.4 < free.mean() < 0.8
    assert free[: 2 * 125].all()
    np.testing.assert_array_equal(recording.tau_ext[free], 0)
    force, torque = (np.linalg.norm(recording.wrench[:, part], axis=1).max() for part in (slice(3), slice(3, 6)))
    assert FORCE[0] < force <= FORCE[1] and TORQUE[0] < torque <= TORQUE[1]
    assert np.abs(np.diff(recording.wrench, axis=0)).max() < FORCE[1] / 5  # pushes swell, they do not jump
    assert np.all(np.abs(recording.episode.tau) < arm.body.effort)


@pytest.mark.parametrize(("name", "rate"), [("ur3", 125.0), ("iiwa14", 100.0), ("ur10e", 500.0)])
def test_free_motion_at_the_rate_of_the_robot(name, rate):
    arm = SimulatedArm(load_robot(name))
    recording = arm.free_motion(4.0, rng(), "free_7")
    e = recording.episode
    assert (e.name, e.joints, len(e)) == ("free_7", arm.driver.joints, round(4.0 * rate))
    np.testing.assert_allclose(np.diff(e.t), 1 / rate)
    assert not recording.tau_ext.any() and not recording.wrench.any()
    assert np.all(np.abs(e.tau) < arm.body.effort)


def test_controller_tracks_and_friction_shows_in_the_torque():
    arm = SimulatedArm(ur5(), sensors=EXACT)
    motion = arm.random_motion(8.0, rng(2))
    recording = arm.follow(motion, np.zeros((len(motion.q), 6)), rng(2), "x")
    assert np.abs(recording.episode.q - motion.q[::8]).max() < 0.06
    smooth = SimulatedArm(ur5(), SMOOTH, EXACT).follow(motion, np.zeros((len(motion.q), 6)), rng(2), "x")
    fast = recording.episode.qd[:, 0] > 0.1
    assert np.all((recording.episode.tau - smooth.episode.tau)[fast, 0] > 0.03 * 150)


def test_friction_opposes_motion_and_eases_off_after_breaking_away():
    friction = Friction(coulomb=0.05, stiction=0.03, viscous=0.0)
    speeds = np.array([-1.0, -0.08, 0.0, 0.08, 1.0])
    torque = friction.torque(speeds, np.full(5, 100.0))
    np.testing.assert_allclose(torque, -torque[::-1])
    assert torque[3] > torque[4] == pytest.approx(5.0, abs=1e-3)
    viscous = replace(friction, viscous=0.02).torque(speeds, np.full(5, 100.0)) - torque
    np.testing.assert_allclose(viscous, 2.0 * speeds, atol=1e-12)


def test_sensors_quantise_and_add_noise_of_the_size_asked_for():
    true = SimulatedArm(ur5(), sensors=EXACT).free_motion(8.0, rng(5)).episode
    quantum, noise = 1e-3, 0.01
    seen = SimulatedArm(ur5(), sensors=Sensors(quantum, 0.02, noise, 0.002)).free_motion(8.0, rng(5)).episode
    np.testing.assert_allclose(seen.q / quantum, np.round(seen.q / quantum), atol=1e-6)
    assert 0 < np.abs(seen.q - true.q).max() <= quantum / 2 + 1e-12
    assert np.std(seen.qd - true.qd) == pytest.approx(0.02, rel=0.05)
    limit = SimulatedArm(ur5()).body.effort
    np.testing.assert_allclose(np.std(seen.tau - true.tau, axis=0), noise * limit, rtol=0.1)
    np.testing.assert_allclose(seen.tau / (0.002 * limit), np.round(seen.tau / (0.002 * limit)), atol=1e-6)


def test_seed_decides_everything():
    one, same, other = (SimulatedArm(ur5()).pushes(5.0, rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.episode.tau, same.episode.tau)
    np.testing.assert_array_equal(one.wrench, same.wrench)
    assert np.abs(one.episode.q - other.episode.q).max() > 0.01


def test_progress_is_told():
    told: list[float] = []
    SimulatedArm(ur5()).free_motion(3.0, rng(), progress=told.append)
    assert told == pytest.approx([0.0, 1.0, 2.0])


def test_robot_that_cannot_be_simulated_is_refused():
    with pytest.raises(RobotError, match="baxter has no URDF"):
        SimulatedArm(load_robot("baxter"))
    currents = replace(load_robot("ur5"), drivers=load_robot("ur5").drivers[:1])
    with pytest.raises(RobotError, match="'ur_robot_driver' of robot ur5 does not publish plain torque"):
        SimulatedArm(currents)
