# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The estimator node under load, over real DDS: what it adds to a message, whether it keeps up, and what overload does.

The bundle has seven joints (iiwa14, wrench on) and an untrained network of the default size; `--seconds` of joint
states at `--rate` go to the node from this process, which takes three of its topics. Before and after, half as long,
the same go to a republisher: an rclpy node that does nothing but publish what it receives. What the node adds is its
latency (from publishing a joint state to having the wrench here) less that of the republisher.

Then joint states come for `--overload` seconds twice as often as the node can answer, which a flood of one second finds
out, and at `--rate` again. Their stamps stay a period apart, so that all else is equal. The age of an estimate counts
from publishing its joint state to having it here, less the median of the republisher; a tick is the time between two
estimates (median). Recovery lasts from the last joint state of the overload to the first estimate that is no older than
99 % were before it.

The start-up is the time from starting the node to its first estimate, less that of importing torch and rclpy. All but
the latency is measured with a slow engine as well, torch at 125 Hz: so does a computer that is too slow.

Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import WrenchStamped
from machine import machine
from rclpy.context import Context
from rclpy.node import Node
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState

from vastares_ros.core.robot import Effort
from vastares_ros.core.samples import Array
from vastares_ros.core.signals import FilterConfig
from vastares_ros.io.bundles import save_bundle
from vastares_ros.io.robots import load_robot
from vastares_ros.models.baselines import Ridge
from vastares_ros.models.networks import NetworkModel
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.nodes.interfaces import DIAGNOSTICS
from vastares_ros.nodes.messages import from_stamp, to_joint_state
from vastares_ros.nodes.process import VASTARES, end, make_executor, own_domain, reliable, ros_node, run, spawn
from vastares_ros.runtime.bundle import QUANTILES, Bundle, ResidualSource

ROBOT = "iiwa14"
SLOW_RATE = 125.0  # of the joint states for the slow engine [Hz]
WARM_UP = 0.1  # seconds of overload before what is measured
START = 60.0  # seconds for a node to be found
SILENCE = 2.0  # seconds without an answer after which the rest counts as lost
DEPTH = 5000  # messages that wait in this process
TOPICS = ("estimated_torque", "external_wrench", "valid")  # of the estimator that this process listens to
TYPES = {"external_wrench": WrenchStamped}  # of answers; the others are joint states


def bundle(rate: float, joints: tuple[str, ...], robot: str = "none") -> Bundle:
    """A network with random weights, for samples at `rate` [Hz]."""
    count = len(joints)
    torch.manual_seed(0)
    return Bundle(
        robot=robot,
        joints=joints,
        topic="/joint_states",
        effort=Effort("N·m", (1.0,) * count),
        rate=rate,
        filter=FilterConfig(),
        method="va_sta_reslstm",
        model=NetworkModel(count, NetworkConfig()).eval(),
        ridge=Ridge(np.zeros((1, count)), np.zeros(count)),
        q_range=np.array([[-1.0] * count, [1.0] * count]),
        qd_range=np.array([[-1.0] * count, [1.0] * count]),
        residual_quantiles=np.ones((len(QUANTILES), count)),
        residual_source=ResidualSource("training", ("none",)),
        training={"split": {"training": ["none"]}},
        metrics={"of": "training", "nmse_mean": {"model": 1.0, "mean": 1.0, "ridge": 1.0}},
        dataset_sha256="",
    )


class Republisher(Node):
    """Publishes every joint state that it receives."""

    def __init__(self, context: Context):
        """Begin."""
        super().__init__("republisher", context=context)
        publisher = self.create_publisher(JointState, "~/joint_states", reliable(DEPTH))
        self.create_subscription(JointState, "/joint_states", publisher.publish, reliable(DEPTH))


