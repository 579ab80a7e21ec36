"""NumPy's own rules, each on its smallest case: what they make, and that it is the same."""

from __future__ import annotations

import pytest

from specc.backends.numpy import compile
from specc.backends.numpy.rewrite import rewrite
from specc.ir import Node, emit, toposort
from tests.backends.graphs import BATCH, feeds_for, given, graph_of
from tests.check import assert_close
from tests.evaluate import run


def part(x: Node, start: int, of: int) -> Node:
    """x as two columns from `start` on of so many, the others being 0."""
    high = of - start - 2
    return emit("pad", x, low=(0, start), high=(0, high), value=0.0)


@pytest.mark.parametrize(
    ("starts", "wanted"),
    [
        ((0, 2, 4), {"concat": 1}),
        ((4, 0, 2), {"concat": 1}),
        ((1, 3, 5), {"concat": 1, "pad": 1}),  # nothing is in the first column
        ((0, 2, 5), {"concat": 1, "pad": 2, "add": 1}),  # nor in the fifth
        ((0, 1, 3), {"pad": 3, "add": 2}),  # two lie over each other
    ],
)
def test_parts_side_by_side_are_joined(starts: tuple[int, ...], wanted: dict[str, int]) -> None:
    xs = [given(f"x{at}", 3, 2) for at in range(3)]
    a, b, c = [part(x, start, 7 if 5 in starts else 6) for x, start in zip(xs, starts, strict=True)]
    graph = graph_of(xs, y=a + b + c)
    kinds = [node.op.name for node in toposort(rewrite(graph).results)]
    assert {kind: kinds.count(kind) for kind in ("concat", "pad", "add") if kind in kinds} == wanted
    feeds = feeds_for(graph, 0)
    assert_close(compile(graph, "float64")(feeds)["y"], run(graph, feeds)["y"], what="y")


def test_heads_are_joined_before_they_are_merged() -> None:
    """So each is copied once, from where it lies turned."""
    xs = [given(f"x{at}", 2, 3, 5, 4) for at in range(3)]
    merged = [emit("reshape", emit("permute", x, axes=(0, 2, 1, 3)), shape=(2, 5, 12)) for x in xs]
    pair = emit("concat", *merged[:2], axis=2)
    graph = graph_of(xs, y=emit("concat", pair, merged[2], axis=2))
    program = compile(graph, "float64")
    assert program.source.count("np.concatenate") == 1
    assert "np.copyto" not in program.source.split("def run(inputs")[1].split("return run")[0]
    feeds = feeds_for(graph, 0)
    assert_close(program(feeds)["y"], run(graph, feeds)["y"], what="y")


@pytest.mark.parametrize("rows", [1, 4, 40])
def test_a_table_that_is_read_twice_has_one_gradient(rows: int) -> None:
    i, j = given("i", BATCH, 3, dtype="int"), given("j", BATCH, dtype="int")
    u, v = given("u", BATCH, 3, 2), given("v", BATCH, 2)
    both = emit("add_at", i, u, length=9) + emit("add_at", j, v, length=9)
    graph = graph_of([i, j, u, v], y=both)
    names = [node.op.name for node in toposort(rewrite(graph).results)]
    assert names.count("add_at") == 1
    assert "add" not in names
    made = feeds_for(graph, 0, batch=rows)
    feeds = {**made, "i": abs(made["i"]) % 9, "j": abs(made["j"]) % 9}
    assert_close(compile(graph, "float64")(feeds)["y"], run(graph, feeds)["y"], what="y")


def test_products_down_rows_are_added_up_by_ones() -> None:
    """What einsum takes for 512 x 256 floats, a product and ones take 0.4 of."""
    x, y = given("x", BATCH, 3, 70), given("y", BATCH, 3, 70)
    graph = graph_of([x, y], s=emit("sum", x * y, axes=(0, 1)))
    program = compile(graph, "float64")
    assert "einsum" not in program.source
    feeds = feeds_for(graph, 0, batch=5)
    assert_close(program(feeds)["s"], run(graph, feeds)["s"], what="s")
