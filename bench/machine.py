# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the programs beside this one ran on."""

import os
import platform
from pathlib import Path
from typing import Any

from llvmlite import binding as llvm

INSTRUCTIONS = ("sse4.2", "avx", "avx2", "fma", "avx512f", "neon", "sve")


def machine() -> dict[str, Any]:
    """Processor, those of `INSTRUCTIONS` that it has, and cores."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    features = llvm.get_host_cpu_features()
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "instruction_set": [name for name in INSTRUCTIONS if features.get(name)],
        "cores": os.cpu_count(),
    }
