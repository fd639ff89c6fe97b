# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where torch computes: the device that a name stands for, and the number of threads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vastares_ros.core.errors import DeviceError


def device_for(name: str) -> torch.device:
    """The device "cpu", "cuda", "cuda:1", or for "auto" CUDA where there is one.

    Raises:
        DeviceError: it is unknown or not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise DeviceError(f"device {name!r} is unknown: use auto, cpu, cuda or cuda:N", value=name)
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        why = str(error).splitlines()[0]
        raise DeviceError(f"device {name!r} cannot be used here ({why}): use auto or cpu", value=name) from error
    return device


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread in the block, and as many as before behind it.

    The number belongs to the calling thread, so that other threads which compute meanwhile are not disturbed. Setting
    it and back takes less than a microsecond.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
