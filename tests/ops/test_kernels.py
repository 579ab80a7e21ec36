"""Each primitive through the NumPy backend against its oracle, in both precisions: names no op."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from specc.backends.numpy import compile
from specc.ir import Graph, Node, Output, constant, emit, make_input
from tests.check import assert_meaning
from tests.evaluate import Array, numpy_dtype
from tests.samples import Case, cases, computing

CASES = list(cases(computing()))
BY_DRAW = [each for each in CASES if each.sample.inputs]


def fed(case: Case) -> tuple[Graph, Mapping[str, Array]]:
    """The arrays as they are given."""
    return case.graph(), case.feeds()


def made(case: Case) -> tuple[Graph, Mapping[str, Array]]:
    """The arrays as results of another operation, in buffers that may be written over."""
    graph = case.graph()
    inputs = [_copied(node) for node in graph.inputs]
    result = emit(case.op.name, *inputs, **case.sample.attributes)
    return Graph("made", graph.inputs, (Output("y", "result", result),)), case.feeds()


def _copied(node: Node) -> Node:
    always = constant(True, "bool", node.shape)
    flag = emit("or", emit("equal", node, node), always)
    return emit("where", flag, node, node)


def turned(case: Case) -> tuple[Graph, Mapping[str, Array]]:
    """The arrays as views with their axes reversed, so that strides aren't in order."""
    graph = case.graph()
    given = [
        make_input(node.attributes["name"], "input", type(node.type)(node.dtype, node.shape[::-1]))
        for node in graph.inputs
    ]
    inputs = [emit("permute", node, axes=tuple(range(node.rank))[::-1]) for node in given]
    result = emit(case.op.name, *inputs, **case.sample.attributes)
    feeds = {name: np.array(array.T, order="C") for name, array in case.feeds().items()}
    return Graph("turned", tuple(given), (Output("y", "result", result),)), feeds


@pytest.mark.parametrize("way", [fed, made, turned])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_kernel_gives_what_the_oracle_says(case: Case, way) -> None:
    graph, feeds = way(case)
    program = compile(graph, dtype=case.precision)
    before = {name: array.copy() for name, array in feeds.items()}
    result = program(feeds)["y"]
    assert result.dtype == numpy_dtype(graph.results[0].dtype, case.precision)
    assert_meaning(
        case.op,
        case.feeds(),
        case.sample.attributes,
        result,
        what=f"{case.op.name} {case.sample} on NumPy",
        repeat=f"pytest {__file__} -k '{case} and {way.__name__}'",
    )
    for name, array in feeds.items():
        np.testing.assert_array_equal(array, before[name], err_msg=f"the feed {name} was written")
    again = program(feeds)["y"]
    np.testing.assert_array_equal(again, result, err_msg="a second run gives something else")
