# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Parameters, topics and services of the nodes: one table for each node.

The nodes declare what stands here, `vastares estimator --help` and `vastares training --help` print it, and the
reference in docs/ is written from it. The tables import neither rclpy nor torch, so that help works without ROS and
at once.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from enum import Enum
from typing import Any

from vastares_ros.runtime.engine_names import ENGINES
from vastares_ros.runtime.outputs import JOINT_STATE, OUTPUTS

RELIABILITIES = ("reliable", "best_effort")
MARKERS = "visualization_msgs/msg/MarkerArray"
WIDTH = 100  # of help [characters]
_TYPES = {bool: "bool", str: "string", float: "double", int: "integer"}


class Change(Enum):
    """When a parameter may be set."""

    LIVE = "at any time"
    UNCONFIGURED = "while the node is unconfigured"
    START = "when the node starts"


class Unset(Enum):
    """The type of a parameter that has no value unless it is set; the names are those of rclpy."""

    STRING_ARRAY = "string array"
    DOUBLE_ARRAY = "double array"
    INTEGER_ARRAY = "integer array"


@dataclass(frozen=True)
class Parameter:
    """A parameter of a node.

    Attributes:
        name: as in `ros2 param`.
        default: its value, or `Unset`.
        description: what it does, with the unit.
        change: when it may be set.
        choices: the values it may have; empty for any.
        limits: the smallest and the largest number it may be.
        example: a value in YAML, of a parameter that is `Unset`.
    """

    name: str
    default: Any
    description: str
    change: Change = Change.UNCONFIGURED
    choices: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None
    example: str = ""

    @property
    def type(self) -> str:
        """Name of its type, for people."""
        return self.default.value if isinstance(self.default, Unset) else _TYPES[type(self.default)]

    def problem(self, value: Any) -> str:
        """Why it cannot be `value`; empty if it can. ROS checks type and limits."""
        if self.choices and value not in self.choices:
            return f"parameter {self.name} is {value!r}: use {' or '.join(self.choices)}"
        return ""


@dataclass(frozen=True)
class Topic:
    """A topic of a node, under its name before remapping.

    Attributes:
        name: relative, absolute or private (`~/`).
        type: for example "sensor_msgs/msg/JointState".
        published: whether the node publishes it, or else subscribes to it.
        description: what it holds, with units and sign.
    """

    name: str
    type: str
    published: bool
    description: str


@dataclass(frozen=True)
class Service:
    """A service of a node; all are std_srvs/srv/Trigger.

    Attributes:
        name: private (`~/`).
        description: what it does, and when it refuses.
        type: the type.
    """

    name: str
    description: str
    type: str = "std_srvs/srv/Trigger"


@dataclass(frozen=True)
class Interface:
    """All that a node has.

    Attributes:
        description: what the node does.
        parameters: in the order of help.
        topics: without those that every node has.
        services: without those of the lifecycle.
    """

    description: str
    parameters: tuple[Parameter, ...]
    topics: tuple[Topic, ...]
    services: tuple[Service, ...] = ()


AUTOSTART = Parameter(
    "autostart",
    True,
    "Whether the node configures and activates itself. If false, a lifecycle manager or `ros2 lifecycle set` does it.",
    Change.START,
)
WARN_PERIOD = Parameter(
    "warn_period",
    5.0,
    "Time between two log lines about the same problem [s]. /diagnostics reports it every second.",
    Change.LIVE,
    limits=(0.0, 3600.0),
)
RELIABILITY = Parameter(
    "reliability",
    "reliable",
    "Reliability of the subscription to joint_states. A reliable subscription loses no message, but receives nothing "
    "from a best-effort publisher; the node reports that. A best_effort one receives from every publisher.",
    Change.START,
    RELIABILITIES,
)
DIAGNOSTICS = Topic(
    "/diagnostics",
    "diagnostic_msgs/msg/DiagnosticArray",
    True,
    "State of the node once a second: level, what to do, and figures. Published in every lifecycle state.",
)

