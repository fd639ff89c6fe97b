# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Episodes through a signal chain, in memory that does not depend on their length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vastares_ros.core.samples import Array, Episode
from vastares_ros.core.scratch import blocks, empty
from vastares_ros.core.signals import SignalChain


def filtered(chain: SignalChain, episodes: Sequence[Episode]) -> tuple[Array, Array]:
    """Features (N, C) and filtered torque (N, J) of one or more episodes one after the other, each from a fresh state.

    Large ones are in files, see `core.scratch`.
    """
    samples = sum(len(e) for e in episodes)
    x, tau = np.empty((0, 0)), empty((samples, len(episodes[0].joints)))
    start = 0
    for e in episodes:
        chain.reset()
        for s in blocks(len(e)):
            features, torque = chain.run(e.q[s], e.qd[s], e.tau[s])
            if not start:
                x = empty((samples, features.shape[1]))
            end = start + len(torque)
            x[start:end], tau[start:end] = features, torque
            start = end
    return x, tau


def extent(x: Array) -> tuple[Array, Array]:
    """Smallest and largest value of every column of x, shape (N, C), N at least 1: each of shape (C,)."""
    low, high = np.full((2, x.shape[1]), np.nan)
    for s in blocks(len(x)):
        low, high = np.fmin(low, x[s].min(axis=0)), np.fmax(high, x[s].max(axis=0))
    return low, high
