# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Layers of a training step on a CPU, of compiled kernels with their gradients.

The kernels see panels (J, T, F, W): network, step, feature, window. W is the number of windows, filled up with zeros to
a multiple of a CPU's vector. What stands in the columns that are filled up has no effect: no gradient comes from there.
The networks are divided among as many threads as torch has; no sum depends on how many these are.
"""

from __future__ import annotations

import threading
from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

ACTIVATIONS = ("sigmoid", "tanh", "relu", "elu", "selu")  # in the order of the kernels' numbers


@cache
def kernels() -> ModuleType | None:
    """The compiled kernels, or None where numba is missing or does not compile; torch then does all."""
    try:
        from . import training_kernels as compiled
    except Exception:  # whatever a compiler may raise
        return None
    return compiled


def usable(x: Tensor) -> bool:
    """Whether the kernels can take the place of torch: float32 on a CPU, for a gradient."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and torch.is_grad_enabled() and kernels() is not None


def panels(x: Tensor) -> Tensor:
    """Panels (·, T, C, W) of rows (·, T, B, C)."""
    compiled = kernels()
    assert compiled is not None
    return pad(x.mT, (0, -x.shape[-2] % compiled.LANES)).contiguous()


def attend(x: Tensor, parameters: list[Tensor], activation: str, scale: float, pooled: bool, nets: int) -> Tensor:
    """Inputs times `scale` times the softmax over features of a perceptron of them.

    Args:
        x: panels (S, T, F, W), shared by the networks of each of S seeds; (J, T, F, W) where each has its own.
        parameters: weight (J, F, F) and bias (J, 1, F) of each layer.
        activation: of all layers but the last.
        scale: a factor.
        pooled: whether to return only the newest step and the average over steps.
        nets: J.

    Returns:
        Panels (J, T, F, W), or (J, 2, F, W) where they are pooled.
    """
    weights, biases = torch.stack(parameters[::2]), torch.stack(parameters[1::2])
    kind = ACTIVATIONS.index(activation)
    return _Attend.apply(x, weights, biases, kind, scale, pooled, nets)  # type: ignore[no-untyped-call]


def lstm(x: Tensor, weight_input: Tensor, weight_hidden: Tensor, bias: Tensor) -> Tensor:
    """Hidden states (J, T, h, W) of an LSTM of panels (J, T, C, W), with the weights of `StackedLSTM`."""
    return _LSTM.apply(x, weight_input, weight_hidden, bias)  # type: ignore[no-untyped-call]


def join(
    x: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, windows: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch normalisation, over the first `windows` columns, of hidden states plus the sigmoid of a linear layer.

    Returns:
        Panels (J, T, h, W), and mean and variance (J, 1, h) of what is normalised.
    """
    return _Join.apply(x, hidden, weight, bias, scale, shift, windows, eps)  # type: ignore[no-untyped-call]


def _run(name: str, nets: int, *arguments: Any) -> None:
    """Run a kernel for all networks. Threads of our own end with it, so that a process may fork in between."""
    kernel = getattr(kernels(), name)
    flat = [a.detach().reshape(-1).numpy() if isinstance(a, Tensor) else a for a in arguments]
    parts = min(torch.get_num_threads(), nets)
    edges = [nets * i // parts for i in range(parts + 1)]
    threads = [threading.Thread(target=kernel, args=(*part, *flat)) for part in pairwise(edges[1:])]
    for thread in threads:
        thread.start()
    kernel(0, edges[1], *flat)
    for thread in threads:
        thread.join()


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weights: Tensor, biases: Tensor, kind: int, scale: float, pooled: bool, nets: int
    ) -> Tensor:
        groups, time, size, width = x.shape
        layers = len(weights)
        kept = x.new_empty(nets, time, layers - 1, size, width)
        alpha = x.new_empty(nets, time, size, width)
        out = x.new_empty(nets, 2 if pooled else time, size, width)
        ctx.shape = (nets, groups, layers, time, size, width, kind, int(pooled), x.new_tensor([scale]))
        _run("attend_forward", nets, x, weights, biases, kept, alpha, out, *ctx.shape)
        ctx.save_for_backward(x, weights, kept, alpha)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weights, kept, alpha = ctx.saved_tensors
        nets, groups, *_ = ctx.shape
        grad_x = torch.empty_like(alpha) if ctx.needs_input_grad[0] else x.new_empty(0)
        grad_weights, grad_biases = torch.zeros_like(weights), torch.zeros_like(weights[:, :, :1])
        _run(
            "attend_backward", nets, x, weights, kept, alpha, grad.contiguous(), grad_x, grad_weights,
            grad_biases, *ctx.shape,
        )  # fmt: skip
        of_x = grad_x.unflatten(0, (groups, -1)).sum(1) if groups < nets and len(grad_x) else grad_x
        return of_x if ctx.needs_input_grad[0] else None, grad_weights, grad_biases, None, None, None, None


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight_input: Tensor, weight_hidden: Tensor, bias: Tensor) -> Tensor:
        nets, time, inputs, width = x.shape
        size = weight_hidden.shape[1]
        gates = x.new_empty(nets, time, 4 * size, width)
        cells, hidden = x.new_empty(2, nets, time, size, width)
        ctx.shape = (time, inputs, size, width)
        _run("lstm_forward", nets, x, weight_input, weight_hidden, bias, gates, cells, hidden, *ctx.shape)
        ctx.save_for_backward(x, weight_input, weight_hidden, gates, cells, hidden)
        return hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        x, weight_input, weight_hidden, *_ = saved
        grad_x = torch.empty_like(x) if ctx.needs_input_grad[0] else x.new_empty(0)
        of_input, of_hidden = torch.zeros_like(weight_input), torch.zeros_like(weight_hidden)
        of_bias = torch.zeros_like(weight_input[:, :1])
        _run(
            "lstm_backward", len(x), *saved, grad.contiguous(), grad_x, of_input, of_hidden, of_bias,
            *ctx.shape,
        )  # fmt: skip
        return grad_x if ctx.needs_input_grad[0] else None, of_input, of_hidden, of_bias


class _Join(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, windows: int,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        nets, time, inputs, width = x.shape
        size = hidden.shape[2]
        skip, centred, out = torch.empty_like(hidden), torch.empty_like(hidden), torch.empty_like(hidden)
        mean, var = x.new_empty(2, nets, 1, size)
        mask = (torch.arange(width) < windows).to(x.dtype)
        ctx.shape = (time, inputs, size, width, windows, x.new_tensor([eps]))
        given = (x, hidden, weight, bias, scale, shift)
        _run("join_forward", nets, *given, mask, skip, centred, mean, var, out, *ctx.shape)
        ctx.save_for_backward(x, weight, scale, mask, skip, centred, var)
        ctx.mark_non_differentiable(mean, var)
        return out, mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        x, weight, scale, mask, skip, centred, var = ctx.saved_tensors
        grad_x, grad_hidden, grad_weight = torch.empty_like(x), torch.empty_like(skip), torch.zeros_like(weight)
        of_bias, of_scale, of_shift = (torch.zeros_like(scale) for _ in range(3))
        _run(
            "join_backward", len(x), x, weight, scale, mask, skip, centred, var, grad.contiguous(), grad_x,
            grad_hidden, grad_weight, of_bias, of_scale, of_shift, *ctx.shape,
        )  # fmt: skip
        return grad_x, grad_hidden, grad_weight, of_bias, of_scale, of_shift, None, None
