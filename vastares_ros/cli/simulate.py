"""Record bags of a simulated arm: several of free motion, and one in which the tool is pushed by known forces.

FOLDER gets the MCAP bags free_1, free_2 ... and pushes, with the topic /joint_states. The bag of pushes also has
/true_external_torque, a JointState whose effort is the external torque [N·m]. Same seed, same bags. With --payload
the arm carries a tool in all of them, a solid ball of 10 cm, and they are tool_1, tool_2 ... and pushes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from rich.console import Console
from rich.progress import Progress, TaskID

from vastares_ros.cli.arguments import add_force
from vastares_ros.core.errors import ConfigError
from vastares_ros.io.bags import DEFAULT_TOPIC, MessageTable, write_joint_states
from vastares_ros.io.folders import written_folder
from vastares_ros.io.robots import load_robot
from vastares_ros.physics.payload import solid_ball
from vastares_ros.physics.simulation import SimulatedArm, SimulatedRecording

TRUTH_TOPIC = "/true_external_torque"
MARKER = "simulation.yaml"
SHORTEST, LONGEST = 10.0, 86_400.0  # [s]: less holds no push, more is too much for memory
HEAVIEST, FARTHEST = 100.0, 1.0  # of a tool [kg], and its centre from the tip on each axis [m]
BALL = 0.05  # radius of a tool [m]

_EPOCH = 1_700_000_000  # stamp of the first sample [s]
_JITTER = 0.02  # of the stamps, standard deviation [of the sample period]
_PAUSE = 60  # between two recordings [s]
_SLOW = 100  # simulated seconds that take longer than one waits without a progress bar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `vastares simulate`."""
    parser.add_argument("--robot", default="ur5", help="robot with a URDF: a name, or the path of its YAML file (ur5)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder to make")
    parser.add_argument("--episodes", type=int, default=4, metavar="N", help="bags of free motion (4)")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="length of each (60)")
    parser.add_argument(
        "--push-seconds", type=float, default=40.0, metavar="S", help="length of the bag of pushes (40)"
    )
    parser.add_argument("--payload", type=float, default=0.0, metavar="KG", help="mass of a tool at the tip (none)")
    parser.add_argument(
        "--payload-com",
        type=float,
        nargs=3,
        default=(0.0, 0.0, 0.05),
        metavar=("X", "Y", "Z"),
        help="its centre in the frame of the tip, in m (0 0 0.05)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of motion, pushes and noise (0)")
    add_force(parser)


def run(args: argparse.Namespace) -> int:
    """Run `vastares simulate`."""
    lengths = args.episodes, args.seconds, args.push_seconds
    tool = args.payload, args.payload_com
    bags = simulate(args.output, args.robot, *lengths, args.seed, args.force, *tool)
    for bag in bags:
        print(bag)
    return 0


def simulate(
    folder: Path,
    robot: str = "ur5",
    episodes: int = 4,
    seconds: float = 60.0,
    push_seconds: float = 40.0,
    seed: int = 0,
    force: bool = False,
    payload: float = 0.0,
    payload_com: Sequence[float] = (0.0, 0.0, 0.0),
) -> list[Path]:
    """Record bags of a simulated arm.

    Args:
        folder: to make.
        robot: name or path of a robot description with a URDF.
        episodes: bags of free motion.
        seconds: length of each [s].
        push_seconds: length of the bag of pushes [s].
        seed: of everything random.
        force: replace a folder of an earlier simulation.
        payload: mass of a tool at the tip [kg].
        payload_com: its centre in the frame of the tip [m].

    Returns:
        The bags; the last is the one of pushes.

    Raises:
        ConfigError: a number is out of range.
        RobotError: the robot is unknown or cannot be simulated.
        OutputError: the folder exists.
    """
    if episodes < 0 or seed < 0:
        raise ConfigError(f"--episodes {episodes}, --seed {seed}: use 0 or more")
    if not all(SHORTEST <= length <= LONGEST for length in (seconds, push_seconds)):
        raise ConfigError(f"--seconds {seconds:g}, --push-seconds {push_seconds:g}: use {SHORTEST:g} to {LONGEST:g}")
    if not (0 <= payload <= HEAVIEST and np.abs(payload_com).max() <= FARTHEST):
        raise ConfigError(
            f"--payload {payload:g}, --payload-com {' '.join(f'{c:g}' for c in payload_com)}: use 0 to {HEAVIEST:g} "
            f"kg, and at most {FARTHEST:g} m from the tip"
        )
    description = load_robot(robot)
    arm = SimulatedArm(description, payload=solid_ball(payload, payload_com, BALL) if payload else None)
    facts = {"robot": description.name, "episodes": episodes, "seconds": seconds}
    facts |= {"push_seconds": push_seconds, "seed": seed}
    facts |= {"payload_kg": payload, "payload_com": list(payload_com)} if payload else {}
    kind = "tool" if payload else "free"
    lengths = {f"{kind}_{i}": seconds for i in range(1, episodes + 1)} | {"pushes": push_seconds}
    bar = Progress(console=Console(stderr=True), transient=True, disable=sum(lengths.values()) < _SLOW)
    with written_folder(folder, MARKER, force) as scratch, bar:
        start = float(_EPOCH)
        for i, (name, length) in enumerate(lengths.items(), start=1):
            pushed = name == "pushes"
            rng = np.random.default_rng([seed, 0 if pushed else i])
            task = bar.add_task(name, total=length)
            record = arm.pushes if pushed else arm.free_motion
            recording = record(length, rng, name, partial(_show, bar, task))
            write_joint_states(scratch / name, _topics(recording, arm, start, rng, truth=pushed))
            start += length + _PAUSE
        (scratch / MARKER).write_text(yaml.safe_dump(facts, sort_keys=False), encoding="utf-8")
    return [folder / name for name in lengths]


def _topics(
    recording: SimulatedRecording, arm: SimulatedArm, start: float, rng: np.random.Generator, truth: bool
) -> dict[str, MessageTable]:
    episode = recording.episode
    period = episode.t[1] - episode.t[0]
    jitter = np.clip(_JITTER * rng.standard_normal(len(episode)), -0.4, 0.4) * period
    stamps = np.round((episode.t + jitter) * 1e9).astype(np.int64) + round(start * 1e9)
    arrival = stamps + round(0.1 * period * 1e9)
    empty = np.empty((len(episode), 0))
    effort = episode.tau / np.array(arm.driver.effort.scale)
    topics = {DEFAULT_TOPIC: MessageTable(episode.joints, stamps, arrival, episode.q, episode.qd, effort)}
    if truth:
        topics[TRUTH_TOPIC] = MessageTable(episode.joints, stamps, arrival, empty, empty, recording.tau_ext)
    return topics


def _show(bar: Progress, task: TaskID, now: float) -> None:
    bar.update(task, completed=now)
