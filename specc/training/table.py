"""A source's columns by name: what a graph may know of them, and how to read one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from specc.diagnostics import Span, SpecError, fault
from specc.ir.size import axis
from specc.ir.types import Type
from specc.training.texts import Tokens

ROW = axis("row")
Read = Callable[[], np.ndarray]
ReadText = Callable[[], Sequence[str] | Tokens]


@dataclass(slots=True)
class Table:
    """Columns by name: what a graph may know of them, and how to read one.

    A read column is float64, int64 or bool; its first axis is the row. One of texts is read as a
    list, one of tokens as `Tokens`. `unusable` says why a column that the source has is none.
    """

    name: str
    types: dict[str, Type] = field(default_factory=dict[str, Type])
    lengths: dict[str, int] = field(default_factory=dict[str, int])
    readers: dict[str, Read] = field(default_factory=dict[str, Read])
    texts: dict[str, ReadText] = field(default_factory=dict[str, ReadText])
    unusable: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, name: str, dtype: str, shape: tuple[int, ...], read: Read) -> None:
        self.types[name] = Type(dtype, (ROW, *shape[1:]))
        self.lengths[name] = shape[0]
        self.readers[name] = read

    def add_text(self, name: str, values: Sequence[str] | Tokens) -> None:
        cut = isinstance(values, Tokens)
        self.types[name] = Type("tokens" if cut else "text", (ROW,))
        self.lengths[name] = len(values.starts) - 1 if cut else len(values)
        self.texts[name] = lambda: values

    def add_array(self, name: str, values: np.ndarray) -> None:
        self.add(name, DTYPE_OF_KIND[values.dtype.kind], values.shape, lambda: values)


# NumPy's kinds of dtype → what a graph calls them.
DTYPE_OF_KIND = {"f": "float", "i": "int", "u": "int", "b": "bool"}
ARRAY_DTYPE = {"float": np.float64, "int": np.int64, "bool": np.bool_}


def malformed(path: Path | str, what: str, span: Span | None, **more: str) -> SpecError:
    return fault("D004", f"`{path}` {what}", span, **more)
