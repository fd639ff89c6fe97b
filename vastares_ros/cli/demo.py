# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From nothing to live torques: simulate an arm, train on its free motion, run the node while its tool is pushed.

Every step is a command of this program, shown as you would type it. FOLDER gets the bags, the dataset, the bundle, the
figures (summary.json) and a report with pictures (report.html).
"""

from __future__ import annotations

import argparse
import importlib
import json
import shlex
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import yaml

from vastares_ros.cli.console import console, write_json
from vastares_ros.cli.main import main
from vastares_ros.core.joints import columns
from vastares_ros.core.samples import Array
from vastares_ros.io.bags import read_joint_states
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.folders import check_output
from vastares_ros.io.injections import TRUTH_TOPIC
from vastares_ros.report.html import demo_report
from vastares_ros.report.render import terminal
from vastares_ros.report.tables import DemoFigures, demo_table
from vastares_ros.training.evaluate import Prediction, Scores

CONFIG = "demo.yaml"  # of the training; marks the folder as ours
BAGS = 10  # of free motion, each another one: eight to train on, one to choose the epoch, one to judge


def run(args: argparse.Namespace) -> int:
    """Run every step of the demo in the folder that `args` name, and write the report."""
    began = time.perf_counter()
    folder: Path = args.output
    check_output(folder, CONFIG, args.force)
    for module in ("rclpy", "pinocchio", "matplotlib"):  # fails now where one is missing, not minutes later
        importlib.import_module(module)
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    config = {"network": {"window": 16}, "epochs": 1 if args.quick else 12, "plateau_patience": 0}
    (folder / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")

    steps = commands(folder, args.seed, args.quick)
    for number, (what, command) in enumerate(steps.items(), start=1):
        console.print(f"\n{number}/{len(steps) + 1} {what}", style="bold")
        console.print(f"$ vastares {shlex.join(command)}", style="cyan")
        start = time.perf_counter()
        if status := main(command):
            return status
        console.print(f"took {time.perf_counter() - start:.0f} s", style="dim")

    console.print(f"\n{len(steps) + 1}/{len(steps) + 1} Compare with the push that is known", style="bold")
    bundle = load_bundle(folder / "bundle")
    scores = Scores.of(json.loads((folder / "evaluate.json").read_text(encoding="utf-8")))
    latency = json.loads((folder / "parity.json").read_text(encoding="utf-8"))["latency_ms"]
    live, truth = read_live(folder / "live.parquet", folder / "bags" / "pushes", bundle.joints)
    figures = summarise(bundle.joints, scores, live, truth, latency, time.perf_counter() - began)
    demo_report(folder / "report.html", bundle, scores, live, truth, figures)
    write_json(folder / "summary.json", asdict(figures))
    console.print(terminal(demo_table(figures, bundle.effort.unit)))
    console.print(f"in {figures.seconds:.0f} s; figures in {folder / 'summary.json'}\nreport: {folder / 'report.html'}")
    return 0


def commands(folder: Path, seed: int, quick: bool) -> dict[str, list[str]]:
    """The steps: what each does -> the verb and its arguments."""
    bags, dataset, bundle = f"{folder}/bags", f"{folder}/dataset", f"{folder}/bundle"
    seconds, push_seconds = ("10", "12") if quick else ("30", "40")
    *train_on, validation, test = [f"free_{i}" for i in range(1, BAGS + 1)]
    free = [f"{bags}/{name}" for name in (*train_on, validation, test)]
    length = ["--episodes", str(BAGS), "--seconds", seconds, "--push-seconds", push_seconds]
    held_out = ["--validation", validation, "--test", test]
    live = ["--json", f"{folder}/parity.json", "--save", f"{folder}/live.parquet"]
    return {
        "Record bags of a simulated UR5": ["simulate", "--robot", "ur5", "-o", bags, *length, "--seed", str(seed)],
        "Turn those of free motion into a dataset": ["prepare", *free, "--robot", "ur5", "-o", dataset],
        "Train a network per joint": ["train", dataset, "-o", bundle, *held_out, "--config", f"{folder}/{CONFIG}",
                                      "--seed", str(seed)],
        "Judge it on a bag that was held out": ["evaluate", bundle, f"{bags}/{test}", "--json",
                                                f"{folder}/evaluate.json"],
        "Push the arm, with the node running live": ["parity", bundle, f"{bags}/pushes", "--every", *live],
    }  # fmt: skip


def read_live(table: Path, bag: Path, joints: tuple[str, ...]) -> tuple[Prediction, Array]:
    """What the node published, and the true external torque at its N stamps, shape (N, J) [N·m].

    Args:
        table: Parquet file of `vastares parity --save`.
        bag: that was played, with the topic of the truth.
        joints: J joints.
    """
    live = pq.read_table(table)
    free, external = (
        np.stack([live[f"{what}_{joint}"].to_numpy() for joint in joints], axis=1) for what in ("tau_free", "tau_ext")
    )
    (states,) = read_joint_states(bag, TRUTH_TOPIC).tables
    t, rows, stamps = np.intersect1d(live["t"].to_numpy(), states.stamp_ns * 1e-9, return_indices=True)
    _, order = columns(joints, states.names)
    free, external = free[rows], external[rows]
    return Prediction(bag.name, t, free - external, {"model": free}), states.effort[stamps][:, order]


def push_correlation(tau_ext: Array, truth: Array) -> Array:
    """Pearson correlation of estimated and true external torque, both of shape (N, J), per joint, shape (J,).

    The truth is neither filtered nor shifted, so the delay of the low-pass counts against the estimate.
    """
    x, y = tau_ext - tau_ext.mean(axis=0), truth - truth.mean(axis=0)
    correlation: Array = (x * y).sum(axis=0) / np.sqrt(np.square(x).sum(axis=0) * np.square(y).sum(axis=0))
    return correlation


def summarise(
    joints: tuple[str, ...],
    scores: Scores,
    live: Prediction,
    truth: Array,
    latency: dict[str, float],
    seconds: float,
) -> DemoFigures:
    """The figures of the demo."""
    correlation = push_correlation(live.tau_ext, truth)
    return DemoFigures(
        nmse=scores.nmse["model"],
        nmse_ridge=scores.nmse["ridge"],
        nmse_mean=scores.nmse_mean,
        push_correlation=dict(zip(joints, correlation.tolist(), strict=True)),
        push_max=dict(zip(joints, np.abs(truth).max(axis=0).tolist(), strict=True)),
        latency_ms={name: latency[name] for name in ("p50", "p99")},
        seconds=round(seconds, 1),
    )
