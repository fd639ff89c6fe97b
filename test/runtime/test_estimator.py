# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from dataclasses import replace

import numpy as np
import pytest
import torch

from vastares_ros.core.errors import VastaresError
from vastares_ros.core.samples import JointSample
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.runtime.estimator import Estimate, Estimator, Validity
from vastares_ros.runtime.residual import Zero
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.evaluate import predict
from vastares_ros.training.fit import fit

WINDOW = 8


@pytest.fixture(scope="module")
def bundle(dataset):
    config = TrainConfig(network=NetworkConfig(window=WINDOW, hidden=8), epochs=4)
    return fit(dataset, config, torch.device("cpu"), test=["three"])


@pytest.fixture(scope="module")
def samples(dataset):
    return list(dataset.episodes[0])


def run(estimator, samples):
    return [estimator.step(s) for s in samples]


def same(a, b):
    for x, y in zip(a, b, strict=True):
        assert (x.t, x.validity) == (y.t, y.validity)
        np.testing.assert_array_equal(x.tau_free, y.tau_free)
        np.testing.assert_array_equal(x.tau_ext, y.tau_ext)


def warmed_up(estimates):
    return all(np.isfinite(e.tau_free).all() for e in estimates)


def test_live_is_offline(bundle, dataset, samples):
    estimates = run(Estimator(bundle), samples)
    assert [e.validity for e in estimates[: WINDOW - 1]] == [Validity.WARMING_UP] * (WINDOW - 1)
    assert all(np.isnan(e.tau_free).all() and np.isnan(e.tau_ext).all() for e in estimates[: WINDOW - 1])
    assert warmed_up(estimates[WINDOW - 1 :]) and all(e.valid for e in estimates[WINDOW - 1 :])
    batch = predict(bundle.model, bundle.ridge, bundle.filter, bundle.rate, dataset.episodes[:1])[0]
    live = np.stack([e.tau_free for e in estimates[WINDOW - 1 :]])
    np.testing.assert_allclose(live, batch.tau["model"], atol=1e-4)
    np.testing.assert_allclose(np.stack([e.tau_ext for e in estimates[WINDOW - 1 :]]), batch.tau_ext, atol=1e-4)


def test_reset_is_a_fresh_estimator(bundle, samples):
    estimator = Estimator(bundle)
    first = run(estimator, samples[:40])
    estimator.reset()
    same(run(estimator, samples[:40]), first)


def test_a_known_push_has_its_sign_and_size(bundle, samples):
    """The environment pushes joint 0 by +3 N·m: the motors then need 3 N·m less for the same motion."""
    pushed = [replace(s, tau=s.tau - np.array([3.0, 0.0])) for s in samples]
    free, contact = run(Estimator(bundle), samples), run(Estimator(bundle), pushed)
    difference = contact[-1].tau_ext - free[-1].tau_ext
    np.testing.assert_allclose(difference, [3.0, 0.0], atol=1e-6)
    np.testing.assert_array_equal(contact[-1].tau_free, free[-1].tau_free)
    assert (contact[-1].bound > 0).all()


def test_a_gap_starts_a_new_warm_up(bundle, samples):
    estimates = run(Estimator(bundle), samples[:50] + samples[53:80])
    assert estimates[50].validity is Validity.GAP and "0.032 s" in estimates[50].detail
    assert [e.validity for e in estimates[51 : 50 + WINDOW - 1]] == [Validity.WARMING_UP] * (WINDOW - 2)
    same(estimates[50 + WINDOW - 1 :], run(Estimator(bundle), samples[53:80])[WINDOW - 1 :])


def test_one_lost_sample_is_no_gap(bundle, samples):
    estimates = run(Estimator(bundle), samples[:50] + samples[51:80])
    assert warmed_up(estimates[WINDOW - 1 :])


@pytest.mark.parametrize("rate", [94.0, 222.0, 400.0])
def test_stamps_in_whole_milliseconds_are_no_wrong_rate(bundle, samples, rate):
    stamped = [replace(s, t=1000 + round(i / rate, 3)) for i, s in enumerate(samples)]
    estimates = run(Estimator(replace(bundle, rate=rate)), stamped)
    assert not [e.detail for e in estimates if e.validity is Validity.WRONG_RATE]


def test_a_clock_that_jumps_back_starts_afresh(bundle, samples):
    estimates = run(Estimator(bundle), samples[:50] + samples[:30])
    assert estimates[50].validity is Validity.CLOCK_JUMPED
    same(estimates[50 + WINDOW - 1 :], run(Estimator(bundle), samples[:30])[WINDOW - 1 :])


def test_a_repeated_stamp_is_dropped(bundle, samples):
    with_repeats = [s for sample in samples[:30] for s in (sample, replace(sample, q=sample.q + 1))]
    estimates = run(Estimator(bundle), with_repeats)
    assert all(e.validity is Validity.REPEATED and np.isnan(e.tau_free).all() for e in estimates[1::2])
    same(estimates[::2], run(Estimator(bundle), samples[:30]))


