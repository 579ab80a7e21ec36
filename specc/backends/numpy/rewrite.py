"""numpy.rewrite: the graph in the operations that NumPy runs fastest. Chooses no memory.

What comes out agrees with what went in to rounding, not to the bit: sums are factored, convolutions
are whole again, a rectifier follows its pooling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from specc import passes
from specc.backends.numpy.fold import fold
from specc.backends.numpy.gates import gates
from specc.backends.numpy.keep import keep
from specc.backends.numpy.lift import lift
from specc.backends.numpy.operations import (
    WINDOW,
    apply,
    convolve,
    convolve_filters,
    convolve_input,
    dot,
    max_pool,
    max_pool_gradient,
    routed_dot,
)
from specc.backends.numpy.sums import (
    added_in_place,
    added_rows,
    deviation_of_shifted,
    joined_parts,
    mean_of_shifted,
    merged_parts,
    nothing_added,
    nothing_divided,
    picked,
    squeezed,
    sum_of_neg,
    sum_of_products,
    sum_of_scaled,
    sum_of_terms,
    without_axes,
)
from specc.ir import Graph, Node, constant, emit
from specc.ir.size import product
from specc.ops.rules import broadcast, reshape
from specc.passes.rules import equals, is_, source_if, with_rules
from specc.passes.scaling import divided_twice, scaled_divided, scaled_neg, scaled_twice

Rule = Callable[[Node], Node | None]


def rewrite(graph: Graph) -> Graph:
    """The same results by other operations, to rounding."""
    rectified: set[Node] = set()  # what `maximum(x, 0)` is known of
    own: dict[str, tuple[Rule, ...]] = {
        "where": (relu(rectified), mask_of_relu(rectified), relu_of_pool_gradient),
        "permute": (convolution, filters_gradient, transposed_product),
        "overlap_add": (input_gradient, pooling_gradient),
        "max": (pooling,),
        "max_pool": (pool_of_relu, pool_of_shifted),
        "max_pool_gradient": (shifted_pool_gradient,),
        "slice": (part_of_input_gradient,),
        "sum": (sum_of_neg, sum_of_scaled, sum_of_products, sum_of_pool_gradient, sum_of_terms),
        "add": (twice, shifted_twice, nothing_added, added_in_place, joined_parts, added_rows),
        "multiply": (scaled_pool_gradient, scaled_twice, across_reshapes),
        "dot": (dot_of_pool_gradient,),
        "neg": (scaled_neg, across_reshapes),
        "divide": (
            nothing_divided,
            mean_of_shifted,
            divided_twice,
            scaled_divided,
            across_reshapes,
        ),
        "subtract": (
            deviation_of_shifted,
            across_reshapes,
        ),
        "sqrt": (across_reshapes,),
        "broadcast": (leading_ones,),
        "take_along_axis": (picked,),
        "concat": (merged_parts,),
    }
    rules = with_rules(own)
    graph = passes.simplify(lift(gates(passes.recall(graph))), rules)
    folded = fold(graph)
    return keep(graph if folded is graph else passes.simplify(folded, rules))


# ── rectifiers ───────────────────────────────────────────────────────────────────────────────────
def _positive(mask: Node) -> Node | None:
    """x of the mask x > 0."""
    return mask.inputs[1] if is_(mask, "less") and equals(mask.inputs[0], 0.0) else None


def relu(rectified: set[Node]) -> Rule:
    """where(x > 0, x, 0) → maximum(x, 0)"""

    def rule(node: Node) -> Node | None:
        mask, x, other = node.inputs
        if _positive(mask) is not x or not equals(other, 0.0):
            return None
        rectified.add(x)
        return emit("maximum", x, other)

    return rule


def mask_of_relu(rectified: set[Node]) -> Rule:
    """where(x > 0, g, 0) → where(y > 0, g, 0) with y = maximum(x, 0): x needn't be kept."""

    def rule(node: Node) -> Node | None:
        mask, g, other = node.inputs
        x = _positive(mask)
        if x is None or x not in rectified or not equals(other, 0.0):
            return None
        y = emit("maximum", x, other)
        return emit("where", emit("less", mask.inputs[0], y), g, other)

    return rule


def _rectified(node: Node) -> Node | None:
    """x of maximum(x, 0)."""
    return node.inputs[0] if is_(node, "maximum") and equals(node.inputs[1], 0.0) else None


# ── pooling ──────────────────────────────────────────────────────────────────────────────────────
def _pooled(node: Node) -> Node | None:
    """The `windows` of which the node is the maximum over all window axes."""
    depth = 0
    while is_(node, "max") and node.attributes["axis"] == node.rank:
        node, depth = node.inputs[0], depth + 1
    if depth and is_(node, "windows") and len(node.attributes["axes"]) == depth:
        return node
    return None


