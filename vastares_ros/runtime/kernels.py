# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The networks as machine code for one window at a time, compiled by numba.

`push` takes one sample in and keeps what depends on it alone; `torque` runs the rest over the window. Both read the
sizes and places in `PLAN`, which `compiled` fills, so that one compilation serves every network. Nothing is allocated.

All arrays are flat, in float32. Their rows are padded to a multiple of 16 columns by weights of zero. The code works on
vectors of 8 numbers, `Float8`: LLVM has them on every processor, and makes two or four instructions out of one where
registers are shorter. A product and a sum may become one instruction; no other liberty is taken with the arithmetic,
so that NaN stays NaN, and a computer gives the same bits at every call.

numba looks at this file alone to tell whether what it has on disk is outdated. So all that is compiled stands here.
"""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import from_dtype, njit, types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

WIDTH = 8  # numbers in a vector
# Of the polynomial for 2^r, r from -0.5 to 0.5, with the smallest relative error (7.5e-8 before rounding).
POWER_OF_TWO = (1.0000001192, 0.6931469440, 0.2402212024, 0.0555071346, 0.0096755419, 0.0013276467)
ACTIVATIONS = ("sigmoid", "tanh", "relu", "elu", "selu")  # the place is the number in a plan
KINDS = ("attention", "lstm", "gru", "rnn", "mlp")
TEMPORAL = ("none", "hn", "wa", "va")
SIGMOID = ("lstm", "residual", "sum")
VELOCITY = ("newest", "own", "window")

PLAN = np.dtype(
    [
        (name, np.int64)
        for name in (
            # sizes
            *("kind", "joints", "features", "window"),
            *("first", "rest_from", "rest", "known_from"),  # columns of the features that the network sees, and known
            *("inputs", "inputs_padded", "hidden", "hidden_padded", "gates", "layers"),
            # choices
            *("spatial", "spatial_activation", "residual", "sigmoid"),
            *("temporal", "temporal_activation", "over_time", "velocity", "velocity_inputs", "corrected"),
            # places in the weights: of all joints, and in the block of a joint
            *("mean", "scale", "blocks", "block"),
            *("w_spatial", "w_input", "w_residual", "w_hidden", "w_candidate", "w_norm"),
            *("w_temporal", "w_velocity", "w_layers", "w_head", "w_out", "w_correction"),
            # places in the memory of the window
            *("m_raw", "m_seen", "m_velocity", "m_drive", "m_skip"),
        )
    ]
    + [(name, np.float32) for name in ("spatial_scale", "temporal_scale", "va_scale", "vb_scale")],
    align=True,
)


class _Float8(types.Type):
    """Eight float32 in a register."""

    def __init__(self) -> None:
        super().__init__(name="Float8")


FLOAT8 = _Float8()
_FLOAT, _INT = ir.FloatType(), ir.IntType(32)
_FLOATS, _INTS = ir.VectorType(_FLOAT, WIDTH), ir.VectorType(_INT, WIDTH)


@register_model(_Float8)
class _Float8Model(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any):
        super().__init__(dmm, fe_type, _FLOATS)


def _operator(python: Callable[..., Any], instruction: str) -> None:
    """Give vectors an operator of Python; LLVM may contract a product and a sum."""

    @infer_global(python)
    class Infer(ConcreteTemplate):
        cases = [signature(FLOAT8, FLOAT8, FLOAT8)]  # noqa: RUF012

    @lower_builtin(python, FLOAT8, FLOAT8)
    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args, flags=("contract",))


for _python, _instruction in (("add", "fadd"), ("sub", "fsub"), ("mul", "fmul"), ("truediv", "fdiv")):
    _operator(getattr(operator, _python), _instruction)


def _constant(value: float) -> ir.Constant:
    return ir.Constant(_FLOATS, [float(np.float32(value))] * WIDTH)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, at: Any, to: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), to.as_pointer())


def _spread(builder: Any, value: Any) -> Any:
    first = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), value, ir.Constant(_INT, 0))
    return builder.shuffle_vector(first, ir.Constant(_FLOATS, ir.Undefined), ir.Constant(_INTS, [0] * WIDTH))


@intrinsic
def load(typingctx: Any, array: Any, at: Any) -> Any:
    """The vector at a place of an array."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, sig.args[0], args[0], args[1], _FLOATS), align=4)

    return signature(FLOAT8, array, types.int64), build


