# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Medians and quantiles of numbers that come in parts, exact, in memory that does not depend on how many there are.

Numbers that are not negative have the order of their bits. Each round counts numbers by their next 16 bits, and goes on
with those that share the bits of the one that is sought, until they are few enough to be sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from .samples import Array

FEW = 2**20  # numbers that are sorted in memory
_BITS = 16

Parts = Callable[[], Iterable[Array]]


def median(parts: Parts) -> float:
    """The median, as `numpy.median` gives it; NaN where there are no numbers.

    Args:
        parts: gives the same numbers, none negative, whenever it is called.
    """
    count = sum(len(x) for x in parts())
    if not count:
        return float("nan")
    found = _ranked(parts, sorted({(count - 1) // 2, count // 2}), count)
    return float(np.mean(list(found.values())))


def quantiles(parts: Parts, probabilities: Sequence[float]) -> Array:
    """The quantiles, as `numpy.quantile` gives them, shape (len(probabilities),); there must be a number.

    Args:
        parts: gives the same numbers, none negative, whenever it is called.
        probabilities: 0 to 1.
    """
    count = sum(len(x) for x in parts())
    places = np.asarray(probabilities) * (count - 1)
    low = np.floor(places).astype(np.intp)
    high = np.minimum(low + 1, count - 1)
    found = _ranked(parts, sorted({*low.tolist(), *high.tolist()}), count)
    a, b = (np.array([found[i] for i in at.tolist()]) for at in (low, high))
    share = places - low
    between: Array = np.where(share < 0.5, a + (b - a) * share, b - (b - a) * (1 - share))
    return between


def _ranked(parts: Parts, ranks: Sequence[int], count: int) -> dict[int, float]:
    """The numbers at `ranks`, counted from 0, in the order of all `count` numbers."""
    found: dict[int, float] = {}
    # the bits that a group of numbers shares, how many bits are left, its size, numbers below it, ranks in it
    groups = [(0, 64, count, 0, list(ranks))]
    while groups:
        prefix, left, size, below, inside = groups.pop()
        if size <= FEW or not left:
            if left:
                few = np.sort(np.concatenate([x[_shared(x, left) == prefix] for x in parts()]))
            else:
                few = np.broadcast_to(np.uint64(prefix).view(np.float64), size)  # all alike
            found |= {rank: float(few[rank - below]) for rank in inside}
            continue
        left -= _BITS
        counts = np.zeros(2**_BITS, dtype=np.int64)
        for x in parts():
            bits = _shared(x, left)
            bits = bits[bits >> np.uint64(_BITS) == prefix] & np.uint64(2**_BITS - 1)
            counts += np.bincount(bits.astype(np.intp), minlength=len(counts))
        ends = below + np.cumsum(counts)
        buckets = np.searchsorted(ends, inside, side="right")
        for bucket in np.unique(buckets).tolist():
            mine = [rank for rank, of in zip(inside, buckets.tolist(), strict=True) if of == bucket]
            start = int(ends[bucket] - counts[bucket])
            groups.append((prefix << _BITS | bucket, left, int(counts[bucket]), start, mine))
    return dict(sorted(found.items()))


def _shared(x: Array, left: int) -> NDArray[np.uint64]:
    """The bits of numbers but for the last `left`; 64 leave none."""
    bits = np.ascontiguousarray(x, dtype=np.float64).view(np.uint64)
    return np.zeros_like(bits) if left == 64 else bits >> np.uint64(left)