@dataclass
class Load:
    """Joint states that went to a node, and its answers.

    Attributes:
        stamps: of the joint states [ns].
        sent: when each was published [s].
        answers: what came back on each topic, and when [s].
        cpu: what the node used meanwhile [s of one core].
    """

    stamps: list[int] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    answers: dict[str, list[tuple[float, bytes]]] = field(default_factory=dict)
    cpu: float = 0.0

    def arrivals(self, topic: str) -> tuple[Array, Array]:
        """Which joint states were answered on a topic, and when the answers were here: numbers (N,), times (N,) [s]."""
        number = {stamp: i for i, stamp in enumerate(self.stamps)}
        found = [
            (number[from_stamp(deserialize_message(answer, TYPES.get(topic, JointState)).header.stamp)], at)
            for at, answer in self.answers[topic]
        ]
        which, times = np.array(found, dtype=float).reshape(-1, 2).T
        return which.astype(int), times

    def ages(self, topic: str) -> Array:
        """From publishing a joint state to having its answer, shape (N,) [s]."""
        which, times = self.arrivals(topic)
        ages: Array = times - np.array(self.sent)[which]
        return ages


class Line:
    """Sends joint states to a node in another process, and gathers its answers.

    Attributes:
        told: figures of the node's diagnostics, the newest.
        warnings: of the diagnostics so far.
    """

    def __init__(self, node: Node, child: subprocess.Popen[str], name: str, topics: Sequence[str], rate: float):
        """Listen to `topics` of the node `name`, which `child` runs; stamps are those of `rate` [Hz]."""
        self.told: dict[str, str] = {}
        self.warnings: list[str] = []
        self._child, self._period = child, round(1e9 / rate)
        self._executor = make_executor(node.context)
        self._executor.add_node(node)
        self._load, self._number = Load(), 0
        self._joints = load_robot(ROBOT).drivers[0].joints
        for topic in topics:
            take = partial(self._take, topic)
            node.create_subscription(TYPES.get(topic, JointState), f"/{name}/{topic}", take, reliable(DEPTH), raw=True)
        self._topics = topics
        node.create_subscription(DiagnosticArray, DIAGNOSTICS.name, self._note, reliable(10))
        self._publisher = node.create_publisher(JointState, "/joint_states", reliable(DEPTH))
        until = time.perf_counter() + START
        self._spin_until(lambda: self._publisher.get_subscription_count() > 0, until)

    def send(self, phases: Sequence[tuple[float, float]]) -> Load:
        """Publish joint states, and wait until no answer has come for a while.

        Args:
            phases: the rates [Hz], one after the other, and for how many seconds each.
        """
        steps = np.concatenate([np.full(round(rate * seconds), 1 / rate) for rate, seconds in phases])
        due = np.cumsum(steps).tolist()
        messages = [self._message() for _ in due]
        load = self._load = Load(answers={topic: [] for topic in self._topics})
        load.stamps = [stamp for stamp, _ in messages]
        publish, spin, clock, sent = self._publisher.publish, self._executor.spin_once, time.perf_counter, load.sent
        before = cpu_seconds(self._child.pid)
        start = clock()
        for at, (_, message) in zip(due, messages, strict=True):
            while (left := start + at - clock()) > 0:
                spin(timeout_sec=left)
            sent.append(clock())
            publish(message)
            for _ in self._topics:
                spin(timeout_sec=0)
        load.cpu = cpu_seconds(self._child.pid) - before
        heard = -1
        while heard < (heard := sum(map(len, load.answers.values()))):
            self._spin_until(lambda: False, clock() + SILENCE)
        return load

    def first_answer(self, topic: str, rate: float) -> float:
        """When the first answer came to joint states that are published at `rate` [Hz] until it is here."""
        until = time.perf_counter() + START
        self._load = Load(answers={name: [] for name in self._topics})
        while not self._load.answers[topic] and time.perf_counter() < until:
            self._publisher.publish(self._message()[1])
            self._spin_until(lambda: False, time.perf_counter() + 1 / rate)
        return self._load.answers[topic][0][0]

    def _message(self) -> tuple[int, bytes]:
        """The next joint state: its stamp [ns], and the serialized message."""
        self._number += 1
        stamp = self._number * self._period
        q = np.sin(stamp * 1e-9 + np.arange(len(self._joints))) * 0.5
        return stamp, serialize_message(to_joint_state(stamp, self._joints, q, q, q))

    def _spin_until(self, done: Callable[[], bool], until: float) -> None:
        while not done():
            left = until - time.perf_counter()
            if left <= 0:
                return
            if self._child.poll() is not None:
                raise SystemExit(f"the node ended with status {self._child.returncode}")
            self._executor.spin_once(timeout_sec=min(left, 0.05))

    def _take(self, topic: str, answer: bytes) -> None:
        self._load.answers[topic].append((time.perf_counter(), answer))

    def _note(self, report: DiagnosticArray) -> None:
        for status in report.status:
            self.told = {value.key: value.value for value in status.values}
            if status.level == DiagnosticStatus.WARN:
                self.warnings.append(status.message)


