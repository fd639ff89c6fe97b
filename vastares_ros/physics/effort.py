# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the effort of a recording is, told from how it follows motion and pose.

Effort of each joint is fitted by least squares with what the URDF says of gravity and of inertia, with the joint's
acceleration (the rotor), with friction, and with an offset. Each term that stands out from the noise tells something:

    gravity      Its factor is 1 for torque in N·m, 0 where the controller takes gravity out, 1 / gain for a current.
                 Masses of a URDF, and a tool that it does not know, leave a factor between 0.4 and 4 open.
    friction     It opposes motion: its power is positive. A negative one tells an inverted sign.
    inertia      Its power with the acceleration is positive, likewise.

Position alone gives velocity and acceleration here, so that a wrong velocity does no harm. All signals pass one
zero-phase low-pass, which a live chain may not use. Without a URDF, sines and cosines of the joints, and of sums of two
neighbours, stand for gravity, and have to predict parts of the recording that they were not fitted to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.signal import butter, sosfiltfilt
from scipy.special import ndtr

from vastares_ros.core.samples import Array, Episode
from vastares_ros.core.sampling import resample

from .identification import repeats, robust_weights
from .rigid_body import RigidBody

CUTOFF = 5.0  # of the zero-phase low-pass [Hz]
ROWS = 4000  # samples that are fitted, at most
LEAST = 2.0  # of motion that a fit needs [s]
EDGE = 10  # samples at either end of a piece that the low-pass and the derivatives spoil
SMOOTHING = 0.05  # of the sign of velocity [rad/s]
TRAVEL = 0.005  # range of positions below which a joint does not move [rad]
FAR = 0.1  # range of positions that tells something of friction and gravity [rad]
MASSES = 0.2  # relative deviation of a URDF's masses
TORQUE_FACTORS = (0.4, 4.0)  # factors of gravity that leave effort in N·m possible
WITHOUT = 0.06  # factor of gravity below which gravity was taken out; gains of known drives are below 15 N·m/A
SHARE = 0.03  # of a joint's variance of effort: a smaller term tells no sign
SHAPE = 0.3  # of a joint's variance that pose has to predict, where there is no URDF
LOAD = 0.01  # of the torque limit: gravity that changes by less tells no factor
LOOSE = 0.5  # share of effort that is explained, below which it is neither torque nor current
RUB = 0.3  # of the torque limit: larger friction, in the unit that gravity tells, no arm has
EXTERNAL = 0.01  # of the torque limit: effort without friction and gravity below this may be external torque
LAGS = 15  # samples by which effort is tried to be late or early
BLOCK = 0.3  # length of the pieces of which contact is looked for [s]
PUSHED = (0.02, 0.6)  # of the torque limit, and of the spread of effort: a residual beyond both is a push


