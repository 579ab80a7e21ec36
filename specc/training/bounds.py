"""Indices in the data that no row of a table has, found before the first step. Runs no graph."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from specc.diagnostics import Span, fault
from specc.ir.graph import Graph, Node, toposort
from specc.training.ragged import Column, Ragged

# What only rearranges an index, so that its bound is the input's.
MOVES = {"reshape", "permute", "broadcast", "slice", "cast", "stop_gradient"}


@lru_cache(maxsize=8)  # a training asks for its own before each step on a device
def bounds_of(graph: Graph) -> Mapping[str, int]:
    """int inputs that index an axis of a known size → that size, where nothing is done to them."""
    roles = ("input", "target")
    fed = [n for n in graph.inputs if n.dtype == "int" and n.attributes["role"] in roles]
    bound: dict[str, int] = {}
    _follow(graph, {id(node): node for node in fed}, bound)
    return bound


def _follow(graph: Graph, source: dict[int, Node], bound: dict[str, int]) -> None:
    """`source`: by the ids of the graph's own inputs, what is fed to them."""
    for node in toposort(graph.results):
        if node.op.name in ("input", "scan"):
            if node.op.name == "scan":
                body: Graph = node.attributes["body"]
                given = zip(body.inputs, node.inputs, strict=True)
                _follow(body, {id(o): source[id(n)] for o, n in given if id(n) in source}, bound)
        elif node.op.name in MOVES and node.type.dtype == "int":
            if id(node.inputs[0]) in source:
                source[id(node)] = source[id(node.inputs[0])]
        else:
            for index, size in _indexed(node):
                if id(index) in source:
                    given = source[id(index)].attributes
                    # An input may be compared with anything; a target is compared with classes.
                    if node.op.name != "equal" or given["role"] == "target":
                        bound[given["name"]] = min(size, bound.get(given["name"], size))


def _indexed(node: Node) -> list[tuple[Node, int]]:
    """The (index, size) pairs of a node that looks up rows, or compares with every class."""
    if node.op.name in ("take", "take_along_axis"):
        table, index = node.inputs
        size = table.shape[node.attributes.get("axis", 0)]
        return [(index, size)] if isinstance(size, int) else []
    if node.op.name in ("add_at", "add_along"):
        size = node.attributes["length"]
        return [(node.inputs[0], size)] if isinstance(size, int) else []
    if node.op.name == "equal":
        left, right = node.inputs
        classes = [_classes(left), _classes(right)]
        pairs = ((right, classes[0]), (left, classes[1]))
        return [(index, size) for index, size in pairs if size is not None]
    return []


def _classes(node: Node) -> int | None:
    """n, if the node is 0..n-1 along some axis: one_hot compares an index with it."""
    while node.op.name in MOVES and node.op.name != "slice":
        node = node.inputs[0]
    length = node.attributes.get("length") if node.op.name == "iota" else None
    return length if isinstance(length, int) else None


def check(graph: Graph, feeds: Mapping[str, Column], data: Span | None) -> None:
    inputs = {node.attributes["name"]: node for node in graph.inputs}
    for name, size in bounds_of(graph).items():
        given = feeds.get(name)
        values = given.flat if isinstance(given, Ragged) else given
        if values is None or not values.size or (values.min() >= 0 and values.max() < size):
            continue
        places = np.flatnonzero((values < 0) | (values >= size))
        if isinstance(given, Ragged):
            rows = np.unique(np.searchsorted(given.starts, places, side="right") - 1)
        else:
            rows = np.unique(places // (values.size // len(values)))
        value = int(values.reshape(-1)[places[0]])
        span = inputs[name].origin.span
        raise fault(
            "D009",
            f"`{name}` has values outside 0 to {size - 1}",
            (span, f"indexes an axis of size {size}") if span else None,
            (data, "the data") if data else None,
            expected=f"0 ≤ {name} < {size}",
            found=f"{value} in row {int(rows[0])} ({len(rows)} such rows)",
        )
