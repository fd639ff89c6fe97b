# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Names of what can be read, apart from the readers, so that they are known without importing them."""

from __future__ import annotations

DEFAULT_TOPIC = "/joint_states"
FORMAT_NAMES = ("kuka1", "baxter", "kuka2", "sarcos", "rtde", "csv", "npz")
"""Archives that `io.archives.FORMATS` has a reader for, in its order."""

FORMAT_ROBOTS = {"kuka1": "lwr", "baxter": "baxter"}
"""Format -> the robot of `config/robots` that its files are of, where that is known."""

RTDE_TORQUE = {
    "actual_current_as_torque": ("N·m", True),  # PolyScope 5.23 (10.11) and newer
    "actual_current": ("A", False),
    "target_moment": ("N·m", False),
}
"""RTDE output -> its unit, and whether the controller has taken gravity out."""
