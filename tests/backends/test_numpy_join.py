"""What is joined is made in its place, and means what it meant."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from specc.backends.numpy import compile, fuse
from specc.ir import Graph, Node, constant, emit
from specc.ops.rules import broadcast, cut, swap_last
from tests.backends.graphs import BATCH, TIME, feeds_for, given, graph_of
from tests.check import assert_close
from tests.evaluate import run

WIDE = (BATCH, TIME, 2, 4)
HEADS = (0, 2, 1, 3)


def heads(x: Node) -> Node:
    return emit("permute", emit("reshape", x, shape=WIDE), axes=HEADS)


def joined(*parts: Node, axis: int = 2) -> Node:
    """Read as a whole: an output alone would be written by whoever asked for it."""
    return emit("sin", emit("concat", *parts, axis=axis))


def products(x: Node) -> dict[str, Node]:
    """Of heads: rows as runs, and scaled there; columns as runs."""
    q = heads(emit("sin", x))
    scores = q @ swap_last(heads(x))
    half = broadcast(constant(0.5, "float"), (BATCH, 2, TIME, 4))
    back = (scores @ q * half, emit("permute", swap_last(q) @ scores, axes=(0, 1, 3, 2)))
    return {"y": joined(*(emit("permute", each, axes=HEADS) for each in back))}


def elements(x: Node) -> dict[str, Node]:
    """One of them read before it is joined, one a fed array, one an output too, and twice."""
    a, b = emit("exp", x), emit("sin", x)
    own = a * b
    y = joined(a, own, x, own, emit("cos", b))
    return {"y": y, "z": emit("sum", a, axes=(0, 1)), "own": own}


def reshaped(x: Node) -> dict[str, Node]:
    """Read in another shape as well: it stays dense."""
    a = emit("exp", x)
    flat = emit("reshape", a, shape=(BATCH, 8 * TIME))
    return {"y": joined(a, emit("sin", x)), "z": emit("cos", flat)}


def sums(x: Node) -> dict[str, Node]:
    """Numbers in a row, each sum in its stretch."""
    parts = [emit("sum", each, axes=(0, 1)) for each in (emit("exp", x), emit("sin", x), x)]
    half = cut(parts[0], 0, 0, 4)
    return {"y": joined(*parts, emit("sin", half), axis=0)}


def nested(x: Node) -> dict[str, Node]:
    a, b = emit("exp", x), emit("sin", x)
    inner = emit("concat", a, b, axis=1)
    return {"y": joined(inner, emit("cos", inner)), "z": joined(a, b, axis=2)}


def ones(x: Node) -> dict[str, Node]:
    """Axes of 1, whose place in memory says nothing."""
    column = emit("reshape", emit("exp", emit("sum", x, axes=(1, 2))), shape=(BATCH, 1))
    row = emit("permute", emit("sin", emit("reshape", column, shape=(1, BATCH))), axes=(1, 0))
    return {"y": joined(emit("cos", column), row, column, axis=1)}


def numbers(x: Node) -> dict[str, Node]:
    half = broadcast(constant(0.5, "float"), x.shape)
    return {"y": joined(half, x * half, emit("exp", x))}


MAKE: tuple[Callable[[Node], dict[str, Node]], ...] = (
    products, elements, reshaped, sums, nested, ones, numbers,
)  # fmt: skip


def graph(make: Callable[[Node], dict[str, Node]]) -> Graph:
    x = given("x", BATCH, TIME, 8)
    return graph_of([x], **make(x))


@pytest.mark.parametrize("block", [1, 60, 1 << 16])
@pytest.mark.parametrize("make", MAKE)
def test_parts_made_in_their_place_are_the_same(
    make: Callable[[Node], dict[str, Node]], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against memory of its own for each value, poisoned memory, and the graph's meaning."""
    monkeypatch.setattr(fuse, "BLOCK", block)
    whole = graph(make)
    apart = compile(whole, "float64", reuse=False)
    others = (
        compile(whole, "float64"),
        compile(whole, "float64", poison=True),
        compile(whole, "float64", without=("layout",)),
    )
    for batch in (1, 3, 2):
        feeds = feeds_for(whole, batch, batch=batch, time=5)
        wanted, meant = apart(feeds), run(whole, feeds)
        for program in others:
            for name, array in program(feeds).items():
                np.testing.assert_allclose(array, wanted[name], rtol=1e-13, err_msg=name)
                assert_close(array, meant[name], what=name)


@pytest.mark.parametrize(
    ("make", "copies"),
    [(products, 0), (elements, 3), (reshaped, 1), (sums, 0), (numbers, 1)],
)
def test_what_can_be_made_in_its_place_is(
    make: Callable[[Node], dict[str, Node]], copies: int
) -> None:
    """Fed arrays, results, numbers and what is read as something else are copied."""
    lines = compile(graph(make)).source.split("def bind(")[1].split("return run")[0]
    assert "concatenate" not in lines
    assert lines.count("copyto") == copies


def test_what_is_done_to_a_part_is_done_in_its_place() -> None:
    (line,) = re.findall(r"np.multiply\((\w+), 0.5, out=(\w+)\)", compile(graph(products)).source)
    assert line[0] == line[1]
