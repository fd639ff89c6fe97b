# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Estimators side by side on the same recordings: errors, contact, delays and cost.

Whatever steps like `runtime.estimator.Estimator` is treated alike: it takes samples one by one, as live, and only what
it returns counts. N samples, J joints, P pushes; tau_ext and truth are external torque, shape (N, J) [N·m]. Contact is
decided as in `detection`. docs/howto/comparing.md defines every figure.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vastares_ros.core.errors import BundleError, DatasetError
from vastares_ros.core.samples import Array, Episode
from vastares_ros.core.sampling import same_rate
from vastares_ros.io.bundles import load_bundle
from vastares_ros.physics.wrench import WrenchEstimator
from vastares_ros.runtime.bundle import Bundle
from vastares_ros.runtime.estimator import Estimator

from .detection import ALARM_RATE, MIN_GAP, Tail, alarms, detection_delays, fit_tail, operating_points, statistic

MAX_LAG = 0.5  # longest that is looked for [s]
REPORT_EVERY = 100  # samples between two reports of progress
REFRESH = 0.2  # seconds between two looks at the progress of other processes


@dataclass(frozen=True)
class Trace:
    """What an estimator returned for an episode.

    Attributes:
        tau_ext: external torque, shape (N, J); NaN where there is no estimate.
        valid: where the estimate is valid, shape (N,).
        cost: processor time of each step, shape (N,) [s].
    """

    tau_ext: Array
    valid: NDArray[np.bool_]
    cost: Array

    @property
    def estimated(self) -> NDArray[np.bool_]:
        """Where there is an estimate of all joints, shape (N,)."""
        return np.asarray(np.isfinite(self.tau_ext).all(axis=1))

    def only_valid(self) -> Trace:
        """The same with no estimate where it is not valid."""
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
        breaks = np.flatnonzero(np.diff(self.episode.t[at]) > MIN_GAP) + 1
        return [slice(int(part[0]), int(part[-1]) + 1) for part in np.split(at, breaks) if len(part)]


@dataclass(frozen=True)
class Detected:
    """What is detected of some pushes.

    Attributes:
        pushes: how many there are.
        detected: share of them that is detected; None if there are none.
        delay_ms: median delay [ms], where a missed push counts as infinitely late; None if half of them are missed.
    """

    pushes: int
    detected: float | None
    delay_ms: float | None


@dataclass(frozen=True)
class Detection:
    """What a threshold of contact detects.

    Attributes:
        threshold: of the statistic.
        all: of all pushes.
        above_bound: of those whose true torque exceeds the bound of the estimator.
        above_threshold: of those whose true torque exceeds the threshold.
    """

    threshold: float
    all: Detected
    above_bound: Detected
    above_threshold: Detected


@dataclass(frozen=True)
class Level(Detection):
    """A threshold that contact is decided with.

    Attributes:
        false_alarms: alarms in the free motion that is judged.
    """

    false_alarms: int


@dataclass(frozen=True)
class OperatingPoint(Detection):
    """A point of the curve of detection over false alarms.

    Attributes:
        alarms_per_hour: false alarms.
        extrapolated: whether the recordings are too short to count so few alarms.
    """

    alarms_per_hour: float
    extrapolated: bool


@dataclass(frozen=True)
class Contact(Level):
    """How an estimator detects contact; its own level is that for `ALARM_RATE` false alarms an hour.

    Attributes:
        alarms_per_hour: the rate that the threshold is set for.
        extrapolated: whether the calibrating motion is too short to count so few alarms.
        bound: of free motion, by joint.
        highest: |tau_ext| in the calibrating motion, by joint: the unit of the statistic.
        tail: of the calibrating motion.
        no_alarm: at the highest of the calibrating motion, which needs no extrapolation.
        curve: from many alarms to few.
    """

    alarms_per_hour: float
    extrapolated: bool
    bound: dict[str, float]
    highest: dict[str, float]
    tail: Tail
    no_alarm: Level
    curve: list[OperatingPoint]


@dataclass(frozen=True)
class PushErrors:
    """Errors while something pushes.

    Attributes:
        rmse: of external torque, by joint; None without an estimate.
        delay_ms: lag of external torque; None if none stands out.
        force_rmse: of the force at the tip [N]; None if it cannot be had.
        torque_rmse: of the torque at the tip [N·m]; None if it cannot be had.
    """

    rmse: dict[str, float] | None
    delay_ms: float | None
    force_rmse: float | None
    torque_rmse: float | None


