"""From a dataset and a URDF to a bundle: rigid-body parameters and friction, judged on what was held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from vastares_ros.core.errors import ConfigError
from vastares_ros.core.identification import Identification
from vastares_ros.core.signals import FilterConfig
from vastares_ros.io.datasets import Dataset
from vastares_ros.models.baselines import Ridge
from vastares_ros.models.methods import IDENTIFIED
from vastares_ros.models.model import Model
from vastares_ros.models.rigid_body import ObserverConfig, RigidBodyConfig
from vastares_ros.runtime.bundle import Bundle

from .fit import judged, split
from .prior import Arm, check_following, fit_prior


@dataclass(frozen=True)
class IdentifyConfig:
    """What an identification depends on, besides the data and the URDF.

    Attributes:
        form: of friction, one of `core.prior.FORMS`.
        filter: low-pass of the signals that are identified from.
        live: low-pass of all signals where the bundle runs; noise that identification is spared may do there.
        network: what computes with what is found, one of the configs in `methods.IDENTIFIED`.
        following: time in which the level of friction is followed where the bundle runs [s]; 0: as identified.
    """

    form: str = "rich"
    filter: FilterConfig = field(default_factory=FilterConfig)
    live: FilterConfig = field(default_factory=FilterConfig)
    network: RigidBodyConfig = field(default_factory=RigidBodyConfig)
    following: float = 0.0

    def __post_init__(self) -> None:
        check_following("following", self.following)
        if self.following and isinstance(self.network, ObserverConfig):
            raise ConfigError("a momentum observer follows no level of friction: leave out following")


def identify_bundle(
    dataset: Dataset,
    arm: Arm,
    config: IdentifyConfig,
    test: Sequence[str] = (),
    validation: Sequence[str] = (),
    skip: int = 0,
) -> tuple[Bundle, Identification]:
    """Identify from what is not held out, and judge as `fit.fit_seeds` does.

    Raises:
        ConfigError: see `fit_prior`.
        DatasetError: likewise, and see `fit.split`.
        RobotError: see `fit_prior`.
    """
    training, validated, tested = split(dataset, test, validation)
    prior, found = fit_prior(dataset, training, arm, config.form, config.filter, config.following)
    model = Model(len(dataset.joints), config.network, prior).eval()
    chain = model.chain(dataset.rate, config.live)
    signals = []
    for e in training:
        chain.reset()
        signals.append(chain.run(e.q, e.qd, e.tau))
    x, tau = (np.concatenate(part) for part in zip(*signals, strict=True))
    model.features.fit(x)
    model.torque.fit(tau)
    ridge = Ridge.fit(x[:, : model.motion], tau)
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
    name = next(name for name, method in IDENTIFIED.items() if method.config is type(config.network))
    return judged(dataset, parts, name, model, ridge, config.live, x, about, skip), found
