# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The live node, as a process of its own, against the same code offline."""

import json
import sys
from copy import deepcopy

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from made import JOINTS, WINDOW, made_dataset, motion, stamps

pytest.importorskip("rclpy", reason="ROS 2 is not installed")


from vastares_ros.cli.main import main
from vastares_ros.core.errors import VastaresError
from vastares_ros.io.bags import MessageTable, write_joint_states
from vastares_ros.io.bundles import load_bundle, save_bundle
from vastares_ros.io.playback import read_playback
from vastares_ros.nodes.parity_run import run_live
from vastares_ros.runtime.outputs import OUTPUTS
from vastares_ros.runtime.parity import compare, run_offline
from vastares_ros.runtime.pipeline import Pipeline
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.fit import fit

N = 400


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    """Two seconds, a jump back, 10 messages without effort on one joint, a repeated stamp, and two seconds more."""
    q, qd, effort = motion(N)
    at = np.array(stamps(N))
    at[N // 2 :] -= 3_000_000_000
    at[300] = at[299]
    effort[250:260, 1] = np.nan
    received = np.array(stamps(N))
    path = tmp_path_factory.mktemp("parity") / "bag"
    write_joint_states(path, {"/joint_states": MessageTable(JOINTS, at, received, q, qd, effort)})
    return path


@pytest.fixture
def other(bundle_path, tmp_path):
    """The bundle with torques that are a millionth of a newton metre higher."""
    bundle = load_bundle(bundle_path)
    bundle.model.torque_scaler.mean += 1e-6
    save_bundle(tmp_path / "other", bundle)
    return tmp_path / "other"


@pytest.mark.ros
def test_every_message_is_answered_with_the_bits_of_offline(bundle_path, other, bag, tmp_path):
    json_file, parquet = tmp_path / "parity.json", tmp_path / "live.parquet"
    command = ["parity", str(bundle_path), str(bag), "--rate", "2", "--every"]
    command += ["--json", str(json_file), "--save", str(parquet)]
    assert main(command) == 0
    figures = json.loads(json_file.read_text())
    expected = N - 2 * (WINDOW - 1) - 1
    counts = {"estimated_torque": expected, "valid": N}
    counts |= dict.fromkeys(("external_torque", "external_torque_bound"), expected - 10)
    for topic, count in counts.items():
        numbers = {"expected": count, "received": count, "max_difference": 0.0, "equal": True}
        assert figures[topic] == numbers | dict.fromkeys(("missing", "unexpected", "different"), 0)
    assert figures["external_wrench"]["expected"] == figures["external_wrench"]["received"] == 0, "there is no URDF"
    assert 0 < figures["contact"]["received"] == figures["contact"]["expected"]
    assert figures["missed"] == figures["passed_over"] == 0
    assert figures["equal"] and figures["messages"] == N and figures["strays"] == 0
    assert 0 < figures["latency_ms"]["p50"] <= figures["latency_ms"]["p99"] <= figures["latency_ms"]["max"]

    playback = read_playback(bag, "/joint_states", 1.0)
    offline = run_offline(Pipeline(load_bundle(bundle_path)), playback.messages)
    table = pq.read_table(parquet).to_pydict()
    answered = offline.came["estimated_torque"]
    assert np.array_equal(table["t"], np.array([m[0] * 1e-9 for m in playback.messages])[answered])
    for j, joint in enumerate(JOINTS):
        assert np.array_equal(table[f"tau_free_{joint}"], offline.values["estimated_torque"][answered, j])
        assert np.array_equal(table[f"tau_ext_{joint}"], offline.values["external_torque"][answered, j], equal_nan=True)
    assert all(latency > 0 for latency in table["latency_ms"])

    parity = compare(offline, run_offline(Pipeline(load_bundle(other)), playback.messages))
    assert not parity.equal
    assert 0 < parity.outputs["estimated_torque"].max_difference < 1e-5


@pytest.mark.parametrize(
    ("model", "engine"), [("lstm", "compiled"), ("mlp", "auto"), ("gpr", "auto"), ("gru", "torch")]
)
@pytest.mark.ros
def test_the_other_methods_run_in_the_node_too(model, engine, bag, tmp_path):
    network = {"inducing": 50, "subset": 50} if model == "gpr" else {}
    config = TrainConfig(model=model, epochs=1, network=network)
    save_bundle(tmp_path / "bundle", fit(made_dataset(), config, torch.device("cpu")))
    options = ["--rate", "8", "--every", "--engine", engine, "--json", str(tmp_path / "p.json")]
    assert main(["parity", str(tmp_path / "bundle"), str(bag), *options]) == 0
    figures = json.loads((tmp_path / "p.json").read_text())
    assert figures["equal"] and figures["estimated_torque"]["received"] > N // 2


@pytest.mark.ros
def test_another_model_offline_fails_with_status_1(bundle_path, other, bag, monkeypatch, capfd):
    monkeypatch.setattr("vastares_ros.cli.parity.load_bundle", lambda path: load_bundle(other))
    assert main(["parity", str(bundle_path), str(bag), "--rate", "4", "--every"]) == 1
    assert "ms; not equal" in " ".join(capfd.readouterr().out.split())


@pytest.fixture(scope="module")
def offline_twice(bundle_path, bag):
    """The answers of two pipelines to the same messages."""
    playback = read_playback(bag, "/joint_states", 1.0)
    return [run_offline(Pipeline(load_bundle(bundle_path)), playback.messages) for _ in range(2)]


@pytest.mark.parametrize(
    "name", [output.name for output in OUTPUTS if output.name not in ("external_wrench", "wrench_singularity")]
)
@pytest.mark.parametrize("broken", ["missing", "unexpected", "strays", "bit"])
def test_one_lost_additional_or_other_answer_is_not_equal(offline_twice, broken, name):
    live, offline = map(deepcopy, offline_twice)
    assert compare(live, offline).equal
    if broken == "missing":
        i = int(np.flatnonzero(live.came[name])[-1])
        live.came[name][i], live.values[name][i] = False, np.nan
    elif broken == "unexpected":
        offline.came[name][100], offline.values[name][100] = False, np.nan
        assert live.came[name][100]
    elif broken == "bit":
        live.values[name][100] = np.nextafter(live.values[name][100], 9.0)
    else:
        live.strays = 1
    parity = compare(live, offline)
    assert not parity.equal
    assert broken in ("strays", "bit") or getattr(parity.outputs[name], broken) == 1
    assert parity.outputs[name].different == int(broken == "bit")
    assert parity.missed == int(broken == "missing" and name == "valid")
    assert parity.answers_equal == (broken == "missing")


@pytest.mark.parametrize(("passed_over", "lost"), [(10, ""), (7, ", and 3 were lost, so that they are missing in its")])
def test_messages_that_are_missed_are_told_as_a_node_that_is_too_slow(
    bundle_path, bag, monkeypatch, capfd, passed_over, lost
):
    def lossy(bundle, joints, playback, expected, every, **more):
        assert not every
        answers = run_offline(Pipeline(load_bundle(bundle)), playback.messages)
        for name in answers.came:
            answers.came[name][50:60], answers.values[name][50:60] = False, np.nan
        answers.passed_over = passed_over
        return answers

    monkeypatch.setattr("vastares_ros.nodes.parity_run.run_live", lossy)
    assert main(["parity", str(bundle_path), str(bag), "--rate", "4"]) == 1
    out, told = (" ".join(text.split()) for text in capfd.readouterr())
    assert f"the node was too slow: it missed 10 of {N} joint states at" in told
    assert f"; {passed_over} were passed over, so that the answers stay fresh{lost}" in told
    assert "play slower (--rate 1)" in told and "smaller network" in told and "vastares identify" in told
    assert "--every" in told
    assert f"{N} messages, 10 without answer, of which the node passed {passed_over} over" in out
    assert "not equal: the answers are, to the last bit, but some are missing" in out


@pytest.mark.ros
def test_a_node_that_ends_is_an_error_with_its_own_words(bundle_path, bag):
    playback = read_playback(bag, "/joint_states", 1.0)
    command = [sys.executable, "-c", "import sys; sys.exit('out of order')"]
    with pytest.raises(VastaresError, match="ended with status 1: out of order"):
        run_live(bundle_path, JOINTS, playback, {"valid": N}, command)


def test_a_bag_that_gives_no_estimate_proves_nothing(bundle_path, tmp_path, capsys):
    q, qd, effort = motion(50)
    zero = np.zeros(50, dtype=np.int64)
    table = MessageTable(JOINTS, zero, np.array(stamps(50)), q, qd, effort)
    write_joint_states(tmp_path / "bag", {"/joint_states": table})
    assert main(["parity", str(bundle_path), str(tmp_path / "bag")]) == 2
    assert "no estimate with this bundle: stamp repeated" in capsys.readouterr().err


def test_nothing_is_overwritten(bundle_path, bag, tmp_path, capsys):
    mine = tmp_path / "mine.json"
    mine.write_text("mine")
    assert main(["parity", str(bundle_path), str(bag), "--json", str(mine)]) == 2
    assert mine.read_text() == "mine"
    assert "--force" in capsys.readouterr().err
