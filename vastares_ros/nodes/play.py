"""Publish the joint states of a bag over DDS with their own stamps, at the pace of the recording.

It is for machines without `ros2 bag`, and reads ROS 1 bags, too. The pace is that of the header stamps where the bag
has usable ones, else of the times of receipt.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rclpy.duration import Duration
from rclpy.exceptions import InvalidTopicNameException
from rich.progress import Progress
from sensor_msgs.msg import JointState

from vastares_ros.cli.arguments import add_topic, console
from vastares_ros.cli.arguments import messages as stderr
from vastares_ros.core.errors import ConfigError
from vastares_ros.core.samples import Array
from vastares_ros.io.bags import DEFAULT_TOPIC, iter_messages, read_joint_states
from vastares_ros.nodes.messages import to_joint_state
from vastares_ros.nodes.process import reliable, ros_node

DEPTH = 1000  # messages kept for a subscriber that is held up
WORTH_A_BAR = 2.0  # seconds
Values = tuple[int, tuple[str, ...], Array, Array, Array]


@dataclass(frozen=True)
class Playback:
    """What to publish, and when.

    Attributes:
        messages: M messages as `(stamp_ns, names, position, velocity, effort)`.
        due: when to publish each, shape (M,) [s] from the start.
    """

    messages: list[Values]
    due: Array


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("bag", type=Path, metavar="BAG", help=".bag, .db3, .mcap or a rosbag2 folder")
    add_topic(parser, DEFAULT_TOPIC)
    add_rate(parser)
    parser.add_argument("--to", metavar="TOPIC", help="topic to publish on (default: the one in the bag)")
    parser.add_argument(
        "--wait", type=float, default=5.0, metavar="S", help="seconds to wait for a subscriber (default: %(default)s)"
    )


def add_rate(parser: argparse.ArgumentParser) -> None:
    """The option for the pace."""
    parser.add_argument("--rate", type=float, default=1.0, help="times the recorded pace (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Do it."""
    playback = read_playback(args.bag, args.topic or DEFAULT_TOPIC, args.rate)
    with ros_node("play") as node:
        topic = args.to or args.topic or DEFAULT_TOPIC
        try:
            publisher = node.create_publisher(JointState, topic, reliable(DEPTH))
        except InvalidTopicNameException as error:
            raise ConfigError(f"{topic!r} is no topic name: use letters, digits, _ and /, as /joint_states") from error
        patience = time.monotonic() + args.wait
        while not publisher.get_subscription_count() and time.monotonic() < patience:
            time.sleep(0.02)
        listeners = publisher.get_subscription_count()
        if not listeners:
            stderr.print(f"nobody subscribes to {publisher.topic_name} after {args.wait:g} s: playing all the same")
        with bar(f"playing {args.bag.name}", float(playback.due[-1])) as advance:
            start = time.monotonic()
            for values, due in zip(playback.messages, playback.due, strict=True):
                time.sleep(max(0.0, start + due - time.monotonic()))
                publisher.publish(to_joint_state(*values))
                advance(due)
        console.print(
            f"{len(playback.messages)} messages on {publisher.topic_name} in {time.monotonic() - start:.1f} s"
        )
        if listeners and not publisher.wait_for_all_acked(Duration(seconds=5)):
            stderr.print("a subscriber did not confirm the last messages within 5 s")
    return 0


def read_playback(bag: Path, topic: str, rate: float) -> Playback:
    """The messages of a bag, and when each is due at `rate` times the recorded pace.

    Raises:
        ConfigError: the rate is not above 0.
        BagError: the bag cannot be read.
    """
    if not 0 < rate < float("inf"):
        raise ConfigError(f"--rate is {rate:g}: use a number above 0, 1 for the recorded pace")
    states = read_joint_states(bag, topic)
    messages = list(iter_messages(states))
    stamps = np.array([stamp_ns for stamp_ns, *_ in messages])
    received = np.sort(np.concatenate([table.receive_ns for table in states.tables]))
    return Playback(messages, due(stamps, received) / rate)


def due(stamp_ns: NDArray[np.int64], receive_ns: NDArray[np.int64]) -> Array:
    """When messages are due in their own order, shape (M,) [s] from the first.

    A clock that jumps costs no time: a step back counts as none, and a step ahead as no longer than it took to receive.
    """
    stamps, received = np.diff(stamp_ns) * 1e-9, np.diff(receive_ns) * 1e-9
    steps = np.minimum(stamps, received + 1.0) if stamps.any() else received
    return np.concatenate([[0.0], np.cumsum(np.clip(steps, 0.0, None))])


@contextmanager
def bar(what: str, total: float) -> Iterator[Callable[[float], None]]:
    """A progress bar of `total` seconds, where that is worth one; what it gives takes the seconds that are over."""
    if total < WORTH_A_BAR:
        yield lambda seconds: None
        return
    with Progress(console=stderr, refresh_per_second=4, transient=True, disable=not stderr.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda seconds: progress.update(task, completed=seconds)
