"""Three convolutions with batch norm, ReLU and pooling, then the logits."""

from __future__ import annotations

import numpy as np

from benchmarks.steps.by_hand.convolution import Convolution, stored
from benchmarks.steps.by_hand.dense import ZERO, Dense
from benchmarks.steps.by_hand.loss import CrossEntropy
from benchmarks.steps.by_hand.norm import EPSILON, ConvNormPool
from benchmarks.steps.by_hand.optimizers import Adam
from benchmarks.steps.by_hand.pooling import Pooling
from benchmarks.steps.by_hand.vectors import Vectors, aligned

SIZES = (32, 16, 8)


def by_features(weight: np.ndarray) -> np.ndarray:
    """The last weight for features that come as (row, channel, column)."""
    return weight.reshape(10, 64, 4, 4).transpose(0, 2, 1, 3).reshape(10, 1024)


class Training:
    def __init__(self, weights: dict[str, np.ndarray], batch: int) -> None:
        convs = {
            name: stored(weights[name]) for name in weights if name.startswith("conv")
            and name.endswith("weight")
        }  # fmt: skip
        states = {name: values.copy() for name, values in weights.items() if "running" in name}
        parameters = {name: values for name, values in weights.items() if name not in states}
        last = {"fc.weight": by_features(weights["fc.weight"])}
        self.vectors = Vectors({**parameters, **convs, **last})
        self.blocks = [
            ConvNormPool(self.vectors, states, place, size, batch)
            for place, size in enumerate(SIZES, 1)
        ]
        self.features = aligned((4, 64, 4, batch))
        self.outs = [self.blocks[1].conv.inside, self.blocks[2].conv.inside, self.features]
        self.dense = Dense(self.vectors, "fc", batch, relu=False)
        self.loss = CrossEntropy(10, batch)
        self.optimizer = Adam(self.vectors, 1e-3)

    def step(self, image: np.ndarray, label: np.ndarray) -> float:
        np.copyto(self.blocks[0].conv.inside, image.transpose(2, 1, 3, 0))
        for block, out in zip(self.blocks, self.outs, strict=True):
            block.forward(out)
        features = self.features.reshape(1024, -1)
        d = self.dense.forward(features)
        loss = self.loss(d, label)
        d = self.dense.backward(d, features).reshape(self.features.shape)
        for block, out in zip(reversed(self.blocks), reversed(self.outs), strict=True):
            block.backward(out, d)
            if block is not self.blocks[0]:
                block.conv.input_gradient()
                d = block.conv.d_inside
        self.optimizer.step()
        return loss


class Inference:
    """The norms' scales and shifts are folded into the filters and biases once."""

    def __init__(self, weights: dict[str, np.ndarray], batch: int) -> None:
        self.convs: list[Convolution] = []
        self.pools: list[Pooling] = []
        self.biases: list[np.ndarray] = []
        for place, size in enumerate(SIZES, 1):
            mean, var = (weights[f"norm{place}.running_{each}"] for each in ("mean", "var"))
            scale = weights[f"norm{place}.weight"] / np.sqrt(var + np.float32(EPSILON))
            conv, bias = weights[f"conv{place}.weight"], weights[f"conv{place}.bias"]
            folded = (bias - mean) * scale + weights[f"norm{place}.bias"]
            filters = aligned((conv[0].size, len(conv)))
            filters[...] = stored(conv) * scale
            self.convs.append(Convolution(filters, 3, 1, size, batch, size))
            self.pools.append(Pooling(self.convs[-1].y, batch, False))
            self.biases.append(folded[:, None])
        self.features = aligned((4, 64, 4, batch))
        self.outs = [self.convs[1].inside, self.convs[2].inside, self.features]
        last = {"fc.weight": by_features(weights["fc.weight"]), "fc.bias": weights["fc.bias"]}
        self.dense = Dense(Vectors(last), "fc", batch, relu=False)

    def predict(self, image: np.ndarray) -> np.ndarray:
        np.copyto(self.convs[0].inside, image.transpose(2, 1, 3, 0))
        steps = zip(self.convs, self.pools, self.biases, self.outs, strict=True)
        for conv, pool, bias, out in steps:
            conv.bands[0].forward()
            pool.forward()
            pooled = pool.pooled
            np.add(pooled, bias, out=pooled)
            np.maximum(pooled.reshape(out.shape), ZERO, out=out)
        return self.dense.forward(self.features.reshape(1024, -1)).T