@dataclass(frozen=True)
class Cost:
    """Processor time of a step [ms]."""

    median: float
    p99: float


@dataclass(frozen=True)
class EstimatorFigures:
    """All figures of an estimator.

    Attributes:
        method: of its bundle.
        nmse: in free motion, by joint.
        nmse_mean: its average over joints.
        rmse: in free motion, by joint [N·m or A].
        valid: share of free motion with a valid estimate.
        cost_ms: of a step.
        contact: what it detects.
        pushed: errors under pushes; None if there are no pushes.
    """

    method: str
    nmse: dict[str, float]
    nmse_mean: float
    rmse: dict[str, float]
    valid: float
    cost_ms: Cost
    contact: Contact
    pushed: PushErrors | None


@dataclass(frozen=True)
class Recorded:
    """Recordings by name, and their duration."""

    recordings: list[str]
    seconds: float


@dataclass(frozen=True)
class RecordedPushes(Recorded):
    """Recordings with pushes, and how many pushes."""

    pushes: int


@dataclass(frozen=True)
class Comparison:
    """All figures of a comparison; as JSON, `dataclasses.asdict` of it.

    Attributes:
        joints: J names.
        unit: of torque.
        rate_hz: of the samples.
        reference: name of the estimator whose training torque sets `variance`.
        variance: that nmse is relative to, by joint.
        free: free motion that is judged.
        calibration: free motion that sets thresholds.
        pushed: recordings with pushes.
        estimators: by name.
    """

    joints: list[str]
    unit: str
    rate_hz: float
    reference: str
    variance: dict[str, float]
    free: Recorded
    calibration: Recorded
    pushed: RecordedPushes
    estimators: dict[str, EstimatorFigures]


def step_through(bundle: Bundle, episode: Episode, progress: Callable[[int], None] = lambda samples: None) -> Trace:
    """Step the estimator of a bundle through an episode.

    Args:
        bundle: of the estimator.
        episode: N samples.
        progress: gets the number of samples since it was last called.
    """
    estimator = Estimator(bundle)
    tau_ext = np.empty((len(episode), len(bundle.joints)))
    valid = np.empty(len(episode), dtype=bool)
    cost = np.empty(len(episode))
    for i, sample in enumerate(episode):
        start = time.process_time_ns()
        estimate = estimator.step(sample)
        cost[i] = time.process_time_ns() - start
        tau_ext[i], valid[i] = estimate.tau_ext, estimate.valid
        if (i + 1) % REPORT_EVERY == 0:
            progress(REPORT_EVERY)
    progress(len(episode) % REPORT_EVERY)
    return Trace(tau_ext, valid, cost * 1e-9)


