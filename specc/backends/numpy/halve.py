"""numpy.halve: even columns before odd ones between a convolution and its pooling. Runs nothing.

Pooling over pairs of columns then compares two halves of each row, in long runs, instead of images
that lie next to each other. All between a convolution and its pooling, and what is their gradient,
has its columns [..., 2, columns / 2]; what reads it otherwise, or gives it otherwise, hinders that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from specc.ir import Extent, Graph, Node, Output, Type, toposort
from specc.ops.rules import broadcast, reshape
from specc.passes.rules import source_if

LAST = 3  # the axis of the columns: of [b, c, rows, columns]
SUMS = ("sum", "dot")
GRADIENT = {"convolve_filters": 1, "convolve_input": 0}  # which operand it is
Group = list[Node]


def halve(graph: Graph) -> Graph:
    """The same, with the columns of images in halves wherever that saves time."""
    nodes = toposort([*graph.inputs, *graph.results])
    chosen = _chosen(graph, nodes)
    if not chosen:
        return graph
    made: dict[Node, Node] = {}
    for node in nodes:
        made[node] = _halved(node, made, chosen)
    outputs = tuple([Output(o.name, o.role, made[o.node]) for o in graph.outputs])
    return replace(graph, outputs=outputs)


# ── which ────────────────────────────────────────────────────────────────────────────────────────
def _chosen(graph: Graph, nodes: Sequence[Node]) -> set[Node]:
    groups = _groups(nodes)
    hindered = {id(groups[node]) for node in graph.results if node in groups}
    pooled: set[int] = set()
    for node in nodes:
        own = groups.get(node)
        if own is not None and not all(_given(each, groups) for each in _along(node)):
            hindered.add(id(own))
        for place, each in enumerate(node.inputs):
            group = groups.get(each)
            if group is None:
                continue
            if not (each in _along(node) and own is group) and not _reads(node, place, groups):
                hindered.add(id(group))
            if node.op.name == "max_pool":
                pooled.add(id(group))
    return {node for node, group in groups.items() if id(group) in pooled - hindered}


def _groups(nodes: Sequence[Node]) -> dict[Node, Group]:
    """Each image's group: those of one shape that some operation has in common."""
    shapes = {node.shape for node in nodes if node.op.name == "convolve" and _even(node)}
    groups: dict[Node, Group] = {}
    for node in nodes:
        if node.op.name == "scan" or node.shape not in shapes or not _may(node):
            continue
        group = groups[node] = [node]
        for each in _along(node):
            other = groups.get(each, group)
            if other is not group:
                small, group = sorted((group, other), key=len)
                group += small
                groups.update(dict.fromkeys(small, group))
    return groups


def _even(node: Node) -> bool:
    columns = node.shape[-1]
    return node.rank == LAST + 1 and isinstance(columns, int) and columns % 2 == 0


def _may(node: Node) -> bool:
    name = node.op.name
    pooling = name == "max_pool_gradient" and _in_pairs(node)
    return node.op.elementwise or name == "convolve" or pooling


def _along(node: Node) -> Sequence[Node]:
    """The operands whose columns are the result's."""
    if node.op.name == "max_pool_gradient":
        return node.inputs[:1]
    return node.inputs if node.op.elementwise else ()


def _given(each: Node, groups: Mapping[Node, Group]) -> bool:
    """Is it in halves as well, or the same in each column?"""
    if each in groups:
        return True
    source = source_if(each, "broadcast")
    return source is not None and (not source.rank or source.shape[-1] == 1)


def _reads(node: Node, place: int, groups: Mapping[Node, Group]) -> bool:
    """Can it, of no group or another, read columns in halves?"""
    name = node.op.name
    if name == "max_pool":
        return _in_pairs(node)
    if name == "routed_dot":
        return _in_pairs(node) and place == 1 and LAST in node.attributes["over"]
    if name in SUMS:
        one = {id(groups.get(each)) for each in node.inputs}
        return LAST in node.attributes["axes"] and len(one) == 1
    return GRADIENT.get(name) == place


def _in_pairs(node: Node) -> bool:
    at = node.attributes
    last = [at[key][-1] for key in ("sizes", "strides", "dilations")]
    return at["axes"] == (LAST - 1, LAST) and last == [2, 2, 1]


# ── how ──────────────────────────────────────────────────────────────────────────────────────────
def _halved(node: Node, made: Mapping[Node, Node], chosen: set[Node]) -> Node:
    inputs = tuple([made[each] for each in node.inputs])
    name, at = node.op.name, dict(node.attributes)
    there = [each in chosen for each in node.inputs]
    if node in chosen and node.op.elementwise:
        shape = (*node.shape[:-1], 2, _half(node.shape[-1]))
        inputs = tuple(
            [new if is_ else _spread(new, shape) for new, is_ in zip(inputs, there, strict=True)]
        )
        return Node(node.op, inputs, at, Type(node.dtype, shape), node.origin)
    if name == "max_pool_gradient" and node in chosen:
        # A row's windows are its columns now, of one element in either half.
        x, *rest = inputs
        inputs = (x, *map(_in_one, rest))
    elif name == "routed_dot" and any(there):
        quick, x, y, g, scale = inputs
        inputs = (quick, x, _in_one(y), _in_one(g), scale)
        at["over"] = (*at["over"], LAST + 1)
    elif name in SUMS and any(there):
        at["axes"] = (*(axis for axis in at["axes"] if axis != LAST), LAST, LAST + 1)
    elif (name == "convolve" and node in chosen) or (name in GRADIENT and there[GRADIENT[name]]):
        at["halved"] = True
    elif inputs == node.inputs:
        return node
    type = node.op.infer([each.type for each in inputs], at)
    new = Node(node.op, inputs, at, type, node.origin)
    return reshape(new, node.shape) if name == "max_pool" else new


def _in_one(pooled: Node) -> Node:
    return reshape(pooled, (*pooled.shape[:-1], 1, pooled.shape[-1]))


def _half(columns: Extent) -> Extent:
    return columns // 2


def _spread(made: Node, shape: Sequence[Extent]) -> Node:
    """A broadcast of what is the same in each column, to columns in halves."""
    source = made.inputs[0]
    return broadcast(reshape(source, (*source.shape, 1)) if source.rank else source, shape)
