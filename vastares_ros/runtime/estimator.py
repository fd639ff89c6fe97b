# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From live joint samples to torques: `step(sample) -> Estimate`, `reset()`.

The node and every offline comparison run this code, one sample at a time, so that they give the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch
from numpy.typing import NDArray

from vastares_ros.core.external import external_torque
from vastares_ros.core.samples import Array, JointSample, all_finite, all_plausible, plausible
from vastares_ros.core.sampling import CROWDED, MAX_GAP, same_rate, strays

from .bundle import Bundle
from .engines import make_engine

RANGE_MARGIN = 0.05  # of a joint's training range, on either side
MIXED = 1.0  # seconds that a sample of a second publisher makes what follows doubtful
RATE_STEPS = 7  # steps at least that the rate is measured over


class Validity(Enum):
    """Whether an estimate can be trusted, and why not."""

    VALID = "valid"
    OUTSIDE_RANGE = "outside the training range"
    NO_EFFORT = "effort missing"
    WARMING_UP = "warming up"
    GAP = "gap in the joint states"
    CLOCK_JUMPED = "clock jumped back"
    REPEATED = "stamp repeated"
    NO_MOTION = "position or velocity missing"
    NOT_FINITE = "torque not finite"
    TWO_PUBLISHERS = "two publishers mixed"
    WRONG_RATE = "not at the trained rate"
    LATE = "late"  # the estimator never says so: whoever hands the estimate on does


LEFT_OUT = (Validity.REPEATED, Validity.NO_MOTION)  # samples that leave no trace in the window


