# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Write doctor.md: what `vastares doctor` says of recordings whose truth is known.

Simulated recordings have one defect each. Of the public ones the truth is what their authors and the research log say;
they are in VASTARES_DATA, or in shared/data beside the checkout. A test runs the simulated ones.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vastares_ros.core.arm import Arm
from vastares_ros.core.robot import Effort, Robot
from vastares_ros.core.samples import Array, Episode
from vastares_ros.core.signals import CausalFilter, FilterConfig
from vastares_ros.io import archives
from vastares_ros.io.bags import PublishedSamples, published_samples, read_joint_states
from vastares_ros.io.robots import load_robot
from vastares_ros.physics.rigid_body import RigidBody
from vastares_ros.physics.simulation import SimulatedArm
from vastares_ros.report.render import markdown
from vastares_ros.report.tables import Cell, Table
from vastares_ros.training.doctor import Diagnosis, examine, from_episode

PAGE = Path(__file__).with_suffix(".md")
HEAD = """# What `vastares doctor` says

Recordings whose truth is known, and what `vastares doctor` says of them. Written by `python docs/research/doctor.py`; a
test runs the simulated ones. A row is right if every answer that is expected is given, and no other check fails.

The thresholds of the doctor were set while looking at the public recordings and at simulated ones of other seeds. So
the public rows show that it tells these apart, not how often it is right on a robot that it has never seen."""
SECONDS = 60.0
SEED = 20
GAINS = (13.0, 12.5, 11.0, 9.0, 9.5, 10.0)  # of the simulated drives [N·m/A]
TORQUE = {"effort": "with gravity", "unit": "N·m", "sign": "usual"}
INVERTED = TORQUE | {"sign": "inverted"}


@dataclass(frozen=True)
class Case:
    """A recording and what has to be found.

    Attributes:
        name: what it is.
        expected: check -> pattern in "status: finding", of one joint at least.
        fails: checks that may fail; no other one.
        examined: gives what `examine` says.
    """

    name: str
    expected: dict[str, str]
    fails: tuple[str, ...]
    examined: Callable[[], Diagnosis]

    def judged(self) -> tuple[bool, str]:
        """Whether all is right, and what was found: the expected checks, and others that fail."""
        found = self.examined()
        told, right = [], True
        for name, pattern in self.expected.items():
            checks = [c for c in found.checks if c.name == name]
            hits = [c for c in checks if re.search(pattern, f"{c.status}: {c.finding}")]
            right &= bool(hits)
            seen = hits[0] if hits else checks[0] if checks else None
            sure = f" ({seen.confidence:.0%})" if seen and 0 < seen.confidence < 1 else ""
            told.append(f"{name}: {seen.finding}{sure}" if seen else f"{name}: no answer")
        more = [c for c in found.checks if c.status == "fail" and c.name not in self.fails]
        told += [f"{c.name} of {c.joint}: {c.finding}" if c.joint else f"{c.name}: {c.finding}" for c in more]
        return right and not more, "; ".join(dict.fromkeys(told))


def _body(robot: Robot) -> RigidBody:
    return RigidBody(Arm(robot.urdf, robot.urdf_joints, robot.tip))


def _bag(episode: Episode, t: Array | None = None, received: Array | None = None) -> PublishedSamples:
    """An episode as a driver would publish it, recorded 1 ms after it was stamped."""
    stamps = episode.t if t is None else t
    published = from_episode(episode, (1.0,) * len(episode.joints))
    return replace(published, t=stamps, received=stamps + 0.001 if received is None else received, time_source="header")


def _rows(e: Episode, rows: slice | NDArray[np.intp]) -> Episode:
    """Some samples of an episode."""
    return replace(e, t=e.t[rows], q=e.q[rows], qd=e.qd[rows], tau=e.tau[rows])


