# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A recording examined before anything is learned from it: stamps, velocity, what effort means, contact, motion.

Every question gets one `Check` or one for each joint. A question that the recording cannot answer says what is missing.
What is known of the robot (a robot file, a dataset, a bundle) is a claim: where the recording contradicts it, the check
fails. Without a claim only what nothing can be learned from fails, and an inverted sign.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import butter, sosfiltfilt

from vastares_ros.core.arm import joint_limits
from vastares_ros.core.checks import WORST, Check, Status
from vastares_ros.core.coverage import Coverage
from vastares_ros.core.errors import BagError, DatasetError
from vastares_ros.core.external import external_torque
from vastares_ros.core.robot import Effort, Robot
from vastares_ros.core.samples import Array, Episode
from vastares_ros.core.sampling import MAX_GAP, cut, measured_rate, resample, same_rate
from vastares_ros.io.bags import PublishedSamples
from vastares_ros.physics.effort import CUTOFF, LAGS, LEAST, TRAVEL, EffortFit, SmoothMotion, Verdict
from vastares_ros.physics.rigid_body import RigidBody
from vastares_ros.runtime.bundle import Bundle

from .evaluate import predict_blocks

OF_VELOCITY = ("velocity", "velocity delay")
OF_EFFORT = ("effort", "unit", "sign", "joint order", "effort delay", "contact")

MOST = 200_000  # samples of motion that are looked at: some 25 minutes at 125 Hz
JITTER = 0.2  # of the period: a larger deviation of steps disturbs derivatives
LOST = 0.01  # share of samples that may be lost
QUANTA = (0.01, 0.001, 0.0001)  # that stamps may be rounded to [s]
COARSE = 0.05  # of the period: rounding of stamps above it is told
RECEIVED = 2e-6  # stamps that are always this near to the receive time are made from it [s]
SLOPES = (0.8, 1.25)  # of velocity over the derivative of position
FITS = 0.7  # share of velocity that the derivative of position explains
QUICK = 0.1  # speed that tells something of velocity [rad/s]
LATE = 1.5  # samples by which a signal may be late
GAINED = 0.05  # share of the residual that a delay of effort has to explain
SURE = 0.75  # confidence from which an answer contradicts a claim
BEYOND_DOUBT = 0.99  # confidence from which an inverted sign is refused where it would be learned from
ENOUGH = 0.5  # share of each joint's range that is called covered
BEYOND = 0.2  # share of samples above the bound of a bundle: 0.01 is usual in free motion


@dataclass(frozen=True)
class Diagnosis:
    """What was found; as JSON, `dataclasses.asdict` of it.

    Attributes:
        source: name of what was examined.
        joints: J names.
        rate: samples per second [Hz]; NaN where it cannot be measured.
        checks: all answers.
        entry: the line `effort: …` of a robot file that fits; empty where effort cannot be used or is not understood.
    """

    source: str
    joints: tuple[str, ...]
    rate: float
    checks: tuple[Check, ...]
    entry: str

    @property
    def status(self) -> Status:
        """The worst of all checks."""
        return max((c.status for c in self.checks), key=WORST.index, default="unknown")

    def of(self, name: str, joint: str = "") -> Check:
        """The check of a name, of a joint or of all."""
        return next(c for c in self.checks if c.name == name and c.joint == joint)


