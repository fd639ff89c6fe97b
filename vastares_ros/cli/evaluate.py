# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Score a bundle on bags or datasets: nmse and RMSE per joint, beside the mean and ridge regression.

nmse is the mean squared error over the variance of the training torque, as in the tables of [1]. All torques pass the
bundle's low-pass first. Give recordings that were not trained on: others are marked.
"""

from __future__ import annotations

import argparse
import importlib
from dataclasses import asdict

from vastares_ros.cli.console import console, tracked, warn_of_joints, write_json
from vastares_ros.cli.sources import read_source
from vastares_ros.core.errors import DatasetError
from vastares_ros.core.samples import Episode
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.folders import check_file
from vastares_ros.report.render import terminal
from vastares_ros.report.tables import scores_table
from vastares_ros.runtime.device import device_for
from vastares_ros.training.evaluate import predict, score


def run(args: argparse.Namespace) -> int:
    """Score the bundle on all sources, and print, write and draw the figures."""
    page = args.report / "report.html" if args.report else None
    if page:
        importlib.import_module("matplotlib")  # fails now where it is missing
    for file in (args.json, page):
        if file:
            check_file(file, args.force)
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
    scores = score(predictions, bundle.joints, variance, bundle.constant_joints)
    console.print(terminal(scores_table(scores, bundle.effort.unit, f"{args.bundle} on {', '.join(recordings)}")))
    warn_of_joints(scores, bundle.constant_joints, recordings)
    if seen:
        console.print(f"Note: {', '.join(seen)} was trained on: these figures say nothing about unseen motion.")
    if args.json:
        about = {"unit": bundle.effort.unit, "recordings": recordings, "trained_on": seen}
        write_json(args.json, asdict(scores) | about)
    if page:
        from vastares_ros.report.html import evaluation_report  # matplotlib takes a second to import

        page.parent.mkdir(parents=True, exist_ok=True)
        evaluation_report(page, bundle, scores, predictions, ", ".join(recordings), seen)
        console.print(f"report: {page}")
    return 0
