# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""When samples belong together: rate, gaps, backward jumps, repeats, resampling. One rule for live and offline.

Cutting. With P the period (measured offline, the trained one live): a step of 0 repeats the last sample, which is
dropped. A step below 0 is a clock that jumped back, and a step above `MAX_GAP` P is a gap. Both end an episode
and start the next one. Episodes shorter than `MIN_PIECE` are left out.

Rate. It is the mean over all steps that are no gaps, where a step across a lost sample counts as two (`measured_rate`).
The median step alone is misled by stamps that are rounded: at 94 Hz, stamps in whole milliseconds step by 10 or 11 ms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .errors import BagError
from .ranks import median
from .samples import Array, Episode
from .scratch import Growing, blocks, taken

MAX_GAP = 2.5  # periods: one lost sample passes, two do not
MIN_PIECE = 1.0  # seconds: a shorter continuous piece is left out
RATE_TOLERANCE = 0.1  # of the rate: more is another rate, not jitter
LONGEST_SPAN = 16  # steps over which the period is refined
CROWDED = 1.5  # periods: three samples of one publisher take two
STRAY = 1e-3  # rad that a position may be off its neighbours, beside their distance
FEW_STRAYS = 10, 2e-3  # samples, and share of all samples, that may be so in a recording of one publisher
CLEAR = 0.4  # a span farther from a whole number of periods does not tell how many it holds


def measured_rate(t: Array) -> float:
    """Sample rate of a recording [Hz]: periods per time, in the pieces between gaps and backward jumps.

    The period is first the median step. It is then refined over spans of 2, 4, 8 and 16 steps: each span holds a whole
    number of periods, by which lost samples are counted, and rounding of the stamps weighs less the longer the span.
    Last, the periods of all pieces are counted and divided by their duration. Without lost samples, this is the number
    of steps over their sum. Stamps may be rounded to a third of a period.

    Args:
        t: stamps in the order they came, shape (N,) [s].

    Raises:
        BagError: there are fewer than two different stamps.
    """
    period = median(lambda: (x[x > 0] for x in (np.diff(b.t[max(b.new - 1, 0) :]) for b in _distinct(t, np.inf))))
    if np.isnan(period):
        stamps = sum(len(b.t) - b.new for b in _distinct(t, np.inf))
        raise BagError("fewer than two different stamps: no sample rate can be measured", value=stamps, lower=2)
    gap = MAX_GAP * period

    def clear(length: int, period: float) -> Iterator[Array]:
        """Periods by spans of `length` steps that tell how many they hold."""
        for b in _distinct(t, gap):
            ends = np.arange(max(b.new, length), len(b.t))
            ends = ends[b.place[ends] >= length]
            spans = b.t[ends] - b.t[ends - length]
            periods = np.rint(spans / period)
            clear = (periods > 0) & (np.abs(spans / period - periods) < CLEAR)
            yield spans[clear] / periods[clear]

    for length in (1, 2, 4, 8, LONGEST_SPAN):
        refined = median(lambda length=length, period=period: clear(length, period))  # type: ignore[misc]
        period = period if np.isnan(refined) else refined
    count = duration = 0.0
    for b in _distinct(t, gap):
        ends = np.arange(b.new, len(b.t))
        whole = ends[(b.place[ends] > 0) & (b.place[ends] % LONGEST_SPAN == 0)]
        last = ends[b.place[ends] == 0] - 1  # of the piece before
        if b.last:
            last = np.append(last, len(b.t) - 1)
        last = last[last >= 0]
        rest = b.place[last] % LONGEST_SPAN
        ends = np.concatenate([whole, last[rest > 0]])
        lengths = np.concatenate([np.full(len(whole), LONGEST_SPAN), rest[rest > 0]])
        order = np.argsort(ends)
        spans = (b.t[ends] - b.t[ends - lengths])[order]
        count += np.rint(spans / period).sum()
        duration += spans.sum()
    return float(count / duration)


@dataclass(frozen=True)
class _Block:
    """Some stamps of a recording, repeats left out.

    Attributes:
        t: a few stamps of the block before, then the new ones, shape (n,) [s].
        new: index of the first new one.
        place: of each in its piece, from 0, shape (n,).
        last: whether it is the last block.
    """

    t: Array
    new: int
    place: NDArray[np.intp]
    last: bool


def _distinct(t: Array, gap: float) -> Iterator[_Block]:
    """Blocks of stamps t, shape (N,) [s]; a piece ends where they go back, or ahead by more than `gap` [s]."""
    kept, first = t[:0], 0  # stamps of the block before, and the place of the first of them
    for s in blocks(len(t)):
        new = t[s]
        new = new[np.diff(new, prepend=kept[-1] if len(kept) else -np.inf) != 0]
        now = np.concatenate([kept, new])
        steps = np.diff(now, prepend=now[:1])
        starts = np.where((steps < 0) | (steps > gap), np.arange(len(now)), -first)
        place = np.arange(len(now)) - np.maximum.accumulate(starts)
        yield _Block(now, len(kept), place, s.stop == len(t))
        kept, first = now[-LONGEST_SPAN - 1 :], int(place[-LONGEST_SPAN - 1 :][0])


