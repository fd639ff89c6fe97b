"""The torque that physics explains: a rigid body with identified parameters, and friction in every joint.

`RigidBodyPrior.run` takes filtered motion in and gives torque; it has state (friction remembers, and its level may be
followed), and a recording run at once gives what its samples give one by one. A node runs it, and a network can be
trained on what it leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .physics import RigidBody
from .samples import Array

STRIBECK_SPEED = 0.1  # speed at which stiction fades [rad/s]
TRAVELS = (0.01, 0.1)  # way in which `presliding` takes a new direction in [rad]

TERMS = {
    "viscous": 1,
    "coulomb": 1,
    "offset": 1,
    "stribeck": 1,
    "load": 1,
    "cube_root": 1,
    "presliding": len(TRAVELS),
}
"""Every term of friction, in the order of coefficients, with how many each joint has of it.

With s = tanh(qd / smoothing): `viscous` qd; `coulomb` s; `offset` 1; `stribeck` s where it is slow; `load` s times
the torque that the rigid body takes; `cube_root` of qd; `presliding` s as it is taken in over a way, so that a joint
at rest keeps the side it was last pushed to (Dahl 1968).
"""

FORMS = {"plain": ("viscous", "coulomb", "offset"), "rich": tuple(TERMS)}

PLAIN = len(FORMS["plain"])  # one column each, and the first of every form
TRUST = 3.0  # standard deviations that a sample may pull a level with, and that a level may reach
LESSONS = 12.5  # of a level, a second: neighbouring samples say the same
QUICKEST = 1.0  # time to follow friction in [s]; less would follow every push
FROZEN = 10.0  # standard deviations at one joint that are a contact: no joint's level moves


@dataclass(frozen=True)
class RigidBodyParameters:
    """What identification finds of an arm with J joints.

    Attributes:
        links: inertial parameters of each link, shape (J, 10), see `physics.INERTIAL`.
        rotor: rotor inertia behind each gear, shape (J,) [kg·m²].
        friction: coefficients of all columns of `terms`, shape (K, J).
        gain: of each drive, shape (J,) [N·m/A]; ones where effort is torque.
        terms: friction terms, names of `TERMS` in their order.
        smoothing: speed over which friction changes sign [rad/s].
        noise: standard deviation of what was left over, shape (J,) [N·m].
        following: time in which friction's level is followed [s]; 0 where it is not, see `FrictionLevel`.
    """

    links: Array
    rotor: Array
    friction: Array
    gain: Array
    terms: tuple[str, ...]
    smoothing: float
    noise: Array
    following: float = 0.0


class FrictionTerms:
    """What friction's coefficients are multiplied by, with explicit state."""

    def __init__(self, terms: Sequence[str], smoothing: float, rate: float):
        """Compute `terms`, names of `TERMS` in their order, at `rate` [Hz]; for `smoothing` see above."""
        ends = np.cumsum([TERMS[term] for term in terms]).tolist()
        self._first = [(term, end - TERMS[term]) for term, end in zip(terms, ends, strict=True)]  # column of each
        self._columns = ends[-1] if ends else 0  # K
        self._smoothing = smoothing
        self._travels = -1 / (rate * np.array(TRAVELS)[:, None, None])
        self.reset()

    def reset(self) -> None:
        """Forget the past; the next sample's direction is taken as having lasted for ever."""
        self._state: Array | None = None

    def run(self, qd: Array, load: Array) -> Array:
        """The terms of N samples, shape (K, N, J), going on from the current state.

        Args:
            qd: shape (N, J) [rad/s].
            load: what the rigid body takes, shape (N, J) [N·m]; its sign does not count.
        """
        s = np.tanh(qd / self._smoothing)
        out = np.empty((self._columns, *s.shape))
        for term, k in self._first:
            match term:
                case "viscous":
                    out[k] = qd
                case "coulomb":
                    out[k] = s
                case "offset":
                    out[k] = 1
                case "stribeck":
                    slow = np.multiply(qd, qd)
                    slow *= -(STRIBECK_SPEED**-2)
                    np.multiply(s, np.exp(slow, out=slow), out=out[k])
                case "load":
                    np.multiply(s, np.abs(load), out=out[k])
                case "cube_root":
                    np.cbrt(qd, out=out[k])
                case "presliding":
                    self._slide(s, qd, out[k:])
        return out

    def _slide(self, s: Array, qd: Array, out: Array) -> None:
        """Fill out, shape (len(TRAVELS), N, J), by states that approach s, shape (N, J), as the joint travels."""
        kept = np.exp(self._travels * np.abs(qd))  # share of the state before
        state = s[0] if self._state is None else self._state
        for i in range(len(s)):
            now = s[i]
            state = now + kept[:, i] * (state - now)
            out[:, i] = state
        self._state = state


