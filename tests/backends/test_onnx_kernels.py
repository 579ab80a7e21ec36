"""Each primitive as ONNX against its oracle, in both precisions and two runtimes: names no op."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from specc.backends.onnx import OPSET, Form, model_of
from specc.backends.onnx.program import compile, session_of
from specc.ir import Graph, Node, Output, constant, emit, make_input
from tests.check import assert_meaning
from tests.evaluate import Array, numpy_dtype
from tests.samples import Case, cases, computing

CASES = list(cases(computing()))

# Bugs of ReferenceEvaluator, each with its smallest case.
REFERENCE_BUGS: Mapping[str, str] = {}

every = pytest.mark.parametrize("case", CASES, ids=str)


def fed(case: Case) -> tuple[Graph, Mapping[str, Array]]:
    return case.graph(), case.feeds()


def turned(case: Case) -> tuple[Graph, Mapping[str, Array]]:
    """The arrays as results of a permutation, so that a lowering reads no input."""
    graph = case.graph()
    given = [
        make_input(node.attributes["name"], "input", type(node.type)(node.dtype, node.shape[::-1]))
        for node in graph.inputs
    ]
    inputs = [emit("permute", node, axes=tuple(range(node.rank))[::-1]) for node in given]
    result = emit(case.op.name, *inputs, **case.sample.attributes)
    feeds = {name: np.array(array.T, order="C") for name, array in case.feeds().items()}
    return Graph("turned", tuple(given), (Output("y", "result", result),)), feeds


def symbolic(case: Case) -> tuple[Graph, Mapping[str, Array]]:
    """Lengths that only a run tells."""
    graph = case.symbolic()
    if graph is None:
        pytest.skip("the sample's attributes need its lengths")
    return graph, case.feeds()


def filled(case: Case) -> tuple[Graph, Mapping[str, Array]]:
    """A broadcast of the first element in the place of each input that has axes."""
    graph, feeds = case.graph(), dict(case.feeds())
    given: list[Node] = []
    inputs: list[Node] = []
    for node in graph.inputs:
        name = node.attributes["name"]
        if case.op.elementwise and node.rank and feeds[name].size:
            feeds[name] = feeds[name].reshape(-1)[:1].reshape([1] * node.rank)
            one = make_input(name, "input", type(node.type)(node.dtype, feeds[name].shape))
            given.append(one)
            inputs.append(emit("broadcast", one, shape=node.shape))
        else:
            given.append(node)
            inputs.append(node)
    result = emit(case.op.name, *inputs, **case.sample.attributes)
    return Graph("filled", tuple(given), (Output("y", "result", result),)), feeds


def check(case: Case, graph: Graph, feeds: Mapping[str, Array], result: Any, runtime: str) -> None:
    result = np.asarray(result)
    assert result.dtype == numpy_dtype(graph.results[0].dtype, case.precision)
    whole = {
        name: np.broadcast_to(feeds[name], array.shape) if graph.name == "filled" else array
        for name, array in case.feeds().items()
    }
    assert_meaning(
        case.op,
        whole,
        case.sample.attributes,
        result,
        what=f"{case.op.name} {case.sample} on {runtime}",
        repeat=f"pytest {__file__} -k '{case}'",
    )


@pytest.mark.parametrize("way", [fed, turned, symbolic, filled])
@every
def test_the_lowering_gives_what_the_oracle_says(case: Case, way) -> None:
    graph, feeds = way(case)
    program = compile(graph, case.precision, threads=1)
    check(case, graph, feeds, program(feeds)["y"], "onnxruntime")


@pytest.mark.parametrize("opset", [18, OPSET, 23])
@every
def test_the_model_is_valid_and_means_the_same_by_the_standard(case: Case, opset: int) -> None:
    graph, feeds = case.graph(), case.feeds()
    model = model_of(graph, Form(case.precision, opset))
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    if opset != OPSET:
        return
    with np.errstate(all="ignore"):
        (result,) = ReferenceEvaluator(model).run(None, dict(feeds))
    check(case, graph, feeds, result, "ReferenceEvaluator")


def test_a_constant_of_each_shape() -> None:
    rows = constant(((1.0, 2.0), (3.0, 4.0)), "float")
    graph = Graph("constant", (), (Output("y", "result", rows),))
    np.testing.assert_array_equal(compile(graph)({})["y"], [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("cores", "asked", "threads"), [({1}, 0, 1), ({0, 1}, 0, 0), ({1}, 2, 2)], ids=str
)
def test_a_process_on_one_core_gets_one_thread(
    cores: set[int], asked: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: cores, raising=False)
    graph = Graph("one", (), (Output("value", "output", constant(1.0, "float")),))
    session = session_of(model_of(graph, Form()).SerializeToString(), asked)
    assert session.get_session_options().intra_op_num_threads == threads
