# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`vastares bench`, as a user types it. What it measures depends on the machine; how it adds up does not."""

import json

import pytest
import torch

from vastares_ros.cli.main import main
from vastares_ros.io.bundles import save_bundle
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.runtime.pipeline import Pipeline
from vastares_ros.runtime.tick import SHARE, measure_tick
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.fit import fit


@pytest.fixture(scope="module")
def bundle(dataset):
    config = TrainConfig(network=NetworkConfig(window=8, hidden=4), epochs=1)
    return fit(dataset, config, torch.device("cpu"), test=["three"])


@pytest.fixture(scope="module")
def folder(bundle, tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "b"
    save_bundle(path, bundle)
    return path


def test_a_tick_is_measured_with_full_windows_and_forgotten(bundle):
    pipeline = Pipeline(bundle, engine="torch")
    answered = []
    push = pipeline.push
    pipeline.push = lambda *args: answered.append(push(*args)) or answered[-1]
    tick = measure_tick(pipeline, 50)
    assert len(answered) == 58 and all(outputs.has_torque for outputs in answered[-50:])
    assert all(outputs.estimate.valid for outputs in answered[-50:]), "the made-up motion is that of the training"
    assert 0 < tick.p50_ms <= tick.p99_ms <= tick.max_ms and tick.samples == 50
    assert tick.held_hz == pytest.approx(SHARE * 1e3 / tick.p99_ms)
    first = push(10**9, bundle.joints, [0.0, 0.0], [0.0, 0.0], [0.0, 0.0])
    assert first.estimate.detail == "1 of 8 samples"


@pytest.mark.process
def test_engines_side_by_side(folder, tmp_path, capsys):
    file = tmp_path / "bench.json"
    assert main(["bench", str(folder), "--samples", "100", "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert [of["engine"] for of in found["engines"]] == ["torch", "compiled"] and found["rate_hz"] == 125
    for of in found["engines"]:
        assert of["start_s"] > 0 and of["memory_mb"] >= 0 and of["tick"]["samples"] == 100
    said = capsys.readouterr()
    assert "trained at 125 Hz" in said.out and "torch" in said.out
    too_slow = max(of["tick"]["held_hz"] for of in found["engines"]) < 125
    assert ("train a smaller network" in said.err) == too_slow


def test_bad_input(folder, tmp_path, capsys):
    assert main(["bench", str(folder), "--samples", "3"]) == 2
    assert "--samples is 3: use 100 or more" in capsys.readouterr().err
    assert main(["bench", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["bench", str(folder), "--engine", "steam"])
