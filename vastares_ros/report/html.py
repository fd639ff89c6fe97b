# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Reports: one HTML file with figures, facts and pictures that loads nothing from elsewhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vastares_ros.core.samples import Array
from vastares_ros.runtime.bundle import BOUND_QUANTILE, Bundle

from .render import html
from .tables import DemoFigures, Table, demo_table, scores_table

if TYPE_CHECKING:
    from vastares_ros.training.evaluate import Scores

SHOWN = 4  # episodes with pictures: more would make a page that no phone opens

MEASURED, ESTIMATE, TRUTH, BAND, PUSH = "#222222", "#0072b2", "#d55e00", "#a0a8b4", "#fdf0d5"
STYLE = """
:root { color-scheme: light }
body { margin: 0 auto; max-width: 46rem; padding: 1rem; background: #fff; color: #1b1f24;
       font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.5rem; line-height: 1.25 } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid #d5dae0;
     padding-top: 1rem; overflow-wrap: anywhere }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0 }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #e3e6ea; text-align: right; vertical-align: top }
th:first-child, td:first-child { text-align: left; padding-left: 0 } thead th { border-bottom: 2px solid #1b1f24 }
.facts td { text-align: left; overflow-wrap: anywhere } b { color: #00598a }
figure { margin: 1.2rem 0 } figcaption { margin-bottom: .3rem } img { width: 100%; height: auto; display: block }
.warning { border-left: 4px solid #d55e00; padding-left: .8rem }
"""


class Curves(Protocol):
    """What pictures are drawn of, as `training.evaluate.Prediction` holds it: N samples of J joints."""

    @property
    def episode(self) -> str:
        """Name of the episode that the curves are of."""

    @property
    def t(self) -> Array:
        """Stamps, shape (N,) [s]."""

    @property
    def tau_meas(self) -> Array:
        """Filtered measured torque, shape (N, J)."""

    @property
    def tau(self) -> Mapping[str, Array]:
        """`model`: the torque it estimates for contact-free motion, shape (N, J)."""

    @property
    def tau_ext(self) -> Array:
        """External torque by the model, shape (N, J)."""


def evaluation_report(
    file: Path,
    bundle: Bundle,
    scores: Scores,
    predictions: Sequence[Curves],
    source: str,
    trained_on: Sequence[str] = (),
) -> None:
    """Write the report of a bundle on recordings.

    Args:
        file: HTML file to write; its folder exists.
        bundle: what was evaluated.
        scores: on these recordings.
        predictions: what was scored.
        source: the recordings, for people.
        trained_on: those of the recordings that the bundle was trained on.

    Raises:
        ImportError: matplotlib is not installed.
    """
    unit = bundle.effort.unit
    mean = scores.nmse_mean
    parts = [
        f"<p>Averaged over joints, nmse is <b>{mean['model']:.4f}</b> for the model, {mean['ridge']:.4f} for ridge "
        f"regression and {mean['mean']:.4f} for always guessing the mean torque. It is the squared error relative to "
        "the variance of the training torque: 0 is perfect, 1 is about what the mean scores. "
        "The best of each row is marked.</p>"
    ]
    if trained_on:
        parts.append(
            f'<p class="warning">Already used in training: {escape(", ".join(trained_on))}. Figures on it say '
            "nothing about motion that the model has not seen.</p>"
        )
    parts += [html(scores_table(scores, unit, "nmse and RMSE")), "<h2>The bundle</h2>", _facts(bundle)]
    shown = sorted(predictions, key=lambda p: len(p.t), reverse=True)[:SHOWN]
    if len(shown) < len(predictions):
        parts.append(f"<p>Pictures are of the {SHOWN} longest of {len(predictions)} episodes.</p>")
    for j, joint in enumerate(bundle.joints):
        parts.append(f"<h2>{escape(joint)}</h2>")
        for curves in shown:
            parts.append(_torque_figure(curves, j, unit))
            parts.append(_residual_figure(curves, j, unit, bundle.bound[j]))
    _write(file, f"{bundle.robot}: estimated joint torque on {source}", parts)