ESTIMATOR = Interface(
    "Estimate torques live: joint states in; estimated and external torque, wrench and contact out, under the same\n"
    "stamps. A lifecycle node that starts by itself. config/estimator.yaml explains the parameters.",
    (
        Parameter(
            "bundle",
            "",
            "Folder of the trained bundle. Required. If it is set while the node runs, the new bundle is loaded "
            "beside the one in use, fills its window, and replaces it between two messages. A bundle of another "
            "robot, or with another meaning of effort, is refused.",
            Change.LIVE,
        ),
        Parameter(
            "robot",
            "",
            "Name of the robot, for example ur5e. A bundle of another robot is refused. Empty: any bundle is accepted.",
        ),
        Parameter(
            "device",
            "auto",
            "Device that the model runs on: auto (CUDA if available, else CPU), cpu, cuda or cuda:1. One window is "
            "little work, so a CPU core is often as fast as a GPU.",
        ),
        Parameter(
            "engine",
            "auto",
            "What computes the network. compiled: kernels for one core of the CPU, much faster than torch; they are "
            "compiled once, which takes some seconds at the first start. torch: PyTorch, on any device. auto: compiled "
            "on the CPU if the method has kernels, else torch; /diagnostics says which.",
            choices=ENGINES,
        ),
        RELIABILITY,
        Parameter(
            "output_reliability",
            "reliable",
            "Reliability of all topics that the node publishes. best_effort suits a wireless link.",
            Change.START,
            RELIABILITIES,
        ),
        Parameter(
            "contact_factor",
            1.0,
            "A joint is in contact if its external torque exceeds its bound times this factor. 99 % of free motion "
            "stays below the bound. So 1.0 reports a false contact in up to 1 % of the time, and 2.0 very rarely.",
            Change.LIVE,
            limits=(0.0, 1000.0),
        ),
        Parameter(
            "zero_duration",
            1.0,
            "Time for which the arm must have stood still before ~/zero; the zero is the mean over this time [s].",
            Change.LIVE,
            limits=(0.1, 60.0),
        ),
        Parameter(
            "zero_speed",
            0.02,
            "Highest speed of a joint that still counts as standing still [rad/s].",
            Change.LIVE,
            limits=(0.0, 10.0),
        ),
        Parameter(
            "drift_time",
            0.0,
            "Time constant with which slow drift of the external torque is estimated and removed [s], for example "
            "60.0. 0.0 removes none. Only the time counts in which the joint moves, no joint is in contact or "
            "accelerates, and the estimate is valid.",
            Change.LIVE,
            limits=(0.0, 86400.0),
        ),
        Parameter(
            "drift_limit",
            0.5,
            "At most this share of a joint's bound is removed as drift. A lasting push below the bound is removed like "
            "drift, up to this share. A push that is reported as contact is not.",
            Change.LIVE,
            limits=(0.0, 1.0),
        ),
        Parameter(
            "max_age",
            0.0,
            "An estimate that is older than this when it is ready is published, but not valid; the reason is late [s]. "
            "The age counts from when the middleware received the joint state, whatever its stamp says. 0.0: two "
            "periods of the trained rate or 0.02, the larger.",
            Change.LIVE,
            limits=(0.0, 3600.0),
        ),
        Parameter(
            "pass_over",
            True,
            "Whether only the newest of the joint states that wait is answered. The others are passed over: they are "
            "taken into the window, so that the answer is the same, but nothing is published for them. If false, "
            "every joint state is answered, however old; up to 500 wait.",
            Change.LIVE,
        ),
        Parameter(
            "cpu_affinity",
            Unset.INTEGER_ARRAY,
            "CPUs that the node runs on. Unset: all. A CPU that other programs leave alone makes the latency steadier.",
            example="[1]",
        ),
        Parameter(
            "realtime_priority",
            0,
            "Priority of the scheduler SCHED_FIFO for the threads of the node. 0: the usual scheduler. The node then "
            "runs before all ordinary programs on its CPU. Where that is not permitted, a warning is logged and the "
            "usual priority stays.",
            limits=(0, 99),
        ),
        Parameter(
            "urdf",
            "",
            "URDF file for the wrench. Empty: the topic robot_description; until it is received, the URDF in the "
            "bundle, or else the one in the package. Without any there is no wrench. /diagnostics reports which one "
            "is used.",
        ),
        Parameter(
            "tip_frame",
            "",
            "Link of the URDF at which the wrench acts. Empty: the tip in config/robots if the robot is there, else "
            "the link after the last joint.",
        ),
        Parameter(
            "wrench_frame",
            "",
            "Link of the URDF in whose axes, and about whose origin, the wrench is given. Empty: the tip.",
        ),
        Parameter(
            "frame_prefix",
            "",
            "Prefix of the frame_id of the wrench, like the frame_prefix of robot_state_publisher, for example left/.",
        ),
        WARN_PERIOD,
        AUTOSTART,
    ),
    (
        Topic(
            "joint_states",
            JOINT_STATE,
            False,
            "Position [rad], velocity [rad/s] and effort, by joint name; partial messages are merged.",
        ),
        Topic(
            "robot_description",
            "std_msgs/msg/String",
            False,
            "URDF for the wrench, transient local; it goes before the one in the bundle or in the package.",
        ),
        *(Topic(f"~/{output.name}", output.kind, True, output.description) for output in OUTPUTS),
        Topic(
            "~/contact_markers",
            MARKERS,
            True,
            "A sphere for each joint, for RViz: red in contact, amber near it, green without, grey where the estimate "
            "is not valid. Published 20 times a second at most where there is a URDF.",
        ),
        DIAGNOSTICS,
    ),
    (
        Service(
            "~/zero",
            "Takes the mean external torque of the last zero_duration as the zero of each joint. Refused if the arm "
            "moved, the estimate was not valid, or joint states are missing. The estimate of drift starts again.",
        ),
        Service("~/reset", "Resets the zero, the drift and the window to their state after the start."),
    ),
)
_EACH = "One value for all joints, or one for each. Unset: the limit in the robot's URDF"
_RECORDED = "or else what was recorded so far."
_POSITION = f"{_EACH} (at most half a turn each way), {_RECORDED}"
TRAINING = Interface(
    "Record joint states into a dataset, say what is still missing, and train in a child process. A lifecycle node\n"
    "that starts by itself. config/training.yaml explains the parameters.",
    (
        AUTOSTART,
        WARN_PERIOD,
        Parameter(
            "dataset",
            "",
            "Folder that recordings are added to. Required. It is made if it does not exist. Only one node may record "
            "into it.",
        ),
        Parameter(
            "robot",
            "",
            "Name of a robot in config/robots, for example ur3, or the path of such a file. It gives the joint names, "
            "the meaning of effort and the ranges of motion. Empty: all published joints, with effort in N·m.",
        ),
        Parameter(
            "joints",
            Unset.STRING_ARRAY,
            "Joints to record, in this order. Unset: those of the robot, or all.",
            example='["shoulder", "elbow"]',
        ),
        Parameter(
            "effort_unit", "", "Unit of the recorded torque: N·m (or Nm) or A. Empty: that of the robot, or N·m."
        ),
        Parameter(
            "effort_scale",
            Unset.DOUBLE_ARRAY,
            "The recorded torque is the published effort times this factor: one value for all joints, or one for each. "
            "-1.0 corrects an inverted sign. Unset: that of the robot, or 1.0.",
            example="[1.0]",
        ),
        RELIABILITY,
        Parameter(
            "contact_topic",
            "",
            "Topic ~/contact of an estimator, for example /estimator/contact. What it reports as contact is not "
            "recorded, nor half a second before and after. Empty: everything is recorded.",
        ),
        Parameter(
            "position_min",
            Unset.DOUBLE_ARRAY,
            f"Lowest position that coverage requires [rad]. {_POSITION}",
            example="[-1.5]",
        ),
        Parameter(
            "position_max",
            Unset.DOUBLE_ARRAY,
            f"Highest position that coverage requires [rad]. {_POSITION}",
            example="[1.5]",
        ),
        Parameter(
            "velocity_max",
            Unset.DOUBLE_ARRAY,
            f"Speed that coverage requires in both directions [rad/s]. {_EACH}, {_RECORDED}",
            example="[1.0]",
        ),
        Parameter(
            "enough_coverage",
            0.5,
            "Share of the ranges of every joint that is enough data.",
            Change.LIVE,
            limits=(0.0, 1.0),
        ),
        Parameter("enough_seconds", 300.0, "Recorded time that is enough data [s].", Change.LIVE, limits=(0.0, 1e9)),
        Parameter(
            "bags",
            Unset.STRING_ARRAY,
            "Bags that ~/start records instead of the live robot, from the topic that joint_states is remapped to.",
            Change.LIVE,
            example='["run1.mcap", "run2"]',
        ),
        Parameter("bundle", "", "Folder that ~/train writes. It must not exist yet.", Change.LIVE),
        Parameter(
            "train_config",
            "",
            "Training configuration, a YAML file like config/train.yaml. Empty: the defaults.",
            Change.LIVE,
        ),
        Parameter(
            "test",
            Unset.STRING_ARRAY,
            "Names of recordings, as ~/stop returns them, that are not trained on and on which the model is evaluated. "
            "Unset: none; then the error on motion that was not trained on is unknown.",
            Change.LIVE,
            example='["rec_20260101_120000"]',
        ),
        Parameter(
            "device",
            "auto",
            "Device to train on: auto (CUDA if available, else CPU), cpu, cuda or cuda:1.",
            Change.LIVE,
        ),
        Parameter(
            "estimator",
            "",
            "Name of an estimator node, for example /estimator, whose parameter bundle is set to each new bundle. "
            "Empty: none.",
            Change.LIVE,
        ),
    ),
    (
        Topic("joint_states", JOINT_STATE, False, "Joint states of the robot, with position, velocity and effort."),
        Topic(
            "~/coverage",
            JOINT_STATE,
            True,
            "Share of each joint's range that the dataset and the current recording cover, 0 to 1: of position "
            "(passed in both directions) and of velocity. Published once a second during a recording; latched.",
        ),
        Topic("~/progress", "std_msgs/msg/Float32", True, "Progress of training, 0 to 1; NaN after it failed."),
        Topic("~/loss", "std_msgs/msg/Float32", True, "Training loss of each epoch."),
        DIAGNOSTICS,
    ),
    (
        Service("~/start", "Starts a recording, or records the bags of parameter bags. Refused during a recording."),
        Service("~/stop", "Ends the recording and adds it to the dataset. Refused if there is no recording."),
        Service(
            "~/discard",
            "Discards the current recording, or else the last one: it is moved into DATASET/discarded, which is a "
            "dataset too. Refused if there is none, and for a finished one while training reads it.",
        ),
        Service(
            "~/train",
            "Trains a model on the dataset, in a child process, and writes parameter bundle. Refused during a "
            "training.",
        ),
    ),
)
INTERFACES = {"estimator": ESTIMATOR, "training": TRAINING}


