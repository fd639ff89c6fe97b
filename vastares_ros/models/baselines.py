# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What every figure of a learned model stands beside: the mean, and ridge regression on trigonometric features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import Ridge as RidgeRegression
from sklearn.model_selection import KFold

from vastares_ros.core.samples import Array

PENALTIES = np.logspace(-2, 5, 8)


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


def ridge(features: Array, tau: Array) -> tuple[Array, Array]:
    """Ridge regression of torques tau, shape (N, J), on features, shape (N, F), standardised.

    The penalty is chosen per joint by five-fold cross-validation over contiguous blocks of the data: neighbours in time
    are near copies, so leaving out single samples would choose far too small a penalty.

    Returns:
        coefficients of the features as they are, shape (F, J), and intercepts, shape (J,).
    """
    mean, scale = features.mean(0), features.std(0) + 1e-9
    z = (features - mean) / scale
    errors = np.zeros((len(PENALTIES), tau.shape[1]))
    for fitting, left_out in KFold(5).split(z):
        for i, penalty in enumerate(PENALTIES):
            fitted = RidgeRegression(penalty).fit(z[fitting], tau[fitting])
            errors[i] += np.square(fitted.predict(z[left_out]) - tau[left_out]).sum(0)
    fitted = RidgeRegression(PENALTIES[errors.argmin(0)]).fit(z, tau)
    coefficients = fitted.coef_.T / scale[:, None]
    return coefficients, fitted.intercept_ - mean @ coefficients


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
        return cls(*ridge(trigonometric(x, tau.shape[1]), tau))

    def predict(self, x: Array) -> Array:
        """Torques, shape (N, J), for features x, shape (N, C)."""
        return trigonometric(x, len(self.intercept)) @ self.coefficients + self.intercept
