"""A training that is read back goes on as the one that was written: every array, every step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specc.training.checkpoint import Checkpoints, restore
from specc.training.folder import CHECKPOINT
from specc.training.learner import Learner
from tests.training import models


def arrays_in(value: Any, path: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Every array that an object holds, by the path of attributes and keys to it."""
    if isinstance(value, np.ndarray):
        yield path, value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from arrays_in(each, f"{path}[{name}]")


def held(learner: Learner) -> dict[str, np.ndarray]:
    found = {
        path: array for name, each in vars(learner).items() for path, array in arrays_in(each, name)
    }
    return {**found, **dict(arrays_in(learner.streams.values, "streams"))}


@pytest.mark.parametrize("steps", [1, 3])
def test_every_step_goes_on_as_before(tmp_path: Path, steps: int) -> None:
    train = models.train(models.model(), None)
    written, read = (Learner(train, seed=7, dtype="float32") for _ in range(2))
    random = np.random.default_rng(0)
    batches = [
        {
            "x": random.standard_normal((5, 4), np.float32),
            "y": random.standard_normal((5, 1), np.float32),
        }
        for _ in range(steps + 3)
    ]
    for batch in batches[:steps]:
        written.step(batch)
    written.scale[...] = 0.25
    Checkpoints(tmp_path).write(written, {"step": steps, "watches": {"scale": 0.25}})
    restore(read, tmp_path / CHECKPOINT)
    assert read.steps == steps
    for batch in batches[steps:]:
        assert read.step(batch) == written.step(batch)
        before, after = held(written), held(read)
        assert before.keys() == after.keys()
        for name, array in before.items():
            assert array.tobytes() == after[name].tobytes(), name
