# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A session of recordings into one dataset folder: its lock, the current recording, its coverage, what is discarded."""

from __future__ import annotations

import fcntl
import os
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import chain, count
from pathlib import Path

import numpy as np

from vastares_ros.core.coverage import Coverage
from vastares_ros.core.errors import DatasetError
from vastares_ros.core.samples import JointSample, all_plausible

from .datasets import Dataset, is_dataset, load_dataset
from .recorder import DISCARDED, EpisodeRecorder, check_recordable, discard_recording

MARGIN = 0.5  # seconds before and after a contact that are refused with it
LONGEST_STEP = 0.5  # seconds between two samples that still count as recorded time


class ContactFilter:
    """Holds samples back for `MARGIN`, until it is known that no contact follows on them.

    Attributes:
        refused: samples that were dropped.
    """

    def __init__(self) -> None:
        """Hold no samples, and know of no contact yet."""
        self.refused = 0
        self._held: deque[JointSample] = deque()
        self._touched = -np.inf

    def contact(self, t: float) -> None:
        """Note contact at t [s]."""
        self._touched = t
        free = [sample for sample in self._held if not self._near(sample)]
        self.refused += len(self._held) - len(free)
        self._held = deque(free)

    def push(self, sample: JointSample) -> list[JointSample]:
        """Take one sample in; return the samples that are now known to be free of contact."""
        if self._near(sample):
            self.refused += 1
        else:
            self._held.append(sample)
        free = []
        while self._held and not 0 <= sample.t - self._held[0].t <= MARGIN:  # below 0 the clock jumped back
            free.append(self._held.popleft())
        return free

    def rest(self) -> list[JointSample]:
        """Return the samples that are still held; no contact was noted near them."""
        rest, self._held = list(self._held), deque()
        return rest

    def _near(self, sample: JointSample) -> bool:
        return abs(sample.t - self._touched) <= MARGIN


class RecordingSession:
    """Recordings into one dataset folder, which is locked until `close`.

    Attributes:
        folder: the dataset.
        recorder: of the current recording; None where none is on.
        coverage: of the dataset and the current recording; None before the joints are known.
        episodes: in the dataset.
        seconds: length of the dataset and the current recording [s].
    """

    def __init__(self, folder: Path, make_coverage: Callable[[Sequence[str]], Coverage], refuse_contact: bool):
        """Lock the folder, so that no other node takes up this recording as a crashed one. Call `survey` next.

        Args:
            folder: the dataset, which need not exist yet.
            make_coverage: an empty coverage of joints.
            refuse_contact: hold samples back and drop those around a `contact`.

        Raises:
            DatasetError: the folder holds something else, or another node records into it.
        """
        check_recordable(folder)
        self.folder = folder
        self.recorder: EpisodeRecorder | None = None
        self._make_coverage = make_coverage
        self._filter = ContactFilter() if refuse_contact else None
        self._finished: list[str] = []  # recordings that were added to the dataset since, the last of which may go
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder, os.O_RDONLY)
        except OSError as error:
            raise DatasetError(
                f"dataset {folder} cannot be made ({error.strerror}): choose another folder", path=folder
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise DatasetError(
                f"another node records into {folder}: end it, or choose another dataset", path=folder
            ) from None

    def close(self) -> None:
        """Release the lock on the dataset folder, so that another node can record into it."""
        os.close(self._lock)

    def survey(self) -> None:
        """Read what the dataset holds: its coverage, episodes and length.

        Raises:
            DatasetError: it cannot be read.
        """
        self.coverage: Coverage | None = None
        self.episodes, self.seconds = 0, 0.0
        if not is_dataset(self.folder):
            return
        dataset = load_dataset(self.folder)
        self.coverage = self._make_coverage(dataset.joints)
        self.episodes = len(dataset.episodes)
        for episode in dataset.episodes:
            self.coverage.add(episode.q, episode.qd)
            self.seconds += episode.duration

    def begin(self, dataset: Dataset, name: str = "") -> str:
        """Begin a recording and return its name.

        Args:
            dataset: robot, joints, topic and effort.
            name: of the recording; empty for one made of date and time.

        Raises:
            DatasetError: the dataset is of another robot, or has this recording already.
        """
        coverage = self.coverage or self._make_coverage(dataset.joints)
        self.recorder = EpisodeRecorder(self.folder, dataset, name or self._new_name())
        self.coverage = coverage
        self._last = np.inf
        return self.recorder.name

    def add(self, sample: JointSample) -> None:
        """Record one sample, unless it is near a contact."""
        for free in self._filter.push(sample) if self._filter else (sample,):
            self._record(free)

    def contact(self, t: float) -> None:
        """Note contact at t [s]."""
        if self._filter:
            self._filter.contact(t)

    @property
    def refused(self) -> int:
        """Samples that were not recorded because of contact."""
        return self._filter.refused if self._filter else 0

    def _record(self, sample: JointSample) -> None:
        assert self.recorder and self.coverage
        self.recorder.append(sample)
        if all_plausible(sample.q) and all_plausible(sample.qd):
            self.coverage.add(sample.q, sample.qd)
        self.seconds += sample.t - self._last if 0 < sample.t - self._last <= LONGEST_STEP else 0.0
        self._last = sample.t

    def finish(self) -> str:
        """End the recording, make it part of the dataset, and return a line that says so.

        Raises:
            DatasetError: it cannot be added; it is then kept as a file.
        """
        assert self.recorder
        for sample in self._filter.rest() if self._filter else ():
            self._record(sample)
        recorder, self.recorder = self.recorder, None
        try:
            episodes = recorder.finish()
        except DatasetError:
            self.survey()
            raise
        self._finished.append(recorder.name)
        self.episodes += len(episodes)
        duration = sum(e.duration for e in episodes)
        samples = sum(len(e) for e in episodes)
        pieces = f"{len(episodes)} episode{'s' * (len(episodes) != 1)}"
        return f"{recorder.name}: {samples} samples, {duration:.1f} s, in {pieces}, are in {self.folder}"

    def give_up(self) -> None:
        """Leave the recording as it is, where the disk cannot be written; `recorder.recover` takes it up later."""
        self.recorder = None

    def discard(self) -> str:
        """Discard the current recording, or else the last one finished, and return a line that says which.

        It is moved into a folder of its own.

        Raises:
            DatasetError: there is none, or the dataset cannot be read.
        """
        if self.recorder:
            if self._filter:
                self._filter.rest()
            recorder, self.recorder = self.recorder, None
            name, aside = recorder.name, recorder.move_aside()
        elif self._finished:
            name = self._finished[-1]
            aside = discard_recording(self.folder, name)
            self._finished.pop()
        else:
            raise DatasetError("nothing was recorded since this node was configured, so nothing is discarded")
        self.survey()
        return f"discarded {name}: it was moved to {aside}"

    def _new_name(self) -> str:
        """`rec_20260101_120000`; a second one in the same second ends in `_2`."""
        name = f"rec_{datetime.now():%Y%m%d_%H%M%S}"
        names = chain([name], (f"{name}_{i}" for i in count(2)))
        taken = [path.name for folder in (self.folder, self.folder / DISCARDED) for path in folder.glob(f"{name}*")]
        return next(n for n in names if not any(t.startswith(n) for t in taken))
