# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import sys

import numpy as np
import pytest
from bodies import gravity, moving_mass

from vastares_ros.core.arm import Arm
from vastares_ros.core.errors import RobotError
from vastares_ros.io.robots import load_robot
from vastares_ros.physics.rigid_body import RigidBody

# Published Denavit-Hartenberg figures: a2, a3, d1, d4, d5, d6 [m], and the mass of the six moving links [kg].
UR = {
    "ur3": ((-0.24365, -0.21325, 0.1519, 0.11235, 0.08535, 0.0819), 8.63),
    "ur5": ((-0.425, -0.39225, 0.089159, 0.10915, 0.09465, 0.0823), 17.0489),
    "ur5e": ((-0.425, -0.3922, 0.1625, 0.1333, 0.0997, 0.0996), 17.7),
    "ur10": ((-0.612, -0.5723, 0.1273, 0.163941, 0.1157, 0.0922), 28.435),
    "ur10e": ((-0.6127, -0.57155, 0.1807, 0.17415, 0.11985, 0.11655), 29.104),
}


def body(name: str, **options: object) -> RigidBody:
    robot = load_robot(name)
    return RigidBody(Arm(robot.urdf, robot.urdf_joints, robot.tip), **options)


def dh_tip(q: np.ndarray, figures: tuple[float, ...]) -> np.ndarray:
    """Tip of a UR arm in ROS's base_link, which is turned by half a turn against the controller's base."""
    a2, a3, d1, d4, d5, d6 = figures
    rows = zip(q, (0, a2, a3, 0, 0, 0), (d1, 0, 0, d4, d5, d6), np.array([1, 0, 0, 1, -1, 0]) * np.pi / 2, strict=True)
    pose = np.diag([-1.0, -1.0, 1.0, 1.0])
    for theta, a, d, alpha in rows:
        c, s, ca, sa = np.cos(theta), np.sin(theta), np.cos(alpha), np.sin(alpha)
        pose = pose @ [[c, -s * ca, s * sa, a * c], [s, c * ca, -c * sa, a * s], [0, sa, ca, d], [0, 0, 0, 1]]
    return pose[:3, 3]


@pytest.mark.parametrize("name", UR)
def test_ur_urdf_agrees_with_published_figures(name):
    figures, mass = UR[name]
    arm = body(name)
    assert moving_mass(arm) == pytest.approx(mass, abs=1e-6)
    for q in (np.zeros(6), np.array([0.3, -1.2, 1.4, -0.7, 0.9, 2.0])):
        np.testing.assert_allclose(arm.tip_position(q), dh_tip(q, figures), atol=1e-8)


@pytest.mark.parametrize(("name", "height"), [("iiwa7", 1.266), ("iiwa14", 1.306)])  # the data sheet's, to the flange
def test_iiwa_urdf_agrees_with_published_figures(name, height):
    arm = body(name)
    np.testing.assert_allclose(arm.tip_position(np.zeros(7)), [0, 0, height], atol=1e-9)
    np.testing.assert_allclose(arm.upper, np.radians([170, 120, 170, 120, 170, 120, 175]), atol=1e-8)
    np.testing.assert_allclose(gravity(arm, np.zeros(7))[[0, 2, 4, 6]], 0, atol=1e-9)  # upright axes carry nothing


def test_gravity_of_a_stretched_ur5_is_that_of_its_masses():
    mass = np.array([8.393, 2.33, 1.219, 1.219, 0.1879])
    along = np.array([0.2125, 0.425 + 0.24225, 0.81725, 0.81725, 0.81725])  # of each link, from the shoulder [m]
    expected = -9.81 * mass @ along  # lifting turns the shoulder towards negative angles
    assert gravity(body("ur5"), np.zeros(6))[1] == pytest.approx(expected, rel=1e-9)


def test_gravity_is_what_a_real_iiwa_holds(data):
    recorded = np.load(data / "iiwa" / "static_poses.npz")
    arm = body("iiwa14")
    held = np.array([gravity(arm, q) for q in recorded["q"].astype(float)])
    whole = recorded["seg"] == 0  # all of joints 2 to 7 move
    for joint in range(1, 6):
        x, y = held[whole, joint], recorded["tau"][whole, joint]
        assert np.corrcoef(x, y)[0, 1] > 0.99
        assert np.polyfit(x, y, 1)[0] > 1  # more than the bare arm: a tool is on it


@pytest.mark.parametrize("name", ["ur5", "iiwa14", "ur3"])  # ur3 has a joint that turns without end
def test_forward_and_inverse_dynamics_are_inverse(name):
    rng = np.random.default_rng(0)
    arm = body(name, rotor_inertia=0.3)
    q, qd, qdd = rng.normal(size=(3, len(arm.joints)))
    tau = arm.inverse_dynamics(q, qd, qdd)
    np.testing.assert_allclose(arm.forward_dynamics(q, qd, tau), qdd, atol=1e-9)


