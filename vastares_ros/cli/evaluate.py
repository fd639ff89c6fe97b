# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Score a bundle on bags or datasets: nmse and RMSE per joint, beside the mean and ridge regression.

nmse is the mean squared error over the variance of the training torque, as in the tables of [1]. All torques pass the
bundle's low-pass first. Give recordings that were not trained on: others are marked.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
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
from vastares_ros.training.evaluate import Prediction, predict, predict_blocks, score


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
    usable = [e for e in episodes if len(e) >= bundle.model.config.window or len(episodes) == 1]
    if not usable:
        raise DatasetError(f"too short: no episode has the {bundle.model.config.window} samples of a window")
    predictions: list[Prediction] = []  # for pictures alone: all of them are in memory

    def predicted() -> Iterator[Prediction]:
        for episode in tracked(usable, "evaluating"):
            how = predict if page else predict_blocks
            for prediction in how(bundle.model, bundle.ridge, bundle.filter, bundle.rate, [episode]):
                if page:
                    predictions.append(prediction)
                yield prediction

    variance = bundle.model.torque_scaler.scale.cpu().double().numpy() ** 2
    recordings = list(dict.fromkeys(e.recording for e in episodes))
    split = bundle.training["split"]
    seen = [name for name in recordings if name in [*split["training"], *split.get("adaptation", [])]]
    scores = score(predicted(), bundle.joints, variance, bundle.constant_joints)
    bundle.model.cpu()
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
