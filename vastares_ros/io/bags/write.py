# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Columns of JointState topics → a rosbag2 folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rosbags.rosbag2 import StoragePlugin, Writer

from vastares_ros.core.errors import OutputError

from .decode import JOINT_STATE, ROS2, MessageTable, encode


def write_joint_states(path: str | Path, topics: Mapping[str, MessageTable]) -> None:
    """Write a rosbag2 folder of JointState topics, in the order of their receive times.

    Args:
        path: folder to make.
        topics: topic → its messages.

    Raises:
        OutputError: the path exists or cannot be written.
    """
    path = Path(path)
    if path.exists():
        raise OutputError(f"{path} exists: remove it or choose another path")
    rows = []
    try:
        with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
            for topic, table in topics.items():
                connection = writer.add_connection(topic, JOINT_STATE, typestore=ROS2)
                rows += [(int(ns), connection, row) for ns, row in zip(table.receive_ns, encode(table), strict=True)]
            for receive_ns, connection, row in sorted(rows, key=lambda r: r[0]):
                writer.write(connection, receive_ns, row)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}): choose another path") from error
