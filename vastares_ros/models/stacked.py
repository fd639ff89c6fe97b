# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Layers for J separate networks that run as one.

[1] trains one network per joint. Here the J networks are stacked along a leading axis, so that one batched product
serves all of them; joints share no weight and no gradient. Every tensor is (J, N, ·): network, row, feature. Training
stacks the networks of several seeds in the same way, seed after seed: J is then seeds times joints.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from . import panels


def for_each(nets: int, x: Tensor) -> Tensor:
    """What every network sees, (J, ·, ·, C), of an input shared by all (·, ·, C) or one a seed (S, ·, ·, C)."""
    if x.dim() == 3:
        return x.expand(nets, -1, -1, -1)
    return x.repeat_interleave(nets // len(x), dim=0)


class StackedLinear(nn.Module):
    """J linear layers: (J, N, inputs) -> (J, N, outputs). Initialised as `torch.nn.Linear`."""

    def __init__(self, nets: int, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nets, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(nets, 1, outputs))
        for parameter in (self.weight, self.bias):
            nn.init.uniform_(parameter, -(inputs**-0.5), inputs**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Affine map of every row by the weights of its network."""
        return torch.baddbmm(self.bias, x, self.weight)


class StackedMLP(nn.Module):
    """J multi-layer perceptrons: input layer, hidden layers, output layer (figures 3 and 5 of [1])."""

    def __init__(self, nets: int, width: int, hidden_layers: int, activation: Callable[[Tensor], Tensor]):
        """Build; `activation` may work in place, which spares the gradient a second look at its input."""
        super().__init__()
        self.layers = nn.ModuleList(StackedLinear(nets, width, width) for _ in range(hidden_layers + 2))
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Scores before the softmax: (J, N, width) -> (J, N, width)."""
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)


class StackedBatchNorm(nn.Module):
    """J batch normalisations over the rows: (J, N, features) -> the same. Frozen statistics in eval mode.

    The equations and constants are those of `torch.nn.BatchNorm1d`, which would want the networks side by side.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, nets: int, features: int, momentum: float = 0.1, eps: float = 1e-5):
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(nets, 1, features))
        self.bias = nn.Parameter(torch.zeros(nets, 1, features))
        self.register_buffer("running_mean", torch.zeros(nets, 1, features))
        self.register_buffer("running_var", torch.ones(nets, 1, features))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each feature of each network over the N rows."""
        if not self.training:
            scale = self.weight * (self.running_var + self.eps).rsqrt()
            return torch.addcmul(self.bias - self.running_mean * scale, x, scale)
        mean = x.mean(1, keepdim=True)
        centred = x - mean
        var = centred.square().mean(1, keepdim=True)
        self.track(mean, var, x.shape[1])
        return torch.addcmul(self.bias, centred, self.weight * (var + self.eps).rsqrt())

    @torch.no_grad()
    def track(self, mean: Tensor, var: Tensor, rows: int) -> None:
        """Let mean and variance (J, 1, features) of a batch of `rows` rows enter the running ones."""
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var * (rows / (rows - 1)), self.momentum)


class StackedLSTM(nn.Module):
    """J LSTM layers with zero initial state: (J, T, B, inputs) -> hidden states (J, T, B, hidden).

    The equations are those of `torch.nn.LSTM`; gates stand in the order input, forget, output, candidate. For a
    gradient on a CPU, in float32, compiled kernels compute them (`panels`); elsewhere `_Recurrence` does.
    """

    def __init__(self, nets: int, inputs: int, hidden: int):
        super().__init__()
        self.hidden = hidden
        self.weight_input = nn.Parameter(torch.empty(nets, inputs, 4 * hidden))
        self.weight_hidden = nn.Parameter(torch.empty(nets, hidden, 4 * hidden))
        self.bias = nn.Parameter(torch.empty(nets, 1, 4 * hidden))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(hidden**-0.5), hidden**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Run the recurrence over T."""
        if x.device.type == "cpu" and not torch.is_grad_enabled():
            return self._by_torch(x)
        if panels.usable(x):
            states = panels.lstm(panels.panels(x), self.weight_input, self.weight_hidden, self.bias)
            return states[..., : x.shape[2]].mT.contiguous()
        weight = torch.cat([self.weight_input, self.bias, self.weight_hidden * 2], dim=1)
        twice = weight.new_ones(4 * self.hidden)
        twice[3 * self.hidden :] = 2
        return _Recurrence.apply(x, weight * twice) * 2  # type: ignore[no-untyped-call]

    def _by_torch(self, x: Tensor) -> Tensor:
        """Network by network with torch's own, in less than half the time for the one window of a live tick."""
        h = self.hidden
        weights = []
        for ours in (self.weight_input, self.weight_hidden, self.bias):
            early, output, candidate = ours.split([2 * h, h, h], dim=2)
            weights.append(torch.cat([early, candidate, output], dim=2).mT.contiguous())  # torch's order
        start = x.new_zeros(1, x.shape[2], h)
        none = x.new_zeros(4 * h)  # torch has two biases
        return torch.stack(
            [
                torch.lstm(rows, (start, start), (of_x, of_h, bias[:, 0], none), True, 1, 0.0, False, False, False)[0]
                for rows, of_x, of_h, bias in zip(x, *weights, strict=True)
            ]
        )


