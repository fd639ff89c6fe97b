# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Compiled kernels of a training step on a CPU; `panels` gives them gradients.

Importing this compiles, or loads what an earlier import compiled, and therefore takes a while; ImportError says that
there is no way to compile. All arrays are float32 and flat here. They hold panels: F rows of `width` numbers, one for
each window of a batch, so that one vector of the CPU holds the same feature of several windows, features may have any
number, and sums over features need no sum within a vector. `width` is a multiple of `LANES`. Every kernel runs the
networks `first` to `last`, without Python's lock.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import float32, int64, njit, types, void
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic, models, overload, register_model

if numba.config.DISABLE_JIT:
    raise ImportError("numba is told not to compile")

_, _CPU, _FEATURES = cpu_target.target_context.codegen().magic_tuple()
WIDE = "+avx512f" in _FEATURES
LANES = 16 if WIDE else 8  # numbers in a vector
_ROWS, _VECTORS = (6, 4) if WIDE else (6, 2)  # of a product that stay in registers
_LEFT, _RIGHT = (8, 3) if WIDE else (4, 3)  # of a gradient of weights that stay in registers
BLOCK = 4  # steps of which the gradient of weights is summed at once
ZERO, BIAS, ADD = 0, 1, 2  # what a product starts from

_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)
_INTS = ir.VectorType(ir.IntType(32), LANES)
_FUSE = ("contract",)


class _Vector(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"vector_of_{LANES}")


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any):
        super().__init__(manager, fe_type, _VECTOR)


_vector = _Vector()
_array = types.Array(float32, 1, "C")


def _data(context: Any, builder: Any, array: Any) -> Any:
    return context.make_array(_array)(context, builder, array).data


def _load(builder: Any, data: Any, index: Any) -> Any:
    return builder.load(builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer()), align=4)


def _store(builder: Any, value: Any, data: Any, index: Any) -> None:
    builder.store(value, builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer()), align=4)


def _splat(builder: Any, value: Any) -> Any:
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), mask)


def _sum(builder: Any, value: Any) -> Any:
    kind = ir.FunctionType(_FLOAT, [_FLOAT, _VECTOR])
    reduce = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fadd.v{LANES}f32")
    return builder.call(reduce, [ir.Constant(_FLOAT, 0.0), value], fastmath=("reassoc",))


def _fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    return builder.fadd(builder.fmul(a, b, flags=_FUSE), c, flags=_FUSE)


@intrinsic
def load(typingctx: Any, array: Any, index: Any) -> Any:
    """The vector at `index` of `array`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _load(builder, _data(context, builder, args[0]), args[1])

    return _vector(_array, int64), codegen


@intrinsic
def store(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """Write a vector to `index` of `array`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _store(builder, args[2], _data(context, builder, args[0]), args[1])
        return context.get_dummy_value()

    return void(_array, int64, _vector), codegen


@intrinsic
def splat(typingctx: Any, value: Any) -> Any:
    """A vector of one number."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, args[0])

    return _vector(float32), codegen


@intrinsic
def total(typingctx: Any, value: Any) -> Any:
    """The sum of a vector's numbers."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _sum(builder, args[0])

    return float32(_vector), codegen


@intrinsic
def where_positive(typingctx: Any, what: Any, then: Any, otherwise: Any) -> Any:
    """`then` where `what` > 0, else `otherwise`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        positive = builder.fcmp_ordered(">", args[0], ir.Constant(_VECTOR, [0.0] * LANES))
        return builder.select(positive, args[1], args[2])

    return _vector(_vector, _vector, _vector), codegen


@intrinsic
def times_power_of_two(typingctx: Any, value: Any, power: Any) -> Any:
    """`value` times 2 to the integer that stands in the lowest bits of `power`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, power = (builder.bitcast(arg, _INTS) for arg in args)
        shifted = builder.shl(power, ir.Constant(_INTS, [23] * LANES))
        return builder.bitcast(builder.add(value, shifted), _VECTOR)

    return _vector(_vector, _vector), codegen


