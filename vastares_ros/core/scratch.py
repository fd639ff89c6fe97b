# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Arrays that may be larger than memory: small ones are in memory, large ones in a file without a name.

A large array is a memory map, and so an ordinary array for all that reads it. Whoever goes through arrays that may be
large does it by `blocks`, which hands the pages of a block back to the system before the next one: memory then does
not depend on the number of samples. The files are in the folder that TMPDIR names, else in /var/tmp, which is on disk
where /tmp may be memory. They have no name, so the system removes them however the process ends.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .errors import OutputError

LARGE = 2**25  # bytes: a larger array is in a file
BLOCK = 2**16  # samples that are worked on at once
FOLDER = "/var/tmp"

_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


def blocks(rows: int, size: int = 0) -> Iterator[slice]:
    """Yield slices of `BLOCK` rows, or of `size`, that cover `rows`; see `release`, which is called behind each."""
    size = size or BLOCK
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))
        release()


def release() -> None:
    """Hand all pages of large arrays back to the system, which reads them again from the file when they are needed."""
    for mapped in list(_maps):
        mapped.madvise(mmap.MADV_DONTNEED)


def empty(shape: Sequence[int], dtype: DTypeLike = np.float64, scattered: bool = False) -> NDArray[Any]:
    """An array that is to be filled.

    Args:
        shape: of the array.
        dtype: of its numbers.
        scattered: whether rows will be read here and there. The system then keeps a file in single pages; in larger
            pieces, up to 2 MB, a thousand rows would bring all of it into memory.

    Raises:
        OutputError: there is no room for it on the disk.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= LARGE:
        return np.empty(shape, dtype)
    with _file() as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)  # a map of a file without room would end the process
        except OSError as error:
            raise _no_room(size, error) from error
        return _mapped(file, size, shape, dtype, scattered)


def picked(x: NDArray[Any], columns: Sequence[int]) -> NDArray[Any]:
    """Some columns of x, shape (N, C), in the order asked for."""
    out = empty((len(x), len(columns)), x.dtype)
    for s in blocks(len(x)):
        out[s] = x[s][:, columns]
    return out


def taken(x: NDArray[Any], rows: slice) -> NDArray[Any]:
    """Rows of an array: a copy, which does not keep the others in memory, or a view where it is large."""
    return x[rows] if x[rows].nbytes > LARGE else np.array(x[rows], order="C")


class Growing:
    """An array to which rows are appended."""

    def __init__(self, width: Sequence[int] = (), dtype: DTypeLike = np.float64):
        """Begin without rows; a row has the shape `width`."""
        self._width, self._dtype = tuple(width), np.dtype(dtype)
        self._parts: list[NDArray[Any]] = []
        self._in_memory = self._rows = 0
        self._file: IO[bytes] | None = None

    def __len__(self) -> int:
        return self._rows

    def append(self, rows: NDArray[Any]) -> None:
        """Append a copy of some rows.

        Raises:
            OutputError: there is no room for them on the disk.
        """
        part = np.array(rows, dtype=self._dtype, order="C")
        self._parts.append(part)
        self._rows += len(part)
        self._in_memory += part.nbytes
        if self._in_memory > LARGE:
            self._file = self._file or _file()
            try:
                for part in self._parts:
                    self._file.write(part.data)
                self._file.flush()
            except OSError as error:
                raise _no_room(self._in_memory, error) from error
            self._parts, self._in_memory = [], 0

    def array(self) -> NDArray[Any]:
        """The array, after the last `append`."""
        shape = (self._rows, *self._width)
        if self._file is None:
            return np.concatenate([np.empty((0, *self._width), self._dtype), *self._parts])
        with self._file as file:
            try:
                for part in self._parts:
                    file.write(part.data)
                file.flush()
            except OSError as error:
                raise _no_room(self._in_memory, error) from error
            self._parts = []
            return _mapped(file, self._rows * math.prod(self._width) * self._dtype.itemsize, shape, self._dtype)


def _file() -> IO[bytes]:
    folder = os.environ.get("TMPDIR") or (FOLDER if os.path.isdir(FOLDER) else None)
    try:
        return tempfile.TemporaryFile(dir=folder)
    except OSError as error:
        raise OutputError(
            f"no file can be made in {folder} ({error.strerror}): name another folder by TMPDIR"
        ) from error


def _mapped(
    file: IO[bytes], size: int, shape: Sequence[int], dtype: DTypeLike, scattered: bool = False
) -> NDArray[Any]:
    mapped = mmap.mmap(file.fileno(), size)
    if scattered:
        mapped.madvise(mmap.MADV_RANDOM)
    _maps.add(mapped)
    return np.frombuffer(mapped, dtype).reshape(shape)


def _no_room(size: int, error: OSError) -> OutputError:
    return OutputError(
        f"no room for {size / 1e6:.0f} MB beside memory ({error.strerror}): name a folder with more by TMPDIR"
    )
