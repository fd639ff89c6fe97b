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
    """

    name: str
    default: Any
    description: str
    change: Change = Change.UNCONFIGURED
    choices: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None

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
    "autostart", True, "Configure and activate by itself; false waits for `ros2 lifecycle set`.", Change.START
)
WARN_PERIOD = Parameter(
    "warn_period", 5.0, "Time between two log lines about the same trouble [s].", Change.LIVE, limits=(0.0, 3600.0)
)
RELIABILITY = Parameter(
    "reliability",
    "reliable",
    "Of the subscription to joint_states; best_effort hears every publisher, reliable loses nothing.",
    Change.START,
    RELIABILITIES,
)
DIAGNOSTICS = Topic(
    "/diagnostics",
    "diagnostic_msgs/msg/DiagnosticArray",
    True,
    "Health once a second: level, what to do, and figures; in every state.",
)

ESTIMATOR = Interface(
    "Estimate torques live: joint states in; estimated and external torque, wrench and contact out, under the same\n"
    "stamps. A lifecycle node that starts by itself. config/estimator.yaml explains the parameters.",
    (
        Parameter(
            "bundle",
            "",
            "Folder of the trained bundle, required. Set while the node runs, it is loaded beside the one at work and "
            "takes over between two messages; another robot's is refused.",
            Change.LIVE,
        ),
        Parameter("robot", "", "Robot that the bundle must be for, by the name in it; empty takes any."),
        Parameter("device", "auto", "auto (CUDA where there is one), cpu, cuda or cuda:N."),
        RELIABILITY,
        Parameter("output_reliability", "reliable", "Of all that is published.", Change.START, RELIABILITIES),
        Parameter(
            "contact_factor",
            1.0,
            "A joint is in contact where its external torque exceeds its bound times this.",
            Change.LIVE,
            limits=(0.0, 1000.0),
        ),
        Parameter(
            "zero_duration", 1.0, "How long the arm must have stood still for ~/zero [s].", Change.LIVE, (), (0.1, 60.0)
        ),
        Parameter(
            "zero_speed", 0.02, "Speed that still counts as standing still [rad/s].", Change.LIVE, (), (0.0, 10.0)
        ),
        Parameter(
            "drift_time",
            0.0,
            "Time constant by which slow drift of the external torque is followed and taken out, of joints that move, "
            "while there is no contact and no acceleration [s]; 0 takes none out.",
            Change.LIVE,
            limits=(0.0, 86400.0),
        ),
        Parameter(
            "drift_limit",
            0.5,
            "Share of a joint's bound that is taken out as drift at the most, also of a lasting push below the bound.",
            Change.LIVE,
            limits=(0.0, 1.0),
        ),
        Parameter(
            "urdf",
            "",
            "URDF file for the wrench; empty takes the topic robot_description as soon as it comes, and until then the "
            "URDF in the bundle, or else the one in the package.",
        ),
        Parameter(
            "tip_frame", "", "Link that is pushed; empty takes the robot's tip, or the link behind the last joint."
        ),
        Parameter("wrench_frame", "", "Link in whose axes and about whose origin the wrench is; empty is the tip."),
        Parameter("frame_prefix", "", "Put before the wrench's frame_id, as by robot_state_publisher."),
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
            "Makes the mean external torque of the last zero_duration the zero of each joint. Refused where the arm "
            "moved, the estimate was not valid, or joint states are missing. Drift is followed anew from there.",
        ),
        Service("~/reset", "Forgets the zero, the drift and the window, as after the start."),
    ),
)
_RANGE = "one for all joints, or one for each; unset: the robot's URDF, or else what was seen"
TRAINING = Interface(
    "Record joint states into a dataset, say what is still missing, and train in a child process. A lifecycle node\n"
    "that starts by itself. config/training.yaml explains the parameters.",
    (
        AUTOSTART,
        WARN_PERIOD,
        Parameter("dataset", "", "Folder that recordings are added to, required."),
        Parameter("robot", "", "Name or YAML file of the robot: joint names, limits, and what effort means."),
        Parameter("joints", Unset.STRING_ARRAY, "Joints to record, in order; unset: the robot's, or all."),
        Parameter("effort_unit", "", "N·m (or Nm) or A; empty: the robot's, or N·m."),
        Parameter(
            "effort_scale",
            Unset.DOUBLE_ARRAY,
            "Effort × scale = torque; one, or one a joint; unset: the robot's, or 1.",
        ),
        RELIABILITY,
        Parameter("contact_topic", "", "Topic ~/contact of an estimator: contact is not recorded; empty: no refusal."),
        Parameter("position_min", Unset.DOUBLE_ARRAY, f"Lowest position that coverage asks for [rad]: {_RANGE}."),
        Parameter("position_max", Unset.DOUBLE_ARRAY, f"Highest position that coverage asks for [rad]: {_RANGE}."),
        Parameter("velocity_max", Unset.DOUBLE_ARRAY, f"Speed that coverage asks for, both ways [rad/s]: {_RANGE}."),
        Parameter(
            "enough_coverage", 0.5, "Share of each joint's ranges that is enough.", Change.LIVE, limits=(0.0, 1.0)
        ),
        Parameter("enough_seconds", 300.0, "Recorded time that is enough [s].", Change.LIVE, limits=(0.0, 1e9)),
        Parameter("bags", Unset.STRING_ARRAY, "Bags that ~/start records instead of the live robot.", Change.LIVE),
        Parameter("bundle", "", "Folder that ~/train writes; it must not exist yet.", Change.LIVE),
        Parameter("train_config", "", "Training configuration, a YAML file; empty: its defaults.", Change.LIVE),
        Parameter("test", Unset.STRING_ARRAY, "Recordings kept out of training to judge the model.", Change.LIVE),
        Parameter("device", "auto", "Device to train on: auto, cpu, cuda or cuda:N.", Change.LIVE),
        Parameter("estimator", "", "Estimator node whose bundle is set to a new one; empty: none.", Change.LIVE),
    ),
    (
        Topic("joint_states", JOINT_STATE, False, "The robot's, with position, velocity and effort."),
        Topic(
            "~/coverage",
            JOINT_STATE,
            True,
            "Share of each joint's range that the dataset and the recording that is on have seen, 0 to 1: of position, "
            "moved through in both directions, and of velocity. Once a second while recording; latched.",
        ),
        Topic("~/progress", "std_msgs/msg/Float32", True, "Of training, 0 to 1; NaN once it failed."),
        Topic("~/loss", "std_msgs/msg/Float32", True, "Training loss of each epoch."),
        DIAGNOSTICS,
    ),
    (
        Service("~/start", "Start a recording, or record the bags of parameter bags; refused while one is on."),
        Service("~/stop", "End the recording and add it to the dataset; refused while none is on."),
        Service(
            "~/discard",
            "Drop the recording that is on, or else the last one finished: it is moved into DATASET/discarded, as a "
            "dataset of its own. Refused where there is none, and for finished ones while training reads them.",
        ),
        Service("~/train", "Train parameter bundle on the dataset, in a process of its own; refused while one runs."),
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
