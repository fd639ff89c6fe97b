# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Settings of torch and of the allocator under which a CPU trains faster, with the same numbers."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch


@contextmanager
def quick_products() -> Iterator[None]:
    """Let torch's oneDNN do matrix products on the CPU, where that does not cost precision: twice as fast on some CPUs.

    torch takes oneDNN for float32 only where less precision is allowed. On a CPU that has no quicker kind of product
    oneDNN computes in full precision all the same, and this looks whether it does.
    """
    settings = getattr(torch.backends.mkldnn, "matmul", None)
    before = getattr(settings, "fp32_precision", None)
    if settings is None or before is None or not _exact_by_onednn():
        yield
        return
    settings.fp32_precision = "bf16"
    try:
        yield
    finally:
        settings.fp32_precision = before


@contextmanager
def kept_memory() -> Iterator[None]:
    """Let the process keep the memory that a training step frees for the next step, which asks for as much again.

    glibc gives large blocks back to the system and gets new pages for the next, which on a CPU takes a tenth of the
    time and more. Python's garbage collector would go through all of torch every few steps, for nothing.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    mallopt = getattr(libc, "mallopt", None)  # of glibc; nothing is set where there is another libc
    trim, mmap_threshold, mmap_max = -1, -3, -4  # malloc.h
    gc.freeze()
    if mallopt:
        mallopt(mmap_max, 0)
        mallopt(trim, 2**31 - 1)
    try:
        yield
    finally:
        gc.unfreeze()
        if libc and mallopt:  # what glibc would have come to by itself after blocks of this size
            mallopt(mmap_max, 65_536)
            mallopt(mmap_threshold, 2**25)
            mallopt(trim, 2**26)
            libc.malloc_trim(0)


@cache
def _exact_by_onednn() -> bool:
    settings: Any = getattr(torch.backends.mkldnn, "matmul")  # noqa: B009 - newer than its type stubs
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 2, 128, 128, generator=generator)
    exact = a.double() @ b.double()
    before = settings.fp32_precision
    errors = []
    for precision in (before, "bf16"):
        settings.fp32_precision = precision
        errors.append(float((torch.bmm(a, b) - exact).abs().max()))
    settings.fp32_precision = before
    return errors[1] <= 2 * errors[0]
