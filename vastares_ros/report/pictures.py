# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Pictures on disk: the figures of [1], as PNG files. matplotlib is imported at use, since that takes a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vastares_ros.core.errors import printable
from vastares_ros.core.samples import Array, Episode

if TYPE_CHECKING:
    from vastares_ros.training.comparison import Contact

COLUMNS = 3  # pictures side by side
COLOUR = "#0072b2"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#444444")


def heat_maps(file: Path, maps: Mapping[str, Array], across: str, down: str, labels: Sequence[str] = ()) -> None:
    """One heat map for each title, shape (rows, columns), all on one scale (figures 9 and 10).

    Args:
        file: PNG file to write.
        maps: title -> values.
        across: what columns are.
        down: what rows are.
        labels: of the columns; their numbers where there are none.
    """
    high = max(float(m.max()) for m in maps.values())
    with _grid(file, list(maps), (3.4, 3.0)) as panels:
        for axes, values in zip(panels, maps.values(), strict=True):
            image = axes.imshow(values, aspect="auto", origin="lower", vmin=0, vmax=high, interpolation="nearest")
            axes.set(xlabel=across, ylabel=down)
            if labels:
                axes.set_xticks(range(len(labels)), [_plain(label) for label in labels], rotation=90, fontsize=7)
            axes.figure.colorbar(image, ax=axes)


def profiles(file: Path, curves: Mapping[str, Array], across: str, up: str) -> None:
    """One bar chart of values, shape (n,), for each title (figure 11)."""
    with _grid(file, list(curves), (3.4, 2.4)) as panels:
        for axes, values in zip(panels, curves.values(), strict=True):
            axes.bar(range(len(values)), values, color=COLOUR)
            axes.set(xlabel=across, ylabel=up)


def bars(file: Path, values: Mapping[str, Sequence[float]], across: str, down: str) -> None:
    """Bars with their deviation: label -> [mean, deviation], from the top down (figures 7 and 8)."""
    with _grid(file, [""], (6.4, 1.0 + 0.35 * len(values))) as panels:
        means, deviations = zip(*values.values(), strict=True)
        panels[0].barh([_plain(name) for name in values], means, xerr=deviations, color=COLOUR, capsize=4)
        panels[0].set(xlabel=across, ylabel=down)
        panels[0].invert_yaxis()


def trajectories(file: Path, episodes: Sequence[Episode]) -> None:
    """Joint positions over time, a panel an episode (figure 6)."""
    with _grid(file, [e.name for e in episodes], (4.6, 2.8)) as panels:
        for axes, episode in zip(panels, episodes, strict=True):
            axes.plot(episode.t - episode.t[0], episode.q, lw=0.9, label=[_plain(joint) for joint in episode.joints])
            axes.set(xlabel="time [s]", ylabel="position [rad]")
        panels[0].figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=COLUMNS)


def torques(
    file: Path, joints: Sequence[str], t: Array, measured: Array, estimated: Array, bound: Array, unit: str
) -> None:
    """Measured and estimated torque of each joint, and what is left over, within its bound in free motion.

    Args:
        file: PNG file to write.
        joints: J joint names, a panel each.
        t: stamps, shape (N,) [s].
        measured: torque, shape (N, J).
        estimated: torque without contact, shape (N, J).
        bound: of the external torque, shape (J,).
        unit: of all torques.
    """
    with _grid(file, list(joints), (4.6, 2.6)) as panels:
        for j, axes in enumerate(panels):
            axes.plot(t - t[0], measured[:, j], lw=1.4, color="0.6", label="measured")
            axes.plot(t - t[0], estimated[:, j], lw=0.8, color=COLOUR, label="estimated")
            axes.plot(t - t[0], estimated[:, j] - measured[:, j], lw=0.8, color="#d55e00", label="external")
            axes.axhspan(-bound[j], bound[j], color="#d55e00", alpha=0.15, lw=0, label="its bound in free motion")
            axes.set(xlabel="time [s]", ylabel=f"torque [{unit}]")
        panels[0].figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)


