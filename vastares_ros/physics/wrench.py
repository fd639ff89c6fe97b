# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From external joint torques to the wrench at the tip of the arm.

By the principle of virtual work, a wrench F at the tip appears in the joints as `tau_ext = J^T F`, with J the Jacobian
of the tip. F follows by least squares through the singular values of J. Force and torque have different units, so J is
made dimensionless first: `LENGTH` weighs a force of 1 N as much as a torque of 0.25 N·m, about their ratio at a tool.

Near a singularity J has a small singular value sigma: a part of the wrench is carried by the structure of the arm and
hardly reaches the joints. A singular value below `damping` is damped, just so much that its inverse does not exceed
that of `damping` (Nakamura and Hanafusa 1986, applied to each singular value). Above it there is no damping and no
bias. The damped inverse of a true wrench F is `R F` with the resolution matrix R. A direction of the wrench whose entry
on the diagonal of R is below `RESOLVED` is lost, or mixed with one that is lost, and is NaN.

Sign: positive is what the environment applies to the robot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vastares_ros.core.arm import Arm
from vastares_ros.core.samples import Array, all_finite

from .rigid_body import RigidBody

LENGTH = 0.25  # [m]
RESOLVED = 0.99  # smallest share of a direction; it then holds less than a tenth of any other


@dataclass(frozen=True, slots=True)
class Wrench:
    """The wrench that the environment applies to the tip.

    Attributes:
        values: force [N] then torque [N·m] at the origin of the reference frame, in its axes, shape (6,); NaN where
            the joints do not determine it.
        known: which of the values are, shape (6,).
        singularity: smallest over largest singular value of the dimensionless Jacobian: 0 in a singularity and for an
            arm with fewer than six joints, 1 where all directions reach the joints alike. Arms have 0.2 at most.
    """

    values: Array
    known: NDArray[np.bool_]
    singularity: float


class WrenchEstimator:
    """Least squares for the wrench at the tip of an arm with J joints.

    Attributes:
        frame_id: the frame at whose origin and in whose axes the wrench is given, for `header.frame_id`.
    """

    def __init__(self, arm: Arm, reference: str = "", damping: float = 0.05):
        """Set up for the tip of an arm.

        Args:
            arm: its J joints, in the order of q and tau_ext, and the tip on which the environment acts.
            reference: frame of the URDF in which to give the wrench, the tip where empty. Both the axes and the point
                about which torque counts are those of this frame, as the message WrenchStamped demands; so with the
                base as reference, torque is about the base.
            damping: singular value of the dimensionless Jacobian below which directions are damped, above 0.

        Raises:
            RobotError: pinocchio is not installed, or the URDF lacks a joint or a frame.
        """
        from .kernels import wrench

        self._kernel = wrench
        self._body = RigidBody(arm)
        self.frame_id = reference or arm.tip
        self._body.require_frame(self.frame_id)
        self._damping = float(damping)
        self._scale = np.repeat([LENGTH, 1.0], 3)  # (6,), wrench to [N·m] throughout
        self._nothing = Wrench(np.full(6, np.nan), np.zeros(6, dtype=bool), float("nan"))

    def step(self, q: Array, tau_ext: Array) -> Wrench:
        """The wrench that causes external torques tau_ext [N·m] at positions q [rad], both of shape (J,).

        It is NaN where a value of them is not finite.
        """
        if not (all_finite(q) and all_finite(tau_ext)):
            return self._nothing
        values, known, sigma = np.empty(6), np.empty(6, dtype=bool), np.empty(6)
        jacobian = self._body.tip_jacobian(q, self.frame_id)
        self._kernel(jacobian, tau_ext, self._scale, self._damping, RESOLVED, values, known, sigma)
        singularity = min(s := sigma.tolist()) / max(s) if len(q) >= 6 else 0.0
        return Wrench(values, known, singularity)
