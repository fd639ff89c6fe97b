# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Play a bag through the live estimator node over DDS, and compare what it publishes with the same model offline.

The node runs as a process of its own in a ROS domain of its own. The status is 0 if every message is answered by the
same outputs live as offline, to the last bit; else it is 1. Messages that the node passes over, since it is too slow,
are not answered. With `--every` it answers all, however late.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vastares_ros.cli.console import console, messages, progress_of, write_json
from vastares_ros.cli.sources import usual_wrench
from vastares_ros.core.samples import seconds
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.folders import check_file
from vastares_ros.io.playback import Playback, read_playback
from vastares_ros.report.render import terminal
from vastares_ros.report.tables import parity_table
from vastares_ros.runtime.device import device_for
from vastares_ros.runtime.parity import Answers, Parity, compare, run_offline
from vastares_ros.runtime.pipeline import Pipeline


def run(args: argparse.Namespace) -> int:
    """Compare the live node with the same bundle offline on a bag; the exit status is 0 if they agree, else 1."""
    from vastares_ros.nodes.parity_run import run_live

    for file in (args.json, args.save):
        if file:
            check_file(file, args.force)
    bundle = load_bundle(args.bundle)
    playback = read_playback(args.bag, args.topic or bundle.topic, args.rate)
    pipeline = Pipeline(bundle, device_for("auto"), usual_wrench(bundle), engine=args.engine, notify=console.print)
    offline = run_offline(pipeline, playback.messages)
    expected = {name: int(came.sum()) for name, came in offline.came.items()}
    with progress_of("playing", playback.duration) as advance:
        live = run_live(
            args.bundle, bundle.joints, playback, expected, every=args.every, advance=advance, engine=args.engine
        )
    parity = compare(live, offline)
    title = f"{args.bag} live at {args.rate:g} times its pace, against offline"
    console.print(terminal(parity_table(parity, len(playback.messages), title)))
    if parity.missed:
        messages.print(_too_slow(parity, playback, args.rate))
    if args.json:
        write_json(args.json, _figures(parity, len(playback.messages), args.rate))
    if args.save:
        save(args.save, bundle.joints, playback, live)
    return 0 if parity.equal else 1


def save(path: Path, joints: tuple[str, ...], playback: Playback, live: Answers) -> None:
    """Write the live estimates as Parquet: t [s], tau_free_<joint>, tau_ext_<joint> [N·m or A], latency_ms."""
    came = live.came["estimated_torque"]
    columns = {"t": np.array([seconds(stamp_ns) for stamp_ns, *_ in playback.messages])[came]}
    for name, output in (("tau_free", "estimated_torque"), ("tau_ext", "external_torque")):
        torques = live.values[output][came].T
        columns |= {f"{name}_{joint}": torque for joint, torque in zip(joints, torques, strict=True)}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns | {"latency_ms": live.latency[came] * 1e3}), path)


def _figures(parity: Parity, count: int, rate: float) -> dict[str, Any]:
    """As written to JSON."""
    outputs = {name: asdict(output) for name, output in parity.outputs.items()}
    return {
        "messages": count,
        "rate": rate,
        **outputs,
        "missed": parity.missed,
        "passed_over": parity.passed_over,
        "strays": parity.strays,
        "latency_ms": parity.latency_ms,
        "answers_equal": parity.answers_equal,
        "equal": parity.equal,
    }


def _too_slow(parity: Parity, playback: Playback, rate: float) -> str:
    """What it means that messages were missed, and what to do."""
    expected = parity.outputs["valid"].expected
    pace = (len(playback.messages) - 1) / playback.duration if playback.duration else 0.0
    lost = parity.missed - parity.passed_over
    ways = f"{parity.passed_over} were passed over, so that the answers stay fresh"
    if lost > 0:
        ways += f", and {lost} were lost, so that they are missing in its windows, too"
    return (
        f"the node was too slow: it missed {parity.missed} of {expected} joint states at {pace:.0f} Hz; {ways}. To "
        f"compare all the same, play slower (--rate {rate / 4:g}) or let it answer late (--every). For a node that "
        "keeps up, train a smaller network (`hidden`, `window`, or another `--model`) or use a rigid-body model "
        "(vastares identify)"
    )
