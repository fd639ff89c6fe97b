# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from dataclasses import replace

import numpy as np
import pytest
import torch

from vastares_ros.core import ranks, scratch
from vastares_ros.core.errors import DatasetError
from vastares_ros.models import baselines
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.runtime.bundle import QUANTILES, ResidualSource
from vastares_ros.training import evaluate
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.evaluate import Prediction, predict, score
from vastares_ros.training.fit import fit
from vastares_ros.training.loop import train_seeds
from vastares_ros.training.splits import PAPER_SPLITS, leakage_warning, paper_rule, paper_split, recordings, split

CPU = torch.device("cpu")
CONFIG = TrainConfig(network=NetworkConfig(window=8, hidden=8), epochs=2)


def test_the_split_goes_by_recording(dataset):
    training, validation, test = split(dataset, test=["two"], validation=["three"])
    assert [[e.name for e in part] for part in (training, validation, test)] == [["one"], ["three"], ["two"]]
    with pytest.raises(DatasetError, match="'two' is named for test and for validation"):
        split(dataset, ["two"], ["two"])
    with pytest.raises(DatasetError, match="every recording is held out"):
        split(dataset, ["one", "two", "three"], [])
    pieces = tuple(replace(e, name=f"rec-{i}", recording="rec") for i, e in enumerate(dataset.episodes))
    with pytest.raises(DatasetError, match="'rec' is partly held out"):
        split(replace(dataset, episodes=pieces), ["rec-1"], [])


def test_the_splits_of_the_paper_go_by_samples_in_order(dataset, monkeypatch):
    assert PAPER_SPLITS == {"kuka1": (16_000, 4_000), "kuka2": (13_000, 4_560), "ur5": (15_000, 5_000)}
    one, two, three = dataset.episodes  # of 500 samples each
    for counts, names in (
        ((700, 600), (["one", "two[0:200]"], ["two[200:500]", "three[0:300]"])),
        ((500, 400), (["one"], ["two[0:400]"])),
        ((100, 100), (["one[0:100]"], ["one[100:200]"])),
        ((1400, 100), (["one", "two", "three[0:400]"], ["three[400:500]"])),
    ):
        monkeypatch.setitem(PAPER_SPLITS, "ur5", counts)
        parts = paper_split(dataset, "ur5")
        assert tuple([e.name for e in part] for part in parts) == names
        for field in ("t", "q", "qd", "tau"):
            whole = np.concatenate([getattr(e, field) for e in (one, two, three)])[: sum(counts)]
            split_up = np.concatenate([getattr(e, field) for part in parts for e in part])
            np.testing.assert_array_equal(split_up, whole)
    assert parts[0][2].recording == parts[1][0].recording == "three"
    monkeypatch.setitem(PAPER_SPLITS, "ur5", (1400, 101))
    with pytest.raises(
        DatasetError, match=r"ur5 of \[1\] trains on 1400 samples and tests on the next 101, .* holds 1500"
    ):
        paper_split(dataset, "ur5")


def test_recordings_out_of_the_order_of_their_numbers_are_named(dataset, monkeypatch):
    monkeypatch.setitem(PAPER_SPLITS, "kuka1", (700, 200))

    def named(*names):
        episodes = zip(dataset.episodes, names, strict=True)
        return replace(dataset, episodes=tuple(replace(e, name=n, recording=n) for e, n in episodes))

    with pytest.raises(DatasetError, match="has run10 where run2 belongs: prepare it anew in that order") as error:
        paper_split(named("run1", "run10", "run2"), "kuka1")
    assert error.value.recording == "run10"
    for names in (("run2", "run9", "run10"), ("b", "a", "c")):
        assert len(paper_split(named(*names), "kuka1")[0]) == 2


@pytest.mark.parametrize(
    ("counts", "said", "leaks"),
    [
        ((700, 200), "it cuts two 300 samples before its end, so that 200 of the 200 are of a recording", True),
        ((700, 600), "it cuts two 300 samples before its end, so that 300 of the 600 are of a recording", False),
        ((1000, 500), "it cuts between two and three", False),
    ],
)
def test_where_a_split_of_the_paper_cuts_is_said(dataset, monkeypatch, counts, said, leaks):
    monkeypatch.setitem(PAPER_SPLITS, "kuka1", counts)
    assert said in paper_rule(dataset, "kuka1")
    training, tested = (recordings(part) for part in paper_split(dataset, "kuka1"))
    warning = leakage_warning(training, tested)
    assert ("all test samples are of two" in warning) is leaks and bool(warning) is leaks


def test_a_recording_on_both_sides_of_a_split_is_kept_in_the_bundle(dataset, monkeypatch):
    monkeypatch.setitem(PAPER_SPLITS, "kuka1", (700, 200))
    bundle = fit(dataset, CONFIG, CPU, paper="kuka1")
    assert bundle.metrics["leakage"] == ["two"] and bundle.metrics["of"] == "test"
    assert bundle.metrics["samples"] == 200 - CONFIG.network.window + 1
    assert bundle.training["split"] == {"training": ["one", "two"], "validation": [], "test": ["two"]}
    assert "first 700 samples for training, the next 200 for testing" in bundle.training["split_rule"]
    monkeypatch.setitem(PAPER_SPLITS, "kuka1", (1000, 500))
    assert "leakage" not in fit(dataset, CONFIG, CPU, paper="kuka1").metrics
    whole = fit(dataset, CONFIG, CPU, test=["three"])
    assert "leakage" not in whole.metrics and whole.training["split_rule"] == "by recording"


