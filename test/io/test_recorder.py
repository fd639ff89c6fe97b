# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Live recordings: streamed to disk, made part of a dataset, recovered after a crash, discarded."""

import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from vastares_ros.core.errors import DatasetError
from vastares_ros.core.robot import Effort
from vastares_ros.io.datasets import load_dataset, write_dataset
from vastares_ros.io.recorder import EpisodeRecorder, check_recordable, discard_recording, recover


def same(a, b):
    for field in ("t", "q", "qd", "tau"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


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


@pytest.mark.parametrize("value", [np.nan, 1e6, -1e300])
def test_samples_with_a_missing_or_absurd_value_are_left_out(tmp_path, dataset, value):
    episode = dataset.episodes[0]
    tau = episode.tau.copy()
    tau[100] = value
    record(tmp_path / "d", dataset, replace(episode, tau=tau), "a").finish()
    read = load_dataset(tmp_path / "d")
    assert len(read.episodes[0]) == len(episode) - 1 and read.notes["a"]["nan"] == 1


def test_a_recording_that_does_not_fit_is_refused_but_kept(tmp_path, dataset, make_episode):
    folder = tmp_path / "d"
    record(folder, dataset, dataset.episodes[0], "a").finish()
    with pytest.raises(DatasetError, match=r"recorded at 500 Hz, the dataset has 125 Hz.*b\.kept\.arrows") as error:
        record(folder, dataset, make_episode(samples=2000, rate=500.0), "b").finish()
    kept = {"recording": "b", "path": folder / "b.kept.arrows"}
    assert error.value.about == {"value": 500.0, "lower": 112.5, "upper": 137.5} | kept
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


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), pa.ArrowInvalid("No space left on device")])
def test_a_recording_that_does_not_fit_on_the_disk_is_kept_for_later(tmp_path, dataset, monkeypatch, error):
    def full(*_):
        raise error

    recorder = record(tmp_path / "d", dataset, dataset.episodes[0], "a")
    with monkeypatch.context() as patch:
        patch.setattr("vastares_ros.io.recorder.write_into", full)
        with pytest.raises(DatasetError, match=r"No space left on device.*kept as .*a\.recording\.arrows"):
            recorder.finish()
    assert [e.name for e in recover(tmp_path / "d")] == ["a"]
    same(load_dataset(tmp_path / "d").episodes[0], dataset.episodes[0])


@pytest.mark.parametrize("hz", [2, 10, 20])
def test_a_recording_of_two_publishers_is_refused(tmp_path, dataset, make_episode, hz):
    episode = make_episode("long", samples=1500)
    recorder, stands = EpisodeRecorder(tmp_path / "d", dataset, "a"), next(iter(episode))
    other = [replace(stands, t=stands.t + i / hz + 0.003) for i in range(1, 11 * hz)]
    for sample in sorted([*episode, *other], key=lambda s: s.t):
        recorder.append(sample)
    with pytest.raises(DatasetError, match="two publishers seem to publish the same joints"):
        recorder.finish()


def test_a_file_that_no_index_lists_is_not_taken_for_a_recording(tmp_path, dataset):
    folder = tmp_path / "d"
    record(folder, dataset, dataset.episodes[0], "a").finish()
    (folder / "b.parquet").write_bytes((folder / "a.parquet").read_bytes())  # of a recording that was dropped, say
    record(folder, dataset, dataset.episodes[1], "b").finish()
    same(load_dataset(folder).episodes[1], dataset.episodes[1])


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("write", range(1, 5))
def test_a_recording_that_is_cut_off_at_any_write_is_added_by_the_next_start(
    tmp_path, dataset, monkeypatch, write, first
):
    folder = tmp_path / "d"
    if not first:
        record(folder, dataset, dataset.episodes[0], "a").finish()
    recorder = record(folder, dataset, dataset.episodes[1], "b")

    class Killed(BaseException):
        pass

    done = 0
    replace_, unlink = Path.replace, Path.unlink

    def killing(real):
        def each(self, *args, **options):
            nonlocal done
            done += 1
            if done >= write:
                raise Killed
            return real(self, *args, **options)

        return each

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killing(replace_))
        patch.setattr(Path, "unlink", killing(unlink))  # what is killed unlinks nothing
        with suppress(Killed):
            recorder.finish()
    check_recordable(folder)
    recover(folder)
    read = load_dataset(folder)
    assert [e.name for e in read.episodes] == (["b"] if first else ["a", "b"])
    same(read.episodes[-1], dataset.episodes[1])
    assert not list(folder.glob("*.arrows"))


CRASH = """
import os, sys
from pathlib import Path
from vastares_ros.io.datasets import load_dataset
from vastares_ros.io.recorder import EpisodeRecorder
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
    aside = discard_recording(folder, "a")
    assert aside == folder / "discarded" / "a"
    assert [e.name for e in load_dataset(folder).episodes] == ["b"] and set(load_dataset(folder).notes) == {"b"}
    (dropped,) = load_dataset(aside).episodes
    same(dropped, dataset.episodes[0])
    assert not (folder / "a.parquet").exists()
    with pytest.raises(DatasetError, match="no episode 'a'"):
        discard_recording(folder, "a")


def test_without_recordings_a_folder_is_free_for_another_robot(tmp_path, dataset, make_episode):
    folder = tmp_path / "d"
    for _ in range(2):  # the second of the same name does not replace what was discarded first
        record(folder, dataset, dataset.episodes[0], "a").finish()
        discard_recording(folder, "a")
    assert {p.name for p in (folder / "discarded").iterdir()} == {"a", "a_2"}
    record(folder, replace(dataset, robot="other"), make_episode(samples=2000, rate=500.0), "b").finish()
    assert load_dataset(folder).robot == "other"


def test_a_recording_that_is_on_can_be_discarded(tmp_path, dataset):
    folder = tmp_path / "d"
    record(folder, dataset, dataset.episodes[0], "a").finish()
    aside = record(folder, dataset, dataset.episodes[1], "b").move_aside()
    assert [e.name for e in load_dataset(folder).episodes] == ["a"]
    same(load_dataset(aside).episodes[0], dataset.episodes[1])
    assert recover(folder) == ()

    recorder = EpisodeRecorder(folder, dataset, "short")
    recorder.append(next(iter(dataset.episodes[0])))
    assert [p.name for p in recorder.move_aside().iterdir()] == ["short.kept.arrows"]
