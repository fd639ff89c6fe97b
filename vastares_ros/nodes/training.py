"""The node `training`: records joint states into a dataset, and trains on it in a child process.

Parameters: dataset (required), robot, joints, effort_unit, effort_scale; and, free to change while it runs, bundle,
train_config, test, device. config/training.yaml explains them.
Subscribes to joint_states. Services (std_srvs/Trigger): ~/start and ~/stop a recording, ~/train a bundle.
Publishes how training goes (std_msgs/Float32): ~/progress from 0 to 1, NaN once it failed, and ~/loss.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import tempfile
from collections.abc import Sequence
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32
from std_srvs.srv import Trigger

from vastares_ros.core.errors import ConfigError, DatasetError, RobotError, VastaresError
from vastares_ros.core.joints import JointAssembler
from vastares_ros.core.robot import Effort, choose_driver
from vastares_ros.core.samples import seconds
from vastares_ros.io.bundles import read_index
from vastares_ros.io.datasets import Dataset, Recorder, check_recordable, is_dataset, recover
from vastares_ros.io.robots import load_robot
from vastares_ros.nodes.messages import from_joint_state
from vastares_ros.nodes.process import STEADY, VASTARES, declare, end, reliable, run, spawn
from vastares_ros.nodes.watch import LOOK, Watch

DEPTH = 1000  # messages that wait while the node is held up: 2 s at 500 Hz
FLUSH = 0.5  # seconds between two writes: a crash loses no more
POLL = 0.2  # seconds between two looks at the training process
WARN_PERIOD = 5.0  # seconds between two warnings
NICE = ("nice", "-n", "10")  # training yields to recording, and to all else on a robot's computer


class TrainingNode(Node):
    """Records while it is told to, and trains beside that."""

    def __init__(self, **options: Any):
        """Take up what a crash left behind, and wait.

        Args:
            options: of `rclpy.node.Node`.

        Raises:
            ConfigError: a parameter is missing or wrong.
            RobotError: the robot, or the unit or scale of effort, is unknown.
            DatasetError: another node records into the dataset.
        """
        super().__init__("training", **options)
        strings, doubles = Parameter.Type.STRING_ARRAY, Parameter.Type.DOUBLE_ARRAY
        folder = declare(self, "dataset", "", "folder that recordings are added to, required")
        robot = declare(self, "robot", "", "name or YAML file of the robot: its joint names and what effort means")
        joints = declare(self, "joints", strings, "joints to record, in order; unset: the robot's, or all")
        unit = declare(self, "effort_unit", "", "N·m or A; empty: the robot's, or N·m")
        scale = declare(
            self, "effort_scale", doubles, "effort × scale = torque; one, or one a joint; unset: the robot's"
        )
        declare(self, "bundle", "", "folder that training writes; it must not exist yet", read_only=False)
        declare(self, "train_config", "", "training configuration, a YAML file; empty: defaults", read_only=False)
        declare(self, "test", strings, "recordings kept out of training to judge the model", read_only=False)
        declare(self, "device", "auto", "device to train on: auto, cpu, cuda or cuda:N", read_only=False)
        if not folder:
            raise ConfigError("parameter dataset is not set: add --ros-args -p dataset:=FOLDER, to record into")

        self._robot = load_robot(robot) if robot else None
        self._joints, self._unit, self._scale = tuple(joints or ()), unit, tuple(scale or ())
        Effort(unit or "N·m", self._scale)  # says now, not at the first recording, what is wrong with them
        self._published: dict[str, None] = {}  # all joint names seen, in order
        self._waiting = False  # a recording is asked for, but its joints were not seen yet
        self._recorder: Recorder | None = None
        self._assembler = JointAssembler((), ())
        self._training: Training | None = None
        self._folder = Path(folder).expanduser()
        check_recordable(self._folder)
        self._lock = _lock(self._folder)
        self._recover()

        self._progress = self.create_publisher(Float32, "~/progress", reliable(10))
        self._loss = self.create_publisher(Float32, "~/loss", reliable(10))
        self.create_service(Trigger, "~/start", self._on_start)
        self.create_service(Trigger, "~/stop", self._on_stop)
        self.create_service(Trigger, "~/train", self._on_train)
        self.create_timer(FLUSH, self._flush, clock=STEADY)
        self.create_timer(POLL, self._follow_training, clock=STEADY)
        self.create_timer(LOOK, self._look, clock=STEADY)
        joint_states = self.create_subscription(JointState, "joint_states", self.on_joint_state, reliable(DEPTH))
        self._topic = joint_states.topic_name
        self._watch = Watch(self._topic, WARN_PERIOD)
        self.get_logger().info(f"ready to record {self._topic} into {self._folder}: call {self._name('start')}")

    def destroy_node(self) -> None:
        """Finish the recording, end the training, and go."""
        if self._recorder:
            self.get_logger().info(self._finish()[1])
        if self._training:
            self._training.end()
            self.get_logger().warning(f"training ended with the node: {self._training.bundle} is not written")
            self._training = None
        super().destroy_node()

    def on_joint_state(self, message: JointState) -> None:
        """Record one message, while a recording is on."""
        stamp_ns, names, *values = from_joint_state(message)
        self._watch.message(names)
        self._published |= dict.fromkeys(names)
        if self._waiting:
            self._begin_late()
        if self._recorder is None:
            return
        try:
            sample = self._assembler.push(seconds(stamp_ns), names, *values)
        except VastaresError as error:
            self._watch.problem(str(error))
            return
        if sample is None:
            return
        self._watch.sample()
        self._recorder.append(sample)
        if not np.isfinite([sample.q, sample.qd, sample.tau]).all():
            self._watch.problem("position, velocity or effort missing, so it is left out: mend the driver")

    def _on_start(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._recorder or self._waiting:
            return _refuse(response, f"a recording is on already: call {self._name('stop')} to end it")
        try:
            response.message = self._begin()
        except RobotError as error:  # not all joints were published yet, or never will be
            self._waiting = True
            response.message = f"recording begins once its joints are published on {self._topic}; so far: {error}"
        except VastaresError as error:
            return _refuse(response, str(error))
        response.success = True
        self.get_logger().info(response.message)
        return response

    def _begin_late(self) -> None:
        try:
            self.get_logger().info(self._begin())
        except RobotError as error:
            self._watch.problem(str(error))
        except VastaresError as error:
            self._waiting = False
            self.get_logger().error(f"no recording: {error}")

    def _begin(self) -> str:
        driver = choose_driver(self._robot, tuple(self._published), self._joints, self._unit, self._scale)
        robot = self._robot.name if self._robot else "unknown"
        dataset = Dataset(robot, driver.joints, self._topic, driver.effort, rate=0.0, episodes=())
        self._recorder = Recorder(self._folder, dataset, _new_name(self._folder))
        self._assembler = JointAssembler(driver.joints, driver.effort.scale)
        self._waiting = False
        return (
            f"recording {self._recorder.name}: {', '.join(driver.joints)}, effort in {driver.effort.unit} "
            f"(scale {', '.join(f'{s:g}' for s in driver.effort.scale)}); call {self._name('stop')} to end it"
        )

    def _on_stop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._waiting:
            self._waiting = False
            return _refuse(response, f"nothing was recorded: the joints were never published on {self._topic}")
        if self._recorder is None:
            return _refuse(response, f"no recording is on: call {self._name('start')}")
        response.success, response.message = self._finish()
        self.get_logger().info(response.message)
        return response

    def _finish(self) -> tuple[bool, str]:
        assert self._recorder is not None
        recorder, self._recorder = self._recorder, None
        try:
            episodes = recorder.finish()
        except DatasetError as error:
            return False, str(error)
        duration = sum(e.t[-1] - e.t[0] for e in episodes)
        samples = sum(len(e) for e in episodes)
        pieces = f"{len(episodes)} episode{'s' * (len(episodes) != 1)}"
        return True, (
            f"{recorder.name}: {samples} samples, {duration:.1f} s, in {pieces}, are in {self._folder}: "
            f"call {self._name('start')} for more or {self._name('train')}"
        )

    def _recover(self) -> None:
        try:
            episodes = recover(self._folder)
        except DatasetError as error:
            self.get_logger().error(str(error))
            return
        for episode in episodes:
            duration = episode.t[-1] - episode.t[0]
            self.get_logger().warning(f"recovered {episode.name}, which was cut off: {duration:.1f} s of it")

    def _flush(self) -> None:
        if self._recorder is None:
            return
        try:
            self._recorder.flush()
        except OSError as error:  # a full disk
            self.get_logger().error(f"recording {self._recorder.name} ends: {self._folder} cannot be written ({error})")
            self._recorder = None  # what is on disk is recovered at the next start

    def _look(self) -> None:
        if self._recorder is None and not self._waiting:
            return
        if complaint := self._watch.look(self.count_publishers(self._topic), self._assembler.missing):
            self.get_logger().warning(complaint)

    def _on_train(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        bundle, test = self._parameter("bundle"), self._parameter("test")
        set_bundle = f"ros2 param set {self.get_fully_qualified_name()} bundle FOLDER"
        if self._training:
            return _refuse(response, f"training of {self._training.bundle} is on: wait for {self._name('progress')} 1")
        if not bundle:
            return _refuse(response, f"parameter bundle is not set: {set_bundle}")
        path = Path(bundle).expanduser()
        if path.exists():
            return _refuse(response, f"{path} exists and is not replaced: give parameter bundle another, {set_bundle}")
        if not is_dataset(self._folder):
            return _refuse(response, f"{self._folder} has no recording yet: call {self._name('start')}")
        options = ["--device", self._parameter("device")]
        if config := self._parameter("train_config"):
            options += ["--config", str(Path(config).expanduser())]
        if test:
            options += ["--test", *test]
        self._training = Training(self._folder, path, options)
        self._progress.publish(Float32(data=0.0))
        without = f", without {self._recorder.name}, which is still on" if self._recorder else ""
        response.success = True
        response.message = f"training {path} on {self._folder}{without}: progress is on {self._name('progress')}"
        self.get_logger().info(response.message)
        return response

    def _follow_training(self) -> None:
        if self._training is None:
            return
        epochs, status = self._training.poll()
        for epoch in epochs:
            done, of = epoch["epoch"], epoch["epochs"]
            self._progress.publish(Float32(data=done / of))
            self._loss.publish(Float32(data=epoch["loss"]))
            if 10 * done // of > 10 * (done - 1) // of:
                self.get_logger().info(f"epoch {done} of {of}: loss {epoch['loss']:.4f}")
        if status is None:
            return
        training, self._training = self._training, None
        if status:
            self._progress.publish(Float32(data=math.nan))
            self.get_logger().error(f"training failed (status {status}): {training.last_line}")
            return
        self._progress.publish(Float32(data=1.0))
        metrics = read_index(training.bundle)["metrics"]
        self.get_logger().info(
            f"trained {training.bundle}: nmse {metrics['nmse_mean']['model']:.3f} on {metrics['of']} recordings. "
            f"Next: ros2 run vastares_ros estimator --ros-args -p bundle:={training.bundle}"
        )

    def _parameter(self, name: str) -> Any:
        return self.get_parameter_or(name, Parameter(name)).value

    def _name(self, name: str) -> str:
        return f"{self.get_fully_qualified_name()}/{name}"


class Training:
    """`vastares train` in a child process; what it prints goes through a file, so that neither waits for the other.

    Attributes:
        bundle: the folder it will write.
        last_line: the last that it said; its error, if it failed.
    """

    def __init__(self, dataset: Path, bundle: Path, options: Sequence[str]):
        """Start it."""
        self.bundle = bundle
        self.last_line = ""
        self._rest = ""
        self._log = tempfile.NamedTemporaryFile("r", prefix="vastares_train_", encoding="utf-8")  # noqa: SIM115
        command = [*NICE, *VASTARES, "train", str(dataset), "-o", str(bundle), "--json-progress", "--force", *options]
        with open(self._log.name, "w", encoding="utf-8") as log:
            self._child = spawn(command, stdout=log, stderr=log)

    def poll(self) -> tuple[list[dict[str, Any]], int | None]:
        """Epochs that ended since the last call, and the exit status once it has one."""
        status = self._child.poll()  # before reading, so that nothing it said is left
        *lines, self._rest = (self._rest + self._log.read()).split("\n")
        self.last_line = next((line for line in reversed(lines) if line.strip()), self.last_line)
        return [json.loads(line) for line in lines if line.startswith("{")], status

    def end(self) -> None:
        """End it before it is done."""
        end(self._child)


def main(args: Sequence[str]) -> int:
    """Run the node until SIGINT or SIGTERM.

    Raises:
        VastaresError: an argument or a parameter is of no use.
    """
    return run(lambda context: TrainingNode(context=context), args)


def _refuse(response: Trigger.Response, why: str) -> Trigger.Response:
    response.success, response.message = False, why
    return response


def _lock(folder: Path) -> int:
    """Hold the folder as long as this process lives: another recorder would take our recording for a crashed one."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise DatasetError(f"another node records into {folder}: end it, or choose another dataset") from None
    return lock


def _new_name(folder: Path) -> str:
    """`rec_20260101_120000`; a second one in the same second ends in `_2`."""
    name = f"rec_{datetime.now():%Y%m%d_%H%M%S}"
    names = chain([name], (f"{name}_{i}" for i in count(2)))
    return next(n for n in names if not any(folder.glob(f"{n}*")))
