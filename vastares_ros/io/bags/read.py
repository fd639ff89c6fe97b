# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A bag file → the columns of its JointState topics, and the `Recording` of one arm cut from them.

Reads ROS 1 `.bag`, rosbag2 sqlite3 and MCAP, in a folder with metadata.yaml or bare, through `rosbags`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Connection
from rosbags.rosbag1 import Reader as Ros1Reader
from rosbags.rosbag2 import Reader as Ros2Reader
from rosbags.rosbag2.reader import DirectoryReader
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Reader

from vastares_ros.core.errors import BagError, VastaresError, one_line
from vastares_ros.core.joints import JointAssembler, columns, field
from vastares_ros.core.samples import Array, Episode, plausible, seconds
from vastares_ros.core.sampling import MAX_GAP, MIN_PIECE, cut, measured_rate, two_publishers
from vastares_ros.core.scratch import Growing, blocks, empty
from vastares_ros.io.configs import load_yaml
from vastares_ros.io.formats import DEFAULT_TOPIC
from vastares_ros.io.joint_state_layout import FIELDS

from .decode import JOINT_STATE, Collector, JointStates, MessageTable, in_order, iter_messages
from .mcap_chunks import chunk_messages, mcap_storages, unpacked

CHUNK = 2**14  # messages that are decoded at once
CHUNK_BYTES = 2**26  # of them, or little more
_SQLITE_LIMIT_LENGTH = 0  # number of the limit of sqlite3
LARGEST_MESSAGE = 2**24  # bytes; joint states of a robot have a thousand

_REPAIR = {".bag": "rosbag reindex", ".mcap": "mcap recover", ".db3": "sqlite3's .recover"}

Reader = Ros1Reader | Ros2Reader


class _Quoted(type(Path())):  # type: ignore[misc]
    """A path in which nothing is taken for a part of a URI: that is how rosbags opens sqlite3 files, by an f-string."""

    def __format__(self, spec: str) -> str:
        return str(self).translate({ord(c): f"%{ord(c):02x}" for c in "?#%"})


@dataclass(frozen=True)
class Recording:
    """The samples of the arm in one bag: continuous episodes, and the count of what is left out.

    Every message is counted once: `messages = foreign + incomplete + nan + repeats + short + samples`.

    Attributes:
        name: stem of the file, or name of the folder.
        path: the bag.
        topic: the topic.
        joints: J joint names, the order of every column.
        episodes: continuous pieces of at least `MIN_PIECE` seconds.
        rate: measured sample rate [Hz].
        time_source: "header", or "receive" where header stamps are absent or constant.
        messages: on the topic.
        foreign: messages that hold none of the joints.
        incomplete: partial messages that did not complete a sample.
        nan: samples dropped because a value was missing, or not plausible.
        repeats: samples dropped because they repeat the stamp before.
        short: samples dropped because their piece is too short.
        jumps: backward jumps of the clock.
        gaps: steps above `MAX_GAP` periods.
        notes: what else a user should know, one line each.
    """

    name: str
    path: Path
    topic: str
    joints: tuple[str, ...]
    episodes: tuple[Episode, ...]
    rate: float
    time_source: str
    messages: int
    foreign: int
    incomplete: int
    nan: int
    repeats: int
    short: int
    jumps: int
    gaps: int
    notes: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        """Samples in all episodes."""
        return sum(len(e) for e in self.episodes)

    def lines(self) -> list[str]:
        """Lines for people: what was read, left out and split, and why."""
        duration = sum(e.duration for e in self.episodes)
        pieces = f"{len(self.episodes)} piece" + "s" * (len(self.episodes) > 1)
        found = f"{self.messages} messages on {self.topic}: {self.samples} samples at {self.rate:.1f} Hz"
        lines = [f"{self.name}: {found} in {pieces} ({duration:.1f} s)"]
        dropped = {
            "messages of other joints": self.foreign,
            "partial messages merged into the next sample": self.incomplete,
            "samples with a missing, non-finite or absurd value": self.nan,
            "samples that repeat a stamp": self.repeats,
            f"samples in pieces shorter than {MIN_PIECE:g} s": self.short,
        }
        split = {
            f"gaps above {MAX_GAP:g} periods": self.gaps,
            "backward jumps of the clock": self.jumps,
        }
        for verb, counts in (("left out", dropped), ("split at", split)):
            if text := ", ".join(f"{n} {what}" for what, n in counts.items() if n):
                lines.append(f"{self.name}: {verb} {text}")
        if self.time_source == "receive":
            lines.append(f"{self.name}: header stamps are absent or constant: time is the recorder's receive time")
        return lines + [f"{self.name}: {note}" for note in self.notes]


