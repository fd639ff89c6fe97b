"""What every node of this package is: a lifecycle node with parameters, topics and services from tables.

A node says in `PARAMETERS`, `TOPICS` and `SERVICES` what it has, so that the reference in docs/ is written from them.
It configures, activates, deactivates and releases; whatever raises a `VastaresError` there makes the transition fail
with that line, and the process lives on and can be configured again.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.impl.implementation_singleton import rclpy_implementation as rcl
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter as RosParameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

from vastares_ros.core.errors import ConfigError, VastaresError
from vastares_ros.nodes.diagnostics import PERIOD, Finding, Level, Report

STEADY = Clock(clock_type=ClockType.STEADY_TIME)  # runs under use_sim_time without a /clock, too
RELIABILITIES = {"reliable": ReliabilityPolicy.RELIABLE, "best_effort": ReliabilityPolicy.BEST_EFFORT}
NEXT = {"unconfigured": "configure", "inactive": "activate", "finalized": ""}


class Change(Enum):
    """When a parameter may be set."""

    LIVE = "at any time"
    UNCONFIGURED = "while the node is unconfigured"
    START = "when the node starts"


@dataclass(frozen=True)
class Parameter:
    """A parameter of a node.

    Attributes:
        name: as in `ros2 param`.
        default: its value; a `rclpy.parameter.Parameter.Type` names a type and leaves it unset.
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

    def problem(self, value: Any) -> str:
        """Why it cannot be `value`; empty if it can. Type and limits are checked by ROS."""
        if self.choices and value not in self.choices:
            return f"parameter {self.name} is {value!r}: use {' or '.join(self.choices)}"
        return ""

    def descriptor(self) -> ParameterDescriptor:
        """For `ros2 param describe`."""
        hints = [f"One of: {', '.join(self.choices)}"] if self.choices else []
        if self.change is not Change.START:
            hints.append(f"Can be set {self.change.value}")
        descriptor = ParameterDescriptor(
            description=self.description,
            additional_constraints=". ".join(hints),
            read_only=self.change is Change.START,
        )
        if self.limits and isinstance(self.default, float):
            low, high = self.limits
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        elif self.limits:
            low, high = self.limits
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
        return descriptor


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


AUTOSTART = Parameter(
    "autostart", True, "Configure and activate by itself; false waits for `ros2 lifecycle set`.", Change.START
)
WARN_PERIOD = Parameter(
    "warn_period", 5.0, "Time between two log lines about the same trouble [s].", Change.LIVE, limits=(0.0, 3600.0)
)
DIAGNOSTICS = Topic(
    "/diagnostics",
    "diagnostic_msgs/msg/DiagnosticArray",
    True,
    "Health once a second: level, what to do, and figures; in every state.",
)


