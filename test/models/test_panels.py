# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The compiled kernels give the numbers of torch, forward and backward."""

import copy
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from vastares_ros.models import panels
from vastares_ros.models.stacked import StackedLSTM
from vastares_ros.models.va_sta_reslstm import NetworkConfig, VaStaResLSTM


def close(ours: torch.Tensor, exact: torch.Tensor, tolerance: float = 1e-5) -> None:
    """Differences are small beside the largest number."""
    assert ours.dtype == torch.float32 and exact.dtype == torch.float64
    assert float((ours.detach() - exact.detach()).abs().max()) <= tolerance * float(exact.detach().abs().max())


def backward(module: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Output, and the gradients of input and parameters, for a loss that weighs all outputs differently."""
    x = x.clone().requires_grad_()
    out = module(x)
    weights = torch.linspace(-1, 2, out.numel(), dtype=x.dtype).reshape(out.shape)
    (out * weights).sum().backward()
    assert x.grad is not None
    return out, [x.grad, *(p.grad for p in module.parameters() if p.grad is not None)]


def test_kernels_compile_and_are_for_float32_gradients():
    x = torch.zeros(1)
    assert panels.usable(x)
    assert not panels.usable(x.double())
    with torch.no_grad():
        assert not panels.usable(x)


@pytest.mark.parametrize(
    ("nets", "time", "batch", "inputs", "hidden"),
    [(1, 1, 1, 1, 1), (3, 7, 5, 4, 6), (2, 2, 16, 14, 32), (2, 11, 128, 21, 33), (1, 9, 70, 3, 5)],
)
def test_the_lstm_and_its_gradients_are_those_of_torch(nets, time, batch, inputs, hidden):
    torch.manual_seed(nets + time)
    stacked, x = StackedLSTM(nets, inputs, hidden), torch.randn(nets, time, batch, inputs)
    out, (grad_x, grad_input, grad_hidden, grad_bias) = backward(stacked, x)
    order = torch.cat(
        [torch.arange(2 * hidden), torch.arange(3 * hidden, 4 * hidden), torch.arange(2 * hidden, 3 * hidden)]
    )
    seen = x.double().requires_grad_()
    singles = [nn.LSTM(inputs, hidden).double() for _ in range(nets)]
    with torch.no_grad():
        for j, single in enumerate(singles):
            single.weight_ih_l0.copy_(stacked.weight_input[j].T[order])
            single.weight_hh_l0.copy_(stacked.weight_hidden[j].T[order])
            single.bias_ih_l0.copy_(stacked.bias[j, 0][order])
            single.bias_hh_l0.zero_()
    expected = torch.stack([single(rows)[0] for single, rows in zip(singles, seen, strict=True)])
    (expected * torch.linspace(-1, 2, out.numel(), dtype=torch.double).reshape(out.shape)).sum().backward()
    close(out, expected)
    close(grad_x, seen.grad)
    for j, single in enumerate(singles):
        close(grad_input[j].T[order], single.weight_ih_l0.grad)
        close(grad_bias[j, 0][order], single.bias_ih_l0.grad)
        if time > 1:
            close(grad_hidden[j].T[order], single.weight_hh_l0.grad)
        else:
            assert not grad_hidden.any()


def network(batch: int, seeds: int = 2, **choices: object) -> tuple[VaStaResLSTM, torch.Tensor]:
    """A network in training, and windows for it; every parameter matters."""
    torch.manual_seed(0)
    config = NetworkConfig(**{"window": 9, "hidden": 12, **choices})
    module = VaStaResLSTM(3, config, seeds).train()
    for parameter in (module.norm.weight, module.norm.bias):
        nn.init.uniform_(parameter, 0.5, 1.5)
    shape = (batch, config.window, config.features(3))
    return module, torch.randn(seeds, *shape) if seeds > 1 else torch.randn(shape)


@pytest.mark.parametrize(
    ("batch", "choices"),
    [
        (128, {"window": 32, "hidden": 32}),
        (5, {}),
        (37, {"seeds": 1, "hidden": 33, "window": 13}),
        (20, {"window": 2, "velocity": "window"}),
        (32, {"spatial_activation": "tanh", "temporal_activation": "elu", "velocity": "own"}),
        (32, {"spatial_activation": "relu", "temporal_activation": "sigmoid", "hidden_layers": 0, "temporal": "hn"}),
        (32, {"spatial_activation": "selu", "temporal_activation": "relu", "temporal": "wa", "hidden_layers": 1}),
        (32, {"rescale": False}),
        (32, {"spatial": False, "temporal": "none"}),
    ],
)
def test_the_network_and_its_gradients_are_those_of_torch(batch, choices, monkeypatch):
    module, x = network(batch, **choices)
    exact = copy.deepcopy(module).double()
    called = []
    monkeypatch.setattr(panels, "join", lambda *a, join=panels.join, **k: called.append(1) or join(*a, **k))
    out, grads = backward(module, x)
    assert called, "the kernels are not taken"
    expected, exact_grads = backward(exact, x.double())
    assert len(called) == 1, "float64 is torch's"
    close(out, expected)
    names = ["x", *(name for name, _ in module.named_parameters())]
    for name, ours, theirs in zip(names, grads, exact_grads, strict=True):
        # the bias before a normalisation has next to no gradient: what remains is rounding of larger numbers
        close(ours, theirs, 1e-3 if name == "residual.bias" else 2e-5)
    for ours, theirs in zip(module.buffers(), exact.buffers(), strict=True):
        close(ours, theirs)


@pytest.mark.parametrize(
    "choices",
    [{"residual": False}, {"sigmoid": "lstm"}, {"sigmoid": "sum"}, {"temporal_axis": "time"}],
)
def test_what_the_kernels_do_not_have_is_torch_around_the_lstm(choices, monkeypatch):
    module, x = network(16, **choices)
    called = []
    monkeypatch.setattr(panels, "lstm", lambda *a, lstm=panels.lstm: called.append(1) or lstm(*a))
    out, _ = backward(module, x)
    assert called
    expected, _ = backward(copy.deepcopy(module).double(), x.double())
    close(out, expected)


def test_without_kernels_torch_gives_the_same_numbers(monkeypatch):
    module, x = network(16)
    alone = copy.deepcopy(module)
    out, grads = backward(module, x)
    monkeypatch.setattr(panels, "kernels", lambda: None)
    expected, torch_grads = backward(alone, x)
    close(out, expected.double())
    for ours, theirs in zip(grads[:-1], torch_grads[:-1], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max()) + 1e-5)


def test_bits_of_the_kernels_do_not_depend_on_threads_or_on_the_run():
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 2, 4):
            torch.set_num_threads(threads)
            module, x = network(40, temporal="wa")
            out = module._by_panels(x)  # without velocity and head, which are torch's
            (out * torch.linspace(-1, 2, out.numel()).reshape(out.shape)).sum().backward()
            results.append([out, *(p.grad for p in module.parameters() if p.grad is not None)])
    finally:
        torch.set_num_threads(before)
    assert len(results[0]) == 28
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert torch.equal(a, b)


def test_training_steps_repeat_bit_for_bit():
    results = []
    for _ in range(2):
        module, x = network(40)
        out, grads = backward(module, x)
        results.append([out, *grads])
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "elu", "selu"])
def test_numbers_that_are_none_stay_none(activation):
    module, x = network(16, spatial=False, temporal_activation=activation)
    x[0, 3] = torch.nan
    out, _ = backward(module, x)
    assert out[:, :3].isnan().all(), "of the seed that saw them, through its batch normalisation"
    assert out[:, 3:].isfinite().all()


def test_large_inputs_saturate():
    stacked = StackedLSTM(1, 1, 2)
    x = torch.tensor([-1e30, -1e4, 0.0, 1e4, 1e30]).view(1, 1, 5, 1)
    with torch.no_grad():
        expected = stacked(x)
    torch.testing.assert_close(stacked(x), expected)


@pytest.mark.process
def test_numba_is_imported_for_training_only_and_may_be_missing():
    code = """
import sys, torch
from vastares_ros.models import panels
from vastares_ros.models.stacked import StackedLSTM
import vastares_ros.training.loop
lstm = StackedLSTM(1, 2, 3)
with torch.no_grad():
    lstm(torch.ones(1, 4, 5, 2))
assert "numba" not in sys.modules
lstm(torch.ones(1, 4, 5, 2)).sum().backward()
assert panels.kernels() is None and lstm.bias.grad.any()
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "NUMBA_DISABLE_JIT": "1"})
