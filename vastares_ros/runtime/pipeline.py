# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From message fields to outputs: message, sample, estimate, zero, drift, outputs.

This is the only place where the steps are put together. The node, `vastares replay` and `vastares parity` all push
messages through a `Pipeline`, so that they give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike

from vastares_ros.core.arm import Arm
from vastares_ros.core.errors import RobotError
from vastares_ros.core.joints import JointAssembler
from vastares_ros.core.samples import Array, JointSample, seconds
from vastares_ros.physics.wrench import WrenchEstimator

from .bundle import Bundle
from .engines import Engine
from .estimator import LEFT_OUT, Estimate, Estimator
from .outputs import Outputs
from .residual import Drift, Zero


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """A sample that was taken in.

    Attributes:
        stamp_ns: stamp of the message that completed it [ns].
        sample: in the joint order of the bundle, its tau scaled.
        refusal: why there is no estimate for it; None where there is one.
    """

    stamp_ns: int
    sample: JointSample
    refusal: Estimate | None


class Pipeline:
    """Runs a bundle on joint-state messages, one at a time.

    `push` answers every message. Whoever has no time for that takes all that wait in by `take`, and asks once for the
    `answer` to the newest; the others are passed over. Filter, differences, rigid-body model and window are the same
    then, and so are the bits of the answer. Zero and drift see what is answered, and what is refused because the window
    is not full or the rate is wrong; they see nothing of a sample whose estimate was passed over.

    Attributes:
        joints: J joint names, the order of every output.
        wrench: from external torques to the wrench at the tip; None for no wrench. It may be replaced at any time.
        contact_factor: a joint is in contact where its external torque exceeds its bound times this.
        zero: the bias that `set_zero` takes out.
        drift: the slow drift that is taken out.
        next: an estimator that takes over as soon as it gives an estimate; None for none.
        next_problem: why `next` gave no estimate for the newest sample; empty before the first.
        newest: the sample that `answer` answers; None where none was taken in since.
    """

    def __init__(
        self,
        bundle: Bundle,
        device: torch.device | None = None,
        wrench: WrenchEstimator | None = None,
        contact_factor: float = 1.0,
        zero_duration: float = 1.0,
        drift_time: float = 0.0,
        drift_limit: float = 0.5,
        engine: str = "auto",
        notify: Callable[[str], None] = lambda text: None,
    ):
        """Begin with an empty window.

        Args:
            bundle: what to run.
            device: where its network runs; the CPU where none is given.
            wrench: see the attributes.
            contact_factor: see the attributes.
            zero_duration: how long the arm must have stood still for `set_zero` [s].
            drift_time: time constant of the drift that is taken out [s]; 0 takes none out.
            drift_limit: share of a joint's bound that is taken out as drift at the most.
            engine: what computes the network; see `make_engine`.
            notify: is told of what takes seconds.
        """
        self.joints = bundle.joints
        self.wrench = wrench
        self.contact_factor = contact_factor
        self.zero = Zero(bundle.joints, zero_duration)
        self.drift = Drift(bundle.joints, bundle.rate, drift_time, drift_limit)
        self._assembler = JointAssembler(bundle.joints, bundle.effort.scale)
        self._estimator = Estimator(bundle, device, engine, notify)
        self.newest: Taken | None = None
        self._ready: Estimator | None = None  # `next`, if it has an estimate for `newest`
        self.replace_by(None)

    @property
    def bundle(self) -> Bundle:
        """The bundle at work."""
        return self._estimator.bundle

    @property
    def engine(self) -> Engine:
        """What computes the network of the bundle at work."""
        return self._estimator.engine

    @property
    def missing(self) -> tuple[str, ...]:
        """Joints that were not published since the last sample."""
        return self._assembler.missing

    def push(
        self, stamp_ns: int, names: Sequence[str], position: ArrayLike, velocity: ArrayLike, effort: ArrayLike
    ) -> Outputs | None:
        """Take one message in, and answer it.

        Args:
            stamp_ns: stamp of its header [ns].
            names: joint names in the message.
            position: one value a name [rad]; a field of another length counts as missing.
            velocity: the same [rad/s].
            effort: the same, in the unit of the driver.

        Returns:
            What is to be published, or None where the message completes no sample.

        Raises:
            VastaresError: a joint of the bundle stands twice in the message.
        """
        return self.answer() if self.take(stamp_ns, names, position, velocity, effort) else None

    def take(
        self, stamp_ns: int, names: Sequence[str], position: ArrayLike, velocity: ArrayLike, effort: ArrayLike
    ) -> Taken | None:
        """Take one message in, and leave it to `answer` to estimate. The arguments are those of `push`.

        Returns:
            The sample that the message completes, or None. It is `newest` then, unless it leaves no trace in the window
            (its stamp is repeated, or motion is missing) and another one waits for its answer.

        Raises:
            VastaresError: a joint of the bundle stands twice in the message.
        """
        sample = self._assembler.push(seconds(stamp_ns), names, position, velocity, effort)
        return None if sample is None else self._take(sample, stamp_ns)

    def step(self, sample: JointSample, stamp_ns: int) -> Outputs:
        """Take in what a message would complete, without the message.

        Args:
            sample: in the joint order of the bundle, its tau scaled.
            stamp_ns: its stamp [ns], for the outputs; the estimate uses that of the sample.

        Returns:
            What is to be published.
        """
        self._take(sample, stamp_ns)
        return self.answer()

    def answer(self) -> Outputs:
        """What is to be published in answer to `newest`, which must be there, and is None afterwards."""
        taken, self.newest = self.newest, None
        assert taken is not None
        estimate = self._residual(taken.sample, self._estimate(taken))
        return Outputs(taken.stamp_ns, self.joints, taken.sample, estimate, self.contact_factor, self.wrench)

    def reset(self) -> None:
        """Forget the window, partial messages, the zero and the drift, as a fresh pipeline."""
        self.newest = None
        self._estimator.reset()
        self._assembler.reset()
        self.zero.reset()
        self.drift.reset()

    def warm_up(self) -> None:
        """Make the first estimate as quick as all others; see `Estimator.warm_up`."""
        self._estimator.warm_up()

    def set_zero(self, speed: float) -> Array:
        """Make the mean external torque of the last rest the zero of each joint, and forget the drift.

        Args:
            speed: what no joint may have exceeded in the meantime [rad/s].

        Returns:
            The torque that is taken out from now on, shape (J,) [N·m or A].

        Raises:
            VastaresError: the rest is too short, the arm moved, or an estimate was not valid.
        """
        bias = self.zero.set(speed)
        self.drift.reset()  # what it took out is in the new zero
        return bias

    def replace_by(self, estimator: Estimator | None) -> None:
        """Let another estimator take over; None calls that off.

        It must be for the same joints and the same effort. It gets every sample beside the one at work until its window
        is full, and takes over with its first estimate; zero and drift are forgotten then.
        """
        self.next = estimator
        self.next_problem = ""

    def _take(self, sample: JointSample, stamp_ns: int) -> Taken:
        taken = Taken(stamp_ns, sample, self._estimator.take(sample))
        ready = None
        if self.next:
            refusal = self.next.take(sample)
            ready = self.next if refusal is None else None
            self.next_problem = f"{refusal.validity.value} ({refusal.detail})" if refusal else ""
        before = self.newest
        if before and taken.refusal and taken.refusal.validity in LEFT_OUT:
            return taken
        if before and before.refusal and before.refusal.validity not in LEFT_OUT:
            self._residual(before.sample, before.refusal)  # it has been passed over
        self.newest, self._ready = taken, ready
        return taken

    def _estimate(self, taken: Taken) -> Estimate:
        """The estimate without zero and drift, by `next` where it has one."""
        if self._ready and self._ready is self.next:
            estimate = self._ready.answer()
            if np.isfinite(estimate.tau_free).all():
                self._take_over(self._ready)
                return estimate
            self.next_problem = "its estimate is not finite"
        return taken.refusal or self._estimator.answer()

    def _residual(self, sample: JointSample, estimate: Estimate) -> Estimate:
        """The estimate of a sample, less zero and drift."""
        return self.drift.step(sample, self.zero.step(sample, estimate), self.contact_factor)

    def _take_over(self, estimator: Estimator) -> None:
        self._estimator = estimator
        self.zero.reset()  # it held what the other model left over
        self.drift = Drift(self.joints, estimator.bundle.rate, self.drift.time, self.drift.limit)
        self.replace_by(None)


def make_wrench_estimator(bundle: Bundle, arm: Arm, frame: str = "") -> WrenchEstimator:
    """What gives the wrench at the tip of an arm from the external torques of a bundle.

    Args:
        bundle: gives the torques.
        arm: the arm that it is for.
        frame: link in whose axes and about whose origin the wrench is given; empty for the tip.

    Raises:
        RobotError: the torque is not in N·m (then the error has its `unit`), or the URDF lacks a joint or a frame, or
            pinocchio is not installed.
    """
    unit = bundle.effort.unit
    if unit != "N·m":
        raise RobotError(f"the bundle's torque is in {unit}, and a wrench needs N·m", unit=unit)
    return WrenchEstimator(arm, frame)
