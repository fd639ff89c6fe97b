# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node `estimator`: joint states in; estimated and external torque, wrench and contact out, under the same stamps.

A lifecycle node that starts by itself. Its parameters, topics and services stand in `interfaces.ESTIMATOR`,
config/estimator.yaml explains the parameters, and what is published when stands in `runtime.outputs`.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from builtin_interfaces.msg import Time
from geometry_msgs.msg import WrenchStamped
from rclpy.parameter import Parameter as RosParameter
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.service import Service as RosService
from rclpy.subscription import Subscription, SubscriptionEventCallbacks
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from visualization_msgs.msg import MarkerArray

from vastares_ros.core.errors import BundleError, ConfigError, RobotError, VastaresError, in_words, printable
from vastares_ros.io.bundles import load_bundle, read_index
from vastares_ros.io.joint_state_layout import FIELDS
from vastares_ros.io.robots import bundle_arm, read_urdf
from vastares_ros.nodes.diagnostics import Finding, Level, Report, Tally, Watch
from vastares_ros.nodes.interfaces import ESTIMATOR, MARKERS
from vastares_ros.nodes.managed import ManagedNode, overridable, qos
from vastares_ros.nodes.markers import contact_markers
from vastares_ros.nodes.messages import JointStateReader, Received, Writer, named_values, to_stamp, wrench_message
from vastares_ros.nodes.process import run
from vastares_ros.nodes.scheduling import Scheduling
from vastares_ros.physics.wrench import WrenchEstimator
from vastares_ros.runtime.bundle import Bundle
from vastares_ros.runtime.device import device_for
from vastares_ros.runtime.engines import Engine
from vastares_ros.runtime.estimator import Estimate, Estimator, Validity
from vastares_ros.runtime.outputs import JOINT_STATE, WRENCH, Output, Outputs
from vastares_ros.runtime.pipeline import Pipeline, Taken, make_wrench_estimator
from vastares_ros.runtime.tick import Tick, measure_tick

DEPTH = 500  # messages that wait while the node is held up: 1 s at 500 Hz
AT_ONCE = 20  # messages that are answered in one go, if all are: what else the node does must have its turn
CATCH_UP = 0.01  # seconds that messages are taken in before one that is no older is answered, though newer ones come
FRESH = 0.02  # seconds: the least `max_age` where it is not set
MEASURED = 200  # ticks that are measured at the start
MARKER_PERIOD = 0.05  # seconds between two sets of markers: RViz draws no faster
LOOK = 0.01  # seconds between two looks at who subscribes, which takes as long as to publish an output
SWAP_PATIENCE = 5.0  # seconds that a bundle may wait to take over before that is a finding: no window is longer
RECENT = 1.0  # seconds that the newest joint state may be old when zero is set
TYPES = {JOINT_STATE: JointState, WRENCH: WrenchStamped, MARKERS: MarkerArray}
NEXT_STEP = {
    Validity.OUTSIDE_RANGE: "do not trust it, or record such motion and train again",
    Validity.NO_EFFORT: "no external torque without it: the driver must publish effort",
    Validity.GAP: "so the window starts anew: is the driver at the trained rate, and the computer not overloaded?",
    Validity.CLOCK_JUMPED: "so the window starts anew: does a bag loop, or do two publishers share the topic?",
    Validity.REPEATED: "so it is left out: does the driver fill header.stamp?",
    Validity.NO_MOTION: "so it is left out: the driver must publish position and velocity",
    Validity.NOT_FINITE: "so filter and window start anew: is the bundle unfit for this motion? Train it anew",
    Validity.TWO_PUBLISHERS: "a position between two others does not follow: end all publishers but one",
    Validity.WRONG_RATE: "set the driver to that rate, or record and train at this one",
    Validity.LATE: "use a smaller network, a rigid-body model or another `engine`, or free the computer",
}


