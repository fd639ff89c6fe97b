# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Bags of a simulated arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import yaml

from vastares_ros.core.errors import ConfigError
from vastares_ros.physics.payload import solid_ball
from vastares_ros.physics.simulation import SimulatedArm, SimulatedRecording

from .bags import DEFAULT_TOPIC, MessageTable, write_joint_states
from .folders import written_folder
from .injections import TRUTH_TOPIC
from .robots import load_robot

MARKER = "simulation.yaml"
MIN_SECONDS, MAX_SECONDS = 10.0, 86_400.0  # [s]: less holds no push, more does not fit into memory
MAX_MASS, MAX_OFFSET = 100.0, 1.0  # of a tool [kg], and of its centre from the tip on each axis [m]
TOOL_RADIUS = 0.05  # [m]

_EPOCH = 1_700_000_000  # stamp of the first sample [s]
_JITTER = 0.02  # of the stamps, standard deviation [of the sample period]
_PAUSE = 60  # between two recordings [s]


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
    show: Callable[[str, float, float], None] = lambda bag, done, length: None,
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
        show: called with the name of a bag, the seconds of it that are simulated, and its length [s].

    Returns:
        The bags; the last is the one of pushes.

    Raises:
        ConfigError: a number is out of range.
        RobotError: the robot is unknown or cannot be simulated.
        OutputError: the folder exists.
    """
    if episodes < 0 or seed < 0:
        raise ConfigError(f"--episodes {episodes}, --seed {seed}: use 0 or more")
    if not all(MIN_SECONDS <= length <= MAX_SECONDS for length in (seconds, push_seconds)):
        raise ConfigError(
            f"--seconds {seconds:g}, --push-seconds {push_seconds:g}: use {MIN_SECONDS:g} to {MAX_SECONDS:g}"
        )
    if not (0 <= payload <= MAX_MASS and np.abs(payload_com).max() <= MAX_OFFSET):
        raise ConfigError(
            f"--payload {payload:g}, --payload-com {' '.join(f'{c:g}' for c in payload_com)}: use 0 to {MAX_MASS:g} "
            f"kg, and at most {MAX_OFFSET:g} m from the tip"
        )
    description = load_robot(robot)
    arm = SimulatedArm(description, payload=solid_ball(payload, payload_com, TOOL_RADIUS) if payload else None)
    facts = {"robot": description.name, "episodes": episodes, "seconds": seconds}
    facts |= {"push_seconds": push_seconds, "seed": seed}
    facts |= {"payload_kg": payload, "payload_com": list(payload_com)} if payload else {}
    kind = "tool" if payload else "free"
    lengths = {f"{kind}_{i}": seconds for i in range(1, episodes + 1)} | {"pushes": push_seconds}
    with written_folder(folder, MARKER, force) as scratch:
        start = float(_EPOCH)
        for i, (name, length) in enumerate(lengths.items(), start=1):
            pushed = name == "pushes"
            rng = np.random.default_rng([seed, 0 if pushed else i])
            record = arm.pushes if pushed else arm.free_motion
            recording = record(length, rng, name, partial(_show, show, name, length))
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


def _show(show: Callable[[str, float, float], None], bag: str, length: float, done: float) -> None:
    show(bag, done, length)
