"""The workloads in NumPy, written by hand for speed: what a patient person can do with it.

Everything is allocated beforehand and written with `out=`. Parameters and their gradients are views
of one flat vector each, in the layouts that the products want. These programs are a yardstick and
stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.steps.by_hand import convolutions
from benchmarks.steps.by_hand.lenet import LeNet
from benchmarks.steps.by_hand.optimizers import Adam, Momentum
from benchmarks.steps.by_hand.perceptron import Perceptron
from benchmarks.steps.systems import Absent
from benchmarks.steps.systems import Inference as Predicts
from benchmarks.steps.systems import Training as Trains
from benchmarks.steps.workloads import Workload

TRAINS: dict[str, Callable[..., Trains]] = {
    "mlp": partial(Perceptron, optimizer=lambda each: Momentum(each, 0.05, 0.9), strips=7),
    "wide": partial(Perceptron, optimizer=lambda each: Adam(each, 1e-3)),
    "lenet": LeNet,
    "convolutions": convolutions.Training,
}
PREDICTS: dict[str, Callable[..., Predicts]] = {
    "mlp": Perceptron,
    "wide": Perceptron,
    "lenet": partial(LeNet, training=False),
    "convolutions": convolutions.Inference,
}


def _written(table: dict[str, Any], workload: Workload) -> Callable[..., Any]:
    if workload.name not in table:
        raise Absent(f"{workload.name} is not written by hand")
    return table[workload.name]


class Training:
    def __init__(self, workload: Workload, weights: dict[str, np.ndarray]) -> None:
        self.step = _written(TRAINS, workload)(weights, workload.batch).step


class Inference:
    """Prepared for a size of batch when that size comes first."""

    def __init__(self, workload: Workload, weights: dict[str, np.ndarray]) -> None:
        self.prepare, self.weights = _written(PREDICTS, workload), weights
        self.prepared: dict[int, Predicts] = {}

    def predict(self, image: np.ndarray) -> np.ndarray:
        prepared = self.prepared.get(len(image))
        if prepared is None:
            prepared = self.prepared[len(image)] = self.prepare(self.weights, len(image))
        return prepared.predict(image)
