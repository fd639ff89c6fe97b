"""The estimator node over DDS: what goes in, what comes out, and what it says when nothing does."""

import re

import numpy as np
import pytest
import yaml
from conftest import JOINTS, SCALE, WINDOW, motion, parameters, stamps

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState

from vastares_ros.cli.main import main
from vastares_ros.core.samples import JointSample, seconds
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.robots import config_folder
from vastares_ros.nodes.estimator import EstimatorNode
from vastares_ros.nodes.messages import from_stamp, to_joint_state
from vastares_ros.nodes.process import own_domain
from vastares_ros.runtime.estimator import Estimator

N = 60


@pytest.fixture
def live(ros, bundle_path):
    """The node, what it publishes, and a publisher that it hears."""
    ros.add(EstimatorNode, bundle=str(bundle_path), warn_period=1.0)
    ros.estimated = ros.listen(JointState, "/estimator/estimated_torque")
    ros.external = ros.listen(JointState, "/estimator/external_torque")
    ros.publisher = ros.talk()
    return ros


def offline(bundle_path, at, q, qd, effort):
    """What the estimator says of a sequence: tau_free and tau_ext, shape (N, 2)."""
    estimator = Estimator(load_bundle(bundle_path))
    samples = zip(map(seconds, at), q, qd, effort * SCALE, strict=True)
    estimates = [estimator.step(JointSample(*sample)) for sample in samples]
    return np.array([e.tau_free for e in estimates]), np.array([e.tau_ext for e in estimates])


def efforts(messages):
    return np.array([m.effort for m in messages])


def test_estimates_have_the_input_stamps_and_the_bits_of_offline(live, bundle_path):
    q, qd, effort = motion(N)
    for i, at in enumerate(stamps(N)):
        live.publisher.publish(to_joint_state(at, JOINTS, q[i], qd[i], effort[i], "base_link"))
    live.wait(lambda: len(live.external) == N - WINDOW + 1)
    tau_free, tau_ext = offline(bundle_path, stamps(N), q, qd, effort)
    for messages, expected in ((live.estimated, tau_free), (live.external, tau_ext)):
        assert [from_stamp(m.header.stamp) for m in messages] == stamps(N)[WINDOW - 1 :]
        assert {m.header.frame_id for m in messages} == {"base_link"}
        assert {tuple(m.name) for m in messages} == {JOINTS}
        assert not any(len(m.position) or len(m.velocity) for m in messages)
        assert np.array_equal(efforts(messages), expected[WINDOW - 1 :])


def test_foreign_joints_another_order_and_partial_messages_change_nothing(live, bundle_path):
    q, qd, effort = motion(N)
    for i, at in enumerate(stamps(N)):
        if i % 2:
            mixed = [(x[i, 1], 9.0, x[i, 0]) for x in (q, qd, effort)]
            live.publisher.publish(to_joint_state(at, ("elbow", "gripper", "shoulder"), *mixed))
        else:
            live.publisher.publish(to_joint_state(at - 1, ("elbow",), q[i, 1:], qd[i, 1:], effort[i, 1:]))
            live.publisher.publish(to_joint_state(at, ("shoulder",), q[i, :1], qd[i, :1], effort[i, :1]))
    live.wait(lambda: len(live.external) == N - WINDOW + 1)
    tau_free, tau_ext = offline(bundle_path, stamps(N), q, qd, effort)
    assert [from_stamp(m.header.stamp) for m in live.external] == stamps(N)[WINDOW - 1 :]
    assert np.array_equal(efforts(live.estimated), tau_free[WINDOW - 1 :])
    assert np.array_equal(efforts(live.external), tau_ext[WINDOW - 1 :])


