import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from vastares_ros.core.errors import DatasetError, OutputError
from vastares_ros.core.robot import Effort
from vastares_ros.io.datasets import EpisodeRecorder, discard, load_dataset, recover, write_dataset


def same(a, b):
    for field in ("t", "q", "qd", "tau"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


def test_a_dataset_comes_back_as_it_was_written(tmp_path, dataset):
    written = write_dataset(tmp_path / "d", dataset)
    read = load_dataset(tmp_path / "d")
    assert written.sha256 == read.sha256 != ""
    assert replace(read, episodes=(), sha256="") == replace(dataset, episodes=())
    for a, b in zip(dataset.episodes, read.episodes, strict=True):
        assert (a.name, a.joints, a.recording) == (b.name, b.joints, b.recording)
        same(a, b)


def test_any_reader_of_parquet_sees_named_columns(tmp_path, dataset):
    write_dataset(tmp_path / "d", dataset)
    table = pq.read_table(tmp_path / "d" / "one.parquet")
    assert table.column_names[:3] == ["t", "q_shoulder", "q_elbow"] and table.column_names[-1] == "tau_elbow"


def test_picking_by_episode_or_recording(dataset):
    assert [e.name for e in dataset.pick(["two"])] == ["two"]
    with pytest.raises(DatasetError, match="no episode 'four' in the dataset: it has one, two, three"):
        dataset.pick(["four"])


def test_two_episodes_that_would_share_a_file(tmp_path, dataset):
    names = ("a b", "a_b", "c")
    clash = replace(dataset, episodes=tuple(replace(e, name=n) for e, n in zip(dataset.episodes, names, strict=True)))
    with pytest.raises(DatasetError, match=r"a_b\.parquet"):
        write_dataset(tmp_path / "d", clash)
    assert not (tmp_path / "d").exists()


def edit(path, **fields):
    index = yaml.safe_load(path.read_text())
    index.update(fields)
    path.write_text(yaml.safe_dump({k: v for k, v in index.items() if v is not None}))


def test_what_is_wrong_with_a_dataset_is_named(tmp_path, dataset):
    with pytest.raises(DatasetError, match="does not exist"):
        load_dataset(tmp_path / "none")
    with pytest.raises(DatasetError, match=r"no dataset\.yaml"):
        load_dataset(tmp_path)
    folder = tmp_path / "d"

    def broken(match, **fields):
        write_dataset(folder, dataset, force=True)
        edit(folder / "dataset.yaml", **fields)
        with pytest.raises(DatasetError, match=match):
            load_dataset(folder)

    broken("schema is 99", schema=99)
    broken("robot", robot=None)
    broken("field missing or wrong", effort={"unit": "N·m"})
    write_dataset(folder, dataset, force=True)
    (folder / "two.parquet").write_bytes((folder / "one.parquet").read_bytes())
    with pytest.raises(DatasetError, match=r"two\.parquet was altered"):
        load_dataset(folder)
    (folder / "two.parquet").unlink()
    with pytest.raises(DatasetError, match=r"two\.parquet is missing"):
        load_dataset(folder)
    (folder / "dataset.yaml").write_text("a: [")
    with pytest.raises(DatasetError, match="not valid YAML"):
        load_dataset(folder)
    with pytest.raises(OutputError, match="--force"):
        write_dataset(folder, dataset)


def record(folder, dataset, episode, name):
    recorder = EpisodeRecorder(folder, dataset, name)
    for sample in episode:
        recorder.append(sample)
    return recorder


def test_recordings_are_added_to_a_dataset(tmp_path, dataset):
    folder = tmp_path / "d"
    for name, episode in zip("ab", dataset.episodes, strict=False):
        assert [e.name for e in record(folder, dataset, episode, name).finish()] == [name]
    read = load_dataset(folder)
    assert [e.name for e in read.episodes] == ["a", "b"] and read.rate == dataset.rate
    assert set(read.notes) == {"a", "b"} and read.notes["a"]["gaps"] == 0
    same(read.episodes[1], dataset.episodes[1])
    with pytest.raises(DatasetError, match="holds a recording 'a' already"):
        EpisodeRecorder(folder, dataset, "a")


def test_samples_with_a_missing_value_are_left_out(tmp_path, dataset):
    episode = dataset.episodes[0]
    tau = episode.tau.copy()
    tau[100] = np.nan
    record(tmp_path / "d", dataset, replace(episode, tau=tau), "a").finish()
    read = load_dataset(tmp_path / "d")
    assert len(read.episodes[0]) == len(episode) - 1 and read.notes["a"]["nan"] == 1


def test_a_recording_that_does_not_fit_is_refused_but_kept(tmp_path, dataset, make_episode):
    folder = tmp_path / "d"
    record(folder, dataset, dataset.episodes[0], "a").finish()
    with pytest.raises(DatasetError, match=r"recorded at 500 Hz, the dataset has 125 Hz.*b\.kept\.arrows"):
        record(folder, dataset, make_episode(samples=2000, rate=500.0), "b").finish()
    with pytest.raises(DatasetError, match="no continuous piece"):
        record(folder, dataset, make_episode(samples=20), "c").finish()
    assert {p.name for p in folder.glob("*.kept.arrows")} == {"b.kept.arrows", "c.kept.arrows"}
    assert [e.name for e in load_dataset(folder).episodes] == ["a"]
    with pytest.raises(DatasetError, match="choose another folder"):
        EpisodeRecorder(folder, replace(dataset, effort=Effort("A", (1.0, 1.0))), "d")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "note.txt").touch()
    with pytest.raises(DatasetError, match="holds other files"):
        EpisodeRecorder(tmp_path / "other", dataset, "a")


