# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Tell from a recording what its effort is, and what is wrong with it, before anything is learned from it.

Effort is torque with or without gravity, motor current, or the controller's own external torque, and its sign may be
inverted. Friction, which opposes motion, inertia, and gravity, which follows the pose, tell which. Gravity is by the
URDF of --robot, --urdf, --bundle or the dataset; without one, little can be said of it. Stamps, velocity, joint order,
delays, contact and missing motion are checked, too. Each answer has a confidence and its evidence. A question that the
recording cannot answer is `unknown`, with what would answer it.

With --live, what comes on a topic is examined: move all joints meanwhile.

At the end is the line for a robot file. The exit status is 1 if a check fails: what the robot file, the dataset or the
bundle says of effort is not what is seen, or nothing can be learned from the recording.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from vastares_ros.cli.console import console, progress_of, write_json
from vastares_ros.core.arm import Arm, resolve_arm
from vastares_ros.core.errors import ConfigError, DatasetError, RobotError
from vastares_ros.core.robot import Effort, Robot, choose_driver
from vastares_ros.io.bags import (
    DEFAULT_TOPIC,
    JointStates,
    PublishedSamples,
    published_names,
    published_samples,
    read_joint_states,
)
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.datasets import is_dataset, load_dataset
from vastares_ros.io.folders import check_file
from vastares_ros.io.robots import bundle_arm, known_robot, load_robot, read_urdf
from vastares_ros.physics.rigid_body import RigidBody
from vastares_ros.report.render import terminal
from vastares_ros.report.tables import doctor_table
from vastares_ros.runtime.bundle import Bundle
from vastares_ros.training.doctor import examine, from_episode

SHORTEST, LONGEST = 5.0, 3600.0  # of what is heard live [s]


def run(args: argparse.Namespace) -> int:
    """Examine what `args` name and print a check list; the exit status is 1 if a check fails, else 0."""
    if args.json:
        check_file(args.json, args.force)
    if args.live is not None and not SHORTEST <= args.live <= LONGEST:
        raise ConfigError(
            f"--live is {args.live:g}: use {SHORTEST:g} to {LONGEST:g} s",
            field="--live",
            value=args.live,
            lower=SHORTEST,
            upper=LONGEST,
        )
    if args.bundle and (args.robot or args.urdf or args.joints):
        raise ConfigError("--bundle knows robot, URDF and joints: leave --robot, --urdf and --joints out")
    bundle = load_bundle(args.bundle) if args.bundle else None
    robot = load_robot(args.robot) if args.robot else known_robot(bundle.robot) if bundle else None
    claim: Effort | None
    if args.live is None and is_dataset(args.source):
        dataset = load_dataset(args.source)
        robot = robot or known_robot(dataset.robot)
        claim, joints = dataset.effort, dataset.joints
        if bundle and bundle.joints != joints:
            raise DatasetError(f"{args.source} has joints {', '.join(joints)}, the bundle {', '.join(bundle.joints)}")
        if args.joints or args.topic:
            raise ConfigError("--joints and --topic are of bags: a dataset has been given its joints")
        recordings = [from_episode(e, claim.scale) for e in dataset.episodes]
    else:
        states = _states(args, bundle)
        joints, claim = _joints(args.joints or (), states, robot, bundle)
        recordings = [published_samples(states, joints)]
    body = _body(joints, robot, bundle, read_urdf(args.urdf) if args.urdf else "")
    found = examine(str(args.source), recordings, bundle.effort if bundle else claim, robot, body, bundle)
    if args.json:
        rate = None if np.isnan(found.rate) else found.rate
        write_json(args.json, asdict(found) | {"status": found.status, "rate": rate})
    console.print(terminal(doctor_table(found, _title(recordings, found.source, body))))
    if found.entry:
        console.print("for a robot file, below its driver (see config/robots):")
        console.print(f"  {found.entry}")
    return 1 if found.status == "fail" else 0


def _states(args: argparse.Namespace, bundle: Bundle | None) -> JointStates:
    """What the bag holds, or what comes on the topic with `--live`."""
    if args.live is None:
        return read_joint_states(args.source, args.topic or (bundle.topic if bundle else DEFAULT_TOPIC))
    if args.topic:
        raise ConfigError("with --live, the first argument is the topic: leave --topic out", field="--topic")
    from vastares_ros.nodes.listener import hear

    with progress_of(f"listening to {args.source}", args.live) as advance:
        return hear(str(args.source), args.live, advance)


def _title(recordings: Sequence[PublishedSamples], source: str, body: RigidBody | None) -> str:
    samples = sum(len(r.t) for r in recordings)
    known = "gravity by the URDF" if body else "no URDF: give --robot or --urdf to learn more"
    return f"{source}: {samples} samples of {len(recordings[0].joints)} joints; {known}"


def _joints(
    asked: Sequence[str], states: JointStates, robot: Robot | None, bundle: Bundle | None
) -> tuple[tuple[str, ...], Effort | None]:
    """Joints to look at, and what their effort is said to be."""
    if bundle:
        return bundle.joints, bundle.effort
    if robot:
        published = tuple(dict.fromkeys(name for table in states.tables for name in table.names))
        driver = choose_driver(robot, published, asked, "", ())
        return driver.joints, driver.effort
    return tuple(asked) or published_names(states), None


def _body(joints: Sequence[str], robot: Robot | None, bundle: Bundle | None, urdf: str) -> RigidBody | None:
    """The rigid body of the URDF, gravity included; None where there is no URDF."""
    if not urdf and not bundle and not (robot and robot.urdf):
        return None
    try:
        arm = bundle_arm(bundle) if bundle else resolve_arm(joints, robot, urdf)
    except RobotError:
        if not bundle:
            raise
        return None
    return RigidBody(Arm(arm.urdf, arm.joints, arm.tip))
