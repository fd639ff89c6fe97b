# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Turn bags or archives into a dataset: joints by name, effort scaled, cut at gaps, one Parquet file an episode."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace

from vastares_ros.cli.console import console, tracked
from vastares_ros.core.errors import ConfigError, DatasetError, RobotError
from vastares_ros.core.robot import Driver, Robot, choose_driver
from vastares_ros.core.sampling import resample, same_rate
from vastares_ros.io import archives
from vastares_ros.io.archives import ArchiveRecording, ArchiveRows
from vastares_ros.io.bags import (
    DEFAULT_TOPIC,
    JointStates,
    Recording,
    published_names,
    read_joint_states,
    recording_from,
)
from vastares_ros.io.datasets import INDEX, Dataset, write_dataset
from vastares_ros.io.folders import check_output
from vastares_ros.io.robots import load_robot

BAG = "bag"
SLOWEST, FASTEST = 1.0, 10_000.0  # sample rates that make sense [Hz]


def run(args: argparse.Namespace) -> int:
    """Read bags or archives as `args` say, write the dataset, and print what it holds; the exit status is 0."""
    check_output(args.output, INDEX, args.force)
    if args.rate is not None and not SLOWEST <= args.rate <= FASTEST:
        raise ConfigError(
            f"--rate is {args.rate:g}: use {SLOWEST:g} to {FASTEST:g} Hz",
            field="--rate",
            value=args.rate,
            lower=SLOWEST,
            upper=FASTEST,
        )
    for option, kind in (("topic", BAG), ("columns", "csv"), ("torque", "rtde")):
        if getattr(args, option) is not None and args.format != kind:
            raise ConfigError(
                f"--{option} is for --format {kind}, not for {args.format}: leave it out", field=f"--{option}"
            )
    robot = load_robot(args.robot) if args.robot else None
    driver, recordings = (_read_bags if args.format == BAG else _read_archives)(args, robot)
    dataset = _dataset(args, robot.name if robot else "unknown", driver, recordings)
    dataset = write_dataset(args.output, dataset, args.force)
    samples, count = sum(len(e) for e in dataset.episodes), len(dataset.episodes)
    console.print(
        f"{args.output}: {count} episode{'s' * (count != 1)}, {samples} samples of {len(dataset.joints)} joints at "
        f"{dataset.rate:g} Hz, torque in {dataset.effort.unit}"
    )
    return 0


def _read_bags(args: argparse.Namespace, robot: Robot | None) -> tuple[Driver, Sequence[Recording]]:
    recordings: list[Recording] = []
    driver = None
    for path in tracked(args.files, "reading"):
        states = read_joint_states(path, args.topic or DEFAULT_TOPIC)
        driver = driver or _driver(args, robot, states)
        recordings.append(recording_from(states, driver.joints, driver.effort.scale))
        for line in recordings[-1].lines():
            console.print(line)
    assert driver is not None  # argparse wants at least one file
    return driver, recordings


def _read_archives(args: argparse.Namespace, robot: Robot | None) -> tuple[Driver, Sequence[ArchiveRecording]]:
    options: dict[str, object] = {}
    if args.format == "csv":
        options["columns"] = archives.read_columns(args.columns or ())
    if args.format == "rtde":
        options["torque"] = args.torque
    recordings: list[ArchiveRecording] = []
    driver = first = None
    for path in tracked(args.files, "reading"):
        for rows in archives.FORMATS[args.format](path, **options):
            first = first or rows
            if (rows.unit, rows.gravity_compensated) != (first.unit, first.gravity_compensated):
                raise DatasetError(f"{path} and {first.path} hold different kinds of torque: choose one with --torque")
            driver = driver or _archive_driver(args, robot, rows)
            recordings.append(archives.recording_from(rows, driver.joints, driver.effort.scale, args.rate))
            for line in recordings[-1].lines():
                console.print(line)
    assert driver is not None  # every reader gives at least one recording
    return driver, recordings


def _archive_driver(args: argparse.Namespace, robot: Robot | None, rows: ArchiveRows) -> Driver:
    """Names for the columns of an archive; what its torque means, unless the format says so, as for bags."""
    count = rows.q.shape[1]
    usual = robot.drivers[0].joints if robot else rows.joints
    if robot and not args.joints and len(usual) != count:
        raise RobotError(f"{rows.path} holds {count} joints, {robot.name} has {len(usual)}: name them with --joints")
    joints = tuple(args.joints or usual or (f"joint_{j}" for j in range(1, count + 1)))
    if not rows.unit:
        return choose_driver(robot, joints, joints, args.effort_unit or "", args.effort_scale or ())
    driver = choose_driver(None, joints, joints, args.effort_unit or rows.unit, args.effort_scale or ())
    return replace(driver, effort=replace(driver.effort, gravity_compensated=rows.gravity_compensated))


def _driver(args: argparse.Namespace, robot: Robot | None, states: JointStates) -> Driver:
    if robot or args.joints:
        published = tuple(dict.fromkeys(name for table in states.tables for name in table.names))
    else:
        published = published_names(states)  # which refuses two arms
    return choose_driver(robot, published, args.joints or (), args.effort_unit or "", args.effort_scale or ())


def _dataset(
    args: argparse.Namespace, robot: str, driver: Driver, recordings: Sequence[Recording | ArchiveRecording]
) -> Dataset:
    names = [r.name for r in recordings]
    if twice := {name for name in names if names.count(name) > 1}:
        raise DatasetError(f"two recordings are called {sorted(twice)[0]!r}: rename one, since splits go by recording")
    episodes = [e for r in recordings for e in r.episodes]
    if args.rate is None:
        rate = recordings[0].rate
        for recording in recordings:
            if not same_rate(recording.rate, rate):
                raise DatasetError(
                    f"{recording.path} has {recording.rate:.1f} Hz and {recordings[0].path} {rate:.1f} Hz: "
                    f"pass --rate to resample all to one rate, or make two datasets"
                )
    else:
        rate = args.rate
        episodes = [resample(e, rate) for e in episodes]
    notes = {}
    for r in recordings:
        counted: dict[str, object] = {
            k: v for k, v in asdict(r).items() if isinstance(v, (int, float, str)) and k not in ("name", "topic")
        }
        notes[r.name] = counted | ({"notes": list(r.notes)} if r.notes else {})
    topic = args.topic or DEFAULT_TOPIC
    return Dataset(robot, driver.joints, topic, driver.effort, round(rate, 3), tuple(episodes), notes)