def joint_state_topics(path: str | Path) -> dict[str, int]:
    """Topics of a bag that hold JointState, with their message counts.

    Raises:
        BagError: the bag cannot be read.
    """
    with _open(Path(path)) as (reader, _):
        return _topics(reader)


def all_topics(path: str | Path) -> dict[str, str]:
    """Topics of a bag and the types of their messages.

    Raises:
        BagError: the bag cannot be read.
    """
    with _open(Path(path)) as (reader, _):
        return {connection.topic: str(connection.msgtype) for connection in reader.connections}


@dataclass(frozen=True)
class JointStateFacts:
    """What a JointState topic holds under one set of K joint names.

    Attributes:
        topic: the topic.
        joints: K names as published.
        messages: with these names.
        rate: messages per second [Hz]; NaN where there are fewer than two different stamps.
        duration: from the first message to the last [s].
        effort: lowest and highest effort of each joint, shape (2, K) [as published]; NaN where there is none.
    """

    topic: str
    joints: tuple[str, ...]
    messages: int
    rate: float
    duration: float
    effort: Array


@dataclass(frozen=True)
class BagFacts:
    """What a bag holds.

    Attributes:
        joint_states: of its JointState topics, one for each topic and set of names.
        others: topic → message type and count of messages of all other topics, wrenches among them.
        notes: what a user should know about the file, one line each.
    """

    joint_states: tuple[JointStateFacts, ...]
    others: Mapping[str, tuple[str, int]]
    notes: tuple[str, ...]


def bag_facts(path: str | Path) -> BagFacts:
    """Read what a bag holds: topics, and joints, rate, duration and effort of its joint states.

    Raises:
        BagError: the bag cannot be read.
    """
    with _open(Path(path)) as (reader, notes):
        topics = _topics(reader)
        others: dict[str, tuple[str, int]] = {}
        for c in reader.connections:
            if c.msgtype != JOINT_STATE:
                others[c.topic] = str(c.msgtype), others.get(c.topic, ("", 0))[1] + c.msgcount
    facts: list[JointStateFacts] = []
    for topic, count in topics.items():
        tables = read_joint_states(path, topic).tables if count else ()
        facts += [_facts(topic, [t for t in tables if t.names == names]) for names in {t.names: None for t in tables}]
        if not tables:
            facts.append(JointStateFacts(topic, (), 0, np.nan, 0.0, np.empty((2, 0))))
    return BagFacts(tuple(facts), others, notes)


def _facts(topic: str, tables: Sequence[MessageTable]) -> JointStateFacts:
    """Facts of messages with the same names, in bag order within each table."""
    names = tables[0].names
    stamps, received = (np.concatenate([getattr(t, c) for t in tables]) for c in ("stamp_ns", "receive_ns"))
    order = np.argsort(received, kind="stable")
    t = seconds((received if (stamps == stamps[0]).all() else stamps)[order])
    rate = measured_rate(t) if (np.diff(t) > 0).any() else np.nan
    effort = np.concatenate([x.effort if x.effort.shape[1] else np.full((len(x), len(names)), np.nan) for x in tables])
    effort = np.where(np.isfinite(effort), effort, np.nan)
    low, high = np.fmin.reduce(effort), np.fmax.reduce(effort)
    return JointStateFacts(topic, names, len(t), rate, float(np.ptp(t)), np.stack([low, high]))


