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
STEPS = {"states": 1, "scanned": 1, "axis": 1, "reverse": False}


def inputs(*types: Type) -> list[Node]:
    return [make_input(f"x{place}", "input", each) for place, each in enumerate(types)]


def cell(state: Type = STATE, after: Type | None = None, output: Type = STATE) -> Graph:
    h, x, given = inputs(state, SLICE, Type("float", (3,)))
    next_state = h if after is None else make_input("odd", "input", after)
    y = h if output == state else emit("sum", x, axes=(0, 1))
    return Graph(
        "cell", (h, x, given), (Output("h", "state", next_state), Output("y", "result", y))
    )


def scan(body: Graph, *types: Type, length: bool = False) -> Node:
    return emit("scan", *inputs(*types), body=body, length=length, **STEPS)


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
    scanned = Type("float", (BATCH, TIME, 4))
    made = scan(cell(), STATE, scanned, Type("float", (3,)))
    assert made.type == Tuple((STATE, Type("float", (BATCH, TIME, 8))))
    taken = emit("item", made, index=1)
    graph = verify(Graph("g", tuple(made.inputs), (Output("ys", "result", taken),)))
    assert write(verify(parse(write(graph)))) == write(graph)


def test_a_scan_takes_the_length_of_each_row() -> None:
    scanned = Type("float", (BATCH, TIME, 4))
    lengths = Type("int", (BATCH,))
    made = scan(cell(), STATE, scanned, lengths, Type("float", (3,)), length=True)
    assert isinstance(made.type, Tuple)


@pytest.mark.parametrize(
    ("body", "types", "length", "says"),
    [
        (
            cell(),
            (STATE, Type("float", (BATCH, TIME, 4)), Type("float", (BATCH,)), Type("float", (3,))),
            True,
            "number of steps",
        ),
        (
            cell(after=SLICE),
            (STATE, Type("float", (BATCH, TIME, 4)), Type("float", (3,))),
            False,
            "keeps its type",
        ),
        (
            cell(output=Type("float")),
            (STATE, Type("float", (BATCH, TIME, 4)), Type("float", (3,))),
            False,
            "can't be stacked",
        ),
    ],
)
def test_a_scan_refuses(body: Graph, types: tuple[Type, ...], length: bool, says: str) -> None:
    with pytest.raises(TypeFault, match=says):
        scan(body, *types, length=length)


def test_values_scanned_together_are_equally_long() -> None:
    h, x, z = inputs(STATE, SLICE, SLICE)
    body = Graph("cell", (h, x, z), (Output("h", "state", h),))
    long = inputs(STATE, Type("float", (BATCH, TIME, 4)), Type("float", (BATCH, TIME + 1, 4)))
    with pytest.raises(TypeFault, match="together"):
        emit("scan", *long, body=body, length=False, **{**STEPS, "scanned": 2})


def test_a_body_of_no_output_but_states_still_gives_a_tuple() -> None:
    h, x = inputs(STATE, SLICE)
    body = Graph("cell", (h, x), (Output("h", "state", h),))
    made = scan(body, STATE, Type("float", (BATCH, TIME, 4)))
    assert made.type == Tuple((STATE,))
