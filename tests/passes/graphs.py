"""Small graphs made by hand, and counts of what is in one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from specc.ir import Extent, Graph, Node, Output, Type, bodies, emit, make_input, toposort
from specc.ir.verify import verify
from tests.evaluate import Array

Function = Callable[..., Node | tuple[Node, ...]]


def parameter(name: str, *shape: Extent) -> Node:
    return make_input(name, "parameter", Type("float", shape))


def body(name: str, function: Function, *types: Type, **settings: Any) -> Graph:
    """A body whose inputs are a, b, c, ... and whose results are r0, r1, ..."""
    inputs = tuple(make_input(chr(ord("a") + at), "input", t) for at, t in enumerate(types))
    made = function(*inputs)
    results = made if isinstance(made, tuple) else (made,)
    outputs = tuple(Output(f"r{at}", "result", node) for at, node in enumerate(results))
    return verify(Graph(name, inputs, outputs, **settings))


def scalar_graph(loss: Node, *inputs: Node) -> Graph:
    return verify(Graph("scalar", inputs, (Output("loss", "loss", loss),)))


def total(node: Node) -> Node:
    return emit("sum", node, axes=tuple(range(node.rank)))


def transpose(node: Node) -> Node:
    return emit("permute", node, axes=(1, 0))


def random_feeds(graph: Graph, seed: int = 0, **length_of: int) -> dict[str, Array]:
    random = np.random.default_rng(seed)

    def array(node: Node) -> Array:
        shape = [e if isinstance(e, int) else length_of[str(e)] for e in node.shape]
        return random.uniform(0.5, 1.5, shape) * random.choice([-1, 1], shape)

    return {node.attributes["name"]: array(node) for node in graph.inputs}


def ops_in(graph: Graph) -> list[str]:
    """The names of the operations of the graph's own nodes, inputs left out, sorted."""
    nodes = toposort(graph.results)
    return sorted(node.op.name for node in nodes if node.op.name != "input")


def nodes_in(graph: Graph) -> int:
    """Nodes in the graph and in each body that it calls."""
    return sum(len(toposort(each.results)) for each in bodies(graph))
