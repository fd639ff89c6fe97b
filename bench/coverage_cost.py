# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What coverage costs a message of the training node: processor time of adding one sample of seven joints, on one core.

The least of the rounds counts, since other work on the machine only ever adds. Printed as JSON, in microseconds.
"""

import argparse
import json
import time

import numpy as np

from vastares_ros.core.coverage import Coverage

JOINTS = 7


def main() -> None:
    """Time rounds of samples."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2000, help="of a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=20, help="how often (%(default)s)")
    args = parser.parse_args()
    coverage = Coverage([f"j{i}" for i in range(JOINTS)], [-1.0] * JOINTS, [1.0] * JOINTS, [1.0] * JOINTS)
    q, qd = np.random.default_rng(0).uniform(-1, 1, (2, args.samples, JOINTS))
    best = float("inf")
    for _ in range(args.rounds):
        start = time.process_time()
        for i in range(args.samples):
            coverage.add(q[i], qd[i])
        best = min(best, (time.process_time() - start) / args.samples * 1e6)
    print(json.dumps({"sample_us": round(best, 1), "joints": JOINTS, "samples": args.samples}))


if __name__ == "__main__":
    main()
