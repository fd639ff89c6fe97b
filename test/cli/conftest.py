# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A robot that the package knows, under its driver's joint names: a bundle of it, and a bag to replay."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from vastares_ros.core.robot import Effort
from vastares_ros.core.samples import Episode
from vastares_ros.io.bags import MessageTable, write_joint_states
from vastares_ros.io.bundles import save_bundle
from vastares_ros.io.datasets import Dataset
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.fit import fit

UR3 = ("Base", "Shoulder", "Elbow", "Wrist 1", "Wrist 2", "Wrist 3")
RATE = 125.0
MIDDLE = np.array([0.3, -1.2, 1.4, -0.7, 0.9, 2.0])  # [rad]


@pytest.fixture(scope="session")
def moving() -> Callable[..., Episode]:
    """Makes a motion of six joints around a pose that is not singular, and a torque that follows from it."""

    def make(name: str, samples: int = 400) -> Episode:
        t = 1000.0 + np.arange(samples) / RATE
        frequency = np.linspace(0.3, 0.8, 6)
        angle = 2 * np.pi * frequency * (t[:, None] - t[0]) + np.arange(6)
        q, qd = MIDDLE + 0.2 * np.sin(angle), 0.4 * np.pi * frequency * np.cos(angle)
        return Episode(name, UR3, t, q, qd, 5 * np.sin(q) + np.tanh(qd / 0.1))

    return make


@pytest.fixture(scope="session")
def save_arm(moving) -> Callable[..., Path]:
    """Trains a small network on that motion, of a driver that inverts effort, and saves the bundle."""

    def save(folder: Path, unit: str = "N·m", robot: str = "ur3") -> Path:
        episodes = (moving("one"), moving("two", 500), moving("three", 300))
        dataset = Dataset(robot, UR3, "/arm", Effort(unit, (-1.0,) * 6), RATE, episodes)
        config = TrainConfig(network=NetworkConfig(window=8, hidden=4), epochs=1)
        save_bundle(folder, fit(dataset, config, torch.device("cpu"), test=["three"]))
        return folder

    return save


@pytest.fixture(scope="session")
def arm(tmp_path_factory, save_arm) -> Path:
    """The bundle of a UR3."""
    return save_arm(tmp_path_factory.mktemp("arm") / "bundle")


@pytest.fixture(scope="session")
def push(tmp_path_factory, moving) -> Path:
    """A bag in which the elbow is pushed hard in its second half, and the base leaves the training range at its end.

    The driver has an order and a joint of its own.
    """
    free = moving("push", 200)
    free.q[180:, 0] += 10
    effort = -free.tau
    effort[100:, 2] += 50  # the environment holds what the elbow need not
    order = [5, 2, 0, 1, 4, 3]
    names = (*(UR3[i] for i in order), "gripper")
    stamp_ns = np.round(free.t * 1e9).astype(np.int64)
    columns = (np.hstack([x[:, order], np.zeros((200, 1))]) for x in (free.q, free.qd, effort))
    path = tmp_path_factory.mktemp("push") / "bag"
    write_joint_states(path, {"/arm": MessageTable(names, stamp_ns, stamp_ns + 1_500_000, *columns)})
    return path
