# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Networks that correct identified dynamics, and the gates that let them only where they help on unseen recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vastares_ros.core.arm import Arm
from vastares_ros.core.errors import ConfigError, DatasetError
from vastares_ros.core.samples import Array, Episode
from vastares_ros.io.datasets import Dataset
from vastares_ros.models.networks import HybridModel, LearningModel
from vastares_ros.physics.identification import Identification
from vastares_ros.runtime.bundle import ResidualSource

from .config import TrainConfig
from .dynamics import identify_dynamics
from .folds import TrainedSeeds
from .loop import Progress, in_round, train_seeds
from .splits import recordings
from .windows import Windows

FEW_FACTOR = 0.5  # of the least share: 3/4 of the gain on recordings that are alike, 1/4 of the harm on others
ENOUGH = 6  # recordings that judge: the chance that one more is worse than all of them is one in seven
TOLERANCE = 0.02  # of the squared error of physics: what a recording that judges may be worse by


def train_hybrids(
    dataset: Dataset,
    arm: Arm,
    config: TrainConfig,
    seeds: Sequence[int],
    device: torch.device,
    training: Sequence[Episode],
    validation: Sequence[Episode],
    report: Callable[[Progress], None],
    checkpoint: Path | None,
) -> TrainedSeeds:
    """Identify the arm, train networks on what that leaves, and set their gates.

    For the gates, each training recording is left out in turn, of the identification and of the training alike, which
    takes as many trainings more; the validation recordings, if there are any, count as well. They alone are not enough:
    one that resembles a training recording lets a network pass that harms all others (docs/research/research.md).

    Args:
        dataset: joints, rate and meaning of effort.
        arm: the arm of the dataset.
        config: everything else.
        seeds: see `train_seeds`.
        device: likewise.
        training: episodes to learn from.
        validation: episodes that choose the best epoch of the last training; may be empty.
        report: see `train_seeds`; all trainings count as one.
        checkpoint: of the last training, see there.

    Returns:
        A hybrid for each seed, or why there is none. The models that left a recording out have the same gates. `about`
        holds the gates by joint, and recordings that seem to have contact in them, see `Identification`.

    Raises:
        DatasetError: there is only one recording; and see `train_seeds` and `identify_dynamics`.
        RobotError: see `identify_dynamics`.
    """
    names = recordings(training)
    if len(names) == 1 and not validation:
        raise DatasetError(
            f"only {names[0]} is for training: what a network adds to physics must be judged on another recording; "
            f"record more, or use `vastares identify`"
        )
    left_out = _by_recording(training) if len(names) > 1 else []
    rounds = len(left_out) + 1
    rigid = config.rigid_body_model

    def learn(
        number: int, episodes: Sequence[Episode], validation: Sequence[Episode], checkpoint: Path | None
    ) -> tuple[list[LearningModel | ConfigError], Identification]:
        dynamics, found = identify_dynamics(
            dataset, episodes, arm, rigid.friction_model, config.filter, rigid.friction_time_constant
        )
        progress = in_round(report, number, rounds)
        models = train_seeds(
            episodes, validation, dataset.rate, config, seeds, device, progress, checkpoint, dynamics=dynamics
        )
        return models, found

    judges: list[tuple[Sequence[LearningModel | ConfigError], Sequence[Episode]]] = []  # and what they do not know
    for number, held in enumerate(left_out):
        rest = [e for e in training if e.recording != held[0].recording]
        judges.append((learn(number, rest, (), None)[0], held))
    models, found = learn(rounds - 1, training, validation, checkpoint)
    run = TrainedSeeds(models, ResidualSource("cross-validation", tuple(names)), judges.copy())
    judges += [(models, held) for held in _by_recording(validation)]
    about: dict[int, dict[str, Any]] = {}
    for seed, model in enumerate(models):
        if isinstance(model, ConfigError):
            continue
        moments = np.stack([_moments(judge[seed], held, dataset.rate, config) for judge, held in judges], axis=1)
        gate = gate_of(*moments)
        for one in (model, *(other for other, _ in run.unseen(seed))):
            assert isinstance(one, HybridModel)  # all were trained with dynamics
            one.gate.copy_(torch.as_tensor(gate))
        about[seed] = {"gates": dict(zip(dataset.joints, gate.tolist(), strict=True))}
        about[seed] |= {"contact": found.contact} if found.contact else {}
    return replace(run, about=about)


def _by_recording(episodes: Sequence[Episode]) -> list[list[Episode]]:
    return [[e for e in episodes if e.recording == name] for name in recordings(episodes)]


def gate_of(left: Array, product: Array, learnt: Array) -> Array:
    """Share of the network's part that is let in, joint by joint, 0 to 1, by recordings that neither part knows.

    The squared error of a recording is a parabola over the share. With few recordings, half of the least of their best
    shares is taken. With `ENOUGH`, the share that is best for their mean error relative to physics, or the largest that
    makes none of them worse by more than `TOLERANCE` (docs/research/research.md, "Gate").

    Args:
        left: mean square of what physics leaves of K recordings, shape (K, J) [N²·m²].
        product: mean product of that and the network's part, likewise.
        learnt: mean square of the network's part, likewise; above zero.

    Returns:
        The gates, shape (J,).
    """
    if len(left) < ENOUGH:
        return np.asarray(FEW_FACTOR * np.clip((product / learnt).min(axis=0), 0, 1))
    best = (product / left).sum(axis=0) / (learnt / left).sum(axis=0)
    most = (product + np.sqrt(product**2 + TOLERANCE * learnt * left)) / learnt
    return np.clip(np.minimum(best, most.min(axis=0)), 0, 1)


@torch.inference_mode()
def _moments(
    model: LearningModel | ConfigError, episodes: Sequence[Episode], rate: float, config: TrainConfig
) -> Array:
    """Arguments of `gate_of` for a recording, shape (3, J); where there is no model, those of a useless network."""
    if isinstance(model, ConfigError):
        return np.repeat([[1.0], [0.0], [1.0]], len(episodes[0].joints), axis=1)
    data = Windows(episodes, rate, config.filter, model).to(model)
    sums = np.zeros((3, model.joints))
    for which in data.in_order():
        x, target = data.take(which)
        learnt, left = (model.target_scaler.inverse(part).double().numpy() for part in (model.network(x), target))
        sums += [np.square(left).sum(axis=0), (learnt * left).sum(axis=0), np.square(learnt).sum(axis=0)]
    return np.maximum(sums / len(data), [[1e-30], [-np.inf], [1e-30]])
