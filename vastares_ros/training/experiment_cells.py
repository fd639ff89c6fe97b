# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The cells of an experiment: how they are run side by side, kept, and summarised.

An experiment is a table of rows, each with a recipe; a row and a seed make a cell, and where each recording is left out
in turn a recording, too. Cells are kept by the hash of all they depend on: a run that was stopped goes on, and one that
is finished is read. The cells of a row are trained in one batched pass; passes run side by side.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch

import vastares_ros
from vastares_ros.io.bundles import save_bundle
from vastares_ros.io.datasets import Dataset, dataset_arm, load_dataset
from vastares_ros.io.folders import written_folder
from vastares_ros.runtime.bundle import Bundle
from vastares_ros.runtime.device import device_for

from .config import TrainConfig
from .evaluate import BASELINES, Scores
from .fit import fit_seeds
from .identify import IdentifyConfig, identify_bundle

RESULT = "result.json"


class Recipe(Protocol):
    """How the bundle of a row is made."""

    @property
    def config(self) -> TrainConfig | IdentifyConfig:
        """Everything about it but the data, for the hash and the record."""

    @property
    def seed(self) -> int:
        """Of what is random in it; 0 where nothing is."""

    @property
    def window(self) -> int:
        """Samples that the bundle needs before its first estimate."""

    def with_seeds(self, count: int) -> Sequence[Recipe]:
        """The same with seeds 0, 1, …; once where nothing is random."""

    def bundles(self, dataset: Dataset, cells: Sequence[Cell]) -> Sequence[Bundle | Exception]:
        """The bundles of cells that differ in their seed alone, or why there is none."""


@dataclass(frozen=True)
class Training:
    """A network is trained, on top of a rigid-body model where its configuration says so."""

    config: TrainConfig

    @property
    def seed(self) -> int:
        """That of the configuration."""
        return self.config.seed

    @property
    def window(self) -> int:
        """That of the network."""
        return int(self.config.network.window)

    def with_seeds(self, count: int) -> list[Training]:
        """The same with seeds 0, 1, …"""
        return [Training(replace(self.config, seed=seed)) for seed in range(count)]

    def bundles(self, dataset: Dataset, cells: Sequence[Cell]) -> Sequence[Bundle | Exception]:
        """Train all seeds in one pass."""
        of = cells[0]
        return fit_seeds(
            dataset,
            self.config,
            [cell.recipe.seed for cell in cells],
            device_for(of.device),
            of.test,
            of.validation,
            of.skip,
            paper=of.paper,
            cross_validate=False,
        )


@dataclass(frozen=True)
class Identifying:
    """Rigid-body dynamics and friction are identified, which has no seed."""

    config: IdentifyConfig

    @property
    def seed(self) -> int:
        """0, since nothing is random."""
        return 0

    @property
    def window(self) -> int:
        """That of the bundle."""
        return int(self.config.network.window)

    def with_seeds(self, count: int) -> list[Identifying]:
        """Itself alone, since an identification has no seed."""
        return [self]

    def bundles(self, dataset: Dataset, cells: Sequence[Cell]) -> Sequence[Bundle | Exception]:
        """Identify once, for the one cell that there is."""
        of, arm = cells[0], dataset_arm(dataset)
        held_out = (of.test, of.validation, of.skip)
        return [identify_bundle(dataset, arm, self.config, *held_out, cross_validate=False)[0]]


@dataclass(frozen=True)
class Cell:
    """One run of a recipe.

    Attributes:
        row: label of its row.
        recipe: everything about the run but the data, its seed included.
        dataset: folder of the dataset.
        dataset_sha256: its hash.
        test: recordings to judge on.
        validation: recordings that choose the best epoch.
        device: where to train.
        paper: a split of [1] instead of test and validation recordings, see `splits.paper_split`.
        skip: first samples of every episode that are not judged, see `fit.fit_seeds`.
    """

    row: str
    recipe: Recipe
    dataset: Path
    dataset_sha256: str
    test: tuple[str, ...]
    validation: tuple[str, ...]
    device: str = "cpu"
    paper: str = ""
    skip: int = 0

    @property
    def all_seeds(self) -> str:
        """What cells have in common that one pass makes."""
        return replace(self, recipe=self.recipe.with_seeds(1)[0]).key

    @property
    def key(self) -> str:
        """Hash of all that the result depends on: data, split, configuration and code."""
        split = [self.test, self.validation, self.paper, self.skip]
        of = [self.dataset_sha256, split, asdict(self.recipe.config), self.device, _code()]
        return hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:24]


