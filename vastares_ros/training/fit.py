# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From a dataset to a bundle: split by recording, train, find the bound, judge on what was held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vastares_ros.core.arm import Arm
from vastares_ros.core.errors import ConfigError
from vastares_ros.core.ranks import quantiles
from vastares_ros.core.samples import Array, Episode
from vastares_ros.core.scratch import Growing, blocks
from vastares_ros.core.signals import FilterConfig
from vastares_ros.io.datasets import Dataset, dataset_arm
from vastares_ros.models.baselines import Ridge
from vastares_ros.models.model import Model
from vastares_ros.runtime.bundle import QUANTILES, Bundle

from .config import TrainConfig
from .evaluate import Scores, predict_blocks, score
from .filtered import extent
from .folds import FreeMotion, TrainedSeeds, free_motion, leave_out
from .hybrid import train_hybrids
from .loop import Progress, in_round, train_seeds
from .quality import constant_joints
from .splits import paper_rule, paper_split, recordings, split
from .windows import Windows

FOLDS = 3  # of networks, for the bound: each is one training more


def fit(
    dataset: Dataset,
    config: TrainConfig,
    device: torch.device,
    test: Sequence[str] = (),
    validation: Sequence[str] = (),
    report: Callable[[Progress], None] = lambda progress: None,
    checkpoint: Path | None = None,
    paper: str = "",
    arm: Arm | None = None,
) -> Bundle:
    """Train on what is not held out, and judge on test recordings (else on validation, else on training recordings).

    The quantiles of the residual, which bound it in free motion, come from the validation recordings. Where there are
    none they are cross-validated on the training recordings, see `folds`: up to `FOLDS` more trainings. Test recordings
    set nothing.

    With a rigid-body model in the configuration the network corrects what is identified of the dataset's arm, see
    `hybrid`; `arm` is taken instead of that of the dataset's robot in the package.

    With `paper`, a name of `PAPER_SPLITS`, `test` and `validation` do not count. Recordings that it cuts through are
    listed as `leakage` beside the figures.

    Raises:
        ConfigError: training diverged.
        DatasetError: see `split`, `paper_split` and `train`.
    """
    (bundle,) = fit_seeds(dataset, config, [config.seed], device, test, validation, 0, report, checkpoint, paper, arm)
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
    arm: Arm | None = None,
    cross_validate: bool = True,
) -> list[Bundle | ConfigError]:
    """`fit` for several seeds in one batched pass; for a seed that diverged, the reason.

    With `skip`, the first samples of every episode are not judged: methods with windows of other lengths are then
    judged on the same samples. Without `cross_validate` no models are trained for the bound alone: it then comes from
    the training recordings, and is too small. That is for runs of which only the figures count.

    Raises:
        DatasetError: as `fit`.
    """
    if paper:
        training, tested = paper_split(dataset, paper)
        validated: tuple[Episode, ...] = ()
        rule = paper_rule(dataset, paper)
    else:
        training, validated, tested = split(dataset, test, validation)
        rule = "by recording"
    if config.rigid_body_model.kind == "none":
        most = FOLDS if cross_validate and not validated else 0
        run = train_networks(dataset.rate, config, seeds, device, training, validated, most, report, checkpoint)
    else:
        arm = arm or dataset_arm(dataset)
        run = train_hybrids(dataset, arm, config, seeds, device, training, validated, report, checkpoint)
    trained = next((m for m in run.models if not isinstance(m, ConfigError)), None)
    if trained is None:
        return [model for model in run.models if isinstance(model, ConfigError)]
    data = Windows(training, dataset.rate, config.filter, trained)
    ridge = Ridge.fit(data.x[:, : trained.n_motion_features], data.tau)
    parts = {"training": training, "validation": validated, "test": tested}

    bundles: list[Bundle | ConfigError] = []
    for number, (model, seed) in enumerate(zip(run.models, seeds, strict=True)):
        if isinstance(model, ConfigError):
            bundles.append(model)
            continue
        about = {"split_rule": rule, "config": asdict(replace(config, seed=seed)), "device": str(device)}
        about |= run.about.get(number, {})
        free = free_motion(model, training, validated, run.source, run.unseen(number))
        bundles.append(judged(dataset, parts, config.model, model, ridge, config.filter, data.x, free, about, skip))
    return bundles


def train_networks(
    rate: float,
    config: TrainConfig,
    seeds: Sequence[int],
    device: torch.device,
    training: Sequence[Episode],
    validation: Sequence[Episode],
    most: int,
    report: Callable[[Progress], None],
    checkpoint: Path | None,
) -> TrainedSeeds:
    """Train networks alone: one for each seed, and then one more for each seed and fold.

    Args:
        rate: see `train_seeds`.
        config: likewise.
        seeds: likewise.
        device: likewise.
        training: likewise.
        validation: likewise.
        most: folds at most; 0 for none.
        report: see `train_seeds`; all trainings count as one.
        checkpoint: of the first training, see there.

    Raises:
        DatasetError: see `train_seeds`.
    """
    source, folds = leave_out(training, rate, config.network.window, most)
    rounds = 1 + len(folds)
    progress = in_round(report, 0, rounds)
    run = TrainedSeeds(train_seeds(training, validation, rate, config, seeds, device, progress, checkpoint), source)
    if all(isinstance(model, ConfigError) for model in run.models):
        return run
    for number, fold in enumerate(folds, 1):
        progress = in_round(report, number, rounds)
        run.left_out.append((train_seeds(fold.training, (), rate, config, seeds, device, progress), fold.held_out))
    return run


def judged(
    dataset: Dataset,
    parts: Mapping[str, Sequence[Episode]],
    method: str,
    model: Model,
    ridge: Ridge,
    filter_config: FilterConfig,
    x: Array,
    free: FreeMotion,
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
        free: what sets the bound.
        about: facts of the training, besides the split.
        skip: samples at the start of every episode that are not judged.

    Raises:
        DatasetError: no episode that is judged is long enough.
    """
    joints = len(dataset.joints)
    constant = constant_joints(parts["training"])
    low, high = extent(x[:, : 2 * joints])

    def judge(episodes: Sequence[Episode]) -> Scores:
        predictions = predict_blocks(model, ridge, filter_config, dataset.rate, episodes, skip)
        return score(predictions, dataset.joints, model.torque_scaler.scale.double().numpy() ** 2, constant)

    of = next(part for part in ("test", "validation", "training") if parts[part])
    metrics: dict[str, Any] = {"of": of} | asdict(judge(parts[of]))
    if leakage := sorted({e.recording for e in parts["training"]} & {e.recording for e in parts["test"]}):
        metrics["leakage"] = leakage
    if parts["test"] and parts["validation"]:
        metrics["validation_nmse_mean"] = judge(parts["validation"]).nmse_mean["model"]
    left = Growing((joints,))
    for one, seen in free.parts:
        for p in predict_blocks(one, ridge, filter_config, dataset.rate, seen, skip):
            left.append(np.abs(p.tau_ext))
    residual = left.array()

    def of_joint(j: int) -> Callable[[], Iterator[Array]]:
        return lambda: (residual[s, j] for s in blocks(len(residual)))

    about = dict(about) | ({"constant_joints": constant} if constant else {})
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
        residual_quantiles=np.stack([quantiles(of_joint(j), QUANTILES) for j in range(joints)], axis=1),
        residual_source=free.source,
        training={"split": {part: recordings(episodes) for part, episodes in parts.items()}} | about,
        metrics=metrics,
        dataset_sha256=dataset.sha256,
    )
