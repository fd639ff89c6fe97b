# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Tables, pictures, pages and layouts. Knows how figures look; not how they are computed, no ROS."""