def read_joint_states(path: str | Path, topic: str = DEFAULT_TOPIC) -> JointStates:
    """Read every message of a JointState topic.

    Raises:
        BagError: the bag cannot be read, or holds no JointState on this topic.
    """
    path = Path(path)
    with _open(path) as (reader, notes):
        wanted = [c for c in reader.connections if c.topic == topic and c.msgtype == JOINT_STATE]
        if not wanted:
            raise BagError(_absent(path, topic, reader, notes), path=path, topic=topic)
        collector = Collector(isinstance(reader, Ros1Reader))
        for received, messages in _batches(reader, wanted):
            collector.add(np.array(received), messages)
        tables, which = collector.finish()
    if not tables:
        raise BagError(
            f"{path}: no message on {topic}: was the robot's driver running while it was recorded?",
            path=path,
            topic=topic,
        )
    return JointStates(path, topic, tables, which, notes)


def _batches(reader: Reader, wanted: Sequence[Connection]) -> Iterator[tuple[list[int], list[bytes]]]:
    """Receive times [ns] and serialised messages of some connections, `CHUNK` or so at a time, in bag order."""
    storages = mcap_storages(reader, wanted) if isinstance(reader, Ros2Reader) else None
    times: list[int] = []
    held: list[bytes] = []
    if storages is None:
        size = 0
        for received, raw in _messages(reader, wanted):
            times.append(received)
            held.append(raw)
            size += len(raw)
            if len(held) == CHUNK or size > CHUNK_BYTES:
                yield times, held
                times, held, size = [], [], 0
        if held:
            yield times, held
        return
    for storage, channels in storages:
        for more_times, more in chunk_messages(storage, channels):
            times += more_times
            held += more
            while len(held) >= CHUNK:
                yield times[:CHUNK], held[:CHUNK]
                times, held = times[CHUNK:], held[CHUNK:]
    if held:
        yield times, held


def _messages(reader: Reader, wanted: Sequence[Connection]) -> Iterator[tuple[int, bytes]]:
    """Receive time [ns] and bytes of each message, of at most `LARGEST_MESSAGE`."""
    storage = reader.storage if isinstance(reader, Ros2Reader) else None
    packed = isinstance(storage, DirectoryReader) and storage.metadata.compression_mode == "message"
    storages: Sequence[Any] = storage.storages if isinstance(storage, DirectoryReader) else [storage]
    for one in storages:
        if isinstance(one, Sqlite3Reader) and one.dbconn:
            one.dbconn.limit(_SQLITE_LIMIT_LENGTH, LARGEST_MESSAGE)
    if not packed:
        for _, received, raw in reader.messages(connections=wanted):
            yield received, raw
        return
    alike = [(c.topic, c.msgtype, c.ext) for c in wanted]
    for one in storages:  # as rosbags does it, which unpacks without a limit
        connections = [c for c in one.connections if (c.topic, c.msgtype, c.ext) in alike]
        for _, received, raw in one.messages(connections) if connections else ():
            yield received, unpacked(raw, LARGEST_MESSAGE)


def published_names(states: JointStates) -> tuple[str, ...]:
    """The joints of the one arm on the topic, in the order published.

    Raises:
        BagError: no joint has a name, one stands twice in a message, or there are sets of joints that share none.
    """
    arms: list[dict[str, None]] = []  # names that were seen together, in order
    for table in states.tables:
        if twice := {name for name in table.names if table.names.count(name) > 1}:
            raise BagError(
                f"{_where(states)}: joint {sorted(twice)[0]!r} stands twice in one message: name the arm's "
                "joints with --joints, or record the drivers on separate topics",
                path=states.path,
                topic=states.topic,
                joint=sorted(twice)[0],
            )
        together = [arm for arm in arms if arm.keys() & set(table.names)]
        arms = [arm for arm in arms if arm not in together]
        if table.names:
            arms.append(dict.fromkeys(chain(*together, table.names)))
    if not arms:
        raise BagError(
            f"{_where(states)}: the messages name no joints: a driver that fills `name` is needed",
            path=states.path,
            topic=states.topic,
        )
    if len(arms) > 1:
        sets = " and ".join(f"[{', '.join(arm)}]" for arm in arms)
        raise BagError(
            f"{_where(states)}: messages hold different joints, {sets}: choose with --joints",
            path=states.path,
            topic=states.topic,
        )
    return tuple(arms[0])


