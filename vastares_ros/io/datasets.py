"""Datasets on disk: `dataset.yaml` and one Parquet file an episode, and the recorder that fills one live.

Columns are `t` [s] and, per joint, `q_<joint>` [rad], `qd_<joint>` [rad/s], `tau_<joint>` [N·m or A], unfiltered.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from vastares_ros.core.arm import Arm, resolve_arm
from vastares_ros.core.errors import DatasetError, VastaresError
from vastares_ros.core.robot import Effort
from vastares_ros.core.samples import Episode, JointSample
from vastares_ros.core.sampling import MIN_PIECE, cut, measured_rate, same_rate

from .folders import sha256, written_folder
from .robots import known_robot, read_urdf

SCHEMA = 1
INDEX = "dataset.yaml"
DISCARDED = "discarded"  # folder, within a dataset's, of recordings that were dropped from it
_RECORDING = ".recording.arrows"  # suffix of an episode that is being recorded
_KEPT = ".kept.arrows"  # suffix of one that could not be added


@dataclass(frozen=True)
class Dataset:
    """Episodes of one robot, published by one driver, at one rate.

    Attributes:
        robot: name of the robot.
        joints: J joint names as published, the order of every column.
        topic: joint-state topic.
        effort: what published effort meant; the stored tau is already scaled.
        rate: samples per second [Hz].
        episodes: continuous recordings.
        notes: recording name -> what was counted while it was read.
        sha256: hash over all episodes, empty before it is written.
    """

    robot: str
    joints: tuple[str, ...]
    topic: str
    effort: Effort
    rate: float
    episodes: tuple[Episode, ...]
    notes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sha256: str = ""

    def pick(self, names: Sequence[str]) -> tuple[Episode, ...]:
        """The episodes whose name or recording is among `names`.

        Raises:
            DatasetError: a name fits none.
        """
        known = {e.name for e in self.episodes} | {e.recording for e in self.episodes}
        for name in names:
            if name not in known:
                recordings = ", ".join(dict.fromkeys(e.recording for e in self.episodes))
                raise DatasetError(f"no episode {name!r} in the dataset: it has {recordings}")
        return tuple(e for e in self.episodes if e.name in names or e.recording in names)


def write_dataset(path: Path, dataset: Dataset, force: bool = False) -> Dataset:
    """Write a dataset folder; the dataset returned bears its hash.

    Raises:
        OutputError: the folder exists and `force` is not given, or it is not a dataset.
    """
    with written_folder(path, INDEX, force) as folder:
        return _write_into(folder, dataset)


def _write_into(folder: Path, dataset: Dataset) -> Dataset:
    entries: list[dict[str, Any]] = []
    for episode in dataset.episodes:
        file = folder / f"{_file_name(episode.name)}.parquet"
        if not file.exists():
            partial = file.with_suffix(".partial")
            pq.write_table(_table(episode), partial)
            partial.replace(file)
        entries.append(
            {
                "name": episode.name,
                "recording": episode.recording,
                "file": file.name,
                "samples": len(episode),
                "seconds": round(float(episode.t[-1] - episode.t[0]), 3),
                "sha256": sha256(file),
            }
        )
    if twice := {e["file"] for e in entries if sum(e["file"] == other["file"] for other in entries) > 1}:
        raise DatasetError(f"two episodes would be written to {sorted(twice)[0]}: rename one of their recordings")
    total = hashlib.sha256("".join(e["sha256"] for e in entries).encode()).hexdigest()
    effort = asdict(dataset.effort) | {"scale": list(dataset.effort.scale)}
    index = {
        "schema": SCHEMA,
        "robot": dataset.robot,
        "joints": list(dataset.joints),
        "topic": dataset.topic,
        "effort": effort,
        "rate_hz": dataset.rate,
        "episodes": entries,
        "notes": {name: dict(notes) for name, notes in dataset.notes.items()},
        "sha256": total,
    }
    partial = folder / (INDEX + ".partial")
    partial.write_text(yaml.safe_dump(index, sort_keys=False, allow_unicode=True), encoding="utf-8")
    partial.replace(folder / INDEX)
    return replace(dataset, sha256=total)


def dataset_arm(dataset: Dataset, urdf: Path | None = None) -> Arm:
    """The arm that a dataset was recorded from, by the rule of `core.arm.resolve_arm`.

    Args:
        dataset: its robot is looked up, and its joints in the URDF.
        urdf: file to take instead of the robot's URDF.

    Raises:
        RobotError: the file cannot be read, none is given where the robot has none, or it lacks a joint.
    """
    text = read_urdf(urdf) if urdf else ""
    gravity = not dataset.effort.gravity_compensated
    robot = known_robot(dataset.robot)
    return resolve_arm(dataset.joints, robot, text, gravity=gravity, robot_name=dataset.robot)


def _file_name(episode: str) -> str:
    return re.sub(r"[^\w.-]+", "_", episode)


def _table(episode: Episode) -> pa.Table:
    columns = {"t": episode.t}
    for prefix, values in (("q", episode.q), ("qd", episode.qd), ("tau", episode.tau)):
        columns |= {f"{prefix}_{joint}": values[:, j] for j, joint in enumerate(episode.joints)}
    return pa.table(columns)


def is_dataset(path: Path) -> bool:
    """Whether a folder calls itself a dataset."""
    return (path / INDEX).is_file()


def load_dataset(path: Path) -> Dataset:
    """Read a dataset folder.

    Raises:
        DatasetError: it is missing, foreign, damaged or of another version.
    """
    if not path.exists():
        raise DatasetError(f"{path} does not exist: make it with `vastares prepare BAG… -o {path}`")
    if not is_dataset(path):
        raise DatasetError(f"{path} is not a dataset (no {INDEX} in it): make one with `vastares prepare`")
    try:
        index = yaml.safe_load((path / INDEX).read_text(encoding="utf-8"))
        if not isinstance(index, Mapping):
            raise DatasetError(f"{path / INDEX} holds no fields: prepare it anew")
        if index["schema"] != SCHEMA:
            raise DatasetError(
                f"{path / INDEX}: schema is {index['schema']}, this version reads {SCHEMA}: prepare it anew"
            )
        joints = tuple(index["joints"])
        effort = Effort(**(index["effort"] | {"scale": tuple(index["effort"]["scale"])}))
        episodes = tuple(_read_episode(path, entry, joints) for entry in index["episodes"])
        head = (index["robot"], joints, index["topic"], effort, float(index["rate_hz"]))
        return Dataset(*head, episodes, index.get("notes", {}), index["sha256"])
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path / INDEX} is not valid YAML ({_first_line(error)}): prepare it anew") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{path / INDEX}: field missing or wrong ({_first_line(error)}): prepare it anew") from error


def _read_episode(path: Path, entry: Mapping[str, Any], joints: tuple[str, ...]) -> Episode:
    file = path / entry["file"]
    if not file.is_file():
        raise DatasetError(f"{file} is missing: the dataset is not whole, prepare it anew")
    if sha256(file) != entry["sha256"]:
        raise DatasetError(f"{file} was altered after it was written: prepare the dataset anew")
    return _episode(entry["name"], entry["recording"], joints, pq.read_table(file))


def _episode(name: str, recording: str, joints: tuple[str, ...], table: pa.Table) -> Episode:
    def stack(prefix: str) -> np.ndarray:
        return np.stack([table[f"{prefix}_{joint}"].to_numpy() for joint in joints], axis=1)

    return Episode(name, joints, table["t"].to_numpy(), stack("q"), stack("qd"), stack("tau"), recording)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


class EpisodeRecorder:
    """Appends live samples to a dataset folder so that a crash loses only what was not yet flushed.

    Samples go to an Arrow stream beside the episodes; `finish` turns it into episodes of the dataset. A stream that was
    cut off is taken up by `recover`.
    """

    def __init__(self, folder: Path, dataset: Dataset, name: str):
        """Record the episode `name`; `dataset` says robot, joints, topic and effort (its episodes do not count).

        Raises:
            DatasetError: the folder holds something else, a dataset of another robot, or this episode already.
        """
        self._folder, self._dataset, self.name = folder, dataset, name
        self.samples = 0
        check_recordable(folder)
        if is_dataset(folder):
            _check_same(folder, load_dataset(folder), dataset, name)
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{_file_name(name)}{_RECORDING}"
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
        """Hand everything so far to the operating system: a killed process loses nothing of it."""
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
        self._close()
        return _adopt(self._folder, self._path)

    def discard(self) -> Path:
        """End the recording and move it aside, into a dataset folder of its own, which is returned.

        What holds no usable piece is kept there as the stream that it is.
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


