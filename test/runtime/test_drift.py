# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from dataclasses import replace

import numpy as np
import pytest

from vastares_ros.core.samples import JointSample
from vastares_ros.runtime.estimator import Estimate, Validity
from vastares_ros.runtime.residual import Drift, Zero

RATE = 100.0
BOUND = np.array([2.0, 1.0])
JOINTS = ("shoulder", "elbow")


def moved(seconds, tau_ext, start=0.0, qd=(0.5, 0.5), rate=RATE, validity=Validity.VALID):
    """Samples of an arm that moves at `qd`, or by its rows, and the estimates before drift is taken out."""
    count = round(seconds * rate)
    velocities = np.broadcast_to(qd, (count, 2))
    tau_ext = np.array(tau_ext, dtype=float)
    for i in range(count):
        t = start + (i + 1) / rate
        sample = JointSample(t, np.zeros(2), velocities[i], np.zeros(2))
        yield sample, Estimate(t, np.ones(2), tau_ext, BOUND, validity)


def run(drift, samples, **options):
    return [drift.step(*both, **options) for both in samples]


@pytest.fixture
def drift():
    return Drift(JOINTS, RATE, time=2.0)


@pytest.fixture
def learned(drift):
    """It has followed for a while, up to t = 2 s."""
    run(drift, moved(2.0, [0.6, -0.3]))
    assert drift.frozen == ""
    return drift


def frozen(drift, samples, why, **options):
    """Whatever comes, the bias stays and is taken out."""
    before = drift.bias.copy()
    samples = list(samples)
    for (_, estimate), answer in zip(samples, run(drift, samples, **options), strict=True):
        np.testing.assert_array_equal(answer.tau_ext, estimate.tau_ext - before)
        np.testing.assert_array_equal(answer.tau_free, estimate.tau_free)
    np.testing.assert_array_equal(drift.bias, before)
    assert drift.frozen == why


def test_a_constant_bias_is_taken_out_by_its_time_constant(drift):
    estimates = run(drift, moved(20.0, [0.6, -0.3]))
    left = np.array([e.tau_ext for e in estimates]) / [0.6, -0.3]
    assert left[0].tolist() == [1.0, 1.0]
    np.testing.assert_allclose(left[200], np.exp(-2.0 / 2.0), rtol=0.01)
    np.testing.assert_allclose(left[-1], 0.0, atol=1e-4)
    np.testing.assert_allclose(drift.bias, [0.6, -0.3], rtol=1e-4)
    assert all(e.valid and e.tau_free.tolist() == [1.0, 1.0] for e in estimates)


def test_it_goes_by_stamps_not_by_counts(drift):
    every_other = Drift(JOINTS, RATE, time=2.0)
    run(drift, moved(1.0, [0.6, -0.3]))
    run(every_other, moved(1.0, [0.6, -0.3], rate=RATE / 2))
    np.testing.assert_allclose(every_other.bias, drift.bias, rtol=0.02)
    assert drift.bias[0] > 0.2


def test_it_is_bounded_by_a_share_of_the_bound_that_acts_at_once(drift):
    run(drift, moved(20.0, [1.9, -0.9]))
    assert drift.bias.tolist() == [1.0, -0.5]
    drift.limit = 0.1
    run(drift, moved(0.01, [3.0, -0.9], start=20.0))
    assert drift.bias.tolist() == [0.2, -0.1]
    drift.limit = 0.0
    run(drift, moved(0.01, [1.9, -0.9], start=20.01))
    assert drift.bias.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("push", "joint"), [([6.0, 0.0], "shoulder"), ([0.6, -1.5], "elbow")])
def test_contact_of_any_joint_freezes_however_long_it_lasts(learned, push, joint):
    frozen(learned, moved(60.0, push, start=2.0), f"contact on {joint}")
    run(learned, moved(1.0, [0.6, -0.3], start=62.0))
    assert learned.frozen == ""


def test_contact_is_what_exceeds_the_bound_once_the_bias_is_out_times_the_factor(learned):
    over = BOUND * [1.0, 0.0] + learned.bias + [0.01, 0.0]
    frozen(learned, moved(0.01, over, start=2.0), "contact on shoulder")
    run(learned, moved(0.01, over - [0.02, 0.0], start=2.01))
    assert learned.frozen == ""
    run(learned, moved(0.01, 3 * BOUND, start=2.02), factor=4.0)
    assert learned.frozen == ""
    frozen(learned, moved(0.01, [0.6, -0.3], start=2.03), "contact on shoulder", factor=0.01)


