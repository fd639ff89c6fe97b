# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Decode rate of `read_joint_states` beside rosbags' own deserialize, on a bag of 100,000 messages written for it.

Both sides read the same file from disk into arrays, in turn, and the best of the rounds counts. Prints JSON.
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from vastares_ros.io.bags import DEFAULT_TOPIC, MessageTable, read_joint_states, write_joint_states

MESSAGES = 100_000
ROUNDS = 3


def deserialize_all(path: Path) -> list[np.ndarray]:
    """Stamps (N,), positions, velocities and efforts (N, 7) by rosbags, message by message."""
    types = get_typestore(Stores.ROS2_HUMBLE)
    columns: tuple[list[Any], ...] = ([], [], [], [])
    with Reader(path) as reader:
        for connection, _, raw in reader.messages():
            message: Any = types.deserialize_cdr(raw, connection.msgtype)
            stamp = message.header.stamp
            row = (stamp.sec * 1_000_000_000 + stamp.nanosec, message.position, message.velocity, message.effort)
            for column, value in zip(columns, row, strict=True):
                column.append(value)
    return [np.array(column) for column in columns]


def rate(read: Callable[[], object]) -> float:
    """Messages a second of one call."""
    start = time.perf_counter()
    read()
    return MESSAGES / (time.perf_counter() - start)


def main() -> None:
    """Write the bag, time both sides in turn, print JSON."""
    stamp_ns = 1_700_000_000_000_000_000 + np.arange(MESSAGES) * 1_000_000
    values = np.random.default_rng(0).normal(size=(3, MESSAGES, 7))
    table = MessageTable(tuple(f"arm_joint_{i}" for i in range(1, 8)), stamp_ns, stamp_ns, *values)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bag"
        write_joint_states(path, {DEFAULT_TOPIC: table})
        fast, slow = [], []
        for _ in range(ROUNDS):
            fast.append(rate(lambda: read_joint_states(path)))
            slow.append(rate(lambda: deserialize_all(path)))
    figures = {
        "fast_messages_per_s": round(max(fast)),
        "deserialize_messages_per_s": round(max(slow)),
        "ratio": round(max(fast) / max(slow), 2),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