def read_recording(
    path: str | Path, joints: Sequence[str], scale: Sequence[float], topic: str = DEFAULT_TOPIC
) -> Recording:
    """Read a bag by `read_joint_states`, then `recording_from`."""
    return recording_from(read_joint_states(path, topic), joints, scale)


def recording_from(states: JointStates, joints: Sequence[str], scale: Sequence[float]) -> Recording:
    """Match joints by name, merge partial messages, scale effort, choose the clock, cut into continuous pieces.

    Args:
        states: what the topic holds.
        joints: J joints, in the order wanted.
        scale: shape (J,), published effort × scale = tau.

    Raises:
        BagError: a joint is absent or published twice, a field is missing, more than half of a joint's values are not
            finite, two publishers seem to be mixed, or no continuous piece is left.
    """
    where = _where(states)
    published = dict.fromkeys(chain.from_iterable(t.names for t in states.tables))
    if absent := [joint for joint in joints if joint not in published]:
        raise BagError(
            f"{where}: no joint {', '.join(map(repr, absent))}; published are {', '.join(published)}: "
            "is it of this arm? `vastares prepare` chooses with --joints",
            path=states.path,
            topic=states.topic,
            joint=absent[0],
        )
    _refuse_shared_joints(where, joints, states)
    try:
        samples = _Samples(states, joints, scale)
    except VastaresError as error:
        raise BagError(f"{where}: {error}", **error.about | {"path": states.path, "topic": states.topic}) from None
    relevant = sum(len(t) for t in states.tables if set(joints) & set(t.names))
    samples.refuse_unfit(where, joints)
    time_source, t, t_finite = samples.times()
    q, qd, tau = samples.values
    _refuse_two_publishers(where, t_finite, q)
    try:
        rate = measured_rate(t)
    except BagError as error:
        raise BagError(
            f"{where}: {error}: record longer", **error.about | {"path": states.path, "topic": states.topic}
        ) from None

    if count := two_publishers(t_finite, q, rate):
        raise _two_publishers(where, "positions do not follow on each other", count / len(q))
    path = states.path.absolute()
    name = path.name if path.is_dir() else path.stem
    episodes, cuts = cut(name, joints, rate, t_finite, q, qd, tau)
    if not episodes:
        raise BagError(
            f"{where}: no continuous piece of {MIN_PIECE:g} s in {len(q)} samples at {rate:.1f} Hz "
            f"({cuts.gaps} gaps, {cuts.jumps} backward jumps, {cuts.repeats} repeats): record longer",
            value=len(q),
            path=states.path,
            topic=states.topic,
        )
    return Recording(
        name=name,
        path=states.path,
        topic=states.topic,
        joints=tuple(joints),
        episodes=episodes,
        rate=rate,
        time_source=time_source,
        messages=len(states),
        foreign=len(states) - relevant,
        incomplete=relevant - len(t),
        nan=len(t) - len(q),
        repeats=cuts.repeats,
        short=cuts.short,
        jumps=cuts.jumps,
        gaps=cuts.gaps,
        notes=states.notes,
    )


@dataclass(frozen=True)
class PublishedSamples:
    """The samples of J joints as they were published, however damaged: N of them, in the order they came.

    Attributes:
        joints: J names.
        t: stamps, shape (N,) [s]; they may repeat or go back.
        received: when the recorder received them, shape (N,) [s].
        time_source: "header", or "receive" where header stamps are absent or constant.
        q: positions, shape (N, J) [rad].
        qd: velocities, shape (N, J) [rad/s]; NaN where there is none, or no finite one.
        tau: effort, likewise [as published].
    """

    joints: tuple[str, ...]
    t: Array
    received: Array
    time_source: str
    q: Array
    qd: Array
    tau: Array