def test_acceleration_of_any_joint_freezes(learned):
    ramp = np.stack([np.full(100, 0.5), 0.5 + 2.5 * np.arange(100) / RATE], axis=1)
    run(learned, moved(0.2, [0.6, -0.3], start=2.0, qd=ramp[:20]))  # the velocity is smoothed
    frozen(learned, moved(0.8, [0.6, -0.3], start=2.2, qd=ramp[20:]), "elbow accelerates")
    run(learned, moved(0.5, [0.6, -0.3], start=3.0, qd=ramp[-1]))
    gentle = ramp[-1] - np.stack([np.zeros(100), 1.5 * np.arange(100) / RATE], axis=1)
    before = learned.bias
    for both in moved(1.0, [0.6, -0.3], start=3.5, qd=gentle):
        learned.step(*both)
        assert learned.frozen == ""
    assert (np.abs(learned.bias) > np.abs(before)).all()


def test_a_joint_that_stands_is_not_followed(learned):
    before = learned.bias.copy()
    run(learned, moved(0.2, learned.bias, start=2.0, qd=(0.5, 0.0)))  # it brakes
    run(learned, moved(2.0, [0.8, -0.4], start=2.2, qd=(0.5, -0.01)))
    assert learned.bias[0] > before[0] + 0.1 and learned.frozen == ""
    np.testing.assert_allclose(learned.bias[1], before[1], rtol=1e-6)
    run(learned, moved(0.2, learned.bias, start=4.2, qd=(0.0, 0.0)))
    frozen(learned, moved(60.0, [1.5, 0.7], start=4.4, qd=(0.01, 0.0)), "the arm stands")


@pytest.mark.parametrize("validity", [v for v in Validity if v is not Validity.VALID])
def test_an_estimate_that_is_not_valid_freezes(learned, validity):
    frozen(learned, moved(0.5, [1.5, 0.5], start=2.0, validity=validity), validity.value)
    frozen(learned, moved(0.5, [np.nan, 0.5], start=2.5, validity=validity), validity.value)


def test_what_the_estimator_leaves_out_leaves_no_trace(learned):
    """A repeated stamp and a sample without velocity: the next one is followed as if they had not been."""
    other = Drift(JOINTS, RATE, time=2.0)
    run(other, moved(2.0, [0.6, -0.3]))
    (sample, estimate), *rest = moved(1.0, [0.6, -0.3], start=2.0)
    for drift in (learned, other):
        drift.step(sample, estimate)
    hole = replace(sample, t=sample.t + 0.005, qd=np.full(2, np.nan))
    missing = np.full(2, np.nan)
    learned.step(replace(sample, qd=np.full(2, 9.0)), replace(estimate, validity=Validity.REPEATED, tau_ext=missing))
    learned.step(hole, replace(estimate, t=hole.t, validity=Validity.NO_MOTION, tau_ext=missing))
    for a, b in zip(run(learned, rest), run(other, rest), strict=True):
        np.testing.assert_array_equal(a.tau_ext, b.tau_ext)
    assert learned.frozen == "" and np.isfinite(learned.bias).all()


@pytest.mark.parametrize("start", [12.0, 2.03, -5.0, 2.0 - 1 / RATE])
def test_a_gap_or_a_clock_that_jumps_is_no_time(learned, start):
    frozen(learned, moved(0.01, [0.6, -0.3], start=start), "no sample right before")
    before = learned.bias
    run(learned, moved(0.01, [0.6, -0.3], start=start + 0.01))
    assert learned.frozen == "" and 0 < learned.bias[0] - before[0] < 0.01


def test_reset_is_a_fresh_one(learned):
    fresh = Drift(JOINTS, RATE, time=2.0)
    learned.reset()
    assert not learned.bias.any() and learned.frozen == "no sample yet"
    samples = list(moved(1.0, [0.6, -0.3], start=9.0))
    for a, b in zip(run(learned, samples), run(fresh, samples), strict=True):
        np.testing.assert_array_equal(a.tau_ext, b.tau_ext)
    np.testing.assert_array_equal(learned.bias, fresh.bias)


def test_at_time_0_it_is_off_and_forgets(learned):
    learned.time = 0.0
    samples = list(moved(1.0, [0.6, -0.3], start=2.0))
    assert all(a is e for a, (_, e) in zip(run(learned, samples), samples, strict=True))
    assert not learned.bias.any()
    learned.time = 2.0
    assert run(learned, moved(0.01, [0.6, -0.3], start=3.0))[0].tau_ext.tolist() == [0.6, -0.3]


def test_behind_a_zero_it_follows_what_has_changed_since(drift):
    zero = Zero(JOINTS, 0.5)
    rest = [(s, zero.step(s, e)) for s, e in moved(0.6, [1.5, -0.8], qd=(0.0, 0.0))]
    run(drift, rest)
    zero.set(0.02)
    run(drift, [(s, zero.step(s, e)) for s, e in moved(20.0, [1.7, -0.9], start=0.6)])
    np.testing.assert_allclose(drift.bias, [0.2, -0.1], rtol=1e-3)
