# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Bags: every format and every kind of bad input, on small bags written here and on the real recordings."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap.writer import Writer as McapFile
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, ReaderError, StoragePlugin, Writer
from rosbags.rosbag2.storage_mcap import zstd
from rosbags.typesys import Stores, get_typestore

from vastares_ros.core import scratch
from vastares_ros.core.errors import BagError, OutputError
from vastares_ros.core.joints import JointAssembler
from vastares_ros.core.samples import seconds
from vastares_ros.io.bags import (
    DEFAULT_TOPIC,
    JOINT_STATE,
    MessageTable,
    Recording,
    iter_messages,
    joint_state_topics,
    mcap_chunks,
    published_names,
    published_samples,
    read_joint_states,
    read_recording,
    recording_from,
    write_joint_states,
)
from vastares_ros.io.bags import read as reading
from vastares_ros.io.bags.mcap_chunks import unpacked

ROS1 = get_typestore(Stores.ROS1_NOETIC)
ROS2 = get_typestore(Stores.ROS2_HUMBLE)
START = 1_700_000_000_000_000_000
JOINTS = ("a", "b", "c")
ONES = (1.0, 1.0, 1.0)
GRIPPER = ("finger",)
FORMATS = ("ros1", "mcap", "sqlite3", "bare.mcap", "bare.db3")


@pytest.fixture(autouse=True, params=["at once", "in pieces"])
def pieces(request, monkeypatch):
    """Every test twice: the second time so that a bag is read in many pieces, and its arrays are in files."""
    if request.param == "in pieces":
        monkeypatch.setattr(scratch, "BLOCK", 37)
        monkeypatch.setattr(scratch, "LARGE", 1000)
        monkeypatch.setattr(reading, "CHUNK", 29)
    return request.param == "in pieces"


def stamps(n: int, hz: float = 100.0) -> np.ndarray:
    return START + (np.arange(n) * 1e9 / hz).astype(np.int64)


def table(n: int = 300, names: tuple[str, ...] = JOINTS, seed: int = 0) -> MessageTable:
    """N smooth messages at 100 Hz, received 1 ms after their stamp."""
    t = np.arange(n)[:, None] / 100
    k = np.arange(len(names)) + 1 + seed
    return MessageTable(names, stamps(n), stamps(n) + 1_000_000, np.sin(k * t), k * np.cos(k * t), 5 * np.sin(t + k))


def message(types, stamp_ns, names, position=(), velocity=(), effort=(), frame_id="", seq=0):
    """A JointState of either typestore."""
    header = types.types["std_msgs/msg/Header"]
    time = types.types["builtin_interfaces/msg/Time"](*divmod(int(stamp_ns), 10**9))
    values = (np.array(v, dtype=np.float64) for v in (position, velocity, effort))
    head = header(seq, time, frame_id) if types is ROS1 else header(time, frame_id)
    return types.types[JOINT_STATE](head, list(names), *values)


def rows(x: MessageTable):
    """The messages of a table as (receive_ns, arguments of `message`)."""
    for i in range(len(x)):
        yield x.receive_ns[i], (x.stamp_ns[i], x.names, x.position[i], x.velocity[i], x.effort[i])


def write(path: Path, messages, storage: str = "mcap", topic: str = DEFAULT_TOPIC, little_endian: bool = True) -> Path:
    """Write (receive_ns, arguments) one by one by the library; returns what to open."""
    if storage == "ros1":
        path = path.with_suffix(".bag")
        with Ros1Writer(path) as bag:
            connection = bag.add_connection(topic, JOINT_STATE, typestore=ROS1)
            for seq, (receive_ns, args) in enumerate(messages):
                raw = ROS1.serialize_ros1(message(ROS1, *args, seq=seq), JOINT_STATE)
                bag.write(connection, int(receive_ns), raw)
        return path
    bare = storage.startswith("bare")
    plugin = StoragePlugin.MCAP if "mcap" in storage else StoragePlugin.SQLITE3
    with Writer(path, version=8, storage_plugin=plugin) as bag:
        connection = bag.add_connection(topic, JOINT_STATE, typestore=ROS2)
        for receive_ns, args in messages:
            raw = ROS2.serialize_cdr(message(ROS2, *args), JOINT_STATE, little_endian=little_endian)
            bag.write(connection, int(receive_ns), raw)
    return next(f for f in path.iterdir() if f.suffix != ".yaml") if bare else path


