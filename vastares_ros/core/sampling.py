"""When samples belong together: rate, gaps, backward jumps, repeats, resampling. One rule for live and offline.

With P the period (the median step offline, the trained period live):
a step of 0 repeats the last sample, which is dropped; a step below 0 is a clock that jumped back, and a step above
`MAX_GAP` P is a gap: both end an episode and start the next one. Episodes shorter than `MIN_PIECE` are left out.
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


def measured_rate(t: Array) -> float:
    """Rate of stamps t, shape (N,) [s], as the inverse of the median step [Hz].

    Raises:
        BagError: fewer than two different stamps.
    """
    steps = np.diff(t)
    steps = steps[steps > 0]
    if not len(steps):
        raise BagError("fewer than two different stamps: no sample rate can be measured")
    return float(1.0 / np.median(steps))


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
    steps = int(np.floor((episode.t[-1] - episode.t[0]) * rate + 1e-6))
    t = episode.t[0] + np.arange(steps + 1) / rate

    def on_grid(x: Array) -> Array:
        return np.stack([np.interp(t, episode.t, column) for column in x.T], axis=1)

    q, qd, tau = on_grid(episode.q), on_grid(episode.qd), on_grid(episode.tau)
    return Episode(episode.name, episode.joints, t, q, qd, tau, episode.recording)
