# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Friction of every joint: the terms of a friction model, and coefficients that adapt slowly while the arm moves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vastares_ros.core.samples import Array

STRIBECK_SPEED = 0.1  # speed at which stiction fades [rad/s]
TRAVELS = (0.01, 0.1)  # way in which `presliding` takes a new direction in [rad]

TERMS = {
    "viscous": 1,
    "coulomb": 1,
    "offset": 1,
    "stribeck": 1,
    "load_dependent": 1,
    "cube_root": 1,
    "presliding": len(TRAVELS),
}
"""Every term of friction, in the order of coefficients, with how many each joint has of it.

With s = tanh(qd / smoothing): `viscous` is qd, `coulomb` s, `offset` 1, `stribeck` s at low speed, `load_dependent` s
times the torque of the rigid body, `cube_root` the cube root of qd, and `presliding` s as it is approached over a
distance, so that a joint at rest keeps the side it was last pushed to (Dahl 1968).
"""

FRICTION_MODELS = {"basic": ("viscous", "coulomb", "offset"), "extended": tuple(TERMS)}
"""The terms of each friction model."""

BASIC_TERMS = len(FRICTION_MODELS["basic"])  # one coefficient each; they are the first of every friction model
CLIP_SIGMAS = 3.0  # standard deviations at which an error is clipped, and by which a coefficient may change at most
UPDATE_RATE = 12.5  # updates of the coefficients a second: neighbouring samples hold the same information [Hz]
MIN_TIME_CONSTANT = 1.0  # of adaptive friction [s]; a shorter one would follow every push
CONTACT_SIGMAS = 10.0  # an error of so many standard deviations at one joint is a contact: nothing is adapted


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
                case "load_dependent":
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


class AdaptiveFriction:
    """Friction coefficients that follow the measured torque slowly.

    A cold arm has a third more friction than a warm one, and no motion shows its temperature; only torque does. The
    coefficients of the basic friction model are updated for each joint along the gradient of its squared error (least
    mean squares, Widrow and Hoff 1960). The time constant is long, so that a push hardly changes them: a constant error
    becomes offset, but for 1/e of it, within that time. Errors are clipped at `CLIP_SIGMAS` standard deviations, which
    is also the largest change of a coefficient. While the error of any joint exceeds `CONTACT_SIGMAS` of them, nothing
    is adapted.

    Attributes:
        coefficients: at present, shape (K, J).
    """

    def __init__(self, identified: Array, noise: Array, time_constant: float, rate: float):
        """Begin with the identified coefficients.

        Args:
            identified: coefficients, shape (K, J).
            noise: standard deviation of the torque error in the training data, shape (J,) [N·m].
            time_constant: of the adaptation [s].
            rate: of the samples [Hz].
        """
        self._identified = identified
        self._most, self._contact = CLIP_SIGMAS * noise, CONTACT_SIGMAS * noise
        self._every = max(1, int(rate / UPDATE_RATE))
        self._share = self._every / (time_constant * rate)
        self.reset()

    def reset(self) -> None:
        """Return to the identified coefficients."""
        self.coefficients = self._identified.copy()
        self._samples = 0

    def due(self) -> bool:
        """Whether this sample is one to adapt by; to be asked once for each sample."""
        self._samples += 1
        return self._samples % self._every == 0

    def adapt(self, terms: Array, error: Array) -> None:
        """Adapt the coefficients by one sample.

        Args:
            terms: those of the basic friction model, shape (3, J).
            error: measured minus predicted torque, shape (J,) [N·m]; NaN where nothing was measured.
        """
        if (np.abs(error) < self._contact).all():
            change = (
                self.coefficients[:BASIC_TERMS]
                + self._share * self._within(error) * terms
                - self._identified[:BASIC_TERMS]
            )
            self.coefficients[:BASIC_TERMS] = self._identified[:BASIC_TERMS] + self._within(change)

    def _within(self, x: Array) -> Array:
        return np.minimum(np.maximum(x, -self._most), self._most)