@pytest.mark.parametrize("name", ["ur5", "iiwa14", "ur3"])
def test_momentum_changes_by_what_the_equation_of_motion_says(name):
    rng = np.random.default_rng(1)
    arm = body(name, rotor_inertia=0.3)
    q, qd = rng.normal(size=(2, len(arm.joints)))
    still, h = 0 * q, 1e-5
    p, drift, load = arm.momentum(q, qd)
    np.testing.assert_allclose(p, arm.inverse_dynamics(q, still, qd) - gravity(arm, q), atol=1e-12)
    np.testing.assert_allclose(load, arm.inverse_dynamics(q, qd, still), atol=1e-12)
    # Without torque, dp/dt = (dM/dt) qd + M qdd with M qdd = -load.
    turning = (arm.momentum(q + h * qd, qd)[0] - arm.momentum(q - h * qd, qd)[0]) / (2 * h)
    np.testing.assert_allclose(drift, turning - load, atol=1e-7)


def test_rotors_add_inertia_to_their_joint():
    q, qdd = np.full(6, 0.3), np.arange(6.0)
    rotors = np.array([0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
    more = body("ur5", rotor_inertia=rotors).inverse_dynamics(q, q, qdd) - body("ur5").inverse_dynamics(q, q, qdd)
    np.testing.assert_allclose(more, rotors * qdd, atol=1e-12)


@pytest.mark.parametrize("name", ["ur5", "ur3"])
def test_any_joint_order_gives_the_same_physics(name):
    robot = load_robot(name)
    arm, order = body(name), np.array([5, 2, 0, 1, 4, 3])
    mixed = RigidBody(Arm(robot.urdf, tuple(robot.urdf_joints[i] for i in order), robot.tip))
    q, qd, qdd = np.random.default_rng(1).normal(size=(3, 6))
    o = order
    np.testing.assert_allclose(mixed.inverse_dynamics(q[o], qd[o], qdd[o]), arm.inverse_dynamics(q, qd, qdd)[o])
    np.testing.assert_allclose(mixed.forward_dynamics(q[o], qd[o], qdd[o]), arm.forward_dynamics(q, qd, qdd)[o])
    np.testing.assert_allclose(gravity(mixed, q[o]), gravity(arm, q)[o])
    np.testing.assert_allclose(mixed.tip_jacobian(q[o]), arm.tip_jacobian(q)[:, o])
    for limit in ("lower", "upper", "velocity", "effort"):
        np.testing.assert_array_equal(getattr(mixed, limit), getattr(arm, limit)[o])


@pytest.mark.parametrize("name", ["ur5", "ur3"])
def test_jacobian_is_the_derivative_of_the_tip_in_the_axes_of_the_base(name):
    arm, q, h = body(name), np.array([0.2, -1.0, 1.1, 0.4, 0.8, -0.5]), 1e-6
    slope = np.array([arm.tip_position(q + h * e) - arm.tip_position(q - h * e) for e in np.eye(6)]).T / (2 * h)
    jacobian = arm.tip_jacobian(q)
    assert jacobian.shape == (6, 6)
    np.testing.assert_allclose(jacobian[:3], slope, atol=1e-8)
    np.testing.assert_allclose(jacobian[3:, 0], [0, 0, 1], atol=1e-9)  # the first joint turns about the vertical


def test_limits_of_an_endless_joint_are_infinite():
    arm = body("ur3")
    assert (arm.lower[5], arm.upper[5]) == (-np.inf, np.inf)
    assert arm.velocity[5] == pytest.approx(2 * np.pi)
    np.testing.assert_array_equal(arm.effort, [56, 56, 28, 12, 12, 12])


def test_joints_that_are_not_asked_for_stand_still():
    robot = load_robot("ur5")
    part = RigidBody(Arm(robot.urdf, robot.urdf_joints[:3], robot.tip))
    q = np.array([0.4, -0.9, 0.7])
    whole = gravity(body("ur5"), np.concatenate([q, np.zeros(3)]))
    np.testing.assert_allclose(gravity(part, q), whole[:3], atol=1e-9)


def test_unknown_joint_tip_and_text_are_named():
    robot = load_robot("ur5")
    with pytest.raises(RobotError, match=r"'nose' is not a moving joint of the URDF; it has: shoulder_pan_joint"):
        RigidBody(Arm(robot.urdf, ("nose",), robot.tip))
    with pytest.raises(RobotError, match="'nose' is not a frame of the URDF"):
        RigidBody(Arm(robot.urdf, robot.urdf_joints, "nose"))
    with pytest.raises(RobotError, match="cannot read the URDF") as error:
        RigidBody(Arm("<robot>", robot.urdf_joints, robot.tip))
    assert "\n" not in str(error.value)


def test_missing_pinocchio_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pinocchio", None)
    with pytest.raises(RobotError, match="pip install pin"):
        body("ur5")
