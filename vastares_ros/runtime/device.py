"""The compute device that a name stands for."""

from __future__ import annotations

import re

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
        raise DeviceError(f"device {name!r} is unknown: use auto, cpu, cuda or cuda:N")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        why = str(error).splitlines()[0]
        raise DeviceError(f"device {name!r} cannot be used here ({why}): use auto or cpu") from error
    return device
