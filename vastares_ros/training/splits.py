# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which episodes train, validate and test: by recording, or by the sample counts of [1]."""

from __future__ import annotations

from collections.abc import Sequence

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

    Where the dataset ends before the test samples do, those that there are make the test.

    Raises:
        DatasetError: there is nothing left to test on.
    """
    first, following = PAPER_SPLITS[name]
    held = sum(len(e) for e in dataset.episodes)
    if held <= first:
        raise DatasetError(
            f"the split {name} of [1] trains on {first} samples and tests on the next {following}, the dataset holds "
            f"{held}: split by recording with --test instead",
            value=held,
            lower=first + 1,
        )
    return between(dataset.episodes, 0, first), between(dataset.episodes, first, first + following)


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


def leakage_warning(recordings: Sequence[str]) -> str:
    """What to say where a split cuts inside recordings."""
    names = ", ".join(recordings)
    return f"leakage: the split cuts inside {names}: neighbouring samples are on both sides, so figures are optimistic"
