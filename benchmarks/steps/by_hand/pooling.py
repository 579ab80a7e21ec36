"""2 × 2 max-pooling of a convolution's result, and the way back to the first greatest of four."""

from __future__ import annotations

import numpy as np

from benchmarks.steps.by_hand.vectors import aligned


class Pooling:
    """From y (rows, channels, columns · images) to `pooled`, (rows / 2, channels, columns / 2 ·
    images). What follows it monotonically, bias and ReLU, is done after it, on a quarter.
    """

    def __init__(self, y: np.ndarray, batch: int, training: bool) -> None:
        rows, channels, columns = y.shape
        half = columns // 2
        if batch > 1:  # even columns lie before the odd ones
            self.left, self.right = y[:, :, :half], y[:, :, half:]
        else:
            self.left, self.right = y[:, :, ::2], y[:, :, 1::2]
        self.wide = aligned((rows, channels, half))
        self.top, self.bottom = self.wide[0::2], self.wide[1::2]
        self.pooled = aligned((rows // 2, channels, half))
        if training:
            self.is_top = np.empty(self.pooled.shape, bool)
            self.is_left = np.empty(self.wide.shape, bool)

    def forward(self) -> None:
        np.maximum(self.left, self.right, out=self.wide)
        np.maximum(self.top, self.bottom, out=self.pooled)

    def spread(self, g: np.ndarray) -> None:
        """The gradient of `pooled` to that of `wide`, in place, and who was greatest to is_left."""
        np.greater_equal(self.top, self.bottom, out=self.is_top)
        np.greater_equal(self.left, self.right, out=self.is_left)
        np.multiply(g, self.is_top, out=self.top)
        np.subtract(g, self.top, out=self.bottom)  # g - g or g - 0: exact

    def backward(self, g: np.ndarray) -> None:
        """y becomes its gradient."""
        self.spread(g)
        np.multiply(self.wide, self.is_left, out=self.left)
        np.subtract(self.wide, self.left, out=self.right)
