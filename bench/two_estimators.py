# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Two arms on one computer: an estimator each, in namespaces of their own, at 500 Hz for a minute.

The nodes have six joints and an untrained network, by default the one and the window of the demo; `--method mlp` takes
far less time, where the computer has other work and only the way of the messages is in question. The right arm's bundle
predicts torques around 1000 N·m, and every message bears its arm and number as `frame_id`, which the answer returns: so
an answer shows by itself which message and which bundle it is of. Prints JSON, and ends with status 1 unless every
message that fills a window was answered once, by its own node.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from node_load import bundle, cpu_seconds
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState

from vastares_ros.io.bundles import save_bundle
from vastares_ros.models.methods import network_config
from vastares_ros.models.networks import NetworkModel
from vastares_ros.nodes.messages import to_joint_state
from vastares_ros.nodes.process import VASTARES, end, make_executor, own_domain, reliable, ros_node, spawn

RATE = 500.0
JOINTS = tuple(f"joint_{i}" for i in range(1, 7))
METHODS = {"va_sta_reslstm": {"window": 16}, "mlp": {}}
OFFSETS = {"left": 0.0, "right": 1000.0}  # of the torque that each bundle predicts [N·m]
START = 60.0  # seconds for a node to be found
SILENCE = 5.0  # seconds without an answer after which the rest counts as lost


@dataclass
class Arm:
    """One arm: what is sent and what comes back, as bytes, so that little of the computer is spent on looking.

    Attributes:
        name: its namespace.
        messages: to publish.
        window: of its bundle [samples].
        sent: when each was published [s].
        answers: what came back, and when [s].
    """

    name: str
    messages: list[bytes]
    window: int
    sent: list[float] = field(default_factory=list)
    answers: list[tuple[float, bytes]] = field(default_factory=list)

    @property
    def expected(self) -> int:
        """How many messages fill a window."""
        return len(self.messages) - self.window + 1

    def figures(self, cpu: float) -> dict[str, object]:
        """As JSON; `cpu` is the share of a core that the node took."""
        latency: dict[int, float] = {}
        crossed = again = 0
        for at, answer in self.answers:
            message = deserialize_message(answer, JointState)
            name, _, number = message.header.frame_id.partition(":")
            if name != self.name or (np.abs(np.asarray(message.effort) - OFFSETS[self.name]) > 500).any():
                crossed += 1
            elif int(number) in latency:
                again += 1
            else:
                latency[int(number)] = at - self.sent[int(number)]
        p50, p99, longest = np.percentile(list(latency.values()) or [np.nan], (50, 99, 100)) * 1e3
        return {
            "sent": len(self.sent),
            "expected": self.expected,
            "missing": self.expected - len(latency),
            "crossed": crossed,
            "again": again,
            "latency_ms": {"p50": round(p50, 3), "p99": round(p99, 3), "max": round(longest, 3)},
            "cpu": round(cpu, 3),
        }


def motion(name: str, phase: float, seconds: float) -> list[bytes]:
    """What the driver of an arm publishes."""
    messages = []
    for i in range(int(seconds * RATE)):
        q = np.sin(i / RATE + phase + np.arange(len(JOINTS))) * 0.5
        messages.append(serialize_message(to_joint_state(int(i / RATE * 1e9) + 1, JOINTS, q, q, q, f"{name}:{i}")))
    return messages


def save(folder: Path, name: str, method: str) -> Path:
    """Write the bundle of an arm."""
    config = network_config(method, METHODS[method])
    made = replace(bundle(RATE, JOINTS), method=method, model=NetworkModel(len(JOINTS), config).eval())
    made.model.torque_scaler.mean += OFFSETS[name]
    save_bundle(folder / name, made)
    return folder / name


def take(arm: Arm, answer: bytes) -> None:
    """Keep an answer."""
    arm.answers.append((time.perf_counter(), answer))


def measure(seconds: float, method: str, folder: Path) -> dict[str, dict[str, object]]:
    """One run."""
    window = network_config(method, METHODS[method]).window
    arms = {name: Arm(name, motion(name, phase, seconds), window) for phase, name in enumerate(OFFSETS)}
    with own_domain(), ros_node("two_estimators") as node:
        executor = make_executor(node.context)
        executor.add_node(node)
        children, publishers = {}, {}
        try:
            for name, arm in arms.items():
                given = ["-r", f"__ns:=/{name}", "-p", f"bundle:={save(folder, name, method)}"]
                given += ["-p", "pass_over:=false"]  # every message is to be answered
                children[name] = spawn([*VASTARES, "estimator", "--ros-args", *given], stderr=subprocess.DEVNULL)
                topic = f"/{name}/estimator/estimated_torque"
                node.create_subscription(JointState, topic, partial(take, arm), reliable(1000), raw=True)
                publishers[name] = node.create_publisher(JointState, f"/{name}/joint_states", reliable(1000))
            until = time.perf_counter() + START
            while not all(p.get_subscription_count() for p in publishers.values()):
                if time.perf_counter() > until:
                    raise SystemExit("the nodes were not found: is the computer overloaded?")
                executor.spin_once(timeout_sec=0.05)

            before = {name: cpu_seconds(child.pid) for name, child in children.items()}
            start = time.perf_counter()
            for i in range(int(seconds * RATE)):
                while (left := start + i / RATE - time.perf_counter()) > 0:
                    executor.spin_once(timeout_sec=left)
                for name, arm in arms.items():
                    arm.sent.append(time.perf_counter())
                    publishers[name].publish(arm.messages[i])
                executor.spin_once(timeout_sec=0)
            took = time.perf_counter() - start
            cpu = {name: (cpu_seconds(child.pid) - before[name]) / took for name, child in children.items()}
            until = time.perf_counter() + SILENCE
            while any(len(arm.answers) < arm.expected for arm in arms.values()) and time.perf_counter() < until:
                executor.spin_once(timeout_sec=0.05)
        finally:
            for child in children.values():
                end(child)
            executor.shutdown()
    return {name: arm.figures(cpu[name]) for name, arm in arms.items()}


def main() -> int:
    """Measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the run (%(default)s)")
    parser.add_argument("--method", choices=METHODS, default="va_sta_reslstm", help="of both bundles (%(default)s)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(args.seconds, args.method, Path(folder))
    print(json.dumps({"rate_hz": RATE, "seconds": args.seconds, "method": args.method} | figures))
    return int(any(arm[wrong] for arm in figures.values() for wrong in ("missing", "crossed", "again")))


if __name__ == "__main__":
    sys.exit(main())