def _binary(emit: Callable[[Any, Any, Any], Any], symbol: Any = None) -> Any:
    """An intrinsic of two vectors, which is also what `symbol` means between them."""

    @intrinsic
    def operation(typingctx: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return emit(builder, *args)

        return _vector(_vector, _vector), codegen

    if symbol is not None:

        @overload(symbol)
        def implementation(a, b):
            if isinstance(a, _Vector) and isinstance(b, _Vector):
                return lambda a, b: operation(a, b)
            return None

    return operation


_binary(lambda builder, a, b: builder.fadd(a, b, flags=_FUSE), operator.add)
_binary(lambda builder, a, b: builder.fsub(a, b, flags=_FUSE), operator.sub)
_binary(lambda builder, a, b: builder.fmul(a, b, flags=_FUSE), operator.mul)
_binary(lambda builder, a, b: builder.fdiv(a, b), operator.truediv)
largest = _binary(lambda builder, a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b))
smallest = _binary(lambda builder, a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b))


def _product_tile(rows: int, vectors: int) -> Any:
    """An intrinsic: `rows` rows by `vectors` vectors of a product, summed in registers."""

    @intrinsic
    def tile(
        typingctx: Any,
        out: Any,
        o: Any,
        weight: Any,
        w: Any,
        by_k: Any,
        by_row: Any,
        x: Any,
        x0: Any,
        width: Any,
        k: Any,
        bias: Any,
        b: Any,
        start: Any,
    ) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            _, o, _, w, by_k, by_row, _, x0, width, k, _, b, start = args
            out, weight, x, bias = (_data(context, builder, args[i]) for i in (0, 2, 6, 10))
            number = ir.IntType(64)
            grid = [(row, v) for row in range(rows) for v in range(vectors)]
            sums = {at: cgutils.alloca_once(builder, _VECTOR) for at in grid}

            def at_out(row: int, v: int) -> Any:
                return builder.add(o, builder.add(builder.mul(width, number(row)), number(v * LANES)))

            with builder.if_else(builder.icmp_signed("==", start, number(ADD))) as (adding, fresh):
                with adding:
                    for at, held in sums.items():
                        builder.store(_load(builder, out, at_out(*at)), held)
                with fresh:
                    for held in sums.values():
                        builder.store(ir.Constant(_VECTOR, [0.0] * LANES), held)
                    with builder.if_then(builder.icmp_signed("==", start, number(BIAS))):
                        for row in range(rows):
                            value = builder.load(builder.gep(bias, [builder.add(b, number(row))]))
                            for v in range(vectors):
                                builder.store(_splat(builder, value), sums[row, v])
            starts = [builder.add(w, builder.mul(by_row, number(row))) for row in range(rows)]
            bases = [builder.gep(weight, [s]) for s in starts]
            with cgutils.for_range(builder, k, intp=number) as loop:
                at_x = builder.add(x0, builder.mul(loop.index, width))
                at_w = builder.mul(loop.index, by_k)
                seen = [_load(builder, x, builder.add(at_x, number(v * LANES))) for v in range(vectors)]
                for row in range(rows):
                    factor = _splat(builder, builder.load(builder.gep(bases[row], [at_w])))
                    for v in range(vectors):
                        builder.store(_fma(builder, factor, seen[v], builder.load(sums[row, v])), sums[row, v])
            for at, held in sums.items():
                _store(builder, builder.load(held), out, at_out(*at))
            return context.get_dummy_value()

        given = [_array, int64, _array, int64, int64, int64, _array, int64, int64, int64, _array, int64, int64]
        return void(*given), codegen

    return tile


