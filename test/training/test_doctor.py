# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is found in recordings whose truth is known; the table of the documentation is of the same cases."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vastares_ros.core.arm import Arm
from vastares_ros.core.robot import Effort
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.datasets import load_dataset
from vastares_ros.io.robots import load_robot
from vastares_ros.physics.rigid_body import RigidBody
from vastares_ros.training.doctor import examine, from_episode, inverted_joints

pytest.importorskip("pinocchio")
pytestmark = pytest.mark.slow

WRITER = Path(__file__).parents[2] / "docs" / "research" / "doctor.py"
DOCTOR = runpy.run_path(str(WRITER))
ONES = (1.0,) * 6


@pytest.fixture(scope="module")
def robot():
    return load_robot("ur5")


@pytest.fixture(scope="module")
def body(robot):
    return RigidBody(Arm(robot.urdf, robot.urdf_joints, robot.tip))


@pytest.mark.slow
def test_every_meaning_and_every_defect_is_found_in_simulation_and_the_page_says_so():
    cases = list(DOCTOR["simulated_cases"]())
    judged = {case.name: case.judged() for case in cases}
    wrong = {name: told for name, (right, told) in judged.items() if not right}
    assert len(judged) > 25 and len(wrong) <= len(judged) / 20, wrong
    page = WRITER.with_suffix(".md").read_text(encoding="utf-8")
    for name in judged:
        assert f"| {name} | yes |" in page or f"| {name} | **no** |" in page, "run python docs/research/doctor.py"


def test_public_recordings(data):
    wrong = {case.name: told for case in DOCTOR["public_cases"](data) if not (told := case.judged())[0]}
    assert not wrong


def test_a_case_whose_answer_is_another_is_wrong(lively, robot, body):
    bag = from_episode(lively("free", 3), ONES)
    case = DOCTOR["Case"]("inverted", {"sign": "inverted"}, (), lambda: examine("x", [bag], None, robot, body))
    assert not case.judged()[0]


def test_the_sign_of_each_joint_and_the_entry_of_a_robot_file(lively, robot, body):
    e = lively("free", 0, 2000)
    sign = np.array([1, 1, -1, 1, -1, 1])
    found = examine("x", [from_episode(replace(e, tau=e.tau * sign), ONES)], Effort("N·m", ONES), robot, body)
    signs = [found.of("sign", joint).finding for joint in e.joints]
    assert signs == ["inverted" if s < 0 else "usual" for s in sign]
    assert [found.of("sign", joint).status for joint in e.joints] == ["fail" if s < 0 else "pass" for s in sign]
    assert found.entry == 'effort: {unit: "N·m", scale: [1, 1, -1, 1, -1, 1], gravity_compensated: false}'
    assert found.status == "fail"
    known = Effort("N·m", (1.0, 1.0, -1.0, 1.0, -1.0, 1.0))
    assert all(c.status != "fail" for c in examine("x", [from_episode(e, known.scale)], known, robot, body).checks)


def test_torque_of_a_dataset_is_told_as_it_was_published(lively, robot, body):
    e = lively("free", 0, 2000)
    claim = Effort("N·m", (-2.0,) * 6)
    found = examine("x", [from_episode(e, claim.scale)], claim, robot, body)
    assert found.of("sign", e.joints[1]).finding == "inverted" and found.of("sign", e.joints[1]).status == "pass"
    assert "scale: -2" in found.entry


def test_what_is_claimed_and_not_seen_fails(lively, robot, body):
    e = from_episode(lively("free", 1, 2000), ONES)
    found = examine("x", [e], Effort("A", ONES, gravity_compensated=True), robot, body)
    assert found.of("effort").status == "fail" and "said to be without gravity" in found.of("effort").advice
    assert found.of("unit").status == "fail" and "said to be in A" in found.of("unit").advice


def test_without_a_urdf_there_is_no_unit_but_a_sign(lively):
    e = lively("free", 0, 2000)
    found = examine("x", [from_episode(replace(e, tau=-e.tau), ONES)])
    assert found.of("unit").status == "unknown" and "--robot or --urdf" in found.of("unit").evidence
    signs = {c.finding for c in found.checks if c.name == "sign"}
    assert "inverted" in signs and "usual" not in signs
    assert found.of("contact").status == "unknown"


def test_a_joint_without_effort_is_named_and_the_others_are_judged(lively, robot, body):
    e = lively("free", 0, 2000)
    tau = e.tau.copy()
    tau[:, 4] = np.nan
    tau[7, 0] = np.nan
    found = examine("x", [from_episode(replace(e, tau=tau), ONES)], None, robot, body)
    assert found.of("effort there", e.joints[4]).status == "fail"
    assert found.of("effort there", e.joints[0]).finding == "partly NaN"
    assert found.of("effort").finding == "with gravity" and found.of("sign", e.joints[1]).finding == "usual"
    assert f"sign of {e.joints[4]}" in found.entry


def test_a_clock_that_stands_has_no_rate(lively):
    e = from_episode(lively("free", 0), ONES)
    found = examine("x", [replace(e, t=np.full(len(e.t), 5.0))])
    assert found.of("rate").status == "fail" and found.of("effort").status == "unknown"
    back = examine("x", [replace(e, t=np.concatenate([e.t[:500], e.t[:500]]))])
    assert back.of("lost samples").status == "warn" and "1 backward jump" in back.of("lost samples").evidence


def test_a_bundle_fits_its_own_arm_and_not_one_with_another_effort(material, robot, body):
    bundle = load_bundle(material / "bundle")
    episodes = load_dataset(material / "dataset").episodes
    own = examine("x", [from_episode(e, ONES) for e in episodes], bundle.effort, robot, body, bundle)
    assert own.of("bundle").status == "pass"
    inverted = [from_episode(replace(e, tau=-e.tau), ONES) for e in episodes]
    assert examine("x", inverted, bundle.effort, robot, body, bundle).of("bundle").status == "fail"
    slow = [replace(from_episode(e, ONES), t=2 * e.t) for e in episodes]
    assert "trained at 125 Hz" in examine("x", slow, bundle.effort, robot, body, bundle).of("bundle").evidence


def test_joints_of_inverted_torque(lively, body):
    e = lively("free", 2, 2000)
    assert not inverted_joints(e.joints, [e], 125.0, body)
    tau = e.tau.copy()
    tau[:, 3] *= -1
    assert list(inverted_joints(e.joints, [replace(e, tau=tau)], 125.0, body)) == [e.joints[3]]
    assert not inverted_joints(
        e.joints, [replace(e, **{n: getattr(e, n)[:50] for n in ("t", "q", "qd", "tau")})], 125.0, body
    )
