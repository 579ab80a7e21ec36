"""Each primitive's types against its oracle, its refusals, and its gradient: names no op."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from specc.ir import TypeFault, registry
from specc.ir.verify import verify
from tests.check import (
    GRADIENT,
    assert_close,
    assert_gradient,
    float_names,
    gradient_graph,
    weighted,
)
from tests.evaluate import Array, oracle, run
from tests.samples import Case, cases, computing
from tests.torch_of import torch_of

EVERY = list(cases(computing(), ["float64"]))
FLOATING = [
    case for case in EVERY if case.graph().results[0].dtype in ("float", "float64")
    and any(array.dtype.kind == "f" for array in case.inputs())
]  # fmt: skip
SMOOTH = [case for case in FLOATING if not case.sample.gradients]
BY_HAND = [case for case in FLOATING if any(g is not None for g in case.sample.gradients)]
IN_TORCH = [case for case in SMOOTH if case.op.name in torch_of]
SYMBOLIC = [
    case for case in SMOOTH
    if case.graph().results[0].rank and case.symbolic() and all(a.size for a in case.inputs())
]  # fmt: skip


def repeat(case: Case) -> str:
    return f"pytest {__file__} -k '{case}'"


@pytest.mark.parametrize("case", EVERY, ids=str)
def test_the_type_is_the_oracles(case: Case) -> None:
    graph = verify(case.graph())
    result = np.asarray(oracle(case.op, case.inputs(), case.sample.attributes))
    made = graph.results[0].type
    assert result.shape == made.shape
    kind = {"float": "f", "float64": "f", "int": "i", "bool": "b"}[made.dtype]
    assert result.dtype.kind == kind or made.dtype in ("float", "int", "float64"), result.dtype
    assert run(graph, case.feeds())["y"].dtype.kind == kind


@pytest.mark.parametrize(
    ("name", "place"), [(op.name, i) for op in registry.values() for i in range(len(op.refusals))]
)
def test_refuses_in_a_users_words(name: str, place: int) -> None:
    refusal = registry[name].refusals[place]
    with pytest.raises(TypeFault) as caught:
        registry[name].infer(list(refusal.inputs), refusal.attributes)
    assert refusal.says in str(caught.value)
    assert caught.value.expected


@pytest.mark.parametrize("case", SMOOTH, ids=str)
def test_the_slope_is_that_of_differences(case: Case) -> None:
    if all(array.size for array in case.inputs()):
        assert_gradient(
            weighted(case.graph(), case.seed),
            case.feeds(),
            what=str(case),
            order=2,
            tolerance=1e-8 * case.op.tolerance,
            repeat=repeat(case),
        )


@pytest.mark.parametrize("case", FLOATING, ids=str)
def test_the_gradients_have_the_inputs_types(case: Case) -> None:
    graph = weighted(case.graph(), case.seed)
    names = float_names(graph)
    second = weighted(verify(gradient_graph(graph, names)), case.seed)
    slopes = verify(gradient_graph(second, names))
    for output in slopes.outputs:
        assert output.node.type == graph.taking("input")[output.name].type
    for name, slope in run(slopes, case.feeds()).items():
        assert slope.shape == case.feeds()[name].shape


@pytest.mark.parametrize("case", SYMBOLIC, ids=str)
def test_symbolic_axes_give_the_same_gradients(case: Case) -> None:
    """Value, gradient and gradient of the gradient, from graphs that know no length."""
    results: list[dict[str, Array]] = []
    for graph in (case.graph(), case.symbolic()):
        assert graph is not None
        verify(graph)
        total = weighted(graph, case.seed)
        names = float_names(total)
        first = verify(gradient_graph(total, names))
        second = verify(gradient_graph(weighted(first, 1), names))
        feeds = case.feeds()
        parts = (run(graph, feeds), run(first, feeds), run(second, feeds))
        merged = {f"{i} {name}": v for i, part in enumerate(parts) for name, v in part.items()}
        results.append(merged)
    for name, static in results[0].items():
        assert_close(results[1][name], static, what=f"{case}, {name}", repeat=repeat(case))


@pytest.mark.parametrize("case", BY_HAND, ids=str)
def test_the_gradient_at_a_kink_is_the_one_said(case: Case) -> None:
    graph = weighted(case.graph(), None)
    slopes = run(gradient_graph(graph, float_names(graph)), case.feeds())
    for name, said in zip("abc", case.sample.gradients, strict=False):
        if said is not None:
            what = f"{case}, gradient of {name}"
            assert_close(slopes[name], np.array(said), what=what, repeat=repeat(case))


@pytest.mark.parametrize("case", IN_TORCH, ids=str)
def test_value_and_gradient_are_torchs(case: Case) -> None:
    graph = case.graph()
    names = [chr(ord("a") + place) for place in range(len(graph.inputs))]
    inputs = [torch.tensor(array, requires_grad=array.dtype.kind == "f") for array in case.inputs()]
    result = torch_of[case.op.name](*inputs, **case.sample.attributes)
    wanted = result.detach().numpy()
    what = str(case)
    assert_close(run(graph, case.feeds())["y"], wanted, what=what, times=case.op.tolerance)
    result.sum().backward() if result.requires_grad else None
    floating = [name for name, each in zip(names, inputs, strict=True) if each.requires_grad]
    slopes = run(gradient_graph(weighted(graph, None), floating), case.feeds())
    for name, each in zip(names, inputs, strict=True):
        if each.requires_grad:
            wanted = np.zeros(each.shape) if each.grad is None else each.grad.numpy()
            allowed = GRADIENT["float64"] * case.op.tolerance
            assert_close(slopes[name], wanted, what=f"{what}, gradient of {name}",
                         tolerance=allowed, repeat=repeat(case))  # fmt: skip
