# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What several verbs print: warnings, progress, figures as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import Progress, track

from vastares_ros.core.errors import printable_lines
from vastares_ros.runtime.bundle import ResidualSource
from vastares_ros.training.evaluate import Scores
from vastares_ros.training.quality import poor_joints

T = TypeVar("T")
MIN_SECONDS = 2.0  # of a progress bar over time


class Printer(Console):
    """Prints text as it is: names of joints and files come from others, and are neither markup nor control codes."""

    def __init__(self, stderr: bool = False):
        super().__init__(highlight=False, soft_wrap=True, markup=False, emoji=False, stderr=stderr)

    def print(self, *objects: Any, **options: Any) -> None:
        """As of `rich.console.Console`; text may have several lines."""
        super().print(*(printable_lines(o) if isinstance(o, str) else o for o in objects), **options)


console = Printer()
messages = Printer(stderr=True)


@contextmanager
def output_as(quiet: bool, json: Path | None) -> Iterator[None]:
    """What `--quiet` and `--json -` mean for the output of a verb: nothing, or figures only, goes to stdout."""
    before = console.quiet, console.stderr
    console.quiet = quiet
    console.stderr = str(json) == "-"
    try:
        yield
    finally:
        console.quiet, console.stderr = before


def _hidden() -> bool:
    """Whether progress bars are of no use: nobody sees them, or nobody wants to."""
    return console.quiet or not messages.is_terminal


def tracked(items: Sequence[T], what: str) -> Iterable[T]:
    """The items, with a progress bar where somebody sees it."""
    return track(items, what, console=messages, transient=True, disable=_hidden())


@contextmanager
def progress_of(what: str, seconds: float) -> Iterator[Callable[[float], None]]:
    """A progress bar over a time [s], where it is long enough; the function that it gives takes the time passed [s]."""
    if seconds < MIN_SECONDS:
        yield lambda passed: None
        return
    with Progress(console=messages, refresh_per_second=4, transient=True, disable=_hidden()) as progress:
        task = progress.add_task(what, total=seconds)
        yield lambda passed: progress.update(task, completed=passed)


def warn_of_contact(recordings: Mapping[str, str]) -> None:
    """Tell which recordings do not fit an identification, and at which joint."""
    for recording, joint in recordings.items():
        messages.print(
            f"warning: {recording} does not fit the others, most at {joint}: did something touch the arm, or was there "
            f"another tool? Leave it out, or name it with --test"
        )


def warn_of_joints(scores: Scores, constant: Mapping[str, str], recordings: Sequence[str]) -> None:
    """Name joints whose estimate is of no use, and those that the averages leave out.

    Args:
        scores: on these recordings.
        constant: joints that the training recordings do not show, and why.
        recordings: what was judged.
    """
    for joint, why in constant.items():
        messages.print(
            f"warning: {joint} {why} in the training recordings: nothing can be learned of it, and the means leave it "
            f"out. Leave it out of the dataset by `vastares prepare --joints`, or record motion of it"
        )
    for joint, why in poor_joints(scores.nmse, constant).items():
        messages.print(
            f"warning: do not use the estimate of {joint}: on {', '.join(recordings)} it has {why}. Record more motion "
            f"of this joint, or try `vastares identify`"
        )


def warn_of_bound(source: ResidualSource) -> None:
    """Tell where the bound is not from motion that the model has not seen, or from one recording only."""
    if source.how == "training":
        messages.print(
            f"warning: the bound of free motion is from {source}, which the model has seen, and is too small: contact "
            f"will be reported where there is none. Record more, or name recordings by --validation"
        )
    elif source.how == "blocks":
        messages.print(
            f"warning: the bound of free motion is {source}: other motion may leave more. Record more, or name "
            f"recordings by --validation"
        )


def write_json(path: Path, figures: Mapping[str, Any]) -> None:
    """Write figures for programs; to standard output where the path is "-"."""
    text = json.dumps(figures, indent=2, ensure_ascii=False) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
