# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""prepare → train → evaluate → info, as a user types them."""

import json
from dataclasses import asdict, fields

import numpy as np
import pytest
import yaml

from vastares_ros.cli.main import main
from vastares_ros.io.bags import MessageTable, write_joint_states
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.datasets import load_dataset
from vastares_ros.io.robots import config_folder
from vastares_ros.training.config import TrainConfig

SMALL = "network: {window: 8, hidden: 4}\nepochs: 1\n"


def write_bag(path, episode, names=None, scale=1.0, topic="/joint_states", **fields):
    stamp_ns = np.round(episode.t * 1e9).astype(np.int64)
    columns = {"position": episode.q, "velocity": episode.qd, "effort": episode.tau / scale} | fields
    write_joint_states(path, {topic: MessageTable(names or episode.joints, stamp_ns, stamp_ns, **columns)})
    return str(path)


@pytest.fixture(scope="module")
def bags(tmp_path_factory, dataset):
    folder = tmp_path_factory.mktemp("bags")
    return [write_bag(folder / e.name, e, scale=-2.0) for e in dataset.episodes]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, bags):
    folder = tmp_path_factory.mktemp("prepared") / "d"
    assert main(["prepare", *bags, "-o", str(folder), "--effort-scale", "-2"]) == 0
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    file = tmp_path_factory.mktemp("config") / "small.yaml"
    file.write_text(SMALL)
    return str(file)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, prepared, config):
    folder = tmp_path_factory.mktemp("trained") / "b"
    assert main(["train", str(prepared), "-o", str(folder), "--config", config, "--test", "three"]) == 0
    return folder


