"""From a dataset and a URDF to a bundle: rigid-body parameters and friction, judged on what was held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from vastares_ros.core.errors import RobotError
from vastares_ros.core.identification import Identification, Motion, identify
from vastares_ros.core.physics import child_links, links
from vastares_ros.core.prior import FORMS
from vastares_ros.core.robot import Robot, names_in_urdf
from vastares_ros.core.samples import Episode
from vastares_ros.core.signals import FilterConfig, SignalChain
from vastares_ros.io.datasets import Dataset
from vastares_ros.models.baselines import Ridge
from vastares_ros.models.methods import RIGID_BODY
from vastares_ros.models.model import Model
from vastares_ros.models.rigid_body import Prior, RigidBodyConfig
from vastares_ros.runtime.bundle import Bundle

from .fit import judged, split


@dataclass(frozen=True)
class IdentifyConfig:
    """What an identification depends on, besides the data and the URDF.

    Attributes:
        form: of friction, one of `core.prior.FORMS`.
        filter: low-pass of all signals.
    """

    form: str = "rich"
    filter: FilterConfig = field(default_factory=FilterConfig)


def urdf_joints(urdf: str, joints: Sequence[str], robot: Robot | None) -> tuple[str, ...]:
    """The names that a URDF has for J joints as published.

    Raises:
        RobotError: it lacks some; they are named.
    """
    there = links(urdf, "child")
    names = tuple(names_in_urdf(joints, there, robot))
    if absent := [joint for joint, name in zip(joints, names, strict=True) if name not in there]:
        raise RobotError(
            f"the URDF has no joint {', '.join(absent)}; it has {', '.join(there)}: give the arm's own URDF, or a "
            f"robot file with urdf_joints to `vastares prepare --robot`"
        )
    return names


def fit_prior(
    dataset: Dataset, episodes: Sequence[Episode], urdf: str, robot: Robot | None, config: IdentifyConfig
) -> tuple[Prior, Identification]:
    """Identify an arm from some episodes of a dataset.

    Args:
        dataset: joints, rate and meaning of effort.
        episodes: to identify from.
        urdf: text of the URDF.
        robot: the robot, if it is known; it says how its URDF names joints.
        config: everything else.

    Raises:
        ConfigError: see `identify`.
        DatasetError: likewise.
        RobotError: the URDF does not match the joints, or cannot be read.
    """
    joints = urdf_joints(urdf, dataset.joints, robot)
    tip = robot.tip if robot and robot.tip in links(urdf, "child").values() else child_links(urdf, joints)[-1]
    gravity = not dataset.effort.gravity_compensated
    body = Prior(urdf, joints, tip, gravity, (), 1.0).body()
    motions = []
    for e in episodes:
        x, tau = SignalChain(dataset.rate, config.filter, acceleration=True).run(e.q, e.qd, e.tau)
        motions.append(Motion(e.recording, x, tau))
    found = identify(body, dataset.joints, motions, dataset.rate, config.form, dataset.effort.unit == "A")
    prior = Prior(urdf, joints, tip, gravity, FORMS[config.form], found.parameters.smoothing)
    return prior.take(found.parameters), found


def identify_bundle(
    dataset: Dataset,
    urdf: str,
    robot: Robot | None,
    config: IdentifyConfig,
    test: Sequence[str] = (),
    validation: Sequence[str] = (),
) -> tuple[Bundle, Identification]:
    """Identify from what is not held out, and judge as `fit.fit` does.

    Raises:
        ConfigError: see `fit_prior`.
        DatasetError: likewise, and see `fit.split`.
        RobotError: see `fit_prior`.
    """
    training, validated, tested = split(dataset, test, validation)
    prior, found = fit_prior(dataset, training, urdf, robot, config)
    model = Model(len(dataset.joints), RigidBodyConfig(), prior).eval()
    chain = model.chain(dataset.rate, config.filter)
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
    return judged(dataset, parts, RIGID_BODY, model, ridge, config.filter, x, about), found
