# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`vastares adapt`, as a user types it: a simulated UR5 gets a tool."""

import json

import numpy as np
import pytest
import yaml

from vastares_ros.cli.main import main
from vastares_ros.core.errors import ConfigError
from vastares_ros.io.bags import MessageTable, write_joint_states
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.simulations import simulate

pytest.importorskip("pinocchio")
pytestmark = pytest.mark.slow
CENTRE = (0.02, -0.03, 0.08)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with a bundle, bags without and with a tool of 1.5 kg, and one that is pushed."""
    folder = tmp_path_factory.mktemp("adapt")
    free = simulate(folder / "free", "ur5", 3, 20.0, 10.0, 0)
    assert main(["prepare", *map(str, free[:3]), "--robot", "ur5", "-o", str(folder / "d")]) == 0
    assert main(["identify", str(folder / "d"), "--test", "free_3", "-o", str(folder / "arm")]) == 0
    simulate(folder / "tool", "ur5", 2, 20.0, 10.0, 1, payload=1.5, payload_com=CENTRE)
    return folder


@pytest.fixture(scope="module")
def adapted(work):
    assert main(["adapt", str(work / "arm"), str(work / "tool" / "tool_1"), "-o", str(work / "arm_tool")]) == 0
    return work / "arm_tool"


def fails(capsys, *argv):
    """The one line that a failing call prints."""
    assert main(["adapt", *map(str, argv)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("vastares adapt: error: ") and not any("Traceback" in line for line in lines)
    return lines[-1]


def nmse(tmp_path, bundle, bag):
    file = tmp_path / "figures.json"
    assert main(["evaluate", str(bundle), str(bag), "--json", str(file), "--force"]) == 0
    return json.loads(file.read_text())["nmse_mean"]["model"]


def test_mass_centre_and_error_are_what_they_were_before_the_tool(work, adapted, tmp_path, capsys):
    child = load_bundle(adapted)
    tool = np.array(child.training["adaptation"]["payload"])
    assert abs(tool[0] / 1.5 - 1) < 0.05
    assert np.linalg.norm(tool[1:4] / tool[0] - CENTRE) < 0.01
    without, spoilt = (
        nmse(tmp_path, work / "arm", work / "free" / "free_3"),
        nmse(tmp_path, work / "arm", work / "tool" / "tool_2"),
    )
    with_it = nmse(tmp_path, adapted, work / "tool" / "tool_2")
    assert spoilt > 30 * without and with_it < 1.3 * without
    capsys.readouterr()
    nmse(tmp_path, adapted, work / "tool" / "tool_1")
    assert "tool_1 was trained on" in capsys.readouterr().out


def test_it_says_what_it_found(work, tmp_path, capsys):
    out = tmp_path / "child"
    assert main(["adapt", str(work / "arm"), str(work / "tool" / "tool_1"), "-o", str(out), "--seconds", "12"]) == 0
    said = capsys.readouterr().out
    for words in ("12.0 s; figures on the last third", "mass added at tool0: 1.", "centre there [m]: x 0.0", "inertia"):
        assert words in said
    assert "in amperes" not in said and "less mass" not in said
    assert main(["info", str(out)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    digest = yaml.safe_load((work / "arm" / "bundle.yaml").read_text())["sha256"]["bundle.yaml"]
    assert f"adapted from arm, SHA-256 {digest[:16]}" in said and "adaptation tool_1" in said
    assert yaml.safe_load((out / "bundle.yaml").read_text())["parent"] == {"name": "arm", "sha256": digest}
    assert "exists" in fails(capsys, work / "arm", work / "tool" / "tool_1", "-o", out)
    assert "is the parent" in fails(capsys, out, work / "free" / "free_1", "-o", out, "--force")
    assert main(["adapt", str(out), str(work / "free" / "free_1"), "-o", str(tmp_path / "without")]) == 0
    assert "Warning: less mass than before" in capsys.readouterr().out
    assert main(["adapt", str(work / "arm"), str(work / "free" / "free_1"), "-o", str(out), "--force"]) == 0
    assert "no tool, or too light a one" in capsys.readouterr().out


def test_joints_that_stand_still_are_named(work, tmp_path, capsys):
    arm = load_bundle(work / "arm")
    t = np.arange(1250) / arm.rate
    q = np.tile(arm.q_range.mean(axis=0), (len(t), 1))
    q[:, 5] += 0.3 * np.sin(t)
    qd = np.gradient(q, t, axis=0)
    tau = arm.model.physics(arm.rate).run(np.concatenate([q, qd, 0 * q], axis=1), 0 * q)
    at = np.round(t * 1e9).astype(np.int64) + 10**18
    write_joint_states(tmp_path / "bag", {arm.topic: MessageTable(arm.joints, at, at, q, qd, tau)})
    assert main(["adapt", str(work / "arm"), str(tmp_path / "bag"), "-o", str(tmp_path / "b")]) == 0
    (warning,) = [line for line in capsys.readouterr().out.splitlines() if "hardly shows" in line]
    assert "the mass" in warning and "turn sim_shoulder_pan_joint, " in warning and "sim_wrist_3" not in warning


def test_a_network_is_corrected_and_says_so(arm, moving, tmp_path, capsys):
    e = moving("tool", 1000)
    at = np.round(e.t * 1e9).astype(np.int64)
    write_joint_states(
        tmp_path / "bag", {"/arm": MessageTable(e.joints, at, at, e.q, e.qd, -(e.tau + 2 * np.cos(e.q)))}
    )
    assert main(["adapt", str(arm), str(tmp_path / "bag"), "-o", str(tmp_path / "b")]) == 0
    said = capsys.readouterr().out
    assert "No identified dynamics: a correction by position" in said
    assert yaml.safe_load((tmp_path / "b" / "bundle.yaml").read_text())["model"]["correction"] is True
    child = load_bundle(tmp_path / "b")
    assert child.model.correction.coefficients.any() and child.parent.name == "bundle"
    assert child.metrics["nmse_mean"]["model"] < 0.8 * child.training["adaptation"]["nmse_before"]


def test_bad_input(work, arm, tmp_path, capsys):
    out = tmp_path / "b"
    tool = work / "tool" / "tool_1"
    assert "does not fit a tool" in fails(capsys, work / "arm", work / "tool" / "pushes", "-o", out)
    assert "does not exist: train one" in fails(capsys, work / "none", tool, "-o", out)
    assert "is not a bundle" in fails(capsys, work / "d", tool, "-o", out)
    assert "no joint 'Base'" in fails(capsys, arm, tool, "-o", out, "--topic", "/joint_states")
    assert "/arm" in fails(capsys, arm, tool, "-o", out)
    for seconds in ("2", "inf", "nan"):
        assert f"--seconds {seconds}: use 6 to 3600" in fails(
            capsys, work / "arm", tool, "-o", out, "--seconds", seconds
        )
    e = load_bundle(work / "arm")
    at = np.arange(300) * 8_000_000 + 10**18
    still = np.tile(e.q_range.mean(axis=0), (300, 1))
    held = still + 5.0
    write_joint_states(tmp_path / "short", {e.topic: MessageTable(e.joints, at, at, still, 0 * still, held)})
    assert "2.4 s of motion are too little" in fails(capsys, work / "arm", tmp_path / "short", "-o", out)
    write_joint_states(tmp_path / "slow", {e.topic: MessageTable(e.joints, 4 * at, 4 * at, still, 0 * still, held)})
    assert "Hz, the bundle was trained at" in fails(capsys, work / "arm", tmp_path / "slow", "-o", out)
    assert not out.exists()


@pytest.mark.parametrize("tool", [(-1.0, CENTRE), (101.0, CENTRE), (1.0, (0.0, 0.0, 2.0)), (float("nan"), CENTRE)])
def test_a_tool_that_no_arm_carries_is_not_simulated(tmp_path, tool):
    with pytest.raises(ConfigError, match="--payload"):
        simulate(tmp_path / "arm", payload=tool[0], payload_com=tool[1])
