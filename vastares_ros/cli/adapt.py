# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Adapt a bundle to a new tool from half a minute of free motion, and write a child that names its parent.

Where the bundle has identified dynamics, mass, centre of mass and inertia of what was added at the tip are found and
become part of the arm; all else stays. Where it has none, each joint gets a small correction by the positions of all
joints, which holds near the poses that were seen. Two thirds of the motion fit, and the last third judges.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from vastares_ros.cli.console import console, write_json
from vastares_ros.cli.sources import read_source
from vastares_ros.core.errors import ConfigError
from vastares_ros.io.bundles import INDEX, as_parent, load_bundle, save_bundle
from vastares_ros.io.folders import check_file, check_output
from vastares_ros.physics.payload import SCALES, Payload
from vastares_ros.report.render import terminal
from vastares_ros.report.tables import adaptation_table
from vastares_ros.training.adapt import SHORTEST, Adaptation, adapt

MASS, SHARE = 0.1, 0.1  # standard deviation of a mass that is known well enough: in kg, or as a share of the mass
PLACE = 0.02  # a centre of mass [m]
LONGEST = 3600.0  # that a tool is fitted to [s]
TRAVEL = 0.3  # a joint that moves less hardly turns [rad]


def run(args: argparse.Namespace) -> int:
    """Adapt a bundle as `args` say, write its child, and print what was found; the exit status is 0."""
    if not SHORTEST <= args.seconds <= LONGEST:
        raise ConfigError(
            f"--seconds {args.seconds:g}: use {SHORTEST:g} to {LONGEST:g}",
            field="--seconds",
            value=args.seconds,
            lower=SHORTEST,
            upper=LONGEST,
        )
    if args.output.resolve() == args.bundle.resolve():
        raise ConfigError(
            f"-o {args.output} is the parent, which its child names: choose another folder",
            field="-o",
            value=args.output,
        )
    check_output(args.output, INDEX, args.force)
    if args.json:
        check_file(args.json, args.force)
    parent = load_bundle(args.bundle)
    found = adapt(parent, as_parent(args.bundle), read_source(args.source, parent, args.topic), args.seconds)
    save_bundle(args.output, found.bundle, args.force)
    title = f"{args.output}: {args.bundle} adapted to {args.source}, {found.seconds:.1f} s"
    console.print(terminal(adaptation_table(found, title)))
    lines = _payload(found, found.payload) if found.payload else _correction(found)
    if found.after.nmse_mean["model"] >= found.before.nmse_mean["model"]:
        lines.append(f"Warning: {args.output} is no better than its parent on the last third: stay with the parent.")
    for line in lines:
        console.print(line)
    if args.json:
        figures: dict[str, Any] = {"before": asdict(found.before), "after": asdict(found.after)}
        figures["seconds"] = found.seconds
        if found.payload:
            figures |= {"payload": found.payload.parameters.tolist(), "deviation": found.payload.deviation.tolist()}
        write_json(args.json, figures | {"unit": found.bundle.effort.unit, "corrected": list(found.corrected)})
    return 0


def _payload(found: Adaptation, payload: Payload) -> list[str]:
    """What was found of a tool, and what was not, a line each."""
    bundle = found.bundle
    mass = payload.deviation[0]
    lines = [f"mass added at {payload.tip}: {payload.mass:.3f} kg ± {mass:.3f}"]
    unseen = []
    if mass > max(MASS, SHARE * abs(payload.mass)):
        unseen.append("the mass")
    if abs(payload.mass) > 2 * mass:
        place = zip("xyz", payload.centre, payload.centre_deviation, strict=True)
        lines.append("its centre there [m]: " + ", ".join(f"{axis} {c:.4f} ± {d:.4f}" for axis, c, d in place))
        unseen += [f"the centre along {a}" for a, d in zip("xyz", payload.centre_deviation, strict=True) if d > PLACE]
    else:
        lines.append("That is no more than its deviation: no tool, or too light a one to be seen.")
    inertia = zip(("xx", "xy", "yy", "xz", "yz", "zz"), payload.parameters[4:], payload.deviation[4:], strict=True)
    lines.append("inertia there [kg·m²]: " + ", ".join(f"{name} {i:.4f} ± {d:.4f}" for name, i, d in inertia))
    if (payload.deviation[4:] > SCALES[4:] / 2).any():
        unseen.append("inertia")
    if payload.mass < -2 * mass:
        lines.append("Warning: less mass than before. Was a tool taken off? Else the recording or the bundle is wrong.")
    if unseen:
        joints = [j for j, travel in zip(bundle.joints, found.travel, strict=True) if travel < TRAVEL]
        how = f"turn {', '.join(joints)}, which hardly moved" if joints else "turn the wrist further and faster"
        lines.append(f"Warning: the motion hardly shows {', '.join(unseen)}, which is drawn towards zero: {how}.")
    if bundle.effort.unit == "A":
        lines.append("Effort is in amperes: mass and inertia are in the scale of the gains that identification found.")
    return lines


def _correction(found: Adaptation) -> list[str]:
    left = [j for j in found.bundle.joints if j not in found.corrected]
    lines = [
        "No identified dynamics: a correction by position, near these poses only. `vastares identify` finds tools."
    ]
    if left:
        lines.append(f"It did not help {', '.join(left)} on the last third: scaled down to 0 there.")
    return lines