def error(call, *args, **kwargs) -> str:
    with pytest.raises(BagError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def recorded(path: Path, *tables: MessageTable, **kwargs) -> Recording:
    """Write tables on one topic, in the order of reception, and read joints a, b, c from it."""
    messages = sorted((m for x in tables for m in rows(x)), key=lambda m: m[0])
    return read_recording(write(path, messages), JOINTS, ONES, **kwargs)


def assert_accounted(r: Recording) -> None:
    assert r.messages == r.foreign + r.incomplete + r.nan + r.repeats + r.short + r.samples


# ---- formats, and the fast path against the library -------------------------------------------------------------


def mixed_messages():
    """Messages that change names, order, fields, widths and frame, as no fixed layout survives."""
    arm, gripper = table(40), table(40, GRIPPER, seed=5)
    for i, ((ns, a), (_, g)) in enumerate(zip(rows(arm), rows(gripper), strict=True)):
        stamp, names, q, qd, tau = a
        yield ns, (stamp, names, q, qd, tau, "base" * (i % 3))
        yield ns + 1, g
        if i % 4 == 0:
            yield ns + 2, (stamp, names[::-1], q[::-1], qd[::-1], tau[::-1])  # as long as the first kind
        if i % 4 == 1:
            yield ns + 2, (stamp, names[:2], q[:2], (), ())
        if i % 4 == 2:
            yield ns + 2, (stamp, ("é", "joint with blanks"), q[:2], (), tau[:2], "x")
        if i % 4 == 3:
            yield ns + 2, (stamp, (), (), (), ())


@pytest.mark.parametrize("storage", FORMATS)
@pytest.mark.parametrize("messages", [lambda: rows(table()), mixed_messages], ids=["steady", "mixed"])
def test_every_message_is_read_as_the_library_reads_it(tmp_path, storage, messages):
    wanted = list(messages())
    states = read_joint_states(write(tmp_path / "bag", wanted, storage))
    assert len(states) == len(wanted)
    read = list(iter_messages(states))
    for (stamp_ns, names, *values), (_, args) in zip(read, wanted, strict=True):
        library = message(ROS2, *args)
        assert (stamp_ns, names) == (args[0], tuple(library.name))
        for ours, theirs in zip(values, (library.position, library.velocity, library.effort), strict=True):
            assert ours.tobytes() == theirs.tobytes()
    received = {int(ns) for t in states.tables for ns in t.receive_ns}
    assert received == {int(ns) for ns, _ in wanted}


def test_steady_messages_make_one_table_by_the_fast_path(tmp_path, monkeypatch, pieces):
    paths = [write(tmp_path / "bag", rows(table()), storage) for storage in ("ros1", "mcap")]
    calls = []
    for types, name in ((ROS1, "deserialize_ros1"), (ROS2, "deserialize_cdr")):
        cls = type(types)
        real = getattr(cls, name)
        monkeypatch.setattr(cls, name, lambda *a, real=real: calls.append(1) or real(*a))
    for path in paths:
        assert [len(t) for t in read_joint_states(path).tables] == [300]
    assert len(calls) == 2 * (-(-300 // 29) if pieces else 1)  # the first of each piece, to learn its layout


def test_big_endian_messages_fall_back_to_the_library(tmp_path):
    big = read_joint_states(write(tmp_path / "big", rows(table(20)), little_endian=False))
    assert len(big.tables) == 1
    np.testing.assert_array_equal(big.tables[0].effort, table(20).effort)
    np.testing.assert_array_equal(big.tables[0].stamp_ns, table(20).stamp_ns)


def test_padding_left_dirty_by_a_serializer_does_not_matter(tmp_path):
    folder = tmp_path / "bag"
    with Writer(folder, version=8, storage_plugin=StoragePlugin.MCAP) as bag:
        connection = bag.add_connection(DEFAULT_TOPIC, JOINT_STATE, typestore=ROS2)
        for i, (receive_ns, args) in enumerate(rows(table(20))):
            raw = bytearray(ROS2.serialize_cdr(message(ROS2, *args), JOINT_STATE))
            raw[17:20] = bytes([i, 7, i])  # between the empty frame_id with its NUL and the number of names
            bag.write(connection, int(receive_ns), bytes(raw))
    (read,) = read_joint_states(folder).tables
    np.testing.assert_array_equal(read.position, table(20).position)


def test_definitions_need_not_be_stored(tmp_path):
    path = tmp_path / "old.db3"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT)")
        db.execute("CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB)")
        db.execute("INSERT INTO topics VALUES(1, '/joint_states', 'sensor_msgs/msg/JointState', 'cdr')")
        for ns, args in rows(table()):
            raw = bytes(ROS2.serialize_cdr(message(ROS2, *args), JOINT_STATE))
            db.execute("INSERT INTO messages(topic_id, timestamp, data) VALUES(1, ?, ?)", (int(ns), raw))
    db.close()
    np.testing.assert_array_equal(read_joint_states(path).tables[0].velocity, table().velocity)


def test_written_bags_read_back(tmp_path):
    truth = replace(table(), names=("x", "yy", "zzz"), velocity=np.empty((300, 0)))
    topics = {DEFAULT_TOPIC: table(), "/truth": truth, "/silent": table(0)}
    write_joint_states(tmp_path / "deep" / "bag", topics)
    assert joint_state_topics(tmp_path / "deep" / "bag") == {DEFAULT_TOPIC: 300, "/truth": 300, "/silent": 0}
    for topic in (DEFAULT_TOPIC, "/truth"):
        (read,) = read_joint_states(tmp_path / "deep" / "bag", topic).tables
        for column in ("stamp_ns", "receive_ns", "position", "velocity", "effort"):
            np.testing.assert_array_equal(getattr(read, column), getattr(topics[topic], column))
        assert read.names == topics[topic].names
    assert "no message on /silent" in error(read_joint_states, tmp_path / "deep" / "bag", "/silent")


def test_topics_are_written_in_the_order_of_reception(tmp_path):
    write_joint_states(tmp_path / "bag", {DEFAULT_TOPIC: table(), "/truth": table()})
    with (tmp_path / "bag" / "bag.mcap").open("rb") as file:
        received = [message.log_time for _, _, message in make_reader(file).iter_messages(log_time_order=False)]
    assert received == sorted(received) and len(received) == 600


def test_nothing_is_overwritten(tmp_path):
    with pytest.raises(OutputError, match="exists: remove it"):
        write_joint_states(tmp_path, {DEFAULT_TOPIC: table()})
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_joint_states(tmp_path / "file" / "bag", {DEFAULT_TOPIC: table()})


# ---- recordings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("storage", FORMATS)
def test_recording_of_a_plain_bag(tmp_path, storage):
    path = write(tmp_path / "pick-1.2", rows(table()), storage)
    r = read_recording(path, ("c", "a"), (2.0, -1.0))
    (episode,) = r.episodes
    name = "pick-1" if storage == "ros1" else "pick-1.2"  # the stem of pick-1.bag, or the folder
    assert (r.name, episode.name, episode.recording, episode.joints) == (name, name, name, ("c", "a"))
    assert r.rate == pytest.approx(100)
    assert r.time_source == "header"
    assert r.lines() == [f"{name}: 300 messages on /joint_states: 300 samples at 100.0 Hz in 1 piece (3.0 s)"]
    np.testing.assert_array_equal(episode.t, [seconds(int(ns)) for ns in stamps(300)])
    np.testing.assert_array_equal(episode.q, table().position[:, [2, 0]])
    np.testing.assert_array_equal(episode.qd, table().velocity[:, [2, 0]])
    np.testing.assert_array_equal(episode.tau, table().effort[:, [2, 0]] * [2, -1])
    assert_accounted(r)


def by_assembler(states, joints, scale) -> list[np.ndarray]:
    assembler = JointAssembler(joints, scale)
    pushed = (assembler.push(seconds(ns), *rest) for ns, *rest in iter_messages(states))
    samples = [s for s in pushed if s is not None]
    return [np.array([getattr(s, x) for s in samples]) for x in ("t", "q", "qd", "tau")]


@pytest.mark.parametrize("partial", [False, True])
def test_samples_are_those_of_the_joint_assembler(tmp_path, partial):
    whole, gripper = table(), table(300, GRIPPER, seed=4)
    gripper = replace(gripper, receive_ns=gripper.receive_ns + 1)
    parts = [whole]
    if partial:  # b and a in one message, c 2 ms later in another
        first = MessageTable(
            ("b", "a"), *(x[..., [1, 0]] if x.ndim == 2 else x for x in list(vars(whole).values())[1:])
        )
        later = {"stamp_ns": whole.stamp_ns + 2_000_000, "receive_ns": whole.receive_ns + 2_000_000}
        last = {name: getattr(whole, name)[:, 2:] for name in ("position", "velocity", "effort")}
        parts = [first, MessageTable(("c",), **later, **last)]
    messages = sorted((m for x in [*parts, gripper] for m in rows(x)), key=lambda m: m[0])
    states = read_joint_states(write(tmp_path / "bag", messages))
    r = recording_from(states, JOINTS, (3.0, -1.0, 0.5))
    assert (r.foreign, r.incomplete, r.samples) == (300, 300 * partial, 300)
    assert_accounted(r)
    t, q, qd, tau = by_assembler(states, JOINTS, (3.0, -1.0, 0.5))
    (episode,) = r.episodes
    for ours, theirs in ((episode.t, t), (episode.q, q), (episode.qd, qd), (episode.tau, tau)):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(episode.q, whole.position)
    text = " ".join(r.lines())
    assert "300 messages of other joints" in text
    assert ("300 partial messages merged" in text) is partial


def test_gaps_jumps_repeats_and_short_pieces(tmp_path):
    x = table(800)
    stamp_ns = x.stamp_ns.copy()
    stamp_ns[200:] += 500_000_000  # gap before 200
    stamp_ns[400:] -= 60_000_000_000  # the clock jumps back before 400
    stamp_ns[600:] += 300_000_000  # gaps around a piece of half a second
    stamp_ns[650:] += 300_000_000
    stamp_ns[101] = stamp_ns[100]
    r = recorded(tmp_path / "bag", replace(x, stamp_ns=stamp_ns))
    assert (r.gaps, r.jumps, r.repeats, r.short, r.samples) == (3, 1, 1, 50, 749)
    assert_accounted(r)
    assert [(e.name, len(e), e.recording) for e in r.episodes] == [
        ("bag-1", 199, "bag"),
        ("bag-2", 200, "bag"),
        ("bag-3", 200, "bag"),
        ("bag-4", 150, "bag"),
    ]
    np.testing.assert_array_equal(r.episodes[3].tau, x.effort[650:])
    assert r.lines()[1:] == [
        "bag: left out 1 samples that repeat a stamp, 50 samples in pieces shorter than 1 s",
        "bag: split at 3 gaps above 2.5 periods, 1 backward jumps of the clock",
    ]


@pytest.mark.parametrize("stamp_ns", [0, START], ids=["absent", "constant"])
def test_receive_time_where_stamps_tell_nothing(tmp_path, stamp_ns):
    r = recorded(tmp_path / "bag", replace(table(), stamp_ns=np.full(300, stamp_ns)))
    assert r.time_source == "receive"
    np.testing.assert_array_equal(r.episodes[0].t, seconds(table().receive_ns))
    assert "receive time" in r.lines()[-1]


def test_single_nan_is_dropped_and_two_make_a_gap(tmp_path):
    x = table(500)
    x.effort[50, 1] = np.nan
    x.position[250:252, 0] = np.inf
    r = recorded(tmp_path / "bag", x)
    assert (r.nan, r.gaps, [len(e) for e in r.episodes]) == (3, 1, [249, 248])
    assert all(np.isfinite(e.tau).all() and np.isfinite(e.q).all() for e in r.episodes)
    assert_accounted(r)
    assert "3 samples with a missing, non-finite or absurd value" in r.lines()[1]


def test_many_nan_do_not_change_the_rate(tmp_path):
    x = table(500)
    x.effort[1::5, 0] = np.nan
    x.effort[3::5, 2] = np.nan
    r = recorded(tmp_path / "bag", x)
    assert (r.nan, r.gaps, r.samples) == (200, 0, 300)
    assert r.rate == pytest.approx(100)


def test_a_few_jumps_in_a_slow_bag_are_no_second_publisher(tmp_path):
    stamp_ns = stamps(30, hz=5)
    stamp_ns[10:] -= 60_000_000_000
    stamp_ns[20:] -= 60_000_000_000
    assert recorded(tmp_path / "bag", replace(table(30), stamp_ns=stamp_ns)).jumps == 2


def test_messages_without_a_field_count_as_missing_values(tmp_path):
    x = table(400)

    def some(keep) -> MessageTable:
        return MessageTable(x.names, *(column[keep] for name, column in vars(x).items() if name != "names"))

    silent = replace(some(np.s_[100:110]), effort=np.empty((10, 0)))
    r = recorded(tmp_path / "bag", silent, some(np.s_[:100]), some(np.s_[110:]))
    assert (r.nan, r.gaps, r.short, [len(e) for e in r.episodes]) == (10, 1, 100, [290])
    assert_accounted(r)


# ---- names -----------------------------------------------------------------------------------------------------


def states_of(tmp_path, *tables):
    messages = sorted((m for x in tables for m in rows(x)), key=lambda m: m[0])
    return read_joint_states(write(tmp_path / "bag", messages))


def test_published_names_in_order_of_the_messages(tmp_path):
    silent = table(3, ())
    assert published_names(states_of(tmp_path, table(20), silent)) == JOINTS
    parts = (table(20), table(20, ("d", "e")), table(20, ("c", "d", "b")))
    assert published_names(states_of(tmp_path / "parts", *parts)) == ("a", "b", "c", "d", "e")


def test_two_arms_on_one_topic_must_be_chosen_from(tmp_path):
    left, right = ("l1", "l2"), ("r1", "r2")
    states = states_of(tmp_path, table(300, left), table(300, right))
    text = error(published_names, states)
    assert "[l1, l2]" in text and "[r1, r2]" in text and "--joints" in text
    assert recording_from(states, right, (1.0, 1.0)).foreign == 300


def test_joint_twice_in_one_message(tmp_path):
    states = states_of(tmp_path, table(300, ("a", "b", "a")))
    assert "'a' stands twice" in error(published_names, states)
    assert "'a' stands twice" in error(recording_from, states, ("b", "a"), (1, 1))
    assert recording_from(states, ("b",), (1,)).samples == 300


def test_messages_without_names(tmp_path):
    assert "name no joints" in error(published_names, states_of(tmp_path, table(5, ())))


# ---- bad input -------------------------------------------------------------------------------------------------


def test_missing_empty_and_foreign_files(tmp_path):
    assert "does not exist" in error(read_joint_states, tmp_path / "missing.bag")
    assert "holds no bag" in error(read_joint_states, tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    assert "is no bag" in error(read_joint_states, tmp_path / "notes.txt")
    png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256))
    for suffix in (".bag", ".db3", ".mcap"):
        path = (tmp_path / "empty").with_suffix(suffix)
        path.touch()
        assert "is empty" in error(read_joint_states, path)
        for content in (png, b"hello\n", b"\x00"):
            path.write_bytes(content)
            text = error(read_joint_states, path)
            assert str(path) in text and "if it was cut short, try " in text
    assert "3 bag files and no metadata.yaml" in error(read_joint_states, tmp_path)


@pytest.mark.parametrize("storage", ["ros1", "bare.mcap", "bare.db3", "mcap", "sqlite3"])
def test_truncated_and_damaged_bags_end_in_one_line(tmp_path, storage):
    path = write(tmp_path / "bag", rows(table(400)), storage)
    file = path if path.is_file() else next(f for f in path.iterdir() if f.suffix != ".yaml")
    whole = file.read_bytes()
    for share in (0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
        file.write_bytes(whole[: int(share * len(whole)) + 1])
        text = error(read_joint_states, path)
        assert str(path) in text and "cannot be read as a bag" in text
    rng = np.random.default_rng(1)
    for _ in range(40):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), 20):
            damaged[at] ^= int(rng.integers(1, 256))
        file.write_bytes(damaged)
        try:
            read_joint_states(path)
        except BagError as caught:
            assert "\n" not in str(caught)


