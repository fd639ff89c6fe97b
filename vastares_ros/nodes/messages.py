# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Between ROS messages and plain values: pure functions, no node and no graph."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Vector3, Wrench, WrenchStamped
from numpy.typing import ArrayLike
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from vastares_ros.core.samples import Array

NANOSECONDS = 1_000_000_000


def from_stamp(stamp: Time) -> int:
    """A stamp in nanoseconds."""
    nanoseconds: int = stamp.sec * NANOSECONDS + stamp.nanosec
    return nanoseconds


def to_stamp(stamp_ns: int) -> Time:
    """The stamp of nanoseconds."""
    sec, nanosec = divmod(stamp_ns, NANOSECONDS)
    return Time(sec=sec, nanosec=nanosec)


def from_joint_state(message: JointState) -> tuple[int, list[str], array[float], array[float], array[float]]:
    """`(stamp_ns, names, position, velocity, effort)` as published; a field that was not filled is empty."""
    return from_stamp(message.header.stamp), message.name, message.position, message.velocity, message.effort


def to_joint_state(
    stamp_ns: int,
    names: Sequence[str],
    position: ArrayLike,
    velocity: ArrayLike,
    effort: ArrayLike,
    frame_id: str = "",
) -> JointState:
    """The message that `from_joint_state` takes apart."""
    return JointState(
        header=Header(stamp=to_stamp(stamp_ns), frame_id=frame_id),
        name=list(names),
        position=_doubles(position),
        velocity=_doubles(velocity),
        effort=_doubles(effort),
    )


def named_values(header: Header, names: Sequence[str], values: ArrayLike) -> JointState:
    """One value a name, shape (J,), as name and effort, under the header of the message that they answer."""
    return JointState(header=header, name=list(names), effort=_doubles(values))


def wrench_message(stamp: Time, frame_id: str, values: Array) -> WrenchStamped:
    """Force [N] then torque [N·m] in the axes of a frame, shape (6,)."""
    fx, fy, fz, tx, ty, tz = values.tolist()
    wrench = Wrench(force=Vector3(x=fx, y=fy, z=fz), torque=Vector3(x=tx, y=ty, z=tz))
    return WrenchStamped(header=Header(stamp=stamp, frame_id=frame_id), wrench=wrench)


def from_wrench(message: WrenchStamped) -> tuple[float, ...]:
    """Force [N] then torque [N·m] of a message: six numbers."""
    force, torque = message.wrench.force, message.wrench.torque
    return force.x, force.y, force.z, torque.x, torque.y, torque.z


def _doubles(x: ArrayLike) -> array[float]:
    return array("d", np.asarray(x, dtype=np.float64).tobytes())  # an ndarray fails under ROS_PYTHON_CHECK_FIELDS=1
