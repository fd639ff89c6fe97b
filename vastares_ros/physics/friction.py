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
        from .kernels import friction_terms

        self._kernel = friction_terms
        ends = np.cumsum([TERMS[term] for term in terms], dtype=np.int64)
        first = {term: int(end) - TERMS[term] for term, end in zip(terms, ends, strict=True)}
        self._columns = np.array([first.get(term, -1) for term in TERMS], dtype=np.int64)  # the first of each
        self._count = int(ends[-1]) if first else 0  # K
        self._smoothing = float(smoothing)
        self._decay = -1 / (rate * np.array(TRAVELS))
        self.reset()

    def reset(self) -> None:
        """Forget the past; the next sample's direction is taken as having lasted for ever."""
        self._begun = np.zeros(1, dtype=bool)

    def run(self, qd: Array, load: Array) -> Array:
        """The terms of N samples, shape (K, N, J), going on from the current state.

        Args:
            qd: shape (N, J) [rad/s].
            load: what the rigid body takes, shape (N, J) [N·m]; its sign does not count.
        """
        out = np.empty((self._count, *qd.shape))
        if not self._begun[0]:
            self._side = np.empty((len(TRAVELS), qd.shape[1]))
        self._kernel(
            qd, load, self._columns, self._smoothing, STRIBECK_SPEED, self._decay, self._side, self._begun, out
        )
        return out


class AdaptiveFriction:
    """Friction coefficients that follow the measured torque slowly, or are kept.

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
            time_constant: of the adaptation [s]; 0 keeps the coefficients.
            rate: of the samples [Hz].
        """
        from .kernels import torque_with_friction

        self._kernel = torque_with_friction
        self._identified = identified
        self._most, self._contact = CLIP_SIGMAS * noise, CONTACT_SIGMAS * noise
        adapts = time_constant > 0
        self._every = max(1, int(rate / UPDATE_RATE)) if adapts else 0
        self._share = self._every / (time_constant * rate) if adapts else 0.0
        self.reset()

    def reset(self) -> None:
        """Return to the identified coefficients."""
        self.coefficients = np.array(self._identified, order="C")
        self._samples = np.zeros(1, dtype=np.int64)

    def run(self, rigid: Array, terms: Array, tau: Array) -> Array:
        """Torque of N samples with friction, shape (N, J) [N·m], going on from the current state.

        Args:
            rigid: torque of the rigid body, shape (N, J) [N·m].
            terms: of friction, shape (K, N, J).
            tau: measured torque, shape (N, J) [N·m]; counts for later samples alone. NaN where nothing was measured.
        """
        out = np.empty(rigid.shape)
        self._kernel(
            rigid,
            terms,
            tau,
            self.coefficients,
            self._identified,
            self._most,
            self._contact,
            self._share,
            self._every,
            BASIC_TERMS,
            self._samples,
            out,
        )
        return out
