# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import pytest

from vastares_ros.core.errors import OutputError
from vastares_ros.io.folders import check_file, check_output, written_folder


def write(path, force=False, text="new"):
    with written_folder(path, "marker", force) as folder:
        (folder / "marker").write_text(text)


def test_a_folder_is_replaced_only_by_force(tmp_path):
    write(tmp_path / "a" / "b", text="old")
    with pytest.raises(OutputError, match="--force"):
        write(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / "marker").read_text() == "old"
    write(tmp_path / "a" / "b", force=True)
    assert (tmp_path / "a" / "b" / "marker").read_text() == "new"


def test_what_is_not_ours_is_not_replaced_even_by_force(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years")
    with pytest.raises(OutputError, match="holds no marker"):
        write(tmp_path / "home", force=True)
    assert (tmp_path / "home" / "thesis.tex").read_text() == "years"


def test_a_failure_leaves_what_was_there(tmp_path):
    write(tmp_path / "a", text="old")
    with pytest.raises(KeyError), written_folder(tmp_path / "a", "marker", force=True) as folder:
        (folder / "marker").write_text("half")
        raise KeyError
    assert (tmp_path / "a" / "marker").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_place_that_cannot_be_written_is_named_at_once(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file is no folder"):
        check_output(tmp_path / "file" / "x" / "y", "marker", force=False)
    with pytest.raises(OutputError, match="file is no folder"):
        check_file(tmp_path / "file" / "x", force=False)
    monkeypatch.setattr("os.access", lambda path, mode: False)  # the tests may run as root, who may write anywhere
    with pytest.raises(OutputError, match="may not be written to"):
        check_output(tmp_path / "x", "marker", force=False)


def test_a_file_is_replaced_only_by_force(tmp_path):
    file = tmp_path / "e.json"
    check_file(file, force=False)
    file.write_text("{}")
    check_file(file, force=True)
    with pytest.raises(OutputError, match=r"e\.json exists"):
        check_file(file, force=False)
