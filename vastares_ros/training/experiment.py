# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The experiments of [1], sections 4.1 to 4.3, on any dataset, and physics beside them.

An experiment is a table of rows, each a training configuration; a row and a seed make a cell, and where each recording
is left out in turn a recording, too. Cells are cached by the hash of all they depend on: a run that was stopped goes
on, and one that is finished is read. The cells of a row are trained in one batched pass; passes run side by side.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
import torch

import vastares_ros
from vastares_ros.core.config import from_mapping
from vastares_ros.core.errors import ConfigError
from vastares_ros.core.samples import Array, Episode
from vastares_ros.core.signals import windows
from vastares_ros.io.bundles import save_bundle
from vastares_ros.io.datasets import Dataset, dataset_arm, load_dataset
from vastares_ros.io.folders import written_folder
from vastares_ros.models.methods import METHODS
from vastares_ros.runtime.bundle import Bundle
from vastares_ros.runtime.device import device_for

from .config import RigidBodyModelConfig, TrainConfig
from .evaluate import BASELINES
from .fit import fit_seeds
from .identify import IdentifyConfig, identify_bundle
from .paper import TABLE_NAMES

HELD_OUT = 0.2  # of the samples, at least, in the recordings that are held out where none are named
RESULT = "result.json"
TUNED = ("lstm", "gru", "rnn", "mlp", "transformer", "va_sta_reslstm")


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        row: label of its row.
        config: everything about the training, its seed included; of an identification, which has none, that.
        dataset: folder of the dataset.
        dataset_sha256: its hash.
        test: recordings to judge on.
        validation: recordings that choose the best epoch.
        device: where to train.
        paper: a split of [1] instead of test and validation recordings, see `fit.paper_split`.
        skip: first samples of every episode that are not judged, see `fit.fit_seeds`.
    """

    row: str
    config: TrainConfig | IdentifyConfig
    dataset: Path
    dataset_sha256: str
    test: tuple[str, ...]
    validation: tuple[str, ...]
    device: str = "cpu"
    paper: str = ""
    skip: int = 0

    @property
    def seed(self) -> int:
        """That of the training."""
        return self.config.seed if isinstance(self.config, TrainConfig) else 0

    @property
    def all_seeds(self) -> str:
        """What cells have in common that one pass trains."""
        alike = replace(self.config, seed=0) if isinstance(self.config, TrainConfig) else self.config
        return replace(self, config=alike).key

    @property
    def key(self) -> str:
        """Hash of all that the result depends on: data, split, configuration and code."""
        split = [self.test, self.validation, self.paper, self.skip]
        of = [self.dataset_sha256, split, asdict(self.config), self.device, _code()]
        return hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:24]


@cache
def _code() -> str:
    """Hash of the rooms that a result comes from."""
    package = Path(vastares_ros.__file__).parent
    files = sorted(path for room in ("core", "physics", "models", "training") for path in (package / room).glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def default_test(episodes: Sequence[Episode]) -> tuple[str, ...]:
    """The last recordings that together hold `HELD_OUT` of the samples; never all of them."""
    recordings = list(dict.fromkeys(e.recording for e in episodes))
    wanted = HELD_OUT * sum(len(e) for e in episodes)
    held_out: list[str] = []
    for name in reversed(recordings[1:]):
        if wanted <= 0:
            break
        held_out.append(name)
        wanted -= sum(len(e) for e in episodes if e.recording == name)
    return tuple(reversed(held_out))


def ablation(base: TrainConfig) -> dict[str, TrainConfig]:
    """Tables 1 to 3: what each part of the network brings."""
    return _methods(base, "reslstm_sa_ta_hn", "reslstm_sa_ta_wa", "lstm_sa", "lstm_sa_va_ta", "va_sta_reslstm")


def compare_methods(base: TrainConfig) -> dict[str, TrainConfig]:
    """Tables 4 to 6: the network beside the methods of others."""
    ablations = {name for name, method in METHODS.items() if method.fixed and method.config is type(base.network)}
    others = [name for name in METHODS if name not in ablations and name != "va_sta_reslstm"]
    return _methods(base, *others, "va_sta_reslstm")


def layers(base: TrainConfig) -> dict[str, TrainConfig]:
    """Figure 7: hidden layers of the attention MLPs."""
    return {str(n): replace(base, network=replace(base.network, hidden_layers=n)) for n in range(1, 7)}


def activations(base: TrainConfig) -> dict[str, TrainConfig]:
    """Figure 8: activations of spatial and temporal attention, in the letters of [1]."""
    letters = {"S": "sigmoid", "T": "tanh", "R": "relu", "E": "elu", "SR": "selu"}
    pairs = [(a, b) for a in ("S", "T") for b in ("R", "E", "SR")]
    pairs += [(b, a) for a, b in pairs]
    return {
        f"{a}+{b}": replace(
            base, network=replace(base.network, spatial_activation=letters[a], temporal_activation=letters[b])
        )
        for a, b in pairs
    }


def attention(base: TrainConfig) -> dict[str, TrainConfig]:
    """Figures 9 to 11: one network, whose weights are drawn."""
    return _methods(base, "va_sta_reslstm")


RATES = (0.01, 0.003)
VARIANTS: dict[str, dict[str, Any]] = {  # as many for every method
    "": {},
    "weight decay 0.5": {"weight_decay": 0.5},
    "half the width": {"network": {"hidden": 16}},
    "half the window": {"network": {"window": 16}},
}
OWN_VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "transformer": VARIANTS | {"half the width": {"network": {"width": 16, "feedforward": 32}}},
    "mlp": {
        "": {},
        "weight decay 0.5": {"weight_decay": 0.5},
        "half the width": {"network": {"hidden": 32}},
        "twice the width": {"network": {"hidden": 128}},
    },
}


def tune(base: TrainConfig) -> dict[str, TrainConfig]:
    """Settings of the network and of the networks it is compared with: as many for each."""
    rows = {}
    for name in TUNED:
        method = METHODS[name]
        plain = replace(base, model=name, network=base.network if method.config is type(base.network) else method.fixed)
        for rate in RATES:
            for label, changes in OWN_VARIANTS.get(name, VARIANTS).items():
                row = ", ".join(part for part in (method.label, f"rate {rate}", label) if part)
                rows[row] = changed(plain, {"learning_rate": rate, **changes})
    return rows


def changed(config: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    """A configuration with some fields changed; `network` names fields of the network's.

    Raises:
        ConfigError: a field is unknown, or a value is wrong.
    """
    network = {**asdict(config.network), **changes.get("network", {})}
    fields = {**asdict(config), "network": network, **{k: v for k, v in changes.items() if k != "network"}}
    return from_mapping(TrainConfig, fields)


def chosen(results: Sequence[Mapping[str, Any]], rows: Mapping[str, TrainConfig]) -> dict[str, str]:
    """For every method the row of `tune` with the smallest nmse on the validation recordings, averaged over seeds."""
    best: dict[str, tuple[float, str]] = {}
    for row, config in rows.items():
        of = [r["validation_nmse_mean"] for r in results if r["row"] == row]
        if of:
            best[config.model] = min(best.get(config.model, (np.inf, "")), (float(np.mean(of)), row))
    return {name: row for name, (_, row) in best.items()}


def physics(base: TrainConfig) -> dict[str, TrainConfig | IdentifyConfig]:
    """Identification, with and without adaptive friction, networks on top of it, and networks alone."""
    alone = _methods(replace(base, rigid_body_model=RigidBodyModelConfig()), "gru", "mlp", "va_sta_reslstm")
    over = replace(base, rigid_body_model=replace(base.rigid_body_model, kind="identified"))
    seconds = over.rigid_body_model.friction_time_constant

    def identified(friction_model: str, time_constant: float = 0.0) -> IdentifyConfig:
        return IdentifyConfig(
            friction_model=friction_model,
            filter=base.filter,
            live=base.filter,
            friction_time_constant=time_constant,
        )

    return {
        **alone,
        "basic friction model": identified("basic"),
        "extended friction model": identified("extended"),
        f"extended, adaptive within {seconds:g} s": identified("extended", seconds),
        **{f"hybrid with {row}": config for row, config in _methods(over, "va_sta_reslstm").items()},
    }


ExperimentRows = Mapping[str, TrainConfig | IdentifyConfig]
EXPERIMENTS: dict[str, Callable[[TrainConfig], dict[str, TrainConfig]]] = dict(
    zip(TABLE_NAMES, (ablation, compare_methods, layers, activations, attention, tune), strict=True)
)


def _methods(base: TrainConfig, *names: str) -> dict[str, TrainConfig]:
    """Rows of methods; all train alike, each with its own network: the base's for the family of the base's network."""
    rows = {}
    fields = asdict(base.network)
    for name in names:
        method = METHODS[name]
        own = {**fields, **method.fixed} if method.config is type(base.network) else {}
        rows[method.label] = replace(base, model=name, network=own)
    return rows


def read_cell(cell: Run, folder: Path) -> dict[str, Any] | None:
    """The result of a cell that was run before, as `run_cell` gives it."""
    file = folder / cell.key / RESULT
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def run_pass(cells: Sequence[Run], folder: Path) -> list[dict[str, Any] | Exception]:
    """Train cells that differ in their seed alone, and write figures and bundle of each to `folder/<key>`.

    Returns:
        For each cell `row`, `seed`, `test`, `nmse` and `rmse` (predictor -> joint -> number), `nmse_mean`, that on
        validation recordings `validation_nmse_mean`, `seconds` (its share), `parameters` and `bundle`; or why it has
        none.
    """
    first = cells[0]
    torch.set_num_threads(1)
    began = time.perf_counter()
    dataset, device = load_dataset(first.dataset), device_for(first.device)
    bundles: Sequence[Bundle | Exception]
    if isinstance(first.config, IdentifyConfig):
        held_out = (first.test, first.validation, first.skip)
        arm = dataset_arm(dataset)
        bundles = [identify_bundle(dataset, arm, first.config, *held_out, cross_validate=False)[0]]
    else:
        seeds = [cell.seed for cell in cells]
        bundles = fit_seeds(
            dataset,
            first.config,
            seeds,
            device,
            first.test,
            first.validation,
            first.skip,
            paper=first.paper,
            cross_validate=False,
        )
    seconds = round((time.perf_counter() - began) / len(cells), 1)
    results: list[dict[str, Any] | Exception] = []
    for cell, bundle in zip(cells, bundles, strict=True):
        if isinstance(bundle, Exception):
            results.append(bundle)
            continue
        place = folder / cell.key
        result = {
            "row": cell.row,
            "seed": cell.seed,
            "test": list(cell.test),
            **{name: bundle.metrics[name] for name in ("nmse", "rmse", "nmse_mean")},
            "validation_nmse_mean": bundle.metrics.get("validation_nmse_mean"),
            "unit": bundle.effort.unit,
            "leakage": bundle.metrics.get("leakage", []),
            "seconds": seconds,
            "parameters": sum(p.numel() for p in bundle.model.state_dict().values()),
            "bundle": str(place / "bundle"),
        }
        with written_folder(place, RESULT, force=True) as scratch:
            save_bundle(scratch / "bundle", bundle)
            (scratch / RESULT).write_text(json.dumps(result), encoding="utf-8")
        results.append(result)
    return results


def run_cells(
    cells: Sequence[Run], folder: Path, jobs: int, ray_address: str | None = None
) -> Iterator[tuple[Run, dict[str, Any] | Exception]]:
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


def _passes(cells: Sequence[Run], jobs: int) -> list[list[Run]]:
    """Cells that differ in their seed alone, together; the last rows first, since they tend to take longest."""
    passes: dict[str, list[Run]] = {}
    for cell in cells:
        passes.setdefault(cell.all_seeds, []).append(cell)
    if len(passes) < jobs:  # better one seed a process than idle ones
        return [[cell] for cell in cells]
    return list(passes.values())[::-1]


Passed = tuple[list[Run], list[dict[str, Any] | Exception] | Exception]


def _run_here(passes: Sequence[list[Run]], folder: Path, jobs: int) -> Iterator[Passed]:
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


def _run_on_ray(passes: Sequence[list[Run]], folder: Path, jobs: int, address: str) -> Iterator[Passed]:
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
    rows: ExperimentRows,
    seeds: int,
    dataset: Dataset,
    path: Path,
    test: Sequence[str],
    validation: Sequence[str],
    device: str,
    paper: str = "",
) -> list[Run]:
    """The cells of an experiment: every row with seeds 0, 1, …"""
    skip = max(config.network.window for config in rows.values()) - 1  # so that all are judged on the same samples
    where = (path.absolute(), dataset.sha256, tuple(test), tuple(validation), device, paper, skip)
    return [
        Run(row, replace(config, seed=seed) if isinstance(config, TrainConfig) else config, *where)
        for seed in range(seeds)
        for row, config in rows.items()
        if seed == 0 or isinstance(config, TrainConfig)  # an identification has no seed
    ]


def attention_weights(bundle: Bundle, episodes: Sequence[Episode], most: int = 2000) -> dict[str, Array]:
    """Attention weights of a bundle's network, averaged over at most `most` windows spread over the episodes.

    Returns:
        `spatial` (J, T, C), `temporal` (J, T, h) and `velocity` (J, h), as far as the network has them.
    """
    model, length = bundle.model, bundle.model.config.window
    chain = model.chain(bundle.rate, bundle.filter)
    parts = [windows(chain.run_afresh(e)[0], length) for e in episodes if len(e) >= length]
    every = max(1, sum(len(p) for p in parts) // most)
    seen = np.concatenate([p[::every] for p in parts])
    weights = model.attention(seen)
    if not weights:
        raise ConfigError(f"method {bundle.method} has no attention: choose va_sta_reslstm or one of its ablations")
    batch_axis = {"spatial": 2, "temporal": 2, "velocity": 1}
    return {name: w.mean(dim=batch_axis[name]).double().numpy() for name, w in weights.items()}


def over_recordings(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Results of cells that left out one recording each, joined to one of each row and seed, for `summarise`.

    Its "joints" are the recordings, each with its nmse averaged over the joints.
    """
    joined = []
    for row, seed in dict.fromkeys((r["row"], r["seed"]) for r in results):
        of = {", ".join(r["test"]): r for r in results if (r["row"], r["seed"]) == (row, seed)}
        first = next(iter(of.values()))
        nmse = {name: {test: r["nmse_mean"][name] for test, r in of.items()} for name in ("model", *BASELINES)}
        joined.append(
            {
                **{key: first[key] for key in ("row", "seed", "parameters")},
                "nmse": nmse,
                "nmse_mean": {name: float(np.mean(list(by.values()))) for name, by in nmse.items()},
                "seconds": sum(r["seconds"] for r in of.values()),
            }
        )
    return joined


