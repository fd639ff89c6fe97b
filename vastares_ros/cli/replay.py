# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Run a bundle over a bag and write what went in and what came out, for PlotJuggler and Foxglove.

OUT.mcap holds the joint states as recorded and, under /estimator, the topics that the live node publishes, with the
same numbers; each message bears the stamp and the time of receipt of the joint state that it answers. The wrench needs
torque in N·m and the URDF of the robot: that of --urdf, or else the one in the bundle, or else the one in the package.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vastares_ros.cli.console import console, tracked
from vastares_ros.core.errors import BagError, RobotError, VastaresError
from vastares_ros.core.samples import Array
from vastares_ros.io.bags import JointStates, iter_messages, read_joint_states
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.mcap import McapWriter, check_mcap, written_mcap
from vastares_ros.io.robots import bundle_arm, read_urdf
from vastares_ros.physics.wrench import WrenchEstimator
from vastares_ros.runtime.bundle import Bundle
from vastares_ros.runtime.device import device_for
from vastares_ros.runtime.outputs import WRENCH, Outputs
from vastares_ros.runtime.pipeline import Pipeline, make_wrench_estimator

NODE = "/estimator"
Message = tuple[int, int, tuple[str, ...], Array, Array, Array]


def run(args: argparse.Namespace) -> int:
    """Run a bundle over a bag as `args` say, and write the bag of input and output; the exit status is 0."""
    check_mcap(args.output, args.force)
    bundle = load_bundle(args.bundle)
    wrench = _wrench_estimator(bundle, args.urdf, args.tip, args.wrench_frame)
    states = read_joint_states(args.bag, args.topic or bundle.topic)
    published = {name for table in states.tables for name in table.names}
    if absent := [joint for joint in bundle.joints if joint not in published]:
        raise BagError(
            f"{args.bag}, topic {states.topic}: no joint {absent[0]!r} of the bundle, but "
            f"{', '.join(sorted(published))}: take a bag of the robot that it was trained on"
        )
    pipeline = Pipeline(bundle, device_for("auto"), wrench, engine=args.engine, notify=console.print)
    validities: Counter[str] = Counter()
    with written_mcap(args.output, args.force) as writer:
        for message in tracked(list(_recorded(states)), f"replaying {args.bag.name}"):
            stamp_ns, log_ns, names, position, velocity, effort = message
            writer.joint_state(states.topic, stamp_ns, log_ns, names, effort, position, velocity)
            try:
                outputs = pipeline.push(stamp_ns, names, position, velocity, effort)
            except VastaresError as error:
                validities[str(error)] += 1
                continue
            if outputs is None:
                continue
            validities[outputs.estimate.validity.value] += 1
            _write(writer, log_ns, outputs, wrench.frame_id if wrench else "")
        estimates = writer.counts[f"{NODE}/estimated_torque"]
        if not estimates:
            why = validities.most_common(1)[0][0] if validities else "joints missing"
            raise VastaresError(f"{args.bag} gives no estimate with {args.bundle}: {why}")
    counts = ", ".join(f"{count} {validity}" for validity, count in validities.most_common())
    console.print(f"{args.output}: {estimates} estimates of {len(states)} messages on {states.topic} ({counts})")
    return 0


def _wrench_estimator(bundle: Bundle, urdf: Path | None, tip: str, reference: str) -> WrenchEstimator | None:
    """What gives the wrench; None, with a line that says why, where there is none and no option asks for one."""
    try:
        arm = bundle_arm(bundle, read_urdf(urdf) if urdf else "", tip)
        return make_wrench_estimator(bundle, arm, reference)
    except RobotError as error:
        if urdf or tip or reference:
            raise
        console.print(f"no wrench: {error}")
        return None


def _recorded(states: JointStates) -> Iterator[Message]:
    """Messages in the order of receipt: stamp, time of receipt, names, position, velocity, effort."""
    received = np.sort(np.concatenate([table.receive_ns for table in states.tables]))  # bags are read in this order
    for log_ns, (stamp_ns, *values) in zip(received.tolist(), iter_messages(states), strict=True):
        yield stamp_ns, log_ns, *values


def _write(writer: McapWriter, log_ns: int, outputs: Outputs, frame_id: str) -> None:
    """Write what is published in answer to a message; `frame_id` is that of the wrench."""
    for output, names, values in outputs.published():
        topic = f"{NODE}/{output.name}"
        if output.kind == WRENCH:
            writer.wrench(topic, outputs.stamp_ns, log_ns, frame_id, values)
        else:
            writer.joint_state(topic, outputs.stamp_ns, log_ns, names, values)
