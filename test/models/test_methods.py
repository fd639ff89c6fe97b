# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The methods that [1] compares with: each computes what it says, learns, and can be deployed."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from one_seed import signals, train
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from torch import nn

from vastares_ros.core.errors import ConfigError
from vastares_ros.io.bundles import load_bundle, save_bundle
from vastares_ros.models import methods
from vastares_ros.models.gpr import Gpr, GprConfig, _root
from vastares_ros.models.lwpr import Lwpr, LwprConfig
from vastares_ros.models.methods import METHODS, NETWORKS, network_config
from vastares_ros.models.mlp import Mlp, MlpConfig
from vastares_ros.models.recurrent import RecurrentConfig
from vastares_ros.models.transformer import Transformer, TransformerConfig, sinusoids
from vastares_ros.runtime.estimator import Estimator, Validity
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.evaluate import predict
from vastares_ros.training.fit import fit

CPU = torch.device("cpu")
RATE = 125.0
SMALL = {
    "lstm": {"window": 6, "hidden": 8},
    "gru": {"window": 6, "hidden": 8},
    "rnn": {"window": 6, "hidden": 8},
    "mlp": {"hidden": 16},
    "transformer": {"window": 6, "width": 8, "heads": 2, "feedforward": 16},
    "gpr": {"inducing": 60, "subset": 100},
    "lwpr": {"fields": 50, "passes": 1},
}
SMALL_NETWORKS = {name: SMALL[name] for name in ("lstm", "gru", "rnn", "mlp", "transformer")} | {
    "va_sta_reslstm": {"window": 6, "hidden": 8},
    "lstm_sa_va_ta": {"window": 6, "hidden": 8, "velocity": "own"},
    "reslstm_sa_ta_wa": {"window": 6, "hidden": 8, "temporal_axis": "time"},
}
OTHER = {
    "window": 7,
    "hidden": 6,
    "layers": 1,
    "width": 12,
    "heads": 1,
    "feedforward": 12,
    "inducing": 40,
    "subset": 80,
    "fields": 3,
    "threshold": 0.5,
    "metric": 3.0,
    "metric_rate": 0.0,
    "projections": 2,
    "forgetting": 0.99,
    "passes": 2,
    "acceleration": True,
}


def config_of(name, epochs=1, **network):
    return TrainConfig(model=name, network={**SMALL[name], **network}, epochs=epochs, batch=64)


def own_fields(name):
    fixed = {*METHODS[name].fixed, "rigid_body_torque"}  # the latter acts with a prior: test_hybrid
    return [f.name for f in fields(METHODS[name].config) if f.name not in fixed]


def test_every_method_of_the_paper_has_its_row():
    assert [METHODS[name].label for name in SMALL] == ["LSTM", "GRU", "RNN", "MLP", "Transformer", "GPR", "LWPR"]


@pytest.mark.parametrize("name", SMALL)
def test_it_learns(name, dataset):
    losses = []
    train(dataset.episodes[:2], (), RATE, config_of(name, epochs=12), CPU, lambda p: losses.append(p.loss))
    assert losses[-1] < 0.1, "of the torque's variance; the mean has 1"


@pytest.mark.parametrize("name", SMALL)
def test_joints_are_learned_as_if_alone(name, dataset):
    episode = dataset.episodes[0]
    other = replace(episode, tau=episode.tau * np.array([1.0, 0.0]) + np.sin(episode.q) * np.array([0.0, 3.0]))
    a, b = (train([e], (), RATE, config_of(name), CPU) for e in (episode, other))
    x = signals(episode, RATE, config_of(name))[0]
    np.testing.assert_allclose(a.predict(x)[:, 0], b.predict(x)[:, 0], rtol=1e-6)
    assert np.abs(a.predict(x)[:, 1] - b.predict(x)[:, 1]).max() > 0.1


@pytest.mark.parametrize(("name", "field"), [(name, field) for name in SMALL for field in own_fields(name)])
def test_every_field_changes_the_model(name, field, dataset):
    predictions = []
    for network in ({}, {field: OTHER[field]}):
        config = config_of(name, **network)
        model = train(dataset.episodes[:1], (), RATE, config, CPU)
        predictions.append(model.predict(signals(dataset.episodes[0], RATE, config)[0])[-400:])
    assert np.abs(predictions[0] - predictions[1]).max() > 1e-4


