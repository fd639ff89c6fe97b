# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Alarms, tails and delays of made-up signals whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest

from vastares_ros.core.errors import DatasetError
from vastares_ros.training import detection
from vastares_ros.training.detection import (
    TAIL_PEAKS,
    Tail,
    alarms,
    detection_delays,
    fit_tail,
    operating_points,
    peaks,
    statistic,
)

RATE = 100.0


def at(seconds: float) -> np.ndarray:
    return np.arange(round(seconds * RATE)) / RATE


def spikes(n: int, places: dict[int, float]) -> np.ndarray:
    s = np.zeros(n)
    for i, value in places.items():
        s[i] = value
    return s


def test_statistic_is_the_joint_that_exceeds_its_highest_most():
    tau_ext = np.array([[1.0, -6.0], [-5.0, 0.0], [np.nan, np.nan]])
    np.testing.assert_array_equal(statistic(tau_ext, np.array([2.0, 3.0])), [2.0, 2.5, 0.0])


def test_alarms_close_to_each_other_are_one():
    t = at(5)
    s = spikes(500, {100: 2, 140: 3, 189: 2.5, 240: 9, 400: 1})
    np.testing.assert_array_equal(
        alarms(t, s, 1.0), [100, 240]
    )  # 400 is not above; 189 to 240 is more than half a second
    np.testing.assert_array_equal(peaks(t, s, 1.0), [3, 9])
    assert len(alarms(t, s, 9.0)) == len(peaks(t, s, 9.0)) == 0
    assert len(alarms(t, np.full(500, 2.0), 1.0)) == 1


def test_detection_delay_is_from_the_begin_of_the_push_to_the_rise_within_it():
    t, s = at(4), np.zeros(400)
    pushes = [slice(50, 100), slice(150, 200), slice(250, 300), slice(350, 400)]
    s[54:80] = 2.0  # 40 ms late
    s[130:160], s[190] = 2.0, 2.0  # an old alarm lasts until 160; the rise at 190 counts
    s[305] = 2.0  # after the third
    s[350] = 2.0  # at once
    np.testing.assert_allclose(detection_delays(t, s, 1.0, pushes), [0.04, 0.4, np.inf, 0.0])
    assert np.isinf(detection_delays(t, s, 2.0, pushes)).all()


def test_an_exponential_tail_is_extrapolated_rightly():
    """3600 peaks an hour with an exponential excess of mean 0.2 over 1: one an hour is above 1 + 0.2 ln 3600."""
    free = [peaked(np.random.default_rng(1).exponential(0.2, 3600))]
    tail = fit_tail(free)
    assert tail.peaks == pytest.approx(TAIL_PEAKS, abs=10) and tail.seconds == pytest.approx(3600, rel=1e-3)
    assert tail.threshold(1.0) == pytest.approx(1 + 0.2 * np.log(3600), abs=0.3)
    assert tail.rate(tail.threshold(3.0)) == pytest.approx(3.0)
    assert tail.rate(2.0) == pytest.approx(3600 * np.exp(-1.0 / 0.2), rel=0.3)
    assert not replace(tail, seconds=3600.0).extrapolates(1.0) and replace(tail, seconds=3599.0).extrapolates(1.0)


def peaked(excess: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A signal with a peak of 1 + excess every second, in free motion sampled at 8 Hz."""
    s = np.zeros(8 * len(excess))
    s[4::8] = 1 + excess
    return np.arange(len(s)) / 8, s


def test_what_was_seen_once_in_minutes_is_no_rarer_than_that():
    usual = np.random.default_rng(3).exponential(0.02, 100)
    free = [peaked(np.concatenate([usual, [9.0]]))]
    tail = fit_tail(free)
    assert tail.highest == pytest.approx(10.0) and tail.threshold(1.0) >= 10.0
    assert tail.threshold(2000.0) < 2


def test_a_tail_that_seems_to_end_is_taken_as_exponential_and_a_heavy_one_is_believed():
    ends = np.random.default_rng(2).permutation(200) / 200
    heavy = 0.2 * (1 / (1 - ends) - 1)  # a Pareto distribution of shape 1
    few = heavy[:10]
    bounded, fat, short = (fit_tail([peaked(x)]) for x in (ends, heavy, few))
    assert bounded.shape == 0 and bounded.threshold(1.0) > 2.0
    assert fat.shape == pytest.approx(1.0, abs=0.3) and fat.threshold(1.0) > 2 * (1 + np.quantile(heavy, 0.95))
    highest = 1 + np.sort(few)[-short.peaks :]
    assert short.shape == 0 and short.peaks <= 10 and short.scale == pytest.approx(np.mean(highest - short.begin))
    with pytest.raises(DatasetError, match="--free"):
        fit_tail([(at(5), np.zeros(500))])


def test_operating_points_go_from_many_alarms_to_one_an_hour():
    rng = np.random.default_rng(3)
    free = [(at(60), np.abs(rng.standard_normal(6000))) for _ in range(2)]
    tail = fit_tail(free)
    thresholds, rates = map(np.array, zip(*operating_points(free, tail), strict=True))
    assert (np.diff(thresholds) >= 0).all() and rates[-1] == pytest.approx(1.0) and rates[0] > 1000
    counted = sum(len(alarms(t, s, thresholds[0])) for t, s in free) / tail.seconds * 3600
    assert rates[0] == pytest.approx(counted)


def test_the_rules_are_those_of_the_page():
    assert (detection.MIN_GAP, detection.TAIL_PEAKS, detection.ALARM_RATE) == (0.5, 50, 1.0)
    assert Tail(1.0, 10, 100.0, 0.0, 0.5, 2.0).threshold(1e9) == 1.0  # more than all peaks: where the tail begins
