# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The compiled loops of `signals`: one pass over N rows, or over one."""

from __future__ import annotations

import numpy as np
from numba import types
from numpy.typing import NDArray

from .compiled import CUBE, FLAGS, MATRIX, VECTOR, called, compiled
from .samples import Array


@called
def _low_pass(
    row: Array, first: int, end: int, sections: Array, steady: Array, state: Array, begun: NDArray[np.bool_], which: int
) -> None:
    """Filter the channels from `first` to `end` of a row in place, by sections in direct form II transposed."""
    if not begun[which]:
        for s in range(len(sections)):
            for c in range(first, end):
                state[s, 0, c] = steady[s, 0] * row[c]
                state[s, 1, c] = steady[s, 1] * row[c]
        begun[which] = True
    for s in range(len(sections)):
        b0, b1, b2, a1, a2 = sections[s]
        for c in range(first, end):
            x = row[c]
            y = b0 * x + state[s, 0, c]
            state[s, 0, c] = b1 * x - a1 * y + state[s, 1, c]
            state[s, 1, c] = b2 * x - a2 * y
            row[c] = y


@compiled(MATRIX, MATRIX, MATRIX, CUBE, FLAGS)
def low_pass(x: Array, sections: Array, steady: Array, state: Array, begun: NDArray[np.bool_]) -> None:
    """Filter N samples of C channels in place.

    Args:
        x: samples, shape (N, C).
        sections: b0, b1, b2, a1, a2 of each section, shape (S, 5).
        steady: state of each section for an input that is constantly 1, shape (S, 2).
        state: of the filter, shape (S, 2, C).
        begun: whether the state holds a past, shape (1,).
    """
    if x.shape[1] != state.shape[2]:
        raise ValueError("the number of channels has changed")
    for i in range(len(x)):
        _low_pass(x[i], 0, x.shape[1], sections, steady, state, begun, 0)


@compiled(MATRIX, MATRIX, MATRIX, CUBE, FLAGS, VECTOR, types.float64, types.boolean, MATRIX, MATRIX)
def signals(
    raw: Array,
    sections: Array,
    steady: Array,
    state: Array,
    begun: NDArray[np.bool_],
    last: Array,
    rate: float,
    acceleration: bool,
    x: Array,
    tau: Array,
) -> None:
    """Filter N samples of J joints in place, and write what follows from them.

    Args:
        raw: `[q, qd, tau]`, shape (N, 3 J).
        sections: see `low_pass`.
        steady: see `low_pass`.
        state: shape (S, 2, 3 J).
        begun: whether the state holds a past of the motion, and of the torque, shape (2,).
        last: filtered velocity of the sample before, shape (J,) [rad/s].
        rate: samples per second [Hz].
        acceleration: whether to write it.
        x: filled with filtered `[q, qd]`, or `[q, qd, qdd]`, in its first columns, shape (N, C).
        tau: filled with filtered torque, shape (N, J); where a joint of a row has none, the row is NaN.
    """
    joints = len(last)
    if raw.shape[1] != 3 * joints:
        raise ValueError("the number of joints has changed")
    torque = 2 * joints  # column of the first
    for i in range(len(raw)):
        row = raw[i]
        known = True
        for c in range(torque, 3 * joints):
            known &= np.isfinite(row[c])
        fresh = not begun[0]
        _low_pass(row, 0, torque, sections, steady, state, begun, 0)
        if known:
            _low_pass(row, torque, 3 * joints, sections, steady, state, begun, 1)
        else:
            row[torque:] = np.nan
            begun[1] = False
        for c in range(torque):
            x[i, c] = row[c]
        for j in range(joints):
            tau[i, j] = row[torque + j]
        if acceleration:
            for j in range(joints):
                qd = row[joints + j]
                x[i, torque + j] = 0.0 if fresh else (qd - last[j]) * rate
                last[j] = qd