def grouped_bars(file: Path, values: Mapping[str, Mapping[str, float]], up: str) -> None:
    """Bars of values, series -> group -> value above 0, on a logarithmic axis, side by side in each group."""
    groups = list(next(iter(values.values())))
    width = 0.8 / len(values)
    with _grid(file, [""], (max(6.4, 0.9 * len(groups) + 0.25 * len(groups) * len(values)), 3.6)) as panels:
        for i, (name, of_series) in enumerate(values.items()):
            places = [g + (i - (len(values) - 1) / 2) * width for g in range(len(groups))]
            heights = [of_series[group] for group in groups]
            panels[0].bar(places, heights, width, color=COLOURS[i % len(COLOURS)], label=_plain(name))
        panels[0].set(ylabel=up, yscale="log")
        panels[0].set_xticks(range(len(groups)), [_plain(group) for group in groups])
        panels[0].grid(axis="y", alpha=0.3)
        _legend(panels[0])


def push(file: Path, joints: Sequence[str], t: Array, truth: Array, external: Mapping[str, Array], unit: str) -> None:
    """External torque that estimators see in one push, a panel a joint.

    Args:
        file: PNG file to write.
        joints: J joint names.
        t: since the push began, shape (N,) [s].
        truth: true external torque, shape (N, J).
        external: name of the estimator -> estimate, shape (N, J).
        unit: of all torques.
    """
    with _grid(file, list(joints), (4.2, 2.6)) as panels:
        for j, axes in enumerate(panels):
            axes.plot(t, truth[:, j], lw=2.2, color="0.6", label="truth")
            for i, (name, values) in enumerate(external.items()):
                axes.plot(t, values[:, j], lw=1.0, color=COLOURS[i % len(COLOURS)], label=_plain(name))
            axes.set(xlabel="time since the push began [s]", ylabel=f"external torque [{unit}]")
        _legend(panels[0])


def detection_curves(file: Path, curves: Mapping[str, Contact], ceiling: float) -> None:
    """Detection rate and median delay of pushes against false alarms an hour; what is extrapolated is dashed.

    Args:
        file: PNG file to write.
        curves: name of the estimator -> how it detects contact.
        ceiling: largest delay shown [ms].
    """
    with _grid(file, ["detected pushes", "median delay of all pushes"], (5.6, 3.8)) as panels:
        for i, (name, contact) in enumerate(curves.items()):
            colour = COLOURS[i % len(COLOURS)]
            for axes, pick in zip(panels, (attrgetter("detected"), attrgetter("delay_ms")), strict=True):
                x = [point.alarms_per_hour for point in contact.curve]
                y = [float("nan") if (at := pick(point.all)) is None else at for point in contact.curve]
                solid = sum(not point.extrapolated for point in contact.curve)  # these come first
                axes.plot(x[:solid], y[:solid], color=colour, lw=1.3, label=_plain(name))
                axes.plot(x[max(solid - 1, 0) :], y[max(solid - 1, 0) :], color=colour, lw=1.3, ls="--")
                at = pick(contact.all)
                if at is not None:
                    axes.plot(contact.alarms_per_hour, at, "o", ms=5, color=colour)
        panels[0].set(xscale="log", xlabel="false alarms an hour", ylabel="share", ylim=(-0.02, 1.02))
        panels[1].set(xscale="log", xlabel="false alarms an hour", ylabel="delay [ms]", ylim=(0, ceiling))
        for axes in panels:
            axes.grid(alpha=0.3)
        _legend(panels[0])


def _legend(axes: Any) -> None:
    """Below all panels, of what this one shows."""
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=COLUMNS, frameon=False)


def _plain(name: str) -> str:
    """A name that matplotlib does not take for mathematics."""
    return printable(name).replace("$", r"\$")


@contextmanager
def _grid(file: Path, titles: Sequence[str], size: tuple[float, float]) -> Any:
    """Panels with these titles, each of this size [inch], written to `file` at the end."""
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(titles))
    rows = -(-len(titles) // columns)
    figure = Figure(figsize=(columns * size[0], rows * size[1]), dpi=110, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, title in zip(panels, titles, strict=False):
        axes.set_title(_plain(title), fontsize=10)
    for axes in panels[len(titles) :]:
        axes.set_axis_off()
    yield list(panels[: len(titles)])
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)
