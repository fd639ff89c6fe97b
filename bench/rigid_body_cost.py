# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a rigid-body model adds to a tick: processor time of the signal chain with and without it, in turn in one run.

A UR3 in made-up motion at 125 Hz, sample by sample as in the node, on one core. The least of the rounds counts, since
other work on the machine only ever adds. Printed as JSON, in microseconds a tick.
"""

import argparse
import json
import time

import numpy as np

from vastares_ros.core.arm import Arm
from vastares_ros.core.signals import FilterConfig, PhysicsTorque, SignalChain
from vastares_ros.io.robots import load_robot
from vastares_ros.physics.friction import FRICTION_MODELS, TERMS
from vastares_ros.physics.observer import MomentumObserver
from vastares_ros.physics.rigid_body import RigidBody, RigidBodyParameters, RigidBodyTorque

RATE = 125.0


def parameters(body: RigidBody, friction_model: str, time_constant: float) -> RigidBodyParameters:
    """The URDF's inertias, and friction coefficients of 1, which adapt with a time constant [s] unless it is 0."""
    joints = len(body.joints)
    terms = FRICTION_MODELS[friction_model]
    friction = np.ones((sum(TERMS[term] for term in terms), joints))
    ones = np.ones(joints)
    return RigidBodyParameters(body.inertial_parameters, 0.1 * ones, friction, ones, terms, 0.05, ones, time_constant)


def models() -> dict[str, PhysicsTorque | None]:
    """The rigid-body models that are timed, by name; "none" is the chain without one."""
    robot = load_robot("ur3")

    def body() -> RigidBody:
        return RigidBody(Arm(robot.urdf, robot.urdf_joints, robot.tip))

    made: dict[str, PhysicsTorque | None] = {"none": None}
    for friction_model, time_constant in (("basic", 0.0), ("extended", 0.0), ("extended", 20.0)):
        name = f"{friction_model}, adaptive" if time_constant else friction_model
        made[name] = RigidBodyTorque(body(), parameters(body(), friction_model, time_constant), RATE)
    made["observer"] = MomentumObserver(body(), parameters(body(), "extended", 0.0), RATE, 20.0)
    return made


def main() -> None:
    """Time rounds of all in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ticks", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    t = np.arange(args.ticks)[:, None] / RATE
    frequency = np.linspace(0.5, 2.0, 6)
    q, qd = np.sin(frequency * t), frequency * np.cos(frequency * t)
    tau = 5 * np.sin(q)
    chains = {
        name: SignalChain(RATE, FilterConfig(), model is not None, model) for name, model in models().items()
    }  # only a rigid-body model needs acceleration
    best = dict.fromkeys(chains, float("inf"))
    for _ in range(args.rounds):
        for name, chain in chains.items():
            start = time.process_time()
            for i in range(args.ticks):
                chain.step(q[i], qd[i], tau[i])
            best[name] = min(best[name], (time.process_time() - start) / args.ticks * 1e6)
    added = {name: round(cost - best["none"], 1) for name, cost in best.items() if name != "none"}
    print(json.dumps({"chain_us": round(best["none"], 1), "added_us": added, "ticks": args.ticks}))


if __name__ == "__main__":
    main()
