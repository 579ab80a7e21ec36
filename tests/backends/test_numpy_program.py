"""What a program is fed, and what it says when that is wrong."""

from __future__ import annotations

import gc
import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest

from specc.backends import backend
from specc.backends.numpy import compile
from specc.backends.numpy.program import Program
from specc.diagnostics import Source, Span, SpecError
from specc.ir import (
    Graph,
    Node,
    Origin,
    Output,
    Requirement,
    Type,
    constant,
    emit,
    make_input,
    origin,
)
from specc.ops.rules import broadcast, full, swap_last
from tests.backends.graphs import BATCH, TIME, feeds_for, given, graph_of, network, sgd, total

SOURCE = Source("model.nn", "model M {\n    input x: float[batch, 4]\n    y = take(table, i)\n}\n")
INPUT = Origin(Span(SOURCE, 20, 38), "x")
LINE = Origin(Span(SOURCE, 43, 61), "y")


def small() -> Program:
    x = make_input("x", "input", Type("float", (BATCH, 4)), INPUT)
    i = given("label", BATCH, dtype="int")
    as_float = emit("cast", broadcast(emit("sum", i, axes=(0,)), (BATCH, 4)), dtype="float")
    return compile(graph_of([x, i], y=x + as_float))


def refused(program: Program, feeds: dict[str, Any]) -> list[str]:
    with pytest.raises(SpecError) as caught:
        program(feeds)
    return [f"{each.code} {each.message}" for each in caught.value.diagnostics]


X, LABEL = np.ones((3, 4), "f"), np.arange(3)


@pytest.mark.parametrize(
    ("feeds", "says"),
    [
        ({"x": X}, ["R101 nothing is given for `label`"]),
        ({}, ["R101 nothing is given for `x`", "R101 nothing is given for `label`"]),
        (
            {"x": X, "lable": LABEL},
            ["R101 nothing is given for `label`", "R102 there is no input `lable`"],
        ),
        ({"x": X, "label": LABEL, "z": LABEL}, ["R102 there is no input `z`"]),
        ({"x": X, "label": LABEL * 0.5}, ["R103 `label` takes ints"]),
        ({"x": X.astype(str), "label": LABEL}, ["R103 `x` takes floats"]),
        ({"x": X * 1j, "label": LABEL}, ["R103 `x` takes floats"]),
        ({"x": X[0], "label": LABEL}, ["R104 `x` has 1 axis, not 2"]),
        ({"x": X[:, :3], "label": LABEL}, ["R104 axis 1 of `x` has 3 elements"]),
        ({"x": X, "label": np.arange(4)}, ["R105 axis 0 of `label` has 4 elements"]),
    ],
)
def test_wrong_feeds_are_named(feeds: dict[str, Any], says: list[str]) -> None:
    assert refused(small(), feeds) == says


def test_a_near_name_is_offered_and_both_sides_of_a_disagreement_are_shown() -> None:
    with pytest.raises(SpecError, match=r"did you mean `label`\?"):
        small()({"x": X, "lable": LABEL})
    with pytest.raises(SpecError, match=r"batch = 3, because `x` says so"):
        small()({"x": X, "label": np.arange(4)})
    with pytest.raises(SpecError, match=r"model.nn:2:11"):
        small()({"x": X[0], "label": LABEL})


@pytest.mark.parametrize(
    "x", [X.astype(int), X.astype(bool), X.astype("d"), X.tolist(), X.T.copy().T]
)
def test_what_can_be_converted_is(x: Any) -> None:
    for label in (LABEL, LABEL.astype("i4"), LABEL.astype("u1"), LABEL > 0, LABEL.tolist()):
        found = small()({"x": x, "label": label})["y"]
        assert found.dtype == "float32"
        np.testing.assert_array_equal(found, X + np.sum(label))