def summarise(results: Sequence[Mapping[str, Any]], rows: Sequence[str]) -> dict[str, Any]:
    """Mean and standard deviation over seeds.

    Returns:
        row -> `nmse` (joint -> [mean, deviation]), `nmse_mean` [mean, deviation], `seeds`, `seconds`, `parameters`; the
        rows `mean` and `ridge` first. Rows without a result are left out.
    """
    table: dict[str, Any] = {}
    for baseline in BASELINES:
        if results:
            table[baseline] = {
                "nmse": {joint: [x, 0.0] for joint, x in results[0]["nmse"][baseline].items()},
                "nmse_mean": [results[0]["nmse_mean"][baseline], 0.0],
                "seeds": 0,
            }
    for row in rows:
        of = [r for r in results if r["row"] == row]
        if not of:
            continue
        joints = of[0]["nmse"]["model"]
        table[row] = {
            "nmse": {joint: _spread([r["nmse"]["model"][joint] for r in of]) for joint in joints},
            "nmse_mean": _spread([r["nmse_mean"]["model"] for r in of]),
            "seeds": len(of),
            "seconds": round(float(np.mean([r["seconds"] for r in of])), 1),
            "parameters": of[0]["parameters"],
        }
    return table


def _spread(values: Sequence[float]) -> list[float]:
    return [float(np.mean(values)), float(np.std(values))]


