# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Datasets on disk: `dataset.yaml` and one Parquet file an episode.

Columns are `t` [s] and, per joint, `q_<joint>` [rad], `qd_<joint>` [rad/s], `tau_<joint>` [N·m or A], unfiltered.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from vastares_ros.core.arm import Arm, resolve_arm
from vastares_ros.core.errors import DatasetError, OutputError, one_line
from vastares_ros.core.robot import Effort
from vastares_ros.core.samples import Episode, plausible
from vastares_ros.core.scratch import BLOCK, Growing, blocks

from .configs import load_yaml
from .folders import check_unpacked, sha256, written_file, written_folder
from .robots import known_robot, load_robot, read_urdf

SCHEMA = 1
INDEX = "dataset.yaml"
ROW_GROUP = 2**17  # samples in a row group of a Parquet file: what is in memory at once


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
                raise DatasetError(f"no episode {name!r} in the dataset: it has {recordings}", recording=name)
        return tuple(e for e in self.episodes if e.name in names or e.recording in names)


def write_dataset(path: str | Path, dataset: Dataset, force: bool = False) -> Dataset:
    """Write a dataset folder; the dataset returned bears its hash.

    Raises:
        OutputError: the folder exists and `force` is not given, or it is not a dataset.
    """
    with written_folder(Path(path), INDEX, force) as folder:
        return write_into(folder, dataset)


def write_into(folder: Path, dataset: Dataset) -> Dataset:
    """Write the index and those episodes that have no file yet into a folder; return the dataset with its hash.

    Raises:
        DatasetError: two episodes would have the same file.
    """
    writer = DatasetWriter(folder)
    for episode in dataset.episodes:
        writer.add(episode)
    return writer.finish(dataset)


class DatasetWriter:
    """Writes a dataset into a folder episode by episode, so that only one of them is needed at a time.

    Attributes:
        episodes: that were added.
        samples: in them.
    """

    def __init__(self, folder: Path):
        """Write into a folder; an episode that its index lists, and whose file is whole, is not written again."""
        self._folder = folder
        index = load_yaml(folder / INDEX) if is_dataset(folder) else {}
        self._whole = {entry["file"]: entry["sha256"] for entry in index.get("episodes", ())}
        self._entries: list[dict[str, Any]] = []
        self.episodes = self.samples = 0

    def add(self, episode: Episode) -> None:
        """Write the file of an episode, unless it is there."""
        file = self._folder / f"{file_name(episode.name)}.parquet"
        digest = sha256(file) if file.name in self._whole and file.is_file() else ""
        if not digest or digest != self._whole[file.name]:
            schema = _table(episode, slice(0, 0)).schema
            with (
                written_file(file) as partial,
                pq.ParquetWriter(partial, schema, use_dictionary=False) as writer,  # numbers hardly repeat
            ):
                for rows in blocks(len(episode), ROW_GROUP):
                    writer.write_table(_table(episode, rows))
            digest = sha256(file)
        self._entries.append(
            {
                "name": episode.name,
                "recording": episode.recording,
                "file": file.name,
                "samples": len(episode),
                "seconds": round(episode.duration, 3),
                "sha256": digest,
            }
        )
        self.episodes += 1
        self.samples += len(episode)

    def finish(self, dataset: Dataset) -> Dataset:
        """Write the index, and return the dataset with its hash; the episodes are those that were added.

        Raises:
            DatasetError: two episodes have the same file.
        """
        entries = self._entries
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
        with written_file(self._folder / INDEX) as partial:
            partial.write_text(yaml.safe_dump(index, sort_keys=False, allow_unicode=True), encoding="utf-8")
        return replace(dataset, sha256=total)


def dataset_arm(dataset: Dataset, urdf: str | Path | None = None, robot: str | Path | None = None) -> Arm:
    """The arm that a dataset was recorded from, by the rule of `core.arm.resolve_arm`.

    Args:
        dataset: its robot is looked up, and its joints in the URDF.
        urdf: file to take instead of the robot's URDF.
        robot: name or YAML file of the robot; by default the dataset's robot in the package.

    Raises:
        RobotError: the file cannot be read, none is given where the robot has none, or it lacks a joint.
    """
    text = read_urdf(urdf) if urdf else ""
    gravity = not dataset.effort.gravity_compensated
    known = load_robot(robot) if robot else known_robot(dataset.robot)
    return resolve_arm(dataset.joints, known, text, gravity=gravity, robot_name=dataset.robot)


def file_name(episode: str) -> str:
    """The name of an episode without the characters that a file name may not have."""
    return re.sub(r"[^\w.-]+", "_", episode)


def _table(episode: Episode, rows: slice) -> pa.Table:
    columns = {"t": episode.t[rows]}
    for prefix, values in (("q", episode.q), ("qd", episode.qd), ("tau", episode.tau)):
        columns |= {f"{prefix}_{joint}": values[rows, j] for j, joint in enumerate(episode.joints)}
    return pa.table(columns)


def is_dataset(path: str | Path) -> bool:
    """Whether a folder has the index of a dataset."""
    return Path(path, INDEX).is_file()


