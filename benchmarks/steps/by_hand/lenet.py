"""LeNet: two rounds of convolution and pooling, then three dense layers."""

from __future__ import annotations

import numpy as np

from benchmarks.steps.by_hand.convolution import Convolution, stored
from benchmarks.steps.by_hand.dense import ZERO, Dense
from benchmarks.steps.by_hand.loss import CrossEntropy
from benchmarks.steps.by_hand.optimizers import Adam
from benchmarks.steps.by_hand.pooling import Pooling
from benchmarks.steps.by_hand.vectors import Vectors, aligned


class LeNet:
    def __init__(self, weights: dict[str, np.ndarray], batch: int, training: bool = True) -> None:
        # the last image's features come as (row, channel, column) here, not (channel, row, column)
        fc1 = weights["fc1.weight"].reshape(120, 16, 5, 5).transpose(0, 2, 1, 3).reshape(120, 400)
        self.vectors = vectors = Vectors({
            **weights,
            "conv1.weight": stored(weights["conv1.weight"]),
            "conv2.weight": stored(weights["conv2.weight"]),
            "fc1.weight": fc1,
        })  # fmt: skip
        p, g = vectors.p, vectors.g
        self.conv1 = Convolution(
            p["conv1.weight"], 5, 2, 28, batch, 28, g["conv1.weight"] if training else None
        )
        self.conv2 = Convolution(
            p["conv2.weight"],
            5,
            0,
            14,
            batch,
            10,
            g["conv2.weight"] if training else None,
            training,
        )
        self.pool1 = Pooling(self.conv1.y, batch, training)
        self.pool2 = Pooling(self.conv2.y, batch, training)
        self.bias1, self.bias2 = p["conv1.bias"][:, None], p["conv2.bias"][:, None]
        self.x1 = self.conv2.inside  # what pooling, bias and ReLU make of conv1
        self.x2 = aligned(self.pool2.pooled.shape)
        self.features = self.x2.reshape(400, batch)
        self.dense = [
            Dense(vectors, "fc1", batch),
            Dense(vectors, "fc2", batch),
            Dense(vectors, "fc3", batch, relu=False),
        ]
        if training:
            self.d_bias1, self.d_bias2 = g["conv1.bias"], g["conv2.bias"]
            self.d1 = aligned(self.pool1.pooled.shape)
            self.mask1 = np.empty(self.x1.shape, bool)
            self.mask2 = np.empty(self.x2.shape, bool)
            self.ones1 = np.ones(14 * batch, np.float32)
            self.ones2 = np.ones(5 * batch, np.float32)
            self.loss = CrossEntropy(10, batch)
            self.optimizer = Adam(vectors, 1e-3)

    def forward(self, image: np.ndarray) -> np.ndarray:
        pool1, pool2 = self.pool1.pooled, self.pool2.pooled
        np.copyto(self.conv1.inside, image.transpose(2, 1, 3, 0))
        self.conv1.bands[0].forward()
        self.pool1.forward()
        np.add(pool1, self.bias1, out=pool1)
        np.maximum(pool1.reshape(self.x1.shape), ZERO, out=self.x1)
        self.conv2.bands[0].forward()
        self.pool2.forward()
        np.add(pool2, self.bias2, out=pool2)
        np.maximum(pool2, ZERO, out=self.x2)
        x = self.features
        for layer in self.dense:
            x = layer.forward(x)
        return x

    def predict(self, image: np.ndarray) -> np.ndarray:
        return self.forward(image).T

    def step(self, image: np.ndarray, label: np.ndarray) -> float:
        fc1, fc2, fc3 = self.dense
        d = self.forward(image)
        loss = self.loss(d, label)
        d = fc3.backward(d, fc2.z)
        d = fc2.backward(d, fc1.z)
        d2 = fc1.backward(d, self.features).reshape(self.x2.shape)

        np.greater(self.x2, ZERO, out=self.mask2)
        np.multiply(d2, self.mask2, out=d2)
        np.add.reduce(np.matmul(d2, self.ones2), axis=0, out=self.d_bias2)
        self.pool2.backward(d2)
        self.conv2.bands[0].weight_gradient()
        self.conv2.sum_gradients()
        self.conv2.input_gradient()

        d1 = self.d1
        np.greater(self.x1, ZERO, out=self.mask1)
        np.multiply(self.conv2.d_inside, self.mask1, out=d1.reshape(self.x1.shape))
        np.add.reduce(np.matmul(d1, self.ones1), axis=0, out=self.d_bias1)
        self.pool1.backward(d1)
        self.conv1.bands[0].weight_gradient()
        self.conv1.sum_gradients()
        self.optimizer.step()
        return loss
