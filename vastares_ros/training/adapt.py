# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From a bundle and half a minute with a new tool to a bundle that knows the tool.

With identified dynamics the tool is found as mass, first moment and inertia at the tip, and becomes part of the link
that carries it. Without them, each joint gets a small correction by the positions of all joints. Both are fitted to the
first two thirds of the recording and judged on the last, so that the figures are those of the bundle that is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vastares_ros.core.errors import DatasetError
from vastares_ros.core.samples import Array, Episode
from vastares_ros.core.signals import FilterConfig, SignalChain
from vastares_ros.models.baselines import ridge
from vastares_ros.models.identified_dynamics import IdentifiedDynamics
from vastares_ros.models.model import Model
from vastares_ros.models.networks import Correction, NetworkModel
from vastares_ros.physics.identification import Motion
from vastares_ros.physics.payload import Payload, carrying, fit_payload
from vastares_ros.physics.rigid_body import RigidBody
from vastares_ros.runtime.bundle import QUANTILES, Bundle, Parent, ResidualSource

from .evaluate import Prediction, Scores, predict, score
from .splits import between, recordings

SHORTEST = 6.0  # [s]: less shows too little motion
FITTED = 2 / 3  # of the recording; the rest judges
CONTACT = 3.0  # times what free motion left over at most: as if something had touched the arm


@dataclass(frozen=True)
class Adaptation:
    """What a recording with a new tool says of it.

    Attributes:
        bundle: the child.
        payload: what was added at the tip, where the bundle has identified dynamics.
        corrected: the joints that a correction helps, where it has none.
        seconds: of motion that were used, by the stamps [s].
        travel: range of each joint's position in what was fitted, shape (J,) [rad].
        before: scores of the parent on the last third.
        after: scores of the child there.
    """

    bundle: Bundle
    payload: Payload | None
    corrected: tuple[str, ...]
    seconds: float
    travel: Array
    before: Scores
    after: Scores


def adapt(bundle: Bundle, parent: Parent, episodes: Sequence[Episode], seconds: float = 30.0) -> Adaptation:
    """Adapt a bundle to the tool of a recording.

    Args:
        bundle: the parent.
        parent: what its child calls it.
        episodes: free motion with the tool, in the bundle's joint order and unit.
        seconds: taken from the start; the rest is left [s].

    Raises:
        DatasetError: there is too little motion, or it has contact in it.
        RobotError: no joint moves the tip of the bundle's arm.
    """
    samples = _samples_within(episodes, seconds, bundle.rate)
    episodes = between(episodes, 0, samples)
    seconds = sum(e.duration for e in episodes)
    if seconds < SHORTEST - (len(episodes) + 1) / bundle.rate:  # a piece ends a period before the time it stands for
        raise DatasetError(
            f"{seconds:.1f} s of motion are too little, at least {SHORTEST:g} s are needed: record half a minute in "
            f"which every joint turns",
            value=seconds,
            lower=SHORTEST,
        )
    cut = round(FITTED * samples)
    window = bundle.model.config.window
    fitting, judging = (
        [e for e in between(episodes, *part) if len(e) >= window] for part in ((0, cut), (cut, samples))
    )
    if not fitting or not judging:
        raise DatasetError(f"too short: the recording breaks into pieces with less than a window, {window} samples")

    variance = bundle.model.torque_scaler.scale.double().numpy() ** 2

    def judge(model: Model) -> tuple[list[Prediction], Scores]:
        predictions = predict(model, bundle.ridge, bundle.filter, bundle.rate, judging)
        return predictions, score(predictions, bundle.joints, variance, bundle.constant_joints)

    uncorrected, before = judge(bundle.model)
    model = deepcopy(bundle.model)
    about: dict[str, Any] = {"seconds": seconds, "nmse_before": before.nmse_mean["model"]}
    payload: Payload | None = None
    corrected: tuple[str, ...] = ()
    if dynamics := model.dynamics:
        payload = _fit_payload(bundle, dynamics, fitting)
        dynamics.set_parameters(carrying(RigidBody(dynamics.arm), dynamics.identified, payload))
        about |= {"tip": payload.tip, "payload": payload.parameters.tolist()}
        about |= {"payload_deviation": payload.deviation.tolist()}
    elif isinstance(model, NetworkModel):
        past = model.correction.coefficients if model.correction else 0.0
        model.correction = Correction(len(bundle.joints))
        model.correction.coefficients += past + _fit_correction(bundle, fitting)
        with_correction, _ = judge(model)
        helps = _error(with_correction) < _error(uncorrected)
        model.correction.coefficients *= torch.from_numpy(helps)
        model.correction.coefficients += past * torch.from_numpy(~helps)
        corrected = tuple(j for j, good in zip(bundle.joints, helps, strict=True) if good)
        about["corrected"] = list(corrected)

    _, after = judge(model)
    all_of_it = predict(model, bundle.ridge, bundle.filter, bundle.rate, episodes)
    _refuse_contact(bundle, all_of_it)
    of = recordings(episodes)
    split = bundle.training["split"]
    split = split | {"adaptation": [*split.get("adaptation", []), *of]}
    residual = np.abs(np.concatenate([p.tau_ext for p in all_of_it]))
    child = replace(
        bundle,
        model=model,
        residual_quantiles=np.quantile(residual, QUANTILES, axis=0),
        residual_source=ResidualSource("adaptation", tuple(of)),
        training=dict(bundle.training) | {"split": split, "adaptation": about},
        metrics={"of": "adaptation"} | asdict(after),
        parent=parent,
    )
    travel = np.ptp(np.concatenate([e.q for e in fitting]), axis=0)
    return Adaptation(child, payload, corrected, seconds, travel, before, after)


