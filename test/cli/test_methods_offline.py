# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""train --model NAME → evaluate, for every method."""

import json
from dataclasses import replace

import pytest

from vastares_ros.cli.main import main
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.datasets import write_dataset
from vastares_ros.io.robots import config_folder
from vastares_ros.models.methods import METHODS

SMALLER = {"gpr": {"inducing": 100, "subset": 100}}  # configurations of networks that take seconds by default


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, dataset, make_episode):
    folder = tmp_path_factory.mktemp("prepared") / "d"
    write_dataset(folder, replace(dataset, episodes=(*dataset.episodes, make_episode("four", 3))))
    return str(folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_train_and_evaluate(name, prepared, tmp_path, capsys):
    (tmp_path / "c.yaml").write_text(f"network: {SMALLER.get(name, {})}")
    command = ["train", prepared, "--model", name, "--config", str(tmp_path / "c.yaml"), "--epochs", "2"]
    command += ["--test", "three", "-o", str(tmp_path / "b")]
    folds = name == "mlp"  # the quickest; validation recordings make folds for the bound needless
    assert main([*command, "--json-progress", *([] if folds else ["--validation", "four"])]) == 0
    progress = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    trainings = 4 if folds else 1  # the last one, and one without each of the three training recordings for the bound
    epochs = trainings * (1 if name in ("gpr", "lwpr") else 2)
    assert progress[-1]["epoch"] == progress[-1]["epochs"] == epochs
    assert main(["evaluate", str(tmp_path / "b"), prepared, "--json", str(tmp_path / "e.json")]) == 0
    figures = json.loads((tmp_path / "e.json").read_text())["nmse_mean"]
    assert figures["model"] < 0.8 * figures["mean"]
    assert load_bundle(tmp_path / "b").method == name
    assert main(["info", str(tmp_path / "b")]) == 0
    assert name in capsys.readouterr().out


def test_an_unknown_method_lists_those_that_exist(prepared, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", prepared, "--model", "svm", "-o", str(tmp_path / "b")])
    said = capsys.readouterr().err
    assert ended.value.code == 2 and all(name in said for name in METHODS)
    config = tmp_path / "c.yaml"
    config.write_text("model: svm")
    assert main(["train", prepared, "--config", str(config), "-o", str(tmp_path / "b")]) == 2
    said = capsys.readouterr().err
    assert "model 'svm' is unknown" in said and all(name in said for name in METHODS)


def test_a_configuration_for_another_method_says_whose_field_it_is(prepared, tmp_path, capsys):
    example = str(config_folder() / "train.yaml")
    assert main(["train", prepared, "--model", "lstm", "--config", example, "-o", str(tmp_path / "b")]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    own = "window, hidden, acceleration, rigid_body_torque"
    assert f"unknown field network.hidden_layers: model lstm has {own} (docs/reference/training.md)" in said
