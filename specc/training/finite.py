"""Where numbers are finite: of arrays at once, of programs by sums of squares. Explains nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from specc.ir.graph import Graph, Node, Output, emit, toposort


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


def measured(update: Graph) -> Graph:
    """With the sum of each changed parameter's squares, finite only where all its numbers are."""
    made = [
        Output(f"squares of {each.name}", "squares", _squares(each.node))
        for each in update.outputs
        if each.role == "parameter"
    ]
    return replace(update, outputs=(*update.outputs, *made))


def witnessed(graph: Graph) -> tuple[Graph, dict[str, str]]:
    """With outputs that tell of an input's numbers, and their names by the inputs'.

    Each number of x is a term of a whole row of x @ w: one that isn't finite leaves none there that
    is, times 0 too. So the squares of a product, which are fewer and in the cache, show whether x
    has to be looked at.
    """
    product_of: dict[str, Node] = {}
    for node in toposort(graph.results):
        if node.op.name == "matmul" and _narrows(node):
            (x, _), name = node.inputs, node.inputs[0].attributes.get("name")
            if x.op.name == "input" and x.attributes["role"] == "input":
                product_of.setdefault(str(name), node)
    made = [
        Output(f"squares of {name}", "squares", _squares(node)) for name, node in product_of.items()
    ]
    # First, so that what becomes of the product may be written over it.
    whole = replace(graph, outputs=(*made, *graph.outputs))
    return whole, {name: f"squares of {name}" for name in product_of}


def _narrows(node: Node) -> bool:
    """Has a product by one matrix no more columns than what it multiplies?"""
    x, w = node.inputs
    before, after = x.shape[-1], w.shape[-1]
    narrow = isinstance(before, int) and isinstance(after, int) and 0 < after <= before
    return w.rank == 2 and narrow and node.dtype == "float"


def _squares(node: Node) -> Node:
    return emit("sum", node * node, axes=tuple(range(node.rank)))