def help_text(node: str) -> str:
    """What `vastares estimator --help` and `vastares training --help` print."""
    interface = INTERFACES[node]
    parts = [
        f"usage: vastares {node} --ros-args -p NAME:=VALUE ... [--params-file FILE] [-r FROM:=TO]",
        interface.description,
        "parameters:",
        *(_entry(p.name, _kind(p), p.description) for p in interface.parameters),
        "topics:",
        *(_entry(t.name, f"{t.type}, {'out' if t.published else 'in'}", t.description) for t in interface.topics),
        "services:",
        *(_entry(s.name, s.type, s.description) for s in interface.services),
    ]
    return "\n\n".join(parts[:2]) + "\n\n" + "\n".join(parts[2:])


def _kind(parameter: Parameter) -> str:
    """Type, default, range and when it may be set."""
    if isinstance(parameter.default, Unset):
        default = "unset"
    elif isinstance(parameter.default, str):
        default = f'"{parameter.default}"'
    else:
        default = str(parameter.default).lower()
    words = [parameter.type, f"default {default}"]
    if parameter.limits:
        words.append("{:g} to {:g}".format(*parameter.limits))
    if parameter.choices:
        words.append(" or ".join(parameter.choices))
    return ", ".join([*words, f"set {parameter.change.value}"])


def _entry(name: str, kind: str, description: str) -> str:
    text = textwrap.fill(description, WIDTH, initial_indent="      ", subsequent_indent="      ")
    return f"  {name}  ({kind})\n{text}"