def recover(folder: Path) -> tuple[Episode, ...]:
    """Make recordings that were cut off part of their dataset.

    Raises:
        DatasetError: some hold no usable piece or do not fit; they are then kept as files, and all others recovered.
    """
    episodes: list[Episode] = []
    problems = []
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


def discard(folder: Path, recording: str) -> Path:
    """Take a recording out of a dataset and move it aside, into a dataset folder of its own, which is returned.

    A dataset without recordings is none: its index goes with the last.

    Raises:
        DatasetError: the dataset cannot be read, or has no such recording.
    """
    old = load_dataset(folder)
    dropped = old.pick([recording])
    left = tuple(e for e in old.episodes if all(e is not other for other in dropped))
    aside = _aside(folder, recording)
    _write_into(aside, replace(old, episodes=dropped, notes=_notes(old, dropped)))
    if left:
        _write_into(folder, replace(old, episodes=left, notes=_notes(old, left)))
    else:
        (folder / INDEX).unlink()
    for episode in dropped:  # last, so that being cut off before loses nothing
        (folder / f"{_file_name(episode.name)}.parquet").unlink()
    return aside


def _notes(dataset: Dataset, episodes: Sequence[Episode]) -> Mapping[str, Mapping[str, Any]]:
    return {e.recording: dataset.notes[e.recording] for e in episodes if e.recording in dataset.notes}


