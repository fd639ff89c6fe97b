# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Large arrays in files, and medians and quantiles of numbers that come in parts."""

import os

import numpy as np
import pytest

from vastares_ros.core import ranks, scratch
from vastares_ros.core.errors import OutputError
from vastares_ros.core.ranks import median, quantiles


@pytest.fixture(params=["memory", "file"])
def large(request, monkeypatch):
    if request.param == "file":
        monkeypatch.setattr(scratch, "LARGE", 100)
        monkeypatch.setattr(scratch, "BLOCK", 7)
    return request.param == "file"


def test_blocks_cover_all_rows(monkeypatch):
    assert list(scratch.blocks(0)) == []
    assert list(scratch.blocks(10, 4)) == [slice(0, 4), slice(4, 8), slice(8, 10)]


def test_filled_and_grown_arrays_keep_their_values_when_pages_are_released(large):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5000, 3))
    filled, grown, whole = scratch.empty((5000, 3)), scratch.Growing((3,)), scratch.Growing((), np.int64)
    for s in scratch.blocks(5000):
        filled[s] = values[s]
        grown.append(values[s])
        whole.append(np.arange(s.start, s.stop))
    assert len(grown) == 5000
    kept = grown.array()
    for array in (filled, kept):
        scratch.release()
        np.testing.assert_array_equal(array, values)
        assert array.flags.c_contiguous and array.flags.writeable
    np.testing.assert_array_equal(whole.array(), np.arange(5000))
    assert np.shares_memory(scratch.taken(kept, slice(5, 4000)), kept) is large
    np.testing.assert_array_equal(scratch.picked(kept, [2, 0]), values[:, [2, 0]])
    assert scratch.Growing((0,)).array().shape == (0, 0)


def test_files_have_no_name_and_go_with_the_array(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch, "LARGE", 100)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    array = scratch.empty((10_000,))
    array[:] = 1
    assert list(tmp_path.iterdir()) == [] and len(scratch._maps) >= 1
    before = len(scratch._maps)
    del array
    assert len(scratch._maps) == before - 1


def test_a_folder_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch, "LARGE", 100)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    with pytest.raises(OutputError, match=r"no file can be made in .*none \(No such file.*TMPDIR"):
        scratch.empty((1_000,))


def test_no_room_is_one_line(monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scratch, "LARGE", 100)
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputError, match=r"no room for 8 MB .*No space left.*TMPDIR"):
        scratch.empty((1_000_000,))


@pytest.mark.parametrize("count", [1, 2, 3, 1000, 1001])
@pytest.mark.parametrize("draw", ["normal", "alike", "rounded", "wide"])
def test_medians_and_quantiles_are_those_of_numpy(count, draw, monkeypatch):
    monkeypatch.setattr(ranks, "FEW", 4)
    rng = np.random.default_rng(count)
    x = {
        "normal": np.abs(rng.normal(size=count)),
        "alike": np.full(count, 0.001),
        "rounded": 1.0 + rng.integers(0, 3, count) * np.spacing(1.0),
        "wide": 10.0 ** rng.uniform(-300, 300, count) * rng.integers(0, 2, count),
    }[draw]

    def parts():
        return (x[i : i + 13] for i in range(0, count, 13))

    assert median(parts) == np.median(x)
    wanted = (0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0)
    np.testing.assert_array_equal(quantiles(parts, wanted), np.quantile(x, wanted))


def test_median_of_nothing():
    assert np.isnan(median(lambda: [np.empty(0)]))
