"""Every primitive's samples in torch, static and with axes: what the definition says."""

from __future__ import annotations

import numpy as np
import pytest

from specc import pipeline
from specc.backends import torch as backend
from specc.backends.torch.autograd import Gradients
from specc.backends.torch.primitives import host_rows, rows
from specc.ir import zero_gradient
from specc.ops import registry
from tests.check import assert_close, assert_meaning, gradient_graph, weighted
from tests.samples import Case, cases, computing

CASES = list(cases(computing()))
WRITTEN_ELSEWHERE = {"input", "call", "item", "scan"}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_meaning(case: Case) -> None:
    made = backend.compile(case.graph(), case.precision)(case.feeds())["y"]
    assert_meaning(case.op, case.feeds(), case.sample.attributes, made, what=str(case))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_with_axes(case: Case) -> None:
    graph = case.symbolic()
    if graph is not None:
        made = backend.compile(graph, case.precision)(case.feeds())["y"]
        right = backend.compile(case.graph(), case.precision)(case.feeds())["y"]
        assert_close(made, right, what=str(case))


SMOOTH = [
    case
    for case in cases([op for op in computing() if op.name != "random_bits"], ("float64",))
    if not case.sample.gradients and any(n.dtype == "float" for n in case.graph().inputs)
    and case.graph().results[0].dtype == "float"
]  # fmt: skip


@pytest.mark.parametrize("case", SMOOTH, ids=str)
def test_autograd_agrees_with_the_rule(case: Case) -> None:
    graph = weighted(case.graph(), 3)
    names = [n.attributes["name"] for n in graph.inputs if n.dtype == "float"]
    wanted = pipeline.lower(gradient_graph(graph, names))
    right = pipeline.compile(wanted, "float64")(
        {n.attributes["name"]: case.feeds()[n.attributes["name"]] for n in wanted.inputs}
    )
    made = Gradients(graph, "float64", "total", names)(case.feeds())
    for name in names:
        assert_close(made[f"gradient.{name}"], right[name], what=f"{case}: {name}", times=10)


BY_HAND = [
    case for case in cases(computing(), ["float64"])
    if case.sample.gradients and case.graph().results[0].dtype == "float"
]  # fmt: skip


@pytest.mark.parametrize("case", BY_HAND, ids=str)
def test_the_gradient_at_a_kink_is_the_one_said(case: Case) -> None:
    graph = weighted(case.graph(), None)
    names = [n.attributes["name"] for n in graph.inputs if n.dtype == "float"]
    made = Gradients(graph, "float64", "total", names)(case.feeds())
    for name, said in zip("abc", case.sample.gradients, strict=False):
        if said is None and case.op.vjp is zero_gradient:
            said = np.zeros(case.feeds()[name].shape)
        if said is not None:
            assert_close(made[f"gradient.{name}"], np.array(said), what=f"{case}: {name}")


def test_every_primitive_has_a_row() -> None:
    missing = registry.keys() - rows.keys() - WRITTEN_ELSEWHERE
    assert not missing, f"write its row in backends/torch/primitives.py: {sorted(missing)}"
    assert host_rows.keys() <= registry.keys()


def test_an_index_below_zero_is_refused() -> None:
    from specc.diagnostics import SpecError
    from specc.ir import Graph, Output, Type, emit, make_input

    x, i = make_input("x", "input", Type("float", (3, 2))), make_input("i", "input", Type("int"))
    graph = Graph("taken", (x, i), (Output("y", "result", emit("take", x, i)),))
    program = backend.compile(graph)
    for wrong in (-1, 3):
        with pytest.raises(SpecError, match="R107"):
            program({"x": np.zeros((3, 2)), "i": np.array(wrong)})


def test_results_are_the_caller_s_own() -> None:
    """Neither a feed's memory nor another result's, whatever is a view of what."""
    from specc.ir import Graph, Output, Type, emit, make_input

    x = make_input("x", "input", Type("float", (2, 3)))
    y = emit("exp", x)
    turned = emit("permute", y, axes=(1, 0))
    named = {"x": x, "flat": emit("reshape", x, shape=(6,)), "y": y, "turned": turned}
    named |= {
        "again": emit("reshape", y, shape=(6,)),
        "wide": emit("broadcast", y, shape=(4, 2, 3)),
    }
    graph = Graph("several", (x,), tuple(Output(n, "result", v) for n, v in named.items()))
    feed = np.arange(6.0).reshape(2, 3)
    made = backend.compile(graph, "float64")({"x": feed})
    before = {name: values.copy() for name, values in made.items()}
    for name, values in made.items():
        assert not np.shares_memory(values, feed)
        values[...] = -1
        for other in named.keys() - {name}:
            np.testing.assert_array_equal(made[other], before[other], err_msg=f"{name}, {other}")
        values[...] = before[name]