def step_all(
    folders: Mapping[str, Path],
    episodes: Sequence[Episode],
    jobs: int = 0,
    progress: Callable[[int], None] = lambda samples: None,
) -> Iterator[tuple[str, int, Trace]]:
    """Step every bundle through every episode, in processes side by side.

    Args:
        folders: of the bundles, by name.
        episodes: what to step through.
        jobs: processes; 1 for this one alone, 0 for one a core.
        progress: gets the number of samples since it was last called.

    Yields:
        Name, index of the episode, and the trace, as they end.
    """
    work = [(name, i) for i in np.argsort([-len(e) for e in episodes]).tolist() for name in folders]  # longest first
    jobs = min(jobs or os.cpu_count() or 1, len(work))
    if jobs == 1:
        bundles = {name: load_bundle(folder) for name, folder in folders.items()}
        for name, i in work:
            yield name, i, step_through(bundles[name], episodes[i], progress)
        return
    context = multiprocessing.get_context("spawn")
    steps = context.Value("q", 0)
    pool = ProcessPoolExecutor(jobs, context, initializer=_begin_worker, initargs=(steps,))
    reported = 0
    try:
        names = {pool.submit(_load_and_step, folders[name], episodes[i]): (name, i) for name, i in work}
        left = set(names)
        while left:
            ended, left = wait(left, REFRESH, FIRST_COMPLETED)
            now = int(steps.value)
            progress(now - reported)
            reported = now
            for future in ended:
                yield *names[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


_steps: Any = None  # in a worker: samples that all workers have taken


def _begin_worker(steps: Any) -> None:
    global _steps
    _steps = steps
    torch.set_num_threads(1)


def _load_and_step(folder: Path, episode: Episode) -> Trace:
    def count(samples: int) -> None:
        with _steps.get_lock():
            _steps.value += samples

    return step_through(load_bundle(folder), episode, count)


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


def lag(pairs: Sequence[tuple[Array, Array]], bound: Array, rate: float) -> float:
    """By how much estimates are later than the truth, on average [s]: the lag at which they correlate best.

    Every joint counts in units of its bound. NaN where no lag up to `MAX_LAG` stands out.

    Args:
        pairs: tau_ext and truth of each episode, shape (N, J) both.
        bound: of each joint, shape (J,).
        rate: of the samples [Hz].
    """
    product = np.zeros(int(MAX_LAG * rate) + 2)
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
) -> Comparison:
    """All figures of a comparison.

    Args:
        bundles: by name.
        free: episodes of free motion that estimators are judged on.
        calibration: those that set the thresholds; perhaps the same.
        pushed: episodes with pushes.
        traces: of all these episodes, in this order, by name of the bundle.
        wrench: for the error of the wrench, if it can be had.

    Raises:
        DatasetError: there is no sample with an estimate of every bundle, or nothing to calibrate on.
    """
    first = next(iter(bundles.values()))
    variance = first.model.torque_scaler.scale.double().cpu().numpy() ** 2
    parts = [
        slice(0, len(free)),
        slice(len(free), len(free) + len(calibration)),
        slice(len(free) + len(calibration), None),
    ]
    common = [np.logical_and.reduce([t.estimated for t in of]) for of in zip(*traces.values(), strict=True)]
    if not sum(s.sum() for s in common[parts[0]]):
        raise DatasetError(
            "no sample of free motion has an estimate of every bundle: give longer ones, or leave out --valid-only"
        )
    found: dict[str, EstimatorFigures] = {}
    for name, bundle in bundles.items():
        on_free, on_calibration, on_pushed = (traces[name][part] for part in parts)
        error = np.concatenate([t.tau_ext[s] for t, s in zip(on_free, common[parts[0]], strict=True)])
        mse = np.square(error).mean(axis=0)
        steps = np.concatenate([t.cost[t.estimated] for t in traces[name]])
        found[name] = EstimatorFigures(
            method=bundle.method,
            nmse=_by_joint(bundle, mse / variance),
            nmse_mean=float((mse / variance).mean()),
            rmse=_by_joint(bundle, np.sqrt(mse)),
            valid=float(np.concatenate([t.valid for t in on_free]).mean()),
            cost_ms=Cost(float(np.median(steps)) * 1e3, float(np.quantile(steps, 0.99)) * 1e3),
            contact=_contact(bundle, free, on_free, calibration, on_calibration, pushed, on_pushed),
            pushed=_push_errors(bundle, pushed, on_pushed, common[parts[2]], wrench) if pushed else None,
        )
    hit = [p.episode for p in pushed]
    return Comparison(
        joints=list(first.joints),
        unit=first.effort.unit,
        rate_hz=first.rate,
        reference=next(iter(bundles)),
        variance=_by_joint(first, variance),
        free=Recorded(_recordings(free), _seconds(free)),
        calibration=Recorded(_recordings(calibration), _seconds(calibration)),
        pushed=RecordedPushes(_recordings(hit), _seconds(hit), sum(len(p.pushes()) for p in pushed)),
        estimators=found,
    )


