# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The base of every node of this package: a lifecycle node with parameters, topics and services from a table.

A node configures, activates, deactivates and releases. A `VastaresError` that is raised there makes the transition fail
with that line; the process lives on and can be configured again. No error in a callback ends the node: it is logged,
and diagnostics say it.
"""

from __future__ import annotations

import difflib
import functools
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.impl.implementation_singleton import rclpy_implementation as rcl
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter as RosParameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from std_srvs.srv import Trigger

from vastares_ros.core.errors import ConfigError, VastaresError, in_words, printable
from vastares_ros.nodes.diagnostics import PERIOD, Finding, Level, Report
from vastares_ros.nodes.interfaces import (
    AUTOSTART,
    DIAGNOSTICS,
    WARN_PERIOD,
    Change,
    Parameter,
    Service,
    Topic,
    Unset,
)

Callback = Callable[..., Any]

STEADY = Clock(clock_type=ClockType.STEADY_TIME)  # it runs under use_sim_time without a /clock, too
QOS_OVERRIDES = "qos_overrides."  # begins the names of parameters that rclpy declares with each topic
NEXT = {"unconfigured": "configure", "inactive": "activate", "finalized": ""}


class ManagedNode(LifecycleNode):
    """A lifecycle node with parameters from a table, and diagnostics.

    A parameter whose type is double takes integers as well, and one that is not in the table is refused at the start.

    A node sets `PARAMETERS`, `TOPICS` and `SERVICES` to its entry in `interfaces`. It overrides `configure`,
    `activate`, `deactivate` and `release`, `check` and `change` for its live parameters, and `report` for its health.

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
            ConfigError: a parameter is given that there is not.
        """
        self.state = "unconfigured"
        self.last_error = ""
        super().__init__(name, **options)
        self._table = {parameter.name: parameter for parameter in self.PARAMETERS}
        self._logged: dict[str, float] = {}  # finding -> when it was logged last
        self._fault: Finding | None = None  # an error of a callback since the last diagnostics
        self._check_overrides(name)
        self.add_on_set_parameters_callback(self._on_set)
        if hasattr(self, "add_pre_set_parameters_callback"):  # not in ROS Humble
            self.add_pre_set_parameters_callback(lambda parameters: list(map(self._as_declared, parameters)))
        for parameter in self.PARAMETERS:
            default = parameter.default
            if isinstance(default, Unset):
                default = RosParameter.Type[default.name]
            self.declare_parameter(parameter.name, default, _descriptor(parameter))
        self._diagnostics = self.create_publisher(DiagnosticArray, DIAGNOSTICS.name, 10)
        self._diagnostics_timer = self.create_timer(PERIOD, self._diagnose, clock=STEADY)

    def configure(self) -> None:
        """Load what is needed and create what is published."""

    def activate(self) -> None:
        """Start the work of the node, for example subscribe to topics; the node is configured."""

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

    def create_subscription(self, kind: Any, topic: str, callback: Callback, *args: Any, **options: Any) -> Any:  # type: ignore[override]
        """As of `rclpy.node.Node`, with a guard around the callback."""
        return super().create_subscription(kind, topic, self._guarded(callback), *args, **options)

    def create_service(self, kind: Any, name: str, callback: Callback, *args: Any, **options: Any) -> Any:  # type: ignore[override]
        """As of `rclpy.node.Node`, with a guard around the callback."""
        return super().create_service(kind, name, self._guarded(callback), *args, **options)

    def create_timer(self, period: float, callback: Callback, *args: Any, **options: Any) -> Any:  # type: ignore[override]
        """As of `rclpy.node.Node`, with a guard around the callback."""
        return super().create_timer(period, self._guarded(callback), *args, **options)

    def start(self) -> None:
        """Configure and activate, if parameter `autostart` is true. A failure is logged, and the node waits."""
        if self.parameter("autostart") and self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def parameter(self, name: str) -> Any:
        """The value of a parameter; None where it is unset."""
        return self.get_parameter_or(name, RosParameter(name)).value

    def destroy_node(self) -> None:
        """End what is on, and destroy the node."""
        self._end()
        super().destroy_node()
        self._state_machine.destroy_when_not_in_use()  # else it keeps the node alive, and the next one has no /rosout

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Call `configure`, and go to state inactive if it succeeds."""
        return self._transition("configure", self.configure, "inactive")

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Call `activate`, and go to state active if it succeeds."""
        return self._transition("activate", self.activate, "active")

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Call `deactivate`, and go to state inactive if it succeeds."""
        return self._transition("deactivate", self.deactivate, "inactive")

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Call `release`, and go to state unconfigured if it succeeds."""
        return self._transition("cleanup", self.release, "unconfigured")

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End all work, release what is held, and go to state finalized."""
        return self._transition("shutdown", self._end, "finalized")

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let the node be configured again after an unexpected error."""
        self._end()
        self.state = "unconfigured"
        return TransitionCallbackReturn.SUCCESS

    def _LifecycleNodeMixin__on_change_state(self, request: Any, response: Any) -> Any:
        # The name is that of rclpy's own handler, which ends the process on a request for a transition that this state
        # does not have. Managers of lifecycle nodes do make such requests.
        try:
            return super()._LifecycleNodeMixin__on_change_state(request, response)  # type: ignore[misc]
        except rcl.RCLError as error:
            self.get_logger().warning(f"no such transition from state {self.state}: {str(error).splitlines()[0]}")
            response.success = False
            return response

    def _guarded(self, callback: Callback) -> Callback:
        """A callback whose errors do not end the node; a service then answers that it did not succeed."""

        @functools.wraps(callback)
        def guarded(*args: Any) -> Any:
            try:
                return callback(*args)
            except Exception as error:
                where = getattr(callback, "__name__", "a callback").lstrip("_")
                text = f"unexpected error in {where}: {in_words(error)}; the node goes on, please report it"
                self._fault = Finding("unexpected error", Level.ERROR, text)
                if self._is_due("traceback"):
                    self.get_logger().error(f"{text}\n{traceback.format_exc()}")
                response = args[-1] if args else None
                if isinstance(response, Trigger.Response):
                    response.success, response.message = False, text
                return response

        return guarded

    def _transition(self, name: str, action: Callable[[], None], after: str) -> TransitionCallbackReturn:
        try:
            action()
        except VastaresError as error:
            self._failed(name, str(error))
            if name == "configure":
                self.release()
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # rclpy drops it
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

    def _check_overrides(self, verb: str) -> None:
        """Refuse unknown parameters of the command line and of files for this node, which `verb` runs."""
        overrides = self._parameter_overrides
        for name in overrides:
            if not (name in self._table or name.startswith(QOS_OVERRIDES) or self.has_parameter(name)):
                near = difflib.get_close_matches(name, list(self._table))
                hint = f"did you mean {' or '.join(near)}? " if near else ""
                raise ConfigError(
                    f"parameter {name} is unknown: {hint}`vastares {verb} --help` has every parameter; one "
                    "for another node belongs under the name of that node in the file",
                    field=name,
                )
        overrides.update({name: self._as_declared(override) for name, override in overrides.items()})

    def _as_declared(self, parameter: RosParameter) -> RosParameter:
        """The parameter, with integers as floating-point numbers where the table has these."""
        entry = self._table.get(parameter.name)
        if entry is None:
            return parameter
        if isinstance(entry.default, float) and parameter.type_ == RosParameter.Type.INTEGER:
            return RosParameter(parameter.name, RosParameter.Type.DOUBLE, float(parameter.value))
        if entry.default is Unset.DOUBLE_ARRAY and parameter.type_ == RosParameter.Type.INTEGER_ARRAY:
            return RosParameter(parameter.name, RosParameter.Type.DOUBLE_ARRAY, [float(x) for x in parameter.value])
        return parameter

    def _on_set(self, parameters: Sequence[RosParameter]) -> SetParametersResult:
        known = [p for p in parameters if p.name in self._table and p.type_ != RosParameter.Type.NOT_SET]
        try:
            for parameter in known:
                self._check(self._table[parameter.name], parameter.value)
            if self.state in ("inactive", "active"):
                for parameter in known:
                    self.change(parameter.name, parameter.value)
        except Exception as error:  # who sets a parameter must not end the node
            return SetParametersResult(successful=False, reason=in_words(error))
        return SetParametersResult(successful=True)

    def _check(self, entry: Parameter, value: Any) -> None:
        if problem := entry.problem(value):
            raise ConfigError(problem, field=entry.name, value=value)
        if self.state not in ("inactive", "active"):
            return
        if entry.change is not Change.LIVE:
            node = self.get_fully_qualified_name()
            raise ConfigError(
                f"parameter {entry.name} can be set only {entry.change.value}: "
                f"ros2 lifecycle set {node} deactivate, then cleanup",
                field=entry.name,
                value=value,
            )
        self.check(entry.name, value)

    def _diagnose(self) -> None:
        report = (self._guarded(self.report)() if self.state == "active" else None) or Report()
        if self.last_error:
            report = Report([Finding("", Level.ERROR, self.last_error)], values=report.values)
        elif self.state != "active":
            hint = f": ros2 lifecycle set {self.get_fully_qualified_name()} {NEXT[self.state]}" * bool(NEXT[self.state])
            report = Report([Finding("", Level.STALE, f"{self.state}{hint}")])
        if self._fault:
            report, self._fault = replace(report, findings=[self._fault, *report.findings]), None
        array = DiagnosticArray(status=[report.status(self.get_fully_qualified_name(), self.hardware_id)])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)
        for finding in report.findings:
            if finding.key:
                self._log(finding)

    def _log(self, finding: Finding) -> None:
        if self._is_due(finding.key):
            self.get_logger().warning(printable(finding.text))

    def _is_due(self, key: str) -> bool:
        """Whether `WARN_PERIOD` has passed since this was last asked and true."""
        now = time.monotonic()
        due = bool(now - self._logged.get(key, float("-inf")) >= self.parameter(WARN_PERIOD.name))
        if due:
            self._logged[key] = now
        return due


def qos(depth: int, reliability: str) -> QoSProfile:
    """A profile that keeps the last `depth` messages; reliability is one of `interfaces.RELIABILITIES`."""
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy[reliability.upper()])


def overridable() -> QoSOverridingOptions:
    """Let the user override history, depth and reliability of a topic by the parameters `qos_overrides./TOPIC.…`."""
    return QoSOverridingOptions.with_default_policies()


def _descriptor(parameter: Parameter) -> ParameterDescriptor:
    """A parameter as `ros2 param describe` shows it."""
    hints = [f"One of: {', '.join(parameter.choices)}"] if parameter.choices else []
    if parameter.change is not Change.START:
        hints.append(f"Can be set {parameter.change.value}")
    descriptor = ParameterDescriptor(
        description=parameter.description,
        additional_constraints=". ".join(hints),
        read_only=parameter.change is Change.START,
    )
    if parameter.limits and isinstance(parameter.default, float):
        low, high = parameter.limits
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    elif parameter.limits:
        low, high = parameter.limits
        descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
    return descriptor
