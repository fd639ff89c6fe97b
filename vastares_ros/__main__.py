# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`python -m vastares_ros VERB …` is `vastares VERB …`."""

import sys

from vastares_ros.cli.main import main

sys.exit(main())
