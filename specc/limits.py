"""Every limit on what an input may ask for: its value and the code that says so."""

from __future__ import annotations

from typing import NamedTuple


class Limit(NamedTuple):
    value: int
    code: str
    what: str


SOURCE_BYTES = Limit(8_000_000, "L001", "bytes in a spec file")
NESTING = Limit(64, "L002", "levels of nested brackets, blocks or operators")
NODES = Limit(2_000_000, "L003", "operations in a model")
REPETITIONS = Limit(100_000, "L004", "rounds of a repeat or a comprehension")
CALL_DEPTH = Limit(96, "L005", "applications within one another")
ELEMENTS = Limit(2**33, "L006", "elements in one tensor")
IMPORTS = Limit(256, "L007", "imported files")
DATA_BYTES = Limit(16_000_000_000, "L008", "bytes in a data file")
ERRORS = Limit(100, "L009", "errors reported in one run")
RANK = Limit(16, "L010", "axes of a tensor")
DIGITS = Limit(400, "L011", "characters in a number")
EXPRESSION = Limit(200, "L013", "operators and applications within one another")