def test_garbage_in_a_message(tmp_path):
    with Writer(tmp_path / "bag", version=8, storage_plugin=StoragePlugin.MCAP) as bag:
        connection = bag.add_connection(DEFAULT_TOPIC, JOINT_STATE, typestore=ROS2)
        bag.write(connection, START, b"\x00\x01\x00\x00" + b"\xff" * 60)
    assert "cannot be read as a bag" in error(read_joint_states, tmp_path / "bag")


def test_metadata_that_names_another_file(tmp_path):
    path = write(tmp_path / "bag", rows(table()), "sqlite3")
    (path / "bag.db3").rename(path / "other.db3")
    r = read_recording(path, JOINTS, ONES)
    assert r.samples == 300
    assert "other.db3 is read without it" in r.lines()[-1]
    (path / "metadata.yaml").write_text("{")
    assert read_recording(path, JOINTS, ONES).samples == 300
    (path / "third.db3").write_bytes((path / "other.db3").read_bytes())
    assert "cannot be read as a bag" in error(read_joint_states, path)
    (path / "metadata.yaml").unlink()
    assert "2 bag files and no metadata.yaml" in error(read_joint_states, path)
    (path / "third.db3").unlink()
    assert read_recording(path, JOINTS, ONES).notes == ()


def test_topic_absent(tmp_path):
    path = write(tmp_path / "bag", rows(table(7)), topic="/arm")
    text = error(read_joint_states, path)
    assert "/arm (7 messages)" in text and "--topic" in text
    with Writer(tmp_path / "talk", version=8, storage_plugin=StoragePlugin.MCAP) as bag:
        bag.add_connection("/chatter", "std_msgs/msg/String", typestore=ROS2)
    for topic in (DEFAULT_TOPIC, "/chatter"):
        assert "std_msgs/msg/String on /chatter" in error(read_joint_states, tmp_path / "talk", topic)
    assert joint_state_topics(tmp_path / "talk") == {}
    with Writer(tmp_path / "void", version=8, storage_plugin=StoragePlugin.MCAP):
        pass
    assert "no topic at all" in error(read_joint_states, tmp_path / "void")


