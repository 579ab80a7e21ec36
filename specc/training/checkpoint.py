"""All that a training is, in one file: written whole, read back to the bit. Trains nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from specc.diagnostics import fault
from specc.training.folder import BEST, CHECKPOINT, LAST
from specc.training.learner import Learner
from specc.training.tensors import Arrays, assign, read_tensors, write_tensors

# A checkpoint is written when the work since the last one is this many times its cost, so that
# tiny epochs aren't slowed by the disk; at the latest after INTERVAL_S, at a signal, at the end.
COSTS = 20
INTERVAL_S = 30.0


class Checkpoints:
    """When to write, and the writing: kept weights first, then what speaks of them."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.best: dict[str, np.ndarray] | None = None  # kept weights not yet on the disk
        self._written_at = time.monotonic()
        self._cost_s = 0.0

    def due(self) -> bool:
        return time.monotonic() - self._written_at >= INTERVAL_S

    def worthwhile(self) -> bool:
        return time.monotonic() - self._written_at >= min(INTERVAL_S, COSTS * self._cost_s)

    def write(self, learner: Learner, position: Mapping[str, Any]) -> None:
        if self.folder is None:
            return
        began = time.monotonic()
        self.write_best()
        write_tensors(self.folder / LAST, learner.weights(), {"kind": "weights"})
        write_tensors(self.folder / CHECKPOINT, arrays_of(learner), {"position": position})
        self._written_at = time.monotonic()
        self._cost_s = self._written_at - began

    def write_best(self) -> None:
        if self.folder is not None and self.best is not None:
            write_tensors(self.folder / BEST, self.best, {"kind": "weights"})
            self.best = None


def arrays_of(learner: Learner) -> dict[str, np.ndarray]:
    """Every array of a learner under its part's name."""
    return {
        f"{part}/{name}": v for part, arrays in parts(learner).items() for name, v in arrays.items()
    }


def parts(learner: Learner) -> dict[str, Arrays]:
    learner.fetch()
    return {
        "parameter": learner.parameters,
        "moment": learner.moments,
        "average": learner.averages,
        "state": learner.states,
        "stream": learner.streams.values,
        "metric_state": learner.metric_states,
    }


def restore(learner: Learner, path: Path) -> dict[str, Any]:
    """Puts a checkpoint's arrays into the learner; gives the position in the training."""
    tensors, metadata = read_tensors(path)
    if "position" not in metadata:
        raise fault("R203", f"`{path}` is not a checkpoint of a training")
    learner.streams.values.update(
        {
            name.removeprefix("stream/"): np.array(value)
            for name, value in tensors.items()
            if name.startswith("stream/")
        }
    )
    assign(arrays_of(learner), tensors, f"`{path}`")
    position: dict[str, Any] = metadata["position"]
    learner.steps = position["step"]
    learner.scale[...] = position["watches"]["scale"]
    learner.changed()
    return position
