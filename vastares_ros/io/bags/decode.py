# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Serialised JointState messages and their columns: `decode` turns bytes into a `MessageTable`, `encode` the reverse.

The definition of JointState is the same in every ROS 2 distribution, and in ROS 1 apart from `header.seq`, so a
definition stored in the bag is not needed.

Decoding is fast where the layout of messages does not change. The lengths and names in a serialised JointState fix the
place of every number in it, so one numpy view decodes all messages that share those bytes with the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys import Stores, get_typestore

from vastares_ros.core.samples import Array

JOINT_STATE = "sensor_msgs/msg/JointState"  # rosbags uses this name for the ROS 1 type, too
FIELDS = ("position", "velocity", "effort")
ROS1 = get_typestore(Stores.ROS1_NOETIC)
ROS2 = get_typestore(Stores.ROS2_HUMBLE)

Stamps = NDArray[np.int64]


@dataclass(frozen=True)
class MessageTable:
    """N messages of one layout, in order: the same K names and the same fields filled.

    Attributes:
        names: K joint names as published.
        stamp_ns: header stamps, shape (N,) [ns].
        receive_ns: when the recorder received them, shape (N,) [ns].
        position: shape (N, K) [rad], or (N, 0) where the field is empty.
        velocity: likewise [rad/s].
        effort: likewise [as published].
    """

    names: tuple[str, ...]
    stamp_ns: Stamps
    receive_ns: Stamps
    position: Array
    velocity: Array
    effort: Array

    def __len__(self) -> int:
        return len(self.stamp_ns)


@dataclass(frozen=True)
class JointStates:
    """Everything a JointState topic holds.

    Attributes:
        path: the bag.
        topic: the topic.
        tables: the messages, one table for every layout.
        which: table of each message in bag order, shape (M,); message i is the next unread row of `tables[which[i]]`.
        notes: what a user should know about the file, one line each.
    """

    path: Path
    topic: str
    tables: tuple[MessageTable, ...]
    which: NDArray[np.intp]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.which)


def iter_messages(states: JointStates) -> Iterator[tuple[int, tuple[str, ...], Array, Array, Array]]:
    """Yield messages one by one in bag order, as `(stamp_ns, names, position, velocity, effort)`."""
    rows = [zip(t.stamp_ns.tolist(), t.position, t.velocity, t.effort, strict=True) for t in states.tables]
    for k in states.which:
        stamp_ns, position, velocity, effort = next(rows[k])
        yield stamp_ns, states.tables[k].names, position, velocity, effort


def in_order(states: JointStates, column: str) -> Stamps:
    """Return the stamps of all messages in bag order, shape (M,) [ns]; `column` is "stamp_ns" or "receive_ns"."""
    stamps = np.empty(len(states), dtype=np.int64)
    for k, table in enumerate(states.tables):
        stamps[states.which == k] = getattr(table, column)
    return stamps


@dataclass(frozen=True)
class _Layout:
    """Places of the values in the bytes of one serialised JointState.

    Attributes:
        decides: places of the lengths and names; messages that share these bytes share the layout.
        dtype: view of the numbers: sec, nanosec, position, velocity, effort.
    """

    decides: NDArray[np.intp]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, message: Any, length: int, ros1: bool) -> _Layout:
        """Layout of a message that is `length` bytes long.

        ROS 1 packs fields without gaps behind a sequence number. CDR aligns them, counting from behind its four bytes
        of encapsulation, and ends strings with a NUL.
        """
        decides: list[int] = []
        at = 12  # behind sequence number or encapsulation, and stamp

        def align(size: int) -> None:
            nonlocal at
            at += 0 if ros1 else (4 - at) % size

        def deciding(size: int) -> None:
            nonlocal at
            decides.extend(range(at, at + size))
            at += size

        nul = 0 if ros1 else 1
        deciding(4)
        at += len(message.header.frame_id.encode()) + nul
        align(4)
        deciding(4)
        for name in message.name:
            align(4)
            deciding(4 + len(name.encode()) + nul)
        offsets, formats = [4, 8], ["<u4" if ros1 else "<i4", "<u4"]
        align(4)
        for name in FIELDS:
            deciding(4)
            size = len(getattr(message, name))
            align(8 if size else 1)
            offsets.append(at)
            formats.append(f"({size},)<f8")
            at += 8 * size
        names = ["sec", "nanosec", *FIELDS]
        dtype = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": length})
        return cls(np.array(decides), dtype)

    def view(self, rows: NDArray[np.uint8]) -> NDArray[Any]:
        """The numbers in serialised messages, shape (N, length) → (N,)."""
        return np.ascontiguousarray(rows).reshape(-1).view(self.dtype)