def test_joint_absent(tmp_path):
    states = states_of(tmp_path, table(5))
    text = error(recording_from, states, ("a", "elbow"), (1, 1))
    assert "'elbow'" in text and "published are a, b, c" in text and "--joints" in text


@pytest.mark.parametrize("column", ["position", "velocity", "effort"])
def test_field_missing(tmp_path, column):
    empty = replace(table(), **{column: np.empty((300, 0))})
    assert f"no {column} on a, b, c" in error(recorded, tmp_path / "empty", empty)
    nan = table()
    getattr(nan, column)[:, 1] = np.nan
    assert f"no {column} on b:" in error(recorded, tmp_path / "nan", nan)
    getattr(nan, column)[:100, 1] = 0.5
    assert f"most of {column} is NaN, infinite or absurd on b (67%)" in error(recorded, tmp_path / "most", nan)


def test_absurd_values_are_left_out_and_counted(tmp_path):
    x = table()
    x.position[150, 1] = 6e206
    x.effort[151, 0] = -2e9
    recording = recorded(tmp_path / "bag", x)
    assert recording.nan == 2 and max(np.abs(e.tau).max() for e in recording.episodes) < 1e6


def test_two_robots_that_share_a_joint(tmp_path):
    one, other = table(), table()
    write_joint_states(tmp_path / "bag", {"/joint_states": one})
    states = read_joint_states(tmp_path / "bag")
    mixed = replace(
        states,
        tables=(*states.tables, replace(other, names=("a", "x", "y"))),
        which=np.repeat([0, 1], len(one)),
    )
    text = error(recording_from, mixed, ("a", "b", "c"), (1, 1, 1))
    assert "joint 'a' comes in messages of [a, b, c] and of [a, x, y]" in text and "separate topics" in text