def demo_report(file: Path, bundle: Bundle, scores: Scores, live: Curves, truth: Array, figures: DemoFigures) -> None:
    """Write the report of the demo.

    Args:
        file: HTML file to write; its folder exists.
        bundle: what ran live.
        scores: of the bundle on free motion that was held out.
        live: what the node published while the arm was pushed.
        truth: true external torque at its stamps, shape (N, J) [N·m].
        figures: of the demo.

    Raises:
        ImportError: matplotlib is not installed.
    """
    unit = bundle.effort.unit
    latency = figures.latency_ms
    parts = [
        f"<p>A simulated {escape(bundle.robot)} was trained in free motion. Then its tool was pushed, in a motion that "
        "the model had not seen, while the real estimator node ran on its joint states over DDS. The pictures show "
        "what that node published; the push is known exactly, since the arm is simulated.</p>",
        html(demo_table(figures, unit)),
        "<p>nmse is the squared error in free motion that was held out, relative to the variance of the training "
        "torque: 0 is perfect, 1 is no better than the mean. Correlation is between the published external torque and "
        "the push over the whole recording: 1 is perfect; a joint that hardly feels the push cannot reach it. "
        "Where this motion is faster or reaches farther than those of the training, the model errs more, and the bands "
        "in the pictures, taken from free motion, promise nothing.</p>",
        f"<p>From a joint state being published to its estimate being received: half within "
        f"<b>{latency['p50']:.1f} ms</b>, 99% within <b>{latency['p99']:.1f} ms</b>.</p>",
    ]
    for j, joint in enumerate(bundle.joints):
        parts.append(f"<h2>{escape(joint)}</h2>")
        parts.append(_torque_figure(live, j, unit, truth))
        parts.append(_residual_figure(live, j, unit, bundle.bound[j], truth))
    parts += [html(scores_table(scores, unit, "Free motion that was held out")), "<h2>The bundle</h2>", _facts(bundle)]
    _write(file, f"{bundle.robot}: torque and contact, estimated live", parts)


def comparison_report(
    file: Path, title: str, notes: Sequence[str], tables: Sequence[Table], pictures: Mapping[str, Path]
) -> None:
    """Write the report of a comparison.

    Args:
        file: HTML file to write; its folder exists.
        title: of the page.
        notes: what to know when reading the figures.
        tables: of `tables.comparison_tables`.
        pictures: caption -> PNG file, which is put into the page.
    """
    parts = [f"<p>{escape(note)}</p>" for note in notes]
    for caption, picture in pictures.items():
        source = "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()
        alt = escape(picture.stem.replace("_", " "))
        parts.append(f'<figure><figcaption>{escape(caption)}</figcaption><img alt="{alt}" src="{source}"></figure>')
    parts += map(html, tables)
    _write(file, title, parts)


def _torque_figure(curves: Curves, j: int, unit: str, truth: Array | None = None) -> str:
    measured, estimate = curves.tau_meas[:, j], curves.tau["model"][:, j]
    pushed = _pushed(curves, truth)
    rmse = float(np.sqrt(np.square(estimate - measured)[~pushed].mean()))
    caption = (
        f"{escape(curves.episode)}: torque as measured and as the model says that this motion needs without contact. "
        f"The lines should lie on each other{'' if truth is None else ', apart from the shaded pushes'}; "
        f"they are {rmse:.2f} {unit} apart (RMSE{'' if truth is None else ' between pushes'})."
    )
    lines = {"measured": (measured, MEASURED), "estimate": (estimate, ESTIMATE)}
    return _figure(caption, curves.t, lines, f"torque [{unit}]", pushed)


