# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The figures of a comparison as tables, for a console, for Markdown and for a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

PUSHES = {"all": "all pushes", "above_bound": "those above the bound", "above_threshold": "those above the threshold"}


class Cell(NamedTuple):
    """A figure as text, and whether it is the best of its kind."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class FigureTable:
    """A table of text.

    Attributes:
        title: what it shows, in one sentence.
        head: of the columns, K names.
        rows: K cells each; the first says what the row is.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def comparison_tables(figures: Mapping[str, Any]) -> list[FigureTable]:
    """Tables of `training.comparison.compare`."""
    unit, free, pushed = figures["unit"], figures["free"], figures["pushed"]
    found = figures["estimators"]
    told = f"{free['seconds']:.0f} s of free motion"
    reference = f"nmse is relative to the variance of what {figures['variance']['of']} was trained on"
    tables = [
        _by_joint(f"nmse in {told}; {reference}", figures, lambda e: e["nmse"], ".4f"),
        _by_joint(f"RMSE [{unit}] in {told}", figures, lambda e: e["rmse"], ".3f"),
    ]
    if pushed["pushes"]:
        during = f"during {pushed['pushes']} pushes"
        if all(e["pushed"]["rmse"] for e in found.values()):
            title = f"RMSE [{unit}] of external torque against the truth, {during}"
            tables.append(_by_joint(title, figures, lambda e: e["pushed"]["rmse"], ".3f"))
        tables.append(
            _by_estimator(
                f"Delay and wrench at the tip, {during}",
                found,
                {
                    "delay of external torque [ms]": (lambda e: e["pushed"]["delay_ms"], ".0f"),
                    "RMSE of force [N]": (lambda e: e["pushed"]["force_rmse"], ".2f"),
                    "RMSE of torque [N·m]": (lambda e: e["pushed"]["torque_rmse"], ".2f"),
                },
            )
        )
    tables += [*_contact(figures), _cost(found)]
    return tables


def _by_joint(
    title: str, figures: Mapping[str, Any], pick: Callable[[Mapping[str, Any]], Mapping[str, float]], form: str
) -> FigureTable:
    """A row a joint and their mean, a column an estimator, the smallest of each row marked."""
    found = figures["estimators"]
    values = {joint: [pick(e)[joint] for e in found.values()] for joint in figures["joints"]}
    values["mean"] = [sum(column) / len(column) for column in zip(*values.values(), strict=True)]
    rows = tuple(
        (Cell(joint), *(Cell(f"{v:{form}}", v == min(row) and len(row) > 1) for v in row))
        for joint, row in values.items()
    )
    return FigureTable(title, ("joint", *found), rows)


Column = tuple[Callable[[Mapping[str, Any]], float | None], str]


def _by_estimator(
    title: str, found: Mapping[str, Any], columns: Mapping[str, Column], most: Sequence[str] = ()
) -> FigureTable:
    """A row an estimator, the smallest of each column marked or, of those in `most`, the largest."""
    cells = []
    for name, (pick, form) in columns.items():
        values = [pick(e) for e in found.values()]
        known = [v for v in values if v is not None]
        best = (max if name in most else min)(known) if len(values) > 1 and known else None
        cells.append([Cell("–" if v is None else f"{v:{form}}", v is not None and v == best) for v in values])
    rows = tuple((Cell(name), *row) for name, *row in zip(found, *cells, strict=True))
    return FigureTable(title, ("estimator", *columns), rows)


def _contact(figures: Mapping[str, Any]) -> list[FigureTable]:
    """What is detected with no alarm in the calibrating motion, and at the rate of false alarms that was asked for."""
    contact, seconds = {n: e["contact"] for n, e in figures["estimators"].items()}, figures["calibration"]["seconds"]
    judged = f"false alarms are those in the {figures['free']['seconds']:.0f} s that are judged"
    if figures["pushed"]["pushes"]:
        judged += "; pushes that are detected, and median delay, a missed push being infinitely late"
    extrapolated = f", extrapolated from {seconds:.0f} s" * any(c["extrapolated"] for c in contact.values())
    highest = {n: c["no_alarm"] | {"threshold": 1.0} for n, c in contact.items()}
    return [
        _detected(f"Contact at the highest of {seconds:.0f} s of free motion; {judged}", highest),
        _detected(f"Contact at the threshold for one false alarm an hour{extrapolated}; {judged}", contact),
    ]


def _detected(title: str, contact: Mapping[str, Any]) -> FigureTable:
    """A table of thresholds and what they detect; only what pushes tell is marked."""
    head = ["estimator", "threshold [peak]", "false alarms"]
    rows = [[Cell(n), Cell(f"{c['threshold']:.2f}"), Cell(str(c["false_alarms"]))] for n, c in contact.items()]
    for which, said in PUSHES.items():
        if not any(c[which]["pushes"] for c in contact.values()):
            continue
        head.append(said)
        most = max(c[which]["detected"] or 0.0 for c in contact.values())
        for row, c in zip(rows, contact.values(), strict=True):
            share, delay, count = c[which]["detected"], c[which]["delay_ms"], c[which]["pushes"]
            late = "–" if delay is None else f"{delay:.0f} ms"
            row.append(Cell("–") if share is None else Cell(f"{share:.0%} of {count}, {late}", 0 < share == most))
    return FigureTable(title, tuple(head), tuple(map(tuple, rows)))


def _cost(found: Mapping[str, Any]) -> FigureTable:
    columns: dict[str, Column] = {
        "median [ms]": (lambda e: e["cost_ms"]["median"], ".3f"),
        "99 % [ms]": (lambda e: e["cost_ms"]["p99"], ".3f"),
        "estimates it calls valid [%]": (lambda e: 100 * e["valid"], ".1f"),
    }
    return _by_estimator("Processor time of a tick, and trust", found, columns, most=["estimates it calls valid [%]"])


def comparison_markdown(title: str, notes: Iterable[str], tables: Iterable[FigureTable]) -> str:
    """The same as a Markdown page."""
    parts = [f"# {title}", "\n".join(f"- {note}" for note in notes)]
    for table in tables:
        lines = [table.head, ["---", *("---:" for _ in table.head[1:])]]
        lines += [[f"**{cell.text}**" if cell.best else cell.text for cell in row] for row in table.rows]
        parts.append(f"## {table.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(parts) + "\n"
