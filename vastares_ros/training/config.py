# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a training run depends on besides the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vastares_ros.core.config import from_mapping
from vastares_ros.core.errors import ConfigError
from vastares_ros.core.signals import FilterConfig
from vastares_ros.io.configs import read_yaml
from vastares_ros.models.methods import method, network_config
from vastares_ros.physics.friction import FRICTION_MODELS, MIN_TIME_CONSTANT


def check_friction_model(where: str, friction_model: str, time_constant: float) -> None:
    """Refuse a friction model that is unknown, or a time constant of adaptive friction [s] out of range.

    Args:
        where: put before the names of both fields in messages.
        friction_model: should be one of `physics.friction.FRICTION_MODELS`.
        time_constant: should be 0, or from `MIN_TIME_CONSTANT` to an hour.

    Raises:
        ConfigError: one of them is wrong.
    """
    if friction_model not in FRICTION_MODELS:
        raise ConfigError(
            f"{where}friction_model is {friction_model!r}: use one of {', '.join(FRICTION_MODELS)}",
            field=f"{where}friction_model",
            value=friction_model,
        )
    if time_constant and not MIN_TIME_CONSTANT <= time_constant <= 3600:
        raise ConfigError(
            f"{where}friction_time_constant is {time_constant:g}: use {MIN_TIME_CONSTANT:g} to 3600 s, or 0 for none",
            field=f"{where}friction_time_constant",
            value=time_constant,
            lower=MIN_TIME_CONSTANT,
            upper=3600,
        )


@dataclass(frozen=True)
class RigidBodyModelConfig:
    """The rigid-body model that a network corrects.

    Attributes:
        kind: none: the network learns all of the torque; identified: a rigid-body model is identified from the training
            recordings, and the network learns what it leaves.
        friction_model: basic (viscous and Coulomb friction, and an offset) or extended (also friction that depends on
            low speed, load and travel).
        friction_time_constant: time constant of adaptive friction [s], 1 to 3600; 0 keeps the friction coefficients as
            identified.
    """

    kind: str = "none"
    friction_model: str = "extended"
    friction_time_constant: float = 20.0

    def __post_init__(self) -> None:
        if self.kind not in ("none", "identified"):
            raise ConfigError(
                f"rigid_body_model.kind is {self.kind!r}: use none or identified",
                field="rigid_body_model.kind",
                value=self.kind,
            )
        check_friction_model("rigid_body_model.", self.friction_model, self.friction_time_constant)


@dataclass(frozen=True)
class TrainConfig:
    """Everything that a training run depends on, besides the data.

    Attributes:
        model: name of the method: va_sta_reslstm, or an ablation of it (reslstm_sa_ta_hn, reslstm_sa_ta_wa,
            lstm_sa_va_ta, lstm_sa), or a method it is compared with (lstm, gru, rnn, mlp, transformer, gpr, lwpr).
        network: the network of the method. Each method has fields of its own.
        rigid_body_model: what the network corrects, if anything.
        filter: causal low-pass of positions, velocities and torques.
        epochs: number of passes over the training windows.
        epoch_windows: largest number of windows in a pass. If there are more, each pass draws this many at random.
        batch: windows in a step ([1]: 128).
        learning_rate: initial rate of Adam ([1]: 0.01).
        plateau_factor: factor by which the rate is multiplied on a plateau of the training loss.
        plateau_patience: epochs without progress after which there is a plateau.
        weight_decay: decoupled weight decay of Adam; 0 is the plain Adam of [1].
        early_stopping: epochs without progress on the validation recordings after which training ends. It is used only
            if validation recordings are named; they then also choose the best epoch of each joint.
        seed: seed of the initial weights and of the order of the windows.
    """

    model: str = "va_sta_reslstm"
    network: Any = field(default_factory=dict)
    rigid_body_model: RigidBodyModelConfig = field(default_factory=RigidBodyModelConfig)
    filter: FilterConfig = field(default_factory=FilterConfig)
    epochs: int = 30
    epoch_windows: int = 20_000
    batch: int = 128
    learning_rate: float = 0.01
    plateau_factor: float = 0.5
    plateau_patience: int = 3
    weight_decay: float = 0.1
    early_stopping: int = 15
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.network, method(self.model).config):
            object.__setattr__(self, "network", network_config(self.model, self.network))
        if self.network.rigid_body_torque and self.rigid_body_model.kind == "none":
            raise ConfigError(
                "network.rigid_body_torque is true, but there is no rigid-body model: set rigid_body_model.kind to "
                "identified",
                field="network.rigid_body_torque",
                value=True,
            )
        for name, low in (
            ("epochs", 1),
            ("epoch_windows", 2),
            ("batch", 2),
            ("plateau_patience", 0),
            ("early_stopping", 1),
            ("seed", 0),
        ):
            if getattr(self, name) < low:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}: use {low} or more",
                    field=name,
                    value=getattr(self, name),
                    lower=low,
                )
        if self.seed >= 2**32:
            raise ConfigError(
                f"seed is {self.seed}: use less than 2^32", field="seed", value=self.seed, upper=2**32 - 1
            )
        if not self.learning_rate > 0:
            raise ConfigError(
                f"learning_rate is {self.learning_rate}: use a number above 0",
                field="learning_rate",
                value=self.learning_rate,
                lower=0,
            )
        if not 0 < self.plateau_factor < 1:
            raise ConfigError(
                f"plateau_factor is {self.plateau_factor}: use a number between 0 and 1",
                field="plateau_factor",
                value=self.plateau_factor,
                lower=0,
                upper=1,
            )
        if self.weight_decay < 0:
            raise ConfigError(
                f"weight_decay is {self.weight_decay}: use 0 or more",
                field="weight_decay",
                value=self.weight_decay,
                lower=0,
            )


def read_config(path: Path | None, given: Mapping[str, Any]) -> TrainConfig:
    """Read a training configuration.

    Args:
        path: YAML file as `config/train.yaml`; None for the defaults.
        given: fields that replace those of the file.

    Raises:
        ConfigError: the file is missing, is not YAML, or has a field that is unknown or wrong.
    """
    if path is None:
        return from_mapping(TrainConfig, given)
    values = read_yaml(path, "copy config/train.yaml and change what you need")
    try:
        return from_mapping(TrainConfig, {**values, **given})
    except ConfigError as error:
        raise error.within(path, path=path) from error