def _outer_tile(rows: int, columns: int) -> Any:
    """An intrinsic: a `rows` by `columns` part of sums over steps and windows of x times d, summed in registers."""

    @intrinsic
    def tile(
        typingctx: Any,
        out: Any,
        o: Any,
        by_row: Any,
        x: Any,
        x0: Any,
        x_step: Any,
        d: Any,
        d0: Any,
        d_step: Any,
        width: Any,
        steps: Any,
    ) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            _, o, by_row, _, x0, x_step, _, d0, d_step, width, steps = args
            out, x, d = (_data(context, builder, args[i]) for i in (0, 3, 6))
            number = ir.IntType(64)
            grid = [(row, column) for row in range(rows) for column in range(columns)]
            sums = {at: cgutils.alloca_once_value(builder, ir.Constant(_VECTOR, [0.0] * LANES)) for at in grid}
            for held in sums.values():
                builder.store(ir.Constant(_VECTOR, [0.0] * LANES), held)
            with cgutils.for_range(builder, steps, intp=number) as step:
                at_x = builder.add(x0, builder.mul(step.index, x_step))
                at_d = builder.add(d0, builder.mul(step.index, d_step))
                of_x = [builder.gep(x, [builder.add(at_x, builder.mul(width, number(r)))]) for r in range(rows)]
                of_d = [builder.gep(d, [builder.add(at_d, builder.mul(width, number(c)))]) for c in range(columns)]
                with cgutils.for_range(builder, builder.sdiv(width, number(LANES)), intp=number) as loop:
                    index = builder.mul(loop.index, number(LANES))
                    right = [_load(builder, base, index) for base in of_d]
                    for row in range(rows):
                        left = _load(builder, of_x[row], index)
                        for column in range(columns):
                            held = sums[row, column]
                            builder.store(_fma(builder, left, right[column], builder.load(held)), held)
            for (row, column), held in sums.items():
                at = builder.gep(out, [builder.add(builder.add(o, builder.mul(by_row, number(row))), number(column))])
                builder.store(builder.fadd(builder.load(at), _sum(builder, builder.load(held))), at)
            return context.get_dummy_value()

        given = [_array, int64, int64, _array, int64, int64, _array, int64, int64, int64, int64]
        return void(*given), codegen

    return tile


