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
from vastares_ros.core.robot import Driver, Effort, Robot
from vastares_ros.core.samples import seconds
from vastares_ros.io.bundles import read_index
from vastares_ros.io.datasets import Dataset, Recorder, is_dataset, load_dataset, recover
from vastares_ros.io.robots import load_robot
from vastares_ros.nodes.messages import from_joint_state
from vastares_ros.nodes.process import STEADY, VASTARES, declare, end, reliable, run, spawn
from vastares_ros.nodes.watch import LOOK, Watch

DEPTH = 1000  # messages that wait while the node is held up: 2 s at 500 Hz
FLUSH = 0.5  # seconds between two writes: a crash loses no more
POLL = 0.2  # seconds between two looks at the training process
WARN_PERIOD = 5.0  # seconds between two warnings
NICE = 10  # training yields to recording, and to all else on a robot


class TrainingNode(Node):
    """Records while it is told to, and trains beside that."""

    def __init__(self, **options: Any):
        """Take up what a crash left behind, and wait.

        Args:
            options: of `rclpy.node.Node`.

        Raises:
            ConfigError: a parameter is missing or wrong.
            RobotError: the robot is unknown, or the effort parameters do not fit it.
            DatasetError: another node records into the dataset.
        """
        super().__init__("training", **options)
        folder = declare(self, "dataset", "", "folder that recordings are added to, required")
        robot = declare(self, "robot", "", "name or YAML file of the robot: its joint names and what effort means")
        joints = declare(self, "joints", Parameter.Type.STRING_ARRAY, "joints to record, in order; unset: the robot's")
        unit = declare(self, "effort_unit", "", "N·m or A; empty: the robot's")
        scale = declare(
            self, "effort_scale", Parameter.Type.DOUBLE_ARRAY, "effort × scale = torque, one or one a joint"
        )
        declare(self, "bundle", "", "folder that training writes; it must not exist yet", read_only=False)
        declare(self, "train_config", "", "training configuration, a YAML file; empty: defaults", read_only=False)
        declare(self, "test", Parameter.Type.STRING_ARRAY, "recordings kept out to judge the model", read_only=False)
        declare(self, "device", "auto", "device to train on: auto, cpu, cuda or cuda:N", read_only=False)
        if not folder:
            raise ConfigError("parameter dataset is not set: add --ros-args -p dataset:=FOLDER, to record into")

        self._robot = load_robot(robot) if robot else None
        self._asked = (tuple(joints or ()), unit, tuple(scale or ()))
        self._driver = choose_driver(self._robot, (), *self._asked) if joints else None
        self._published: dict[str, None] = {}
        self._waiting = False  # a recording is asked for, but no message has told its joints yet
        self._recorder: Recorder | None = None
        self._assembler: JointAssembler | None = None
        self._training: Training | None = None
        self._folder = Path(folder).expanduser()
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
        self.get_logger().info(f"ready to record {self._topic} into {self._folder}: call {self._service('start')}")

    def destroy_node(self) -> None:
        """Finish the recording, end the training, and go."""
        if self._recorder:
            self.get_logger().info(self._finish())
        if self._training:
            self._training.end()
            self.get_logger().warning("training was ended with the node; its bundle is not written")
        os.close(self._lock)
        super().destroy_node()

    # ---- recording

    def on_joint_state(self, message: JointState) -> None:
        """Record one message, if a recording is on."""
        stamp_ns, names, *values = from_joint_state(message)
        self._watch.message(names)
        self._published |= dict.fromkeys(names)
        if self._waiting:
            self._begin_late()
        if self._recorder is None or self._assembler is None:
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
            response.message = f"a recording is on already: call {self._service('stop')} to end it"
            return response
        try:
            if self._published or self._driver:
                response.message = self._begin()
            else:
                self._waiting = True
                response.message = f"recording begins with the first message on {self._topic}"
            response.success = True
        except RobotError:  # a driver may publish its joints one by one
            self._waiting = True
            response.message = f"recording begins once the joints of the robot are seen on {self._topic}"
            response.success = True
        except VastaresError as error:
            response.message = str(error)
        self.get_logger().info(response.message)
        return response
