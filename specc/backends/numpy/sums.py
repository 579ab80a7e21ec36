"""Rules of numpy.rewrite about sums: factored, and shorter where a part of them is known.

A sum of deviations from their mean is 0: that leaves of batch norm's gradient what a person writes.
"""

from __future__ import annotations

from collections.abc import Sequence

from specc.backends.numpy.operations import added_along, apply, dot
from specc.ir import Extent, Node, constant, emit
from specc.ir.size import product
from specc.ops.rules import broadcast, reshape, without
from specc.passes.rules import equals, is_, source_if

PICKED_FROM = 256  # elements of a row: of a shorter one f costs less than to pick twice


def sum_of_neg(node: Node) -> Node | None:
    """sum(-x) → -sum(x)"""
    x = source_if(node.inputs[0], "neg")
    return None if x is None else emit("neg", emit("sum", x, axes=node.attributes["axes"]))


def sum_of_scaled(node: Node) -> Node | None:
    """sum(c x) → c sum(x), where c is the same along what is summed; a sum of deviations is 0"""
    axes: Sequence[int] = node.attributes["axes"]
    x = node.inputs[0]
    if node.dtype != "float" or not axes:
        return None
    if _is_deviation(x, axes):
        return constant(0.0, node.dtype, node.shape)
    if not is_(x, "multiply"):
        return None
    for factor, rest in ((x.inputs[1], x.inputs[0]), x.inputs):
        kept = without_axes(factor, axes)
        if kept is not None and not is_(rest, "broadcast"):
            if _is_deviation(rest, axes):
                return constant(0.0, node.dtype, node.shape)
            return emit("sum", rest, axes=axes) * broadcast(kept, node.shape)
    return None


def without_axes(factor: Node, axes: Sequence[int]) -> Node | None:
    """The values of a broadcast that is the same along `axes`, without those."""
    source = source_if(factor, "broadcast")
    if source is None:
        return None
    aligned = (1,) * (factor.rank - source.rank) + source.shape
    if any(aligned[axis] != 1 for axis in axes):
        return None
    return squeezed(source, without(aligned, axes))


def squeezed(node: Node, shape: Sequence[Extent]) -> Node:
    """Reshaped to it, less its leading 1s."""
    start = 0
    while start < len(shape) and shape[start] == 1:
        start += 1
    return reshape(node, tuple(shape)[start:])


def _is_deviation(node: Node, axes: Sequence[int]) -> bool:
    """Is it x less its mean along the axes, sum(x; axes) / count?"""
    if not is_(node, "subtract"):
        return False
    x, mean = node.inputs
    source = without_axes(mean, axes)
    while source is not None and is_(source, "reshape"):
        source = source.inputs[0]
    if source is None or not is_(source, "divide"):
        return False
    total, count = source.inputs
    while is_(total, "reshape"):
        total = total.inputs[0]
    if not is_(total, "sum") or total.inputs[0] is not x or total.attributes["axes"] != axes:
        return False
    wanted = product(tuple(x.shape[axis] for axis in axes))
    return _count(count) == wanted


def _count(node: Node) -> Extent | None:
    """The number of elements that a scalar is known to be."""
    while is_(node, "broadcast") or is_(node, "cast"):
        node = node.inputs[0]
    if is_(node, "size"):
        return node.attributes["extent"]
    if is_(node, "constant") and not node.rank:
        return int(node.attributes["value"])
    return None


def sum_of_products(node: Node) -> Node | None:
    """sum(a b) → dot(a, b): no array of products; but down rows, ones add those up far sooner"""
    x = node.inputs[0]
    if x.rank > 1 and node.attributes["axes"] == tuple(range(x.rank - 1)):
        return None
    if not is_(x, "multiply") or node.dtype != "float" or not node.attributes["axes"]:
        return None
    a, b = x.inputs
    if is_(a, "broadcast") or is_(b, "broadcast"):
        return None
    return apply(dot, a, b, axes=node.attributes["axes"])


