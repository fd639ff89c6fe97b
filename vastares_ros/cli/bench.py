# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Say how long a tick of a bundle takes on this computer, with each engine, and which rate it holds.

A tick is what the node computes in answer to one message: filter, features, network or rigid-body model, wrench, all
outputs. ROS itself is not in it, so the rate that is held leaves half of the time for that. Each engine is measured in
a process of its own. Measure on the computer at the robot, with the programs that will run beside the node.
"""

from __future__ import annotations

import argparse
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

from vastares_ros.cli.console import console, messages, write_json
from vastares_ros.cli.sources import usual_wrench
from vastares_ros.core.errors import ConfigError, EngineError
from vastares_ros.io.bundles import load_bundle, read_index
from vastares_ros.io.folders import check_file
from vastares_ros.report.render import terminal
from vastares_ros.report.tables import EngineFigures, bench_table
from vastares_ros.runtime.engine_names import ENGINES
from vastares_ros.runtime.pipeline import Pipeline
from vastares_ros.runtime.tick import measure_tick


def run(args: argparse.Namespace) -> int:
    """Measure the engines one after the other, and print a table; the exit status is 0."""
    if args.samples < 100:
        raise ConfigError(
            f"--samples is {args.samples}: use 100 or more", field="--samples", value=args.samples, lower=100
        )
    if args.json:
        check_file(args.json, args.force)
    rate = float(read_index(args.bundle)["rate_hz"])
    found: list[EngineFigures] = []
    for engine in args.engine or [name for name in ENGINES if name != "auto"]:
        with messages.status(f"measuring {engine}"), ProcessPoolExecutor(1, get_context("spawn")) as process:
            try:
                found.append(process.submit(_measured, args.bundle, engine, args.samples).result())
            except EngineError as error:
                if args.engine:
                    raise
                messages.print(f"{engine}: {error}")
    console.print(terminal(bench_table(found, str(args.bundle), rate)))
    best = max(figures.tick.held_hz for figures in found)
    if best < rate:
        messages.print(
            f"warning: this computer holds {best:.0f} Hz, and the bundle was trained at {rate:g} Hz: train a smaller "
            "network (`hidden`, `window`, or another `--model`), or use a rigid-body model (vastares identify)"
        )
    if args.json:
        write_json(args.json, {"rate_hz": rate, "engines": [asdict(figures) for figures in found]})
    return 0


def _measured(path: Path, engine: str, samples: int) -> EngineFigures:
    """The figures of an engine, in a process that has imported all it needs."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    bundle = load_bundle(path)
    pipeline = Pipeline(bundle, wrench=usual_wrench(bundle), engine=engine)
    pipeline.warm_up()
    start = time.perf_counter() - began
    tick = measure_tick(pipeline, samples)
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return EngineFigures(engine, tick, start, memory)
