# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The training node: what it records, what survives, what it says is missing, and the bundle that comes of it."""

import math
import os
import select
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import yaml
from made import JOINTS, RATE, SCALE, made_dataset, motion, parameters, stamps

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32

from vastares_ros.cli.main import main
from vastares_ros.io.bags import MessageTable, write_joint_states
from vastares_ros.io.bundles import load_bundle, save_bundle
from vastares_ros.io.datasets import load_dataset
from vastares_ros.io.robots import config_folder
from vastares_ros.nodes.bundle_request import BundleRequest
from vastares_ros.nodes.estimator import EstimatorNode
from vastares_ros.nodes.messages import named_values, to_joint_state
from vastares_ros.nodes.process import VASTARES, own_domain, spawn
from vastares_ros.nodes.training import FLUSH, TrainingNode
from vastares_ros.training.fit import fit

N = 300
BEST_EFFORT = ReliabilityPolicy.BEST_EFFORT


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
    return ros.training._data.recorder.samples if ros.training._data.recorder else 0


@pytest.fixture
def like_ours(tmp_path, tiny):
    """A bundle of the same joints and effort as the training node records, for an estimator to begin with."""
    path = tmp_path / "like_ours"
    save_bundle(path, fit(replace(made_dataset(), robot="unknown"), tiny, torch.device("cpu")))
    return path


def test_from_joint_states_to_a_bundle_that_an_estimator_is_handed(recording, dataset, like_ours, tmp_path):
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
    assert len(loss) == 4 and min(x.data for x in loss) > 0  # of the model, and of three without a block, for the bound
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.joints == JOINTS and bundle.effort.scale == SCALE and bundle.topic == "/joint_states"
    assert recording.call("/training/stop").success
    assert [len(e) for e in load_dataset(dataset).episodes] == [N, N]

    refused = recording.call("/training/train")
    assert not refused.success and "ros2 param set /training bundle FOLDER" in refused.message
    second = tmp_path / "second"
    estimator = recording.add(EstimatorNode, bundle=str(like_ours))
    assert not recording.set("/training", bundle=str(second), test=[episode.name], estimator="estimator")
    assert recording.call("/training/train").success
    recording.wait(lambda: estimator.parameter("bundle") == str(second))
    recording.wait(lambda: not recording.training._trainer._request)
    assert not recording.training._trainer.failure
    assert load_bundle(second).training["split"]["test"] == [episode.name]


def on_disk(dataset):
    """The samples of a recording that is being made that a killed process would leave."""
    samples = 0
    for path in dataset.glob("*.recording.arrows"):
        with suppress(pa.ArrowInvalid):  # where the next batch is being written
            for batch in pa.ipc.open_stream(path.read_bytes()):
                samples += batch.num_rows
    return samples


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
    timer = ros.node.create_timer(1 / RATE, lambda: publish() if len(sent) < 350 else None)
    ros.wait(lambda: on_disk(dataset) == 350)  # nobody asked for it, and the recording is not ended
    timer.cancel()
    child.kill()
    child.wait()

    ros.add(TrainingNode, dataset=str(dataset))
    ros.logged("recovered rec_", "which was cut off")
    (episode,) = load_dataset(dataset).episodes
    assert np.array_equal(episode.t, np.array(sent) * 1e-9) and np.array_equal(episode.q, q[:350])
    assert not list(dataset.glob("*.arrows"))


def test_what_was_recorded_is_written_more_than_once_a_second(recording):
    assert FLUSH < 1.0 and FLUSH * 1e9 in {timer.timer_period_ns for timer in recording.training.timers}


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
    child = os.pidfd_open(recording.training._trainer.process.pid)
    recording.remove(recording.training)
    assert select.select([child], [], [], 0)[0]
    assert not (tmp_path / "bundle").exists()


def test_a_bundle_that_is_not_taken_is_told_with_the_reason(recording, like_ours, bundle_path, monkeypatch):
    def answer(estimator):
        request, answers = BundleRequest(recording.training, estimator, like_ours), []
        recording.wait(lambda: answers.append(request.poll()) or answers[-1])
        request.close()
        return answers[-1]

    recording.add(EstimatorNode, bundle=str(bundle_path))
    taken, words = answer("/estimator")
    assert not taken and f"/estimator refused {like_ours}: {like_ours} is for unknown" in words
    monkeypatch.setattr("vastares_ros.nodes.bundle_request.PATIENCE", 0.2)
    assert answer("/nobody") == (False, f"/nobody does not answer, so it was not given {like_ours}: is it running?")