def added_in_place(node: Node) -> Node | None:
    """x + add_along(index, updates) → x with the updates added, one a row: no array of zeros"""
    for x, sparse in (node.inputs, node.inputs[::-1]):
        last = is_(sparse, "add_along") and sparse.attributes["axis"] == node.rank - 1
        if last and sparse.inputs[0].shape[-1] == 1 and not is_(x, "broadcast"):
            return apply(added_along, x, *sparse.inputs)
    return None


def sum_of_terms(node: Node) -> Node | None:
    """sum(a + b) → sum(a) + sum(b), where but one of the terms needs its elements for that"""
    axes: Sequence[int] = node.attributes["axes"]
    if node.dtype != "float" or not axes or not is_(node.inputs[0], "add"):
        return None
    terms, found, open_ = [node.inputs[0]], list[Node](), 0
    count = emit("size", extent=product(tuple(node.inputs[0].shape[axis] for axis in axes)))
    times = broadcast(emit("cast", count, dtype="float"), node.shape)
    while terms:
        term = terms.pop()
        kept = without_axes(term, axes)
        if is_(term, "add"):
            terms += term.inputs[::-1]
        elif kept is not None:
            found.append(broadcast(kept, node.shape) * times)
        elif not _sums_to_nothing(term, axes):
            found.append(emit("sum", term, axes=axes))
            open_ += 1
    if open_ > 1:
        return None
    result = found[0] if found else constant(0.0, node.dtype, node.shape)
    for each in found[1:]:
        result = result + each
    return result


def _sums_to_nothing(node: Node, axes: Sequence[int]) -> bool:
    if is_(node, "multiply"):
        pairs = (node.inputs, node.inputs[::-1])
        return any(without_axes(a, axes) is not None and _is_deviation(b, axes) for a, b in pairs)
    return _is_deviation(node, axes)


def mean_of_shifted(node: Node) -> Node | None:
    """(s + c n) / n → s / n + c, n a number of elements"""
    total, count = node.inputs
    if not is_(total, "add") or _count(count) is None:
        return None
    for rest, added in (total.inputs, total.inputs[::-1]):
        if is_(added, "multiply") and added.inputs[1] is count:
            return rest / count + added.inputs[0]
    return None


def deviation_of_shifted(node: Node) -> Node | None:
    """(x + c) - (m + c) → x - m, where m and c are broadcast alike"""
    shifted, mean = node.inputs
    shift = _bare(mean)
    if not is_(shifted, "add") or not is_(shift, "add") or not is_(mean, "broadcast"):
        return None
    for x, c in (shifted.inputs, shifted.inputs[::-1]):
        if not is_(c, "broadcast") or c.inputs[0].shape != mean.inputs[0].shape:
            continue
        for m, other in (shift.inputs, shift.inputs[::-1]):
            if _bare(c) is other:
                return x - broadcast(reshape(m, mean.inputs[0].shape), node.shape)
    return None


def _bare(node: Node) -> Node:
    """Less its broadcast and its reshapes."""
    node = node.inputs[0] if is_(node, "broadcast") else node
    while is_(node, "reshape"):
        node = node.inputs[0]
    return node


def nothing_added(node: Node) -> Node | None:
    """x + 0 → x, whatever the sign of x's zeros"""
    a, b = node.inputs
    if node.dtype != "float":
        return None
    return a if equals(b, 0.0) else b if equals(a, 0.0) else None


def nothing_divided(node: Node) -> Node | None:
    """0 / n → 0, n a number of elements"""
    a, b = node.inputs
    return a if equals(a, 0.0) and _count(b) is not None else None


