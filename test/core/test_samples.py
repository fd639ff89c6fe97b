# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from vastares_ros.core.external import external_torque
from vastares_ros.core.samples import Episode, all_finite, all_plausible, plausible, seconds


def test_an_episode_gives_back_its_samples(make_episode):
    episode = make_episode(samples=5)
    samples = list(episode)
    assert len(samples) == len(episode) == 5
    assert [s.t for s in samples] == list(episode.t)
    np.testing.assert_array_equal(np.stack([s.tau for s in samples]), episode.tau)
    assert episode.recording == "free"


@pytest.mark.parametrize("field", ["q", "qd", "tau"])
def test_a_wrong_shape_is_named(make_episode, field):
    episode = make_episode(samples=5)
    values = {name: getattr(episode, name) for name in ("t", "q", "qd", "tau")} | {field: np.zeros((5, 3))}
    with pytest.raises(ValueError, match=f"{field} has shape"):
        Episode("bad", episode.joints, **values)


def test_stamps_must_increase():
    zeros = np.zeros((2, 1))
    with pytest.raises(ValueError, match="do not increase"):
        Episode("bad", ("a",), np.array([1.0, 1.0]), zeros, zeros, zeros)


def test_seconds_of_a_whole_number_of_milliseconds():
    assert seconds(1_574_899_151_806_000_000) == pytest.approx(1_574_899_151.806, abs=3e-7)


def test_the_sign_of_a_push():
    """Equation (1): at rest tau + tau_ext = G, so a robot that is lifted measures less torque than gravity needs."""
    gravity, lift = np.array([10.0]), np.array([4.0])
    np.testing.assert_allclose(external_torque(tau_free=gravity, tau_meas=gravity - lift), lift)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_finite(bad):
    assert all_finite(np.array([0.0, -1e300, 1e300])), "its squares are not, but it is"
    assert not all_finite(np.array([0.0, bad])) and not all_finite(np.array([bad, -bad, 1e300]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e6, -1e6, 1e200])
def test_what_is_plausible(value):
    good = np.array([0.0, -999_999.9, 999_999.9, 5.0])
    assert all_plausible(good) and plausible(good).all()
    bad = np.array([0.0, value, 999_999.9, 5.0])
    assert not all_plausible(bad) and plausible(bad).tolist() == [True, False, True, True]
