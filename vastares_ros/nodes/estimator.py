"""The node `estimator`: joint states in; estimated and external torque, wrench and contact out, under the same stamps.

A lifecycle node that starts by itself. config/estimator.yaml explains the parameters; topics and services stand in the
tables of the class, from which the reference in docs/ is written.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from builtin_interfaces.msg import Time
from geometry_msgs.msg import WrenchStamped
from numpy.typing import ArrayLike
from rclpy.parameter import Parameter as RosParameter
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.service import Service as RosService
from rclpy.subscription import Subscription, SubscriptionEventCallbacks
from sensor_msgs.msg import JointState
from std_msgs.msg import Header, String
from std_srvs.srv import Trigger
from visualization_msgs.msg import MarkerArray

from vastares_ros.core.errors import BundleError, ConfigError, RobotError, VastaresError
from vastares_ros.core.joints import JointAssembler
from vastares_ros.core.samples import Array, JointSample, seconds
from vastares_ros.io.bundles import load_bundle, read_index
from vastares_ros.io.robots import bundle_arm
from vastares_ros.nodes.diagnostics import Finding, Level, Report, Tally, Watch
from vastares_ros.nodes.managed import (
    AUTOSTART,
    DIAGNOSTICS,
    RELIABILITIES,
    WARN_PERIOD,
    Change,
    ManagedNode,
    Parameter,
    Service,
    Topic,
    overridable,
    qos,
)
from vastares_ros.nodes.markers import contact_markers
from vastares_ros.nodes.messages import from_joint_state, named_values, wrench_message
from vastares_ros.nodes.process import run
from vastares_ros.physics.wrench import WrenchEstimator
from vastares_ros.runtime.bundle import Bundle
from vastares_ros.runtime.device import device_for
from vastares_ros.runtime.estimator import Estimate, Estimator, Validity
from vastares_ros.runtime.residual import Drift, Zero

DEPTH = 500  # messages that wait while the node is held up: 1 s at 500 Hz
MARKER_PERIOD = 0.05  # seconds between two sets of markers: RViz draws no faster
RECENT = 1.0  # seconds that the newest joint state may be old when zero is set
JOINT_STATE = "sensor_msgs/msg/JointState"
TYPES = {
    JOINT_STATE: JointState,
    "geometry_msgs/msg/WrenchStamped": WrenchStamped,
    "visualization_msgs/msg/MarkerArray": MarkerArray,
}
NEXT_STEP = {
    Validity.OUTSIDE_RANGE: "do not trust it, or record such motion and train again",
    Validity.NO_EFFORT: "no external torque without it: the driver must publish effort",
    Validity.GAP: "so the window starts anew: is the driver at the trained rate, and the computer not overloaded?",
    Validity.CLOCK_JUMPED: "so the window starts anew: does a bag loop, or do two publishers share the topic?",
    Validity.REPEATED: "so it is left out: does the driver fill header.stamp?",
    Validity.NO_MOTION: "so it is left out: the driver must publish position and velocity",
    Validity.WRONG_RATE: "set the driver to that rate, or record and train at this one",
}


@dataclass(frozen=True)
class Body:
    """What the URDF gives.

    Attributes:
        wrench: from external torques to the wrench at the tip, where there is one.
        links: the link behind each joint, for the markers.
        status: of the wrench, in words.
        problem: why there is none though there should be.
    """

    wrench: WrenchEstimator | None = None
    links: tuple[str, ...] = ()
    status: str = "no URDF: start robot_state_publisher, or set parameter urdf"
    problem: str = ""


class EstimatorNode(ManagedNode):
    """Message, sample, estimate, messages."""

    PARAMETERS = (
        Parameter(
            "bundle",
            "",
            "Folder of the trained bundle, required. Set while the node runs, it is loaded beside the one at work and "
            "takes over between two messages; another robot's is refused.",
            Change.LIVE,
        ),
        Parameter("robot", "", "Robot that the bundle must be for, by the name in it; empty takes any."),
        Parameter("device", "auto", "auto (CUDA where there is one), cpu, cuda or cuda:N."),
        Parameter(
            "reliability",
            "reliable",
            "Of the subscription to joint_states; best_effort hears every publisher, reliable loses nothing.",
            Change.START,
            tuple(RELIABILITIES),
        ),
        Parameter(
            "output_reliability", "reliable", "Of all that is published.", Change.START, choices=tuple(RELIABILITIES)
        ),
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
        Parameter("urdf", "", "URDF file for the wrench; empty listens to the topic robot_description."),
        Parameter(
            "tip_frame", "", "Link that is pushed; empty takes the robot's tip, or the link behind the last joint."
        ),
        Parameter("wrench_frame", "", "Link in whose axes and about whose origin the wrench is; empty is the tip."),
        Parameter("frame_prefix", "", "Put before the wrench's frame_id, as by robot_state_publisher."),
        WARN_PERIOD,
        AUTOSTART,
    )
    TOPICS = (
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
            "URDF, transient local; without one (or parameter urdf) there is no wrench.",
        ),
        Topic("~/estimated_torque", JOINT_STATE, True, "Torque that the motion needs without contact, as effort."),
        Topic(
            "~/external_torque",
            JOINT_STATE,
            True,
            "External torque as effort: positive is what the environment applies to the robot.",
        ),
        Topic(
            "~/external_torque_bound",
            JOINT_STATE,
            True,
            "What the external torque stays below in 99 % of free motion, as effort.",
        ),
        Topic(
            "~/contact",
            JOINT_STATE,
            True,
            "1 or 0 a joint as effort: external torque above the bound times contact_factor; only while valid.",
        ),
        Topic("~/valid", JOINT_STATE, True, "1 or 0 as effort of the name valid: whether to trust the estimate."),
        Topic(
            "~/external_wrench",
            "geometry_msgs/msg/WrenchStamped",
            True,
            "Force [N] and torque [N·m] that the environment applies to the tip; NaN in directions that the joints "
            "cannot feel, near a singularity.",
        ),
        Topic(
            "~/contact_markers",
            "visualization_msgs/msg/MarkerArray",
            True,
            "A sphere a joint for RViz: red in contact, amber near it, green without, grey where the estimate is not "
            "valid; needs the URDF, 20 times a second at most.",
        ),
        Topic(
            "~/wrench_singularity",
            JOINT_STATE,
            True,
            "Smallest over largest singular value of the Jacobian, as effort of the name singularity: 0 is in one.",
        ),
        DIAGNOSTICS,
    )
    SERVICES = (
        Service(
            "~/zero",
            "Makes the mean external torque of the last zero_duration the zero of each joint. Refused where the arm "
            "moved, the estimate was not valid, or joint states are missing. Drift is followed anew from there.",
        ),
        Service("~/reset", "Forgets the zero, the drift and the window, as after the start."),
    )

    def __init__(self, **options: Any):
        """Declare the parameters; see `ManagedNode`.

        Args:
            options: of `rclpy.node.Node`.
        """
        self._loader = ThreadPoolExecutor(1, "loader")  # does what would hold up the messages
        self._outputs: dict[str, Publisher] = {}
        self._triggers: list[RosService] = []
        self._description: Subscription | None = None
        self._joint_states: Subscription | None = None
        super().__init__("estimator", **options)

    def configure(self) -> None:
        """Load the bundle, and create what is published.

        Raises:
            ConfigError: a parameter is missing or wrong.
            BundleError: the bundle cannot be used.
            DeviceError: the device is not there.
        """
        bundle = self.parameter("bundle")
        if not bundle:
            raise ConfigError("parameter bundle is not set: add --ros-args -p bundle:=FOLDER, a trained bundle")
        self._path = Path(bundle).expanduser()
        self._device = device_for(self.parameter("device"))
        self._estimator = _load(self._path, self._device)
        self._require_robot(self._estimator.bundle.robot)
        self._joints = self._estimator.bundle.joints  # a swap changes neither them nor what effort means
        self._assembler = JointAssembler(self._joints, self._estimator.bundle.effort.scale)
        self._zero = Zero(self._joints, self.parameter("zero_duration"))
        self._drift = self._new_drift()
        self._factor = self.parameter("contact_factor")
        self._loading: Future[Estimator] | None = None
        self._next: Estimator | None = None  # fills its window, to take over
        self._swap, self._swap_problem = "none", ""
        self.hardware_id = self._estimator.bundle.robot
        gc.freeze()  # what is loaded stays: the collector need not look at it again at every pass

        reliability = self.parameter("output_reliability")
        self._outputs = {
            topic.name.removeprefix("~/"): self.create_publisher(
                TYPES[topic.type],
                topic.name,
                qos(DEPTH, reliability),
                qos_overriding_options=overridable(),
            )
            for topic in self.TOPICS
            if topic.name.startswith("~/")
        }
        self._triggers = [
            self.create_service(Trigger, "~/zero", self._on_zero),
            self.create_service(Trigger, "~/reset", self._on_reset),
        ]
        self._body = Body()
        self._body_loading: Future[Body] | None = None
        self._marked = float("-inf")  # stamp of the last markers [s]
        self._listen_for_urdf()
        self._log_bundle("loaded")

    def activate(self) -> None:
        """Listen to the joint states, with an empty window."""
        self._forget()
        self._incompatible = ""
        self._joint_states = self.create_subscription(
            JointState,
            "joint_states",
            self.on_joint_state,
            qos(DEPTH, self.parameter("reliability")),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible),
            qos_overriding_options=overridable(),
        )
        self._watch = Watch(self._joint_states.topic_name)
        self._tally = Tally(self._estimator.bundle.rate)

    def deactivate(self) -> None:
        """Listen no longer."""
        if self._joint_states:
            self.destroy_subscription(self._joint_states)
        self._joint_states = None

    def release(self) -> None:
        """Publish no longer, and forget the bundle."""
        for publisher in self._outputs.values():
            self.destroy_publisher(publisher)
        for service in self._triggers:
            self.destroy_service(service)
        if self._description:
            self.destroy_subscription(self._description)
        self._outputs, self._triggers, self._description = {}, [], None

    def destroy_node(self) -> None:
        """End in order, and go."""
        self._loader.shutdown(wait=False, cancel_futures=True)
        super().destroy_node()

    def check(self, name: str, value: Any) -> None:
        """Refuse a bundle that cannot take over from the one at work.

        Raises:
            BundleError: it is missing or altered, or for another robot, other joints or another meaning of effort.
        """
        if name != "bundle":
            return
        index, bundle = read_index(Path(value).expanduser()), self._estimator.bundle
        self._require_robot(index["robot"])
        if index["robot"] != bundle.robot or tuple(index["joints"]) != bundle.joints:
            raise BundleError(
                f"{value} is for {index['robot']} ({', '.join(index['joints'])}), and at work is {bundle.robot} "
                f"({', '.join(bundle.joints)}): for another robot, start another node"
            )
        if index["effort"] != asdict(bundle.effort) | {"scale": list(bundle.effort.scale)}:
            raise BundleError(
                f"{value} reads effort as {index['effort']}, and at work is {asdict(bundle.effort)}: start another node"
            )

    def change(self, name: str, value: Any) -> None:
        """Use the new value of a live parameter."""
        if name == "contact_factor":
            self._factor = value
        elif name == "zero_duration":
            self._zero.duration = value
        elif name == "drift_time":
            self._drift.time = value
        elif name == "drift_limit":
            self._drift.limit = value
        elif name == "bundle":
            self._begin_swap(Path(value).expanduser())

    def on_joint_state(self, message: JointState) -> None:
        """Answer one message."""
        began = time.perf_counter()
        stamp_ns, names, *fields = from_joint_state(message)
        self._watch.message(message.header.frame_id, names)
        for field, values in zip(("position", "velocity", "effort"), fields, strict=True):
            if len(values) not in (0, len(names)):
                self._watch.problem(
                    f"{field} is of another length than name", "so it counts as missing: mend the driver"
                )
        try:
            sample = self._assembler.push(seconds(stamp_ns), names, *fields)
        except VastaresError as error:
            self._watch.problem(str(error))
            return
        if sample is None:
            return
        estimate = self._zero.step(sample, self._estimate(sample))
        estimate = self._drift.step(sample, estimate, self._factor)
        self._publish(message.header, sample.q, estimate)
        self._watch.sample(estimate.valid)
        if estimate.validity in NEXT_STEP:
            detail = "stamp is zero" if stamp_ns == 0 else estimate.detail
            self._watch.problem(estimate.validity.value, f"{detail}, {NEXT_STEP[estimate.validity]}".removeprefix(", "))
        self._tally.answer(estimate, began, time.perf_counter() - began)

    def report(self) -> Report:
        """The health over the last second."""
        self._take_urdf()
        self._take_loaded()
        assert self._joint_states is not None
        topic = self._joint_states.topic_name
        publishers = [_full_name(info) for info in self.get_publishers_info_by_topic(topic)]
        figures = self._tally.values()
        heard = self._watch.heard
        if not publishers or (heard and len(publishers) < 2):
            self._incompatible = ""  # whoever it was, it is gone, or one that fits is heard instead
        lasting = {
            "qos": (Level.WARN if heard else Level.STALE, self._incompatible),
            "wrench": (Level.WARN, self._body.problem),
            "swap": (Level.WARN, self._swap_problem),
        }
        findings = [Finding(key, level, text) for key, (level, text) in lasting.items() if text]
        findings += self._watch.look(publishers, self._assembler.missing)
        bundle = self._estimator.bundle
        bias = {f"bias_{joint}": float(x) for joint, x in zip(self._joints, self._zero.bias, strict=True)}
        drift = {f"drift_{joint}": float(x) for joint, x in zip(self._joints, self._drift.bias, strict=True)}
        following = f"frozen: {self._drift.frozen}" if self._drift.frozen else "followed"
        return Report(
            findings,
            "all estimates are valid" if figures["valid_share"] else "the window fills",
            {
                **figures,
                **bias,
                **drift,
                "drift": following if self._drift.time else "off",
                "publishers": len(publishers),
                "foreign_joints": ", ".join(self._watch.foreign(self._joints)) or "none",
                "device": str(self._device),
                "engine": f"torch {torch.__version__}",
                "bundle": str(self._path),
                "robot": bundle.robot,
                "wrench": self._body.status,
                "swap": self._swap,
            },
        )

    def _estimate(self, sample: JointSample) -> Estimate:
        self._take_loaded()
        if self._next:
            estimate = self._next.step(sample)
            if np.isfinite(estimate.tau_free).all():
                self._end_swap(self._next)
                return estimate
            self._swap = f"{self._next_path} waits: {estimate.validity.value} ({estimate.detail})"
        return self._estimator.step(sample)

    def _publish(self, header: Header, q: Array, estimate: Estimate) -> None:
        """Publish what the estimate says; what it does not say is not published."""
        joints = self._joints
        if np.isfinite(estimate.tau_free).all():
            self._say("estimated_torque", header, joints, estimate.tau_free)
            if np.isfinite(estimate.tau_ext).all():
                self._say("external_torque", header, joints, estimate.tau_ext)
                self._say("external_torque_bound", header, joints, estimate.bound)
                if self._body.wrench:
                    self._publish_wrench(self._body.wrench, header, q, estimate.tau_ext)
        if estimate.valid:
            self._say("contact", header, joints, estimate.contact(self._factor))
        self._say("valid", header, ("valid",), [estimate.valid])
        if self._body.links and not 0 <= estimate.t - self._marked < MARKER_PERIOD:
            self._marked = estimate.t
            self._publish_markers(header.stamp, estimate)

    def _say(self, topic: str, header: Header, names: Sequence[str], values: ArrayLike) -> None:
        publisher = self._outputs[topic]
        if publisher.get_subscription_count():  # to make a message costs more than to look
            publisher.publish(named_values(header, names, values))

    def _publish_wrench(self, estimator: WrenchEstimator, header: Header, q: Array, tau_ext: Array) -> None:
        wrench = estimator.step(q, tau_ext)
        frame = self._frame_prefix + estimator.frame_id
        self._outputs["external_wrench"].publish(wrench_message(header.stamp, frame, wrench.values))
        self._say("wrench_singularity", header, ("singularity",), [wrench.singularity])

    def _publish_markers(self, stamp: Time, estimate: Estimate) -> None:
        publisher = self._outputs["contact_markers"]
        if publisher.get_subscription_count():
            tau_ext = estimate.tau_ext if estimate.valid else np.full(len(self._joints), np.nan)
            bound = self._factor * estimate.bound
            publisher.publish(contact_markers(stamp, self._body.links, tau_ext, bound, self._frame_prefix))

    def _on_zero(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            if self.state != "active":
                raise VastaresError(
                    f"the node is {self.state}: ros2 lifecycle set {self.get_fully_qualified_name()} activate"
                )
            if time.perf_counter() - self._tally.arrival > RECENT:
                raise VastaresError(f"no joint states in the last {RECENT:g} s: is the robot's driver running?")
            bias = self._zero.set(self.parameter("zero_speed"))
            self._drift.reset()  # what it took out is in the new zero
        except VastaresError as error:
            response.message = f"not zeroed: {error}"
            return response
        bundle = self._estimator.bundle
        high = [joint for joint, over in zip(self._joints, np.abs(bias) > bundle.bound, strict=True) if over]
        told = ", ".join(f"{joint} {x:.3g}" for joint, x in zip(self._joints, bias, strict=True))
        doubt = f"; more than in free motion on {', '.join(high)}: does something touch the arm?" if high else ""
        response.success, response.message = True, f"bias is now {told} [{bundle.effort.unit}]{doubt}"
        self.get_logger().info(response.message)
        return response

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._forget()
        response.success, response.message = True, "no bias, and the window fills anew"
        return response

    def _forget(self) -> None:
        self._estimator.reset()
        self._assembler.reset()
        self._zero.reset()
        self._drift.reset()

    def _new_drift(self) -> Drift:
        return Drift(
            self._joints, self._estimator.bundle.rate, self.parameter("drift_time"), self.parameter("drift_limit")
        )

    def _require_robot(self, robot: str) -> None:
        wanted = self.parameter("robot")
        if wanted and wanted != robot:
            raise BundleError(
                f"the bundle is for robot {robot!r}, and parameter robot is {wanted!r}: give another bundle"
            )

    def _begin_swap(self, path: Path) -> None:
        self._loading, self._next, self._swap_problem = None, None, ""
        if path == self._path:
            self._swap = "none"
            return
        self._next_path = path
        self._swap = f"{path} is loading"
        self._loading = self._loader.submit(_load, path, self._device)

    def _take_loaded(self) -> None:
        """Look at what the loader is done with."""
        if self._loading and self._loading.done():
            loading, self._loading = self._loading, None
            try:
                self._next = loading.result()
            except VastaresError as error:
                self.set_parameters([RosParameter("bundle", value=str(self._path))])  # it says what is at work
                self._swap_problem = self._swap = f"{self._path} stays at work: {error}"
        if self._body_loading and self._body_loading.done():
            self._body, self._body_loading = self._body_loading.result(), None

    def _end_swap(self, estimator: Estimator) -> None:
        self._estimator, self._next = estimator, None
        self._path = self._next_path
        self._zero.reset()  # it was what the other model left over
        self._drift = self._new_drift()
        self._tally.rate = estimator.bundle.rate
        self._swap = f"{self._path} took over"
        gc.freeze()
        self._log_bundle("swapped to")

    def _listen_for_urdf(self) -> None:
        self._frame_prefix = self.parameter("frame_prefix")
        if file := self.parameter("urdf"):
            self._load_body(_read(Path(file).expanduser()))
            return
        latched = QoSProfile(
            depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
        )
        self._description = self.create_subscription(String, "robot_description", self._on_urdf, latched)

    def _take_urdf(self) -> None:
        """Take the URDF if it waits: of one that comes as the executor begins to listen, the executor is not told."""
        if self._description:
            with self._description.handle:  # keeps it from being destroyed
                if taken := self._description.handle.take_message(String, False):
                    self._on_urdf(taken[0])

    def _on_urdf(self, message: String) -> None:
        self._load_body(message.data)

    def _load_body(self, urdf: str) -> None:
        frames = self.parameter("tip_frame"), self.parameter("wrench_frame")
        self._body_loading = self._loader.submit(_body, urdf, self._estimator.bundle, *frames)

    def _on_incompatible(self, event: Any) -> None:
        policy = event.last_policy_kind.name.rpartition("_")[2].lower()
        assert self._joint_states is not None
        self._incompatible = (
            f"a publisher of {self._joint_states.topic_name} does not offer what is asked for ({policy}): "
            f"set parameter reliability to best_effort and start anew"
        )

    def _log_bundle(self, what: str) -> None:
        b = self._estimator.bundle
        recordings = b.training["split"]["training"]
        window = b.model.config.window
        self.get_logger().info(
            f"{what} {self._path}: {b.robot}, {', '.join(b.joints)} at {b.rate:g} Hz, window of {window} samples, "
            f"{self._device}, torque in {b.effort.unit}, trained on {_few(recordings)}, {_score(b)}"
        )


def main(args: Sequence[str]) -> int:
    """Run the node until SIGINT or SIGTERM.

    Raises:
        VastaresError: an argument is of no use, or a parameter has a value that it cannot have.
    """
    torch.set_num_threads(1)  # one window is too little work to share, and sharing it costs more
    return run(lambda context: EstimatorNode(context=context), args)


def _load(path: Path, device: torch.device) -> Estimator:
    """An estimator whose first estimate is as quick as all others: torch sets itself up in its first passes."""
    bundle = load_bundle(path)
    estimator = Estimator(bundle, device)
    q, qd = bundle.q_range.mean(axis=0), bundle.qd_range.mean(axis=0)
    for i in range(bundle.model.config.window + 10):
        estimator.step(JointSample(i / bundle.rate, q, qd, np.zeros(len(q))))
    estimator.reset()
    return estimator


def _body(urdf: str, bundle: Bundle, tip: str, reference: str) -> Body:
    """What the URDF gives for the joints of a bundle."""
    try:
        arm = bundle_arm(bundle, urdf, tip)
    except RobotError as error:
        return Body(status="none", problem=f"no wrench: {error}")
    if bundle.effort.unit != "N·m":
        return Body(links=arm.links, status=f"none, since the bundle's torque is in {bundle.effort.unit}")
    try:
        wrench = WrenchEstimator(arm, reference)
    except RobotError as error:
        return Body(links=arm.links, status="none", problem=f"no wrench: {error}")
    return Body(wrench, arm.links, f"in frame {wrench.frame_id}")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"parameter urdf: {file} cannot be read ({why})") from error


def _full_name(info: Any) -> str:
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{len(names)} recordings"


def _score(bundle: Bundle) -> str:
    nmse = bundle.metrics["nmse_mean"]
    of = "held-out" if bundle.metrics["of"] != "training" else "no held-out recording, training"
    return f"{of} nmse {nmse['model']:.3f} (mean {nmse['mean']:.3f}, ridge {nmse['ridge']:.3f})"
