# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Training of a single seed, and the features of an episode, as several tests need them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from vastares_ros.core.errors import ConfigError
from vastares_ros.core.samples import Array, Episode
from vastares_ros.models.kinds import make_model
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.loop import Progress, train_seeds
from vastares_ros.training.windows import LearningModel


def train(
    training: Sequence[Episode],
    validation: Sequence[Episode],
    rate: float,
    config: TrainConfig,
    device: torch.device,
    report: Callable[[Progress], None] = lambda progress: None,
    checkpoint: Path | None = None,
) -> LearningModel:
    """Train one network per joint with the seed of the configuration."""
    (model,) = train_seeds(training, validation, rate, config, [config.seed], device, report, checkpoint)
    if isinstance(model, ConfigError):
        raise model
    return model


def signals(episode: Episode, rate: float, config: TrainConfig) -> tuple[Array, Array]:
    """Features (N, C) and filtered torque (N, J) of an episode for the network of a configuration."""
    chain = make_model("network", len(episode.joints), config.network).chain(rate, config.filter)
    return chain.run_afresh(episode)
