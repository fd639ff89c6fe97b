# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Estimators side by side on the same recordings: errors, contact, delays and cost.

Whatever steps like `runtime.estimator.Estimator` is treated alike: samples go in one by one, as live, and only what it
says counts. N samples, J joints, P pushes; tau_ext and truth are external torque, shape (N, J) [N·m].

Contact is decided by one number, `statistic`: the largest |tau_ext| over joints, each in units of the highest that it
had in free motion, so that a joint with rare high peaks makes no other one deaf. Where it rises above a threshold,
there is an alarm. How often that happens in free motion gives the threshold for a rate of false alarms, by peaks over
threshold (Coles 2001, chapter 4): recordings of free motion are minutes long, and a false alarm an hour must be
extrapolated from the highest peaks in them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import genpareto

from vastares_ros.core.errors import BundleError, DatasetError
from vastares_ros.core.samples import Array, Episode
from vastares_ros.core.sampling import same_rate
from vastares_ros.io.bundles import load_bundle
from vastares_ros.physics.wrench import WrenchEstimator
from vastares_ros.runtime.bundle import Bundle
from vastares_ros.runtime.estimator import Estimator

APART = 0.5  # alarms, and pushes, that are no farther apart are one [s]
LONGEST_LAG = 0.5  # that is looked for [s]
TAIL_PEAKS = 50  # the highest, that a tail is fitted to; fewer where there are not so many
FEWEST_PEAKS = 20  # that tell the shape of a tail
ALARM_RATE = 1.0  # false alarms an hour that thresholds are set for
HOUR = 3600.0


@dataclass(frozen=True)
class Trace:
    """What an estimator said of an episode.

    Attributes:
        tau_ext: external torque, shape (N, J); NaN where it said nothing.
        valid: where it trusted itself in full, shape (N,).
        cost: processor time of each step, shape (N,) [s].
    """

    tau_ext: Array
    valid: NDArray[np.bool_]
    cost: Array

    @property
    def said(self) -> NDArray[np.bool_]:
        """Where there is an estimate of all joints, shape (N,)."""
        return np.asarray(np.isfinite(self.tau_ext).all(axis=1))

    def trusted(self) -> Trace:
        """The same with nothing said where it is not valid."""
        return replace(self, tau_ext=np.where(self.valid[:, None], self.tau_ext, np.nan))


@dataclass(frozen=True)
class Pushed:
    """An episode with pushes that are known.

    Attributes:
        episode: N samples.
        truth: true external torque, shape (N, J) [N·m]; zero where nothing pushes.
    """

    episode: Episode
    truth: Array

    @property
    def during(self) -> NDArray[np.bool_]:
        """Where something pushes, shape (N,)."""
        return np.asarray(self.truth.any(axis=1))

    def pushes(self) -> list[slice]:
        """The samples of each of P pushes."""
        at = np.flatnonzero(self.during)
        breaks = np.flatnonzero(np.diff(self.episode.t[at]) > APART) + 1
        return [slice(int(part[0]), int(part[-1]) + 1) for part in np.split(at, breaks) if len(part)]


def step_through(bundle: Bundle, episode: Episode) -> Trace:
    """Let the estimator of a bundle take an episode in, sample by sample."""
    estimator = Estimator(bundle)
    tau_ext = np.empty((len(episode), len(bundle.joints)))
    valid = np.empty(len(episode), dtype=bool)
    cost = np.empty(len(episode))
    for i, sample in enumerate(episode):
        start = time.process_time_ns()
        estimate = estimator.step(sample)
        cost[i] = time.process_time_ns() - start
        tau_ext[i], valid[i] = estimate.tau_ext, estimate.valid
    return Trace(tau_ext, valid, cost * 1e-9)