def strays(t: Array, q: Array, rate: float) -> NDArray[np.bool_]:
    """Which samples stand between two that follow on each other without them, as those of a second publisher do.

    Args:
        t: stamps, shape (N,) [s].
        q: positions, shape (N, J) [rad].
        rate: of one publisher [Hz].

    Returns:
        For each sample but the first and the last, shape (N - 2,).
    """
    span = t[2:] - t[:-2]
    found = np.array((span > 0) & (span * rate <= CROWDED) & (t[1:-1] > t[:-2]) & (t[1:-1] < t[2:]))
    at = np.flatnonzero(found)
    before, middle, after = q[at], q[at + 1], q[at + 2]
    expected = before + (after - before) * ((t[at + 1] - t[at]) / span[at])[:, None]
    found[at] = (np.abs(middle - expected) > STRAY + CROWDED * np.abs(after - before)).any(axis=1)
    return found


def two_publishers(t: Array, q: Array, rate: float) -> int:
    """How many samples are `strays`, where they are more than one publisher could have; else 0."""
    parts = (slice(max(s.start - 2, 0), s.stop) for s in blocks(len(t)))
    count = sum(int(strays(t[s], q[s], rate).sum()) for s in parts)
    few, share = FEW_STRAYS
    return count if count > max(few, share * len(t)) else 0


def same_rate(rate: float, other: float) -> bool:
    """Whether two rates [Hz] agree within `RATE_TOLERANCE`."""
    return abs(rate - other) <= RATE_TOLERANCE * other


@dataclass(frozen=True)
class Cuts:
    """How often a recording broke, and what was left out.

    Attributes:
        repeats: samples dropped because their stamp equals the one before.
        jumps: backward jumps of the clock.
        gaps: steps above `MAX_GAP` periods.
        short: samples dropped because their piece is shorter than `MIN_PIECE`.
    """

    repeats: int
    jumps: int
    gaps: int
    short: int


def cut(
    recording: str, joints: Sequence[str], rate: float, t: Array, q: Array, qd: Array, tau: Array
) -> tuple[tuple[Episode, ...], Cuts]:
    """Cut a recording into continuous episodes by the rule of this module.

    Args:
        recording: its name; where there are several episodes, they are called `recording-1`, `recording-2`, ….
        joints: J joint names.
        rate: samples per second [Hz].
        t: stamps in the order they came, shape (N,) [s].
        q: positions, shape (N, J) [rad].
        qd: velocities, shape (N, J) [rad/s].
        tau: torques, shape (N, J) [N·m or A].
    """
    count = len(t)
    t, q, qd, tau = _without_repeats(t, q, qd, tau)
    jumps = gaps = 0
    ends = [0]
    for s in blocks(len(t)):
        start = max(s.start - 1, 0)
        steps = np.diff(t[start : s.stop])
        back, ahead = steps < 0, steps * rate > MAX_GAP
        jumps, gaps = jumps + int(back.sum()), gaps + int(ahead.sum())
        ends += (np.flatnonzero(back | ahead) + start + 1).tolist()
    ends.append(len(t))
    pieces = [slice(a, b) for a, b in pairwise(ends)]
    kept = [p for p in pieces if p.stop - p.start > 1 and t[p.stop - 1] - t[p.start] >= MIN_PIECE]
    names = [recording] if len(kept) == 1 else [f"{recording}-{i}" for i in range(1, len(kept) + 1)]
    episodes = [
        Episode(n, tuple(joints), taken(t, p), taken(q, p), taken(qd, p), taken(tau, p), recording)
        for n, p in zip(names, kept, strict=True)
    ]
    short = len(t) - sum(len(e) for e in episodes)
    return tuple(episodes), Cuts(count - len(t), jumps, gaps, short)


def _without_repeats(t: Array, *columns: Array) -> list[Array]:
    """Stamps t (N,) and columns (N, J) without the samples whose stamp equals the one before."""

    def steps() -> Iterator[tuple[slice, NDArray[np.bool_]]]:
        for s in blocks(len(t)):
            yield s, np.diff(t[s], prepend=t[s.start - 1] if s.start else -np.inf) != 0

    if all(new.all() for _, new in steps()):
        return [t, *columns]
    parts = [Growing(x.shape[1:]) for x in (t, *columns)]
    for s, new in steps():
        for part, x in zip(parts, (t, *columns), strict=True):
            part.append(x[s][new])
    return [part.array() for part in parts]


def resample(episode: Episode, rate: float) -> Episode:
    """The episode on an even grid at `rate` [Hz], by linear interpolation between neighbouring samples."""
    steps = int(np.floor(episode.duration * rate + 1e-6))
    parts = [Growing(shape) for shape in ((), *[(len(episode.joints),)] * 3)]
    for s in blocks(steps + 1):
        t = episode.t[0] + np.arange(s.start, s.stop) / rate
        near = slice(
            max(int(np.searchsorted(episode.t, t[0], side="right")) - 1, 0),
            int(np.searchsorted(episode.t, t[-1], side="right")) + 1,
        )
        known = np.array(episode.t[near])
        parts[0].append(t)
        for part, x in zip(parts[1:], (episode.q, episode.qd, episode.tau), strict=True):
            part.append(np.stack([np.interp(t, known, column) for column in np.array(x[near]).T], axis=1))
    times, q, qd, tau = (part.array() for part in parts)
    return Episode(episode.name, episode.joints, times, q, qd, tau, episode.recording)
