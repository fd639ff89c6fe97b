"""The torque that physics explains: a rigid body with identified parameters, and friction in every joint.

`RigidBodyPrior.run` takes filtered motion in and gives torque; it has state (friction remembers), and a recording run
at once gives what its samples give one by one. A node runs it, and a network can be trained on what it leaves.
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
    """

    links: Array
    rotor: Array
    friction: Array
    gain: Array
    terms: tuple[str, ...]
    smoothing: float


class FrictionTerms:
    """What friction's coefficients are multiplied by, with explicit state."""

    def __init__(self, terms: Sequence[str], smoothing: float, rate: float):
        """Compute `terms`, names of `TERMS` in their order, at `rate` [Hz]; for `smoothing` see above."""
        self._terms = tuple(terms)
        self._columns = sum(TERMS[term] for term in terms)  # K
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
        k = 0
        for term in self._terms:
            match term:
                case "viscous":
                    out[k] = qd
                case "coulomb":
                    out[k] = s
                case "offset":
                    out[k] = 1
                case "stribeck":
                    out[k] = s * np.exp(-np.square(qd / STRIBECK_SPEED))
                case "load":
                    out[k] = s * np.abs(load)
                case "cube_root":
                    out[k] = np.cbrt(qd)
                case "presliding":
                    self._slide(s, qd, out[k:])
            k += TERMS[term]
        return out

    def _slide(self, s: Array, qd: Array, out: Array) -> None:
        """Fill out, shape (len(TRAVELS), N, J), by states that approach s, shape (N, J), as the joint travels."""
        share = -np.expm1(self._travels * np.abs(qd))
        state = np.repeat(s[:1], len(out), axis=0) if self._state is None else self._state
        for i in range(len(s)):
            state = state + share[:, i] * (s[i] - state)
            out[:, i] = state
        self._state = state


class RigidBodyPrior:
    """The torque of a motion by identified parameters: `run` for N samples or for one."""

    def __init__(self, body: RigidBody, parameters: RigidBodyParameters, rate: float):
        """Take over `body`, which gets the parameters; samples come at `rate` [Hz]."""
        body.set_inertial_parameters(parameters.links, parameters.rotor)
        self._body = body
        self._friction = FrictionTerms(parameters.terms, parameters.smoothing, rate)
        self._coefficients = parameters.friction[:, None]  # (K, 1, J)
        self._gain = parameters.gain

    def reset(self) -> None:
        """Forget the past, as a fresh prior."""
        self._friction.reset()

    def run(self, motion: Array) -> Array:
        """Torque of N samples in the unit of effort, shape (N, J), going on from the current state.

        Args:
            motion: filtered `[q, qd, qdd]`, shape (N, 3 J) [rad, rad/s, rad/s²].
        """
        joints = len(self._gain)
        q, qd, qdd = motion[:, :joints], motion[:, joints : 2 * joints], motion[:, 2 * joints :]
        rigid = np.empty((len(motion), joints))
        for i in range(len(motion)):
            rigid[i] = self._body.inverse_dynamics(q[i], qd[i], qdd[i])
        friction = self._coefficients * self._friction.run(qd, rigid)
        return (rigid + friction.sum(axis=0)) / self._gain
