# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Rigid-body parameters and friction of an arm from its own motion, by linear least squares.

Torque is linear in ten inertial parameters of each link, the rotor inertia, and the coefficients of friction. Only the
kinematics of the URDF must be right. Motion and torque have passed the same causal filter, so that they keep phase.

    weights      Rows are weighted by 1 / noise variance of their joint, and by Huber's weights for outliers. Both come
                 from the residuals of the previous fit.
    penalty      It is proportional to the squared distance of the inertial parameters from the start (the URDF's, or
                 zero), each measured by the torque that it causes in the data. Penalty, start and the smoothing of
                 friction are those that predict left-out recordings best.
    base         Motion determines fewer numbers than there are parameters: combinations of them, found by QR of the
                 regressor of random motions (Gautier 1991). What no motion determines is left as in the URDF.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vastares_ros.core.errors import ConfigError, DatasetError
from vastares_ros.core.samples import Array
from vastares_ros.core.scratch import blocks

from .friction import FRICTION_MODELS, TERMS, FrictionTerms
from .rigid_body import INERTIAL, RigidBody, RigidBodyParameters, pseudo_inertia

PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
FRICTION_PENALTY = 1e-4  # of friction and rotor inertia, which no URDF knows
PENALTY = 1e-3  # where there is no second recording to choose it by
SMOOTHINGS = (0.01, 0.02, 0.03, 0.05, 0.1)  # [rad/s]
SMOOTHING = 0.05
MIN_IMPROVEMENT = 0.99  # of the error before: a smaller improvement keeps the default
ROWS = 20_000  # samples used at most: of more, every n-th is taken
HUBER = 2.5  # standard deviations beyond which a residual gets a smaller weight
ROUNDS = 4  # iterations of weights and load
MAX_UNCERTAIN_SHARE = 0.1  # of a joint's torque in fast motion, by the deviation of a parameter that counts as seen
CONTACT = 3.0  # times the residual of the other recordings: something may have touched the arm
GAIN_DEVIATION = 0.1  # largest relative deviation of a drive gain that is accepted


@dataclass(frozen=True)
class Motion:
    """One episode as the signal chain gives it.

    Attributes:
        recording: what it was cut from; cross-validation leaves out whole recordings.
        x: filtered `[q, qd, qdd]`, shape (N, 3 J) [rad, rad/s, rad/s²].
        tau: filtered torque, shape (N, J) [N·m or A].
    """

    recording: str
    x: Array
    tau: Array


@dataclass(frozen=True)
class BaseParameter:
    """One number that motion determines.

    Attributes:
        name: name of its first parameter; "+ …" where others of the chain add to it.
        joint: of the link or the friction.
        value: as identified, in units of m, kg and s.
        deviation: its standard deviation, infinite where nothing in the data depends on it.
        seen: whether the data leave less than `MAX_UNCERTAIN_SHARE` of some joint's torque open by it.
    """

    name: str
    joint: str
    value: float
    deviation: float
    seen: bool


@dataclass(frozen=True)
class Identification:
    """What was identified of an arm with J joints.

    Attributes:
        parameters: what torque is computed from.
        base: base parameters and friction, with deviations.
        condition: condition number of the regressor of `base`, columns scaled to one length.
        consistent: whether each link's inertia is one that a body can have, shape (J,).
        penalty: see the head of this module.
        start: "urdf" or "zero".
        tried: nmse on left-out recordings by settings; empty where there is one recording only.
        residual: standard deviation of the torque error, shape (J,) [N·m].
        contact: recordings whose residual is `CONTACT` times that of others, and the joint where.
        gain_deviation: relative deviation of each drive gain, shape (J,); NaN where the data do not determine it.
    """

    parameters: RigidBodyParameters
    base: tuple[BaseParameter, ...]
    condition: float
    consistent: tuple[bool, ...]
    penalty: float
    start: str
    tried: dict[str, float]
    residual: Array
    contact: dict[str, str]
    gain_deviation: Array

    @property
    def unseen(self) -> tuple[BaseParameter, ...]:
        """The base parameters that the data do not determine."""
        return tuple(p for p in self.base if not p.seen)

    def advice(self) -> list[str]:
        """How to move which joints so that the data determine more, one line for each joint."""
        lines = []
        for joint in dict.fromkeys(p.joint for p in self.unseen):
            names = [p.name for p in self.unseen if p.joint == joint]
            further = any(name.startswith("m") for name in names)
            faster = any(not name.startswith("m") for name in names)
            how = " and ".join(["further"] * further + ["faster, to and fro"] * faster)
            lines.append(f"{joint}: turn it, and the joints before it, {how} (unseen: {', '.join(names)})")
        return lines


