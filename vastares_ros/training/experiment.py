"""The experiments of [1], sections 4.1 to 4.3, on any dataset.

An experiment is a table of rows, each a training configuration; a row and a seed make a cell. Cells depend on nothing
else, so they run side by side and are cached by the hash of all they depend on: a run that was stopped goes on, and one
that is finished is read.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

import vastares_ros
from vastares_ros.core.samples import Array, Episode
from vastares_ros.core.signals import SignalChain, windows
from vastares_ros.io.bundles import save_bundle
from vastares_ros.io.datasets import Dataset, load_dataset
from vastares_ros.io.folders import written_folder
from vastares_ros.models.methods import METHODS
from vastares_ros.runtime.bundle import Bundle

from .evaluate import PREDICTORS
from .fit import fit
from .train import TrainConfig, device_for

HELD_OUT = 0.2  # of the samples, at least, in the recordings that are held out where none are named
RESULT = "result.json"


@dataclass(frozen=True)
class Cell:
    """One training run.

    Attributes:
        row: label of its row.
        config: everything about the training, its seed included.
        dataset: folder of the dataset.
        dataset_sha256: its hash.
        test: recordings to judge on.
        validation: recordings that choose the best epoch.
        device: where to train.
        paper: a split of [1] instead of test and validation recordings, see `fit.paper_split`.
    """

    row: str
    config: TrainConfig
    dataset: Path
    dataset_sha256: str
    test: tuple[str, ...]
    validation: tuple[str, ...]
    device: str = "cpu"
    paper: str = ""

    @property
    def key(self) -> str:
        """Hash of all that the result depends on: data, split, configuration and code."""
        split = [self.test, self.validation, self.paper]
        of = [self.dataset_sha256, split, asdict(self.config), self.device, _code()]
        return hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:24]


@cache
def _code() -> str:
    """Hash of the rooms that a result comes from."""
    package = Path(vastares_ros.__file__).parent
    files = sorted(path for room in ("core", "models", "training") for path in (package / room).glob("*.py"))
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


def compare(base: TrainConfig) -> dict[str, TrainConfig]:
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


EXPERIMENTS: dict[str, Callable[[TrainConfig], dict[str, TrainConfig]]] = {
    "ablation": ablation,
    "compare": compare,
    "layers": layers,
    "activations": activations,
    "attention": attention,
}


def _methods(base: TrainConfig, *names: str) -> dict[str, TrainConfig]:
    """Rows of methods; all train alike, each with its own network: the base's for the family of the base's network."""
    rows = {}
    fields = asdict(base.network)
    for name in names:
        method = METHODS[name]
        own = {**fields, **method.fixed} if method.config is type(base.network) else {}
        rows[method.label] = replace(base, model=name, network=own)
    return rows


def read_cell(cell: Cell, folder: Path) -> dict[str, Any] | None:
    """The result of a cell that was run before, as `run_cell` gives it."""
    file = folder / cell.key / RESULT
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def run_cell(cell: Cell, folder: Path) -> dict[str, Any]:
    """Train one cell and write its figures and its bundle to `folder/<key>`; what is there already is read.

    Returns:
        `row`, `seed`, `nmse` and `rmse` (predictor -> joint -> number), `nmse_mean`, `seconds`, `parameters`, `bundle`.
    """
    if done := read_cell(cell, folder):
        return done
    place = folder / cell.key
    torch.set_num_threads(1)
    began = time.perf_counter()
    dataset, device = load_dataset(cell.dataset), device_for(cell.device)
    bundle = fit(dataset, cell.config, device, cell.test, cell.validation, paper=cell.paper)
    result = {
        "row": cell.row,
        "seed": cell.config.seed,
        **{name: bundle.metrics[name] for name in ("nmse", "rmse", "nmse_mean")},
        "unit": bundle.effort.unit,
        "leakage": bundle.metrics.get("leakage", []),
        "seconds": round(time.perf_counter() - began, 1),
        "parameters": sum(p.numel() for p in bundle.model.network.state_dict().values()),
        "bundle": str(place / "bundle"),
    }
    with written_folder(place, RESULT, force=True) as scratch:
        save_bundle(scratch / "bundle", bundle)
        (scratch / RESULT).write_text(json.dumps(result), encoding="utf-8")
    return result


def run_cells(
    cells: Sequence[Cell], folder: Path, jobs: int, ray_address: str | None = None
) -> Iterator[tuple[Cell, dict[str, Any] | Exception]]:
    """Run cells side by side, in processes of this machine or as tasks of a Ray cluster; as each ends, its result.

    A cell that fails gives its exception and does not stop the others.

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
    if left:
        yield from _run_on_ray(left, folder, jobs, ray_address) if ray_address else _run_here(left, folder, jobs)


