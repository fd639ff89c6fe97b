"""`vastares experiment`, as a user types it."""

import json

import pytest

from vastares_ros.cli.main import main
from vastares_ros.io.datasets import write_dataset

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, dataset):
    place = tmp_path_factory.mktemp("experiment")
    write_dataset(place / "d", dataset)
    (place / "small.yaml").write_text("network: {window: 8, hidden: 4, hidden_layers: 1}\nepochs: 1\n")
    return place


def experiment(folder, name, *more):
    arguments = ["--dataset", folder / "d", "--config", folder / "small.yaml", "-o", folder / "out", "--jobs", "2"]
    return main([str(a) for a in ("experiment", name, *arguments, *more)])


def test_a_table_its_picture_and_its_cache(folder, capfd):
    assert experiment(folder, "ablation", "--seeds", "2", "--test", "two") == 0
    out = capfd.readouterr().out
    assert "judged on two" in out and "| ResLSTM+SA+VA-TA |" in out and "±" in out
    figures = json.loads((folder / "out" / "ablation.json").read_text())
    assert figures["table"]["LSTM+SA"]["seeds"] == 2 and set(figures["table"]) >= {"mean", "ridge", "ResLSTM+SA+TA-hn"}
    assert (folder / "out" / "ablation.md").read_text() in out and (folder / "out" / "ablation.png").is_file()
    cells = sorted((folder / "out" / "cells").iterdir())
    assert experiment(folder, "ablation", "--seeds", "2", "--test", "two") == 0
    assert sorted((folder / "out" / "cells").iterdir()) == cells


def test_attention_and_trajectories(folder, capfd):
    assert experiment(folder, "attention", "--seeds", "1") == 0
    assert experiment(folder, "trajectories") == 0
    names = {"attention_spatial.png", "attention_temporal.png", "attention_velocity.png", "trajectories.png"}
    assert names <= {p.name for p in (folder / "out").iterdir()}


def test_bad_input(folder, capfd, dataset, tmp_path):
    assert experiment(folder, "ablation", "--test", "nowhere") == 2
    assert "no episode 'nowhere'" in capfd.readouterr().err
    assert experiment(folder, "ablation", "--seeds", "0") == 2
    assert "--seeds is 0" in capfd.readouterr().err
    with pytest.raises(SystemExit):
        experiment(folder, "tables")
    assert "ablation" in capfd.readouterr().err
