# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Gaussian process regression with inducing points, from the newest sample.

An exact process needs the inverse of an N x N matrix. Here M inducing points stand for the N samples: the posterior
mean is that of the projected process (Rasmussen and Williams 2006, section 8.3.4), which costs N M² and is the exact
one where every sample is an inducing point. Hyperparameters maximise the exact likelihood of a random subset
(scikit-learn). The kernel is a Gaussian with a length for every input, without a linear part: far from its samples the
process then returns to the mean, where a linear part would go on without bounds. All is in float64, since neighbouring
points make the kernel matrix all but singular.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from torch import Tensor, nn

from vastares_ros.core.config import check_ranges

from .inputs import Inputs

JITTERS = (1e-8, 1e-6, 1e-4, 1e-2)  # of the kernel's variance, added to its diagonal: the least that does
BLOCK = 1024  # samples whose kernel values are held at a time


@dataclass(frozen=True)
class GprConfig(Inputs):
    """The process's cost; its window is the newest sample.

    Attributes:
        inducing: number of inducing points M (k-means centres of the samples), 1 to 4096.
        subset: number of samples, drawn at random, that the hyperparameters are fitted to, 2 to 4096. The time grows
            with its third power.
    """

    window: ClassVar[int] = 1
    inducing: int = 512
    subset: int = 500

    def __post_init__(self) -> None:
        check_ranges("network", self, inducing=(1, 4096), subset=(2, 4096))


class Gpr(nn.Module):
    """J Gaussian processes, one per joint, which share their inducing points. Solved by `fit`, not by gradient.

    The kernel of a joint is `amplitude exp(-½ Σ ((x - z) / length)²)`.
    """

    points: Tensor
    weights: Tensor
    amplitude: Tensor
    length: Tensor
    noise: Tensor

    def __init__(self, joints: int, config: GprConfig):
        super().__init__()
        self.config = config
        features = config.features(joints)  # C
        shapes = {
            "points": (config.inducing, features),
            "weights": (joints, config.inducing, 1),  # 0 where there are fewer samples than points
            "amplitude": (joints, 1, 1),
            "length": (joints, 1, features),
            "noise": (joints, 1, 1),  # variance
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))
        self.length.fill_(1)

    def forward(self, x: Tensor) -> Tensor:
        """Standardised torques (B, J) from standardised windows x (B, 1, C)."""
        return (self.kernel(x[:, -1].double(), self.points) @ self.weights).squeeze(2).T.to(x.dtype)

    def kernel(self, x: Tensor, z: Tensor) -> Tensor:
        """Covariances (J, N, M) of the torques at x (N, C) and at z (M, C)."""
        return self.amplitude * torch.exp(-0.5 * torch.cdist(x / self.length, z / self.length) ** 2)

    def fit(self, x: Tensor, tau: Tensor) -> None:
        """Learn from standardised samples x (N, C) and torques tau (N, J)."""
        x, tau = x.double(), tau.double()
        order = torch.randperm(len(x)).to(x.device)
        subset = order[: self.config.subset]
        for joint, torque in enumerate(tau[subset].T):
            self._fit_kernel(joint, x[subset].cpu().numpy(), torque.cpu().numpy())
        points = x[order[: self.config.inducing]]
        if len(points) < len(x):
            centres = KMeans(len(points), init=points.cpu().numpy(), n_init=1, max_iter=20).fit(x.cpu().numpy())
            points = torch.as_tensor(centres.cluster_centers_, device=x.device)
        root = _root(self.kernel(points, points))  # (J, M, M)
        inner = self.noise * torch.eye(len(points), dtype=x.dtype, device=x.device)
        right = torch.zeros_like(inner[:, :, :1])
        for rows, torques in zip(x.split(BLOCK), tau.split(BLOCK), strict=True):
            projected = torch.linalg.solve_triangular(root, self.kernel(points, rows), upper=False)  # (J, M, ·)
            inner += projected @ projected.mT
            right += projected @ torques.T[:, :, None]
        solved = torch.cholesky_solve(right, torch.linalg.cholesky(inner))
        self.points.zero_()[: len(points)] = points
        self.weights.zero_()[:, : len(points)] = torch.linalg.solve_triangular(root.mT, solved, upper=True)

    def _fit_kernel(self, joint: int, x: np.ndarray, torque: np.ndarray) -> None:
        kernel = ConstantKernel() * RBF(np.ones(x.shape[1])) + WhiteKernel(0.1)
        with warnings.catch_warnings():  # of lengths at their bounds: inputs that do not matter
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = GaussianProcessRegressor(kernel).fit(x, torque).kernel_
        self.amplitude[joint] = fitted.k1.k1.constant_value
        self.length[joint] = torch.as_tensor(fitted.k1.k2.length_scale)
        self.noise[joint] = fitted.k2.noise_level


def _root(covariance: Tensor) -> Tensor:
    """Cholesky factors of covariances (J, M, M), some of which may be singular but for rounding."""
    for jitter in JITTERS:
        lifted = covariance + jitter * torch.diag_embed(covariance.diagonal(dim1=1, dim2=2))
        root, failed = torch.linalg.cholesky_ex(lifted)
        if not failed.any():
            break
    return root