def published_samples(states: JointStates, joints: Sequence[str]) -> PublishedSamples:
    """The samples of some joints, of which only position has to be there.

    Raises:
        BagError: a joint is not published, or twice in a message, or no position is finite.
    """
    published = dict.fromkeys(chain.from_iterable(t.names for t in states.tables))
    if absent := [joint for joint in joints if joint not in published]:
        raise BagError(
            f"{_where(states)}: no joint {', '.join(map(repr, absent))}; published are {', '.join(published)}",
            path=states.path,
            topic=states.topic,
            joint=absent[0],
        )
    samples = _Samples(states, joints, (1.0,) * len(joints), FIELDS[:1])
    time_source, _, t = samples.times()
    if not len(t):
        raise BagError(f"{_where(states)}: no message has a finite position", path=states.path, topic=states.topic)
    return PublishedSamples(tuple(joints), t, samples.received(), time_source, *samples.values)


def _where(states: JointStates) -> str:
    return f"{states.path}, topic {states.topic}"


def _bag_files(path: Path) -> list[Path]:
    """The bag files in a folder, or the file itself."""
    return sorted(file for file in path.iterdir() if file.suffix in _REPAIR) if path.is_dir() else [path]


def _reader(path: Path) -> tuple[Reader, tuple[str, ...]]:
    """Open a reader; return it and what a user should know about the file.

    A folder is read through its metadata.yaml; where that does not fit, the single file in it is read as it is.
    """
    if not path.exists():
        raise BagError(f"{path} does not exist: give a .bag, .db3 or .mcap file, or a rosbag2 folder", path=path)
    if any((path / index).is_file() for index in ("dataset.yaml", "bundle.yaml")):
        raise BagError(
            f"{path} is a dataset or a bundle: give the bag, a .bag, .db3 or .mcap file or a rosbag2 folder", path=path
        )
    files = _bag_files(path)
    for file in files:
        if file.suffix not in _REPAIR:
            raise BagError(f"{file} is no bag: give a .bag, .db3 or .mcap file, or a rosbag2 folder", path=file)
        if not file.stat().st_size:
            raise BagError(f"{file} is empty: record it again", path=file)
    notes: tuple[str, ...] = ()
    if (path / "metadata.yaml").is_file():
        folder = Ros2Reader(_Quoted(path))
        try:
            load_yaml(path / "metadata.yaml")  # rosbags reads it without a limit
            folder.open()
            return folder, ()
        except Exception as error:  # as in `_open`
            if len(files) != 1:
                raise
            notes = (f"metadata.yaml does not fit ({one_line(error)}), so {files[0].name} is read without it",)
    if not files:
        raise BagError(f"{path} holds no bag: give a .bag, .db3 or .mcap file, or a rosbag2 folder", path=path)
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise BagError(
            f"{path} holds {len(files)} bag files and no metadata.yaml: name them one by one ({names})", path=path
        )
    reader: Reader = Ros1Reader(files[0]) if files[0].suffix == ".bag" else Ros2Reader(_Quoted(files[0]))
    reader.open()
    return reader, notes


@contextmanager
def _open(path: Path) -> Iterator[tuple[Reader, tuple[str, ...]]]:
    """Open a reader and close it; any error of the file meanwhile becomes a `BagError` of one line."""
    try:
        reader, notes = _reader(path)
        with closing(reader):
            yield reader, notes
    except VastaresError:
        raise
    except Exception as error:  # a damaged file fails anywhere in the library: struct, sqlite, zstd, assertions
        repair = _REPAIR.get(path.suffix, "mcap recover or sqlite3's .recover on the file in it")
        raise BagError(
            f"{path} cannot be read as a bag ({one_line(error)}): if it was cut short, try {repair}", path=path
        ) from error


