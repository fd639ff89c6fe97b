# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Run the real estimator node as a child process, publish joint states to it, and gather its answers."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import WrenchStamped
from rcl_interfaces.srv import GetParameters
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState

from vastares_ros.core.errors import VastaresError
from vastares_ros.core.samples import Array
from vastares_ros.io.playback import Playback
from vastares_ros.nodes.interfaces import DIAGNOSTICS
from vastares_ros.nodes.messages import from_stamp, from_wrench, to_joint_state
from vastares_ros.nodes.process import VASTARES, end, make_executor, own_domain, reliable, ros_node, spawn
from vastares_ros.runtime.outputs import JOINT_STATE, OUTPUTS, WRENCH
from vastares_ros.runtime.parity import Answers

DEPTH = 1000  # messages that wait on either side
START = 60.0  # seconds for the node to import torch, load and be found
SILENCE = 5.0  # seconds without an answer after which the rest counts as lost
TYPES = {JOINT_STATE: JointState, WRENCH: WrenchStamped}


def run_live(
    bundle: Path,
    joints: Sequence[str],
    playback: Playback,
    expected: Mapping[str, int],
    command: Sequence[str] = (*VASTARES, "estimator"),
    every: bool = False,
    advance: Callable[[float], None] = lambda seconds: None,
    engine: str = "auto",
) -> Answers:
    """Start the estimator node in a ROS domain of its own, publish the playback to it, and gather its answers.

    Every message bears its number as `frame_id`, which the node returns, so that answers can be told apart even where
    stamps repeat. Answers are kept as bytes until the end, so that this process does not hold the node up. No estimate
    is late, since there is no such thing offline.

    Args:
        bundle: folder of the bundle.
        joints: its J joints.
        playback: the M messages.
        expected: how many answers are worth waiting for, by the name of the output; the other outputs are not heard.
        command: what starts the node.
        every: whether the node answers every message, however late, rather than pass any over.
        advance: called with the time of the playback while it is published [s].
        engine: parameter `engine` of the node.

    Raises:
        VastaresError: the node ends by itself, or cannot be found.
    """
    sent = np.full(len(playback.messages), np.nan)
    heard: dict[str, list[tuple[float, bytes]]] = {output.name: [] for output in OUTPUTS if output.name in expected}
    last = 0.0
    counts = {"samples": 0, "passed_over": 0}  # as the node has told

    def take(answer: bytes, name: str) -> None:
        nonlocal last
        last = time.perf_counter()
        heard[name].append((last, answer))

    def note(report: DiagnosticArray) -> None:
        for status in report.status:
            counts.update({value.key: int(value.value) for value in status.values if value.key in counts})

    def settled() -> bool:
        """Whether all is there, or the node has told of the rest."""
        told = counts["passed_over"] and counts["samples"] >= expected.get("valid", len(sent))
        return bool(told) or all(len(heard[name]) >= n for name, n in expected.items())

    messages = [to_joint_state(*fields, frame_id=str(i)) for i, fields in enumerate(playback.messages)]
    with own_domain(), ros_node("parity") as node, _estimator(command, bundle, every, engine) as check:
        executor = make_executor(node.context)
        executor.add_node(node)
        for output in OUTPUTS:
            if output.name in expected:
                topic = f"/estimator/{output.name}"
                answer = partial(take, name=output.name)
                node.create_subscription(TYPES[output.kind], topic, answer, reliable(DEPTH), raw=True)
        node.create_subscription(DiagnosticArray, DIAGNOSTICS.name, note, reliable(10))
        publisher = node.create_publisher(JointState, "/joint_states", reliable(DEPTH))

        def spin_until(done: Callable[[], bool], deadline: Callable[[], float]) -> bool:
            while not done() and time.perf_counter() < deadline():
                executor.spin_once(timeout_sec=0.05)
                check()
            return done()

        # The node learns of our endpoints in the order they are made. The client is the last of them: once the node has
        # answered it, it knows the subscriptions above as well, and its own subscription, made last, is ready.
        client = node.create_client(GetParameters, "/estimator/get_parameters")
        started = time.perf_counter()
        ready = spin_until(client.service_is_ready, lambda: started + START)
        reply = client.call_async(GetParameters.Request(names=["bundle"]))
        ready = ready and spin_until(reply.done, lambda: started + START)
        if not ready or not spin_until(lambda: publisher.get_subscription_count() > 0, lambda: started + START):
            raise VastaresError(f"the estimator node was not found within {START:g} s: is the computer overloaded?")

        start = time.perf_counter()
        for i, (message, due) in enumerate(zip(messages, start + playback.due, strict=True)):
            executor.spin_once(timeout_sec=0)
            while (left := due - time.perf_counter()) > 0:
                executor.spin_once(timeout_sec=left)
            check()
            sent[i] = time.perf_counter()
            publisher.publish(message)
            advance(playback.due[i])
        last = time.perf_counter()
        spin_until(settled, lambda: last + SILENCE)
        reply = client.call_async(GetParameters.Request())  # behind the last message: all answers come before its own
        spin_until(reply.done, lambda: last + SILENCE)
    answers = _answers(heard, joints, playback, sent)
    answers.passed_over = counts["passed_over"]
    return answers


def _answers(
    heard: Mapping[str, Sequence[tuple[float, bytes]]], joints: Sequence[str], playback: Playback, sent: Array
) -> Answers:
    """The answers, each at the number of its message; `sent` is when the messages were published, shape (M,) [s]."""
    answers = Answers(len(playback.messages), len(joints))
    stamps = [stamp_ns for stamp_ns, *_ in playback.messages]
    places: dict[int, list[int]] = {}
    for place, stamp_ns in enumerate(stamps):
        places.setdefault(stamp_ns, []).append(place)
    for output in OUTPUTS:
        names, newest = list(output.names or joints), -1
        for at, answer in heard.get(output.name, ()):
            message = deserialize_message(answer, TYPES[output.kind])
            stamp_ns = from_stamp(message.header.stamp)
            i: int | None
            if output.kind == WRENCH:  # whose frame_id is its frame: the next message with this stamp
                torque = answers.came["external_torque"]  # published with it
                i = next((place for place in places.get(stamp_ns, ()) if place > newest and torque[place]), None)
                values = from_wrench(message)
            else:
                number = int(message.header.frame_id)
                i = number if stamps[number] == stamp_ns and message.name == names else None
                values = message.effort
            if i is None or answers.came[output.name][i]:
                answers.strays += 1
                continue
            newest = i
            answers.put(output.name, i, values)
            if output is OUTPUTS[0]:
                answers.latency[i] = at - sent[i]
    return answers


@contextmanager
def _estimator(command: Sequence[str], bundle: Path, every: bool, engine: str) -> Iterator[Callable[[], None]]:
    """The node as a child process; the function that it gives raises once the node has ended."""
    quoted = str(bundle.absolute()).replace("'", "''")
    settings = [f"bundle:='{quoted}'", f"engine:={engine}", "max_age:=3600.0", f"pass_over:={str(not every).lower()}"]
    parameters = [word for setting in settings for word in ("-p", setting)]
    with tempfile.TemporaryFile("w+") as log:
        child = spawn([*command, "--ros-args", *parameters], stdout=log, stderr=log)

        def check() -> None:
            if child.poll() is not None:
                log.seek(0)
                lines = log.read().strip().splitlines() or ["it printed nothing"]
                raise VastaresError(f"the estimator node ended with status {child.returncode}: {lines[-1]}")

        try:
            yield check
        finally:
            end(child)
