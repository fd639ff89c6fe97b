# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The only room that speaks ROS: message conversion is pure functions; a node is subscribe, step, publish."""
