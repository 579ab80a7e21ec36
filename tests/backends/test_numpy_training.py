"""A spec's training step on NumPy: what it allocates, and what it leaves to be read."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from specc import language, pipeline
from specc.backends.numpy import PASSES, Program, compile, fuse
from specc.ir.model import Train
from specc.training.initial import stored
from tests.backends.graphs import feeds_for
from tests.evaluate import Array
from tests.small import built

ROOT = Path(__file__).parents[2]
MLP = """
model Classifier() {
    input  image: float[batch, 784]
    target label: int[batch]
    logits = image
        -> Linear(128) as fc1 -> relu -> dropout(0.1)
        -> Linear(64) as fc2 -> gelu
        -> Linear(10) as fc3
    output logits
    loss   cross_entropy(logits, label)
    metric accuracy = accuracy(logits, label)
}
train {
    optimizer adam(lr = 1e-3)
    clip      norm(1.0)
    penalty   l2(1e-4, on = "*.weight")
    batch     64
    steps     10
}
"""


def programs(train: Train) -> tuple[Program, Program]:
    update = pipeline.update_graph(train)
    written = {o.name: o.name for o in update.outputs if o.role in ("parameter", "moment")}
    return pipeline.compile(pipeline.training_graph(train)), pipeline.compile(
        update, updates=written
    )


def fed(program: Program, batch: int, dtype: str = "float32") -> dict[str, Array]:
    """Floats of the program's precision, so that nothing is converted."""
    sizes = {**dict.fromkeys(program.axes, 5), "batch": batch}
    given = feeds_for(program.graph, 0, **sizes)
    types = {node.attributes["name"]: node.dtype for node in program.graph.inputs}
    return {n: a.astype(dtype) if types[n] == "float" else np.abs(a) for n, a in given.items()}


def step(objective: Program, update: Program, feeds: Mapping[str, Array], state: dict) -> None:
    results = objective.run(feeds)
    state |= {name: results[name] for name in results if name.startswith("gradient.")}
    update.run(state)


def test_a_training_step_allocates_no_array() -> None:
    """Beyond small ones that NumPy can't avoid: none above 64 KB, and nothing stays."""
    (train,) = language.loads(MLP).trains
    objective, update = programs(train)
    feeds, state = fed(objective, 64), fed(update, 64)
    state |= {name: array for name, array in feeds.items() if name in state}
    for _ in range(5):
        step(objective, update, feeds, state)
    tracemalloc.start()
    try:
        step(objective, update, feeds, state)
        began, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(100):
            step(objective, update, feeds, state)
        _, peak = tracemalloc.get_traced_memory()
        gc.collect()  # empties Python's own lists of spare tuples
        ended, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ended - began < 4800, f"100 steps left {ended - began} bytes"
    assert peak - began < 65_536, f"a step allocated {peak - began} bytes"


@pytest.mark.parametrize("name", ["lenet", "convolutions"])
def test_a_convolution_s_step_allocates_what_numpy_casts_with(name: str) -> None:
    """NumPy casts a mask in three buffers of 32 KB; beyond these there is nothing large."""
    (train,) = language.load(str(ROOT / "benchmarks" / "specs" / f"{name}.nn")).trains
    program = pipeline.compile(pipeline.training_graph(train))
    feeds = fed(program, 16)
    lying = program.stored.keys() & feeds
    feeds |= {name: stored(feeds[name], program.stored[name]) for name in lying}
    for _ in range(2):
        program.run(feeds)
    tracemalloc.start()
    try:
        program.run(feeds)
        began, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(3):
            program.run(feeds)
        ended, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ended - began < 4800
    assert peak - began < 3 * 32_768 + 32_768, f"a step allocated {peak - began} bytes"


def test_the_last_partial_batch_takes_no_memory_of_its_own() -> None:
    (train,) = language.loads(MLP).trains
    objective, _ = programs(train)
    objective.run(fed(objective, 64))
    slots = [slot.ctypes.data for slot in objective.slots]
    objective.run(fed(objective, 17))
    assert [slot.ctypes.data for slot in objective.slots] == slots


def test_the_source_names_the_spec_s_lines() -> None:
    (train,) = language.loads(MLP, path="mlp.nn").trains
    objective, _ = programs(train)
    for place in ("std/activations.nn:", "std/losses.nn:", "std/functions.nn:"):
        assert f"# {place}" in objective.source


SPECS = [
    path
    for folder in ("specs", "benchmarks/specs")
    for path in sorted((ROOT / folder).glob("*.nn"))
]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_sharing_memory_and_blocks_change_no_bit_of_a_spec_s_step(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuse, "BLOCK", 64)
    for train in built(path).trains:
        graph, update = pipeline.training_graph(train), pipeline.update_graph(train)
        for each in (graph, update):
            shared, apart = compile(each), compile(each, reuse=False, without=("fuse",))
            poisoned = compile(each, poison=True)
            for batch in (6, 3):
                feeds = fed(shared, batch)
                wanted = apart(feeds)
                for program in (shared, poisoned):
                    for name, array in program(feeds).items():
                        np.testing.assert_array_equal(array, wanted[name], err_msg=name)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_spec_s_step_is_the_same_without_passes(path: Path, dtype: str) -> None:
    """At the published tolerances, or twice what the program without passes is off by itself, where
    a spec's own conditioning is near them (Transformer, float32: 0.9e-4 without, 1.04e-4 with).
    """
    for train in built(path).trains:
        graph = pipeline.training_graph(train)
        plain = compile(graph, "float64", without=PASSES)
        feeds = fed(plain, 6, dtype)
        wanted = plain(feeds)  # of the same numbers, so that only the passes' program rounds
        rounded = compile(graph, dtype, without=PASSES)(feeds)
        for left_out in ((), ("rewrite",), ("halve",), ("layout",), ("fuse",)):
            found = compile(graph, dtype, without=left_out)(feeds)
            assert_agree(found, wanted, {"float64": 1e-11, "float32": 1e-4}[dtype], rounded)


def assert_agree(
    found: Mapping[str, Array],
    wanted: Mapping[str, Array],
    tolerance: float,
    rounded: Mapping[str, Array] | None = None,
) -> None:
    """A gradient is measured against the size of all of them."""
    gradients = [array for name, array in wanted.items() if name.startswith("gradient.")]
    squares, count = sum(float((g * g).sum()) for g in gradients), sum(g.size for g in gradients)
    for name, array in wanted.items():
        size = float(np.linalg.norm(array))
        if name.startswith("gradient."):
            size = max(size, np.sqrt(array.size * squares / count))
        own = float(np.linalg.norm(rounded[name] - array)) if rounded else 0.0
        assert np.linalg.norm(found[name] - array) <= max(tolerance * size, 2 * own), name


@pytest.mark.parametrize("block", [1 << 16, 64])
def test_updates_in_place_change_no_bit_of_a_spec_s_step(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuse, "BLOCK", block)
    (train,) = language.loads(MLP).trains
    _, written = programs(train)
    feeds = fed(written, 4)
    wanted = compile(written.graph, without=("fuse",))(feeds)
    for name, array in written(feeds).items():
        np.testing.assert_array_equal(array, wanted[name], err_msg=name)
    for name in wanted.keys() & feeds.keys():
        np.testing.assert_array_equal(feeds[name], wanted[name], err_msg=name)
