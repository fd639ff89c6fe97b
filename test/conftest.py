"""Fixtures that every room uses."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vastares_ros.core.robot import Effort
from vastares_ros.core.samples import Episode
from vastares_ros.io.datasets import Dataset

JOINTS = ("shoulder", "elbow")
RATE = 125.0


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
