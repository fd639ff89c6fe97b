# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every stacked layer equals a loop over the torch module it stacks."""

import pytest
import torch
from torch import nn

from vastares_ros.models.stacked import (
    StackedBatchNorm,
    StackedGRU,
    StackedLayerNorm,
    StackedLinear,
    StackedLSTM,
    StackedRNN,
)

J, B, T, C, H = 3, 5, 7, 4, 6


def single_lstm(stacked: StackedLSTM, j: int) -> nn.LSTM:
    """torch.nn.LSTM with the weights of network j; torch orders the gates i, f, g, o, we i, f, o, g."""
    lstm = nn.LSTM(C, H)
    order = torch.cat([torch.arange(2 * H), torch.arange(3 * H, 4 * H), torch.arange(2 * H, 3 * H)])
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(stacked.weight_input[j].T[order])
        lstm.weight_hh_l0.copy_(stacked.weight_hidden[j].T[order])
        lstm.bias_ih_l0.copy_(stacked.bias[j, 0][order])
        lstm.bias_hh_l0.zero_()
    return lstm


@pytest.mark.parametrize("training", [True, False])
def test_lstm_equals_the_loop_over_torch_lstm(training):
    stacked, x = StackedLSTM(J, C, H), torch.randn(J, T, B, C)
    with torch.set_grad_enabled(training):
        together = stacked(x)
    assert together.requires_grad == training
    for j in range(J):
        torch.testing.assert_close(together[j], single_lstm(stacked, j)(x[j])[0])


def single_gru(stacked: StackedGRU, j: int) -> nn.GRU:
    """torch.nn.GRU with the weights of network j; of torch's two biases, ours has what is not redundant."""
    gru = nn.GRU(C, H)
    with torch.no_grad():
        gru.weight_ih_l0.copy_(stacked.weight_input[j].T)
        gru.weight_hh_l0.copy_(stacked.weight_hidden[j].T)
        gru.bias_ih_l0.copy_(stacked.bias[j, 0])
        gru.bias_hh_l0.zero_()[2 * H :].copy_(stacked.bias_candidate[j, 0])
    return gru


def single_rnn(stacked: StackedRNN, j: int) -> nn.RNN:
    """torch.nn.RNN with the weights of network j."""
    rnn = nn.RNN(C, H)
    with torch.no_grad():
        rnn.weight_ih_l0.copy_(stacked.weight_input[j].T)
        rnn.weight_hh_l0.copy_(stacked.weight_hidden[j].T)
        rnn.bias_ih_l0.copy_(stacked.bias[j, 0])
        rnn.bias_hh_l0.zero_()
    return rnn


@pytest.mark.parametrize(("layer", "single"), [(StackedGRU, single_gru), (StackedRNN, single_rnn)])
def test_gru_and_rnn_equal_the_loop_over_torch(layer, single):
    stacked, x = layer(J, C, H), torch.randn(J, T, B, C)
    together = stacked(x)
    for j in range(J):
        torch.testing.assert_close(together[j], single(stacked, j)(x[j])[0])


def test_layer_norm_equals_the_loop_over_torch():
    stacked, x = StackedLayerNorm(J, C), torch.randn(J, B, C) * 3 + 1
    for parameter in stacked.parameters():
        nn.init.normal_(parameter)
    for j in range(J):
        expected = nn.functional.layer_norm(x[j], (C,), stacked.weight[j, 0], stacked.bias[j, 0])
        torch.testing.assert_close(stacked(x)[j], expected)


def test_the_written_out_gradient_is_the_numerical_one():
    stacked = StackedLSTM(2, 3, 2).double()
    x = torch.randn(2, 2, 4, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: stacked(x), (x, *stacked.parameters()))


def test_linear_equals_the_loop_over_torch_linear():
    stacked, x = StackedLinear(J, C, H), torch.randn(J, B, C)
    for j in range(J):
        expected = nn.functional.linear(x[j], stacked.weight[j].T, stacked.bias[j, 0])
        torch.testing.assert_close(stacked(x)[j], expected)


def test_batch_norm_equals_the_loop_and_is_frozen_in_eval():
    stacked = StackedBatchNorm(J, C)
    singles = [nn.BatchNorm1d(C) for _ in range(J)]
    for _ in range(3):
        x = torch.randn(J, B, C) * 3 + 1
        together = stacked(x)
        for j in range(J):
            torch.testing.assert_close(together[j], singles[j](x[j]))
    stacked.eval()
    before = stacked.running_mean.clone()
    x = torch.randn(J, B, C)
    torch.testing.assert_close(stacked(x)[1], singles[1].eval()(x[1]))
    torch.testing.assert_close(stacked(x)[:, :1], stacked(x[:, :1]), msg="a row must not depend on its batch")
    assert torch.equal(before, stacked.running_mean)
