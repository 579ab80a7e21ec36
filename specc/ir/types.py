"""What a value is: its dtype and its shape. Knows no operation."""

from __future__ import annotations

from dataclasses import dataclass

from specc.ir.size import Extent, product

# `float` is the run's precision, float32 or float64; `float64` is exact in every run.
DTYPES = ("float", "float64", "int", "bool")


@dataclass(frozen=True, slots=True)
class Type:
    dtype: str
    shape: tuple[Extent, ...] = ()

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def elements(self) -> Extent:
        return product(self.shape)

    @property
    def static(self) -> bool:
        return all(isinstance(extent, int) for extent in self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class Tuple:
    """The type of a call or scan with other than one result; `item` takes one out."""

    items: tuple[Type, ...]

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.items))})"