class ManagedNode(LifecycleNode):
    """A lifecycle node with parameters from a table, and diagnostics.

    A node overrides `configure`, `activate`, `deactivate` and `release`, `check` and `change` for its live parameters,
    and `report` for its health.

    Attributes:
        state: unconfigured, inactive, active or finalized.
        last_error: why the last transition failed, empty if it did not.
    """

    PARAMETERS: ClassVar[tuple[Parameter, ...]] = (AUTOSTART, WARN_PERIOD)
    TOPICS: ClassVar[tuple[Topic, ...]] = (DIAGNOSTICS,)
    SERVICES: ClassVar[tuple[Service, ...]] = ()
    hardware_id = ""  # of the diagnostics

    def __init__(self, name: str, **options: Any):
        """Declare the parameters, and wait in the state unconfigured.

        Args:
            name: of the node, before remapping.
            options: of `rclpy.node.Node`.

        Raises:
            rclpy.exceptions.ParameterException: a parameter has another type, or a value that it cannot have.
        """
        self.state = "unconfigured"
        self.last_error = ""
        super().__init__(name, **options)
        self._table = {parameter.name: parameter for parameter in self.PARAMETERS}
        self._logged: dict[str, float] = {}  # finding -> when it was logged last
        self.add_on_set_parameters_callback(self._on_set)
        for parameter in self.PARAMETERS:
            self.declare_parameter(parameter.name, parameter.default, parameter.descriptor())
        self._diagnostics = self.create_publisher(DiagnosticArray, DIAGNOSTICS.name, 10)
        self._diagnostics_timer = self.create_timer(PERIOD, self._diagnose, clock=STEADY)

    def configure(self) -> None:
        """Load what is needed and create what is published."""

    def activate(self) -> None:
        """Begin."""

    def deactivate(self) -> None:
        """End what `activate` began."""

    def release(self) -> None:
        """Undo `configure`, even where it failed halfway or was never called."""

    def check(self, name: str, value: Any) -> None:
        """Refuse a value that a configured node cannot use.

        Raises:
            VastaresError: with the reason.
        """

    def change(self, name: str, value: Any) -> None:
        """Use the new value of a live parameter; called while configured."""

    def report(self) -> Report:
        """The health of the active node over the last second."""
        return Report(fine="active")

    def start(self) -> None:
        """Configure and activate, if parameter `autostart` says so. What fails is logged, and the node waits."""
        if self.parameter("autostart") and self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def parameter(self, name: str) -> Any:
        """The value of a parameter; None where it is unset."""
        return self.get_parameter_or(name, RosParameter(name)).value

    def destroy_node(self) -> None:
        """End in order, and go."""
        self._end()
        super().destroy_node()
        self._state_machine.destroy_when_not_in_use()  # it would keep the node in being, and take /rosout from the next

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """By the lifecycle."""
        return self._transition("configure", self.configure, "inactive")

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """By the lifecycle."""
        return self._transition("activate", self.activate, "active")

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """By the lifecycle."""
        return self._transition("deactivate", self.deactivate, "inactive")

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """By the lifecycle."""
        return self._transition("cleanup", self.release, "unconfigured")

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """By the lifecycle."""
        return self._transition("shutdown", self._end, "finalized")

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After an error that nobody foresaw, the node can be configured again."""
        self._end()
        self.state = "unconfigured"
        return TransitionCallbackReturn.SUCCESS

    def _LifecycleNodeMixin__on_change_state(self, request: Any, response: Any) -> Any:
        # The name is that of rclpy's own handler, which ends the process when asked for a transition that this state
        # does not have; managers of lifecycle nodes do ask for such.
        try:
            return super()._LifecycleNodeMixin__on_change_state(request, response)  # type: ignore[misc]
        except rcl.RCLError as error:
            self.get_logger().warning(f"no such transition from state {self.state}: {str(error).splitlines()[0]}")
            response.success = False
            return response

    def _transition(self, name: str, do: Callable[[], None], after: str) -> TransitionCallbackReturn:
        try:
            do()
        except VastaresError as error:
            self._failed(name, str(error))
            if name == "configure":
                self.release()
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # rclpy would swallow it
            self._failed(name, f"{type(error).__name__}: {error}")
            self.get_logger().error(traceback.format_exc())
            return TransitionCallbackReturn.ERROR
        self.state, self.last_error = after, ""
        return TransitionCallbackReturn.SUCCESS

    def _failed(self, transition: str, why: str) -> None:
        node = self.get_fully_qualified_name()
        self.last_error = f"{transition} failed: {why}; then: ros2 lifecycle set {node} {transition}"
        self.get_logger().error(self.last_error)

    def _end(self) -> None:
        if self.state == "active":
            self.deactivate()
        self.release()
        self.state = "finalized"

    def _on_set(self, parameters: Sequence[RosParameter]) -> SetParametersResult:
        known = [p for p in parameters if p.name in self._table and p.type_ != RosParameter.Type.NOT_SET]
        try:
            for parameter in known:
                self._check(self._table[parameter.name], parameter.value)
        except VastaresError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if self.state in ("inactive", "active"):
            for parameter in known:
                self.change(parameter.name, parameter.value)
        return SetParametersResult(successful=True)

    def _check(self, entry: Parameter, value: Any) -> None:
        if problem := entry.problem(value):
            raise ConfigError(problem)
        if self.state not in ("inactive", "active"):
            return
        if entry.change is not Change.LIVE:
            node = self.get_fully_qualified_name()
            raise ConfigError(
                f"parameter {entry.name} can be set only {entry.change.value}: "
                f"ros2 lifecycle set {node} deactivate, then cleanup"
            )
        self.check(entry.name, value)

    def _diagnose(self) -> None:
        report = self.report() if self.state == "active" else Report()
        if self.last_error:
            report = Report([Finding("", Level.ERROR, self.last_error)], values=report.values)
        elif self.state != "active":
            hint = f": ros2 lifecycle set {self.get_fully_qualified_name()} {NEXT[self.state]}" * bool(NEXT[self.state])
            report = Report([Finding("", Level.STALE, f"{self.state}{hint}")])
        array = DiagnosticArray(status=[report.status(self.get_fully_qualified_name(), self.hardware_id)])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)
        for finding in report.findings:
            if finding.key:
                self._log(finding)

    def _log(self, finding: Finding) -> None:
        now = time.monotonic()
        if now - self._logged.get(finding.key, float("-inf")) >= self.parameter(WARN_PERIOD.name):
            self._logged[finding.key] = now
            self.get_logger().warning(finding.text)


def qos(depth: int, reliability: str) -> QoSProfile:
    """A profile that keeps the last `depth` messages; reliability is a key of `RELIABILITIES`."""
    return QoSProfile(depth=depth, reliability=RELIABILITIES[reliability])


def overridable() -> QoSOverridingOptions:
    """Lets the user override history, depth and reliability of a topic by the parameters `qos_overrides./TOPIC.…`."""
    return QoSOverridingOptions.with_default_policies()
