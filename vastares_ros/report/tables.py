# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The tables that verbs print and reports show: what stands in which row and column. `render` gives them a form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # tables are made for verbs that need neither torch nor pinocchio, too
    from vastares_ros.core.checks import Check
    from vastares_ros.io.bags import JointStateFacts
    from vastares_ros.io.datasets import Dataset
    from vastares_ros.physics.identification import Identification
    from vastares_ros.runtime.bundle import Bundle
    from vastares_ros.runtime.parity import Parity
    from vastares_ros.runtime.tick import Tick
    from vastares_ros.training.adapt import Adaptation
    from vastares_ros.training.comparison import Comparison, Contact, Detected, EstimatorFigures, Level
    from vastares_ros.training.doctor import Diagnosis
    from vastares_ros.training.evaluate import Scores
    from vastares_ros.training.experiment_cells import RowSummary

NONE = "–"
Best = Callable[[Sequence[float]], float]


class Cell(NamedTuple):
    """A figure as text, and whether it is the best of its kind."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        title: what it shows, in one sentence; empty for none.
        head: names of the K columns; a line feed is where a name may be broken.
        rows: K cells each.
        mean: one more row, set apart; empty for none.
        note: a line below; empty for none.
        labels: how many columns from the left say what a row is; the others are figures.
        prose: how many columns from the right are text that may be broken.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    mean: tuple[Cell, ...] = ()
    note: str = ""
    labels: int = 1
    prose: int = 0


def figures(values: Sequence[float | None], form: str, best: Best | None = min) -> list[Cell]:
    """Figures of one kind as cells.

    Args:
        values: what to show; None where there is no figure.
        form: format of a number, such as ".3f".
        best: min or max, which marks the best of several; None marks none.
    """
    known = [v for v in values if v is not None]
    mark = best(known) if best and known and len(values) > 1 else None
    return [Cell(NONE if v is None else f"{v:{form}}", v is not None and v == mark) for v in values]


def _columns(
    title: str, label: str, names: Sequence[str], columns: Mapping[str, Sequence[Cell]], note: str = ""
) -> Table:
    """A table of columns under their names, beside the names of the rows."""
    rows = tuple((Cell(name), *row) for name, *row in zip(names, *columns.values(), strict=True))
    return Table(title, (label, *columns), rows, note=note)


def scores_table(scores: Scores, unit: str, title: str) -> Table:
    """How good predictors are: nmse and RMSE of each joint, the best predictor marked."""
    nmse = list(scores.nmse)
    rmse = ["model", "rigid body"] if "rigid body" in nmse else nmse  # more does not fit into 80 columns
    rows = tuple(
        (
            Cell(joint),
            *figures([scores.nmse[name][joint] for name in nmse], ".4f"),
            *figures([scores.rmse[name][joint] for name in rmse], ".3f"),
        )
        for joint in scores.nmse["model"]
    )
    mean = (Cell("mean"), *figures([scores.nmse_mean[name] for name in nmse], ".4f"), *(Cell("") for _ in rmse))
    head = ("joint", *(f"nmse\n{name}" for name in nmse), *(f"RMSE\n{name}" for name in rmse))
    return Table(f"{title} (RMSE in {unit})", head, rows, mean)


def doctor_table(found: Diagnosis, title: str) -> Table:
    """The check list of a recording; joints of the same answer share a row, with the weakest evidence."""
    groups: dict[tuple[str, str, str], list[Check]] = {}
    for check in found.checks:
        groups.setdefault((check.name, check.status, check.finding), []).append(check)
    rows = []
    for (name, status, finding), checks in groups.items():
        weakest = min(checks, key=lambda c: c.confidence)
        joints = ", ".join(c.joint for c in checks if c.joint)
        sure = f" ({weakest.confidence:.0%} sure)" if 0 < weakest.confidence < 1 else ""
        why = (f"{weakest.joint}: " if len(checks) > 1 else "") + weakest.evidence
        why += f". Next: {weakest.advice}" if weakest.advice else ""
        answer = f"{joints}: {finding}{sure}" if joints else f"{finding}{sure}"
        rows.append((Cell(name), Cell(status, status == "fail"), Cell(answer), Cell(why)))
    counts = Counter(c.status for c in found.checks)
    note = ", ".join(f"{counts[status]} {status}" for status in ("pass", "warn", "fail", "unknown") if counts[status])
    return Table(title, ("check", "", "finding", "evidence"), tuple(rows), note=note, labels=2, prose=2)


def identification_table(found: Identification) -> Table:
    """What was identified, a row a joint; `bundle.yaml` has every number."""
    joints = list(dict.fromkeys(p.joint for p in found.base if p.name == "viscous"))
    own = [[p for p in found.base if p.joint == joint] for joint in joints]
    columns = {
        "left over\n[N·m]": figures(list(found.residual), ".3f", None),
        "base parameters\nseen": [Cell(str(sum(p.seen for p in of))) for of in own],
        "of": [Cell(str(len(of))) for of in own],
        "possible\ninertia": [Cell("yes" if consistent else "no") for consistent in found.consistent],
    }
    return _columns("Identified, of the joint and the link that it carries", "joint", joints, columns)


def adaptation_table(found: Adaptation, title: str) -> Table:
    """The bundle before and after it was adapted to a tool, a row a joint."""
    unit, pair = found.bundle.effort.unit, (found.before, found.after)
    rows = tuple(
        (
            Cell(joint),
            *figures([scores.nmse["model"][joint] for scores in pair], ".4f", None),
            *figures([scores.rmse["model"][joint] for scores in pair], ".3f", None),
        )
        for joint in found.bundle.joints
    )
    mean = (Cell("mean"), *figures([s.nmse_mean["model"] for s in pair], ".4f", None), Cell(""), Cell(""))
    head = ("joint", "nmse\nbefore", "nmse\nafter", f"RMSE [{unit}]\nbefore", f"RMSE [{unit}]\nafter")
    return Table(f"{title}; figures on the last third", head, rows, mean)


def parity_table(parity: Parity, messages: int, title: str) -> Table:
    """The answers of the live node beside those offline, a row a topic."""
    outputs = parity.outputs.values()
    columns = {
        "expected": [Cell(str(o.expected)) for o in outputs],
        "received": [Cell(str(o.received)) for o in outputs],
        "missing": [Cell(str(o.missing)) for o in outputs],
        "extra": [Cell(str(o.unexpected)) for o in outputs],
        "different": [Cell(str(o.different)) for o in outputs],
        "largest\ndifference": [
            Cell("none to compare" if o.max_difference is None else f"{o.max_difference:g}") for o in outputs
        ],
    }
    latency = {name: value for name, value in parity.latency_ms.items() if value is not None}
    times = "latency p50 {p50:.2f}, p99 {p99:.2f}, max {max:.2f} ms".format(**latency) if latency else "no answer"
    verdict = "equal to the last bit" if parity.equal else "not equal"
    if parity.answers_equal and parity.missed:
        verdict = "not equal: the answers are, to the last bit, but some are missing"
    counts = f"{messages} messages, {parity.missed} without answer, of which the node passed {parity.passed_over} over"
    note = f"{counts}; {parity.strays} strays; {times}; {verdict}"
    return _columns(title, "topic", list(parity.outputs), columns, note)


@dataclass(frozen=True)
class DemoFigures:
    """What the demo measured; as JSON, `dataclasses.asdict` of it.

    Attributes:
        nmse: of the network in free motion that was held out, by joint.
        nmse_ridge: of ridge regression there, by joint.
        nmse_mean: predictor -> average over joints.
        push_correlation: of the external torque with the known push, by joint.
        push_max: largest torque of the push, by joint [N·m].
        latency_ms: from a joint state to its estimate: p50 and p99.
        seconds: that the demo took.
    """

    nmse: dict[str, float]
    nmse_ridge: dict[str, float]
    nmse_mean: dict[str, float]
    push_correlation: dict[str, float]
    push_max: dict[str, float]
    latency_ms: dict[str, float]
    seconds: float


def demo_table(found: DemoFigures, unit: str) -> Table:
    """The figures of the demo, a row a joint."""
    columns = {
        "nmse in\nfree motion": figures(list(found.nmse.values()), ".4f", None),
        "nmse\nof ridge": figures(list(found.nmse_ridge.values()), ".4f", None),
        "correlation\nwith the push": figures(list(found.push_correlation.values()), ".3f", None),
        f"largest push\n[{unit}]": figures(list(found.push_max.values()), ".1f", None),
    }
    note = "live latency p50 {p50:.1f} ms, p99 {p99:.1f} ms".format(**found.latency_ms)
    return _columns("", "joint", list(found.nmse), columns, note)


@dataclass(frozen=True)
class EngineFigures:
    """What an engine costs with a bundle; as JSON, `dataclasses.asdict` of it.

    Attributes:
        engine: name that was asked for.
        tick: the time of a tick.
        start_s: to load the bundle and answer for the first time, with all imports done [s].
        memory_mb: that this took [MiB].
    """

    engine: str
    tick: Tick
    start_s: float
    memory_mb: float


def bench_table(found: Sequence[EngineFigures], bundle: str, rate: float) -> Table:
    """The time of a tick with each engine, a row an engine."""
    ticks = [figures_of.tick for figures_of in found]
    columns = {
        "p50\n[ms]": figures([tick.p50_ms for tick in ticks], ".3f"),
        "p99\n[ms]": figures([tick.p99_ms for tick in ticks], ".3f"),
        "max\n[ms]": figures([tick.max_ms for tick in ticks], ".2f"),
        "holds\n[Hz]": figures([tick.held_hz for tick in ticks], ".0f", max),
        "start\n[s]": figures([of.start_s for of in found], ".1f"),
        "memory\n[MiB]": figures([of.memory_mb for of in found], ".0f"),
    }
    names = [tick.engine for tick in ticks]
    return _columns(f"A tick of {bundle}, trained at {rate:g} Hz", "engine", names, columns)


def ranges_table(bundle: Bundle) -> Table:
    """The motion that a bundle was trained on, and its bound, a row a joint."""
    columns = {
        "q [rad]": [Cell(f"{low:.2f} … {high:.2f}") for low, high in bundle.q_range.T],
        "qd [rad/s]": [Cell(f"{low:.2f} … {high:.2f}") for low, high in bundle.qd_range.T],
        f"bound [{bundle.effort.unit}]": figures(bundle.bound.tolist(), ".2f", None),
    }
    return _columns("training range, and |tau_ext| in 99 % of free motion", "joint", bundle.joints, columns)


def episodes_table(dataset: Dataset) -> Table:
    """The episodes of a dataset."""
    rows = tuple(
        (Cell(e.name), Cell(e.recording), Cell(str(len(e))), Cell(f"{e.duration:.1f}")) for e in dataset.episodes
    )
    return Table("", ("episode", "recording", "samples", "seconds"), rows, labels=2)


def effort_table(facts: JointStateFacts) -> Table:
    """The range of effort of each joint of a bag."""
    low, high = ([None if x != x else float(x) for x in side] for side in facts.effort)
    columns = {"lowest effort": figures(low, ".2f", None), "highest effort": figures(high, ".2f", None)}
    return _columns("", "joint", facts.joints, columns)


def experiment_table(
    table: Mapping[str, RowSummary], printed: Mapping[str, Sequence[float | None]] | None = None
) -> Table:
    """An experiment in the layout of [1]: mean ± standard deviation over seeds, the best of each column marked.

    Args:
        table: as of `training.cells.summarise`; a column a joint, or a recording where each is left out in turn.
        printed: row -> what [1] prints for the same data, per joint and mean; goes beside the figures.
    """
    joints = list(next(iter(table.values())).nmse)
    columns: dict[str, list[Cell]] = {}
    for i, name in enumerate([*joints, "mean over joints"]):
        spreads = [row.nmse_mean if i == len(joints) else row.nmse[name] for row in table.values()]
        columns[name] = []
        means = figures([spread.mean for spread in spreads], ".4f")
        for (row, of), spread, (text, best) in zip(table.items(), spreads, means, strict=True):
            if of.seeds > 1:
                text += f" ± {spread.deviation:.4f}"
            if printed and row in printed:
                theirs = printed[row][i]
                text += f" ([1]: {NONE if theirs is None else f'{theirs:.4f}'})"
            columns[name].append(Cell(text, best))
    return _columns("", "", list(table), columns)


def comparison_tables(found: Comparison) -> list[Table]:
    """All tables of a comparison."""
    estimators, pushes = found.estimators, found.pushed.pushes
    motion = f"{found.free.seconds:.0f} s of free motion"
    reference = f"nmse is relative to the variance of what {found.reference} was trained on"
    tables = [
        _by_joint(f"nmse in {motion}; {reference}", found, lambda e: e.nmse, ".4f"),
        _by_joint(f"RMSE [{found.unit}] in {motion}", found, lambda e: e.rmse, ".3f"),
    ]
    if pushes:
        errors = {name: e.pushed for name, e in estimators.items() if e.pushed}
        if all(e.rmse for e in errors.values()):
            title = f"RMSE [{found.unit}] of external torque against the truth, during {pushes} pushes"
            tables.append(_by_joint(title, found, lambda e: (e.pushed and e.pushed.rmse) or {}, ".3f"))
        columns = {
            "delay of external torque [ms]": figures([e.delay_ms for e in errors.values()], ".0f"),
            "RMSE of force [N]": figures([e.force_rmse for e in errors.values()], ".2f"),
            "RMSE of torque [N·m]": figures([e.torque_rmse for e in errors.values()], ".2f"),
        }
        title = f"Delay and wrench at the tip, during {pushes} pushes"
        tables.append(_columns(title, "estimator", list(errors), columns))
    cost = {
        "median [ms]": figures([e.cost_ms.median for e in estimators.values()], ".3f"),
        "99 % [ms]": figures([e.cost_ms.p99 for e in estimators.values()], ".3f"),
        "valid estimates [%]": figures([100 * e.valid for e in estimators.values()], ".1f", max),
    }
    tables += _contact_tables(found)
    tables.append(_columns("Processor time of a tick, and validity", "estimator", list(estimators), cost))
    return tables


def _by_joint(
    title: str, found: Comparison, pick: Callable[[EstimatorFigures], Mapping[str, float]], form: str
) -> Table:
    """A row a joint and their mean, a column an estimator, the smallest of each row marked."""
    picked = [pick(e) for e in found.estimators.values()]
    rows = tuple((Cell(joint), *figures([of[joint] for of in picked], form)) for joint in found.joints)
    mean = figures([sum(of.values()) / len(of) for of in picked], form)
    return Table(title, ("joint", *found.estimators), rows, (Cell("mean"), *mean))


def _contact_tables(found: Comparison) -> list[Table]:
    """What is detected with no alarm in the calibrating motion, and at the rate of false alarms that was asked for."""
    contact, seconds = {name: e.contact for name, e in found.estimators.items()}, found.calibration.seconds
    judged = f"false alarms are those in the {found.free.seconds:.0f} s that are judged"
    if found.pushed.pushes:
        judged += "; pushes that are detected, and median delay, a missed push being infinitely late"
    extrapolated = f", extrapolated from {seconds:.0f} s" * any(c.extrapolated for c in contact.values())
    highest = {name: c.no_alarm for name, c in contact.items()}
    return [
        _level_table(f"Contact at the highest of {seconds:.0f} s of free motion; {judged}", highest),
        _level_table(f"Contact at the threshold for one false alarm an hour{extrapolated}; {judged}", contact),
    ]


def _level_table(title: str, levels: Mapping[str, Level] | Mapping[str, Contact]) -> Table:
    """Thresholds and what they detect; only what pushes tell is marked."""
    columns = {
        "threshold [peak]": figures([level.threshold for level in levels.values()], ".2f", None),
        "false alarms": [Cell(str(level.false_alarms)) for level in levels.values()],
    }
    for head, of in {
        "all pushes": [level.all for level in levels.values()],
        "those above the bound": [level.above_bound for level in levels.values()],
        "those above the threshold": [level.above_threshold for level in levels.values()],
    }.items():
        if any(d.pushes for d in of):
            marks = figures([d.detected or None for d in of], "", max)
            columns[head] = [Cell(_detected(d), mark.best) for d, mark in zip(of, marks, strict=True)]
    return _columns(title, "estimator", list(levels), columns)


def _detected(of: Detected) -> str:
    if of.detected is None:
        return NONE
    delay = NONE if of.delay_ms is None else f"{of.delay_ms:.0f} ms"
    return f"{of.detected:.0%} of {of.pushes}, {delay}"
