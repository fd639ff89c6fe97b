# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`vastares identify`, as a user types it."""

from dataclasses import replace

import pytest
import yaml

from vastares_ros.cli.main import main
from vastares_ros.core.robot import Effort
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.datasets import write_dataset
from vastares_ros.io.robots import config_folder, load_robot

pytest.importorskip("pinocchio")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, arm_dataset):
    folder = tmp_path_factory.mktemp("prepared") / "d"
    write_dataset(folder, arm_dataset)
    return folder


def fails(capsys, *argv):
    """The one line that a failing call prints."""
    assert main(["identify", *map(str, argv)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("vastares identify: error: ") and not any("Traceback" in line for line in lines)
    return lines[-1]


def test_a_bundle_that_the_other_verbs_take(prepared, tmp_path, capsys):
    out = tmp_path / "b"
    assert main(["identify", str(prepared), "--test", "three", "-o", str(out)]) == 0
    said = capsys.readouterr().out
    for words in ("identified from one, two; figures on three", "ridge", "condition number", "base parameters"):
        assert words in said
    assert load_bundle(out).training["config"]["friction_model"] == "extended"
    assert main(["info", str(out)]) == 0 and "rigid_body" in capsys.readouterr().out
    assert main(["evaluate", str(out), str(prepared)]) == 0
    assert "Note: one, two was trained on" in capsys.readouterr().out
    assert "exists" in fails(capsys, prepared, "-o", out)
    assert main(["identify", str(prepared), "--friction-model", "basic", "-o", str(out), "--force"]) == 0
    assert "which it was identified from" in capsys.readouterr().out
    assert load_bundle(out).training["config"]["friction_model"] == "basic"


def test_an_observer_and_the_signals_that_it_runs_on(prepared, tmp_path, capsys):
    out = tmp_path / "b"
    argv = ["identify", str(prepared), "--test", "three", "-o", str(out), "--force"]
    assert main([*argv, "--observer", "--gain", "15", "--cutoff", "0"]) == 0
    bundle = load_bundle(out)
    assert bundle.method == "momentum_observer" and bundle.model.config.gain == 15 and bundle.filter.kind == "none"
    assert main(["info", str(out)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "momentum_observer, window 2" in said and "observer gain 15 rad/s" in said and "filter none model" in said
    assert main(["evaluate", str(out), str(prepared)]) == 0
    assert main([*argv, "--cutoff", "20"]) == 0
    assert load_bundle(out).method == "rigid_body" and load_bundle(out).filter.cutoff_hz == 20
    capsys.readouterr()
    assert "--gain is the observer's" in fails(capsys, prepared, "--gain", "3", "-o", tmp_path / "c")
    assert "gain is 0.0: use" in fails(capsys, prepared, "--observer", "--gain", "0", "-o", tmp_path / "c")
    assert "use 0.1 Hz or more" in fails(capsys, prepared, "--cutoff", "1e-9", "-o", tmp_path / "c")
    assert "friction_time_constant is 0.001: use 1 to 3600 s" in fails(
        capsys, prepared, "--friction-time-constant", "0.001", "-o", tmp_path / "c"
    )
    assert "has no adaptive friction" in fails(
        capsys, prepared, "--friction-time-constant", "9", "--observer", "-o", tmp_path / "c"
    )
    assert "below 62.5 Hz" in fails(capsys, prepared, "--cutoff", "80", "-o", tmp_path / "c")


def test_one_recording_is_enough_and_says_what_it_lacks(prepared, tmp_path, capsys):
    assert main(["identify", str(prepared), "--test", "two", "three", "-o", str(tmp_path / "b")]) == 0
    assert "Only one training recording" in capsys.readouterr().out


def test_joints_that_do_not_move_are_told_and_the_rest_is_given(arm_dataset, lively, tmp_path, capsys):
    frozen = []
    for e in arm_dataset.episodes:
        q, qd = e.q.copy(), e.qd.copy()
        q[:, 3:], qd[:, 3:] = q[0, 3:], 0
        frozen.append(replace(e, q=q, qd=qd))
    write_dataset(tmp_path / "d", replace(arm_dataset, episodes=tuple(frozen)))
    assert main(["identify", str(tmp_path / "d"), "-o", str(tmp_path / "b")]) == 0
    out = capsys.readouterr().out
    assert "The data cannot tell everything" in out and "sim_wrist_1_joint: turn it" in out
    load_bundle(tmp_path / "b")


def test_a_recording_with_contact_is_warned_of(arm_dataset, lively, tmp_path, capsys):
    pushed = lively("pushed", 5)
    pushed.tau[300:450, 1] += 60
    dataset = replace(arm_dataset, episodes=(*arm_dataset.episodes, pushed))
    write_dataset(tmp_path / "d", dataset)
    assert main(["identify", str(tmp_path / "d"), "-o", str(tmp_path / "b")]) == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if "does not fit" in line]
    assert len(warnings) == 1 and "warning: pushed does not" in warnings[0] and "sim_shoulder_lift" in warnings[0]


def test_amperes_say_what_the_scale_is_worth(arm_dataset, tmp_path, capsys):
    effort = Effort("A", (1.0,) * 6)
    write_dataset(tmp_path / "d", replace(arm_dataset, effort=effort))
    assert main(["identify", str(tmp_path / "d"), "--friction-model", "basic", "-o", str(tmp_path / "b")]) == 0
    out = capsys.readouterr().out
    assert "Effort is in amperes" in out and "gains [N·m/A]" in out
    assert load_bundle(tmp_path / "b").metrics["nmse_mean"]["model"] < 0.01


def test_bad_input(prepared, arm_dataset, tmp_path, capsys):
    out = tmp_path / "b"
    other = config_folder() / "urdf" / "iiwa14.urdf"
    line = fails(capsys, prepared, "--urdf", other, "-o", out)
    assert "no joint sim_shoulder_pan_joint, sim_shoulder_lift_joint" in line and "lbr_A1" in line
    assert "none.urdf cannot be read (No such file" in fails(
        capsys, prepared, "--urdf", tmp_path / "none.urdf", "-o", out
    )
    (tmp_path / "bad.urdf").write_text("not xml")
    assert "not XML" in fails(capsys, prepared, "--urdf", tmp_path / "bad.urdf", "-o", out)
    (tmp_path / "bytes.urdf").write_bytes(b"\xff\xfe\xff")
    assert "not UTF-8" in fails(capsys, prepared, "--urdf", tmp_path / "bytes.urdf", "-o", out)
    write_dataset(tmp_path / "d", replace(arm_dataset, robot="mine"))
    assert "no URDF of robot 'mine': give one with --urdf" in fails(capsys, tmp_path / "d", "-o", out)
    assert "no episode 'four'" in fails(capsys, prepared, "--test", "four", "-o", out)
    assert "every recording is held out" in fails(capsys, prepared, "--test", "one", "two", "three", "-o", out)
    assert not out.exists()


def test_a_robot_of_ones_own_whose_joints_have_a_prefix(arm_dataset, tmp_path, capsys):
    ur5 = load_robot("ur5")
    joints = tuple(f"left_{joint}" for joint in ur5.urdf_joints)
    episodes = tuple(replace(e, joints=joints) for e in arm_dataset.episodes)
    write_dataset(tmp_path / "d", replace(arm_dataset, robot="left", joints=joints, episodes=episodes))
    (tmp_path / "arm.urdf").write_text(ur5.urdf)
    robot = {"name": "left", "rate": 125.0, "tip": ur5.tip, "urdf": "arm.urdf", "urdf_joints": list(ur5.urdf_joints)}
    robot["drivers"] = [{"name": "driver", "joints": list(joints), "effort": {"unit": "N·m"}}]
    (tmp_path / "left.yaml").write_text(yaml.safe_dump(robot))
    argv = [str(tmp_path / "d"), "--test", "three", "-o", str(tmp_path / "b")]
    assert "no URDF of robot 'left': give one with --urdf, or" in fails(capsys, *argv)
    assert main(["identify", *argv, "--robot", str(tmp_path / "left.yaml")]) == 0
    bundle = load_bundle(tmp_path / "b")
    assert bundle.joints == joints and bundle.metrics["nmse_mean"]["model"] < 0.01
    assert bundle.model.dynamics.arm.tip == ur5.tip
    assert main(["train", *argv, "--force", "--robot", str(tmp_path / "left.yaml")]) == 2
    assert "--robot is for a rigid-body model" in capsys.readouterr().err
