"""All records whose value is one tensor of inputs; the rest have a test file for their kind."""

from __future__ import annotations

from tests.std import activations, attention, functions, layers, losses, recurrent
from tests.std.record import Record

RECORDS: tuple[Record, ...] = (
    *functions.RECORDS,
    *activations.RECORDS,
    *layers.RECORDS,
    *layers.CELLS,
    *attention.RECORDS,
    *recurrent.RECORDS,
    *losses.RECORDS,
)
