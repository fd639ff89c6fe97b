# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pinocchio as pin
import pytest

from vastares_ros.core.arm import Arm, resolve_arm
from vastares_ros.core.errors import ConfigError, RobotError
from vastares_ros.core.external import external_torque
from vastares_ros.io.robots import load_robot
from vastares_ros.physics.injection import Event, Injector, Profile
from vastares_ros.physics.rigid_body import RigidBody

FORCE, TORQUE = [10.0, -20.0, 30.0], [1.0, 2.0, -3.0]
WRENCH = np.array(FORCE + TORQUE)
ALWAYS = {"start": 0.0, "duration": 1e6, "force": FORCE, "torque": TORQUE}


def event(**values) -> Event:
    return Event(**({"start": 2.0, "duration": 1.0, "force": FORCE, "torque": TORQUE} | values))


def share(subject: Event, times: list[float]) -> list[float]:
    """How much of the peak acts at each time; the same for force and torque."""
    return (subject.wrench_at(times) / WRENCH).max(axis=1).round(12).tolist()


@pytest.mark.parametrize(
    ("values", "times", "expected"),
    [
        ({"shape": "step"}, [0.0, 1.999, 2.0, 2.5, 2.999, 3.0, 9.0], [0, 0, 1, 1, 1, 0, 0]),
        ({"shape": "ramp", "rise": 0.5}, [1.999, 2.0, 2.125, 2.25, 2.5, 2.999, 3.0], [0, 0, 0.25, 0.5, 1, 1, 0]),
        ({"shape": "pulse"}, [1.75, 2.0, 2.25, 2.5, 2.75, 3.0, 3.5], [0, 0, 0.5, 1, 0.5, 0, 0]),
        ({"shape": "sine", "period": 1.0}, [1.75, 2.0, 2.25, 2.5, 2.75, 3.25], [0, 0, 1, 0, -1, 0]),
        ({"shape": "sine", "period": 4.0, "duration": 2.0}, [2.0, 3.0, 3.999999999999999, 4.0], [0, 1, 0, 0]),
        ({"every": 4.0, "repeat": 2}, [1.5, 2.5, 3.5, 6.0, 6.5, 7.0, 10.5], [0, 1, 0, 1, 1, 0, 0]),
        ({"every": 1.0, "repeat": 2}, [1.5, 2.5, 3.0, 3.5, 4.0], [0, 1, 1, 1, 0]),
        ({"every": 4.0}, [-2.5, 2.5, 402.5, 404.0], [0, 1, 1, 0]),
    ],
)
def test_a_shape_has_its_value_at_every_time(values, times, expected):
    assert share(event(**values), times) == expected


def test_all_parts_of_a_wrench_follow_the_shape_and_events_add_up():
    profile = Profile(events=(event(shape="ramp", rise=1.0), event(start=2.5, force=[0, 0, 5], torque=[0, 0, 0])))
    np.testing.assert_allclose(profile.wrench_at(2.25), 0.25 * WRENCH)
    np.testing.assert_allclose(
        profile.wrench_at([2.75, 3.25]), [0.75 * WRENCH + [0, 0, 5, 0, 0, 0], [0, 0, 5, 0, 0, 0]]
    )
    assert profile.wrench_at(0.0).shape == (6,) and Profile().wrench_at(np.zeros((3, 2))).shape == (3, 2, 6)


def test_within_a_recording_an_event_without_end_is_repeated_as_often_as_it_fits_whole():
    profile = Profile(events=(event(every=4.0), event(), event(every=2.0, repeat=3)))
    for length, expected in ((11.0, [2.0, 6.0, 10.0]), (10.99, [2.0, 6.0]), (7.0, [2.0, 6.0])):
        endless, single, counted = profile.within(length).events
        assert endless.starts.tolist() == expected
        assert (single.starts.tolist(), counted.starts.tolist()) == ([2.0], [2.0, 4.0, 6.0])
        assert not endless.wrench_at(expected[-1] + 4.5).any()


@pytest.mark.parametrize(("values", "end"), [({}, 3), ({"every": 4.0}, 3), ({"every": 2.0, "repeat": 9}, 19)])
def test_an_event_beyond_the_end_is_refused_with_the_length_of_the_recording(values, end):
    profile = Profile(events=(event(start=0.0), event(**values)))
    with pytest.raises(ConfigError, match=rf"events\[1\] ends at {end} s, but the recording is 2.90 s long"):
        profile.within(2.9)
    assert len(profile.within(end).events) == 2


