# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The resumable state of a training run: written after every epoch, read by `--resume`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vastares_ros.core.errors import DatasetError, OutputError
from vastares_ros.core.samples import Episode
from vastares_ros.core.scratch import blocks
from vastares_ros.io.folders import written_file

from .seeds import SeedRun


class Best:
    """The best weights so far on the validation recordings, network by network (they share nothing).

    Attributes:
        loss: best loss of each network (N,).
        epoch: when it had that.
    """

    def __init__(self, network: nn.Module, nets: int):
        self.loss = torch.full((nets,), torch.inf)
        self.epoch = torch.zeros(nets, dtype=torch.long)
        self.state = {name: value.clone() for name, value in network.state_dict().items()}

    def update(self, network: nn.Module, loss: Tensor, epoch: int) -> None:
        """Keep what is better than before; loss (N,)."""
        better = loss.cpu() < self.loss
        self.epoch[better] = epoch
        self.loss = torch.where(better, loss.cpu(), self.loss)
        for name, value in network.state_dict().items():
            self.state[name][better] = value[better]

    def restore(self, network: nn.Module) -> None:
        """Put the best weights into the network."""
        network.load_state_dict(self.state)


def save_checkpoint(
    path: Path | None, run: dict[str, Any], epoch: int, network: nn.Module, runs: Sequence[SeedRun], best: Best
) -> None:
    """Write the state after an epoch, whole or not at all; nothing where `path` is None.

    Args:
        path: file to write.
        run: what the run depends on, compared when the checkpoint is read.
        epoch: epochs that are done.
        network: the stacked network.
        runs: its seeds.
        best: best weights so far.

    Raises:
        OutputError: the file cannot be written.
    """
    if path is None:
        return
    state = {
        "run": run,
        "epoch": epoch,
        "network": network.state_dict(),
        "optimisers": [r.optimiser.state_dict() for r in runs],
        "plateaus": [r.plateau.state_dict() for r in runs],
        "ended": [r.ended for r in runs],
        "best": {"loss": best.loss, "epoch": best.epoch, "state": best.state},
    }
    try:
        with written_file(path) as partial:
            torch.save(state, partial)
    except (OSError, RuntimeError) as error:  # torch's own writer raises RuntimeError
        raise OutputError(f"{path} cannot be written: free some space there, then --resume") from error


def restore_checkpoint(
    path: Path | None, run: dict[str, Any], network: nn.Module, runs: Sequence[SeedRun], best: Best
) -> int:
    """Take up the state of a checkpoint where there is one, and return the epoch to go on with.

    The arguments are those of `save_checkpoint`.

    Raises:
        DatasetError: the file is no checkpoint, or of another run.
    """
    if path is None or not path.exists():
        return 0
    try:
        state = torch.load(path, weights_only=True)
        if state["run"] == run:
            network.load_state_dict(state["network"])
            saved = zip(runs, state["optimisers"], state["plateaus"], state["ended"], strict=True)
            for r, optimiser, plateau, ended in saved:
                r.optimiser.load_state_dict(optimiser)
                r.plateau.load_state_dict(plateau)
                r.ended = ended
            best.loss, best.epoch, best.state = (state["best"][name] for name in ("loss", "epoch", "state"))
            return int(state["epoch"])
    except Exception as error:  # whatever torch says of a file that is damaged or foreign
        raise DatasetError(f"{path} is not a checkpoint of this version: delete it to start afresh") from error
    raise DatasetError(
        f"{path} belongs to a run with another configuration, dataset or split: delete it to start afresh"
    )


def data_digest(training: Sequence[Episode], validation: Sequence[Episode]) -> str:
    """Hash of all samples that a run learns from and chooses by, in their order: another split has another."""
    total = hashlib.sha256()
    for part in (training, validation):
        for episode in part:
            total.update(f"{episode.name} {len(episode)};".encode())
            for values in (episode.t, episode.q, episode.qd, episode.tau):
                for s in blocks(len(values)):
                    total.update(np.ascontiguousarray(values[s]).data)
        total.update(b"|")
    return total.hexdigest()
