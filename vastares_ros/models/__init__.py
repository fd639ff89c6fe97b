# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The network of [1] and the baselines beside it. Knows torch; no files, no ROS, no training loop."""