def test_a_requirement_is_checked_when_axes_are_known() -> None:
    x = given("x", BATCH, TIME)
    requires = (
        Requirement(TIME - 3, ">=", "a window of 3 does not fit"),
        Requirement(BATCH % 2, "==", "`batch` is not even"),
    )
    graph = Graph("g", (x,), (Output("y", "output", x * 2.0),), requires=requires)
    program = compile(graph)
    assert refused(program, {"x": np.ones((2, 2))}) == ["R106 a window of 3 does not fit"]
    assert refused(program, {"x": np.ones((3, 3))}) == ["R106 `batch` is not even"]
    assert program({"x": np.ones((2, 3))})["y"].shape == (2, 3)


def test_sizes_that_an_operation_cannot_take_are_refused() -> None:
    x = make_input("x", "input", Type("float", (BATCH, TIME)))
    with origin(LINE):
        top = emit("max", x, axis=0)
        tail = emit("slice", x, starts=(0, 3), stops=(BATCH, TIME), steps=(1, 1))
    program = compile(graph_of([x], top=top, tail=tail))
    assert refused(program, {"x": np.ones((0, 4))}) == ["R106 `max` over an axis without elements"]
    assert refused(program, {"x": np.ones((2, 2))}) == ["R106 `slice` has fewer than no elements"]
    assert program({"x": np.ones((2, 3))})["tail"].shape == (2, 0)


def test_an_axis_is_read_off_a_multiple_of_it() -> None:
    x = given("x", BATCH * 2 + 1)
    program = compile(graph_of([x], y=emit("iota", length=BATCH), x=x))
    assert program({"x": np.ones(7)})["y"].tolist() == [0, 1, 2]
    assert refused(program, {"x": np.ones(6)}) == ["R105 axis 0 of `x` has 6 elements"]


def test_an_axis_that_no_input_tells_is_refused() -> None:
    with pytest.raises(SpecError, match="B003"):
        compile(graph_of([], y=emit("iota", length=BATCH)))


# ── indices ──────────────────────────────────────────────────────────────────────────────────────
def picking(name: str, *inputs: Node, **attributes: Any) -> Program:
    with origin(LINE):
        node = emit(name, *inputs, **attributes)
    return compile(graph_of([each for each in inputs if each.op.name == "input"], y=node))


@pytest.mark.parametrize("value", [-1, 5])
def test_an_index_out_of_range_is_shown_at_its_line(value: int) -> None:
    table, along = given("x", 5, 2), given("x", 5, 2)
    one, many, same = (given("i", *s, dtype="int") for s in ((), (2, 2), (3, 2)))
    updates = given("u", 3, 2)
    for program, fed in (
        (picking("take", given("x", 5), one), np.array(value)),
        (picking("take", table, many), np.array([[0, 1], [value, 2]])),
        (picking("take_along_axis", along, same, axis=0), np.full((3, 2), value)),
        (picking("add_along", same, updates, axis=0, length=5), np.full((3, 2), value)),
        (picking("add_at", given("i", 3, dtype="int"), updates, length=5), np.full(3, value)),
    ):
        feeds = dict(feeds_for(program.graph, 0)) | {"i": fed}
        with pytest.raises(SpecError) as caught:
            program(feeds)
        (found,) = caught.value.diagnostics
        assert (found.code, found.place) == ("R107", "model.nn:3:5")
        assert (found.expected, found.found) == ("0 .. 4", str(value))


def test_a_constant_index_out_of_range_is_shown_too() -> None:
    program = picking("take", constant((1.0, 2.0), "float"), constant((0, 2), "int"))
    assert refused(program, {}) == ["R107 index 2 is out of range"]


# ── arrays to be written ─────────────────────────────────────────────────────────────────────────
def test_what_is_written_must_be_writeable() -> None:
    program = compile(sgd(3), updates={"theta": "theta"})
    feeds: dict[str, Any] = {n: a.astype("f") for n, a in feeds_for(program.graph, 0).items()}
    locked = feeds["theta"].copy()
    locked.flags.writeable = False
    for wrong in (feeds["theta"].tolist(), feeds["theta"].astype("d"), locked):
        (said,) = refused(program, {**feeds, "theta": wrong})
        assert said.startswith("R108 `theta` is written in place")