def _topics(reader: Reader) -> dict[str, int]:
    topics: dict[str, int] = {}
    for connection in reader.connections:
        if connection.msgtype == JOINT_STATE:
            topics[connection.topic] = topics.get(connection.topic, 0) + connection.msgcount
    return topics


def _absent(path: Path, topic: str, reader: Reader, notes: Sequence[str]) -> str:
    """The message of the error that there is no JointState on the topic."""
    noted = "".join(f" ({note})" for note in notes)
    if topics := _topics(reader):
        held = ", ".join(f"{name} ({count} messages)" for name, count in topics.items())
        return f"{path}{noted} holds no JointState on {topic}, but on {held}: choose with --topic"
    held = ", ".join(sorted({f"{c.msgtype} on {c.topic}" for c in reader.connections})) or "no topic at all"
    return f"{path}{noted} holds no JointState, but {held}: record the topic of the robot's joint states"


class _Samples:
    """The samples of J joints on a topic, by the rule of `JointAssembler`.

    Attributes:
        values: q, qd and tau of the samples that are whole, shape (N, J) each.
    """

    def __init__(
        self, states: JointStates, joints: Sequence[str], scale: Sequence[float], needed: Sequence[str] = FIELDS
    ):
        """Samples are whole where the `needed` fields are finite; what else is not is NaN."""
        self._scale = np.asarray(scale, dtype=np.float64)
        wanted = [FIELDS.index(name) for name in needed]
        self._assembler = JointAssembler(joints, scale)
        self._places = [columns(joints, table.names) for table in states.tables]
        self._finite = np.zeros((3, len(joints)), dtype=np.int64)  # how many values are
        self._effort = False
        stamps = [Growing((), np.int64), Growing((), np.int64)]
        whole = Growing((), np.bool_)
        values = [Growing((len(joints),)) for _ in FIELDS]
        for chunk in states.chunks():
            index, new = self._assemble(chunk, joints)
            finite = plausible(new)  # (3, n, J)
            self._finite += finite.sum(axis=1)
            self._effort |= bool(np.any(new[2]))
            keep = np.asarray(finite[wanted].all(axis=(0, 2)))
            new = np.where(finite, new, np.nan)
            whole.append(keep)
            for column, name in zip(stamps, ("stamp_ns", "receive_ns"), strict=True):
                column.append(in_order(chunk, name)[index])
            for column, x in zip(values, new, strict=True):
                column.append(x[keep])
        self._stamp_ns, self._receive_ns = (column.array() for column in stamps)
        self._whole = whole.array()
        self.values = [column.array() for column in values]

    def times(self) -> tuple[str, Array, Array]:
        """The clock, "header" or "receive", and stamps of all samples, and of those that are whole, shape (N,) [s]."""
        constant = all((self._stamp_ns[s] == self._stamp_ns[0]).all() for s in blocks(len(self._stamp_ns)))
        time_ns = self._receive_ns if constant else self._stamp_ns
        t, t_whole = empty((len(time_ns),)), Growing()
        for s in blocks(len(time_ns)):
            t[s] = seconds(time_ns[s])
            t_whole.append(t[s][self._whole[s]])
        return "receive" if constant else "header", t, t_whole.array()

    def received(self) -> Array:
        """When the recorder received the samples that are whole, shape (N,) [s]."""
        whole = self._whole
        return seconds(np.concatenate([self._receive_ns[s][whole[s]] for s in blocks(len(whole))]))

    def _assemble(self, chunk: JointStates, joints: Sequence[str]) -> tuple[NDArray[np.intp], Array]:
        """Samples that a chunk completes: the message that completed each, shape (n,), and q, qd, tau, (3, n, J)."""
        counts = [len(ours) for table, (ours, _) in zip(chunk.tables, self._places, strict=True) if len(table)]
        if set(counts) <= {0, len(joints)} and len(self._assembler.missing) == len(joints):
            values = np.full((3, len(chunk), len(joints)), np.nan)
            holds = np.zeros(len(chunk), dtype=bool)
            for k, (table, (ours, theirs)) in enumerate(zip(chunk.tables, self._places, strict=True)):
                rows = np.flatnonzero(chunk.which == k)
                holds[rows] = len(ours) > 0
                for x, name in zip(values, FIELDS, strict=True):
                    x[np.ix_(rows, ours)] = field(getattr(table, name).T, theirs, len(table.names)).T
            values = values[:, holds]
            values[2] *= self._scale
            return np.flatnonzero(holds), values
        pushed = (  # the place of the message stands in for the stamp
            self._assembler.push(i, names, *values) for i, (_, names, *values) in enumerate(iter_messages(chunk))
        )
        samples = [sample for sample in pushed if sample is not None]
        index = np.array([s.t for s in samples]).astype(np.intp)
        values = np.array([[getattr(s, name) for s in samples] for name in ("q", "qd", "tau")])
        return index, values.reshape(3, len(samples), len(joints))

    def refuse_unfit(self, where: str, joints: Sequence[str]) -> None:
        """Raise where most values of a joint are not finite, or there is no effort."""
        for name, per_joint in zip(FIELDS, self._finite / len(self._whole), strict=True):
            if none := [joint for joint, share in zip(joints, per_joint, strict=True) if not share]:
                raise BagError(
                    f"{where}: no {name} on {', '.join(none)}: this robot's driver publishes none, so use one "
                    "that does, or choose other joints with `vastares prepare --joints`",
                    field=name,
                    joint=none[0],
                )
            shares = zip(joints, per_joint, strict=True)
            if bad := [f"{joint} ({1 - share:.0%})" for joint, share in shares if share < 0.5]:
                raise BagError(
                    f"{where}: most of {name} is NaN, infinite or absurd on {', '.join(bad)}: mend the driver, or "
                    "choose other joints with `vastares prepare --joints`"
                )
        if not self._effort:
            raise BagError(
                f"{where}: no effort on {', '.join(joints)}, it is 0 in every message: use a driver that "
                "publishes joint torque or motor current"
            )


