# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Delays and figures of made-up signals whose answers are known."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vastares_ros.core.errors import BundleError, DatasetError
from vastares_ros.core.robot import Effort
from vastares_ros.core.samples import Episode
from vastares_ros.core.signals import CausalFilter, FilterConfig
from vastares_ros.io.bundles import save_bundle
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.physics.wrench import Wrench
from vastares_ros.training import comparison
from vastares_ros.training.comparison import (
    Detected,
    Pushed,
    Recorded,
    Trace,
    check_alike,
    compare_bundles,
    lag,
    step_all,
    step_through,
    typical_push,
)
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.evaluate import predict
from vastares_ros.training.fit import fit

RATE = 100.0


def at(seconds: float) -> np.ndarray:
    return np.arange(round(seconds * RATE)) / RATE


@pytest.fixture(scope="module")
def bundle(dataset):
    config = TrainConfig(network=NetworkConfig(window=8, hidden=4), epochs=1)
    return fit(dataset, config, torch.device("cpu"), test=["three"])


def episode(seconds: float, name: str = "e", t0: float = 50.0) -> Episode:
    t = t0 + at(seconds)
    zeros = np.zeros((len(t), 2))
    return Episode(name, ("shoulder", "elbow"), t, zeros, zeros, zeros)


def trace(tau_ext: np.ndarray, cost: float = 1e-3) -> Trace:
    return Trace(tau_ext, np.ones(len(tau_ext), dtype=bool), np.full(len(tau_ext), cost))


def test_pushes_are_where_the_truth_is_not_zero():
    truth = np.zeros((600, 2))
    truth[100:200, 0], truth[210:220, 1], truth[400:, 1] = 3.0, -2.0, 1.0  # a tenth of a second apart is no new push
    pushed = Pushed(episode(6), truth)
    assert pushed.pushes() == [slice(100, 220), slice(400, 600)] and pushed.during.sum() == 310
    assert Pushed(episode(6), 0 * truth).pushes() == []
    truth[300, 0] = 100.0
    pushes = Pushed(episode(6), truth)
    assert typical_push([pushes], np.array([1.0, 1.0])) == (0, slice(100, 220))
    assert typical_push([pushes], np.array([1.0, 0.001]))[1] == slice(400, 600)


@pytest.mark.parametrize("samples", [0, 1, 7, 30])
def test_lag_is_found(samples):
    rng = np.random.default_rng(0)
    truth = np.zeros((1000, 2))
    truth[200:300, 0], truth[500:650, 1] = 4.0, -3.0
    late = np.vstack([np.zeros((samples, 2)), truth])[:1000] + 0.3 * rng.standard_normal((1000, 2))
    late[:5] = np.nan  # no estimate yet
    assert lag([(late, truth)], np.array([1.0, 1.0]), RATE) == pytest.approx(samples / RATE, abs=0.004)


def test_lag_of_a_low_pass_is_its_group_delay_and_a_deaf_estimator_has_none():
    truth = np.zeros((2000, 1))
    truth[200:300], truth[900:1400] = 5.0, -5.0
    filtered = CausalFilter(FilterConfig(cutoff_hz=5.0), RATE).run(truth)
    assert lag([(filtered, truth)] * 2, np.ones(1), RATE) == pytest.approx(np.sqrt(2) / (2 * np.pi * 5), abs=0.005)
    assert np.isnan(lag([(-truth, truth)], np.ones(1), RATE))


@pytest.mark.process
def test_an_estimator_is_stepped_as_live(bundle, dataset, tmp_path):
    e = dataset.episodes[2]
    traced = step_through(bundle, e)
    (whole,) = predict(bundle.model, bundle.ridge, bundle.filter, bundle.rate, [e])
    assert np.isnan(traced.tau_ext[:7]).all() and traced.estimated[7:].all() and not traced.estimated[:7].any()
    np.testing.assert_allclose(traced.tau_ext[7:], whole.tau_ext, atol=1e-4)
    assert traced.cost.shape == (len(e),) and (traced.cost > 0).all()
    shown = replace(traced, valid=np.arange(len(e)) >= 100).only_valid()
    assert not shown.estimated[:100].any() and shown.estimated[100:].all()
    save_bundle(tmp_path / "b", bundle)
    folders = {"b": tmp_path / "b"}
    here, beside = {}, {}
    for jobs, traces in ((1, here), (2, beside)):
        reports = []
        traces |= {i: t for _, i, t in step_all(folders, dataset.episodes[1:], jobs, reports.append)}
        assert sum(reports) == sum(map(len, dataset.episodes[1:]))
    assert set(here) == set(beside) == {0, 1}
    for i, t in here.items():
        np.testing.assert_array_equal(t.tau_ext, beside[i].tau_ext)
    np.testing.assert_array_equal(here[1].tau_ext, traced.tau_ext)


