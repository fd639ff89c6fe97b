# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Publish the joint states of a bag over DDS with their own stamps, at the pace of the recording.

It is for machines without `ros2 bag`, and reads ROS 1 bags, too. The pace is that of the header stamps where the bag
has usable ones, else of the times of receipt.
"""

from __future__ import annotations

import argparse

from vastares_ros.cli.console import console, messages, progress_of
from vastares_ros.io.bags import DEFAULT_TOPIC
from vastares_ros.io.playback import read_playback


def run(args: argparse.Namespace) -> int:
    """Publish the joint states of a bag over DDS as `args` say; the exit status is 0."""
    from vastares_ros.nodes.player import CONFIRMATION, player

    playback = read_playback(args.bag, args.topic or DEFAULT_TOPIC, args.rate)
    with player(args.to or args.topic or DEFAULT_TOPIC) as to:
        listeners = to.wait(args.wait)
        if not listeners:
            messages.print(f"nobody subscribes to {to.topic} after {args.wait:g} s: playing all the same")
        with progress_of(f"playing {args.bag.name}", playback.duration) as advance:
            took = to.play(playback, advance)
        console.print(f"{len(playback.messages)} messages on {to.topic} in {took:.1f} s")
        if listeners and not to.confirmed():
            messages.print(f"a subscriber did not confirm the last messages within {CONFIRMATION} s")
    return 0
