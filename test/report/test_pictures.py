# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from dataclasses import replace

import numpy as np
import pytest

from vastares_ros.report import pictures

pytest.importorskip("matplotlib")


def test_names_are_no_mathematics(tmp_path, make_episode):
    names = ("$\\frac{$", "a$b$c\x1b[31m")
    maps = {name: np.random.default_rng(0).random((2, 2)) for name in names}
    pictures.heat_maps(tmp_path / "heat.png", maps, "input", "step", names)
    pictures.bars(tmp_path / "bars.png", dict.fromkeys(names, (1.0, 0.1)), "nmse", "")
    pictures.grouped_bars(tmp_path / "grouped.png", {name: dict.fromkeys(names, 1.0) for name in names}, "nmse")
    pictures.trajectories(tmp_path / "q.png", [replace(make_episode("$\\frac{$", samples=200), joints=names)])
    t, tau = np.arange(50) / 125, np.random.default_rng(0).random((50, 2))
    pictures.torques(tmp_path / "tau.png", names, t, tau, tau + 0.1, np.full(2, 0.2), "N·m")
    pictures.push(tmp_path / "push.png", names, t, tau, dict.fromkeys(names, tau), "N·m")
    assert len(list(tmp_path.glob("*.png"))) == 6


@pytest.mark.parametrize("joints", [1, 2, pytest.param(7, marks=pytest.mark.slow)])
def test_every_figure_is_a_picture_with_a_panel_a_joint(tmp_path, joints, make_episode):
    image = pytest.importorskip("PIL.Image")
    maps = {f"joint {i}": np.random.default_rng(i).random((8, 4)) for i in range(joints)}
    pictures.heat_maps(tmp_path / "a" / "heat.png", maps, "input", "step", ["q a", "q b", "qd a", "qd b"])
    pictures.heat_maps(tmp_path / "plain.png", maps, "hidden unit", "step")
    pictures.profiles(tmp_path / "profile.png", {k: m[0] for k, m in maps.items()}, "hidden unit", "weight")
    pictures.bars(tmp_path / "bars.png", {k: (1.0, 0.1) for k in maps}, "nmse", "")
    pictures.trajectories(tmp_path / "q.png", [make_episode(f"e{i}", samples=200) for i in range(joints)])
    t, tau = np.arange(50) / 125, np.random.default_rng(0).random((50, joints))
    pictures.torques(tmp_path / "tau.png", list(maps), t, tau, tau + 0.1, np.full(joints, 0.2), "N·m")
    files = [tmp_path / "a" / "heat.png", *(tmp_path / f"{n}.png" for n in ("plain", "profile", "bars", "q", "tau"))]
    for file in files:
        with image.open(file) as picture:
            pixels = np.asarray(picture.convert("L"))
        assert pixels.std() > 5, "it is not blank"
