"""Run a bundle over a bag and write what went in and what came out, for PlotJuggler and Foxglove.

OUT.mcap holds the joint states as recorded and, under /estimator, the topics that the live node publishes, with the
same numbers; each message bears the stamp and the time of receipt of the joint state that it answers. The wrench needs
torque in N·m and the URDF of the robot, which is the one that comes with the package unless --urdf names another.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike

from vastares_ros.cli.arguments import add_force, add_topic, console, tracked
from vastares_ros.core.errors import BagError, RobotError, VastaresError
from vastares_ros.core.joints import JointAssembler
from vastares_ros.core.samples import Array, JointSample, seconds
from vastares_ros.io.bags import JointStates, iter_messages, read_joint_states
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.mcap import McapWriter, check_mcap, written_mcap
from vastares_ros.io.robots import bundle_arm, read_urdf
from vastares_ros.physics.wrench import WrenchEstimator
from vastares_ros.runtime.bundle import Bundle
from vastares_ros.runtime.device import device_for
from vastares_ros.runtime.estimator import Estimate, Estimator

NODE = "/estimator"
Message = tuple[int, int, tuple[str, ...], Array, Array, Array]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("bag", type=Path, metavar="BAG", help=".bag, .db3, .mcap or a rosbag2 folder")
    parser.add_argument("--bundle", type=Path, required=True, help="folder written by `vastares train`")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.mcap", help="file to write")
    add_topic(parser, "the one the bundle was trained from")
    parser.add_argument(
        "--urdf", type=Path, metavar="FILE", help="URDF for the wrench (default: the robot's, if known)"
    )
    parser.add_argument("--tip", default="", metavar="LINK", help="link where forces act (default: the robot's tip)")
    parser.add_argument(
        "--wrench-frame", default="", metavar="LINK", help="frame to give the wrench in (default: the tip)"
    )
    add_force(parser)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    torch.set_num_threads(1)  # as in the node: another number may round otherwise
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
    estimator = Estimator(bundle, device_for("auto"))
    assembler = JointAssembler(bundle.joints, bundle.effort.scale)
    validities: Counter[str] = Counter()
    with written_mcap(args.output, args.force) as recorder:
        for message in tracked(list(_recorded(states)), f"replaying {args.bag.name}"):
            stamp_ns, log_ns, names, position, velocity, effort = message
            recorder.joint_state(states.topic, stamp_ns, log_ns, names, effort, position, velocity)
            try:
                sample = assembler.push(seconds(stamp_ns), names, position, velocity, effort)
            except VastaresError as error:
                validities[str(error)] += 1
                continue
            if sample is None:
                continue
            estimate = estimator.step(sample)
            validities[estimate.validity.value] += 1
            _record(recorder, stamp_ns, log_ns, bundle, sample, estimate, wrench)
        answers = recorder.counts[f"{NODE}/estimated_torque"]
        if not answers:
            why = validities.most_common(1)[0][0] if validities else "joints missing"
            raise VastaresError(f"{args.bag} gives no estimate with {args.bundle}: {why}")
    told = ", ".join(f"{count} {what}" for what, count in validities.most_common())
    console.print(f"{args.output}: {answers} estimates of {len(states)} messages on {states.topic} ({told})")
    return 0


def _wrench_estimator(bundle: Bundle, urdf: Path | None, tip: str, reference: str) -> WrenchEstimator | None:
    """None, and a line that says why, where nobody asks for a wrench and it cannot be had."""
    try:
        if bundle.effort.unit != "N·m":
            raise RobotError(f"the bundle's torque is in {bundle.effort.unit}, and a wrench needs N·m")
        return WrenchEstimator(bundle_arm(bundle, read_urdf(urdf) if urdf else "", tip), reference)
    except RobotError as error:
        if urdf or tip or reference:
            raise
        console.print(f"no wrench: {error}")
        return None


def _recorded(states: JointStates) -> Iterator[Message]:
    received = np.sort(np.concatenate([table.receive_ns for table in states.tables]))  # bags are read in this order
    for log_ns, (stamp_ns, *values) in zip(received.tolist(), iter_messages(states), strict=True):
        yield stamp_ns, log_ns, *values


def _record(
    recorder: McapWriter,
    stamp_ns: int,
    log_ns: int,
    bundle: Bundle,
    sample: JointSample,
    estimate: Estimate,
    wrench: WrenchEstimator | None,
) -> None:
    def write(topic: str, effort: ArrayLike, names: tuple[str, ...] = bundle.joints) -> None:
        recorder.joint_state(f"{NODE}/{topic}", stamp_ns, log_ns, names, effort)

    write("valid", [estimate.valid], ("valid",))
    if not np.isfinite(estimate.tau_free).all():
        return
    write("estimated_torque", estimate.tau_free)
    if not np.isfinite(estimate.tau_ext).all():
        return
    write("external_torque", estimate.tau_ext)
    write("external_torque_bound", estimate.bound)
    if estimate.valid:
        write("contact", estimate.contact())
    if wrench:
        found = wrench.step(sample.q, estimate.tau_ext)
        recorder.wrench(f"{NODE}/external_wrench", stamp_ns, log_ns, wrench.frame_id, found.values)
        write("wrench_singularity", [found.singularity], ("singularity",))