def test_missing_effort_leaves_the_estimate_and_takes_the_residual(bundle, samples):
    without = [*samples[:30], replace(samples[30], tau=np.array([1.0, np.nan])), *samples[31:40]]
    estimates = run(Estimator(bundle), without)
    assert estimates[30].validity is Validity.NO_EFFORT and estimates[30].detail == "joint elbow"
    assert estimates[30].joints == ("elbow",)
    assert np.isfinite(estimates[30].tau_free).all() and np.isnan(estimates[30].tau_ext).all()
    assert estimates[31].valid and np.isfinite(estimates[31].tau_ext).all()


@pytest.mark.parametrize("value", [1e6, -1e30, 1.8e308, np.inf])
@pytest.mark.parametrize(
    ("field", "name", "why"),
    [("q", "position", "NO_MOTION"), ("qd", "velocity", "NO_MOTION"), ("tau", "effort", "NO_EFFORT")],
)
def test_an_absurd_value_is_not_believed(bundle, samples, field, name, why, value):
    absurd = [replace(s, **{field: np.array([0.1, value])}) for s in samples[30:32]]
    estimates = run(Estimator(bundle), [*samples[:30], *absurd[:1], *samples[31:60]])
    assert estimates[30].validity is Validity[why] and f"{name} of elbow is {value:.3g}" in estimates[30].detail
    assert estimates[30].joints == ("elbow",)
    hole = replace(samples[30], **{field: np.full(2, np.nan)})
    same(estimates[31:], run(Estimator(bundle), [*samples[:30], hole, *samples[31:60]])[31:])
    assert np.abs([e.tau_ext for e in estimates[31:]]).max() < 100


@pytest.mark.parametrize("hz", [2.0, 5.0, 10.0])
def test_a_slow_second_publisher_makes_it_invalid(bundle, samples, hz):
    other = [
        replace(samples[0], t=samples[0].t + i / hz + 0.003) for i in range(1, int(3.5 * hz))
    ]  # an arm that stands
    mixed = sorted([*samples[:450], *other], key=lambda s: s.t)
    estimates = run(Estimator(bundle), mixed)
    first = next(i for i, s in enumerate(mixed) if s is other[0])
    last = next(i for i, s in enumerate(mixed) if s is other[-1])
    assert all(e.valid for e in estimates[WINDOW - 1 : first])
    assert {e.validity for e in estimates[first + 1 : last]} == {Validity.TWO_PUBLISHERS}
    assert all(np.isfinite(e.tau_ext).all() for e in estimates[first:last])
    clean = run(Estimator(bundle), samples[:450])
    assert estimates[-1].valid == (mixed[-1].t - mixed[last].t > 1.1) and all(e.valid for e in clean[WINDOW - 1 :])


def test_stamps_that_jitter_are_no_second_publisher(bundle, samples):
    rng = np.random.default_rng(0)
    late = rng.exponential(0.002, len(samples)).clip(0, 0.0075)  # of a period of 8 ms
    jittered = [replace(s, t=s.t + x) for s, x in zip(samples, late, strict=True)]
    assert min(b.t - a.t for a, b in zip(jittered, jittered[2:], strict=False)) < 1.5 * 0.008
    assert Validity.TWO_PUBLISHERS not in {e.validity for e in run(Estimator(bundle), jittered)}


def test_a_filter_that_is_not_finite_starts_anew(bundle, samples):
    estimator = Estimator(bundle)
    run(estimator, samples[:40])
    estimator._chain._state[:] = np.nan  # whatever led to it: plausible samples cannot
    (broken,) = run(estimator, samples[40:41])
    assert broken.validity is Validity.NOT_FINITE and np.isnan(broken.tau_free).all()
    same(run(estimator, samples[41:80]), run(Estimator(bundle), samples[41:80]))


@pytest.mark.parametrize("field", ["q", "qd"])
def test_missing_motion_gives_nothing(bundle, samples, field):
    hole = replace(samples[30], **{field: np.array([np.nan, 0.0])})
    estimates = run(Estimator(bundle), [*samples[:30], hole, *samples[31:40]])
    assert estimates[30].validity is Validity.NO_MOTION and estimates[30].detail == "joint shoulder"
    assert np.isnan(estimates[30].tau_free).all()
    assert warmed_up(estimates[31:]), "one hole is one lost sample"


