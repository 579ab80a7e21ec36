"""A training that is read back goes on as the one that was written: every array, every step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specc.ir.model import Train
from specc.language import loads
from specc.training.checkpoint import Checkpoints, restore
from specc.training.folder import CHECKPOINT
from specc.training.learner import Learner
from specc.training.onnx import OnnxLearner
from specc.training.torch import TorchLearner
from tests.training import models


def arrays_in(value: Any, path: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Every array that an object holds, by the path of attributes and keys to it."""
    if isinstance(value, np.ndarray):
        yield path, value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from arrays_in(each, f"{path}[{name}]")


def held(learner: Learner) -> dict[str, np.ndarray]:
    """But for bounds that say when parameters are looked at: one that is read measures its own."""
    found = {
        path: array
        for name, each in vars(learner).items()
        for path, array in arrays_in(each, name)
        if "[reach of " not in path
    }
    return {**found, **dict(arrays_in(learner.streams.values, "streams"))}


@pytest.mark.parametrize("steps", [1, 3])
def test_every_step_goes_on_as_before(tmp_path: Path, steps: int) -> None:
    train = models.train(models.model(), None)
    written, read = (Learner(train, seed=7, dtype="float32") for _ in range(2))
    for batch in batches(steps):
        written.step(batch)
    written.scale[...] = 0.25
    Checkpoints(tmp_path).write(written, {"step": steps, "watches": {"scale": 0.25}})
    restore(read, tmp_path / CHECKPOINT)
    assert read.steps == steps
    assert_equal(read.weights(), written.weights())
    for batch in batches(steps + 3)[steps:]:
        assert read.step(batch) == written.step(batch)
        before, after = held(written), held(read)
        assert before.keys() == after.keys()
        for name, array in before.items():
            assert array.tobytes() == after[name].tobytes(), name


SPEC = """
model M {
    input  x: float[batch, 4]
    target y: float[batch, 1]
    h = x -> Linear(5) as a -> BatchNorm() as n -> dropout(0.2) -> tanh -> Linear(1) as b
    output h
    loss   mse(h, y)
}
train {
    optimizer adam(lr = 0.01)
    schedule  warmup(8)
    steps     20
}
"""


@pytest.mark.parametrize("backend", ["numpy", "torch", "onnx"])
def test_every_backend_goes_on_as_before(tmp_path: Path, backend: str) -> None:
    (train,) = loads(SPEC).trains
    written, read = (learner_of(backend, train) for _ in range(2))
    for batch in batches(4):
        written.step(batch)
    position = {"step": written.steps, "watches": {"scale": 1.0}}
    Checkpoints(tmp_path).write(written, position)
    restore(read, tmp_path / CHECKPOINT)
    assert_equal(read.weights(), written.weights())
    for batch in batches(7)[4:]:
        assert read.step(batch) == written.step(batch)
        assert_equal(read.weights(), written.weights())
        assert_equal(read.optimizer_states(), written.optimizer_states())


def learner_of(backend: str, train: Train) -> Learner:
    kinds = {"numpy": Learner, "torch": TorchLearner, "onnx": OnnxLearner}
    return kinds[backend](train, seed=7, dtype="float32")


def batches(count: int) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    made = [random.standard_normal((6, 5), np.float32) for _ in range(count)]
    return [{"x": each[:, :4], "y": each[:, 4:]} for each in made]


def assert_equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)
