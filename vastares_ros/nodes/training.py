# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node `training`: records joint states into a dataset, says what is still missing, and trains in a child process.

A lifecycle node: `configure` takes the dataset folder for itself and adds what a crash cut off, `activate` listens to
joint_states, `deactivate` finishes the recording, `cleanup` ends the training and gives the folder back. Its
parameters, topics and services stand in `interfaces.TRAINING`; config/training.yaml explains the parameters.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.subscription import SubscriptionEventCallbacks
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from vastares_ros.core.arm import joint_limits
from vastares_ros.core.coverage import Coverage
from vastares_ros.core.errors import ConfigError, DatasetError, RobotError, VastaresError, printable
from vastares_ros.core.joints import JointAssembler
from vastares_ros.core.robot import Driver, Effort, choose_driver
from vastares_ros.core.samples import all_plausible, seconds
from vastares_ros.io.bags import read_joint_states, recording_from
from vastares_ros.io.datasets import Dataset, is_dataset
from vastares_ros.io.recorder import recover
from vastares_ros.io.recordings import RecordingSession
from vastares_ros.io.robots import load_robot
from vastares_ros.nodes.diagnostics import PERIOD, Finding, Level, Report, Watch
from vastares_ros.nodes.interfaces import TRAINING
from vastares_ros.nodes.managed import STEADY, ManagedNode, overridable, qos
from vastares_ros.nodes.messages import JointStateReader, from_stamp, to_joint_state
from vastares_ros.nodes.process import run
from vastares_ros.nodes.training_process import Trainer
from vastares_ros.runtime.device import device_for
from vastares_ros.training.config import read_config

DEPTH = 1000  # messages that wait while the node is held up: 2 s at 500 Hz
FLUSH = 0.5  # seconds between two writes: a crash loses no more
LOW_DISK = 1e9  # bytes left below which it is time to free some
SILENCE = 3.0  # seconds without a report of the estimator that are worth a warning


