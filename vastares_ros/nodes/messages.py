# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Between ROS messages and plain values: no node and no graph.

What comes and goes with every joint state stays serialised: `JointStateReader` and `Writer` find the numbers at their
places among the bytes, which are the same for all messages of the same names. rclpy would make Python objects of every
name and number, which takes five times as long.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Vector3, Wrench, WrenchStamped
from numpy.typing import ArrayLike
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from vastares_ros.core.samples import Array
from vastares_ros.io.joint_state_layout import FIELDS, Layout

NANOSECONDS = 1_000_000_000
LAYOUTS = 16  # lengths of messages whose layout is remembered
_STAMP = struct.Struct("=iI")
_STAMP_AT = 4  # behind the encapsulation
_FRAME_AT = 16  # behind the stamp and the length of the frame


def from_stamp(stamp: Time) -> int:
    """A stamp in nanoseconds."""
    nanoseconds: int = stamp.sec * NANOSECONDS + stamp.nanosec
    return nanoseconds


def to_stamp(stamp_ns: int) -> Time:
    """The stamp of nanoseconds."""
    sec, nanosec = divmod(stamp_ns, NANOSECONDS)
    return Time(sec=sec, nanosec=nanosec)


@dataclass(frozen=True, slots=True)
class Received:
    """A joint state as published; a field that was not filled is empty.

    Attributes:
        frame_id: of its header.
        stamp_ns: of its header [ns].
        names: K joint names.
        position: K values [rad].
        velocity: K values [rad/s].
        effort: K values, in the unit of the driver.
    """

    frame_id: str
    stamp_ns: int
    names: tuple[str, ...]
    position: Array
    velocity: Array
    effort: Array


class JointStateReader:
    """Reads serialised joint states, quickly where one of the same length and names came before."""

    def __init__(self) -> None:
        """Begin without knowing any layout."""
        self._known: dict[int, _Known] = {}

    def read(self, raw: bytes) -> Received:
        """The fields of a message, as the middleware gives it."""
        known = self._known.get(len(raw))
        if known and known.matches(raw):
            return known.read(raw)
        message = deserialize_message(raw, JointState)
        header, names = message.header, tuple(message.name)
        received = Received(header.frame_id, from_stamp(header.stamp), names, *map(np.array, _fields(message)))
        known = _Known(message, raw)
        if _same(known.read(raw), received):  # not where bytes stand in the other order
            if len(self._known) >= LAYOUTS:
                self._known.clear()
            self._known[len(raw)] = known
        return received


class _Known:
    """The layout of a message, and the bytes that tell that another one has it."""

    def __init__(self, message: JointState, raw: bytes):
        layout = Layout.of(message, len(raw), ros1=False)
        self._names = tuple(message.name)
        self._decides = layout.decides
        self._deciding = np.frombuffer(raw, dtype=np.uint8)[self._decides].tobytes()
        self._frame = slice(_FRAME_AT, _FRAME_AT + len(message.header.frame_id.encode()))
        places = layout.dtype.fields
        assert places is not None
        self._places = [(len(values), places[name][1]) for name, values in zip(FIELDS, _fields(message), strict=True)]

    def matches(self, raw: bytes) -> bool:
        """Whether a message of the same length has this layout."""
        return np.frombuffer(raw, dtype=np.uint8)[self._decides].tobytes() == self._deciding

    def read(self, raw: bytes) -> Received:
        """The fields of a message that has this layout."""
        sec, nanosec = _STAMP.unpack_from(raw, _STAMP_AT)
        frame_id = raw[self._frame].decode(errors="replace")
        values = [np.frombuffer(raw, np.float64, count, offset) for count, offset in self._places]
        return Received(frame_id, sec * NANOSECONDS + nanosec, self._names, *values)


class Writer:
    """Serialises messages that differ in stamp, frame and values alone, each at the place of those before it."""

    def __init__(self, make: Callable[[str, Array], Any]):
        """Write what `make(frame_id, values)` makes, under another stamp."""
        self._make = make
        self._frame_id: str | None = None
        self._buffer = bytearray()
        self._place = slice(0)  # of the values

    def write(self, stamp_ns: int, frame_id: str, values: Array) -> bytes:
        """A message, as a publisher takes it; the values are as many as ever, shape (N,)."""
        if frame_id != self._frame_id:
            self._lay_out(frame_id, len(values))
        _STAMP.pack_into(self._buffer, _STAMP_AT, *divmod(stamp_ns, NANOSECONDS))
        self._buffer[self._place] = values.tobytes()
        return bytes(self._buffer)

    def _lay_out(self, frame_id: str, count: int) -> None:
        """Serialise one message in full, and see where its values stand: padding may follow them."""
        values: Array = np.pi * np.arange(1.0, count + 1)
        self._buffer = bytearray(serialize_message(self._make(frame_id, values)))
        start = self._buffer.rindex(values.tobytes())
        self._place = slice(start, start + values.nbytes)
        self._frame_id = frame_id


def to_joint_state(
    stamp_ns: int,
    names: Sequence[str],
    position: ArrayLike,
    velocity: ArrayLike,
    effort: ArrayLike,
    frame_id: str = "",
) -> JointState:
    """A message of these fields."""
    return JointState(
        header=Header(stamp=to_stamp(stamp_ns), frame_id=frame_id),
        name=list(names),
        position=_doubles(position),
        velocity=_doubles(velocity),
        effort=_doubles(effort),
    )


def named_values(frame_id: str, names: Sequence[str], values: ArrayLike) -> JointState:
    """One value a name, shape (J,), as name and effort, in the frame of the message that they answer."""
    return JointState(header=Header(frame_id=frame_id), name=list(names), effort=_doubles(values))


def wrench_message(frame_id: str, values: Array) -> WrenchStamped:
    """Force [N] then torque [N·m] in the axes of a frame, shape (6,)."""
    fx, fy, fz, tx, ty, tz = values.tolist()
    wrench = Wrench(force=Vector3(x=fx, y=fy, z=fz), torque=Vector3(x=tx, y=ty, z=tz))
    return WrenchStamped(header=Header(frame_id=frame_id), wrench=wrench)


def from_wrench(message: WrenchStamped) -> tuple[float, ...]:
    """Force [N] then torque [N·m] of a message: six numbers."""
    force, torque = message.wrench.force, message.wrench.torque
    return force.x, force.y, force.z, torque.x, torque.y, torque.z


def _fields(message: JointState) -> tuple[array[float], array[float], array[float]]:
    return message.position, message.velocity, message.effort


def _same(a: Received, b: Received) -> bool:
    """Whether two readings of a message hold the same bits."""
    values = ((getattr(a, name).tobytes(), getattr(b, name).tobytes()) for name in FIELDS)
    return (a.stamp_ns, a.frame_id, a.names) == (b.stamp_ns, b.frame_id, b.names) and all(x == y for x, y in values)


def _doubles(x: ArrayLike) -> array[float]:
    return array("d", np.asarray(x, dtype=np.float64).tobytes())  # an ndarray fails under ROS_PYTHON_CHECK_FIELDS=1
