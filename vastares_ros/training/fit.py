"""From a dataset to a bundle: split by recording, train, judge on what was held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vastares_ros.core.errors import DatasetError
from vastares_ros.core.samples import Episode
from vastares_ros.io.datasets import Dataset
from vastares_ros.models.baselines import Ridge
from vastares_ros.runtime.bundle import QUANTILES, Bundle

from .evaluate import predict, score
from .train import Progress, TrainConfig, Windows, train


def split(
    dataset: Dataset, test: Sequence[str], validation: Sequence[str]
) -> tuple[tuple[Episode, ...], tuple[Episode, ...], tuple[Episode, ...]]:
    """Training, validation and test episodes; what is not named is for training.

    Raises:
        DatasetError: a name is unknown, a recording is in two parts, or nothing is left to train on.
    """
    tested, validated = dataset.pick(test), dataset.pick(validation)
    both = {e.recording for e in tested} & {e.recording for e in validated}
    if both:
        raise DatasetError(f"recording {sorted(both)[0]!r} is named for test and for validation: choose one")
    held_out = {e.name for e in tested + validated}
    training = tuple(e for e in dataset.episodes if e.name not in held_out)
    cut_through = {e.recording for e in training} & {e.recording for e in tested + validated}
    if cut_through:
        name = sorted(cut_through)[0]
        raise DatasetError(f"recording {name!r} is partly held out: neighbours would leak, so name the whole recording")
    if not training:
        raise DatasetError("every recording is held out: leave at least one to train on")
    return training, validated, tested


def fit(
    dataset: Dataset,
    config: TrainConfig,
    device: torch.device,
    test: Sequence[str] = (),
    validation: Sequence[str] = (),
    report: Callable[[Progress], None] = lambda progress: None,
    checkpoint: Path | None = None,
) -> Bundle:
    """Train on what is not held out, and judge on test recordings (else on validation, else on training recordings).

    The residual's quantiles, which bound it in free motion, come from validation recordings where there are any, so
    that the test recordings choose nothing; else from the recordings that are judged.

    Raises:
        DatasetError: see `split` and `train`.
    """
    training, validated, tested = split(dataset, test, validation)
    model = train(training, validated, dataset.rate, config, device, report, checkpoint)
    data = Windows(training, dataset.rate, config)
    ridge = Ridge.fit(data.x, data.tau)

    judged = tested or validated or training
    predictions = predict(model, ridge, config.filter, dataset.rate, judged)
    variance = model.torque.scale.double().numpy() ** 2
    metrics = {"of": "test" if tested else "validation" if validated else "training"}
    metrics |= score(predictions, dataset.joints, variance)

    calibration = validated or judged
    if calibration is not judged:
        predictions = predict(model, ridge, config.filter, dataset.rate, calibration)
    residual = np.abs(np.concatenate([p.tau_ext for p in predictions]))
    names = {"training": training, "validation": validated, "test": tested}
    joints = len(dataset.joints)
    low, high = data.x[:, : 2 * joints].min(axis=0), data.x[:, : 2 * joints].max(axis=0)
    how: dict[str, Any] = {
        "split": {part: _recordings(episodes) for part, episodes in names.items()},
        "config": asdict(config),
        "device": str(device),
    }
    return Bundle(
        robot=dataset.robot,
        joints=dataset.joints,
        topic=dataset.topic,
        effort=dataset.effort,
        rate=dataset.rate,
        filter=config.filter,
        method=config.model,
        model=model,
        ridge=ridge,
        q_range=np.stack([low[:joints], high[:joints]]),
        qd_range=np.stack([low[joints:], high[joints:]]),
        residual_quantiles=np.quantile(residual, QUANTILES, axis=0),
        residual_source=tuple(_recordings(calibration)),
        training=how,
        metrics=metrics,
        dataset_sha256=dataset.sha256,
    )


def _recordings(episodes: Sequence[Episode]) -> list[str]:
    return list(dict.fromkeys(e.recording for e in episodes))
