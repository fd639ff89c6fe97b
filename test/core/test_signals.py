# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from scipy.signal import butter, sosfilt, sosfilt_zi

from vastares_ros.core.errors import ConfigError
from vastares_ros.core.signals import CausalFilter, FilterConfig, SignalChain, windows

RATE = 125.0


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("acceleration", [False, True])
def test_one_sample_at_a_time_gives_the_bits_of_the_whole_array(make_episode, order, acceleration):
    e = make_episode(samples=200)
    config = FilterConfig(order=order)
    whole = SignalChain(RATE, config, acceleration).run(e.q, e.qd, e.tau)
    chain = SignalChain(RATE, config, acceleration)
    steps = [chain.step(s.q, s.qd, s.tau) for s in e]
    np.testing.assert_array_equal(np.stack([x for x, _ in steps]), whole[0])
    np.testing.assert_array_equal(np.stack([tau for _, tau in steps]), whole[1])


@pytest.mark.parametrize("order", range(1, 9))
def test_the_chain_is_scipys_but_for_rounding(make_episode, order):
    e = make_episode(samples=2000)
    sos = butter(order, 10.0, fs=RATE, output="sos")
    steady = sosfilt_zi(sos)[:, :, None]
    q, qd, tau = (sosfilt(sos, y, axis=0, zi=steady * y[0])[0] for y in (e.q, e.qd, e.tau))
    qdd = np.diff(qd, axis=0, prepend=qd[:1]) * RATE
    x, filtered = SignalChain(RATE, FilterConfig(order=order), acceleration=True).run(e.q, e.qd, e.tau)
    for ours, theirs in zip((*np.split(x, 3, axis=1), filtered), (q, qd, qdd, tau), strict=True):
        # The difference of two velocities is as exact as they are.
        scale = 2 * RATE * np.abs(qd).max() if theirs is qdd else np.abs(theirs).max()
        assert np.abs(ours - theirs).max() <= 1e-12 * scale


@pytest.mark.parametrize("kind", ["butterworth", "none"])
@pytest.mark.parametrize("acceleration", [False, True])
def test_pieces_of_any_length_with_missing_effort_give_the_bits_of_the_whole(make_episode, kind, acceleration):
    e = make_episode(samples=200)
    tau = e.tau.copy()
    tau[[0, 1, 77, 78, 150], [0, 1, 1, 0, 1]] = np.nan
    tau[90, 0] = np.inf
    chain = SignalChain(RATE, FilterConfig(kind=kind, order=3), acceleration)
    whole = chain.run(e.q, e.qd, tau)
    np.testing.assert_array_equal(np.isnan(whole[1]).all(axis=1), ~np.isfinite(tau).all(axis=1))
    assert np.isfinite(whole[0]).all()
    chain.reset()
    ends = [0, 1, 2, 60, 78, 79, 140, 200]
    parts = [chain.run(e.q[a:b], e.qd[a:b], tau[a:b]) for a, b in pairwise(ends)]
    chain.reset()
    steps = [chain.step(*row) for row in zip(e.q, e.qd, tau, strict=True)]
    for k in (0, 1):
        np.testing.assert_array_equal(np.concatenate([part[k] for part in parts]), whole[k])
        np.testing.assert_array_equal(np.stack([step[k] for step in steps]), whole[k])


def test_what_was_returned_and_what_was_given_stay_as_they_are(make_episode):
    e = make_episode(samples=3)
    given = [x.copy() for x in (e.q, e.qd, e.tau)]
    for x in given:
        x.flags.writeable = False  # as arrays of a table are
    chain = SignalChain(RATE, FilterConfig(), acceleration=True)
    first = chain.step(*(x[0] for x in given))
    kept = [x.copy() for x in first]
    chain.run(*(np.asfortranarray(x[1:]) for x in given))
    np.testing.assert_array_equal(first[0], kept[0])
    np.testing.assert_array_equal(first[1], kept[1])


def test_joints_may_change_only_by_a_reset(make_episode):
    e = make_episode(samples=3)
    chain = SignalChain(RATE, FilterConfig(), acceleration=True)
    chain.step(e.q[0], e.qd[0], e.tau[0])
    for wrong in ([0.0], [0.0] * 3):
        with pytest.raises(ValueError, match="number of joints"):
            chain.step(*[np.array(wrong)] * 3)
    chain.reset()
    assert chain.step(*[np.array([0.0])] * 3)[0].shape == (3,)
    low_pass = CausalFilter(FilterConfig(), RATE)
    low_pass.run(e.q)
    with pytest.raises(ValueError, match="number of channels"):
        low_pass.run(e.q[:, :1])


