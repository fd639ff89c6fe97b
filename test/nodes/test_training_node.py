"""The training node: what it records, what survives, and the bundle that comes of it."""

import math
import os
import select
from dataclasses import asdict

import numpy as np
import pytest
import yaml
from conftest import JOINTS, RATE, SCALE, motion, parameters, stamps

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from sensor_msgs.msg import JointState
from std_msgs.msg import Float32

from vastares_ros.cli.main import main
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.datasets import load_dataset
from vastares_ros.io.robots import config_folder
from vastares_ros.nodes.messages import to_joint_state
from vastares_ros.nodes.process import VASTARES, own_domain, spawn
from vastares_ros.nodes.training import TrainingNode

N = 300


@pytest.fixture
def dataset(tmp_path):
    return tmp_path / "dataset"


@pytest.fixture
def recording(ros, dataset, tmp_path, tiny):
    """A node that records, and a function that publishes N messages to it."""
    config = tmp_path / "train.yaml"
    config.write_text(yaml.safe_dump(asdict(tiny)))
    ros.training = ros.add(
        TrainingNode,
        dataset=str(dataset),
        bundle=str(tmp_path / "bundle"),
        joints=list(JOINTS),
        effort_scale=list(SCALE),
        train_config=str(config),
    )
    publisher = ros.talk()

    def publish(start_s=1_000):
        q, qd, effort = motion(N)
        for i, at in enumerate(stamps(N, start_s)):
            publisher.publish(to_joint_state(at, ("gripper", *JOINTS), *([0.0, *x[i]] for x in (q, qd, effort))))
            ros.executor.spin_once(timeout_sec=0)

    ros.publish = publish
    return ros


def recorded(ros):
    return ros.training._recorder.samples if ros.training._recorder else 0


def set_parameter(node, **values):
    from rclpy.parameter import Parameter

    assert all(r.successful for r in node.set_parameters([Parameter(n, value=v) for n, v in values.items()]))


def test_from_joint_states_to_a_bundle(recording, dataset, tmp_path):
    progress = recording.listen(Float32, "/training/progress")
    loss = recording.listen(Float32, "/training/loss")
    refused = recording.call("/training/train")
    assert not refused.success and "has no recording yet: call /training/start" in refused.message

    started = recording.call("/training/start")
    assert started.success and "recording rec_" in started.message and "shoulder, elbow" in started.message
    assert not recording.call("/training/start").success
    recording.publish()
    recording.wait(lambda: recorded(recording) == N)
    stopped = recording.call("/training/stop")
    assert stopped.success, stopped.message
    assert f"{N} samples, 3.0 s, in 1 episode" in stopped.message
    assert not recording.call("/training/stop").success

    (episode,) = load_dataset(dataset).episodes
    q, qd, effort = motion(N)
    assert np.array_equal(episode.t, np.array(stamps(N)) * 1e-9)
    assert np.array_equal(episode.q, q) and np.array_equal(episode.qd, qd)
    assert np.array_equal(episode.tau, effort * SCALE)

    trained = recording.call("/training/train")
    assert trained.success and "progress is on /training/progress" in trained.message
    again = recording.call("/training/train")
    assert not again.success and "training of" in again.message
    assert recording.call("/training/start").success  # recording goes on beside it, and loses nothing
    recording.publish(start_s=2_000)
    recording.wait(lambda: recorded(recording) == N)
    recording.logged("trained", "nmse", "vastares_ros estimator --ros-args -p bundle:=")
    recording.wait(lambda: progress and progress[-1].data == 1.0)
    assert progress[0].data == 0.0
    assert len(loss) == 1 and loss[0].data > 0
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.joints == JOINTS and bundle.effort.scale == SCALE and bundle.topic == "/joint_states"
    assert recording.call("/training/stop").success
    assert [len(e) for e in load_dataset(dataset).episodes] == [N, N]

    refused = recording.call("/training/train")
    assert not refused.success and "ros2 param set /training bundle FOLDER" in refused.message
    set_parameter(recording.training, bundle=str(tmp_path / "second"), test=[episode.name])
    assert recording.call("/training/train").success
    recording.wait(lambda: (tmp_path / "second").exists())
    assert load_bundle(tmp_path / "second").training["split"]["test"] == [episode.name]


def test_a_killed_recording_loses_less_than_a_second(ros, dataset):
    q, qd, effort = motion(2000)
    given = ["-p", f"dataset:={dataset}", "-p", "joints:=['shoulder', 'elbow']"]
    child = spawn([*VASTARES, "training", "--ros-args", *given])
    publisher = ros.talk()
    sent = []

    def publish():
        i = len(sent)
        sent.append(stamps(2000)[i])
        publisher.publish(to_joint_state(sent[i], JOINTS, q[i], qd[i], effort[i]))

    assert ros.call("/training/start").success
    ros.node.create_timer(1 / RATE, publish)
    ros.wait(lambda: len(sent) == 350)
    child.kill()
    child.wait()
    last = sent[-1] * 1e-9

    ros.add(TrainingNode, dataset=str(dataset))
    ros.logged("recovered rec_", "which was cut off")
    (episode,) = load_dataset(dataset).episodes
    assert 0 <= last - episode.t[-1] < 1.0
    assert np.array_equal(episode.q, q[: len(episode)])
    assert not list(dataset.glob("*.arrows"))


