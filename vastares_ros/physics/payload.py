# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a tool adds to an arm: mass, first moment and inertia at its tip, from free motion, by linear least squares.

The torque that the identified arm does not explain is fitted by the factors of the tool (those of the link that carries
it, in the frame of the tip) times ten numbers, and by an offset for each joint, since friction has seldom stayed the
same.

    weights      Rows are weighted by 1 / noise variance of their joint, less for samples that repeat their neighbours,
                 and by Huber's weights for outliers of the previous fit. A joint at rest gets no weight, since static
                 friction carries an unknown part of the load.
    penalty      Each number is drawn towards zero as if it had been measured as zero with deviation `SCALES`. This does
                 not matter for what the motion determines, and decides what it does not determine.
    load         Friction that depends on load is computed with the tool of the previous fit. Its coefficients are
                 fitted too, within `LOAD` of their value or of the nearest that gears have: without a tool, the wrist
                 carries so little that they could not be identified.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg

from vastares_ros.core.samples import Array

from .friction import TERMS
from .identification import ROUNDS, ROWS, Motion, RegressionRows, repeats, robust_deviation, robust_weights
from .rigid_body import RigidBody, RigidBodyParameters

SCALES = np.array([5.0, *[0.5] * 3, *[0.05] * 6])  # of a tool's parameters [kg, kg·m, kg·m²], see `physics.INERTIAL`
OFFSET = 0.01  # of each joint's offset [of the deviation of its torque]
LOAD = 0.1  # of the coefficient of load-dependent friction
LOSSES = (0.0, 0.2)  # coefficients of load-dependent friction that gears have
REST = 0.03  # speed above which a joint slides [rad/s]


@dataclass(frozen=True)
class Payload:
    """What was added at the tip of an arm with J joints.

    Attributes:
        tip: name of its frame.
        parameters: inertial parameters in that frame, shape (10,), see `physics.INERTIAL`.
        covariance: of them, shape (10, 10).
        load: added to the coefficient of load-dependent friction, shape (J,); zeros where there is none.
        offset: of each joint's torque, shape (J,) [N·m]; it does not belong to the tool.
    """

    tip: str
    parameters: Array
    covariance: Array
    load: Array
    offset: Array

    @property
    def mass(self) -> float:
        """The mass [kg]; below zero where something was taken off."""
        return float(self.parameters[0])

    @property
    def centre(self) -> Array:
        """Centre of mass in the frame of the tip, shape (3,) [m]."""
        return self.parameters[1:4] / self.mass

    @property
    def deviation(self) -> Array:
        """Standard deviations of the parameters, shape (10,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def centre_deviation(self) -> Array:
        """Standard deviations of the centre of mass, shape (3,) [m], to first order."""
        slope = np.concatenate([-self.centre[:, None], np.eye(3)], axis=1) / self.mass  # of c = h / m by (m, h)
        return np.sqrt(np.diag(slope @ self.covariance[:4, :4] @ slope.T))


def solid_ball(mass: float, centre: Sequence[float], radius: float) -> Array:
    """Inertial parameters, shape (10,), of a ball of this mass [kg], centre [m] and radius [m]."""
    c = np.asarray(centre, dtype=np.float64)
    inertia = mass * (0.4 * radius**2 * np.eye(3) + c @ c * np.eye(3) - np.outer(c, c))
    return np.concatenate([[mass], mass * c, inertia[[0, 0, 1, 0, 1, 2], [0, 1, 1, 2, 2, 2]]])


def mounted(body: RigidBody, links: Array, payload: Array) -> Array:
    """Inertial parameters of the links of a body, shape (J, 10), with a payload's, shape (10,), at the tip."""
    link, to_link = body.carried_at_tip()
    carrying = links.copy()
    carrying[link] += to_link @ payload
    return carrying


def carrying(body: RigidBody, arm: RigidBodyParameters, payload: Payload) -> RigidBodyParameters:
    """The parameters of an arm that carries a payload."""
    friction = arm.friction.copy()
    if "load_dependent" in arm.terms:
        friction[_load(arm)] += payload.load
    return replace(arm, links=mounted(body, arm.links, payload.parameters), friction=friction)


def fit_payload(body: RigidBody, arm: RigidBodyParameters, motions: Sequence[Motion], rate: float) -> Payload:
    """Find what was added at the tip of an identified arm.

    Args:
        body: the arm's kinematics and tip.
        arm: its identified parameters without the tool.
        motions: free motion with the tool; torque in the unit of effort.
        rate: samples per second [Hz].
    """
    link, to_link = body.carried_at_tip()
    joints = len(arm.gain)
    every = -(-sum(len(m.x) for m in motions) // ROWS)
    episodes = [RegressionRows(body, motion, rate, every) for motion in motions]
    arms, qd, qdd, tau = (
        np.concatenate(part)
        for part in zip(*((e.links, e.qd[e.rows], e.qdd, e.tau * arm.gain) for e in episodes), strict=True)
    )
    tool = arms[:, :, 10 * link : 10 * link + 10] @ to_link  # (n, J, 10)
    deviation = tau.std(axis=0) + 1e-9
    scales = np.concatenate([SCALES, OFFSET * deviation, np.full(joints, LOAD)])
    sliding = np.square(np.tanh(qd / max(REST, arm.smoothing)))

    start = np.zeros(10 + 2 * joints)
    if "load_dependent" in arm.terms:
        coefficients = arm.friction[_load(arm)]
        start[10 + joints :] = np.clip(coefficients, *LOSSES) - coefficients

    theta = start
    sigma, weights, alike = deviation, np.ones_like(tau), np.ones(joints)
    for _ in range(ROUNDS):
        links = mounted(body, arm.links, theta[:10]).ravel()
        friction = np.concatenate([e.friction(arm.terms, arm.smoothing, links) for e in episodes], axis=1)  # (K, n, J)
        without = tau - arms @ arm.links.ravel() - qdd * arm.rotor - np.einsum("knj,kj->nj", friction, arm.friction)
        load = friction[_load(arm)] if "load_dependent" in arm.terms else np.zeros_like(tau)
        information, right, columns = np.eye(len(start)), np.zeros(len(start)), []  # of theta - start in scales
        for j, unit in enumerate(np.eye(joints)):
            own = np.concatenate([np.ones((len(tau), 1)) * unit, load[:, j, None] * unit], axis=1)
            column = np.concatenate([tool[:, j], own], axis=1)  # (n, 10 + 2 J)
            weighted = column * scales * (sliding[:, j] * weights[:, j] / (sigma[j] ** 2 * alike[j]))[:, None]
            information += weighted.T @ (column * scales)
            right += weighted.T @ (without[:, j] - column @ start)
            columns.append(column)
        theta = start + scales * linalg.solve(information, right, assume_a="pos")
        left = without - np.stack([column @ theta for column in columns], axis=1)
        sigma = robust_deviation(left, sigma)
        weights = robust_weights(left, sigma)
        alike = np.array([repeats(column) for column in left.T])
    covariance = linalg.inv(information)[:10, :10] * np.outer(SCALES, SCALES)
    return Payload(body.tip, theta[:10], covariance, theta[10 + joints :], theta[10 : 10 + joints])


def _load(arm: RigidBodyParameters) -> int:
    """The row of the coefficients that belongs to load-dependent friction."""
    return sum(TERMS[term] for term in arm.terms[: arm.terms.index("load_dependent")])
