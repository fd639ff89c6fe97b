# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Say what a bundle, a dataset or a bag holds."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from vastares_ros.cli.arguments import console, scores_table
from vastares_ros.core.errors import BagError
from vastares_ros.io.bags import bag_facts
from vastares_ros.io.bundles import is_bundle, load_bundle
from vastares_ros.io.datasets import is_dataset, load_dataset
from vastares_ros.runtime.bundle import Bundle


def run(args: argparse.Namespace) -> int:
    """Print what the bundle, dataset or bag at `args.path` holds; the exit status is 0."""
    if is_bundle(args.path):
        _bundle(args.path, load_bundle(args.path))
    elif is_dataset(args.path):
        _dataset(args.path)
    else:
        _bag(args.path)
    return 0


def _bundle(path: Path, bundle: Bundle) -> None:
    low_pass, split = bundle.filter, bundle.training["split"]
    order = f", order {low_pass.order}, {low_pass.cutoff_hz:g} Hz" if low_pass.kind != "none" else ""
    facts = {
        "bundle": path,
        "robot": f"{bundle.robot}, {len(bundle.joints)} joints",
        "topic": f"{bundle.topic} at {bundle.rate:g} Hz",
        "effort": f"{bundle.effort.unit}, scale {', '.join(f'{s:g}' for s in bundle.effort.scale)}"
        + (", gravity compensated" if bundle.effort.gravity_compensated else ""),
        "filter": f"{low_pass.kind}{order}",
        "model": f"{bundle.method}, window {bundle.model.config.window}",
        **bundle.model.describe(),
        "seed": bundle.training["config"].get("seed", "none"),
        **{part: ", ".join(names) or "none" for part, names in split.items()},
        "dataset": f"SHA-256 {bundle.dataset_sha256[:16]}…",
    }
    if bundle.parent:
        facts["adapted from"] = f"{bundle.parent.name}, SHA-256 {bundle.parent.sha256[:16]}…"
    _facts(facts)
    ranges = Table(title="training range, and |tau_ext| in 99 % of free motion", title_justify="left")
    for column in ("joint", r"q \[rad]", r"qd \[rad/s]", f"bound [{bundle.effort.unit}]"):
        ranges.add_column(column, justify="left" if column == "joint" else "right")
    for j, joint in enumerate(bundle.joints):
        q, qd = bundle.q_range[:, j], bundle.qd_range[:, j]
        ranges.add_row(joint, f"{q[0]:.2f} … {q[1]:.2f}", f"{qd[0]:.2f} … {qd[1]:.2f}", f"{bundle.bound[j]:.2f}")
    console.print(ranges)
    console.print(scores_table(bundle.metrics, bundle.effort.unit, f"on the {bundle.metrics['of']} recordings"))


def _dataset(path: Path) -> None:
    dataset = load_dataset(path)
    _facts(
        {
            "dataset": path,
            "robot": dataset.robot,
            "joints": ", ".join(dataset.joints),
            "topic": f"{dataset.topic} at {dataset.rate:g} Hz",
            "torque": dataset.effort.unit,
            "SHA-256": dataset.sha256,
        }
    )
    table = Table()
    for column in ("episode", "recording", "samples", "seconds"):
        table.add_column(column, justify="left" if column in ("episode", "recording") else "right")
    for e in dataset.episodes:
        table.add_row(e.name, e.recording, str(len(e)), f"{e.duration:.1f}")
    console.print(table)


def _bag(path: Path) -> None:
    facts = bag_facts(path)
    if not facts.joint_states:
        held = ", ".join(f"{kind} on {topic}" for topic, (kind, _) in facts.others.items()) or "no topic at all"
        raise BagError(f"{path} holds no topic of type sensor_msgs/JointState, but {held}: record /joint_states")
    for of in facts.joint_states:
        rate = f" at {of.rate:.1f} Hz" if of.messages > 1 else ""
        console.print(f"{of.topic}: {of.messages} messages{rate}, {of.duration:.1f} s", markup=False)
        table = Table("joint", "lowest effort", "highest effort")
        for joint, low, high in zip(of.joints, *of.effort, strict=True):
            table.add_row(escape(joint), *("none" if x != x else f"{x:.2f}" for x in (low, high)))
        if of.joints:
            console.print(table)
    for topic, (kind, count) in facts.others.items():
        console.print(f"{topic}: {count} messages of {kind}", markup=False)
    for note in facts.notes:
        console.print(note, markup=False)


def _facts(facts: dict[str, object]) -> None:
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(f"[bold]{name}[/bold]", str(value))
    console.print(table)