def _residual_figure(curves: Curves, j: int, unit: str, bound: float, truth: Array | None = None) -> str:
    residual = curves.tau_ext[:, j]
    pushed = _pushed(curves, truth)
    inside = float((np.abs(residual[~pushed]) <= bound).mean())
    caption = (
        f"{escape(curves.episode)}: external torque, estimate minus measurement. "
        f"{'Without contact it' if truth is None else 'It should follow the true push, and between pushes it'} "
        f"should be zero and stay within the band of ±{bound:.2f} {unit} in about {BOUND_QUANTILE:.0%} of samples; "
        f"it does in {inside:.1%}."
    )
    lines = {"external torque": (residual, ESTIMATE)}
    if truth is not None:
        lines["true push"] = truth[:, j], TRUTH
    return _figure(caption, curves.t, lines, f"external torque [{unit}]", pushed, bound)


def _pushed(curves: Curves, truth: Array | None) -> NDArray[np.bool_]:
    """Where the true external torque, shape (N, J), is not zero: nowhere if there is none."""
    return np.zeros(len(curves.t), dtype=bool) if truth is None else np.abs(truth).max(axis=1) > 0


def _figure(
    caption: str,
    t: Array,
    lines: Mapping[str, tuple[Array, str]],
    label: str,
    pushed: NDArray[np.bool_],
    bound: float | None = None,
) -> str:
    """A caption and a picture of lines (values, colour) by name, over a band of ±bound, with pushes shaded."""
    from matplotlib import rc_context  # takes a second to import
    from matplotlib.figure import Figure

    # Chunks: a long noisy line in one piece is more than the renderer holds.
    style: Any = {"font.size": 11, "agg.path.chunksize": 10_000, "axes.spines.top": False, "axes.spines.right": False}
    with rc_context(style):
        figure = Figure(figsize=(6.4, 2.9), dpi=150, layout="constrained")
        axes = figure.add_subplot()
        if pushed.any():
            across = axes.get_xaxis_transform()
            axes.fill_between(t - t[0], 0, 1, where=pushed, transform=across, color=PUSH, lw=0, label="pushed")
        if bound is not None:
            axes.axhspan(-bound, bound, color=BAND, alpha=0.3, lw=0, label=f"±{bound:.2f}")
        for name, (values, colour) in lines.items():
            axes.plot(t - t[0], values, color=colour, lw=1.1, label=name)
        axes.set(xlabel="time [s]", ylabel=label)
        axes.margins(x=0)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=5, frameon=False, borderaxespad=0, handlelength=1.2)
        return f'<figure><figcaption>{caption}</figcaption><img alt="{label} over time" src="{_png(figure)}"></figure>'


def _png(figure: Any) -> str:
    """A matplotlib figure as a data URL, in few colours: a third of the bytes and nothing to be seen of it."""
    from PIL import Image  # matplotlib brings it

    raw, small = io.BytesIO(), io.BytesIO()
    figure.savefig(raw, format="png")
    Image.open(raw).convert("RGB").quantize(48).save(small, format="png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(small.getvalue()).decode()


def _facts(bundle: Bundle) -> str:
    network, split = bundle.model.config, bundle.training["split"]
    low_pass = f"{bundle.filter.kind}, order {bundle.filter.order}, {bundle.filter.cutoff_hz:g} Hz"
    facts = {
        "robot": bundle.robot,
        "joints": ", ".join(bundle.joints),
        "rate": f"{bundle.rate:g} Hz",
        "low-pass": "none" if bundle.filter.kind == "none" else low_pass,
        "window": f"{network.window} samples ({network.window / bundle.rate:.2f} s)",
        "trained on": ", ".join(split["training"]),
        "best epoch chosen on": ", ".join(split["validation"]) or "nothing",
        "held out for the test": ", ".join(split["test"]) or "nothing",
        "band taken from": bundle.residual_source,
        "seed": bundle.training["config"].get("seed", "none"),
    }
    rows = "".join(f"<tr><td>{what}</td><td>{escape(str(fact))}</td></tr>" for what, fact in facts.items())
    return f'<div class="wide"><table class="facts">{rows}</table></div>'


def _write(file: Path, title: str, parts: Iterable[str]) -> None:
    page = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>",
        *parts,
        "</body>\n</html>\n",
    ]
    file.write_text("\n".join(page), encoding="utf-8")