def test_no_sample_is_whole(tmp_path):
    x = table()
    x.effort[::2, 0] = np.nan
    x.effort[1::2, 1] = np.nan
    assert "no continuous piece of 1 s in 0 samples" in error(recorded, tmp_path / "bag", x)


def test_effort_of_zeros_is_no_effort(tmp_path):
    assert "it is 0 in every message" in error(recorded, tmp_path / "bag", replace(table(), effort=np.zeros((300, 3))))


@pytest.mark.parametrize("lag_ms, sign", [(-3, "stamps go back"), (2, "a position jumps there and back")])
def test_two_publishers_of_the_same_joints(tmp_path, lag_ms, sign):
    first = table()
    second = replace(
        table(),
        stamp_ns=first.stamp_ns + lag_ms * 1_000_000,
        receive_ns=first.receive_ns + 2_000_000,
        position=first.position + 1,
    )
    text = error(recorded, tmp_path / "bag", first, second)
    assert sign in text and "two publishers" in text
    assert recorded(tmp_path / "one", first).samples == 300


def test_too_short(tmp_path):
    assert "no continuous piece of 1 s" in error(recorded, tmp_path / "short", table(90))
    assert "fewer than two different stamps" in error(recorded, tmp_path / "one", table(1))


# ---- real recordings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, messages",
    [("id1", 5941), ("id2", 5110), ("2019-11-27-20-59-11", 1872), ("2019-11-27-21-04-09", 2567)],
)
def test_ur3_bags(data, name, messages):
    path = data / "ur3" / f"{name}.bag"
    assert joint_state_topics(path) == {"/arm": messages}
    states = read_joint_states(path, "/arm")
    joints = published_names(states)
    assert joints == ("Base", "Shoulder", "Elbow", "Wrist 1", "Wrist 2", "Wrist 3")
    r = recording_from(states, joints, [-1.0] * 6)
    assert (r.name, r.samples, r.time_source, len(r.episodes)) == (name, messages, "header", 1)
    assert r.rate == pytest.approx(125, rel=0.01)
    for ours, theirs in zip(("t", "q", "qd", "tau"), by_assembler(states, joints, [-1.0] * 6), strict=True):
        np.testing.assert_array_equal(getattr(r.episodes[0], ours), theirs)


