"""Arguments and output that several verbs share."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import track
from rich.table import Table

from vastares_ros.io.folders import check_file

T = TypeVar("T")
STDOUT = Path("-")
console = Console(highlight=False, soft_wrap=True)
messages = Console(highlight=False, soft_wrap=True, stderr=True)


def add_force(parser: argparse.ArgumentParser) -> None:
    """The option that allows replacing output."""
    parser.add_argument("--force", action="store_true", help="replace what is there already")


def add_topic(parser: argparse.ArgumentParser, default: str) -> None:
    """The option that names the joint-state topic; `default` is for people."""
    parser.add_argument("--topic", help=f"joint-state topic in the bags (default: {default})")


def tracked(items: Sequence[T], what: str) -> Iterable[T]:
    """The items, with a progress bar where somebody sees it."""
    return track(items, what, console=messages, transient=True, disable=not messages.is_terminal)


def warn_of_contact(recordings: Mapping[str, str]) -> None:
    """Tell which recordings do not fit an identification, and at which joint."""
    for recording, joint in recordings.items():
        messages.print(
            f"warning: {recording} does not fit the others, most at {joint}: did something touch the arm, or was there "
            f"another tool? Leave it out, or name it with --test"
        )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option that writes the figures for programs."""
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures for programs; - for standard output"
    )


def check_json(path: Path | None, force: bool) -> None:
    """Check before the work that `write_json` may write to `path`.

    For standard output, what is printed for people goes to standard error from now on.

    Raises:
        OutputError: the file exists and `force` is not given, or cannot be written.
    """
    console.stderr = path == STDOUT
    if path and path != STDOUT:
        check_file(path, force)


def write_json(path: Path, figures: Mapping[str, Any]) -> None:
    """Write figures for programs to a file, or to standard output where the path is `-`."""
    text = json.dumps(figures, indent=2, ensure_ascii=False) + "\n"
    if path == STDOUT:
        sys.stdout.write(text)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def scores_table(figures: Mapping[str, Any], unit: str, title: str) -> Table:
    """Figures of `training.evaluate.score` as a table, best in bold."""
    table = Table(title=f"{title} (RMSE in {unit})", title_justify="left")
    table.add_column("joint", no_wrap=True)
    nmse = rmse = list(figures["nmse"])
    if "rigid body" in nmse:
        rmse = ["model", "rigid body"]  # more does not fit into 80 columns
    for measure, names in (("nmse", nmse), ("RMSE", rmse)):
        for name in names:
            table.add_column(f"{measure}\n{name}", justify="right")
    for joint in figures["nmse"]["model"]:
        table.add_row(joint, *_row([figures["nmse"][n][joint] for n in nmse], ".4f"),
                      *_row([figures["rmse"][n][joint] for n in rmse], ".3f"))  # fmt: skip
    table.add_section()
    table.add_row("mean", *_row([figures["nmse_mean"][n] for n in nmse], ".4f"))
    return table


def _row(values: list[float], form: str) -> list[str]:
    return [f"[bold]{v:{form}}[/bold]" if v == min(values) else f"{v:{form}}" for v in values]
