"""Record bags of a simulated arm: several of free motion, and one in which the tool is pushed by known forces.

FOLDER gets the MCAP bags free_1, free_2 ... and pushes, with the topic /joint_states. The bag of pushes also has
/true_external_torque, a JointState whose effort is the external torque [N·m]. Same seed, same bags. With --payload
the arm carries a tool in all of them, a solid ball of 10 cm, and they are tool_1, tool_2 ... and pushes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.progress import Progress, TaskID

from vastares_ros.cli.arguments import add_force, messages
from vastares_ros.io.simulations import simulate

SLOW = 100.0  # simulated seconds in all, from which on a progress bar is shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `vastares simulate`."""
    parser.add_argument("--robot", default="ur5", help="robot with a URDF: a name, or the path of its YAML file (ur5)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder to make")
    parser.add_argument("--episodes", type=int, default=4, metavar="N", help="bags of free motion (4)")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="length of each (60)")
    parser.add_argument(
        "--push-seconds", type=float, default=40.0, metavar="S", help="length of the bag of pushes (40)"
    )
    parser.add_argument("--payload", type=float, default=0.0, metavar="KG", help="mass of a tool at the tip (none)")
    parser.add_argument(
        "--payload-com",
        type=float,
        nargs=3,
        default=(0.0, 0.0, 0.05),
        metavar=("X", "Y", "Z"),
        help="its centre in the frame of the tip, in m (0 0 0.05)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of motion, pushes and noise (0)")
    add_force(parser)


def run(args: argparse.Namespace) -> int:
    """Run the verb."""
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
