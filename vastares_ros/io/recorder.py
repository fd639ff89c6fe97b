# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Live samples → a dataset folder: streamed to disk while they come, made episodes when the recording ends.

A recording is an Arrow stream beside the episodes until `EpisodeRecorder.finish`, so that a crash loses only what was
not yet flushed; `recover` takes up a stream that was cut off. What is discarded moves to a dataset folder of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from vastares_ros.core.errors import DatasetError, VastaresError, one_line
from vastares_ros.core.robot import Effort
from vastares_ros.core.samples import Episode, JointSample, plausible
from vastares_ros.core.sampling import MIN_PIECE, RATE_TOLERANCE, cut, measured_rate, same_rate, two_publishers

from .configs import parse_yaml
from .datasets import INDEX, Dataset, file_name, is_dataset, load_dataset, write_into
from .folders import PARTIAL

DISCARDED = "discarded"  # folder, within a dataset's, of recordings that were dropped from it
_RECORDING = ".recording.arrows"  # suffix of an episode that is being recorded
_KEPT = ".kept.arrows"  # suffix of one that could not be added


class EpisodeRecorder:
    """Appends the samples of one recording to a stream in a dataset folder."""

    def __init__(self, folder: str | Path, dataset: Dataset, name: str):
        """Record the episode `name`; `dataset` says robot, joints, topic and effort (its episodes do not count).

        Raises:
            DatasetError: the folder holds something else, a dataset of another robot, or this episode already.
        """
        folder = Path(folder)
        self._folder, self.name = folder, name
        self.samples = 0
        check_recordable(folder)
        if is_dataset(folder):
            _check_same(folder, load_dataset(folder), dataset, name)
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{file_name(name)}{_RECORDING}"
        fields = [pa.field("t", pa.float64())]
        fields += [pa.field(f"{p}_{j}", pa.float64()) for p in ("q", "qd", "tau") for j in dataset.joints]
        head: dict[str, Any] = {
            "name": name,
            "robot": dataset.robot,
            "joints": list(dataset.joints),
            "topic": dataset.topic,
        }
        head |= {"effort": asdict(dataset.effort) | {"scale": list(dataset.effort.scale)}}
        self._schema = pa.schema(fields, metadata={"vastares": yaml.safe_dump(head, allow_unicode=True)})
        self._file = self._path.open("xb")
        self._stream = pa.ipc.new_stream(self._file, self._schema)
        self._file.flush()
        self._rows: list[np.ndarray] = []

    def append(self, sample: JointSample) -> None:
        """Take one sample; it is on disk after the next `flush`."""
        self._rows.append(np.concatenate([[sample.t], sample.q, sample.qd, sample.tau]))
        self.samples += 1

    def flush(self) -> None:
        """Hand everything so far to the operating system, so that a killed process does not lose it."""
        if self._rows:
            columns = np.stack(self._rows, axis=1)
            self._stream.write_batch(pa.record_batch(list(columns), schema=self._schema))
            self._file.flush()
            self._rows = []

    def finish(self) -> tuple[Episode, ...]:
        """End the recording and make it part of the dataset.

        Returns:
            The episodes it was cut into.

        Raises:
            DatasetError: it holds no usable piece, or another rate than the dataset; the stream is then kept as a file.
        """
        try:
            self._close()
        except OSError as error:
            raise _not_written(self.name, self._folder, self._path, error) from error
        return _adopt(self._folder, self._path)

    def move_aside(self) -> Path:
        """End the recording and move it aside, into a dataset folder of its own, which is returned.

        Where it holds no usable piece, the stream is kept there instead.
        """
        self._close()
        aside = _aside(self._folder, self.name)
        path = self._path.replace(aside / self._path.name)
        with suppress(DatasetError):
            _adopt(aside, path)
        return aside

    def _close(self) -> None:
        self.flush()
        self._stream.close()
        self._file.close()


def recover(folder: str | Path) -> tuple[Episode, ...]:
    """Make recordings that were cut off part of their dataset.

    Returns:
        The episodes they were cut into.

    Raises:
        DatasetError: some hold no usable piece or do not fit; they are then kept as files, and all others recovered.
    """
    episodes: list[Episode] = []
    problems = []
    folder = Path(folder)
    for path in sorted(folder.glob(f"*{_RECORDING}")):
        if not path.stat().st_size:  # cut off before its first flush
            path.unlink()
            continue
        try:
            episodes += _adopt(folder, path)
        except DatasetError as error:
            problems.append(str(error))
    if problems:
        raise DatasetError("; ".join(problems))
    return tuple(episodes)


def discard_recording(folder: str | Path, recording: str) -> Path:
    """Move a recording out of a dataset, into a dataset folder of its own, which is returned.

    The index goes with the last recording: an empty dataset is none.

    Raises:
        DatasetError: the dataset cannot be read, or has no such recording.
    """
    folder = Path(folder)
    old = load_dataset(folder)
    dropped = old.pick([recording])
    left = tuple(e for e in old.episodes if all(e is not other for other in dropped))
    aside = _aside(folder, recording)
    write_into(aside, replace(old, episodes=dropped, notes=_notes(old, dropped)))
    if left:
        write_into(folder, replace(old, episodes=left, notes=_notes(old, left)))
    else:
        (folder / INDEX).unlink()
    for episode in dropped:  # last, so that being cut off before loses nothing
        (folder / f"{file_name(episode.name)}.parquet").unlink()
    return aside


