"""Inlining: what is shared, what is kept, where nodes say they come from, and how long it takes."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from specc import limits
from specc.diagnostics import SpecError
from specc.ir import (
    NOWHERE,
    Graph,
    Node,
    Origin,
    Output,
    Requirement,
    Type,
    call,
    constant,
    emit,
    origin,
    toposort,
)
from specc.ir.size import axis
from specc.ir.verify import verify
from specc.passes import expand
from tests.evaluate import run
from tests.passes.graphs import body, ops_in, parameter, random_feeds, scalar_graph, total
from tests.samples import Case, cases, computing

SCALAR = Type("float")
WAVE = body("wave", lambda a: emit("sin", a) * 2.0, SCALAR)


PAIRS = [
    case for case in cases(computing(), ["float64"])
    if case.op.elementwise and len({(x.dtype, x.shape) for x in case.inputs()}) == 1
    and len(case.inputs()) == 2
]  # fmt: skip


def named(name: str, node: Node) -> Node:
    return Node(node.op, node.inputs, node.attributes, node.type, Origin(None, name))


def applied(graph: Graph, *inputs: Node, scope: str = "") -> Node:
    with origin(Origin(None, "", scope) if scope else NOWHERE):
        (made,) = call(graph, inputs)
    return made


def test_nothing_calls_after_it_and_nothing_changes():
    x, y = parameter("x"), parameter("y")
    graph = scalar_graph(applied(WAVE, applied(WAVE, x)) * applied(WAVE, y), x, y)
    flat = verify(expand(graph))
    assert "call" not in ops_in(flat)
    feeds = random_feeds(graph)
    assert run(flat, feeds) == run(graph, feeds)


def test_equal_calls_become_one():
    x = parameter("x")
    flat = expand(scalar_graph(applied(WAVE, x) + applied(WAVE, x), x))
    assert ops_in(flat) == ["add", "constant", "multiply", "sin"]


def test_equal_bodies_and_swapped_operands_become_one():
    other = body(
        "other", lambda a: emit("multiply", constant(2.0, "float"), emit("sin", a)), SCALAR
    )
    x = parameter("x")
    flat = expand(scalar_graph(applied(WAVE, x) + applied(other, x), x))
    assert ops_in(flat) == ["add", "constant", "multiply", "sin"]


def test_what_only_looks_equal_stays_apart():
    x = parameter("x")
    zeros = [constant(value, "float") for value in (0.0, -0.0)]
    ones = [emit("cast", constant(v, d), dtype="float") for v, d in ((1, "int"), (True, "bool"))]
    y = x
    for each in (*zeros, *ones):
        y = y * each
    flat = expand(scalar_graph(y, x))
    assert ops_in(flat).count("constant") == 4


@pytest.mark.parametrize("case", PAIRS, ids=str)
def test_what_is_merged_with_its_operands_swapped_gives_the_same_bits(case: Case):
    graph = case.graph()
    (y,) = graph.results
    a, b = y.inputs
    swapped = emit(y.op.name, b, a, **y.attributes)
    flat = expand(Graph("both", graph.inputs, (*graph.outputs, Output("z", "result", swapped))))
    first, second = case.inputs()
    for name, feeds in (("y", (first, second)), ("z", (second, first))):
        alone = run(graph, {"a": feeds[0], "b": feeds[1]})
        np.testing.assert_array_equal(run(flat, case.feeds())[name], alone["y"])


def test_inputs_are_never_merged():
    x, y = parameter("x"), parameter("y")
    flat = expand(scalar_graph(applied(WAVE, x) + applied(WAVE, y), x, y))
    assert ops_in(flat).count("sin") == 2


def test_a_backend_keeps_what_it_can_run():
    two = body("two", lambda a: (applied(WAVE, a), a + 1.0), SCALAR)
    x = parameter("x")
    first, second = call(two, (x,))
    graph = scalar_graph(first * second * applied(WAVE, x), x)
    wave_kept = expand(graph, lambda node: node.attributes["body"] is WAVE)
    assert ops_in(wave_kept).count("call") == 1, "one call, shared"
    two_kept = expand(graph, lambda node: node.attributes["body"] is two)
    assert ops_in(two_kept).count("item") == 2
    feeds = random_feeds(graph)
    assert run(verify(wave_kept), feeds) == run(verify(two_kept), feeds) == run(graph, feeds)


def test_a_body_may_give_its_input_or_no_result():
    swap = body("swap", lambda a, b: (b, a), SCALAR, SCALAR)
    nothing = Graph("nothing", (), ())
    x, y = parameter("x"), parameter("y")
    call(nothing, ())
    first, second = call(swap, (x, y))
    assert expand(scalar_graph(first / second, x, y)).results[0].inputs == (y, x)


def test_the_scope_is_the_path_of_layers():
    act = body("act", lambda a: named("wave", emit("sin", a)), SCALAR)
    layer = body("layer", lambda a: named("out", applied(act, a) * 2.0), SCALAR)
    model = body("model", lambda a: applied(layer, a, scope="block.0"), SCALAR)
    x = parameter("x")
    flat = expand(scalar_graph(applied(model, x, scope="encoder"), x))
    found = {node.op.name: node.origin for node in toposort(flat.results)}
    assert found["sin"] == Origin(None, "wave", "encoder.block.0")
    assert found["multiply"] == Origin(None, "out", "encoder.block.0")


def test_what_bodies_require_the_graph_requires():
    n = axis("n")
    need = Requirement(n - 2, ">=", "at least 2")
    picky = Graph("picky", (a := parameter("a", n),), (Output("r", "result", a),), requires=(need,))
    x = parameter("x", n)
    flat = expand(scalar_graph(total(applied(picky, x) * applied(picky, x)), x))
    assert flat.requires == (need,)


def test_the_body_of_a_scan_is_expanded_within_it():
    two = Type("float", (2,))
    wave = body("wave", lambda a: emit("sin", a) * 2.0, two)
    step = body("step", lambda h, x: (applied(wave, h), x), two, two)
    h, xs = parameter("h", 2), parameter("xs", 5, 2)
    made = emit("scan", h, xs, body=step, states=1, scanned=1, reverse=False)
    flat = verify(expand(scalar_graph(total(emit("item", made, index=0)), h, xs)))
    (scan,) = (node for node in toposort(flat.results) if node.op.name == "scan")
    assert "call" not in ops_in(scan.attributes["body"])


def test_chains_and_deep_calls_need_no_stack():
    x = parameter("x")
    y = x
    for _ in range(50_000):
        y = emit("sin", y)
    assert len(toposort(expand(scalar_graph(y, x)).results)) == 50_001
    level = WAVE
    for _ in range(200):
        level = body("level", lambda a, inner=level: applied(inner, a) + 1.0, SCALAR)
    feeds = {"x": np.array(0.5)}
    assert float(run(expand(scalar_graph(applied(level, x), x)), feeds)["loss"]) == (
        2 * np.sin(0.5) + 200
    )


def test_what_multiplies_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch):
    module = importlib.import_module("specc.passes.expand")
    monkeypatch.setattr(module, "NODES", limits.NODES._replace(value=10_000))
    level = WAVE
    for _ in range(24):
        level = body("level", lambda a, f=level: applied(f, applied(f, a)), SCALAR)
    x = parameter("x")
    with pytest.raises(SpecError, match=r"L003.*more than 10,000 operations"):
        expand(scalar_graph(applied(level, x), x))
