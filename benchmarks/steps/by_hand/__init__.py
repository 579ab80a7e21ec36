"""The workloads in NumPy, written by hand for speed: what a patient person can do with it.

Everything is allocated beforehand and written with `out=`. Parameters and their gradients are views
of one flat vector each, in the layouts that the products want. These programs are a yardstick and
stay as they are.
"""

from __future__ import annotations

import numpy as np

from benchmarks.steps.by_hand.perceptron import Perceptron
from benchmarks.steps.workloads import Workload

MODELS = {
    "mlp": Perceptron,
    "wide": Perceptron,
}


class Training:
    def __init__(self, workload: Workload, weights: dict[str, np.ndarray]) -> None:
        self.step = MODELS[workload.name](weights, workload.batch).step


class Inference:
    def __init__(self, workload: Workload, weights: dict[str, np.ndarray]) -> None:
        self.model, self.weights = MODELS[workload.name], weights
        self.prepared = {}

    def predict(self, image: np.ndarray) -> np.ndarray:
        prepared = self.prepared.get(len(image))
        if prepared is None:
            prepared = self.prepared[len(image)] = self.model(self.weights, len(image), False)
        return prepared.predict(image)
