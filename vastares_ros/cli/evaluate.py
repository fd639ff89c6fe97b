"""Score a bundle on bags or datasets: nmse and RMSE per joint, beside the mean and ridge regression.

nmse is the mean squared error over the variance of the training torque, as in the tables of [1]. All torques pass the
bundle's low-pass first. Give recordings that were not trained on: others are marked.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from vastares_ros.cli.arguments import (
    add_force,
    add_json,
    add_topic,
    check_json,
    console,
    scores_table,
    tracked,
    write_json,
)
from vastares_ros.cli.sources import read_source
from vastares_ros.core.errors import DatasetError
from vastares_ros.core.samples import Episode
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.folders import check_file
from vastares_ros.runtime.device import device_for
from vastares_ros.training.evaluate import predict, score


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder written by `vastares train`")
    parser.add_argument("sources", nargs="+", type=Path, metavar="BAG|DATASET", help="recordings to score on")
    add_topic(parser, "the one the bundle was trained from")
    add_json(parser)
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="write report.html with pictures of every joint")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: CUDA where there is one)")
    add_force(parser)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    page = args.report / "report.html" if args.report else None
    if page:
        importlib.import_module("matplotlib")  # what is absent is told now
    check_json(args.json, args.force)
    if page:
        check_file(page, args.force)
    bundle = load_bundle(args.bundle)
    bundle.model.to(device_for(args.device))
    episodes: list[Episode] = []
    for source in args.sources:
        episodes += read_source(source, bundle, args.topic)
    predictions = []
    for episode in tracked(episodes, "evaluating"):
        if len(episode) >= bundle.model.config.window or len(episodes) == 1:
            predictions += predict(bundle.model, bundle.ridge, bundle.filter, bundle.rate, [episode])
    if not predictions:
        raise DatasetError(f"too short: no episode has the {bundle.model.config.window} samples of a window")
    bundle.model.cpu()
    variance = bundle.model.torque_scaler.scale.double().numpy() ** 2
    recordings = list(dict.fromkeys(e.recording for e in episodes))
    split = bundle.training["split"]
    seen = [name for name in recordings if name in [*split["training"], *split.get("adaptation", [])]]
    figures = score(predictions, bundle.joints, variance)
    figures |= {"unit": bundle.effort.unit, "recordings": recordings, "trained_on": seen}
    console.print(scores_table(figures, bundle.effort.unit, f"{args.bundle} on {', '.join(recordings)}"))
    if seen:
        console.print(f"Note: {', '.join(seen)} was trained on: these figures say nothing about unseen motion.")
    if args.json:
        write_json(args.json, figures)
    if page:
        from vastares_ros.report.html import evaluation_report  # matplotlib takes a second to import

        page.parent.mkdir(parents=True, exist_ok=True)
        evaluation_report(page, bundle, figures, predictions, ", ".join(recordings))
        console.print(f"report: {page}")
    return 0
