# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Compute the tables and figures of the paper on a dataset, and write them to a folder.

NAME is one of: ablation (tables 1 to 3), compare (tables 4 to 6), trajectories (figure 6), layers (figure 7),
activations (figure 8), attention (figures 9 to 11). Every row of a table is trained with several seeds. Finished rows
are kept, so that a run that was stopped goes on where it was, and a finished one is only read. Before those, tune tries
as many settings of every network, and writes to FOLDER/tuned.yaml what does best on the recordings of --validation;
give that file to the others by --tuned.

Not of the paper is physics: networks alone, identified physics, and networks that correct it. Each recording is left
out in turn, unless --test names some to judge on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml
from rich.progress import Progress

from vastares_ros.cli.console import console, messages, write_json
from vastares_ros.core.errors import ConfigError, VastaresError
from vastares_ros.core.samples import Episode
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.configs import read_yaml
from vastares_ros.io.datasets import Dataset, dataset_arm, load_dataset
from vastares_ros.models.methods import METHODS, network_config
from vastares_ros.report import pictures
from vastares_ros.report.render import markdown
from vastares_ros.report.tables import experiment_table
from vastares_ros.runtime.device import device_for
from vastares_ros.training.config import TrainConfig, read_config
from vastares_ros.training.experiment import (
    EXPERIMENTS,
    attention_weights,
    changed,
    chosen,
    default_test,
    physics,
)
from vastares_ros.training.experiment_cells import (
    Cell,
    CellResult,
    RowSummary,
    Training,
    make_cells,
    over_recordings,
    run_cells,
    summarise,
)
from vastares_ros.training.paper_tables import PRINTED
from vastares_ros.training.splits import leakage_warning, paper_rule, paper_split, recordings, split

Rows = dict[str, TrainConfig]


def run(args: argparse.Namespace) -> int:
    """Run or read the cells of an experiment, and write its table and pictures; 2 if a cell failed."""
    if args.seeds < 1 or args.jobs < 1:
        raise ConfigError(f"--seeds is {args.seeds} and --jobs {args.jobs}: use 1 or more")
    if args.ray:
        _need_ray()
    dataset = load_dataset(args.dataset)
    if args.name == "trajectories":
        file = args.output / "trajectories.png"
        pictures.trajectories(file, dataset.episodes)
        console.print(f"picture: {file}")
        return 0
    config = read_config(args.config, {} if args.epochs is None else {"epochs": args.epochs})
    if args.split and args.validation:
        raise ConfigError("--split uses every sample for training or testing: leave out --validation")
    if args.name == "physics":
        return _physics(args, dataset, config)
    test = () if args.split else tuple(args.test or default_test(dataset.episodes))
    if args.split:
        training, tested = paper_split(dataset, args.split)
    else:
        training, _, tested = split(dataset, test, args.validation)
    if not tested:
        raise ConfigError("one recording only, so none can be held out: record another, or take a --split of [1]")
    if args.name == "tune" and not args.validation:
        raise ConfigError("tune chooses on validation recordings: name some with --validation")
    rows = tuned(EXPERIMENTS[args.name], config, args.tuned)
    device = str(device_for(args.device))
    recipes = {row: Training(config) for row, config in rows.items()}
    cells = make_cells(recipes, args.seeds, dataset, args.dataset, test, args.validation, device, args.split)
    names, judged = (", ".join(recordings(part)) for part in (training, tested))
    console.print(f"{args.name}: {len(rows)} rows, {args.seeds} seeds; trained on {names}; judged on {judged}")
    if args.split:
        console.print(f"split {paper_rule(dataset, args.split)}")
        if warning := leakage_warning(recordings(training), recordings(tested)):
            messages.print(f"warning: {warning}")

    results = _run(args, cells)
    failed = len(cells) - len(results)
    table = summarise(results, list(rows))
    figures = {
        "experiment": args.name,
        "dataset": dataset.sha256,
        "robot": dataset.robot,
        "test": list(test),
        "split": args.split,
    }
    figures |= {"validation": args.validation, "seeds": args.seeds, "failed": failed, "table": _as_json(table)}
    write_json(args.output / f"{args.name}.json", figures)
    text = markdown(experiment_table(table, PRINTED.get(args.split)))
    (args.output / f"{args.name}.md").write_text(text, encoding="utf-8")
    console.print(text)
    for file in _draw(args.name, args.output, table, results, tested):
        console.print(f"picture: {file}")
    if args.name == "tune":
        _write_tuned(args.output / "tuned.yaml", rows, chosen(results, rows), args.validation)
    return 2 if failed else 0


def _run(args: argparse.Namespace, cells: Sequence[Cell]) -> list[CellResult]:
    """The results of all cells that come to an end; the others are reported."""
    results = []
    with Progress(console=messages, transient=True, disable=not messages.is_terminal) as bar:
        task = bar.add_task("cells", total=len(cells))
        for cell, result in run_cells(cells, args.output / "cells", args.jobs, args.ray):
            bar.advance(task)
            if isinstance(result, Exception):
                why = str(result) if isinstance(result, VastaresError) else repr(result)
                messages.print(f"failed: {cell.row}, seed {cell.recipe.seed}: {' '.join(why.split())}")
            else:
                results.append(replace(result, row=cell.row))
    if not results:
        raise VastaresError("no cell came to an end: see the reasons above")
    return results


