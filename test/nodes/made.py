# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A made-up arm of two joints, its motion and messages. Imports no ROS by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from vastares_ros.core.robot import Effort
from vastares_ros.core.samples import Episode
from vastares_ros.io.datasets import Dataset

RATE = 100.0
WINDOW = 8
JOINTS = ("shoulder", "elbow")
SCALE = (2.0, -1.0)


def motion(samples: int, seed: int = 0, rate: float = RATE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smooth q, qd and published effort, shape (N, 2) each."""
    t = np.arange(samples)[:, None] / rate
    phase = np.random.default_rng(seed).uniform(0, 6, size=2)
    q, qd = np.sin(3 * t + phase), 3 * np.cos(3 * t + phase)
    return q, qd, (np.cos(q) + 0.1 * qd) / SCALE


def stamps(samples: int, start_s: int = 1_000, rate: float = RATE) -> list[int]:
    """Stamps at `rate` [ns]."""
    return [start_s * 1_000_000_000 + i * int(1e9 / rate) for i in range(samples)]


def made_dataset(rate: float = RATE) -> Dataset:
    """Four seconds of `motion`."""
    samples = int(4 * rate)
    q, qd, effort = motion(samples, rate=rate)
    t = np.array(stamps(samples, rate=rate)) * 1e-9
    episode = Episode("made", JOINTS, t, q, qd, effort * SCALE)
    return Dataset("made", JOINTS, "/joint_states", Effort("N·m", SCALE), rate, (episode,))


def parameters(node: Any) -> dict[str, Any]:
    """The parameters that a node declares itself, not those of every ROS node."""
    every = node.get_parameters_by_prefix("")
    of_ros = ("use_sim_time", "start_type_description_service")
    return {n: p for n, p in every.items() if n not in of_ros and not n.startswith("qos_overrides.")}
