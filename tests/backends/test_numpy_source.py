"""The source itself: what a spec may put into it, that it repeats, and that it runs alone."""

from __future__ import annotations

import ast
import builtins
import gc
import keyword
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from specc.backends.names import Names, identifier
from specc.backends.numpy import compile, export
from specc.backends.numpy.generate import generate
from specc.diagnostics import Source, Span
from specc.ir import Graph, Origin, Output, constant, emit, origin
from specc.ir.size import axis
from specc.ops.rules import broadcast, full, swap_last
from tests.backends.graphs import BATCH, feeds_for, given, graph_of, mixed, network, total

HOSTILE = (
    "class", "None", "np", "F", "run", "inputs", "outputs", "slots", "b0", "b0_2", "print", "cut",
    "import os; boom()", 'x"""', "x'''", "a\nboom()", "a\rboom()", "a b", "", "1st", "θ", "ﬁ", "fi",
    "a.b", "a_b", "a-b", "\\", "#", "{0}", "%s", "\u202ereversed", "s", "step", "Program",
    "__debug__", "x" * 500,
)  # fmt: skip


def test_names_are_python_s_and_never_given_twice() -> None:
    names = Names(["np"])
    made = [names.new(wanted) for wanted in HOSTILE * 3]
    assert len(set(made)) == len(made)
    for name in made:
        assert name.isidentifier()
        assert not keyword.iskeyword(name)
        assert not hasattr(builtins, name)
        assert not name.startswith("_")
        assert name != "np"


def test_a_name_stays_what_it_was_where_python_allows() -> None:
    assert [identifier(n) for n in ("image", "fc1.weight", "θ")] == ["image", "fc1_weight", "θ"]


def hostile_graph() -> Graph:
    """Every name that a spec may give to anything, in every place that takes one."""
    source = Source('evil"""\nboom()\r.nn', "x = 1 \r boom() # '''\"\"\"\\\n" * 40)
    inputs, outputs, together = [], [], None
    for place, name in enumerate(HOSTILE):
        with origin(Origin(Span(source, place, place + 1), name)):
            node = given(name, axis(name or "empty"), 2, role="parameter" if place % 2 else "input")
            made = emit("exp", total(node) * 0.5) + 1.0
            lines = emit("sin", node) * broadcast(made, node.shape)
        inputs.append(node)
        outputs += [Output(name, "output", lines), Output(f"{name} total", "metric", total(lines))]
        together = made if together is None else together + made
    assert together is not None
    return Graph('g"""\\', tuple(inputs), (*outputs, Output("sum", "loss", together)))


def test_a_spec_s_names_do_nothing_in_the_source() -> None:
    graph = hostile_graph()
    program = compile(graph)
    calls = {
        ast.unparse(n.func) for n in ast.walk(ast.parse(program.source)) if isinstance(n, ast.Call)
    }
    assert "boom" not in calls
    feeds = {name: np.full((3, 2), 0.5) for name in HOSTILE}
    found = program(feeds)
    wanted = np.sin(0.5) * (np.exp(1.5) + 1)
    for name in HOSTILE:
        np.testing.assert_allclose(found[name], np.full((3, 2), wanted), 1e-6)