_many_many = _product_tile(_ROWS, _VECTORS)
_two_many = _product_tile(2, _VECTORS)
_one_many = _product_tile(1, _VECTORS)
_many_one = _product_tile(_ROWS, 1)
_one_one = _product_tile(1, 1)
_outer_many_many = _outer_tile(_LEFT, _RIGHT)
_outer_half_many = _outer_tile(_LEFT // 2, _RIGHT)
_outer_half_one = _outer_tile(_LEFT // 2, 1)
_outer_one_many = _outer_tile(1, _RIGHT)
_outer_many_one = _outer_tile(_LEFT, 1)
_outer_one_one = _outer_tile(1, 1)


@njit(nogil=True)
def product(out, o, weight, w, by_k, by_row, x, x0, width, rows, k, bias, b, start):
    """A panel at `o` of `rows` rows: row i is the sum over k of weight[w + k by_k + i by_row] times row k of x."""
    column = 0
    while column + _VECTORS * LANES <= width:
        i = 0
        while i + _ROWS <= rows:
            _many_many(
                out, o + i * width + column, weight, w + i * by_row, by_k, by_row, x, x0 + column, width, k, bias,
                b + i, start,
            )  # fmt: skip
            i += _ROWS
        while i + 2 <= rows:
            _two_many(
                out, o + i * width + column, weight, w + i * by_row, by_k, by_row, x, x0 + column, width, k, bias,
                b + i, start,
            )  # fmt: skip
            i += 2
        while i < rows:
            _one_many(
                out, o + i * width + column, weight, w + i * by_row, by_k, by_row, x, x0 + column, width, k, bias,
                b + i, start,
            )  # fmt: skip
            i += 1
        column += _VECTORS * LANES
    while column < width:
        i = 0
        while i + _ROWS <= rows:
            _many_one(
                out, o + i * width + column, weight, w + i * by_row, by_k, by_row, x, x0 + column, width, k, bias,
                b + i, start,
            )  # fmt: skip
            i += _ROWS
        while i < rows:
            _one_one(
                out, o + i * width + column, weight, w + i * by_row, by_k, by_row, x, x0 + column, width, k, bias,
                b + i, start,
            )  # fmt: skip
            i += 1
        column += LANES


@njit(nogil=True)
def outer(out, o, x, x0, x_step, d, d0, d_step, width, rows, columns, steps):
    """Add to out (rows, columns) the sums over steps and windows of rows of x times rows of d."""
    i = 0
    while i + _LEFT <= rows:
        j = 0
        while j + _RIGHT <= columns:
            _outer_many_many(
                out, o + i * columns + j, columns, x, x0 + i * width, x_step, d, d0 + j * width, d_step, width, steps
            )
            j += _RIGHT
        while j < columns:
            _outer_many_one(
                out, o + i * columns + j, columns, x, x0 + i * width, x_step, d, d0 + j * width, d_step, width, steps
            )
            j += 1
        i += _LEFT
    while i + _LEFT // 2 <= rows:
        j = 0
        while j + _RIGHT <= columns:
            _outer_half_many(
                out, o + i * columns + j, columns, x, x0 + i * width, x_step, d, d0 + j * width, d_step, width, steps
            )
            j += _RIGHT
        while j < columns:
            _outer_half_one(
                out, o + i * columns + j, columns, x, x0 + i * width, x_step, d, d0 + j * width, d_step, width, steps
            )
            j += 1
        i += _LEFT // 2
    while i < rows:
        j = 0
        while j + _RIGHT <= columns:
            _outer_one_many(
                out, o + i * columns + j, columns, x, x0 + i * width, x_step, d, d0 + j * width, d_step, width, steps
            )
            j += _RIGHT
        while j < columns:
            _outer_one_one(
                out, o + i * columns + j, columns, x, x0 + i * width, x_step, d, d0 + j * width, d_step, width, steps
            )
            j += 1
        i += 1


@njit(nogil=True)
def row_sums(out, o, d, d0, d_step, width, rows, steps):
    """Add to out (rows,) the sums over steps and windows of the rows of d."""
    for i in range(rows):
        held = splat(np.float32(0))
        for step in range(steps):
            at = d0 + step * d_step + i * width
            of_step = splat(np.float32(0))  # sums of sums: rounding errors stay small
            for column in range(0, width, LANES):
                of_step = of_step + load(d, at + column)
            held = held + of_step
        out[o + i] += total(held)


@njit(nogil=True)
def exp(x):
    """The exponential, to a few units in the last place of float32, of numbers cut at -87 and 88."""
    x = smallest(splat(np.float32(88)), largest(splat(np.float32(-87)), x))
    magic = splat(np.float32(12582912))  # 1.5 times 2 to the 23: adding it rounds to an integer
    rounded = x * splat(np.float32(1.44269504088896341)) + magic
    whole = rounded - magic
    r = x - whole * splat(np.float32(0.693359375))
    r = r + whole * splat(np.float32(2.12194440e-4))
    p = splat(np.float32(1.9875691500e-4))
    p = p * r + splat(np.float32(1.3981999507e-3))
    p = p * r + splat(np.float32(8.3334519073e-3))
    p = p * r + splat(np.float32(4.1665795894e-2))
    p = p * r + splat(np.float32(1.6666665459e-1))
    p = p * r + splat(np.float32(5.0000001201e-1))
    p = p * (r * r) + (r + splat(np.float32(1)))
    return times_power_of_two(p, rounded)


@njit(nogil=True)
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    one = splat(np.float32(1))
    return one / (one + exp(splat(np.float32(0)) - x))


@njit(nogil=True)
def tanh(x):
    """2 sigmoid(2x) - 1."""
    y = sigmoid(x + x)
    return y + y - splat(np.float32(1))


SIGMOID, TANH, RELU, ELU, SELU = range(5)
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


@njit(nogil=True)
def activate(a, at, size, kind):
    """Apply an activation in place."""
    one = splat(np.float32(1))
    zero = splat(np.float32(0))
    if kind == SIGMOID:
        for i in range(at, at + size, LANES):
            store(a, i, sigmoid(load(a, i)))
    elif kind == TANH:
        for i in range(at, at + size, LANES):
            store(a, i, tanh(load(a, i)))
    elif kind == RELU:
        for i in range(at, at + size, LANES):
            store(a, i, largest(zero, load(a, i)))  # in this order NaN stays NaN
    else:
        scale = splat(np.float32(SELU_SCALE if kind == SELU else 1.0))
        low = splat(np.float32(SELU_SCALE * SELU_ALPHA if kind == SELU else 1.0))
        for i in range(at, at + size, LANES):
            x = load(a, i)
            store(a, i, where_positive(x, scale * x, low * (exp(x) - one)))


@njit(nogil=True)
def slope(d, at, y, y0, size, kind):
    """Multiply d by the slope of an activation whose output is y."""
    one = splat(np.float32(1))
    zero = splat(np.float32(0))
    if kind == SIGMOID:
        for i in range(0, size, LANES):
            s = load(y, y0 + i)
            store(d, at + i, load(d, at + i) * (s - s * s))
    elif kind == TANH:
        for i in range(0, size, LANES):
            s = load(y, y0 + i)
            store(d, at + i, load(d, at + i) * (one - s * s))
    elif kind == RELU:
        for i in range(0, size, LANES):
            store(d, at + i, where_positive(load(y, y0 + i), load(d, at + i), zero))
    else:
        scale = splat(np.float32(SELU_SCALE if kind == SELU else 1.0))
        low = splat(np.float32(SELU_SCALE * SELU_ALPHA if kind == SELU else 1.0))
        for i in range(0, size, LANES):
            s = load(y, y0 + i)
            store(d, at + i, load(d, at + i) * where_positive(s, scale, s + low))


_a, _i = _array, int64


def _compiled(*arguments: Any) -> Callable[[Any], Any]:
    """Compile for these arguments now; keep the result for the next process where there is a place for it."""

    def decorate(function: Any) -> Any:
        try:
            return njit(void(*arguments), nogil=True, cache=True)(function)
        except RuntimeError:  # no folder to write to
            return njit(void(*arguments), nogil=True)(function)

    return decorate


@_compiled(_i, _i, _a, _a, _a, _a, _a, _a, _a, _i, _i, _i, _i)
def lstm_forward(first, last, x, weight_input, weight_hidden, bias, gates, cells, hidden, time, inputs, size, width):
    """Gates, cells and hidden states of an LSTM with zero initial state; gates in the order i, f, o, g."""
    four, part = 4 * size, size * width
    for net in range(first, last):
        for step in range(time):
            at = net * time + step
            g, c, h = at * 4 * part, at * part, at * part
            product(
                gates, g, weight_input, net * inputs * four, four, 1, x, at * inputs * width, width, four, inputs,
                bias, net * four, BIAS,
            )  # fmt: skip
            if step > 0:
                product(
                    gates, g, weight_hidden, net * size * four, four, 1, hidden, h - part, width, four, size,
                    bias, 0, ADD,
                )  # fmt: skip
            for k in range(0, part, LANES):
                i = sigmoid(load(gates, g + k))
                o = sigmoid(load(gates, g + 2 * part + k))
                candidate = tanh(load(gates, g + 3 * part + k))
                f = sigmoid(load(gates, g + part + k))
                cell = i * candidate
                if step > 0:
                    cell = cell + f * load(cells, c - part + k)
                store(gates, g + k, i)
                store(gates, g + part + k, f)
                store(gates, g + 2 * part + k, o)
                store(gates, g + 3 * part + k, candidate)
                store(cells, c + k, cell)
                store(hidden, h + k, o * tanh(cell))


@_compiled(_i, _i, _a, _a, _a, _a, _a, _a, _a, _a, _a, _a, _a, _i, _i, _i, _i)
def lstm_backward(
    first, last, x, weight_input, weight_hidden, gates, cells, hidden, grad_hidden, grad_x, grad_input, grad_recurrent,
    grad_bias, time, inputs, size, width,
):  # fmt: skip
    """Back through time. The gradients of weights are added to what stands there; no grad_x where it is empty."""
    four, part = 4 * size, size * width
    one, zero = splat(np.float32(1)), splat(np.float32(0))
    slopes = np.empty(BLOCK * 4 * part, np.float32)  # gradients at the gates, a slot for each step of a block
    grad_h, grad_c = np.empty(part, np.float32), np.empty(part, np.float32)
    for net in range(first, last):
        w_x, w_h = net * inputs * four, net * size * four
        grad_c[:] = 0
        later = 0
        for step in range(time - 1, -1, -1):
            at = net * time + step
            g, c = at * 4 * part, at * part
            d = step % BLOCK * 4 * part
            for k in range(0, part, LANES):
                store(grad_h, k, load(grad_hidden, c + k))
            if step < time - 1:
                product(grad_h, 0, weight_hidden, w_h, 1, four, slopes, later, width, size, four, grad_bias, 0, ADD)
            for k in range(0, part, LANES):
                i, f = load(gates, g + k), load(gates, g + part + k)
                o, candidate = load(gates, g + 2 * part + k), load(gates, g + 3 * part + k)
                tanh_cell, dh = tanh(load(cells, c + k)), load(grad_h, k)
                dc = load(grad_c, k) + dh * o * (one - tanh_cell * tanh_cell)
                before = zero
                if step > 0:
                    before = load(cells, c - part + k)
                store(slopes, d + k, dc * candidate * (i - i * i))
                store(slopes, d + part + k, dc * before * (f - f * f))
                store(slopes, d + 2 * part + k, dh * tanh_cell * (o - o * o))
                store(slopes, d + 3 * part + k, dc * i * (one - candidate * candidate))
                store(grad_c, k, dc * f)
            if len(grad_x) > 0:
                product(
                    grad_x, at * inputs * width, weight_input, w_x, 1, four, slopes, d, width, inputs, four,
                    grad_bias, 0, ZERO,
                )  # fmt: skip
            later = d
            if step % BLOCK == 0:
                steps = min(BLOCK, time - step)
                outer(
                    grad_input, w_x, x, at * inputs * width, inputs * width, slopes, 0, 4 * part, width, inputs, four,
                    steps,
                )  # fmt: skip
                row_sums(grad_bias, net * four, slopes, 0, 4 * part, width, four, steps)
                skipped = 1 if step == 0 else 0  # nothing was hidden before the first
                outer(
                    grad_recurrent, w_h, hidden, (at + skipped - 1) * part, part, slopes, skipped * 4 * part, 4 * part,
                    width, size, four, steps - skipped,
                )  # fmt: skip


@_compiled(_i, _i, _a, _a, _a, _a, _a, _a, _i, _i, _i, _i, _i, _i, _i, _i, _a)
def attend_forward(
    first, last, x, weights, biases, kept, alpha, out, nets, groups, layers, time, size, width, kind, pooled, scale
):
    """Inputs x times scale times the softmax over features of a perceptron of them.

    `out` has one panel for each step; where it is pooled, two: the newest step, and the average.
    The networks share the inputs of their group. Weights are (layers, nets, size, size).
    """
    part = size * width
    scores = np.empty(part, np.float32)
    factor = splat(scale[0])
    share = splat(np.float32(1) / np.float32(time))
    for net in range(first, last):
        if pooled:
            out[net * 2 * part : (net + 1) * 2 * part] = 0
        for step in range(time):
            at = net * time + step
            x0 = (net * groups // nets * time + step) * part
            source, s0 = x, x0
            for layer in range(layers):
                w = (layer * nets + net) * size
                if layer < layers - 1:
                    k0 = (at * (layers - 1) + layer) * part
                    product(kept, k0, weights, w * size, size, 1, source, s0, width, size, size, biases, w, BIAS)
                    activate(kept, k0, part, kind)
                    source, s0 = kept, k0
                else:
                    product(scores, 0, weights, w * size, size, 1, source, s0, width, size, size, biases, w, BIAS)
            for column in range(0, width, LANES):
                top = load(scores, column)
                for k in range(column + width, part, width):
                    top = largest(top, load(scores, k))
                held = splat(np.float32(0))
                for k in range(column, part, width):
                    e = exp(load(scores, k) - top)
                    store(scores, k, e)
                    held = held + e
                held = splat(np.float32(1)) / held
                for k in range(column, part, width):
                    a = load(scores, k) * held
                    y = load(x, x0 + k) * a * factor
                    store(alpha, at * part + k, a)
                    if pooled:
                        if step == time - 1:
                            store(out, net * 2 * part + k, y)
                        store(out, (net * 2 + 1) * part + k, load(out, (net * 2 + 1) * part + k) + share * y)
                    else:
                        store(out, at * part + k, y)


@_compiled(_i, _i, _a, _a, _a, _a, _a, _a, _a, _a, _i, _i, _i, _i, _i, _i, _i, _i, _a)
def attend_backward(
    first, last, x, weights, kept, alpha, grad, grad_x, grad_weights, grad_biases, nets, groups, layers, time, size,
    width, kind, pooled, scale,
):  # fmt: skip
    """The gradient of `attend_forward`. Those of weights are added to what stands there; an empty grad_x stays so."""
    part = size * width
    wanted = len(grad_x) > 0
    factor = splat(scale[0])
    share = splat(np.float32(1) / np.float32(time))
    d, below = np.empty(BLOCK * part, np.float32), np.empty(BLOCK * part, np.float32)
    for net in range(first, last):
        for block in range(0, time, BLOCK):
            steps = min(BLOCK, time - block)
            begin = (net * groups // nets * time + block) * part
            for step in range(steps):
                at = (net * time + block + step) * part
                for column in range(0, width, LANES):
                    held = splat(np.float32(0))
                    for k in range(column, part, width):
                        if pooled:
                            dy = share * load(grad, (net * 2 + 1) * part + k)
                            if block + step == time - 1:
                                dy = dy + load(grad, net * 2 * part + k)
                        else:
                            dy = load(grad, at + k)
                        dy = dy * factor
                        a = load(alpha, at + k)
                        if wanted:
                            store(grad_x, at + k, dy * a)
                        reached = a * dy * load(x, begin + step * part + k)
                        store(d, step * part + k, reached)
                        held = held + reached
                    for k in range(column, part, width):
                        store(d, step * part + k, load(d, step * part + k) - load(alpha, at + k) * held)
            for layer in range(layers - 1, -1, -1):
                w = (layer * nets + net) * size
                row_sums(grad_biases, w, d, 0, part, width, size, steps)
                if layer == 0:
                    outer(grad_weights, w * size, x, begin, part, d, 0, part, width, size, size, steps)
                    if wanted:
                        for step in range(steps):
                            product(
                                grad_x, (net * time + block + step) * part, weights, w * size, 1, size, d, step * part,
                                width, size, size, grad_biases, 0, ADD,
                            )  # fmt: skip
                else:
                    k0 = ((net * time + block) * (layers - 1) + layer - 1) * part
                    by_step = (layers - 1) * part
                    outer(grad_weights, w * size, kept, k0, by_step, d, 0, part, width, size, size, steps)
                    for step in range(steps):
                        product(
                            below, step * part, weights, w * size, 1, size, d, step * part, width, size, size,
                            grad_biases, 0, ZERO,
                        )  # fmt: skip
                        slope(below, step * part, kept, k0 + step * by_step, part, kind)
                    d, below = below, d


@_compiled(_i, _i, _a, _a, _a, _a, _a, _a, _a, _a, _a, _a, _a, _a, _i, _i, _i, _i, _i, _a)
def join_forward(
    first, last, x, hidden, weight, bias, scale, shift, mask, skip, centred, mean, var, out, time, inputs, size, width,
    windows, eps,
):  # fmt: skip
    """Batch normalisation of hidden states plus the sigmoid of a linear layer of x; `mask` is one for real windows."""
    part = size * width
    count = np.float32(time * windows)
    one = np.float32(1)
    sums = np.empty(size * LANES, np.float32)
    for net in range(first, last):
        sums[:] = 0
        for step in range(time):
            at = net * time + step
            product(
                skip, at * part, weight, net * inputs * size, size, 1, x, at * inputs * width, width, size, inputs,
                bias, net * size, BIAS,
            )  # fmt: skip
            for k in range(size):
                held = splat(np.float32(0))
                for column in range(0, width, LANES):
                    i = at * part + k * width + column
                    s = sigmoid(load(skip, i))
                    z = s + load(hidden, i)
                    store(skip, i, s)
                    store(centred, i, z)
                    held = held + z * load(mask, column)
                store(sums, k * LANES, load(sums, k * LANES) + held)
        for k in range(size):
            mean[net * size + k] = total(load(sums, k * LANES)) / count
        sums[:] = 0
        for step in range(time):
            for k in range(size):
                held, centre = splat(np.float32(0)), splat(mean[net * size + k])
                for column in range(0, width, LANES):
                    i = (net * time + step) * part + k * width + column
                    z = (load(centred, i) - centre) * load(mask, column)
                    store(centred, i, z)
                    held = held + z * z
                store(sums, k * LANES, load(sums, k * LANES) + held)
        for k in range(size):
            var[net * size + k] = total(load(sums, k * LANES)) / count
        for step in range(time):
            for k in range(size):
                rate = one / np.sqrt(var[net * size + k] + eps[0])
                factor, offset = splat(scale[net * size + k] * rate), splat(shift[net * size + k])
                for column in range(0, width, LANES):
                    i = (net * time + step) * part + k * width + column
                    store(out, i, load(centred, i) * factor + offset)


@_compiled(_i, _i, _a, _a, _a, _a, _a, _a, _a, _a, _a, _a, _a, _a, _a, _a, _i, _i, _i, _i, _i, _a)
def join_backward(
    first, last, x, weight, scale, mask, skip, centred, var, grad, grad_x, grad_hidden, grad_weight, grad_bias,
    grad_scale, grad_shift, time, inputs, size, width, windows, eps,
):  # fmt: skip
    """The gradient of `join_forward`. Those of weights are added to what stands there."""
    part = size * width
    count = np.float32(time * windows)
    one = np.float32(1)
    d = np.empty(BLOCK * part, np.float32)
    sums = np.empty(2 * size * LANES, np.float32)
    means = np.empty(2 * size, np.float32)
    for net in range(first, last):
        sums[:] = 0
        for step in range(time):
            for k in range(size):
                plain, weighted = splat(np.float32(0)), splat(np.float32(0))
                for column in range(0, width, LANES):
                    i = (net * time + step) * part + k * width + column
                    dy = load(grad, i) * load(mask, column)
                    plain = plain + dy
                    weighted = weighted + dy * load(centred, i)
                store(sums, 2 * k * LANES, load(sums, 2 * k * LANES) + plain)
                store(sums, (2 * k + 1) * LANES, load(sums, (2 * k + 1) * LANES) + weighted)
        for k in range(size):
            rate = one / np.sqrt(var[net * size + k] + eps[0])
            plain, weighted = total(load(sums, 2 * k * LANES)), total(load(sums, (2 * k + 1) * LANES))
            grad_shift[net * size + k] += plain
            grad_scale[net * size + k] += weighted * rate
            means[2 * k] = plain / count
            means[2 * k + 1] = weighted * rate * rate / count
        for block in range(0, time, BLOCK):
            steps = min(BLOCK, time - block)
            for step in range(steps):
                at = net * time + block + step
                for k in range(size):
                    rate = one / np.sqrt(var[net * size + k] + eps[0])
                    factor = splat(scale[net * size + k] * rate)
                    of_mean, of_var = splat(means[2 * k]), splat(means[2 * k + 1])
                    for column in range(0, width, LANES):
                        i = at * part + k * width + column
                        dz = (load(grad, i) - of_mean - load(centred, i) * of_var) * factor * load(mask, column)
                        s = load(skip, i)
                        store(grad_hidden, i, dz)
                        store(d, step * part + k * width + column, dz * (s - s * s))
                product(
                    grad_x, at * inputs * width, weight, net * inputs * size, 1, size, d, step * part, width, inputs,
                    size, grad_bias, 0, ZERO,
                )  # fmt: skip
            begin = (net * time + block) * inputs * width
            outer(grad_weight, net * inputs * size, x, begin, inputs * width, d, 0, part, width, inputs, size, steps)
            row_sums(grad_bias, net * size, d, 0, part, width, size, steps)