def pooling(node: Node) -> Node | None:
    """max(max(windows x)) → max_pool(x)"""
    seen = _pooled(node)
    if seen is None:
        return None
    return apply(max_pool, seen.inputs[0], **{key: seen.attributes[key] for key in WINDOW})


def pooling_gradient(node: Node) -> Node | None:
    """overlap_add(add_along(argmax(windows x), add_along(argmax(max(windows x)), g)))"""
    at = node.attributes
    rest, level, seen = node.inputs[0], None, None
    for _ in at["axes"]:
        if not is_(rest, "add_along") or rest.attributes["axis"] != rest.rank - 1:
            return None
        index, updates = (source_if(each, "reshape") for each in rest.inputs)
        if index is None or updates is None or not is_(index, "argmax"):
            return None
        looked = index.inputs[0]
        if index.attributes["axis"] != looked.rank - 1:
            return None
        if level is None:
            seen = looked
        elif not (is_(looked, "max") and looked.inputs[0] is level):
            return None
        level, rest = looked, updates
    if level is None or seen is None or not is_(seen, "windows"):
        return None
    x = seen.inputs[0]
    if tuple(x.shape[axis] for axis in at["axes"]) != at["extents"] or any(
        seen.attributes[key] != at[key] for key in ("axes", "strides", "dilations")
    ):
        return None
    window = {key: seen.attributes[key] for key in WINDOW}
    top = apply(max_pool, x, **window)
    return apply(max_pool_gradient, x, top, reshape(rest, top.shape), **window)


def pool_of_relu(node: Node) -> Node | None:
    """max_pool(relu x) → relu(max_pool x): a quarter of the work, and the same numbers."""
    x = _rectified(node.inputs[0])
    if x is None:
        return None
    pooled = apply(max_pool, x, **node.attributes)
    return emit("maximum", pooled, constant(0.0, node.dtype, node.shape))


def relu_of_pool_gradient(node: Node) -> Node | None:
    """
    where(relu x > 0, max_pool_gradient(relu x, y, g), 0) → max_pool_gradient(x, y, where(y > 0, g,
    0)): a window's maximum is first of its kind in x too, or is 0 and takes no gradient.
    """
    mask, inner, other = node.inputs
    y = _positive(mask)
    if y is None or not is_(inner, "max_pool_gradient") or not equals(other, 0.0):
        return None
    x = _rectified(y)
    if x is None or inner.inputs[0] is not y:
        return None
    _, top, g = inner.inputs
    zero = constant(0.0, g.dtype, g.shape)
    masked = emit("where", emit("less", zero, top), g, zero)
    return apply(max_pool_gradient, x, top, masked, **inner.attributes)


def _shifted(node: Node, axes: Sequence[int]) -> tuple[Node, Node] | None:
    """(x, c) of x + broadcast(c), c with an extent of 1 along the axes."""
    if not is_(node, "add") or node.dtype != "float":
        return None
    for x, shift in (node.inputs, node.inputs[::-1]):
        source = source_if(shift, "broadcast")
        if source is not None and not is_(x, "broadcast"):
            aligned = (1,) * (node.rank - source.rank) + source.shape
            if all(aligned[axis] == 1 for axis in axes):
                return x, source
    return None


def pool_of_shifted(node: Node) -> Node | None:
    """max_pool(x + c) → max_pool(x) + c, where c is the same in all of a window"""
    found = _shifted(node.inputs[0], node.attributes["axes"])
    if found is None:
        return None
    x, c = found
    return apply(max_pool, x, **node.attributes) + broadcast(c, node.shape)


def shifted_pool_gradient(node: Node) -> Node | None:
    """max_pool_gradient(x + c, max_pool(x + c), g) → max_pool_gradient(x, max_pool(x), g)"""
    found = _shifted(node.inputs[0], node.attributes["axes"])
    if found is None:
        return None
    x, _ = found
    top = apply(max_pool, x, **node.attributes)
    return apply(max_pool_gradient, x, top, node.inputs[2], **node.attributes)


def sum_of_pool_gradient(node: Node) -> Node | None:
    """sum(max_pool_gradient(x, y, g)) → sum(g), where the sum is over all of a window"""
    x, axes = node.inputs[0], node.attributes["axes"]
    if not is_(x, "max_pool_gradient") or not {*x.attributes["axes"]} <= {*axes}:
        return None
    return emit("sum", x.inputs[2], axes=axes)


def _scaled_pool_gradient(node: Node) -> tuple[Node, Node] | None:
    """(x, c) of max_pool_gradient(x broadcast(c), y, g), c with an extent of 1 along a window."""
    if not is_(node, "max_pool_gradient") or not is_(node.inputs[0], "multiply"):
        return None
    for x, scale in (node.inputs[0].inputs, node.inputs[0].inputs[::-1]):
        source = source_if(scale, "broadcast")
        if source is not None and not is_(x, "broadcast"):
            aligned = (1,) * (node.rank - source.rank) + source.shape
            if all(aligned[axis] == 1 for axis in node.attributes["axes"]):
                return x, scale
    return None