def test_the_cost_of_a_step_is_the_processor_time_that_passes_within_it(bundle, dataset, monkeypatch):
    """A clock that only the estimator lets go on: a microsecond in the first step, two in the second, and so on."""
    now_ns = 0
    steps = 0

    class Timed(comparison.Estimator):
        def step(self, sample):
            nonlocal now_ns, steps
            steps += 1
            now_ns += 1000 * steps
            return super().step(sample)

    monkeypatch.setattr(comparison, "Estimator", Timed)
    monkeypatch.setattr(comparison, "time", SimpleNamespace(process_time_ns=lambda: now_ns))
    traced = step_through(bundle, dataset.episodes[2])
    np.testing.assert_allclose(traced.cost, 1e-6 * np.arange(1, len(traced.cost) + 1), rtol=1e-12)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("joints", {"joints": ("elbow", "shoulder")}),
        ("effort.unit", {"effort": Effort("A", (1.0, 1.0))}),
        ("effort.scale", {"effort": Effort("N·m", (1.0, -1.0))}),
        ("effort.gravity_compensated", {"effort": Effort("N·m", (1.0, 1.0), True)}),
        ("rate_hz", {"rate": 500.0}),
    ],
)
def test_unlike_bundles_are_refused_by_name_and_field(bundle, field, change):
    check_alike({"one": bundle, "same": replace(bundle, rate=bundle.rate * 1.01)})
    with pytest.raises(BundleError, match=f"^other: {field} is .* in one: "):
        check_alike({"one": bundle, "same": bundle, "other": replace(bundle, **change)})


def figures_of(bundle, tau_free, tau_pushed, truth):
    free, pushed = episode(20, "free"), Pushed(episode(6, "pushed"), truth)
    traces = {n: [trace(tau), trace(tau), trace(tau_pushed[n], 2e-3)] for n, tau in tau_free.items()}
    return compare_bundles(dict.fromkeys(tau_free, bundle), [free], [free], [pushed], traces, None)


def test_figures_of_known_errors(bundle):
    """Estimator a errs by 0.1 and 0.2 and sees pushes 30 ms late; b errs thrice and sees none."""
    bundle = replace(bundle, residual_quantiles=np.full((5, 2), 1.0), rate=RATE)
    rng = np.random.default_rng(4)
    error = rng.choice([-1.0, 1.0], (2000, 2)) * [0.1, 0.2]
    error *= 1 + np.sin(np.arange(2000) / 50)[:, None] / 10
    silent = 3 * error
    silent[:10] = np.nan
    tau_free = {"a": error, "b": silent}
    tau_free["a"][:10] = 50.0  # where b is silent, a does not count either, but for its alarms
    truth = np.zeros((600, 2))
    truth[100:200, 0], truth[400:500, 1] = 5.0, 0.5
    seen = np.vstack([np.zeros((3, 2)), truth[:-3]])
    figures = figures_of(bundle, tau_free, {"a": seen, "b": 0 * seen}, truth)
    a, b = figures.estimators["a"], figures.estimators["b"]
    variance = bundle.model.torque_scaler.scale.double().numpy() ** 2
    assert figures.reference == "a" and figures.variance == {"shoulder": variance[0], "elbow": variance[1]}
    assert a.rmse == pytest.approx({"shoulder": 0.1, "elbow": 0.2}, rel=0.01)
    assert b.rmse == pytest.approx({"shoulder": 0.3, "elbow": 0.6}, rel=0.01)
    assert a.nmse_mean == pytest.approx(np.mean(np.array([0.01, 0.04]) / variance), rel=0.02)
    assert figures.free == Recorded(["free"], pytest.approx(19.99))
    assert figures.pushed.pushes == 2 and a.cost_ms.median == pytest.approx(1.0)
    assert a.cost_ms.p99 == pytest.approx(2.0) and b.valid == 1.0
    # three of a hundred samples of either push are missed
    rmse = np.sqrt(0.03 * np.array([25, 0.25]) / 2)
    assert a.pushed.rmse == pytest.approx(dict(zip(bundle.joints, rmse, strict=True)))
    assert a.pushed.delay_ms == pytest.approx(30, abs=1) and b.pushed.delay_ms is None
    assert a.contact.above_bound.pushes == 1 and a.contact.all.pushes == 2
    assert b.contact.all == Detected(2, 0.0, None)
    assert b.contact.extrapolated and b.contact.tail.seconds == pytest.approx(19.99)


