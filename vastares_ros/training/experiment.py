# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the experiments of [1], sections 4.1 to 4.3, and one of physics beside them train: the rows of their tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from vastares_ros.core.config import from_mapping
from vastares_ros.core.errors import ConfigError
from vastares_ros.core.samples import Array, Episode
from vastares_ros.core.signals import windows
from vastares_ros.models.methods import METHODS
from vastares_ros.runtime.bundle import Bundle

from .config import RigidBodyModelConfig, TrainConfig
from .experiment_cells import CellResult, Identifying, Recipe, Training
from .identify import IdentifyConfig
from .paper_tables import TABLE_NAMES

HELD_OUT = 0.2  # of the samples, at least, in the recordings that are held out where none are named
TUNED = ("lstm", "gru", "rnn", "mlp", "transformer", "va_sta_reslstm")


def default_test(episodes: Sequence[Episode]) -> tuple[str, ...]:
    """The last recordings that together hold `HELD_OUT` of the samples; never all of them."""
    recordings = list(dict.fromkeys(e.recording for e in episodes))
    wanted = HELD_OUT * sum(len(e) for e in episodes)
    held_out: list[str] = []
    for name in reversed(recordings[1:]):
        if wanted <= 0:
            break
        held_out.append(name)
        wanted -= sum(len(e) for e in episodes if e.recording == name)
    return tuple(reversed(held_out))


def ablation(base: TrainConfig) -> dict[str, TrainConfig]:
    """Tables 1 to 3: what each part of the network brings."""
    return _methods(base, "reslstm_sa_ta_hn", "reslstm_sa_ta_wa", "lstm_sa", "lstm_sa_va_ta", "va_sta_reslstm")


def compare_methods(base: TrainConfig) -> dict[str, TrainConfig]:
    """Tables 4 to 6: the network beside the methods of others."""
    ablations = {name for name, method in METHODS.items() if method.fixed and method.config is type(base.network)}
    others = [name for name in METHODS if name not in ablations and name != "va_sta_reslstm"]
    return _methods(base, *others, "va_sta_reslstm")


def layers(base: TrainConfig) -> dict[str, TrainConfig]:
    """Figure 7: hidden layers of the attention MLPs."""
    return {str(n): replace(base, network=replace(base.network, hidden_layers=n)) for n in range(1, 7)}


def activations(base: TrainConfig) -> dict[str, TrainConfig]:
    """Figure 8: activations of spatial and temporal attention, in the letters of [1]."""
    letters = {"S": "sigmoid", "T": "tanh", "R": "relu", "E": "elu", "SR": "selu"}
    pairs = [(a, b) for a in ("S", "T") for b in ("R", "E", "SR")]
    pairs += [(b, a) for a, b in pairs]
    return {
        f"{a}+{b}": replace(
            base, network=replace(base.network, spatial_activation=letters[a], temporal_activation=letters[b])
        )
        for a, b in pairs
    }


def attention(base: TrainConfig) -> dict[str, TrainConfig]:
    """Figures 9 to 11: one network, whose weights are drawn."""
    return _methods(base, "va_sta_reslstm")


RATES = (0.01, 0.003)
VARIANTS: dict[str, dict[str, Any]] = {  # as many for every method
    "": {},
    "weight decay 0.5": {"weight_decay": 0.5},
    "half the width": {"network": {"hidden": 16}},
    "half the window": {"network": {"window": 16}},
}
OWN_VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "transformer": VARIANTS | {"half the width": {"network": {"width": 16, "feedforward": 32}}},
    "mlp": {
        "": {},
        "weight decay 0.5": {"weight_decay": 0.5},
        "half the width": {"network": {"hidden": 32}},
        "twice the width": {"network": {"hidden": 128}},
    },
}


