# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Compiled functions: numba with the options that give the same bits for one sample and for a recording.

Modules of kernels import this one, and numba with it. They are imported where an object that needs them is built, so
that everything else starts without numba, and so that nothing is compiled in a tick.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit, types

F = TypeVar("F", bound=Callable[..., Any])

VECTOR, MATRIX, CUBE = (types.Array(types.float64, n, "C") for n in (1, 2, 3))
"""Types of arrays that a kernel owns or fills, with 1, 2 and 3 axes."""

FLAGS = types.Array(types.boolean, 1, "C")
"""Type of a vector of truth values."""

READ_VECTOR, READ_MATRIX, READ_CUBE = (types.Array(types.float64, n, "A", readonly=True) for n in (1, 2, 3))
"""Types of arrays that a kernel reads: of any strides, writable or not."""


def compiled(*arguments: types.Type) -> Callable[[F], F]:
    """Compile a function without result for arguments of these types, at once, and keep it on disk.

    There is no fast-math: no sum is reordered and no product is fused with a sum, whatever the number of rows. What is
    kept is told by the date of the file, so a kernel uses no function and no constant of another file of ours.
    """

    def compile_now(function: F) -> F:
        signature = types.void(*arguments)
        try:
            kernel = njit(signature, cache=True, nogil=True, error_model="numpy")(function)
        except (RuntimeError, OSError):  # no folder can be written: it is compiled at each start
            kernel = njit(signature, nogil=True, error_model="numpy")(function)
        return cast(F, kernel)

    return compile_now


def called(function: F) -> F:
    """Compile a function together with the kernels of its file that call it."""
    return cast(F, njit(nogil=True, error_model="numpy")(function))