def load_dataset(path: str | Path) -> Dataset:
    """Read a dataset folder; of a large one the arrays are in files, see `core.scratch`.

    Raises:
        DatasetError: it is missing, foreign, damaged or of another version.
    """
    path = Path(path)
    if not path.exists():
        raise DatasetError(f"{path} does not exist: make it with `vastares prepare BAG… -o {path}`", path=path)
    if not is_dataset(path):
        raise DatasetError(f"{path} is not a dataset (no {INDEX} in it): make one with `vastares prepare`", path=path)
    try:
        index = load_yaml(path / INDEX)
        if not isinstance(index, Mapping):
            raise DatasetError(f"{path / INDEX} holds no fields: prepare it anew", path=path / INDEX)
        if index["schema"] != SCHEMA:
            raise DatasetError(
                f"{path / INDEX}: schema is {index['schema']}, this version reads {SCHEMA}: prepare it anew",
                path=path,
                field="schema",
                value=index["schema"],
            )
        joints = tuple(index["joints"])
        if not joints or len(set(joints)) < len(joints) or not all(isinstance(joint, str) for joint in joints):
            raise ValueError(f"joints is {index['joints']!r:.80}, which are no different names")
        if not 0 < float(index["rate_hz"]) < np.inf:
            raise ValueError(f"rate_hz is {index['rate_hz']}")
        if not isinstance(index.get("notes", {}), Mapping):
            raise ValueError("notes must be a mapping")
        effort = Effort(**(index["effort"] | {"scale": tuple(index["effort"]["scale"])}))
        episodes = _read_episodes(path, index["episodes"], joints)
        head = (index["robot"], joints, index["topic"], effort, float(index["rate_hz"]))
        return Dataset(*head, episodes, index.get("notes", {}), index["sha256"])
    except yaml.YAMLError as error:
        raise DatasetError(
            f"{path / INDEX} is not valid YAML ({one_line(error)}): prepare it anew", path=path / INDEX
        ) from error
    except (DatasetError, OutputError):
        raise
    except Exception as error:  # whatever comes of fields that a stranger wrote
        raise DatasetError(
            f"{path / INDEX}: field missing or wrong ({one_line(error):.300}): prepare it anew", path=path / INDEX
        ) from error


def _read_parquet(
    file: Path, samples: int, names: Mapping[str, Sequence[str]], t: Growing, values: Mapping[str, Growing]
) -> None:
    """Append the samples of a file to t and to the values of each prefix, whose columns have these names."""
    with pq.ParquetFile(file, pre_buffer=False) as parquet:  # a buffer would hold the whole file in the end
        wanted, rows = ["t", *chain.from_iterable(names.values())], parquet.metadata.num_rows
        if rows != samples:
            raise DatasetError(f"{file} has {rows} samples, and {samples} by {INDEX}: prepare it anew", path=file)
        check_unpacked(file, rows * len(wanted) * 8)
        for name in wanted:
            if not pa.types.is_floating(kind := parquet.schema_arrow.field(name).type):
                raise DatasetError(f"{file}: column {name} holds {kind}, not numbers: prepare it anew", path=file)
        for batch in parquet.iter_batches(BLOCK):
            stamps = batch["t"].to_numpy(zero_copy_only=False)
            if not np.isfinite(stamps).all():
                raise DatasetError(f"{file} has a stamp that is no number: prepare it anew", path=file)
            t.append(stamps)
            for prefix, columns in names.items():
                part = np.stack([batch[name].to_numpy(zero_copy_only=False) for name in columns], axis=1)
                absurd = ~(plausible(part) | np.isnan(part)).all(axis=0)
                if absurd.any():
                    raise DatasetError(
                        f"{file}: {columns[absurd.argmax()]} has an absurd value: prepare it anew", path=file
                    )
                values[prefix].append(part)


def _read_episodes(path: Path, entries: Sequence[Mapping[str, Any]], joints: tuple[str, ...]) -> tuple[Episode, ...]:
    """The episodes of a dataset, whose arrays are parts of one for each of t, q, qd and tau."""
    names = {prefix: [f"{prefix}_{joint}" for joint in joints] for prefix in ("q", "qd", "tau")}
    t, values = Growing(), {prefix: Growing((len(joints),)) for prefix in names}
    ends = [0]
    for entry in entries:
        file = path / entry["file"]
        if not (isinstance(entry["name"], str) and isinstance(entry["recording"], str)):
            raise ValueError("the name of an episode or of its recording is no text")
        if Path(entry["file"]).name != entry["file"]:
            raise DatasetError(f"{path / INDEX}: file {entry['file']!r:.80} is not in the folder: prepare it anew")
        if not file.is_file():
            raise DatasetError(f"{file} is missing: the dataset is not whole, prepare it anew", path=file)
        if sha256(file) != entry["sha256"]:
            raise DatasetError(f"{file} was altered after it was written: prepare the dataset anew", path=file)
        try:
            _read_parquet(file, int(entry["samples"]), names, t, values)
        except (OSError, pa.ArrowException, KeyError) as error:
            raise DatasetError(f"{file} is damaged ({one_line(error):.300}): prepare it anew", path=file) from error
        ends.append(len(t))
    times, (q, qd, tau) = t.array(), (values[prefix].array() for prefix in names)
    episodes = []
    for entry, (start, end) in zip(entries, pairwise(ends), strict=True):
        s = slice(start, end)
        episodes.append(Episode(entry["name"], joints, times[s], q[s], qd[s], tau[s], entry["recording"]))
    return tuple(episodes)
