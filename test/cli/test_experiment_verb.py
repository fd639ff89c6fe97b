# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`vastares experiment`, as a user types it."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from vastares_ros.cli.experiment import tuned
from vastares_ros.cli.main import main
from vastares_ros.io.datasets import write_dataset
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.experiment import EXPERIMENTS, TUNED

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, dataset):
    place = tmp_path_factory.mktemp("experiment")
    write_dataset(place / "d", dataset)
    (place / "small.yaml").write_text("network: {window: 8, hidden: 4, hidden_layers: 1}\nepochs: 1\n")
    return place


def experiment(folder, name, *more, jobs=1):
    arguments = [folder / "d", "--config", folder / "small.yaml", "-o", folder / "out", "--jobs", jobs]
    return main([str(a) for a in ("experiment", name, *arguments, *more)])


@pytest.mark.process
def test_a_table_its_picture_and_its_cache(folder, capfd):
    assert experiment(folder, "ablation", "--seeds", "2", "--test", "two", jobs=2) == 0
    out = capfd.readouterr().out
    assert "judged on two" in out and "| ResLSTM+SA+VA-TA |" in out and "±" in out
    figures = json.loads((folder / "out" / "ablation.json").read_text())
    assert figures["table"]["LSTM+SA"]["seeds"] == 2 and set(figures["table"]) >= {"mean", "ridge", "ResLSTM+SA+TA-hn"}
    assert (folder / "out" / "ablation.md").read_text() in out and (folder / "out" / "ablation.png").is_file()
    cells = sorted((folder / "out" / "cells").iterdir())
    assert experiment(folder, "ablation", "--seeds", "2", "--test", "two", jobs=2) == 0
    assert sorted((folder / "out" / "cells").iterdir()) == cells


@pytest.mark.process
def test_attention_and_trajectories(folder, capfd):
    assert experiment(folder, "attention", "--seeds", "1") == 0
    assert experiment(folder, "trajectories") == 0
    names = {"attention_spatial.png", "attention_temporal.png", "attention_velocity.png", "trajectories.png"}
    assert names <= {p.name for p in (folder / "out").iterdir()}


@pytest.mark.process
def test_tune_writes_settings_that_the_others_take(folder, tmp_path, capfd):
    split = ("--test", "three", "--seeds", "1")
    assert experiment(folder, "tune", *split) == 2
    assert "name some with --validation" in capfd.readouterr().err
    (folder / "small.yaml").write_text(
        "network: {window: 4, hidden: 4, hidden_layers: 0}\nepochs: 1\nepoch_windows: 128\n"
    )
    assert experiment(folder, "tune", *split, "--validation", "two") == 0
    settings = yaml.safe_load((folder / "out" / "tuned.yaml").read_text())
    assert set(settings) == set(TUNED) and settings["gru"]["network"].keys() <= {"hidden", "window"}
    assert settings["va_sta_reslstm"]["network"]["hidden_layers"] == 0, "by the config, not by default"
    assert (folder / "out" / "tuned.md").read_text().count("\n") == len(TUNED)
    settings = {
        "mlp": {"network": {"hidden": 3}},
        "va_sta_reslstm": {"learning_rate": 0.5, "network": {"hidden_layers": 0, "hidden": 9}},
    }
    (tmp_path / "tuned.yaml").write_text(yaml.safe_dump(settings))
    config = TrainConfig()
    rows = {}
    for name in ("compare", "ablation"):
        rows |= tuned(EXPERIMENTS[name], config, tmp_path / "tuned.yaml")
    assert rows["MLP"].network.hidden == 3 and rows["MLP"].learning_rate == config.learning_rate
    assert rows["LSTM+SA"].learning_rate == 0.5 and rows["LSTM+SA"].model == "lstm_sa"
    assert rows["LSTM+SA"].network.temporal == "none" and rows["LSTM+SA"].network.hidden == 9
    layers = tuned(EXPERIMENTS["layers"], config, tmp_path / "tuned.yaml")
    assert [c.network.hidden_layers for c in layers.values()] == [1, 2, 3, 4, 5, 6]
    assert rows["LSTM"] == EXPERIMENTS["compare"](config)["LSTM"]
    for wrong, says in (({"svm": {}}, "'svm' must be a method"), ({"mlp": {"units": 3}}, "mlp: unknown field units")):
        (tmp_path / "tuned.yaml").write_text(yaml.safe_dump(wrong))
        assert experiment(folder, "compare", *split, "--tuned", tmp_path / "tuned.yaml") == 2
        assert says in capfd.readouterr().err


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="children are looked up in /proc")
@pytest.mark.process
def test_workers_end_with_a_program_that_was_killed(folder):
    (folder / "long.yaml").write_text("epochs: 10000\n")
    arguments = ["attention", folder / "d", "--config", folder / "long.yaml", "-o", folder / "killed"]
    command = [sys.executable, "-m", "vastares_ros", "experiment", *map(str, arguments), "--seeds", "1", "--jobs", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
        workers = eventually(lambda: [pid for pid in children(program.pid) if "spawn_main" in command_of(pid)])
        program.kill()
    eventually(lambda: not any("spawn_main" in command_of(pid) for pid in workers))


def children(pid):
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def eventually(condition):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.01)  # in place of a loop that takes a core from what it waits for
    pytest.fail("it did not come about within a minute")


