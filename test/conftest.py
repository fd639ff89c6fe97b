# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Fixtures that every room uses."""

import os
from collections.abc import Callable
from pathlib import Path

# Tests run side by side, and most matrices are small. Without this, threads of a test wait for cores that other tests
# use, and some tests take ten times as long. The libraries read it when they are imported; child processes inherit it.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import pytest
import torch
from simulated import make_material

from vastares_ros.core.arm import Arm
from vastares_ros.core.robot import Effort
from vastares_ros.core.samples import Episode
from vastares_ros.io.datasets import Dataset
from vastares_ros.io.robots import load_robot
from vastares_ros.physics.rigid_body import RigidBody

JOINTS = ("shoulder", "elbow")
RATE = 125.0

torch.set_num_threads(1)


COVERED = ("core", "models", "runtime", "io")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the fixture `ros`, what coverage is not measured by, and put first what takes long.

    Tests that use DDS without the fixture `ros` bear the mark themselves. Coverage of a folder is measured by the tests
    of that folder, since measuring makes Python half as fast. Files with slow tests come first, so that the last
    file that runs is a short one.
    """
    for item in items:
        if "ros" in getattr(item, "fixturenames", ()):
            item.add_marker("ros")
        if item.path.parent.name not in COVERED:
            item.add_marker("no_cover")
    slow = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("ros")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    """Draw the same random numbers in a test whichever tests ran before it."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real recordings, or a skip."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("VASTARES_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"real recordings are not at {folder} (set VASTARES_DATA)")
    return folder


@pytest.fixture(scope="session")
def make_episode() -> Callable[..., Episode]:
    """Makes a smooth motion of two joints whose torque is a known function of it."""

    def make(name: str = "free", seed: int = 0, samples: int = 500, rate: float = RATE) -> Episode:
        rng = np.random.default_rng(seed)
        t = 1000.0 + np.arange(samples) / rate
        frequency, phase = rng.uniform(0.2, 0.8, (2, 2)), rng.uniform(0, 6, (2, 2))
        angle = 2 * np.pi * frequency * (t[:, None, None] - t[0]) + phase
        q = np.sin(angle).sum(axis=1)
        qd = (2 * np.pi * frequency * np.cos(angle)).sum(axis=1)
        tau = 5 * np.sin(q) + 2 * np.tanh(qd / 0.1) + 0.5 * qd
        return Episode(name, JOINTS, t, q, qd, tau)

    return make


@pytest.fixture(scope="session")
def dataset(make_episode: Callable[..., Episode]) -> Dataset:
    """Three recordings of two joints."""
    episodes = tuple(make_episode(name, seed) for seed, name in enumerate(("one", "two", "three")))
    return Dataset("twolink", JOINTS, "/joint_states", Effort("N·m", (1.0, 1.0)), RATE, episodes)


@pytest.fixture(scope="session")
def lively() -> Callable[..., Episode]:
    """Makes a free motion of a UR5, its torque by the URDF and by friction that is known."""
    pytest.importorskip("pinocchio")
    robot = load_robot("ur5")
    body = RigidBody(Arm(robot.urdf, robot.urdf_joints, robot.tip))
    joints = next(d.joints for d in robot.drivers if d.name == "simulation")

    def make(name: str, seed: int, samples: int = 1000) -> Episode:
        rng = np.random.default_rng(seed)
        t = 1000.0 + np.arange(samples) / RATE
        omega, phase = 2 * np.pi * rng.uniform(0.1, 0.6, (4, 1, 6)), rng.uniform(0, 6, (4, 1, 6))
        angle = omega * (t[:, None] - t[0]) + phase
        q = 0.5 * np.sin(angle).sum(0) + rng.uniform(-1, 1, 6)
        qd = 0.5 * (omega * np.cos(angle)).sum(0)
        qdd = -0.5 * (omega**2 * np.sin(angle)).sum(0)
        tau = np.array([body.inverse_dynamics(*row) for row in zip(q, qd, qdd, strict=True)])
        tau += 2 * qd + 3 * np.tanh(qd / 0.05) + 0.2 * qdd + 0.5
        return Episode(name, joints, t, q, qd, tau)

    return make


@pytest.fixture(scope="session")
def arm_dataset(lively: Callable[..., Episode]) -> Dataset:
    """Three free motions of that arm."""
    episodes = tuple(lively(name, seed) for seed, name in enumerate(("one", "two", "three")))
    effort = Effort("N·m", (1.0,) * 6)
    return Dataset("ur5", episodes[0].joints, "/joint_states", effort, RATE, episodes)


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what `make_material` writes: bags, a dataset and a bundle of a simulated UR5."""
    pytest.importorskip("pinocchio")
    folder = tmp_path_factory.mktemp("material")
    make_material(folder)
    return folder
