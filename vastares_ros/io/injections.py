"""Known pushes in the joint states of a bag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vastares_ros.core.injection import Injector
from vastares_ros.core.joints import columns
from vastares_ros.core.samples import Array, seconds

from .bags import ABSURD, JointStates, Recording, in_order


@dataclass(frozen=True)
class Injected:
    """M joint states with pushes in their effort, and the truth of each.

    Attributes:
        states: the messages; only effort differs from those recorded.
        tau_ext: true external torque, shape (M, J) [N·m].
        wrench: true wrench in the injector's frame, shape (M, 6) [N, N·m].
    """

    states: JointStates
    tau_ext: Array
    wrench: Array


def inject(states: JointStates, recording: Recording, scale: Sequence[float], injector: Injector) -> Injected:
    """Push the arm whose `recording` was cut from `states`; time is since the first sample of it.

    The torque of a message follows from the newest position of every joint, so that partial messages are served, too.

    Args:
        states: what the topic holds.
        recording: `recording_from(states, joints, scale)`, whose J joints are those of the injector.
        scale: shape (J,), published effort × scale = torque [N·m].
        injector: the pushes.
    """
    clock = "stamp_ns" if recording.time_source == "header" else "receive_ns"
    t = seconds(in_order(states, clock)) - recording.episodes[0].t[0]
    tau_ext, wrench = injector.apply(t, _positions(states, recording.joints))
    tables = []
    for k, table in enumerate(states.tables):
        ours, theirs = columns(recording.joints, table.names)
        effort = table.effort.copy()
        if effort.shape[1] == len(table.names):
            effort[:, theirs] -= (tau_ext[states.which == k] / scale)[:, ours]  # tau_meas = tau_free - tau_ext
        tables.append(replace(table, effort=effort))
    return Injected(replace(states, tables=tuple(tables)), tau_ext, wrench)


def _positions(states: JointStates, joints: Sequence[str]) -> Array:
    """The newest good position of every joint at each message, from the first whole sample on, shape (M, J) [rad]."""
    q = np.full((len(states), len(joints)), np.nan)
    for k, table in enumerate(states.tables):
        ours, theirs = columns(joints, table.names)
        if table.position.shape[1] == len(table.names):
            q[np.ix_(states.which == k, ours)] = table.position[:, theirs]
    good = np.abs(q) < ABSURD
    newest = np.maximum.accumulate(np.where(good, np.arange(len(q))[:, None], 0))
    return np.take_along_axis(q, newest, axis=0)
