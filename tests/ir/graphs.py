"""Random graphs for properties: calls, several bodies, symbolic axes, names that need quoting."""

from __future__ import annotations

import random

import specc.ops
from specc.diagnostics import Source, Span
from specc.ir import (
    Graph,
    Node,
    Origin,
    Output,
    Requirement,
    Type,
    call,
    constant,
    emit,
    make_input,
    origin,
)
from specc.ir.size import axis

NAMES = ("x", "fc1.weight", 'a "quoted"\tname', "θ", "line\nbreak", "#", "average.w:m")
SOURCE = Source("a spec.nn", "model M {\n    input x: float[b]\n}\n")
VALUES = (0.5, -0.0, float("inf"), -float("inf"), float("nan"), 1e300, 5e-324, -2.5)
assert specc.ops.registry


def graph(seed: int) -> Graph:
    """One of many graphs; equal seeds give equal texts."""
    choose = random.Random(seed)
    extents = [3, axis("b"), axis("time") * 2 + 1, (axis("time") - 3) // 2, axis("b") % 4 + 1]
    shape = tuple(choose.choice(extents) for _ in range(choose.randrange(3)))
    inner = [_body(f"body {i % 2}", shape, choose, []) for i in range(2)]
    outer = _body("outer", shape, choose, inner)
    return _body("main", shape, choose, [*inner, outer])


def _body(name: str, shape: tuple, choose: random.Random, inner: list[Graph]) -> Graph:
    floats = Type("float", shape)
    names = choose.sample(NAMES, 2)
    roles = zip(names, ("input", "parameter"), strict=True)
    inputs = tuple(make_input(each, role, floats) for each, role in roles)
    nodes: list[Node] = list(inputs)
    for _ in range(choose.randrange(1, 8)):
        span = Span(SOURCE, 12, 14) if choose.random() < 0.5 else None
        with origin(Origin(span, choose.choice(("", "fc1", "layer.0.θ")))):
            nodes.extend(_more(nodes, shape, choose, inner))
    outputs = (Output("y", "result", nodes[-1]), Output("y", "loss", choose.choice(nodes)))
    requires = (Requirement(axis("time") - 3, ">=", 'too "short"', Span(SOURCE, 0, 5)),)
    hypers = {"out": 64, "p": 0.1, "bias": False, "act": None, "sizes": (3,), "b": axis("b")}
    return Graph(name, inputs, outputs, None, hypers, {}, requires if choose.random() < 0.5 else ())


def _more(nodes: list[Node], shape: tuple, choose: random.Random, inner: list[Graph]) -> list[Node]:
    a, b = choose.choice(nodes), choose.choice(nodes)
    match choose.randrange(6):
        case 0:
            return [emit("tanh", a)]
        case 1:
            return [a * b]
        case 2:
            return [a + constant(choose.choice(VALUES), "float", shape)]
        case 3:
            return [emit("where", emit("less", a, b), a, b)]
        case 4 if inner:
            body = choose.choice(inner)
            return list(call(body, [a, b]))
        case _:
            low = tuple(choose.randrange(2) for _ in shape)
            padded = emit("pad", a, low=low, high=low, value=choose.choice(VALUES))
            stops = tuple(n + extent for n, extent in zip(low, shape, strict=True))
            return [emit("slice", padded, starts=low, stops=stops, steps=(1,) * len(shape))]
