# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Rigid-body physics of an arm from its URDF, in the joint order of the caller.

Sign and meaning as everywhere: M qdd + V + G = tau, without friction. pinocchio does the work; it is imported when the
first body is built, so that everything that needs no physics runs without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from math import cos, sin
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vastares_ros.core.arm import Arm
from vastares_ros.core.errors import RobotError, one_line
from vastares_ros.core.samples import Array

from .friction import AdaptiveFriction, FrictionTerms


def _pinocchio() -> Any:
    try:
        import pinocchio
    except ImportError as error:
        raise RobotError("rigid-body physics needs pinocchio: pip install pin") from error
    return pinocchio


INERTIAL = ("m", "m·cx", "m·cy", "m·cz", "Ixx", "Ixy", "Iyy", "Ixz", "Iyz", "Izz")
"""A link's parameters, in its joint's frame: mass [kg], first moment [kg·m], inertia about the origin [kg·m²]."""


class RigidBody:
    """The J joints of an arm as a chain of rigid links; all other joints of the URDF stand still at zero.

    Attributes:
        joints: the J joint names, the order of every array.
        tip: URDF frame at which forces act.
        lower: position limits, shape (J,) [rad]; minus infinity for a joint that turns without end.
        upper: same, above.
        velocity: velocity limits, shape (J,) [rad/s].
        effort: torque limits, shape (J,) [N·m].
    """

    def __init__(self, arm: Arm, rotor_inertia: ArrayLike = 0.0):
        """Build the arm; the geometry in its URDF is ignored, and its joints may be in any order.

        Args:
            arm: URDF, revolute joints, tip, and whether gravity acts.
            rotor_inertia: of each motor, seen behind its gear, shape (J,) or one for all [kg·m²]; URDFs have none.

        Raises:
            RobotError: pinocchio is not installed, the text is no URDF, or it lacks a joint or the tip.
        """
        from .kernels import momentum

        self._pin = pin = _pinocchio()
        self._momentum = momentum
        urdf, joints, tip = arm.urdf, arm.joints, arm.tip
        try:
            model = pin.buildModelFromXML(urdf)
        except (ValueError, RuntimeError) as error:
            raise RobotError(f"pinocchio cannot read the URDF: {one_line(error)}") from error
        for joint in joints:
            if not model.existJointName(joint) or model.joints[model.getJointId(joint)].nv != 1:
                moving = ", ".join(name for name in list(model.names)[1:])
                raise RobotError(f"joint {joint!r} is not a moving joint of the URDF; it has: {moving}", joint=joint)

        others = [i for i in range(1, model.njoints) if model.names[i] not in joints]
        model = pin.buildReducedModel(model, others, pin.neutral(model))
        chain = [model.joints[model.getJointId(joint)] for joint in joints]
        self.joints = tuple(joints)
        self.tip = tip
        # Places of our joints in pinocchio's velocity and in its configuration, where an endless joint is (cos, sin).
        self._v: NDArray[np.intp] = np.array([j.idx_v for j in chain])
        self._q: NDArray[np.intp] = np.array([j.idx_q for j in chain])
        self._ordered = bool((np.diff(self._v) == 1).all())
        endless = np.array([j.nq == 2 for j in chain])
        self._turning = [(int(i), int(self._q[i])) for i in np.flatnonzero(endless)]  # joint, and place of its cosine
        self._bodies: NDArray[np.intp] = np.array([j.id for j in chain])  # body i is what joint i carries
        model.armature[self._v] = rotor_inertia
        self._model, self._data = model, model.createData()
        self.require_frame(tip)
        self._frame = model.getFrameId(tip)
        self._neutral: Array = pin.neutral(model)

        self.lower = np.where(endless, -np.inf, model.lowerPositionLimit[self._q])
        self.upper = np.where(endless, np.inf, model.upperPositionLimit[self._q])
        self.velocity = model.velocityLimit[self._v].copy()
        self.effort = model.effortLimit[self._v].copy()
        if not arm.gravity:
            model.gravity = pin.Motion.Zero()

    def inverse_dynamics(self, q: Array, qd: Array, qdd: Array) -> Array:
        """Torque of a motion, M qdd + V + G; all shapes (J,)."""
        tau: Array = self._pin.rnea(
            self._model, self._data, self._configuration(q), self._theirs(qd), self._theirs(qdd)
        )
        return tau if self._ordered else tau[self._v]

    def momentum(self, q: Array, qd: Array) -> tuple[Array, Array, Array]:
        """Generalised momentum and what it changes by; all shapes (J,).

        Returns:
            p = M qd [N·m·s]; Cᵀ qd - G, its rate where no torque acts; C qd + G, the torque of this motion without
            acceleration.
        """
        pin, model, data = self._pin, self._model, self._data
        configuration, velocity = self._configuration(q), self._theirs(qd)
        mass = pin.crba(model, data, configuration)
        coriolis = pin.computeCoriolisMatrix(model, data, configuration, velocity)
        gravity = pin.computeGeneralizedGravity(model, data, configuration)
        rows = np.empty((3, len(velocity)))
        self._momentum(mass, coriolis, gravity, velocity, rows)
        p, drift, load = rows if self._ordered else rows[:, self._v]
        return p, drift, load

    @property
    def inertial_parameters(self) -> Array:
        """Of the link that each joint carries, shape (J, 10), see `INERTIAL`.

        What stands still in the link's frame, as a tool on a fixed joint, is part of the link.
        """
        return np.stack([self._model.inertias[int(i)].toDynamicParameters() for i in self._bodies])

    def set_inertial_parameters(self, parameters: Array, rotor_inertia: ArrayLike = 0.0) -> None:
        """Take others, shape (J, 10), and rotor inertias, shape (J,) or one for all [kg·m²].

        They need not be those of a possible body, but no mass may be zero: pinocchio divides by it. Nor can it add up
        masses below zero: they are turned to above zero, and what that adds is taken from the link before, as a point
        where both meet, so that no torque changes.
        """
        links = dict(zip(self._bodies.tolist(), np.array(parameters), strict=True))
        given = {i: link[0] for i, link in links.items()}
        for i in sorted(links, reverse=True):  # from the tip: parents stand before their children
            added = max(abs(given[i]), abs(links[i][0])) - links[i][0]
            links[i][0] += added
            if (parent := self._model.parents[i]) in links:
                meeting = self._pin.Inertia(1.0, self._model.jointPlacements[i].translation, np.zeros((3, 3)))
                links[parent] -= added * meeting.toDynamicParameters()
            self._model.inertias[i] = self._pin.Inertia.FromDynamicParameters(links[i])
        self._model.armature[self._v] = rotor_inertia
        self._data = self._model.createData()

    def carried_at_tip(self) -> tuple[int, Array]:
        """Which of the J links the tip belongs to, and what takes a body from there to it.

        Returns:
            place of the link, and the matrix, shape (10, 10), by which inertial parameters in the tip's frame become
            those in the frame of the link's joint.

        Raises:
            RobotError: none of the joints moves the tip.
        """
        frame = self._model.frames[self._frame]
        link = np.flatnonzero(self._bodies == frame.parentJoint)
        if not len(link):
            raise RobotError(
                f"no joint of the arm moves {self.tip!r}: choose a tip that the last joint carries",
                field="tip",
                value=self.tip,
            )
        pose = frame.placement.homogeneous
        columns = [_from_pseudo_inertia(pose @ pseudo_inertia(unit) @ pose.T) for unit in np.eye(10)]
        return int(link[0]), np.stack(columns, axis=1)

    def regressor(self, q: Array, qd: Array, qdd: Array) -> Array:
        """What inertial parameters are multiplied by, shape (J, J, 10): torque i is the sum of [i] times parameters.

        Without rotor inertia, whose factor is qdd. The arguments have shape (J,).
        """
        motion = self._configuration(q), self._theirs(qd), self._theirs(qdd)
        matrix: Array = self._pin.computeJointTorqueRegressor(self._model, self._data, *motion)
        return matrix.reshape(len(self._v), len(self._v), 10)[np.ix_(self._v, self._bodies - 1)]

    def forward_dynamics(self, q: Array, qd: Array, tau: Array) -> Array:
        """Acceleration qdd under torque tau; all shapes (J,)."""
        qdd: Array = self._pin.aba(self._model, self._data, self._configuration(q), self._theirs(qd), self._theirs(tau))
        return qdd[self._v]

    def tip_jacobian(self, q: Array, reference: str = "") -> Array:
        """Jacobian of the tip, shape (6, J): linear then angular velocity.

        Its transpose takes a wrench on the tip, force then torque, to joint torques.

        Args:
            q: positions, shape (J,) [rad].
            reference: frame of the URDF at whose origin and in whose axes the velocity and the wrench are; where
                empty, they are at the origin of the tip, in the axes of the base.
        """
        pin, configuration = self._pin, self._configuration(q)
        axes = pin.LOCAL if reference else pin.LOCAL_WORLD_ALIGNED
        jacobian: Array = pin.computeFrameJacobian(self._model, self._data, configuration, self._frame, axes)[
            :, self._v
        ]
        if not reference or reference == self.tip:
            return jacobian
        pin.framesForwardKinematics(self._model, self._data, configuration)
        poses = self._data.oMf
        seen: Array = poses[self._model.getFrameId(reference)].actInv(poses[self._frame]).toActionMatrix() @ jacobian
        return seen

    def require_frame(self, name: str) -> None:
        """Make sure that the URDF has a frame of this name.

        Raises:
            RobotError: it has none; the error names those that are spelt nearly so.
        """
        frames = [frame.name for frame in self._model.frames]
        if name not in frames:
            near = get_close_matches(name, frames)
            hint = f"near it are {', '.join(near)}" if near else f"it ends with {frames[-1]!r}"
            raise RobotError(f"{name!r} is not a frame of the URDF; {hint}", value=name)

    def tip_position(self, q: Array) -> Array:
        """Position of the tip in the base, shape (3,) [m]."""
        self._pin.framesForwardKinematics(self._model, self._data, self._configuration(q))
        position: Array = self._data.oMf[self._frame].translation.copy()
        return position

    def _theirs(self, x: Array) -> Array:
        if self._ordered:
            return x
        y = np.empty(len(self._v))
        y[self._v] = x
        return y

    def _configuration(self, q: Array) -> Array:
        if not self._turning:
            return self._theirs(q)
        y = self._neutral  # every entry is written
        y[self._q] = q
        for joint, place in self._turning:
            y[place], y[place + 1] = cos(q[joint]), sin(q[joint])
        return y


