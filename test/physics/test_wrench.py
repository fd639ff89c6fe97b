# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from vastares_ros.core.arm import Arm
from vastares_ros.core.errors import RobotError
from vastares_ros.io.robots import load_robot
from vastares_ros.physics.rigid_body import RigidBody
from vastares_ros.physics.wrench import LENGTH, RESOLVED, WrenchEstimator

BENT = np.array([0.3, -1.2, 1.4, -0.7, 0.9, 2.0])  # a UR far from any singularity
STRETCHED = np.array([0.3, -1.2, 0.0, -0.7, 0.9, 2.0])  # elbow straight
ELBOW = np.array([0.0, 0, 1, 0, 0, 0])  # moves the elbow alone
SCALED = np.repeat([LENGTH, 1.0], 3)  # wrench to N·m throughout
PUSH = np.array([10.0, -20.0, 30.0, 1.0, -2.0, 3.0])


def estimator(name: str, joints: int | None = None, **options) -> tuple[WrenchEstimator, RigidBody]:
    robot = load_robot(name)
    taken = robot.urdf_joints[:joints]
    return WrenchEstimator(Arm(robot.urdf, taken, robot.tip), **options), RigidBody(Arm(robot.urdf, taken, robot.tip))


@pytest.mark.parametrize("name", ["ur5", "ur3", "iiwa14"])  # ur3 has an endless joint, iiwa14 has seven
def test_a_known_wrench_comes_back_wherever_it_is_said_to_be_known(name):
    subject, body = estimator(name)
    rng = np.random.default_rng(0)
    whole = 0
    for q in rng.uniform(-np.pi, np.pi, (500, len(body.joints))):
        wrench = rng.normal(size=6) * [30, 30, 30, 5, 5, 5]
        found = subject.step(q, body.tip_jacobian(q, body.tip).T @ wrench)
        assert 0 <= found.singularity <= 1
        np.testing.assert_array_equal(np.isfinite(found.values), found.known)
        error = np.abs(found.values - wrench) * SCALED  # in N·m
        leak = np.sqrt(RESOLVED * (1 - RESOLVED)) * np.linalg.norm(wrench * SCALED)
        assert (error[found.known] <= leak).all()
        if found.known.all() and found.singularity > 0.05:
            whole += 1
            np.testing.assert_allclose(found.values, wrench, atol=1e-6)
    assert whole > 250


def test_the_force_is_that_of_the_environment_in_the_axes_of_the_tip():
    """An upward push, which turns with the tip when the last joint does."""
    subject, body = estimator("ur5")
    assert subject.frame_id == "tool0"
    force = np.array([0.0, 0.0, 25.0])  # upwards, in the axes of the base
    tau_ext = body.tip_jacobian(BENT)[:3].T @ force
    turned = subject.step(BENT, tau_ext).values
    assert np.linalg.norm(turned[:3]) == pytest.approx(25.0)
    np.testing.assert_allclose(turned[3:], 0, atol=1e-9)
    twisted = BENT + np.array([0, 0, 0, 0, 0, np.pi / 2])  # the last joint turns about the z axis of tool0
    again = subject.step(twisted, body.tip_jacobian(twisted)[:3].T @ force).values
    np.testing.assert_allclose(again[:3], [turned[1], -turned[0], turned[2]], atol=1e-9)


def test_another_reference_gives_the_same_wrench_about_its_own_origin_in_its_own_axes():
    subject, body = estimator("ur5", reference="base_link")
    assert subject.frame_id == "base_link"
    force, moment = np.array([5.0, -3.0, 8.0]), np.array([0.4, 0.1, -0.2])  # at the tip, in the axes of the base
    tau_ext = body.tip_jacobian(BENT).T @ np.concatenate([force, moment])
    expected = np.concatenate([force, moment + np.cross(body.tip_position(BENT), force)])
    np.testing.assert_allclose(subject.step(BENT, tau_ext).values, expected, atol=1e-9)


def test_what_a_stretched_arm_bears_itself_is_marked_and_not_invented():
    """The stretched arm bears a force along itself, x of the forearm, with a moment that holds the wrist."""
    subject, body = estimator("ur5", reference="forearm_link")
    jacobian = body.tip_jacobian(STRETCHED, "forearm_link") / SCALED[:, None]
    lost = np.linalg.svd(jacobian)[0][:, -1]
    assert np.abs(jacobian.T @ lost).max() < 1e-12 and abs(lost[0]) > 0.95
    found = subject.step(STRETCHED, body.tip_jacobian(STRETCHED, "forearm_link").T @ PUSH)
    assert found.singularity == pytest.approx(0, abs=1e-12)
    np.testing.assert_array_equal(found.known, lost**2 < 1 - RESOLVED)
    np.testing.assert_array_equal(found.known, [False, True, False, False, False, True])
    np.testing.assert_allclose(found.values[found.known], PUSH[found.known], atol=1e-9)
    assert np.isnan(found.values[~found.known]).all()


