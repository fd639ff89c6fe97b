# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Train a method, by default one VA-STA-ResLSTM per joint, on a dataset and write a bundle for the estimator node.

Recordings named by --test are kept out of everything and judged at the end; those named by --validation choose the best
epoch. Without either, all recordings are trained on and the figures say nothing about unseen motion. --split takes a
split of [1] instead, which goes by samples in order and may cut through a recording; the output says where.

The bound of free motion, above which external torque is reported as contact, comes from the --validation recordings at
no cost. Without them it is cross-validated: up to three more networks are trained, each without a part of the training
recordings, which takes up to three times as long in all. A single recording is cut into three blocks for that.

With --rigid-body-model identified the arm is identified as by `vastares identify`, and the network learns what that
leaves. A gate scales each joint's network down, to nothing where it does not help on recordings that it was not trained
on: each training recording is left out in turn to find that out, which takes as many trainings more. They also give the
bound.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from vastares_ros.cli.console import (
    console,
    messages,
    warn_of_bound,
    warn_of_contact,
    warn_of_joints,
    write_json,
)
from vastares_ros.core.errors import ConfigError, OutputError
from vastares_ros.io.bundles import INDEX, save_bundle
from vastares_ros.io.datasets import dataset_arm, load_dataset
from vastares_ros.io.folders import check_file, check_output
from vastares_ros.report.render import terminal
from vastares_ros.report.tables import scores_table
from vastares_ros.runtime.device import device_for
from vastares_ros.training.config import TrainConfig, read_config
from vastares_ros.training.evaluate import Scores
from vastares_ros.training.fit import fit
from vastares_ros.training.loop import Progress as Epoch
from vastares_ros.training.processes import is_first, joined_processes
from vastares_ros.training.splits import leakage_warning

MIN_GATE = 0.05  # of a joint whose network adds anything


def run(args: argparse.Namespace) -> int:
    """Train a bundle on a dataset as `args` say, write it, and print its figures; the exit status is 0."""
    check_output(args.output, INDEX, args.force)
    if args.json:
        check_file(args.json, args.force)
    if args.split and args.validation:
        raise ConfigError("--split has no samples for validation, as in [1]: leave out --validation")
    given = {name: getattr(args, name) for name in ("model", "epochs", "seed") if getattr(args, name) is not None}
    config = read_config(args.config, given)
    if args.rigid_body_model:
        config = replace(config, rigid_body_model=replace(config.rigid_body_model, kind=args.rigid_body_model))
    for option in ("urdf", "robot"):
        if getattr(args, option) and config.rigid_body_model.kind == "none":
            raise ConfigError(f"--{option} is for a rigid-body model: give --rigid-body-model identified as well")
    device = device_for(args.device)
    torch.set_num_threads(1)  # threads gain nothing on layers this small, and wait for one another on a busy machine
    dataset = load_dataset(args.dataset)
    arm = None if config.rigid_body_model.kind == "none" else dataset_arm(dataset, args.urdf, args.robot)
    checkpoint = args.output.with_name(args.output.name + ".checkpoint")
    if checkpoint.exists() and not args.resume:
        if not args.force:
            raise OutputError(f"{checkpoint} is of a stopped run: go on with it by --resume, or drop it by --force")
        checkpoint.unlink(missing_ok=True)
    elif args.resume and not checkpoint.exists():
        messages.print(f"nothing to resume: there is no {checkpoint}, so training starts at the first epoch")
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    with joined_processes(device) as own, _reporter(config, args.json_progress) as report, _stoppable(checkpoint):
        bundle = fit(dataset, config, own, args.test, args.validation, report, checkpoint, args.split, arm)
        if not is_first():
            return 0
    save_bundle(args.output, bundle, args.force)
    checkpoint.unlink(missing_ok=True)
    split = bundle.training["split"]
    judged = ", ".join(split[bundle.metrics["of"]])
    unseen = (
        "" if bundle.metrics["of"] == "test" else ", which the model has seen" * (bundle.metrics["of"] == "training")
    )
    title = f"{args.output}: trained on {', '.join(split['training'])}; figures on {judged}{unseen}"
    if args.split:
        title += f"; split {bundle.training['split_rule']}"
    scores = Scores.of(bundle.metrics)
    console.print(terminal(scores_table(scores, bundle.effort.unit, title)))
    console.print(f"bound of free motion: {bundle.residual_source}")
    if gates := bundle.training.get("gates"):
        for line in gate_lines(gates):
            console.print(line)
    warn_of_contact(bundle.training.get("contact", {}))
    warn_of_joints(scores, bundle.constant_joints, split[bundle.metrics["of"]])
    warn_of_bound(bundle.residual_source)
    if args.split and (warning := leakage_warning(split["training"], split["test"])):
        messages.print(f"warning: {warning}")
    if args.json:
        write_json(args.json, dict(bundle.metrics) | {"unit": bundle.effort.unit, "split": split})
    return 0


def gate_lines(gates: Mapping[str, float]) -> list[str]:
    """The share of the network's part that each joint of a hybrid adds, in words."""
    shares = ", ".join(f"{joint} {gate:.2f}" for joint, gate in gates.items())
    lines = [f"gates, the share of the network's part: {shares}"]
    if max(gates.values()) < MIN_GATE:
        lines.append(
            "The network adds nothing on recordings that it was not trained on: use the rigid-body model alone, by "
            "`vastares identify`."
        )
    return lines


@contextmanager
def _stoppable(checkpoint: Path) -> Iterator[None]:
    """Say after Ctrl-C how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        if checkpoint.exists():
            messages.print(f"stopped; what was learned is in {checkpoint}: the same command with --resume goes on")
        raise


@contextmanager
def _reporter(config: TrainConfig, as_json: bool) -> Iterator[Callable[[Epoch], None]]:
    if not is_first():
        yield lambda epoch: None
        return
    if as_json:
        yield lambda epoch: print(json.dumps(asdict(epoch)), flush=True)
        return
    columns = (
        TextColumn("training"),
        BarColumn(),
        TextColumn("epoch {task.completed}/{task.total} {task.fields[now]}"),
    )
    bar = Progress(*columns, TimeRemainingColumn(), console=messages, disable=not messages.is_terminal)
    task = bar.add_task("training", total=config.epochs, now="")
    with ExitStack() as shown:
        shown.enter_context(messages.status("training: first epoch"))  # nothing is left of it after an error

        def show(epoch: Epoch) -> None:
            validation = "" if epoch.validation is None else f" validation {epoch.validation:.4f}"
            now = (
                f"loss {epoch.loss:.4f}{validation} rate {epoch.learning_rate:.1e} {epoch.windows_per_s:,.0f} windows/s"
            )
            if epoch.epoch and not bar.live.is_started:
                shown.close()
                shown.enter_context(bar)
            bar.update(task, total=epoch.epochs, completed=epoch.epoch, now=now)
            if bar.disable:  # a log file: lines instead of a bar
                messages.print(f"epoch {epoch.epoch}/{epoch.epochs} {now}")

        yield show