class TrainingNode(ManagedNode):
    """Records while a recording is on, and trains beside that."""

    PARAMETERS = TRAINING.parameters
    TOPICS = TRAINING.topics
    SERVICES = TRAINING.services

    def __init__(self, **options: Any):
        """Wait to be configured.

        Args:
            options: of `rclpy.node.Node`.
        """
        self._recordings: RecordingSession | None = None
        self._failure = ""  # why the last recording failed, until the next is started
        super().__init__("training", **options)
        self._trainer = Trainer(self)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._coverage = self.create_publisher(JointState, "~/coverage", latched)
        for name, answer in (
            ("start", self._start),
            ("stop", self._stop),
            ("discard", self._discard),
            ("train", self._train),
        ):
            self.create_service(Trigger, f"~/{name}", self._answering(answer))
        self.create_timer(FLUSH, self._flush, clock=STEADY)
        self.create_timer(PERIOD, self._publish_coverage_while_recording, clock=STEADY)

    def configure(self) -> None:
        """Take the dataset, and add what a crash cut off."""
        folder = self.parameter("dataset")
        if not folder:
            raise ConfigError("parameter dataset is not set: give it the folder to record into", field="dataset")
        robot = self.parameter("robot")
        self._robot = load_robot(robot) if robot else None
        # Says now, not at the first recording, what is wrong with them.
        Effort(self.parameter("effort_unit") or "N·m", tuple(self.parameter("effort_scale") or ()))
        for parameter in self.PARAMETERS:
            self.check(parameter.name, self.parameter(parameter.name))
        path = Path(folder).expanduser()
        self._recordings = RecordingSession(path, self._new_coverage, bool(self.parameter("contact_topic")))
        self._recover(path)
        self._recordings.survey()
        self._failure = ""
        self.hardware_id = self._robot.name if self._robot else ""

    def activate(self) -> None:
        """Subscribe to the joint states, and to contact if `contact_topic` is set; nothing is recorded yet."""
        self._waiting = False  # a recording is asked for, but its joints were not seen yet
        self._published: dict[str, None] = {}  # all joint names seen, in order
        self._reader = JointStateReader()
        self._assembler = JointAssembler((), ())
        self._touched = False  # whether the estimator's last report was of contact
        self._reported = time.monotonic()  # when it came
        self._incompatible = ""  # what a publisher of joint_states does not offer
        profile = qos(DEPTH, self.parameter("reliability"))
        self._inputs = [
            self.create_subscription(
                JointState,
                "joint_states",
                self.on_joint_state,
                profile,
                raw=True,
                event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible),
                qos_overriding_options=overridable(),
            )
        ]
        self._topic = self._inputs[0].topic_name
        self._watch = Watch(self._topic)
        if topic := self.parameter("contact_topic"):
            best_effort = qos(DEPTH, "best_effort")  # hears both kinds of publisher
            self._inputs.append(self.create_subscription(JointState, topic, self.on_contact, best_effort))
        self._publish_coverage()
        self.get_logger().info(f"ready to record {self._topic} into {self._data.folder}: call {self._name('start')}")

    def deactivate(self) -> None:
        """Finish the recording, and listen no more."""
        self._waiting = False
        if self._data.recorder:
            try:
                self.get_logger().info(self._finish())
            except (VastaresError, OSError) as error:
                self.get_logger().error(str(error))
        for subscription in self._inputs:
            self.destroy_subscription(subscription)

    def release(self) -> None:
        """End the training, and give the dataset back."""
        self._trainer.end()
        if self._recordings:
            self._recordings.close()
            self._recordings = None

    def check(self, name: str, value: Any) -> None:
        """Refuse what recording or training cannot use."""
        if name == "device":
            device_for(value)
        elif name == "train_config" and value:
            read_config(Path(value).expanduser(), {})

    def on_joint_state(self, raw: bytes) -> None:
        """Record one serialised message, while a recording is on."""
        message = self._reader.read(raw)
        self._published |= dict.fromkeys(message.names)
        if not (self._data.recorder or self._waiting):
            return
        self._watch.message(message.frame_id, message.names)
        if self._waiting:
            self._begin_late()
        if self._data.recorder is None:
            return
        try:
            sample = self._assembler.push(
                seconds(message.stamp_ns), message.names, message.position, message.velocity, message.effort
            )
        except VastaresError as error:
            self._watch.problem(str(error))
            return
        if sample is None:
            return
        self._data.add(sample)
        whole = all(map(all_plausible, (sample.q, sample.qd, sample.tau)))
        self._watch.sample(whole)
        if not whole:
            self._watch.problem("position, velocity or effort missing or absurd, so it is left out: mend the driver")

    def on_contact(self, message: JointState) -> None:
        """Keep contact, which the estimator reports as effort 1, out of the recording."""
        self._reported = time.monotonic()
        self._touched = any(effort > 0.5 for effort in message.effort)
        if self._touched:
            self._data.contact(seconds(from_stamp(message.header.stamp)))

    def _on_incompatible(self, event: Any) -> None:
        policy = event.last_policy_kind.name.rpartition("_")[2].lower()
        self._incompatible = (
            f"a publisher of {self._topic} does not offer what is asked for ({policy}), so it is not heard: "
            "set parameter reliability to best_effort"
        )

    def report(self) -> Report:
        """What is wrong, or else what to do next; and figures."""
        data, free = self._data, shutil.disk_usage(self._data.folder).free
        missing = self._missing()
        failures = [why for why in (self._failure, self._trainer.failure) if why]
        findings = [Finding("", Level.ERROR, why) for why in failures]
        if data.recorder or self._waiting:
            findings += self._complaints()
        if self._incompatible:
            findings.append(Finding("incompatible", Level.WARN, self._incompatible))
        if free < LOW_DISK:
            text = f"{free / 1e9:.1f} GB left on the disk of {data.folder}: free some, or end the recording"
            findings.append(Finding("disk", Level.WARN, text))
        training = self._trainer.process
        values = {
            "recording": data.recorder.name if data.recorder else "",
            "recorded_s": data.seconds,
            "episodes": data.episodes,
            "least_position_coverage": float(data.coverage.position.min()) if data.coverage else 0.0,
            "least_velocity_coverage": float(data.coverage.velocity.min()) if data.coverage else 0.0,
            "missing": "; ".join(missing),
            "refused_during_contact": data.refused,
            "disk_left_gb": free / 1e9,
            "training": str(training.bundle) if training else "",
            "epoch": training.epoch if training else 0,
            "epochs": training.epochs if training else 0,
            "last_error": "; ".join(failures),
        }
        return Report(findings, self._next_step(missing), values)

    def _complaints(self) -> list[Finding]:
        """What keeps joint states from being recorded."""
        infos = self.get_publishers_info_by_topic(self._topic)
        publishers = [f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in infos]
        findings = self._watch.look(publishers, self._assembler.missing)
        if topic := self.parameter("contact_topic"):
            if time.monotonic() - self._reported > SILENCE:
                text = f"nothing on {topic}, so contact is recorded like free motion: start the estimator"
                findings.append(Finding("no contact reports", Level.WARN, text))
            elif self._touched:
                text = f"contact, so nothing is recorded ({self._data.refused} samples so far): clear the arm"
                findings.append(Finding("contact", Level.WARN, text))
        return findings

    def _missing(self) -> list[str]:
        """What the dataset lacks, in words."""
        if not self._data.coverage:
            return ["any motion"]
        missing = self._data.coverage.missing(self.parameter("enough_coverage"))
        if (left := self.parameter("enough_seconds") - self._data.seconds) > 0:
            missing.append(f"{left:.0f} s more of recording")
        return missing

    def _next_step(self, missing: Sequence[str]) -> str:
        """What the operator should do."""
        lacking = f"missing: {missing[0]}" + f" (and {len(missing) - 1} more)" * (len(missing) > 1) if missing else ""
        if recorder := self._data.recorder:
            if missing:
                return f"recording {recorder.name}; {lacking}"
            return f"recording {recorder.name}; enough data: call {self._name('stop')}, then {self._name('train')}"
        if training := self._trainer.process:
            return f"training {training.bundle}: epoch {training.epoch} of {training.epochs or '?'}"
        if missing:
            return f"call {self._name('start')} to record; {lacking}"
        return f"enough data: call {self._name('train')}"

    def _start(self) -> str:
        if self._data.recorder or self._waiting:
            raise ConfigError(f"a recording is on already: call {self._name('stop')} to end it")
        self._failure = ""
        self._watch = Watch(self._topic)
        if bags := self.parameter("bags"):
            return self._record_bags(bags)
        try:
            return self._begin()
        except RobotError as error:  # not all joints were published yet, or never will be
            self._waiting = True
            return f"recording begins once its joints are published on {self._topic}; so far: {error}"

    def _begin_late(self) -> None:
        try:
            self.get_logger().info(printable(self._begin()))
        except RobotError as error:
            self._watch.problem(str(error))
        except VastaresError as error:
            self._waiting = False
            self._fail(f"no recording: {error}")

    def _begin(self) -> str:
        driver = self._driver(tuple(self._published))
        name = self._data.begin(self._dataset(driver))
        self._assembler = JointAssembler(driver.joints, driver.effort.scale)
        self._waiting = False
        return (
            f"recording {name}: {', '.join(driver.joints)}, effort in {driver.effort.unit} "
            f"(scale {', '.join(f'{s:g}' for s in driver.effort.scale)}); call {self._name('stop')} to end it"
        )

    def _record_bags(self, bags: Sequence[str]) -> str:
        """Record bags, each as a recording of its own; those before one that fails stay recorded."""
        lines = []
        for bag in bags:
            states = read_joint_states(Path(bag).expanduser(), self._topic)
            driver = self._driver(tuple(dict.fromkeys(name for table in states.tables for name in table.names)))
            recording = recording_from(states, driver.joints, driver.effort.scale)
            self._data.begin(self._dataset(driver), recording.name)
            for episode in recording.episodes:
                for sample in episode:
                    self._data.add(sample)
            lines.append(self._finish())
        return "; ".join(lines)

    def _driver(self, published: Sequence[str]) -> Driver:
        joints, scale = self.parameter("joints") or (), self.parameter("effort_scale") or ()
        return choose_driver(self._robot, published, tuple(joints), self.parameter("effort_unit"), tuple(scale))

    def _dataset(self, driver: Driver) -> Dataset:
        robot = self._robot.name if self._robot else "unknown"
        return Dataset(robot, driver.joints, self._topic, driver.effort, rate=0.0, episodes=())

    def _new_coverage(self, joints: Sequence[str]) -> Coverage:
        """Nothing seen of ranges that parameters give, or else the robot."""
        ranges = []
        limits = joint_limits(self._robot, joints)
        for name, known in zip(("position_min", "position_max", "velocity_max"), limits, strict=True):
            given = self.parameter(name) or known
            if len(given) not in (1, len(joints)):
                raise ConfigError(
                    f"parameter {name} has {len(given)} values for {len(joints)} joints: give one, or all",
                    field=name,
                    value=given,
                )
            ranges.append(np.broadcast_to(given, len(joints)))
        for joint, low, high, speed in zip(joints, *ranges, strict=True):
            if low >= high or speed <= 0:  # neither is true of what is unknown
                raise ConfigError(
                    f"range of {joint}: position_min {low:g} must be below position_max {high:g}, and "
                    f"velocity_max {speed:g} above 0",
                    joint=joint,
                )
        return Coverage(joints, *ranges)

    def _stop(self) -> str:
        if self._waiting:
            self._waiting = False
            raise DatasetError(f"nothing was recorded: the joints were never published on {self._topic}")
        if self._data.recorder is None:
            raise DatasetError(f"no recording is on: call {self._name('start')}")
        done = self._finish()
        return f"{done}: call {self._name('start')} for more or {self._name('train')}"

    def _finish(self) -> str:
        try:
            return self._data.finish()
        except DatasetError as error:
            self._failure = str(error)
            raise
        finally:
            self._publish_coverage()

    def _discard(self) -> str:
        if self._trainer.process and not self._data.recorder:
            raise DatasetError(f"training of {self._trainer.process.bundle} reads the recordings: discard after it")
        try:
            return self._data.discard()
        finally:
            self._publish_coverage()

    def _train(self) -> str:
        if not is_dataset(self._data.folder):
            raise DatasetError(f"{self._data.folder} has no recording yet: call {self._name('start')}")
        return self._trainer.start(self._data.folder)

    def _recover(self, folder: Path) -> None:
        try:
            episodes = recover(folder)
        except DatasetError as error:
            self.get_logger().error(str(error))
            return
        for episode in episodes:
            duration = episode.duration
            self.get_logger().warning(f"recovered {episode.name}, which was cut off: {duration:.1f} s of it")

    def _flush(self) -> None:
        if self._recordings is None or self._recordings.recorder is None:
            return
        try:
            self._recordings.recorder.flush()
        except OSError as error:  # a full disk
            name, folder = self._recordings.recorder.name, self._recordings.folder
            self._recordings.give_up()
            self._fail(f"recording {name} ends: {folder} cannot be written ({error})")

    def _publish_coverage_while_recording(self) -> None:
        if self._recordings and self._recordings.recorder:
            self._publish_coverage()

    def _publish_coverage(self) -> None:
        now, coverage = self.get_clock().now().nanoseconds, self._data.coverage
        if coverage:
            self._coverage.publish(to_joint_state(now, coverage.joints, coverage.position, coverage.velocity, ()))
        else:
            self._coverage.publish(to_joint_state(now, (), (), (), ()))

    def _fail(self, why: str) -> None:
        self._failure = why
        self.get_logger().error(why)

    def _answering(self, do: Callable[[], str]) -> Callable[[Trigger.Request, Trigger.Response], Trigger.Response]:
        """The callback of a service that does something and says what, or why it does not."""

        def answer(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            try:
                if self.state != "active":
                    raise ConfigError(
                        f"the node is {self.state}: ros2 lifecycle set {self.get_fully_qualified_name()} …"
                    )
                response.message, response.success = printable(do()), True
            except (VastaresError, OSError) as error:
                response.message, response.success = str(error), False
            else:
                self.get_logger().info(response.message)
            return response

        return answer

    @property
    def _data(self) -> RecordingSession:
        assert self._recordings  # while configured
        return self._recordings

    def _name(self, name: str) -> str:
        return f"{self.get_fully_qualified_name()}/{name}"


def main(args: Sequence[str]) -> int:
    """Run the node until SIGINT or SIGTERM.

    Raises:
        VastaresError: an argument or a parameter is of no use.
    """
    return run(lambda context: TrainingNode(context=context), args)