# ── parts of one array ───────────────────────────────────────────────────────────────────────────
def joined_parts(node: Node) -> Node | None:
    """pad(a) + pad(b) → concat(a, b), of parts that lie side by side: a split's gradient"""
    terms, found = [node], list[Node]()
    while terms:
        term = terms.pop()
        if is_(term, "add"):
            terms += term.inputs
        elif is_(term, "pad") and term.attributes["value"] == 0:
            found.append(term)
        else:
            return None
    axes = {axis for each in found for axis in _padded(each)}
    if len(axes) != 1:
        return None
    (axis,) = axes
    starts = {each.attributes["low"][axis]: each.inputs[0] for each in found}
    if len(starts) < len(found) or not all(isinstance(start, int) for start in starts):
        return None
    begin = end = min(starts)
    parts: list[Node] = []
    for start in sorted(starts):
        part = starts[start]
        if start != end:
            return None
        end = start + part.shape[axis]
        parts += part.inputs if _joins(part, axis) else (part,)
    joined = emit("concat", *parts, axis=axis)
    zeros = [0] * node.rank
    low, high = ([*zeros[:axis], n, *zeros[axis + 1 :]] for n in (begin, node.shape[axis] - end))
    if joined.shape == node.shape:
        return joined
    return emit("pad", joined, low=tuple(low), high=tuple(high), value=0.0)


def _padded(pad: Node) -> list[int]:
    pairs = zip(pad.attributes["low"], pad.attributes["high"], strict=True)
    return [axis for axis, pair in enumerate(pairs) if any(each != 0 for each in pair)]


def _joins(node: Node, axis: int) -> bool:
    return is_(node, "concat") and node.attributes["axis"] == axis


def merged_parts(node: Node) -> Node | None:
    """concat(reshape(x), reshape(y)) → reshape(concat(x, y)), of [..., m, n] as [..., m n]"""
    axis = node.attributes["axis"]
    wholes = [source_if(each, "reshape") for each in node.inputs]
    found = [each for each in wholes if each is not None and each.rank == axis + 2]
    if axis != node.rank - 1 or len(found) < len(wholes):
        return None
    before, (*_, length) = node.shape[:-1], found[0].shape
    if any(each.shape[:-2] != before or each.shape[-1] != length for each in found):
        return None
    parts = [part for x in found for part in (x.inputs if _joins(x, axis) else (x,))]
    return reshape(emit("concat", *parts, axis=axis), node.shape)


def added_rows(node: Node) -> Node | None:
    """add_at(i, u) + add_at(j, v) → add_at(i and j, u and v): one array of zeros"""
    if not all(is_(each, "add_at") for each in node.inputs):
        return None
    indices, updates = list[Node](), list[Node]()
    for each in node.inputs:
        index, update = each.inputs
        count = product(index.shape)
        indices.append(reshape(index, (count,)))
        updates.append(reshape(update, (count, *update.shape[index.rank :])))
    index, update = (emit("concat", *parts, axis=0) for parts in (indices, updates))
    return emit("add_at", index, update, **node.inputs[0].attributes)


# ── one of each row ──────────────────────────────────────────────────────────────────────────────
def picked(node: Node) -> Node | None:
    """take_along_axis(f(x, y), i) → f(take_along_axis(x, i), take_along_axis(y, i)), one a row"""
    x, index = node.inputs
    last, length = node.rank - 1, x.shape[-1]
    if not isinstance(length, int) or length < PICKED_FROM or not x.op.elementwise:
        return None
    if node.attributes["axis"] != last or index.shape[-1] != 1:
        return None
    parts = [_picked(each, index) for each in x.inputs]
    known = [each for each in parts if each is not None]
    return emit(x.op.name, *known, **x.attributes) if len(known) == len(parts) else None


def _picked(x: Node, index: Node) -> Node | None:
    source = source_if(x, "broadcast")
    if source is None:
        return emit("take_along_axis", x, index, axis=x.rank - 1)
    if not source.rank or source.shape[-1] == 1:
        return broadcast(source, index.shape)
    return emit("take", source, index) if source.rank == 1 else None