def simulated_cases() -> Iterator[Case]:
    """A simulated UR5 with each meaning of effort and each defect."""
    robot = load_robot("ur5")
    arm, body = SimulatedArm(robot), _body(robot)
    free, pushed = (
        record(SECONDS, np.random.default_rng(SEED + i)) for i, record in enumerate((arm.free_motion, arm.pushes))
    )
    e = free.episode
    n, count = e.q.shape
    period = float(e.t[1] - e.t[0])
    rng = np.random.default_rng(SEED)
    still = np.zeros(count)
    gravity = np.array([body.inverse_dynamics(q, still, still) for q in e.q])
    noise = 0.003 * body.effort * rng.standard_normal((n, count))
    torque = Effort("N·m", (1.0,) * count)

    def case(
        name: str, bag: PublishedSamples, expected: dict[str, str], *fails: str, claim: Effort | None = torque
    ) -> Case:
        return Case(name, expected, fails, lambda: examine(name, [bag], claim, robot, body))

    def effort(tau: Array) -> PublishedSamples:
        return _bag(replace(e, tau=tau))

    elbow, swapped, held = np.ones(count), np.arange(count), np.arange(count) == 5
    elbow[2] = -1
    swapped[[1, 2]] = 2, 1
    q, qd = (np.where(held, x[0], x) for x in (e.q, e.qd))
    low_pass = CausalFilter(FilterConfig(cutoff_hz=4.0), 1 / period)
    yield case(
        "torque with gravity",
        _bag(e),
        TORQUE | {"velocity": "derivative", "contact": "pass: none", "rate": "pass: 125"},
    )
    yield case(
        "torque without gravity", effort(e.tau - gravity), {"effort": "without gravity", "sign": "usual"}, "effort"
    )
    yield case(
        "without gravity, inverted",
        effort(gravity - e.tau),
        {"effort": "without gravity", "sign": "inverted"},
        "effort",
        "sign",
    )
    yield case("motor current", effort(e.tau / GAINS), TORQUE | {"unit": ": A"}, "unit")
    yield case("motor current, inverted", effort(-e.tau / GAINS), INVERTED | {"unit": ": A"}, "unit", "sign")
    yield case("external torque of the controller, free", effort(noise), {"effort": "external torque"}, "effort")
    yield case(
        "the same, pushed",
        _bag(replace(pushed.episode, tau=pushed.tau_ext + noise)),
        {"effort": "external torque"},
        "effort",
    )
    yield case("all zeros", effort(0 * e.tau), {"effort there": "all zeros", "effort": "cannot"}, "effort there")
    yield case("NaN", effort(np.nan * e.tau), {"effort there": "missing or NaN", "effort": "cannot"}, "effort there")
    yield case("constant", effort(0 * e.tau + 3), {"effort there": "constant", "effort": "cannot"}, "effort there")
    yield case("sign inverted on all joints", effort(-e.tau), INVERTED, "sign")
    yield case("sign inverted on the elbow alone", effort(e.tau * elbow), INVERTED, "sign")
    yield case("inverted, as the robot file says", effort(-e.tau), INVERTED, claim=Effort("N·m", (-1.0,) * count))
    yield case(
        "effort of shoulder and elbow swapped",
        effort(e.tau[:, swapped]),
        {"joint order": "effort of"},
        "joint order",
        "effort",
        "unit",
        "sign",
    )
    yield case("effort 5 samples late", effort(np.roll(e.tau, 5, axis=0)), TORQUE | {"effort delay": "5 samples"})
    yield case("pushes in what is called free motion", _bag(pushed.episode), {"contact": "something"})
    yield case(
        "half the rate of the driver",
        _bag(_rows(e, slice(None, None, 2))),
        TORQUE | {"rate": "warn: 62"},
    )
    jittered = e.t + 0.4 * period * rng.uniform(-1, 1, n)
    yield case("stamps with a jitter of 40 %", _bag(e, jittered), {"jitter": "warn: [23]"}, "velocity")
    rounded = np.round(e.t + 0.02 * period * rng.standard_normal(n), 3)
    yield case(
        "stamps in whole milliseconds",
        _bag(e, np.round(rounded * 94 / 125, 3)),
        {"stamps": "rounded to 1 ms"},
        "velocity",
    )
    yield case("stamps of the recorder", _bag(e, received=e.t), TORQUE | {"stamps": "receive time"})
    yield case(
        "a tenth of the samples lost",
        _bag(_rows(e, np.flatnonzero(rng.uniform(size=n) > 0.1))),
        {"lost samples": "warn: 1"},
    )
    yield case(
        "velocity five times too large", _bag(replace(e, qd=5 * e.qd)), TORQUE | {"velocity": "off by 5"}, "velocity"
    )
    yield case("velocity zero", _bag(replace(e, qd=0 * e.qd)), TORQUE | {"velocity": "none"}, "velocity")
    yield case(
        "velocity of another joint", _bag(replace(e, qd=e.qd[:, swapped])), TORQUE | {"velocity": "not of"}, "velocity"
    )
    yield case(
        "velocity 6 samples late",
        _bag(replace(e, qd=np.roll(e.qd, 6, axis=0))),
        TORQUE | {"velocity delay": r"warn: (5\.9|6\.[01])"},
    )
    yield case(
        "velocity behind a low-pass of 4 Hz",
        _bag(replace(e, qd=low_pass.run(e.qd))),
        TORQUE | {"velocity delay": "warn: [678]"},
    )
    yield case("a joint that is held", _bag(replace(e, q=q, qd=qd)), TORQUE | {"joints": "does not move"}, "sign")
    stands = replace(e, q=np.tile(e.q[500], (n, 1)), qd=0 * e.qd, tau=e.tau[500] + noise)
    yield case("the arm stands still", _bag(stands), {"effort": "cannot", "sign": "cannot", "velocity": "cannot"})
    yield case("ten samples", _bag(_rows(e, slice(10))), {"rate": "pass: 125", "effort": "cannot", "sign": "cannot"})


