# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The demo's figures, and the whole way at a size that teaches little but runs everything."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vastares_ros.cli import demo
from vastares_ros.cli.main import main
from vastares_ros.io.bags import MessageTable, write_joint_states
from vastares_ros.io.injections import TRUTH_TOPIC


@pytest.fixture
def everything():
    for package in ("rclpy", "pinocchio", "matplotlib"):
        pytest.importorskip(package, reason=f"{package} is not installed")


def test_correlation_is_per_joint_and_punishes_delay():
    t = np.arange(0, 20, 0.01)
    truth = np.stack([np.sin(t), np.sin(t), np.sin(t)], axis=1)
    estimate = np.stack([3 * np.sin(t) + 7, -np.sin(t), np.sin(t - np.pi / 3)], axis=1)
    found = demo.push_correlation(estimate, truth)
    assert found[:2] == pytest.approx([1, -1])
    assert found[2] == pytest.approx(np.corrcoef(estimate[:, 2], truth[:, 2])[0, 1])
    assert found[2] == pytest.approx(0.5, abs=0.05)


def test_truth_is_matched_to_what_was_live_by_stamp_and_joint(tmp_path):
    stamps = 1_700_000_000_000_000_000 + np.arange(6) * 8_000_123
    truth = np.arange(12.0).reshape(6, 2)
    nothing = np.empty((6, 0))
    write_joint_states(
        tmp_path / "pushes", {TRUTH_TOPIC: MessageTable(("b", "a"), stamps, stamps, nothing, nothing, truth)}
    )
    t = np.array([int(stamp) * 1e-9 for stamp in stamps])[2:5]  # warming up before, lost after
    columns = {"t": t, "tau_free_a": [1.0, 2, 3], "tau_free_b": [4.0, 5, 6], "tau_ext_a": [0.5] * 3, "tau_ext_b": t * 0}
    pq.write_table(pa.table(columns), tmp_path / "live.parquet")
    live, found = demo.read_live(tmp_path / "live.parquet", tmp_path / "pushes", ("a", "b"))
    np.testing.assert_array_equal(found, truth[2:5, ::-1])
    np.testing.assert_array_equal(live.t, t)
    np.testing.assert_allclose(live.tau_meas, [[0.5, 4], [1.5, 5], [2.5, 6]])
    np.testing.assert_allclose(live.tau_ext, [[0.5, 0]] * 3)


def test_held_out_bags_are_not_trained_on_and_pushes_never_prepared(tmp_path):
    steps = {command[0]: command for command in demo.commands(tmp_path, seed=3, quick=False).values()}
    assert list(steps) == ["simulate", "prepare", "train", "evaluate", "parity"]
    bags = [bag for bag in steps["prepare"] if "/bags/" in bag]
    assert len(bags) == demo.BAGS == int(steps["simulate"][steps["simulate"].index("--episodes") + 1])
    assert not any("pushes" in bag for bag in bags)
    test = steps["train"][steps["train"].index("--test") + 1]
    assert test != steps["train"][steps["train"].index("--validation") + 1]
    assert steps["evaluate"][2] == f"{tmp_path}/bags/{test}"
    assert all(steps[verb][steps[verb].index("--seed") + 1] == "3" for verb in ("simulate", "train"))


def test_failing_step_ends_the_demo_with_its_status(tmp_path, capsys, monkeypatch, everything):
    monkeypatch.setattr(demo, "main", lambda command: 7 if command[0] == "prepare" else 0)
    assert main(["demo", "-o", str(tmp_path / "demo")]) == 7
    out = capsys.readouterr().out
    assert "2/6 " in out and "3/6 " not in out
    assert not (tmp_path / "demo" / "summary.json").exists()


def test_nothing_is_overwritten(tmp_path, capsys, everything):
    (tmp_path / "thesis.tex").write_text("years of work")
    for force in ([], ["--force"]):
        assert main(["demo", "-o", str(tmp_path), *force]) == 2
        assert "vastares demo: error: " in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.ros
def test_whole_demo_runs(tmp_path, capfd, everything):
    folder = tmp_path / "demo"
    assert main(["demo", "-o", str(folder), "--quick"]) == 0
    out = capfd.readouterr().out
    assert [f"{n}/6 " in out for n in range(1, 7)] == [True] * 6
    for command in demo.commands(folder, 0, True).values():
        assert f"$ vastares {command[0]} " in out
    assert str(folder / "report.html") in out

    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    joints = list(summary["nmse"])
    assert len(joints) == 6 and list(summary["push_correlation"]) == joints
    assert all(0 < value < 10 for value in summary["nmse"].values())
    assert all(-1 <= value <= 1 for value in summary["push_correlation"].values())
    assert max(summary["push_correlation"].values()) > 0.5  # even this little training sees a push, with its sign
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
    assert json.loads((folder / "evaluate.json").read_text(encoding="utf-8"))["nmse"]["model"] == summary["nmse"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert all(f"<h2>{joint}</h2>" in page for joint in joints) and page.count("<img ") == 2 * len(joints)

    assert main(["demo", "-o", str(folder), "--quick"]) == 2
    assert json.loads((folder / "summary.json").read_text(encoding="utf-8")) == summary
