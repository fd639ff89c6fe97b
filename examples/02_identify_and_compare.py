# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Identify a rigid-body model with three friction models, and compare them on a recording that none has seen.

The figure is nmse: squared error over the variance of the training torque. 0 is perfect, 1 is no better than the mean.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from vastares_ros import IdentifyConfig, VastaresError, identify, load_dataset, save_bundle

CONFIGS = {
    "basic": IdentifyConfig(friction_model="basic"),
    "extended": IdentifyConfig(friction_model="extended"),
    "adaptive": IdentifyConfig(friction_model="extended", friction_time_constant=20.0),
}


def run(args: argparse.Namespace) -> None:
    """Identify, print the table, and keep the best."""
    dataset = load_dataset(args.dataset)
    bundles = {name: identify(dataset, config, test=[args.test], urdf=args.urdf) for name, config in CONFIGS.items()}
    width = max(map(len, (*dataset.joints, "mean")))
    print(f"nmse on {args.test}\n{'':{width}}" + "".join(f"{name:>10}" for name in bundles))
    for joint in dataset.joints:
        row = [bundle.metrics["nmse"]["model"][joint] for bundle in bundles.values()]
        print(f"{joint:{width}}" + "".join(f"{x:10.4f}" for x in row))
    means = {name: bundle.metrics["nmse_mean"]["model"] for name, bundle in bundles.items()}
    print(f"{'mean':{width}}" + "".join(f"{x:10.4f}" for x in means.values()))
    if args.output:
        best = min(means, key=lambda name: means[name])
        save_bundle(args.output, bundles[best])
        print(f"{args.output}: the bundle of {best}")


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and run; bad input ends it with status 2."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="folder of `vastares prepare`")
    parser.add_argument("--test", required=True, metavar="RECORDING", help="recording to judge on; it sets nothing")
    parser.add_argument("--urdf", help="URDF file (default: that of the dataset's robot in the package)")
    parser.add_argument("-o", "--output", help="folder for the bundle with the smallest mean")
    try:
        run(parser.parse_args(argv))
    except (VastaresError, OSError) as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
