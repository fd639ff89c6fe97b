# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Publish a playback over DDS, at its pace and with the stamps that it has."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rclpy.duration import Duration
from rclpy.exceptions import InvalidTopicNameException
from rclpy.publisher import Publisher
from sensor_msgs.msg import JointState

from vastares_ros.core.errors import ConfigError
from vastares_ros.io.playback import Playback
from vastares_ros.nodes.messages import to_joint_state
from vastares_ros.nodes.process import reliable, ros_node

DEPTH = 1000  # messages kept for a subscriber that is held up
LOOK = 0.02  # seconds between two looks for a subscriber
CONFIRMATION = 5  # seconds that a subscriber has to confirm the last messages


class Player:
    """Publishes playbacks on one topic.

    Attributes:
        topic: full name of the topic.
    """

    def __init__(self, publisher: Publisher):
        """Publish by `publisher`; see `player`."""
        self.topic = publisher.topic_name
        self._publisher = publisher

    def wait(self, patience: float) -> int:
        """Wait for a subscriber, but no longer than `patience` [s]; returns how many there are."""
        deadline = time.monotonic() + patience
        while not self._publisher.get_subscription_count() and time.monotonic() < deadline:
            time.sleep(LOOK)
        return self._publisher.get_subscription_count()

    def play(self, playback: Playback, advance: Callable[[float], None]) -> float:
        """Publish every message when it is due.

        Args:
            playback: what to publish, and when.
            advance: called with the time of the playback after each message [s].

        Returns:
            How long it took [s].
        """
        start = time.monotonic()
        for fields, due in zip(playback.messages, playback.due, strict=True):
            time.sleep(max(0.0, start + due - time.monotonic()))
            self._publisher.publish(to_joint_state(*fields))
            advance(due)
        return time.monotonic() - start

    def confirmed(self) -> bool:
        """Whether all subscribers confirm, within `CONFIRMATION`, that they have all messages."""
        return bool(self._publisher.wait_for_all_acked(Duration(seconds=CONFIRMATION)))


@contextmanager
def player(topic: str) -> Iterator[Player]:
    """A player with a node of its own.

    Raises:
        ConfigError: `topic` is no topic name.
    """
    with ros_node("play") as node:
        try:
            publisher = node.create_publisher(JointState, topic, reliable(DEPTH))
        except InvalidTopicNameException as error:
            raise ConfigError(
                f"{topic!r} is no topic name: use letters, digits, _ and /, as /joint_states", topic=topic
            ) from error
        yield Player(publisher)