def test_training_that_fails_says_why(recording, tmp_path):
    progress = recording.listen(Float32, "/training/progress")
    recording.call("/training/start")
    recording.publish()
    recording.wait(lambda: recorded(recording) == N)
    recording.call("/training/stop")
    assert "none.yaml does not exist" in recording.set("/training", train_config=str(tmp_path / "none.yaml"))
    (tmp_path / "train.yaml").unlink()
    health = diagnosed(recording)
    assert recording.call("/training/train").success
    recording.logged("training failed (status 2): vastares train: error:", "train.yaml does not exist")
    recording.wait(lambda: progress and math.isnan(progress[-1].data))
    recording.wait(lambda: health["level"] == b"\2" and "train.yaml does not exist" in health["message"])
    assert "device 'gpu' is unknown" in recording.set("/training", device="gpu")
    assert not recording.set("/training", device="cpu", train_config="")
    assert recording.call("/training/train").success  # which forgets the failure
    command = Path(f"/proc/{recording.training._trainer.process.pid}/cmdline").read_text().split("\0")
    assert command[command.index("--device") + 1] == "cpu" and "--config" not in command
    recording.wait(lambda: health["level"] == b"\0" and health["message"].startswith("training"))


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
    ros.wait(lambda: node._data.recorder and node._data.recorder.samples == N)
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


def test_two_nodes_do_not_record_into_one_dataset(recording, dataset):
    second = recording.add(TrainingNode, {"namespace": "/second"}, dataset=str(dataset))
    assert second.state == "unconfigured" and "another node records into" in second.last_error
    assert not recording.set("/second/training", dataset=f"{dataset}_2")
    assert recording.transition("/second/training", "configure")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "parameter dataset is not set: give it the folder to record into"),
        ({"robot": "r2d2"}, "robot 'r2d2' is unknown"),
        ({"effort_unit": "mV"}, "effort unit 'mV' is unknown"),
        ({"effort_scale": [0.0]}, "holds a zero"),
        ({"device": "gpu"}, "device 'gpu' is unknown"),
        ({"train_config": "none.yaml"}, "none.yaml does not exist"),
    ],
)
def test_what_it_cannot_be_configured_with_is_told_and_can_be_mended(ros, dataset, given, told):
    folder = {"dataset": str(dataset)} if given else {}
    node = ros.add(TrainingNode, **folder, **given)
    assert node.state == "unconfigured" and told in node.last_error


def test_no_train_config_that_a_peer_asks_for_ends_the_node(recording, tmp_path):
    for text, told in (
        ("epochs: !!int foo", "tag !!int is not used here"),
        ("epochs: 2020-13-45", "epochs is '2020-13-45': use a whole number"),
        ("a: " + "[" * 3000, "more than 20 lists"),
        ("a: &a [*a]", "alias a is within itself"),
        ("filter: {cutoff_hz: 1" + "0" * 400 + "}", "use a finite number"),
    ):
        (tmp_path / "hostile.yaml").write_text(text)
        assert told in recording.set("/training", train_config=str(tmp_path / "hostile.yaml"))
    assert "File name too long" in recording.set("/training", train_config="x" * 5000)
    assert "home directory" in recording.set("/training", train_config="~nobody_of_this_name/x")
    assert record(recording).success


@pytest.mark.ros
def test_a_parameter_of_another_type_is_one_line_and_status_2(tmp_path, capfd):
    with own_domain():
        assert main(["training", "--ros-args", "-p", f"dataset:={tmp_path}", "-p", "effort_scale:=[one]"]) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and "expecting type 'DOUBLE_ARRAY'" in lines[0]


def diagnosed(ros):
    """The newest diagnostics of the training node: level, message and values, as they come."""
    newest = {}

    def take(message):
        for status in message.status:
            if status.name == "/training":
                newest.update(level=status.level, message=status.message, **{v.key: v.value for v in status.values})

    ros.node.create_subscription(DiagnosticArray, "/diagnostics", take, 10)
    return newest


def talk_best_effort(ros):
    return ros.node.create_publisher(JointState, "/joint_states", QoSProfile(depth=10, reliability=BEST_EFFORT))


def record(ros, samples=N):
    """Record one piece of motion to its end."""
    ros.call("/training/start")
    ros.publish()
    ros.wait(lambda: recorded(ros) == samples)
    return ros.call("/training/stop")


