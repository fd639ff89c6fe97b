# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from dataclasses import replace

import pytest

from vastares_ros.core.errors import ConfigError, DatasetError
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.datasets import write_dataset
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.training import experiment_cells
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.experiment_cells import (
    CellResult,
    Identifying,
    Training,
    make_cells,
    over_recordings,
    run_cells,
    run_pass,
    summarise,
)
from vastares_ros.training.identify import IdentifyConfig

SMALL = TrainConfig(network=NetworkConfig(window=8, hidden=4, hidden_layers=1), epochs=1)


@pytest.fixture(scope="module")
def cells(tmp_path_factory, dataset):
    folder = tmp_path_factory.mktemp("cells") / "d"
    written = write_dataset(folder, dataset)
    rows = {"one": Training(SMALL), "two": Training(replace(SMALL, epochs=2))}
    return make_cells(rows, 2, written, folder, ["three"], [], "cpu")


@pytest.fixture(scope="module")
def two_jobs(tmp_path_factory, cells):
    """The folder that two processes side by side filled, and the results."""
    folder = tmp_path_factory.mktemp("two_jobs")
    return folder, dict(run_cells(cells, folder, jobs=2))


def figures(results):
    return {(cell.row, cell.recipe.seed): result.nmse["model"] for cell, result in results}


@pytest.mark.process
def test_a_cell_is_cached_by_all_that_it_depends_on(cells, two_jobs):
    keys = {c.key for c in cells}
    assert len(keys) == 4 and [c.recipe.seed for c in cells] == [0, 0, 1, 1]
    cell = cells[0]
    others = [
        replace(cell, test=("two",)),
        replace(cell, validation=("two",)),
        replace(cell, dataset_sha256="other"),
        replace(cell, recipe=Training(replace(SMALL, learning_rate=0.1))),
        replace(cell, device="cuda"),
        replace(cell, paper="kuka1"),
    ]
    assert not keys & {c.key for c in others}
    assert replace(cell, row="renamed").key == cell.key
    folder, results = two_jobs
    file = folder / cell.key / "result.json"
    stamp = file.stat().st_mtime_ns
    ((_, again),) = run_cells([cell], folder, jobs=1)
    assert again == results[cell] and file.stat().st_mtime_ns == stamp
    assert load_bundle(folder / cell.key / "bundle").training["config"]["seed"] == 0


@pytest.mark.process
def test_jobs_and_a_cell_that_fails_change_nothing_and_what_is_done_is_read(tmp_path, cells, two_jobs):
    together = figures(two_jobs[1].items())
    assert len(together) == 4
    bad = replace(cells[0], test=("nowhere",))
    alone = dict(run_cells([bad, *cells], tmp_path, jobs=1))
    error = alone.pop(bad)
    assert isinstance(error, DatasetError) and "nowhere" in str(error), "which stops no other"
    assert figures(alone.items()) == together
    for cell in cells:
        (tmp_path / cell.key / "bundle" / "bundle.yaml").unlink()  # would be written anew by a second run
    assert figures(run_cells(cells, tmp_path, jobs=2)) == together
    assert not list(tmp_path.glob("*/bundle/bundle.yaml"))


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
    steps = experiment_cells.fit_seeds.__globals__["train_seeds"].__globals__["SeedRun"]
    step = steps.step
    monkeypatch.setattr(steps, "step", lambda self: (step(self), self.part or _spoil(self)))
    bad, other = run_pass(rows, tmp_path / "together")
    assert isinstance(bad, ConfigError) and "diverged in epoch 1" in str(bad)
    assert other.nmse["model"] == pytest.approx(good.nmse["model"], rel=1e-4)


def _spoil(run):
    for parameter in run.optimiser.param_groups[0]["params"]:
        parameter.data.fill_(float("nan"))


def test_rows_with_other_windows_are_judged_on_the_same_samples(tmp_path, dataset):
    written = write_dataset(tmp_path / "d", dataset)
    rows = {
        "short": Training(SMALL),
        "long": Training(replace(SMALL, network=replace(SMALL.network, window=16))),
    }
    cells = make_cells(rows, 1, written, tmp_path / "d", ["three"], [], "cpu")
    results = [result for cell in cells for result in run_pass([cell], tmp_path / "cells")]
    assert [cell.skip for cell in cells] == [15, 15]
    assert results[0].nmse["ridge"] == results[1].nmse["ridge"]


@pytest.mark.process
def test_ray_gives_the_same_figures(tmp_path, cells, two_jobs):
    pytest.importorskip("ray", reason="Ray is not installed (extra `ray`)")
    bad = replace(cells[0], test=("nowhere",))
    there = dict(run_cells([*cells, bad], tmp_path / "ray", jobs=2, ray_address="local"))
    error = there.pop(bad)
    assert isinstance(error, Exception) and "nowhere" in str(error)
    assert figures(there.items()) == figures(two_jobs[1].items())


def result(row, seed, a, b):
    nmse = {"model": {"a": a, "b": b}, "mean": {"a": 1.0, "b": 1.0}, "ridge": {"a": 0.5, "b": 0.1}}
    mean = {name: sum(of.values()) / 2 for name, of in nmse.items()}
    return CellResult(row, seed, ["three"], nmse, {}, mean, None, "N·m", [], 2.0, 7, "")


def test_a_summary_has_the_spread_over_seeds():
    table = summarise([result("net", 0, 0.2, 0.3), result("net", 1, 0.4, 0.3)], ["net", "absent"])
    assert list(table) == ["mean", "ridge", "net"]
    assert table["net"].nmse["a"] == pytest.approx([0.3, 0.1]) and table["net"].nmse_mean.mean == pytest.approx(0.3)


def test_the_code_is_part_of_the_key(cells, monkeypatch):
    before = cells[0].key
    monkeypatch.setattr(experiment_cells, "_code", lambda: "another version")
    assert cells[0].key != before


def test_an_identification_has_one_cell_beside_the_seeds_of_a_training(tmp_path, dataset):
    written = write_dataset(tmp_path / "d", dataset)
    rows = {"trained": Training(SMALL), "identified": Identifying(IdentifyConfig())}
    cells = make_cells(rows, 2, written, tmp_path / "d", ["three"], [], "cpu")
    assert [(c.row, c.recipe.seed) for c in cells] == [("trained", 0), ("identified", 0), ("trained", 1)]
    assert cells[0].all_seeds == cells[2].all_seeds != cells[1].all_seeds


def test_recordings_left_out_in_turn_make_one_result():
    one, two = result("net", 0, 0.2, 0.4), replace(result("net", 0, 0.6, 0.8), test=["two"])
    (joined,) = over_recordings([one, two])
    assert joined.nmse["model"] == pytest.approx({"three": 0.3, "two": 0.7})
    assert joined.nmse_mean["model"] == pytest.approx(0.5) and joined.seconds == 4.0
    assert joined.test == ["three", "two"]
