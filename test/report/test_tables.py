# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A table looks alike wherever it is shown, and what is best is marked once."""

import io

import pytest
from rich.console import Console

from vastares_ros.core.checks import Check
from vastares_ros.report.render import html, markdown, terminal
from vastares_ros.report.tables import Cell, Table, doctor_table, experiment_table, figures, scores_table
from vastares_ros.training.doctor import Diagnosis
from vastares_ros.training.evaluate import Scores
from vastares_ros.training.experiment_cells import RowSummary, Spread

TABLE = Table(
    "A [title]",
    ("joint", "nmse\nmodel", "nmse\nmean"),
    ((Cell("wrist<1>"), *figures([0.1, 1.0], ".2f")), (Cell("[elbow]"), *figures([0.5, None], ".2f"))),
    mean=(Cell("mean"), *figures([0.3, 1.0], ".2f")),
    note="a note",
)


def printed(table: Table) -> str:
    console = Console(file=io.StringIO(), width=80, highlight=False, force_terminal=True, color_system="standard")
    console.print(terminal(table))
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("values", "best", "marked"),
    [
        ([2.0, 1.0, 3.0], min, [False, True, False]),
        ([2.0, 1.0, 3.0], max, [False, False, True]),
        ([2.0, 2.0], min, [True, True]),
        ([2.0], min, [False]),
        ([None, 1.0], min, [False, True]),
        ([None, None], min, [False, False]),
        ([2.0, 1.0], None, [False, False]),
    ],
)
def test_the_best_of_several_is_marked(values, best, marked):
    cells = figures(values, ".1f", best)
    assert [cell.best for cell in cells] == marked
    assert [cell.text for cell in cells] == ["–" if v is None else f"{v:.1f}" for v in values]


def test_markdown():
    assert markdown(TABLE) == (
        "## A [title]\n\n"
        "| joint | nmse model | nmse mean |\n| --- | ---: | ---: |\n"
        "| wrist<1> | **0.10** | 1.00 |\n| [elbow] | **0.50** | – |\n| mean | **0.30** | 1.00 |\n\n"
        "a note\n"
    )


def test_html_is_escaped():
    shown = html(TABLE)
    assert "<td>wrist&lt;1&gt;</td><td><b>0.10</b></td><td>1.00</td>" in shown
    assert "<h2>A [title]</h2>" in shown and "<p>a note</p>" in shown and "<th>nmse\nmodel</th>" in shown


def test_a_terminal_shows_names_with_brackets_and_bold_figures():
    shown = printed(TABLE)
    assert "[elbow]" in shown and "A [title]" in shown and "a note" in shown
    assert "\x1b[1m0.10\x1b[0m" in shown and "\x1b[1m1.00" not in shown


def test_scores_have_a_row_a_joint_and_the_mean():
    scores = Scores(
        nmse={"model": {"a": 0.1, "b": 0.4}, "mean": {"a": 1.0, "b": 0.3}},
        rmse={"model": {"a": 0.5, "b": 2.0}, "mean": {"a": 1.5, "b": 1.0}},
        nmse_mean={"model": 0.25, "mean": 0.65},
        samples=9,
    )
    table = scores_table(scores, "A", "here")
    assert table.title == "here (RMSE in A)" and table.head == (
        "joint", "nmse\nmodel", "nmse\nmean", "RMSE\nmodel", "RMSE\nmean",
    )  # fmt: skip
    assert [c.text for c in table.rows[1]] == ["b", "0.4000", "0.3000", "2.000", "1.000"]
    assert [c.best for c in table.rows[1]] == [False, False, True, False, True]
    assert [c.text for c in table.mean] == ["mean", "0.2500", "0.6500", "", ""]


def test_an_experiment_has_spread_and_marks_the_best_of_each_column():
    table = {
        "ridge": RowSummary({"a": Spread(0.5, 0.0), "b": Spread(0.1, 0.0)}, Spread(0.3, 0.0), seeds=0),
        "net": RowSummary({"a": Spread(0.3, 0.1), "b": Spread(0.3, 0.0)}, Spread(0.3, 0.05), seeds=2),
    }
    lines = markdown(experiment_table(table)).splitlines()
    assert lines[0] == "|  | a | b | mean over joints |"
    assert lines[-1] == "| net | **0.3000 ± 0.1000** | 0.3000 ± 0.0000 | **0.3000 ± 0.0500** |"
    assert lines[-2] == "| ridge | 0.5000 | **0.1000** | **0.3000** |"
    beside = markdown(experiment_table(table, {"net": (0.1, None, 0.2)}))
    assert "**0.3000 ± 0.1000 ([1]: 0.1000)** | 0.3000 ± 0.0000 ([1]: –) |" in beside


def test_a_check_list_has_a_row_for_each_answer_and_breaks_prose_alone():
    checks = (
        Check("sign", "fail", "inverted", "friction drives it", 0.9, "elbow", "write scale: -1"),
        Check("sign", "fail", "inverted", "gravity " * 20, 1.0, "wrist"),
        Check("rate", "pass", "125 Hz", "10 samples"),
    )
    table = doctor_table(Diagnosis("bag", ("elbow", "wrist"), 125.0, checks, ""), "a bag")
    sign, rate = ([cell.text for cell in row] for row in table.rows)
    assert sign == [
        "sign",
        "fail",
        "elbow, wrist: inverted (90% sure)",
        "elbow: friction drives it. Next: write scale: -1",
    ]
    assert rate == ["rate", "pass", "125 Hz", "10 samples"] and table.note == "1 pass, 2 fail"
    assert [row[1].best for row in table.rows] == [True, False]
    assert "| --- | --- | --- | --- |" in markdown(table)
    assert "friction" in printed(table) and "scale: -1" in " ".join(printed(table).split())
