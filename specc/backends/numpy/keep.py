"""Part of numpy.rewrite: the patches of a convolution stay for its filters' gradient. Runs nothing.

Otherwise that gradient copies them anew, which takes no memory between the two: so large ones do.
"""

from __future__ import annotations

import math
from dataclasses import replace

from specc.backends.numpy.operations import apply, patches
from specc.ir import Graph, Node, Output, toposort
from specc.ir.size import axes, evaluate, product

ASSUMED = 64  # a dynamic axis' length
KEPT = 1 << 21  # elements of patches that are kept: 8 MB


def keep(graph: Graph) -> Graph:
    """convolve(x, filters), convolve_filters(x, g) → the same with room for patches, which the
    first one fills and the second reads; g is made of what the first one gives."""
    nodes = toposort([*graph.inputs, *graph.results])
    rooms: dict[Node, Node] = {}  # a convolution or its filters' gradient: the patches
    for node in nodes:
        if node.op.name != "convolve_filters" or not _pays(node):
            continue
        x, g = node.inputs
        before = [n for n in toposort([g]) if n.op.name == "convolve" and n.inputs[0] is x]
        alike = [n for n in before if n not in rooms and _steps(n) == _steps(node)]
        if alike and alike[0].inputs[1].shape[2:] == node.attributes["sizes"]:
            strides, dilations = _steps(node)
            room = apply(
                patches, x, sizes=node.attributes["sizes"], strides=strides, dilations=dilations
            )
            rooms[alike[0]] = rooms[node] = room
    if not rooms:
        return graph
    made: dict[Node, Node] = {}
    for node in [*nodes, *rooms.values()]:
        made[node] = _rewritten(node, made, rooms.get(node))
    outputs = tuple([Output(o.name, o.role, made[o.node]) for o in graph.outputs])
    return replace(graph, outputs=outputs)


def _rewritten(node: Node, made: dict[Node, Node], room: Node | None) -> Node:
    inputs = tuple([made[each] for each in node.inputs])
    if room is not None:
        if room not in made:
            made[room] = _rewritten(room, made, None)
        inputs = (*inputs, made[room])
    if inputs == node.inputs:
        return node
    return Node(node.op, inputs, node.attributes, node.type, node.origin)


def _steps(node: Node) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return node.attributes["strides"], node.attributes["dilations"]


def _pays(node: Node) -> bool:
    """Are its patches small, a window's rows neighbours, and its columns more than one?"""
    at = node.attributes
    near = at["dilations"][0] == 1 and at["strides"][0] <= at["sizes"][0]
    room = product(apply(patches, node.inputs[0], **{k: at[k] for k in STEPS}).shape)
    small = evaluate(room, dict.fromkeys(axes(room), ASSUMED)) <= KEPT
    return near and small and math.prod(at["sizes"][1:]) > 1


STEPS = ("sizes", "strides", "dilations")
