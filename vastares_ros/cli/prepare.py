"""Turn bags into a dataset: joints by name, effort scaled, cut at gaps, one Parquet file an episode."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from rich.progress import track

from vastares_ros.cli.arguments import add_force, add_topic, console, messages
from vastares_ros.core.errors import DatasetError
from vastares_ros.core.robot import UNITS, Driver, Robot, choose_driver
from vastares_ros.core.sampling import RATE_TOLERANCE, resample, same_rate
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
from vastares_ros.io.robots import load_robot, robot_names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("bags", nargs="+", type=Path, metavar="BAG", help=".bag, .db3, .mcap or a rosbag2 folder")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DATASET", help="folder to write")
    known = ", ".join(robot_names())
    parser.add_argument(
        "--robot", metavar="NAME|FILE", help=f"joint names and meaning of effort: {known}, or a YAML file"
    )
    add_topic(parser, DEFAULT_TOPIC)
    parser.add_argument("--joints", nargs="+", metavar="JOINT", help="joints in order (default: the robot's, or all)")
    parser.add_argument(
        "--effort-scale",
        nargs="+",
        type=float,
        metavar="FACTOR",
        help="published effort times this is the torque; one factor, or one a joint (default: the robot's, or 1)",
    )
    parser.add_argument("--effort-unit", choices=UNITS, help="unit of the scaled effort (default: the robot's, or N·m)")
    parser.add_argument(
        "--rate",
        type=float,
        metavar="HZ",
        help="resample every recording to this rate by linear interpolation (default: keep the rate; recordings that "
        f"differ by more than {RATE_TOLERANCE:.0%} are refused)",
    )
    add_force(parser)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    check_output(args.output, INDEX, args.force)
    robot = load_robot(args.robot) if args.robot else None
    recordings: list[Recording] = []
    driver = None
    for path in track(args.bags, "reading", console=messages, transient=True):
        states = read_joint_states(path, args.topic or DEFAULT_TOPIC)
        driver = driver or _driver(args, robot, states)
        recordings.append(recording_from(states, driver.joints, driver.effort.scale))
        for line in recordings[-1].lines():
            console.print(line)
    assert driver is not None  # argparse wants at least one bag
    dataset = _dataset(args, robot.name if robot else "unknown", driver, recordings)
    dataset = write_dataset(args.output, dataset, args.force)
    samples = sum(len(e) for e in dataset.episodes)
    console.print(
        f"{args.output}: {len(dataset.episodes)} episodes, {samples} samples of {len(dataset.joints)} joints at "
        f"{dataset.rate:g} Hz, torque in {dataset.effort.unit}"
    )
    return 0


def _driver(args: argparse.Namespace, robot: Robot | None, states: JointStates) -> Driver:
    if robot or args.joints:
        published = tuple(dict.fromkeys(name for table in states.tables for name in table.names))
    else:
        published = published_names(states)  # which refuses two arms
    return choose_driver(robot, published, args.joints or (), args.effort_unit or "", args.effort_scale or ())


def _dataset(args: argparse.Namespace, robot: str, driver: Driver, recordings: list[Recording]) -> Dataset:
    names = [r.name for r in recordings]
    if twice := {name for name in names if names.count(name) > 1}:
        raise DatasetError(f"two bags are called {sorted(twice)[0]!r}: rename one, since splits go by recording")
    episodes = [e for r in recordings for e in r.episodes]
    if args.rate is None:
        rate = recordings[0].rate
        for recording in recordings:
            if not same_rate(recording.rate, rate):
                raise DatasetError(
                    f"{recording.path} has {recording.rate:.1f} Hz and {recordings[0].path} {rate:.1f} Hz: "
                    f"pass --rate to resample all to one rate, or make two datasets"
                )
    elif args.rate > 0:
        rate = args.rate
        episodes = [resample(e, rate) for e in episodes]
    else:
        raise DatasetError(f"--rate is {args.rate:g}: use a rate above 0 Hz")
    notes = {}
    for r in recordings:
        counted = {
            k: v for k, v in asdict(r).items() if isinstance(v, (int, float, str)) and k not in ("name", "topic")
        }
        notes[r.name] = counted
    topic = args.topic or DEFAULT_TOPIC
    return Dataset(robot, driver.joints, topic, driver.effort, round(rate, 3), tuple(episodes), notes)
