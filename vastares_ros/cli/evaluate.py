"""Score a bundle on bags or datasets: nmse and RMSE per joint, beside the mean and ridge regression.

nmse is the mean squared error over the variance of the training torque, as in the tables of [1]. All torques pass the
bundle's low-pass first. Give recordings that were not trained on: others are marked.
"""

from __future__ import annotations

import argparse
import importlib
from dataclasses import replace
from pathlib import Path

from rich.progress import track

from vastares_ros.cli.arguments import add_force, add_topic, console, messages, scores_table, write_json
from vastares_ros.core.errors import DatasetError
from vastares_ros.core.robot import Effort
from vastares_ros.core.samples import Episode
from vastares_ros.core.sampling import same_rate
from vastares_ros.io.bags import read_recording
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.datasets import is_dataset, load_dataset
from vastares_ros.io.folders import check_file
from vastares_ros.runtime.bundle import Bundle
from vastares_ros.training.evaluate import predict, score
from vastares_ros.training.train import device_for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder written by `vastares train`")
    parser.add_argument("sources", nargs="+", type=Path, metavar="BAG|DATASET", help="recordings to score on")
    add_topic(parser, "the one the bundle was trained from")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures for programs")
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="write report.html with pictures of every joint")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: CUDA where there is one)")
    add_force(parser)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    page = args.report / "report.html" if args.report else None
    if page:
        importlib.import_module("matplotlib")  # what is absent is told now
    for file in (args.json, page):
        if file:
            check_file(file, args.force)
    bundle = load_bundle(args.bundle)
    bundle.model.to(device_for(args.device))
    episodes: list[Episode] = []
    for source in args.sources:
        episodes += _episodes(source, bundle, args.topic)
    predictions = []
    for episode in track(episodes, "evaluating", console=messages, transient=True):
        if len(episode) >= bundle.model.config.window or len(episodes) == 1:
            predictions += predict(bundle.model, bundle.ridge, bundle.filter, bundle.rate, [episode])
    if not predictions:
        raise DatasetError(f"too short: no episode has the {bundle.model.config.window} samples of a window")
    bundle.model.cpu()
    variance = bundle.model.torque.scale.double().numpy() ** 2
    recordings = list(dict.fromkeys(e.recording for e in episodes))
    seen = [name for name in recordings if name in bundle.training["split"]["training"]]
    figures = score(predictions, bundle.joints, variance)
    figures |= {"unit": bundle.effort.unit, "recordings": recordings, "trained_on": seen}
    console.print(scores_table(figures, bundle.effort.unit, f"{args.bundle} on {', '.join(recordings)}"))
    if seen:
        console.print(f"Note: {', '.join(seen)} was trained on: these figures say nothing about unseen motion.")
    if args.json:
        write_json(args.json, figures)
    if page:
        from vastares_ros.io.reports import evaluation_report  # matplotlib takes a second to import

        page.parent.mkdir(parents=True, exist_ok=True)
        evaluation_report(page, bundle, figures, predictions, ", ".join(recordings))
        console.print(f"report: {page}")
    return 0


def _episodes(source: Path, bundle: Bundle, topic: str | None) -> tuple[Episode, ...]:
    if is_dataset(source):
        dataset = load_dataset(source)
        if dataset.effort != bundle.effort:
            raise DatasetError(
                f"{source} has torque in {dataset.effort.unit} with effort scale {_scales(dataset.effort)}, the bundle "
                f"in {bundle.effort.unit} with {_scales(bundle.effort)}: prepare it with the same robot, unit and scale"
            )
        if absent := [joint for joint in bundle.joints if joint not in dataset.joints]:
            raise DatasetError(f"{source} has no joint {absent[0]!r}: it has {', '.join(dataset.joints)}")
        order = [dataset.joints.index(joint) for joint in bundle.joints]
        rate = dataset.rate
        episodes = tuple(
            replace(e, joints=bundle.joints, q=e.q[:, order], qd=e.qd[:, order], tau=e.tau[:, order])
            for e in dataset.episodes
        )
    else:
        recording = read_recording(source, bundle.joints, bundle.effort.scale, topic or bundle.topic)
        for line in recording.lines():
            console.print(line)
        rate, episodes = recording.rate, recording.episodes
    if not same_rate(rate, bundle.rate):
        raise DatasetError(
            f"{source} has {rate:.1f} Hz, the bundle was trained at {bundle.rate:.1f} Hz: "
            f"make a dataset of it with `vastares prepare --rate {bundle.rate:g}` and evaluate on that"
        )
    return episodes


def _scales(effort: Effort) -> str:
    return ", ".join(f"{s:g}" for s in dict.fromkeys(effort.scale))