def _contact(
    bundle: Bundle,
    free: Sequence[Episode],
    on_free: Sequence[Trace],
    calibration: Sequence[Episode],
    on_calibration: Sequence[Trace],
    pushed: Sequence[Pushed],
    on_pushed: Sequence[Trace],
) -> Contact:
    """Threshold for `ALARM_RATE`, what it detects, and how both change with the threshold."""
    peak = np.nanmax(np.abs(np.concatenate([t.tau_ext[t.estimated] for t in on_calibration])), axis=0, initial=0.0)
    highest = np.where(peak > 0, peak, bundle.bound)

    def statistics(episodes: Sequence[Episode], traces: Sequence[Trace]) -> list[tuple[Array, Array]]:
        return [(e.t, statistic(t.tau_ext, highest)) for e, t in zip(episodes, traces, strict=True)]

    calibrating = statistics(calibration, on_calibration)
    judged = statistics(free, on_free)
    under_pushes = statistics([p.episode for p in pushed], on_pushed)
    pushes = [p.pushes() for p in pushed]
    true = [np.abs(p.truth[push]) for p, of in zip(pushed, pushes, strict=True) for push in of]
    in_bounds, in_peaks = (np.array([(x / unit).max() for x in true]) for unit in (bundle.bound, highest))  # (P,)

    def detection(threshold: float) -> dict[str, Any]:
        """The fields of a `Detection` at this threshold."""
        found = [detection_delays(t, s, threshold, of) for (t, s), of in zip(under_pushes, pushes, strict=True)]
        delays = np.concatenate([*found, np.empty(0)])
        return {
            "threshold": threshold,
            "all": _detected(delays),
            "above_bound": _detected(delays[in_bounds > 1]),
            "above_threshold": _detected(delays[in_peaks > threshold]),
        }

    def level(threshold: float) -> dict[str, Any]:
        """The fields of a `Level` at this threshold."""
        return {"false_alarms": sum(len(alarms(t, s, threshold)) for t, s in judged), **detection(threshold)}

    tail = fit_tail(calibrating)
    return Contact(
        alarms_per_hour=ALARM_RATE,
        extrapolated=tail.extrapolates(ALARM_RATE),
        bound=_by_joint(bundle, bundle.bound),
        highest=_by_joint(bundle, highest),
        tail=tail,
        no_alarm=Level(**level(1.0)),
        curve=[
            OperatingPoint(alarms_per_hour=rate, extrapolated=tail.extrapolates(rate), **detection(threshold))
            for threshold, rate in operating_points(calibrating, tail)
        ],
        **level(tail.threshold(ALARM_RATE)),
    )


def typical_push(pushed: Sequence[Pushed], bound: Array) -> tuple[int, slice]:
    """Episode and samples of the push whose peak, in units of a bound of shape (J,), is the median of all."""
    found = [
        (float((np.abs(p.truth[push]) / bound).max()), i, push) for i, p in enumerate(pushed) for push in p.pushes()
    ]
    _, i, push = sorted(found, key=lambda f: f[0])[len(found) // 2]
    return i, push


def _detected(delays: Array) -> Detected:
    """What is detected of P pushes with these delays [s], infinite where missed."""
    if not len(delays):
        return Detected(0, None, None)
    found = np.isfinite(delays)
    middle = float(np.median(delays)) * 1e3 if 2 * found.sum() > len(delays) else None
    return Detected(len(delays), float(found.mean()), middle)


def _push_errors(
    bundle: Bundle,
    pushed: Sequence[Pushed],
    traces: Sequence[Trace],
    common: Sequence[NDArray[np.bool_]],
    wrench: WrenchEstimator | None,
) -> PushErrors:
    """Errors of external torque and wrench while something pushes, where every bundle has an estimate."""
    where = [p.during & s for p, s in zip(pushed, common, strict=True)]
    pairs = [(t.tau_ext, p.truth) for t, p in zip(traces, pushed, strict=True)]
    error = np.concatenate([(x - y)[w] for (x, y), w in zip(pairs, where, strict=True)])
    late = lag(pairs, bundle.bound, bundle.rate)
    force = torque = None
    if wrench:
        errors = [
            wrench.step(q, x).values - wrench.step(q, y).values
            for p, (of_trace, truth), w in zip(pushed, pairs, where, strict=True)
            for q, x, y in zip(p.episode.q[w], of_trace[w], truth[w], strict=True)
        ]
        force, torque = (_rms(half) for half in np.split(np.reshape(errors, (-1, 6)), 2, axis=1))
    return PushErrors(
        rmse=_by_joint(bundle, np.sqrt(np.square(error).mean(axis=0))) if len(error) else None,
        delay_ms=late * 1e3 if np.isfinite(late) else None,
        force_rmse=force,
        torque_rmse=torque,
    )


def _rms(x: Array) -> float | None:
    """Root mean square of what is finite."""
    known = x[np.isfinite(x)]
    return float(np.sqrt(np.square(known).mean())) if len(known) else None


def _by_joint(bundle: Bundle, values: Array) -> dict[str, float]:
    return dict(zip(bundle.joints, values.tolist(), strict=True))


def _recordings(episodes: Sequence[Episode]) -> list[str]:
    return list(dict.fromkeys(e.recording for e in episodes))


def _seconds(episodes: Sequence[Episode]) -> float:
    return float(sum(e.duration for e in episodes))
