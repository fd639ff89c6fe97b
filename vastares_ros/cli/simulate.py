# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Record bags of a simulated arm: several of free motion, and one in which the tool is pushed by known forces.

FOLDER gets the MCAP bags free_1, free_2 ... and pushes, with the topic /joint_states. The bag of pushes also has
/true_external_torque, a JointState whose effort is the external torque [N·m]. Same seed, same bags. With --payload
the arm carries a tool in all of them, a solid ball of 10 cm, and they are tool_1, tool_2 ... and pushes.
"""

from __future__ import annotations

import argparse

from rich.progress import Progress, TaskID

from vastares_ros.cli.console import messages
from vastares_ros.io.simulations import simulate

SLOW = 100.0  # simulated seconds in all, from which on a progress bar is shown


def run(args: argparse.Namespace) -> int:
    """Record the bags of a simulated arm as `args` say, with a progress bar; the exit status is 0."""
    seconds = args.episodes * args.seconds + args.push_seconds
    with Progress(console=messages, transient=True, disable=not messages.is_terminal or seconds < SLOW) as bar:
        tasks: dict[str, TaskID] = {}

        def show(bag: str, done: float, length: float) -> None:
            if bag not in tasks:
                tasks[bag] = bar.add_task(bag, total=length)
            bar.update(tasks[bag], completed=done)

        bags = simulate(
            args.output,
            args.robot,
            args.episodes,
            args.seconds,
            args.push_seconds,
            args.seed,
            args.force,
            args.payload,
            args.payload_com,
            show,
        )
    for path in bags:
        print(path)
    return 0