def markdown(table: Mapping[str, Any], printed: Mapping[str, Sequence[float | None]] | None = None) -> str:
    """The table in the layout of [1]: per joint and mean, mean ± standard deviation over seeds, best in bold.

    Of the results of `over_recordings`: per recording and mean.

    Args:
        table: as `summarise` gives it.
        printed: row -> what [1] prints for the same data, per joint and mean; goes beside the figures.
    """
    joints = list(next(iter(table.values()))["nmse"])
    columns = {joint: {row: t["nmse"][joint] for row, t in table.items()} for joint in joints}
    columns["mean over joints"] = {row: t["nmse_mean"] for row, t in table.items()}
    lines = ["| " + " | ".join(["", *columns]) + " |", "|---" * (len(columns) + 1) + "|"]
    for row, t in table.items():
        cells: list[str] = []
        for column in columns.values():
            mean, deviation = column[row]
            text = f"{mean:.4f}" + (f" ± {deviation:.4f}" if t["seeds"] > 1 else "")
            text = f"**{text}**" if mean == min(m for m, _ in column.values()) else text
            if printed and row in printed:
                theirs = printed[row][len(cells)]
                text += " ([1]: –)" if theirs is None else f" ([1]: {theirs:.4f})"
            cells.append(text)
        lines.append("| " + " | ".join([row, *cells]) + " |")
    return "\n".join(lines) + "\n"
