"""`python -m vastares_ros VERB …` is `vastares VERB …`."""

import sys

from vastares_ros.cli.main import main

sys.exit(main())
