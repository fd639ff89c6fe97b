# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""prepare --format and train --split, as a user types them."""

import numpy as np
import pytest
from scipy.io import savemat

from vastares_ros.cli.main import main
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.datasets import load_dataset
from vastares_ros.io.robots import load_robot


def fails(capsys, *argv):
    """The one line that a failing verb prints."""
    assert main([str(a) for a in argv]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith(f"vastares {argv[0]}: error: ")
    return lines[-1]


@pytest.fixture
def archive(tmp_path, make_episode):
    """Writes a motion of two joints, or that side by side until there are as many joints as asked."""

    def write(name, joints=2, stamps=True, samples=500, seed=0):
        e = make_episode(samples=samples, seed=seed)
        wide = {field: np.tile(getattr(e, field), -(-joints // 2))[:, :joints] for field in ("q", "qd", "tau")}
        np.savez(tmp_path / name, **wide, **({"t": e.t} if stamps else {}))
        return tmp_path / name

    return write


def test_the_format_or_the_user_says_joints_and_unit(tmp_path, archive):
    path, out = archive("a.npz", joints=6), tmp_path / "d"
    arguments = ["prepare", "--format", "npz", str(path), "-o", str(out), "--force"]
    for more, joints, unit, robot in (
        ([], tuple(f"joint_{j}" for j in range(1, 7)), "N·m", "unknown"),
        (["--robot", "ur5"], load_robot("ur5").drivers[0].joints, "A", "ur5"),
        (["--robot", "ur5", "--joints", *"abcdef", "--effort-unit", "N·m"], tuple("abcdef"), "N·m", "ur5"),
    ):
        assert main([*arguments, *more]) == 0
        read = load_dataset(out)
        assert (read.joints, read.effort.unit, read.robot) == (joints, unit, robot)
    assert main([*arguments, "--effort-scale", "-2"]) == 0
    np.testing.assert_allclose(load_dataset(out).episodes[0].tau, -2 * np.load(path)["tau"])


def test_rate_of_archives_with_and_without_time(tmp_path, capsys, archive):
    stamped, bare, out = archive("a.npz"), archive("b.npz", stamps=False, seed=1), tmp_path / "d"
    assert "pass --rate" in fails(capsys, "prepare", "--format", "npz", stamped, bare, "-o", out)
    assert main(["prepare", "--format", "npz", str(stamped), str(bare), "-o", str(out), "--rate", "125"]) == 0
    read = load_dataset(out)
    assert read.rate == 125 and [e.recording for e in read.episodes] == ["a", "b"]
    np.testing.assert_allclose(read.episodes[1].q, np.load(bare)["q"], atol=1e-9)
    assert read.notes["b"]["time_source"] == "rows" and read.notes["b"]["rows"] == 500


def test_csv_takes_names_from_its_columns(tmp_path, capsys, make_episode):
    e, path, out = make_episode(), tmp_path / "log.csv", tmp_path / "d"
    table = np.column_stack([e.tau, e.t, e.q, e.qd])
    np.savetxt(path, table, delimiter=",", header="m1,m2,time,q1,q2,v1,v2", comments="")
    columns = ["--columns", "t=time", "q=q2,q1", "qd=v2,v1", "tau=m2,m1"]
    assert main(["prepare", "--format", "csv", str(path), *columns, "-o", str(out)]) == 0
    read = load_dataset(out)
    assert read.joints == ("q2", "q1")
    np.testing.assert_allclose(read.episodes[0].tau, e.tau[:, ::-1])
    assert "names no q:" in fails(capsys, "prepare", "--format", "csv", path, "-o", tmp_path / "e")


def test_rtde_chooses_its_torque(tmp_path, capsys):
    t = np.arange(300) / 125
    q, qd = np.tile(np.sin(t)[:, None], 6), np.tile(np.cos(t)[:, None], 6)
    outputs = {"actual_q": q, "actual_qd": qd, "actual_current": q + 1, "actual_current_as_torque": q + 2}
    for name, fields in (("old", list(outputs)[:3]), ("new", list(outputs))):
        header = " ".join(["timestamp", *(f"{f}_{j}" for f in fields for j in range(6))])
        table = np.column_stack([t, *(outputs[f] for f in fields)])
        np.savetxt(tmp_path / f"{name}.csv", table, header=header, comments="")
    arguments = ["prepare", "--format", "rtde", "--robot", "ur5e", "-o", str(tmp_path / "d"), "--force"]
    assert main([*arguments, str(tmp_path / "new.csv")]) == 0
    effort = load_dataset(tmp_path / "d").effort
    assert (effort.unit, effort.gravity_compensated) == ("N·m", True), (
        "the format knows, whatever the robot's driver does"
    )
    both = [str(tmp_path / "old.csv"), str(tmp_path / "new.csv")]
    assert "different kinds of torque" in fails(capsys, *arguments, *both)
    assert main([*arguments, *both, "--torque", "actual_current"]) == 0
    assert load_dataset(tmp_path / "d").effort.unit == "A"


def test_bad_input_of_archives(tmp_path, capsys, archive):
    two, six, out = archive("two.npz"), archive("six.npz", joints=6), tmp_path / "d"
    npz = ("prepare", "--format", "npz")
    assert "holds 2 joints, ur5 has 6" in fails(capsys, *npz, two, "--robot", "ur5", "-o", out)
    assert "2 joints, expected 3" in fails(capsys, *npz, two, "--joints", "a", "b", "c", "-o", out)
    assert "six.npz: 6 joints, expected 2" in fails(capsys, *npz, two, six, "-o", out)
    assert "two recordings are called 'two'" in fails(capsys, *npz, two, two, "-o", out)
    assert "--topic is for --format bag" in fails(capsys, *npz, two, "--topic", "/arm", "-o", out)
    assert "--torque is for --format rtde" in fails(capsys, *npz, two, "--torque", "actual_current", "-o", out)
    assert "--columns is for --format csv, not for bag" in fails(capsys, "prepare", two, "--columns", "q=a", "-o", out)
    assert "--rate is 0" in fails(capsys, *npz, two, "--rate", "0", "-o", out)
    assert not out.exists()


def test_help_of_prepare_is_readable(capsys):
    with pytest.raises(SystemExit):
        main(["prepare", "--help"])
    said = capsys.readouterr().out
    assert "10% are" in " ".join(said.split()) and "kuka2: text of Meier 2014" in " ".join(said.split())


@pytest.mark.slow
def test_a_split_of_the_paper(tmp_path, capsys, archive):
    first, second = (archive(f"{name}.npz", samples=9000, seed=seed) for seed, name in enumerate("ab"))
    d, b, config = str(tmp_path / "d"), tmp_path / "b", tmp_path / "small.yaml"
    config.write_text("network: {window: 8, hidden: 4}\nepochs: 1\n")
    assert main(["prepare", "--format", "npz", str(first), str(second), "-o", d]) == 0
    assert "leave out --validation" in fails(capsys, "train", d, "-o", b, "--split", "ur5", "--validation", "a")
    assert main(["train", d, "-o", str(b), "--config", str(config), "--split", "kuka2"]) == 0
    said = capsys.readouterr()
    assert "warning: leakage: all test samples are of b" in said.err and "the first 13000 samples" in said.out
    assert "it cuts b 5000 samples before its end, so that 4560 of the 4560 are" in " ".join(said.out.split())
    bundle = load_bundle(b)
    assert bundle.metrics["leakage"] == ["b"] and bundle.metrics["of"] == "test"
    assert bundle.training["split"] == {"training": ["a", "b"], "validation": [], "test": ["b"]}
    assert "13000 samples for training, the next 4560 for testing" in bundle.training["split_rule"]
    assert "kuka1 of [1] trains on 16000 samples and tests on the next 4000, the dataset holds 18000" in fails(
        capsys, "train", d, "-o", tmp_path / "c", "--split", "kuka1"
    )
    assert main(["prepare", "--format", "npz", str(second), str(first), "-o", d, "--force"]) == 0
    assert main(["train", d, "-o", str(b), "--config", str(config), "--split", "kuka2", "--force"]) == 0
    with pytest.raises(SystemExit):
        main(["train", d, "-o", str(b), "--split", "kuka2", "--test", "a"])


def test_a_file_of_polydoros_from_its_runs_to_a_split_by_recording(tmp_path, capsys, make_episode):
    runs = {}
    for i in range(1, 11):
        e = make_episode(samples=151 + i, seed=i)
        q, qd, tau = (np.tile(getattr(e, field), 4)[:, :7] / 4 for field in ("q", "qd", "tau"))
        runs[f"kukatraj{i}"] = np.hstack([q[:-1], qd[:-1], tau[:-1], q[1:], qd[1:]])
    savemat(tmp_path / "k.mat", runs)
    d, b, config = tmp_path / "d", tmp_path / "b", tmp_path / "small.yaml"
    prepare = ["prepare", "--format", "kuka1", str(tmp_path / "k.mat"), "-o", str(d)]
    assert main(prepare) == 0
    assert "kukatraj10: there is no time in the file: 125 Hz fits" in capsys.readouterr().out
    read = load_dataset(d)
    assert (read.robot, read.joints) == ("lwr", load_robot("lwr").drivers[0].joints), "the format knows its robot"
    assert [(e.name, len(e)) for e in read.episodes] == [(f"kukatraj{i}", 150 + i) for i in range(1, 11)]
    config.write_text("network: {window: 8, hidden: 4}\nepochs: 1\n")
    by_recording = ["--test", "kukatraj9", "kukatraj10", "--validation", "kukatraj8", "--config", str(config)]
    assert main(["train", str(d), "-o", str(b), *by_recording]) == 0
    split = load_bundle(b).training["split"]
    assert (split["training"][-1], split["validation"], split["test"]) == (
        "kukatraj7",
        ["kukatraj8"],
        ["kukatraj9", "kukatraj10"],
    )
    assert main([*prepare, "--force", "--robot", "iiwa7"]) == 0
    assert load_dataset(d).robot == "iiwa7", "what the user says goes first"
    del runs["kukatraj2"]
    savemat(tmp_path / "k.mat", runs)
    assert "run kukatraj2 is missing" in fails(capsys, *prepare, "--force")
