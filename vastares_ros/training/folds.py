# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which training recordings are left out in turn, so that the bound of free motion is found on motion that is unseen.

The error of a model on the recordings that it was trained on is too small for a bound, and a test recording must set
nothing. So some models are trained besides the one that is kept, each without a part of the training recordings. Their
errors on these parts are what the kept model is expected to leave of free motion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vastares_ros.core.errors import ConfigError
from vastares_ros.core.samples import Episode
from vastares_ros.models.model import Model
from vastares_ros.models.networks import LearningModel
from vastares_ros.runtime.bundle import ResidualSource

from .splits import between, recordings

BLOCKS = 3  # that a single recording is cut into
MIN_GAP = 0.5  # between a block and what is trained on [s]


@dataclass(frozen=True)
class Fold:
    """A part of the training data that is left out.

    Attributes:
        training: the other episodes.
        held_out: the episodes of the part.
    """

    training: Sequence[Episode]
    held_out: Sequence[Episode]


@dataclass(frozen=True)
class TrainedSeeds:
    """What a training gives for some seeds.

    Attributes:
        models: for each seed its model, or why it has none.
        source: what `left_out` is.
        left_out: for each fold its models, as above, and the episodes that they do not know.
        about: more facts for the bundle of a seed, by its number from 0.
    """

    models: Sequence[LearningModel | ConfigError]
    source: ResidualSource
    left_out: list[tuple[Sequence[LearningModel | ConfigError], Sequence[Episode]]] = field(default_factory=list)
    about: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)

    def unseen(self, number: int) -> list[tuple[LearningModel, Sequence[Episode]]]:
        """Of a seed, by its number from 0: models of folds that did not diverge, and episodes that they do not know."""
        pairs = [(models[number], held_out) for models, held_out in self.left_out]
        return [(model, held_out) for model, held_out in pairs if not isinstance(model, ConfigError)]


@dataclass(frozen=True)
class FreeMotion:
    """What sets the bound of a model.

    Attributes:
        source: where the motion comes from.
        parts: models, and the episodes that each of them predicts.
    """

    source: ResidualSource
    parts: Sequence[tuple[Model, Sequence[Episode]]]


def leave_out(training: Sequence[Episode], rate: float, window: int, most: int) -> tuple[ResidualSource, list[Fold]]:
    """Leave whole recordings out in turn; of a single recording blocks, with a gap beside each.

    Args:
        training: all episodes for training.
        rate: their samples per second [Hz].
        window: samples of the model's window.
        most: folds; where there are more recordings, each fold leaves out several. 0 makes no folds.

    Returns:
        What the folds are, and the folds: none where the only recording is too short to be cut.
    """
    usable = [e for e in training if len(e) >= window]
    names = recordings(usable)
    if len(names) > 1 or not most:
        groups = [names[i::most] for i in range(min(most, len(names)))]
        folds = [
            Fold([e for e in training if e.recording not in group], [e for e in usable if e.recording in group])
            for group in groups
        ]
        return ResidualSource("cross-validation", tuple(names)), folds
    gap = max(window, round(MIN_GAP * rate))
    samples = sum(len(e) for e in usable)
    folds = []
    for i in range(BLOCKS):
        start, end = samples * i // BLOCKS, samples * (i + 1) // BLOCKS
        rest = between(usable, 0, start - gap) + between(usable, end + gap, samples)
        fold = Fold(*([e for e in part if len(e) >= window] for part in (rest, between(usable, start, end))))
        if fold.training and fold.held_out:
            folds.append(fold)
    return ResidualSource("blocks", tuple(names)), folds


def free_motion(
    model: Model,
    training: Sequence[Episode],
    validation: Sequence[Episode],
    source: ResidualSource,
    left_out: Sequence[tuple[Model, Sequence[Episode]]],
) -> FreeMotion:
    """What sets the bound of a model: validation recordings, else what was left out, else the training recordings.

    Args:
        model: the one that is kept.
        training: what it was trained on.
        validation: episodes that are named for validation; may be empty.
        source: what `left_out` is.
        left_out: models of folds with the episodes that they do not know; may be empty.
    """
    if validation:
        return FreeMotion(ResidualSource("validation", tuple(recordings(validation))), [(model, validation)])
    if left_out:
        return FreeMotion(source, left_out)
    return FreeMotion(ResidualSource("training", tuple(recordings(training))), [(model, training)])
