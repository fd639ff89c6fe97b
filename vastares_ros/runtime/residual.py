# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is taken out of the external torque after the estimate: a zero on request, and slow drift."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vastares_ros.core.errors import VastaresError
from vastares_ros.core.samples import Array, JointSample
from vastares_ros.core.sampling import MAX_GAP

from .estimator import LEFT_OUT, Estimate, Validity

ACCELERATION = 2.0  # rad/s²: below it errors of inertia are small; 8 % of the motion in bags of a UR3 is
STANDING = 0.02  # rad/s: a slower joint stands, and its friction holds a part of the torque that is no drift
SMOOTHING = 0.05  # seconds: time constant of the velocity that both are judged by


class Zero:
    """Takes out of tau_ext what is left of it while the arm stands still and nothing touches it.

    Attributes:
        bias: what is taken out, shape (J,) [N·m or A].
        duration: length of the rest that `set` looks back on [s].
    """

    def __init__(self, joints: Sequence[str], duration: float):
        """Start with a bias of 0 for J `joints`; `set` looks back on a rest of `duration` [s]."""
        self._joints = tuple(joints)
        self.duration = duration
        self.reset()

    def reset(self) -> None:
        """Forget the bias and the past."""
        self.bias = np.zeros(len(self._joints))
        self._past: deque[tuple[Array, Estimate]] = deque()  # velocities (J,), and the estimate before the bias

    def step(self, sample: JointSample, estimate: Estimate) -> Estimate:
        """The estimate of this sample, less the bias."""
        past = self._past
        if past and estimate.t <= past[-1][1].t:
            if estimate.validity is Validity.REPEATED:
                return estimate
            past.clear()
        past.append((sample.qd, estimate))
        while len(past) > 1 and estimate.t - past[1][1].t >= self.duration:
            past.popleft()  # the oldest one left is just as old as asked for, or older
        return replace(estimate, tau_ext=estimate.tau_ext - self.bias) if self.bias.any() else estimate

    def set(self, speed: float) -> Array:
        """Make the mean of tau_ext over the last `duration` the bias, and return it.

        Args:
            speed: what no joint may have exceeded [rad/s].

        Raises:
            VastaresError: the rest is too short, the arm moved, or an estimate was not valid.
        """
        covered = self._past[-1][1].t - self._past[0][1].t if self._past else 0.0
        if covered < self.duration:
            raise VastaresError(
                f"only {covered:.2f} s of joint states so far, {self.duration:g} s are needed: wait",
                value=covered,
                lower=self.duration,
            )
        bad = next((e for _, e in reversed(self._past) if not e.valid), None)
        if bad:
            detail = f" ({bad.detail})" if bad.detail else ""
            raise VastaresError(
                f"the estimate was not valid in the last {self.duration:g} s: {bad.validity.value}{detail}"
            )
        fastest = np.abs([qd for qd, _ in self._past]).max(axis=0)
        if (fastest > speed).any():
            j = int(fastest.argmax())
            raise VastaresError(
                f"{self._joints[j]} moved at {fastest[j]:.3f} rad/s in the last {self.duration:g} s, and {speed:g} is "
                f"allowed: let the arm stand still",
                joint=self._joints[j],
                value=float(fastest[j]),
                upper=speed,
            )
        self.bias = np.mean([e.tau_ext for _, e in self._past], axis=0)
        return self.bias


class Drift:
    """Follows the slow drift of tau_ext, as of a motor that warms up, and takes it out.

    A first-order average of each joint while it moves, within ± `limit` times its bound, frozen while any joint is in
    contact or accelerates, the estimate is not valid, and over gaps. So a push that is reported as contact is not taken
    for drift however long it lasts, nor is one on a joint that stands. One below the bound on a joint that moves is,
    though no more than `limit` times the bound is ever taken out.

    It comes after `Zero`, and follows what has changed since the zero was set: with a new zero, reset it.

    Attributes:
        bias: what is taken out, shape (J,) [N·m or A].
        time: time constant of the average [s]; 0 takes nothing out.
        limit: share of the bound that the bias stays within.
        frozen: why no joint's bias followed the newest sample; empty where one did.
    """

    def __init__(self, joints: Sequence[str], rate: float, time: float = 60.0, limit: float = 0.5):
        """Begin without bias, for samples at `rate` [Hz]."""
        self._joints = tuple(joints)
        self._rate = rate
        self.time = time
        self.limit = limit
        self.reset()

    def reset(self) -> None:
        """Forget the bias and the past."""
        self.bias = np.zeros(len(self._joints))
        self.frozen = "no sample yet"
        self._last = -math.inf
        self._qd = self.bias  # smoothed

    def step(self, sample: JointSample, estimate: Estimate, factor: float = 1.0) -> Estimate:
        """The estimate of this sample, less the bias.

        Args:
            sample: what the estimate answers.
            estimate: what is known without the drift.
            factor: a joint is in contact where what is left exceeds its bound times this.
        """
        if not self.time:
            self.reset()
            return estimate
        estimate = replace(estimate, tau_ext=estimate.tau_ext - self.bias)
        if estimate.validity in LEFT_OUT:
            self.frozen = estimate.validity.value
            return estimate
        step, self._last = sample.t - self._last, sample.t
        follows = 0 < step * self._rate <= MAX_GAP  # on the sample before, or else there is no step to count with
        change = (-math.expm1(-step / SMOOTHING) if follows else 1.0) * (sample.qd - self._qd)
        self._qd = self._qd + change
        contact, accelerates = estimate.contact(factor), np.abs(change) > ACCELERATION * step
        moves = np.abs(self._qd) > STANDING
        self.frozen = ""
        if not estimate.valid:
            self.frozen = estimate.validity.value
        elif not follows:
            self.frozen = "no sample right before"
        elif contact.any():
            self.frozen = f"contact on {self._joints[contact.argmax()]}"
        elif accelerates.any():
            self.frozen = f"{self._joints[accelerates.argmax()]} accelerates"
        elif not moves.any():
            self.frozen = "the arm stands"
        more = 0.0 if self.frozen else -math.expm1(-step / self.time) * moves * estimate.tau_ext
        most = self.limit * estimate.bound
        self.bias = np.clip(self.bias + more, -most, most)
        return estimate
