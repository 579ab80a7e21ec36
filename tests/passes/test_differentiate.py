"""Gradients against torch's, against differences, and the shape of what differentiate makes."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from specc.ir import Graph, Node, Origin, Output, Type, bodies, call, constant, emit, origin
from specc.ir.size import axis
from specc.ir.text import write
from specc.ir.verify import verify
from specc.passes import differentiate, expand, simplify
from tests.check import assert_close, assert_gradient
from tests.evaluate import run
from tests.passes.graphs import (
    body,
    nodes_in,
    ops_in,
    parameter,
    random_feeds,
    scalar_graph,
    total,
    transpose,
)

MATRIX = Type("float", (3, 4))
LINEAR = body(
    "linear",
    lambda x, w, b: (x @ transpose(w)) + emit("broadcast", b, shape=(3, 4)),
    MATRIX,
    Type("float", (4, 4)),
    Type("float", (4,)),
)
SIGMOID = body("sigmoid", lambda x: 1.0 / (1.0 + emit("exp", -x)), MATRIX)


def applied(graph: Graph, *inputs: Node) -> Node:
    (made,) = call(graph, inputs)
    return made


def network() -> Graph:
    """Two layers of one body with shared weights in the second, a quadratic loss."""
    x, w, b = parameter("x", 3, 4), parameter("w", 4, 4), parameter("b", 4)
    h = applied(SIGMOID, applied(LINEAR, x, w, b))
    y = applied(LINEAR, h, w, b)
    return scalar_graph(total(y * y * h), x, w, b)


def torch_gradients(feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    leaves = {n: torch.tensor(a, requires_grad=True) for n, a in feeds.items()}
    x, w, b = leaves["x"], leaves["w"], leaves["b"]
    h = torch.sigmoid(torch.nn.functional.linear(x, w, b))
    y = torch.nn.functional.linear(h, w, b)
    (y * y * h).sum().backward()
    return {f"gradient.{n}": np.asarray(leaf.grad) for n, leaf in leaves.items()}


def gradients(graph: Graph, names: Sequence[str]) -> Graph:
    return verify(differentiate(graph, [(graph.outputs[0].name, names)]))


STAGES = {
    "called": lambda graph: graph,
    "simplified": simplify,
    "expanded": expand,
    "whole": lambda graph: simplify(expand(simplify(graph))),
}


@pytest.mark.parametrize("stage", STAGES)
def test_agrees_with_torch(stage):
    graph = network()
    feeds = random_feeds(graph)
    made = run(verify(STAGES[stage](gradients(graph, ["x", "w", "b"]))), feeds)
    for name, reference in torch_gradients(feeds).items():
        assert_close(made[name], reference, what=name, tolerance=1e-11)


def test_agrees_with_differences_to_order_two():
    def by_pass(graph: Graph, names: Sequence[str]) -> Graph:
        return simplify(expand(gradients(graph, list(names))))

    graph = network()
    assert_gradient(
        graph, random_feeds(graph), what="network", order=2, differentiate=by_pass, evaluate=run
    )


def test_a_body_is_differentiated_once_for_equal_needs():
    weights = [parameter(f"w{at}", 3, 4) for at in range(6)]
    y = weights[0]
    for weight in weights[1:]:
        y = applied(SIGMOID, y) * weight
    made = gradients(scalar_graph(total(y), *weights), [f"w{at}" for at in range(6)])
    assert [each.name for each in bodies(made)].count("sigmoid.vjp") == 1
    assert ops_in(made).count("call") == 10


@pytest.mark.parametrize("turned", [False, True])
def test_each_need_of_a_body_has_a_derivative_of_its_own(turned):
    """One body, of which each call gives a gradient to other inputs and through other results."""
    x, w, b = parameter("x", 3, 4), parameter("w", 4, 4), parameter("b", 4)
    known = [constant(0.5, "float", each.shape) for each in (x, w, b)]
    half = body("half", lambda a, c: (emit("sin", a) * c, emit("cos", c) * a), MATRIX, MATRIX)
    one, other = call(half, (x, emit("tanh", x)))
    alone, _ = call(half, (known[0], x))
    calls = [
        applied(LINEAR, known[0], w, known[2]),
        applied(LINEAR, x, w, b),
        applied(LINEAR, known[0], known[1], b),
        call(half, (x, known[0]))[1],
        one * 2.0 - other,
        alone,
    ]
    y = x * 0.0
    for each in reversed(calls) if turned else calls:
        y = y + each * each
    graph = scalar_graph(total(y), x, w, b)
    assert_gradient(graph, random_feeds(graph), what="needs", differentiate=gradients, evaluate=run)


def test_an_input_that_needs_none_gets_none():
    x, w, b = parameter("x", 3, 4), parameter("w", 4, 4), parameter("b", 4)
    made = gradients(scalar_graph(total(applied(LINEAR, x, w, b)), x, w, b), ["b"])
    (derivative,) = (each for each in bodies(made) if each.name == "linear.vjp")
    assert [o.name for o in derivative.outputs] == ["gradient.c"]
    assert "matmul" not in ops_in(derivative)
    assert [i.attributes["name"] for i in derivative.inputs] == ["gradient.r0"]


def test_what_nothing_reaches_is_zeros():
    x, w = parameter("x", 2), parameter("w", axis("n"), 2)
    made = gradients(scalar_graph(total(x), x, w), ["x", "w"])
    feeds = {"x": np.ones(2), "w": np.ones((3, 2))}
    np.testing.assert_array_equal(run(made, feeds)["gradient.w"], np.zeros((3, 2)))
    assert {"constant", "broadcast", "sum"} == set(ops_in(made))


@pytest.mark.parametrize("cut", ["stop_gradient", "floor"])
def test_gradients_are_cut(cut):
    x = parameter("x", 2)
    made = gradients(scalar_graph(total(x * emit(cut, x)), x), ["x"])
    feeds = {"x": np.array([1.5, -2.5])}
    expected = feeds["x"] if cut == "stop_gradient" else np.floor(feeds["x"])
    np.testing.assert_array_equal(run(made, feeds)["gradient.x"], expected)


def test_integers_and_bools_are_no_way():
    x = parameter("x", 2)
    through_int = emit("cast", emit("cast", x, dtype="int"), dtype="float")
    made = gradients(scalar_graph(total(x * through_int), x), ["x"])
    feeds = {"x": np.array([1.5, -2.5])}
    np.testing.assert_array_equal(run(made, feeds)["gradient.x"], [1.0, -2.0])


def test_a_gradient_crosses_precisions():
    x = parameter("x", 2)
    exact = emit("cast", x, dtype="float64")
    loss = emit("cast", total(exact * exact), dtype="float")
    made = gradients(scalar_graph(loss, x), ["x"])
    np.testing.assert_array_equal(run(made, {"x": np.array([3.0, -1.0])})["gradient.x"], [6, -2])


def test_several_pairs_add_up():
    x, y = parameter("x", 2), parameter("y", 2)
    outputs = (Output("a", "loss", total(x * y)), Output("b", "loss", total(x * x)))
    graph = Graph("two", (x, y), outputs)
    feeds = {"x": np.array([1.0, 2.0]), "y": np.array([3.0, 5.0])}
    apart = run(verify(differentiate(graph, [("a", ["x", "y"]), ("b", ["x"])])), feeds)
    np.testing.assert_array_equal(apart["gradient.x"], [5.0, 9.0])
    np.testing.assert_array_equal(apart["gradient.y"], [1.0, 2.0])
    limited = run(verify(differentiate(graph, [("a", ["y"]), ("b", ["x"])])), feeds)
    np.testing.assert_array_equal(limited["gradient.x"], [2.0, 4.0])


def test_several_results_and_one_given_twice():
    both = body("both", lambda a, b: (a * b, a, a), MATRIX, MATRIX)
    x, y = parameter("x", 3, 4), parameter("y", 3, 4)
    product, first, second = call(both, (x, y))
    graph = scalar_graph(total(product * first + second * 3.0), x, y)
    feeds = random_feeds(graph)
    a, b = feeds["x"], feeds["y"]
    made = run(gradients(graph, ["x", "y"]), feeds)
    assert_close(made["gradient.x"], 2 * a * b + 3, what="x", tolerance=1e-12)
    assert_close(made["gradient.y"], a * a, what="y", tolerance=1e-12)


def test_a_result_without_gradient_asks_for_no_zeros():
    both = body("both", lambda a: (emit("exp", a), emit("sin", a)), MATRIX)
    x = parameter("x", 3, 4)
    _, sine = call(both, (x,))
    made = gradients(scalar_graph(total(sine), x), ["x"])
    (derivative,) = (each for each in bodies(made) if each.name == "both.vjp")
    assert "exp" not in ops_in(derivative)
    assert "constant" not in ops_in(derivative)


# ── stated gradients ─────────────────────────────────────────────────────────────────────────────
def test_a_stated_gradient_is_taken_at_its_word():
    # Thrice the true one, and from the result, so that no rule could give it.
    stated = body("stated", lambda x, y, g: g * y * (1.0 - y) * 3.0, MATRIX, MATRIX, MATRIX)
    own = body("own", lambda x: emit("sigmoid", x), MATRIX, gradients={0: stated})
    x = parameter("x", 3, 4)
    graph = scalar_graph(total(applied(own, x)), x)
    feeds = random_feeds(graph)
    y = 1 / (1 + np.exp(-feeds["x"]))
    for made in (gradients(graph, ["x"]), expand(gradients(graph, ["x"]))):
        slope = run(made, feeds)["gradient.x"]
        assert_close(slope, 3 * y * (1 - y), what="x", tolerance=1e-12)


def test_inputs_without_a_stated_gradient_use_the_rules():
    stated = body("stated", lambda a, b, r, s, g, h: g * 7.0 + h, *[MATRIX] * 6)
    own = body("own", lambda a, b: (a * b, emit("sin", b)), MATRIX, MATRIX, gradients={0: stated})
    x, y = parameter("x", 3, 4), parameter("y", 3, 4)
    product, _ = call(own, (x, y))
    graph = scalar_graph(total(product), x, y)
    feeds = random_feeds(graph)
    made = run(gradients(graph, ["x", "y"]), feeds)
    np.testing.assert_array_equal(made["gradient.x"], np.full((3, 4), 7.0))
    np.testing.assert_array_equal(made["gradient.y"], feeds["x"])


def test_a_stated_gradient_has_a_derivative():
    stated = body("stated", lambda x, y, g: g * x * 2.0, MATRIX, MATRIX, MATRIX)
    square = body("square", lambda x: x * x, MATRIX, gradients={0: stated})
    x = parameter("x", 3, 4)
    first = gradients(scalar_graph(total(applied(square, x)), x), ["x"])
    slope = first.named("gradient")["gradient.x"]
    second = gradients(scalar_graph(total(slope * slope), x), ["x"])
    feeds = random_feeds(second)
    made = run(expand(second), feeds)["gradient.x"]
    assert_close(made, 8 * feeds["x"], what="x", tolerance=1e-12)


# ── order, origins, size ─────────────────────────────────────────────────────────────────────────
def test_backward_nodes_come_from_the_forward_line():
    x = parameter("x", 2)
    with origin(Origin(None, "spiral")):
        y = emit("sin", x)
    made = gradients(scalar_graph(total(y), x), ["x"])
    (cosine,) = (n for n in [made.outputs[-1].node, *made.outputs[-1].node.inputs]
                 if n.op.name == "cos")  # fmt: skip
    assert cosine.origin.name == "spiral"


def test_the_graph_is_the_same_every_time():
    def printed() -> str:
        return write(expand(gradients(network(), ["x", "w", "b"])))

    assert printed() == printed()


def test_long_chains_and_deep_calls():
    x = parameter("x")
    y = x
    for _ in range(50_000):
        y = emit("sin", y)
    assert nodes_in(gradients(scalar_graph(y, x), ["x"])) > 100_000

    inner = body("level", lambda a: emit("sin", a), Type("float"))
    for _ in range(200):
        inner = body("level", lambda a, inner=inner: applied(inner, a) * 0.5, Type("float"))
    graph = scalar_graph(applied(inner, x), x)
    made = simplify(expand(simplify(gradients(graph, ["x"]))))
    assert_close(
        run(made, {"x": np.array(0.3)})["gradient.x"],
        np.array(np.cos(0.3) * 0.5**200),
        what="x",
        tolerance=1e-11,
    )


def test_a_diamond_is_walked_once():
    x = parameter("x")
    y = x
    for _ in range(64):
        y = y + y
    began = time.perf_counter()
    made = gradients(scalar_graph(y, x), ["x"])
    assert float(run(made, {"x": np.array(1.0)})["gradient.x"]) == 2.0**64

    double = body("double", lambda a: a + a, Type("float"))
    for _ in range(64):
        inner = double
        double = body("double", lambda a, f=inner: applied(f, a) + applied(f, a), Type("float"))
    made = simplify(expand(gradients(scalar_graph(applied(double, x), x), ["x"])))
    assert float(run(made, {"x": np.array(1.0)})["gradient.x"]) == 2.0**65
    assert time.perf_counter() - began < 2.0


def test_constants_have_no_gradient():
    x = parameter("x", 2)
    graph = scalar_graph(total(x * constant(3.0, "float", (2,))), x)
    made = run(simplify(gradients(graph, ["x"])), {"x": np.ones(2)})
    np.testing.assert_array_equal(made["gradient.x"], [3.0, 3.0])
