# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Serialised JointState messages and their columns: `decode` turns bytes into a `MessageTable`, `encode` the reverse.

The definition of JointState is the same in every ROS 2 distribution, and in ROS 1 apart from `header.seq`, so a
definition stored in the bag is not needed.

Decoding is fast where the layout of messages does not change. The lengths and names in a serialised JointState fix the
place of every number in it, so one numpy view decodes all messages that share those bytes with the first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys import Stores, get_typestore

from vastares_ros.core.samples import Array
from vastares_ros.core.scratch import Growing, blocks, empty
from vastares_ros.io.joint_state_layout import FIELDS, Layout

JOINT_STATE = "sensor_msgs/msg/JointState"  # rosbags uses this name for the ROS 1 type, too
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

    def rows(self, s: slice) -> MessageTable:
        """Some of the messages."""
        return MessageTable(self.names, *(getattr(self, name)[s] for name in ("stamp_ns", "receive_ns", *FIELDS)))


@dataclass(frozen=True)
class JointStates:
    """Everything a JointState topic holds; where that is much, the arrays are in files, see `core.scratch`.

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

    def chunks(self) -> Iterator[JointStates]:
        """Yield the messages a few at a time, in bag order; each chunk has all tables, some of them without rows."""
        begin = np.zeros(len(self.tables), dtype=np.intp)
        for s in blocks(len(self)):
            end = begin + np.bincount(self.which[s], minlength=len(begin))
            tables = (t.rows(slice(*place)) for t, *place in zip(self.tables, begin, end, strict=True))
            yield JointStates(self.path, self.topic, tuple(tables), self.which[s])
            begin = end


def iter_messages(states: JointStates) -> Iterator[tuple[int, tuple[str, ...], Array, Array, Array]]:
    """Yield messages one by one in bag order, as `(stamp_ns, names, position, velocity, effort)`."""
    for chunk in states.chunks():
        rows = [zip(t.stamp_ns.tolist(), t.position, t.velocity, t.effort, strict=True) for t in chunk.tables]
        for k in chunk.which:
            stamp_ns, position, velocity, effort = next(rows[k])
            yield stamp_ns, chunk.tables[k].names, position, velocity, effort


def in_order(states: JointStates, column: str) -> Stamps:
    """Return the stamps of all messages in bag order, shape (M,) [ns]; `column` is "stamp_ns" or "receive_ns"."""
    stamps = empty((len(states),), np.int64)
    for s, chunk in zip(blocks(len(states)), states.chunks(), strict=True):
        for k, table in enumerate(chunk.tables):
            stamps[s][chunk.which == k] = getattr(table, column)
    return stamps


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
        layout = Layout.of(message, rows.shape[1], ros1)
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


class Collector:
    """Decodes the messages of a topic, chunk by chunk in bag order, into one table for every layout."""

    def __init__(self, ros1: bool):
        """Begin without messages; `ros1` tells the serialisation."""
        self._ros1 = ros1
        self._columns: dict[Any, list[Growing]] = {}  # by layout, in the order they came
        self._first: dict[Any, tuple[int, int]] = {}  # of a layout: the first place of its length, and its own
        self._lengths: dict[int, int] = {}  # first place of a length
        self._which = Growing((), np.intp)

    def add(self, receive_ns: Stamps, messages: Sequence[bytes]) -> None:
        """Take the next messages, N of them, and their receive times, shape (N,) [ns]."""
        which = np.empty(len(messages), dtype=np.intp)
        parts: dict[Any, list[tuple[NDArray[np.intp], MessageTable]]] = defaultdict(list)
        lengths = np.fromiter(map(len, messages), np.intp, len(messages))
        for length in dict.fromkeys(lengths.tolist()):
            at = np.flatnonzero(lengths == length)
            place = self._lengths.setdefault(length, len(self._which) + int(at[0]))
            data = b"".join(messages if len(at) == len(messages) else [messages[i] for i in at.tolist()])
            rows = np.frombuffer(data, dtype=np.uint8).reshape(-1, length)
            for index, table in decode(rows, receive_ns[at], self._ros1):
                layout = (table.names, *(getattr(table, name).shape[1] for name in FIELDS))
                parts[layout].append((at[index], table))
                first = place, len(self._which) + int(at[index[0]])
                self._first[layout] = min(self._first.get(layout, first), first)
        for layout, group in parts.items():
            at = np.concatenate([place for place, _ in group])
            order = np.argsort(at)
            if layout not in self._columns:
                widths = [(), (), *((width,) for width in layout[1:])]
                types = (np.int64, np.int64, *[np.float64] * 3)
                self._columns[layout] = [Growing(*of) for of in zip(widths, types, strict=True)]
            for column, name in zip(self._columns[layout], ("stamp_ns", "receive_ns", *FIELDS), strict=True):
                column.append(np.concatenate([getattr(table, name) for _, table in group])[order])
            which[at] = list(self._columns).index(layout)
        self._which.append(which)

    def finish(self) -> tuple[tuple[MessageTable, ...], NDArray[np.intp]]:
        """The tables, and the table of each message, shape (M,)."""
        layouts = sorted(self._columns, key=lambda layout: self._first[layout])
        number = np.array([layouts.index(layout) for layout in self._columns], dtype=np.intp)
        which = self._which.array()
        if (np.diff(number) < 0).any():
            for s in blocks(len(which)):
                which[s] = number[which[s]]
        tables = (MessageTable(layout[0], *(c.array() for c in self._columns[layout])) for layout in layouts)
        return tuple(tables), which


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
    numbers = Layout.of(message, len(first), ros1=False).view(rows)
    numbers["sec"], numbers["nanosec"] = np.divmod(table.stamp_ns, 1_000_000_000)
    for name in FIELDS:
        numbers[name] = getattr(table, name)
    yield from (row.tobytes() for row in rows)
