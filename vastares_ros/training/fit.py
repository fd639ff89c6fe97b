"""From a dataset to a bundle: split by recording, train, judge on what was held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vastares_ros.core.errors import ConfigError
from vastares_ros.core.samples import Array, Episode
from vastares_ros.core.signals import FilterConfig
from vastares_ros.io.datasets import Dataset, dataset_arm
from vastares_ros.models.baselines import Ridge
from vastares_ros.models.model import Model
from vastares_ros.runtime.bundle import QUANTILES, Bundle

from .config import TrainConfig
from .evaluate import Prediction, predict, score
from .hybrid import train_hybrids
from .loop import Progress, train_seeds
from .splits import paper_split, split
from .windows import LearningModel, Windows


def fit(
    dataset: Dataset,
    config: TrainConfig,
    device: torch.device,
    test: Sequence[str] = (),
    validation: Sequence[str] = (),
    report: Callable[[Progress], None] = lambda progress: None,
    checkpoint: Path | None = None,
    paper: str = "",
    urdf: Path | None = None,
) -> Bundle:
    """Train on what is not held out, and judge on test recordings (else on validation, else on training recordings).

    The residual's quantiles, which bound it in free motion, come from validation recordings where there are any, so
    that the test recordings choose nothing; else from the recordings that are judged.

    With a rigid-body model in the configuration the network corrects what is identified of the dataset's arm, see
    `hybrid`; `urdf` is a file to take instead of the robot's own.

    With `paper`, a name of `PAPER_SPLITS`, `test` and `validation` do not count. Recordings that it cuts through are
    listed as `leakage` beside the figures.

    Raises:
        ConfigError: training diverged.
        DatasetError: see `split`, `paper_split` and `train`.
    """
    (bundle,) = fit_seeds(dataset, config, [config.seed], device, test, validation, 0, report, checkpoint, paper, urdf)
    if isinstance(bundle, ConfigError):
        raise bundle
    return bundle


def fit_seeds(
    dataset: Dataset,
    config: TrainConfig,
    seeds: Sequence[int],
    device: torch.device,
    test: Sequence[str] = (),
    validation: Sequence[str] = (),
    skip: int = 0,
    report: Callable[[Progress], None] = lambda progress: None,
    checkpoint: Path | None = None,
    paper: str = "",
    urdf: Path | None = None,
) -> list[Bundle | ConfigError]:
    """`fit` for several seeds in one batched pass; for a seed that diverged, the reason.

    With `skip`, the first samples of every episode are not judged: methods with windows of other lengths are then
    judged on the same samples.

    Raises:
        DatasetError: as `fit`.
    """
    if paper:
        training, tested = paper_split(dataset, paper)
        validated: tuple[Episode, ...] = ()
        counts = [sum(len(e) for e in part) for part in (training, tested)]
        rule = f"{paper} of [1]: the first {counts[0]} samples for training, the next {counts[1]} for testing"
    else:
        training, validated, tested = split(dataset, test, validation)
        rule = "by recording"
    models: Sequence[LearningModel | ConfigError]
    contact: Mapping[str, str] = {}
    if config.rigid_body_model.kind == "none":
        models = train_seeds(training, validated, dataset.rate, config, seeds, device, report, checkpoint)
    else:
        arm = dataset_arm(dataset, urdf)
        models, contact = train_hybrids(dataset, arm, config, seeds, device, training, validated, report, checkpoint)
    trained = next((m for m in models if isinstance(m, Model)), None)
    if trained is None:
        return [model for model in models if isinstance(model, ConfigError)]
    data = Windows(training, dataset.rate, config.filter, trained)
    ridge = Ridge.fit(data.x[:, : trained.n_motion_features], data.tau)
    parts = {"training": training, "validation": validated, "test": tested}

    def bundle(model: Model, seed: int) -> Bundle:
        about = {"split_rule": rule, "config": asdict(replace(config, seed=seed)), "device": str(device)}
        about |= {"contact": dict(contact)} if contact else {}
        return judged(dataset, parts, config.model, model, ridge, config.filter, data.x, about, skip)

    pairs = zip(models, seeds, strict=True)
    return [model if isinstance(model, ConfigError) else bundle(model, seed) for model, seed in pairs]


def judged(
    dataset: Dataset,
    parts: Mapping[str, Sequence[Episode]],
    method: str,
    model: Model,
    ridge: Ridge,
    filter_config: FilterConfig,
    x: Array,
    about: Mapping[str, Any],
    skip: int = 0,
) -> Bundle:
    """The bundle of a model, with its figures on what was held out.

    Args:
        dataset: what it was made from.
        parts: episodes by "training", "validation" and "test".
        method: its name.
        model: with statistics of the training data.
        ridge: fitted to the same data.
        filter_config: low-pass of all signals.
        x: training features, shape (N, C), positions and velocities first.
        about: facts of the training, besides the split.
        skip: samples at the start of every episode that are not judged.

    Raises:
        DatasetError: no episode that is judged is long enough.
    """
    joints = len(dataset.joints)
    low, high = x[:, : 2 * joints].min(axis=0), x[:, : 2 * joints].max(axis=0)

    def judge(episodes: Sequence[Episode]) -> tuple[list[Prediction], dict[str, Any]]:
        predictions = predict(model, ridge, filter_config, dataset.rate, episodes, skip)
        return predictions, score(predictions, dataset.joints, model.torque_scaler.scale.double().numpy() ** 2)

    of = next(part for part in ("test", "validation", "training") if parts[part])
    judged, figures = judge(parts[of])
    metrics: dict[str, Any] = {"of": of} | figures
    if leakage := sorted({e.recording for e in parts["training"]} & {e.recording for e in parts["test"]}):
        metrics["leakage"] = leakage
    if parts["test"] and parts["validation"]:
        judged, figures = judge(parts["validation"])
        metrics["validation_nmse_mean"] = figures["nmse_mean"]["model"]
    residual = np.abs(np.concatenate([p.tau_ext for p in judged]))
    return Bundle(
        robot=dataset.robot,
        joints=dataset.joints,
        topic=dataset.topic,
        effort=dataset.effort,
        rate=dataset.rate,
        filter=filter_config,
        method=method,
        model=model,
        ridge=ridge,
        q_range=np.stack([low[:joints], high[:joints]]),
        qd_range=np.stack([low[joints:], high[joints:]]),
        residual_quantiles=np.quantile(residual, QUANTILES, axis=0),
        residual_source=tuple(_recordings(parts["validation"] or parts[of])),
        training={"split": {part: _recordings(episodes) for part, episodes in parts.items()}} | dict(about),
        metrics=metrics,
        dataset_sha256=dataset.sha256,
    )


def _recordings(episodes: Sequence[Episode]) -> list[str]:
    return list(dict.fromkeys(e.recording for e in episodes))