@pytest.mark.process
def test_numba_is_imported_where_a_chain_is_made_and_not_before():
    program = (
        "import sys\nfrom vastares_ros.core.signals import FilterConfig, SignalChain\n"
        "import vastares_ros.physics.observer\nassert 'numba' not in sys.modules\n"
        "SignalChain(125.0, FilterConfig())\nassert 'numba' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_reset_chain_is_a_fresh_chain(make_episode):
    e = make_episode(samples=50)
    chain = SignalChain(RATE, FilterConfig(), acceleration=True)
    first = chain.run(e.q, e.qd, e.tau)
    chain.reset()
    again = chain.run(e.q, e.qd, e.tau)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])


def test_the_filter_starts_in_steady_state_and_is_a_butterworth():
    constant = CausalFilter(FilterConfig(cutoff_hz=5), RATE).run(np.full((50, 1), 7.0))
    np.testing.assert_allclose(constant, 7.0)
    t = np.arange(2000) / RATE
    wave = np.sin(2 * np.pi * 5 * t)[:, None]
    filtered = CausalFilter(FilterConfig(order=2, cutoff_hz=5), RATE).run(wave)
    assert np.abs(filtered[1000:]).max() == pytest.approx(2**-0.5, abs=0.01), "-3 dB at the cut-off"
    expected = sosfilt(butter(2, 5, fs=RATE, output="sos"), wave, axis=0)  # from zero; the same but for the start
    np.testing.assert_allclose(filtered[1000:], expected[1000:], atol=1e-9)


def test_the_filter_is_causal():
    x = np.random.default_rng(0).normal(size=(100, 2))
    changed = x.copy()
    changed[60:] += 5
    a, b = (CausalFilter(FilterConfig(), RATE).run(v) for v in (x, changed))
    np.testing.assert_array_equal(a[:60], b[:60])
    assert not np.array_equal(a[60], b[60])


def test_no_filter_passes_everything():
    x = np.random.default_rng(0).normal(size=(10, 2))
    np.testing.assert_array_equal(CausalFilter(FilterConfig(kind="none"), RATE).run(x), x)


def test_acceleration_is_the_slope_of_velocity():
    t = np.arange(100)[:, None] / RATE
    x, _ = SignalChain(RATE, FilterConfig(kind="none"), acceleration=True).run(t, 3 * t, t)
    np.testing.assert_allclose(x[1:, 2], 3.0)
    assert x[0, 2] == 0


def test_missing_effort_leaves_motion_alone_and_restarts_the_torque_filter(make_episode):
    e = make_episode(samples=20)
    chain, fresh = (SignalChain(RATE, FilterConfig()) for _ in range(2))
    for sample in list(e)[:10]:
        chain.step(sample.q, sample.qd, sample.tau)
    x, tau = chain.step(e.q[10], e.qd[10], np.array([np.nan, 1.0]))
    assert np.isfinite(x).all() and np.isnan(tau).all()
    _, tau = chain.step(e.q[11], e.qd[11], e.tau[11])
    np.testing.assert_array_equal(tau, fresh.step(e.q[11], e.qd[11], e.tau[11])[1])


def test_windows_are_newest_last():
    x = np.arange(10.0).reshape(5, 2)
    w = windows(x, 3)
    assert w.shape == (3, 3, 2)
    np.testing.assert_array_equal(w[0], x[:3])
    np.testing.assert_array_equal(w[:, -1], x[2:])


@pytest.mark.parametrize(
    ("values", "field"),
    [({"kind": "chebyshev"}, "filter.kind"), ({"order": 0}, "filter.order"), ({"cutoff_hz": 0.0}, "filter.cutoff_hz")],
)
def test_a_wrong_field_is_named(values, field):
    with pytest.raises(ConfigError, match=field):
        FilterConfig(**values)


def test_a_cutoff_above_half_the_rate_is_refused():
    with pytest.raises(ConfigError, match=r"below 5 Hz"):
        CausalFilter(FilterConfig(cutoff_hz=10), rate=10)
