"""What a graph costs, against numbers counted by hand."""

from __future__ import annotations

from specc.ir import Extent, Graph, Output, Type, call, emit, make_input
from specc.ir.graph import Origin, origin
from specc.ir.size import axis, evaluate
from specc.passes.costs import flops, layers, totals

BATCH = axis("batch")


def dense(rows: Extent, wide: int, out: int) -> Graph:
    """x[rows, wide] @ w[wide, out] + b[out]."""
    x = make_input("x", "input", Type("float", (rows, wide)))
    w = make_input("w", "parameter", Type("float", (wide, out)))
    b = make_input("b", "parameter", Type("float", (out,)))
    y = emit("add", x @ w, emit("broadcast", b, shape=(rows, out)))
    return Graph("Dense", (x, w, b), (Output("y", "result", y),))


def two_layers(rows: Extent = BATCH) -> Graph:
    """A square dense layer applied twice with one set of weights, then tanh."""
    x = make_input("x", "input", Type("float", (rows, 8)))
    w = make_input("fc.w", "parameter", Type("float", (8, 8)))
    b = make_input("fc.b", "parameter", Type("float", (8,)))
    body = dense(rows, 8, 8)
    with origin(Origin(scope="fc")):
        (y,) = call(body, (x, w, b))
        (y,) = call(body, (y, w, b))
    return Graph("model", (x, w, b), (Output("y", "output", emit("tanh", y)),))


def test_operations_of_a_product_and_a_sum() -> None:
    assert flops(dense(5, 8, 3)) == 2 * 5 * 8 * 3 + 5 * 3


def test_operations_are_sizes_where_axes_are_dynamic() -> None:
    once = 2 * 8 * 8 + 8
    assert flops(two_layers()) == BATCH * (2 * once + 8)


def test_rows_and_totals() -> None:
    graph = two_layers()
    first, second = layers(graph)
    assert (first.path, first.kind, first.depth) == ("fc", "Dense", 0)
    assert first.parameters == second.parameters == 72
    assert first.memory == BATCH * 32 + 288
    sums = totals(graph)
    assert sums.parameters == 72, "a shared parameter is counted once"
    assert sums.parameter_bytes == 288
    assert sums.activation_bytes == BATCH * 64


def test_inner_layers_are_shown_to_the_depth_that_is_asked_for() -> None:
    inner = two_layers()
    x, w, b = (make_input(i.attributes["name"], i.attributes["role"], i.type) for i in inner.inputs)
    with origin(Origin(scope="block")):
        (y,) = call(inner, (x, w, b))
    outer = Graph("outer", (x, w, b), (Output("y", "output", y),))
    assert [row.path for row in layers(outer)] == ["block"]
    assert [(row.path, row.depth) for row in layers(outer, depth=2)] == [
        ("block", 0),
        ("block.fc", 1),
        ("block.fc", 1),
    ]
    assert flops(outer) == flops(inner)


def test_what_only_a_loss_needs_is_not_counted() -> None:
    graph = two_layers()
    y = graph.results[0]
    loss = emit("sum", emit("multiply", y, y), axes=(0, 1))
    both = Graph("m", graph.inputs, (*graph.outputs, Output("loss", "loss", loss)))
    assert flops(both) == flops(graph)


def test_moving_and_making_values_is_free() -> None:
    x = make_input("x", "input", Type("float", (4, 6)))
    moved = emit("reshape", emit("permute", x, axes=(1, 0)), shape=(24,))
    assert flops(Graph("g", (x,), (Output("y", "output", moved),))) == 0
    summed = emit("sum", x, axes=(1,))
    assert flops(Graph("g", (x,), (Output("y", "output", summed),))) == 24


def test_a_thousand_calls_of_one_body_cost_little_to_count() -> None:
    body = dense(BATCH, 8, 8)
    x = y = make_input("x", "input", Type("float", (BATCH, 8)))
    w = make_input("w", "parameter", Type("float", (8, 8)))
    b = make_input("b", "parameter", Type("float", (8,)))
    for _ in range(1_000):
        (y,) = call(body, (y, w, b))
    graph = Graph("deep", (x, w, b), (Output("y", "output", y),))
    assert evaluate(flops(graph), {"batch": 2}) == 1_000 * 2 * (2 * 8 * 8 + 8)