def fails(capsys, *argv):
    """The one line that a failing verb prints."""
    assert main([str(a) for a in argv]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith(f"vastares {argv[0]}: error: ")
    assert not any("Traceback" in line for line in lines)
    return lines[-1]


def test_prepare_scales_effort_and_keeps_recordings_apart(prepared, dataset):
    read = load_dataset(prepared)
    assert [e.recording for e in read.episodes] == ["one", "two", "three"] and read.rate == pytest.approx(125.0)
    np.testing.assert_allclose(read.episodes[0].tau, dataset.episodes[0].tau)
    assert read.effort.scale == (-2.0, -2.0) and read.notes["one"]["messages"] == 500


def test_prepare_says_what_it_left_out(tmp_path, capsys, dataset):
    episode = dataset.episodes[0]
    tau = episode.tau.copy()
    tau[100:110] = np.nan
    bag = write_bag(tmp_path / "holes", episode, effort=tau)
    assert main(["prepare", bag, "-o", str(tmp_path / "d")]) == 0
    out = capsys.readouterr().out
    assert "10 samples with a missing, non-finite or absurd value" in out and "1 gaps above 2.5 periods" in out


def test_prepare_resamples_only_when_asked(tmp_path, capsys, bags, make_episode):
    fast = write_bag(tmp_path / "fast", make_episode(samples=2000, rate=500.0))
    line = fails(capsys, "prepare", bags[0], fast, "-o", tmp_path / "d")
    assert "500.0 Hz" in line and "--rate" in line and not (tmp_path / "d").exists()
    assert main(["prepare", bags[0], fast, "-o", str(tmp_path / "d"), "--rate", "100"]) == 0
    read = load_dataset(tmp_path / "d")
    assert read.rate == 100
    assert all(np.allclose(np.diff(e.t), 0.01) for e in read.episodes)
    assert "--rate is inf" in fails(capsys, "prepare", fast, "-o", tmp_path / "e", "--rate", "inf")
    assert "--rate is -1" in fails(capsys, "prepare", fast, "-o", tmp_path / "e", "--rate", "-1")


def test_prepare_takes_joints_in_the_order_asked(tmp_path, bags, dataset):
    arguments = ["--joints", "elbow", "shoulder", "--effort-scale", "-2", "4", "--effort-unit", "Nm"]
    assert main(["prepare", bags[0], "-o", str(tmp_path / "d"), *arguments]) == 0
    read = load_dataset(tmp_path / "d")
    np.testing.assert_allclose(read.episodes[0].tau, dataset.episodes[0].tau[:, ::-1] * [1, -2])
    assert read.effort.unit == "N·m"


def test_prepare_knows_the_drivers_of_a_robot(tmp_path, make_episode):
    names = ("Base", "Shoulder", "Elbow", "Wrist 1", "Wrist 2", "Wrist 3")
    e = make_episode()
    six = {k: np.tile(getattr(e, f), 3) for k, f in (("position", "q"), ("velocity", "qd"), ("effort", "tau"))}
    bag = write_bag(tmp_path / "ur3", e, names, topic="/arm", **six)
    arguments = ["--robot", "ur3", "--topic", "/arm", "--effort-scale", "-1"]
    assert main(["prepare", bag, "-o", str(tmp_path / "d"), *arguments]) == 0
    read = load_dataset(tmp_path / "d")
    assert (read.robot, read.joints, read.topic) == ("ur3", names, "/arm")
    np.testing.assert_allclose(read.episodes[0].tau, -six["effort"])


def test_bad_input_of_prepare(tmp_path, capsys, bags, dataset, prepared):
    out = tmp_path / "d"
    assert "does not exist" in fails(capsys, "prepare", tmp_path / "none.bag", "-o", out)
    assert "/joint_states" in fails(capsys, "prepare", bags[0], "--topic", "/arm", "-o", out)
    assert "'elbow' is asked for twice" in fails(capsys, "prepare", bags[0], "--joints", "elbow", "elbow", "-o", out)
    assert "'wrist'" in fails(capsys, "prepare", bags[0], "--joints", "wrist", "-o", out)
    assert "ur5" in fails(capsys, "prepare", bags[0], "--robot", "r2d2", "-o", out)
    assert "the joints of ur5" in fails(capsys, "prepare", bags[0], "--robot", "ur5", "-o", out)
    assert "3 factors for 2 joints" in fails(capsys, "prepare", bags[0], "--effort-scale", "1", "2", "3", "-o", out)
    assert "holds a zero" in fails(capsys, "prepare", bags[0], "--effort-scale", "0", "-o", out)
    assert "two recordings are called 'one'" in fails(capsys, "prepare", bags[0], bags[0], "-o", out)
    assert not out.exists()
    assert "--force" in fails(capsys, "prepare", bags[0], "-o", prepared)
    empty = write_bag(tmp_path / "silent", dataset.episodes[0], effort=np.empty((500, 0)))
    assert "no effort" in fails(capsys, "prepare", empty, "-o", out)


def test_train_writes_a_bundle_with_figures_beside_baselines(trained, prepared):
    bundle = load_bundle(trained)
    assert set(bundle.metrics["nmse"]) == {"model", "mean", "ridge"} and bundle.metrics["of"] == "test"
    assert bundle.training["split"] == {"training": ["one", "two"], "validation": [], "test": ["three"]}
    assert bundle.dataset_sha256 == load_dataset(prepared).sha256
    assert not list(trained.parent.glob("*.checkpoint"))


def test_options_of_train_act(tmp_path, capsys, prepared, config):
    base = ["train", str(prepared), "--config", config, "--json-progress", "-o"]
    assert main([*base, str(tmp_path / "a"), "--epochs", "3", "--seed", "7", "--validation", "two"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [line["epoch"] for line in lines] == [1, 2, 3] and lines[0]["epochs"] == 3
    bundle = load_bundle(tmp_path / "a")
    assert bundle.training["config"]["seed"] == 7 and bundle.training["split"]["validation"] == ["two"]
    assert bundle.metrics["of"] == "validation"


def test_a_stopped_run_is_not_dropped_unasked(tmp_path, capsys, prepared, config):
    out, checkpoint = tmp_path / "b", tmp_path / "b.checkpoint"
    checkpoint.write_bytes(b"weeks of work")
    assert "--resume" in fails(capsys, "train", prepared, "--config", config, "-o", out)
    assert "not a checkpoint" in fails(capsys, "train", prepared, "--config", config, "-o", out, "--resume")
    assert checkpoint.read_bytes() == b"weeks of work"
    assert main(["train", str(prepared), "--config", config, "-o", str(out), "--force"]) == 0
    assert not checkpoint.exists()
    assert main(["train", str(prepared), "--config", config, "-o", str(tmp_path / "c"), "--resume"]) == 0
    assert "nothing to resume" in capsys.readouterr().err


def test_ctrl_c_tells_how_to_go_on(tmp_path, capsys, monkeypatch, prepared, config):
    def stopped(*args, **options):
        (tmp_path / "b.checkpoint").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("vastares_ros.cli.train.fit", stopped)
    assert main(["train", str(prepared), "--config", config, "-o", str(tmp_path / "b")]) == 130
    assert "--resume goes on" in capsys.readouterr().err


def test_bad_input_of_train(tmp_path, capsys, prepared, trained, config):
    out = tmp_path / "b"
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("network: {depth: 3}")
    assert f"{wrong}: unknown field network.depth" in fails(capsys, "train", prepared, "--config", wrong, "-o", out)
    wrong.write_text("a: [")
    assert "not valid YAML" in fails(capsys, "train", prepared, "--config", wrong, "-o", out)
    assert "does not exist" in fails(capsys, "train", prepared, "--config", tmp_path / "no.yaml", "-o", out)
    assert "does not exist" in fails(capsys, "train", tmp_path / "none", "-o", out)
    assert "it has one, two, three" in fails(capsys, "train", prepared, "--test", "four", "-o", out)
    assert "epochs is 0" in fails(capsys, "train", prepared, "--epochs", "0", "-o", out)
    assert "'abacus'" in fails(capsys, "train", prepared, "--device", "abacus", "-o", out)
    wrong.write_text("network: {window: 1000}")
    assert "a window takes 1000" in fails(capsys, "train", prepared, "--config", wrong, "-o", out)
    assert "--force" in fails(capsys, "train", prepared, "-o", trained)
    assert not out.exists()


def test_evaluate_on_bags_and_datasets(tmp_path, capsys, trained, prepared, bags):
    for i, source in enumerate((bags[2], prepared)):
        assert main(["evaluate", str(trained), str(source), "--json", str(tmp_path / f"{i}.json")]) == 0
    out = capsys.readouterr().out
    assert "one, two was trained on" in out
    bag, dataset = (json.loads((tmp_path / f"{i}.json").read_text()) for i in (0, 1))
    metrics = load_bundle(trained).metrics
    assert bag["recordings"] == ["three"] and bag["trained_on"] == [] and bag["unit"] == "N·m"
    for name in ("model", "mean", "ridge"):
        assert bag["nmse_mean"][name] == pytest.approx(metrics["nmse_mean"][name])
        assert bag["nmse"][name] == pytest.approx(metrics["nmse"][name])
    assert dataset["samples"] == 3 * bag["samples"]


def test_evaluate_writes_a_report(tmp_path, trained, bags):
    pytest.importorskip("matplotlib")
    assert main(["evaluate", str(trained), bags[2], "--report", str(tmp_path / "r")]) == 0
    page = (tmp_path / "r" / "report.html").read_text()
    assert ("shoulder" in page and "data:image" in page) or "<svg" in page


def test_bad_input_of_evaluate(tmp_path, capsys, trained, prepared, bags, make_episode):
    fast = write_bag(tmp_path / "fast", make_episode(samples=2000, rate=500.0))
    line = fails(capsys, "evaluate", trained, fast)
    assert "500.0 Hz" in line and "--rate 125" in line
    assert "does not exist" in fails(capsys, "evaluate", trained, tmp_path / "none")
    assert "does not exist" in fails(capsys, "evaluate", tmp_path / "none", bags[0])
    other = write_bag(tmp_path / "other", make_episode(), names=("a", "b"))
    assert "'shoulder'" in fails(capsys, "evaluate", trained, other)
    (tmp_path / "e.json").write_text("{}")
    assert "--force" in fails(capsys, "evaluate", trained, bags[2], "--json", tmp_path / "e.json")
    weights = trained / "model.safetensors"
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + b"!")
    assert "was altered" in fails(capsys, "evaluate", trained, bags[2])
    weights.write_bytes(good)
    assert main(["prepare", bags[0], "-o", str(tmp_path / "unscaled")]) == 0
    assert "prepare it with the same robot, unit and scale" in fails(capsys, "evaluate", trained, tmp_path / "unscaled")


def test_info_of_everything(capsys, trained, prepared, bags):
    assert main(["info", str(trained)]) == main(["info", str(prepared)]) == main(["info", bags[0]]) == 0
    out = capsys.readouterr().out
    for text in ("va_sta_reslstm", "q [rad]", "bound [N·m]", "three", "/joint_states", "shoulder, elbow", "500"):
        assert text in out


def test_names_are_neither_markup_nor_control_codes(tmp_path, capsys, config, make_episode):
    names = ("[/red]joint", "\x1b[31mel$\\frac{$bow\n")
    bag = write_bag(tmp_path / "[/b]bag", make_episode(samples=600), names=names)
    data, bundle = str(tmp_path / "[bold]d"), str(tmp_path / "[/red]b")
    for verb in (
        ["info", bag],
        ["prepare", bag, "-o", data],
        ["info", data],
        ["train", data, "-o", bundle, "--config", config],
        ["info", bundle],
        ["evaluate", bundle, data],
        ["layout", "plotjuggler", bundle, "-o", str(tmp_path / "layout.xml")],
    ):
        assert main(verb) == 0, verb
        said = "".join(capsys.readouterr())
        assert "\x1b" not in said and (verb[0] != "info" or ("[/red]joint" in said and "\\x1b[31mel$" in said)), said
    assert "no joint '\\x1b[2J'" in fails(capsys, "prepare", bag, "-o", tmp_path / "e", "--joints", "\x1b[2J")


def test_info_of_nothing(tmp_path, capsys):
    assert "does not exist" in fails(capsys, "info", tmp_path / "none")


def test_the_example_configuration_is_the_default():
    values = yaml.safe_load((config_folder() / "train.yaml").read_text(encoding="utf-8"))
    assert values == asdict(TrainConfig())
    assert [f.name for f in fields(TrainConfig)] == list(values)


def test_real_recordings(tmp_path, capsys, data, config):
    """The UR3 bags as their users would type it; two epochs of a tiny network, so no figure to be proud of."""
    bags = sorted(str(p) for p in (data / "ur3").glob("*.bag"))
    d, b = str(tmp_path / "d"), str(tmp_path / "b")
    assert main(["prepare", *bags, "--robot", "ur3", "--topic", "/arm", "--effort-scale", "-1", "-o", d]) == 0
    assert main(["train", d, "-o", b, "--test", "id1", "2019-11-27-21-04-09", "--config", config]) == 0
    assert main(["evaluate", b, str(data / "ur3" / "id1.bag"), "--json", str(tmp_path / "e.json")]) == 0
    figures = json.loads((tmp_path / "e.json").read_text())
    assert figures["nmse_mean"]["model"] < 0.7 * figures["nmse_mean"]["mean"] and figures["unit"] == "N·m"
    assert (
        main(["prepare", str(next((data / "ur10").glob("*.db3"))), "--robot", "ur10", "-o", str(tmp_path / "u")]) == 0
    )
    assert "no JointState" in fails(capsys, "prepare", data / "bags_bad", "-o", tmp_path / "x")