def test_pushes_are_detected_at_the_threshold_for_one_false_alarm_an_hour(bundle):
    bundle = replace(bundle, residual_quantiles=np.full((5, 2), 1.0), rate=RATE)
    rng = np.random.default_rng(5)
    free = 0.3 * rng.standard_normal((2000, 2))
    truth = np.zeros((600, 2))
    truth[100:200, 0], truth[300:350, 0], truth[450:500, 1] = 5.0, -6.0, 0.2
    seen = np.vstack([np.zeros((4, 2)), truth[:-4]])
    contact = figures_of(bundle, {"a": free}, {"a": seen}, truth).estimators["a"].contact
    assert 1.0 < contact.threshold < 2.0 and contact.highest["shoulder"] == np.abs(free[:, 0]).max()
    assert contact.false_alarms == 0 and contact.alarms_per_hour == 1
    assert contact.all == Detected(3, pytest.approx(2 / 3), pytest.approx(40))
    assert contact.above_bound == Detected(2, 1.0, pytest.approx(40))
    assert contact.above_threshold == contact.above_bound
    lonely = free * [1, 50]  # the elbow's peaks make the shoulder no worse
    other = figures_of(bundle, {"a": lonely}, {"a": seen}, truth).estimators["a"].contact
    assert other.highest["shoulder"] == contact.highest["shoulder"] and other.above_bound.detected == 1.0
    assert all(p.above_threshold.pushes <= p.all.pushes for p in contact.curve)
    assert contact.curve[-1].threshold == pytest.approx(contact.threshold)
    assert contact.curve[-1].extrapolated and not contact.curve[0].extrapolated


def test_the_wrench_is_judged_at_the_tip(bundle):
    """An estimator of the wrench that adds up the joints, the torque part never known."""

    class Sum:
        def step(self, q, tau_ext):
            values = np.array([tau_ext.sum(), 0, 0, np.nan, np.nan, np.nan])
            return Wrench(values, np.isfinite(values), 0.0)

    bundle = replace(bundle, residual_quantiles=np.full((5, 2), 1.0), rate=RATE)
    truth = np.zeros((600, 2))
    truth[100:200] = 2.0
    free, pushed = episode(20, "free"), Pushed(episode(6, "pushed"), truth)
    noise = np.random.default_rng(6).standard_normal((2000, 2))
    traces = {"a": [trace(noise), trace(noise), trace(truth + np.array([0.5, 1.0]))]}
    figures = compare_bundles({"a": bundle}, [free], [free], [pushed], traces, Sum())
    under = figures.estimators["a"].pushed
    assert under.force_rmse == pytest.approx(1.5 / np.sqrt(3)) and under.torque_rmse is None


def test_without_pushes_there_are_figures_of_free_motion_alone(bundle):
    noise = np.random.default_rng(7).standard_normal((2000, 2))
    free = episode(20)
    figures = compare_bundles({"a": bundle}, [free], [free], [], {"a": [trace(noise)] * 2}, None)
    a = figures.estimators["a"]
    assert a.pushed is None and a.contact.all == Detected(0, None, None)
    silent = {"a": [trace(noise * np.nan)] * 2}
    with pytest.raises(DatasetError, match="every bundle"):
        compare_bundles({"a": bundle}, [free], [free], [], silent, None)
