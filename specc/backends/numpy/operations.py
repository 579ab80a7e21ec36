"""What NumPy runs as one where the graph has several: operations of this backend alone.

They are no primitives: no spec names them and no other backend sees them. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from specc.ir import Extent, Node, Op, Type
from specc.ir.op import Attributes
from specc.ops.rules import without
from specc.ops.window import count_of


def _no_gradient(*_: Node) -> None:
    raise AssertionError("the gradient is taken before a backend sees the graph")


def _counts(x: Type, sizes: Sequence[Extent], at: Attributes) -> tuple[Extent, ...]:
    steps = zip(x.shape[2:], sizes, at["strides"], at["dilations"], strict=True)
    return tuple(count_of(extent, size, *step) for extent, size, *step in steps)


def _convolve(inputs: Sequence[Type], at: Attributes) -> Type:
    x, filters, *_ = inputs
    *counts, last = _counts(x, filters.shape[2:], at)
    columns = (2, last // 2) if at["halved"] else (last,)
    return Type(x.dtype, (x.shape[0], filters.shape[0], *counts, *columns))


def _convolve_input(inputs: Sequence[Type], at: Attributes) -> Type:
    g, filters = inputs
    return Type(g.dtype, (g.shape[0], filters.shape[1], *at["extents"]))


def _convolve_filters(inputs: Sequence[Type], at: Attributes) -> Type:
    x, g, *_ = inputs
    return Type(x.dtype, (g.shape[1], x.shape[1], *at["sizes"]))


def _patches(inputs: Sequence[Type], at: Attributes) -> Type:
    (x,) = inputs
    columns = _counts(x, at["sizes"], at)[1:]
    return Type(x.dtype, (x.shape[2], *at["sizes"][1:], x.shape[1], *columns, x.shape[0]))


def _max_pool(inputs: Sequence[Type], at: Attributes) -> Type:
    (x,) = inputs
    shape = list(x.shape)
    for axis, size, stride, dilation in zip(*(at[key] for key in WINDOW), strict=True):
        shape[axis] = count_of(shape[axis], size, stride, dilation)
    return Type(x.dtype, tuple(shape))


def _dot(inputs: Sequence[Type], at: Attributes) -> Type:
    return Type(inputs[0].dtype, without(inputs[0].shape, at["axes"]))


WINDOW = ("axes", "sizes", "strides", "dilations")
convolve = Op(
    "convolve",
    "numpy",
    "x[b, c, ...] with every filter[o, c, ...] at every place: y[b, o, ...]; halved: the even "
    "columns, then the odd ones, [b, o, ..., 2, columns / 2].",
    _convolve,
    _no_gradient,
)
convolve_input = Op(
    "convolve_input",
    "numpy",
    "What the gradient g[b, o, ...] of `convolve` says of its x, from `low` on.",
    _convolve_input,
    _no_gradient,
)
convolve_filters = Op(
    "convolve_filters",
    "numpy",
    "What the gradient g[b, o, ...] of `convolve` of x says of the filters.",
    _convolve_filters,
    _no_gradient,
)
patches = Op(
    "patches",
    "numpy",
    "Room for each row of x[b, c, ...] at every tap along the other axes, as the `convolve` that "
    "has it copies them.",
    _patches,
    _no_gradient,
)
max_pool = Op("max_pool", "numpy", "The largest element of every window.", _max_pool, _no_gradient)
max_pool_gradient = Op(
    "max_pool_gradient",
    "numpy",
    "g of each window goes to the first element of x there that is the window's maximum y.",
    lambda inputs, _: inputs[0],
    _no_gradient,
)
added_along = Op(
    "added_along",
    "numpy",
    "x with updates added at the one index of each row along the last axis.",
    lambda inputs, _: inputs[0],
    _no_gradient,
)
dot = Op("dot", "numpy", "Σ a · b over `axes`.", _dot, _no_gradient)
routed_dot = Op(
    "routed_dot",
    "numpy",
    "Σ x · max_pool_gradient(x · scale, y, g), `over` all but the scale's axes: the first operand, "
    "but from x where the scale is nearly 0.",
    lambda inputs, _: inputs[0],
    _no_gradient,
)

OPERATIONS = {
    op.name: op
    for op in (
        convolve,
        convolve_input,
        convolve_filters,
        patches,
        max_pool,
        max_pool_gradient,
        added_along,
        dot,
        routed_dot,
    )
}


def apply(op: Op, *inputs: Node, **attributes: object) -> Node:
    """A node of one of these operations."""
    return Node(op, inputs, attributes, op.infer([each.type for each in inputs], attributes))
