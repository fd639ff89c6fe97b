# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""External torque from momentum: the observer of De Luca and Mattone (2003, 2005), with identified parameters.

Momentum p = M qd changes by what acts on it: dp/dt = tau + tau_ext + Cᵀ qd - G - F_r, by the equation of motion and
dM/dt = C + Cᵀ. The residual r = K (p - ∫ (tau + Cᵀ qd - G - F_r + r) dt) follows tau_ext as a first-order lag, by
dr/dt = K (tau_ext - r). No acceleration is needed, and M is never inverted, so that the identified one, which need not
be positive definite, will do.

    A. De Luca, R. Mattone: Actuator failure detection and isolation using generalized momenta. ICRA 2003.
    A. De Luca, R. Mattone: Sensorless robot collision detection and hybrid force/motion control. ICRA 2005.
"""

from __future__ import annotations

import numpy as np

from vastares_ros.core.samples import Array

from .friction import FrictionTerms
from .rigid_body import RigidBody, RigidBodyParameters


class MomentumObserver:
    """Contact-free torque as the measured one and the observer's residual: `run` for N samples or for one."""

    def __init__(self, body: RigidBody, parameters: RigidBodyParameters, rate: float, gain: float):
        """Take over `body`, which gets the parameters.

        Args:
            body: the arm.
            parameters: identified.
            rate: samples per second [Hz].
            gain: K of all joints [rad/s]; the residual has reached 63 % of a step after 1 / K.
        """
        from .kernels import observe

        self._observe = observe
        body.set_inertial_parameters(parameters.links, parameters.rotor)
        self._body = body
        self._friction = FrictionTerms(parameters.terms, parameters.smoothing, rate)
        self._coefficients = parameters.friction  # (K, J)
        self._drive = parameters.gain
        self._dt = 1 / rate
        # In steps of Euler, this gain instead of K is the lag without error: a step leaves exp(-K dt) of r at any K.
        self._gain = float(-np.expm1(-gain * self._dt)) / self._dt
        self.reset()

    def reset(self) -> None:
        """Forget the past, as a fresh observer; the next residual is zero."""
        self._friction.reset()
        self._expected = np.empty(len(self._drive))
        self._begun = np.zeros(1, dtype=bool)

    def run(self, motion: Array, tau: Array) -> Array:
        """The sum of tau and the residual in the unit of effort, shape (N, J), going on from the current state.

        Args:
            motion: filtered `[q, qd, …]`, shape (N, 2 J or more) [rad, rad/s].
            tau: filtered measured torque, shape (N, J); where a joint of a row has none, that row of the result is
                NaN, and the residual then begins anew.
        """
        joints = len(self._drive)
        p, drift, load = np.empty((3, len(motion), joints))
        for i, row in enumerate(motion):
            p[i], drift[i], load[i] = self._body.momentum(row[:joints], row[joints : 2 * joints])
        terms = self._friction.run(motion[:, joints : 2 * joints], load)  # with or without tau: the arm has moved
        out = np.empty((len(motion), joints))
        self._observe(
            p,
            drift,
            terms,
            self._coefficients,
            tau,
            self._drive,
            self._gain,
            self._dt,
            self._expected,
            self._begun,
            out,
        )
        return out