def _refuse_shared_joints(where: str, joints: Sequence[str], states: JointStates) -> None:
    """Raise where messages of different joints share one: its values would come from both publishers."""
    parts = {frozenset(t.names) & frozenset(joints): t.names for t in states.tables}
    for one, other in combinations(parts, 2):
        if shared := one & other:
            raise BagError(
                f"{where}: joint {sorted(shared)[0]!r} comes in messages of [{', '.join(parts[one])}] and of "
                f"[{', '.join(parts[other])}], as if two robots share the topic: record them on separate topics",
                joint=sorted(shared)[0],
            )


def _refuse_two_publishers(where: str, t: Array, q: Array) -> None:
    """Raise where stamps t (N,) or positions q (N, J) alternate, as when two arms publish on one topic."""
    back, returns = 0, np.zeros(q.shape[1], dtype=np.int64)
    for s in blocks(len(t)):
        back += int((np.diff(t[max(s.start - 1, 0) : s.stop]) < 0).sum())
        step = np.diff(q[max(s.start - 2, 0) : s.stop], axis=0)
        there_and_back = (np.abs(step[:-1]) > 1e-3) & (np.abs(step[:-1] + step[1:]) < 0.1 * np.abs(step[:-1]))
        returns += there_and_back.sum(axis=0)
    signs = (  # white noise returns so in 6 % of the samples, two arms of equal rate in all of them
        ("stamps go back", back, 0.05),
        ("a position jumps there and back", int(returns.max(initial=0)), 0.15),
    )
    for sign, count, allowed in signs:
        if count > max(10, allowed * len(t)):
            raise _two_publishers(where, sign, count / len(t))


def _two_publishers(where: str, sign: str, share: float) -> BagError:
    return BagError(
        f"{where}: two publishers seem to publish the same joints ({sign} in {share:.1%} of the samples): stop one, or "
        "record them on separate topics"
    )