@intrinsic
def store(typingctx: Any, array: Any, at: Any, vector: Any) -> Any:
    """Write a vector to a place of an array."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array, at, vector = args
        builder.store(vector, _pointer(context, builder, sig.args[0], array, at, _FLOATS), align=4)
        return context.get_dummy_value()

    return signature(types.void, array, types.int64, FLOAT8), build


@intrinsic
def every(typingctx: Any, array: Any, at: Any) -> Any:
    """A vector of the number at a place of an array."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _spread(builder, builder.load(_pointer(context, builder, sig.args[0], args[0], args[1], _FLOAT)))

    return signature(FLOAT8, array, types.int64), build


@intrinsic
def splat(typingctx: Any, number: Any) -> Any:
    """A vector of a number."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _spread(builder, args[0])

    return signature(FLOAT8, types.float32), build


@intrinsic
def positive(typingctx: Any, which: Any, yes: Any, no: Any) -> Any:
    """`yes` where `which` is above zero, else (for NaN, too) `no`."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        which, yes, no = args
        return builder.select(builder.fcmp_ordered(">", which, _constant(0.0)), yes, no)

    return signature(FLOAT8, FLOAT8, FLOAT8, FLOAT8), build


@intrinsic
def larger(typingctx: Any, one: Any, other: Any) -> Any:
    """The larger number of each place; that of `other` where one is NaN."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return signature(FLOAT8, FLOAT8, FLOAT8), build


@intrinsic
def smaller(typingctx: Any, one: Any, other: Any) -> Any:
    """The smaller number of each place; that of `other` where one is NaN."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *args), *args)

    return signature(FLOAT8, FLOAT8, FLOAT8), build


@intrinsic
def exp2(typingctx: Any, x: Any) -> Any:
    """2 to the power of each number, to 3e-7 of itself; x is limited to ±125, and NaN stays NaN."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        (x,) = args
        for sign, limit in (("<", -125.0), (">", 125.0)):
            x = builder.select(builder.fcmp_ordered(sign, x, _constant(limit)), _constant(limit), x)
        shift = _constant(12582912.0)  # 1.5 · 2^23: a sum with it has no bits for a fraction
        shifted = builder.fadd(x, shift)
        r = builder.fsub(x, builder.fsub(shifted, shift))  # -0.5 to 0.5
        p: Any = _constant(POWER_OF_TWO[-1])
        for coefficient in POWER_OF_TWO[-2::-1]:
            product = builder.fmul(p, r, flags=("contract",))
            p = builder.fadd(product, _constant(coefficient), flags=("contract",))
        whole = builder.shl(builder.bitcast(shifted, _INTS), ir.Constant(_INTS, [23] * WIDTH))  # as an exponent
        power = builder.add(whole, ir.Constant(_INTS, [127 << 23] * WIDTH))
        return builder.fmul(p, builder.bitcast(power, _FLOATS))

    return signature(FLOAT8, FLOAT8), build


def _reduced(builder: Any, vector: Any, join: Callable[[Any, Any], Any]) -> Any:
    """All numbers of a vector joined, in pairs at the largest distance first."""
    for half in (4, 2, 1):
        mask = ir.Constant(_INTS, [(i + half) % WIDTH for i in range(WIDTH)])
        vector = join(vector, builder.shuffle_vector(vector, ir.Constant(_FLOATS, ir.Undefined), mask))
    return builder.extract_element(vector, ir.Constant(_INT, 0))


@intrinsic
def total(typingctx: Any, vector: Any) -> Any:
    """The sum of the numbers of a vector."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _reduced(builder, args[0], builder.fadd)

    return signature(types.float32, FLOAT8), build


