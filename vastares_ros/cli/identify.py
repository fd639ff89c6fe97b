# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Identify an arm's rigid-body dynamics and friction from a dataset and write a bundle for the estimator node.

Only the kinematics of the URDF must be right: masses and inertias are found, as far as the motion shows them. The basic
friction model has viscous and Coulomb friction and offsets; the extended one adds friction that is larger at low speed,
that grows with load and with the cube root of speed, and that keeps its side at rest. Recordings named by --test are
kept out of everything; of those that are identified from each is left out in turn to choose how much to trust the URDF.

The bound of free motion, above which external torque is reported as contact, comes from the --validation recordings.
Without them it is cross-validated: the arm is identified anew without each recording in turn, up to ten times.

Effort of an inverted sign fits as well as any, by negative masses and by friction that drives the arm, and gives an
inverted external torque. So it is an error, which --accept-inverted makes a warning. `vastares doctor` tells the sign.

With --observer, the bundle runs the generalised momentum observer with what was identified: its external torque follows
the true one as a first-order lag with the gain, which is a low-pass by itself.
"""

from __future__ import annotations

import argparse

import numpy as np

from vastares_ros.cli.console import (
    console,
    messages,
    warn_of_bound,
    warn_of_contact,
    warn_of_joints,
    write_json,
)
from vastares_ros.core.arm import Arm
from vastares_ros.core.errors import ConfigError, DatasetError
from vastares_ros.core.signals import FilterConfig
from vastares_ros.io.bundles import INDEX, save_bundle
from vastares_ros.io.datasets import Dataset, dataset_arm, load_dataset
from vastares_ros.io.folders import check_file, check_output
from vastares_ros.physics.identification import Identification
from vastares_ros.report.render import terminal
from vastares_ros.report.tables import identification_table, scores_table
from vastares_ros.training.evaluate import Scores
from vastares_ros.training.identify import IdentifyConfig, identify_bundle, inverted_effort
from vastares_ros.training.quality import impossible_parameters


def run(args: argparse.Namespace) -> int:
    """Identify the dynamics of a dataset as `args` say, write the bundle, and print figures; the exit status is 0."""
    check_output(args.output, INDEX, args.force)
    if args.json:
        check_file(args.json, args.force)
    config = _config(args)
    dataset = load_dataset(args.dataset)
    arm = dataset_arm(dataset, args.urdf, args.robot)
    _refuse_inverted(args, dataset, arm)
    with messages.status("identifying"):
        bundle, found = identify_bundle(dataset, arm, config, args.test, args.validation)
    save_bundle(args.output, bundle, args.force)
    split = bundle.training["split"]
    seen = ", which it was identified from" * (bundle.metrics["of"] == "training")
    title = (
        f"{args.output}: identified from {', '.join(split['training'])}; figures on "
        f"{', '.join(split[bundle.metrics['of']])}{seen}"
    )
    scores = Scores.of(bundle.metrics)
    console.print(terminal(scores_table(scores, bundle.effort.unit, title)))
    console.print(f"bound of free motion: {bundle.residual_source}")
    console.print(terminal(identification_table(found)))
    for line in remarks(found, dataset):
        console.print(line)
    warn_of_contact(found.contact)
    if args.json:
        write_json(args.json, dict(bundle.metrics) | {"unit": bundle.effort.unit, "split": split})
    for line in impossible_parameters(found.parameters, bundle.joints, np.abs(bundle.qd_range).max(axis=0)):
        messages.print(
            f"warning: {line}, which no arm has. Torque may be right all the same; see what `vastares doctor "
            f"{args.dataset}` says of the joint's effort, or record more"
        )
    warn_of_joints(scores, bundle.constant_joints, split[bundle.metrics["of"]])
    warn_of_bound(bundle.residual_source)
    return 0


def _refuse_inverted(args: argparse.Namespace, dataset: Dataset, arm: Arm) -> None:
    """Raise where torque of a joint is inverted; with `--accept-inverted`, warn."""
    found = inverted_effort(dataset, arm, args.test, args.validation)
    if not found:
        return
    joint, why = next(iter(found.items()))
    told = f"effort of {', '.join(found)} has an inverted sign: of {joint}, {why}"
    if args.accept_inverted:
        messages.print(f"warning: {told}. The external torque will be inverted, too")
        return
    scale = [-s if j in found else s for j, s in zip(dataset.joints, dataset.effort.scale, strict=True)]
    scales = " ".join(f"{s:g}" for s in (scale if len(set(scale)) > 1 else scale[:1]))
    raise DatasetError(
        f"{args.dataset}: {told}. Such data fit, but external torque would be inverted, too: prepare it anew with "
        f"--effort-scale {scales}, or go on with --accept-inverted",
        path=args.dataset,
        joint=joint,
        field="scale",
    )


def _config(args: argparse.Namespace) -> IdentifyConfig:
    if args.gain is not None and not args.observer:
        raise ConfigError("--gain is the observer's: give --observer as well")
    model = "momentum_observer" if args.observer else "rigid_body"
    network = {} if args.gain is None else {"gain": args.gain}
    cutoff = args.cutoff
    if cutoff is None:
        cutoff = 0.0 if args.observer else FilterConfig.cutoff_hz
    live = FilterConfig(cutoff_hz=cutoff) if cutoff else FilterConfig("none")
    return IdentifyConfig(
        model, network, args.friction_model, live=live, friction_time_constant=args.friction_time_constant
    )


def remarks(found: Identification, dataset: Dataset) -> list[str]:
    """What a user should know of an identification, a line each."""
    lines = [
        f"condition number {found.condition:.3g}; penalty {found.penalty:g} towards "
        + {"urdf": "the URDF's parameters", "zero": "zero"}[found.start]
        + (f", nmse on left-out recordings {min(found.tried.values()):.4f}" if found.tried else "")
    ]
    if not found.tried:
        lines.append("Only one training recording: nothing could be chosen on another. Record more.")
    if not all(found.consistent):
        lines.append("Inertias that no body has predict torque as well as any; do not simulate with them.")
    if dataset.effort.unit == "A":
        gains = ", ".join(f"{g:.3g}" for g in found.parameters.gain)
        lines.append(
            "Effort is in amperes, and torque stays so. Current alone tells no scale: drive gains [N·m/A] are those "
            f"that fit the URDF's masses, {gains}."
        )
        if unknown := [j for j, d in zip(dataset.joints, found.gain_deviation, strict=True) if np.isnan(d)]:
            lines.append(f"No gain could be seen of {', '.join(unknown)}: the median of the others is taken.")
    if found.unseen:
        lines.append("The data cannot tell everything; what they leave open is near the URDF's. To see more:")
        lines += [f"  {line}" for line in found.advice()]
    return lines
