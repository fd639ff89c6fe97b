# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Turn bags or archives into a dataset: joints by name, effort scaled, cut at gaps, one Parquet file an episode."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

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
from vastares_ros.io.datasets import INDEX, Dataset, DatasetWriter
from vastares_ros.io.folders import check_output, written_folder
from vastares_ros.io.formats import FORMAT_ROBOTS
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
    name = args.robot or FORMAT_ROBOTS.get(args.format)
    robot = load_robot(name) if name else None
    notes: dict[str, dict[str, object]] = {}
    first = used = None
    with written_folder(args.output, INDEX, args.force) as folder:
        writer = DatasetWriter(folder)
        for driver, recording in (_read_bags if args.format == BAG else _read_archives)(args, robot):
            first = first or _Facts(recording.path, recording.rate)
            _check_fits(args, recording, first, notes)
            for episode in recording.episodes:
                writer.add(episode if args.rate is None else resample(episode, args.rate))
            notes[recording.name] = _counted(recording)
            used = driver
        assert first and used  # argparse wants at least one file
        rate = round(first.rate if args.rate is None else args.rate, 3)
        name = robot.name if robot else "unknown"
        dataset = Dataset(name, used.joints, args.topic or DEFAULT_TOPIC, used.effort, rate, (), notes)
        dataset = writer.finish(dataset)
    console.print(
        f"{args.output}: {writer.episodes} episode{'s' * (writer.episodes != 1)}, {writer.samples} samples of "
        f"{len(dataset.joints)} joints at {dataset.rate:g} Hz, torque in {dataset.effort.unit}"
    )
    return 0


@dataclass(frozen=True)
class _Facts:
    """What of the first recording the others must fit."""

    path: Path
    rate: float


def _read_bags(args: argparse.Namespace, robot: Robot | None) -> Iterator[tuple[Driver, Recording]]:
    driver = None
    for path in tracked(args.files, "reading"):
        driver, recording = _read_bag(args, robot, path, driver)
        for line in recording.lines():
            console.print(line)
        yield driver, recording
        del recording  # a large one takes room on the disk


def _read_bag(
    args: argparse.Namespace, robot: Robot | None, path: Path, driver: Driver | None
) -> tuple[Driver, Recording]:
    states = read_joint_states(path, args.topic or DEFAULT_TOPIC)
    driver = driver or _driver(args, robot, states)
    return driver, recording_from(states, driver.joints, driver.effort.scale)


def _read_archives(args: argparse.Namespace, robot: Robot | None) -> Iterator[tuple[Driver, ArchiveRecording]]:
    options: dict[str, object] = {}
    if args.format == "csv":
        options["columns"] = archives.read_columns(args.columns or ())
    if args.format == "rtde":
        options["torque"] = args.torque
    driver = first = None
    for path in tracked(args.files, "reading"):
        for rows in archives.FORMATS[args.format](path, **options):
            first = first or rows
            if (rows.unit, rows.gravity_compensated) != (first.unit, first.gravity_compensated):
                raise DatasetError(f"{path} and {first.path} hold different kinds of torque: choose one with --torque")
            driver = driver or _archive_driver(args, robot, rows)
            recording = archives.recording_from(rows, driver.joints, driver.effort.scale, args.rate)
            for line in recording.lines():
                console.print(line)
            yield driver, recording


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


def _check_fits(
    args: argparse.Namespace, recording: Recording | ArchiveRecording, first: _Facts, names: Collection[str]
) -> None:
    """Raise where a recording has the name of one before, or another rate than the first."""
    if recording.name in names:
        raise DatasetError(f"two recordings are called {recording.name!r}: rename one, since splits go by recording")
    if args.rate is None and not same_rate(recording.rate, first.rate):
        raise DatasetError(
            f"{recording.path} has {recording.rate:.1f} Hz and {first.path} {first.rate:.1f} Hz: "
            f"pass --rate to resample all to one rate, or make two datasets"
        )


def _counted(recording: Recording | ArchiveRecording) -> dict[str, object]:
    """What is noted of a recording in the dataset."""
    facts = {f.name: getattr(recording, f.name) for f in fields(recording) if f.name not in ("name", "topic")}
    counted: dict[str, object] = {name: v for name, v in facts.items() if isinstance(v, (int, float, str))}
    return counted | ({"notes": list(recording.notes)} if recording.notes else {})
