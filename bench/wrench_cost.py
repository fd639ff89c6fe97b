# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the wrench costs a tick: processor time of one step, at random poses of each robot, on one core.

The least of the rounds counts, since other work on the machine only ever adds. Printed as JSON, in microseconds a step.
"""

import argparse
import json
import time

import numpy as np

from vastares_ros.core.arm import Arm
from vastares_ros.io.robots import load_robot
from vastares_ros.physics.wrench import WrenchEstimator

ROBOTS = ("ur3", "ur5", "iiwa14")


def main() -> None:
    """Time rounds of all in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000, help="of a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="how often (%(default)s)")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    robots = {name: load_robot(name) for name in ROBOTS}
    estimators = {name: WrenchEstimator(Arm(r.urdf, r.urdf_joints, r.tip)) for name, r in robots.items()}
    poses = {name: rng.uniform(-np.pi, np.pi, (args.steps, len(r.urdf_joints))) for name, r in robots.items()}
    best = dict.fromkeys(ROBOTS, float("inf"))
    for _ in range(args.rounds):
        for name, estimator in estimators.items():
            start = time.process_time()
            for q in poses[name]:
                estimator.step(q, q)
            best[name] = min(best[name], (time.process_time() - start) / args.steps * 1e6)
    print(json.dumps({"step_us": {name: round(cost, 1) for name, cost in best.items()}, "steps": args.steps}))


if __name__ == "__main__":
    main()