def identify(
    body: RigidBody,
    joints: Sequence[str],
    motions: Sequence[Motion],
    rate: float,
    friction_model: str,
    amperes: bool = False,
) -> Identification:
    """Identify an arm.

    Args:
        body: the arm with the parameters of its URDF.
        joints: J names, for messages.
        motions: training data.
        rate: samples per second [Hz].
        friction_model: one of `friction.FRICTION_MODELS`.
        amperes: torque is motor current. Data in amperes determine parameters up to a factor only. Each drive gain
            is then the one that makes the torque fit the URDF's masses, and all parameters are as right as these.

    Raises:
        ConfigError: the friction model is unknown.
        DatasetError: nothing moves, or no drive gain can be determined from data in amperes.
    """
    if friction_model not in FRICTION_MODELS:
        raise ConfigError(
            f"friction_model is {friction_model!r}: use one of {', '.join(FRICTION_MODELS)}",
            field="friction_model",
            value=friction_model,
        )
    every = -(-sum(len(m.x) for m in motions) // ROWS)
    episodes = [RegressionRows(body, motion, rate, every) for motion in motions]
    urdf = np.concatenate([body.inertial_parameters.ravel(), np.zeros(len(joints))])
    gain, gain_deviation = np.ones(len(joints)), np.zeros(len(joints))
    if amperes:
        gain, gain_deviation = _gains(episodes, urdf[: -len(joints)])
        for episode in episodes:
            episode.tau = episode.tau * gain

    fit = _Fit(episodes, urdf, FRICTION_MODELS[friction_model])
    fit.settle()
    if len(fit.recordings) > 1:
        fit.smooth()
        fit.settle()
        starts = ("urdf", "zero") if urdf.any() else ("zero",)
        fit.choose([replace(fit.settings, penalty=p, start=s) for p in PENALTIES for s in starts], MIN_IMPROVEMENT)
    for _ in range(ROUNDS):
        fit.settle()
    return _result(body, joints, fit, gain, gain_deviation)


@dataclass(frozen=True)
class _Settings:
    """What is chosen on left-out recordings."""

    smoothing: float = SMOOTHING
    penalty: float = PENALTY
    start: str = "urdf"

    def __str__(self) -> str:
        return f"smoothing {self.smoothing:g}, penalty {self.penalty:g} to {self.start}"


class RegressionRows:
    """One episode, and n of its N samples as rows of the regression.

    Attributes:
        links: factors of inertial parameters, shape (n, J, 10 J).
        qdd: that of the rotor inertia, shape (n, J).
        tau: shape (n, J) [N·m].
        qd: of all N samples, shape (N, J) [rad/s].
        rows: which samples they are.
    """

    def __init__(self, body: RigidBody, motion: Motion, rate: float, every: int):
        self.recording = motion.recording
        self._rate, self.rows = rate, slice(None, None, every)
        self._factors: dict[tuple[tuple[str, ...], float], Array] = {}
        self.qd = np.split(motion.x, 3, axis=1)[1]
        q, qd, self.qdd = (np.ascontiguousarray(x) for x in np.split(motion.x[self.rows], 3, axis=1))
        rows = zip(q, qd, self.qdd, strict=True)
        self.links = np.stack([body.regressor(*row).reshape(q.shape[1], -1) for row in rows])
        self.tau = np.array(motion.tau[self.rows])

    def friction(self, terms: tuple[str, ...], smoothing: float, links: Array) -> Array:
        """Factors of friction's coefficients, shape (K, n, J); links are parameters, shape (10 J,)."""
        key = terms, smoothing
        if key not in self._factors:
            self._factors[key] = self._without_load(terms, smoothing)
        factors = self._factors[key].copy()
        if "load_dependent" in terms:
            factors[sum(TERMS[t] for t in terms[: terms.index("load_dependent")])] *= np.abs(self.links @ links)
        return factors

    def _without_load(self, terms: tuple[str, ...], smoothing: float) -> Array:
        """The factors for a load of one; friction has a state, so that all N samples count, block by block."""
        friction = FrictionTerms(terms, smoothing, self._rate)
        parts = []
        for s in blocks(len(self.qd)):
            qd = np.ascontiguousarray(self.qd[s])
            rows = slice(-s.start % self.rows.step, None, self.rows.step)
            parts.append(friction.run(qd, np.ones_like(qd))[:, rows])
        return np.concatenate(parts, axis=1)


class _Gram:
    """The sums over the rows of a recording that least squares needs; p = 10 J + 1 + K columns for each joint.

    Attributes:
        weighted: products of columns, and of columns with torque, by Huber's weights: shape (J, p, p + 1).
        unweighted: the same without weights.
        square: sum of squared torque, shape (J,).
        mean: of torque, shape (J,).
        rows: n.
    """

    def __init__(self, tau: Array, columns: Callable[[int], Array], huber: Array):
        joints = tau.shape[1]
        sums = []
        for j in range(joints):
            x = np.concatenate([columns(j), tau[:, j, None]], axis=1)
            sums.append([(x * huber[:, j, None]).T @ x, x.T @ x])
        whole = np.array(sums)  # (J, 2, p + 1, p + 1)
        self.weighted, self.unweighted = whole[:, 0, :-1], whole[:, 1, :-1]
        self.square, self.mean, self.rows = whole[:, 1, -1, -1], tau.mean(axis=0), len(tau)


class _Fit:
    """Parameters for given settings, and the weights and loads that follow from them.

    Attributes:
        settings: the present ones.
        tried: nmse on recordings that were left out, by settings.
        urdf: inertial parameters of the URDF and rotor inertias of zero, shape (11 J,).
        theta: inertial parameters, shape (10 J,), and rotor inertia and friction, shape (J, 1 + K).
        sigma: noise of each joint, shape (J,).
    """

    def __init__(self, episodes: Sequence[RegressionRows], urdf: Array, terms: tuple[str, ...]):
        self.episodes, self.urdf, self.terms = episodes, urdf, terms
        self.recordings = list(dict.fromkeys(e.recording for e in episodes))
        self.settings = _Settings(start="urdf" if urdf.any() else "zero")
        self.tried: dict[str, float] = {}
        self.sigma = np.concatenate([e.tau for e in episodes]).std(axis=0) + 1e-9
        self._huber = [np.ones_like(e.tau) for e in episodes]
        self._links = urdf[: 10 * len(self.sigma)]
        self._grams: dict[float, list[_Gram]] = {}

    def settle(self) -> None:
        """Fit with the present settings, and update weights and loads from the residuals."""
        self.theta = self._solve(self._of(self.settings.smoothing), self.settings)
        self._links = self.theta[0]
        left = [e.tau - self.predict(e) for e in self.episodes]
        self.sigma = robust_deviation(np.concatenate(left), self.sigma)
        self._huber = [robust_weights(x, self.sigma) for x in left]
        self._grams = {}

    def predict(self, episode: RegressionRows) -> Array:
        """Torque of an episode's rows, shape (n, J)."""
        links, own = self.theta
        friction = episode.friction(self.terms, self.settings.smoothing, self._links)
        torque: Array = episode.links @ links + episode.qdd * own[:, 0] + np.einsum("knj,jk->nj", friction, own[:, 1:])
        return torque

    def smooth(self) -> None:
        """Choose the largest smoothing that predicts left-out recordings about as well as the best.

        A smaller one causes peaks where a joint reverses, which matter to a threshold and not to a mean squared error.
        """
        candidates = [replace(self.settings, smoothing=s) for s in SMOOTHINGS]
        errors = np.array([self.error(c) for c in candidates])
        self.settings = candidates[int(np.flatnonzero(errors <= errors.min() / MIN_IMPROVEMENT**2)[-1])]

    def choose(self, candidates: Sequence[_Settings], share: float) -> bool:
        """Choose the candidate that predicts left-out recordings best, if its error is below `share` of today's."""
        errors = [self.error(c) for c in candidates]
        best = int(np.argmin(errors))
        if candidates[best] == self.settings or errors[best] >= share * self.error(self.settings):
            return False
        self.settings = candidates[best]
        return True

    def error(self, settings: _Settings) -> float:
        """The nmse on left-out recordings, averaged over them and over joints."""
        grams = self._of(settings.smoothing)
        errors = []
        for out in self.recordings:
            pairs = list(zip(self.episodes, grams, strict=True))
            kept = [gram for episode, gram in pairs if episode.recording != out]
            links, rest = self._solve(kept, settings)
            rows = sum(g.rows for g in kept)
            mean = sum(g.mean * g.rows for g in kept) / rows
            variance = sum(g.square for g in kept) / rows - mean**2
            left = [gram for episode, gram in pairs if episode.recording == out]
            squares = np.zeros(len(mean))
            for j in range(len(mean)):
                theta = np.concatenate([links, rest[j]])
                for g in left:
                    squares[j] += g.square[j] + theta @ (g.unweighted[j, :, :-1] @ theta - 2 * g.unweighted[j, :, -1])
            errors.append(squares / sum(g.rows for g in left) / np.maximum(variance, 1e-12))
        error = self.tried[str(settings)] = float(np.mean(errors))
        return error

    def _of(self, smoothing: float) -> list[_Gram]:
        """The sums of every episode, with the present weights and loads."""
        if smoothing not in self._grams:
            self._grams[smoothing] = [
                _Gram(e.tau, self._rows(e, smoothing), huber)
                for e, huber in zip(self.episodes, self._huber, strict=True)
            ]
        return self._grams[smoothing]

    def _rows(self, e: RegressionRows, smoothing: float) -> Callable[[int], Array]:
        friction = e.friction(self.terms, smoothing, self._links)
        return lambda j: np.concatenate([e.links[:, j], e.qdd[:, j, None], friction[:, :, j].T], axis=1)

    def _solve(self, grams: Sequence[_Gram], settings: _Settings) -> tuple[Array, Array]:
        matrix, right = self._normal(grams, self.sigma)
        start = np.zeros(len(right))
        if settings.start == "urdf":
            start[: len(self._links)] = self.urdf[: len(self._links)]
        scale = np.sqrt(np.diag(matrix))
        scale = np.maximum(scale, 1e-9 * scale.max())
        penalty = np.full(len(right), FRICTION_PENALTY)
        penalty[: len(self._links)] = settings.penalty
        system = matrix / np.outer(scale, scale) + np.diag(penalty)
        theta = start + np.linalg.solve(system, (right - matrix @ start) / scale) / scale
        return theta[: len(self._links)], theta[len(self._links) :].reshape(len(self.sigma), -1)

    def normal(self, noise: Array) -> Array:
        """Information matrix of all parameters for rows with noise (J,): inertial, then rotor and friction by joint."""
        return self._normal(self._of(self.settings.smoothing), noise)[0]

    def _normal(self, grams: Sequence[_Gram], noise: Array) -> tuple[Array, Array]:
        """Weighted normal equations: matrix and right-hand side."""
        inertial = len(self._links)
        width = grams[0].unweighted.shape[1] - inertial
        size = inertial + width * len(self.sigma)
        matrix, right = np.zeros((size, size)), np.zeros(size)
        for j, sigma in enumerate(noise):
            place = np.concatenate([np.arange(inertial), inertial + j * width + np.arange(width)])
            sums = np.sum([g.weighted[j] for g in grams], axis=0) / sigma**2
            matrix[np.ix_(place, place)] += sums[:, :-1]
            right[place] += sums[:, -1]
        return matrix, right


def _gains(episodes: Sequence[RegressionRows], urdf: Array) -> tuple[Array, Array]:
    """Drive gains [N·m/A] that make current fit the torque of the URDF's masses, and their relative deviations.

    A joint whose current does not determine its gain gets the median of the others' gains, and a deviation of NaN.
    """
    qd = np.concatenate([e.qd[e.rows] for e in episodes])
    rigid, qdd, tau = (np.concatenate(x) for x in zip(*((e.links @ urdf, e.qdd, e.tau) for e in episodes), strict=True))
    gain, deviation = np.full(tau.shape[1], np.nan), np.full(tau.shape[1], np.nan)
    for j in range(len(gain)):
        x = np.stack([rigid[:, j], qdd[:, j], qd[:, j], np.tanh(qd[:, j] / SMOOTHING), np.ones(len(tau))], axis=1)
        slope, *_ = np.linalg.lstsq(x, tau[:, j], rcond=None)
        left = tau[:, j] - x @ slope
        variance = left.var() * repeats(left) * np.linalg.pinv(x.T @ x)[0, 0]
        if slope[0] > 0 and variance**0.5 < GAIN_DEVIATION * slope[0]:
            gain[j], deviation[j] = 1 / slope[0], variance**0.5 / slope[0]
    if np.isnan(gain).all():
        raise DatasetError(
            "effort is in amperes and no joint's current follows the torque of the URDF's masses: give the drives' "
            "gains to `vastares prepare` (--effort-scale, --effort-unit N·m), or a URDF with masses"
        )
    return np.where(np.isnan(gain), np.nanmedian(gain), gain), deviation


def robust_deviation(left: Array, sigma: Array) -> Array:
    """Standard deviation of residuals, shape (N, J), clipped at `HUBER` times the previous one, shape (J,)."""
    deviation: Array = np.sqrt(np.square(np.minimum(np.abs(left), HUBER * sigma)).mean(axis=0)) + 1e-9
    return deviation


def robust_weights(left: Array, sigma: Array) -> Array:
    """Huber weight of every residual, shape (N, J), for noise sigma, shape (J,)."""
    return np.minimum(1, HUBER * sigma / np.maximum(np.abs(left), 1e-12))


def repeats(x: Array) -> float:
    """How many neighbouring samples of x, shape (n,), count as one: 1 + 2 times the sum of its autocorrelation."""
    x = x - x.mean()
    spectrum = np.abs(np.fft.rfft(x, 2 * len(x))) ** 2
    correlation = np.fft.irfft(spectrum)[: len(x)] / max(float(x @ x), 1e-30)
    end = int(np.argmax(correlation < 0)) or len(x)
    return 1 + 2 * float(correlation[1:end].sum())


def _random_motions(body: RigidBody) -> Array:
    """Factors of inertial parameters and rotor inertias in fast random motions, shape (n, J, 11 J)."""
    rng = np.random.default_rng(0)
    joints = len(body.joints)
    reach, speed = np.maximum(body.lower, -np.pi), np.where(body.velocity > 0, np.minimum(body.velocity, np.pi), np.pi)
    rows = []
    for _ in range(20 * joints):
        q = rng.uniform(reach, np.minimum(body.upper, np.pi))
        qd, qdd = rng.uniform(-speed, speed) / 2, rng.uniform(-speed, speed) * 2
        rows.append(np.concatenate([body.regressor(q, qd, qdd).reshape(joints, -1), np.diag(qdd)], axis=1))
    return np.array(rows)


def _result(body: RigidBody, joints: Sequence[str], fit: _Fit, gain: Array, gain_deviation: Array) -> Identification:
    count = len(joints)
    lively = _random_motions(body)
    flat = lively.reshape(-1, 11 * count)
    scale = np.linalg.norm(flat, axis=0)
    scale[scale < 1e-9 * scale.max()] = 1
    links, own = fit.theta
    inertial = np.concatenate([links, own[:, 0]])
    blind = _null_space(flat / scale)
    inertial += blind @ (blind.T @ (scale * (fit.urdf - inertial))) / scale
    left = [e.tau - fit.predict(e) for e in fit.episodes]
    residual = np.concatenate(left).std(axis=0)
    parameters = RigidBodyParameters(
        inertial[: 10 * count].reshape(count, 10),
        inertial[10 * count :],
        own[:, 1:].T,
        gain,
        fit.terms,
        fit.settings.smoothing,
        residual,
    )
    base, condition = _base(body, joints, fit, lively, scale, inertial, np.concatenate(left))
    return Identification(
        parameters,
        base,
        condition,
        tuple(_consistent(link) for link in parameters.links),
        fit.settings.penalty,
        fit.settings.start,
        fit.tried,
        residual,
        _contact(joints, fit, left),
        gain_deviation,
    )


def _base(
    body: RigidBody, joints: Sequence[str], fit: _Fit, lively: Array, scale: Array, inertial: Array, left: Array
) -> tuple[tuple[BaseParameter, ...], float]:
    """Base parameters and friction with deviations, and the condition number of their regressor.

    Args:
        body: the arm.
        joints: J names.
        fit: the final one.
        lively: as of `_random_motions`.
        scale: of its columns, shape (11 J,).
        inertial: inertial parameters and rotor inertias, shape (11 J,).
        left: residuals of torque, shape (n, J).
    """
    count = len(joints)
    kinds = [*range(1, 10), 0]  # masses last: data determine them least
    order = np.array([10 * j + k for j in reversed(range(count)) for k in kinds] + list(range(10 * count, 11 * count)))
    scaled = lively.reshape(-1, 11 * count) / scale
    triangle = np.linalg.qr(scaled[:, order], mode="r")
    determined = np.abs(np.diag(triangle)) > 1e-8 * np.abs(triangle).max()
    base, rest = order[determined], order[~determined]
    others = np.linalg.lstsq(scaled[:, base], scaled[:, rest], rcond=None)[0] * scale[rest] / scale[base, None]
    values = inertial[base] + others @ inertial[rest]

    names, owners = [], []
    for i, index in enumerate(base):
        owner, kind = divmod(int(index), 10) if index < 10 * count else (int(index) - 10 * count, -1)
        shared = " + …" * bool(np.any(np.abs(others[i]) > 1e-9))
        names.append((INERTIAL[kind] if kind >= 0 else "rotor inertia") + shared)
        owners.append(owner)
    columns = [(t, f"{t} {i + 1}" if TERMS[t] > 1 else t) for t in fit.terms for i in range(TERMS[t])]
    names += [name for _ in joints for _, name in columns]
    owners += [j for j in range(count) for _ in columns]
    friction = fit.theta[1][:, 1:]  # (J, K)

    width = 1 + len(columns)
    places = [i if i < 10 * count else 10 * count + (i - 10 * count) * width for i in base]
    places += [10 * count + j * width + 1 + k for j in range(count) for k in range(len(columns))]
    correlated = np.array([repeats(x) for x in left.T])
    information = fit.normal(fit.sigma * np.sqrt(correlated))[np.ix_(places, places)]
    size = np.sqrt(np.diag(information))
    dark = size < 1e-9 * size.max()
    size[dark] = 1
    unit = information / np.outer(size, size) + np.diag(np.where(dark, 1.0, 1e-12))
    eigenvalues = np.linalg.eigvalsh(unit)
    deviation = np.where(dark, np.inf, np.sqrt(np.diag(np.linalg.inv(unit))) / size)
    alone = np.where(dark, np.inf, 1 / size)  # the deviation if all other parameters were known

    torque = np.sqrt(np.mean(np.square(np.concatenate([e.tau for e in fit.episodes])), axis=0)) + 1e-9
    effect = (np.sqrt(np.square(lively[:, :, base]).mean(axis=0)) / torque[:, None]).max(axis=0)
    typical = {"viscous": np.minimum(np.where(body.velocity > 0, body.velocity, np.pi), np.pi) / 2}
    plain = {"coulomb": np.ones(count), "offset": np.ones(count)} | typical
    own = [plain[t][j] / torque[j] if t in plain else 0.0 for j in range(count) for t, _ in columns]
    # Friction terms can replace one another: only a term that hardly occurs in the data counts as unseen.
    doubt = np.minimum(np.concatenate([deviation[: len(base)], alone[len(base) :]]), 1e30)  # finite: times zero is zero
    seen = doubt * np.concatenate([effect, own]) < MAX_UNCERTAIN_SHARE
    entries = zip(names, owners, np.concatenate([values, friction.ravel()]), deviation, seen, strict=True)
    parameters = tuple(BaseParameter(n, joints[o], float(v), float(d), bool(s)) for n, o, v, d, s in entries)
    return parameters, float(np.sqrt(eigenvalues[-1] / max(eigenvalues[0], 1e-30)))


def _contact(joints: Sequence[str], fit: _Fit, left: Sequence[Array]) -> dict[str, str]:
    """Recordings whose residual is `CONTACT` times the median over recordings, and the joint where it is most so."""
    of = np.array([e.recording for e in fit.episodes])
    squares = np.array([np.square(x).mean(axis=0) for x in left])
    size = np.sqrt([squares[of == recording].mean(axis=0) for recording in fit.recordings])  # (recordings, J)
    ratio = size / np.maximum(np.median(size, axis=0), 1e-12)
    return {r: joints[int(x.argmax())] for r, x in zip(fit.recordings, ratio, strict=True) if x.max() > CONTACT}


def _null_space(matrix: Array) -> Array:
    """The null space of a matrix (n, p), shape (p, ·)."""
    _, values, directions = np.linalg.svd(matrix, full_matrices=False)
    basis: Array = directions[values < 1e-8 * values[0]].T
    return basis


def _consistent(link: Array) -> bool:
    """Whether a body can have a link's parameters, shape (10,): whether their pseudo-inertia is positive definite."""
    return bool(np.linalg.eigvalsh(pseudo_inertia(link))[0] > 0)
