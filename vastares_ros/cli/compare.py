# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Put several bundles side by side on the same recordings: errors, contact at known pushes, false alarms, cost.

RECORDINGs of free motion give nmse and RMSE and, with --inject, get known pushes, as of `vastares inject`. Those with
/true_external_torque, from `vastares inject` or `vastares simulate`, are pushed already. Every estimator takes all of
them in sample by sample, as the live node does. Each has its own threshold for contact, set for one false alarm an hour
by the free motion of --free or, which makes all figures too good, of the RECORDINGs. docs/howto/comparing.md defines
every figure.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from rich.progress import Progress

from vastares_ros.cli.console import console, messages, write_json
from vastares_ros.core.arm import Arm
from vastares_ros.core.errors import BagError, ConfigError, RobotError
from vastares_ros.core.samples import Episode
from vastares_ros.core.sampling import same_rate
from vastares_ros.io.bags import Recording, all_topics, read_recording
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.folders import check_output, written_folder
from vastares_ros.io.injections import TRUTH_TOPIC, read_profile, read_truth
from vastares_ros.io.robots import bundle_arm, read_urdf
from vastares_ros.physics.injection import Injector, Profile
from vastares_ros.physics.wrench import WrenchEstimator
from vastares_ros.report import pictures
from vastares_ros.report.html import comparison_report
from vastares_ros.report.render import markdown, terminal
from vastares_ros.report.tables import comparison_tables
from vastares_ros.runtime.bundle import Bundle
from vastares_ros.training.comparison import (
    MAX_LAG,
    Comparison,
    Pushed,
    Trace,
    check_alike,
    compare_bundles,
    step_all,
    typical_push,
)

FIGURES = "comparison.json"
AROUND = 0.3  # of a push that is drawn [s]


def run(args: argparse.Namespace) -> int:
    """Step all bundles through all recordings, compare them, and write tables, pictures and a page."""
    importlib.import_module("matplotlib")  # fails now where it is missing
    torch.set_num_threads(1)  # as in the node: another number may round otherwise
    check_output(args.output, FIGURES, args.force)
    if args.jobs < 0:
        raise ConfigError(f"--jobs is {args.jobs}: use 1 or more, or 0 for one a core")
    folders = _by_name(args.bundles)
    bundles = {name: load_bundle(folder) for name, folder in folders.items()}
    check_alike(bundles)
    first = next(iter(bundles.values()))
    urdf = read_urdf(args.urdf) if args.urdf else ""
    topic = args.topic or first.topic

    _refuse_twins([*args.bags, *args.free])
    recordings = [_read(path, first, topic) for path in args.bags]
    with_truth = [TRUTH_TOPIC in all_topics(path) for path in args.bags]
    contact_free = [r for r, has_truth in zip(recordings, with_truth, strict=True) if not has_truth]
    if not contact_free:
        raise BagError(f"all recordings hold {TRUTH_TOPIC}, so all are pushed: add one of free motion")
    if (args.inject or any(with_truth)) and first.effort.unit != "N·m":
        raise RobotError(
            f"the bundles' torque is in {first.effort.unit}, and pushes are known in N·m: prepare the dataset with the "
            "gain of the drives [N·m/A] as --effort-scale and --effort-unit N·m, and train on that"
        )
    if urdf and not args.inject and not any(with_truth):
        raise ConfigError("--urdf is for pushes, and there are none: give --inject or a recording with pushes as well")
    profile = read_profile(args.inject) if args.inject else None
    free = [e for r in contact_free for e in r.episodes]
    separate = [e for path in args.free for e in _free(path, first, topic).episodes]
    pushed = [
        Pushed(e, truth)
        for r, has_truth in zip(recordings, with_truth, strict=True)
        if has_truth
        for e, truth in zip(r.episodes, read_truth(TRUTH_TOPIC, r), strict=True)
    ]
    if profile:
        for r in contact_free:
            pushed += _injected(args.inject, profile, r, bundle_arm(first, urdf))
    notes = _notes(bundles, free, separate, pushed, args.valid_only)
    wrench = None
    if pushed:
        try:
            wrench = WrenchEstimator(bundle_arm(first, urdf, profile.link if profile else ""))
        except RobotError as error:
            if urdf:
                raise
            notes.append(f"No error of the wrench: {error}.")

    episodes = [*free, *separate, *(p.episode for p in pushed)]
    traces = _step(folders, episodes, args.jobs, args.valid_only)
    if not separate:  # what is judged calibrates, too
        traces = {name: [*t[: len(free)], *t] for name, t in traces.items()}
    figures = compare_bundles(bundles, free, separate or free, pushed, traces, wrench)

    title = f"{', '.join(bundles)} on {', '.join(dict.fromkeys(r.name for r in recordings))}"
    tables = comparison_tables(figures)
    with written_folder(args.output, FIGURES, args.force) as scratch:
        write_json(scratch / FIGURES, asdict(figures) | {"valid_only": args.valid_only, "notes": notes})
        page = [f"# {title}\n", *(f"- {note}" for note in notes), "", "\n".join(map(markdown, tables))]
        (scratch / "comparison.md").write_text("\n".join(page), encoding="utf-8")
        drawn = _draw(scratch, figures, first, pushed, {n: t[len(t) - len(pushed) :] for n, t in traces.items()})
        comparison_report(scratch / "report.html", title, notes, tables, drawn)
    for note in notes:
        console.print(note)
    for table in tables:
        console.print(terminal(table))
    console.print(f"report: {args.output / 'report.html'}")
    return 0