def public_cases(data: Path) -> Iterator[Case]:
    """The public recordings, without what a robot file says of their effort."""
    ur3 = load_robot("ur3")
    joints = next(d.joints for d in ur3.drivers if "Base" in d.joints)
    for file in sorted((data / "ur3").glob("*.bag")):
        bag = published_samples(read_joint_states(file, "/arm"), joints)
        yield _public(f"ur3 {file.stem}", [bag], ur3, INVERTED | {"velocity": "derivative"}, "sign")
    ur10 = load_robot("ur10")
    bag = published_samples(read_joint_states(data / "ur10/ur10_exciting_trajectory.db3"), ur10.drivers[0].joints)
    yield _public("ur10", [bag], ur10, TORQUE | {"velocity": "derivative", "contact": "pass: none"})
    for file in sorted((data / "iiwa").glob("*dynamic*.npz")):
        off = "off by 5" if file.stem == "dynamic_test" else "derivative"
        more = {"unit": "cannot"} if file.stem == "j6j7_dynamic" else {}  # where two wrist joints move alone
        expected = TORQUE | {"velocity": off, "contact": "pass: none"} | more
        yield _archive(f"iiwa {file.stem}", "npz", file, "iiwa14", expected, *["velocity"] * (off != "derivative"))
    med = data / "lbr_med"
    yield _archive("lbr_med joint states", "npz", med / "lbr_med_joint_states.npz", "iiwa7", TORQUE)
    with_external = med / "lbr_med_tau_ext.npz"
    yield _archive("lbr_med torque", "npz", with_external, "iiwa7", TORQUE)
    external = np.load(with_external)["tau_ext"].astype(np.float64)
    yield _archive(
        "lbr_med tau_ext", "npz", with_external, "iiwa7", {"effort": "external torque"}, "effort", tau=external
    )
    yield _archive("kuka1", "kuka1", data / "kuka1/KukaDirectDynamics.mat", "lwr", TORQUE | {"contact": "pass: none"})


def _public(name: str, bags: list[PublishedSamples], robot: Robot, expected: dict[str, str], *fails: str) -> Case:
    body = _body(robot)
    return Case(name, expected, fails, lambda: examine(name, bags, None, robot, body))


def _archive(
    name: str, form: str, file: Path, robot: str, expected: dict[str, str], *fails: str, tau: Array | None = None
) -> Case:
    """A case of an archive, with another effort if `tau` is given, shape (N, J)."""
    known = load_robot(robot)
    bags = []
    for rows in archives.FORMATS[form](file):
        rows = rows if tau is None else replace(rows, tau=tau)
        joints = known.drivers[0].joints
        rate = None if rows.t is not None or rows.rate_fits else 100.0
        recording = archives.recording_from(rows, joints, (1.0,) * len(joints), rate)
        bags += [from_episode(e, (1.0,) * len(joints)) for e in recording.episodes]
    return _public(name, bags, known, expected, *fails)


def table(title: str, cases: Iterator[Case]) -> Table:
    """Cases and what is found, a row each."""
    names, judged = zip(*((case.name, case.judged()) for case in cases), strict=True)
    rows = tuple(
        (Cell(name), Cell("yes" if right else "no", not right), Cell(told))
        for name, (right, told) in zip(names, judged, strict=True)
    )
    note = f"Right: {sum(right for right, _ in judged)} of {len(rows)}."
    return Table(title, ("recording", "right", "found"), rows, note=note, labels=2, prose=1)


def main() -> None:
    """Write the page."""
    data = Path(os.environ.get("VASTARES_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
    if not data.is_dir():
        raise SystemExit(f"the public recordings are not at {data}: set VASTARES_DATA")
    tables = [table("Simulated UR5", simulated_cases()), table("Public recordings", public_cases(data))]
    PAGE.write_text("\n\n".join([HEAD, *(markdown(t).strip() for t in tables)]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
