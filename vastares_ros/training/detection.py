# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Contact as one number against a threshold: alarms, their rate in free motion, and how soon pushes are detected.

The number is `statistic`: the largest |tau_ext| over joints, each in units of the highest value that it had in free
motion, so that a joint with rare high peaks does not make the others insensitive. Where it rises above a threshold,
there is an alarm. How often that happens in free motion gives the threshold for a rate of false alarms, by peaks over
threshold (Coles 2001, chapter 4): recordings of free motion are minutes long, and a false alarm an hour must be
extrapolated from the highest peaks in them.

N samples, J joints, P pushes; tau_ext is external torque, shape (N, J) [N·m].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import genpareto

from vastares_ros.core.errors import DatasetError
from vastares_ros.core.samples import Array

MIN_GAP = 0.5  # alarms, and pushes, that are no farther apart are one [s]
TAIL_PEAKS = 50  # highest peaks that a tail is fitted to; fewer where there are not so many
MIN_SHAPE_PEAKS = 20  # fewer peaks do not determine the shape of a tail
ALARM_RATE = 1.0  # false alarms an hour that thresholds are set for
HOUR = 3600.0


def statistic(tau_ext: Array, highest: Array) -> Array:
    """Largest |tau_ext| over joints in units of `highest`, shape (J,), as shape (N,); 0 where there is no estimate."""
    return np.nan_to_num(np.abs(tau_ext) / highest).max(axis=1)


def alarms(t: Array, s: Array, threshold: float) -> NDArray[np.intp]:
    """Samples where an alarm begins: s is above the threshold, after more than `MIN_GAP` seconds of not being so.

    Args:
        t: stamps, shape (N,) [s].
        s: statistic, shape (N,).
        threshold: of the statistic.
    """
    above = np.flatnonzero(s > threshold)
    return above[np.diff(t[above], prepend=-np.inf) > MIN_GAP]


def peaks(t: Array, s: Array, threshold: float) -> Array:
    """Highest s of each alarm; arguments as of `alarms`."""
    above = np.flatnonzero(s > threshold)
    first = np.searchsorted(above, alarms(t, s, threshold))
    return np.maximum.reduceat(s[above], first) if len(above) else np.empty(0)


@dataclass(frozen=True)
class Tail:
    """How often the statistic of free motion exceeds what: a generalised Pareto tail.

    If the fitted shape is not positive, an exponential tail is used: peaks that are absent from a few minutes still
    occur within an hour (docs/howto/comparing.md has figures). The same holds for fewer than `MIN_SHAPE_PEAKS` peaks.

    Attributes:
        begin: threshold behind which the tail describes the peaks.
        peaks: found above it.
        seconds: of free motion that they were found in.
        shape: of the tail, 0 for exponential, above for heavier ones.
        scale: of the tail.
        highest: peak of all.
    """

    begin: float
    peaks: int
    seconds: float
    shape: float
    scale: float
    highest: float

    def rate(self, threshold: float) -> float:
        """Alarms an hour above a threshold of `begin` or more."""
        share = genpareto.sf(threshold - self.begin, self.shape, scale=self.scale)
        return float(self.peaks / self.seconds * HOUR * share)

    def threshold(self, rate: float) -> float:
        """The threshold that so many alarms an hour exceed; nothing that was seen is rarer than the recordings tell."""
        share = min(1.0, rate * self.seconds / HOUR / self.peaks)
        found = float(self.begin + genpareto.isf(share, self.shape, scale=self.scale))
        return max(found, self.highest) if self.extrapolates(rate) else found

    def extrapolates(self, rate: float) -> bool:
        """Whether so few alarms an hour are less than one in all that was recorded."""
        return rate * self.seconds < HOUR


def fit_tail(free: Sequence[tuple[Array, Array]]) -> Tail:
    """The tail of free motion.

    Args:
        free: stamps (N,) [s] and statistic (N,) of each episode.

    Raises:
        DatasetError: there is nothing to fit to.
    """
    thresholds, counts = _alarm_counts(free)
    begin = float(thresholds[np.flatnonzero(counts >= min(TAIL_PEAKS, counts.max()))[-1]])
    excess = np.concatenate([peaks(t, s, begin) for t, s in free]) - begin
    if not len(excess):
        raise DatasetError("free motion has no estimate to calibrate thresholds on: give longer recordings by --free")
    seconds = float(sum(t[-1] - t[0] for t, _ in free))
    shape = scale = 0.0
    if len(excess) >= MIN_SHAPE_PEAKS:
        shape, _, scale = map(float, genpareto.fit(excess, floc=0))
    if shape <= 0:
        shape, scale = 0.0, float(excess.mean())
    return Tail(begin, len(excess), seconds, shape, scale, begin + float(excess.max()))


def operating_points(free: Sequence[tuple[Array, Array]], tail: Tail, points: int = 30) -> list[tuple[float, float]]:
    """Thresholds and the alarms an hour above them: as counted where they are many, by the tail where they are few.

    They begin where alarms are most frequent, since below that they run together, and end at `ALARM_RATE`.

    Args:
        free: stamps (N,) [s] and statistic (N,) of each episode.
        tail: of the same.
        points: in the tail.
    """
    thresholds, counts = _alarm_counts(free)
    many = thresholds < tail.begin
    counted = zip(thresholds[many].tolist(), (counts[many] / tail.seconds * HOUR).tolist(), strict=True)
    rates = np.geomspace(tail.rate(tail.begin), ALARM_RATE, points).tolist()
    return [*counted, *((tail.threshold(rate), rate) for rate in rates)]


def _alarm_counts(free: Sequence[tuple[Array, Array]], points: int = 60) -> tuple[Array, NDArray[np.intp]]:
    """Rising thresholds, shape (H,), from where alarms are most frequent, and the alarms above each, shape (H,)."""
    s = np.concatenate([s for _, s in free])
    thresholds = np.unique(np.quantile(s, 1 - np.geomspace(0.5, 1 / len(s), points)))
    counts = np.array([sum(len(alarms(t, s, h)) for t, s in free) for h in thresholds])
    most = int(counts.argmax())
    return thresholds[most:], counts[most:]


def detection_delays(t: Array, s: Array, threshold: float, pushes: Sequence[slice]) -> Array:
    """Time from the begin of each push until s rises above the threshold within it, shape (P,) [s].

    Infinite where it does not. An alarm from before the push, that lasts, tells nothing about it and does not count.

    Args:
        t: stamps, shape (N,) [s].
        s: statistic, shape (N,).
        threshold: of the statistic.
        pushes: the samples of each push.
    """
    delays = np.full(len(pushes), np.inf)
    above = s > threshold
    rises = np.flatnonzero(above & ~np.concatenate([[False], above[:-1]]))
    for i, push in enumerate(pushes):
        rise = np.searchsorted(rises, push.start)
        if rise < len(rises) and rises[rise] < push.stop:
            delays[i] = t[rises[rise]] - t[push.start]
    return delays
