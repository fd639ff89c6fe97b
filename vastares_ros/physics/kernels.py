# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The compiled loops of physics: friction, its adaptation and the momentum observer, over N rows or one; the wrench."""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numpy.typing import NDArray

from vastares_ros.core.compiled import CUBE, FLAGS, MATRIX, READ_CUBE, READ_MATRIX, READ_VECTOR, VECTOR, compiled
from vastares_ros.core.samples import Array

COUNTS = types.Array(types.int64, 1, "C")


@compiled(READ_MATRIX, READ_MATRIX, COUNTS, types.float64, types.float64, READ_VECTOR, MATRIX, FLAGS, CUBE)
def friction_terms(
    qd: Array,
    load: Array,
    columns: NDArray[np.int64],
    smoothing: float,
    stribeck_speed: float,
    decay: Array,
    side: Array,
    begun: NDArray[np.bool_],
    out: Array,
) -> None:
    """What friction's coefficients are multiplied by, for N samples of J joints; see `friction.TERMS`.

    Args:
        qd: shape (N, J) [rad/s].
        load: torque of the rigid body, shape (N, J) [N·m].
        columns: for each name in `friction.TERMS` its first column in `out`, below 0 where it is not asked for.
        smoothing: speed over which friction changes sign [rad/s].
        stribeck_speed: speed at which stiction fades [rad/s].
        decay: the logarithm of what `presliding` keeps of its state in a sample, over speed, shape (P,) [s/rad].
        side: state of `presliding`, shape (P, J).
        begun: whether `side` holds a past, shape (1,).
        out: filled, shape (K, N, J).
    """
    if load.shape != qd.shape or qd.shape[1] != side.shape[1]:
        raise ValueError("velocity, load and state are not of the same joints and samples")
    viscous, coulomb, offset, stribeck, load_dependent, cube_root, presliding = columns
    fading = -(stribeck_speed**-2)
    for i in range(len(qd)):
        for j in range(qd.shape[1]):
            v = qd[i, j]
            s = math.tanh(v / smoothing)
            if viscous >= 0:
                out[viscous, i, j] = v
            if coulomb >= 0:
                out[coulomb, i, j] = s
            if offset >= 0:
                out[offset, i, j] = 1.0
            if stribeck >= 0:
                out[stribeck, i, j] = s * math.exp(v * v * fading)
            if load_dependent >= 0:
                out[load_dependent, i, j] = s * abs(load[i, j])
            if cube_root >= 0:
                out[cube_root, i, j] = np.cbrt(v)
            if presliding >= 0:
                for p in range(len(decay)):
                    if begun[0]:
                        side[p, j] = s + math.exp(decay[p] * abs(v)) * (side[p, j] - s)
                    else:
                        side[p, j] = s
                    out[presliding + p, i, j] = side[p, j]
        begun[0] = True


@compiled(
    *(READ_MATRIX, READ_CUBE, READ_MATRIX, MATRIX, READ_MATRIX, READ_VECTOR, READ_VECTOR),
    *(types.float64, types.int64, types.int64, COUNTS, MATRIX),
)
def torque_with_friction(
    rigid: Array,
    terms: Array,
    tau: Array,
    coefficients: Array,
    identified: Array,
    most: Array,
    contact: Array,
    share: float,
    every: int,
    adapted: int,
    count: NDArray[np.int64],
    out: Array,
) -> None:
    """Torque of the rigid body and of friction, for N samples of J joints, by coefficients that may follow it.

    Args:
        rigid: torque of the rigid body, shape (N, J) [N·m].
        terms: of friction, shape (K, N, J).
        tau: measured torque, shape (N, J) [N·m]; NaN where there is none.
        coefficients: of the terms, changed in place, shape (K, J).
        identified: what they were in the beginning, shape (K, J).
        most: largest error that counts, and largest change of a coefficient, shape (J,).
        contact: error from which on nothing is adapted, shape (J,) [N·m].
        share: of the gradient, an update.
        every: samples from one update to the next; 0 where coefficients are kept.
        adapted: how many of the K coefficients are adapted, the first.
        count: samples so far, shape (1,).
        out: filled, shape (N, J) [N·m].
    """
    samples, joints = rigid.shape
    if tau.shape != rigid.shape or terms.shape[1:] != rigid.shape or coefficients.shape[1] != joints:
        raise ValueError("torques, terms and coefficients are not of the same joints and samples")
    for i in range(samples):
        for j in range(joints):
            friction = 0.0
            for k in range(len(coefficients)):
                friction += coefficients[k, j] * terms[k, i, j]
            out[i, j] = rigid[i, j] + friction
        if every == 0:
            continue
        count[0] += 1
        if count[0] % every != 0:
            continue
        free = True
        for j in range(joints):
            free &= abs(tau[i, j] - out[i, j]) < contact[j]  # not so where it is NaN
        if not free:
            continue
        for j in range(joints):
            error = min(max(tau[i, j] - out[i, j], -most[j]), most[j])
            for k in range(adapted):
                change = coefficients[k, j] + share * error * terms[k, i, j] - identified[k, j]
                coefficients[k, j] = identified[k, j] + min(max(change, -most[j]), most[j])


@compiled(READ_MATRIX, READ_MATRIX, READ_VECTOR, READ_VECTOR, MATRIX)
def momentum(mass: Array, coriolis: Array, gravity: Array, qd: Array, out: Array) -> None:
    """What `RigidBody.momentum` returns, from matrices of shape (J, J) and vectors of shape (J,), as rows (3, J)."""
    for i in range(len(qd)):
        p, back, forth = 0.0, 0.0, 0.0
        for j in range(len(qd)):
            p += mass[i, j] * qd[j]
            back += coriolis[j, i] * qd[j]
            forth += coriolis[i, j] * qd[j]
        out[0, i] = p
        out[1, i] = back - gravity[i]
        out[2, i] = forth + gravity[i]