def tune(base: TrainConfig) -> dict[str, TrainConfig]:
    """Settings of the network and of the networks it is compared with: as many for each."""
    rows = {}
    for name in TUNED:
        method = METHODS[name]
        plain = replace(base, model=name, network=base.network if method.config is type(base.network) else method.fixed)
        for rate in RATES:
            for label, changes in OWN_VARIANTS.get(name, VARIANTS).items():
                row = ", ".join(part for part in (method.label, f"rate {rate}", label) if part)
                rows[row] = changed(plain, {"learning_rate": rate, **changes})
    return rows


def changed(config: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    """A configuration with some fields changed; `network` names fields of the network's.

    Raises:
        ConfigError: a field is unknown, or a value is wrong.
    """
    network = {**asdict(config.network), **changes.get("network", {})}
    fields = {**asdict(config), "network": network, **{k: v for k, v in changes.items() if k != "network"}}
    return from_mapping(TrainConfig, fields)


def chosen(results: Sequence[CellResult], rows: Mapping[str, TrainConfig]) -> dict[str, str]:
    """For every method the row of `tune` with the smallest nmse on the validation recordings, averaged over seeds."""
    best: dict[str, tuple[float, str]] = {}
    for row, config in rows.items():
        of = [r.validation_nmse_mean for r in results if r.row == row and r.validation_nmse_mean is not None]
        if of:
            best[config.model] = min(best.get(config.model, (np.inf, "")), (float(np.mean(of)), row))
    return {name: row for name, (_, row) in best.items()}


def physics(base: TrainConfig) -> dict[str, Recipe]:
    """Identification, with and without adaptive friction, networks on top of it, and networks alone."""
    alone = _methods(replace(base, rigid_body_model=RigidBodyModelConfig()), "gru", "mlp", "va_sta_reslstm")
    over = replace(base, rigid_body_model=replace(base.rigid_body_model, kind="identified"))
    seconds = over.rigid_body_model.friction_time_constant

    def identified(friction_model: str, time_constant: float = 0.0) -> Recipe:
        return Identifying(
            IdentifyConfig(
                friction_model=friction_model,
                filter=base.filter,
                live=base.filter,
                friction_time_constant=time_constant,
            )
        )

    return {
        **{row: Training(config) for row, config in alone.items()},
        "basic friction model": identified("basic"),
        "extended friction model": identified("extended"),
        f"extended, adaptive within {seconds:g} s": identified("extended", seconds),
        **{f"hybrid with {row}": Training(config) for row, config in _methods(over, "va_sta_reslstm").items()},
    }


EXPERIMENTS: dict[str, Callable[[TrainConfig], dict[str, TrainConfig]]] = dict(
    zip(TABLE_NAMES, (ablation, compare_methods, layers, activations, attention, tune), strict=True)
)


def _methods(base: TrainConfig, *names: str) -> dict[str, TrainConfig]:
    """Rows of methods; all train alike, each with its own network: the base's for the family of the base's network."""
    rows = {}
    fields = asdict(base.network)
    for name in names:
        method = METHODS[name]
        own = {**fields, **method.fixed} if method.config is type(base.network) else {}
        rows[method.label] = replace(base, model=name, network=own)
    return rows


def attention_weights(bundle: Bundle, episodes: Sequence[Episode], most: int = 2000) -> dict[str, Array]:
    """Attention weights of a bundle's network, averaged over at most `most` windows spread over the episodes.

    Returns:
        `spatial` (J, T, C), `temporal` (J, T, h) and `velocity` (J, h), as far as the network has them.
    """
    model, length = bundle.model, bundle.model.config.window
    chain = model.chain(bundle.rate, bundle.filter)
    parts = [windows(chain.run_afresh(e)[0], length) for e in episodes if len(e) >= length]
    every = max(1, sum(len(p) for p in parts) // most)
    seen = np.concatenate([p[::every] for p in parts])
    weights = model.attention(seen)
    if not weights:
        raise ConfigError(f"method {bundle.method} has no attention: choose va_sta_reslstm or one of its ablations")
    batch_axis = {"spatial": 2, "temporal": 2, "velocity": 1}
    return {name: w.mean(dim=batch_axis[name]).double().numpy() for name, w in weights.items()}
