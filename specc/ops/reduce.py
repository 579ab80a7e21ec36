"""Fewer elements than came in: sums, extremes, and running sums. Keeps no reduced axis."""

from __future__ import annotations

from collections.abc import Sequence

from specc.ir import Node, Op, Refusal, Sample, Type, TypeFault, emit, register, zero_gradient
from specc.ir.op import Attributes, Infer
from specc.ops.rules import (
    NUMBERS,
    broadcast,
    check_axes,
    check_axis,
    check_dtype,
    reshape,
    spread,
    values,
    with_extent,
    without,
)

BOOLS = Type("bool", (2, 3))
EMPTY = Type("float", (2, 0))


def _over_axes(name: str, dtypes: Sequence[str]) -> Infer:
    def infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
        (x,) = values(name, inputs, 1)
        check_dtype(name, x, dtypes)
        check_axes(name, attributes["axes"], x.rank)
        return Type(x.dtype, without(x.shape, attributes["axes"]))

    return infer


def _over_axis(name: str, gives: str) -> Infer:
    def infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
        (x,) = values(name, inputs, 1)
        axis: int = attributes["axis"]
        check_dtype(name, x, NUMBERS)
        check_axis(name, axis, x.rank)
        if x.shape[axis] == 0:
            message = f"`{name}` over an axis without elements"
            raise TypeFault(message, expected="at least one element", found=str(x))
        return Type(gives or x.dtype, without(x.shape, (axis,)))

    return infer


def _running(inputs: Sequence[Type], attributes: Attributes) -> Type:
    (x,) = values("cumulative_sum", inputs, 1)
    check_dtype("cumulative_sum", x, NUMBERS)
    check_axis("cumulative_sum", attributes["axis"], x.rank)
    return x


def _sum_vjp(g: Node, y: Node, x: Node) -> Node:
    return spread(g, y.attributes["axes"], x.shape)


def _max_vjp(g: Node, y: Node, x: Node) -> Node:
    """All to the first maximum."""
    axis: int = y.attributes["axis"]
    ones = with_extent(x.shape, axis, 1)
    first = reshape(emit("argmax", x, axis=axis), ones)
    return emit("add_along", first, reshape(g, ones), axis=axis, length=x.shape[axis])


def _cumulative_sum_vjp(g: Node, y: Node, x: Node) -> Node:
    """Element i is in the sums from i on: all, less those up to i, and i itself."""
    axis: int = y.attributes["axis"]
    total = reshape(emit("sum", g, axes=(axis,)), with_extent(x.shape, axis, 1))
    return broadcast(total, x.shape) - emit("cumulative_sum", g, axis=axis) + g


sum_ = register(
    Op(
        "sum",
        "reduce",
        "The sum over `axes`.",
        _over_axes("sum", NUMBERS),
        _sum_vjp,
        "np.sum(a, axis=axes)",
        (
            Sample(("float 3 4 5",), {"axes": (1,)}),
            Sample(("float 3 4 5",), {"axes": (0, 2)}),
            Sample(("float 3 4",), {"axes": (0, 1)}),
            Sample(("float 3 4",), {"axes": ()}),
            Sample(("float 3 0",), {"axes": (1,)}),
            Sample(("float 1 4",), {"axes": (0,)}),
            Sample(("int 3 4 below 9",), {"axes": (0,)}),
        ),
        (Refusal((BOOLS,), "not defined", {"axes": (0,)}),),
    )
)
max_ = register(
    Op(
        "max",
        "reduce",
        "The largest along `axis`; the gradient goes to the first that reaches it.",
        _over_axis("max", ""),
        _max_vjp,
        "np.max(a, axis=axis)",
        (
            Sample(("float 3 4 in 0 9",), {"axis": 1}),
            Sample(("float 4 3 2 in 0 9",), {"axis": 0}),
            Sample(("float 5 in 0 9",), {"axis": 0}),
            Sample(("int 3 4 below 50",), {"axis": 0}),
            Sample(
                (((1.0, 3.0, 3.0), (2.0, 2.0, 1.0)),),
                {"axis": 1},
                gradients=(((0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),),
            ),
        ),
        (
            Refusal((BOOLS,), "not defined", {"axis": 0}),
            Refusal((EMPTY,), "without elements", {"axis": 1}),
        ),
    )
)
argmax = register(
    Op(
        "argmax",
        "reduce",
        "The place of the largest along `axis`, the first at ties.",
        _over_axis("argmax", "int"),
        zero_gradient,
        "np.argmax(a, axis=axis)",
        (
            Sample(("float 3 4",), {"axis": 1}),
            Sample(("float 4 3 2",), {"axis": 0}),
            Sample((((1, 3, 3), (2, 2, 1)),), {"axis": 1}),
        ),
        (
            Refusal((BOOLS,), "not defined", {"axis": 0}),
            Refusal((EMPTY,), "without elements", {"axis": 1}),
        ),
    )
)
any_ = register(
    Op(
        "any",
        "reduce",
        "Whether one is true over `axes`.",
        _over_axes("any", ("bool",)),
        zero_gradient,
        "np.any(a, axis=axes)",
        (
            Sample(("bool 3 4",), {"axes": (1,)}),
            Sample(("bool 3 2 4",), {"axes": (0, 2)}),
            Sample((((True, False), (False, False)),), {"axes": (1,)}),
            Sample(("bool 3 0",), {"axes": (1,)}),
        ),
        (Refusal((EMPTY,), "not defined", {"axes": (0,)}),),
    )
)
cumulative_sum = register(
    Op(
        "cumulative_sum",
        "reduce",
        "The sum of the elements up to and with each one, along `axis`.",
        _running,
        _cumulative_sum_vjp,
        "np.cumsum(a, axis=axis)",
        (
            Sample(("float 3 4",), {"axis": 1}),
            Sample(("float 4 3 2",), {"axis": 0}),
            Sample(("int 5 below 9",), {"axis": 0}),
        ),
        (Refusal((BOOLS,), "not defined", {"axis": 0}),),
    )
)
