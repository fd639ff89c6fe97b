# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Writing a folder whole or not at all, and never over something that this package has not written."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vastares_ros.core.errors import DatasetError, OutputError

PARTIAL = ".partial"  # suffix of what is not yet whole
SMALL = 2**28  # bytes: what unpacks to less is no danger
MOST_UNPACKED = 200  # times its size: numbers of a robot unpack to 20 times at the most


def check_output(path: Path, marker: str, force: bool) -> None:
    """Refuse a folder that exists, unless `force` is given and it is empty or has `marker` in it.

    Raises:
        OutputError: writing to `path` would overwrite something.
    """
    _check_parent(path.resolve() if path.is_symlink() else path)
    if not path.exists():
        return
    if not force:
        raise OutputError(f"{path} exists: choose another name, or pass --force to replace it", path=path)
    if not (path.is_dir() and ((path / marker).is_file() or not any(path.iterdir()))):
        raise OutputError(
            f"{path} exists and holds no {marker}: it is not replaced, even by force; choose another name",
            path=path,
        )


def check_file(path: Path, force: bool) -> None:
    """Refuse a file that exists, unless `force` is given.

    Raises:
        OutputError: writing to `path` would overwrite something.
    """
    if str(path) == "-":  # standard output
        return
    _check_parent(path)
    if path.is_dir() or (path.exists() and not force):
        raise OutputError(f"{path} exists: choose another name, or pass --force to replace it", path=path)


def _check_parent(path: Path) -> None:
    """Check before the work that a path can be written."""
    parent = next(p for p in path.absolute().parents if p.exists())
    if not parent.is_dir():
        raise OutputError(f"{path} cannot be written, since {parent} is no folder: choose another name", path=path)
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(
            f"{path} cannot be written, since {parent} may not be written to: choose another folder", path=path
        )


@contextmanager
def written_folder(path: Path, marker: str, force: bool) -> Iterator[Path]:
    """Make a scratch folder beside `path`, which takes its place once the block ends without an error.

    Where `path` is a link, what it leads to is written. What was there before goes last, so that a process that is
    killed leaves the old folder or the new one whole.

    Raises:
        OutputError: see `check_output`.
    """
    check_output(path, marker, force)
    path = path.resolve() if path.is_symlink() else path
    scratch, before = scratch_beside(path), scratch_beside(path)
    scratch.mkdir(parents=True)
    try:
        yield scratch
        if there := path.exists():
            path.replace(before)
        try:
            scratch.replace(path)
        except BaseException:
            if there:
                before.replace(path)
            raise
        shutil.rmtree(before, ignore_errors=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def written_file(path: Path) -> Iterator[Path]:
    """Give a scratch file beside `path`, which takes its place once the block ends without an error."""
    scratch = scratch_beside(path)
    try:
        yield scratch
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def scratch_beside(path: Path) -> Path:
    """A name beside `path` that nobody else has: two writers never share it, and it is never a file of the user."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}{PARTIAL}")


def check_unpacked(path: Path, unpacked: int) -> None:
    """Refuse a file that unpacks to far more than recordings do, before it fills the memory.

    Raises:
        DatasetError: `unpacked` [bytes] is too much for its size.
    """
    if unpacked > max(SMALL, MOST_UNPACKED * path.stat().st_size):
        raise DatasetError(
            f"{path} unpacks to {unpacked / 1e9:.1f} GB or more, {MOST_UNPACKED} times its size: is it damaged? Write "
            "it without compression",
            path=path,
        )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(2**20):
            total.update(part)
    return total.hexdigest()
