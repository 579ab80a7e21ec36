"""What a node is in the source being written: an expression, and the shape that torch gives it.

Broadcasts are undone here: torch repeats axes by itself, so a value may keep fewer than its node.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from specc.ir import Extent

ATOM = re.compile(r"[\w.]+|-?[\d.]+(e[-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class Value:
    """`shape` broadcasts to the node's; `host` is a Python number; `loose` needs brackets."""

    text: str
    shape: tuple[Extent, ...] = ()
    host: bool = False
    loose: bool = False

    @property
    def operand(self) -> str:
        return f"({self.text})" if self.loose else self.text

    @property
    def is_atom(self) -> bool:
        return bool(ATOM.fullmatch(self.text))


def number(value: float | bool, dtype: str) -> str:
    """A Python number's text."""
    if dtype == "bool":
        return repr(bool(value))
    if dtype == "int":
        return repr(int(value))
    real = float(value)
    if math.isfinite(real):
        return repr(real)
    return "math.nan" if math.isnan(real) else "math.inf" if real > 0 else "-math.inf"


def joined(shapes: Sequence[tuple[Extent, ...]]) -> tuple[Extent, ...]:
    """What torch makes of these shapes together."""
    rank = max(map(len, shapes), default=0)
    made: list[Extent] = []
    for place in range(-rank, 0):
        extents = [shape[place] for shape in shapes if -place <= len(shape)]
        made.append(next((extent for extent in extents if extent != 1), 1))
    return tuple(made)


def listed(items: Sequence[str]) -> str:
    """A tuple's text."""
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