def test_a_bundle_is_judged_on_what_was_held_out(dataset):
    bundle = fit(dataset, CONFIG, CPU, test=["three"], validation=["two"])
    assert bundle.metrics["of"] == "test" and bundle.training["split"]["test"] == ["three"]
    assert bundle.residual_source == ResidualSource("validation", ("two",)), (
        "test recordings choose nothing, not even the bound"
    )
    held_out = predict(bundle.model, bundle.ridge, bundle.filter, bundle.rate, dataset.episodes[2:])
    error = held_out[0].tau["model"] - held_out[0].tau_meas
    variance = bundle.model.torque_scaler.scale.double().numpy() ** 2
    np.testing.assert_allclose(list(bundle.metrics["nmse"]["model"].values()), (error**2).mean(0) / variance)
    calibration = predict(bundle.model, bundle.ridge, bundle.filter, bundle.rate, dataset.episodes[1:2])
    np.testing.assert_allclose(
        bundle.residual_quantiles, np.quantile(np.abs(calibration[0].tau_ext), QUANTILES, axis=0)
    )


def test_the_training_range_is_that_of_the_training_recordings(dataset):
    bundle = fit(dataset, CONFIG, CPU, test=["two", "three"])
    one = dataset.episodes[0]
    np.testing.assert_allclose(bundle.q_range, [one.q.min(0), one.q.max(0)], atol=0.1)
    np.testing.assert_allclose(bundle.qd_range, [one.qd.min(0), one.qd.max(0)], atol=0.5)
    assert bundle.metrics["of"] == "test"
    assert fit(dataset, CONFIG, CPU).metrics["of"] == "training"


def test_figures_are_what_their_names_say():
    t, tau_meas = np.arange(4.0), np.array([[1.0], [2.0], [3.0], [4.0]])
    tau = {"model": tau_meas + 1, "mean": tau_meas * 0, "ridge": tau_meas - 2}
    figures = score([Prediction("e", t, tau_meas, tau)], ["a"], np.array([4.0]))
    assert figures.nmse == {"model": {"a": 0.25}, "mean": {"a": 7.5 / 4}, "ridge": {"a": 1.0}}
    assert figures.rmse["ridge"]["a"] == 2.0 and figures.nmse_mean["model"] == 0.25 and figures.samples == 4
    np.testing.assert_array_equal(Prediction("e", t, tau_meas, tau).tau_ext, np.ones((4, 1)))


def test_recordings_too_short_for_a_window(dataset, make_episode):
    bundle = fit(dataset, CONFIG, CPU, test=["two"])
    with pytest.raises(DatasetError, match="8 samples that are needed"):
        predict(bundle.model, bundle.ridge, bundle.filter, bundle.rate, [make_episode(samples=7)])


def test_validation_recordings_are_judged_beside_test_recordings(dataset):
    bundle = fit(dataset, CONFIG, CPU, test=["three"], validation=["two"])
    alone = fit(dataset, CONFIG, CPU, validation=["two"], test=[])  # judged on validation, but trained on three, too
    assert bundle.metrics["of"] == "test" and isinstance(bundle.metrics["validation_nmse_mean"], float)
    assert "validation_nmse_mean" not in alone.metrics


def test_without_validation_the_bound_is_that_of_models_that_do_not_know_the_recording(dataset):
    bundle = fit(dataset, CONFIG, CPU, test=["three"])
    assert bundle.residual_source == ResidualSource("cross-validation", ("one", "two"))
    training = dataset.episodes[:2]
    left = []
    for learned, left_out in (training, training[::-1]):
        (model,) = train_seeds([learned], (), dataset.rate, CONFIG, [CONFIG.seed], CPU)
        left.append(predict(model, bundle.ridge, bundle.filter, bundle.rate, [left_out])[0].tau_ext)
    expected = np.quantile(np.abs(np.concatenate(left)), QUANTILES, axis=0)
    np.testing.assert_allclose(bundle.residual_quantiles, expected, rtol=1e-6)


def test_a_test_recording_changes_neither_model_nor_bound(dataset, make_episode):
    other = replace(dataset, episodes=(*dataset.episodes[:2], make_episode("three", 99)))
    a, b = (fit(d, CONFIG, CPU, test=["three"]) for d in (dataset, other))
    np.testing.assert_array_equal(a.residual_quantiles, b.residual_quantiles)
    assert a.metrics["nmse_mean"]["model"] != b.metrics["nmse_mean"]["model"]


def test_a_large_dataset_gives_the_same_bundle(dataset, monkeypatch):
    whole = fit(dataset, CONFIG, CPU, test=[dataset.episodes[0].recording])
    monkeypatch.setattr(scratch, "LARGE", 1000)
    monkeypatch.setattr(scratch, "BLOCK", 100)
    monkeypatch.setattr(evaluate, "BLOCK", 64)
    monkeypatch.setattr(baselines, "ROWS", 50)
    monkeypatch.setattr(ranks, "FEW", 10)
    in_blocks = fit(dataset, CONFIG, CPU, test=[dataset.episodes[0].recording])
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, in_blocks.model.state_dict()[name]), name
    np.testing.assert_array_equal(whole.q_range, in_blocks.q_range)
    np.testing.assert_allclose(whole.residual_quantiles, in_blocks.residual_quantiles, rtol=1e-4)
    np.testing.assert_allclose(whole.ridge.coefficients, in_blocks.ridge.coefficients, rtol=1e-6, atol=1e-8)
    for predictor, mean in whole.metrics["nmse_mean"].items():
        assert in_blocks.metrics["nmse_mean"][predictor] == pytest.approx(mean, rel=1e-4)
    assert whole.metrics["samples"] == in_blocks.metrics["samples"]
