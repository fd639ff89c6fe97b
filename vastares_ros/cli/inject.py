# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Add the joint torques of known pushes to a recording of free motion: real noise, known truth.

OUT.mcap holds the joint states as recorded but for effort, from which J^T F of the profile's wrench F is taken, since
the environment bears what the motors need not. Beside them stands the truth, under the same stamps:
/true_external_torque, a JointState whose effort is in N·m, and /true_external_wrench, in the frame of the profile.
Every other verb reads it as any bag. config/wrench_push.yaml explains the profile.
"""

from __future__ import annotations

import argparse

import numpy as np

from vastares_ros.cli.console import console
from vastares_ros.core.arm import resolve_arm
from vastares_ros.core.errors import BagError, ConfigError, RobotError
from vastares_ros.core.joints import columns
from vastares_ros.core.robot import Driver, Robot, choose_driver
from vastares_ros.io.bags import (
    DEFAULT_TOPIC,
    JointStates,
    all_topics,
    in_order,
    iter_messages,
    published_names,
    read_joint_states,
    recording_from,
)
from vastares_ros.io.injections import TRUE_WRENCH_TOPIC, TRUTH_TOPIC, Injected, inject, read_profile
from vastares_ros.io.mcap import McapWriter, check_mcap, written_mcap
from vastares_ros.io.robots import load_robot, read_urdf
from vastares_ros.physics.injection import Injector


def run(args: argparse.Namespace) -> int:
    """Add the pushes of a profile to a bag as `args` say, and write the new bag; the exit status is 0."""
    check_mcap(args.output, args.force)
    if not (args.robot or args.urdf):
        raise ConfigError("no URDF: name the robot with --robot, or give its URDF with --urdf")
    robot = load_robot(args.robot) if args.robot else None
    profile = read_profile(args.wrench)
    urdf = read_urdf(args.urdf) if args.urdf else ""
    states = read_joint_states(args.bag, args.topic or DEFAULT_TOPIC)
    others = sorted(all_topics(args.bag).keys() - {states.topic})
    if pushed := [topic for topic in others if topic in (TRUTH_TOPIC, TRUE_WRENCH_TOPIC)]:
        raise BagError(f"{args.bag} holds {pushed[0]}, so the arm is pushed in it already: take one of free motion")
    driver = _driver(args, robot, states)
    recording = recording_from(states, driver.joints, driver.effort.scale)
    for line in recording.lines():
        console.print(line)
    try:
        length = max(episode.t[-1] for episode in recording.episodes) - recording.episodes[0].t[0]
        profile = profile.within(length)
        injector = Injector(profile, resolve_arm(driver.joints, robot, urdf))
    except ConfigError as error:
        raise error.within(args.wrench, path=args.wrench) from error
    injected = inject(states, recording, driver.effort.scale, injector)
    largest = np.abs(injected.tau_ext).max(axis=0)
    if not largest.any():
        raise ConfigError(
            f"{args.wrench}: no joint feels a push at {injector.link}: push a link that they move", path=args.wrench
        )
    with written_mcap(args.output, args.force) as recorder:
        _write(recorder, injected, driver.joints, injector.frame_id)
    count = sum(len(event.starts) for event in profile.events)
    pushes = f"{count} push{'es' * (count != 1)} at {injector.link}"
    peaks = ", ".join(f"{joint} {torque:.1f}" for joint, torque in zip(driver.joints, largest, strict=True))
    console.print(
        f"{args.output}: {pushes} in {len(states)} messages on {states.topic}; "
        f"largest external torque in N·m: {peaks}; "
        f"the truth is on {TRUTH_TOPIC} and, in {injector.frame_id}, {TRUE_WRENCH_TOPIC}"
    )
    if others:
        console.print(f"left out other topics of {args.bag}: {', '.join(others)}")
    return 0


def _driver(args: argparse.Namespace, robot: Robot | None, states: JointStates) -> Driver:
    """Joints of the arm, and how its effort becomes torque in N·m."""
    if robot or args.joints:
        published = tuple(dict.fromkeys(name for table in states.tables for name in table.names))
    else:
        published = published_names(states)  # which refuses two arms
    unit = "N·m" if args.effort_scale else ""
    driver = choose_driver(robot, published, args.joints or (), unit, args.effort_scale or ())
    if driver.effort.unit != "N·m":
        raise RobotError(
            f"driver {driver.name} publishes current in {driver.effort.unit}, and a wrench needs torque: give the "
            "gain of the drives [N·m/A] with --effort-scale"
        )
    return driver


def _write(recorder: McapWriter, injected: Injected, joints: tuple[str, ...], frame_id: str) -> None:
    states = injected.states
    received = in_order(states, "receive_ns").tolist()
    for i, (stamp_ns, names, position, velocity, effort) in enumerate(iter_messages(states)):
        log_ns = received[i]
        recorder.joint_state(states.topic, stamp_ns, log_ns, names, effort, position, velocity)
        ours, _ = columns(joints, names)
        if len(ours) and len(effort) == len(names):
            pushed = [joints[j] for j in ours]
            recorder.joint_state(TRUTH_TOPIC, stamp_ns, log_ns, pushed, injected.tau_ext[i, ours])
            recorder.wrench(TRUE_WRENCH_TOPIC, stamp_ns, log_ns, frame_id, injected.wrench[i])