def _samples_within(episodes: Sequence[Episode], seconds: float, rate: float) -> int:
    """How many samples lie in the first `seconds` [s] by their stamps; a piece ends 1 / `rate` after its last."""
    count, left = 0, seconds - 0.5 / rate
    for e in episodes:
        count += int((e.t - e.t[0] < left).sum())
        left -= e.duration + 1 / rate
    return count


def _signals(bundle: Bundle, episode: Episode) -> tuple[Array, Array, Array]:
    """Features (N, C), torque (N, J) and the model's torque (N, J), from the first full window on."""
    x, tau = bundle.model.chain(bundle.rate, bundle.filter).run_afresh(episode)
    filling = bundle.model.config.window - 1
    return x[filling:], tau[filling:], bundle.model.predict(x)


def _fit_payload(bundle: Bundle, dynamics: IdentifiedDynamics, episodes: Sequence[Episode]) -> Payload:
    # Of signals that no filter has passed, acceleration is noise: what runs without one is fitted with the usual one.
    low_pass = FilterConfig() if bundle.filter.kind == "none" else bundle.filter
    motions = []
    for e in episodes:
        x, _, model = _signals(bundle, e)
        learnt = model - x[:, bundle.model.n_motion_features :]  # what a network adds to physics
        motion, tau = SignalChain(bundle.rate, low_pass, acceleration=True).run_afresh(e)
        motions.append(Motion("", motion[-len(x) :], tau[-len(x) :] - learnt))
    return fit_payload(RigidBody(dynamics.arm), dynamics.identified, motions, bundle.rate)


def _fit_correction(bundle: Bundle, episodes: Sequence[Episode]) -> Tensor:
    """Coefficients of a correction to the bundle's torque, shape (1 + 2 J, J)."""
    x, tau, model = (np.concatenate(part) for part in zip(*(_signals(bundle, e) for e in episodes), strict=True))
    features = Correction.features(torch.as_tensor(x[:, : len(bundle.joints)])).numpy()
    coefficients, intercept = ridge(lambda s: features[s, 1:], tau - model)
    return torch.as_tensor(np.concatenate([intercept[None], coefficients]), dtype=torch.float32)


def _error(predictions: Sequence[Prediction]) -> Array:
    """Mean squared error of the model, shape (J,)."""
    error: Array = np.square(np.concatenate([p.tau_ext for p in predictions])).mean(axis=0)
    return error


def _refuse_contact(bundle: Bundle, predictions: Sequence[Prediction]) -> None:
    t = np.concatenate([p.t for p in predictions])
    left = np.abs(np.concatenate([p.tau_ext for p in predictions]))
    ratio = np.quantile(left, 0.99, axis=0) / np.maximum(bundle.residual_quantiles[-1], 1e-9)
    j = int(ratio.argmax())
    if ratio[j] > CONTACT:
        i = int(left[:, j].argmax())
        raise DatasetError(
            f"the recording does not fit a tool: {bundle.joints[j]} is {left[i, j]:.3g} {bundle.effort.unit} off at "
            f"{t[i] - t[0]:.1f} s, and is off by {ratio[j]:.1f} times as much as in the bundle's free motion: record "
            f"anew, where nothing touches the arm",
            joint=bundle.joints[j],
            value=float(left[i, j]),
        )
