# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Samples, filters, windows, robot description, physics. Knows numpy, scipy, pinocchio; no files, no ROS, no torch."""