def test_without_effort_there_is_an_estimate_but_no_external_torque(live):
    q, qd, effort = motion(N)
    effort[N // 2 :, 0] = np.nan
    for i, at in enumerate(stamps(N)):
        told = effort[i] if i < N - 5 else []
        live.publisher.publish(to_joint_state(at, JOINTS, q[i], qd[i], told))
    live.wait(lambda: len(live.estimated) == N - WINDOW + 1)
    live.logged("effort missing (joint shoulder", "the driver must publish effort")
    assert len(live.external) == N // 2 - WINDOW + 1


@pytest.mark.parametrize(("jump_s", "told"), [(-5, "clock jumped back (by "), (5, "gap in the joint states (5.0")])
def test_after_a_jump_or_a_gap_the_window_starts_anew(live, bundle_path, jump_s, told):
    q, qd, effort = motion(2 * N)
    at = [*stamps(N), *(s + jump_s * 1_000_000_000 for s in stamps(2 * N)[N:])]
    for i in range(2 * N):
        live.publisher.publish(to_joint_state(at[i], JOINTS, q[i], qd[i], effort[i]))
    live.wait(lambda: len(live.external) == 2 * (N - WINDOW + 1))
    live.logged(told, "the window starts anew")
    assert [from_stamp(m.header.stamp) for m in live.external] == at[WINDOW - 1 : N] + at[N + WINDOW - 1 :]
    _, fresh = offline(bundle_path, at[N:], q[N:], qd[N:], effort[N:])
    assert np.array_equal(efforts(live.external)[N - WINDOW + 1 :], fresh[WINDOW - 1 :])


def test_another_rate_is_told_and_not_estimated(live):
    q, qd, effort = motion(N)
    for i, at in enumerate(stamps(2 * N)[::2]):
        live.publisher.publish(to_joint_state(at, JOINTS, q[i], qd[i], effort[i]))
    live.logged("not at the trained rate (50.0 Hz, trained at 100.0 Hz")
    assert not live.estimated


def test_motion_outside_the_training_range_is_estimated_with_a_warning(live):
    q, qd, effort = motion(N)
    for i, at in enumerate(stamps(N)):
        live.publisher.publish(to_joint_state(at, JOINTS, q[i] + 3, qd[i], effort[i]))
    live.wait(lambda: len(live.external) == N - WINDOW + 1)
    live.logged("outside the training range (position of shoulder is ", "do not trust it")


def test_stamps_that_are_not_filled_are_told(live):
    q, qd, effort = motion(5)
    for i in range(5):
        live.publisher.publish(to_joint_state(0, JOINTS, q[i], qd[i], effort[i]))
    live.logged("4 of 5 joint states on /joint_states: stamp repeated", "does the driver fill header.stamp?")


def test_a_joint_that_stands_twice_is_told(live):
    live.publisher.publish(to_joint_state(1, ("elbow", "elbow"), [0, 0], [0, 0], [0, 0]))
    live.logged("joint 'elbow' stands twice in one message")


def test_joints_that_are_missing_are_named(live):
    message = to_joint_state(1, ("elbow", "gripper"), [0, 0], [0, 0], [0, 0])
    live.node.create_timer(0.1, lambda: live.publisher.publish(message))
    live.logged("joints missing on /joint_states: shoulder; published are elbow, gripper")


def test_silence_is_told_with_the_topic(ros, bundle_path):
    ros.add(EstimatorNode, bundle=str(bundle_path))
    ros.logged("no joint states on /joint_states, which has no publisher")


def test_a_best_effort_publisher_is_told_what_to_set_and_then_heard(ros, bundle_path):
    qos = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = ros.node.create_publisher(JointState, "/joint_states", qos)
    deaf = ros.add(EstimatorNode, bundle=str(bundle_path))
    ros.logged("(reliability): set parameter reliability to best_effort")
    ros.remove(deaf)
    ros.add(EstimatorNode, bundle=str(bundle_path), reliability="best_effort")
    ros.wait(publisher.get_subscription_count)
    external = ros.listen(JointState, "/estimator/external_torque")
    q, qd, effort = motion(N)
    for i, at in enumerate(stamps(N)):
        publisher.publish(to_joint_state(at, JOINTS, q[i], qd[i], effort[i]))
        ros.executor.spin_once(timeout_sec=0)
    ros.wait(lambda: external)


def test_it_says_in_one_line_what_it_loaded(ros, bundle_path):
    ros.add(EstimatorNode, bundle=str(bundle_path))
    ros.logged("loaded ", "made", "shoulder, elbow at 100 Hz", "window of 8 samples", "cpu", "N·m", "trained on made")
    ros.logged("no held-out recording, training nmse", "ridge")


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ([], "parameter bundle is not set: add --ros-args -p bundle:=FOLDER"),
        (["-p", "bundle:=nowhere"], "nowhere does not exist: train one with"),
        (["-p", "bundle:=3"], "'bundle' to '3' of type 'INTEGER', expecting type 'STRING'"),
        (["-p", "bundle:={bundle}", "-p", "device:=abacus"], "device 'abacus' is unknown"),
        (["-p", "bundle:={bundle}", "-p", "reliability:=some"], "reliability is 'some': use reliable or best_effort"),
        (["-p"], "use --ros-args -p NAME:=VALUE"),
        (["--", "out/bundle"], "argument 'out/bundle' is unknown: use --ros-args -p NAME:=VALUE"),
    ],
)
def test_what_it_cannot_start_with_is_one_line_and_status_2(bundle_path, capfd, parameters, told):
    with own_domain():
        status = main(["estimator", "--ros-args", *(p.format(bundle=bundle_path) for p in parameters)])
    error = capfd.readouterr().err.strip()
    assert status == 2
    assert told in error
    assert re.fullmatch(r"vastares estimator: error: .*", error)


def test_an_altered_bundle_is_refused(bundle_path, tmp_path, capfd):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in bundle_path.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "model.safetensors").write_bytes(b"other")
    with own_domain():
        assert main(["estimator", "--ros-args", "-p", f"bundle:={copy}"]) == 2
    assert "was altered" in capfd.readouterr().err


def test_the_parameter_file_has_every_parameter_with_its_default(ros, bundle_path):
    node = ros.add(EstimatorNode, bundle=str(bundle_path))
    file = yaml.safe_load((config_folder() / "estimator.yaml").read_text(encoding="utf-8"))["/**"]["ros__parameters"]
    assert {name: p.value for name, p in parameters(node).items()} == file | {"bundle": str(bundle_path)}
    for name in file:
        assert node.describe_parameter(name).description
