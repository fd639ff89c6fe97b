# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which episodes train, validate and test: by recording, or by the sample counts of [1]."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vastares_ros.core.errors import DatasetError
from vastares_ros.core.samples import Episode
from vastares_ros.io.datasets import Dataset

from .paper_tables import PAPER_SPLITS


def split(
    dataset: Dataset, test: Sequence[str], validation: Sequence[str]
) -> tuple[tuple[Episode, ...], tuple[Episode, ...], tuple[Episode, ...]]:
    """Training, validation and test episodes; what is not named is for training.

    Raises:
        DatasetError: a name is unknown, a recording is in two parts, or nothing is left to train on.
    """
    tested, validated = dataset.pick(test), dataset.pick(validation)
    both = {e.recording for e in tested} & {e.recording for e in validated}
    if both:
        raise DatasetError(
            f"recording {sorted(both)[0]!r} is named for test and for validation: choose one", recording=sorted(both)[0]
        )
    held_out = {e.name for e in tested + validated}
    training = tuple(e for e in dataset.episodes if e.name not in held_out)
    cut_through = {e.recording for e in training} & {e.recording for e in tested + validated}
    if cut_through:
        name = sorted(cut_through)[0]
        raise DatasetError(
            f"recording {name!r} is partly held out: neighbours would leak, so name the whole recording", recording=name
        )
    if not training:
        raise DatasetError("every recording is held out: leave at least one to train on")
    return training, validated, tested


def paper_split(dataset: Dataset, name: str) -> tuple[tuple[Episode, ...], tuple[Episode, ...]]:
    """Training and test episodes by the split of [1] called `name`: samples in order, cut wherever the count ends.

    Raises:
        DatasetError: the recordings are not in the order of their numbers, or hold fewer samples than the split has.
    """
    first, following = PAPER_SPLITS[name]
    there = recordings(dataset.episodes)
    if out := [(r, wanted) for r, wanted in zip(there, natural_order(there), strict=True) if r != wanted]:
        raise DatasetError(
            f"the split {name} of [1] counts samples in the order of the recordings' numbers, but the dataset has "
            f"{out[0][0]} where {out[0][1]} belongs: prepare it anew in that order",
            recording=out[0][0],
        )
    held = sum(len(e) for e in dataset.episodes)
    if held < first + following:
        raise DatasetError(
            f"the split {name} of [1] trains on {first} samples and tests on the next {following}, the dataset holds "
            f"{held}: split by recording with --test instead",
            value=held,
            lower=first + following,
        )
    return between(dataset.episodes, 0, first), between(dataset.episodes, first, first + following)


def paper_rule(dataset: Dataset, name: str) -> str:
    """What the split of [1] called `name` does to a dataset that it fits, and where it cuts, in words."""
    first, following = PAPER_SPLITS[name]
    training, tested = paper_split(dataset, name)
    rule = f"{name} of [1]: the first {first} samples for training, the next {following} for testing"
    cut = tested[0].recording
    if training[-1].recording != cut:
        return f"{rule}; it cuts between {training[-1].recording} and {cut}"
    through = [i for i, e in enumerate(dataset.episodes) if e.recording == cut]
    before_end = sum(len(e) for e in dataset.episodes[: through[-1] + 1]) - first
    neighbours = sum(len(e) for e in tested if e.recording == cut)
    return (
        f"{rule}; it cuts {cut} {before_end} samples before its end, so that {neighbours} of the {following} are of a "
        "recording that was trained on"
    )


def natural_order(names: Iterable[str]) -> list[str]:
    """Names that differ by a number alone in the order of that number (2 before 10), the others as they come."""
    names = list(names)
    stems = [re.sub(r"\d+", "", name) for name in names]
    keys = {
        name: (stems.index(stem), [int(n) for n in re.findall(r"\d+", name)])
        for name, stem in zip(names, stems, strict=True)
    }
    return sorted(names, key=keys.__getitem__)


def between(episodes: Sequence[Episode], start: int, end: int) -> tuple[Episode, ...]:
    """Samples `start` to `end`, counted over all episodes; an episode that is cut says so in its name."""
    parts = []
    for e in episodes:
        low, high = max(start, 0), min(end, len(e))
        if (low, high) == (0, len(e)):
            parts.append(e)
        elif low < high:
            s = slice(low, high)
            parts.append(Episode(f"{e.name}[{low}:{high}]", e.joints, e.t[s], e.q[s], e.qd[s], e.tau[s], e.recording))
        start, end = start - len(e), end - len(e)
    return tuple(parts)


def recordings(episodes: Sequence[Episode]) -> list[str]:
    """The names of the recordings that some episodes were cut from, each once, in order."""
    return list(dict.fromkeys(e.recording for e in episodes))


def leakage_warning(training: Sequence[str], tested: Sequence[str]) -> str:
    """What to say where every recording that is tested, by name, was trained on as well; else nothing."""
    if not set(tested) <= set(training):
        return ""
    names = ", ".join(tested)
    return f"leakage: all test samples are of {names}, which was trained on: figures are optimistic"
