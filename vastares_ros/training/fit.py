"""From a dataset to a bundle: split by recording, train, judge on what was held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vastares_ros.core.errors import ConfigError, DatasetError
from vastares_ros.core.samples import Array, Episode
from vastares_ros.core.signals import FilterConfig
from vastares_ros.io.datasets import Dataset
from vastares_ros.models.baselines import Ridge
from vastares_ros.models.model import Model
from vastares_ros.runtime.bundle import QUANTILES, Bundle

from .evaluate import Prediction, predict, score
from .hybrid import train_hybrids
from .prior import arm_of
from .train import Progress, TrainConfig, Windows, train_seeds

# Samples for training, and the next for testing, of the three data sets of [1], section 4.1.
PAPER_SPLITS = {"kuka1": (16_000, 4_000), "kuka2": (13_000, 4_560), "ur5": (15_000, 5_000)}


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


def paper_split(dataset: Dataset, name: str) -> tuple[tuple[Episode, ...], tuple[Episode, ...]]:
    """Training and test episodes by the split of [1] called `name`: samples in order, cut wherever the count ends.

    Where the dataset ends before the test samples do, those that there are make the test.

    Raises:
        DatasetError: there is nothing left to test on.
    """
    first, following = PAPER_SPLITS[name]
    held = sum(len(e) for e in dataset.episodes)
    if held <= first:
        raise DatasetError(
            f"the split {name} of [1] trains on {first} samples and tests on the next {following}, the dataset holds "
            f"{held}: split by recording with --test instead"
        )
    return between(dataset.episodes, 0, first), between(dataset.episodes, first, first + following)


def between(episodes: Sequence[Episode], start: int, end: int) -> tuple[Episode, ...]:
    """Samples `start` to `end`, counted over all episodes; an episode that is cut says so in its name."""
    parts = []
    for e in episodes:
        low, high = max(start, 0), min(end, len(e))
        if (low, high) == (0, len(e)):
            parts.append(e)
        elif low < high:
            s = slice(low, high)
            parts.append(Episode(f"{e.name}[{low}:{high}]", e.joints, e.t[s], e.q[s], e.qd[s], e.tau[s], e.recording))
        start, end = start - len(e), end - len(e)
    return tuple(parts)


def leakage_warning(recordings: Sequence[str]) -> str:
    """What to say where a split cuts inside recordings."""
    names = ", ".join(recordings)
    return f"leakage: the split cuts inside {names}: neighbouring samples are on both sides, so figures are optimistic"


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

    With a prior in the configuration the network corrects what is identified of the dataset's arm, see `hybrid`;
    `urdf` is a file to take instead of the robot's own.

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
    models: Sequence[Model | ConfigError]
    contact: Mapping[str, str] = {}
    if config.prior.kind == "none":
        models = train_seeds(training, validated, dataset.rate, config, seeds, device, report, checkpoint)
    else:
        arm = arm_of(dataset, urdf)
        models, contact = train_hybrids(dataset, arm, config, seeds, device, training, validated, report, checkpoint)
    prior = next((m.prior for m in models if isinstance(m, Model)), None)
    data = Windows(training, dataset.rate, config, prior)
    joints = len(dataset.joints)
    ridge = Ridge.fit(data.x[:, :-joints] if prior else data.x, data.tau)
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
        return predictions, score(predictions, dataset.joints, model.torque.scale.double().numpy() ** 2)

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