def scaled_pool_gradient(node: Node) -> Node | None:
    """
    max_pool_gradient(x c, y, g) c → max_pool_gradient(x c, y, g c): a norm's gradient is scaled
    where it is still a quarter
    """
    for routed, scale in (node.inputs, node.inputs[::-1]):
        found = _scaled_pool_gradient(routed)
        if found is not None and found[1] is scale:
            x, y, g = routed.inputs
            scaled = g * broadcast(scale.inputs[0], g.shape)
            return apply(max_pool_gradient, x, y, scaled, **routed.attributes)
    return None


def dot_of_pool_gradient(node: Node) -> Node | None:
    """
    dot(max_pool_gradient(x c, y, g), x) → dot(g, y) / c, where c is the same in all of a sum: each
    y is some x c. Where c is nearly 0 that says nothing, which the last step mends.
    """
    over = node.attributes["axes"]
    for routed, x in (node.inputs, node.inputs[::-1]):
        found = _scaled_pool_gradient(routed)
        if found is None or found[0] is not x or not {*routed.attributes["axes"]} <= {*over}:
            continue
        scale = without_axes(found[1], over)
        if scale is None:
            continue
        _, y, g = routed.inputs
        scale = broadcast(scale, node.shape)
        quick = apply(dot, g, y, axes=over) / scale
        return apply(routed_dot, quick, x, y, g, scale, over=over, **routed.attributes)
    return None


# ── convolution ──────────────────────────────────────────────────────────────────────────────────
def _unfolded(node: Node) -> Node | None:
    """The `windows` of [b, c, ...] that the node has as rows (b ...) of (c sizes ...)."""
    moved = source_if(node, "reshape")
    if moved is None or not is_(moved, "permute") or node.rank != 2:
        return None
    seen = moved.inputs[0]
    if not is_(seen, "windows"):
        return None
    n = len(seen.attributes["axes"])
    spatial = tuple(range(2, 2 + n))
    ends = tuple(range(2 + n, 2 + 2 * n))
    fits = (
        seen.rank == 2 + 2 * n
        and seen.attributes["axes"] == spatial
        and moved.attributes["axes"] == (0, *spatial, 1, *ends)
        and node.shape[0] == product(moved.shape[: 1 + n])
    )
    return seen if fits else None


def _filters(node: Node) -> Node | None:
    """The filters [o, c, ...] that the node has as (c ...) rows of o."""
    moved = source_if(node, "reshape")
    if moved is None or not is_(moved, "permute") or node.rank != 2:
        return None
    last = moved.rank - 1
    fits = moved.attributes["axes"] == (*range(1, last + 1), 0) and node.shape[1] == moved.shape[-1]
    return moved.inputs[0] if fits else None


def _channels(node: Node) -> Node | None:
    """The [b, o, ...] that the node has as rows (b ...) of o."""
    moved = source_if(node, "reshape")
    if moved is None or not is_(moved, "permute") or node.rank != 2:
        return None
    axes = moved.attributes["axes"]
    fits = axes == (0, *range(2, moved.rank), 1) and node.shape[1] == moved.shape[-1]
    return moved.inputs[0] if fits else None


def _transposed(node: Node) -> Node | None:
    return node.inputs[0] if is_(node, "permute") and node.attributes["axes"] == (1, 0) else None


def _product(node: Node) -> tuple[Node, Node] | None:
    """The two matrices of a product that the node moves the axes of."""
    shaped = source_if(node, "reshape")
    if shaped is None or not is_(shaped, "matmul") or shaped.rank != 2:
        return None
    left, right = shaped.inputs
    return left, right


def _steps(seen: Node) -> dict[str, tuple[int, ...]]:
    return {key: seen.attributes[key] for key in ("strides", "dilations")}


WHOLE = {"halved": False}


def convolution(node: Node) -> Node | None:
    """[b ... o] = windows(x) @ filters, with its channels put second → convolve(x, filters)"""
    factors = _product(node.inputs[0])
    if factors is None or node.attributes["axes"] != (0, node.rank - 1, *range(1, node.rank - 1)):
        return None
    seen, filters = _unfolded(factors[0]), _filters(factors[1])
    if seen is None or filters is None or filters.rank != node.rank:
        return None
    made = apply(convolve, seen.inputs[0], filters, **_steps(seen), **WHOLE)
    return made if made.shape == node.shape else None


