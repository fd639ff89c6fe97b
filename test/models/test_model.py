# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import torch

from vastares_ros.core.signals import windows
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
