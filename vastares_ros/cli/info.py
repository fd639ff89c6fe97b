"""Say what a bundle, a dataset or a bag holds."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.table import Table

from vastares_ros.cli.arguments import console, scores_table
from vastares_ros.core.errors import BagError
from vastares_ros.io.bags import joint_state_topics, read_joint_states
from vastares_ros.io.bundles import is_bundle, load_bundle
from vastares_ros.io.datasets import is_dataset, load_dataset
from vastares_ros.runtime.bundle import Bundle


def run(args: argparse.Namespace) -> int:
    """Run the verb."""
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
        table.add_row(e.name, e.recording, str(len(e)), f"{e.t[-1] - e.t[0]:.1f}")
    console.print(table)


def _bag(path: Path) -> None:
    topics = joint_state_topics(path)
    if not topics:
        raise BagError(f"{path} holds no topic of type sensor_msgs/JointState: record /joint_states")
    table = Table(title=str(path), title_justify="left")
    for column in ("topic", "messages", "joints"):
        table.add_column(column, justify="right" if column == "messages" else "left")
    for topic, count in topics.items():
        names = dict.fromkeys(n for t in read_joint_states(path, topic).tables for n in t.names) if count else ()
        table.add_row(topic, str(count), ", ".join(names))
    console.print(table)


def _facts(facts: dict[str, object]) -> None:
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(f"[bold]{name}[/bold]", str(value))
    console.print(table)