def input_gradient(node: Node) -> Node | None:
    """overlap_add(g @ filters') → convolve_input(g, filters)"""
    at, moved = node.attributes, node.inputs[0]
    n = len(at["axes"])
    spatial = tuple(range(2, 2 + n))
    if not is_(moved, "permute") or at["axes"] != spatial or node.rank != 2 + n:
        return None
    ends = tuple(range(2 + n, 2 + 2 * n))
    factors = _product(moved.inputs[0])
    if factors is None or moved.attributes["axes"] != (0, 1 + n, *range(1, 1 + n), *ends):
        return None
    g, turned = _channels(factors[0]), _transposed(factors[1])
    filters = None if turned is None else _filters(turned)
    if g is None or filters is None or g.rank != node.rank or filters.rank != node.rank:
        return None
    if moved.shape != (g.shape[0], filters.shape[1], *g.shape[2:], *filters.shape[2:]):
        return None
    low = (0,) * n
    return apply(
        convolve_input, g, filters, extents=at["extents"], low=low, **_steps(node), **WHOLE
    )


def part_of_input_gradient(node: Node) -> Node | None:
    """slice(convolve_input), what padding leaves of it, → convolve_input of less"""
    whole, at = node.inputs[0], node.attributes
    if not is_(whole, "convolve_input") or whole.shape[:2] != node.shape[:2]:
        return None
    if any(step != 1 for step in at["steps"]):
        return None
    pairs = zip(whole.attributes["low"], at["starts"][2:], strict=True)
    low = tuple([old + start for old, start in pairs])
    part = {**whole.attributes, "low": low, "extents": node.shape[2:]}
    return apply(convolve_input, *whole.inputs, **part)


def filters_gradient(node: Node) -> Node | None:
    """windows(x)' @ g, with its channels put first → convolve_filters(x, g)"""
    factors = _product(node.inputs[0])
    if factors is None or node.attributes["axes"] != (node.rank - 1, *range(node.rank - 1)):
        return None
    turned, g = _transposed(factors[0]), _channels(factors[1])
    seen = None if turned is None else _unfolded(turned)
    if seen is None or g is None or g.rank != node.rank:
        return None
    sizes = seen.attributes["sizes"]
    made = apply(convolve_filters, seen.inputs[0], g, sizes=sizes, **_steps(seen), **WHOLE)
    return made if made.shape == node.shape else None


# ── products ─────────────────────────────────────────────────────────────────────────────────────
def transposed_product(node: Node) -> Node | None:
    """(a @ b)' → b' @ a', which goes straight to where it is wanted"""
    product_ = _transposed(node)
    if product_ is None or not is_(product_, "matmul"):
        return None
    a, b = product_.inputs
    return emit("matmul", emit("permute", b, axes=(1, 0)), emit("permute", a, axes=(1, 0)))


# ── scales ───────────────────────────────────────────────────────────────────────────────────────
def twice(node: Node) -> Node | None:
    """x + x → 2 x"""
    a, b = node.inputs
    return a * 2.0 if a is b and node.dtype == "float" and not is_(a, "broadcast") else None


def shifted_twice(node: Node) -> Node | None:
    """(x + a) + b → x + (a + b), with a and b small and alike"""
    outer = _shifted(node, ())
    inner = None if outer is None else _shifted(outer[0], ())
    if outer is None or inner is None:
        return None
    (_, b), (x, a) = outer, inner
    return x + broadcast(a + b, node.shape) if a.shape == b.shape else None


# ── axes of 1 ────────────────────────────────────────────────────────────────────────────────────
def _only_ones(node: Node) -> bool:
    source = node.inputs[0]
    kept = [extent for extent in node.shape if extent != 1]
    return kept == [extent for extent in source.shape if extent != 1]


def across_reshapes(node: Node) -> Node | None:
    """f(reshape a, b) → reshape f(a, b), where only axes of 1 are put in and b is one number"""
    shaped = [each for each in node.inputs if is_(each, "reshape") and _only_ones(each)]
    shapes = {each.inputs[0].shape for each in shaped}
    if len(shapes) != 1:
        return None
    (shape,) = shapes
    operands: list[Node] = []
    for each in node.inputs:
        source = source_if(each, "broadcast")
        if each in shaped:
            operands.append(each.inputs[0])
        elif source is not None and not source.rank:
            operands.append(broadcast(source, shape))
        else:
            return None
    return reshape(emit(node.op.name, *operands, **node.attributes), node.shape)


def leading_ones(node: Node) -> Node | None:
    """broadcast(x[1, n, 1]) → broadcast(x[n, 1]), so that equal ones are one"""
    source = source_if(node.inputs[0], "reshape")
    if source is None or not node.inputs[0].shape or node.inputs[0].shape[0] != 1:
        return None
    return broadcast(squeezed(source, node.inputs[0].shape), node.shape)
