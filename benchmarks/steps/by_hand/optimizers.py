"""Optimizers over flat vectors, in blocks that stay in the cache from one operation to the next."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from benchmarks.steps.by_hand.vectors import Vectors, aligned

BLOCK = 65_536  # of 16 K to 128 K, the fastest for Adam; 256 KB an array
FLOAT = np.float32


def _blocks(*vectors: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    starts = range(0, vectors[0].size, BLOCK)
    return [tuple(vector[start : start + BLOCK] for vector in vectors) for start in starts]


class Optimizer(Protocol):
    def step(self) -> None:
        """One update of the parameters from the gradients."""
        ...


class Momentum:
    def __init__(self, vectors: Vectors, lr: float, momentum: float) -> None:
        self.lr, self.momentum = FLOAT(lr), FLOAT(momentum)
        scratch = aligned((BLOCK,))
        velocity = aligned(vectors.parameters.shape)
        self.blocks = [
            (*block, scratch[: block[0].size])
            for block in _blocks(vectors.parameters, vectors.gradients, velocity)
        ]

    def step(self) -> None:
        lr, momentum = self.lr, self.momentum
        for p, g, v, t in self.blocks:
            np.multiply(v, momentum, out=v)
            np.add(v, g, out=v)
            np.multiply(v, lr, out=t)
            np.subtract(p, t, out=p)


class Adam:
    """The running means are kept as m / (1 - beta1) and v / (1 - beta2): that saves three passes
    of thirteen, and the constants go into the step's length and into epsilon.
    """

    def __init__(self, vectors: Vectors, lr: float) -> None:
        self.lr, self.beta1, self.beta2, self.epsilon = lr, 0.9, 0.999, 1e-8
        self.steps = 0
        scratch = aligned((BLOCK,))
        m, v = aligned(vectors.parameters.shape), aligned(vectors.parameters.shape)
        self.blocks = [
            (*block, scratch[: block[0].size])
            for block in _blocks(vectors.parameters, vectors.gradients, m, v)
        ]

    def step(self) -> None:
        self.steps += 1
        beta1, beta2 = FLOAT(self.beta1), FLOAT(self.beta2)
        # m̂ / (√v̂ + ε), with both means' constants taken out
        root = math.sqrt((1 - self.beta2) / (1 - self.beta2**self.steps))
        length = FLOAT(self.lr * (1 - self.beta1) / (1 - self.beta1**self.steps) / root)
        epsilon = FLOAT(self.epsilon / root)
        for p, g, m, v, t in self.blocks:
            np.multiply(m, beta1, out=m)
            np.add(m, g, out=m)
            np.multiply(g, g, out=t)
            np.multiply(v, beta2, out=v)
            np.add(v, t, out=v)
            np.sqrt(v, out=t)
            np.add(t, epsilon, out=t)
            np.divide(m, t, out=t)
            np.multiply(t, length, out=t)
            np.subtract(p, t, out=p)
