"""Networks that correct identified dynamics, and the gates that let them only where they help on unseen recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from vastares_ros.core.arm import Arm
from vastares_ros.core.errors import ConfigError, DatasetError
from vastares_ros.core.samples import Array, Episode
from vastares_ros.io.datasets import Dataset
from vastares_ros.models.networks import HybridModel

from .config import TrainConfig
from .dynamics import identify_dynamics
from .loop import Progress, train_seeds
from .windows import LearningModel, Windows

GATE_FACTOR = 0.5  # of the best share: 3/4 of the gain on recordings that are alike, 1/4 of the harm on others


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
) -> tuple[list[LearningModel | ConfigError], dict[str, str]]:
    """Identify the arm, train networks on what that leaves, and set their gates: a hybrid for each seed, or why not.

    For the gates, each training recording is left out in turn, of the identification and of the training alike, which
    takes as many trainings more; the validation recordings, if there are any, count as well. They alone are not enough:
    one that is like a recording that was trained on lets a network pass that harms all others (docs/research.md).

    Args:
        dataset: joints, rate and meaning of effort.
        arm: the arm of the dataset.
        config: everything else.
        seeds: see `train_seeds`.
        device: likewise.
        training: episodes to learn from.
        validation: episodes that choose the best epoch of the last training; may be empty.
        report: see `train_seeds`.
        checkpoint: of the last training, see there.

    Returns:
        The models, and recordings that seem to have contact in them with the joint, see `Identification`.

    Raises:
        DatasetError: there is but one recording; and see `train_seeds` and `identify_dynamics`.
        RobotError: see `identify_dynamics`.
    """
    left_out = _by_recording(training)
    if len(left_out) == 1:
        left_out = []
        if not validation:
            raise DatasetError(
                f"only {training[0].recording} is for training: what a network adds to physics must be judged on "
                f"another recording; record more, or use `vastares identify`"
            )
    rounds = len(left_out) + 1
    contact: dict[str, str] = {}

    def learn(
        number: int, episodes: Sequence[Episode], held_out: Sequence[Episode]
    ) -> list[LearningModel | ConfigError]:
        rigid = config.rigid_body_model
        dynamics, found = identify_dynamics(
            dataset, episodes, arm, rigid.friction_model, config.filter, rigid.friction_time_constant
        )
        contact.update(found.contact if number == rounds - 1 else {})

        def told(p: Progress) -> None:
            report(replace(p, epoch=p.epoch + number * p.epochs, epochs=rounds * p.epochs))

        last = checkpoint if number == rounds - 1 else None
        return train_seeds(episodes, held_out, dataset.rate, config, seeds, device, told, last, dynamics)

    judges: list[
        tuple[list[LearningModel | ConfigError], Sequence[Episode]]
    ] = []  # models by seed, and what they do not know
    for number, held in enumerate(left_out):
        rest = [e for e in training if e.recording != held[0].recording]
        judges.append((learn(number, rest, ()), held))
    models = learn(rounds - 1, training, validation)
    judges += [(models, held) for held in _by_recording(validation)]
    for seed, model in enumerate(models):
        if not isinstance(model, HybridModel):
            continue
        shares = [_share(judge[seed], held, dataset.rate, config) for judge, held in judges]
        model.gate.copy_(torch.as_tensor(GATE_FACTOR * np.min(shares, axis=0)))
    return models, contact


def _by_recording(episodes: Sequence[Episode]) -> list[list[Episode]]:
    names = dict.fromkeys(e.recording for e in episodes)
    return [[e for e in episodes if e.recording == name] for name in names]


@torch.inference_mode()
def _share(model: LearningModel | ConfigError, episodes: Sequence[Episode], rate: float, config: TrainConfig) -> Array:
    """How much of the network's part is best on a recording, joint by joint, none to all: shape (J,).

    The least of it over recordings makes none of them worse: the squared error falls up to the best share.
    """
    if not isinstance(model, HybridModel):
        return np.zeros(len(episodes[0].joints))
    data = Windows(episodes, rate, config.filter, model).to(model)
    with_left, with_itself = np.zeros((2, model.joints))
    for which in torch.arange(len(data)).split(1024):
        x, target = data.take(which)
        learnt, left = (model.residual_scaler.inverse(part).double().numpy() for part in (model.network(x), target))
        with_left += (learnt * left).sum(axis=0)
        with_itself += np.square(learnt).sum(axis=0)
    return np.clip(with_left / np.maximum(with_itself, 1e-30), 0, 1)