def test_close_to_a_singularity_the_answer_stays_bounded():
    subject, _ = estimator("ur5", damping=0.05)
    noise = np.random.default_rng(1).normal(size=(200, 6))
    for elbow, tau in zip(np.geomspace(1e-6, 0.3, 200), noise, strict=True):
        q = STRETCHED + elbow * ELBOW
        scaled = subject.step(q, tau).values * SCALED
        assert np.linalg.norm(scaled[np.isfinite(scaled)]) <= np.linalg.norm(tau) / 0.05
    assert subject.step(STRETCHED + 0.3 * ELBOW, noise[0]).known.all()


@pytest.mark.parametrize(("name", "joints"), [("ur3", None), ("iiwa14", None), ("ur5", 4)])
def test_the_values_are_those_of_a_singular_value_decomposition(name, joints):
    subject, body = estimator(name, joints)
    rng = np.random.default_rng(4)
    count = len(body.joints)
    for k, q in enumerate(rng.uniform(-np.pi, np.pi, (300, count))):
        if k % 2:
            q[2] = rng.choice([0, 1e-12, 1e-6, 1e-3])  # the elbow of a UR straight, or nearly so
        tau_ext = rng.normal(size=count)
        u, sigma, vt = np.linalg.svd(body.tip_jacobian(q, body.tip) / SCALED[:, None], full_matrices=False)
        clipped = np.maximum(sigma, 0.05)
        resolution = (u * u) @ (sigma / clipped) ** 2
        expected = u @ (sigma / clipped**2 * (vt @ tau_ext)) / SCALED
        found = subject.step(q, tau_ext)
        sure = np.abs(resolution - RESOLVED) > 1e-9
        np.testing.assert_array_equal(found.known[sure], (resolution >= RESOLVED)[sure])
        error = np.abs(found.values - expected)[found.known]
        assert (error <= 1e-11 * np.abs(expected).max()).all()
        assert found.singularity == pytest.approx(sigma[-1] / sigma[0] if count >= 6 else 0.0, abs=1e-13)


def test_damping_moves_the_edge_of_what_is_known():
    q = STRETCHED + 0.05 * ELBOW
    assert estimator("ur5", damping=0.001)[0].step(q, np.ones(6)).known.all()
    assert not estimator("ur5", damping=0.2)[0].step(q, np.ones(6)).known.all()


def test_an_arm_of_three_joints_never_knows_the_whole_wrench():
    subject, _ = estimator("ur5", joints=3)
    found = subject.step(BENT[:3], np.array([1.0, -4.0, 2.0]))
    assert found.singularity == 0 and not found.known.all()
    np.testing.assert_array_equal(np.isfinite(found.values), found.known)


def test_the_order_of_joints_is_the_callers():
    robot, order = load_robot("ur5"), [5, 2, 0, 1, 4, 3]
    _, body = estimator("ur5")
    mixed = WrenchEstimator(Arm(robot.urdf, tuple(robot.urdf_joints[i] for i in order), robot.tip))
    tau_ext = body.tip_jacobian(BENT, "tool0").T @ PUSH
    np.testing.assert_allclose(mixed.step(BENT[order], tau_ext[order]).values, PUSH, atol=1e-8)


@pytest.mark.parametrize("bad", [(BENT * np.nan, np.ones(6)), (BENT, np.array([1, 1, np.nan, 1, 1, 1]))])
def test_nothing_is_known_from_missing_values(bad):
    found = estimator("ur5")[0].step(*bad)
    assert np.isnan(found.values).all() and not found.known.any() and np.isnan(found.singularity)


def test_unknown_names_are_told_with_those_near_them():
    robot = load_robot("ur5")
    for tip, reference in (("tool_0", ""), ("tool0", "tool_0")):
        with pytest.raises(RobotError, match="'tool_0' is not a frame of the URDF; near it are tool0") as error:
            WrenchEstimator(Arm(robot.urdf, robot.urdf_joints, tip), reference)
        assert "\n" not in str(error.value)
    with pytest.raises(RobotError, match="'xyz' is not a frame of the URDF; it ends with 'tool0'"):
        WrenchEstimator(Arm(robot.urdf, robot.urdf_joints, "xyz"))
    with pytest.raises(RobotError, match="joint 'nose' is not a moving joint of the URDF; it has: shoulder_pan"):
        WrenchEstimator(Arm(robot.urdf, ("nose",), "tool0"))
