# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from dataclasses import replace

import numpy as np
import pytest
from bodies import gravity

from vastares_ros.core.arm import Arm
from vastares_ros.io.robots import load_robot
from vastares_ros.physics.identification import Motion
from vastares_ros.physics.payload import SCALES, carrying, fit_payload, mounted, solid_ball
from vastares_ros.physics.rigid_body import RigidBody, RigidBodyParameters, RigidBodyTorque

pytest.importorskip("pinocchio")
RATE = 125.0
CENTRE = (0.02, -0.03, 0.08)
TOOL = solid_ball(1.5, CENTRE, 0.1)
TERMS = ("viscous", "coulomb", "offset", "load_dependent")
BENT = """<link name="bent"/><joint name="bend" type="fixed"><parent link="tool0"/><child link="bent"/>
<origin xyz="0.1 -0.2 0.3" rpy="0.3 0.5 0.7"/></joint>"""  # a tip that is not where its joint is
GAIN = np.array([12.0, 12.0, 10.0, 8.0, 8.0, 8.0])


def body():
    robot = load_robot("ur5")
    return RigidBody(Arm(robot.urdf, robot.urdf_joints, robot.tip))


@pytest.fixture(scope="module")
def arm():
    ones = np.ones(6)
    friction = np.array([np.linspace(4, 1, 6), np.linspace(5, 2, 6), 0.2 * ones, 0.05 * ones])
    return RigidBodyParameters(body().inertial_parameters, 0.1 * ones, friction, ones, TERMS, 0.05, 0.01 * ones)


def motion(arm, moving=slice(None), noise=0.01, seed=0):
    """Twenty seconds of an arm, in the unit of effort."""
    rng = np.random.default_rng(seed)
    t = np.arange(2500)[:, None, None] / RATE
    omega, phase = 2 * np.pi * rng.uniform(0.1, 0.6, (4, 6)), rng.uniform(0, 6, (4, 6))
    size = np.zeros(6)
    size[moving] = 0.4
    angle = omega * t + phase
    q = (size * np.sin(angle)).sum(1) + rng.uniform(-1, 1, 6)
    qd, qdd = (size * omega * np.cos(angle)).sum(1), -(size * omega**2 * np.sin(angle)).sum(1)
    x = np.concatenate([q, qd, qdd], axis=1)
    tau = RigidBodyTorque(body(), arm, RATE).run(x, np.full_like(q, np.nan))
    return Motion("tool", x, tau + rng.normal(0, noise, q.shape) / arm.gain)


def with_tool(arm, tool):
    return replace(arm, links=mounted(body(), arm.links, tool))


def test_a_tool_weighs_at_the_tip_what_gravity_does_there():
    robot = load_robot("ur5")
    bent = robot.urdf.replace("</robot>", BENT + "</robot>")
    light, heavy = (RigidBody(Arm(bent, robot.urdf_joints, "bent")) for _ in range(2))
    heavy.set_inertial_parameters(mounted(heavy, heavy.inertial_parameters, TOOL))
    q = np.array([0.3, -1.2, 1.4, -0.7, 0.9, 2.0])
    own, base = light.tip_jacobian(q, light.tip)[3:], light.tip_jacobian(q)[3:]
    turn = np.linalg.lstsq(own.T, base.T, rcond=None)[0].T  # the same angular velocity in both axes
    force = np.array([0.0, 0.0, -1.5 * 9.81])
    wrench = np.concatenate([force, np.cross(turn @ CENTRE, force)])  # in the axes of the base
    np.testing.assert_allclose(gravity(heavy, q) - gravity(light, q), -light.tip_jacobian(q).T @ wrench, atol=1e-9)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("gain", [np.ones(6), GAIN])
def test_a_known_tool_is_found_and_one_that_is_gone(arm, sign, gain):
    arm = replace(arm, gain=gain)
    found = fit_payload(body(), arm, [motion(with_tool(arm, sign * TOOL))], RATE)
    assert abs(found.mass - sign * 1.5) < 0.01
    np.testing.assert_allclose(found.centre, CENTRE, atol=0.002)
    np.testing.assert_allclose(found.parameters, sign * TOOL, atol=0.005)
    assert (np.abs(found.parameters - sign * TOOL) < 5 * found.deviation).all()
    assert (found.centre_deviation < 0.003).all() and found.tip == "tool0"


def test_nothing_added_is_nothing_found(arm):
    found = fit_payload(body(), arm, [motion(arm)], RATE)
    assert (np.abs(found.parameters) < 5 * found.deviation).all() and abs(found.mass) < 0.01


def test_deviations_say_how_far_off_it_is(arm):
    found = [fit_payload(body(), arm, [motion(with_tool(arm, TOOL), noise=1.0, seed=s)], RATE) for s in range(6)]
    off = np.array([(f.parameters - TOOL) / f.deviation for f in found])
    assert 0.4 < np.sqrt(np.mean(off**2)) < 2


def test_what_the_motion_does_not_show_stays_small_and_doubtful(arm):
    still = motion(with_tool(arm, TOOL), moving=[5])
    still.tau[:, :5] += 3.0  # friction of joints at rest bears what it likes
    found = fit_payload(body(), arm, [still], RATE)
    assert found.deviation[0] > 0.5 and abs(found.mass) < 2
    assert (np.abs(found.parameters) < 2 * SCALES).all()
    seen = fit_payload(body(), arm, [motion(with_tool(arm, TOOL))], RATE)
    assert (seen.deviation < found.deviation).all()


def test_friction_that_grows_with_load_is_seen_anew(arm):
    mistaken = arm.friction.copy()
    mistaken[3, 5] = 1.0  # the last joint bears next to nothing without a tool, so that any number did
    true = with_tool(arm, TOOL)
    believed = replace(arm, friction=mistaken)
    recording = motion(true)
    found = fit_payload(body(), believed, [recording], RATE)
    assert abs(found.load[5] + 0.95) < 0.1
    adapted = carrying(body(), believed, found)
    left = recording.tau - RigidBodyTorque(body(), adapted, RATE).run(recording.x, recording.tau)
    assert np.sqrt(np.mean(left**2, axis=0)).max() < 0.03
    plain = replace(arm, terms=TERMS[:3], friction=arm.friction[:3])
    found = fit_payload(body(), plain, [motion(with_tool(plain, TOOL))], RATE)
    assert abs(found.mass - 1.5) < 0.01 and not found.load.any()
    np.testing.assert_array_equal(carrying(body(), plain, found).friction, plain.friction)


def test_a_push_in_the_recording_does_little_harm(arm):
    pushed = motion(with_tool(arm, TOOL))
    pushed.tau[500:600] += 30.0
    assert abs(fit_payload(body(), arm, [pushed], RATE).mass - 1.5) < 0.05