@compiled(
    *(READ_MATRIX, READ_MATRIX, READ_CUBE, READ_MATRIX, READ_MATRIX, READ_VECTOR),
    *(types.float64, types.float64, VECTOR, FLAGS, MATRIX),
)
def observe(
    p: Array,
    drift: Array,
    terms: Array,
    coefficients: Array,
    tau: Array,
    drive: Array,
    gain: float,
    dt: float,
    expected: Array,
    begun: NDArray[np.bool_],
    out: Array,
) -> None:
    """The sum of measured torque and residual, for N samples of J joints.

    Args:
        p: momentum, shape (N, J) [N·m·s].
        drift: its rate where no torque acts, shape (N, J) [N·m].
        terms: of friction, shape (K, N, J).
        coefficients: of the terms, shape (K, J).
        tau: measured torque in the unit of effort, shape (N, J); where a joint of a row has none, that row of the
            result is NaN, and the residual begins anew.
        drive: gain of each drive, shape (J,) [N·m/A].
        gain: of the residual [rad/s].
        dt: time from one sample to the next [s].
        expected: momentum if nothing acts from outside, shape (J,) [N·m·s].
        begun: whether `expected` holds a past, shape (1,).
        out: filled, shape (N, J).
    """
    samples, joints = p.shape
    if tau.shape != p.shape or terms.shape[1:] != p.shape or coefficients.shape[1] != joints:
        raise ValueError("torque, terms and coefficients are not of the same joints and samples")
    for i in range(samples):
        known = True
        for j in range(joints):
            known &= np.isfinite(tau[i, j])
        for j in range(joints):
            if not known:
                out[i, j] = np.nan
                continue
            friction = 0.0
            for k in range(len(coefficients)):
                friction += coefficients[k, j] * terms[k, i, j]
            half = (tau[i, j] * drive[j] + drift[i, j] - friction) * (dt / 2)  # of a step, by the trapezoidal rule
            before = expected[j] if begun[0] else p[i, j] - half
            r = gain * (p[i, j] - (before + half))
            expected[j] = before + half + half + dt * r
            out[i, j] = tau[i, j] + r / drive[j]
        begun[0] = known


@compiled(READ_MATRIX, READ_VECTOR, READ_VECTOR, types.float64, types.float64, VECTOR, FLAGS, VECTOR)
def wrench(
    jacobian: Array,
    tau_ext: Array,
    scale: Array,
    damping: float,
    resolved: float,
    values: Array,
    known: NDArray[np.bool_],
    sigma: Array,
) -> None:
    """The wrench at the tip by damped least squares; see `wrench`.

    The singular values come from rotations that make the rows of the dimensionless Jacobian orthogonal (Hestenes 1958),
    which for so small a matrix takes less time than LAPACK, and gives the same bits with any BLAS.

    Args:
        jacobian: of the tip, shape (6, J).
        tau_ext: external torque, shape (J,) [N·m].
        scale: what a wrench is multiplied by to be in N·m throughout, shape (6,).
        damping: singular value below which directions are damped.
        resolved: smallest share of a direction that is known.
        values: filled with force [N] and torque [N·m], NaN where not known, shape (6,).
        known: filled, shape (6,).
        sigma: filled with the singular values, in no order, shape (6,).
    """
    joints = jacobian.shape[1]
    if len(tau_ext) != joints:
        raise ValueError("torque and Jacobian are not of the same joints")
    rows = np.empty((6, joints))  # becomes the singular values times the right singular vectors
    left = np.eye(6)  # becomes the left singular vectors, as rows
    for i in range(6):
        for j in range(joints):
            rows[i, j] = jacobian[i, j] / scale[i]
    for _ in range(30):  # six or seven are enough
        rotated = False
        for a in range(5):
            for b in range(a + 1, 6):
                aa, bb, ab = 0.0, 0.0, 0.0
                for j in range(joints):
                    aa += rows[a, j] * rows[a, j]
                    bb += rows[b, j] * rows[b, j]
                    ab += rows[a, j] * rows[b, j]
                if abs(ab) <= 1e-14 * math.sqrt(aa * bb) or min(aa, bb) <= 1e-30 * max(aa, bb):
                    continue
                rotated = True
                half = (bb - aa) / (2 * ab)
                tangent = math.copysign(1.0, half) / (abs(half) + math.sqrt(1 + half * half))
                c = 1 / math.sqrt(1 + tangent * tangent)
                s = c * tangent
                for j in range(joints):
                    x, y = rows[a, j], rows[b, j]
                    rows[a, j], rows[b, j] = c * x - s * y, s * x + c * y
                for j in range(6):
                    x, y = left[a, j], left[b, j]
                    left[a, j], left[b, j] = c * x - s * y, s * x + c * y
        if not rotated:
            break
    resolution = np.zeros(6)  # diagonal of R
    values[:] = 0.0
    for k in range(6):
        square, along = 0.0, 0.0
        for j in range(joints):
            square += rows[k, j] * rows[k, j]
            along += rows[k, j] * tau_ext[j]
        sigma[k] = math.sqrt(square)
        clipped = max(sigma[k], damping)
        for i in range(6):
            resolution[i] += (left[k, i] * sigma[k] / clipped) ** 2
            values[i] += left[k, i] * along / clipped**2
    for i in range(6):
        known[i] = resolution[i] >= resolved
        values[i] = values[i] / scale[i] if known[i] else np.nan