@dataclass(frozen=True)
class Body:
    """The arm as a URDF describes it.

    Attributes:
        status: of the wrench, with the URDF that gives it, or why there is none.
        wrench: from external torques to the wrench at the tip; None for no wrench.
        links: the link behind each joint, for the markers; empty without a URDF.
        problem: why there is no wrench though there should be one; empty otherwise.
    """

    status: str
    wrench: WrenchEstimator | None = None
    links: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sample that waits for its answer.

    Attributes:
        taken: the sample.
        frame_id: of the message that completed it.
        came: when the middleware received this message, by `time.perf_counter` [s].
    """

    taken: Taken
    frame_id: str
    came: float


class EstimatorNode(ManagedNode):
    """The estimator node: it passes joint states through the pipeline of a bundle, and publishes what comes out."""

    PARAMETERS = ESTIMATOR.parameters
    TOPICS = ESTIMATOR.topics
    SERVICES = ESTIMATOR.services

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
        self._loading: Future[Estimator] | None = None
        self._body_loading: Future[Body] | None = None
        self._tick: Tick | None = None  # measured at configuration
        self._scheduling = Scheduling()
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
            raise ConfigError(
                "parameter bundle is not set: add --ros-args -p bundle:=FOLDER, a trained bundle", field="bundle"
            )
        self._path = Path(bundle).expanduser()
        self._device = device_for(self.parameter("device"))
        self._bundle = load_bundle(self._path)
        self._require_robot(self._bundle.robot)
        self._pipeline = Pipeline(
            self._bundle,
            self._device,
            contact_factor=self.parameter("contact_factor"),
            zero_duration=self.parameter("zero_duration"),
            drift_time=self.parameter("drift_time"),
            drift_limit=self.parameter("drift_limit"),
            engine=self.parameter("engine"),
            notify=self.get_logger().info,
        )
        self._pipeline.warm_up()
        self._pass_over, self._max_age = self.parameter("pass_over"), self.parameter("max_age")
        self._loading, self._swap, self._swap_problem = None, "none", ""
        self.hardware_id = self._bundle.robot
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
        self._writers: dict[str, Writer] = {}  # of the outputs
        self._wanted: set[str] = set()  # outputs that somebody subscribes to
        self._looked = float("-inf")  # when that was found out
        self._triggers = [
            self.create_service(Trigger, "~/zero", self._on_zero),
            self.create_service(Trigger, "~/reset", self._on_reset),
        ]
        self._marked = float("-inf")  # stamp of the last markers [s]
        self._find_body()
        self._log_bundle("loaded")
        if problem := self._scheduling.apply(self.parameter("cpu_affinity") or (), self.parameter("realtime_priority")):
            self.get_logger().warning(problem)
        self._tell_rate()

    def activate(self) -> None:
        """Listen to the joint states, with an empty window."""
        self._pipeline.reset()
        self._incompatible = ""
        self._reader = JointStateReader()
        self._joint_states = self.create_subscription(
            JointState,
            "joint_states",
            self.on_joint_state,
            qos(DEPTH, self.parameter("reliability")),
            raw=True,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible),
            qos_overriding_options=overridable(),
        )
        self._watch = Watch(self._joint_states.topic_name)
        self._tally = Tally(self._bundle.rate)

    def deactivate(self) -> None:
        """End the subscription to the joint states; the bundle stays loaded."""
        if self._joint_states:
            self.destroy_subscription(self._joint_states)
        self._joint_states = None

    def release(self) -> None:
        """Stop publishing, and forget the bundle."""
        for publisher in self._outputs.values():
            self.destroy_publisher(publisher)
        for service in self._triggers:
            self.destroy_service(service)
        if self._description:
            self.destroy_subscription(self._description)
        self._outputs, self._triggers, self._description = {}, [], None
        self._scheduling.restore()

    def destroy_node(self) -> None:
        """End what is on, and destroy the node."""
        self._loader.shutdown(wait=False, cancel_futures=True)
        super().destroy_node()

    def check(self, name: str, value: Any) -> None:
        """Refuse a bundle that cannot take over from the one at work.

        Raises:
            BundleError: it is missing or altered, or for another robot, other joints or another meaning of effort.
        """
        path = Path(value).expanduser() if name == "bundle" else None
        if path is None or path == self._path:
            return
        index, bundle = read_index(path, whole=False), self._bundle  # the loader looks at the rest
        self._require_robot(index["robot"])
        if index["robot"] != bundle.robot or tuple(index["joints"]) != bundle.joints:
            raise BundleError(
                f"{value} is for {index['robot']} ({', '.join(index['joints'])}), and at work is {bundle.robot} "
                f"({', '.join(bundle.joints)}): for another robot, start another node",
                field="bundle",
                value=value,
            )
        if index["effort"] != asdict(bundle.effort) | {"scale": list(bundle.effort.scale)}:
            raise BundleError(
                f"{value} reads effort as {index['effort']}, and at work is {asdict(bundle.effort)}: "
                "start another node",
                field="bundle",
                value=value,
            )

    def change(self, name: str, value: Any) -> None:
        """Use the new value of a live parameter."""
        if name == "contact_factor":
            self._pipeline.contact_factor = value
        elif name == "zero_duration":
            self._pipeline.zero.duration = value
        elif name == "drift_time":
            self._pipeline.drift.time = value
        elif name == "drift_limit":
            self._pipeline.drift.limit = value
        elif name == "max_age":
            self._max_age = value
        elif name == "pass_over":
            self._pass_over = value
        elif name == "bundle":
            self._begin_swap(Path(value).expanduser())

    @property
    def max_age(self) -> float:
        """The age above which an estimate is late [s]."""
        return self._max_age or max(2 / self._bundle.rate, FRESH)

    def on_joint_state(self, raw: bytes) -> None:
        """Run the pipeline on this message and all that wait behind it, and publish the outputs for the newest sample.

        They bear the stamp of the message that completed the sample. Without `pass_over`, every sample is answered.
        """
        began = time.perf_counter()
        self._take_loaded()
        waiting: list[Waiting] = []
        for each, came in self._arrivals(raw, began):
            message = self._reader.read(each)
            self._check_message(message)
            try:
                taken = self._pipeline.take(
                    message.stamp_ns, message.names, message.position, message.velocity, message.effort
                )
            except VastaresError as error:
                self._watch.problem(str(error))
                continue
            if taken:
                waiting.append(Waiting(taken, message.frame_id, came))
            if waiting and not self._pass_over:
                self._answer(waiting, began)
                began, waiting = time.perf_counter(), []
        if waiting:
            self._answer(waiting, began)

    def report(self) -> Report:
        """The health over the last second."""
        self._take_urdf()
        self._take_loaded()
        assert self._joint_states is not None
        topic = self._joint_states.topic_name
        publishers = [_full_name(info) for info in self.get_publishers_info_by_topic(topic)]
        overload = self._tally.overload()
        figures = self._tally.values()
        heard = self._watch.heard
        if not publishers or (heard and len(publishers) < 2):
            self._incompatible = ""  # its publisher is gone, or another one is heard instead
        lasting = {
            "qos": (Level.WARN if heard else Level.STALE, self._incompatible),
            "wrench": (Level.WARN, self._body.problem),
            "swap": (Level.WARN, self._swap_problem),
        }
        swap = self._swap
        if self._pipeline.next_problem:
            swap = f"{self._next_path} waits: {self._pipeline.next_problem}"
            if time.monotonic() - self._swap_began > SWAP_PATIENCE:
                lasting["swap"] = (Level.WARN, f"{swap}; set parameter bundle to {self._path} to call it off")
        findings = [Finding(key, level, text) for key, (level, text) in lasting.items() if text]
        findings += self._watch.look(publishers, self._pipeline.missing, overload)
        joints, zero, drift = self._bundle.joints, self._pipeline.zero, self._pipeline.drift
        state = f"frozen: {drift.frozen}" if drift.frozen else "followed"
        return Report(
            findings,
            "all estimates are valid" if figures["valid_share"] else "the window fills",
            {
                **figures,
                "max_age_ms": self.max_age * 1e3,
                **{f"bias_{joint}": float(x) for joint, x in zip(joints, zero.bias, strict=True)},
                **{f"drift_{joint}": float(x) for joint, x in zip(joints, drift.bias, strict=True)},
                "drift": state if drift.time else "off",
                "publishers": len(publishers),
                "foreign_joints": ", ".join(self._watch.foreign(joints)) or "none",
                "device": str(self._device),
                "engine": _engine(self._pipeline.engine),
                "held_hz": round(self._tick.held_hz) if self._tick else "not measured since the swap",
                "bundle": str(self._path),
                "robot": self._bundle.robot,
                "wrench": self._body.status,
                "swap": swap,
            },
        )

    def _arrivals(self, message: bytes, began: float) -> Iterator[tuple[bytes, float]]:
        """The message that the executor has taken, and those that wait behind it, each with when it came.

        The executor does not say when its message came: not after the next one, if one waits. If none does, it is
        younger than the period of the joint states, and counts from now, `began`.

        Where to take messages in takes as long as the time between them, there is always one more that waits. So it
        ends after `CATCH_UP`, if what was taken is fresh.
        """
        following = self._take_waiting()
        yield message, min(began, following[1]) if following else began
        for _ in range(DEPTH if self._pass_over else AT_ONCE):
            if following is None:
                return
            yield following
            now = time.perf_counter()
            if now - began > CATCH_UP > now - following[1]:
                return
            following = self._take_waiting()
        if following:
            yield following

    def _take_waiting(self) -> tuple[bytes, float] | None:
        """The next message that waits, and when the middleware received it, by `time.perf_counter` [s]."""
        if self._joint_states is None:
            return None
        with self._joint_states.handle:  # keeps it from being destroyed
            taken = self._joint_states.handle.take_message(JointState, True)
        if taken is None:
            return None
        message, about = taken
        received = about["received_timestamp"]  # by the system's clock [ns]; 0 where the middleware does not say
        waited = max(0, time.time_ns() - received) * 1e-9 if received else 0.0
        return message, time.perf_counter() - waited

    def _answer(self, waiting: Sequence[Waiting], began: float) -> None:
        """Publish the outputs for the newest of the samples that wait, and count the others as passed over.

        Args:
            waiting: those that the pipeline has taken since its last answer, at least one.
            began: when the work on them began, by `time.perf_counter` [s].
        """
        newest = next(w for w in waiting if w.taken is self._pipeline.newest)
        outputs = self._pipeline.answer()
        if self._pipeline.bundle is not self._bundle:
            self._end_swap()
        age = time.perf_counter() - newest.came
        if outputs.estimate.valid and age > self.max_age:
            detail = f"{age * 1e3:.1f} ms old, and max_age is {self.max_age * 1e3:g} ms"
            outputs = replace(outputs, estimate=replace(outputs.estimate, validity=Validity.LATE, detail=detail))
        self._publish(newest.frame_id, outputs)
        estimate = outputs.estimate
        self._watch.sample(estimate.valid)
        for each in waiting:
            refusal = each.taken.refusal
            why = estimate if each is newest else refusal
            if why and why.validity in NEXT_STEP:
                detail = "stamp is zero" if each.taken.stamp_ns == 0 else why.detail
                self._watch.problem(why.validity.value, f"{detail}, {NEXT_STEP[why.validity]}".removeprefix(", "))
            t, reason = each.taken.sample.t, refusal.validity if refusal else None
            self._tally.sample(t, each.came, reason, passed_over=each is not newest)
        self._tally.answer(estimate, age, time.perf_counter() - began)

    def _check_message(self, message: Received) -> None:
        """Note what is wrong with a message by itself."""
        self._watch.message(message.frame_id, message.names)
        for name in FIELDS:
            if len(getattr(message, name)) not in (0, len(message.names)):
                self._watch.problem(
                    f"{name} is of another length than name", "so it counts as missing: mend the driver"
                )

    def _publish(self, frame_id: str, outputs: Outputs) -> None:
        """Publish the outputs that somebody subscribes to; to compute one and to make its message costs more."""
        now = time.perf_counter()
        if now - self._looked > LOOK:
            self._looked = now
            self._wanted = {name for name, publisher in self._outputs.items() if publisher.get_subscription_count()}
        for output, names, values in outputs.published(self._wanted):
            if output.name not in self._writers:
                self._writers[output.name] = _writer(output, names)
            frame = frame_id
            if output.kind == WRENCH:
                assert outputs.wrench_estimator is not None
                frame = self._frame_prefix + outputs.wrench_estimator.frame_id
            message = self._writers[output.name].write(outputs.stamp_ns, frame, values)
            self._outputs[output.name].publish(message)
        if self._body.links and not 0 <= outputs.estimate.t - self._marked < MARKER_PERIOD:
            self._marked = outputs.estimate.t
            if "contact_markers" in self._wanted:
                self._publish_markers(to_stamp(outputs.stamp_ns), outputs.estimate)

    def _publish_markers(self, stamp: Time, estimate: Estimate) -> None:
        tau_ext = estimate.tau_ext if estimate.valid else np.full(len(estimate.tau_ext), np.nan)
        bound = self._pipeline.contact_factor * estimate.bound
        markers = contact_markers(stamp, self._body.links, tau_ext, bound, self._frame_prefix)
        self._outputs["contact_markers"].publish(markers)

    def _on_zero(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            if self.state != "active":
                raise VastaresError(
                    f"the node is {self.state}: ros2 lifecycle set {self.get_fully_qualified_name()} activate"
                )
            if time.perf_counter() - self._tally.arrival > RECENT:
                raise VastaresError(f"no joint states in the last {RECENT:g} s: is the robot's driver running?")
            bias = self._pipeline.set_zero(self.parameter("zero_speed"))
        except VastaresError as error:
            response.message = f"not zeroed: {error}"
            return response
        bundle = self._bundle
        high = [joint for joint, over in zip(bundle.joints, np.abs(bias) > bundle.bound, strict=True) if over]
        values = ", ".join(f"{joint} {x:.3g}" for joint, x in zip(bundle.joints, bias, strict=True))
        doubt = f"; more than in free motion on {', '.join(high)}: does something touch the arm?" if high else ""
        response.success, response.message = True, f"bias is now {values} [{bundle.effort.unit}]{doubt}"
        self.get_logger().info(response.message)
        return response

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._pipeline.reset()
        response.success, response.message = True, "no bias, and the window fills anew"
        return response

    def _require_robot(self, robot: str) -> None:
        wanted = self.parameter("robot")
        if wanted and wanted != robot:
            raise BundleError(
                f"the bundle is for robot {robot!r}, and parameter robot is {wanted!r}: give another bundle",
                field="robot",
                value=robot,
            )

    def _begin_swap(self, path: Path) -> None:
        self._pipeline.replace_by(None)
        self._loading, self._swap_problem = None, ""
        if path == self._path:
            self._swap = "none"
            return
        self._next_path = path
        self._swap = f"{path} is loading"
        self._loading = self._loader.submit(_load, path, self._device, self.parameter("engine"), self.get_logger().info)

    def _take_loaded(self) -> None:
        """Take what the loader has finished."""
        if self._loading and self._loading.done():
            loading, self._loading = self._loading, None
            try:
                self._pipeline.replace_by(loading.result())
            except Exception as error:  # whatever came of what a peer asked for
                self.set_parameters([RosParameter("bundle", value=str(self._path))])  # the one at work
                self._swap_problem = self._swap = f"{self._path} stays at work: {in_words(error)}"
            self._swap_began = time.monotonic()
        if self._body_loading and self._body_loading.done():
            body, self._body_loading = self._body_loading.result(), None
            self._use_body(body)

    def _end_swap(self) -> None:
        self._bundle = self._pipeline.bundle
        self._path = self._next_path
        self._tally.rate = self._bundle.rate
        self._tick = None  # that of the bundle before; to measure again would hold up the messages
        self._swap = f"{self._path} took over"
        self._load_body()  # the new bundle may carry another URDF
        gc.freeze()
        self._log_bundle("swapped to")

    def _find_body(self) -> None:
        """Use the URDF of the parameter, or listen for one and use that of the bundle or the package until it comes."""
        self._frame_prefix = self.parameter("frame_prefix")
        self._urdf, self._urdf_source = "", ""
        if file := self.parameter("urdf"):
            try:
                self._urdf = read_urdf(Path(file).expanduser())
            except RobotError as error:
                raise ConfigError(f"parameter urdf: {error}", field="urdf", value=file) from error
            self._urdf_source = f"of parameter urdf ({file})"
        else:
            latched = QoSProfile(
                depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
            )
            self._description = self.create_subscription(String, "robot_description", self._on_urdf, latched)
        self._use_body(self._load_body().result())  # so that the first message has a wrench, too
        self._body_loading = None

    def _take_urdf(self) -> None:
        """Take a URDF that waits: the executor misses one that comes just as it begins to listen."""
        if self._description:
            with self._description.handle:  # keeps it from being destroyed
                if taken := self._description.handle.take_message(String, False):
                    self._on_urdf(taken[0])

    def _on_urdf(self, message: String) -> None:
        assert self._description is not None
        self._urdf, self._urdf_source = message.data, f"of topic {self._description.topic_name}"
        self._load_body()

    def _load_body(self) -> Future[Body]:
        frames = self.parameter("tip_frame"), self.parameter("wrench_frame")
        self._body_loading = self._loader.submit(_body, self._bundle, self._urdf, self._urdf_source, *frames)
        return self._body_loading

    def _use_body(self, body: Body) -> None:
        self._body, self._pipeline.wrench = body, body.wrench

    def _on_incompatible(self, event: Any) -> None:
        policy = event.last_policy_kind.name.rpartition("_")[2].lower()
        assert self._joint_states is not None
        self._incompatible = (
            f"a publisher of {self._joint_states.topic_name} does not offer what is asked for ({policy}): "
            f"set parameter reliability to best_effort and start anew"
        )

    def _tell_rate(self) -> None:
        """Measure a tick, and tell which rate this computer holds, before the robot moves."""
        tick, rate = measure_tick(self._pipeline, MEASURED), self._bundle.rate
        self._tick = tick
        text = (
            f"a tick takes {tick.p50_ms:.2f} ms (99 %: {tick.p99_ms:.2f} ms) with {tick.engine}: this computer holds "
            f"{tick.held_hz:.0f} Hz, and the bundle was trained at {rate:g} Hz"
        )
        if tick.held_hz >= rate:
            self.get_logger().info(text)
        else:
            self.get_logger().warning(
                f"{text}: some joint states will be passed over. Use engine compiled, a smaller network (window, "
                "hidden) or a rigid-body model (vastares identify)"
            )

    def _log_bundle(self, what: str) -> None:
        b = self._bundle
        recordings = b.training["split"]["training"]
        window = b.model.config.window
        text = (
            f"{what} {self._path}: {b.robot}, {', '.join(b.joints)} at {b.rate:g} Hz, window of {window} samples, "
            f"{self._device}, {self._pipeline.engine.name}, torque in {b.effort.unit}, "
            f"trained on {_few(recordings)}, {_score(b)}"
        )
        self.get_logger().info(printable(text))


def main(args: Sequence[str]) -> int:
    """Run the node until SIGINT or SIGTERM.

    Raises:
        VastaresError: an argument is of no use, or a parameter has a value that it cannot have.
    """
    return run(lambda context: EstimatorNode(context=context), args)


def _load(path: Path, device: torch.device, engine: str, notify: Callable[[str], None]) -> Estimator:
    """An estimator that is ready to take over."""
    estimator = Estimator(load_bundle(path), device, engine, notify)
    estimator.warm_up()
    return estimator


def _body(bundle: Bundle, urdf: str, source: str, tip: str, frame: str) -> Body:
    """The arm of a bundle by a URDF, whose `source` is shown; by that of the bundle or the package if it is empty."""
    if not urdf:
        source = "in the bundle" if bundle.model.dynamics else "in the package"
    try:
        arm = bundle_arm(bundle, urdf, tip)
    except Exception as error:  # pinocchio raises its own of a URDF that is none
        return Body(f"none: {in_words(error)}", problem=f"no wrench: {in_words(error)}" if urdf else "")
    try:
        wrench = make_wrench_estimator(bundle, arm, frame)
    except RobotError as error:
        expected = error.unit is None
        return Body(f"none: {error}", links=arm.links, problem=f"no wrench: {error}" if expected else "")
    return Body(f"in frame {wrench.frame_id}, by the URDF {source}", wrench, arm.links)


def _writer(output: Output, names: Sequence[str]) -> Writer:
    """What serialises the messages of an output."""
    if output.kind == WRENCH:
        return Writer(wrench_message)
    return Writer(lambda frame_id, values: named_values(frame_id, names, values))


def _engine(engine: Engine) -> str:
    return f"{engine.name} ({engine.note})" if engine.note else engine.name


def _full_name(info: Any) -> str:
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{len(names)} recordings"


def _score(bundle: Bundle) -> str:
    nmse = bundle.metrics["nmse_mean"]
    of = "held-out" if bundle.metrics["of"] != "training" else "no held-out recording, training"
    return f"{of} nmse {nmse['model']:.3f} (mean {nmse['mean']:.3f}, ridge {nmse['ridge']:.3f})"