@dataclass(frozen=True)
class CellResult:
    """What came out of a cell; as JSON, `dataclasses.asdict` of it.

    Attributes:
        row: label of the row.
        seed: of the cell.
        test: recordings that were judged.
        nmse: as of `Scores`.
        rmse: as of `Scores`.
        nmse_mean: as of `Scores`.
        validation_nmse_mean: of the model on validation recordings; None without any.
        unit: of torque.
        leakage: recordings that were trained on and judged.
        seconds: its share of the time of its pass.
        parameters: numbers in the model.
        bundle: folder of the bundle.
    """

    row: str
    seed: int
    test: list[str]
    nmse: dict[str, dict[str, float]]
    rmse: dict[str, dict[str, float]]
    nmse_mean: dict[str, float]
    validation_nmse_mean: float | None
    unit: str
    leakage: list[str]
    seconds: float
    parameters: int
    bundle: str


class Spread(NamedTuple):
    """Mean and standard deviation over seeds."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class RowSummary:
    """A row of an experiment over its seeds; as JSON, `dataclasses.asdict` of it.

    Attributes:
        nmse: of each joint, or of each recording where each is left out in turn.
        nmse_mean: its average over joints.
        seeds: how many; 0 for a baseline, which is not trained.
        seconds: of a seed, on average.
        parameters: numbers in the model.
    """

    nmse: dict[str, Spread]
    nmse_mean: Spread
    seeds: int
    seconds: float = 0.0
    parameters: int = 0


@cache
def _code() -> str:
    """Hash of the rooms that a result comes from."""
    package = Path(vastares_ros.__file__).parent
    files = sorted(path for room in ("core", "physics", "models", "training") for path in (package / room).glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def read_cell(cell: Cell, folder: Path) -> CellResult | None:
    """The result of a cell that was run before, as `run_cell` gives it."""
    file = folder / cell.key / RESULT
    return CellResult(**json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def run_pass(cells: Sequence[Cell], folder: Path) -> list[CellResult | Exception]:
    """Run cells that differ in their seed alone, and write figures and bundle of each to `folder/<key>`.

    Returns:
        For each cell its result, or why it has none.
    """
    first = cells[0]
    torch.set_num_threads(1)
    began = time.perf_counter()
    bundles = first.recipe.bundles(load_dataset(first.dataset), cells)
    seconds = round((time.perf_counter() - began) / len(cells), 1)
    results: list[CellResult | Exception] = []
    for cell, bundle in zip(cells, bundles, strict=True):
        if isinstance(bundle, Exception):
            results.append(bundle)
            continue
        place, scores = folder / cell.key, Scores.of(bundle.metrics)
        result = CellResult(
            row=cell.row,
            seed=cell.recipe.seed,
            test=list(cell.test),
            nmse=scores.nmse,
            rmse=scores.rmse,
            nmse_mean=scores.nmse_mean,
            validation_nmse_mean=bundle.metrics.get("validation_nmse_mean"),
            unit=bundle.effort.unit,
            leakage=bundle.metrics.get("leakage", []),
            seconds=seconds,
            parameters=sum(p.numel() for p in bundle.model.state_dict().values()),
            bundle=str(place / "bundle"),
        )
        with written_folder(place, RESULT, force=True) as scratch:
            save_bundle(scratch / "bundle", bundle)
            (scratch / RESULT).write_text(json.dumps(asdict(result)), encoding="utf-8")
        results.append(result)
    return results


def run_cells(
    cells: Sequence[Cell], folder: Path, jobs: int, ray_address: str | None = None
) -> Iterator[tuple[Cell, CellResult | Exception]]:
    """Run cells in passes side by side, in processes of this machine or as tasks of a Ray cluster.

    Yields each result as it ends. A cell that fails gives its exception and does not stop the others.

    Args:
        cells: what to run.
        folder: the cache.
        jobs: processes at a time.
        ray_address: of an existing cluster that shares this file system; "local" starts one here with `jobs` workers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    left = []
    for cell in cells:
        if done := read_cell(cell, folder):
            yield cell, done
        else:
            left.append(cell)
    if not left:
        return
    passes = _passes(left, jobs)
    for together, results in (
        _run_on_ray(passes, folder, jobs, ray_address) if ray_address else _run_here(passes, folder, jobs)
    ):
        if isinstance(results, Exception):
            yield from ((cell, results) for cell in together)
        else:
            yield from zip(together, results, strict=True)


