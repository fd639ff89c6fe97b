# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Say what a bundle, a dataset or a bag holds."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.table import Table
from rich.text import Text

from vastares_ros.cli.console import console
from vastares_ros.core.errors import BagError, printable
from vastares_ros.io.bags import bag_facts
from vastares_ros.io.bundles import is_bundle, load_bundle
from vastares_ros.io.datasets import is_dataset, load_dataset
from vastares_ros.report.render import terminal
from vastares_ros.report.tables import effort_table, episodes_table, ranges_table, scores_table
from vastares_ros.runtime.bundle import Bundle
from vastares_ros.training.evaluate import Scores


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
    console.print(terminal(ranges_table(bundle)))
    title = f"on the {bundle.metrics['of']} recordings"
    console.print(terminal(scores_table(Scores.of(bundle.metrics), bundle.effort.unit, title)))


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
    console.print(terminal(episodes_table(dataset)))


def _bag(path: Path) -> None:
    facts = bag_facts(path)
    if not facts.joint_states:
        held = ", ".join(f"{kind} on {topic}" for topic, (kind, _) in facts.others.items()) or "no topic at all"
        raise BagError(f"{path} holds no topic of type sensor_msgs/JointState, but {held}: record /joint_states")
    for of in facts.joint_states:
        rate = f" at {of.rate:.1f} Hz" if of.messages > 1 else ""
        console.print(f"{of.topic}: {of.messages} messages{rate}, {of.duration:.1f} s")
        if of.joints:
            console.print(terminal(effort_table(of)))
    for topic, (kind, count) in facts.others.items():
        console.print(f"{topic}: {count} messages of {kind}")
    for note in facts.notes:
        console.print(note)


def _facts(facts: dict[str, object]) -> None:
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(Text(name, style="bold"), Text(printable(str(value))))
    console.print(table)
