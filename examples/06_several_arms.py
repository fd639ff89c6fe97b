# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Estimate for several arms whose joints are on one topic, sample by sample as a live program does.

Every arm has a bundle of its own, trained on joints with its prefix, such as left_shoulder_pan_joint. A `Pipeline`
takes the joints of its bundle out of each message by name and ignores the others, so all pipelines get all messages.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from vastares_ros import Pipeline, VastaresError, load_bundle, read_bag


def run(args: argparse.Namespace) -> None:
    """Push every sample of the bag into the pipeline of every arm."""
    pipelines = {path: Pipeline(load_bundle(path), contact_factor=args.contact_factor) for path in args.bundles}
    recording = read_bag(args.bag)  # without a bundle: all joints of the topic, effort as published
    for path, pipeline in pipelines.items():
        if absent := set(pipeline.joints) - set(recording.joints):
            raise VastaresError(f"{args.bag} has no joint {min(absent)}, which {path} is for")
    answers, valid, contacts = ({path: 0 for path in pipelines} for _ in range(3))
    touched = {path: False for path in pipelines}
    for episode in recording.episodes:
        for pipeline in pipelines.values():
            pipeline.reset()
        for sample in episode:
            stamp_ns = round(sample.t * 1e9)  # live: those of the message header
            for path, pipeline in pipelines.items():
                outputs = pipeline.push(stamp_ns, episode.joints, sample.q, sample.qd, sample.tau)
                if outputs is None:  # this message completed no sample of this arm
                    continue
                answers[path] += 1
                valid[path] += outputs.estimate.valid
                contact = outputs.estimate.valid and bool(outputs.contact.any())
                if contact and not touched[path]:
                    contacts[path] += 1
                    joint = int(np.argmax(np.abs(outputs.estimate.tau_ext) / outputs.estimate.bound))
                    unit = pipeline.bundle.effort.unit
                    where = f"{pipeline.joints[joint]}, {outputs.estimate.tau_ext[joint]:+.2f} {unit}"
                    print(f"{sample.t - recording.episodes[0].t[0]:8.3f} s  {path}: contact at {where}")
                touched[path] = contact
    for path in pipelines:
        print(f"{path}: {answers[path]} samples, {valid[path]} valid, {contacts[path]} contacts")


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and run; bad input ends it with status 2."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bag", help="bag with the joints of all arms on /joint_states")
    parser.add_argument("bundles", nargs="+", metavar="bundle", help="one for each arm")
    parser.add_argument("--contact-factor", type=float, default=2.0, help="bounds that contact exceeds (%(default)s)")
    try:
        run(parser.parse_args(argv))
    except (VastaresError, OSError) as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