def test_ending_the_node_finishes_the_recording(recording, dataset):
    recording.call("/training/start")
    recording.publish()
    recording.wait(lambda: recorded(recording) == N)
    recording.remove(recording.training)
    assert [len(e) for e in load_dataset(dataset).episodes] == [N]


def test_ending_the_node_ends_the_training(recording, dataset, tmp_path):
    recording.call("/training/start")
    recording.publish()
    recording.wait(lambda: recorded(recording) == N)
    recording.call("/training/stop")
    recording.call("/training/train")
    child = os.pidfd_open(recording.training._training._child.pid)
    recording.remove(recording.training)
    assert select.select([child], [], [], 0)[0]
    assert not (tmp_path / "bundle").exists()


def test_training_that_fails_says_why(recording, tmp_path):
    progress = recording.listen(Float32, "/training/progress")
    recording.call("/training/start")
    recording.publish()
    recording.wait(lambda: recorded(recording) == N)
    recording.call("/training/stop")
    set_parameter(recording.training, train_config=str(tmp_path / "none.yaml"))
    assert recording.call("/training/train").success
    recording.logged("training failed (status 2): vastares train: error:", "none.yaml does not exist")
    recording.wait(lambda: progress and math.isnan(progress[-1].data))


def test_a_recording_waits_for_the_joints_of_the_robot(ros, dataset):
    node = ros.add(TrainingNode, dataset=str(dataset), robot="ur3")
    started = ros.call("/training/start")
    assert started.success and "begins once its joints are published on /joint_states" in started.message
    publisher = ros.talk()
    arm = ("Wrist 3", "Wrist 2", "Wrist 1", "Elbow", "Shoulder", "Base")
    rng = np.random.default_rng(0)
    for at in stamps(N):
        publisher.publish(to_joint_state(at, arm, *rng.normal(size=(3, 6))))
        ros.executor.spin_once(timeout_sec=0)
    ros.wait(lambda: node._recorder and node._recorder.samples == N)
    ros.logged("recording rec_", "Base, Shoulder, Elbow, Wrist 1, Wrist 2, Wrist 3", "scale -1")
    ros.call("/training/stop")
    dataset = load_dataset(dataset)
    assert dataset.robot == "ur3" and dataset.joints == arm[::-1]
    assert dataset.episodes[0].tau[0, 5] == -np.random.default_rng(0).normal(size=(3, 6))[2, 0]


def test_missing_effort_is_told_while_recording(recording):
    recording.call("/training/start")
    publisher = recording.node.create_publisher(JointState, "/joint_states", 10)
    message = to_joint_state(1, JOINTS, [0, 0], [0, 0], [])
    recording.node.create_timer(0.1, lambda: publisher.publish(message))
    recording.logged("position, velocity or effort missing")


def test_nothing_published_is_told_and_kept_out_of_the_dataset(ros, dataset):
    ros.add(TrainingNode, dataset=str(dataset))
    assert "no message has named a joint" in ros.call("/training/start").message
    ros.logged("no joint states on /joint_states, which has no publisher")
    stopped = ros.call("/training/stop")
    assert not stopped.success and "nothing was recorded" in stopped.message
    assert not list(dataset.iterdir())


def test_a_recording_too_short_to_use_is_kept_as_a_file_and_does_not_stand_in_the_way(recording, dataset):
    recording.call("/training/start")
    assert not recording.call("/training/stop").success
    assert len(list(dataset.glob("*.kept.arrows"))) == 1
    for _ in range(3):  # within a second, so that names would repeat
        assert recording.call("/training/start").success
        recording.call("/training/stop")
    assert len(list(dataset.glob("*.kept.arrows"))) == 4


def test_two_nodes_do_not_record_into_one_dataset(recording, dataset, capfd):
    with own_domain():
        assert main(["training", "--ros-args", "-p", f"dataset:={dataset}"]) == 2
    assert "another node records into" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "parameter dataset is not set: add --ros-args -p dataset:=FOLDER"),
        (["dataset:={}", "robot:=r2d2"], "robot 'r2d2' is unknown"),
        (["dataset:={}", "effort_unit:=mV"], "effort unit 'mV' is unknown"),
        (["dataset:={}", "effort_scale:=[0.0]"], "holds a zero"),
        (["dataset:={}", "effort_scale:=[1]"], "expecting type 'DOUBLE_ARRAY'"),
    ],
)
def test_what_it_cannot_start_with_is_one_line_and_status_2(tmp_path, capfd, given, told):
    with own_domain():
        arguments = [part for p in given for part in ("-p", p.format(tmp_path / "d"))]
        assert main(["training", "--ros-args", *arguments]) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and told in lines[0]


def test_the_parameter_file_has_every_parameter_with_its_default(ros, dataset):
    node = ros.add(TrainingNode, dataset=str(dataset))
    text = (config_folder() / "training.yaml").read_text(encoding="utf-8")
    file = yaml.safe_load(text)["/**"]["ros__parameters"]
    declared = {name: p.value for name, p in parameters(node).items()}
    unset = {"joints", "effort_scale", "test"}
    assert {n: v for n, v in declared.items() if n not in unset} == file | {"dataset": str(dataset)}
    assert all(f"# {name}: [" in text for name in unset)
