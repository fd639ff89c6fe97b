# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is known of a robot before any data: joint names, rate, meaning of effort, tip, URDF."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .errors import ConfigError, RobotError

UNITS = ("N·m", "A")
SPELLINGS = {"Nm": "N·m", "N.m": "N·m", "N*m": "N·m"}  # few keyboards have the dot


def normal_unit(unit: str) -> str:
    """The spelling of a unit of effort that is used everywhere; what is unknown stays as it is."""
    return SPELLINGS.get(unit, unit)


@dataclass(frozen=True)
class Effort:
    """What the field `effort` of a joint-state message means.

    Attributes:
        unit: "N·m" (also given as "Nm", "N.m" or "N*m"), or "A" where the driver gives motor current.
        scale: per joint, published effort × scale = tau in `unit`; the sign of the scale is the sign of the effort.
        gravity_compensated: whether the driver has already taken gravity out.
    """

    unit: str
    scale: tuple[float, ...]
    gravity_compensated: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit", normal_unit(self.unit))
        if self.unit not in UNITS:
            raise RobotError(
                f"effort unit {self.unit!r} is unknown: use 'N·m', 'Nm' or 'A'", field="unit", value=self.unit
            )
        if not all(abs(s) > 0 and abs(s) < float("inf") for s in self.scale):
            raise RobotError(
                f"effort scale {list(self.scale)} holds a zero or a non-number: give one factor a joint",
                field="scale",
                value=self.scale,
            )


@dataclass(frozen=True)
class Driver:
    """How one driver of a robot publishes it: joint names in order, and what effort means."""

    name: str
    joints: tuple[str, ...]
    effort: Effort


@dataclass(frozen=True)
class Robot:
    """A robot of `config/robots`.

    Attributes:
        name: for example "ur5".
        rate: sample rate its drivers publish at [Hz].
        tip: URDF frame of the tool.
        urdf: text of the URDF, empty where none is shipped.
        urdf_joints: joint names in the URDF, in the order of every driver's `joints`.
        drivers: the first is the usual one.
    """

    name: str
    rate: float
    tip: str
    urdf: str
    urdf_joints: tuple[str, ...]
    drivers: tuple[Driver, ...]

    @property
    def urdf_names(self) -> dict[str, str]:
        """What the URDF calls the joints of every driver; empty where there is no URDF."""
        if not self.urdf_joints:
            return {}
        return {d: u for driver in self.drivers for d, u in zip(driver.joints, self.urdf_joints, strict=True)}

    def driver_for(self, published: Collection[str]) -> Driver:
        """The first driver all of whose joints are in `published`.

        Raises:
            RobotError: none is.
        """
        for driver in self.drivers:
            if set(driver.joints) <= set(published):
                return driver
        known = "; ".join(f"{d.name}: {', '.join(d.joints)}" for d in self.drivers)
        raise RobotError(
            f"the joints of {self.name} are not among those published ({', '.join(published)}). "
            f"Known: {known}. Name the joints to take instead",
            joint=next((j for d in self.drivers for j in d.joints if j not in published), None),
            robot=self.name,
        )


def choose_driver(
    robot: Robot | None, published: Sequence[str], joints: Sequence[str], unit: str, scale: Sequence[float]
) -> Driver:
    """Joints to take and what effort means: the robot's, unless told otherwise.

    Args:
        robot: the robot, if it is known.
        published: joint names on the topic.
        joints: those asked for, in order; empty for the robot's, or all published where there is no robot.
        unit: of effort; empty for the robot's, or N·m.
        scale: one factor, or one a joint; empty for the robot's, or 1.

    Raises:
        RobotError: the joints are not published.
        ConfigError: there is another number of factors than of joints.
    """
    if not joints and not published:
        raise RobotError("no message has named a joint: a driver that fills `name` is needed")
    if robot and joints:
        base = next((d for d in robot.drivers if d.joints == tuple(joints)), robot.drivers[0])
    elif robot:
        base = robot.driver_for(published)
    else:
        base = None
    joints = tuple(joints) or (base.joints if base else tuple(published))
    if twice := [j for j in joints if joints.count(j) > 1]:
        raise ConfigError(f"joint {twice[0]!r} is asked for twice: name every joint once", joint=twice[0])
    effort = base.effort if base else Effort("N·m", (1.0,) * len(joints))
    factors = tuple(scale) * (len(joints) if len(scale) == 1 else 1) or effort.scale
    if len(factors) != len(joints):
        raise ConfigError(
            f"effort scale has {len(factors)} factors for {len(joints)} joints: give one, or one a joint",
            field="scale",
            value=factors,
        )
    return Driver(base.name if base else "", joints, Effort(unit or effort.unit, factors, effort.gravity_compensated))
