"""Rigid-body physics of an arm from its URDF, in the joint order of the caller.

Sign and meaning as everywhere: M qdd + V + G = tau, without friction. pinocchio does the work; it is imported when the
first body is built, so that everything that needs no physics runs without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .errors import RobotError
from .samples import Array


def _pinocchio() -> Any:
    try:
        import pinocchio
    except ImportError as error:
        raise RobotError("rigid-body physics needs pinocchio: pip install pin") from error
    return pinocchio


class RigidBody:
    """The J joints of an arm as a chain of rigid links; all other joints of the URDF stand still at zero.

    Attributes:
        joints: the J joint names, the order of every array.
        tip: URDF frame at which forces act.
        mass: of all links that move [kg].
        lower: position limits, shape (J,) [rad]; minus infinity for a joint that turns without end.
        upper: same, above.
        velocity: velocity limits, shape (J,) [rad/s].
        effort: torque limits, shape (J,) [N·m].
    """

    def __init__(self, urdf: str, joints: Sequence[str], tip: str, rotor_inertia: ArrayLike = 0.0):
        """Build from the text of a URDF.

        Args:
            urdf: text of the URDF; its geometry is ignored.
            joints: revolute joints by name, in any order.
            tip: name of a frame (link) of the URDF.
            rotor_inertia: of each motor, seen behind its gear, shape (J,) or one for all [kg·m²]; URDFs know none.

        Raises:
            RobotError: pinocchio is not installed, the text is no URDF, or it lacks a joint or the tip.
        """
        self._pin = pin = _pinocchio()
        try:
            model = pin.buildModelFromXML(urdf)
        except (ValueError, RuntimeError) as error:
            raise RobotError(f"pinocchio cannot read the URDF: {' '.join(str(error).split())}") from error
        for joint in joints:
            if not model.existJointName(joint) or model.joints[model.getJointId(joint)].nv != 1:
                moving = ", ".join(name for name in list(model.names)[1:])
                raise RobotError(f"joint {joint!r} is not a moving joint of the URDF; it has: {moving}")
        if not model.existFrame(tip):
            raise RobotError(f"tip {tip!r} is not a frame of the URDF; it ends with {model.frames[-1].name!r}")

        others = [i for i in range(1, model.njoints) if model.names[i] not in joints]
        model = pin.buildReducedModel(model, others, pin.neutral(model))
        chain = [model.joints[model.getJointId(joint)] for joint in joints]
        self.joints = tuple(joints)
        self.tip = tip
        self._v = np.array([j.idx_v for j in chain])  # place of each of our joints in pinocchio's velocity
        self._q = np.array([j.idx_q for j in chain])  # and in its configuration, where an endless joint is (cos, sin)
        self._endless = np.array([j.nq == 2 for j in chain])
        model.armature[self._v] = rotor_inertia
        self._model, self._data = model, model.createData()
        self._frame = model.getFrameId(tip)
        self._neutral = pin.neutral(model)

        self.mass = float(pin.computeTotalMass(model))
        self.lower = np.where(self._endless, -np.inf, model.lowerPositionLimit[self._q])
        self.upper = np.where(self._endless, np.inf, model.upperPositionLimit[self._q])
        self.velocity = model.velocityLimit[self._v].copy()
        self.effort = model.effortLimit[self._v].copy()

    def inverse_dynamics(self, q: Array, qd: Array, qdd: Array) -> Array:
        """Torque of a motion, M qdd + V + G; all shapes (J,)."""
        tau = self._pin.rnea(self._model, self._data, self._configuration(q), self._theirs(qd), self._theirs(qdd))
        return tau[self._v]

    def forward_dynamics(self, q: Array, qd: Array, tau: Array) -> Array:
        """Acceleration qdd under torque tau; all shapes (J,)."""
        qdd = self._pin.aba(self._model, self._data, self._configuration(q), self._theirs(qd), self._theirs(tau))
        return qdd[self._v]

    def gravity(self, q: Array) -> Array:
        """Torque G that holds the arm still at q, shape (J,)."""
        return self._pin.computeGeneralizedGravity(self._model, self._data, self._configuration(q))[self._v]

    def tip_jacobian(self, q: Array) -> Array:
        """Jacobian of the tip, shape (6, J): linear then angular velocity in the axes of the base.

        Its transpose takes a wrench at the tip, force then torque in the axes of the base, to joint torques.
        """
        axes = self._pin.LOCAL_WORLD_ALIGNED
        jacobian = self._pin.computeFrameJacobian(self._model, self._data, self._configuration(q), self._frame, axes)
        return jacobian[:, self._v]

    def tip_position(self, q: Array) -> Array:
        """Position of the tip in the base, shape (3,) [m]."""
        self._pin.framesForwardKinematics(self._model, self._data, self._configuration(q))
        return self._data.oMf[self._frame].translation.copy()

    def _theirs(self, x: Array) -> Array:
        y = np.empty(len(self._v))
        y[self._v] = x
        return y

    def _configuration(self, q: Array) -> Array:
        if not self._endless.any():
            return self._theirs(q)
        y = self._neutral.copy()
        y[self._q] = np.where(self._endless, np.cos(q), q)
        y[self._q[self._endless] + 1] = np.sin(np.asarray(q)[self._endless])
        return y
