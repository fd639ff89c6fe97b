# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How good a model is on recordings, always beside the mean and ridge regression."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from vastares_ros.core.errors import DatasetError
from vastares_ros.core.external import external_torque
from vastares_ros.core.samples import Array, Episode
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
    """One episode, from the first full window on: N samples.

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
    """Predict every episode that is as long as a window, in batches; without the `skip` first samples of each, if more.

    The signals are those of the live estimator to the bit; the network's batches round otherwise than its single
    windows do, by some 1e-6 of the torque. `vastares parity` compares without that.

    Raises:
        DatasetError: no episode is long enough.
    """
    filling = model.config.window - 1
    skip = max(skip, filling)
    predictions = []
    for episode in episodes:
        if len(episode) <= skip:
            continue
        x, tau_meas = model.chain(rate, filter_config).run_afresh(episode)
        tau_meas = tau_meas[skip:]
        mean = np.broadcast_to(model.torque_scaler.mean.cpu().numpy().astype(np.float64), tau_meas.shape)
        linear = ridge.predict(x[skip:, : model.n_motion_features])
        tau = {"model": model.predict(x[skip - filling :]), "mean": mean, "ridge": linear}
        tau |= model.parts(x[skip:])
        predictions.append(Prediction(episode.name, episode.t[skip:], tau_meas, tau))
    if not predictions:
        raise DatasetError(f"too short: no episode has the {skip + 1} samples that are needed")
    return predictions


def score(
    predictions: Sequence[Prediction],
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
    tau_meas = np.concatenate([p.tau_meas for p in predictions])
    counted = [j for j, joint in enumerate(joints) if joint not in constant] or list(range(len(joints)))
    scores = Scores({}, {}, {}, len(tau_meas))
    for name in predictions[0].tau:
        error = np.concatenate([p.tau[name] for p in predictions]) - tau_meas
        mse = np.square(error).mean(axis=0)
        nmse = mse / training_variance
        scores.nmse[name] = dict(zip(joints, nmse.tolist(), strict=True))
        scores.rmse[name] = dict(zip(joints, np.sqrt(mse).tolist(), strict=True))
        scores.nmse_mean[name] = float(nmse[counted].mean())
    return scores
