# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command line: parse, call, print. One module a verb, listed in `main.VERBS`."""