def test_ur10_db3_without_metadata(data):
    states = read_joint_states(data / "ur10" / "ur10_exciting_trajectory.db3")
    r = recording_from(states, published_names(states), [1.0] * 6)
    assert (r.samples, r.time_source, len(r.episodes)) == (3441, "header", 1)
    assert r.rate == pytest.approx(125)
    assert r.episodes[0].t[0] == 1e-9


def test_bag_without_joint_states(data):
    text = error(read_joint_states, data / "bags_bad")
    assert "ros2.db3" in text and "validation_trajectory.db3 is read without it" in text
    assert "trajectory_msgs/msg/JointTrajectory on /joint_space_trajectory" in text


# ---- MCAP chunk by chunk -----------------------------------------------------------------------------------------


def mcap_with_chunks(path: Path, messages, size: int) -> Path:
    """A bare MCAP file of (log_ns, topic, serialised message) in the order given, with chunks of `size` bytes."""
    with path.open("wb") as file:
        writer = McapFile(file, chunk_size=size)
        writer.start(profile="ros2")
        schema = writer.register_schema(JOINT_STATE, "ros2msg", b"")
        channels = {}
        for log_ns, topic, raw in messages:
            if topic not in channels:
                channels[topic] = writer.register_channel(topic, "cdr", schema)
            writer.add_message(channels[topic], log_ns, raw, log_ns)
        writer.finish()
    return path


