# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Known pushes in the joint states of a bag, and the truth of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vastares_ros.core.errors import BagError, ConfigError
from vastares_ros.core.joints import columns
from vastares_ros.core.samples import Array, plausible, seconds
from vastares_ros.physics.injection import Injector, Profile, profile_from

from .bags import JointStates, Recording, in_order, read_joint_states
from .configs import read_yaml

TRUTH_TOPIC = "/true_external_torque"  # JointState; effort is the external torque [N·m]
TRUE_WRENCH_TOPIC = "/true_external_wrench"


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


def read_profile(path: Path) -> Profile:
    """Read the pushes of a YAML file, see `config/wrench_push.yaml`.

    Raises:
        ConfigError: the file cannot be read, or a field is wrong.
    """
    values = read_yaml(path, "copy config/wrench_push.yaml and change what you need")
    try:
        return profile_from(values)
    except ConfigError as error:
        raise error.within(path, path=path) from error


def inject(states: JointStates, recording: Recording, scale: Sequence[float], injector: Injector) -> Injected:
    """Push the arm whose `recording` was cut from `states`; time is since the first sample of it.

    The torque of a message follows from the newest position of every joint, so that partial messages are served, too.

    Args:
        states: what the topic holds.
        recording: `recording_from(states, joints, scale)`, whose J joints are those of the injector.
        scale: shape (J,), published effort × scale = torque [N·m].
        injector: the pushes.
    """
    t = seconds(in_order(states, _clock(recording))) - recording.episodes[0].t[0]
    tau_ext, wrench = injector.apply(t, _positions(states, recording.joints))
    tables = []
    for k, table in enumerate(states.tables):
        ours, theirs = columns(recording.joints, table.names)
        effort = table.effort.copy()
        if effort.shape[1] == len(table.names):
            effort[:, theirs] -= (tau_ext[states.which == k] / scale)[:, ours]  # tau_meas = tau_free - tau_ext
        tables.append(replace(table, effort=effort))
    return Injected(replace(states, tables=tuple(tables)), tau_ext, wrench)


def read_truth(topic: str, recording: Recording) -> list[Array]:
    """True external torque that a bag has beside its joint states, shape (N, J) [N·m] for each episode.

    The newest value of every joint counts, as for joint states.

    Args:
        topic: JointState whose effort is the truth, under the stamps of the joint states.
        recording: what was read of the bag.

    Raises:
        BagError: the topic is not there, or lacks a joint.
    """
    states = read_joint_states(recording.path, topic)
    tau_ext = np.full((len(states), len(recording.joints)), np.nan)
    for k, table in enumerate(states.tables):
        ours, theirs = columns(recording.joints, table.names)
        if table.effort.shape[1] == len(table.names):
            tau_ext[np.ix_(states.which == k, ours)] = table.effort[:, theirs]
    good = np.isfinite(tau_ext)
    if not good.any(axis=0).all():
        joint = recording.joints[int(good.any(axis=0).argmin())]
        raise BagError(
            f"{recording.path}, topic {topic}: no effort of joint {joint!r}: leave the bag out",
            path=recording.path,
            topic=topic,
            joint=joint,
        )
    tau_ext = _newest(tau_ext, good)
    t = seconds(in_order(states, _clock(recording)))
    order = np.argsort(t, kind="stable")
    places = [np.searchsorted(t[order], e.t, side="right") - 1 for e in recording.episodes]
    return [tau_ext[order[np.maximum(place, 0)]] for place in places]


def _clock(recording: Recording) -> str:
    return "stamp_ns" if recording.time_source == "header" else "receive_ns"


def _positions(states: JointStates, joints: Sequence[str]) -> Array:
    """The newest good position of every joint at each message, from the first whole sample on, shape (M, J) [rad]."""
    q = np.full((len(states), len(joints)), np.nan)
    for k, table in enumerate(states.tables):
        ours, theirs = columns(joints, table.names)
        if table.position.shape[1] == len(table.names):
            q[np.ix_(states.which == k, ours)] = table.position[:, theirs]
    return _newest(q, plausible(q))


def _newest(x: Array, good: NDArray[np.bool_]) -> Array:
    """The newest good value of each column at every row, shape (M, J); before there is one, the first row."""
    newest = np.maximum.accumulate(np.where(good, np.arange(len(x))[:, None], 0))
    return np.take_along_axis(x, newest, axis=0)
