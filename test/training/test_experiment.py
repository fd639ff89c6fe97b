# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from vastares_ros.core.errors import ConfigError, DatasetError
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.datasets import write_dataset
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.training import experiment
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.experiment import (
    EXPERIMENTS,
    TUNED,
    attention_weights,
    chosen,
    default_test,
    make_cells,
    markdown,
    run_cells,
    run_pass,
    summarise,
)

SMALL = TrainConfig(network=NetworkConfig(window=8, hidden=4, hidden_layers=1), epochs=1)


@pytest.fixture
def cells(tmp_path, dataset):
    written = write_dataset(tmp_path / "d", dataset)
    rows = {"one": SMALL, "two": replace(SMALL, epochs=2)}
    return make_cells(rows, 2, written, tmp_path / "d", ["three"], [], "cpu")


def run_one(cell, folder):
    ((_, result),) = run_cells([cell], folder, jobs=1)
    return result


def figures(results):
    return {(cell.row, cell.config.seed): result["nmse"]["model"] for cell, result in results}


@pytest.mark.process
def test_a_cell_is_cached_by_all_that_it_depends_on(tmp_path, cells):
    keys = {c.key for c in cells}
    assert len(keys) == 4 and [c.config.seed for c in cells] == [0, 0, 1, 1]
    cell = cells[0]
    others = [
        replace(cell, test=("two",)),
        replace(cell, validation=("two",)),
        replace(cell, dataset_sha256="other"),
        replace(cell, config=replace(cell.config, learning_rate=0.1)),
        replace(cell, device="cuda"),
        replace(cell, paper="kuka1"),
    ]
    assert not keys & {c.key for c in others}
    assert replace(cell, row="renamed").key == cell.key
    first = run_one(cell, tmp_path / "cells")
    file = tmp_path / "cells" / cell.key / "result.json"
    stamp = file.stat().st_mtime_ns
    assert run_one(cell, tmp_path / "cells") == first and file.stat().st_mtime_ns == stamp
    assert load_bundle(tmp_path / "cells" / cell.key / "bundle").training["config"]["seed"] == 0


@pytest.mark.process
def test_jobs_change_nothing_and_what_is_done_is_read(tmp_path, cells):
    together = figures(run_cells(cells, tmp_path / "two", jobs=2))
    assert len(together) == 4
    assert figures(run_cells(cells, tmp_path / "one", jobs=1)) == together
    for cell in cells:
        (tmp_path / "two" / cell.key / "bundle" / "bundle.yaml").unlink()  # would be written anew by a second run
    assert figures(run_cells(cells, tmp_path / "two", jobs=2)) == together
    assert not list((tmp_path / "two").glob("*/bundle/bundle.yaml"))


def test_seeds_of_a_row_in_one_pass_are_what_they_would_be_alone(tmp_path, cells):
    rows = [cell for cell in cells if cell.row == "two"]
    alone = figures((cell, *run_pass([cell], tmp_path / "alone")) for cell in rows)
    together = figures(zip(rows, run_pass(rows, tmp_path / "together"), strict=True))
    assert alone.keys() == together.keys() and len(alone) == 2
    for key, nmse in alone.items():
        assert together[key] == pytest.approx(nmse, rel=1e-4)
    first, second = alone.values()
    assert first != pytest.approx(second, rel=1e-2)


def test_a_seed_that_diverges_leaves_the_others_alone(tmp_path, cells, monkeypatch):
    rows = [cell for cell in cells if cell.row == "two"]
    (good,) = run_pass([rows[1]], tmp_path / "alone")
    steps = experiment.fit_seeds.__globals__["train_seeds"].__globals__["SeedRun"]
    step = steps.step
    monkeypatch.setattr(steps, "step", lambda self: (step(self), self.part or _spoil(self)))
    bad, other = run_pass(rows, tmp_path / "together")
    assert isinstance(bad, ConfigError) and "diverged in epoch 1" in str(bad)
    assert other["nmse"]["model"] == pytest.approx(good["nmse"]["model"], rel=1e-4)


def _spoil(run):
    for parameter in run.optimiser.param_groups[0]["params"]:
        parameter.data.fill_(float("nan"))


@pytest.mark.process
def test_rows_with_other_windows_are_judged_on_the_same_samples(tmp_path, dataset):
    written = write_dataset(tmp_path / "d", dataset)
    rows = {"short": SMALL, "long": replace(SMALL, network=replace(SMALL.network, window=16))}
    cells = make_cells(rows, 1, written, tmp_path / "d", ["three"], [], "cpu")
    results = [result for _, result in run_cells(cells, tmp_path / "cells", jobs=1)]
    assert [cell.skip for cell in cells] == [15, 15]
    assert results[0]["nmse"]["ridge"] == results[1]["nmse"]["ridge"]