@intrinsic
def highest(typingctx: Any, vector: Any) -> Any:
    """The largest number of a vector."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _reduced(builder, args[0], lambda a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b))

    return signature(types.float32, FLOAT8), build


_part = njit(nogil=True, error_model="numpy", forceinline=True)
_function = njit(nogil=True, error_model="numpy")
ZERO, ONE, TWO = np.float32(0), np.float32(1), np.float32(2)
TO_TWO = np.float32(1 / math.log(2))
OF_GATE, OF_TANH = (
    np.float32(-1 / math.log(2)),
    np.float32(-2 / math.log(2)),
)  # what recurrent weights are multiplied by
MOST = np.float32(58)
SELU_ALPHA, SELU_SCALE = np.float32(1.6732632423543772848), np.float32(1.0507009873554804934)


@_part
def exp(x: Any) -> Any:
    """Exponential."""
    return exp2(x * splat(TO_TWO))


@_part
def gate(x: Any) -> Any:
    """Logistic function of what was multiplied by `OF_GATE`."""
    return splat(ONE) / (splat(ONE) + exp2(x))


@_part
def candidate(x: Any) -> Any:
    """Hyperbolic tangent of what was multiplied by `OF_TANH`."""
    return splat(TWO) * gate(x) - splat(ONE)


@_part
def gated_candidate(x: Any, y: Any) -> Any:
    """gate(x) candidate(y) by one division; y is limited: no product is infinite unless the gate is shut."""
    a, b = exp2(x), exp2(smaller(splat(MOST), y))
    return (splat(ONE) - b) / ((splat(ONE) + a) * (splat(ONE) + b))


@_part
def sigmoid(x: Any) -> Any:
    """Logistic function."""
    return gate(x * splat(OF_GATE))


@_part
def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    return candidate(x * splat(OF_TANH))


@_function
def activate(x: Any, start: int, stop: int, which: int) -> None:
    """Put the numbers from `start` to `stop` through an activation."""
    if which == 0:
        for at in range(start, stop, WIDTH):
            store(x, at, sigmoid(load(x, at)))
    elif which == 1:
        for at in range(start, stop, WIDTH):
            store(x, at, tanh(load(x, at)))
    elif which == 2:
        for at in range(start, stop, WIDTH):
            v = load(x, at)
            store(x, at, positive(splat(ZERO) - v, splat(ZERO), v))
    elif which == 3:
        for at in range(start, stop, WIDTH):
            v = load(x, at)
            store(x, at, positive(v, v, exp(v) - splat(ONE)))
    else:
        for at in range(start, stop, WIDTH):
            v = load(x, at)
            grown = splat(SELU_ALPHA * SELU_SCALE) * (exp(v) - splat(ONE))
            store(x, at, positive(v, splat(SELU_SCALE) * v, grown))


@_function
def dense_row(x: Any, x_at: int, inputs: int, w: Any, w_at: int, outputs: int, out: Any, out_at: int) -> None:
    """One row through a linear layer: weights (inputs, outputs), then the bias (outputs), a multiple of 16."""
    bias = w_at + inputs * outputs
    fours = inputs - inputs % 4
    for k in range(0, outputs, 2 * WIDTH):
        a0, a1 = load(w, bias + k), load(w, bias + k + WIDTH)
        b0 = b1 = c0 = c1 = d0 = d1 = splat(ZERO)
        at = w_at + k
        for i in range(0, fours, 4):
            s = every(x, x_at + i)
            a0 = a0 + s * load(w, at)
            a1 = a1 + s * load(w, at + WIDTH)
            at += outputs
            s = every(x, x_at + i + 1)
            b0 = b0 + s * load(w, at)
            b1 = b1 + s * load(w, at + WIDTH)
            at += outputs
            s = every(x, x_at + i + 2)
            c0 = c0 + s * load(w, at)
            c1 = c1 + s * load(w, at + WIDTH)
            at += outputs
            s = every(x, x_at + i + 3)
            d0 = d0 + s * load(w, at)
            d1 = d1 + s * load(w, at + WIDTH)
            at += outputs
        for i in range(fours, inputs):
            s = every(x, x_at + i)
            a0 = a0 + s * load(w, at)
            a1 = a1 + s * load(w, at + WIDTH)
            at += outputs
        store(out, out_at + k, (a0 + b0) + (c0 + d0))
        store(out, out_at + k + WIDTH, (a1 + b1) + (c1 + d1))


@_function
def dense(
    x: Any, x_at: int, rows: int, step: int, inputs: int, w: Any, w_at: int, outputs: int, out: Any, out_at: int
) -> None:
    """Rows, `step` apart, through a linear layer, four at a time so that a weight is loaded once for them."""
    bias = w_at + inputs * outputs
    fours = rows - rows % 4
    for row in range(0, fours, 4):
        for k in range(0, outputs, 2 * WIDTH):
            a0 = b0 = c0 = d0 = load(w, bias + k)
            a1 = b1 = c1 = d1 = load(w, bias + k + WIDTH)
            at, from_a = w_at + k, x_at + row * step
            for _ in range(inputs):
                w0, w1 = load(w, at), load(w, at + WIDTH)
                s = every(x, from_a)
                a0 = a0 + s * w0
                a1 = a1 + s * w1
                s = every(x, from_a + step)
                b0 = b0 + s * w0
                b1 = b1 + s * w1
                s = every(x, from_a + 2 * step)
                c0 = c0 + s * w0
                c1 = c1 + s * w1
                s = every(x, from_a + 3 * step)
                d0 = d0 + s * w0
                d1 = d1 + s * w1
                from_a += 1
                at += outputs
            to = out_at + row * outputs + k
            store(out, to, a0)
            store(out, to + WIDTH, a1)
            store(out, to + outputs, b0)
            store(out, to + outputs + WIDTH, b1)
            store(out, to + 2 * outputs, c0)
            store(out, to + 2 * outputs + WIDTH, c1)
            store(out, to + 3 * outputs, d0)
            store(out, to + 3 * outputs + WIDTH, d1)
    for row in range(fours, rows):
        dense_row(x, x_at + row * step, inputs, w, w_at, outputs, out, out_at + row * outputs)


@_function
def softmax(x: Any, at: int, size: int) -> Any:
    """Let the numbers of a row become their exponentials; returns what these are to be divided by."""
    top = load(x, at)
    for k in range(WIDTH, size, WIDTH):
        top = larger(top, load(x, at + k))
    top = splat(highest(top))
    both = splat(ZERO)
    for k in range(0, size, WIDTH):
        e = exp(load(x, at + k) - top)
        both = both + e
        store(x, at + k, e)
    return total(both)


@_part
def slot_of(newest: int, t: int, window: int) -> int:
    """Place of step t, the oldest is 0, where the newest sample is at place `newest`: a remainder takes longer."""
    slot = newest + 1 + t
    return slot - window if slot >= window else slot


@_function
def lstm(
    drive: Any, drive_at: int, newest: int, window: int, w: Any, w_at: int, rows: int, size: int, out: Any, cell_at: int
) -> None:
    """Run an LSTM over the window from a state of zero; the states become the rows of `out`.

    Units stand in groups of 8; in `drive` and in the weights a group has its gates input, forget, output and candidate,
    multiplied by `OF_GATE` and `OF_TANH`.
    """
    group = rows * 4 * WIDTH
    for t in range(window):
        slot = slot_of(newest, t, window)
        before, now = (t - 1) * size, t * size
        # Units back and forth, since the weights read last are still in the cache; and the states before in the order
        # in which they were made, so that the newest of them is awaited last. Two groups at once: a state is loaded
        # once for both.
        first, step = (0, 1) if t % 2 else (rows - 1, -1)
        for done in range(0, size, 2 * WIDTH):
            unit = size - 2 * WIDTH - done if t % 2 else done
            at = drive_at + 4 * (slot * size + unit)
            i0, f0 = load(drive, at), load(drive, at + WIDTH)
            o0, g0 = load(drive, at + 2 * WIDTH), load(drive, at + 3 * WIDTH)
            i1, f1 = load(drive, at + 4 * WIDTH), load(drive, at + 5 * WIDTH)
            o1, g1 = load(drive, at + 6 * WIDTH), load(drive, at + 7 * WIDTH)
            cell0 = cell1 = splat(ZERO)
            if t:
                at = w_at + (unit // WIDTH) * group + first * 4 * WIDTH
                row = before + first
                for _ in range(rows):
                    s = every(out, row)
                    i0 = i0 + s * load(w, at)
                    f0 = f0 + s * load(w, at + WIDTH)
                    o0 = o0 + s * load(w, at + 2 * WIDTH)
                    g0 = g0 + s * load(w, at + 3 * WIDTH)
                    other = at + group
                    i1 = i1 + s * load(w, other)
                    f1 = f1 + s * load(w, other + WIDTH)
                    o1 = o1 + s * load(w, other + 2 * WIDTH)
                    g1 = g1 + s * load(w, other + 3 * WIDTH)
                    at += step * 4 * WIDTH
                    row += step
                cell0, cell1 = load(out, cell_at + unit), load(out, cell_at + unit + WIDTH)
            cell0 = gate(f0) * cell0 + gated_candidate(i0, g0)
            cell1 = gate(f1) * cell1 + gated_candidate(i1, g1)
            store(out, cell_at + unit, cell0)
            store(out, cell_at + unit + WIDTH, cell1)
            store(out, now + unit, gated_candidate(o0, cell0 * splat(OF_TANH)))
            store(out, now + unit + WIDTH, gated_candidate(o1, cell1 * splat(OF_TANH)))


@_function
def gru(
    drive: Any, drive_at: int, newest: int, window: int, w: Any, w_at: int, rows: int, size: int, bias: int, out: Any
) -> None:
    """Run a GRU, as `lstm`; a group has its gates reset, update and candidate. `bias` is that inside the reset."""
    group = rows * 3 * WIDTH
    for t in range(window):
        slot = slot_of(newest, t, window)
        before, now = (t - 1) * size, t * size
        for done in range(0, size, WIDTH):
            unit = (
                size - WIDTH - done if t % 2 else done
            )  # back and forth: the weights read last are still in the cache
            at = drive_at + 3 * (slot * size + unit)
            r0, u0, c0 = load(drive, at), load(drive, at + WIDTH), load(drive, at + 2 * WIDTH)
            own = load(w, bias + unit)
            state = splat(ZERO)
            if t:
                r1 = u1 = own1 = splat(ZERO)
                at = w_at + (unit // WIDTH) * group
                for row in range(before, before + rows, 2):
                    s = every(out, row)
                    r0 = r0 + s * load(w, at)
                    u0 = u0 + s * load(w, at + WIDTH)
                    own = own + s * load(w, at + 2 * WIDTH)
                    s = every(out, row + 1)
                    r1 = r1 + s * load(w, at + 3 * WIDTH)
                    u1 = u1 + s * load(w, at + 4 * WIDTH)
                    own1 = own1 + s * load(w, at + 5 * WIDTH)
                    at += 6 * WIDTH
                r0, u0, own = r0 + r1, u0 + u1, own + own1
                state = load(out, before + unit)
            new = candidate(c0 + gate(r0) * own)
            store(out, now + unit, new + gate(u0) * (state - new))


@_function
def rnn(drive: Any, drive_at: int, newest: int, window: int, w: Any, w_at: int, rows: int, size: int, out: Any) -> None:
    """Run a recurrent layer with tanh, as `lstm`."""
    for t in range(window):
        slot = slot_of(newest, t, window)
        before, now = (t - 1) * size, t * size
        for done in range(0, size, WIDTH):
            unit = (
                size - WIDTH - done if t % 2 else done
            )  # back and forth: the weights read last are still in the cache
            a = load(drive, drive_at + slot * size + unit)
            if t:
                b = c = d = splat(ZERO)
                at = w_at + unit * rows
                for row in range(before, before + rows, 4):
                    a = a + every(out, row) * load(w, at)
                    b = b + every(out, row + 1) * load(w, at + WIDTH)
                    c = c + every(out, row + 2) * load(w, at + 2 * WIDTH)
                    d = d + every(out, row + 3) * load(w, at + 3 * WIDTH)
                    at += 4 * WIDTH
                a = (a + b) + (c + d)
            store(out, now + unit, candidate(a))


@_function
def dot(x: Any, x_at: int, w: Any, w_at: int, size: int) -> Any:
    """Sum of products of two rows."""
    both = splat(ZERO)
    for k in range(0, size, WIDTH):
        both = both + load(x, x_at + k) * load(w, w_at + k)
    return total(both)


def _push(plans: Any, w: Any, memory: Any, work: Any, slot: int) -> None:
    """Take in the sample whose features stand in the memory, at place `slot` of the window."""
    p = plans[0]
    kind, joints, inputs, padded, size = p.kind, p.joints, p.inputs, p.inputs_padded, p.hidden_padded
    seen, raw = p.m_seen, p.m_raw
    for i in range(inputs):
        column = i if i < p.first else p.rest_from + i - p.first
        memory[seen + i] = (memory[raw + column] - w[p.mean + column]) / w[p.scale + column]
    if kind == 4:
        return
    if kind == 0:
        for joint in range(joints):
            memory[p.m_velocity + slot * joints + joint] = memory[seen + joints + joint]
    gates = p.gates * size
    for joint in range(joints):
        block = p.blocks + joint * p.block
        x, x_at = memory, seen
        if p.spatial:
            here, there = 0, padded
            at = block + p.w_spatial
            dense_row(memory, seen, inputs, w, at, padded, work, here)
            for _ in range(p.layers - 1):
                activate(work, here, here + padded, p.spatial_activation)
                at += (inputs + 1) * padded
                dense_row(work, here, inputs, w, at, padded, work, there)
                here, there = there, here
            share = splat(p.spatial_scale / softmax(work, here, padded))
            for k in range(0, padded, WIDTH):
                store(work, here + k, load(memory, seen + k) * (load(work, here + k) * share))
            x, x_at = work, here
        drive = p.m_drive + (joint * p.window + slot) * gates
        dense_row(x, x_at, inputs, w, block + p.w_input, gates, memory, drive)
        if p.residual:
            skip = p.m_skip + (joint * p.window + slot) * size
            dense_row(x, x_at, inputs, w, block + p.w_residual, size, memory, skip)
            if p.sigmoid == 1:
                activate(memory, skip, skip + size, 0)


@_function
def normalise(p: Any, w: Any, block: int, memory: Any, skip_at: int, newest: int, first: int, work: Any) -> None:
    """Residual connection and batch normalisation of the states from step `first` on."""
    size, window, where, residual = p.hidden_padded, p.window, p.sigmoid, p.residual
    norm = block + p.w_norm
    for t in range(first, window):
        skip = skip_at + slot_of(newest, t, window) * size
        for k in range(0, size, WIDTH):
            v = load(work, t * size + k)
            if where == 0:
                v = sigmoid(v)
            if residual:
                v = v + load(memory, skip + k)
            if where == 2:
                v = sigmoid(v)
            store(work, t * size + k, v * load(w, norm + k) + load(w, norm + size + k))


@_function
def weigh(p: Any, w: Any, block: int, work: Any, newest_at: int, mean_at: int) -> None:
    """Temporal attention on the states in `work`: the newest weighted state, and the mean of all of them."""
    size, window, hidden = p.hidden_padded, p.window, p.hidden
    average = p.temporal >= 2
    first = 0 if average or p.over_time else window - 1
    here, there = window * size, 2 * window * size
    rows = window - first
    at = block + p.w_temporal
    dense(work, first * size, rows, size, hidden, w, at, size, work, here)
    for _ in range(p.layers - 1):
        activate(work, here, here + rows * size, p.temporal_activation)
        at += (hidden + 1) * size
        dense(work, here, rows, size, hidden, w, at, size, work, there)
        here, there = there, here
    scale = p.temporal_scale
    if p.over_time:
        for k in range(0, size, WIDTH):
            top = load(work, here + k)
            for t in range(1, window):
                top = larger(top, load(work, here + t * size + k))
            e = both = summed = splat(ZERO)
            state = splat(ZERO)
            for t in range(window):
                e = exp(load(work, here + t * size + k) - top)
                both = both + e
                state = load(work, t * size + k)
                summed = summed + e * state
            store(work, newest_at + k, splat(scale) * (e / both) * state)
            store(work, mean_at + k, splat(scale / np.float32(window)) * (summed / both))
        return
    for k in range(0, size, WIDTH):
        store(work, mean_at + k, splat(ZERO))
    for row in range(rows):
        scores, state = here + row * size, (first + row) * size
        by = softmax(work, scores, size)
        share, last = splat(scale / (by * np.float32(window))), splat(scale / by)
        if average:
            for k in range(0, size, WIDTH):
                part = share * load(work, scores + k) * load(work, state + k)
                store(work, mean_at + k, load(work, mean_at + k) + part)
        if row == rows - 1:
            for k in range(0, size, WIDTH):
                store(work, newest_at + k, last * load(work, scores + k) * load(work, state + k))


@_function
def velocity_weights(p: Any, w: Any, block: int, memory: Any, joint: int, newest: int, work: Any, at: int) -> None:
    """The weights VA of algorithm 2, before they are scaled, and 1 - VA behind them."""
    size, joints, window = p.hidden_padded, p.joints, p.window
    x_at = at + 2 * size
    if p.velocity == 0:
        for i in range(joints):
            work[x_at + i] = memory[p.m_velocity + newest * joints + i]
    elif p.velocity == 1:
        for t in range(window):
            work[x_at + t] = memory[p.m_velocity + slot_of(newest, t, window) * joints + joint]
    else:
        for t in range(window):
            slot = slot_of(newest, t, window)
            for i in range(joints):
                work[x_at + t * joints + i] = memory[p.m_velocity + slot * joints + i]
    dense_row(work, x_at, p.velocity_inputs, w, block + p.w_velocity, size, work, at)
    share = splat(ONE / softmax(work, at, size))
    for k in range(0, size, WIDTH):
        va = share * load(work, at + k)
        store(work, at + k, va)
        store(work, at + size + k, splat(ONE) - va)


@_function
def attention(p: Any, w: Any, block: int, memory: Any, joint: int, newest: int, work: Any) -> Any:
    """The standardised torque of a joint by VA-STA-ResLSTM or an ablation of it."""
    size, window, temporal = p.hidden_padded, p.window, p.temporal
    rows = window * size
    newest_at, mean_at, va_at = 3 * rows, 3 * rows + size, 3 * rows + 2 * size
    drive = p.m_drive + joint * 4 * rows
    lstm(memory, drive, newest, window, w, block + p.w_hidden, (p.hidden + 3) // 4 * 4, size, work, newest_at)
    first = window - 1 if temporal == 0 or (temporal == 1 and not p.over_time) else 0
    normalise(p, w, block, memory, p.m_skip + joint * rows, newest, first, work)
    head = block + p.w_head
    if temporal == 0:
        return dot(work, rows - size, w, head, size)
    weigh(p, w, block, work, newest_at, mean_at)
    if temporal == 1:
        return dot(work, newest_at, w, head, size)
    if temporal == 2:
        return dot(work, mean_at, w, head, size)
    velocity_weights(p, w, block, memory, joint, newest, work, va_at)
    to_newest, to_mean = splat(p.va_scale), splat(p.vb_scale)
    for k in range(0, size, WIDTH):
        store(work, newest_at + k, to_newest * load(work, va_at + k) * load(work, newest_at + k))
        store(work, mean_at + k, to_mean * load(work, va_at + size + k) * load(work, mean_at + k))
    return dot(work, newest_at, w, head, 2 * size)


def _torque(plans: Any, w: Any, memory: Any, work: Any, newest: int, out: Any) -> None:
    """Write the torque for the window, whose newest sample is at place `newest`, to `out` (J,)."""
    p = plans[0]
    kind, joints, size, window = p.kind, p.joints, p.hidden_padded, p.window
    rows = window * size
    for joint in range(joints):
        block = p.blocks + joint * p.block
        head = block + p.w_head
        even = (p.hidden + 3) // 4 * 4
        drive = p.m_drive + joint * p.gates * rows
        if kind == 0:
            z = attention(p, w, block, memory, joint, newest, work)
        elif kind == 4:
            at, here, there = block + p.w_layers, 0, size
            dense_row(memory, p.m_seen, p.inputs, w, at, size, work, here)
            at += (p.inputs + 1) * size
            for _ in range(p.layers - 1):
                activate(work, here, here + size, 2)
                dense_row(work, here, p.hidden, w, at, size, work, there)
                at += (p.hidden + 1) * size
                here, there = there, here
            activate(work, here, here + size, 2)
            z = dot(work, here, w, head, size)
        else:
            if kind == 1:
                lstm(memory, drive, newest, window, w, block + p.w_hidden, even, size, work, rows)
            elif kind == 2:
                bias = block + p.w_candidate
                gru(memory, drive, newest, window, w, block + p.w_hidden, even, size, bias, work)
            else:
                rnn(memory, drive, newest, window, w, block + p.w_hidden, even, size, work)
            z = dot(work, rows - size, w, head, size)
        o = block + p.w_out  # bias of the head, scale and mean of the target, gate
        tau = w[o + 3] * ((z + w[o]) * w[o + 1] + w[o + 2])
        if p.known_from:
            tau += memory[p.m_raw + p.known_from + joint]
        if p.corrected:
            c = block + p.w_correction
            added = w[c]
            for i in range(joints):
                q = memory[p.m_raw + i]
                added += math.sin(q) * w[c + 1 + i] + math.cos(q) * w[c + 1 + joints + i]
            tau += added
        out[joint] = tau


_FLAT = types.Array(types.float32, 1, "C")
_PLANS = types.Array(from_dtype(PLAN), 1, "C", readonly=True)
SIGNATURES: dict[Callable[..., None], Any] = {
    _push: types.void(_PLANS, _FLAT, _FLAT, _FLAT, types.int64),
    _torque: types.void(_PLANS, _FLAT, _FLAT, _FLAT, types.int64, types.Array(types.float64, 1, "C")),
}


def compile_kernels() -> tuple[Callable[..., None], Callable[..., None], float, bool]:
    """The functions `push` and `torque`, how long it took to compile them [s] (0: they came from disk), and whether
    they are on disk now.
    """
    start = time.perf_counter()
    (push, *of_push), (torque, *of_torque) = (_compiled(python, of) for python, of in SIGNATURES.items())
    new, kept = (any(pair) for pair in zip(of_push, of_torque, strict=True))
    return push, torque, time.perf_counter() - start if new else 0.0, kept


def _compiled(python: Callable[..., None], of: Any) -> tuple[Callable[..., None], bool, bool]:
    """A function, whether it had to be compiled, and whether it is on disk.

    What is on disk may be damaged, and the disk full or not to be written: numba reports this by whatever it met there.
    """
    for attempt in ("from disk", "anew, to disk", "in memory"):
        try:
            entry = njit(cache=attempt != "in memory", nogil=True, error_model="numpy")(python)
            if attempt == "anew, to disk":
                entry.recompile()  # nothing yet, but this forgets what is on disk
            entry.compile(of)
            break
        except Exception:
            if attempt == "in memory":
                raise
    entry.disable_compile()  # other arguments are an error, and no reason to compile in the middle of a tick
    return entry, not entry.stats.cache_hits, attempt != "in memory"
