"""What every primitive must have. The message of a failure says what to add, and where."""

from __future__ import annotations

import pytest

import specc.ops
from specc.backends.numpy.kernels import kernels
from specc.backends.numpy.operations import OPERATIONS
from specc.backends.onnx.composites import composites
from specc.backends.onnx.lowerings import lowerings
from specc.ir import Op, TypeFault, registry, zero_gradient
from specc.ops.control import by_body
from specc.std import index
from tests.samples import Case

PRIMITIVES = {
    "elementwise": "neg abs sign exp expm1 log log1p sqrt sin cos tanh sigmoid erf floor round"
    " is_finite not add subtract multiply divide floor_divide remainder power maximum minimum equal"
    " less less_equal and or where cast stop_gradient",
    "reduce": "sum max argmax any cumulative_sum",
    "movement": "reshape permute broadcast slice pad concat",
    "creation": "input constant iota size",
    "linear": "matmul",
    "window": "windows overlap_add",
    "indexing": "take take_along_axis add_at add_along",
    "random": "random_bits",
    "control": "call item scan",
}

# Without a kernel, and why.
NO_KERNEL = {
    "call": "expand inlines it before a backend sees the graph",
    "item": "it goes with the call that it reads",
    "scan": "its row is a loop over its body: tests/backends/test_scans.py runs it",
}
NO_ORACLE = {
    **dict.fromkeys(("call", "item", "scan"), "it means what its body means"),
    "input": "it means what it is fed",
}

assert specc.ops.registry is registry
EVERY = list(registry.values())


def test_the_primitives_are_these_and_few() -> None:
    listed = {name: family for family, names in PRIMITIVES.items() for name in names.split()}
    assert {op.name: op.family for op in EVERY} == listed
    assert len(EVERY) <= 75


@pytest.mark.parametrize("op", EVERY, ids=str)
def test_a_primitive_is_whole(op: Op) -> None:
    block = f"specc/ops/{op.family}.py"
    assert op.doc.rstrip().endswith("."), f"{block}: {op.name} needs a doc, a sentence"
    if op.name not in NO_ORACLE:
        assert op.oracle, f"{block}: {op.name} needs an oracle, a NumPy expression of a, b, c"
        assert op.samples, f"{block}: {op.name} needs samples"
    assert op.tolerance <= 10, f"{block}: a tolerance of {op.tolerance} hides errors"


@pytest.mark.parametrize("op", EVERY, ids=str)
def test_a_primitive_says_its_gradient(op: Op) -> None:
    """A rule that gives a float input nothing must be `zero_gradient`, which says so."""
    if op.vjp in (zero_gradient, by_body):
        return
    assert op.vjp is not None, f"specc/ops/{op.family}.py: {op.name} needs a vjp or zero_gradient"
    floating = [
        Case(op, place)
        for place in range(len(op.samples))
        if any(array.dtype.kind == "f" for array in Case(op, place).inputs())
    ]
    assert floating, f"specc/ops/{op.family}.py: {op.name} has a vjp, but no float sample"


@pytest.mark.parametrize("op", EVERY, ids=str)
def test_a_primitive_has_a_sample_of_each_dtype_that_it_takes(op: Op) -> None:
    if op.name in NO_ORACLE:
        return
    seen = {(dtype, place) for sample in _typed(op) for place, dtype in enumerate(sample)}
    for sample in _typed(op):
        for dtype in ("float", "int", "bool"):
            if _takes(op, dtype, len(sample)):
                assert (dtype, 0) in seen, (
                    f"specc/ops/{op.family}.py: {op.name} takes {dtype}s; give it a sample of them"
                )


def _typed(op: Op) -> list[list[str]]:
    graphs = [Case(op, place).graph() for place in range(len(op.samples))]
    return [[node.dtype for node in graph.inputs] for graph in graphs]


def _takes(op: Op, dtype: str, count: int) -> bool:
    """Whether the first sample, with all inputs of this dtype, has a type."""
    case = Case(op, 0)
    types = [type(node.type)(dtype, node.shape) for node in case.graph().inputs]
    if not types:
        return False
    try:
        op.infer(types, case.sample.attributes)
    except TypeFault:
        return False
    return len(types) == count


@pytest.mark.parametrize("op", EVERY, ids=str)
def test_a_primitive_has_a_row_in_every_backend(op: Op) -> None:
    if op.name not in NO_KERNEL:
        assert op.name in kernels, (
            f"NumPy can't run {op.name}: give it a row in specc/backends/numpy/kernels.py,"
            f" among those of {op.family}"
        )
        assert op.name in lowerings, (
            f"ONNX can't run {op.name}: give it a row in specc/backends/onnx/lowerings.py,"
            f" among those of {op.family}"
        )


def test_no_backend_has_a_row_of_no_primitive() -> None:
    assert set(kernels) <= set(registry) | set(OPERATIONS)  # what its rewriting makes of several
    assert set(lowerings) <= set(registry)


def test_rows_of_composites_are_of_definitions_that_there_are() -> None:
    definitions = [key[1] if key[0] == "vjp" else key for key in composites]
    assert {home for home, _ in definitions} == {"std"}
    assert {name for _, name in definitions} <= set(index.made())
