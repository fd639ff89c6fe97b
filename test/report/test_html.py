# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Reports open anywhere: whole HTML, every joint, pictures inside, nothing loaded from elsewhere."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from PIL import Image

from vastares_ros.core.robot import Effort
from vastares_ros.core.signals import FilterConfig
from vastares_ros.models.baselines import Ridge
from vastares_ros.models.networks import NetworkModel
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.report.html import SHOWN, demo_report, evaluation_report
from vastares_ros.report.tables import DemoFigures
from vastares_ros.runtime.bundle import Bundle
from vastares_ros.training.evaluate import Prediction, Scores, score

JOINTS = ("shoulder", "wrist<1>")
EMPTY = {"img", "meta", "br", "link"}
BAND, PUSH = "#e3e6ea", "#fdf0d5"


class Page(HTMLParser):
    """Checks that tags are closed in order, and keeps text and what would be loaded."""

    def __init__(self, html: str):
        super().__init__()
        self.open, self.text, self.loaded, self.headings = [], "", [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.loaded += [value for name, value in attrs if name in ("src", "href", "srcset", "poster", "data", "action")]
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open[-1:] == ["h2"]:
            self.headings.append(data)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    joints = len(JOINTS)
    return Bundle(
        robot="toy",
        joints=JOINTS,
        topic="/joint_states",
        effort=Effort("N·m", (1.0,) * joints),
        rate=100.0,
        filter=FilterConfig(),
        method="va_sta_reslstm",
        model=NetworkModel(joints, NetworkConfig(window=4, hidden=4)),
        ridge=Ridge(np.zeros((1, joints)), np.zeros(joints)),
        q_range=np.zeros((2, joints)),
        qd_range=np.zeros((2, joints)),
        residual_quantiles=np.full((5, joints), 0.25),
        residual_source=("held out",),
        training={"split": {"training": ["a", "b"], "validation": [], "test": ["held out"]}, "config": {"seed": 7}},
        metrics={},
        dataset_sha256="",
    )


def prediction(name: str, samples: int = 400) -> Prediction:
    rng = np.random.default_rng(0)
    t = 1e9 + np.arange(samples) / 100
    measured = np.stack([np.sin(t), np.cos(t)], axis=1)
    tau = {
        "model": measured + 0.1 * rng.standard_normal(measured.shape),
        "mean": np.zeros_like(measured),
        "ridge": 0.9 * measured,
    }
    return Prediction(name, t, measured, tau)


def scored(predictions) -> Scores:
    return score(predictions, JOINTS, np.array([0.5, 0.5]))


def checked(html: str) -> tuple[Page, list[np.ndarray]]:
    """The page and its pictures (height, width, 3), after checks that hold for every report."""
    page = Page(html)
    assert "font-size" in html and "width=device-width" in html
    without_pictures = re.sub(r'"data:[^"]*"', "", html)
    assert not re.search(r"https?:|//|@import|url\(|<script|<link", without_pictures)
    pictures = []
    for source in page.loaded:
        assert source.startswith("data:image/png;base64,")
        image = Image.open(io.BytesIO(base64.b64decode(source.split(",")[1], validate=True)))
        pictures.append(np.asarray(image.convert("RGB")))
    return page, pictures


def has(picture: np.ndarray, colour: str, least: int = 50) -> bool:
    """Whether at least so many pixels are about of a colour like #0072b2."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.abs(picture.astype(int) - rgb).max(axis=2) < 12).sum()) > least


@pytest.mark.slow
def test_evaluation_report_shows_every_joint(tmp_path, bundle):
    file = tmp_path / "report.html"
    episodes = [prediction("first"), prediction("second")]
    evaluation_report(file, bundle, scored(episodes), episodes, "two <recordings>")
    page, pictures = checked(file.read_text(encoding="utf-8"))
    assert (
        "two <recordings>" in page.text
        and "(RMSE in N·m)" in page.text
        and "RMSE\nmodel" in page.text
        and "seed7" in page.text
    )
    assert all(joint in page.headings for joint in JOINTS)
    assert page.text.count("first: ") == page.text.count("second: ") == 2 * len(JOINTS)
    assert len(pictures) == 2 * 2 * len(JOINTS)
    for torque, residual in zip(pictures[::2], pictures[1::2], strict=True):
        assert has(torque, "#222222") and has(torque, "#0072b2") and not has(torque, BAND, 5000)
        assert has(residual, "#0072b2") and has(residual, BAND, 5000)
    rmse = float(np.sqrt(np.square(episodes[0].tau_ext[:, 0]).mean()))
    assert f"{rmse:.2f} N·m apart" in page.text
    assert file.stat().st_size < 1_000_000


def test_evaluation_report_marks_the_best_and_what_was_trained_on(tmp_path, bundle):
    file = tmp_path / "report.html"
    episodes = [prediction("seen")]
    scores = scored(episodes)
    evaluation_report(file, bundle, scores, episodes, "seen")
    best = f"<b>{min(of['shoulder'] for of in scores.nmse.values()):.4f}</b>"
    html = file.read_text(encoding="utf-8")
    assert best in html and "Already used in training" not in html
    evaluation_report(file, bundle, scores, episodes, "seen", ["seen"])
    assert "Already used in training: seen." in file.read_text(encoding="utf-8")


@pytest.mark.slow
def test_many_and_long_episodes_stay_small_and_the_cut_is_told(tmp_path, bundle):
    file = tmp_path / "report.html"
    lengths = [50_000, *range(200, 200 + SHOWN)]
    episodes = [prediction(f"of {length} samples", length) for length in lengths]
    evaluation_report(file, bundle, scored(episodes), episodes, "many")
    page, pictures = checked(file.read_text(encoding="utf-8"))
    assert f"the {SHOWN} longest of {len(episodes)}" in page.text
    assert len(pictures) == 2 * SHOWN * len(JOINTS) and "of 200 samples" not in page.text
    assert file.stat().st_size < 5_000_000


def test_demo_report_shows_push_and_figures(tmp_path, bundle):
    file = tmp_path / "report.html"
    live = prediction("pushes")
    truth = np.zeros_like(live.tau_meas)
    truth[100:200] = (3.0, 0.0)
    figures = DemoFigures(
        nmse={"shoulder": 0.0123, "wrist<1>": 0.5},
        nmse_ridge={"shoulder": 0.1, "wrist<1>": 0.6},
        nmse_mean={"model": 0.25615},
        push_correlation={"shoulder": 0.987, "wrist<1>": 0.4},
        push_max={"shoulder": 3.0, "wrist<1>": 0.0},
        latency_ms={"p50": 1.23, "p99": 4.56},
        seconds=1.0,
    )
    demo_report(file, bundle, scored([live]), live, truth, figures)
    page, pictures = checked(file.read_text(encoding="utf-8"))
    assert all(joint in page.headings for joint in JOINTS)
    assert all(number in page.text for number in ("0.0123", "0.987", "0.400", "3.0", "1.2 ms", "4.6 ms"))
    assert len(pictures) == 2 * len(JOINTS)
    assert all(has(picture, PUSH, 5000) for picture in pictures)  # pushes are shaded
    assert [has(picture, "#d55e00") for picture in pictures] == [False, True, False, True]  # truth beside residual
    free = np.abs(live.tau_ext[~truth.any(axis=1)])
    assert f"it does in {(free[:, 0] <= 0.25).mean():.1%}" in page.text