def test_outside_the_training_range_is_said_with_the_joint(bundle, samples):
    away = [replace(s, q=s.q + np.array([0.0, 20.0])) for s in samples[:WINDOW]]
    last = run(Estimator(bundle), away)[-1]
    assert last.validity is Validity.OUTSIDE_RANGE and "position of elbow" in last.detail
    assert last.joints == ("elbow",)
    assert np.isfinite(last.tau_ext).all() and not last.valid
    fast = [replace(s, qd=s.qd + np.array([50.0, 0.0])) for s in samples[:WINDOW]]
    assert "velocity of shoulder" in run(Estimator(bundle), fast)[-1].detail
    both = [replace(s, q=s.q + 20.0, qd=s.qd + 50.0) for s in samples[:WINDOW]]
    assert run(Estimator(bundle), both)[-1].joints == ("shoulder", "elbow"), "each joint once"


def test_another_rate_is_refused(bundle, make_episode):
    estimates = run(Estimator(bundle), list(make_episode(samples=40, rate=500.0)))
    assert estimates[-1].validity is Validity.WRONG_RATE and "500.0 Hz, trained at 125.0 Hz" in estimates[-1].detail
    assert np.isnan(estimates[-1].tau_free).all()
    assert warmed_up(run(Estimator(bundle), list(make_episode(samples=40, rate=130.0)))[WINDOW - 1 :])


def at_rest(zero, count, start=0.0, speed=0.0, validity=Validity.VALID, tau_ext=(1.0, -2.0)):
    """`count` samples at 10 ms, and what comes out of `zero`."""
    tau_ext = np.array(tau_ext)
    return [
        zero.step(
            JointSample(start + i / 100, np.zeros(2), np.array([0.0, -speed]), np.zeros(2)),
            Estimate(start + i / 100, tau_ext, tau_ext, np.ones(2), validity),
        )
        for i in range(count)
    ]


def test_zero_takes_out_the_mean_of_the_rest_and_reset_puts_it_back():
    zero = Zero(("shoulder", "elbow"), 0.5)
    assert at_rest(zero, 30, tau_ext=(9.0, 9.0))[-1].tau_ext.tolist() == [9.0, 9.0]
    at_rest(zero, 26, 0.3, tau_ext=(1.0, 0.0))
    at_rest(zero, 26, 0.56, tau_ext=(3.0, -4.0))
    np.testing.assert_allclose(zero.set(0.02), [2.0, -2.0], atol=0.1)
    (estimate,) = at_rest(zero, 1, 0.82, tau_ext=(2.0, -2.0))
    np.testing.assert_allclose(estimate.tau_ext, 0.0, atol=0.05)
    np.testing.assert_array_equal(estimate.tau_free, [2.0, -2.0])
    np.testing.assert_allclose(zero.set(0.02), [2.0, -2.0], atol=0.1)  # the bias is not counted twice
    zero.reset()
    assert at_rest(zero, 1, 0.83)[0].tau_ext.tolist() == [1.0, -2.0]


@pytest.mark.parametrize(
    ("rests", "told"),
    [
        ([], "only 0.00 s of joint states so far, 0.5 s are needed"),
        ([{"count": 20}], "only 0.19 s"),
        ([{"count": 60, "speed": 0.03}], "elbow moved at 0.030 rad/s in the last 0.5 s, and 0.02 is allowed"),
        (
            [{"count": 60}, {"count": 1, "start": 0.6, "validity": Validity.NO_EFFORT}],
            "was not valid in the last 0.5 s",
        ),
        ([{"count": 60, "start": 9.0}, {"count": 20}], "only 0.19 s"),
    ],
)
def test_zero_is_refused_with_the_reason(rests, told):
    zero = Zero(("shoulder", "elbow"), 0.5)
    for rest in rests:
        at_rest(zero, **rest)
    with pytest.raises(VastaresError, match=told):
        zero.set(0.02)
    assert not zero.bias.any()


def test_the_joint_that_moved_is_there_for_programs():
    zero = Zero(("shoulder", "elbow"), 0.5)
    at_rest(zero, 60, speed=0.03)
    with pytest.raises(VastaresError) as error:
        zero.set(0.02)
    assert error.value.about == {"joint": "elbow", "value": 0.03, "upper": 0.02}


def test_what_moved_or_failed_before_the_rest_does_not_matter():
    zero = Zero(("shoulder", "elbow"), 0.5)
    at_rest(zero, 60, speed=1.0, validity=Validity.WARMING_UP)
    at_rest(zero, 60, 0.6)
    at_rest(zero, 1, 1.19, validity=Validity.REPEATED)
    assert zero.set(0.02).tolist() == [1.0, -2.0]


def test_a_step_uses_one_thread_and_leaves_the_number_as_it_was(bundle, samples, monkeypatch):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        estimator = Estimator(bundle, engine="torch")
        seen = []
        bundle.model.register_forward_pre_hook(lambda *_: seen.append(torch.get_num_threads()))
        many = run(estimator, samples[: WINDOW + 5])
        assert set(seen) == {1} and torch.get_num_threads() == 3
        torch.set_num_threads(1)
        same(run(Estimator(bundle, engine="torch"), samples[: WINDOW + 5]), many)
    finally:
        bundle.model._forward_pre_hooks.clear()
        torch.set_num_threads(before)
