"""The same elements in another place: shapes, cuts, joins. Computes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from specc.ir import (
    Extent,
    Node,
    Op,
    Refusal,
    Sample,
    Type,
    TypeFault,
    emit,
    register,
)
from specc.ir.op import Attributes
from specc.ir.size import equal_if_exact
from specc.ops.rules import (
    below_zero,
    ceiling,
    check_axes,
    check_axis,
    cut,
    is_extent,
    reshape,
    tensors,
    values,
    with_extent,
)


# ── reshape, permute, broadcast ──────────────────────────────────────────────────────────────────
def _reshape_infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    """Equal counts as sizes; divisions count as exact, which build makes a requirement."""
    (x,) = values("reshape", inputs, 1)
    made = Type(x.dtype, tuple(attributes["shape"]))
    assert all(is_extent(extent) for extent in made.shape), made.shape
    if x.elements != made.elements and not equal_if_exact(x.elements, made.elements):
        raise TypeFault(
            "`reshape` keeps the number of elements",
            expected=f"{x.elements} elements, as in {x}",
            found=f"{made.elements} elements in {made}",
        )
    return made


def _reshape_vjp(g: Node, y: Node, x: Node) -> Node:
    return reshape(g, x.shape)


def _permute_infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    (x,) = values("permute", inputs, 1)
    axes: tuple[int, ...] = attributes["axes"]
    check_axes("permute", axes, x.rank)
    assert len(axes) == x.rank, f"permute: {axes} of rank {x.rank}"
    return Type(x.dtype, tuple(x.shape[axis] for axis in axes))


def _permute_vjp(g: Node, y: Node, x: Node) -> Node:
    axes: tuple[int, ...] = y.attributes["axes"]
    return emit("permute", g, axes=tuple(axes.index(axis) for axis in range(len(axes))))


def _broadcast_infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    (x,) = values("broadcast", inputs, 1)
    made = Type(x.dtype, tuple(attributes["shape"]))
    new = made.rank - x.rank
    fits = new >= 0 and all(
        extent in (1, made.shape[new + axis]) for axis, extent in enumerate(x.shape)
    )
    if not fits:
        raise TypeFault(
            f"{x} does not broadcast to {made}",
            expected="each axis, from the right, equal to the target's or a literal 1",
            found=str(x),
            help="only a literal 1 and missing leading axes broadcast; `align(v, x)` puts axes "
            "under those of the same name",
        )
    return made


def _broadcast_vjp(g: Node, y: Node, x: Node) -> Node:
    new = y.rank - x.rank
    repeated = [new + axis for axis in range(x.rank) if x.shape[axis] != y.shape[new + axis]]
    axes = (*range(new), *repeated)
    return reshape(emit("sum", g, axes=axes) if axes else g, x.shape)


# ── slice, pad, concat ───────────────────────────────────────────────────────────────────────────
def _slice_infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    (x,) = values("slice", inputs, 1)
    starts, stops, steps = (attributes[key] for key in ("starts", "stops", "steps"))
    assert len(starts) == len(stops) == len(steps) == x.rank, f"slice: {attributes} of {x}"
    shape: list[Extent] = []
    for axis, (start, stop, step) in enumerate(zip(starts, stops, steps, strict=True)):
        if any(map(below_zero, (start, stop - start, x.shape[axis] - stop, step - 1))):
            raise TypeFault(
                f"the slice {start}:{stop} leaves axis {axis} of {x}",
                expected=f"0 ≤ start ≤ stop ≤ {x.shape[axis]}",
                found=f"{start}:{stop}:{step}",
            )
        shape.append(ceiling(stop - start, step))
    return Type(x.dtype, tuple(shape))


def _slice_vjp(g: Node, y: Node, x: Node) -> Node:
    """Zeros between the steps, [n] → [n, 1] → [n, step] → [n·step], then around the slice."""
    starts, stops, steps = (y.attributes[key] for key in ("starts", "stops", "steps"))
    none = (0,) * (x.rank + 1)
    for axis, step in enumerate(steps):
        if step == 1:
            continue
        apart = reshape(g, (*g.shape[: axis + 1], 1, *g.shape[axis + 1 :]))
        high = with_extent(none, axis + 1, step - 1)
        apart = emit("pad", apart, low=none, high=high, value=0)
        joined = reshape(apart, with_extent(g.shape, axis, g.shape[axis] * step))
        g = cut(joined, axis, 0, stops[axis] - starts[axis])
    after = tuple(extent - stop for extent, stop in zip(x.shape, stops, strict=True))
    return emit("pad", g, low=tuple(starts), high=after, value=0)


def _pad_infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    (x,) = values("pad", inputs, 1)
    low, high = attributes["low"], attributes["high"]
    assert len(low) == len(high) == x.rank, f"pad: {attributes} of {x}"
    assert isinstance(attributes["value"], (int, float)), attributes["value"]
    for extent in (*low, *high):
        if below_zero(extent):
            message = "padding can't be negative"
            raise TypeFault(message, expected="0 or more", found=str(extent), help="slice instead")
    shape = (a + extent + b for a, extent, b in zip(low, x.shape, high, strict=True))
    return Type(x.dtype, tuple(shape))


def _pad_vjp(g: Node, y: Node, x: Node) -> Node:
    low: tuple[Extent, ...] = y.attributes["low"]
    stops = tuple(a + extent for a, extent in zip(low, x.shape, strict=True))
    return emit("slice", g, starts=low, stops=stops, steps=(1,) * x.rank)


def _concat_infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    types = tensors("concat", inputs)
    axis: int = attributes["axis"]
    assert types, "concat of nothing"
    first = types[0]
    check_axis("concat", axis, first.rank)
    total: Extent = 0
    for each in types:
        if each.dtype != first.dtype:
            raise TypeFault(
                "`concat` of different dtypes",
                expected=f"another {first.dtype}",
                found=str(each),
                help="cast one with `float(x)` or `int(x)`",
            )
        if each.rank != first.rank or with_extent(each.shape, axis, 0) != with_extent(
            first.shape, axis, 0
        ):
            raise TypeFault(
                f"`concat` along axis {axis} needs every other axis equal",
                expected=str(Type(first.dtype, with_extent(first.shape, axis, each.shape[axis])))
                if each.rank == first.rank
                else f"{first.rank} axes, as in {first}",
                found=str(each),
            )
        total = total + each.shape[axis]
    return Type(first.dtype, with_extent(first.shape, axis, total))


def _concat_vjp(g: Node, y: Node, *parts: Node) -> list[Node | None]:
    axis: int = y.attributes["axis"]
    gradients: list[Node | None] = []
    start: Extent = 0
    for part in parts:
        stop = start + part.shape[axis]
        gradients.append(cut(g, axis, start, stop))
        start = stop
    return gradients


MATRIX = Type("float", (3, 4))

reshape_ = register(
    Op(
        "reshape",
        "movement",
        "The same elements, row by row, in another shape.",
        _reshape_infer,
        _reshape_vjp,
        "np.reshape(a, shape)",
        (
            Sample(("float 3 4",), {"shape": (2, 6)}),
            Sample(("float 12",), {"shape": (3, 1, 4)}),
            Sample(("float 1",), {"shape": ()}),
            Sample(("float 0 3",), {"shape": (3, 0)}),
            Sample(("int 2 3 below 9",), {"shape": (6,)}),
            Sample(("bool 2 3",), {"shape": (3, 2)}),
        ),
        (Refusal((MATRIX,), "number of elements", {"shape": (5, 2)}),),
    )
)
permute = register(
    Op(
        "permute",
        "movement",
        "Axis i of the result is axis `axes[i]` of x.",
        _permute_infer,
        _permute_vjp,
        "np.transpose(a, axes)",
        (
            Sample(("float 3 4",), {"axes": (1, 0)}),
            Sample(("float 2 3 4",), {"axes": (2, 0, 1)}),
            Sample(("float 2 3 1 4",), {"axes": (0, 2, 3, 1)}),
            Sample(("int 2 3 below 9",), {"axes": (1, 0)}),
            Sample(("bool 2 3",), {"axes": (1, 0)}),
        ),
    )
)
broadcast_ = register(
    Op(
        "broadcast",
        "movement",
        "x repeated along new leading axes and along its axes of a literal 1.",
        _broadcast_infer,
        _broadcast_vjp,
        "np.broadcast_to(a, shape)",
        (
            Sample(("float",), {"shape": (3, 4)}),
            Sample(("float 4",), {"shape": (3, 4)}),
            Sample(("float 3 1",), {"shape": (2, 3, 4)}),
            Sample(("float 1 4 1",), {"shape": (3, 4, 1)}),
            Sample(("float 1",), {"shape": (0,)}),
            Sample(("int 3 1 below 9",), {"shape": (3, 2)}),
            Sample(("bool 3",), {"shape": (2, 3)}),
        ),
        (
            Refusal((MATRIX,), "does not broadcast", {"shape": (3, 5)}),
            Refusal((MATRIX,), "does not broadcast", {"shape": (4,)}),
            Refusal((MATRIX,), "does not broadcast", {"shape": (3, 4, 1)}),
        ),
    )
)
slice_ = register(
    Op(
        "slice",
        "movement",
        "Along each axis the elements start, start + step, ... before stop.",
        _slice_infer,
        _slice_vjp,
        "a[tuple(slice(*each) for each in zip(starts, stops, steps))]",
        (
            Sample(("float 5 6",), {"starts": (1, 0), "stops": (4, 6), "steps": (1, 1)}),
            Sample(("float 5 6",), {"starts": (1, 0), "stops": (5, 6), "steps": (2, 4)}),
            Sample(("float 7",), {"starts": (2,), "stops": (7,), "steps": (3,)}),
            Sample(("float 7",), {"starts": (2,), "stops": (2,), "steps": (1,)}),
            Sample(("int 7 below 9",), {"starts": (0,), "stops": (6,), "steps": (2,)}),
            Sample(("bool 7",), {"starts": (1,), "stops": (7,), "steps": (3,)}),
        ),
        (
            Refusal((MATRIX,), "leaves", {"starts": (0, 0), "stops": (3, 5), "steps": (1, 1)}),
            Refusal((MATRIX,), "leaves", {"starts": (2, 0), "stops": (1, 4), "steps": (1, 1)}),
        ),
    )
)
pad = register(
    Op(
        "pad",
        "movement",
        "x with `low` elements of `value` before and `high` after it along each axis.",
        _pad_infer,
        _pad_vjp,
        "np.pad(a, list(zip(low, high)), constant_values=value)",
        (
            Sample(("float 3 4",), {"low": (1, 0), "high": (2, 3), "value": 0}),
            Sample(
                ("float 3",),
                {"low": (1,), "high": (1,), "value": -float("inf")},
                gradients=((1.0, 1.0, 1.0),),
            ),
            Sample(("float 3",), {"low": (0,), "high": (0,), "value": 0}),
            Sample(("float 0",), {"low": (1,), "high": (1,), "value": 2.5}),
            Sample(("int 3 below 9",), {"low": (1,), "high": (0,), "value": 7}),
            Sample(("bool 3",), {"low": (1,), "high": (1,), "value": True}),
        ),
        (Refusal((MATRIX,), "negative", {"low": (0, -1), "high": (0, 0), "value": 0}),),
    )
)
concat = register(
    Op(
        "concat",
        "movement",
        "The inputs one after another along `axis`.",
        _concat_infer,
        _concat_vjp,
        "np.concatenate(inputs, axis=axis)",
        (
            Sample(("float 2 3", "float 2 4"), {"axis": 1}),
            Sample(("float 2 3", "float 1 3", "float 3 3"), {"axis": 0}),
            Sample(("float 2 3",), {"axis": 0}),
            Sample(("float 2 0", "float 2 1"), {"axis": 1}),
            Sample(("int 2 below 9", "int 3 below 9"), {"axis": 0}),
            Sample(("bool 2", "bool 3"), {"axis": 0}),
        ),
        (
            Refusal((MATRIX, Type("float", (4, 4))), "every other axis", {"axis": 1}),
            Refusal((MATRIX, Type("float", (4,))), "every other axis", {"axis": 0}),
            Refusal((MATRIX, Type("int", (3, 4))), "different dtypes", {"axis": 0}),
        ),
    )
)
