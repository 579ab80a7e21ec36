"""What applies bodies: how call, item and scan type their inputs and results."""

from __future__ import annotations

import pytest

import specc.ops
from specc.ir import Graph, Node, Output, Tuple, Type, TypeFault, call, emit, make_input
from specc.ir.size import axis
from specc.ir.text import parse, write
from specc.ir.verify import verify

assert specc.ops.registry
BATCH, TIME = axis("batch"), axis("time")
STATE, SLICE = Type("float", (BATCH, 8)), Type("float", (BATCH, 4))
STEPS = {"states": 1, "scanned": 1, "reverse": False}


def inputs(*types: Type) -> list[Node]:
    return [make_input(f"x{place}", "input", each) for place, each in enumerate(types)]


def cell(state: Type = STATE, after: Type | None = None) -> Graph:
    h, x, given = inputs(state, SLICE, Type("float", (3,)))
    next_state = h if after is None else make_input("odd", "input", after)
    return Graph(
        "cell", (h, x, given), (Output("h", "state", next_state), Output("y", "result", h))
    )


def scan(body: Graph, *types: Type) -> Node:
    return emit("scan", *inputs(*types), body=body, **STEPS)


def test_a_call_of_one_result_is_no_tuple() -> None:
    (x,) = inputs(STATE)
    body = Graph("f", (x,), (Output("y", "result", emit("exp", x)),))
    (y,) = call(body, [x])
    assert y.type == STATE
    assert y.op.name == "call"


def test_a_call_of_several_gives_items() -> None:
    (x,) = inputs(STATE)
    body = Graph("f", (x,), (Output("y", "result", x), Output("z", "result", x)))
    results = call(body, [x])
    assert [each.op.name for each in results] == ["item", "item"]
    assert results[0].inputs == results[1].inputs


def test_a_call_with_other_types_is_a_bug_of_ours() -> None:
    (x,) = inputs(STATE)
    body = Graph("f", (x,), (Output("y", "result", x),))
    with pytest.raises(AssertionError, match="takes"):
        emit("call", *inputs(SLICE), body=body)


def test_a_scan_gives_last_states_and_stacked_outputs() -> None:
    scanned = Type("float", (TIME, BATCH, 4))
    made = scan(cell(), STATE, scanned, Type("float", (3,)))
    assert made.type == Tuple((STATE, Type("float", (TIME, BATCH, 8))))
    taken = emit("item", made, index=1)
    graph = verify(Graph("g", tuple(made.inputs), (Output("ys", "result", taken),)))
    assert write(verify(parse(write(graph)))) == write(graph)


def test_a_scan_refuses_a_state_of_another_type() -> None:
    scanned = Type("float", (TIME, BATCH, 4))
    with pytest.raises(TypeFault, match="keeps its type"):
        scan(cell(after=SLICE), STATE, scanned, Type("float", (3,)))


def test_values_scanned_together_are_equally_long() -> None:
    h, x, z = inputs(STATE, SLICE, SLICE)
    body = Graph("cell", (h, x, z), (Output("h", "state", h),))
    long = inputs(STATE, Type("float", (TIME, BATCH, 4)), Type("float", (TIME + 1, BATCH, 4)))
    with pytest.raises(TypeFault, match="together"):
        emit("scan", *long, body=body, **{**STEPS, "scanned": 2})


def test_a_body_of_no_output_but_states_still_gives_a_tuple() -> None:
    h, x = inputs(STATE, SLICE)
    body = Graph("cell", (h, x), (Output("h", "state", h),))
    made = scan(body, STATE, Type("float", (TIME, BATCH, 4)))
    assert made.type == Tuple((STATE,))
