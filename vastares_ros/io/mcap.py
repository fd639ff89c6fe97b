# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Writing one bare MCAP file of JointState and WrenchStamped, which PlotJuggler and Foxglove open as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from vastares_ros.core.errors import OutputError
from vastares_ros.core.samples import Array

from .bags import JOINT_STATE
from .folders import check_file

WRENCH = "geometry_msgs/msg/WrenchStamped"

_STORE = get_typestore(Stores.ROS2_HUMBLE)  # the definitions of both are the same in every ROS 2


class McapWriter:
    """Writes messages one by one; `stamp_ns` is that of the header, `log_ns` when it was recorded, both [ns].

    Attributes:
        counts: messages by topic.
    """

    def __init__(self, writer: Writer):
        """Write to an open writer of rosbags."""
        self.counts: Counter[str] = Counter()
        self._writer = writer
        self._connections: dict[str, Connection] = {}

    def joint_state(
        self,
        topic: str,
        stamp_ns: int,
        log_ns: int,
        names: Sequence[str],
        effort: ArrayLike,
        position: ArrayLike = (),
        velocity: ArrayLike = (),
    ) -> None:
        """Write a JointState; each field holds one number for each of `names`, or none."""
        fields = {"position": position, "velocity": velocity, "effort": effort}
        arrays = {name: np.ascontiguousarray(values, dtype=np.float64) for name, values in fields.items()}
        self._write(topic, JOINT_STATE, stamp_ns, log_ns, "", name=list(names), **arrays)

    def wrench(self, topic: str, stamp_ns: int, log_ns: int, frame_id: str, values: Array) -> None:
        """Write a WrenchStamped of `values`, shape (6,): force [N] then torque [N·m]."""
        vector = _STORE.types["geometry_msgs/msg/Vector3"]
        force, torque = (vector(*map(float, half)) for half in (values[:3], values[3:]))
        wrench = _STORE.types["geometry_msgs/msg/Wrench"](force=force, torque=torque)
        self._write(topic, WRENCH, stamp_ns, log_ns, frame_id, wrench=wrench)

    def _write(self, topic: str, kind: str, stamp_ns: int, log_ns: int, frame_id: str, **fields: Any) -> None:
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, kind, typestore=_STORE)
        sec, nanosec = divmod(stamp_ns, 1_000_000_000)
        stamp = _STORE.types["builtin_interfaces/msg/Time"](sec=sec, nanosec=nanosec)
        header = _STORE.types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame_id)
        message = _STORE.types[kind](header=header, **fields)
        self.counts[topic] += 1
        self._writer.write(self._connections[topic], log_ns, _STORE.serialize_cdr(message, kind))


@contextmanager
def written_mcap(path: str | Path, force: bool = False) -> Iterator[McapWriter]:
    """Write an MCAP file, which is there, whole, once the block ends without an error.

    Args:
        path: file to write, with the suffix by which readers know it.
        force: replace a file that is there.

    Raises:
        OutputError: see `check_mcap`.
    """
    path = Path(path)
    check_mcap(path, force)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
        bag = Path(scratch, "bag")  # rosbags writes a folder; the file in it is a whole MCAP by itself
        with Writer(bag, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            yield McapWriter(writer)
        (bag / "bag.mcap").replace(path)


def check_mcap(path: str | Path, force: bool) -> None:
    """Check before the work that `written_mcap` will be able to write.

    Raises:
        OutputError: the path does not end in .mcap, cannot be written, or exists and `force` is not given.
    """
    path = Path(path)
    if path.suffix != ".mcap":
        raise OutputError(f"{path} must end in .mcap, by which PlotJuggler and Foxglove know it: choose another name")
    check_file(path, force)