@pytest.mark.parametrize("disorder", ["none", "within a chunk", "between chunks"])
def test_mcap_chunks_give_the_order_of_the_library(tmp_path, disorder, monkeypatch):
    raw = [bytes(ROS2.serialize_cdr(message(ROS2, *args), JOINT_STATE)) for _, args in rows(table())]
    log_ns = stamps(300)
    if disorder == "within a chunk":
        log_ns[[41, 42, 43]] = log_ns[[43, 41, 41]]
    if disorder == "between chunks":
        log_ns[[10, 200]] = log_ns[[200, 10]]
    others = [(int(ns), ("/other", DEFAULT_TOPIC)[i % 3 > 0], raw[i]) for i, ns in enumerate(log_ns)]
    path = mcap_with_chunks(tmp_path / "bag.mcap", others, 4000)
    by_library = []
    real = reading.Ros2Reader.messages
    with reading.Ros2Reader(path) as bag:
        wanted = [c for c in bag.connections if c.topic == DEFAULT_TOPIC]
        expected = [(ns, bytes(one)) for _, ns, one in real(bag, wanted)]
        assert len(bag.storage.chunks) > 10
    monkeypatch.setattr(reading.Ros2Reader, "messages", lambda *a, **k: by_library.append(1) or real(*a, **k))
    states = read_joint_states(path)
    assert len(by_library) == (disorder == "between chunks")
    np.testing.assert_array_equal(reading.in_order(states, "receive_ns"), [ns for ns, _ in expected])
    by_bytes = dict(zip(raw, table().stamp_ns, strict=True))
    np.testing.assert_array_equal(reading.in_order(states, "stamp_ns"), [by_bytes[one] for _, one in expected])


# ---- samples as they were published, for the doctor ---------------------------------------------------------------