def examine(
    source: str,
    recordings: Sequence[PublishedSamples],
    claim: Effort | None = None,
    robot: Robot | None = None,
    body: RigidBody | None = None,
    bundle: Bundle | None = None,
) -> Diagnosis:
    """Examine recordings of one arm.

    Args:
        source: their name.
        recordings: effort as published.
        claim: what effort is said to be; None where nothing is said.
        robot: for rate and limits, if it is known.
        body: by the URDF; None where there is none.
        bundle: whose residual is looked at, too.
    """
    joints = recordings[0].joints
    rate, checks = _stamps(recordings, robot)
    pieces, there, effort_checks = _pieces(recordings, rate)
    checks += effort_checks
    moved = _join([p.q for p in pieces], len(joints))
    travel = np.ptp(moved, axis=0) if len(moved) else np.zeros(len(joints))
    still = [joint for joint, way in zip(joints, travel, strict=True) if way < TRAVEL]
    if there.any():  # fingers need no effort
        checks = [replace(c, status="warn") if c.status == "fail" and c.joint in still else c for c in checks]
    checks += _joints(joints, travel, len(moved))
    motion = SmoothMotion.of(pieces, rate) if pieces else None
    seconds = motion.seconds if motion else 0.0
    if motion is None or seconds < LEAST or not (travel > TRAVEL).any():
        if seconds >= LEAST:
            needed = "the arm stands still: record motion of all joints"
        else:
            needed = f"{sum(len(r.t) for r in recordings)} samples are too few: record a minute of motion"
        checks += [Check(name, "unknown", "cannot be told", needed, 0.0) for name in OF_VELOCITY + OF_EFFORT]
        checks += _coverage(joints, robot, pieces)
        return Diagnosis(source, joints, rate, tuple(checks), "")

    checks += _velocity(joints, pieces, rate)
    entry = ""
    if there.any():
        fit = EffortFit(joints, motion, body)
        more, entry = _effort(joints, fit, there, claim)
        checks += more
    else:
        checks += [Check(name, "unknown", "cannot be told", "there is no effort", 0.0) for name in OF_EFFORT]
    checks += _coverage(joints, robot, pieces)
    if bundle:
        checks += _bundle(bundle, pieces, rate)
    return Diagnosis(source, joints, rate, tuple(checks), entry)


def from_episode(episode: Episode, scale: Sequence[float]) -> PublishedSamples:
    """An episode of a dataset, whose torque is effort times `scale`, shape (J,), as it was published."""
    unknown = np.full(len(episode), np.nan)
    tau = episode.tau / np.asarray(scale)
    return PublishedSamples(episode.joints, episode.t, unknown, "dataset", episode.q, episode.qd, tau)


def inverted_joints(joints: Sequence[str], episodes: Sequence[Episode], rate: float, body: RigidBody) -> dict[str, str]:
    """Joints whose torque surely has an inverted sign, and the evidence.

    Args:
        joints: J names.
        episodes: torque as it is used, scaled; the first `MOST` samples count.
        rate: samples per second [Hz].
        body: by the URDF, with gravity.
    """
    starts = np.cumsum([0, *map(len, episodes)])
    first = [_rows(e, MOST - start) for e, start in zip(episodes, starts.tolist(), strict=False) if start < MOST]
    motion = SmoothMotion.of(first, rate)
    if motion.seconds < LEAST:
        return {}
    signs = zip(joints, EffortFit(joints, motion, body).signs(), strict=True)
    return {j: s.evidence for j, s in signs if s.answer == "inverted" and s.confidence > BEYOND_DOUBT}


def _rows(e: Episode, samples: int) -> Episode:
    """The first samples of an episode."""
    return replace(e, t=e.t[:samples], q=e.q[:samples], qd=e.qd[:samples], tau=e.tau[:samples])


def _join(parts: Sequence[Array], columns: int) -> Array:
    return np.concatenate(parts) if parts else np.empty((0, columns))


def _stamps(recordings: Sequence[PublishedSamples], robot: Robot | None) -> tuple[float, list[Check]]:
    """Rate, jitter, clock and lost samples."""
    stamps = max((r.t for r in recordings), key=len)
    try:
        rate = float(np.median([measured_rate(r.t) for r in recordings if len(r.t) > 2] or [measured_rate(stamps)]))
    except BagError:
        why = "fewer than two different stamps: the driver has to fill header.stamp"
        return float("nan"), [Check("rate", "fail", "none", why)]
    steps = np.concatenate([np.diff(r.t) for r in recordings]) * rate  # in periods
    near = steps[(steps > 0) & (steps <= MAX_GAP)]
    checks = [Check("rate", "pass", f"{rate:.4g} Hz", f"{len(steps) + len(recordings)} samples")]
    if robot and not same_rate(rate, robot.rate):
        checks[0] = Check(
            "rate",
            "warn",
            f"{rate:.4g} Hz",
            f"drivers of {robot.name} publish at {robot.rate:g} Hz",
            advice="look at the update rate of the driver; a model is valid at one rate",
        )
    single = near[near < 1.5]
    jitter = float(single.std()) if len(single) else 0.0
    checks.append(
        Check("jitter", "warn" if jitter > JITTER else "pass", f"{jitter:.1%} of the period", "spread of the steps")
    )
    checks.append(_clock(recordings, rate, stamps))
    lost = int((np.rint(near) - 1).clip(0).sum())
    gaps, repeats, back = int((steps > MAX_GAP).sum()), int((steps == 0).sum()), int((steps < 0).sum())
    counts = f"{lost} single ones lost, {gaps} gaps, {repeats} stamps repeated, {back} backward jumps"
    share = (lost + gaps + repeats + back) / max(len(steps), 1)
    bad = share > LOST or back > 0
    checks.append(
        Check(
            "lost samples",
            "warn" if bad else "pass",
            f"{share:.1%}",
            counts,
            advice="record on the robot's computer, or over a cable" if bad else "",
        )
    )
    return rate, checks


