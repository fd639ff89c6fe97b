# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What every figure of a learned model stands beside: the mean, and ridge regression on trigonometric features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.linalg import solve

from vastares_ros.core.samples import Array
from vastares_ros.core.scratch import blocks

PENALTIES = np.logspace(-2, 5, 8)
FOLDS = 5
ROWS = 2**14  # samples whose features are in memory at once


def trigonometric(x: Array, joints: int) -> Array:
    """Features that gravity, friction and velocity products of an arm are made of.

    Args:
        x: `[q, qd, …]`, shape (N, C).
        joints: J.

    Returns:
        shape (N, ·): sines and cosines of the J angles, of their sums and differences pair by pair, qd, sign(qd)
        smoothed by tanh, products of two velocities, and what follows qd in x.
    """
    q, qd, rest = x[:, :joints], x[:, joints : 2 * joints], x[:, 2 * joints :]
    a, b = np.triu_indices(joints, 1)
    angles = np.concatenate([q, q[:, a] + q[:, b], q[:, a] - q[:, b]], axis=1)
    i, j = np.triu_indices(joints)
    products = qd[:, i] * qd[:, j]
    return np.concatenate([np.sin(angles), np.cos(angles), qd, np.tanh(qd / 0.05), products, rest], axis=1)


def ridge(features: Callable[[slice], Array], tau: Array) -> tuple[Array, Array]:
    """Ridge regression of torques tau, shape (N, J), on features, standardised, by sums over blocks of samples.

    The penalty is chosen per joint by five-fold cross-validation over contiguous blocks of the data: neighbours in time
    are near copies, so leaving out single samples would choose far too small a penalty.

    Args:
        features: those of some samples, shape (n, F).
        tau: of all samples.

    Returns:
        coefficients of the features as they are, shape (F, J), and intercepts, shape (J,).
    """
    mean, scale = _moments(features, len(tau))
    scale += 1e-9
    center = sum(tau[s].sum(0) for s in blocks(len(tau), ROWS)) / len(tau)
    ends = [sum(len(tau[fold::FOLDS]) for fold in range(n)) for n in range(FOLDS + 1)]  # of folds that are alike
    size = len(mean)
    folds = np.zeros((FOLDS, size + len(center) + 1, size + len(center) + 1))  # products of features, torques and one
    for fold, (start, end) in zip(folds, pairwise(ends), strict=True):
        for s in blocks(end - start, ROWS):
            s = slice(start + s.start, start + s.stop)
            z, torque = (features(s) - mean) / scale, tau[s] - center
            rows = np.concatenate([z, torque, np.ones((len(z), 1))], axis=1)
            fold += rows.T @ rows

    def solved(products: Array, penalty: Array) -> tuple[Array, Array]:
        """Coefficients, shape (F, J), and intercepts, shape (J,), for penalties, shape (J,)."""
        means = products[-1, :-1] / products[-1, -1]
        centered = products[:-1, :-1] - np.outer(means, products[-1, :-1])
        found = np.empty((size, len(center)))
        for p in np.unique(penalty):
            at = np.flatnonzero(penalty == p)
            matrix = centered[:size, :size] + p * np.eye(size)
            found[:, at] = solve(matrix, centered[:size, size + at], assume_a="pos")
        return found, means[size:] - means[:size] @ found

    errors = np.zeros((len(PENALTIES), len(center)))
    for out in range(FOLDS):
        kept = folds[np.arange(FOLDS) != out].sum(0)
        for i, penalty in enumerate(PENALTIES):
            fitted, intercept = solved(kept, np.full(len(center), penalty))
            error = np.concatenate([fitted, -np.eye(len(center)), intercept[None]])  # (F + J + 1, J)
            errors[i] += np.einsum("ij,ij->j", error, folds[out] @ error)
    fitted, intercept = solved(folds.sum(0), PENALTIES[errors.argmin(0)])
    coefficients = fitted / scale[:, None]
    return coefficients, center + intercept - mean @ coefficients


def _moments(features: Callable[[slice], Array], samples: int) -> tuple[Array, Array]:
    """Mean and standard deviation of features, shape (F,) each, by the sums of blocks (Chan 1979)."""
    count, mean, squares = 0, np.zeros(()), np.zeros(())
    for s in blocks(samples, ROWS):
        x = features(s)
        own = x.mean(0)
        step = own - mean
        total = count + len(x)
        squares = squares + np.square(x - own).sum(0) + step**2 * (count * len(x) / total)
        mean = mean + step * (len(x) / total)
        count = total
    return mean, np.sqrt(squares / count)


@dataclass(frozen=True)
class Ridge:
    """Ridge regression on `trigonometric` features.

    Attributes:
        coefficients: shape (features, J).
        intercept: shape (J,).
    """

    coefficients: Array
    intercept: Array

    @classmethod
    def fit(cls, x: Array, tau: Array) -> Ridge:
        """Fit on features x, shape (N, C), and torques tau, shape (N, J)."""
        return cls(*ridge(lambda s: trigonometric(x[s], tau.shape[1]), tau))

    def predict(self, x: Array) -> Array:
        """Torques, shape (N, J), for features x, shape (N, C)."""
        return trigonometric(x, len(self.intercept)) @ self.coefficients + self.intercept