def _notes(dataset: Dataset, episodes: Sequence[Episode]) -> Mapping[str, Mapping[str, Any]]:
    return {e.recording: dataset.notes[e.recording] for e in episodes if e.recording in dataset.notes}


def _aside(folder: Path, recording: str) -> Path:
    """A new folder for a recording that is dropped; `_2` and so on where one of that name was dropped before."""
    name = file_name(recording)
    names = chain([name], (f"{name}_{i}" for i in count(2)))
    aside = next(path for path in (folder / DISCARDED / n for n in names) if not path.exists())
    aside.mkdir(parents=True)
    return aside


def check_recordable(folder: Path) -> None:
    """Check that a folder can be recorded into: it is a dataset, holds recordings, or does not exist.

    Raises:
        DatasetError: it holds something else.
    """
    if is_dataset(folder) or not folder.is_dir():
        return
    names = [path.name for path in folder.iterdir()]
    ours: tuple[str, ...] = (_RECORDING, _KEPT, PARTIAL)
    if any(name.endswith(_RECORDING) for name in names):
        ours += (".parquet",)  # of a recording that was cut off while it was added; its stream is still there
    if not all(name == DISCARDED or name.endswith(ours) for name in names):
        raise DatasetError(
            f"{folder} holds other files and no {INDEX}: choose another folder for the dataset", path=folder
        )


def _check_same(folder: Path, old: Dataset, new: Dataset, name: str) -> None:
    for what in ("robot", "joints", "topic", "effort"):
        if getattr(old, what) != getattr(new, what):
            raise DatasetError(
                f"{folder} is of {what} {getattr(old, what)}, not {getattr(new, what)}: choose another folder",
                path=folder,
                field=what,
                value=getattr(new, what),
            )
    if name in {e.recording for e in old.episodes}:
        raise DatasetError(f"{folder} holds a recording {name!r} already: choose another name", recording=name)


def _adopt(folder: Path, path: Path) -> tuple[Episode, ...]:
    """Cut the stream at `path` into episodes of the dataset in `folder`, and remove it."""
    batches = []
    try:
        with pa.ipc.open_stream(path) as stream:
            head = parse_yaml(stream.schema.metadata[b"vastares"])
            with suppress(pa.ArrowInvalid, OSError):  # a crash cuts off the last batch; all before it are whole
                batches.extend(stream)
        table = pa.Table.from_batches(batches, stream.schema)
        joints = tuple(head["joints"])
        raw = np.stack([column.to_numpy() for column in table.columns], axis=1)
    except (pa.ArrowInvalid, OSError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} is not a recording ({one_line(error)}): move it away", path=path) from error
    whole = raw[np.isfinite(raw[:, 0]) & plausible(raw[:, 1:]).all(axis=1)]
    t, (q, qd, tau) = whole[:, 0], np.split(whole[:, 1:], 3, axis=1)
    try:
        rate = round(measured_rate(t), 3)
        if count := two_publishers(t, q, rate):
            raise DatasetError(
                f"two publishers seem to publish the same joints ({count} of {len(t)} positions do not follow)"
            )
        episodes, cuts = cut(head["name"], joints, rate, t, q, qd, tau)
        if not episodes:
            raise DatasetError(f"no continuous piece of {MIN_PIECE:g} s in {len(raw)} samples")
        old = load_dataset(folder) if is_dataset(folder) else None
        if old and any(e.recording == head["name"] for e in old.episodes):
            there = [e for e in old.episodes if e.recording == head["name"]]
            if len(there) != len(episodes) or not all(map(_same, there, episodes)):
                raise DatasetError("the dataset holds another recording of this name")
            path.unlink()  # it was added, and cut off right after that
            return tuple(there)
        if old and not same_rate(rate, old.rate):
            raise DatasetError(
                f"recorded at {rate:g} Hz, the dataset has {old.rate:g} Hz",
                value=rate,
                lower=old.rate * (1 - RATE_TOLERANCE),
                upper=old.rate * (1 + RATE_TOLERANCE),
            )
    except VastaresError as error:
        kept = path.with_name(path.name.removesuffix(_RECORDING) + _KEPT)
        path.replace(kept)
        raise DatasetError(
            f"recording {head['name']!r} is not added to the dataset: {error}. It is kept as {kept}",
            **error.about | {"recording": head["name"], "path": kept},
        ) from error
    effort = Effort(**(head["effort"] | {"scale": tuple(head["effort"]["scale"])}))
    new = Dataset(head["robot"], joints, head["topic"], effort, old.rate if old else rate, episodes)
    notes = {head["name"]: {"rate": rate, "nan": len(raw) - len(whole), **asdict(cuts)}}
    if old:
        new = replace(new, episodes=old.episodes + new.episodes, notes={**old.notes, **notes})
    else:
        new = replace(new, notes=notes)
    try:
        write_into(folder, new)
    except (OSError, pa.ArrowException) as error:
        raise _not_written(head["name"], folder, path, error) from error
    path.unlink()
    return episodes


def _same(a: Episode, b: Episode) -> bool:
    """Whether two episodes hold the same samples."""
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("t", "q", "qd", "tau"))


def _not_written(name: str, folder: Path, path: Path, error: Exception) -> DatasetError:
    """A full disk, for one: the stream stays where `recover` finds it."""
    return DatasetError(
        f"recording {name!r} is not added to the dataset yet: {folder} cannot be written ({one_line(error)}): free "
        f"some space. It is kept as {path}, and is added when the node is configured again",
        recording=name,
        path=path,
    )