def test_a_walk_through_the_lifecycle(recording, dataset):
    def transition(label):
        return recording.transition("/training", label)

    health = diagnosed(recording)
    recording.call("/training/start")
    recording.publish()
    recording.wait(lambda: recorded(recording) == N)
    assert transition("deactivate")  # which finishes the recording
    assert [len(e) for e in load_dataset(dataset).episodes] == [N]
    recording.publish()
    refused = recording.call("/training/start")
    assert not refused.success and "the node is inactive" in refused.message
    recording.wait(lambda: health.get("message", "").startswith("inactive"))
    assert transition("cleanup")  # which gives the dataset to another
    other = recording.add(TrainingNode, {"namespace": "/other"}, dataset=str(dataset), autostart=False)
    assert other.state == "unconfigured"  # until it is asked
    other.trigger_configure()
    assert other.state == "inactive"
    assert not transition("configure")
    other.trigger_cleanup()
    assert transition("configure") and transition("activate")
    assert record(recording).success
    assert transition("shutdown")
    assert recording.training.state == "finalized"


def test_discard_drops_the_recording_that_is_on_or_else_the_last(recording, dataset):
    assert "nothing was recorded" in recording.call("/training/discard").message
    names = [record(recording).message.partition(":")[0] for _ in range(2)]
    recording.call("/training/start")
    recording.publish()
    recording.wait(lambda: recorded(recording) == N)
    on = recording.training._data.recorder.name
    dropped = recording.call("/training/discard")
    assert dropped.success and f"discarded {on}: it was moved to {dataset}/discarded/{on}" in dropped.message
    assert [e.name for e in load_dataset(dataset).episodes] == names
    assert f"discarded {names[1]}" in recording.call("/training/discard").message
    assert [e.name for e in load_dataset(dataset).episodes] == names[:1]
    assert len(load_dataset(dataset / "discarded" / names[1]).episodes[0]) == N
    recording.call("/training/train")
    refused = recording.call("/training/discard")
    assert not refused.success and "reads the recordings" in refused.message


def test_coverage_and_what_to_do_are_published(ros, dataset):
    health, coverage = diagnosed(ros), []
    limits = {"position_min": [-1.0], "position_max": [1.0, 2.0], "velocity_max": [3.0, 6.0]}
    node = ros.add(TrainingNode, dataset=str(dataset), joints=list(JOINTS), enough_seconds=0.0, **limits)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    ros.node.create_subscription(JointState, "/training/coverage", coverage.append, latched)
    ros.wait(lambda: coverage)
    assert not coverage[-1].name  # nothing recorded yet
    ros.wait(lambda: health.get("message") == "call /training/start to record; missing: any motion")
    assert health["recording"] == "" and float(health["disk_left_gb"]) > 0

    publisher = ros.talk()
    q, qd, effort = motion(N)
    q[:, 1] = np.maximum(q[:, 1], 0.0)
    ros.call("/training/start")
    for i, at in enumerate(stamps(N)):
        publisher.publish(to_joint_state(at, JOINTS, q[i], qd[i], effort[i]))
        ros.executor.spin_once(timeout_sec=0)
    ros.wait(lambda: node._data.recorder and node._data.recorder.samples == N)
    ros.wait(lambda: coverage[-1].position and coverage[-1].position[0] > 0.85)
    assert tuple(coverage[-1].name) == JOINTS
    assert coverage[-1].velocity[0] > 0.9 and 0.4 < coverage[-1].velocity[1] < 0.6
    assert 0.2 < coverage[-1].position[1] < 0.4
    ros.wait(lambda: "missing: elbow: never moved between" in health["message"])
    assert health["level"] == b"\0" and health["message"].startswith("recording rec_")
    assert not ros.set("/training", enough_coverage=0.2)
    ros.wait(lambda: "enough data: call /training/stop, then /training/train" in health["message"])
    ros.call("/training/stop")
    assert not ros.set("/training", enough_seconds=100.0)
    ros.wait(lambda: health["message"] == "call /training/start to record; missing: 97 s more of recording")
    assert float(health["recorded_s"]) == pytest.approx(2.99) and health["episodes"] == "1"
    assert not ros.set("/training", enough_seconds=1.0)
    ros.wait(lambda: health["message"] == "enough data: call /training/train")
    assert coverage[-1].position[0] > 0.85

    ros.remove(node)  # a node that comes later knows what was recorded before
    health.clear()
    ros.add(TrainingNode, dataset=str(dataset), joints=list(JOINTS), enough_coverage=0.2, enough_seconds=1.0)
    ros.wait(lambda: health.get("message", "").startswith("enough data"))
    assert health["episodes"] == "1" and float(health["recorded_s"]) == pytest.approx(2.99)


