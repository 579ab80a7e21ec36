"""Rows of columns as batches: gathered into buffers made once. Knows no model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from specc.training.ragged import Column, Ragged


class Batches:
    """Gathers rows of several columns into the same buffers again and again."""

    def __init__(self, columns: Mapping[str, Column], size: int) -> None:
        self.columns = columns
        self.buffers = {
            name: np.empty(size * values.longest, dtype=np.int64)
            if isinstance(values, Ragged)
            else np.empty((size, *values.shape[1:]), dtype=values.dtype)
            for name, values in columns.items()
        }

    def take(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The columns at these rows; valid until the next call."""
        # The rows are ours and in range; with mode="raise" NumPy would gather into a copy first.
        return {
            name: values.padded(rows, self.buffers[name])
            if isinstance(values, Ragged)
            else np.take(values, rows, axis=0, out=self.buffers[name][: len(rows)], mode="clip")
            for name, values in self.columns.items()
        }


def starts(rows: int, size: int) -> range:
    """Where each batch of a pass begins; the last one may be smaller."""
    return range(0, rows, size)
