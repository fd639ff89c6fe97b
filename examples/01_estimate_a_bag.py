# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Estimate over a bag, and plot measured, estimated and external torque of every joint.

The bundle says which joints it is for, on which topic they are, and what effort means.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # writes files, needs no screen

import matplotlib.pyplot as plt

from vastares_ros import Estimates, VastaresError, estimate, load_bundle, read_bag


def plot(found: Estimates, unit: str, path: Path) -> None:
    """Draw one row for each joint: torques on the left, external torque and its bound on the right."""
    t = found.t - found.t[0]
    tau_meas = found.tau_free - found.tau_ext  # since tau_ext = tau_free − tau_meas; low-pass filtered as the model's
    figure, rows = plt.subplots(
        len(found.joints), 2, sharex=True, squeeze=False, figsize=(12, 2 * len(found.joints)), layout="constrained"
    )
    for j, (joint, (left, right)) in enumerate(zip(found.joints, rows, strict=True)):
        left.plot(t, tau_meas[:, j], label="measured", linewidth=0.8)
        left.plot(t, found.tau_free[:, j], label="estimated", linewidth=0.8)
        left.set_ylabel(f"{joint}\n[{unit}]", fontsize="small")
        right.plot(t, found.tau_ext[:, j], label="external", linewidth=0.8, color="tab:red")
        right.axhspan(-found.bound[j], found.bound[j], label="bound of free motion", alpha=0.15, color="gray")
    for axes, title in zip(rows[0], ("torque", "external torque"), strict=True):
        axes.set_title(title)
        axes.legend(loc="upper right", fontsize="small")
    for axes in rows[-1]:
        axes.set_xlabel("time [s]")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def run(args: argparse.Namespace) -> None:
    """Read, estimate, print and plot."""
    bundle = load_bundle(args.bundle)
    recording = read_bag(args.bag, bundle=bundle)
    found = estimate(bundle, recording)
    if not found.valid.any():
        raise VastaresError(f"{args.bag} gives no valid estimate with {args.bundle}: compare both by `vastares info`")
    print(f"{args.bag}: {len(found.t)} samples, {found.valid.mean():.1%} of the estimates are valid")
    above = abs(found.tau_ext[found.valid]) > found.bound
    for joint, bound, share in zip(found.joints, found.bound, above.mean(axis=0), strict=True):
        print(f"  {joint:24} above its bound of {bound:.3g} {bundle.effort.unit} in {share:.1%} of these samples")
    plot(found, bundle.effort.unit, args.output)
    print(f"plot: {args.output}")


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and run; bad input ends it with status 2."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", help="folder of `vastares identify` or `vastares train`")
    parser.add_argument("bag", help="a .bag, .db3 or .mcap file, or a rosbag2 folder")
    parser.add_argument("-o", "--output", type=Path, default=Path("plot.png"), help="picture to write (%(default)s)")
    try:
        run(parser.parse_args(argv))
    except (VastaresError, OSError) as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
