# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The training loop and the figures. Knows torch and datasets; no ROS."""
