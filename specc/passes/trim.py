"""Takes from scans the outputs that nothing reads, and what computes them. Knows no backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from specc.ir import Graph, Node, Tuple, rewrite, toposort


def trim(graph: Graph) -> Graph:
    """The graph whose scans stack only what is read of them."""
    nodes = toposort([*graph.inputs, *graph.results])
    read: dict[Node, set[int]] = {}
    for node in nodes:
        if node.op.name == "item":
            read.setdefault(node.inputs[0], set()).add(node.attributes["index"])
    places_of: dict[Node, list[int]] = {}
    for node in nodes:
        if node.op.name == "scan":
            states: int = node.attributes["states"]
            every = range(len(node.type.items))
            places_of[node] = [at for at in every if at < states or at in read.get(node, ())]
    if not places_of:
        return graph
    return rewrite(graph, lambda node, inputs: _trimmed(node, inputs, places_of))


def _trimmed(node: Node, inputs: tuple[Node, ...], places_of: Mapping[Node, list[int]]) -> Node:
    attributes, type = node.attributes, node.type
    if node.op.name == "scan":
        body: Graph = attributes["body"]
        kept = places_of[node]
        outputs = tuple(body.outputs[at] for at in kept)
        attributes = {**attributes, "body": trim(replace(body, outputs=outputs))}
        type = Tuple(tuple(node.type.items[at] for at in kept))
    elif node.op.name == "item" and node.inputs[0] in places_of:
        attributes = {"index": places_of[node.inputs[0]].index(attributes["index"])}
    elif inputs == node.inputs:
        return node
    return Node(node.op, inputs, attributes, type, node.origin)
