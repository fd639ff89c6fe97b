# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A node as a process: its arguments, parameters, executor, signals and end; and `vastares` as a child process."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.exceptions import ParameterException
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from vastares_ros.core.errors import ConfigError, VastaresError
from vastares_ros.nodes.managed import ManagedNode

LOOK = 0.1  # seconds between two looks at whether a signal came
VASTARES = (sys.executable, "-m", "vastares_ros")
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def reliable(depth: int) -> QoSProfile:
    """Reliable delivery that keeps the last `depth` messages."""
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE)


def make_executor(context: Context) -> Executor:
    """The executor for 500 Hz and more; drive it by `spin_once`, since its `spin` hangs in the wheels of Jazzy.

    It is the EventsExecutor where rclpy has one, which needs under half the CPU, else the SingleThreadedExecutor.
    """
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:  # ROS Humble
        return SingleThreadedExecutor(context=context)
    return EventsExecutor(context=context)


@contextmanager
def ros_node(name: str) -> Iterator[Node]:
    """A node for a program that is no node itself, in a context of its own; Ctrl-C stays Python's."""
    context = Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = Node(name, context=context, use_global_arguments=False)
        try:
            yield node
        finally:
            node.destroy_node()
    finally:
        context.try_shutdown()


@contextmanager
def own_domain() -> Iterator[None]:
    """A ROS domain for this process and its children alone, on this machine only.

    Raises:
        VastaresError: all are in use.
    """
    with _claimed() as domain:
        mine = {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        before = {name: os.environ.get(name) for name in mine}
        os.environ.update(mine)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


@contextmanager
def _claimed() -> Iterator[int]:
    """A domain whose ports nobody uses; while it is held, one port that DDS never asks for is taken as a sign."""
    for domain in random.SystemRandom().sample(range(1, 101), 100):
        ports = 7400 + 250 * domain  # of the RTPS specification
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sign, socket.socket(type=socket.SOCK_DGRAM) as first:
            try:
                sign.bind(("127.0.0.1", ports + 249))
                first.bind(("", ports + 10))  # of the first participant
            except OSError:
                continue
            first.close()
            yield domain
            return
    raise VastaresError("no ROS domain from 1 to 100 is free: end some of the ROS programs on this computer")


def run(make_node: Callable[[Context], Node], args: Sequence[str]) -> int:
    """Run a node until SIGINT or SIGTERM, and end it in order; further signals do not disturb that.

    A `ManagedNode` is configured and activated first, unless its parameter `autostart` is false.

    Args:
        make_node: called with an initialised context.
        args: `--ros-args …`.

    Returns:
        The exit status 0.

    Raises:
        ConfigError: the arguments are no ROS arguments, or a parameter has another type or a value it cannot have.
        VastaresError: by `make_node`.
    """
    signals: list[int] = []
    before = {s: signal.signal(s, lambda number, _: signals.append(number)) for s in (signal.SIGINT, signal.SIGTERM)}
    context = Context()
    try:
        try:
            others = remove_ros_args(args)
            rclpy.init(args=list(args), context=context, signal_handler_options=SignalHandlerOptions.NO)
        except RuntimeError as error:
            raise ConfigError(f"{_first_sentence(error)}: use --ros-args -p NAME:=VALUE") from error
        if others:
            raise ConfigError(f"argument {others[0]!r} is unknown: use --ros-args -p NAME:=VALUE", value=others[0])
        try:
            node = make_node(context)
        except ParameterException as error:
            raise ConfigError(f"{_reason(error)}: see the file in config/ for every parameter") from error
        executor = make_executor(context)
        try:
            if isinstance(node, ManagedNode):
                node.start()
            executor.add_node(node)
            while not signals:
                executor.spin_once(timeout_sec=LOOK)
        finally:
            node.destroy_node()
            executor.shutdown()
        return 0
    finally:
        context.try_shutdown()
        for number, handler in before.items():
            signal.signal(number, handler)


def spawn(command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
    """Start a child process that does not outlive this one, even if this one is killed, and hears no Ctrl-C itself."""
    die_with_parent = None if _LIBC is None else lambda: _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    return subprocess.Popen(command, text=True, start_new_session=True, preexec_fn=die_with_parent, **options)


def end(child: subprocess.Popen[str], patience: float = 5.0) -> None:
    """End a child process, by force if it takes longer than `patience` [s]."""
    child.terminate()
    try:
        child.wait(patience)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _reason(error: ParameterException) -> str:
    """What a user needs of `Invalid parameter value (0) for parameter. Reason: REASON: NAME`."""
    return str(error).rpartition("Reason: ")[2].strip()


def _first_sentence(error: Exception) -> str:
    return str(error).splitlines()[0].partition(", at /")[0].rstrip(".")
