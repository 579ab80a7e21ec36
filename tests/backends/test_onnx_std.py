"""Every definition of the standard library as ONNX against its oracle: values and gradients."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from specc.backends.onnx import Form, lower, model_of
from specc.backends.onnx.program import compile
from specc.ir import Graph
from tests.check import GRADIENT, assert_close
from tests.std.record import Record, build, with_gradients
from tests.std.records import RECORDS
from tests.std.test_values import compare, pulled_sum

every = pytest.mark.parametrize("record", RECORDS, ids=str)
smooth = pytest.mark.parametrize("record", [r for r in RECORDS if r.differentiable], ids=str)
in_both = pytest.mark.parametrize("dtype", ["float64", "float32"])
torch.set_num_threads(1)


def fed(graph: Graph, feeds: Mapping[str, np.ndarray], dtype: str) -> dict[str, np.ndarray]:
    """What the graph reads, in the run's precision."""
    names = {node.attributes["name"] for node in graph.inputs}
    return {
        name: value.astype(dtype) if value.dtype.kind == "f" else value
        for name, value in feeds.items()
        if name in names
    }


@every
@in_both
@pytest.mark.parametrize("opset", [18, 21, 23])
def test_values(record: Record, dtype: str, opset: int) -> None:
    built = build(record)
    program = compile(built.graph, dtype, threads=1, opset=opset)
    made = program(fed(program.graph, built.feeds, dtype))
    assert_close(made["y"], built.answer.astype(dtype), what=str(record))
    states = {name.rstrip("'"): value for name, value in made.items()}
    for name, right in built.states.items():
        assert_close(states[name], right.astype(dtype), what=f"{record}: {name}")


@smooth
@in_both
def test_gradients(record: Record, dtype: str) -> None:
    built = build(record)
    program = compile(with_gradients(built), dtype, threads=1)
    made = program(fed(program.graph, built.feeds, dtype))
    arguments, pulled = pulled_sum(record, built)
    right = torch.autograd.grad(pulled, list(arguments.values()), materialize_grads=True)
    compare(record, made, dict(zip(arguments, right, strict=True)), dtype, GRADIENT[dtype])


@every
@in_both
def test_the_standard_s_own_evaluator_agrees(record: Record, dtype: str) -> None:
    built = build(record)
    outputs = tuple(each for each in built.graph.outputs if each.name == "y")
    graph = lower(Graph(built.graph.name, built.graph.inputs, outputs), dtype)
    model = model_of(graph, Form(dtype))
    onnx.checker.check_model(model, full_check=True)
    names = {each.name for each in model.graph.input}
    feeds = {n: v for n, v in fed(graph, built.feeds, dtype).items() if n in names}
    with np.errstate(all="ignore"):
        (y,) = ReferenceEvaluator(model).run(None, feeds)
    assert_close(np.asarray(y), built.answer.astype(dtype), what=str(record))