@dataclass(frozen=True)
class RigidBodyParameters:
    """What identification finds of an arm with J joints.

    Attributes:
        links: inertial parameters of each link, shape (J, 10), see `physics.INERTIAL`.
        rotor: rotor inertia behind each gear, shape (J,) [kg·m²].
        friction: coefficients of all columns of `terms`, shape (K, J).
        gain: of each drive, shape (J,) [N·m/A]; ones where effort is torque.
        terms: friction terms, names of `friction.TERMS` in their order.
        smoothing: speed over which friction changes sign [rad/s].
        noise: standard deviation of what was left over, shape (J,) [N·m].
        friction_time_constant: of adaptive friction [s]; 0 where coefficients are kept, see `AdaptiveFriction`.
    """

    links: Array
    rotor: Array
    friction: Array
    gain: Array
    terms: tuple[str, ...]
    smoothing: float
    noise: Array
    friction_time_constant: float = 0.0


class RigidBodyTorque:
    """The torque of a motion by identified parameters: `run` for N samples or for one."""

    def __init__(self, body: RigidBody, parameters: RigidBodyParameters, rate: float):
        """Take over `body`, which gets the parameters; samples come at `rate` [Hz]."""
        body.set_inertial_parameters(parameters.links, parameters.rotor)
        self._body = body
        self._terms = FrictionTerms(parameters.terms, parameters.smoothing, rate)
        self._gain = parameters.gain
        self._friction = AdaptiveFriction(
            parameters.friction, parameters.noise, parameters.friction_time_constant, rate
        )

    def reset(self) -> None:
        """Forget the past, as a fresh one."""
        self._terms.reset()
        self._friction.reset()

    def run(self, motion: Array, tau: Array | None = None) -> Array:
        """Torque of N samples in the unit of effort, shape (N, J), going on from the current state.

        Args:
            motion: filtered `[q, qd, qdd]`, shape (N, 3 J) [rad, rad/s, rad/s²].
            tau: measured torque, shape (N, J); counts only with adaptive friction, and then for later samples
                alone. None is as NaN.
        """
        joints = len(self._gain)
        rigid = np.empty((len(motion), joints))
        for i, row in enumerate(motion):
            rigid[i] = self._body.inverse_dynamics(row[:joints], row[joints : 2 * joints], row[2 * joints :])
        terms = self._terms.run(motion[:, joints : 2 * joints], rigid)
        measured = np.full_like(rigid, np.nan) if tau is None else tau * self._gain
        torque = self._friction.run(rigid, terms, measured)
        torque /= self._gain
        return torque


def pseudo_inertia(parameters: Array) -> Array:
    """A link's parameters, shape (10,), see `INERTIAL`, as a symmetric matrix, shape (4, 4).

    It is positive definite if, and only if, a body can have them (Wensing 2018), and with a pose T it becomes T P Tᵀ.
    """
    xx, xy, yy, xz, yz, zz = parameters[4:]
    inertia = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    spread = np.trace(inertia) / 2 * np.eye(3) - inertia
    return np.block([[spread, parameters[1:4, None]], [parameters[None, 1:4], parameters[:1, None]]])


def _from_pseudo_inertia(matrix: Array) -> Array:
    spread = matrix[:3, :3]
    inertia = np.trace(spread) * np.eye(3) - spread
    return np.concatenate([matrix[3, 3:], matrix[:3, 3], inertia[[0, 0, 1, 0, 1, 2], [0, 1, 1, 2, 2, 2]]])