class FrictionLevel:
    """What friction is more or less today than when it was identified, followed slowly.

    A cold arm has a third more friction than a warm one, and no motion tells its temperature: only torque does. The
    coefficients of the plain form, of each joint, go down the gradient of its squared error (least mean squares,
    Widrow and Hoff 1960), so slowly that a push hardly moves them: within the time T a lasting error becomes offset but
    for 1/e. What sticks out pulls with `TRUST` standard deviations only, no coefficient changes by more, and where a
    joint is off by `FROZEN` of them nothing is learnt.

    Attributes:
        coefficients: of friction, today, shape (K, J).
    """

    def __init__(self, identified: Array, noise: Array, time: float, rate: float):
        """Begin with coefficients as identified, shape (K, J), with noise (J,) [N·m].

        They follow with time constant `time` [s]; samples come at `rate` [Hz].
        """
        self._identified = identified
        self._most, self._contact = TRUST * noise, FROZEN * noise
        self._every = max(1, int(rate / LESSONS))
        self._share = self._every / (time * rate)
        self.reset()

    def reset(self) -> None:
        """Friction is as identified."""
        self.coefficients = self._identified.copy()
        self._samples = 0

    def due(self) -> bool:
        """Whether this sample is one to learn from; asked once a sample."""
        self._samples += 1
        return self._samples % self._every == 0

    def learn(self, terms: Array, left: Array) -> None:
        """Take a sample in.

        Args:
            terms: those of the plain form, shape (3, J).
            left: what torque was measured more than predicted, shape (J,) [N·m]; NaN where nothing was measured.
        """
        if (np.abs(left) < self._contact).all():
            change = self.coefficients[:PLAIN] + self._share * self._within(left) * terms - self._identified[:PLAIN]
            self.coefficients[:PLAIN] = self._identified[:PLAIN] + self._within(change)

    def _within(self, x: Array) -> Array:
        return np.minimum(np.maximum(x, -self._most), self._most)


class RigidBodyPrior:
    """The torque of a motion by identified parameters: `run` for N samples or for one."""

    def __init__(self, body: RigidBody, parameters: RigidBodyParameters, rate: float):
        """Take over `body`, which gets the parameters; samples come at `rate` [Hz]."""
        body.set_inertial_parameters(parameters.links, parameters.rotor)
        self._body = body
        self._friction = FrictionTerms(parameters.terms, parameters.smoothing, rate)
        self._coefficients = parameters.friction[:, None]  # (K, 1, J)
        self._gain = parameters.gain
        self._level = None
        if parameters.following:
            self._level = FrictionLevel(parameters.friction, parameters.noise, parameters.following, rate)

    def reset(self) -> None:
        """Forget the past, as a fresh prior."""
        self._friction.reset()
        if self._level:
            self._level.reset()

    def run(self, motion: Array, tau: Array | None = None) -> Array:
        """Torque of N samples in the unit of effort, shape (N, J), going on from the current state.

        Args:
            motion: filtered `[q, qd, qdd]`, shape (N, 3 J) [rad, rad/s, rad/s²].
            tau: measured torque, shape (N, J); counts only where friction's level is followed, and then for later
                samples alone.
        """
        joints = len(self._gain)
        q, qd, qdd = motion[:, :joints], motion[:, joints : 2 * joints], motion[:, 2 * joints :]
        rigid = np.empty((len(motion), joints))
        for i in range(len(motion)):
            rigid[i] = self._body.inverse_dynamics(q[i], qd[i], qdd[i])
        terms = self._friction.run(qd, rigid)
        if self._level is None or tau is None:
            return (rigid + np.add.reduce(self._coefficients * terms)) / self._gain
        level, torque = self._level, rigid
        for i in range(len(motion)):
            torque[i] += np.add.reduce(level.coefficients * terms[:, i])
            if level.due():
                level.learn(terms[:PLAIN, i], tau[i] * self._gain - torque[i])
        return torque / self._gain