def test_short_reductions_and_long_ones_agree() -> None:
    draw = np.random.default_rng(0)
    for extent in (1, 2, 3, 8, 9):
        x = given("x", 3, extent, 2)
        array = draw.normal(size=(3, extent, 2))
        array[0, -1, 0] = np.nan
        found = compile(graph_of([x], y=emit("max", x, axis=1)), "float64")({"x": array})["y"]
        np.testing.assert_array_equal(found, array.max(1))


def test_a_backend_that_is_not_there() -> None:
    assert backend("numpy").compile is compile
    with pytest.raises(SpecError, match=r"did you mean `numpy`\?") as caught:
        backend("numpi")
    assert caught.value.diagnostics[0].code == "B002"


def test_no_warning_leaks() -> None:
    x = given("x", 6)
    nodes = {
        name: emit(name, x)
        for name in ("exp", "log", "log1p", "sqrt", "sin", "sigmoid", "erf", "expm1")
    }
    nodes["quotient"] = emit("divide", x, emit("sign", x))
    nodes["remainder"] = emit("remainder", x, x)
    nodes["int"] = emit("cast", x, dtype="int")
    nodes["scalar"] = emit("log", total(x) * 0.0 - 1.0) / emit("exp", total(x))
    program = compile(graph_of([x], **nodes))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = program({"x": np.array([1e38, -1e38, np.nan, np.inf, -np.inf, 0.0])})
    assert found["sigmoid"][[0, 1, 3, 4, 5]].tolist() == [1, 0, 1, 0, 0.5]


def test_a_constant_that_float32_cannot_hold_is_infinite() -> None:
    x = given("x", 2)
    big = full(x, 1e300)
    found = compile(graph_of([x], y=emit("where", emit("less", x, big), x, big), z=x * big))
    results = found({"x": np.array([1.0, np.inf])})
    assert results["y"].tolist() == [1, np.inf]
    assert results["z"].tolist() == [np.inf, np.inf]


# ── memory ───────────────────────────────────────────────────────────────────────────────────────
def test_a_step_allocates_nothing_of_note() -> None:
    """A forward and a backward product, every family that has an `out`, and an update."""
    x, w, label = given("x", BATCH, 512), given("w", 512, 512), given("label", BATCH, dtype="int")
    key = given("key", 2, dtype="int", role="key")
    h = emit("erf", emit("sigmoid", x @ swap_last(w)))
    bits = emit("random_bits", key, constant(3, "int"), bits=16, shape=(BATCH, 512), purpose=0)
    kept = emit("where", emit("less", bits, full(bits, 40_000)), h * 2.0, full(h, 0.0))
    picked = emit("take", kept, label)
    back = emit("add_at", label, emit("tanh", picked), length=BATCH)
    gradient = swap_last(emit("exp", back)) @ x
    graph = graph_of([x, w, label, key], loss=total(back), w=w - gradient * 0.001)
    program = compile(graph, updates={"w": "w"})
    feeds = {
        n: a.astype("f") if n in "xw" else a for n, a in feeds_for(graph, 0, batch=256).items()
    }
    for _ in range(3):
        program.run(feeds)
    tracemalloc.start()
    try:
        program.run(feeds)
        start, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(100):
            program.run(feeds)
        _, peak = tracemalloc.get_traced_memory()
        gc.collect()  # empties Python's own lists of spare tuples
        end, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert end - start < 4800, f"100 steps left {end - start} bytes"
    assert peak - start < 65_536, f"a step allocated {peak - start} bytes"


def test_programs_of_other_sizes_are_kept_and_bounded() -> None:
    program, graph = compile(network(2)), network(2)
    for batch in [*range(1, 40), 1]:
        feeds = feeds_for(graph, batch, batch=batch)
        np.testing.assert_array_equal(program(feeds)["y"], compile(graph)(feeds)["y"])
    assert len(program._bindings.bound) <= program._bindings.limit