def _clock(recordings: Sequence[PublishedSamples], rate: float, stamps: Array) -> Check:
    """Where stamps come from, and how coarse they are."""
    received = np.concatenate([np.abs(r.received - r.t) for r in recordings])
    advice = "let the driver stamp what it measures"
    if any(r.time_source == "receive" for r in recordings):
        why = "header stamps are absent or constant, so time is when the recorder received"
        return Check("stamps", "warn", "receive time", why, advice=advice)
    if np.isfinite(received).all() and len(received) > 2 and received.max() < RECEIVED:
        why = "every stamp is when the recorder received it"
        return Check("stamps", "warn", "receive time", why, 0.8, advice=advice)
    since = stamps - stamps[0]
    uneven = np.ptp(np.diff(stamps)) > 1e-6
    for quantum in QUANTA:
        if uneven and quantum * rate > COARSE and np.abs(since / quantum - np.rint(since / quantum)).max() < 0.01:
            why = f"every stamp is a multiple of {1000 * quantum:g} ms, {quantum * rate:.0%} of the period"
            return Check("stamps", "warn", f"rounded to {1000 * quantum:g} ms", why, advice=advice)
    return Check("stamps", "pass", "from the driver", "not rounded, and not the receive time")


def _pieces(recordings: Sequence[PublishedSamples], rate: float) -> tuple[list[Episode], Array, list[Check]]:
    """Continuous pieces of the first `MOST` samples; which joints have an effort, shape (J,); what of the others."""
    joints = recordings[0].joints
    room = [max(MOST - start, 0) for start in np.cumsum([0] + [len(r.t) for r in recordings[:-1]])]
    parts = [(r.t[:n], r.q[:n], r.qd[:n], r.tau[:n]) for r, n in zip(recordings, room, strict=True) if n]
    tau, qd = (_join([part[i] for part in parts], len(joints)) for i in (3, 2))
    finite = np.isfinite(tau).mean(axis=0)
    there = finite >= 0.5
    checks = []
    for j, joint in enumerate(joints):
        values = tau[np.isfinite(tau[:, j]), j]
        if not there[j]:
            checks.append(_no_effort(joint, "missing or NaN", f"{1 - finite[j]:.0%} of its values are not finite"))
        elif np.ptp(values) == 0:
            what = "all zeros" if values[0] == 0 else "constant"
            checks.append(_no_effort(joint, what, f"it is {values[0]:g} in every sample"))
            there[j] = False
        elif finite[j] < 1:
            why = f"{1 - finite[j]:.1%} of its values are not finite; these samples are left out"
            checks.append(Check("effort there", "warn", "partly NaN", why, joint=joint))
    if len({c.finding for c in checks}) == 1 and len(checks) == len(joints):
        checks = [replace(checks[0], joint="")]
    if not checks:
        checks.append(Check("effort there", "pass", "yes", "every joint has an effort that changes"))
    if np.isnan(rate):
        return [], there, checks
    pieces: list[Episode] = []
    no_velocity = ~np.isfinite(qd).any(axis=0)
    for i, (t, q, qd, tau) in enumerate(parts):
        qd, tau = np.where(no_velocity, 0.0, qd), np.where(there, tau, 0.0)
        keep = np.isfinite(qd).all(axis=1) & np.isfinite(tau).all(axis=1)
        episodes, _ = cut(str(i), joints, rate, t[keep], q[keep], qd[keep], tau[keep])
        pieces += episodes
    return pieces, there, checks