class _Recurrence(torch.autograd.Function):
    """The LSTM recurrence with its gradient written out.

    Autograd would keep a graph of some ten small operations for each of the T steps. Written out, both passes are one
    short loop whose step stays in a core's cache: at these sizes memory and the number of operations, not arithmetic,
    are what a CPU waits for. So all four gates are sigmoids, g of twice its input, which a CPU has in a tenth of the
    time of a tanh: tanh(a) = 2 (sigmoid(2a) - 1/2). The factors 2 that remain are in the weights: the loop runs on half
    the cell, c/2 = f c/2 + i (g - 1/2), and half the hidden state, h/2 = o (sigmoid(2c) - 1/2). The bias is the weight
    of an input that is always one. `bench/training_speed.py` has the figures.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        """From x (J, T, B, C) and weight (J, C + 1 + h, 4h) to half the hidden states (J, T, B, h)."""
        nets, time, batch, inputs = x.shape
        size = weight.shape[2] // 4
        seen = x.new_empty(time + 1, nets, batch, inputs + 1 + size)  # x, one, and half the hidden state before
        seen[:-1, ..., :inputs] = x.transpose(0, 1)
        seen[..., inputs] = 1
        seen[0, ..., inputs + 1 :] = 0
        gates = x.new_empty(time, nets, batch, 4 * size)  # i, f, o, g
        cells = x.new_empty(2, time, nets, batch, size)  # c/2 and tanh(c)/2
        hidden = seen[1:, ..., inputs + 1 :]
        before = None  # half the cell of the step before
        steps = zip(seen[:-1], gates, *gates.split(size, dim=-1), *cells, hidden, strict=True)  # all views at once
        for row, gate, i, f, o, g, cell, tanh_cell, h in steps:
            torch.bmm(row, weight, out=gate).sigmoid_()
            torch.mul(i, g, out=cell).sub_(i, alpha=0.5)
            if before is not None:
                cell.addcmul_(f, before)
            torch.mul(cell, 4, out=tanh_cell).sigmoid_().sub_(0.5)
            torch.mul(o, tanh_cell, out=h)
            before = cell
        ctx.save_for_backward(seen, gates, cells, weight)
        return hidden.transpose(0, 1).contiguous()

    @staticmethod
    def backward(ctx: Any, grad_hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Back through time; see any text on the LSTM for the derivation."""
        seen, gates, cells, weight = ctx.saved_tensors
        size = grad_hidden.shape[-1]
        inputs = seen.shape[-1] - size - 1
        grad_seen = torch.empty_like(seen[:-1])
        grad_weight = torch.zeros_like(weight)
        grad_gate = torch.empty_like(gates[0])
        grad_i, grad_f, grad_o, grad_g = grad_gate.split(size, dim=-1)
        grad_cell = torch.zeros_like(cells[0, 0])
        transposed = weight.mT.contiguous()
        from_later = None
        before = (None, *cells[0, :-1])
        parts = gates.split(size, dim=-1)
        steps = zip(seen[:-1], gates, *parts, before, cells[1], grad_hidden.unbind(1), grad_seen, strict=True)
        for row, gate, i, f, o, g, cell_before, tanh_cell, grad, grad_row in reversed(list(steps)):
            torch.addcmul(gate, gate, gate, value=-1, out=grad_gate)  # the slope of a sigmoid s is s - s²
            grad_h = grad.clone() if from_later is None else grad + from_later
            reached = grad_h * tanh_cell
            grad_o *= reached
            grad_h.addcmul_(reached, tanh_cell, value=-4)  # the slope of y = tanh(2a)/2 is 1 - 4y²
            grad_cell.addcmul_(grad_h, o)
            grad_i *= (grad_cell * g).sub_(grad_cell, alpha=0.5)
            grad_g.mul_(grad_cell).mul_(i)
            if cell_before is None:
                grad_f.zero_()
            else:
                grad_f.mul_(grad_cell).mul_(cell_before)
                grad_cell *= f
            torch.bmm(grad_gate, transposed, out=grad_row)
            from_later = grad_row[..., inputs + 1 :]
            grad_weight.baddbmm_(row.mT, grad_gate)
        return grad_seen[..., :inputs].transpose(0, 1), grad_weight


