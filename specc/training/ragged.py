"""Columns whose rows have different lengths: kept without padding, padded a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """Rows of whole numbers one after another; `starts` has an entry more than there are rows.

    Indexed by row numbers it gives int64[rows, longest of them], the rest of a row `padding`.
    """

    flat: np.ndarray  # int64
    starts: np.ndarray  # int64[rows + 1], ascending from 0
    padding: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.starts)

    @property
    def longest(self) -> int:
        return int(self.lengths.max(initial=1))

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return self.padded(rows, np.empty(len(rows) * self.longest, dtype=np.int64))

    def padded(self, rows: np.ndarray, room: np.ndarray) -> np.ndarray:
        """The rows as one array, in `room`: at least one wide, so that no batch is empty."""
        starts, stops = self.starts[rows], self.starts[rows + 1]
        width = max(1, int((stops - starts).max(initial=1)))
        taken = room[: len(rows) * width].reshape(len(rows), width)
        taken.fill(self.padding)
        for row, (start, stop) in enumerate(zip(starts.tolist(), stops.tolist(), strict=True)):
            taken[row, : stop - start] = self.flat[start:stop]
        return taken


Column = np.ndarray | Ragged


def lengths_of(columns: Mapping[str, Column]) -> np.ndarray | None:
    """Each row's length by the longest of its ragged columns; None where all rows are equal."""
    ragged = [each.lengths for each in columns.values() if isinstance(each, Ragged)]
    return np.maximum.reduce(ragged) if ragged else None
