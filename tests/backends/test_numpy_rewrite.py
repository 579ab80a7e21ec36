"""NumPy's own rules, each on its smallest case: what they make, and that it is the same."""

from __future__ import annotations

import pytest

from specc.backends.numpy import compile
from specc.backends.numpy.rewrite import rewrite
from specc.ir import Node, emit, toposort
from tests.backends.graphs import feeds_for, given, graph_of
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
