"""Batch norm, pooling and ReLU after a convolution, nearly all of it on pooled values.

The norm's scale keeps the order of a channel's values if it is positive: with the filters' signs
turned where it is negative, pooling comes first and only the statistics and the last lines of the
gradient see all the values. A bias before the norm has no effect, and its gradient is 0.
"""

from __future__ import annotations

import numpy as np

from benchmarks.steps.by_hand import convolution
from benchmarks.steps.by_hand.convolution import Convolution
from benchmarks.steps.by_hand.pooling import Pooling
from benchmarks.steps.by_hand.vectors import Vectors, aligned

ZERO = np.float32(0)
EPSILON = 1e-5
CACHED = 1 << 17  # values in a band of rows, 512 KB


class Band:
    """What is done to a few rows, between the norm's sums over all of them."""

    def __init__(self, conv: convolution.Band, line: np.ndarray, batch: int) -> None:
        self.conv, self.y = conv, conv.y
        self.pool = Pooling(conv.y, batch, True)
        self.pooled = self.pool.pooled
        self.sums, self.squares = line[:, conv.start : conv.stop]
        self.d_sums, self.d_products = line[:, conv.start // 2 : conv.stop // 2]
        self.d = aligned(self.pooled.shape)
        self.d_left = aligned(self.pool.wide.shape)
        rows, channels, half = self.pooled.shape
        self.shape = (rows, channels, half // batch, batch)
        self.mask = np.empty(self.shape, bool)
        self.rows = slice(conv.start // 2, conv.stop // 2)
        self.ones = np.ones(2 * half, np.float32)
        self.half_ones = self.ones[:half]

    def convolve(self) -> None:
        """y, what it sums up to, and its pooling."""
        self.conv.forward()
        np.matmul(self.y, self.ones, out=self.sums)
        np.vecdot(self.y, self.y, out=self.squares)
        self.pool.forward()

    def finish(self, scale: np.ndarray, shift: np.ndarray, out: np.ndarray) -> None:
        t = self.d
        np.multiply(self.pooled, scale, out=t)
        np.add(t, shift, out=t)
        np.maximum(t.reshape(self.shape), ZERO, out=out[self.rows])

    def gather(self, out: np.ndarray, d_out: np.ndarray) -> None:
        """The gradient before ReLU, and what it sums up to."""
        np.greater(out[self.rows], ZERO, out=self.mask)
        np.multiply(d_out[self.rows], self.mask, out=self.d.reshape(self.shape))
        np.matmul(self.d, self.half_ones, out=self.d_sums)
        np.vecdot(self.d, self.pooled, out=self.d_products)

    def spread(self, scale: np.ndarray, slope: np.ndarray, offset: np.ndarray) -> None:
        """y becomes its gradient: routed scale · d + slope · y + offset."""
        y, d, pool, left = self.y, self.d, self.pool, self.d_left
        np.multiply(d, scale, out=d)
        pool.spread(d)
        np.multiply(pool.wide, pool.is_left, out=left)
        np.subtract(pool.wide, left, out=pool.wide)
        np.multiply(y, slope, out=y)
        np.add(y, offset, out=y)
        np.add(pool.left, left, out=pool.left)
        np.add(pool.right, pool.wide, out=pool.right)
        self.conv.weight_gradient()


class ConvNormPool:
    def __init__(
        self,
        vectors: Vectors,
        states: dict[str, np.ndarray],
        place: int,
        size: int,
        batch: int,
    ) -> None:
        p, g = vectors.p, vectors.g
        self.weight, self.d_weight = p[f"conv{place}.weight"], g[f"conv{place}.weight"]
        self.bias = p[f"conv{place}.bias"]
        self.gamma, self.d_gamma = p[f"norm{place}.weight"], g[f"norm{place}.weight"]
        self.beta, self.d_beta = p[f"norm{place}.bias"], g[f"norm{place}.bias"]
        self.running_mean = states[f"norm{place}.running_mean"]
        self.running_var = states[f"norm{place}.running_var"]

        channels = self.gamma.size
        self.signed = aligned(self.weight.shape)
        band = max(2, CACHED // (channels * size * batch) // 2 * 2)
        self.conv = Convolution(self.signed, 3, 1, size, batch, band, self.d_weight, place > 1)
        self.count = size * size * batch
        self.lines = np.empty((2, size, channels), np.float32)
        self.bands = [Band(each, self.lines, batch) for each in self.conv.bands]
        self.sign = np.empty(channels, np.float32)
        self.scale, self.shift, self.slope, self.offset = aligned((4, channels, 1))

    def forward(self, out: np.ndarray) -> None:
        """Into `out`, (rows / 2, channels, columns / 2, images)."""
        np.copysign(np.float32(1), self.gamma, out=self.sign)
        np.multiply(self.weight, self.sign, out=self.signed)
        for band in self.bands:
            band.convolve()
        sums, squares = np.add.reduce(self.lines, axis=1, dtype=np.float64)
        self.mean = sums / self.count
        var = squares / self.count - self.mean**2
        self.unit = 1 / np.sqrt(var + EPSILON)
        self.running_mean *= 0.9
        self.running_mean += 0.1 * (self.sign * self.mean + self.bias)
        self.running_var *= 0.9
        self.running_var += (0.1 * self.count / (self.count - 1)) * var
        scale = np.abs(self.gamma) * self.unit
        self.scale[:, 0] = scale
        self.shift[:, 0] = self.beta - self.mean * scale
        for band in self.bands:
            band.finish(self.scale, self.shift, out)

    def backward(self, out: np.ndarray, d_out: np.ndarray) -> None:
        """From `out`, what `forward` gave, and its gradient: those of the parameters, and of y."""
        for band in self.bands:
            band.gather(out, d_out)
        lines = self.lines[:, : len(out)]
        d_beta, products = np.add.reduce(lines, axis=1, dtype=np.float64)
        d_gamma = (products - self.mean * d_beta) * self.unit
        self.d_beta[...] = d_beta
        self.d_gamma[...] = d_gamma * self.sign
        # scale · (routed d - mean(d) - ŷ · mean(d ŷ)) with ŷ = (y - mean) · unit
        scale = self.scale[:, 0]
        slope = -scale * self.unit * d_gamma / self.count
        self.slope[:, 0] = slope
        self.offset[:, 0] = -scale * d_beta / self.count - slope * self.mean
        for band in self.bands:
            band.spread(self.scale, self.slope, self.offset)
        self.conv.sum_gradients()
        np.multiply(self.d_weight, self.sign, out=self.d_weight)
