"""The physics prior of a dataset's arm: its URDF, and what its recordings tell of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vastares_ros.core.errors import ConfigError, RobotError
from vastares_ros.core.identification import Identification, Motion, identify
from vastares_ros.core.physics import child_links, links
from vastares_ros.core.prior import FORMS, QUICKEST
from vastares_ros.core.robot import Robot, names_in_urdf
from vastares_ros.core.samples import Episode
from vastares_ros.core.signals import FilterConfig, SignalChain
from vastares_ros.io.datasets import Dataset
from vastares_ros.io.robots import load_robot, robot_names
from vastares_ros.models.rigid_body import Prior


@dataclass(frozen=True)
class Arm:
    """What is known of an arm before any motion.

    Attributes:
        urdf: text of its URDF.
        robot: which robot it is, where the package knows it; it says how its URDF names joints.
    """

    urdf: str
    robot: Robot | None


def arm_of(dataset: Dataset, urdf: Path | None = None) -> Arm:
    """The arm that a dataset was recorded from.

    Args:
        dataset: its robot is looked up.
        urdf: file to take instead of the robot's URDF.

    Raises:
        RobotError: the file cannot be read, or none is given where the robot has none.
    """
    robot = load_robot(dataset.robot) if dataset.robot in robot_names() else None
    if urdf:
        try:
            return Arm(urdf.read_text(encoding="utf-8"), robot)
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8 text"
            raise RobotError(f"{urdf} cannot be read: {why}: give a URDF, as xacro makes it") from error
    if robot and robot.urdf:
        return Arm(robot.urdf, robot)
    raise RobotError(f"the package has no URDF of robot {dataset.robot!r}: give identify or train one by --urdf")


def check_following(where: str, time: float) -> None:
    """Refuse a time to follow friction in [s] that is none; `where` is its place, for messages.

    Raises:
        ConfigError: it is neither 0 nor between `QUICKEST` and an hour.
    """
    if time and not QUICKEST <= time <= 3600:
        raise ConfigError(f"{where} is {time:g}: use {QUICKEST:g} to 3600 s, or 0 for never")


def urdf_joints(urdf: str, joints: Sequence[str], robot: Robot | None) -> tuple[str, ...]:
    """The names that a URDF has for J joints as published.

    Raises:
        RobotError: it lacks some; they are named.
    """
    there = links(urdf, "child")
    names = tuple(names_in_urdf(joints, there, robot))
    if absent := [joint for joint, name in zip(joints, names, strict=True) if name not in there]:
        raise RobotError(
            f"the URDF has no joint {', '.join(absent)}; it has {', '.join(there)}: give one whose "
            f"joints bear these names"
        )
    return names


def fit_prior(
    dataset: Dataset, episodes: Sequence[Episode], arm: Arm, form: str, filter_config: FilterConfig, following: float
) -> tuple[Prior, Identification]:
    """Identify an arm from some episodes of a dataset.

    Args:
        dataset: joints, rate and meaning of effort.
        episodes: to identify from.
        arm: by its URDF.
        form: of friction, one of `core.prior.FORMS`.
        filter_config: low-pass of all signals.
        following: time in which friction's level is followed where the prior runs [s], or 0.

    Raises:
        ConfigError: see `identify`.
        DatasetError: likewise.
        RobotError: the URDF does not match the joints, or cannot be read.
    """
    joints = urdf_joints(arm.urdf, dataset.joints, arm.robot)
    there = links(arm.urdf, "child").values()
    tip = arm.robot.tip if arm.robot and arm.robot.tip in there else child_links(arm.urdf, joints)[-1]
    about = (arm.urdf, joints, tip, not dataset.effort.gravity_compensated)
    motions = []
    for e in episodes:
        x, tau = SignalChain(dataset.rate, filter_config, acceleration=True).run(e.q, e.qd, e.tau)
        motions.append(Motion(e.recording, x, tau))
    body = Prior(*about, (), 1.0, 0.0).body()
    found = identify(body, dataset.joints, motions, dataset.rate, form, dataset.effort.unit == "A")
    prior = Prior(*about, FORMS[form], found.parameters.smoothing, following)
    return prior.take(found.parameters), found
