"""Layers for J separate networks that run as one.

[1] trains one network per joint. Here the J networks are stacked along a leading axis, so that one batched product
serves all of them; joints share no weight and no gradient. Every tensor is (J, N, ·): network, row, feature.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm


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

    def __init__(self, nets: int, width: int, hidden_layers: int, activation: nn.Module):
        super().__init__()
        self.layers = nn.ModuleList(StackedLinear(nets, width, width) for _ in range(hidden_layers + 2))
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Scores before the softmax: (J, N, width) -> (J, N, width)."""
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)


class StackedBatchNorm(nn.Module):
    """J batch normalisations over the rows: (J, N, features) -> the same. Frozen statistics in eval mode."""

    def __init__(self, nets: int, features: int):
        super().__init__()
        self.norm = nn.BatchNorm1d(nets * features)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each feature of each network over the N rows."""
        nets, rows, features = x.shape
        flat = x.transpose(0, 1).reshape(rows, nets * features)
        return self.norm(flat).view(rows, nets, features).transpose(0, 1)


class StackedLSTM(nn.Module):
    """J LSTM layers with zero initial state: (J, T, B, inputs) -> hidden states (J, T, B, hidden).

    The equations are those of `torch.nn.LSTM`; gates stand in the order input, forget, output, candidate.
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
        nets, time, batch, inputs = x.shape
        drive = torch.baddbmm(self.bias, x.reshape(nets, time * batch, inputs), self.weight_input)
        return _Recurrence.apply(drive.view(nets, time, batch, -1), self.weight_hidden)


class _Recurrence(torch.autograd.Function):
    """The LSTM recurrence with its gradient written out.

    Autograd would keep a graph of some ten small operations for each of the T steps; written out, the backward pass
    is one short loop and the weight gradient one product at its end. `bench/training_speed.py` has the figures.
    """

    @staticmethod
    def forward(ctx: Any, drive: Tensor, weight: Tensor) -> Tensor:
        """From drive (J, T, B, 4h) and weight (J, h, 4h) to hidden states (J, T, B, h)."""
        nets, time, batch, width = drive.shape
        size = width // 4
        gates = drive.new_empty(time, nets, batch, width)  # i, f, o after the sigmoid, candidate after the tanh
        cells = drive.new_empty(2, time, nets, batch, size)  # c, tanh(c)
        hidden = drive.new_empty(nets, time, batch, size)
        for t in range(time):
            gate, cell, tanh_cell = gates[t], cells[0, t], cells[1, t]
            if t == 0:
                gate.copy_(drive[:, 0])
            else:
                torch.baddbmm(drive[:, t], hidden[:, t - 1], weight, out=gate)
            i, f, o, candidate = gate.split(size, dim=-1)
            gate[..., : 3 * size].sigmoid_()
            candidate.tanh_()
            torch.mul(i, candidate, out=cell)
            if t > 0:
                cell.addcmul_(f, cells[0, t - 1])
            torch.tanh(cell, out=tanh_cell)
            torch.mul(o, tanh_cell, out=hidden[:, t])
        ctx.save_for_backward(gates, cells, hidden, weight)
        return hidden

    @staticmethod
    def backward(ctx: Any, grad_hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Back through time; see any text on the LSTM for the derivation."""
        gates, cells, hidden, weight = ctx.saved_tensors
        nets, time, batch, size = hidden.shape
        grad_drive = hidden.new_empty(nets, time, batch, 4 * size)
        transposed = weight.transpose(1, 2)
        grad_cell = torch.zeros_like(cells[0, 0])
        from_later = torch.zeros_like(grad_cell)
        for t in reversed(range(time)):
            i, f, o, candidate = gates[t].split(size, dim=-1)
            open_gates = gates[t, ..., : 3 * size]  # the slope of a sigmoid s is s - s²
            slope_i, slope_f, slope_o = torch.addcmul(open_gates, open_gates, open_gates, value=-1).split(size, dim=-1)
            grad_i, grad_f, grad_o, grad_candidate = grad_drive[:, t].split(size, dim=-1)
            tanh_cell = cells[1, t]
            grad_h = grad_hidden[:, t] + from_later
            torch.mul(grad_h * tanh_cell, slope_o, out=grad_o)
            grad_h *= o
            grad_cell += grad_h.addcmul_(grad_h * tanh_cell, tanh_cell, value=-1)  # the slope of tanh is 1 - tanh²
            torch.mul(grad_cell * candidate, slope_i, out=grad_i)
            change = grad_cell * i
            torch.addcmul(change, change * candidate, candidate, value=-1, out=grad_candidate)
            if t > 0:
                torch.mul(grad_cell * cells[0, t - 1], slope_f, out=grad_f)
                from_later = torch.bmm(grad_drive[:, t], transposed)
                grad_cell *= f
            else:
                grad_f.zero_()
        before = hidden[:, :-1].reshape(nets, (time - 1) * batch, size)
        after = grad_drive[:, 1:].reshape(nets, (time - 1) * batch, 4 * size)
        return grad_drive, torch.bmm(before.transpose(1, 2), after)


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