def test_a_range_that_is_none_is_told(ros, dataset):
    ros.add(TrainingNode, dataset=str(dataset), joints=list(JOINTS), position_min=[1.0], position_max=[0.5])
    refused = ros.call("/training/start")
    assert not refused.success and "position_min 1 must be below position_max 0.5" in refused.message


def test_contact_is_not_recorded(ros, dataset):
    health = diagnosed(ros)
    node = ros.add(TrainingNode, dataset=str(dataset), joints=list(JOINTS), contact_topic="/estimator/contact")
    ros.call("/training/start")
    ros.wait(lambda: any("nothing on /estimator/contact" in finding.text for finding in node.report().findings))
    joint_states, contact = ros.talk(), ros.talk("/estimator/contact")
    q, qd, effort = motion(800)

    def taken():
        data = node._data
        return data.recorder.samples + len(data._filter._held) + data.refused

    for i, at in enumerate(stamps(800)):
        message = to_joint_state(at, JOINTS, q[i], qd[i], effort[i])
        joint_states.publish(message)
        touched = 300 <= i < 350
        ros.wait(lambda i=i: taken() == i + 1)
        report = named_values("", JOINTS, [float(touched), 0.0])
        report.header.stamp = message.header.stamp
        contact.publish(report)
        if i == 320:
            ros.wait(lambda: "contact, so nothing is recorded" in health["message"])
            assert health["level"] == b"\1"
    assert ros.call("/training/stop").success
    before, after = load_dataset(dataset).episodes
    start = stamps(1)[0] * 1e-9
    assert before.t[-1] - start == pytest.approx(2.49, abs=0.011)  # half a second before the contact at 3.0 s
    assert after.t[0] - start == pytest.approx(4.0, abs=0.011)  # and after its end at 3.49 s
    assert len(before) + len(after) + int(node._data.refused) == 800
    ros.wait(lambda: health["refused_during_contact"] == str(node._data.refused))


def test_a_best_effort_robot_is_heard_when_asked_for(ros, dataset):
    health = diagnosed(ros)
    publisher = talk_best_effort(ros)
    deaf = ros.add(TrainingNode, dataset=str(dataset))
    ros.wait(lambda: "set parameter reliability to best_effort" in health.get("message", ""))
    ros.remove(deaf)
    node = ros.add(TrainingNode, dataset=str(dataset), reliability="best_effort")
    ros.node.create_timer(0.05, lambda: publisher.publish(to_joint_state(1, JOINTS, [0, 0], [0, 0], [0, 0])))
    ros.wait(lambda: set(JOINTS) <= set(node._published))


def test_bags_are_recorded_too(ros, dataset, tmp_path):
    q, qd, effort = motion(N)
    for name in ("one", "two"):
        table = MessageTable(JOINTS, np.array(stamps(N)), np.array(stamps(N)), q, qd, effort)
        write_joint_states(tmp_path / name, {"/joint_states": table})
    bags = [str(tmp_path / name) for name in ("one", "two")]
    ros.add(TrainingNode, dataset=str(dataset), joints=list(JOINTS), effort_unit="A", bags=bags)
    done = ros.call("/training/start")
    assert done.success and "one: 300 samples" in done.message and "two: 300 samples" in done.message
    read = load_dataset(dataset)
    assert [e.name for e in read.episodes] == ["one", "two"] and read.effort.unit == "A"
    assert np.array_equal(read.episodes[1].q, q)
    refused = ros.call("/training/start")
    assert not refused.success and "holds a recording 'one' already" in refused.message
    assert not ros.set("/training", bags=[str(tmp_path / "three")])
    assert not ros.call("/training/start").success and len(load_dataset(dataset).episodes) == 2


def test_a_dataset_that_cannot_be_made_is_told(ros, tmp_path):
    (tmp_path / "file").touch()
    node = ros.add(TrainingNode, dataset=str(tmp_path / "file" / "dataset"))
    assert node.state == "unconfigured" and "cannot be made (Not a directory)" in node.last_error


def test_the_parameter_file_has_every_parameter_with_its_default(ros, dataset):
    node = ros.add(TrainingNode, dataset=str(dataset))
    text = (config_folder() / "training.yaml").read_text(encoding="utf-8")
    file = yaml.safe_load(text)["/**"]["ros__parameters"]
    declared = {name: p.value for name, p in parameters(node).items()}
    unset = {"joints", "effort_scale", "position_min", "position_max", "velocity_max", "bags", "test"}
    assert {n: v for n, v in declared.items() if n not in unset} == file | {"dataset": str(dataset)}
    assert all(f"# {name}: [" in text for name in unset)
