# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Coverage: how much of each joint's range of position and velocity a recording has seen, and which motions it lacks.

A range is cut into `BINS` equal bins. A bin of position is seen as far as the joint moved through it in both
directions, since friction depends on direction; a bin of velocity is seen once the joint moved at it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .samples import Array

BINS = 40
STILL = 0.02  # rad/s: slower is standstill, since velocity is never quite 0
_WIDEST = 2 * np.pi  # rad, and rad/s: bins of a joint without limits lie within

Seen = NDArray[np.bool_]


class Coverage:
    """What has been seen of the J joints of an arm."""

    def __init__(self, joints: Sequence[str], lower: ArrayLike, upper: ArrayLike, speed: ArrayLike):
        """See nothing yet.

        Args:
            joints: J joint names.
            lower: lowest position to see, shape (J,) [rad]; NaN: the range is what has been seen so far.
            upper: highest, likewise.
            speed: highest speed to see, in both directions, likewise [rad/s].
        """
        self.joints = tuple(joints)
        lower, upper, speed = (np.asarray(x, dtype=np.float64) for x in (lower, upper, speed))
        self._q_known: Seen = np.less(lower, upper)
        self._qd_known: Seen = np.greater(speed, 0) & np.isfinite(speed)
        low, high = np.where(self._q_known, (lower, upper), [[-_WIDEST], [_WIDEST]])
        fast = np.where(self._qd_known, speed, _WIDEST)
        self._q_edges, self._qd_edges = (np.linspace(a, b, BINS + 1, axis=1) for a, b in ((low, high), (-fast, fast)))
        self._place = np.arange(len(self.joints))
        # Bins 0 and BINS + 1 take what lies beyond the range, so that no sample needs a test.
        self._from = np.stack([low, -fast])
        self._per_unit = BINS / np.stack([high - low, 2 * fast])
        self._q_seen = np.zeros((len(self.joints), BINS + 2, 3), dtype=bool)  # backwards, at rest, forwards
        self._qd_seen = np.zeros((len(self.joints), BINS + 2), dtype=bool)

    def add(self, q: Array, qd: Array) -> None:
        """See finite positions q and velocities qd: one sample, shape (J,), or many, shape (N, J)."""
        values = np.stack([q, qd], axis=-2)
        bins = np.minimum(np.maximum((values - self._from) * self._per_unit + 1, 0), BINS + 1).astype(np.intp)
        direction = 1 + (qd > STILL) - (qd < -STILL)
        self._q_seen[self._place, bins[..., 0, :], direction] = True
        self._qd_seen[self._place, bins[..., 1, :]] = True

    @property
    def position(self) -> Array:
        """Share of each joint's range of position that was moved through in both directions, shape (J,), 0 to 1."""
        seen, wanted = self._positions()
        return _share(seen[..., 0], wanted) / 2 + _share(seen[..., 2], wanted) / 2

    @property
    def velocity(self) -> Array:
        """Share of each joint's range of velocity that was seen, shape (J,), 0 to 1."""
        return _share(*self._velocities())

    def missing(self, enough: float) -> list[str]:
        """The motions that are lacking, in words; none once every share is `enough`, 0 to 1, and every joint rested."""
        q_seen, q_wanted = self._positions()
        qd_seen, qd_wanted = self._velocities()
        words = []
        for i, (joint, position, velocity) in enumerate(zip(self.joints, self.position, self.velocity, strict=True)):
            if not self._q_seen[i].any():
                words.append(f"{joint}: not seen yet")
                continue
            if velocity < enough:
                words.append(f"{joint}: {_slow(qd_seen[i], qd_wanted[i], self._qd_edges[i], enough)}")
            if position < enough:
                words.append(f"{joint}: {_unmoved(q_seen[i], q_wanted[i], self._q_edges[i])}")
            if not self._q_seen[i, :, 1].any():
                words.append(f"{joint}: never at rest")
        return words

    def _positions(self) -> tuple[Seen, Seen]:
        """What was seen within the range, shape (J, BINS, 3), and which bins are wanted, shape (J, BINS)."""
        seen = self._q_seen[:, 1:-1]
        visited = np.logical_or.reduce(seen, axis=2)
        reached = np.logical_or.accumulate(visited, axis=1)
        ahead = np.logical_or.accumulate(visited[:, ::-1], axis=1)[:, ::-1]
        return seen, self._q_known[:, None] | (reached & ahead)

    def _velocities(self) -> tuple[Seen, Seen]:
        """The same of velocity, both of shape (J, BINS); what was seen one way is wanted both ways."""
        seen = self._qd_seen[:, 1:-1]
        faster = np.logical_or.accumulate(seen | seen[:, ::-1], axis=1)
        return seen, self._qd_known[:, None] | (faster & faster[:, ::-1])


def _share(seen: Seen, wanted: Seen) -> Array:
    share: Array = (seen & wanted).sum(axis=1) / np.maximum(wanted.sum(axis=1), 1)
    return share


def _slow(seen: Seen, wanted: Seen, edges: Array, enough: float) -> str:
    """What is lacking of one joint's velocities; seen and wanted have shape (BINS,), edges (BINS + 1,) [rad/s]."""
    where = np.flatnonzero(seen)
    back, forth = (-edges[where[0]], edges[where[-1] + 1]) if len(where) else (0.0, 0.0)
    target = enough * edges[np.flatnonzero(wanted)[-1] + 1]
    if max(back, forth) < target:
        return f"never faster than {_figure(max(back, forth))} rad/s"
    if min(back, forth) < target:
        way = "backwards" if back < forth else "forwards"
        return f"never faster than {_figure(max(min(back, forth), 0))} rad/s {way}"
    start, end = _longest(wanted & ~seen)
    return f"never between {_figure(edges[start])} and {_figure(edges[end])} rad/s"


def _unmoved(seen: Seen, wanted: Seen, edges: Array) -> str:
    """What is lacking of one joint's positions; seen has shape (BINS, 3), wanted (BINS,), edges (BINS + 1,) [rad]."""
    backwards, forwards = seen[:, 0], seen[:, 2]
    lacking = {
        "never moved": wanted & ~backwards & ~forwards,
        "only negative velocity": wanted & backwards & ~forwards,
        "only positive velocity": wanted & forwards & ~backwards,
    }
    spans = {words: _longest(bins) for words, bins in lacking.items()}
    words, (start, end) = max(spans.items(), key=lambda item: item[1][1] - item[1][0])
    return f"{words} between {_figure(edges[start])} and {_figure(edges[end])} rad"


def _longest(bins: Seen) -> tuple[int, int]:
    """First bin and end of the longest unbroken run among `bins`, shape (BINS,)."""
    ends = np.flatnonzero(np.diff(np.concatenate([[False], bins, [False]])))
    runs = list(zip(ends[::2].tolist(), ends[1::2].tolist(), strict=True))
    return max(runs, key=lambda run: run[1] - run[0], default=(0, 0))


def _figure(x: float) -> str:
    return f"{round(float(x), 2) + 0.0:g}"  # + 0.0 makes a 0 of -0
