"""Initial values: one program a graph, bound to its draws, in memory side by side."""

from __future__ import annotations

import time

import numpy as np
import pytest

from specc.ir import Graph, Output, Type, constant, emit
from specc.ir.model import Variable
from specc.training.initial import Initials, aligned, flat_views
from specc.training.learner import Learner, Streams
from tests.training import models


def test_one_graph_is_compiled_once_however_many_share_it() -> None:
    shared = models.drawn(64, 64)
    variables = [
        Variable(f"block.{n}.weight", Type("float", (64, 64)), shared, {"draw.0": n})
        for n in range(1000)
    ]
    initials = Initials(7)
    began = time.perf_counter()
    values = [initials.value(each) for each in variables]
    assert time.perf_counter() - began < 2
    assert len(initials._programs) == 1
    assert len({value.tobytes() for value in values}) == 1000
    again = Initials(7).value(variables[3])
    assert again.tobytes() == values[3].tobytes()
    assert Initials(8).value(variables[3]).tobytes() != values[3].tobytes()


def test_values_are_drawn_in_float64_and_rounded_once() -> None:
    train = models.train(models.model(), None)
    wide = Learner(train, seed=7, dtype="float64").parameters
    narrow = Learner(train, seed=7, dtype="float32").parameters
    for name, values in wide.items():
        np.testing.assert_array_equal(values.astype(np.float32), narrow[name])


def test_parameters_lie_in_one_vector_at_a_cache_line() -> None:
    flat, views = flat_views({"a": Type("float", (2, 3)), "b": Type("float")}, "float32")
    views["a"][...] = 1
    views["b"][...] = 2
    np.testing.assert_array_equal(flat, [1, 1, 1, 1, 1, 1, 2])
    for count in (1, 7, 100):
        assert aligned(count, "float64").ctypes.data % 64 == 0


def test_streams_begin_anew_with_other_lengths_and_go_on_with_fewer() -> None:
    wide = constant(0.0, "float", (models.BATCH, 3))
    lengths = emit("broadcast", emit("size", extent=models.BATCH), shape=(models.BATCH, 3))
    value = wide + emit("cast", lengths, dtype="float")
    graph = Graph("sized", (), (Output("value", "result", value),))
    stream = Variable("h", Type("float", (models.BATCH, 3)), graph)
    streams = Streams((stream,), Initials(1), "float32")
    body = models.body(True, 2, False)

    def at(length: int) -> np.ndarray:
        return streams.at(body, {"x": np.zeros((length, 4))})["h"]

    np.testing.assert_array_equal(at(2), np.full((2, 3), 2.0))
    streams.take({"h": np.full((2, 3), 7.0)})
    np.testing.assert_array_equal(at(2), np.full((2, 3), 7.0))
    np.testing.assert_array_equal(at(3), np.full((3, 3), 3.0))
    streams.take({"h": np.arange(9.0).reshape(3, 3)})
    np.testing.assert_array_equal(at(2), np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_makes_no_arrays_of_its_own(dtype: str) -> None:
    import tracemalloc

    learner = Learner(models.train(models.model(256, dropout=False), None), seed=7, dtype=dtype)
    x = np.zeros((512, 4), dtype)
    y = np.ones((512, 1), dtype)
    for _ in range(3):
        learner.step({"x": x, "y": y})
    tracemalloc.start()
    learner.step({"x": x, "y": y})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Each array of the hidden layer is 512 × 256 numbers. What is left is the buffer of 8,192
    # numbers through which NumPy passes operands of other strides or dtypes.
    assert peak < 16_384 * np.dtype(dtype).itemsize
