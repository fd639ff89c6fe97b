# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What stands in a bag or MCAP file, by a reader that is not ours."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_JAZZY)


def by_topic(path: Path) -> dict[str, list[tuple[int, Any]]]:
    """Topic → [(log time, message)], by rosbags."""
    found = defaultdict(list)
    with Reader(path) as reader:
        for connection, log_ns, raw in reader.messages():
            found[connection.topic].append((log_ns, STORE.deserialize_cdr(raw, connection.msgtype)))
    return found


def when(messages: list[tuple[int, Any]]) -> list[tuple[int, int]]:
    """Log time and stamp of each [ns]."""
    return [(log_ns, m.header.stamp.sec * 10**9 + m.header.stamp.nanosec) for log_ns, m in messages]
