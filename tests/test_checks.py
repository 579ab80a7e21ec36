"""Tests of the tests: a wrong kernel and a wrong gradient must be caught, for every primitive."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from specc.ir import Node, Op, registry, zero_gradient
from tests.check import (
    assert_close,
    assert_gradient,
    assert_meaning,
    float_names,
    gradient_graph,
    parts,
    weighted,
)
from tests.evaluate import Array, run
from tests.samples import Case, cases, computing

FULL = [
    case for case in cases(computing()) if run(case.graph(), case.feeds(), case.precision)["y"].size
]
RULES = [
    case for case in cases(computing(), ["float64"])
    if case.op.vjp is not zero_gradient and not case.sample.gradients
    and float_names(case.graph()) and all(array.size for array in case.inputs())
    and case.graph().results[0].dtype in ("float", "float64")
]  # fmt: skip


@pytest.mark.parametrize("case", FULL, ids=str)
def test_a_kernel_that_is_off_in_its_largest_element_is_caught(case: Case) -> None:
    right = run(case.graph(), case.feeds(), case.precision)["y"]
    check(case, right)
    with pytest.raises(AssertionError, match="over the tolerance"):
        check(case, _off(right))


def check(case: Case, actual: Array) -> None:
    assert_meaning(case.op, case.feeds(), case.sample.attributes, actual, what=str(case))


def _off(right: Array) -> Array:
    """The largest element off by 1e-3 of itself; an int by 1, a bool by its opposite."""
    wrong = np.array(right)
    size = np.where(np.isfinite(wrong), np.abs(wrong.astype(float)), -1.0)
    worst = np.unravel_index(int(np.argmax(size)), wrong.shape)
    value = wrong[worst]
    if wrong.dtype.kind == "f":
        wrong[worst] = value * (1 + 1e-3) if np.isfinite(value) and value else 1e-3
    else:
        wrong[worst] = not value if wrong.dtype.kind == "b" else value + 1
    return wrong


@pytest.mark.parametrize("case", RULES, ids=str)
def test_a_gradient_times_1_01_is_caught(case: Case) -> None:
    graph = weighted(case.graph(), case.seed)
    for place, node in enumerate(case.graph().inputs):
        slope = run(gradient_graph(graph, float_names(graph)), case.feeds())
        name = node.attributes["name"]
        if name not in slope or not np.any(slope[name]):
            continue

        def wrong(op: Op, g: Node, y: Node, place: int = place) -> Sequence[Node | None]:
            right = list(parts(op, g, y))
            if y.op is case.op and all(each.op.name == "input" for each in y.inputs):
                part = right[place]
                right[place] = part * 1.01 if part is not None else None
            return right

        with pytest.raises(AssertionError, match="over the tolerance"):
            assert_gradient(
                graph,
                case.feeds(),
                what=str(case),
                differentiate=lambda graph, names, rule=wrong: gradient_graph(graph, names, rule),
            )


def test_every_primitive_is_among_them() -> None:
    assert {case.op for case in FULL} == set(computing())
    stated = {op for op in registry.values() if op.oracle and op.vjp is not zero_gradient}
    assert {case.op for case in RULES} == stated


@pytest.mark.parametrize(
    ("actual", "reference", "says"),
    [
        (np.array([1.0, np.nan], "float64"), np.array([1.0, 2.0], "float64"), "error nan"),
        (np.array([1.0, np.nan], "float64"), np.array([1.0, np.nan], "float64"), "error nan"),
        (np.array([1.0, 2.0], "float64"), np.array([1.0, np.nan], "float64"), "error nan"),
        (np.array([np.inf, 2.0], "float64"), np.array([1.0, 2.0], "float64"), "error inf"),
        (np.array([-np.inf, 2.0], "float64"), np.array([np.inf, 2.0], "float64"), "error inf"),
        (np.array([1.0], "float64"), np.array([[1.0]], "float64"), "shape"),
        (np.array([1.0], "float32"), np.array([1.0], "float64"), "dtype"),
        (
            np.array([1, 2], "int64"),
            np.array([1, 3], "int64"),
            r"worst at \(1,\): np.int64\(2\), not np.int64\(3\)",
        ),
        (np.array(1e-3, "float64"), np.array(0.0, "float64"), "error 0.001"),
    ],
)
def test_closeness_says_how_it_fails(actual: Array, reference: Array, says: str) -> None:
    with pytest.raises(AssertionError, match=says) as caught:
        assert_close(actual, reference, what="softmax of sample 3", repeat="pytest -k softmax")
    assert "softmax of sample 3" in str(caught.value)
    assert "repeat with: pytest -k softmax" in str(caught.value)


def test_what_is_close_passes() -> None:
    assert_close(
        np.array([np.inf, 1.0], "float64"),
        np.array([np.inf, 1.0 + 1e-14], "float64"),
        what="infinities",
    )
    assert_close(np.array([1.0], "float32"), np.array([1.0 + 5e-6], "float32"), what="float32")
    assert_close(np.zeros((0, 3)), np.zeros((0, 3)), what="nothing")
