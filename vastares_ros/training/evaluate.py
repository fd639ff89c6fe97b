# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How good a model is on recordings, always beside the mean and ridge regression."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np

from vastares_ros.core.errors import DatasetError
from vastares_ros.core.external import external_torque
from vastares_ros.core.samples import Array, Episode
from vastares_ros.core.scratch import BLOCK, release
from vastares_ros.core.signals import FilterConfig
from vastares_ros.models.baselines import Ridge
from vastares_ros.models.model import Model

BASELINES = ("mean", "ridge")


@dataclass(frozen=True)
class Scores:
    """How good predictors are on the same samples; as JSON, `dataclasses.asdict` of it.

    Attributes:
        nmse: predictor -> joint -> mean squared error over the variance of the training torque.
        rmse: predictor -> joint -> root mean squared error [N·m or A].
        nmse_mean: predictor -> nmse averaged over the joints that are not constant.
        samples: how many were judged.
    """

    nmse: dict[str, dict[str, float]]
    rmse: dict[str, dict[str, float]]
    nmse_mean: dict[str, float]
    samples: int

    @classmethod
    def of(cls, metrics: Mapping[str, Any]) -> Scores:
        """Those among the metrics of a bundle."""
        return cls(**{field.name: metrics[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class Prediction:
    """One episode, or a block of it, from the first full window on: N samples.

    Attributes:
        episode: its name.
        t: stamps, shape (N,) [s].
        tau_meas: filtered measured torque, shape (N, J).
        tau: what each predictor says, shape (N, J) each: "model", `BASELINES`, and the parts of the model
            that it names.
    """

    episode: str
    t: Array
    tau_meas: Array
    tau: dict[str, Array]

    @property
    def tau_ext(self) -> Array:
        """External torque by the model, shape (N, J)."""
        return external_torque(self.tau["model"], self.tau_meas)


def predict(
    model: Model, ridge: Ridge, filter_config: FilterConfig, rate: float, episodes: Sequence[Episode], skip: int = 0
) -> list[Prediction]:
    """Predict every episode that is as long as a window, each at once, see `predict_blocks`."""
    found = []
    for episode in episodes:
        if len(episode) > max(skip, model.config.window - 1):
            parts = list(predict_blocks(model, ridge, filter_config, rate, [episode], skip))
            t, tau_meas = (np.concatenate([getattr(p, name) for p in parts]) for name in ("t", "tau_meas"))
            tau = {name: np.concatenate([p.tau[name] for p in parts]) for name in parts[0].tau}
            found.append(Prediction(episode.name, t, tau_meas, tau))
    return found or list(predict_blocks(model, ridge, filter_config, rate, episodes, skip))


def predict_blocks(
    model: Model, ridge: Ridge, filter_config: FilterConfig, rate: float, episodes: Sequence[Episode], skip: int = 0
) -> Iterator[Prediction]:
    """Predict every episode that is as long as a window, in batches; without the `skip` first samples of each, if more.

    A long episode comes in blocks, of which only one is in memory.

    The signals are those of the live estimator to the bit; the network's batches round otherwise than its single
    windows do, by some 1e-6 of the torque. `vastares parity` compares without that.

    Raises:
        DatasetError: no episode is long enough.
    """
    filling = model.config.window - 1
    skip = max(skip, filling)
    chain = model.chain(rate, filter_config)
    long = [e for e in episodes if len(e) > skip]
    if not long:
        raise DatasetError(f"too short: no episode has the {skip + 1} samples that are needed")
    for episode in long:
        chain.reset()
        starts = [0, *range(skip + BLOCK, len(episode), BLOCK), len(episode)]
        before = np.empty((0, 0))  # features of the samples that the next window begins with
        for start, end in pairwise(starts):
            s = slice(start, end)
            x, tau_meas = chain.run(episode.q[s], episode.qd[s], episode.tau[s])
            first = max(skip - start, 0)
            seen = x[skip - filling :] if not start else np.concatenate([before, x])
            before = seen[len(seen) - filling :]
            x, tau_meas = x[first:], tau_meas[first:]
            mean = np.broadcast_to(model.torque_scaler.mean.cpu().numpy().astype(np.float64), tau_meas.shape)
            linear = ridge.predict(x[:, : model.n_motion_features])
            tau = {"model": model.predict(seen), "mean": mean, "ridge": linear} | model.parts(x)
            yield Prediction(episode.name, episode.t[start + first : end], tau_meas, tau)
            release()


def score(
    predictions: Iterable[Prediction],
    joints: Sequence[str],
    training_variance: Array,
    constant: Collection[str] = (),
) -> Scores:
    """Score all predictions together.

    Args:
        predictions: what to score.
        joints: J joint names.
        training_variance: variance of the training torque, shape (J,), that `nmse` is relative to.
        constant: joints that averages leave out, unless all joints are constant, see `quality.constant_joints`.
    """
    counted = [j for j, joint in enumerate(joints) if joint not in constant] or list(range(len(joints)))
    squares: dict[str, Array] = {}
    samples = 0
    for p in predictions:
        samples += len(p.tau_meas)
        for name, tau in p.tau.items():
            squares[name] = squares.get(name, 0) + np.square(tau - p.tau_meas).sum(axis=0)
    scores = Scores({}, {}, {}, samples)
    for name, square in squares.items():
        mse = square / samples
        nmse = mse / training_variance
        scores.nmse[name] = dict(zip(joints, nmse.tolist(), strict=True))
        scores.rmse[name] = dict(zip(joints, np.sqrt(mse).tolist(), strict=True))
        scores.nmse_mean[name] = float(nmse[counted].mean())
    return scores