def test_samples_are_read_however_damaged_where_there_is_a_position(tmp_path):
    x = table(60)
    x.effort[:, 1] = np.nan
    x.velocity[7, 0] = np.inf
    x.position[9, 2] = np.nan
    x.stamp_ns[20] = x.stamp_ns[19]
    states = read_joint_states(write(tmp_path / "b", rows(x)))
    samples = published_samples(states, ("c", "b"))
    kept = np.arange(60) != 9
    assert samples.joints == ("c", "b") and samples.time_source == "header" and len(samples.t) == 59
    np.testing.assert_array_equal(samples.q, x.position[kept][:, [2, 1]])
    np.testing.assert_array_equal(samples.tau, x.effort[kept][:, [2, 1]])
    np.testing.assert_allclose(samples.received, seconds(x.receive_ns[kept]), rtol=0, atol=1e-9)
    assert samples.t[19] == samples.t[18]  # nothing is cut, and message 9 is left out
    assert np.isnan(published_samples(states, ("a",)).qd[7, 0])
    assert "no joint 'd'; published are a, b, c" in error(published_samples, states, ("d",))


def test_without_any_finite_position_there_is_no_sample(tmp_path):
    x = table(20)
    x.position[:] = np.nan
    states = read_joint_states(write(tmp_path / "b", rows(x)))
    assert "no message has a finite position" in error(published_samples, states, JOINTS)


@pytest.mark.parametrize("storage", ["bare.db3", "sqlite3", "bare.mcap"])
@pytest.mark.parametrize("name", ["what?", "a#b", "a%20b", "a b", "%3f#?"])
def test_a_name_may_hold_what_a_uri_may_not(tmp_path, name, storage):
    path = write(tmp_path / "bag", rows(table()), storage)
    (tmp_path / name).mkdir()
    path = path.rename(tmp_path / name / f"{name}{path.suffix}")
    assert len(read_joint_states(path)) == len(table())


# ---- Files that unpack without end -------------------------------------------------------------------------------


def with_compression(path, mode):
    writer = Writer(path, version=8, storage_plugin=StoragePlugin.SQLITE3)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer as bag:
        connection = bag.add_connection(DEFAULT_TOPIC, JOINT_STATE, typestore=ROS2)
        for receive_ns, args in rows(table()):
            bag.write(connection, int(receive_ns), ROS2.serialize_cdr(message(ROS2, *args), JOINT_STATE))
    return path


def test_what_is_unpacked_has_a_limit():
    packed = zstd.compress(bytes(5000)) + zstd.compress(b"x" * 10)
    assert unpacked(packed, 5010) == bytes(5000) + b"x" * 10
    for most in (5009, 5000, 100):
        with pytest.raises(ReaderError, match="are packed in one piece"):
            unpacked(packed, most)
    with pytest.raises(ReaderError, match="cut off"):
        unpacked(packed[:-3], 10_000)


@pytest.mark.parametrize("chunks", ["in order", "overlapping"])
def test_a_chunk_that_is_too_large_is_refused(tmp_path, monkeypatch, chunks):
    raw = [bytes(ROS2.serialize_cdr(message(ROS2, *args), JOINT_STATE)) for _, args in rows(table())]
    log_ns = [int(ns) for ns in stamps(300)]
    if chunks == "overlapping":
        log_ns[10], log_ns[200] = log_ns[200], log_ns[10]
    path = mcap_with_chunks(tmp_path / "bag.mcap", zip(log_ns, [DEFAULT_TOPIC] * 300, raw, strict=True), 4000)
    assert len(read_joint_states(path)) == 300
    monkeypatch.setattr(mcap_chunks, "LARGEST_CHUNK", 3000)
    with pytest.raises(BagError, match="packed in one piece"):
        read_joint_states(path)


@pytest.mark.parametrize("mode", [None, CompressionMode.MESSAGE])
def test_a_message_that_is_too_large_is_refused(tmp_path, monkeypatch, mode):
    path = with_compression(tmp_path / "bag", mode) if mode else write(tmp_path / "bag", rows(table()), "sqlite3")
    monkeypatch.setattr(reading, "CHUNK_BYTES", 1000)
    (read,) = read_joint_states(path).tables
    np.testing.assert_array_equal(read.position, table().position)
    monkeypatch.setattr(reading, "LARGEST_MESSAGE", 100)
    with pytest.raises(BagError, match=r"too big|packed in one piece"):
        read_joint_states(path)


def test_a_metadata_file_without_end_is_not_read(tmp_path):
    path = write(tmp_path / "bag", rows(table()), "mcap")
    (path / "metadata.yaml").write_text("a: " + "[" * 3000)
    recording = read_recording(path, JOINTS, ONES)
    assert "metadata.yaml does not fit (line 1: more than 20 lists" in recording.lines()[-1]
