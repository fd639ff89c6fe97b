# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The names of engines, for those who do not import torch."""

ENGINES = ("auto", "torch", "compiled")
