"""Scales and shifts after a convolution, known from weights alone, in its filters. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from specc.backends.numpy.operations import apply, convolve
from specc.ir import Graph, Node, Output, toposort
from specc.ops.rules import broadcast, reshape
from specc.passes.rules import is_, source_if

WEIGHTS = ("parameter", "state")
Affine = tuple[Node | None, Node | None]  # what is multiplied with, what is added, a channel each


def fold(graph: Graph) -> Graph:
    """(convolve(x, w) + b - m) s + t → convolve(x, w s) + ((b - m) s + t)

    Where each value has one reader, as in inference: nothing convolved is needed unscaled.
    """
    nodes = toposort([*graph.inputs, *graph.results])
    if not any(is_(node, "convolve") for node in nodes):
        return graph
    reader = _only_readers(graph, nodes)
    fixed = _fixed(nodes)
    last_of: dict[Node, tuple[Node, Affine]] = {}
    for node in nodes:
        if is_(node, "convolve") and node.inputs[1] in fixed:
            last, affine = _chain(node, reader, fixed)
            if affine[0] is not None:
                last_of[last] = node, affine
    if not last_of:
        return graph
    made: dict[Node, Node] = {}
    for node in nodes:
        if node in last_of:
            made[node] = _folded(*last_of[node], made)
        else:
            inputs = tuple([made[each] for each in node.inputs])
            same = inputs == node.inputs
            made[node] = node if same else replace(node, inputs=inputs)
    outputs = tuple([Output(o.name, o.role, made[o.node]) for o in graph.outputs])
    return replace(graph, outputs=outputs)


def _only_readers(graph: Graph, nodes: Sequence[Node]) -> dict[Node, Node]:
    """The reader of each node that has one, once, and is no result."""
    readers: dict[Node, list[Node]] = {}
    for node in nodes:
        for each in node.inputs:
            readers.setdefault(each, []).append(node)
    results = set(graph.results)
    return {n: found[0] for n, found in readers.items() if len(found) == 1 and n not in results}


def _fixed(nodes: Sequence[Node]) -> set[Node]:
    """What depends on weights alone."""
    found: set[Node] = set()
    for node in nodes:
        weight = is_(node, "input") and node.attributes["role"] in WEIGHTS
        made = bool(node.inputs) and all(each in found for each in node.inputs)
        if weight or made or is_(node, "constant"):
            found.add(node)
    return found


def _chain(node: Node, reader: Mapping[Node, Node], fixed: set[Node]) -> tuple[Node, Affine]:
    """The last node of the chain, and how it is made of the first."""
    scale: Node | None = None
    shift: Node | None = None
    while (after := reader.get(node)) is not None:
        other = _channels(after, node, fixed)
        if other is None:
            break
        match after.op.name:
            case "add":
                shift = other if shift is None else shift + other
            case "subtract":
                shift = -other if shift is None else shift - other
            case "multiply":
                scale = other if scale is None else scale * other
                shift = None if shift is None else shift * other
            case _:
                scale = 1.0 / other if scale is None else scale / other
                shift = None if shift is None else shift / other
        node = after
    return node, (scale, shift)


def _channels(after: Node, node: Node, fixed: set[Node]) -> Node | None:
    """The other operand of a scale or a shift, as one number a channel."""
    if after.op.name not in ("add", "subtract", "multiply", "divide") or after.dtype != "float":
        return None
    first, second = after.inputs
    if second is node and after.op.name in ("add", "multiply"):
        first, second = second, first
    source = source_if(second, "broadcast")
    if first is not node or source is None or source not in fixed:
        return None
    aligned = (1,) * (after.rank - source.rank) + source.shape
    if any(extent != 1 for axis, extent in enumerate(aligned) if axis != 1):
        return None
    channels = (after.shape[1],)
    return broadcast(reshape(source, channels if aligned[1] != 1 else ()), channels)


def _folded(node: Node, affine: Affine, made: Mapping[Node, Node]) -> Node:
    scale, shift = affine
    assert scale is not None
    filters, ones = node.inputs[1], (1,) * (node.rank - 2)
    column = reshape(scale, (filters.shape[0], 1, *ones))
    scaled = filters * broadcast(column, filters.shape)
    new = replace(
        apply(convolve, made[node.inputs[0]], scaled, **node.attributes), origin=node.origin
    )
    if shift is None:
        return new
    return new + broadcast(reshape(shift, (filters.shape[0], *ones)), node.shape)