def _run_here(cells: Sequence[Cell], folder: Path, jobs: int) -> Iterator[tuple[Cell, dict[str, Any] | Exception]]:
    pool = ProcessPoolExecutor(min(jobs, len(cells)), mp_context=get_context("spawn"))
    try:
        futures = {pool.submit(run_cell, cell, folder): cell for cell in cells}
        for future in as_completed(futures):
            error = future.exception()
            if error is not None and not isinstance(error, Exception):
                raise error
            yield futures[future], error if error is not None else future.result()
    finally:
        for process in list((pool._processes or {}).values()):  # nobody waits minutes for a Ctrl-C
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)


def _run_on_ray(
    cells: Sequence[Cell], folder: Path, jobs: int, address: str
) -> Iterator[tuple[Cell, dict[str, Any] | Exception]]:
    import ray

    if address == "local":
        ray.init(num_cpus=jobs, include_dashboard=False, log_to_driver=False)
    else:
        ray.init(address=address, log_to_driver=False)
    try:
        task = ray.remote(num_cpus=1, max_retries=0)(run_cell)
        running = {task.remote(cell, folder.absolute()): cell for cell in cells}
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            cell = running.pop(done)
            try:
                yield cell, ray.get(done)
            except Exception as error:  # whatever the cell raised, wrapped by Ray
                yield cell, getattr(error, "cause", None) or error
    finally:
        ray.shutdown()


def make_cells(
    rows: Mapping[str, TrainConfig],
    seeds: int,
    dataset: Dataset,
    path: Path,
    test: Sequence[str],
    validation: Sequence[str],
    device: str,
    paper: str = "",
) -> list[Cell]:
    """The cells of an experiment: every row with seeds 0, 1, …"""
    where = (path.absolute(), dataset.sha256, tuple(test), tuple(validation), device, paper)
    return [Cell(row, replace(c, seed=seed), *where) for seed in range(seeds) for row, c in rows.items()]


def attention_weights(bundle: Bundle, episodes: Sequence[Episode], most: int = 2000) -> dict[str, Array]:
    """Attention weights of a bundle's network, averaged over at most `most` windows spread over the episodes.

    Returns:
        `spatial` (J, T, C), `temporal` (J, T, h) and `velocity` (J, h), as far as the network has them.
    """
    model, length = bundle.model, bundle.model.config.window
    parts = []
    for episode in episodes:
        if len(episode) >= length:
            chain = SignalChain(bundle.rate, bundle.filter, model.config.acceleration)
            parts.append(windows(chain.run(episode.q, episode.qd, episode.tau)[0], length))
    every = max(1, sum(len(p) for p in parts) // most)
    seen = np.concatenate([p[::every] for p in parts])
    network: Any = model.network
    with torch.inference_mode():
        weights = network.attention(model.features(torch.as_tensor(seen, dtype=torch.float32)))
    batch_axis = {"spatial": 2, "temporal": 2, "velocity": 1}
    return {name: w.mean(dim=batch_axis[name]).double().numpy() for name, w in weights.items()}


def summarise(results: Sequence[Mapping[str, Any]], rows: Sequence[str]) -> dict[str, Any]:
    """Mean and standard deviation over seeds.

    Returns:
        row -> `nmse` (joint -> [mean, deviation]), `nmse_mean` [mean, deviation], `seeds`, `seconds`, `parameters`; the
        rows `mean` and `ridge` first. Rows without a result are left out.
    """
    table: dict[str, Any] = {}
    for baseline in PREDICTORS[1:]:
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