@dataclass(frozen=True, slots=True)
class Estimate:
    """The answer to one sample; what is not known is NaN.

    Attributes:
        t: stamp of the sample [s].
        tau_free: torque this motion needs without contact, shape (J,) [N·m or A].
        tau_ext: external torque, positive where the environment pushes the robot, shape (J,).
        bound: what |tau_ext| stays below in 99 % of free motion, shape (J,).
        validity: whether to trust it, and why not.
        detail: the joint or figure behind the validity, for people.
        joints: all joints behind the validity, where it is about joints.
    """

    t: float
    tau_free: Array
    tau_ext: Array
    bound: Array
    validity: Validity
    detail: str = ""
    joints: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether the estimate can be trusted in full."""
        return self.validity is Validity.VALID

    def contact(self, factor: float = 1.0) -> NDArray[np.bool_]:
        """Which joints are in contact: |tau_ext| is above `factor` times the bound, shape (J,)."""
        return np.abs(self.tau_ext) > factor * self.bound


class Estimator:
    """Runs a bundle sample by sample.

    Attributes:
        bundle: what it runs.
        engine: what computes the torque of the network.
    """

    def __init__(
        self,
        bundle: Bundle,
        device: torch.device | None = None,
        engine: str = "auto",
        notify: Callable[[str], None] = lambda text: None,
    ):
        """Run on `device`, the CPU where none is given; for `engine` and `notify` see `make_engine`."""
        self.bundle = bundle
        self.engine = make_engine(bundle.model, device, engine, notify)
        self._chain = bundle.model.chain(bundle.rate, bundle.filter)
        self._length = bundle.model.config.window
        joints = len(bundle.joints)
        self._steps = np.empty(max(self._length - 1, RATE_STEPS))  # time from one sample to the next, newest last
        self._nothing = np.full(joints, np.nan)
        margin = RANGE_MARGIN * np.concatenate([np.ptp(bundle.q_range, axis=0), np.ptp(bundle.qd_range, axis=0)])
        self._low = np.concatenate([bundle.q_range[0], bundle.qd_range[0]]) - margin
        self._high = np.concatenate([bundle.q_range[1], bundle.qd_range[1]]) + margin
        self.reset()

    def reset(self) -> None:
        """Forget the past, as a fresh estimator."""
        self._chain.reset()
        self._filled = 0
        self._steps[:] = math.nan
        self._last = self._before = self._mixed = -math.inf  # stamps of the last two samples, and of a stray one
        self._q = self._q_before = self._nothing

    def warm_up(self) -> None:
        """Estimate made-up samples and forget them: torch sets itself up in its first passes, which take longer."""
        bundle = self.bundle
        q, qd = bundle.q_range.mean(axis=0), bundle.qd_range.mean(axis=0)
        for i in range(bundle.model.config.window + 10):
            self.step(JointSample(i / bundle.rate, q, qd, np.zeros(len(q))))
        self.reset()

    def step(self, sample: JointSample) -> Estimate:
        """Answer the next sample, whose arrays are in the joint order of the bundle and whose tau is scaled."""
        return self.take(sample) or self.answer()

    def take(self, sample: JointSample) -> Estimate | None:
        """Take the next sample in without running the network, which costs little.

        Returns:
            Why there is no estimate for it; None where `answer` has one.
        """
        if not (all_plausible(sample.q) and all_plausible(sample.qd)):
            return self._refuse(sample, Validity.NO_MOTION, *self._absurd(position=sample.q, velocity=sample.qd))
        step = sample.t - self._last
        why = Validity.WARMING_UP
        detail = ""
        if step == 0:
            return self._refuse(sample, Validity.REPEATED, "")
        if self._filled and step < 0:
            why, detail = Validity.CLOCK_JUMPED, f"by {-step:.3f} s"
        elif self._filled and step * self.bundle.rate > MAX_GAP:
            why, detail = Validity.GAP, f"{step:.3f} s without a sample"
        if why is not Validity.WARMING_UP:
            self.reset()
        if (sample.t - self._before) * self.bundle.rate <= CROWDED:  # as three samples of one publisher never are
            t, q = [self._before, self._last, sample.t], [self._q_before, self._q, sample.q]
            if strays(np.array(t), np.array(q), self.bundle.rate)[0]:
                self._mixed = sample.t
        self._before, self._last = self._last, sample.t
        self._q_before, self._q = self._q, sample.q
        measured = all_plausible(sample.tau)
        x, tau_meas = self._chain.step(sample.q, sample.qd, sample.tau if measured else self._nothing)
        self.engine.push(x)
        self._steps[:-1] = self._steps[1:]
        self._steps[-1] = step if self._filled else math.nan
        self._filled = min(self._filled + 1, self._length)
        if self._filled < self._length:
            return self._refuse(sample, why, detail or f"{self._filled} of {self._length} samples")
        steps = np.sort(self._steps)  # NaN, where there were too few yet, stands last
        rate = 1 / float(steps[len(steps) // 2])
        # The median forgives a lost sample, the mean forgives rounded stamps: one of them must fit.
        fits = same_rate(rate, self.bundle.rate) or same_rate(1 / float(steps.mean()), self.bundle.rate)
        if not fits and not math.isnan(steps[-1]):
            return self._refuse(sample, Validity.WRONG_RATE, f"{rate:.1f} Hz, trained at {self.bundle.rate:.1f} Hz")
        self._taken = sample, x[: len(self._low)], tau_meas, measured
        return None

    def answer(self) -> Estimate:
        """The estimate for the newest sample for which `take` gave None, if no other one but `LEFT_OUT` came since.

        Where its torque is not finite though all was measured, what the filter and the window hold cannot be trusted,
        and both start anew.
        """
        sample, motion, tau_meas, measured = self._taken
        tau_free = self.engine.torque()
        tau_ext = external_torque(tau_free, tau_meas)
        if measured and not all_finite(tau_ext):
            self.reset()
            bad = self._joints(~np.isfinite(tau_ext))
            return self._refuse(sample, Validity.NOT_FINITE, f"joint {bad[0]}", bad)
        trust = self._trust(sample.t, motion) if measured else (Validity.NO_EFFORT, *self._absurd(effort=sample.tau))
        return Estimate(sample.t, tau_free, tau_ext, self.bundle.bound, *trust)

    def _absurd(self, **fields: Array) -> tuple[str, tuple[str, ...]]:
        """The first value that is missing or not plausible, in words, and all joints that have such values."""
        bad = {name: ~plausible(values) for name, values in fields.items()}
        name = next(name for name, which in bad.items() if which.any())
        j = int(bad[name].argmax())
        joint, value = self.bundle.joints[j], fields[name][j]
        detail = f"joint {joint}" if np.isnan(value) else f"{name} of {joint} is {value:.3g}"
        return detail, self._joints(np.any(list(bad.values()), axis=0))

    def _trust(self, t: float, motion: Array) -> tuple[Validity, str, tuple[str, ...]]:
        if t - self._mixed < MIXED:
            return Validity.TWO_PUBLISHERS, f"{t - self._mixed:.3f} s ago", ()
        outside = (motion < self._low) | (motion > self._high)  # (2 J,): positions, velocities
        if np.count_nonzero(outside):
            place = int(np.flatnonzero(outside)[0])
            joints = self.bundle.joints
            what, unit = ("position", "rad") if place < len(joints) else ("velocity", "rad/s")
            detail = f"{what} of {joints[place % len(joints)]} is {motion[place]:.3f} {unit}"
            return Validity.OUTSIDE_RANGE, detail, self._joints(outside.reshape(2, -1).any(axis=0))
        return Validity.VALID, "", ()

    def _joints(self, which: NDArray[np.bool_] | np.bool_) -> tuple[str, ...]:
        return tuple(self.bundle.joints[i] for i in np.flatnonzero(which))

    def _refuse(self, sample: JointSample, why: Validity, detail: str, joints: tuple[str, ...] = ()) -> Estimate:
        return Estimate(sample.t, self._nothing, self._nothing, self.bundle.bound, why, detail, joints)
