# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Bags of a simulated UR5, and a dataset and a bundle of them."""

from pathlib import Path

from vastares_ros.cli.main import main

SHORT = ["--seconds", "12", "--push-seconds", "12"]
"""Options of `vastares simulate` for bags that are just long enough."""


def make_material(folder: Path) -> None:
    """Write bags/bag_1 to bags/bag_4, a bag `pushes`, `dataset` and `bundle` into a folder."""
    simulated, dataset, bundle = (str(folder / name) for name in ("simulated", "dataset", "bundle"))
    assert main(["simulate", "-o", simulated, "--episodes", "4", *SHORT]) == 0
    (folder / "bags").mkdir()
    bags = [Path(simulated, f"free_{i}").rename(folder / "bags" / f"bag_{i}") for i in range(1, 5)]
    Path(simulated, "pushes").rename(folder / "pushes")
    assert main(["prepare", *map(str, bags), "--robot", "ur5", "-o", dataset]) == 0
    assert main(["identify", dataset, "-o", bundle, "--test", "bag_4"]) == 0
