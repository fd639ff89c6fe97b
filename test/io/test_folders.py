# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from pathlib import Path

import pytest

from vastares_ros.core.errors import OutputError
from vastares_ros.io.folders import check_file, check_output, written_file, written_folder


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


def test_folders_of_the_user_that_look_like_scratch_stay(tmp_path):
    (tmp_path / "a.partial").mkdir()
    (tmp_path / "a.partial" / "thesis.tex").write_text("years")
    write(tmp_path / "a")
    assert (tmp_path / "a.partial" / "thesis.tex").read_text() == "years"


def test_two_writers_do_not_share_a_scratch_folder(tmp_path):
    with written_folder(tmp_path / "a", "marker", force=True) as one:
        (one / "marker").write_text("one")
        write(tmp_path / "a", text="two")
        assert (one / "marker").read_text() == "one" and (tmp_path / "a" / "marker").read_text() == "two"
    assert (tmp_path / "a" / "marker").read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_what_a_link_leads_to_is_replaced(tmp_path):
    write(tmp_path / "there", text="old")
    (tmp_path / "link").symlink_to("there")
    write(tmp_path / "link", force=True)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "there" / "marker").read_text() == "new"
    assert {p.name for p in tmp_path.iterdir()} == {"link", "there"}


@pytest.mark.parametrize("fails", [1, 2])
def test_a_failure_at_the_very_end_leaves_what_was_there(tmp_path, monkeypatch, fails):
    write(tmp_path / "a", text="old")
    done, replace = [], Path.replace

    def failing(self, target):
        done.append(self)
        if len(done) == fails:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match="No space"):
        write(tmp_path / "a", force=True)
    assert (tmp_path / "a" / "marker").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(KeyError), written_file(tmp_path / "a") as scratch:
        scratch.write_text("half")
        raise KeyError
    assert (tmp_path / "a").read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a"]


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
