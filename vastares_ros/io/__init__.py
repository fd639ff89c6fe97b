# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Bags, datasets, bundles and reports on disk. Imports no rclpy."""
