# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""An arm as its URDF describes it: joint names in it, links, tip, gravity and limits. This is the only place that reads
the XML of a URDF.

`resolve_arm` decides once which URDF and which tip count; everything behind it takes the `Arm` that it returns.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np

from .errors import RobotError
from .robot import Robot
from .samples import Array

TURN = np.pi  # rad: positions beyond half a turn from 0 strain cables, but show no other motion


@dataclass(frozen=True)
class Arm:
    """The J joints of an arm in a URDF.

    Attributes:
        urdf: text of the URDF.
        joints: J joint names in the URDF, in the order of every array.
        tip: frame (link) of the URDF on which the environment acts.
        gravity: whether measured effort holds the arm's own weight; False where the driver has taken it out.
    """

    urdf: str
    joints: tuple[str, ...]
    tip: str
    gravity: bool = True

    @property
    def links(self) -> tuple[str, ...]:
        """The link that each joint moves, J names; its origin lies on the joint."""
        children = links(self.urdf, "child")
        return tuple(children[joint] for joint in self.joints)

    @property
    def root(self) -> str:
        """The link that no joint moves.

        Raises:
            RobotError: the URDF has no joint.
        """
        moved = set(links(self.urdf, "child").values())
        for link in links(self.urdf, "parent").values():
            if link not in moved:
                return link
        raise RobotError("the URDF has no joint that begins at a link which none moves: give the text that xacro makes")


def resolve_arm(
    joints: Sequence[str],
    robot: Robot | None = None,
    urdf: str = "",
    carried: Arm | None = None,
    tip: str = "",
    gravity: bool = True,
    robot_name: str = "",
) -> Arm:
    """The arm whose joints are published under these names.

    The URDF is the first there is of: the one given, the one that a bundle carries, the robot's own. The tip is the one
    given, else the bundle's, else the robot's, as far as the URDF has it, else the link behind the last joint.

    Args:
        joints: J joints as published; those that the URDF lacks are looked up among the drivers of `robot`.
        robot: the robot, if it is known.
        urdf: text of a URDF that goes before all others; empty for none.
        carried: the arm of a bundle for the same joints, if it has one.
        tip: link on which the environment acts.
        gravity: whether effort holds the arm's own weight.
        robot_name: for the error, where the robot is not known.

    Raises:
        RobotError: there is no URDF, it is no XML, or it lacks a joint.
    """
    if not urdf and carried:
        return Arm(carried.urdf, carried.joints, tip or carried.tip, gravity)
    urdf = urdf or (robot.urdf if robot else "")
    if not urdf:
        raise RobotError(
            f"the package has no URDF of robot {robot.name if robot else robot_name or 'unknown'!r}: give one with "
            "--urdf, or to a node as robot_description",
            robot=robot.name if robot else robot_name or None,
        )
    children = links(urdf, "child")
    names = names_in_urdf(joints, children, robot)
    if absent := [joint for joint, name in zip(joints, names, strict=True) if name not in children]:
        raise RobotError(
            f"the URDF has no joint {', '.join(absent)}; it has {', '.join(children)}: give the URDF of this arm, or "
            "name its joints with --joints or in a robot file",
            joint=absent[0],
        )
    if not tip:
        known_tips = [t for t in (carried.tip if carried else "", robot.tip if robot else "") if t in children.values()]
        tip = known_tips[0] if known_tips else children[names[-1]]
    return Arm(urdf, names, tip, gravity)


def links(urdf: str, end: str) -> dict[str, str]:
    """The link at one end of every joint, "parent" or "child", by the name of the joint.

    Raises:
        RobotError: the text is no XML.
    """
    joints = _joints(urdf)
    return {name: link.get("link", "") for name, joint in joints.items() if (link := joint.find(end)) is not None}


def names_in_urdf(joints: Sequence[str], there: Collection[str], robot: Robot | None) -> tuple[str, ...]:
    """What a URDF with the joints `there` calls joints as published, if needed by the drivers of `robot`."""
    known = robot.urdf_names if robot else {}
    return tuple(joint if joint in there else known.get(joint, joint) for joint in joints)


def joint_limits(robot: Robot | None, joints: Sequence[str]) -> tuple[Array, Array, Array]:
    """What the robot's URDF allows: lowest and highest position [rad], within half a turn, and top speed [rad/s].

    Args:
        robot: the robot, if it is known.
        joints: J names as published.

    Returns:
        Three arrays of shape (J,); NaN where the robot or its URDF does not say.

    Raises:
        RobotError: the URDF is no XML.
    """
    limits = np.full((3, len(joints)), np.nan)
    if robot is not None and robot.urdf:
        entries = _joints(robot.urdf)
        for i, name in enumerate(names_in_urdf(joints, entries, robot)):
            entry = entries[name].find("limit") if name in entries else None
            if entry is not None:
                limits[:, i] = [float(entry.get(what, np.nan)) for what in ("lower", "upper", "velocity")]
    return np.maximum(limits[0], -TURN), np.minimum(limits[1], TURN), limits[2]


def _joints(urdf: str) -> dict[str, ElementTree.Element]:
    """The joint elements of a URDF by name."""
    try:
        return {joint.get("name", ""): joint for joint in ElementTree.fromstring(urdf).iter("joint")}
    except ElementTree.ParseError as error:
        raise RobotError(f"the URDF is not XML ({error}): give the text that xacro makes") from error