def test_numbers_are_written_as_they_are() -> None:
    x = given("x", 4)
    values = (np.inf, -np.inf, np.nan, 0.1, -0.0, 1e-45, 3.0000000000000004, -2.5)
    nodes = {f"sum {v}": x + full(x, v) for v in values}
    nodes |= {f"chosen {v}": emit("where", emit("less", x, x), x, full(x, v)) for v in values}
    nodes |= {f"table {v}": constant((v, 1.0), "float") for v in values}
    nodes |= {f"power {v}": emit("power", full(total(x), v), total(x)) for v in (-2.0, 2.0)}
    found = compile(graph_of([x], **nodes), "float64")({"x": np.zeros(4)})
    for v in values:
        np.testing.assert_array_equal(found[f"sum {v}"], np.full(4, v))
        np.testing.assert_array_equal(found[f"chosen {v}"], np.full(4, v))
        np.testing.assert_array_equal(found[f"table {v}"], [v, 1.0])
    assert (found["power -2.0"], found["power 2.0"]) == (1, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_float_scalar_has_the_run_s_precision_and_float64_is_exact(dtype: str) -> None:
    third = constant(1.0, "float") / constant(3.0, "float")
    exact = constant(1.0, "float64") / constant(3.0, "float64")
    x = given("x", 2)
    product = x * broadcast(emit("cast", exact, dtype="float"), (2,))
    found = compile(graph_of([x], third=third, exact=exact, y=product), dtype)({"x": np.ones(2)})
    assert found["third"] == np.dtype(dtype).type(1) / np.dtype(dtype).type(3)
    assert found["third"].dtype == found["y"].dtype == dtype
    assert (found["exact"], found["exact"].dtype) == (1 / 3, "float64")
    assert (found["y"] == np.dtype(dtype).type(1 / 3)).all()


def test_equal_graphs_give_equal_source() -> None:
    for seed in range(10):
        assert export(mixed(seed)) == export(mixed(seed))
        assert compile(mixed(seed)).source == export(mixed(seed))


def test_the_source_says_where_it_comes_from_and_what_shape_it_has() -> None:
    source = Source("model.nn", "model M {\n    h = x -> Linear(8) as fc1\n}\n")
    with origin(Origin(Span(source, 14, 20), "h")):
        graph = network(1)
    text = export(graph)
    assert "        # model.nn:2  h = x -> Linear(8) as fc1\n" in text
    assert "# float[batch, 8]\n" in text
    assert "fc0_weight" in text
    assert not [line for line in text.splitlines() if len(line) > 110]


def test_views_of_buffers_are_made_when_sizes_are_known() -> None:
    x = given("x", BATCH, 4)
    text = export(graph_of([x], y=emit("exp", x) @ swap_last(emit("sin", x))))
    head, body = text.split("def run(")
    assert ".T" in head.split("def bind(")[1]
    assert ".T" not in body.split("def ")[0]


ALONE = """
import sys
class Refuse:
    def find_spec(self, name, *rest):
        if name.split(".")[0] in ("specc", "torch", "onnx", "scipy", "lark"):
            raise ImportError(f"{name} is not to be imported")
sys.meta_path.insert(0, Refuse())
sys.path.insert(0, ".")
import numpy as np
import exported
fed = dict(np.load("fed.npz"))
inputs = {name: fed[name] for name, *_ in exported.Program.inputs if name in fed}
weights = np.load("weights.npz")
program = exported.Program(weights)
for _ in range(2):
    found = program(**inputs)
once = exported.predict(weights, **inputs)
for name in found:
    np.testing.assert_array_equal(once[name], found[name])
np.savez("found.npz", **found)
for wrong in ({}, {**inputs, "other": 1}):
    try:
        program(**wrong)
    except TypeError:
        continue
    raise SystemExit("wrong names went through")
"""


def everything() -> Graph:
    """One graph that carries every function of the runtime."""
    x, w = given("x", BATCH, 4), given("fc1.weight", 4, 4, role="parameter")
    i, key = given("label", BATCH, dtype="int"), given("key", 2, dtype="int", role="key")
    at = {"axes": (0,), "strides": (1,), "dilations": (1,)}
    h = emit("erf", x @ w)
    column = emit("reshape", i, shape=(BATCH, 1))
    outputs = {
        "h": h,
        "back": emit("overlap_add", emit("windows", h, sizes=(2,), **at), extents=(BATCH,), **at),
        "rows": emit("take", w, i),
        "picked": emit("take_along_axis", x, column, axis=1),
        "added": emit("add_at", i, h, length=4),
        "spread": emit("add_along", column, emit("sin", column_of(h)), axis=1, length=4),
        "bits": emit("random_bits", key, constant(1, "int"), bits=16, shape=(BATCH, 3), purpose=0),
        "draw": emit("random_bits", key, constant(1, "int"), bits=32, shape=(), purpose=1),
        "chosen": emit("where", emit("less", h, x), h, emit("exp", x)),
        "number": emit("erf", total(h)),
    }
    return graph_of([x, w, i, key], **outputs)


def column_of(node):
    return emit("slice", node, starts=(0, 0), stops=(BATCH, 1), steps=(1, 1))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_exported_program_runs_with_numpy_alone(tmp_path: Path, dtype: str) -> None:
    graph = everything()
    feeds = feeds_for(graph, 1, batch=5)
    wanted = compile(graph, dtype)(feeds)
    (tmp_path / "exported.py").write_text(export(graph, dtype), encoding="utf-8")
    np.savez(
        tmp_path / "fed.npz",
        allow_pickle=False,
        **{n: a for n, a in feeds.items() if n != "fc1.weight"},
    )
    np.savez(tmp_path / "weights.npz", allow_pickle=False, **{"fc1.weight": feeds["fc1.weight"]})
    subprocess.run([sys.executable, "-I", "-c", ALONE], cwd=tmp_path, check=True)
    found = np.load(tmp_path / "found.npz")
    assert sorted(found) == sorted(wanted)
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)


def test_a_program_carries_only_what_it_uses() -> None:
    text = export(network(1))
    for function in ("erf", "philox", "overlap_add", "add_at", "OutOfRange", "poison"):
        assert function not in text
    assert "import numpy as np" in text
    assert "import specc" not in text
    assert "from specc" not in text


def test_a_thousand_layers_are_written_and_compiled_quickly() -> None:
    """16,000 lines in 0.5 s on the machine that this was written on; here, with room for others."""
    graph = network(1000)
    gc.disable()
    try:
        began = time.process_time()
        compile(graph)
        took = time.process_time() - began
    finally:
        gc.enable()
    lines = generate(graph, "float32").text.count("\n")
    assert took < 1.0, f"{took:.2f} s for {lines} lines"