@pytest.mark.parametrize("name", SMALL)
def test_a_bundle_of_it_runs_live_as_offline(name, dataset, tmp_path):
    save_bundle(tmp_path / "b", fit(dataset, config_of(name), CPU, test=["three"], validation=["two"]))
    bundle = load_bundle(tmp_path / "b")
    assert bundle.method == name and bundle.model.config == config_of(name).network
    offline = predict(bundle.model, bundle.ridge, bundle.filter, bundle.rate, dataset.episodes[:1])[0]
    estimator = Estimator(bundle)
    estimates = [estimator.step(sample) for sample in dataset.episodes[0]]
    skip = bundle.model.config.window - 1
    assert [e.validity for e in estimates[:skip]] == [Validity.WARMING_UP] * skip
    assert all(e.valid for e in estimates[skip:])
    live = np.stack([e.tau_free for e in estimates[skip:]])
    np.testing.assert_allclose(live, offline.tau["model"], atol=1e-4)
    assert np.ptp(live, axis=0).min() > 1, "it says more than the mean"


def test_a_method_fitted_at_once_reports_once_and_the_same_with_the_same_seed(dataset, tmp_path):
    for name in ("gpr", "lwpr"):
        seen = []
        arguments = (dataset.episodes[:1], dataset.episodes[1:2], RATE)
        checkpoint = tmp_path / "c"
        models = [
            train(*arguments, replace(config_of(name), seed=seed), CPU, seen.append, checkpoint) for seed in (1, 1, 2)
        ]
        assert [(p.epoch, p.epochs) for p in seen] == [(1, 1)] * 3 and not checkpoint.exists()
        assert 0 < seen[0].loss < 0.1 and seen[0].validation > seen[0].loss and seen[0].windows_per_s > 0
        x = signals(dataset.episodes[0], RATE, config_of(name))[0]
        first, again, other = (model.predict(x) for model in models)
        assert np.array_equal(first, again) and not np.array_equal(first, other)


def single_encoder(network: Transformer, j: int, config: TransformerConfig) -> nn.TransformerEncoder:
    """The encoder of torch with the weights of network j."""
    layer = nn.TransformerEncoderLayer(
        config.width, config.heads, config.feedforward, dropout=0.0, batch_first=True, norm_first=True
    )
    encoder = nn.TransformerEncoder(layer, config.layers, nn.LayerNorm(config.width), enable_nested_tensor=False)
    with torch.no_grad():
        for single, stacked in zip(encoder.layers, network.layers, strict=True):
            parts = (stacked.queries, stacked.keys, stacked.values)
            single.self_attn.in_proj_weight.copy_(torch.cat([part.weight[j].T for part in parts]))
            single.self_attn.in_proj_bias.copy_(torch.cat([part.bias[j, 0] for part in parts]))
            linear = (single.self_attn.out_proj, single.linear1, single.linear2)
            for theirs, ours in zip(linear, (stacked.merge, stacked.widen, stacked.narrow), strict=True):
                theirs.weight.copy_(ours.weight[j].T)
                theirs.bias.copy_(ours.bias[j, 0])
            norms = ((single.norm1, stacked.attention_norm), (single.norm2, stacked.forward_norm))
            for theirs, ours in (*norms, (encoder.norm, network.norm)):
                theirs.weight.copy_(ours.weight[j, 0])
                theirs.bias.copy_(ours.bias[j, 0])
    return encoder


