# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What runs a trained model: the bundle's contents and the estimator. Knows models; no files, no ROS."""
