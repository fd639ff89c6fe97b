# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`vastares compare`, as a user types it: a rigid body that was identified, and a network that hardly learned."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
import yaml

from vastares_ros.cli.main import main
from vastares_ros.core.arm import resolve_arm
from vastares_ros.io.bags import MessageTable, read_recording, write_joint_states
from vastares_ros.io.bundles import load_bundle, save_bundle
from vastares_ros.io.datasets import write_dataset
from vastares_ros.io.injections import TRUTH_TOPIC
from vastares_ros.io.robots import load_robot
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.physics.injection import Injector, profile_from
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.evaluate import predict, score
from vastares_ros.training.fit import fit

pytest.importorskip("pinocchio")
Image = pytest.importorskip("PIL.Image")
pytestmark = pytest.mark.slow
FORCE = [0, 0, 60]
PUSHES = [{"start": 2.0, "duration": 0.8, "force": FORCE, "every": 1.8, "repeat": 3}]
FILES = {"comparison.json", "comparison.md", "report.html", "nmse.png", "push.png", "detection.png"}


def write_bag(path, episode, tau_ext=None):
    ns = np.round(episode.t * 1e9).astype(np.int64)
    tau = episode.tau if tau_ext is None else episode.tau - tau_ext
    topics = {"/joint_states": MessageTable(episode.joints, ns, ns, episode.q, episode.qd, tau)}
    if tau_ext is not None:
        nothing = np.empty((len(ns), 0))
        topics[TRUTH_TOPIC] = MessageTable(episode.joints[::-1], ns, ns, nothing, nothing, tau_ext[:, ::-1])
    write_joint_states(path, topics)
    return path


def compare(out, *argv, bundles, bags):
    named = [*bundles, "--on", *bags, "-o", out, "--jobs", "1", *argv]
    return main(["compare", *map(str, named)])


def fails(capsys, *argv, **options):
    """The one line that a failing comparison prints."""
    assert compare(*argv, **options) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("vastares compare: error: ") and not any("Traceback" in line for line in lines)
    return lines[-1]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    return tmp_path_factory.mktemp("compare")


@pytest.fixture(scope="module")
def bundles(here, arm_dataset):
    write_dataset(here / "d", arm_dataset)
    assert (
        main(["identify", str(here / "d"), "--test", "three", "--friction-model", "basic", "-o", str(here / "body")])
        == 0
    )
    config = TrainConfig(network=NetworkConfig(window=8, hidden=4), epochs=1)
    save_bundle(here / "net", fit(arm_dataset, config, torch.device("cpu"), test=["three"]))
    return [here / "net", here / "body"]


@pytest.fixture(scope="module")
def four(here, lively):
    return write_bag(here / "four", lively("four", 7))


@pytest.fixture(scope="module")
def profile(here):
    (here / "pushes.yaml").write_text(yaml.safe_dump({"events": PUSHES}))
    return here / "pushes.yaml"


@pytest.fixture(scope="module")
def figures(here, bundles, four, profile):
    assert compare(here / "out", "--inject", profile, bundles=bundles, bags=[four]) == 0
    return json.loads((here / "out" / "comparison.json").read_text())


def test_free_motion_is_scored_as_evaluate_does_on_what_all_have_an_estimate_of(bundles, four, figures):
    assert list(figures["estimators"]) == ["net", "body"]
    for path in bundles:
        b = load_bundle(path)
        predicted = predict(b.model, b.ridge, b.filter, b.rate, read_recording(four, b.joints, (1,) * 6).episodes, 7)
        rmse = score(predicted, b.joints, np.ones(6)).rmse["model"]
        assert figures["estimators"][path.name]["rmse"] == pytest.approx(rmse, rel=1e-4)
    variance = load_bundle(bundles[0]).model.torque_scaler.scale.double().numpy() ** 2
    assert figures["reference"] == "net"
    for found in figures["estimators"].values():
        nmse = np.array(list(found["rmse"].values())) ** 2 / variance
        np.testing.assert_allclose(list(found["nmse"].values()), nmse)
    assert figures["estimators"]["body"]["nmse_mean"] < 0.01 < figures["estimators"]["net"]["nmse_mean"]


