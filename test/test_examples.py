# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The programs in `examples/`; nodes/test_stop_on_contact.py runs the one that is a node."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from simulated import SHORT

from vastares_ros import VastaresError, estimate, load_bundle, read_bag, save_bundle, write_dataset
from vastares_ros.cli.main import main as vastares
from vastares_ros.io.bags import MessageTable, write_joint_states

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PROGRAMS = sorted(EXAMPLES.rglob("*.py"))
NODE = "03_stop_on_contact.py"
REGISTERS = "04_your_own_method.py"  # changes the process that it runs in, so it gets one of its own where it trains
BAD = {
    "01_estimate_a_bag.py": ["nothing", "bag"],
    "02_identify_and_compare.py": ["nothing", "--test", "bag_4"],
    REGISTERS: ["nothing", "--test", "same"],
    "05_your_own_robot/run.py": ["nothing", "--estimate", "bag"],
    "06_several_arms.py": ["bag", "nothing"],
}


def name(path: Path) -> str:
    return path.relative_to(EXAMPLES).as_posix()


def program(example: str) -> Callable[[list[str]], int]:
    """The function `main` of an example."""
    spec = spec_from_file_location("example", EXAMPLES / example)
    assert spec and spec.loader
    module = module_from_spec(spec)
    sys.modules["example"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module.main


def figures(table: str) -> dict[str, list[float]]:
    """The rows of a printed table that end in numbers."""
    rows = re.findall(r"^(\S+)((?: +\d+\.\d+)+)$", table, re.MULTILINE)
    return {row: [float(x) for x in numbers.split()] for row, numbers in rows}


def test_every_program_is_in_the_list():
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert len(PROGRAMS) == 6 and all(f"({name(path)})" in listed for path in PROGRAMS)


@pytest.fixture
def no_method(monkeypatch):
    """Leaves this process without the method of an example."""
    monkeypatch.setattr("vastares_ros.register_method", lambda *method, label: None)


@pytest.mark.parametrize("example", [name(path) for path in PROGRAMS if path.name != NODE])
def test_help(example, capsys, no_method):
    with pytest.raises(SystemExit) as ended:
        program(example)(["--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0 and "usage: " in said and "--help" in said


@pytest.mark.parametrize(("example", "args"), BAD.items(), ids=BAD)
def test_bad_input_gives_one_line(example, args, capsys, no_method):
    with pytest.raises(SystemExit) as ended:
        program(example)(args)
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert re.fullmatch(r"error: .*nothing.*\n", said.err) and not said.out


def test_estimate_a_bag(material, tmp_path, capsys):
    picture = tmp_path / "plot.png"
    run = program("01_estimate_a_bag.py")
    run([str(material / "bundle"), str(material / "pushes"), "-o", str(picture)])
    assert picture.read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    bundle = load_bundle(material / "bundle")
    found = estimate(bundle, read_bag(material / "pushes", bundle))
    share = (np.abs(found.tau_ext[found.valid]) > found.bound).mean(axis=0)
    assert f"{len(found.t)} samples, {found.valid.mean():.1%} of the estimates are valid" in said
    assert re.findall(r"in (\S+) of these", said) == [f"{x:.1%}" for x in share] and share.max() > 0.05


@pytest.mark.slow
def test_identify_and_compare(material, tmp_path, capsys):
    best = tmp_path / "best"
    run = program("02_identify_and_compare.py")
    run([str(material / "dataset"), "--test", "bag_4", "-o", str(best)])
    said = capsys.readouterr().out
    table, bundle = figures(said), load_bundle(best)
    assert [*table] == [*bundle.joints, "mean"]
    assert np.isclose(min(table["mean"]), bundle.metrics["nmse_mean"]["model"], atol=1e-4)
    assert max(table["mean"]) < 0.05 and table["mean"][1] < table["mean"][0], "the simulated friction is not basic"
    with pytest.raises(SystemExit, match="2"):
        run([str(material / "dataset"), "--test", "bag_7"])


@pytest.mark.process
def test_your_own_method(dataset, make_episode, tmp_path):
    same = make_episode("same", seed=0)  # as recording "one", which is learned from
    write_dataset(tmp_path / "dataset", replace(dataset, episodes=(*dataset.episodes[:2], same)))
    command = [sys.executable, EXAMPLES / REGISTERS, "dataset", "--test", "same", "--epochs", "1", "-o", "mine"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = figures(done.stdout)
    assert [*table] == [*dataset.joints] and done.stdout.endswith("mine: a bundle of neighbours for twolink\n")
    assert all(row[0] < 0.01 < row[1] for row in table.values()), "mine, the network"
    with pytest.raises(VastaresError, match="model 'neighbours' is unknown"):
        load_bundle(tmp_path / "mine")


@pytest.mark.slow
def test_your_own_robot(tmp_path, capsys):
    pytest.importorskip("pinocchio")
    robot, bags, out = EXAMPLES / "05_your_own_robot/arm.yaml", tmp_path / "simulated", tmp_path / "out"
    assert vastares(["simulate", "--robot", str(robot), "-o", str(bags), "--episodes", "3", *SHORT]) == 0
    free = [str(bags / f"free_{i}") for i in (1, 2, 3)]
    capsys.readouterr()
    run = program("05_your_own_robot/run.py")
    run([*free, "--estimate", str(bags / "pushes"), "-o", str(out)])
    said = capsys.readouterr().out
    bundle = load_bundle(out / "bundle")
    assert bundle.joints == ("arm_pan", "arm_lift", "arm_elbow") and bundle.model.dynamics.arm.tip == "tool"
    nmse = [float(x) for x in re.findall(r"nmse (\S+) on free_1", said)]
    assert len(nmse) == 3 and max(nmse) < 0.05
    peaks = [(float(a), float(b)) for a, b in re.findall(r"up to (\S+) N·m, bound (\S+)", said)]
    assert len(peaks) == 3 and all(peak > 3 * bound for peak, bound in peaks), "of pushes"
    assert "in the frame tool" in said


def test_several_arms(material, tmp_path, capsys):
    one = load_bundle(material / "bundle")
    seen, bundles, tables = {}, {}, []
    for side, bag in (("left", "pushes"), ("right", "bags/bag_4")):
        bundles[side] = replace(one, joints=tuple(f"{side}_{joint}" for joint in one.joints))
        save_bundle(tmp_path / side, bundles[side])
        (seen[side],) = read_bag(material / bag, one).episodes
    count = min(map(len, seen.values()))
    ns = np.round(seen["left"].t[:count] * 1e9).astype(np.int64)
    names = bundles["right"].joints + bundles["left"].joints
    tables = [np.hstack([getattr(seen[side], x)[:count] for side in ("right", "left")]) for x in ("q", "qd", "tau")]
    write_joint_states(tmp_path / "bag", {"/joint_states": MessageTable(names, ns, ns, *tables)})

    run = program("06_several_arms.py")
    paths = [str(tmp_path / side) for side in bundles]
    run([str(tmp_path / "bag"), *paths])
    said = capsys.readouterr().out
    for side, path in zip(bundles, paths, strict=True):
        found = estimate(bundles[side], read_bag(tmp_path / "bag", bundles[side]))
        contact = found.valid & (np.abs(found.tau_ext) > 2 * found.bound).any(axis=1)
        begins = int(np.count_nonzero(np.diff(contact.astype(int), prepend=0) > 0))
        assert f"{path}: {count} samples, {found.valid.sum()} valid, {begins} contacts\n" in said
        assert said.count(f"{path}: contact at {side}_sim_") == begins
    assert "left: contact" in said
    with pytest.raises(SystemExit, match="2"):
        run([str(material / "pushes"), *paths])
    assert "has no joint left_sim_elbow_joint, which" in capsys.readouterr().err