def _no_effort(joint: str, what: str, why: str) -> Check:
    advice = "use a driver that publishes joint torque or motor current"
    return Check("effort there", "fail", what, why, joint=joint, advice=advice)


def _joints(joints: Sequence[str], travel: Array, samples: int) -> list[Check]:
    if not samples:
        return []
    still = [(j, t) for j, t in zip(joints, travel, strict=True) if t < TRAVEL]
    if not still:
        return [Check("joints", "pass", "all move", f"the least by {travel.min():.2g} rad")]
    advice = "a gripper, or a joint that was held: leave it out with --joints, or record motion of it"
    return [
        Check("joints", "warn", "does not move", f"its positions range over {t:.2g} rad", joint=j, advice=advice)
        for j, t in still
    ]


def _velocity(joints: Sequence[str], pieces: Sequence[Episode], rate: float) -> list[Check]:
    """Whether velocity is the derivative of position, and how late it is."""
    low_pass = butter(2, min(CUTOFF, rate / 5), fs=rate, output="sos")
    own, derived = [], []
    margin = 2 * LAGS
    for e in (resample(p, rate) for p in pieces if len(p) > 4 * margin):
        q, qd = (sosfiltfilt(low_pass, x, axis=0) for x in (e.q, e.qd))
        derived.append(np.gradient(q, axis=0) * rate)
        own.append(qd)
    lags = np.arange(-LAGS, LAGS + 1)
    checks, delays = [], []
    for j, joint in enumerate(joints):
        v = np.concatenate([x[margin:-margin, j] for x in derived] or [np.empty(0)])
        if not len(v) or np.abs(v).max() < QUICK:
            continue
        late = [np.concatenate([np.roll(x[:, j], -lag)[margin:-margin] for x in own]) for lag in lags]
        if np.ptp(late[LAGS]) == 0:
            checks.append(
                Check(
                    "velocity",
                    "fail",
                    "none",
                    f"velocity is {late[LAGS][0]:g} while the joint moves",
                    joint=joint,
                    advice="use a driver that publishes velocity",
                )
            )
            continue
        likeness = np.array([np.corrcoef(v, x)[0, 1] for x in late])
        best = int(np.argmax(np.abs(likeness)))
        delays.append(_peak(np.abs(likeness), best) - LAGS)
        slope, explained = float(v @ late[best] / (v @ v)), float(likeness[best] ** 2)
        told = f"it is {slope:.3g} times the derivative of position, which explains {explained:.0%} of it"
        if explained < FITS:
            advice = "look at the units and the joint order of the driver"
            checks.append(Check("velocity", "fail", "not of this position", told, joint=joint, advice=advice))
        elif not SLOPES[0] < slope < SLOPES[1]:
            advice = "scale velocity, or correct the time of the samples"
            checks.append(Check("velocity", "fail", f"off by {slope:.2g}", told, joint=joint, advice=advice))
    if not delays and not checks:
        why = f"no joint is faster than {QUICK:g} rad/s"
        return [Check(n, "unknown", "cannot be told", why, 0.0) for n in OF_VELOCITY]
    if not checks:
        checks.append(Check("velocity", "pass", "derivative of position", f"of {len(delays)} joints that move"))
    if delays:
        late_by = float(np.median(delays))
        finding = f"{late_by:.1f} samples" if abs(late_by) > 0.05 else "none"
        told = f"{1000 * late_by / rate:.0f} ms later than the derivative of position, at which both are most alike"
        late_much = abs(late_by) > LATE
        finding += " or more" * (abs(late_by) > LAGS - 1)
        advice = "the driver filters velocity: expect errors where joints accelerate" if late_much else ""
        checks.append(Check("velocity delay", "warn" if late_much else "pass", finding, told, advice=advice))
    return checks


def _peak(y: Array, i: int) -> float:
    """The place of the peak of y near i, by a parabola."""
    if not 0 < i < len(y) - 1:
        return float(i)
    left, top, right = y[i - 1 : i + 2]
    bend = left - 2 * top + right
    return float(i + (left - right) / (2 * bend)) if bend < 0 else float(i)


