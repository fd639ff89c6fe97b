# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Contact as RViz shows it: one sphere a joint, at the joint, by how far its external torque stands above the bound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Pose, Quaternion, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from vastares_ros.core.samples import Array

AMBER = 0.7  # of the bound: green below
DIAMETER = 0.14  # [m]
LIFETIME = Duration(nanosec=500_000_000)  # then RViz takes it away: no estimate, no colour


def contact_markers(
    stamp: Time, links: Sequence[str], tau_ext: Array, bound: Array, frame_prefix: str = ""
) -> MarkerArray:
    """One sphere for each of J joints: green, amber from `AMBER` of the bound on, red above it; grey where unknown.

    Args:
        stamp: of the joint state that it answers.
        links: the link that each joint moves, whose origin lies on the joint, from `physics.rigid_body.child_links`.
        tau_ext: external torque, shape (J,) [N·m or A]; NaN where it is not known.
        bound: what |tau_ext| stays below in free motion, shape (J,) [N·m or A].
        frame_prefix: put before each link, as by robot_state_publisher.
    """
    markers = [
        Marker(
            header=Header(stamp=stamp, frame_id=frame_prefix + link),
            ns="contact",
            id=j,
            type=Marker.SPHERE,
            action=Marker.ADD,
            pose=Pose(orientation=Quaternion(w=1.0)),
            scale=Vector3(x=DIAMETER, y=DIAMETER, z=DIAMETER),
            color=_color(float(share)),
            lifetime=LIFETIME,
            frame_locked=True,  # it moves on with the link until the next one comes
        )
        for j, (link, share) in enumerate(zip(links, np.abs(tau_ext) / bound, strict=True))
    ]
    return MarkerArray(markers=markers)


def _color(share: float) -> ColorRGBA:
    if np.isnan(share):
        return ColorRGBA(r=0.5, g=0.5, b=0.5, a=0.4)
    if share > 1:
        return ColorRGBA(r=0.9, g=0.1, b=0.1, a=0.9)
    if share >= AMBER:
        return ColorRGBA(r=1.0, g=0.7, b=0.0, a=0.8)
    return ColorRGBA(r=0.2, g=0.8, b=0.2, a=0.5)
