"""When samples belong together: rate, gaps, backward jumps, repeats, resampling. One rule for live and offline.

With P the period (the median step offline, the trained period live):
a step of 0 repeats the last sample, which is dropped; a step below 0 is a clock that jumped back, and a step above
`MAX_GAP` P is a gap: both end an episode and start the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import BagError
from .samples import Array, Episode

MAX_GAP = 2.5  # periods: one lost sample passes, two do not
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
    """Where a recording breaks, and how often.

    Attributes:
        pieces: index arrays of the continuous pieces, in order.
        repeats: samples dropped because their stamp equals the one before.
        jumps: backward jumps of the clock.
        gaps: steps above `MAX_GAP` periods.
    """

    pieces: tuple[NDArray[np.intp], ...]
    repeats: int
    jumps: int
    gaps: int


def cut(t: Array, period: float) -> Cuts:
    """Cut stamps t, shape (N,) [s], into continuous pieces by the rule of this module."""
    keep = np.flatnonzero(np.diff(t, prepend=-np.inf) != 0)
    steps = np.diff(t[keep])
    jumps = steps < 0
    gaps = steps > MAX_GAP * period
    pieces = np.split(keep, np.flatnonzero(jumps | gaps) + 1)
    return Cuts(tuple(pieces), len(t) - len(keep), int(jumps.sum()), int(gaps.sum()))


def resample(episode: Episode, rate: float) -> Episode:
    """The episode on an even grid at `rate` [Hz], by linear interpolation between neighbouring samples."""
    steps = int(np.floor((episode.t[-1] - episode.t[0]) * rate + 1e-6))
    t = episode.t[0] + np.arange(steps + 1) / rate

    def on_grid(x: Array) -> Array:
        return np.stack([np.interp(t, episode.t, column) for column in x.T], axis=1)

    q, qd, tau = on_grid(episode.q), on_grid(episode.qd), on_grid(episode.tau)
    return Episode(episode.name, episode.joints, t, q, qd, tau, episode.recording)
