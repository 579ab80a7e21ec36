"""What each primitive is in ONNX's default domain: one row each, in the order of the families.

Every row is right in float32 and in float64, in onnxruntime and by the standard's own text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from specc.backends.entrance import array_dtype
from specc.backends.onnx import functions, windows
from specc.backends.onnx.builder import END, Builder, Lowering
from specc.backends.onnx.philox import random_bits
from specc.ir import Extent, Node

# The numbers of TensorProto.DataType.
TYPES = {"float32": 1, "int64": 7, "bool": 9, "float64": 11, "uint64": 13}


HALF = 0.5  # the mantissa of a power of two


def type_of(b: Builder, dtype: str) -> int:
    return TYPES[array_dtype(dtype, b.precision).name]


# ── elementwise ──────────────────────────────────────────────────────────────────────────────────
def elementwise(kind: str) -> Lowering:
    return lambda b, node: b(kind, *operands(b, node))


def operands(b: Builder, node: Node) -> list[str]:
    """The inputs without their broadcasts, which ONNX's elementwise operators do themselves."""
    return [b.value(each) for each in _sources(node)]


def _sources(node: Node) -> list[Node]:
    sources = [peeled(each) for each in node.inputs]
    if not _spans(sources, node.shape):
        sources[0] = node.inputs[0]
    return sources


def scaling(kind: str) -> Lowering:
    """Mul or Div, whose factor onnxruntime may move into a MatMul, where it is a float32.

    It does so to a constant of one element and no more axes than the other operand has. In float64
    the constant is given one more, unless it is a power of two, and the result loses it again.
    """

    def lower(b: Builder, node: Node) -> str:
        names = operands(b, node)
        if array_dtype(node.dtype, b.precision) != np.float64 or not node.rank:
            return b(kind, *names)
        pairs = zip(_sources(node), names, strict=True)
        lifted = [_lifted(b, each, name, node.rank + 1) for each, name in pairs]
        made = b(kind, *lifted)
        return made if lifted == names else b("Squeeze", made, b.ints(0))

    return lower


def _lifted(b: Builder, node: Node, name: str, rank: int) -> str:
    """With so many axes, if it is one number that a runtime may know before it is fed."""
    if any(extent != 1 for extent in node.shape) or b.is_fed(name):
        return name
    if node.op.name != "constant":
        return b("Reshape", name, b.ints(*[1] * rank))
    value = np.array(node.attributes["value"], np.float64)
    is_exact = abs(np.frexp(value)[0]).item() == HALF
    return name if is_exact else b.constant(value.reshape([1] * rank))


def peeled(node: Node) -> Node:
    while node.op.name == "broadcast":
        node = node.inputs[0]
    return node


def _spans(sources: Sequence[Node], shape: Sequence[Extent]) -> bool:
    """Whether values broadcast against one another have this very shape."""
    if max(each.rank for each in sources) < len(shape):
        return False
    return all(
        extent == 1 or any(each.rank >= back and each.shape[-back] == extent for each in sources)
        for back, extent in enumerate(reversed(shape), start=1)
    )


def alias(b: Builder, node: Node) -> str:
    return b.value(node.inputs[0])


def _is_finite(b: Builder, node: Node) -> str:
    # NaN is less than nothing.
    (x,) = b.values(node)
    return b("Less", b("Abs", x), b.number(np.inf, node.inputs[0].dtype))


def _where(b: Builder, node: Node) -> str:
    if node.dtype != "bool":
        return b("Where", *operands(b, node))
    condition, yes, no = operands(b, node)  # onnxruntime's Where takes no bools
    return b("Or", b("And", condition, yes), b("And", b("Not", condition), no))


def _cast(b: Builder, node: Node) -> str:
    (x,) = b.values(node)
    to = type_of(b, node.dtype)
    return x if to == type_of(b, node.inputs[0].dtype) else b("Cast", x, to=to)


# ── reduce ───────────────────────────────────────────────────────────────────────────────────────
def _sum(b: Builder, node: Node) -> str:
    (x,), axes = b.values(node), node.attributes["axes"]
    if not axes:
        return x
    of = node.inputs[0]
    if of.op.name == "multiply" and of.inputs[0] is of.inputs[1] and of.dtype != "int":
        # Less than half the time; the product is dropped if nobody else reads it.
        return b("ReduceSumSquare", b.value(of.inputs[0]), b.ints(*axes), keepdims=0)
    return b("ReduceSum", x, b.ints(*axes), keepdims=0)


def _max(b: Builder, node: Node) -> str:
    return b("ReduceMax", b.value(node.inputs[0]), b.ints(node.attributes["axis"]), keepdims=0)


def _argmax(b: Builder, node: Node) -> str:
    (x,), axis = b.values(node), node.attributes["axis"]
    if node.inputs[0].dtype == "int":  # which ArgMax has no kernel for
        _, places = b.several("TopK", 2, x, b.ints(1), axis=axis)
        return b("Squeeze", places, b.ints(axis))
    return b("ArgMax", x, axis=axis, keepdims=0)


