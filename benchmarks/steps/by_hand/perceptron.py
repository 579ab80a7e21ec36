"""Two hidden layers and their logits. Weights lie as (in, out), the last as (out, in)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.steps.by_hand.loss import CrossEntropy
from benchmarks.steps.by_hand.optimizers import Optimizer
from benchmarks.steps.by_hand.vectors import Vectors, aligned

ZERO = np.float32(0)


class Perceptron:
    """Without an optimizer it only predicts. `strips` cut the gradient of the first weight into
    products that OpenBLAS doesn't pack: it is faster where m · n · k is below a million.
    """

    def __init__(
        self,
        weights: dict[str, np.ndarray],
        batch: int,
        optimizer: Callable[[Vectors], Optimizer] | None = None,
        strips: int = 1,
    ) -> None:
        transposed = {f"{layer}.weight": weights[f"{layer}.weight"].T for layer in ("fc1", "fc2")}
        self.vectors = Vectors({**weights, **transposed})
        self.p, self.g = self.vectors.p, self.vectors.g
        first, second = self.p["fc1.bias"].size, self.p["fc2.bias"].size
        classes = self.p["fc3.bias"].size
        self.h1, self.h2 = aligned((batch, first)), aligned((batch, second))
        self.z = aligned((classes, batch))
        self.column = self.p["fc3.bias"][:, None]
        if optimizer:
            self.d1, self.d2 = aligned((batch, first)), aligned((batch, second))
            self.m1, self.m2 = np.empty((batch, first), bool), np.empty((batch, second), bool)
            self.ones = np.ones(batch, np.float32)
            self.loss = CrossEntropy(classes, batch)
            self.strips = strips
            self.d_weight1 = self.g["fc1.weight"].reshape(strips, -1, first)
            self.optimizer = optimizer(self.vectors)

    def forward(self, x: np.ndarray) -> None:
        p, h1, h2 = self.p, self.h1, self.h2
        np.matmul(x, p["fc1.weight"], out=h1)
        np.add(h1, p["fc1.bias"], out=h1)
        np.maximum(h1, ZERO, out=h1)
        np.matmul(h1, p["fc2.weight"], out=h2)
        np.add(h2, p["fc2.bias"], out=h2)
        np.maximum(h2, ZERO, out=h2)
        np.matmul(p["fc3.weight"], h2.T, out=self.z)
        np.add(self.z, self.column, out=self.z)

    def predict(self, image: np.ndarray) -> np.ndarray:
        self.forward(image)
        return self.z.T

    def step(self, image: np.ndarray, label: np.ndarray) -> float:
        p, g, h1, h2, d1, d2 = self.p, self.g, self.h1, self.h2, self.d1, self.d2
        self.forward(image)
        dz, ones = self.z, self.ones
        loss = self.loss(dz, label)
        np.matmul(dz, h2, out=g["fc3.weight"])
        np.matmul(dz, ones, out=g["fc3.bias"])
        np.matmul(dz.T, p["fc3.weight"], out=d2)
        np.greater(h2, ZERO, out=self.m2)
        np.multiply(d2, self.m2, out=d2)
        np.matmul(h1.T, d2, out=g["fc2.weight"])
        np.matmul(ones, d2, out=g["fc2.bias"])
        np.matmul(d2, p["fc2.weight"].T, out=d1)
        np.greater(h1, ZERO, out=self.m1)
        np.multiply(d1, self.m1, out=d1)
        strips = image.reshape(len(image), self.strips, -1).transpose(1, 2, 0)
        np.matmul(strips, d1, out=self.d_weight1)
        np.matmul(ones, d1, out=g["fc1.bias"])
        self.optimizer.step()
        return loss