def _aside(folder: Path, recording: str) -> Path:
    """A new folder for a recording that is dropped; `_2` and so on where one of that name was dropped before."""
    name = _file_name(recording)
    names = chain([name], (f"{name}_{i}" for i in count(2)))
    aside = next(path for path in (folder / DISCARDED / n for n in names) if not path.exists())
    aside.mkdir(parents=True)
    return aside


def check_recordable(folder: Path) -> None:
    """Refuse a folder that holds something else than recordings.

    Raises:
        DatasetError: it does.
    """
    if is_dataset(folder) or not folder.is_dir():
        return
    if not all(p.name == DISCARDED or p.name.endswith((_RECORDING, _KEPT)) for p in folder.iterdir()):
        raise DatasetError(f"{folder} holds other files and no {INDEX}: choose another folder for the dataset")


def _check_same(folder: Path, old: Dataset, new: Dataset, name: str) -> None:
    for what in ("robot", "joints", "topic", "effort"):
        if getattr(old, what) != getattr(new, what):
            raise DatasetError(
                f"{folder} is of {what} {getattr(old, what)}, not {getattr(new, what)}: choose another folder"
            )
    if name in {e.recording for e in old.episodes}:
        raise DatasetError(f"{folder} holds a recording {name!r} already: choose another name")


def _adopt(folder: Path, path: Path) -> tuple[Episode, ...]:
    batches = []
    try:
        with pa.ipc.open_stream(path) as stream:
            head = yaml.safe_load(stream.schema.metadata[b"vastares"])
            with suppress(pa.ArrowInvalid, OSError):  # a crash cuts off the last batch; all before it are whole
                batches.extend(stream)
        table = pa.Table.from_batches(batches, stream.schema)
        joints = tuple(head["joints"])
        raw = np.stack([column.to_numpy() for column in table.columns], axis=1)
    except (pa.ArrowInvalid, OSError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} is not a recording ({_first_line(error)}): move it away") from error
    whole = raw[np.isfinite(raw).all(axis=1)]
    t, (q, qd, tau) = whole[:, 0], np.split(whole[:, 1:], 3, axis=1)
    try:
        rate = round(measured_rate(t), 3)
        episodes, cuts = cut(head["name"], joints, rate, t, q, qd, tau)
        if not episodes:
            raise DatasetError(f"no continuous piece of {MIN_PIECE:g} s in {len(raw)} samples")
        old = load_dataset(folder) if is_dataset(folder) else None
        if old and not same_rate(rate, old.rate):
            raise DatasetError(f"recorded at {rate:g} Hz, the dataset has {old.rate:g} Hz")
    except VastaresError as error:
        kept = path.with_name(path.name.removesuffix(_RECORDING) + _KEPT)
        path.replace(kept)
        raise DatasetError(
            f"recording {head['name']!r} is not added to the dataset: {error}. It is kept as {kept}"
        ) from error
    effort = Effort(**(head["effort"] | {"scale": tuple(head["effort"]["scale"])}))
    new = Dataset(head["robot"], joints, head["topic"], effort, old.rate if old else rate, episodes)
    notes = {head["name"]: {"rate": rate, "nan": len(raw) - len(whole), **asdict(cuts)}}
    if old:
        new = replace(new, episodes=old.episodes + new.episodes, notes={**old.notes, **notes})
    else:
        new = replace(new, notes=notes)
    _write_into(folder, new)
    path.unlink()
    return episodes