def _by_name(paths: Iterable[Path]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for path in paths:
        name = path.absolute().name
        if name in folders:
            raise ConfigError(f"{folders[name]} and {path} are both called {name!r}: rename a folder")
        folders[name] = path
    return folders


def _refuse_twins(paths: Sequence[Path]) -> None:
    if twice := [path for i, path in enumerate(paths) if path in paths[:i]]:
        raise ConfigError(f"{twice[0]} is named twice: leave it out of --on or of --free")


def _read(path: Path, bundle: Bundle, topic: str) -> Recording:
    recording = read_recording(path, bundle.joints, bundle.effort.scale, topic)
    for line in recording.lines():
        console.print(line)
    if not same_rate(recording.rate, bundle.rate):
        raise BagError(
            f"{path} has {recording.rate:.1f} Hz, the bundles were trained at {bundle.rate:.1f} Hz: record at that rate"
        )
    return recording


def _free(path: Path, bundle: Bundle, topic: str) -> Recording:
    if TRUTH_TOPIC in all_topics(path):
        raise BagError(f"--free: {path} holds {TRUTH_TOPIC}, so the arm is pushed in it: take one of free motion")
    return _read(path, bundle, topic)


def _injected(file: Path, profile: Profile, recording: Recording, arm: Arm) -> Iterable[Pushed]:
    """The episodes of a recording with pushes, as `vastares inject` makes them of its messages."""
    begin = recording.episodes[0].t[0]
    try:
        within = profile.within(max(e.t[-1] for e in recording.episodes) - begin)
        injector = Injector(within, arm)
    except (ConfigError, RobotError) as error:
        raise error.within(f"{file}: {recording.name}") from error
    pushed = []
    for e in recording.episodes:
        tau_ext, _ = injector.apply(e.t - begin, e.q)
        pushed.append(Pushed(replace(e, tau=e.tau - tau_ext), tau_ext))  # tau_meas = tau_free - tau_ext
    if not any(p.truth.any() for p in pushed):
        raise ConfigError(f"{file}: no joint feels a push at {injector.link}: push a link that they move")
    return pushed


def _notes(
    bundles: Mapping[str, Bundle],
    free: Sequence[Episode],
    separate: Sequence[Episode],
    pushed: Sequence[Pushed],
    valid_only: bool,
) -> list[str]:
    """What to know when reading the figures, a line each."""

    def names_of(episodes: Iterable[Episode]) -> str:
        return ", ".join(dict.fromkeys(e.recording for e in episodes))

    calibration = separate or free
    seconds = sum(e.duration for e in calibration)
    notes = [f"Judged on the free motion of {names_of(free)}."]
    if pushed:
        notes.append(f"Pushes are in {names_of(p.episode for p in pushed)}.")
    notes.append(
        f"Thresholds are set by {seconds:.0f} s of free motion, {names_of(calibration)}"
        + (
            "."
            if separate
            else ": the recordings that are judged, without their pushes, which is optimistic; name others by --free."
        )
    )
    if seconds < 3600:
        notes.append(
            f"One false alarm an hour is less than {seconds:.0f} s can show: its threshold is extrapolated from the "
            "highest peaks in them, and dashed in the picture."
        )
    names = {e.recording for e in [*free, *separate, *(p.episode for p in pushed)]}
    for name, bundle in bundles.items():
        if seen := [r for r in bundle.training["split"]["training"] if r in names]:
            notes.append(f"Note: {name} was trained on {', '.join(seen)}: its figures say little of unseen motion.")
    if valid_only:
        notes.append("Only estimates that an estimator calls valid count; elsewhere it detects nothing.")
    return notes


def _step(
    folders: Mapping[str, Path], episodes: Sequence[Episode], jobs: int, valid_only: bool
) -> dict[str, list[Trace]]:
    found: dict[str, dict[int, Trace]] = {name: {} for name in folders}
    with Progress(console=messages, transient=True, disable=not messages.is_terminal) as bar:
        task = bar.add_task("estimating", total=len(folders) * sum(map(len, episodes)))
        for name, i, trace in step_all(folders, episodes, jobs, lambda samples: bar.advance(task, samples)):
            found[name][i] = trace.only_valid() if valid_only else trace
    return {name: [of_name[i] for i in range(len(episodes))] for name, of_name in found.items()}


def _draw(
    folder: Path,
    figures: Comparison,
    first: Bundle,
    pushed: Sequence[Pushed],
    traces: Mapping[str, Sequence[Trace]],
) -> dict[str, Path]:
    """Draw the pictures, and return their files by caption."""
    found, unit = figures.estimators, figures.unit
    nmse = folder / "nmse.png"
    drawn = {"nmse of free motion by joint: smaller is better, and a grid line is a factor of ten.": nmse}
    pictures.grouped_bars(nmse, {n: e.nmse | {"mean": e.nmse_mean} for n, e in found.items()}, "nmse")
    if not pushed:
        return drawn
    i, push = typical_push(pushed, first.bound)
    t = pushed[i].episode.t - pushed[i].episode.t[push.start]
    shown = (t >= -AROUND) & (t <= t[push.stop - 1] + AROUND)
    file = folder / "push.png"
    external = {name: of_name[i].tau_ext[shown] for name, of_name in traces.items()}
    pictures.push(file, figures.joints, t[shown], pushed[i].truth[shown], external, unit)
    drawn[
        f"External torque in one push of {pushed[i].episode.recording}, of median strength: what each estimator sees, "
        "beside the truth."
    ] = file
    file = folder / "detection.png"
    pictures.detection_curves(file, {n: e.contact for n, e in found.items()}, 1e3 * MAX_LAG)
    drawn[
        "Pushes detected, and how late, as the threshold of each estimator goes from many false alarms to one an hour "
        "(dot). Dashed: fewer alarms than one in all that was recorded, by the fitted tail. The median counts missed "
        "pushes as infinitely late, so a line ends where half are missed."
    ] = file
    return drawn