def _effort(joints: Sequence[str], fit: EffortFit, there: Array, claim: Effort | None) -> tuple[list[Check], str]:
    """What effort is, its unit and signs, its order and delay, contact; and the entry of a robot file."""
    meaning, unit = fit.meaning()
    signs = [s if known else None for s, known in zip(fit.signs(), there, strict=True)]
    checks = [_meaning(meaning, claim), _unit(unit, claim)]
    if fit.hanging:
        why = "friction opposes motion, but gravity acts upwards on every joint that it loads"
        advice = "turn the base in the URDF as the arm is mounted"
        checks.append(Check("mounting", "warn", "not as in the URDF", why, 0.9, advice=advice))
    if meaning.answer == "external torque":
        checks.append(Check("sign", "unknown", "cannot be told", "external torque is not friction or weight", 0.0))
    else:
        checks += [_sign(j, s, claim, i) for i, (j, s) in enumerate(zip(joints, signs, strict=True)) if s]
    order = fit.order()
    checks += [
        Check(
            "joint order",
            "fail",
            f"effort of {joints[k]}",
            f"the effort of {joints[k]} follows its motion better than its own does",
            0.9,
            joints[j],
            "correct the order of effort in the driver",
        )
        for j, k in order.items()
    ] or [Check("joint order", "pass", "as named", "no joint's effort follows the motion of another one", 0.9)]
    checks.append(_effort_delay(fit))
    checks.append(_contact(joints, fit, meaning, bool(order)))
    return checks, _entry(joints, meaning, unit, signs, claim)


def _meaning(found: Verdict, claim: Effort | None) -> Check:
    if found.answer == "unknown":
        return Check("effort", "unknown", "cannot be told", found.evidence, 0.0)
    status: Status = "pass"
    advice = ""
    if found.answer == "external torque":
        status = "warn" if found.confidence < SURE and claim else "fail"
        advice = "take a topic with the measured torque: from its own external torque no model can be learned"
    elif claim and claim.gravity_compensated == (found.answer == "with gravity"):
        status = "fail" if found.confidence > SURE else "warn"
        said = "without gravity" if claim.gravity_compensated else "with gravity"
        advice = f"it is said to be {said}: take the entry below, and train again"
    return Check("effort", status, found.answer, found.evidence, round(found.confidence, 2), advice=advice)


def _unit(found: Verdict, claim: Effort | None) -> Check:
    if found.answer == "unknown":
        return Check("unit", "unknown", "cannot be told", found.evidence, 0.0)
    status: Status = "pass"
    advice = ""
    if claim and claim.unit != found.answer:
        status, advice = "warn", f"it is said to be in {claim.unit}: look at the driver's documentation"
        if found.confidence > SURE:
            status = "fail"
    elif not claim and found.answer == "A":
        status, advice = "warn", "N·m is meant without a robot file: say --effort-unit A to `vastares prepare`"
    return Check("unit", status, found.answer, found.evidence, round(found.confidence, 2), advice=advice)


def _sign(joint: str, found: Verdict, claim: Effort | None, place: int) -> Check:
    if found.answer == "unknown":
        return Check("sign", "unknown", "cannot be told", found.evidence, 0.0, joint)
    said = "inverted" if claim and claim.scale[place] < 0 else "usual"
    status: Status = "pass"
    advice = ""
    if found.answer != said:
        status = "fail" if found.confidence > SURE else "warn"
        factor = -1 if found.answer == "inverted" else 1
        advice = f"write scale: {factor:g} for this joint into the robot file"
    return Check("sign", status, found.answer, found.evidence, round(found.confidence, 2), joint, advice)


def _effort_delay(fit: EffortFit) -> Check:
    late, gained = fit.delay()
    if np.isnan(late):
        return Check("effort delay", "unknown", "cannot be told", "motion explains too little of effort", 0.0)
    if abs(late) > LATE and abs(late) < LAGS and gained > GAINED:
        why = f"motion explains it best {abs(late):.0f} samples {'earlier' if late > 0 else 'later'}, by {gained:.0%}"
        advice = "the driver filters effort or position: use one that filters both alike, or neither"
        return Check("effort delay", "warn", f"{late:.0f} samples", why, 0.8, advice=advice)
    return Check("effort delay", "pass", "none", "no other delay explains effort clearly better", 0.8)