class StackedGRU(nn.Module):
    """J GRU layers with zero initial state: (J, T, B, inputs) -> hidden states (J, T, B, hidden).

    The equations are those of `torch.nn.GRU`; gates stand in its order reset, update, candidate.
    """

    def __init__(self, nets: int, inputs: int, hidden: int):
        super().__init__()
        self.hidden = hidden
        self.weight_input = nn.Parameter(torch.empty(nets, inputs, 3 * hidden))
        self.weight_hidden = nn.Parameter(torch.empty(nets, hidden, 3 * hidden))
        self.bias = nn.Parameter(torch.empty(nets, 1, 3 * hidden))
        self.bias_candidate = nn.Parameter(torch.empty(nets, 1, hidden))  # of the hidden side, inside the reset
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(hidden**-0.5), hidden**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Run the recurrence over T."""
        sizes = [2 * self.hidden, self.hidden]
        state = x.new_zeros(x.shape[0], x.shape[2], self.hidden)
        states = []
        for drive in _drive(x, self.weight_input, self.bias):
            gates, candidate = drive.split(sizes, dim=-1)
            own_gates, own_candidate = torch.bmm(state, self.weight_hidden).split(sizes, dim=-1)
            reset, update = (gates + own_gates).sigmoid().chunk(2, dim=-1)
            candidate = torch.addcmul(candidate, reset, own_candidate + self.bias_candidate).tanh()
            state = torch.lerp(candidate, state, update)
            states.append(state)
        return torch.stack(states, dim=1)


class StackedRNN(nn.Module):
    """J tanh recurrent layers, as `torch.nn.RNN`: (J, T, B, inputs) -> hidden states (J, T, B, hidden)."""

    def __init__(self, nets: int, inputs: int, hidden: int):
        super().__init__()
        self.hidden = hidden
        self.weight_input = nn.Parameter(torch.empty(nets, inputs, hidden))
        self.weight_hidden = nn.Parameter(torch.empty(nets, hidden, hidden))
        self.bias = nn.Parameter(torch.empty(nets, 1, hidden))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(hidden**-0.5), hidden**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Run the recurrence over T."""
        state = x.new_zeros(x.shape[0], x.shape[2], self.hidden)
        states = []
        for drive in _drive(x, self.weight_input, self.bias):
            state = torch.baddbmm(drive, state, self.weight_hidden).tanh()
            states.append(state)
        return torch.stack(states, dim=1)


def _drive(x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, ...]:
    """What the inputs (J, T, B, C) add to the gates, in one product for all steps: T tensors (J, B, ·)."""
    nets, time, batch, inputs = x.shape
    return torch.baddbmm(bias, x.reshape(nets, time * batch, inputs), weight).view(nets, time, batch, -1).unbind(1)


class StackedLayerNorm(nn.Module):
    """J layer normalisations over the last axis: (J, N, features) -> the same."""

    def __init__(self, nets: int, features: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(nets, 1, features))
        self.bias = nn.Parameter(torch.zeros(nets, 1, features))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise every row by itself."""
        return torch.addcmul(self.bias, layer_norm(x, x.shape[-1:]), self.weight)
