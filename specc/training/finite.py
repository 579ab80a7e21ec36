"""Where numbers are finite: of arrays at once, of programs by sums of squares. Explains nothing."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from specc.ir.graph import Graph, Node, Output, emit, toposort
from specc.ir.size import axes, evaluate, product


def all_finite(values: np.ndarray) -> bool:
    """Whether it has no NaN and no infinity, mostly in one pass that makes no array."""
    with np.errstate(over="ignore", invalid="ignore"):
        if values.flags.c_contiguous:
            flat = values.reshape(-1)
            total = np.dot(flat, flat)  # less than half the time of a sum
        else:
            total = np.add.reduce(values, axis=None)
    # The squares of finite numbers may overflow, so only a finite sum is an answer.
    return math.isfinite(total) or bool(np.isfinite(values).all())


def measured(update: Graph, told: Collection[str]) -> Graph:
    """With the sum of each changed parameter's squares, finite only where all its numbers are, but
    of those that are `told` of otherwise.
    """
    made = [
        Output(f"squares of {each.name}", "squares", _squares(each.node))
        for each in update.outputs
        if each.role == "parameter" and each.name not in told
    ]
    return replace(update, outputs=(*update.outputs, *made))


def witnessed(graph: Graph) -> tuple[Graph, dict[str, str]]:
    """With outputs that tell of the inputs' numbers, and their names by the inputs'.

    The squares of x do: a finite sum has no term that isn't. Each number of x is a term of a whole
    row of x @ w: one that isn't finite leaves none there that is, times 0 too. So the squares of
    such a product, which are fewer and in the cache, will do as well.
    """
    told = {each.node.inputs[0].inputs[0]: each for each in graph.outputs if each.role == "squares"}
    seen = {x: told.get(x) for x in graph.inputs if _is_data(x)}
    for node in toposort(graph.results):
        if node.op.name == "matmul" and node.inputs[0] in seen and _narrows(node):
            x = node.inputs[0]
            seen[x] = seen[x] or _told(x, node)
    made = [seen[x] or _told(x, x) for x in seen]
    name_of = {x.attributes["name"]: each.name for x, each in zip(seen, made, strict=True)}
    # First, so that what becomes of the product may be written over it.
    new = [each for each in made if each not in graph.outputs]
    return replace(graph, outputs=(*new, *graph.outputs)), name_of


def _is_data(node: Node) -> bool:
    is_input = node.op.name == "input" and node.attributes["role"] == "input"
    return is_input and node.dtype == "float" and node.rank > 0


def _told(x: Node, node: Node) -> Output:
    return Output(f"squares of {x.attributes['name']}", "squares", _squares(node))


def bounded(graph: Graph, batch: int) -> tuple[Graph, dict[str, list[str]]]:
    """With the squares of what large gradients are products of, and these outputs' names by theirs.

    No number of a @ b is beyond the root of |a|² |b|² (Cauchy, Schwarz), nor a sum on the way to
    it. Where the factors have fewer numbers than their product, they tell sooner that it is finite.
    """
    squares: dict[Node, Output] = {}
    factors_of: dict[str, list[str]] = {}
    for output in graph.outputs:
        made = _lying(output.node)
        factors = [_lying(each) for each in made.inputs]
        is_product = output.role == "gradient" and made.op.name == "matmul"
        if is_product and sum(_count(each, batch) for each in factors) < _count(made, batch):
            for each in factors:
                name = f"squares of factor {len(squares)}"
                squares.setdefault(each, Output(name, "squares", _squares(each)))
            factors_of[output.name] = [squares[each].name for each in factors]
    return replace(graph, outputs=(*squares.values(), *graph.outputs)), factors_of


SURE = 1e70  # squares of factors, multiplied: float32 ends at 3e38, and its sums are rounded


def _lying(node: Node) -> Node:
    """Less what only shows the numbers in another order."""
    while node.op.name in ("permute", "reshape"):
        (node,) = node.inputs
    return node


def _count(node: Node, batch: int) -> int:
    size = product(node.shape)
    return evaluate(size, dict.fromkeys(axes(size), batch))


def _narrows(node: Node) -> bool:
    """Has a product by one matrix no more columns than what it multiplies?"""
    x, w = node.inputs
    before, after = x.shape[-1], w.shape[-1]
    narrow = isinstance(before, int) and isinstance(after, int) and 0 < after <= before
    return w.rank == 2 and narrow and node.dtype == "float"


def _squares(node: Node) -> Node:
    return emit("sum", node * node, axes=tuple(range(node.rank)))
