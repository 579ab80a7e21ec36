"""A chain of 50,000 nodes and a 64-level diamond, of nodes and of bodies, through every walk."""

from __future__ import annotations

import time

import pytest

import specc.ops
from specc.ir import (
    Graph,
    Node,
    Output,
    Type,
    bodies,
    call,
    emit,
    make_input,
    replace,
    rewrite,
    toposort,
)
from specc.ir.text import parse, write
from specc.ir.verify import verify
from tests.check import gradient_graph, weighted

assert specc.ops.registry
FLOATS = Type("float", (2,))


def chain(length: int) -> Graph:
    x = make_input("x", "input", FLOATS)
    y = x
    for _ in range(length):
        y = emit("tanh", y)
    return Graph("chain", (x,), (Output("y", "result", y),))


def diamond(levels: int) -> Graph:
    """Each level reads the one before it twice: 2^levels paths."""
    x = make_input("x", "input", FLOATS)
    y = x
    for _ in range(levels):
        y = y + y
    return Graph("diamond", (x,), (Output("y", "result", y),))


def nested(levels: int) -> Graph:
    """Each body calls the one before it twice: 2^levels applications."""
    graph = chain(1)
    for level in range(levels):
        x = make_input("x", "input", FLOATS)
        (once,) = call(graph, [x])
        (twice,) = call(graph, [once])
        graph = Graph(f"level {level}", (x,), (Output("y", "result", twice),))
    return graph


def same(node: Node, inputs: tuple[Node, ...]) -> Node:
    return replace(node, inputs)


@pytest.mark.parametrize(
    ("graph", "nodes", "count"),
    [(chain(50_000), 50_001, 1), (diamond(64), 65, 1), (nested(64), 3, 65)],
    ids=["chain", "diamond", "nested"],
)
def test_every_walk_is_iterative_and_visits_once(graph: Graph, nodes: int, count: int) -> None:
    start = time.perf_counter()
    assert len(toposort(graph.results)) == nodes
    assert len(bodies(graph)) == count
    text = write(verify(graph))
    again = verify(parse(text))
    assert write(again) == text
    assert rewrite(graph, same).results[0] is graph.results[0]
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize("graph", [chain(50_000), diamond(64)], ids=["chain", "diamond"])
def test_the_gradient_rules_compose(graph: Graph) -> None:
    slopes = verify(gradient_graph(weighted(graph, None), ["x"]))
    assert len(toposort(slopes.results)) < 8 * len(toposort(graph.results)) + 20
