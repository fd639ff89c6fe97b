# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A bag as a list of messages with the times at which to publish them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vastares_ros.core.errors import ConfigError
from vastares_ros.core.samples import Array

from .bags import iter_messages, read_joint_states

Message = tuple[int, tuple[str, ...], Array, Array, Array]


@dataclass(frozen=True)
class Playback:
    """What to publish, and when.

    Attributes:
        messages: M messages as `(stamp_ns, names, position, velocity, effort)`.
        due: when to publish each, shape (M,) [s] from the start.
    """

    messages: list[Message]
    due: Array

    @property
    def duration(self) -> float:
        """How long it takes [s]."""
        return float(self.due[-1])


def read_playback(bag: Path, topic: str, rate: float) -> Playback:
    """The messages of a bag, and when each is due at `rate` times the recorded pace.

    The pace is that of the header stamps where the bag has usable ones, else of the times of receipt.

    Raises:
        ConfigError: the rate is not above 0.
        BagError: the bag cannot be read.
    """
    if not 0 < rate < float("inf"):
        raise ConfigError(
            f"--rate is {rate:g}: use a number above 0, 1 for the recorded pace", field="--rate", value=rate, lower=0
        )
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
