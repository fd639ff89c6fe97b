# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From a dataset and a URDF to a bundle: rigid-body parameters and friction, judged on what was held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from vastares_ros.core.arm import Arm
from vastares_ros.core.errors import ConfigError, DatasetError
from vastares_ros.core.samples import Episode
from vastares_ros.core.signals import FilterConfig
from vastares_ros.io.datasets import Dataset
from vastares_ros.models.baselines import Ridge
from vastares_ros.models.kinds import KINDS, make_model
from vastares_ros.models.methods import network_config
from vastares_ros.models.model import Model
from vastares_ros.models.rigid_body import RigidBodyModel
from vastares_ros.physics.identification import Identification
from vastares_ros.physics.rigid_body import RigidBody
from vastares_ros.runtime.bundle import Bundle

from .config import check_friction_model
from .doctor import inverted_joints
from .dynamics import identify_dynamics
from .filtered import filtered
from .fit import judged
from .folds import free_motion, leave_out
from .splits import split

FOLDS = 10  # for the bound: each is one identification more


@dataclass(frozen=True)
class IdentifyConfig:
    """What an identification depends on, besides the data and the URDF.

    Attributes:
        model: what computes with what is found, a name of `methods.IDENTIFIED`.
        network: its configuration; a mapping is parsed as one.
        friction_model: one of `physics.friction.FRICTION_MODELS`.
        filter: low-pass of the signals that are identified from.
        live: low-pass of all signals where the bundle runs; noise that identification is spared may do there.
        friction_time_constant: of adaptive friction where the bundle runs [s]; 0 keeps the coefficients.
    """

    model: str = "rigid_body"
    network: Any = field(default_factory=dict)
    friction_model: str = "extended"
    filter: FilterConfig = field(default_factory=FilterConfig)
    live: FilterConfig = field(default_factory=FilterConfig)
    friction_time_constant: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.network, Mapping):
            object.__setattr__(self, "network", network_config(self.model, self.network))
        check_friction_model("", self.friction_model, self.friction_time_constant)
        kind = KINDS[self.model]
        if self.friction_time_constant and not (issubclass(kind, RigidBodyModel) and kind.adapts_friction):
            raise ConfigError(
                f"model {self.model} has no adaptive friction: leave out friction_time_constant",
                field="friction_time_constant",
                value=self.friction_time_constant,
            )


def inverted_effort(
    dataset: Dataset, arm: Arm, test: Sequence[str] = (), validation: Sequence[str] = ()
) -> dict[str, str]:
    """Joints whose torque has an inverted sign in what is not held out, and the evidence; see `doctor`.

    Identification fits such torque as well as any, by negative masses and by friction that drives the arm. External
    torque then has the wrong sign, too.
    """
    training, _, _ = split(dataset, test, validation)
    return inverted_joints(dataset.joints, training, dataset.rate, RigidBody(replace(arm, gravity=True)))


def identify_bundle(
    dataset: Dataset,
    arm: Arm,
    config: IdentifyConfig,
    test: Sequence[str] = (),
    validation: Sequence[str] = (),
    skip: int = 0,
    cross_validate: bool = True,
) -> tuple[Bundle, Identification]:
    """Identify from what is not held out, and judge and find the bound as `fit.fit_seeds` does.

    Without validation recordings and with `cross_validate`, each training recording is left out in turn, up to `FOLDS`
    more identifications, for the bound alone.

    Raises:
        ConfigError: see `identify_dynamics`.
        DatasetError: likewise, and see `fit.split`.
        RobotError: see `identify_dynamics`.
    """
    training, validated, tested = split(dataset, test, validation)

    def identified(episodes: Sequence[Episode]) -> tuple[Model, Identification]:
        dynamics, found = identify_dynamics(
            dataset, episodes, arm, config.friction_model, config.filter, config.friction_time_constant
        )
        return make_model(config.model, len(dataset.joints), config.network, dynamics).eval(), found

    model, found = identified(training)
    chain = model.chain(dataset.rate, config.live)
    x, tau = filtered(chain, training)
    model.fit_scalers(x, tau)
    ridge = Ridge.fit(x[:, : model.n_motion_features], tau)
    most = FOLDS if cross_validate and not validated else 0
    source, folds = leave_out(training, dataset.rate, model.config.window, most)
    left_out = []
    for fold in folds:
        with suppress(DatasetError):  # the others alone do not show enough of the arm
            left_out.append((identified(fold.training)[0], fold.held_out))
    free = free_motion(model, training, validated, source, left_out)
    parts = {"training": training, "validation": validated, "test": tested}
    about = {
        "split_rule": "by recording",
        "config": asdict(config),
        "identification": {
            "condition_number": found.condition,
            "consistent": dict(zip(dataset.joints, found.consistent, strict=True)),
            "penalty": found.penalty,
            "start": found.start,
            "base_parameters": [asdict(p) for p in found.base],
        },
    }
    return judged(dataset, parts, config.model, model, ridge, config.live, x, free, about, skip), found
