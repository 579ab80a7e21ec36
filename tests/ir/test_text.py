"""A graph's text parses back to the same text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specc.diagnostics import Source, Span
from specc.ir import Axis, Graph, Origin, Output, Type, bodies, emit, make_input, origin
from specc.ir.size import Size, atom, axis
from specc.ir.text import parse, write
from specc.ir.verify import verify
from tests.ir import graphs
from tests.ir.test_size import EXTENTS
from tests.samples import Case, cases, computing


@given(st.integers(0, 10**6))
def test_print_parse_print(seed: int) -> None:
    graph = verify(graphs.graph(seed))
    text = write(graph)
    again = verify(parse(text))
    assert write(again) == text
    assert [each.name for each in bodies(again)] == [each.name for each in bodies(graph)]
    assert again.type == graph.type
    assert [each.relation for each in again.requires] == [each.relation for each in graph.requires]


@given(EXTENTS)
def test_sizes_parse_back_from_their_text(extent: int | Size) -> None:
    x = make_input("x", "input", Type("float", (extent, axis("b"))))
    size = emit("size", extent=extent)
    graph = parse(write(Graph("g", (x,), (Output("y", "result", size),))))
    assert graph.inputs[0].shape[0] == extent
    assert graph.results[0].attributes["extent"] == extent


@pytest.mark.parametrize("case", list(cases(computing(), ["float64"])), ids=str)
def test_every_attribute_parses_back(case: Case) -> None:
    graph = case.graph()
    again = parse(write(graph))
    assert write(again) == write(graph)
    said, read = graph.results[0].attributes, again.results[0].attributes
    assert repr(read) == repr(said)


def test_how_it_reads() -> None:
    source = Source("digits.nn", "\n\n  y = exp(x) * 2\n")
    x = make_input("x", "input", Type("float", (axis("batch"), 4)))
    with origin(Origin(Span(source, 6, 12), "y")):
        y = emit("exp", x) * 2.0
    called = Origin(None, "", "block.0")
    body = Graph("twice exp", (x,), (Output("y", "result", y),), hypers={"n": 4})
    z = make_input("image", "input", x.type)
    with origin(called):
        made = emit("call", z, body=body)
    graph = Graph("M", (z,), (Output("out", "output", made),))
    assert write(graph) == READS
    assert write(parse(READS)) == READS


READS = """\
body @twice_exp = "twice exp"(n=4) {
    %0: float[batch, 4] = input(name="x", role="input")
    %1: float[batch, 4] = exp(%0)  # digits.nn:3 as y
    %2: float[] = constant(value=2.0, dtype="float")  # digits.nn:3 as y
    %3: float[batch, 4] = broadcast(%2; shape=(batch, 4))  # digits.nn:3 as y
    %4: float[batch, 4] = multiply(%1, %3)  # digits.nn:3 as y
    out result "y" = %4
}

graph "M" {
    %0: float[batch, 4] = input(name="image", role="input")
    %1: float[batch, 4] = call(%0; body=@twice_exp)  # in block.0
    out output "out" = %1
}
"""


def test_gradients_of_a_definition_come_back() -> None:
    x = make_input("x", "input", Type("float", (3,)))
    g = make_input("g", "input", Type("float", (3,)))
    stated = Graph("gradient x", (g,), (Output("x", "result", g),))
    body = Graph("f", (x,), (Output("y", "result", emit("exp", x)),), gradients={0: stated})
    again = parse(write(body))
    assert list(again.gradients) == [0]
    assert again.gradients[0].name == "gradient x"


def test_an_axis_may_be_called_nan_or_max() -> None:
    extent = atom(Axis("nan")) + atom(Axis("max"))
    graph = Graph("g", (), (Output("y", "result", emit("size", extent=extent)),))
    assert parse(write(graph)).results[0].attributes["extent"] == extent


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        'graph "g" {\n    %0: float[3] = exp(%1)\n}',
        'graph "g" {\n    %0: int[3] = iota(length=4)\n}',
        'graph "g" {\n    %0: int[3] = no_such_primitive()\n}',
        'graph "g" {\n    out result y = %0\n}',
        'graph "g" {\n    %0: int[3] = iota(length=3) %0\n}',
        'graph "g" {\n    %0: int[3] = iota(length=$)\n}',
        'graph "g" {\n    %0: int[3] = iota(length=(3)\n}',
    ],
)
def test_what_is_no_graph_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="graph"):
        parse(text)
