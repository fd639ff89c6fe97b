# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

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
