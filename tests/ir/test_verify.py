"""verify refuses what a wrong pass could make."""

from __future__ import annotations

from dataclasses import replace

import pytest

from specc.ir import Graph, Node, Output, Tuple, Type, emit, make_input
from specc.ir.op import Op, zero_gradient
from specc.ir.verify import verify

FLOATS = Type("float", (3,))
X = make_input("x", "input", FLOATS)
Z = make_input("z", "input", FLOATS)
Y = emit("exp", X)
PAIR = Graph("pair", (X,), (Output("a", "result", X), Output("b", "result", Y)))
CALLED = emit("call", Z, body=PAIR)


def graph(*outputs: Output, inputs: tuple[Node, ...] = (X,)) -> Graph:
    return Graph("g", inputs, outputs)


def result(node: Node) -> Output:
    return Output("y", "result", node)


def test_a_sound_graph_passes() -> None:
    taken = emit("item", CALLED, index=1)
    verify(graph(result(taken), Output("y", "loss", taken), inputs=(Z,)))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (graph(result(emit("exp", Z))), "not among the inputs"),
        (graph(result(replace(Y, type=Type("float", (4,))))), "its inputs give"),
        (graph(result(replace(Y, inputs=(emit("iota", length=3),)))), "not defined for ints"),
        (graph(result(replace(Y, attributes={"a": [1]}))), "unhashable"),
        (graph(result(Y), result(X)), "two outputs"),
        (graph(result(X), inputs=(X, make_input("x", "input", FLOATS))), "two inputs"),
        (graph(result(X), inputs=(X, X)), "an input twice"),
        (graph(result(Y), inputs=(X, Y)), "made by make_input"),
        (graph(result(CALLED), inputs=(Z,)), "gives a tuple"),
        (graph(result(replace(Y, inputs=(CALLED,))), inputs=(Z,)), "only item may"),
        (graph(result(replace(CALLED, inputs=(), type=PAIR.type)), inputs=()), "a call of pair"),
        (
            graph(result(Node(Op("odd", "", "", Y.op.infer, zero_gradient), (X,), {}, FLOATS))),
            "not the registered",
        ),
        (
            graph(result(make_input("t", "input", Tuple((FLOATS,))))),  # pyright: ignore[reportArgumentType]
            "not among",
        ),
        (
            replace(graph(result(X)), gradients={0: graph(result(emit("iota", length=3)))}),
            "the gradient of",
        ),
        (replace(graph(result(X)), gradients={2: graph(result(X))}), "no input 2"),
    ],
)
def test_a_wrong_one_does_not(wrong: Graph, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        verify(wrong)


def test_a_fault_in_an_inner_body_is_found_once_and_named() -> None:
    inner = graph(result(emit("exp", Z)))
    outer = graph(result(Node(CALLED.op, (X,), {"body": inner}, FLOATS)))
    with pytest.raises(AssertionError, match="<graph g>"):
        verify(outer)
