# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import torch
from sklearn.linear_model import Ridge as RidgeRegression
from sklearn.model_selection import KFold

from vastares_ros.core.signals import windows
from vastares_ros.models import baselines
from vastares_ros.models.baselines import Ridge, trigonometric
from vastares_ros.models.model import Scaler
from vastares_ros.models.networks import NetworkModel
from vastares_ros.models.va_sta_reslstm import NetworkConfig


def test_the_scaler_standardises_and_undoes_it():
    x = np.random.default_rng(0).normal(3, 7, (200, 2))
    x[:, 1] = 4.0  # a joint that never moved
    scaler = Scaler(2)
    scaler.fit(x)
    z = scaler(torch.as_tensor(x))
    torch.testing.assert_close(z.mean(0), torch.zeros(2).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(z[:, 0].std(unbiased=False).item(), 1.0)
    torch.testing.assert_close(scaler.inverse(z), torch.as_tensor(x))
    assert set(scaler.state_dict()) == {"mean", "scale"} and not list(scaler.parameters())


def test_predict_is_the_forward_pass_of_every_window():
    torch.manual_seed(0)
    model = NetworkModel(2, NetworkConfig(window=8, hidden=4)).eval()
    x = np.random.default_rng(0).normal(size=(40, 4))
    model.feature_scaler.fit(x)
    model.torque_scaler.fit(10 * x[:, :2] + 50)
    predicted = model.predict(x, batch=7)
    assert predicted.shape == (33, 2)
    with torch.inference_mode():
        expected = model(torch.as_tensor(np.ascontiguousarray(windows(x, 8)), dtype=torch.float32)).numpy()
    np.testing.assert_allclose(predicted, expected, rtol=1e-5)
    assert abs(predicted.mean() - 50) < 20, "torques are in the robot's units"


def test_ridge_learns_gravity_and_friction_and_forgets_nothing_when_stored():
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.normal(0, 0.05, (3000, 4)), axis=0)
    tau = np.stack([9 * np.sin(x[:, 0]) + x[:, 2], 3 * np.cos(x[:, 0] + x[:, 1]) + 2 * np.tanh(x[:, 3] / 0.05)], axis=1)
    ridge = Ridge.fit(x[:2000], tau[:2000])
    error = ridge.predict(x[2000:]) - tau[2000:]
    assert np.mean(error**2) < 0.02 * tau.var()
    same = Ridge(ridge.coefficients.copy(), ridge.intercept.copy())
    np.testing.assert_array_equal(same.predict(x), ridge.predict(x))


def test_trigonometric_features_take_acceleration_too():
    assert trigonometric(np.zeros((5, 6)), 2).shape[1] == trigonometric(np.zeros((5, 4)), 2).shape[1] + 2


def test_ridge_in_blocks_is_ridge_regression_with_the_penalty_of_five_folds(monkeypatch):
    monkeypatch.setattr(baselines, "ROWS", 70)
    rng = np.random.default_rng(1)
    features = np.cumsum(rng.normal(0, 0.3, (503, 6)), axis=0)
    features[:, 5] = 3.0  # says nothing
    tau = features[:, :2] + rng.normal(size=(503, 2)) * [0.1, 30.0]
    coefficients, intercept = baselines.ridge(lambda s: features[s], tau)
    z = (features - features.mean(0)) / (features.std(0) + 1e-9)
    errors = np.zeros((len(baselines.PENALTIES), 2))
    for fitting, left_out in KFold(5).split(z):
        for i, penalty in enumerate(baselines.PENALTIES):
            fitted = RidgeRegression(penalty).fit(z[fitting], tau[fitting])
            errors[i] += np.square(fitted.predict(z[left_out]) - tau[left_out]).sum(0)
    best = errors.argmin(0)
    assert best[0] < best[1], "else the test says nothing of the choice"
    expected = RidgeRegression(baselines.PENALTIES[best]).fit(z, tau).predict(z)
    np.testing.assert_allclose(features @ coefficients + intercept, expected, rtol=1e-9, atol=1e-9)