def step_all(
    folders: Mapping[str, Path], episodes: Sequence[Episode], jobs: int = 0
) -> Iterator[tuple[str, int, Trace]]:
    """Step every bundle through every episode, in processes side by side.

    Args:
        folders: of the bundles, by name.
        episodes: what to step through.
        jobs: processes; 1 for this one alone, 0 for one a core.

    Yields:
        Name, index of the episode, and the trace, as they end.
    """
    work = [(name, i) for i in np.argsort([-len(e) for e in episodes]).tolist() for name in folders]  # longest first
    jobs = min(jobs or os.cpu_count() or 1, len(work))
    if jobs == 1:
        bundles = {name: load_bundle(folder) for name, folder in folders.items()}
        for name, i in work:
            yield name, i, step_through(bundles[name], episodes[i])
        return
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,))
    try:
        futures = {pool.submit(_load_and_step, folders[name], episodes[i]): (name, i) for name, i in work}
        for future in as_completed(futures):
            yield *futures[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _load_and_step(folder: Path, episode: Episode) -> Trace:
    return step_through(load_bundle(folder), episode)


def check_alike(bundles: Mapping[str, Bundle]) -> None:
    """Refuse bundles whose figures cannot stand side by side.

    Raises:
        BundleError: one differs from the first in joints, rate or meaning of effort.
    """
    first, *others = bundles
    for other in others:
        a, b = bundles[first], bundles[other]
        fields = {
            "joints": (", ".join(a.joints), ", ".join(b.joints)),
            "effort.unit": (a.effort.unit, b.effort.unit),
            "effort.scale": (list(a.effort.scale), list(b.effort.scale)),
            "effort.gravity_compensated": (a.effort.gravity_compensated, b.effort.gravity_compensated),
        }
        if not same_rate(b.rate, a.rate):
            fields["rate_hz"] = f"{a.rate:g}", f"{b.rate:g}"
        for field, (ours, theirs) in fields.items():
            if ours != theirs:
                raise BundleError(
                    f"{other}: {field} is {theirs}, but {ours} in {first}: compare bundles of one robot and driver, "
                    "trained on one dataset"
                )


def statistic(tau_ext: Array, highest: Array) -> Array:
    """Largest |tau_ext| over joints in units of `highest`, shape (J,), as shape (N,); 0 where nothing was said."""
    return np.nan_to_num(np.abs(tau_ext) / highest).max(axis=1)


def alarms(t: Array, s: Array, threshold: float) -> NDArray[np.intp]:
    """Samples where an alarm begins: s is above the threshold, after more than `APART` seconds of not being so.

    Args:
        t: stamps, shape (N,) [s].
        s: statistic, shape (N,).
        threshold: of the statistic.
    """
    above = np.flatnonzero(s > threshold)
    return above[np.diff(t[above], prepend=-np.inf) > APART]


def peaks(t: Array, s: Array, threshold: float) -> Array:
    """Highest s of each alarm; arguments as of `alarms`."""
    above = np.flatnonzero(s > threshold)
    first = np.searchsorted(above, alarms(t, s, threshold))
    return np.maximum.reduceat(s[above], first) if len(above) else np.empty(0)


@dataclass(frozen=True)
class Tail:
    """How often the statistic of free motion exceeds what: a generalised Pareto tail.

    If the fitted shape is not positive, an exponential tail is used: peaks that are absent from a few minutes still
    occur within an hour (docs/howto/comparing.md has figures). The same holds for fewer than `FEWEST_PEAKS` peaks.

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
    if len(excess) >= FEWEST_PEAKS:
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


def lag(pairs: Sequence[tuple[Array, Array]], bound: Array, rate: float) -> float:
    """By how much estimates are later than the truth, on average [s]: the lag at which they correlate best.

    Every joint counts in units of its bound. NaN where no lag up to `LONGEST_LAG` stands out.

    Args:
        pairs: tau_ext and truth of each episode, shape (N, J) both.
        bound: of each joint, shape (J,).
        rate: of the samples [Hz].
    """
    product = np.zeros(int(LONGEST_LAG * rate) + 2)
    for tau_ext, truth in pairs:
        x, y = np.nan_to_num(tau_ext / bound), truth / bound
        for k in range(len(product)):
            product[k] += np.sum(x[k:] * y[: len(y) - k])
    best = int(product.argmax())
    if best == len(product) - 1 or product[best] <= 0:
        return float("nan")
    if best:  # the vertex of a parabola through three points
        before, peak, after = product[best - 1 : best + 2]
        return float((best + 0.5 * (before - after) / (before - 2 * peak + after)) / rate)
    return 0.0


def compare_bundles(
    bundles: Mapping[str, Bundle],
    free: Sequence[Episode],
    calibration: Sequence[Episode],
    pushed: Sequence[Pushed],
    traces: Mapping[str, Sequence[Trace]],
    wrench: WrenchEstimator | None,
) -> dict[str, Any]:
    """All figures, as written to JSON; None stands for what there is none of.

    Args:
        bundles: by name.
        free: episodes of free motion that estimators are judged on.
        calibration: those that set the thresholds; perhaps the same.
        pushed: episodes with pushes.
        traces: of all these episodes, in this order, by name of the bundle.
        wrench: for the error of the wrench, if it can be had.

    Raises:
        DatasetError: there is no sample on which all estimators said something, or nothing to calibrate on.
    """
    first = next(iter(bundles.values()))
    variance = first.model.torque_scaler.scale.double().cpu().numpy() ** 2
    parts = [
        slice(0, len(free)),
        slice(len(free), len(free) + len(calibration)),
        slice(len(free) + len(calibration), None),
    ]
    said = [np.logical_and.reduce([t.said for t in of_episode]) for of_episode in zip(*traces.values(), strict=True)]
    if not sum(s.sum() for s in said[parts[0]]):
        raise DatasetError(
            "no sample of free motion has an estimate of every bundle: give longer ones, or leave out --valid-only"
        )
    found: dict[str, Any] = {}
    for name, bundle in bundles.items():
        on_free, on_calibration, on_pushed = (traces[name][part] for part in parts)
        error = np.concatenate([t.tau_ext[s] for t, s in zip(on_free, said[parts[0]], strict=True)])
        mse = np.square(error).mean(axis=0)
        steps = np.concatenate([t.cost[t.said] for t in traces[name]])
        found[name] = {
            "method": bundle.method,
            "nmse": _by_joint(bundle, mse / variance),
            "nmse_mean": float((mse / variance).mean()),
            "rmse": _by_joint(bundle, np.sqrt(mse)),
            "valid": float(np.concatenate([t.valid for t in on_free]).mean()),
            "cost_ms": {"median": float(np.median(steps)) * 1e3, "p99": float(np.quantile(steps, 0.99)) * 1e3},
            "contact": _contact(bundle, free, on_free, calibration, on_calibration, pushed, on_pushed),
            "pushed": _under_pushes(bundle, pushed, on_pushed, said[parts[2]], wrench) if pushed else None,
        }
    return {
        "joints": list(first.joints),
        "unit": first.effort.unit,
        "rate_hz": first.rate,
        "variance": {"of": next(iter(bundles)), **_by_joint(first, variance)},
        "free": {"recordings": _recordings(free), "seconds": _seconds(free)},
        "calibration": {"recordings": _recordings(calibration), "seconds": _seconds(calibration)},
        "pushed": {
            "recordings": _recordings([p.episode for p in pushed]),
            "seconds": _seconds([p.episode for p in pushed]),
            "pushes": sum(len(p.pushes()) for p in pushed),
        },
        "estimators": found,
    }


def _contact(
    bundle: Bundle,
    free: Sequence[Episode],
    on_free: Sequence[Trace],
    calibration: Sequence[Episode],
    on_calibration: Sequence[Trace],
    pushed: Sequence[Pushed],
    on_pushed: Sequence[Trace],
) -> dict[str, Any]:
    """Threshold for `ALARM_RATE`, what it detects, and how both change with the threshold.

    `no_alarm` is the same at the highest of the calibrating motion, which needs no extrapolation.
    """

    peak = np.nanmax(np.abs(np.concatenate([t.tau_ext[t.said] for t in on_calibration])), axis=0, initial=0.0)
    highest = np.where(peak > 0, peak, bundle.bound)

    def statistics(episodes: Sequence[Episode], traces: Sequence[Trace]) -> list[tuple[Array, Array]]:
        return [(e.t, statistic(t.tau_ext, highest)) for e, t in zip(episodes, traces, strict=True)]

    calm = statistics(calibration, on_calibration)
    struck = statistics([p.episode for p in pushed], on_pushed)
    pushes = [p.pushes() for p in pushed]
    true = [np.abs(p.truth[push]) for p, of in zip(pushed, pushes, strict=True) for push in of]
    in_bounds, in_peaks = (np.array([(x / unit).max() for x in true]) for unit in (bundle.bound, highest))  # (P,)

    def detected(threshold: float) -> dict[str, Any]:
        found = [detection_delays(t, s, threshold, of) for (t, s), of in zip(struck, pushes, strict=True)]
        delays = np.concatenate([*found, np.empty(0)])
        return {
            "all": _summary(delays),
            "above_bound": _summary(delays[in_bounds > 1]),
            "above_threshold": _summary(delays[in_peaks > threshold]),
        }

    def judged(threshold: float) -> dict[str, Any]:
        false = sum(len(alarms(t, s, threshold)) for t, s in statistics(free, on_free))
        return {"false_alarms": false, **detected(threshold)}

    tail = fit_tail(calm)
    threshold = tail.threshold(ALARM_RATE)
    return {
        "bound": _by_joint(bundle, bundle.bound),
        "highest": _by_joint(bundle, highest),
        "threshold": threshold,
        "alarms_per_hour": ALARM_RATE,
        "extrapolated": tail.extrapolates(ALARM_RATE),
        "tail": {
            "seconds": tail.seconds,
            "peaks": tail.peaks,
            "begin": tail.begin,
            "shape": tail.shape,
            "scale": tail.scale,
        },
        **judged(threshold),
        "no_alarm": judged(1.0),
        "curve": [
            {"threshold": h, "alarms_per_hour": rate, "extrapolated": tail.extrapolates(rate), **detected(h)}
            for h, rate in operating_points(calm, tail)
        ],
    }


def typical_push(pushed: Sequence[Pushed], bound: Array) -> tuple[int, slice]:
    """Episode and samples of the push whose peak, in units of a bound of shape (J,), is the median of all."""
    found = [
        (float((np.abs(p.truth[push]) / bound).max()), i, push) for i, p in enumerate(pushed) for push in p.pushes()
    ]
    _, i, push = sorted(found, key=lambda f: f[0])[len(found) // 2]
    return i, push


def _summary(delays: Array) -> dict[str, Any]:
    """Of P delays [s], infinite where missed: the median counts those, and is None where half are."""
    if not len(delays):
        return {"pushes": 0, "detected": None, "delay_ms": None}
    found = np.isfinite(delays)
    middle = float(np.median(delays)) if 2 * found.sum() > len(delays) else None
    return {
        "pushes": len(delays),
        "detected": float(found.mean()),
        "delay_ms": None if middle is None else middle * 1e3,
    }


def _under_pushes(
    bundle: Bundle,
    pushed: Sequence[Pushed],
    traces: Sequence[Trace],
    said: Sequence[NDArray[np.bool_]],
    wrench: WrenchEstimator | None,
) -> dict[str, Any]:
    """Errors of external torque and wrench while something pushes, where all estimators said something."""
    where = [p.during & s for p, s in zip(pushed, said, strict=True)]
    pairs = [(t.tau_ext, p.truth) for t, p in zip(traces, pushed, strict=True)]
    error = np.concatenate([(x - y)[w] for (x, y), w in zip(pairs, where, strict=True)])
    late = lag(pairs, bundle.bound, bundle.rate)
    force = torque = None
    if wrench:
        misses = [
            wrench.step(q, x).values - wrench.step(q, y).values
            for p, (of_trace, truth), w in zip(pushed, pairs, where, strict=True)
            for q, x, y in zip(p.episode.q[w], of_trace[w], truth[w], strict=True)
        ]
        force, torque = (_rms(half) for half in np.split(np.reshape(misses, (-1, 6)), 2, axis=1))
    return {
        "rmse": _by_joint(bundle, np.sqrt(np.square(error).mean(axis=0))) if len(error) else None,
        "delay_ms": late * 1e3 if np.isfinite(late) else None,
        "force_rmse": force,
        "torque_rmse": torque,
    }


def _rms(x: Array) -> float | None:
    """Root mean square of what is finite."""
    known = x[np.isfinite(x)]
    return float(np.sqrt(np.square(known).mean())) if len(known) else None


def _by_joint(bundle: Bundle, values: Array) -> dict[str, float]:
    return dict(zip(bundle.joints, values.tolist(), strict=True))


def _recordings(episodes: Sequence[Episode]) -> list[str]:
    return list(dict.fromkeys(e.recording for e in episodes))


def _seconds(episodes: Sequence[Episode]) -> float:
    return float(sum(e.t[-1] - e.t[0] for e in episodes))
