# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Rigid-body dynamics, friction, and what follows from them. Knows numpy and pinocchio; no files, no ROS, no torch."""
