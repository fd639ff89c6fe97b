# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The batched network against one written joint by joint from the equations of [1] with plain torch modules."""

from dataclasses import fields, replace

import pytest
import torch

from vastares_ros.core.errors import ConfigError
from vastares_ros.models.va_sta_reslstm import ACTIVATIONS, NetworkConfig, VaStaResLSTM

ACTIVATION = {name: getattr(torch.nn.functional, name) for name in ACTIVATIONS}

J, B, T, H = 2, 4, 6, 5
BASE = NetworkConfig(window=T, hidden=H)
OTHER = {
    "window": 7,
    "hidden": 4,
    "hidden_layers": 1,
    "spatial": False,
    "spatial_activation": "tanh",
    "residual": False,
    "temporal": "hn",
    "temporal_activation": "relu",
    "acceleration": True,
    "rigid_body_torque": True,
    "temporal_axis": "time",
    "velocity": "own",
    "sigmoid": "lstm",
    "rescale": False,
}
VARIANTS = [
    BASE,
    *(replace(BASE, **{name: value}) for name, value in OTHER.items()),
    replace(BASE, sigmoid="sum"),
    *(replace(BASE, temporal=t) for t in ("wa", "none")),
    replace(BASE, velocity="window"),
    replace(BASE, residual=False, sigmoid="lstm"),
]


def mlp(stack, j, x, activation):
    for layer in stack.layers[:-1]:
        x = activation(x @ layer.weight[j] + layer.bias[j])
    return x @ stack.layers[-1].weight[j] + stack.layers[-1].bias[j]


def one_joint(network: VaStaResLSTM, j: int, x: torch.Tensor) -> torch.Tensor:
    """Network j of [1] alone, in eval mode: x (B, T, C) -> (B,)."""
    c = network.config
    rows = x
    if c.spatial:
        score = mlp(network.spatial, j, x, ACTIVATION[c.spatial_activation])  # algorithm 1
        alpha = score.exp() / score.exp().sum(-1, keepdim=True)  # (4)
        rows = x * alpha * (x.shape[-1] if c.rescale else 1)  # (5)
    h = cell = torch.zeros(len(x), c.hidden)
    states = []
    for step in range(c.window):  # section 3.1
        gates = rows[:, step] @ network.lstm.weight_input[j] + h @ network.lstm.weight_hidden[j] + network.lstm.bias[j]
        i, f, o, g = gates.chunk(4, dim=-1)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        h = o.sigmoid() * cell.tanh()
        out = h.sigmoid() if c.sigmoid == "lstm" else h
        if c.residual:
            skip = rows[:, step] @ network.residual.weight[j] + network.residual.bias[j]
            out = out + (skip.sigmoid() if c.sigmoid == "residual" else skip)
        if c.sigmoid == "sum":
            out = out.sigmoid()
        norm = network.norm
        out = (out - norm.running_mean[j]) / (norm.running_var[j] + norm.eps).sqrt()
        states.append(out * norm.weight[j] + norm.bias[j])
    states = torch.stack(states, dim=1)  # (B, T, h)
    if c.temporal == "none":
        tf = states[:, -1]
    else:
        axis = 2 if c.temporal_axis == "hidden" else 1
        ta = mlp(network.temporal, j, states, ACTIVATION[c.temporal_activation]).softmax(axis)  # algorithm 3
        weighted = states * ta * (states.shape[axis] if c.rescale else 1)  # (6)
        hn, wa = weighted[:, -1], weighted.mean(1)
        tf = {"hn": hn, "wa": wa}.get(c.temporal)
        if c.temporal == "va":  # algorithm 2
            qd = x[:, :, network.joints : 2 * network.joints]
            v = {"newest": qd[:, -1], "own": qd[:, :, j], "window": qd.flatten(1)}[c.velocity]
            va = (v @ network.velocity.weight[j] + network.velocity.bias[j]).softmax(1)
            a, b = (c.hidden, c.hidden / (c.hidden - 1)) if c.rescale else (1, 1)
            tf = torch.cat([a * va * hn, b * (1 - va) * wa], dim=1)
    return (tf @ network.head.weight[j] + network.head.bias[j])[:, 0]


def network_and_input(config: NetworkConfig) -> tuple[VaStaResLSTM, torch.Tensor]:
    torch.manual_seed(0)
    network = VaStaResLSTM(J, config)
    x = torch.randn(B, config.window, config.features(J))
    network(x)  # moves the statistics of batch norm away from 0 and 1
    return network.eval(), x


def what_differs(config):
    names = [f.name for f in fields(config) if getattr(config, f.name) != getattr(BASE, f.name)]
    return ",".join(f"{name}={getattr(config, name)}" for name in names) or "base"


@pytest.mark.parametrize("config", VARIANTS, ids=what_differs)
def test_the_batched_pass_equals_the_loop_over_single_networks(config):
    network, x = network_and_input(config)
    loop = torch.stack([one_joint(network, j, x) for j in range(J)], dim=1)
    torch.testing.assert_close(network(x), loop)


def test_joints_share_no_gradient():
    network, x = network_and_input(BASE)
    network(x)[:, 0].sum().backward()
    for name, parameter in network.named_parameters():
        gradient = parameter.grad.reshape(J, -1)
        assert gradient[0].abs().sum() > 0, name
        assert gradient[1].abs().sum() == 0, name


@pytest.mark.parametrize("name", [f.name for f in fields(NetworkConfig)])
def test_every_field_changes_the_network(name):
    """A field that changes nothing would be a bug: other parameters, or another output from the same ones."""
    a, x = network_and_input(BASE)
    b, y = network_and_input(replace(BASE, **{name: OTHER[name]}))
    same_shapes = {k: v.shape for k, v in a.state_dict().items()} == {k: v.shape for k, v in b.state_dict().items()}
    if same_shapes and x.shape == y.shape:
        b.load_state_dict(a.state_dict())
        assert not torch.equal(a(x), b(x))
    else:
        assert not same_shapes or x.shape != y.shape


@pytest.mark.parametrize("rescale", [True, False])
def test_attention_weights_are_those_of_the_paper(rescale):
    network, x = network_and_input(replace(BASE, rescale=rescale))
    weights = network.attention(x)
    assert weights["spatial"].shape == (J, T, B, 2 * J)
    assert weights["temporal"].shape == (J, T, B, H)
    assert weights["velocity"].shape == (J, B, H)
    for name, weight in weights.items():
        total = weight.shape[-1] if rescale else 1
        torch.testing.assert_close(weight.sum(-1), torch.full(weight.shape[:-1], float(total)), msg=name)
    assert set(network_and_input(replace(BASE, spatial=False, temporal="none"))[0].attention(x)) == set()


@pytest.mark.parametrize("values", [{"window": 1}, {"hidden": 1}, {"hidden_layers": -1}, {"temporal": "later"}])
def test_a_wrong_field_is_named(values):
    with pytest.raises(ConfigError, match=rf"network\.{next(iter(values))}"):
        NetworkConfig(**values)
