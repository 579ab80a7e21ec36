"""Each rule on its smallest case; then random graphs, which must compute the very same bits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specc.ir import Graph, Node, Output, Type, call, constant, emit, make_input, toposort
from specc.ir.size import axis
from specc.ir.verify import verify
from specc.passes import expand, simplify
from specc.passes.rules import RULES
from tests.evaluate import Array, run
from tests.passes.graphs import body, nodes_in, ops_in, parameter, random_feeds, scalar_graph

N = axis("n")
X = parameter("x", 3, 4)
Y = parameter("y", 3, 4)
S = parameter("s")
V = parameter("v", 4)
K = make_input("k", "input", Type("int", (3, 4)))
P = make_input("p", "input", Type("bool", (3, 4)))
INPUTS = (X, Y, S, V, K, P)


def f(value: float, *shape: int) -> Node:
    return constant(value, "float", shape or (3, 4))


def neg(node: Node) -> Node:
    return -node


def with_itself(op: str, value: float) -> Node:
    node = constant(value, "float")
    return emit(op, node, node)


def cast(node: Node, dtype: str) -> Node:
    return emit("cast", node, dtype=dtype)


def reshape(node: Node, *shape: int) -> Node:
    return emit("reshape", node, shape=shape)


def permute(node: Node, *axes: int) -> Node:
    return emit("permute", node, axes=axes)


def broadcast(node: Node, *shape: int) -> Node:
    return emit("broadcast", node, shape=shape)


def cut(node: Node, starts: tuple[int, ...], stops: tuple[int, ...], *steps: int) -> Node:
    return emit("slice", node, starts=starts, stops=stops, steps=steps or (1,) * node.rank)


def pad(node: Node, low: tuple[int, ...], high: tuple[int, ...], value: float = 0.0) -> Node:
    return emit("pad", node, low=low, high=high, value=value)


TRUE, FALSE = constant(True, "bool", (3, 4)), constant(False, "bool", (3, 4))
BROADCAST_S = broadcast(S, 3, 4)
ROOT = emit("sqrt", cast(X, "float64"))
IDENTITY = body("identity", lambda a: a, X.type)
SWAP = body("swap", lambda a, b: (b, a), X.type, X.type)

CASES: dict[str, tuple[Callable[[], Node], Callable[[], Node]]] = {
    "x * 1": (lambda: X * 1.0, lambda: X),
    "1 * x": (lambda: 1.0 * X, lambda: X),
    "x * -1": (lambda: X * -1.0, lambda: -X),
    "x / 1": (lambda: X / 1.0, lambda: X),
    "x - 0": (lambda: X - 0.0, lambda: X),
    "x + -0": (lambda: X + -0.0, lambda: X),
    "x + 0 may be -0 + 0": (lambda: X + 0.0, lambda: X + 0.0),
    "x - -0 may be -0 - -0": (lambda: X - -0.0, lambda: X - -0.0),
    "x * 0 may be inf * 0": (lambda: X * 0.0, lambda: X * 0.0),
    "x - x may be inf - inf": (lambda: X - X, lambda: X - X),
    "k + 0": (lambda: K + 0, lambda: K),
    "0 + k": (lambda: 0 + K, lambda: K),
    "k // 1": (lambda: emit("floor_divide", K, constant(1, "int", (3, 4))), lambda: K),
    "--x": (lambda: neg(neg(X)), lambda: X),
    "---x": (lambda: neg(neg(neg(X))), lambda: -X),
    "not not p": (lambda: emit("not", emit("not", P)), lambda: P),
    "||x||": (lambda: emit("abs", emit("abs", X)), lambda: emit("abs", X)),
    "|-x|": (lambda: emit("abs", -X), lambda: emit("abs", X)),
    "x + -y": (lambda: X + -Y, lambda: X - Y),
    "-x + y": (lambda: -X + Y, lambda: Y - X),
    "x - -y": (lambda: X - -Y, lambda: X + Y),
    "-x * -y": (lambda: -X * -Y, lambda: X * Y),
    "-x / -y": (lambda: -X / -Y, lambda: X / Y),
    "floor of floor": (lambda: emit("floor", emit("floor", X)), lambda: emit("floor", X)),
    "x ^ 1": (lambda: emit("power", X, f(1.0)), lambda: X),
    "x ^ 0": (lambda: emit("power", X, f(0.0)), lambda: f(1.0)),
    "max(x, x)": (lambda: emit("maximum", X, X), lambda: X),
    "which zero is larger is a choice": (lambda: emit("maximum", f(-0.0), f(0.0)),
                                         lambda: broadcast(emit("maximum", constant(-0.0, "float"),
                                                                constant(0.0, "float")), 3, 4)),
    "p and p": (lambda: emit("and", P, P), lambda: P),
    "p and true": (lambda: emit("and", P, TRUE), lambda: P),
    "false and p": (lambda: emit("and", FALSE, P), lambda: FALSE),
    "p or false": (lambda: emit("or", P, FALSE), lambda: P),
    "p or true": (lambda: emit("or", P, TRUE), lambda: TRUE),
    "k == k": (lambda: emit("equal", K, K), lambda: TRUE),
    "x == x may be NaN": (lambda: emit("equal", X, X), lambda: emit("equal", X, X)),
    "where(true)": (lambda: emit("where", TRUE, X, Y), lambda: X),
    "where(false)": (lambda: emit("where", FALSE, X, Y), lambda: Y),
    "where(p, x, x)": (lambda: emit("where", P, X, X), lambda: X),
    "where(not p)": (lambda: emit("where", emit("not", P), X, Y),
                     lambda: emit("where", P, Y, X)),
    "cast to its own": (lambda: cast(X, "float"), lambda: X),
    "there and back": (lambda: cast(cast(X, "float64"), "float"), lambda: X),
    "bool to int to float": (lambda: cast(cast(P, "int"), "float"), lambda: cast(P, "float")),
    "exact to float to exact may lose": (lambda: cast(cast(ROOT, "float"), "float64"),
                                         lambda: cast(cast(ROOT, "float"), "float64")),
    "int to float to int may lose": (lambda: cast(cast(K, "float"), "int"),
                                     lambda: cast(cast(K, "float"), "int")),
    "cast of a number": (lambda: cast(constant(2, "int", (3, 4)), "float"), lambda: f(2.0)),
    "exact to float": (lambda: cast(constant(0.1, "float64", (3, 4)), "float"), lambda: f(0.1)),
    "0.1 has two roundings": (lambda: cast(constant(0.1, "float"), "float64"),
                              lambda: cast(constant(0.1, "float"), "float64")),
    "reshape of reshape": (lambda: reshape(reshape(X, 2, 6), 12), lambda: reshape(X, 12)),
    "reshape there and back": (lambda: reshape(reshape(X, 12), 3, 4), lambda: X),
    "permute of permute": (lambda: permute(permute(X, 1, 0), 1, 0), lambda: X),
    "turns don't commute": (lambda: permute(permute(reshape(X, 3, 2, 2), 1, 2, 0), 1, 0, 2),
                            lambda: permute(reshape(X, 3, 2, 2), 2, 1, 0)),
    "permute to its own": (lambda: permute(X, 0, 1), lambda: X),
    "broadcast of broadcast": (lambda: broadcast(broadcast(V, 3, 4), 2, 3, 4),
                               lambda: broadcast(V, 2, 3, 4)),
    "broadcast of leading 1s": (lambda: broadcast(reshape(V, 1, 4), 3, 4),
                                lambda: broadcast(V, 3, 4)),
    "broadcast to its own": (lambda: broadcast(X, 3, 4), lambda: X),
    "moved scalar": (lambda: permute(reshape(BROADCAST_S, 4, 3), 1, 0), lambda: BROADCAST_S),
    "slice of all": (lambda: cut(X, (0, 0), (3, 4)), lambda: X),
    "slice of slice": (lambda: cut(cut(X, (1, 0), (3, 4)), (0, 1), (2, 4), 1, 2),
                       lambda: cut(X, (1, 1), (3, 4), 1, 2)),
    "slice of steps": (lambda: cut(cut(X, (0, 0), (3, 4), 2, 1), (1, 0), (2, 4)),
                       lambda: cut(cut(X, (0, 0), (3, 4), 2, 1), (1, 0), (2, 4))),
    "pad by none": (lambda: pad(X, (0, 0), (0, 0)), lambda: X),
    "pad of pad": (lambda: pad(pad(X, (1, 0), (0, 0)), (1, 2), (0, 3)),
                   lambda: pad(X, (2, 2), (0, 3))),
    "pads of two values": (lambda: pad(pad(X, (1, 0), (0, 0), -0.0), (1, 2), (0, 3)),
                           lambda: pad(pad(X, (1, 0), (0, 0), -0.0), (1, 2), (0, 3))),
    "concat of one": (lambda: emit("concat", X, axis=0), lambda: X),
    "sum over none makes 0 of -0": (lambda: emit("sum", X, axes=()),
                                    lambda: emit("sum", X, axes=())),
    "any over none": (lambda: emit("any", P, axes=()), lambda: P),
    "max over a 1": (lambda: emit("max", reshape(X, 3, 1, 4), axis=1), lambda: X),
    "size of a number": (lambda: broadcast(emit("size", extent=3), 3, 4) + K,
                         lambda: constant(3, "int", (3, 4)) + K),
    "stop twice": (lambda: emit("stop_gradient", emit("stop_gradient", X)),
                   lambda: emit("stop_gradient", X)),
    "scalars across": (lambda: emit("sin", BROADCAST_S * 2.0),
                       lambda: broadcast(emit("sin", S * 2.0), 3, 4)),
    "vectors across": (lambda: broadcast(V, 3, 4) * broadcast(V, 3, 4),
                       lambda: broadcast(V * V, 3, 4)),
    "call of nothing": (lambda: call(IDENTITY, (X,))[0], lambda: X),
    "item passed on": (lambda: call(SWAP, (X, Y))[0], lambda: Y),
    "1 + 2": (lambda: f(1.0) + f(2.0), lambda: f(3.0)),
    "0.1 + 0.2 in two precisions": (lambda: f(0.1, 1) + f(0.2, 1),
                                    lambda: broadcast(constant(0.1, "float")
                                                      + constant(0.2, "float"), 1)),
    "0.1 + 0.2 exact": (lambda: constant(0.1, "float64") + constant(0.2, "float64"),
                        lambda: constant(0.1 + 0.2, "float64")),
    "an overflow": (lambda: constant(2**62, "int") * 2, lambda: constant(2**62, "int") * 2),
    "a division by 0": (lambda: emit("remainder", constant(2, "int"), constant(0, "int")),
                        lambda: emit("remainder", constant(2, "int"), constant(0, "int"))),
    "-7 // 2": (lambda: emit("floor_divide", constant(-7, "int"), constant(2, "int")),
                lambda: constant(-4, "int")),
    "sqrt(4)": (lambda: emit("sqrt", constant(4.0, "float")), lambda: constant(2.0, "float")),
    "size(3)": (lambda: emit("size", extent=3), lambda: constant(3, "int")),
    "min(x, x)": (lambda: emit("minimum", X, X), lambda: X),
    "min(1, 2)": (lambda: emit("minimum", constant(0.1, "float"), constant(2.0, "float")),
                  lambda: constant(0.1, "float")),
    "round(2.5)": (lambda: emit("round", constant(2.5, "float")), lambda: constant(2.0, "float")),
    "round(-0.3)": (lambda: emit("round", constant(-0.3, "float64")),
                    lambda: constant(-0.0, "float64")),
    "floor(-0.0)": (lambda: emit("floor", constant(-0.0, "float")),
                    lambda: constant(-0.0, "float")),
    "sign of sign": (lambda: emit("sign", emit("sign", X)), lambda: emit("sign", X)),
    "1 <= 1": (lambda: emit("less_equal", f(1.0), f(1.0)), lambda: TRUE),
    "0.1 <= 0.1 rounded": (lambda: with_itself("less_equal", 0.1),
                           lambda: with_itself("less_equal", 0.1)),
    "inf - inf": (lambda: with_itself("subtract", math.inf),
                  lambda: with_itself("subtract", math.inf)),
    "1 < 2": (lambda: emit("less", f(1.0), f(2.0)), lambda: TRUE),
    "not true": (lambda: emit("not", TRUE), lambda: FALSE),
}  # fmt: skip


def printed(graph: Graph) -> list[tuple[str, tuple[int, ...], str, str]]:
    """What the graph says, whichever nodes say it."""
    place: dict[int, int] = {}
    lines: list[tuple[str, tuple[int, ...], str, str]] = []
    for node in toposort([*graph.inputs, *graph.results]):
        place[id(node)] = len(place)
        inputs = tuple(place[id(each)] for each in node.inputs)
        attributes = repr(sorted(node.attributes.items()))
        lines.append((node.op.name, inputs, attributes, str(node.type)))
    return lines


def one(node: Node) -> Graph:
    return verify(Graph("one", INPUTS, (Output("y", "result", node),)))


def hard_feeds(seed: int = 0) -> dict[str, Array]:
    """Values with every kind of trouble among them."""
    random = np.random.default_rng(seed)
    trouble = np.array([0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e-300, 3.7, -2.5])
    return {
        "x": random.choice(trouble, (3, 4)),
        "y": random.choice(trouble, (3, 4)),
        "s": random.choice(trouble, ()),
        "v": random.choice(trouble, 4),
        "k": random.integers(-3, 4, (3, 4)),
        "p": random.integers(0, 2, (3, 4)).astype(bool),
    }


def assert_same_bits(before: Graph, after: Graph, feeds: dict[str, Array]) -> None:
    for precision in ("float64", "float32"):
        old, new = run(before, feeds, precision), run(after, feeds, precision)
        assert old.keys() == new.keys()
        for name, array in old.items():
            np.testing.assert_array_equal(new[name], array)
            if array.dtype.kind == "f":
                known = ~np.isnan(array)  # the sign of a NaN says nothing
                np.testing.assert_array_equal(
                    np.signbit(new[name])[known], np.signbit(array)[known]
                )


@pytest.mark.parametrize("case", CASES)
def test_rule(case: str):
    before, after = (one(make()) for make in CASES[case])
    simple = verify(simplify(before))
    assert printed(simple) == printed(after)
    assert simplify(simple) is simple
    assert_same_bits(before, simple, hard_feeds())


def test_every_rule_has_a_case():
    """Each operation with rules stands at the top of some case."""
    covered = {make().op.name for make, _ in CASES.values()}
    assert set(RULES) <= covered, set(RULES) - covered


# ── sharing and dead code ────────────────────────────────────────────────────────────────────────
def test_common_subexpressions_are_computed_once():
    graph = one(emit("sin", X + Y) * emit("sin", Y + X))
    assert ops_in(simplify(graph)) == ["add", "multiply", "sin"]


def test_dead_code_goes_and_inputs_stay():
    unused = body("unused", lambda a: (emit("sin", a), a + 1.0), X.type)
    _, second = call(unused, (X,))
    simple = simplify(expand(one(second)))
    assert "sin" not in ops_in(simple)
    assert simple.inputs == INPUTS


def test_bodies_are_simplified_once_and_stay_shared():
    waste = body("waste", lambda a: emit("sin", a * 1.0) - 0.0, X.type)
    first, second = call(waste, (X,))[0], call(waste, (Y,))[0]
    simple = simplify(one(first * second))
    calls = [node for node in toposort(simple.results) if node.op.name == "call"]
    assert len({id(node.attributes["body"]) for node in calls}) == 1
    assert ops_in(calls[0].attributes["body"]) == ["sin"]


def test_symbolic_sizes_are_compared_as_sizes():
    x = parameter("x", N, 4)
    flat = emit("reshape", emit("reshape", x, shape=(N * 4,)), shape=(N, 4))
    part = emit("slice", flat, starts=(0, 0), stops=(N, 4), steps=(1, 1))
    assert simplify(scalar_graph(emit("sum", part, axes=(0, 1)), x)).results[0].inputs == (x,)


def test_what_is_simple_is_itself():
    graph = scalar_graph(emit("sum", emit("sin", X), axes=(0, 1)), X)
    assert simplify(graph) is graph


def test_long_chains_and_deep_calls():
    y = S
    for _ in range(50_000):
        y = -emit("sin", y) * 1.0
    simple = simplify(scalar_graph(y, S))
    assert nodes_in(simple) == 100_001
    level = body("level", lambda a: emit("sin", a) * 1.0, S.type)
    for _ in range(200):
        level = body("level", lambda a, inner=level: call(inner, (a,))[0] * 1.0, S.type)
    simple = simplify(scalar_graph(call(level, (S,))[0], S))
    assert nodes_in(simple) == 201 * 2 + 2 - 0


def test_a_diamond_of_rules_is_walked_once():
    y = S
    for _ in range(64):
        y = (y * 1.0) + (y - 0.0)
    began = time.perf_counter()
    assert len(toposort(simplify(scalar_graph(y, S)).results)) == 65
    assert time.perf_counter() - began < 0.5


# ── property ─────────────────────────────────────────────────────────────────────────────────────
UNARY = ("neg", "abs", "sqrt", "floor", "round", "sign", "sin", "stop_gradient")
BINARY = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "power")
NUMBERS = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 0.1, 3.0, math.inf)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Random graphs over (3, 4), heavy with the numbers and moves that rules look for."""
    floats: list[Node] = [X, Y, BROADCAST_S, broadcast(V, 3, 4)]
    bools: list[Node] = [P, TRUE, FALSE]

    def some(pool: list[Node]) -> Node:
        return pool[draw(st.integers(0, len(pool) - 1))]

    def number() -> Node:
        return f(draw(st.sampled_from(NUMBERS)))

    moves: list[Callable[[], Node]] = [
        lambda: emit(draw(st.sampled_from(UNARY)), some(floats)),
        lambda: emit(draw(st.sampled_from(BINARY)), some(floats), some(floats)),
        lambda: emit(draw(st.sampled_from(BINARY)), some(floats), number()),
        lambda: emit(draw(st.sampled_from(BINARY)), number(), some(floats)),
        lambda: emit("where", some(bools), some(floats), some(floats)),
        lambda: reshape(reshape(some(floats), 2, 6), 3, 4),
        lambda: permute(permute(some(floats), 1, 0), 1, 0),
        lambda: reshape(permute(some(floats), 1, 0), 3, 4),
        lambda: pad(cut(some(floats), (1, 0), (3, 3)), (1, 0), (0, 1), 1.0),
        lambda: cast(cast(some(floats), "float64"), "float"),
        lambda: cast(some(bools), "float"),
        lambda: cast(emit("floor_divide", K, constant(2, "int", (3, 4))), "float"),
        number,
    ]
    tests: list[Callable[[], Node]] = [
        lambda: emit("less", some(floats), some(floats)),
        lambda: emit("equal", some(floats), number()),
        lambda: emit("not", some(bools)),
        lambda: emit(draw(st.sampled_from(("and", "or"))), some(bools), some(bools)),
    ]
    for _ in range(draw(st.integers(1, 12))):
        if draw(st.booleans()):
            bools.append(draw(st.sampled_from(tests))())
        floats.append(draw(st.sampled_from(moves))())
    results = (floats[-1], some(floats), some(bools))
    outputs = (Output(f"r{at}", "result", node) for at, node in enumerate(results))
    return Graph("random", INPUTS, tuple(outputs))


@settings(max_examples=150, deadline=None)
@given(graphs(), st.integers(0, 1000))
def test_the_bits_stay_the_same(graph: Graph, seed: int):
    simple = verify(simplify(graph))
    assert simplify(simple) is simple
    assert len(toposort(simple.results)) <= len(toposort(graph.results)) + 3
    assert_same_bits(graph, simple, hard_feeds(seed))


def test_random_feeds_are_away_from_zero():
    assert all(abs(random_feeds(one(X))["x"].ravel()) >= 0.5)