def test_known_pushes_are_seen_by_the_better_estimator(figures):
    body, net = figures["estimators"]["body"], figures["estimators"]["net"]
    assert figures["pushed"] == {"recordings": ["four"], "seconds": pytest.approx(8, abs=0.02), "pushes": 3}
    assert body["pushed"]["delay_ms"] == pytest.approx(22.5, abs=4)  # of a low-pass of second order at 10 Hz
    assert body["pushed"]["force_rmse"] < 0.5 * np.linalg.norm(FORCE)
    assert body["pushed"]["force_rmse"] < net["pushed"]["force_rmse"]
    assert sum(body["pushed"]["rmse"].values()) < sum(net["pushed"]["rmse"].values())
    contact = body["contact"]
    assert contact["all"]["pushes"] == 3 and contact["all"]["detected"] == 1.0
    assert contact["all"]["delay_ms"] < 60 and contact["above_bound"]["pushes"] == 3
    assert all(0 < found["cost_ms"]["median"] <= found["cost_ms"]["p99"] for found in (body, net))


def test_everything_is_written_and_the_page_loads_nothing(here, figures, capsys):
    assert {p.name for p in (here / "out").iterdir()} == FILES
    page = (here / "out" / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r'src="([^"]*)"', page)
    assert len(sources) == 3 and not re.search(r"https?:|<script|<link", re.sub(r'"data:[^"]*"', "", page))
    for source in sources:
        picture = Image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/png;base64,"))))
        assert np.asarray(picture.convert("L")).std() > 5, "it is not blank"
    text = (here / "out" / "comparison.md").read_text(encoding="utf-8")
    for words in (
        "nmse",
        "variance of what net was trained on",
        "| mean | ",
        "RMSE of force [N]",
        "extrapolated from 8 s",
    ):
        assert words in text and words in page.replace("<td>mean</td>", "| mean | ")
    assert "which is optimistic; name others by --free" in text
    assert f"**{figures['estimators']['body']['nmse_mean']:.4f}**" in text
    assert f"<b>{figures['estimators']['body']['nmse_mean']:.4f}</b>" in page


def test_a_bag_with_the_truth_gives_what_injection_gives(here, bundles, four, lively, figures):
    robot = load_robot("ur5")
    (e,) = read_recording(four, lively("four", 7).joints, (1,) * 6).episodes
    tau_ext, _ = Injector(profile_from({"events": PUSHES}), resolve_arm(e.joints, robot)).apply(e.t - e.t[0], e.q)
    pushed = write_bag(here / "pushed", e, tau_ext)
    assert compare(here / "truth", bundles=bundles, bags=[four, pushed]) == 0
    found = json.loads((here / "truth" / "comparison.json").read_text())
    assert found["pushed"]["recordings"] == ["pushed"] and found["free"]["recordings"] == ["four"]
    for name, expected in figures["estimators"].items():
        assert found["estimators"][name]["contact"]["all"] == expected["contact"]["all"]
        assert found["estimators"][name]["pushed"]["rmse"] == pytest.approx(expected["pushed"]["rmse"])
        assert found["estimators"][name]["nmse"] == expected["nmse"]