@contextmanager
def line(command: Sequence[str], name: str, topics: Sequence[str], rate: float) -> Iterator[Line]:
    """A node in a process and a ROS domain of its own, and the line to it."""
    with own_domain(), ros_node("load") as node:
        child = spawn(command, stderr=subprocess.DEVNULL)
        try:
            yield Line(node, child, name, topics, rate)
        finally:
            end(child)


def cpu_seconds(pid: int) -> float:
    """What a process has used so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / 100


def spread(seconds: Array) -> dict[str, float]:
    """Median, 99th percentile and maximum [ms] of times [s]."""
    p50, p99, longest = np.percentile(seconds * 1e3, (50, 99, 100)).tolist()
    return {"p50": round(p50, 3), "p99": round(p99, 3), "max": round(longest, 3)}


def estimator(folder: Path, engine: str) -> list[str]:
    """The command that starts the node."""
    return [*VASTARES, "estimator", "--ros-args", "-p", f"bundle:={folder}", "-p", f"engine:={engine}"]


def republished(rate: float, seconds: float) -> dict[str, Any]:
    """The figures of the republisher."""
    topic = "joint_states"
    with line([sys.executable, __file__, "republish"], "republisher", [topic], rate) as to_node:
        load = to_node.send(((rate, seconds),))
    ages = load.ages(topic)
    return {
        "sent": len(load.sent),
        "missed": len(load.sent) - len(ages),
        "latency_ms": spread(ages),
        "cpu": round(load.cpu / seconds, 3),
    }


def counts(load: Load, before: dict[str, str], after: dict[str, str]) -> dict[str, Any]:
    """What became of the joint states: each is answered, passed over, or missed.

    Args:
        load: what was sent, and what came back.
        before: the node's diagnostics before it.
        after: and after it.
    """
    received, passed_over = (int(after[key]) - int(before.get(key, 0)) for key in ("samples", "passed_over"))
    sent, answered = len(load.sent), len(load.answers["valid"])
    missed = sent - received
    return {
        "sent": sent,
        "received": received,
        "answered": answered,
        "passed_over": passed_over,
        "missed": missed,
        "add_up": answered + passed_over + missed == sent,
    }


def overloaded(
    to_node: Line, rate: float, high: float, seconds: float, young: float, transport: float
) -> dict[str, Any]:
    """The figures under twice the rate that the node can answer, and after it.

    Args:
        to_node: the line to the node.
        rate: of the joint states afterwards [Hz].
        high: a rate that is higher than the node can answer [Hz].
        seconds: how long the overload lasts.
        young: the age of estimates that counts as recovered [s].
        transport: what a message takes without the node [s].
    """
    flood = to_node.send(((high, 1.0),))
    times = flood.arrivals("external_wrench")[1]
    capacity = (len(times) - 1) / (times[-1] - times[0])
    before = dict(to_node.told)
    to_node.warnings.clear()
    load = to_node.send(((2 * capacity, seconds), (rate, 1.0)))
    last = round(2 * capacity * seconds) - 1  # of the overload
    which, times = load.arrivals("external_wrench")
    sent = np.array(load.sent)
    ages = times - sent[which]
    during = (times > sent[0] + WARM_UP) & (times < sent[last])
    tick = float(np.median(np.diff(times[during])))
    age = ages[during] - transport
    recovered = times[(which > last) & (ages <= young)]
    return {
        "capacity_hz": round(capacity),
        "rate_hz": round(last / (sent[last] - sent[0])),
        "counts": counts(load, before, to_node.told),
        "tick_ms": round(tick * 1e3, 3),
        "age_ms": spread(age),
        "age_p99_ticks": round(float(np.percentile(age, 99)) / tick, 2),
        "recovered_after_ms": round(float(recovered[0] - sent[last]) * 1e3, 1) if len(recovered) else None,
        "warning": next((text for text in to_node.warnings if text.startswith("overload")), None),
    }


def estimated(
    folder: Path, engine: str, rate: float, seconds: float, overload: float, transport: float
) -> dict[str, Any]:
    """The figures of the estimator with an engine; for the other arguments see `overloaded`."""
    save_bundle(folder, bundle(rate, load_robot(ROBOT).drivers[0].joints, ROBOT))
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch, rclpy"], check=True)
    imports = time.perf_counter() - began
    command = [*VASTARES, "estimator", "--ros-args", "-p", f"bundle:={folder}", "-p", f"engine:={engine}"]
    began = time.perf_counter()
    with line(command, "estimator", TOPICS, rate) as to_node:
        start_up = to_node.first_answer("external_wrench", rate) - began
        to_node.send(((rate, 2.0),))
        before = dict(to_node.told)
        load = to_node.send(((rate, seconds),))
        ages = load.ages("external_wrench")
        figures = {
            "engine": to_node.told["engine"],
            "rate_hz": rate,
            "start_up_s": {"imports": round(imports, 2), "beyond_imports": round(start_up - imports, 2)},
            "held_hz": int(to_node.told["held_hz"]),
            "counts": counts(load, before, to_node.told),
            "latency_ms": spread(ages),
            "cpu": round(load.cpu / seconds, 3),
        }
        high = 2 * len(load.sent) / load.cpu
        young = float(np.percentile(ages, 99))
        return figures | {"overload": overloaded(to_node, rate, high, overload, young, transport)}


def main() -> int:
    """Measure, print JSON; the exit status is 1 if the counts do not add up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=1000.0, help="of the joint states [Hz] (%(default)g)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long they come (%(default)g)")
    parser.add_argument("--overload", type=float, default=10.0, help="how long an overload lasts [s] (%(default)g)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        before = republished(args.rate, args.seconds / 2)
        transport = before["latency_ms"]["p50"] * 1e-3
        node = estimated(Path(folder) / "quick", "auto", args.rate, args.seconds, args.overload, transport)
        after = republished(args.rate, args.seconds / 2)
        slow = estimated(Path(folder) / "slow", "torch", SLOW_RATE, args.overload, args.overload, transport)
    added = {
        key: round(node["latency_ms"][key] - (before["latency_ms"][key] + after["latency_ms"][key]) / 2, 3)
        for key in ("p50", "p99")
    }
    lost = node["counts"]["missed"] - max(before["missed"], after["missed"])
    print(
        json.dumps(
            {"machine": machine(), "added_ms": added, "lost_beyond_republisher": lost, "node": node, "slow": slow}
            | {"republisher_before": before, "republisher_after": after}
        )
    )
    return int(not all(load["counts"]["add_up"] for one in (node, slow) for load in (one, one["overload"])))


if __name__ == "__main__":
    if sys.argv[1:] == ["republish"]:
        run(lambda context: Republisher(context=context), [])
    else:
        sys.exit(main())
