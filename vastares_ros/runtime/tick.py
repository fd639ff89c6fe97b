# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How long a tick takes on this computer: from the fields of a message to the values of every output."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from .pipeline import Pipeline

SHARE = 0.5  # of the time between two messages that a tick may take: the rest is for ROS and for other programs
SLOWEST = 0.3  # motion of the made-up samples, in turns a second


@dataclass(frozen=True)
class Tick:
    """The time of a tick; as JSON, `dataclasses.asdict` of it.

    Attributes:
        engine: what computed the network.
        samples: how many ticks were measured.
        p50_ms: half of the ticks took at most this.
        p99_ms: 99 % took at most this.
        max_ms: none took more.
        held_hz: rate of messages at which a tick of `p99_ms` takes `SHARE` of the time.
    """

    engine: str
    samples: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    held_hz: float


def measure_tick(pipeline: Pipeline, samples: int) -> Tick:
    """Push made-up messages through a pipeline, as fast as it goes, and forget them.

    The joints move within the training range of the bundle. Every output is computed.

    Args:
        pipeline: what is measured; it is reset afterwards.
        samples: how many ticks to measure, once the window is full.
    """
    bundle, names = pipeline.bundle, pipeline.joints
    count = samples + bundle.model.config.window
    t = np.arange(count) / bundle.rate
    middle, half = bundle.q_range.mean(axis=0), np.ptp(bundle.q_range, axis=0) / 2
    omega = 2 * np.pi * SLOWEST * (1 + np.arange(len(names)) / 7)
    q = middle + half * np.sin(t[:, None] * omega)  # (N, J)
    qd = half * omega * np.cos(t[:, None] * omega)
    tau = np.zeros(len(names))
    cost = np.empty(count)
    pipeline.reset()
    for i in range(count):
        began = time.perf_counter()
        outputs = pipeline.push(round(t[i] * 1e9), names, q[i], qd[i], tau)
        if outputs:
            for _ in outputs.published():
                pass
        cost[i] = time.perf_counter() - began
    pipeline.reset()
    p50, p99, longest = (1e3 * np.quantile(cost[-samples:], (0.5, 0.99, 1))).tolist()
    return Tick(pipeline.engine.name, samples, p50, p99, longest, SHARE / p99 * 1e3)
