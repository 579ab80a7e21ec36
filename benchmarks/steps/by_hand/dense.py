"""A layer of features by images: z = W x + b, with or without ReLU. Weights lie as (out, in)."""

from __future__ import annotations

import numpy as np

from benchmarks.steps.by_hand.vectors import Vectors, aligned

ZERO = np.float32(0)


class Dense:
    def __init__(self, vectors: Vectors, name: str, batch: int, relu: bool = True) -> None:
        self.weight, self.d_weight = vectors.p[f"{name}.weight"], vectors.g[f"{name}.weight"]
        bias = vectors.p[f"{name}.bias"]
        self.bias, self.d_bias = bias[:, None], vectors.g[f"{name}.bias"]
        self.relu = relu
        self.z = aligned((bias.size, batch))
        self.d_x = aligned((self.weight.shape[1], batch))
        self.mask = np.empty(self.z.shape, bool)
        self.ones = np.ones(batch, np.float32)

    def forward(self, x: np.ndarray) -> np.ndarray:
        np.matmul(self.weight, x, out=self.z)
        np.add(self.z, self.bias, out=self.z)
        if self.relu:
            np.maximum(self.z, ZERO, out=self.z)
        return self.z

    def backward(self, d: np.ndarray, x: np.ndarray) -> np.ndarray:
        """From d, the gradient of the result, which is overwritten, to that of x."""
        if self.relu:
            np.greater(self.z, ZERO, out=self.mask)
            np.multiply(d, self.mask, out=d)
        np.matmul(d, x.T, out=self.d_weight)
        np.matmul(d, self.ones, out=self.d_bias)
        return np.matmul(self.weight.T, d, out=self.d_x)