def _any(b: Builder, node: Node) -> str:
    (x,), axes = b.values(node), node.attributes["axes"]
    if not axes:
        return x
    count = b("ReduceSum", b("Cast", x, to=TYPES["int64"]), b.ints(*axes), keepdims=0)
    return b("Cast", count, to=TYPES["bool"])


def _cumulative_sum(b: Builder, node: Node) -> str:
    return b("CumSum", b.value(node.inputs[0]), b.number(node.attributes["axis"], "int"))


# ── movement ─────────────────────────────────────────────────────────────────────────────────────
def _reshape(b: Builder, node: Node) -> str:
    (x,) = b.values(node)
    return reshaped(b, x, node.inputs[0].shape, node.shape)


def reshaped(b: Builder, x: str, before: Sequence[Extent], after: Sequence[Extent]) -> str:
    """x in another shape: by axes of 1 that come or go, or by at most one extent left open."""
    if tuple(before) == tuple(after):
        return x
    if (new := _ones(before, after)) is not None:
        return b("Unsqueeze", x, b.ints(*new))
    if (old := _ones(after, before)) is not None:
        return b("Squeeze", x, b.ints(*old))
    known = [extent for extent in after if isinstance(extent, int)]
    if len(known) == len(after):
        return b("Reshape", x, b.ints(*known), **({"allowzero": 1} if 0 in known else {}))
    if 0 in known:
        return b("Reshape", x, b.extents(after), allowzero=1)
    # 0 takes the extent over from the same place, -1 is what is left.
    same = [
        0 if place < len(before) and before[place] == extent else -1
        for place, extent in enumerate(after)
    ]
    asked = [
        extent if isinstance(extent, int) else rule
        for extent, rule in zip(after, same, strict=True)
    ]
    if len(after) - len(known) == 1:
        asked = [extent if isinstance(extent, int) else -1 for extent in after]
    if asked.count(-1) <= 1:
        return b("Reshape", x, b.ints(*asked))
    return b("Reshape", x, b.extents(after))


def _ones(fewer: Sequence[Extent], more: Sequence[Extent]) -> list[int] | None:
    """The places of `more` whose 1s make `fewer` of it when they go."""
    places: list[int] = []
    left = list(fewer)
    for place, extent in enumerate(more):
        if left and left[0] == extent:
            left.pop(0)
        elif extent == 1:
            places.append(place)
        else:
            return None
    return None if left else places


def _permute(b: Builder, node: Node) -> str:
    (x,), axes = b.values(node), node.attributes["axes"]
    return x if axes == tuple(range(node.rank)) else b("Transpose", x, perm=axes)


def _broadcast(b: Builder, node: Node) -> str:
    (x,) = b.values(node)
    return expanded(b, x, node.inputs[0].shape, node.shape)


def expanded(b: Builder, x: str, before: Sequence[Extent], after: Sequence[Extent]) -> str:
    """Repeated to a shape; an extent that stays is asked for as 1, so that it need not be known."""
    if tuple(before) == tuple(after):
        return x
    new = len(after) - len(before)
    wanted = [
        1 if place >= new and before[place - new] == extent else extent
        for place, extent in enumerate(after)
    ]
    return b("Expand", x, b.extents(wanted))


def _slice(b: Builder, node: Node) -> str:
    (x,), at = b.values(node), node.attributes
    rows = [
        (axis, start, END if stop == extent else stop, step)
        for axis, (start, stop, step, extent) in enumerate(
            zip(at["starts"], at["stops"], at["steps"], node.inputs[0].shape, strict=True)
        )
        if (start, stop, step) != (0, extent, 1)
    ]
    if not rows:
        return x
    axes, starts, stops, steps = zip(*rows, strict=True)
    ends = [b.extents(starts), b.extents(stops), b.ints(*axes)]
    return b("Slice", x, *ends, *([b.ints(*steps)] if set(steps) != {1} else []))


def _pad(b: Builder, node: Node) -> str:
    (x,), at = b.values(node), node.attributes
    return padded(b, x, at["low"], at["high"], at["value"], node.dtype)


def padded(
    b: Builder,
    x: str,
    low: Sequence[Extent],
    high: Sequence[Extent],
    value: float,
    dtype: str,
) -> str:
    if not any((*low, *high)):
        return x
    filling = [] if value == 0 and dtype != "bool" else [b.number(value, dtype)]
    return b("Pad", x, b.extents([*low, *high]), *filling)


def _concat(b: Builder, node: Node) -> str:
    parts = b.values(node)
    return parts[0] if len(parts) == 1 else b("Concat", *parts, axis=node.attributes["axis"])


# ── creation ─────────────────────────────────────────────────────────────────────────────────────
def _input(b: Builder, node: Node) -> str:
    raise AssertionError(f"{node} is not among the graph's inputs")


def _constant(b: Builder, node: Node) -> str:
    at = node.attributes
    return b.constant(np.array(at["value"], array_dtype(at["dtype"], b.precision)))


def _iota(b: Builder, node: Node) -> str:
    length = node.attributes["length"]
    if isinstance(length, int):
        return b.constant(np.arange(length))
    return b("Range", b.number(0, "int"), scalar(b, length), b.number(1, "int"))


