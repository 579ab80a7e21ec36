"""The primitives, one module a family. Importing this fills the registry; it needs no NumPy."""

from specc.ir import registry
from specc.ops import (
    control,
    creation,
    elementwise,
    indexing,
    linear,
    movement,
    random,
    reduce,
    window,
)

__all__ = [
    "control", "creation", "elementwise", "indexing", "linear", "movement", "random", "reduce",
    "registry", "window",
]  # fmt: skip
