# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`vastares doctor`, as a user types it, and what `identify` does with effort of the wrong sign."""

import json
from dataclasses import replace

import numpy as np
import pytest

from vastares_ros.cli.main import main
from vastares_ros.core.robot import Effort
from vastares_ros.io.bags import MessageTable, write_joint_states
from vastares_ros.io.bundles import is_bundle
from vastares_ros.io.datasets import write_dataset

pytest.importorskip("pinocchio")
pytestmark = pytest.mark.slow


def write_bag(path, e, **fields):
    """A bag of an episode, some fields of its messages replaced."""
    stamp_ns = np.round(e.t * 1e9).astype(np.int64)
    columns = {"position": e.q, "velocity": e.qd, "effort": e.tau} | fields
    write_joint_states(path, {"/joint_states": MessageTable(e.joints, stamp_ns, stamp_ns + 1_000_000, **columns)})
    return path


@pytest.fixture(scope="module")
def free(lively):
    return lively("free", 0, 2000)


def test_a_sound_bag_passes_and_an_inverted_one_fails_with_the_line_for_the_robot_file(free, tmp_path, capsys):
    assert main(["doctor", str(write_bag(tmp_path / "bag", free)), "--robot", "ur5"]) == 0
    assert 'effort: {unit: "N·m", scale: 1, gravity_compensated: false}' in capsys.readouterr().out
    assert main(["doctor", str(write_bag(tmp_path / "inverted", free, effort=-free.tau)), "--robot", "ur5"]) == 1
    assert 'effort: {unit: "N·m", scale: -1, gravity_compensated: false}' in capsys.readouterr().out


def test_the_answers_as_json_and_nothing_is_overwritten(free, tmp_path, capsys):
    bag = write_bag(tmp_path / "bag", free, effort=-free.tau)
    assert main(["doctor", str(bag), "--robot", "ur5", "--json", "-"]) == 1
    found = json.loads(capsys.readouterr().out)
    signs = [c for c in found["checks"] if c["name"] == "sign"]
    assert found["status"] == "fail" and {c["finding"] for c in signs} == {"inverted"} and len(signs) == 6
    assert "scale: -1," in found["entry"]
    (tmp_path / "figures.json").write_text("mine")
    assert main(["doctor", str(bag), "--json", str(tmp_path / "figures.json")]) == 2
    assert (tmp_path / "figures.json").read_text() == "mine" and "--force" in capsys.readouterr().err


def test_effort_that_no_other_verb_reads_is_named(free, tmp_path, capsys):
    for name, effort, what in (
        ("zero", 0 * free.tau, "all zeros"),
        ("nan", np.nan * free.tau, "missing or NaN"),
        ("none", np.empty((len(free), 0)), "missing or NaN"),
    ):
        assert main(["doctor", str(write_bag(tmp_path / name, free, effort=effort)), "--robot", "ur5"]) == 1
        assert what in capsys.readouterr().out


def test_a_gripper_on_the_same_topic_is_named_and_does_no_harm(free, tmp_path, capsys):
    q, qd, tau = (np.concatenate([x, np.zeros((len(free), 1))], axis=1) for x in (free.q, free.qd, free.tau))
    both = replace(free, joints=(*free.joints, "gripper"), q=q, qd=qd, tau=tau)
    bag = write_bag(tmp_path / "bag", both)
    assert main(["doctor", str(bag), "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {c["name"]: c["status"] for c in found["checks"] if c["joint"] == "gripper"} == {
        "joints": "warn",
        "effort there": "warn",
    }
    assert main(["doctor", str(bag), "--robot", "ur5"]) == 0  # which has no such joint
    assert "gripper: " not in capsys.readouterr().out


def test_ten_samples_say_what_they_cannot_answer(free, tmp_path, capsys):
    ten = replace(free, **{name: getattr(free, name)[:10] for name in ("t", "q", "qd", "tau")})
    assert main(["doctor", str(write_bag(tmp_path / "bag", ten)), "--robot", "ur5"]) == 0
    out = capsys.readouterr().out
    assert "10 samples are too few" in " ".join(out.split()) and "robot file" not in out


def test_bad_input(free, tmp_path, capsys):
    bag = write_bag(tmp_path / "bag", free)
    for argv, said in (
        ([str(tmp_path / "none")], "does not exist"),
        ([str(bag), "--topic", "/other"], "choose with --topic"),
        ([str(bag), "--robot", "iiwa7"], "not among those published"),
        ([str(bag), "--joints", "sim_elbow_joint", "knee"], "no joint 'knee'"),
        ([str(bag), "--bundle", str(tmp_path / "none")], "train one"),
        ([str(bag), "--bundle", str(bag), "--robot", "ur5"], "leave --robot"),
    ):
        assert main(["doctor", *argv]) == 2
        err = capsys.readouterr().err
        assert said in err and err.startswith("vastares doctor: error: ") and len(err.splitlines()) == 1


def test_a_dataset_and_a_bundle(material, capsys):
    assert main(["doctor", str(material / "dataset"), "--bundle", str(material / "bundle")]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert (
        "with gravity" in out and "fits" in out and 'effort: {unit: "N·m", scale: 1, gravity_compensated: false}' in out
    )


def test_identify_refuses_inverted_effort_unless_told_otherwise(arm_dataset, tmp_path, capsys):
    inverted = tuple(replace(e, tau=e.tau * [1, 1, -1, 1, 1, 1]) for e in arm_dataset.episodes)
    write_dataset(tmp_path / "d", replace(arm_dataset, episodes=inverted, effort=Effort("N·m", (2.0,) * 6)))
    argv = ["identify", str(tmp_path / "d"), "--friction-model", "basic", "-o", str(tmp_path / "b")]
    assert main(argv) == 2 and not is_bundle(tmp_path / "b")
    err = capsys.readouterr().err
    assert "effort of sim_elbow_joint has an inverted sign" in err and "--effort-scale 2 2 -2 2 2 2" in err
    assert main([*argv, "--accept-inverted"]) == 0 and is_bundle(tmp_path / "b")
    err = capsys.readouterr().err
    assert "warning: effort of sim_elbow_joint has an inverted sign" in err
