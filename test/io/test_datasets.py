# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from vastares_ros.core import scratch
from vastares_ros.core.errors import DatasetError, OutputError
from vastares_ros.io import datasets, folders
from vastares_ros.io.datasets import load_dataset, write_dataset
from vastares_ros.io.folders import sha256


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


def test_a_large_dataset_is_the_same_from_files(tmp_path, dataset, monkeypatch):
    monkeypatch.setattr(datasets, "ROW_GROUP", 100)
    monkeypatch.setattr(datasets, "BLOCK", 64)
    monkeypatch.setattr(scratch, "LARGE", 1000)
    write_dataset(tmp_path / "d", dataset)
    assert pq.ParquetFile(tmp_path / "d" / f"{dataset.episodes[0].name}.parquet").num_row_groups > 1
    read = load_dataset(tmp_path / "d")
    for a, b in zip(dataset.episodes, read.episodes, strict=True):
        assert (a.name, a.recording) == (b.name, b.recording)
        same(a, b)


def test_a_file_is_never_in_memory_whole(tmp_path, make_episode, dataset, monkeypatch):
    monkeypatch.setattr(datasets, "ROW_GROUP", 5000)
    monkeypatch.setattr(datasets, "BLOCK", 5000)
    monkeypatch.setattr(scratch, "LARGE", 1000)
    long = make_episode(samples=100_000)
    write_dataset(tmp_path / "d", replace(dataset, episodes=(long,)))
    held = []
    real = scratch.Growing.append
    monkeypatch.setattr(
        scratch.Growing, "append", lambda *a: held.append(pa.total_allocated_bytes() - before) or real(*a)
    )
    before = pa.total_allocated_bytes()
    same(load_dataset(tmp_path / "d").episodes[0], long)
    assert 0 < max(held) < 0.3 * sum(x.nbytes for x in (long.t, long.q, long.qd, long.tau))


def forged(folder, dataset, change=None, **entry):
    """A dataset whose first file has another table, and whose index says so."""
    write_dataset(folder, dataset)
    index = yaml.safe_load((folder / "dataset.yaml").read_text())
    file = folder / index["episodes"][0]["file"]
    if callable(change):
        pq.write_table(change(pq.read_table(file)), file)
    elif change:
        file.write_bytes(change)
    index["episodes"][0] |= {"sha256": sha256(file)} | entry
    (folder / "dataset.yaml").write_text(yaml.safe_dump(index))


def column(name, values):
    return lambda table: table.set_column(table.column_names.index(name), name, [values(table[name].to_numpy())])


def put(value):
    return lambda x: np.where(np.arange(len(x)) == 100, value, x)


@pytest.mark.parametrize(
    ("change", "entry", "message"),
    [
        (b"PAR1" + bytes(100) + b"PAR1", {}, r"one\.parquet is damaged"),
        (b"PAR1" + b"\xff" * 400 + b"\x90\x01\x00\x00PAR1", {}, r"one\.parquet is damaged"),
        (lambda table: table.drop_columns(["tau_elbow"]), {}, r"one\.parquet is damaged .*tau_elbow"),
        (column("q_elbow", lambda x: x.astype(str)), {}, "column q_elbow holds string, not numbers"),
        (column("t", put(np.nan)), {}, r"one\.parquet has a stamp that is no number"),
        (column("qd_elbow", put(1e30)), {}, r"one\.parquet: qd_elbow has an absurd value"),
        (lambda table: table.slice(0, 400), {}, "has 400 samples, and 500 by dataset.yaml"),
        (None, {"file": "../one.parquet"}, r"'\.\./one\.parquet' is not in the folder"),
        (None, {"file": "x" * 5000}, "File name too long"),
        (None, {"samples": "many"}, "field missing or wrong"),
        (None, {"name": ["a"]}, "name of an episode"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path, dataset, change, entry, message):
    forged(tmp_path / "d", dataset, change, **entry)
    with pytest.raises(DatasetError, match=message) as caught:
        load_dataset(tmp_path / "d")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_a_file_that_unpacks_to_far_more_than_recordings_do_is_refused(tmp_path, dataset, monkeypatch):
    monkeypatch.setattr(folders, "SMALL", 2**20)
    rows = 1_000_000
    zeros = pa.table({name: np.zeros(rows) for name in ("t", "q_shoulder", "q_elbow", "qd_shoulder", "qd_elbow")})
    zeros = zeros.append_column("tau_shoulder", zeros["t"]).append_column("tau_elbow", zeros["t"])
    forged(tmp_path / "d", dataset, lambda _: zeros, samples=rows)
    with pytest.raises(DatasetError, match=r"one\.parquet unpacks to 0\.1 GB or more, 200 times its size"):
        load_dataset(tmp_path / "d")


@pytest.mark.parametrize(
    "fields",
    [{"rate_hz": -1}, {"rate_hz": float("nan")}, {"joints": []}, {"joints": [1, 2]}, {"joints": 3}, {"notes": [1]},
     {"episodes": 7}, {"effort": [1]}, {"effort": {"unit": "furlong", "scale": [1.0, 1.0]}}],
)  # fmt: skip
def test_a_field_of_the_index_that_is_wrong_is_told(tmp_path, dataset, fields):
    write_dataset(tmp_path / "d", dataset)
    edit(tmp_path / "d" / "dataset.yaml", **fields)
    with pytest.raises(DatasetError, match=r"dataset\.yaml: field missing or wrong"):
        load_dataset(tmp_path / "d")