def scalar(b: Builder, extent: Extent) -> str:
    """An extent without axes."""
    if isinstance(extent, int):
        return b.number(extent, "int")
    return b("Squeeze", b.extent(extent), b.ints(0))


def _size(b: Builder, node: Node) -> str:
    return scalar(b, node.attributes["extent"])


# ── linear ───────────────────────────────────────────────────────────────────────────────────────
def _matmul(b: Builder, node: Node) -> str:
    if node.rank == 2:
        turned = [each.op.name == "permute" for each in node.inputs]
        if any(turned):  # Gemm reads a matrix either way
            pairs = zip(node.inputs, turned, strict=True)
            sources = [b.value(x.inputs[0] if turn else x) for x, turn in pairs]
            flags = {"transA": int(turned[0]), "transB": int(turned[1])}
            return b("Gemm", *sources, **{name: 1 for name, flag in flags.items() if flag})
        return b("MatMul", *b.values(node))
    sources = [_unstacked(each) for each in node.inputs]
    stacks = node.shape[:-2]
    reach = max(each.rank for each in sources) == node.rank and all(
        extent == 1 or any(_stack(each, place - node.rank) == extent for each in sources)
        for place, extent in enumerate(stacks)
    )
    return b("MatMul", *(b.value(each) for each in (sources if reach else node.inputs)))


def _stack(node: Node, place: int) -> Extent:
    return node.shape[place] if node.rank >= -place else 1


def _unstacked(node: Node) -> Node:
    """A stack of matrices without broadcasts of the stack, which MatMul does itself."""
    while (
        node.op.name == "broadcast"
        and node.inputs[0].rank >= 2
        and node.inputs[0].shape[-2:] == node.shape[-2:]
    ):
        node = node.inputs[0]
    return node


# ── indexing ─────────────────────────────────────────────────────────────────────────────────────
def _take(b: Builder, node: Node) -> str:
    return b("Gather", *b.values(node), axis=0)


def _take_along(b: Builder, node: Node) -> str:
    return b("GatherElements", *b.values(node), axis=node.attributes["axis"])


def _zeros(b: Builder, node: Node) -> str:
    return b("Expand", b.number(0, node.dtype), b.extents(node.shape))


def _add_at(b: Builder, node: Node) -> str:
    index, updates = b.values(node)
    rows = b("Unsqueeze", index, b.ints(-1))
    return b("ScatterND", _zeros(b, node), rows, updates, reduction="add")


def _add_along(b: Builder, node: Node) -> str:
    index, updates = b.values(node)
    axis = node.attributes["axis"]
    return b("ScatterElements", _zeros(b, node), index, updates, axis=axis, reduction="add")


# ── control ──────────────────────────────────────────────────────────────────────────────────────
def _item(b: Builder, node: Node) -> str:
    return b.item(node.inputs[0], node.attributes["index"])


lowerings: dict[str, Lowering] = {
    # elementwise
    "neg": elementwise("Neg"),
    "abs": elementwise("Abs"),
    "sign": elementwise("Sign"),
    "exp": elementwise("Exp"),
    "expm1": functions.expm1,
    "log": elementwise("Log"),
    "log1p": functions.log1p,
    "sqrt": elementwise("Sqrt"),
    "sin": elementwise("Sin"),
    "cos": elementwise("Cos"),
    "tanh": elementwise("Tanh"),
    "sigmoid": elementwise("Sigmoid"),
    "erf": functions.erf,
    "floor": elementwise("Floor"),
    "round": elementwise("Round"),
    "is_finite": _is_finite,
    "not": elementwise("Not"),
    "add": elementwise("Add"),
    "subtract": elementwise("Sub"),
    "multiply": scaling("Mul"),
    "divide": scaling("Div"),
    "floor_divide": lambda b, node: functions.floor_divide(b, node, operands(b, node)),
    "remainder": lambda b, node: functions.remainder(b, node, operands(b, node)),
    "power": elementwise("Pow"),
    "maximum": elementwise("Max"),
    "minimum": elementwise("Min"),
    "equal": elementwise("Equal"),
    "less": elementwise("Less"),
    "less_equal": elementwise("LessOrEqual"),
    "and": elementwise("And"),
    "or": elementwise("Or"),
    "where": _where,
    "cast": _cast,
    "stop_gradient": alias,
    # reduce
    "sum": _sum,
    "max": _max,
    "argmax": _argmax,
    "any": _any,
    "cumulative_sum": _cumulative_sum,
    # movement
    "reshape": _reshape,
    "permute": _permute,
    "broadcast": _broadcast,
    "slice": _slice,
    "pad": _pad,
    "concat": _concat,
    # creation
    "input": _input,
    "constant": _constant,
    "iota": _iota,
    "size": _size,
    # linear
    "matmul": _matmul,
    # window
    "windows": windows.windows,
    "overlap_add": windows.overlap_add,
    # indexing
    "take": _take,
    "take_along_axis": _take_along,
    "add_at": _add_at,
    "add_along": _add_along,
    # random
    "random_bits": random_bits,
    # control: a call that stays is a composite's, a scan is a subgraph of the model's
    "item": _item,
}