def _physics(args: argparse.Namespace, dataset: Dataset, config: TrainConfig) -> int:
    """Each recording left out in turn, and a table over recordings; or those of --test, and a table over joints."""
    if args.split or args.tuned:
        raise ConfigError("physics goes by recording: leave out --split and --tuned, and give --test instead")
    if args.validation and not args.test:
        raise ConfigError("physics leaves out each recording in turn: give --test as well, or leave out --validation")
    there = recordings(dataset.episodes)
    if not args.test and len(there) < 3:
        raise ConfigError(
            f"one recording is left out and two others are needed, but {args.dataset} has {', '.join(there)}: "
            f"record more"
        )
    split(dataset, args.test or (), args.validation)  # fails now where a name is wrong,
    dataset_arm(dataset)  # or where the URDF or pinocchio is missing
    rows, device = physics(config), str(device_for(args.device))
    cells = [
        cell
        for test in ([args.test] if args.test else [[name] for name in there])
        for cell in make_cells(rows, args.seeds, dataset, args.dataset, test, args.validation, device)
    ]
    judged = f"judged on {', '.join(args.test)}" if args.test else f"each left out in turn: {', '.join(there)}"
    console.print(f"physics: {len(rows)} rows, {args.seeds} seeds; {judged}")
    results = _run(args, cells)
    failed = len(cells) - len(results)
    if not args.test:
        results = [r for r in over_recordings(results) if len(r.nmse["model"]) == len(there)]
    table = summarise(results, list(rows))
    figures: dict[str, Any] = {"experiment": "physics", "dataset": dataset.sha256, "robot": dataset.robot}
    figures |= {"recordings": args.test or there, "validation": args.validation}
    figures |= {"seeds": args.seeds, "failed": failed, "table": _as_json(table)}
    write_json(args.output / "physics.json", figures)
    text = markdown(experiment_table(table))
    (args.output / "physics.md").write_text(text, encoding="utf-8")
    console.print(text)
    file = args.output / "physics.png"
    pictures.bars(file, _means(table), "nmse, averaged over all", "")
    console.print(f"picture: {file}")
    return 2 if failed else 0


def _as_json(table: Mapping[str, RowSummary]) -> dict[str, Any]:
    return {row: asdict(summary) for row, summary in table.items()}


def _means(table: Mapping[str, RowSummary]) -> dict[str, Sequence[float]]:
    """Mean and deviation of what was trained, by row."""
    return {row: summary.nmse_mean for row, summary in table.items() if summary.seeds}


def tuned(make: Callable[[TrainConfig], Rows], base: TrainConfig, path: Path | None) -> Rows:
    """The rows of an experiment, changed by a file of `experiment tune`.

    The changes of the base's network are made before its rows are, so that those still differ as they should.

    Raises:
        ConfigError: the file cannot be read, or names an unknown method or field.
    """
    plain = make(base)
    if path is None:
        return plain
    changes = read_yaml(path, "write it with `vastares experiment tune`")
    for name, of in changes.items():
        if name not in METHODS or not isinstance(of, Mapping):
            raise ConfigError(
                f"{path}: {name!r} must be a method with a mapping of fields; methods: {', '.join(METHODS)}"
            )

    def with_changes(config: TrainConfig) -> TrainConfig:
        try:
            return changed(config, changes.get(config.model, {}))
        except ConfigError as error:
            raise ConfigError(f"{path}: {config.model}: {error}") from error

    own = make(with_changes(base))
    return {
        row: own[row] if type(config.network) is type(base.network) else with_changes(config)
        for row, config in plain.items()
    }


def _write_tuned(
    file: Path, rows: Mapping[str, TrainConfig], best: Mapping[str, str], validation: Sequence[str]
) -> None:
    settings: dict[str, dict[str, Any]] = {}
    for name, row in best.items():
        config = rows[row]
        plain = asdict(network_config(name, {}))
        network = {
            k: v for k, v in asdict(config.network).items() if v != plain[k]
        }  # what other rows may vary is not set
        settings[name] = {
            "learning_rate": config.learning_rate,
            "weight_decay": config.weight_decay,
            "network": network,
        }
        console.print(f"best of {METHODS[name].label}: {row}")
    header = f"# By `vastares experiment tune`, chosen on {', '.join(validation)}.\n"
    file.write_text(header + yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    file.with_suffix(".md").write_text("".join(f"{row}\n" for row in best.values()), encoding="utf-8")
    console.print(f"settings: {file}")


def _draw(
    name: str, folder: Path, table: Mapping[str, RowSummary], results: Sequence[CellResult], tested: Sequence[Episode]
) -> list[Path]:
    if name == "tune":
        return []
    if name != "attention":
        file = folder / f"{name}.png"
        rows = _means(table)
        what = {"layers": "hidden layers", "activations": "spatial + temporal activation"}.get(name, "")
        pictures.bars(file, rows, "nmse, averaged over joints", what)
        return [file]
    first = min(results, key=lambda r: r.seed)
    bundle = load_bundle(Path(first.bundle))
    weights = attention_weights(bundle, tested)
    inputs = [f"{what} {joint}" for what in ("q", "qd", "qdd") for joint in bundle.joints]
    files = {kind: folder / f"attention_{kind}.png" for kind in weights}
    for kind, values in weights.items():
        titles = dict(zip(bundle.joints, values, strict=True))
        if kind == "velocity":
            pictures.profiles(files[kind], titles, "hidden unit", "VA weight")
        elif kind == "temporal":
            pictures.heat_maps(files[kind], titles, "hidden unit", "time step, newest on top")
        else:
            labels = inputs[: values.shape[-1]]
            pictures.heat_maps(files[kind], titles, "input", "time step, newest on top", labels)
    return list(files.values())


def _need_ray() -> None:
    try:
        import ray  # noqa: F401
    except ImportError as error:
        raise VastaresError("--ray needs Ray: pip install ray") from error
