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

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .errors import BagError
from .samples import Array, Episode

MAX_GAP = 2.5  # periods: one lost sample passes, two do not
MIN_PIECE = 1.0  # seconds: a shorter continuous piece is left out
RATE_TOLERANCE = 0.1  # of the rate: more is another rate, not jitter
LONGEST_SPAN = 16  # steps over which the period is refined
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
    t = t[np.diff(t, prepend=-np.inf) != 0]
    steps = np.diff(t)
    if not (steps > 0).any():
        raise BagError("fewer than two different stamps: no sample rate can be measured", value=len(t), lower=2)
    period = float(np.median(steps[steps > 0]))
    pieces = np.split(t, np.flatnonzero((steps < 0) | (steps > MAX_GAP * period)) + 1)
    for length in (1, 2, 4, 8, LONGEST_SPAN):
        spans = np.concatenate([p[length:] - p[:-length] for p in pieces])
        periods = np.rint(spans / period)
        clear = (periods > 0) & (np.abs(spans / period - periods) < CLEAR)
        if clear.any():
            period = float(np.median(spans[clear] / periods[clear]))
    ends = [np.append(p[:-1:LONGEST_SPAN], p[-1]) for p in pieces]
    spans = np.concatenate([np.diff(p) for p in ends])
    return float(np.rint(spans / period).sum() / spans.sum())


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
    keep = np.flatnonzero(np.diff(t, prepend=-np.inf) != 0)
    steps = np.diff(t[keep])
    jumps, gaps = steps < 0, steps * rate > MAX_GAP
    pieces = np.split(keep, np.flatnonzero(jumps | gaps) + 1)
    kept = [p for p in pieces if len(p) > 1 and t[p[-1]] - t[p[0]] >= MIN_PIECE]
    names = [recording] if len(kept) == 1 else [f"{recording}-{i}" for i in range(1, len(kept) + 1)]
    episodes = [
        Episode(n, tuple(joints), t[p], q[p], qd[p], tau[p], recording) for n, p in zip(names, kept, strict=True)
    ]
    short = len(keep) - sum(len(e) for e in episodes)
    return tuple(episodes), Cuts(len(t) - len(keep), int(jumps.sum()), int(gaps.sum()), short)


def resample(episode: Episode, rate: float) -> Episode:
    """The episode on an even grid at `rate` [Hz], by linear interpolation between neighbouring samples."""
    steps = int(np.floor(episode.duration * rate + 1e-6))
    t = episode.t[0] + np.arange(steps + 1) / rate

    def on_grid(x: Array) -> Array:
        return np.stack([np.interp(t, episode.t, column) for column in x.T], axis=1)

    q, qd, tau = on_grid(episode.q), on_grid(episode.qd), on_grid(episode.tau)
    return Episode(episode.name, episode.joints, t, q, qd, tau, episode.recording)