def _passes(cells: Sequence[Cell], jobs: int) -> list[list[Cell]]:
    """Cells that differ in their seed alone, together; the last rows first, since they tend to take longest."""
    passes: dict[str, list[Cell]] = {}
    for cell in cells:
        passes.setdefault(cell.all_seeds, []).append(cell)
    if len(passes) < jobs:  # better one seed a process than idle ones
        return [[cell] for cell in cells]
    return list(passes.values())[::-1]


Passed = tuple[list[Cell], list[CellResult | Exception] | Exception]


def _run_here(passes: Sequence[list[Cell]], folder: Path, jobs: int) -> Iterator[Passed]:
    pool = ProcessPoolExecutor(min(jobs, len(passes)), get_context("spawn"), initializer=_end_with_parent)
    try:
        futures = {pool.submit(run_pass, cells, folder): cells for cells in passes}
        for future in as_completed(futures):
            error = future.exception()
            if error is not None and not isinstance(error, Exception):
                raise error
            yield futures[future], error if error is not None else future.result()
    finally:
        for process in list((pool._processes or {}).values()):  # nobody waits minutes for a Ctrl-C
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)


def _end_with_parent() -> None:
    """Let a worker not train on when the program that wants the result was killed."""
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _run_on_ray(passes: Sequence[list[Cell]], folder: Path, jobs: int, address: str) -> Iterator[Passed]:
    import ray

    if address == "local":
        ray.init(num_cpus=jobs, include_dashboard=False, log_to_driver=False)
    else:
        ray.init(address=address, log_to_driver=False)
    try:
        task = ray.remote(num_cpus=1, max_retries=0)(run_pass)
        running = {task.remote(cells, folder.absolute()): cells for cells in passes}
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            cells = running.pop(done)
            try:
                yield cells, ray.get(done)
            except Exception as error:  # whatever the pass raised, wrapped by Ray
                yield cells, getattr(error, "cause", None) or error
    finally:
        ray.shutdown()


def make_cells(
    rows: Mapping[str, Recipe],
    seeds: int,
    dataset: Dataset,
    path: Path,
    test: Sequence[str],
    validation: Sequence[str],
    device: str,
    paper: str = "",
) -> list[Cell]:
    """The cells of an experiment: every row with as many seeds as it has, up to `seeds`."""
    skip = max(recipe.window for recipe in rows.values()) - 1  # so that all are judged on the same samples
    where = (path.absolute(), dataset.sha256, tuple(test), tuple(validation), device, paper, skip)
    seeded = {row: recipe.with_seeds(seeds) for row, recipe in rows.items()}
    return [
        Cell(row, recipes[seed], *where)
        for seed in range(seeds)
        for row, recipes in seeded.items()
        if seed < len(recipes)
    ]


def over_recordings(results: Sequence[CellResult]) -> list[CellResult]:
    """Results of cells that left out one recording each, joined to one of each row and seed, for `summarise`.

    Its "joints" are the recordings, each with its nmse averaged over the joints.
    """
    joined = []
    for row, seed in dict.fromkeys((r.row, r.seed) for r in results):
        of = {", ".join(r.test): r for r in results if (r.row, r.seed) == (row, seed)}
        nmse = {name: {test: r.nmse_mean[name] for test, r in of.items()} for name in ("model", *BASELINES)}
        joined.append(
            replace(
                next(iter(of.values())),
                test=list(of),
                nmse=nmse,
                rmse={},
                nmse_mean={name: float(np.mean(list(by.values()))) for name, by in nmse.items()},
                seconds=sum(r.seconds for r in of.values()),
            )
        )
    return joined


def summarise(results: Sequence[CellResult], rows: Sequence[str]) -> dict[str, RowSummary]:
    """Mean and standard deviation over seeds, by row; the rows `mean` and `ridge` first.

    Rows without a result are left out.
    """
    table: dict[str, RowSummary] = {}
    for baseline in BASELINES if results else ():
        nmse = {joint: Spread(x, 0.0) for joint, x in results[0].nmse[baseline].items()}
        table[baseline] = RowSummary(nmse, Spread(results[0].nmse_mean[baseline], 0.0), seeds=0)
    for row in rows:
        of = [r for r in results if r.row == row]
        if not of:
            continue
        table[row] = RowSummary(
            nmse={joint: _spread([r.nmse["model"][joint] for r in of]) for joint in of[0].nmse["model"]},
            nmse_mean=_spread([r.nmse_mean["model"] for r in of]),
            seeds=len(of),
            seconds=round(float(np.mean([r.seconds for r in of])), 1),
            parameters=of[0].parameters,
        )
    return table


def _spread(values: Sequence[float]) -> Spread:
    return Spread(float(np.mean(values)), float(np.std(values)))