def test_tune_tries_as_much_for_every_method_and_chooses_on_validation():
    rows = EXPERIMENTS["tune"](TrainConfig())
    count = Counter(config.model for config in rows.values())
    assert set(count) == set(TUNED) and set(count.values()) == {8}
    assert len({repr(config) for config in rows.values()}) == len(rows)
    made = [{"row": row, "validation_nmse_mean": 1.0} for row in rows]
    made[3]["validation_nmse_mean"] = made[-1]["validation_nmse_mean"] = 0.5
    best = chosen(made, rows)
    assert best["lstm"] == list(rows)[3] and best["va_sta_reslstm"] == list(rows)[-1]
    assert best["gru"] == min(row for row in rows if row.startswith("GRU"))


@pytest.mark.process
def test_a_cell_that_fails_does_not_stop_the_others(tmp_path, cells):
    bad = replace(cells[0], test=("nowhere",))
    results = dict(run_cells([bad, cells[1]], tmp_path / "cells", jobs=1))
    assert isinstance(results[bad], DatasetError) and "nowhere" in str(results[bad])
    assert results[cells[1]]["row"] == "two"


@pytest.mark.process
def test_ray_gives_the_same_figures(tmp_path, cells):
    pytest.importorskip("ray", reason="Ray is not installed (extra `ray`)")
    bad = replace(cells[0], test=("nowhere",))
    there = dict(run_cells([*cells, bad], tmp_path / "ray", jobs=2, ray_address="local"))
    error = there.pop(bad)
    assert isinstance(error, Exception) and "nowhere" in str(error)
    assert figures(there.items()) == figures(run_cells(cells, tmp_path / "here", jobs=2))


def test_the_rows_are_those_of_the_paper():
    rows = {name: make(TrainConfig()) for name, make in EXPERIMENTS.items()}
    assert list(rows["ablation"])[-1] == "ResLSTM+SA+VA-TA" and len(rows["ablation"]) == 5
    assert not rows["ablation"]["LSTM+SA"].network.residual
    assert len(rows["activations"]) == 12 and rows["activations"]["SR+T"].network.spatial_activation == "selu"
    assert [c.network.hidden_layers for c in rows["layers"].values()] == [1, 2, 3, 4, 5, 6]
    assert list(rows["compare"])[-1] == "ResLSTM+SA+VA-TA" and "LSTM+SA" not in rows["compare"]
    assert all(c.epochs == 7 for c in EXPERIMENTS["compare"](TrainConfig(epochs=7)).values())
    base = TrainConfig(network=NetworkConfig(hidden=8))
    assert all(c.network.hidden == 8 for c in EXPERIMENTS["ablation"](base).values())


def test_the_last_fifth_is_held_out_where_nothing_is_named(dataset, make_episode):
    assert default_test(dataset.episodes) == ("three",)
    assert default_test((make_episode("long", samples=2500), *dataset.episodes)) == ("two", "three")
    assert default_test(dataset.episodes[:1]) == ()


def result(row, seed, a, b):
    nmse = {"model": {"a": a, "b": b}, "mean": {"a": 1.0, "b": 1.0}, "ridge": {"a": 0.5, "b": 0.1}}
    mean = {name: sum(of.values()) / 2 for name, of in nmse.items()}
    return {"row": row, "seed": seed, "nmse": nmse, "nmse_mean": mean, "seconds": 2.0, "parameters": 7}


def test_the_table_has_spread_and_marks_the_best():
    table = summarise([result("net", 0, 0.2, 0.3), result("net", 1, 0.4, 0.3)], ["net", "absent"])
    assert list(table) == ["mean", "ridge", "net"]
    assert table["net"]["nmse"]["a"] == pytest.approx([0.3, 0.1]) and table["net"]["nmse_mean"][0] == pytest.approx(0.3)
    lines = markdown(table).splitlines()
    assert lines[0] == "|  | a | b | mean over joints |"
    assert lines[-1] == "| net | **0.3000 ± 0.1000** | 0.3000 ± 0.0000 | **0.3000 ± 0.0500** |"
    assert "0.3000 ± 0.0000 ([1]: –) |" in markdown(table, {"net": (0.1, None, 0.2)})
    assert lines[-2] == "| ridge | 0.5000 | **0.1000** | **0.3000** |"


@pytest.mark.process
def test_attention_weights_are_averages_over_windows(tmp_path, cells, dataset):
    bundle = (
        load_bundle(tmp_path / "cells" / cells[0].key / "bundle") if run_one(cells[0], tmp_path / "cells") else None
    )
    weights = attention_weights(bundle, dataset.episodes[2:])
    assert {k: w.shape for k, w in weights.items()} == {"spatial": (2, 8, 4), "temporal": (2, 8, 4), "velocity": (2, 4)}
    np.testing.assert_allclose(weights["spatial"].mean(axis=-1), 1.0, rtol=1e-5)


def test_the_code_is_part_of_the_key(cells, monkeypatch):
    before = cells[0].key
    monkeypatch.setattr(experiment, "_code", lambda: "another version")
    assert cells[0].key != before
