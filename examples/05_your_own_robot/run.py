# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Prepare, identify and estimate for a robot that the package does not know.

arm.yaml and arm.urdf beside this file describe the robot. Copy the folder and write your own into it. Bags of this one:

    vastares simulate --robot arm.yaml -o simulated
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vastares_ros import (
    Dataset,
    VastaresError,
    estimate,
    identify,
    load_robot,
    read_bag,
    save_bundle,
    write_dataset,
)

HERE = Path(__file__).resolve().parent


def run(args: argparse.Namespace) -> None:
    """Go from bags to an estimate."""
    robot = load_robot(args.robot)
    recordings = [read_bag(bag, robot=args.robot) for bag in args.bags]
    first = recordings[0]
    dataset = Dataset(
        robot.name,
        first.joints,
        first.topic,
        robot.driver_for(first.joints).effort,
        first.rate,
        tuple(episode for recording in recordings for episode in recording.episodes),
    )
    # As `vastares prepare --robot arm.yaml` does.
    dataset = write_dataset(args.output / "dataset", dataset, args.force)
    bundle = identify(
        dataset, test=[first.name], robot=args.robot
    )  # has the URDF inside, so the node needs no other file
    save_bundle(args.output / "bundle", bundle, args.force)
    print(f"{args.output / 'bundle'}: {robot.name}, bound set from {bundle.residual_source}")
    for joint, nmse in bundle.metrics["nmse"]["model"].items():
        print(f"  {joint:12} nmse {nmse:.4f} on {first.name}, which was not learned from")

    found = estimate(bundle, read_bag(args.estimate, bundle=bundle))
    print(f"{args.estimate}: {len(found.t)} samples, {found.valid.mean():.1%} of the estimates are valid")
    for j, joint in enumerate(found.joints):
        peak = np.nanmax(np.abs(found.tau_ext[:, j]))
        print(f"  {joint:12} external torque up to {peak:.2f} {bundle.effort.unit}, bound {found.bound[j]:.2f}")
    if found.wrench is not None:
        names = ("force x", "force y", "force z", "torque x", "torque y", "torque z")
        wrench = found.wrench[found.valid]
        felt = ", ".join(name for i, name in enumerate(names) if np.isfinite(wrench[:, i]).all())
        print(f"  of the wrench in the frame {found.wrench_frame} these joints always feel: {felt or 'nothing'}")


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and run; bad input ends it with status 2."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bags", nargs="+", metavar="bag", help="free motion; the first one is held out to judge on")
    parser.add_argument("--estimate", required=True, metavar="BAG", help="bag to estimate")
    parser.add_argument("--robot", type=Path, default=HERE / "arm.yaml", help="robot description (that beside this)")
    parser.add_argument("-o", "--output", type=Path, default=Path("own_robot"), help="folder to write (%(default)s)")
    parser.add_argument("--force", action="store_true", help="replace the dataset and the bundle if they exist")
    try:
        run(parser.parse_args(argv))
    except (VastaresError, OSError) as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
