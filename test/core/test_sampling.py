# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from vastares_ros.core import scratch
from vastares_ros.core.errors import BagError
from vastares_ros.core.samples import Episode
from vastares_ros.core.sampling import Cuts, cut, measured_rate, resample, same_rate

RATE = 100.0


def pieces(t):
    x = np.asarray(t, dtype=float)[:, None]
    return cut("rec", ["a"], RATE, x[:, 0], x, x, x)


def seconds(first, last):
    return np.arange(round(first * RATE), round(last * RATE)) / RATE


def test_jitter_and_gaps_do_not_count_for_the_rate():
    t = seconds(0, 5) + np.random.default_rng(0).normal(0, 1e-4, 500)
    assert measured_rate(np.append(t, 60.0)) == pytest.approx(RATE, rel=1e-4)
    assert measured_rate(np.concatenate([t, t - 600, t - 600])) == pytest.approx(RATE, rel=1e-4)
    with pytest.raises(BagError, match="two different stamps"):
        measured_rate(np.ones(5))


@pytest.mark.parametrize("rate", [50.0, 94.0, 125.0, 222.0])
def test_stamps_in_whole_milliseconds_do_not_mislead_the_rate(rate):
    t = 1.7e9 + np.arange(round(58.1 * rate)) / rate
    assert measured_rate(np.round(t, 3)) == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_a_lost_sample_counts_as_two_steps(share):
    kept = np.random.default_rng(0).random(6000) >= share
    t = np.arange(6000)[kept] / 94
    assert measured_rate(t) == pytest.approx(94, rel=1e-6)
    assert measured_rate(np.round(t, 3)) == pytest.approx(94, rel=1e-3)


def test_without_losses_the_rate_is_steps_over_time():
    t = np.cumsum(np.random.default_rng(0).uniform(0.9, 1.1, 1000)) / RATE
    assert measured_rate(t) == pytest.approx(999 / (t[-1] - t[0]), rel=1e-12)


def test_one_lost_sample_passes_and_two_do_not():
    t = seconds(0, 4)
    episodes, cuts = pieces(np.delete(t, 200))
    assert [len(e) for e in episodes] == [399] and cuts == Cuts(0, 0, 0, 0)
    episodes, cuts = pieces(np.delete(t, [200, 201]))
    assert [len(e) for e in episodes] == [200, 198] and cuts == Cuts(0, 0, 1, 0)
    assert [e.name for e in episodes] == ["rec-1", "rec-2"] and {e.recording for e in episodes} == {"rec"}


def test_a_backward_jump_splits_and_a_repeat_is_dropped():
    t = np.concatenate([seconds(0, 2), seconds(1, 3), [3 - 1 / RATE]])
    episodes, cuts = pieces(t)
    assert [len(e) for e in episodes] == [200, 200] and cuts == Cuts(1, 1, 0, 0)
    np.testing.assert_array_equal(episodes[1].q[:, 0], seconds(1, 3))


def test_short_pieces_are_left_out_and_counted():
    episodes, cuts = pieces(np.concatenate([seconds(0, 2), seconds(5, 5.5), seconds(9, 11)]))
    assert [e.name for e in episodes] == ["rec-1", "rec-2"] and cuts == Cuts(0, 0, 2, 50)
    assert pieces([])[0] == ()


def test_resampling_interpolates_between_neighbours():
    t = seconds(3, 5)
    line = np.stack([t, 2 * t], axis=1)
    episode = resample(Episode("e", ("a", "b"), t, line, line, line, "rec"), 40.0)
    np.testing.assert_allclose(np.diff(episode.t), 1 / 40)
    np.testing.assert_allclose(episode.tau[:, 1], 2 * episode.t)
    assert (episode.recording, episode.t[0]) == ("rec", 3.0) and episode.t[-1] <= t[-1] + 1e-9


def test_same_rate_allows_for_jitter_only():
    assert same_rate(104, 100) and not same_rate(120, 100) and not same_rate(80, 100)


def rate_at_once(t):
    """The rule of `measured_rate`, on all stamps at once."""
    t = t[np.diff(t, prepend=-np.inf) != 0]
    steps = np.diff(t)
    period = float(np.median(steps[steps > 0]))
    pieces = np.split(t, np.flatnonzero((steps < 0) | (steps > 2.5 * period)) + 1)
    for length in (1, 2, 4, 8, 16):
        spans = np.concatenate([p[length:] - p[:-length] for p in pieces])
        periods = np.rint(spans / period)
        clear = (periods > 0) & (np.abs(spans / period - periods) < 0.4)
        if clear.any():
            period = float(np.median(spans[clear] / periods[clear]))
    spans = np.concatenate([np.diff(np.append(p[:-1:16], p[-1])) for p in pieces])
    return float(np.rint(spans / period).sum() / spans.sum())


@pytest.mark.parametrize("block", [1, 5, 16, 17, 18, 100, 10_000])
@pytest.mark.parametrize("seed", range(4))
def test_blocks_do_not_change_rate_cuts_or_resampling(monkeypatch, block, seed):
    rng = np.random.default_rng(seed)
    steps = np.rint(rng.normal(10.6, 1, 1500)) / 1000
    steps[rng.integers(0, 1500, 40)] *= 2  # lost samples
    steps[rng.integers(0, 1500, 20)] = 0
    steps[rng.integers(0, 1500, 6)] = 0.5
    steps[rng.integers(0, 1500, 3)] = -3
    t = 1.7e9 + np.cumsum(steps)
    x = rng.normal(size=(1500, 2))
    monkeypatch.setattr(scratch, "BLOCK", 10**6)
    whole, cuts = cut("r", ("a", "b"), 94.0, t, x, 2 * x, 3 * x)
    even = [resample(e, 40.0) for e in whole]
    assert measured_rate(t) == rate_at_once(t)
    monkeypatch.setattr(scratch, "BLOCK", block)
    monkeypatch.setattr(scratch, "LARGE", 1000)
    assert measured_rate(t) == pytest.approx(rate_at_once(t), rel=1e-14)
    pieces, same_cuts = cut("r", ("a", "b"), 94.0, t, x, 2 * x, 3 * x)
    assert same_cuts == cuts and len(pieces) == len(whole) > 1
    for one, other in zip([*pieces, *(resample(e, 40.0) for e in pieces)], [*whole, *even], strict=True):
        for name in ("t", "q", "qd", "tau"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