def decode(rows: NDArray[np.uint8], receive_ns: Stamps, ros1: bool) -> Iterator[tuple[NDArray[np.intp], MessageTable]]:
    """Decode serialised messages of one length.

    Args:
        rows: their bytes, shape (N, length).
        receive_ns: shape (N,) [ns].
        ros1: ROS 1 serialisation, else CDR.

    Yields:
        Rows and the table they hold; every row once.
    """

    def single(row: np.intp) -> tuple[Any, MessageTable]:
        raw = rows[row].tobytes()
        message: Any = (ROS1.deserialize_ros1 if ros1 else ROS2.deserialize_cdr)(raw, JOINT_STATE)
        stamp_ns = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        values = (np.array(getattr(message, name), dtype=np.float64)[None] for name in FIELDS)
        return message, MessageTable(tuple(message.name), np.array([stamp_ns]), receive_ns[row : row + 1], *values)

    left = np.arange(len(rows))
    while len(left):
        message, first = single(left[0])
        layout = _Layout.of(message, rows.shape[1], ros1)
        same = (rows[np.ix_(left, layout.decides)] == rows[left[0], layout.decides]).all(axis=1)
        numbers = layout.view(rows[left[same]])
        stamp_ns = numbers["sec"].astype(np.int64) * 1_000_000_000 + numbers["nanosec"]
        values = [np.ascontiguousarray(numbers[name]) for name in FIELDS]
        table = MessageTable(first.names, stamp_ns, receive_ns[left[same]], *values)
        if not _begins_with(table, first):  # other byte order, for one: leave it to the library
            yield from ((left[i : i + 1], single(row)[1]) for i, row in enumerate(left))
            return
        yield left[same], table
        left = left[~same]


def _begins_with(table: MessageTable, first: MessageTable) -> bool:
    """Whether the first row of a table holds the same bits as the table `first` of one row."""
    columns = ("stamp_ns", *FIELDS)
    return all(getattr(table, c)[:1].tobytes() == getattr(first, c).tobytes() for c in columns)


def stack(parts: Sequence[tuple[NDArray[np.intp], MessageTable]]) -> tuple[NDArray[np.intp], MessageTable]:
    """Join tables of one layout in bag order; return the place of each row in the bag, and the table."""
    at = np.concatenate([place for place, _ in parts])
    order = np.argsort(at)
    columns = (
        np.concatenate([getattr(table, c) for _, table in parts])[order] for c in ("stamp_ns", "receive_ns", *FIELDS)
    )
    return at[order], MessageTable(parts[0][1].names, *columns)


def encode(table: MessageTable) -> Iterator[bytes]:
    """Serialise a table as CDR: the first message through the library, the others by its layout."""
    if not len(table):
        return
    types = ROS2.types
    time = types["builtin_interfaces/msg/Time"](sec=0, nanosec=0)
    header = types["std_msgs/msg/Header"](stamp=time, frame_id="")
    fields = {name: np.ascontiguousarray(getattr(table, name)[0], dtype=np.float64) for name in FIELDS}
    message = types[JOINT_STATE](header=header, name=list(table.names), **fields)
    first = np.frombuffer(ROS2.serialize_cdr(message, JOINT_STATE, little_endian=True), dtype=np.uint8)
    rows = np.tile(first, (len(table), 1))
    numbers = _Layout.of(message, len(first), ros1=False).view(rows)
    numbers["sec"], numbers["nanosec"] = np.divmod(table.stamp_ns, 1_000_000_000)
    for name in FIELDS:
        numbers[name] = getattr(table, name)
    yield from (row.tobytes() for row in rows)
