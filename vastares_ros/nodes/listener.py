# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Hear the joint states of a topic for a while, as if they were read from a bag."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.exceptions import InvalidTopicNameException
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState

from vastares_ros.core.errors import BagError, ConfigError
from vastares_ros.io.bags import Collector, JointStates
from vastares_ros.nodes.process import make_executor, ros_node

DEPTH = 1000  # messages that wait
PATIENCE = 10.0  # seconds for the first message
LOOK = 0.1  # seconds between two looks at the clock


def hear(topic: str, seconds: float, advance: Callable[[float], None]) -> JointStates:
    """Every joint state on a topic for `seconds` from the first one, from publishers of either reliability.

    Args:
        topic: its name.
        seconds: how long [s].
        advance: called with the time passed [s] at intervals.

    Raises:
        BagError: nothing comes.
        ConfigError: `topic` is no topic name.
    """
    heard: list[tuple[int, bytes]] = []

    def take(raw: Any) -> None:
        heard.append((time.time_ns(), bytes(raw)))

    with ros_node("doctor") as node:
        profile = QoSProfile(depth=DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        try:
            node.create_subscription(JointState, topic, take, profile, raw=True)
        except InvalidTopicNameException as error:
            raise ConfigError(f"{topic!r} is no topic name: give one as /joint_states", topic=topic) from error
        executor = make_executor(node.context)
        executor.add_node(node)
        begun = time.monotonic()
        while not heard and time.monotonic() - begun < PATIENCE:
            executor.spin_once(timeout_sec=LOOK)
        begun = time.monotonic()
        while heard and (passed := time.monotonic() - begun) < seconds:
            executor.spin_once(timeout_sec=LOOK)
            advance(passed)
    if not heard:
        raise BagError(
            f"no joint state on {topic} within {PATIENCE:g} s: does the driver run, in this ROS_DOMAIN_ID?", topic=topic
        )
    collector = Collector(ros1=False)
    collector.add(np.array([received for received, _ in heard]), [raw for _, raw in heard])
    return JointStates(Path(topic), topic, *collector.finish())
