# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Goals of the benchmarks, and the benchmark of a GPU where there may be none. What is measured is not tested."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture
def bench(monkeypatch):
    """The names of bench/run.py."""
    monkeypatch.syspath_prepend(BENCH)
    return runpy.run_path(str(BENCH / "run.py"))


def test_a_goal_is_met_or_missed_or_could_not_be_measured(bench):
    least = bench["Goal"]("ratio", "program", ("sizes", 0, "ratio"), at_least=3)
    most = bench["Goal"]("time [us]", "program", ("sizes", 0, "ratio"), at_most=3)
    for value, enough, little in ((2.0, False, True), (3.0, True, True), (4.0, True, False)):
        figures = {"sizes": [{"ratio": value}]}
        assert least.judged(figures) == {"value": value, "goal": "at least 3", "met": enough}
        assert most.judged(figures) == {"value": value, "goal": "at most 3", "met": little}
    skipped = most.judged({"device": None, "skipped": "no CUDA device"})
    assert skipped["met"] is None and skipped["why"] == "not measured: no CUDA device"
    failed = most.judged({"error": "ended with status 1"})
    assert failed["met"] is False and failed["why"] == "ended with status 1"
    for lacking in ({}, {"sizes": []}, {"sizes": [{"other": 1.0}]}):
        assert most.judged(lacking)["met"] is False


def test_every_goal_is_of_a_program_and_has_a_bound_and_a_name(bench):
    goals = bench["GOALS"]
    assert all((BENCH / f"{goal.program}.py").is_file() and goal.wanted for goal in goals)
    assert len({goal.name for goal in goals}) == len(goals)


@pytest.mark.process
@pytest.mark.slow
def test_the_benchmark_of_a_gpu_measures_it_or_says_that_there_is_none(tmp_path):
    pytest.importorskip("onnxruntime", reason="the extra `bench` is not installed")
    small = ["--ticks", "20", "--batches", "64", "--rounds", "1", "--seeds", "1", "--steps", "2"]
    done = subprocess.run(
        [sys.executable, BENCH / "gpu.py", *small], stdout=subprocess.PIPE, text=True, check=True, cwd=tmp_path
    )
    found = json.loads(done.stdout)
    assert found["machine"]["cores"]
    if torch.cuda.is_available():
        assert found["device"] == torch.cuda.get_device_name()
        assert all(size["cuda_graph"]["engine"].endswith("CUDA graph") for size in found["sizes"])
        assert found["batches"][0]["windows_per_s"] > 0 and found["training"]["ratio"] > 0
    else:
        assert found["device"] is None and found["skipped"] == "no CUDA device"