def test_thresholds_come_from_free_recordings_and_what_was_trained_on_is_told(here, bundles, four, lively, capsys):
    calm = write_bag(here / "one", lively("one", 0))
    assert compare(here / "calm", "--free", calm, "--valid-only", bundles=bundles, bags=[four]) == 0
    out = capsys.readouterr().out
    assert "Note: net was trained on one" in out and "optimistic" not in out and "calls valid count" in out
    found = json.loads((here / "calm" / "comparison.json").read_text())
    assert found["calibration"]["recordings"] == ["one"] and found["free"]["recordings"] == ["four"]
    assert found["estimators"]["body"]["pushed"] is None and found["estimators"]["body"]["valid"] < 1.0
    assert not (here / "calm" / "push.png").exists()
    assert compare(here / "calm", bundles=bundles, bags=[four]) == 2
    assert "exists" in capsys.readouterr().err
    assert compare(here / "calm", "--force", bundles=bundles, bags=[four]) == 0
    every = json.loads((here / "calm" / "comparison.json").read_text())["estimators"]["body"]
    assert every["contact"]["threshold"] != found["estimators"]["body"]["contact"]["threshold"]
    assert every["rmse"] != found["estimators"]["body"]["rmse"]  # where it is not valid, it errs otherwise


def test_bad_input(here, bundles, four, profile, arm_dataset, tmp_path, capsys, save_arm):
    out, both = tmp_path / "out", {"bundles": bundles, "bags": [four]}
    other = save_arm(tmp_path / "ur3")
    line = fails(capsys, out, bundles=[bundles[0], other], bags=[four])
    assert "ur3: joints is Base, Shoulder" in line and "in net" in line
    (tmp_path / "net").symlink_to(bundles[0])
    assert "both called 'net'" in fails(capsys, out, bundles=[bundles[0], tmp_path / "net"], bags=[four])
    assert "is named twice" in fails(capsys, out, bundles=bundles, bags=[four, four])
    assert "is named twice" in fails(capsys, out, "--free", four, **both)
    pushed = write_bag(tmp_path / "pushed", arm_dataset.episodes[0], np.ones((1000, 6)))
    assert "add one of free motion" in fails(capsys, out, bundles=bundles, bags=[pushed])
    assert "--free: " in fails(capsys, out, "--free", pushed, **both)
    partial, e = tmp_path / "partial", arm_dataset.episodes[0]
    ns = np.round(e.t * 1e9).astype(np.int64)
    truth = MessageTable(e.joints[:5], ns, ns, np.empty((1000, 0)), np.empty((1000, 0)), np.ones((1000, 5)))
    write_joint_states(partial, {"/joint_states": MessageTable(e.joints, ns, ns, e.q, e.qd, e.tau), TRUTH_TOPIC: truth})
    assert "no effort of joint 'sim_wrist_3_joint'" in fails(capsys, out, bundles=bundles, bags=[four, partial])
    late = tmp_path / "late.yaml"
    late.write_text(yaml.safe_dump({"events": [PUSHES[0] | {"start": 7.0}]}))
    assert "late.yaml: four: events[0] ends at 11.4 s" in fails(capsys, out, "--inject", late, **both)
    late.write_text(yaml.safe_dump({"events": PUSHES, "link": "base_link"}))
    assert "no joint feels a push at base_link" in fails(capsys, out, "--inject", late, **both)
    amperes = save_arm(tmp_path / "amperes", unit="A")
    names = load_bundle(amperes).joints
    write_joint_states(tmp_path / "arm", {"/arm": MessageTable(names, ns, ns, e.q, e.qd, e.tau)})
    line = fails(capsys, out, "--inject", profile, bundles=[amperes], bags=[tmp_path / "arm"])
    assert "torque is in A" in line and "--effort-scale" in line
    assert "--jobs is -1" in fails(capsys, out, "--jobs", "-1", **both)
    urdf = tmp_path / "arm.urdf"
    urdf.write_text(load_robot("ur5").urdf)
    assert "--urdf is for pushes" in fails(capsys, out, "--urdf", urdf, **both)
    fast = tmp_path / "fast"
    ns = np.round(np.arange(1000) / 500 * 1e9).astype(np.int64)
    write_joint_states(fast, {"/joint_states": MessageTable(e.joints, ns, ns, e.q, e.qd, e.tau)})
    assert "has 500.0 Hz" in fails(capsys, out, bundles=bundles, bags=[fast])
    assert not out.exists()