def independent(robot, joints, link, q, axes):
    """Jacobian of a link by pinocchio, with nothing of ours between, shape (6, J)."""
    model = pin.buildModelFromXML(robot.urdf)
    data = model.createData()
    configuration = pin.neutral(model)
    for name, angle in zip(joints, q, strict=True):
        joint = model.joints[model.getJointId(name)]
        configuration[joint.idx_q : joint.idx_q + joint.nq] = (
            [angle] if joint.nq == 1 else [np.cos(angle), np.sin(angle)]
        )
    jacobian = pin.computeFrameJacobian(model, data, configuration, model.getFrameId(link), axes)
    pin.framesForwardKinematics(model, data, configuration)
    order = [model.joints[model.getJointId(name)].idx_v for name in joints]
    return jacobian[:, order], data.oMf[model.getFrameId(link)]


@pytest.mark.parametrize(("name", "link"), [("ur3", "tool0"), ("ur3", "forearm_link"), ("iiwa14", "lbr_link_5")])
@pytest.mark.parametrize("frame", ["link", "base"])
def test_torque_is_the_transposed_jacobian_times_the_wrench_in_its_axes(name, link, frame):
    robot = load_robot(name)
    shuffled = robot.urdf_joints[::-1]
    rng = np.random.default_rng(1)
    q = rng.uniform(-2, 2, (5, len(shuffled)))
    profile = Profile(link, frame, (Event(**ALWAYS),))
    injector = Injector(profile, Arm(robot.urdf, tuple(shuffled), robot.tip))
    tau_ext, told = injector.apply(np.arange(5.0), q)
    for i in range(5):
        axes = pin.LOCAL if frame == "link" else pin.LOCAL_WORLD_ALIGNED
        jacobian, pose = independent(robot, shuffled, link, q[i], axes)
        np.testing.assert_allclose(tau_ext[i], jacobian.T @ WRENCH, atol=1e-10)
        turned = pin.Force(pose.rotation.T @ WRENCH[:3], pose.rotation.T @ WRENCH[3:])
        expected = WRENCH if frame == "link" else pose.act(turned).vector  # the same wrench, about the root's origin
        np.testing.assert_allclose(told[i], expected, atol=1e-10)
    assert injector.frame_id == (link if frame == "link" else {"ur3": "base_link", "iiwa14": "lbr_link_0"}[name])
    if link != "tool0":
        assert not tau_ext[:, :2].any()  # joints beyond the link


def test_where_nothing_pushes_there_is_no_torque():
    robot = load_robot("ur3")
    injector = Injector(Profile(events=(event(),)), resolve_arm(robot.urdf_joints, robot))
    tau_ext, told = injector.apply(np.array([-5.0, 1.0, 2.5, 3.0]), np.ones((4, 6)))
    assert tau_ext.any(axis=1).tolist() == told.any(axis=1).tolist() == [False, False, True, False]
    assert injector.link == injector.frame_id == "tool0"


def test_a_weight_hung_on_a_held_tool_is_torque_that_the_motors_give_against_it():
    """10 N down on a forearm stretched out: the environment turns the joint down, the motor holds it up."""
    robot = load_robot("ur5")
    q = np.zeros((1, 6))  # stretched out level
    injector = Injector(
        Profile(frame="base", events=(Event(force=[0, 0, -10]),)), resolve_arm(robot.urdf_joints, robot)
    )
    (tau_ext,), _ = injector.apply(np.zeros(1), q)
    body = RigidBody(Arm(robot.urdf, robot.urdf_joints, "tool0"))
    lifted = body.tip_position(q[0] - [0, 0.01, 0, 0, 0, 0])
    assert lifted[2] > body.tip_position(q[0])[2]  # the shoulder lifts by turning backwards
    assert tau_ext[1] > 5
    tau_free = np.zeros(6)
    tau_meas = tau_free - tau_ext
    assert tau_meas[1] < 0  # so the motor turns it backwards, upwards
    np.testing.assert_array_equal(external_torque(tau_free, tau_meas), tau_ext)


def test_published_names_are_found_in_the_urdf_by_the_drivers_of_the_robot():
    robot = load_robot("ur3")
    published = ("Base", "Shoulder", "Elbow", "Wrist 1", "Wrist 2", "Wrist 3")
    q = np.linspace(-1, 1, 6)[None]
    ours = Injector(Profile(events=(Event(**ALWAYS),)), resolve_arm(published, robot)).apply(np.zeros(1), q)
    theirs = Injector(Profile("tool0", events=(Event(**ALWAYS),)), resolve_arm(robot.urdf_joints, robot)).apply(
        np.zeros(1), q
    )
    np.testing.assert_array_equal(ours[0], theirs[0])


def test_an_arm_that_does_not_fit_is_refused():
    robot = load_robot("ur3")
    with pytest.raises(RobotError, match="'tool_0' is not a frame of the URDF; near it are tool0"):
        Injector(Profile("tool_0"), resolve_arm(robot.urdf_joints, robot))
