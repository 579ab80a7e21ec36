"""The repository's specs through every pass: the same bits, true gradients, at order 2 as well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from specc import language, passes, pipeline
from specc.ir import Graph, Node, Output, emit
from specc.ir.model import Train
from specc.ir.verify import verify
from tests.evaluate import Array, run
from tests.passes.graphs import total
from tests.small import built

ROOT = Path(__file__).parents[2]
SPECS = sorted((ROOT / "specs").glob("*.nn"))
EXAMPLES = 5


each_spec = pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)


def feeds_of(graph: Graph, seed: int = 0) -> dict[str, Array]:
    random = np.random.default_rng(seed)

    def feed(node: Node) -> Array:
        shape = [extent if isinstance(extent, int) else EXAMPLES for extent in node.shape]
        if node.dtype == "float":
            return random.standard_normal(shape) * 0.3
        return np.array(4.0) if node.dtype == "float64" else random.integers(0, 2, shape)

    return {node.attributes["name"]: feed(node) for node in graph.inputs}


def directions(train: Train, feeds: dict[str, Array]) -> dict[str, Array]:
    random = np.random.default_rng(1)
    return {v.name: random.standard_normal(feeds[v.name].shape) for v in passes.trained(train)}


def slope(graph: Graph, scalar: str, feeds: dict[str, Array], along: dict[str, Array]) -> float:
    """A central difference."""
    step = 1e-5
    ends = [
        run(graph, {**feeds, **{n: feeds[n] + sign * step * d for n, d in along.items()}})[scalar]
        for sign in (1, -1)
    ]
    return float(ends[0] - ends[1]) / (2 * step)


def product(results: dict[str, Array], along: dict[str, Array]) -> float:
    return sum(float(np.sum(results[f"gradient.{n}"] * d)) for n, d in along.items())


@each_spec
def test_lowering_changes_no_bit(path: Path):
    for train in built(path).trains:
        graph = verify(passes.step(train))
        feeds = feeds_of(graph)
        before, after = run(graph, feeds), run(verify(pipeline.lower(graph)), feeds)
        for name, array in before.items():
            np.testing.assert_array_equal(after[name], array, err_msg=name)


@each_spec
def test_gradients_are_slopes(path: Path):
    for train in built(path).trains:
        graph = pipeline.lower(passes.gradients(train))
        feeds = feeds_of(graph)
        along = directions(train, feeds)
        found = product(run(graph, feeds), along)
        assert found == pytest.approx(slope(graph, "objective", feeds, along), rel=1e-6)


@pytest.mark.parametrize("name", ["iris", "xor"])
def test_gradients_of_gradients_are_slopes(name: str):
    (train,) = language.load(str(ROOT / "specs" / f"{name}.nn")).trains
    first = passes.expand(passes.gradients(train))
    names = [variable.name for variable in passes.trained(train)]
    slopes = first.named("gradient")
    squares = [total(slopes[f"gradient.{n}"] * slopes[f"gradient.{n}"]) for n in names]
    length = squares[0]
    for square in squares[1:]:
        length = emit("add", length, square)
    graph = Graph("length", first.inputs, (Output("length", "loss", length),))
    second = verify(pipeline.lower(verify(passes.differentiate(graph, [("length", names)]))))
    feeds = feeds_of(second)
    along = directions(train, feeds)
    found = product(run(second, feeds), along)
    assert found == pytest.approx(slope(graph, "length", feeds, along), rel=1e-6)