def _contact(joints: Sequence[str], fit: EffortFit, meaning: Verdict, disordered: bool) -> Check:
    if not fit.has_body or disordered or meaning.answer == "unknown":
        why = "effort has to be understood first" if fit.has_body else "needs the URDF: give --robot or --urdf"
        return Check("contact", "unknown", "cannot be told", why, 0.0)
    found, share = fit.pushes()
    names = ", ".join(joints[j] for j in found)
    if len(found) < 2:
        return Check("contact", "pass", "none", "no two joints have effort that pose and motion do not explain", 0.8)
    why = f"pose and motion do not explain effort in {share:.0%} of the time, on {names}"
    advice = "leave the recording out of free motion, or name it with --test"
    return Check("contact", "warn", "something touched the arm", why, 0.7, advice=advice)


def _entry(
    joints: Sequence[str], meaning: Verdict, unit: Verdict, signs: Sequence[Verdict | None], claim: Effort | None
) -> str:
    """The line of a robot file; what was not seen is as claimed, and a comment says so."""
    if meaning.answer in ("external torque", "unknown"):
        return ""
    known = Counter(s.answer for s in signs if s and s.answer != "unknown")
    if not known:
        return ""
    usual = known.most_common(1)[0][0]
    size = claim.scale if claim else (1.0,) * len(joints)
    scale = []
    for j, sign in enumerate(signs):
        answer = sign.answer if sign and sign.answer != "unknown" else usual
        scale.append(abs(size[j]) * (-1 if answer == "inverted" else 1))
    same = len(set(scale)) == 1
    scales = f"{scale[0]:g}" if same else "[" + ", ".join(f"{s:g}" for s in scale) + "]"
    name = unit.answer if unit.answer != "unknown" else claim.unit if claim else "N·m"
    unseen = [j for j, s in zip(joints, signs, strict=True) if not s or s.answer == "unknown"]
    doubts = ["unit"] * (unit.answer == "unknown") + [f"sign of {j}" for j in unseen]
    comment = f"  # not seen: {', '.join(doubts)}" if doubts else ""
    compensated = "true" if meaning.answer == "without gravity" else "false"
    return f'effort: {{unit: "{name}", scale: {scales}, gravity_compensated: {compensated}}}{comment}'


def _coverage(joints: Sequence[str], robot: Robot | None, pieces: Sequence[Episode]) -> list[Check]:
    coverage = Coverage(joints, *joint_limits(robot, joints))
    for p in pieces:
        coverage.add(p.q, p.qd)
    missing = coverage.missing(ENOUGH)
    if not missing:
        return [Check("motion", "pass", "enough", f"{ENOUGH:.0%} of positions and speeds of every joint are covered")]
    told = "; ".join(missing)
    advice = "record what is missing if the arm will move so"
    return [Check("motion", "warn", f"{len(missing)} ranges missing", told, advice=advice)]


def _bundle(bundle: Bundle, pieces: Sequence[Episode], rate: float) -> list[Check]:
    """Whether a bundle fits the recording: rate, and the residual beside its bound."""
    if not same_rate(rate, bundle.rate):
        why = f"it was trained at {bundle.rate:g} Hz"
        return [Check("bundle", "fail", f"{rate:.4g} Hz", why, advice="record at that rate, or train again")]
    scaled = [replace(p, tau=p.tau * np.array(bundle.effort.scale)) for p in pieces]
    try:
        blocks = predict_blocks(bundle.model, bundle.ridge, bundle.filter, bundle.rate, scaled)
        left = np.concatenate([external_torque(b.tau["model"], b.tau_meas) for b in blocks])
    except DatasetError as error:
        return [Check("bundle", "unknown", "cannot be told", str(error), 0.0)]
    beyond = (np.abs(left) > bundle.bound).mean(axis=0)
    worst = int(beyond.argmax())
    why = f"{beyond[worst]:.0%} of samples are above the bound of free motion on {bundle.joints[worst]}; 1 % is usual"
    if beyond[worst] < BEYOND:
        return [Check("bundle", "pass", "fits", why)]
    advice = "contact, another tool, another robot, or effort of another meaning: see the checks above"
    return [Check("bundle", "fail", "does not fit", why, 0.9, advice=advice)]