def test_the_transformer_equals_the_loop_over_torch_encoders():
    config = TransformerConfig(window=6, width=8, heads=2, layers=3, feedforward=10)
    network, x = Transformer(2, config), torch.randn(5, 6, 4)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.5)
    for j in range(2):
        embedded = x @ network.embedding.weight[j] + network.embedding.bias[j] + sinusoids(6, 8)
        newest = single_encoder(network, j, config)(embedded)[:, -1]
        expected = (newest @ network.head.weight[j] + network.head.bias[j])[:, 0]
        torch.testing.assert_close(network(x)[:, j], expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(sinusoids(6, 8)[3, [0, 4]], torch.tensor([np.sin(3.0), np.cos(3.0)]).float())


def noisy(samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(samples, 4))
    tau = np.stack([np.sin(2 * x[:, 0]) + 0.5 * x[:, 2], x[:, 1] * x[:, 3]], axis=1)
    return torch.as_tensor(x), torch.as_tensor(tau + 0.05 * rng.normal(size=tau.shape))


def exact(network: Gpr, joint: int, x: np.ndarray, tau: np.ndarray) -> GaussianProcessRegressor:
    """scikit-learn's exact process with the hyperparameters of a network."""
    value = {name: buffer[joint].numpy().squeeze() for name, buffer in network.named_buffers() if name != "points"}
    smooth = ConstantKernel(value["amplitude"]) * RBF(value["length"])
    return GaussianProcessRegressor(smooth + WhiteKernel(value["noise"]), optimizer=None).fit(x, tau)


def test_gpr_is_the_exact_process_where_every_sample_is_an_inducing_point():
    x, tau = noisy(150)
    network = Gpr(2, GprConfig(inducing=200, subset=100))
    network.fit(x, tau)
    new = x.flip(0)[:40, None] + 0.1
    for j in range(2):
        expected = exact(network, j, x.numpy(), tau[:, j].numpy()).predict(new[:, 0].numpy())
        np.testing.assert_allclose(network(new)[:, j].numpy(), expected, rtol=1e-3, atol=1e-4)


def test_gpr_comes_close_to_the_exact_process_with_fewer_inducing_points():
    x, tau = noisy(900)
    network = Gpr(2, GprConfig(inducing=150, subset=200))
    network.fit(x[:700], tau[:700])
    inputs, truth = x[700:, None], tau[700:].numpy()
    for j in range(2):
        best = exact(network, j, x[:700].numpy(), tau[:700, j].numpy()).predict(inputs[:, 0].numpy()) - truth[:, j]
        error = network(inputs)[:, j].numpy() - truth[:, j]
        assert np.mean(error**2) < 2 * np.mean(best**2) < 0.1 * truth[:, j].var()


def sine(samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """One joint: its torque a sine of its position, its velocity of no effect."""
    x = torch.rand(samples, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 4 - 2
    return x, torch.sin(2 * x[:, :1])


def test_lwpr_learns_a_sine():
    x, tau = sine(3000)
    network = Lwpr(1, LwprConfig(metric=5.0))
    network.learn(x, tau)
    new = torch.linspace(-1.8, 1.8, 50, dtype=torch.float64)[:, None, None].repeat(1, 1, 2)
    error = network(new)[:, 0] - torch.sin(2 * new[:, 0, 0])
    assert error.square().mean() < 0.01
    assert 10 < int((network.weight > 0).sum()) < 300
    assert torch.isfinite(network(100 * new)).all(), "far from every field"


def test_lwpr_narrows_fields_that_are_too_wide():
    x, tau = sine(2000)
    errors = []
    for rate in (0.0, 0.1):
        network = Lwpr(1, LwprConfig(metric=0.3, metric_rate=rate))
        network.learn(x, tau)
        errors.append(float((network(x[:, None]) - tau).square().mean()))
    assert errors[1] < 0.5 * errors[0]
    along, across = network.log_metric[0, network.weight[0] > 0].mean(0)
    assert along > across, "the torque bends along the position alone"


def test_lwpr_is_incremental_and_goes_on_after_it_was_stored():
    x, tau = sine(600)
    config = LwprConfig(fields=30)
    at_once, in_parts, stored = (Lwpr(1, config) for _ in range(3))
    at_once.learn(x, tau)
    in_parts.learn(x[:200], tau[:200])
    stored.load_state_dict(in_parts.state_dict())
    for network in (in_parts, stored):
        network.learn(x[200:], tau[200:])
        for name, value in at_once.state_dict().items():
            assert torch.equal(value, network.state_dict()[name]), name


def test_lwpr_forgets():
    x, tau = sine(1500)
    network = Lwpr(1, LwprConfig(metric=5.0, forgetting=0.95))
    network.learn(x, tau)
    network.learn(x, -tau)
    assert (network(x[:, None]) + tau).square().mean() < 0.05


@pytest.mark.parametrize(
    ("config", "values"),
    [
        (RecurrentConfig, {"window": 1}),
        (RecurrentConfig, {"hidden": 0}),
        (RecurrentConfig, {"kind": "gruel"}),
        (MlpConfig, {"layers": 0}),
        (TransformerConfig, {"width": 10}),
        (TransformerConfig, {"feedforward": 0}),
        (GprConfig, {"subset": 1}),
        (LwprConfig, {"threshold": 1.0}),
        (LwprConfig, {"passes": 0}),
    ],
)
def test_a_wrong_field_is_named(config, values):
    with pytest.raises(ConfigError, match=rf"network\.{next(iter(values))} is"):
        config(**values)


def test_fields_of_another_method_are_refused_with_the_methods_own():
    with pytest.raises(
        ConfigError,
        match=r"unknown field network\.spatial: model gru has window, hidden, acceleration, rigid_body_torque",
    ):
        network_config("gru", {"spatial": True})
    own = "hidden, layers, acceleration, rigid_body_torque"
    with pytest.raises(ConfigError, match=rf"unknown field network\.window: model mlp has {own}"):
        network_config("mlp", {"window": 4})
    with pytest.raises(ConfigError, match=r"network\.kind is 'rnn', but model gru has 'gru'"):
        network_config("gru", {"kind": "rnn"})
    with pytest.raises(ConfigError, match=r"model 'svm' is unknown: use one of va_sta_reslstm, .*lwpr"):
        network_config("svm", {})


@pytest.mark.parametrize("name", [*SMALL_NETWORKS])
def test_a_stack_of_seeds_is_the_networks_of_the_seeds(name):
    """Outputs and gradients, of inputs that the seeds share and of one a seed."""
    config = network_config(name, SMALL_NETWORKS[name])
    make = NETWORKS[type(config)]
    torch.manual_seed(0)
    singles = [make(3, config) for _ in range(2)]
    stack = make(3, config, seeds=2)
    states = [single.state_dict() for single in singles]
    stack.load_state_dict({key: torch.cat([state[key] for state in states]) for key in states[0]})
    shared = torch.randn(5, config.window, 6)
    own = torch.randn(2, 5, config.window, 6)
    for x, parts in ((shared, (shared, shared)), (own, tuple(own))):
        expected = torch.cat([single(part) for single, part in zip(singles, parts, strict=True)], dim=1)
        together = stack(x)
        torch.testing.assert_close(together, expected)
        stack.zero_grad()
        together.square().sum().backward()
        for single in singles:
            single.zero_grad()
        expected.square().sum().backward()
        for whole, *of in zip(stack.parameters(), *(single.parameters() for single in singles), strict=True):
            torch.testing.assert_close(whole.grad, torch.cat([p.grad for p in of]), rtol=1e-3, atol=1e-5)


def test_covariances_that_are_singular_but_for_rounding_have_a_root():
    covariance = torch.ones(2, 30, 30, dtype=torch.float64)
    covariance[1].diagonal().sub_(1e-7)  # as rounding may leave it: not positive definite
    root = _root(covariance)
    torch.testing.assert_close(root @ root.mT, covariance, rtol=0, atol=1e-5)


def test_a_method_from_outside_the_package(monkeypatch):
    class Config(MlpConfig):
        pass

    monkeypatch.setattr(methods, "METHODS", dict(METHODS))  # what others imported stays as it is
    monkeypatch.setattr(methods, "NETWORKS", dict(NETWORKS))
    methods.register_method("mine", Config, Mlp)
    assert methods.method("mine").label == "mine" and methods.NETWORKS[Config] is Mlp
    assert isinstance(network_config("mine", {"hidden": 3}), Config)
    for name, config in (("mine", TransformerConfig), ("rigid_body", MlpConfig)):
        with pytest.raises(ConfigError, match=f"a method '{name}' already"):
            methods.register_method(name, config, Mlp)
    with pytest.raises(ConfigError, match="MlpConfig is the configuration of another method"):
        methods.register_method("other", MlpConfig, Mlp)
