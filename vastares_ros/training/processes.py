# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One training in several processes, as `torchrun` starts them: one for each GPU, of one machine or of several.

Every process holds all weights and takes its part of each batch; gradients are summed over the processes, so that each
step is that of one process on the whole batch, but for rounding. Only batch normalisation differs, whose statistics are
those of the part, as in torch's DistributedDataParallel. What is decided once an epoch, such as the learning rate, is
decided from numbers that all processes share.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn

from vastares_ros.core.errors import ConfigError


@contextmanager
def joined_processes(device: torch.device) -> Iterator[torch.device]:
    """Join the processes that `torchrun` started, if it did; yields the device of this one."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield device
        return
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()


def count() -> int:
    """How many processes train together; 1 where this one trains alone."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that writes and prints."""
    return not dist.is_initialized() or dist.get_rank() == 0


def part(which: Tensor) -> Tensor:
    """The part of a batch (…, B) that is this process's own.

    Raises:
        ConfigError: there are fewer windows than processes.
    """
    if count() == 1:
        return which
    if which.shape[-1] < count():
        raise ConfigError(
            f"a batch has {which.shape[-1]} windows for {count()} processes: start fewer", value=which.shape[-1]
        )
    return which[..., dist.get_rank() :: count()]


def summed(x: Tensor) -> Tensor:
    """The sum of x over all processes."""
    if count() > 1:
        dist.all_reduce(x)
    return x


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by the sum over all processes."""
    if count() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = summed(torch.cat([g.flatten() for g in gradients]))
    for gradient, total in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(total.view_as(gradient))


def share_statistics(network: nn.Module) -> None:
    """Make the statistics of batch normalisation their mean over all processes."""
    if count() > 1:
        for buffer in network.buffers():
            if buffer.is_floating_point():
                buffer.copy_(summed(buffer.clone()) / count())


def of_first(x: Tensor) -> Tensor:
    """The first process's x, so that all decide alike."""
    if count() > 1:
        dist.broadcast(x, 0)
    return x
