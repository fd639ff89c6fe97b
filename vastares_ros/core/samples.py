# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The one data type: a `JointSample` live, an `Episode` (stacked samples) offline.

Both hold q [rad], qd [rad/s], tau [N·m, or A where the robot gives current] in the joint order of the owner.
A value that was not published is NaN, never 0.

A value is plausible if its magnitude is below `ABSURD`: no joint is there, that fast or that strong. What is not comes
of a damaged file or a broken driver. One such value would stay in a filter for seconds, so bags, archives, recordings
and the live estimator leave it out, by this one rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from .scratch import blocks

Array = NDArray[np.float64]

ABSURD = 1e6  # rad, rad/s, N·m or A


@overload
def seconds(stamp_ns: int) -> float: ...
@overload
def seconds(stamp_ns: NDArray[np.int64]) -> Array: ...
def seconds(stamp_ns: Any) -> Any:
    """Stamps in nanoseconds to seconds, by the one rounding that live and offline share."""
    return stamp_ns * 1e-9


def all_finite(x: Array) -> bool:
    """Whether every value of x, shape (J,), is finite; as np.isfinite, in a fifth of the time where they are."""
    return isfinite(x.dot(x)) or bool(np.isfinite(x).all())  # finite values may have an infinite sum of squares


def plausible(x: Array) -> NDArray[np.bool_]:
    """Which values of x, of any shape, are plausible; NaN is not."""
    return np.abs(x) < ABSURD


def all_plausible(x: Array) -> bool:
    """Whether every value of x, shape (J,), is plausible; as `plausible`, in a fifth of the time where they are."""
    return bool(x.dot(x) < ABSURD * ABSURD) or bool(plausible(x).all())


@dataclass(frozen=True, slots=True)
class JointSample:
    """One moment of an arm.

    Attributes:
        t: stamp [s].
        q: positions, shape (J,) [rad].
        qd: velocities, shape (J,) [rad/s].
        tau: measured torques, shape (J,) [N·m or A].
    """

    t: float
    q: Array
    qd: Array
    tau: Array


@dataclass(frozen=True)
class Episode:
    """One continuous recording: N samples with strictly increasing stamps.

    Attributes:
        name: unique within a dataset.
        joints: J joint names, the order of every column.
        t: stamps, shape (N,) [s].
        q: positions, shape (N, J) [rad].
        qd: velocities, shape (N, J) [rad/s].
        tau: measured torques, shape (N, J) [N·m or A].
        recording: the recording it was cut from; splits never separate its episodes.
    """

    name: str
    joints: tuple[str, ...]
    t: Array
    q: Array
    qd: Array
    tau: Array
    recording: str = ""

    def __post_init__(self) -> None:
        if not self.recording:
            object.__setattr__(self, "recording", self.name)
        shape = (len(self.t), len(self.joints))
        for field in ("q", "qd", "tau"):
            if getattr(self, field).shape != shape:
                raise ValueError(f"episode {self.name}: {field} has shape {getattr(self, field).shape}, not {shape}")
        if any(np.any(np.diff(self.t[max(s.start - 1, 0) : s.stop]) <= 0) for s in blocks(len(self.t))):
            raise ValueError(f"episode {self.name}: stamps do not increase")

    def __len__(self) -> int:
        return len(self.t)

    @property
    def duration(self) -> float:
        """Time from the first stamp to the last one [s]."""
        return float(self.t[-1] - self.t[0])

    def __iter__(self) -> Iterator[JointSample]:
        for i in range(len(self)):
            yield JointSample(float(self.t[i]), self.q[i], self.qd[i], self.tau[i])