@dataclass(frozen=True)
class SmoothMotion:
    """Motion and effort behind the low-pass: pieces of J joints, on even grids.

    Attributes:
        rate: samples per second [Hz].
        q: positions of every piece, shape (N, J) [rad].
        tau: effort, likewise [as published].
        rows: which samples of a piece are fitted.
    """

    rate: float
    q: tuple[Array, ...]
    tau: tuple[Array, ...]
    rows: slice

    @classmethod
    def of(cls, episodes: Sequence[Episode], rate: float) -> SmoothMotion:
        """Smooth what is longer than the low-pass needs."""
        low_pass = butter(2, min(CUTOFF, rate / 5), fs=rate, output="sos")
        even = [resample(e, rate) for e in episodes if e.duration * rate > 4 * EDGE]
        q, tau = (tuple(sosfiltfilt(low_pass, getattr(e, name), axis=0) for e in even) for name in ("q", "tau"))
        every = -(-sum(map(len, q)) // ROWS) or 1
        return cls(rate, q, tau, slice(EDGE + LAGS, -EDGE - LAGS, every))

    @property
    def seconds(self) -> float:
        """Time that can be fitted [s]."""
        return sum(max(len(q) - 2 * (EDGE + LAGS), 0) for q in self.q) / self.rate

    def moved(self) -> tuple[Array, Array, Array]:
        """Position, velocity and acceleration of the fitted rows, shape (n, J) each [rad, rad/s, rad/s²]."""
        first = [np.gradient(q, axis=0) * self.rate for q in self.q]
        second = [np.gradient(v, axis=0) * self.rate for v in first]
        q, v, a = (np.concatenate([x[self.rows] for x in parts]) for parts in (self.q, first, second))
        return q, v, a

    def effort(self, late: int = 0) -> Array:
        """Effort of the fitted rows, shape (n, J), taken `late` samples later than the motion."""
        return np.concatenate([np.roll(tau, -late, axis=0)[self.rows] for tau in self.tau])


@dataclass(frozen=True)
class JointFit:
    """The fit of one joint's effort.

    Attributes:
        spread: standard deviation of effort.
        travel: range of positions [rad].
        gravity: factor of gravity by the URDF; NaN without a URDF, or where gravity hardly changes.
        deviation: of that factor.
        load: standard deviation of gravity by the URDF [N·m]; 0 without one.
        limit: torque limit of the URDF [N·m]; NaN without one.
        pose: share of the variance of effort that only the pose explains.
        friction: share that only friction explains, with the sign of its power.
        friction_sigmas: its power over its standard deviation.
        inertia: share that only acceleration explains, with the sign of its power.
        inertia_sigmas: likewise.
        body: factor of inertia by the URDF, where no rotor is allowed for, and its deviation.
        explained: share that all explains.
    """

    spread: float
    travel: float
    gravity: float
    deviation: float
    load: float
    limit: float
    pose: float
    friction: float
    friction_sigmas: float
    inertia: float
    inertia_sigmas: float
    body: tuple[float, float]
    explained: float

    @property
    def loaded(self) -> bool:
        """Whether gravity changes enough to tell its factor."""
        return self.load > LOAD * self.limit


@dataclass(frozen=True)
class Verdict:
    """An answer.

    Attributes:
        answer: see the function that gives it; "unknown" where there is none.
        confidence: that it is right, 0 to 1.
        evidence: one sentence.
    """

    answer: str
    confidence: float
    evidence: str


class EffortFit:
    """The effort of J joints, fitted.

    Attributes:
        joints: a fit for each.
    """

    def __init__(self, names: Sequence[str], motion: SmoothMotion, body: RigidBody | None):
        """Fit a motion of at least `LEAST` seconds; `body` is of the URDF, None where there is none."""
        self._names, self._motion, self._body = tuple(names), motion, body
        self._q, self._v, self._a = motion.moved()
        count = self._q.shape[1]
        if body:
            still = np.zeros(count)
            self._gravity = np.array([body.inverse_dynamics(q, still, still) for q in self._q])
            moving = np.array([body.inverse_dynamics(*row) for row in zip(self._q, self._v, self._a, strict=True)])
            self._inertia = moving - self._gravity
        else:
            self._gravity = self._inertia = np.zeros_like(self._q)
            self._poses = _poses(self._q)
        self.joints = tuple(self._joint(j) for j in range(count))

    @property
    def has_body(self) -> bool:
        """Whether a URDF tells gravity."""
        return self._body is not None

    def _terms(self, j: int) -> Array:
        """Gravity, inertia, rotor, viscous and Coulomb friction, offset: columns of joint j, shape (n, 6)."""
        v, a = self._v[:, j], self._a[:, j]
        columns = self._gravity[:, j], self._inertia[:, j], a, v, np.tanh(v / SMOOTHING), np.ones_like(v)
        return np.stack(columns, axis=1)

    def _joint(self, j: int) -> JointFit:
        x, tau = self._terms(j), self._motion.effort()[:, j]
        theta, left = _fit(x, tau)
        total = float(np.square(tau - tau.mean()).sum()) + 1e-12
        square = float(left @ left)
        covariance = np.linalg.pinv(x.T @ x) * left.var() * repeats(left)

        def lost(kept: Sequence[int]) -> float:
            """The share of variance that is lost if only some columns are kept."""
            without = _fit(x[:, kept], tau)[1]
            return (float(without @ without) - square) / total

        def power(by: Array, columns: slice) -> float:
            """Mean power of some columns with a motion, in standard deviations."""
            weights = (by[:, None] * x[:, columns]).mean(axis=0)
            variance = float(weights @ covariance[columns, columns] @ weights)
            return float(weights @ theta[columns]) / float(np.sqrt(max(variance, 1e-30)))

        friction, inertia = power(self._v[:, j], slice(3, 5)), power(self._a[:, j], slice(1, 3))
        x_body = x[:, [0, 1, 3, 4, 5]]
        theta_body, left_body = _fit(x_body, tau)
        variance_body = (np.linalg.pinv(x_body.T @ x_body) * left_body.var() * repeats(left_body))[1, 1]
        load = float(self._gravity[:, j].std())
        if self._body:
            limit, pose = float(self._body.effort[j]), lost([1, 2, 3, 4, 5])
        else:
            limit, pose = np.nan, self._by_pose(x[:, 2:], tau)
        known = self._body is not None and load > 1e-6 and covariance[0, 0] > 0
        return JointFit(
            spread=float(tau.std()),
            travel=float(np.ptp(self._q[:, j])),
            gravity=float(theta[0]) if known else np.nan,
            deviation=float(covariance[0, 0] ** 0.5) if known else np.nan,
            load=load,
            limit=limit,
            pose=pose,
            friction=lost([0, 1, 2, 5]) * np.sign(friction),
            friction_sigmas=friction,
            inertia=lost([0, 3, 4, 5]) * np.sign(inertia),
            inertia_sigmas=inertia,
            body=(float(theta_body[1]), float(max(variance_body, 0) ** 0.5)),
            explained=1 - square / total,
        )

    def _by_pose(self, others: Array, tau: Array) -> float:
        """The share of variance that pose predicts in fifths of the recording that are left out, shape (n, 4), (n,)."""
        errors = []
        for x in (np.concatenate([others, self._poses], axis=1), others):
            scale = np.sqrt(np.square(x).mean(axis=0)) + 1e-12
            wrong = 0.0
            for start, end in pairwise(np.linspace(0, len(x), 6).astype(int)):
                kept = np.r_[0:start, end : len(x)]
                xs = x[kept] / scale
                matrix = xs.T @ xs + 1e-3 * len(kept) * np.eye(xs.shape[1])
                theta = np.linalg.solve(matrix, xs.T @ (tau[kept] - tau[kept].mean()))
                wrong += float(np.square(tau[start:end] - tau[kept].mean() - x[start:end] / scale @ theta).sum())
            errors.append(wrong)
        total = float(np.square(tau - tau.mean()).sum()) + 1e-12
        return float(min(1 - errors[0] / total, (errors[1] - errors[0]) / total))

    def meaning(self) -> tuple[Verdict, Verdict]:
        """What effort is, and its unit.

        Returns:
            "with gravity", "without gravity", "external torque" or "unknown"; "N·m", "A" or "unknown".
        """
        if self._body is None:
            return self._meaning_by_shape()
        fits = zip(self._names, self.joints, strict=True)
        loaded = {name: f for name, f in fits if f.loaded and np.isfinite(f.gravity)}
        known = list(loaded.values())
        if not known:
            why = "gravity hardly changes in these poses: move shoulder and elbow by half a radian or more"
            small = self._small_gravity()
            return small or Verdict("unknown", 0.0, why), Verdict("unknown", 0.0, why)
        weight = np.array([(f.load / f.limit) ** 2 for f in known])
        factors = np.abs([f.gravity for f in known])
        deviations = np.hypot([f.deviation for f in known], MASSES * factors)
        factor = float(weight @ factors / weight.sum())
        deviation = float(np.sqrt(weight**2 @ deviations**2) / weight.sum())
        told = f"gravity of the URDF is in it by a factor of {factor:.2g} ± {deviation:.1g}"
        if len(known) > 1:
            told += f", most by {list(loaded)[int(np.argmax(weight))]}"
        no_unit = Verdict("unknown", 0.0, "only gravity tells a unit, and there is none in effort")
        moving = [f for f in self.joints if f.travel > FAR]
        rubbing = [f for f in moving if self._rubs(f)]
        if 2 * len(rubbing) <= len(moving) and np.median([f.explained for f in moving or self.joints]) < LOOSE:
            why = "neither pose nor motion explains effort, and friction is not in it"
            return Verdict("external torque", 0.8, why), no_unit
        if deviation > max(0.3, factor / 2):
            why = f"{told}, which leaves all open: record more motion of shoulder and elbow"
            return Verdict("unknown", 0.0, why), Verdict("unknown", 0.0, why)
        rub = float(np.median([abs(f.friction) ** 0.5 * f.spread / f.limit for f in rubbing])) if rubbing else 0.0
        if factor < WITHOUT or (factor < TORQUE_FACTORS[0] and rub / factor > RUB):
            return self._without_gravity(told, factor), no_unit
        present = float(ndtr((factor - WITHOUT) / np.hypot(deviation, WITHOUT / 3)))
        whole = Verdict("with gravity", present, told)
        low, high = TORQUE_FACTORS
        if factor > high:
            why = f"{told}: it is too large for torque in N·m, so it has another scale, or the URDF another tool"
            return whole, Verdict("unknown", 0.0, why)
        if factor > low:
            inside = float(ndtr(np.log(factor / low) / 0.4) * ndtr(np.log(high / factor) / 0.4))
            return whole, Verdict("N·m", inside, f"{told}; torque in N·m has 1")
        amperes = min(0.8, present, float(ndtr(np.log(low / factor) / 0.4)))
        why = f"{told}: {1 / factor:.2g} N·m for 1, as drives have; another unit or scale would look the same"
        return whole, Verdict("A", amperes, why)

    def _small_gravity(self) -> Verdict | None:
        """With gravity, where a small one is seen clearly: its factor cannot be told, for want of the tool's mass."""
        seen = [f for f in self.joints if abs(f.gravity) > max(5 * f.deviation, WITHOUT) and f.pose > 0.3]
        if not seen:
            return None
        best = max(seen, key=lambda f: f.pose)
        return Verdict(
            "with gravity",
            0.8,
            f"{best.pose:.0%} of a joint's effort follows the gravity of the URDF, and nothing else",
        )

    def _without_gravity(self, told: str, factor: float) -> Verdict:
        """Tell torque without gravity from the controller's external torque: that has no friction and no inertia."""
        moving = [f for f in self.joints if f.travel > FAR]
        rubbing = [f for f in moving if self._rubs(f)]
        rubbing = [f for f in rubbing if abs(f.friction) ** 0.5 * f.spread > EXTERNAL * f.limit]
        if 2 * len(rubbing) > len(moving):
            sure = float(ndtr((WITHOUT - factor) / (WITHOUT / 2)))
            return Verdict("without gravity", max(sure, 0.7), f"{told}, and friction of {len(rubbing)} joints is in it")
        weight = np.array([1 / max(f.body[1], 1e-9) ** 2 for f in self.joints])
        inertia = abs(float(weight @ [f.body[0] for f in self.joints] / weight.sum()))
        spread = float(weight.sum() ** -0.5)
        if spread < 0.25:  # a body has 1, external torque 0
            found = f"{told}, and inertia by {inertia:.2g} ± {spread:.1g}"
            if inertia > 0.5:
                return Verdict("without gravity", float(ndtr((inertia - 0.5) / spread)), found)
            return Verdict("external torque", min(0.95, float(ndtr((0.5 - inertia) / spread))), found)
        largest = max(f.spread / f.limit for f in self.joints)
        if largest < EXTERNAL:
            why = f"{told}; it is below {largest:.1%} of the torque limits, but the motion is too slow to show inertia"
            return Verdict("external torque", 0.6, why)
        why = f"{told}; friction and inertia are too small to tell it from external torque: move faster"
        return Verdict("without gravity", 0.5, why)

    def _meaning_by_shape(self) -> tuple[Verdict, Verdict]:
        unit = Verdict("unknown", 0.0, "only gravity of a URDF tells a unit: give --robot or --urdf")
        moving = [f for f in self.joints if f.travel > FAR]
        if len(moving) < 2:
            return Verdict("unknown", 0.0, "too little motion: move shoulder and elbow by half a radian or more"), unit
        pose = max(f.pose for f in moving)
        told = f"pose predicts {max(pose, 0):.0%} of the effort of a joint in parts of the recording that were left out"
        if pose > SHAPE:
            return Verdict("with gravity", 0.6, told), unit
        return Verdict("unknown", 0.0, f"{told}, which leaves it open: give --robot or --urdf"), unit

    @property
    def hanging(self) -> bool:
        """Whether gravity acts upwards by the URDF, as of an arm on a ceiling, while friction opposes motion."""
        weighed = [f.gravity < 0 for f in self.joints if f.loaded and abs(f.gravity) > 3 * f.deviation]
        rubbing = [f.friction > 0 for f in self.joints if self._rubs(f)]
        return bool(weighed) and all(weighed) and len(rubbing) > 1 and all(rubbing)

    def _rubs(self, f: JointFit) -> bool:
        """Whether friction tells a sign; gravity that is not fitted looks like some."""
        least = SHARE if self._body else 4 * SHARE
        return f.travel > FAR and abs(f.friction) > least and abs(f.friction_sigmas) > 3

    def signs(self) -> tuple[Verdict, ...]:
        """The sign of each joint: "usual", "inverted" or "unknown"."""
        return tuple(self._sign(f, not self.hanging) for f in self.joints)

    def _sign(self, f: JointFit, weighed: bool) -> Verdict:
        """The sign of a joint; `weighed`: gravity tells it."""
        signs: list[tuple[float, str]] = []
        if weighed and np.isfinite(f.gravity) and f.pose > SHARE and f.loaded:
            sigmas = f.gravity / float(np.hypot(f.deviation, MASSES * f.gravity))
            signs.append((sigmas, f"gravity has a factor of {f.gravity:.2g}"))
        if self._rubs(f):
            way = "opposes" if f.friction > 0 else "drives"
            signs.append((min(max(f.friction_sigmas, -5), 5), f"friction {way} it ({abs(f.friction):.0%} of effort)"))
        if self._body and f.travel > FAR and abs(f.inertia) > SHARE and abs(f.inertia_sigmas) > 4:
            way = "with" if f.inertia > 0 else "against"
            signs.append((min(max(f.inertia_sigmas, -4), 4), f"effort acts {way} its acceleration"))
        if not signs and weighed and np.isfinite(f.gravity) and f.pose > 0.3 and abs(f.gravity) > 5 * f.deviation:
            signs.append((3 * float(np.sign(f.gravity)), f"gravity has a factor of {f.gravity:.2g}"))
        if not signs:
            why = "it does not move" if f.travel < TRAVEL else "no gravity, friction or inertia stands out"
            return Verdict("unknown", 0.0, f"{why}: move it to and fro")
        votes = np.array([s for s, _ in signs])
        sigmas = float(votes.sum() / len(votes) ** 0.5)
        answer = "usual" if sigmas > 0 else "inverted"
        return Verdict(answer, float(ndtr(abs(sigmas))), " and ".join(words for _, words in signs))

    def order(self) -> dict[int, int]:
        """Joints whose effort follows the motion of another: place of the joint -> place of the effort that fits."""
        tau = self._motion.effort()
        count = tau.shape[1]
        free = np.zeros((count, count))
        for k in range(count):
            for j in range(count):
                x = self._terms(j)
                left = _fit(x if self._body else x[:, 2:], tau[:, k])[1]
                free[j, k] = np.log(float(left @ left) / (np.square(tau[:, k] - tau[:, k].mean()).sum() + 1e-12) + 1e-3)
        places, efforts = linear_sum_assignment(free)
        return {
            int(j): int(k)
            for j, k in zip(places, efforts, strict=True)
            if j != k and free[j, k] < free[k, k] - 0.7 and free[j, k] < -0.7 and free[j, k] < free[j, j] - 0.7
        }

    def delay(self) -> tuple[float, float]:
        """By how many samples effort is later than position, and by which share of the residual that is better."""
        lags = np.arange(-LAGS, LAGS + 1)
        moving = [j for j, f in enumerate(self.joints) if f.travel > FAR and f.spread > 0 and f.explained > LOOSE]
        if not moving:
            return float("nan"), 0.0
        terms = {j: self._terms(j) for j in moving}
        spread = {j: self.joints[j].spread for j in moving}
        squares = np.zeros(len(lags))
        for i, lag in enumerate(lags):
            tau = self._motion.effort(int(lag))
            for j in moving:
                left = _fit(terms[j], tau[:, j] / spread[j])[1]
                squares[i] += float(left @ left)
        best = int(np.argmin(squares))
        gained = 1 - float(squares[best] / squares[LAGS])
        return float(lags[best]), gained

    def pushes(self) -> tuple[dict[int, float], float]:
        """Joints on which something acts that neither pose nor motion explains.

        Returns:
            place of the joint -> largest residual [of the spread of effort]; how much of the time [0 to 1].

        Needs a URDF. The masses of all links are free here, and joints are fitted one by one.
        """
        body = self._body
        assert body is not None
        count = len(self.joints)
        rows = zip(self._q, self._v, self._a, strict=True)
        links = np.stack([body.regressor(*row).reshape(count, -1) for row in rows])
        tau = self._motion.effort()
        block = max(1, round(BLOCK * self._motion.rate / self._motion.rows.step))
        found, pushed = {}, np.zeros(max(len(tau) // block, 1), dtype=bool)
        for j, f in enumerate(self.joints):
            x = np.concatenate([links[:, j], self._terms(j)[:, 2:], np.cbrt(self._v[:, [j]])], axis=1)
            left = _robust(x, tau[:, j])
            if len(left) < block or f.spread <= 0:
                continue
            mean = np.abs(left[: len(left) // block * block].reshape(-1, block).mean(axis=1))
            beyond = mean > max(PUSHED[0] * f.limit, PUSHED[1] * f.spread)
            if beyond.any():
                found[j] = float(mean.max() / f.spread)
                pushed[: len(beyond)] |= beyond
        return found, float(pushed.mean())


def _fit(x: Array, tau: Array) -> tuple[Array, Array]:
    """Least squares: coefficients and residual."""
    theta = np.asarray(np.linalg.lstsq(x, tau, rcond=None)[0], dtype=np.float64)
    return theta, tau - x @ theta


def _robust(x: Array, tau: Array) -> Array:
    """Residual of a fit that outliers hardly move, shape (n,)."""
    scale = np.sqrt(np.square(x).mean(axis=0))
    x = x[:, scale > 1e-9] / scale[scale > 1e-9]
    weights = np.ones(len(tau))
    for _ in range(8):
        weighted = (x * weights[:, None]).T
        matrix = weighted @ x
        theta = np.linalg.solve(matrix + 1e-4 * np.trace(matrix) / len(matrix) * np.eye(len(matrix)), weighted @ tau)
        left = tau - x @ theta
        sigma = np.median(np.abs(left)) / 0.67 + 1e-9
        weights = robust_weights(left, sigma) ** 2
    return np.asarray(left)


def _poses(q: Array) -> Array:
    """Sines and cosines of joints, of sums and differences of neighbours, shape (n, ·)."""
    angles = [q[:, j] for j in range(q.shape[1])]
    angles += [a + s * b for a, b in pairwise(angles) for s in (1, -1)]
    return np.stack([f(a) for a in angles for f in (np.sin, np.cos)], axis=1)