CRASH = """
import os, sys
from pathlib import Path
from vastares_ros.io.datasets import EpisodeRecorder, load_dataset
dataset = load_dataset(Path(sys.argv[1]))
recorder = EpisodeRecorder(Path(sys.argv[2]), dataset, "crashed")
for i, sample in enumerate(dataset.episodes[0]):
    recorder.append(sample)
    if i == 399:
        recorder.flush()
os.kill(os.getpid(), 9)
"""


@pytest.mark.process
def test_a_killed_process_loses_only_what_was_not_flushed(tmp_path, dataset):
    write_dataset(tmp_path / "source", dataset)
    command = [sys.executable, "-c", CRASH, str(tmp_path / "source"), str(tmp_path / "d")]
    assert subprocess.run(command, check=False).returncode == -9
    assert [len(e) for e in recover(tmp_path / "d")] == [400]
    read = load_dataset(tmp_path / "d")
    np.testing.assert_array_equal(read.episodes[0].tau, dataset.episodes[0].tau[:400])
    assert not list((tmp_path / "d").glob("*.arrows")) and recover(tmp_path / "d") == ()


def test_a_stream_cut_in_the_middle_of_a_batch_gives_what_is_whole(tmp_path, dataset):
    recorder = record(tmp_path / "d", dataset, dataset.episodes[0], "a")
    recorder.flush()
    for sample in dataset.episodes[0]:
        recorder.append(sample)
    recorder.flush()
    stream = next((tmp_path / "d").glob("*.arrows"))
    stream.write_bytes(stream.read_bytes()[:-100])
    assert [len(e) for e in recover(tmp_path / "d")] == [500]


def test_a_foreign_stream_is_named(tmp_path):
    (tmp_path / "x.recording.arrows").write_bytes(b"rubbish")
    with pytest.raises(DatasetError, match=r"x\.recording\.arrows is not a recording"):
        recover(tmp_path)


def test_a_discarded_recording_leaves_the_dataset_and_is_one_of_its_own(tmp_path, dataset):
    folder = tmp_path / "d"
    for name, episode in zip("ab", dataset.episodes, strict=False):
        record(folder, dataset, episode, name).finish()
    aside = discard(folder, "a")
    assert aside == folder / "discarded" / "a"
    assert [e.name for e in load_dataset(folder).episodes] == ["b"] and set(load_dataset(folder).notes) == {"b"}
    (dropped,) = load_dataset(aside).episodes
    same(dropped, dataset.episodes[0])
    assert not (folder / "a.parquet").exists()
    with pytest.raises(DatasetError, match="no episode 'a'"):
        discard(folder, "a")


def test_without_recordings_a_folder_is_free_for_another_robot(tmp_path, dataset, make_episode):
    folder = tmp_path / "d"
    for _ in range(2):  # the second of the same name does not replace what was discarded first
        record(folder, dataset, dataset.episodes[0], "a").finish()
        discard(folder, "a")
    assert {p.name for p in (folder / "discarded").iterdir()} == {"a", "a_2"}
    record(folder, replace(dataset, robot="other"), make_episode(samples=2000, rate=500.0), "b").finish()
    assert load_dataset(folder).robot == "other"


def test_a_recording_that_is_on_can_be_discarded(tmp_path, dataset):
    folder = tmp_path / "d"
    record(folder, dataset, dataset.episodes[0], "a").finish()
    aside = record(folder, dataset, dataset.episodes[1], "b").discard()
    assert [e.name for e in load_dataset(folder).episodes] == ["a"]
    same(load_dataset(aside).episodes[0], dataset.episodes[1])
    assert recover(folder) == ()

    recorder = EpisodeRecorder(folder, dataset, "short")
    recorder.append(next(iter(dataset.episodes[0])))
    assert [p.name for p in recorder.discard().iterdir()] == ["short.kept.arrows"]