def test_bad_input(folder, capfd, dataset, tmp_path):
    assert experiment(folder, "ablation", "--test", "nowhere") == 2
    assert "no episode 'nowhere'" in capfd.readouterr().err
    assert experiment(folder, "ablation", "--seeds", "0") == 2
    assert "--seeds is 0" in capfd.readouterr().err
    with pytest.raises(SystemExit):
        experiment(folder, "tables")
    assert "ablation" in capfd.readouterr().err


@pytest.mark.process
def test_physics_on_recordings_that_are_named(tmp_path, arm_dataset, capfd):
    pytest.importorskip("pinocchio")
    write_dataset(tmp_path / "d", arm_dataset)
    (tmp_path / "small.yaml").write_text("network: {window: 4, hidden: 4, hidden_layers: 0}\nepochs: 1\n")
    where = [str(tmp_path / "d"), "-o", str(tmp_path / "out"), "--config", str(tmp_path / "small.yaml")]
    split = ["--test", "three", "--validation", "two"]
    assert main(["experiment", "physics", *where, *split, "--seeds", "1", "--jobs", "2"]) == 0
    assert "judged on three" in capfd.readouterr().out
    figures = json.loads((tmp_path / "out" / "physics.json").read_text())
    assert (figures["recordings"], figures["validation"], figures["failed"]) == (["three"], ["two"], 0)
    assert set(figures["table"]["basic friction model"]["nmse"]) == set(arm_dataset.joints)


@pytest.mark.process
def test_physics_leaves_each_recording_out_in_turn(tmp_path, arm_dataset, capfd):
    pytest.importorskip("pinocchio")
    write_dataset(tmp_path / "d", arm_dataset)
    (tmp_path / "small.yaml").write_text(
        "network: {window: 4, hidden: 4, hidden_layers: 0}\nepochs: 1\nepoch_windows: 128\n"
    )
    where = [str(tmp_path / "d"), "-o", str(tmp_path / "out"), "--config", str(tmp_path / "small.yaml")]
    assert main(["experiment", "physics", *where, "--seeds", "1", "--jobs", "1"]) == 0
    figures = json.loads((tmp_path / "out" / "physics.json").read_text())
    table = figures["table"]
    assert set(table["hybrid with ResLSTM+SA+VA-TA"]["nmse"]) == {"one", "two", "three"} == set(figures["recordings"])
    assert table["basic friction model"]["nmse_mean"][0] < table["ridge"]["nmse_mean"][0]
    assert {"GRU", "extended friction model", "extended, adaptive within 20 s"} < set(table)
    cells = [json.loads(p.read_text()) for p in (tmp_path / "out" / "cells").glob("*/result.json")]
    mine = [c for c in cells if c["row"] == "basic friction model"]
    assert table["basic friction model"]["nmse_mean"][0] == pytest.approx(
        sum(c["nmse_mean"]["model"] for c in mine) / 3
    )
    assert (tmp_path / "out" / "physics.md").read_text() in capfd.readouterr().out
    for wrong, says in (
        (["--split", "ur5"], "leave out --split"),
        (["--validation", "one"], "give --test as well"),
        (["--test", "four"], "no episode 'four'"),
    ):
        assert main(["experiment", "physics", *where, *wrong]) == 2
        assert says in capfd.readouterr().err
    write_dataset(tmp_path / "pair", replace(arm_dataset, episodes=arm_dataset.episodes[:2]))
    assert main(["experiment", "physics", str(tmp_path / "pair"), *where[1:]]) == 2
    assert "pair has one, two: record more" in capfd.readouterr().err
