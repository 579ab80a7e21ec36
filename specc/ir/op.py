"""What it is to be a primitive: one block that says everything an operation means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from specc.ir.types import Tuple, Type

if TYPE_CHECKING:
    from specc.ir.graph import Node

Attributes = Mapping[str, Any]  # names to hashable values
Infer = Callable[[Sequence[Type], Attributes], Type | Tuple]
Vjp = Callable[..., "Node | Sequence[Node | None] | None"]


class TypeFault(ValueError):
    """A primitive can't take these inputs. Build turns it into the user's diagnostic."""

    def __init__(
        self, message: str, *, expected: str = "", found: str = "", help: str = ""
    ) -> None:
        super().__init__(message)
        self.expected, self.found, self.help = expected, found, help


@dataclass(frozen=True, slots=True)
class Sample:
    """One case that tests realise: input specifications, attributes, and the oracle's result.

    `inputs` are declarations: "float 3 4", "float 3 4 in 0.5 2", "int 5 below 7", "bool 3",
    or a nested tuple of numbers. `away_from` lists kinks that random inputs must avoid.
    `gradients`, those of the sum of the result, are said by hand at points where a difference
    quotient says nothing; None leaves one unsaid.
    """

    inputs: tuple[Any, ...]
    attributes: Attributes = field(default_factory=dict[str, Any])
    away_from: tuple[float, ...] = ()
    gradients: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Inputs that `infer` must refuse, and words that its message must hold."""

    inputs: tuple[Type, ...]
    says: str
    attributes: Attributes = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """A primitive. `vjp(g, y, *inputs)` gives one gradient an input; None where there is none."""

    name: str
    family: str
    doc: str
    infer: Infer
    vjp: Vjp
    oracle: str = ""  # a NumPy expression over a, b, c and the attributes, for the tests
    samples: tuple[Sample, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    tolerance: float = 1.0  # multiples of the dtype's own
    elementwise: bool = False

    def __repr__(self) -> str:
        return self.name


registry: dict[str, Op] = {}


def register(op: Op) -> Op:
    assert op.name not in registry, f"{op.name} is registered twice"
    registry[op.name] = op
    return op


def zero_gradient(g: Node, y: Node, *inputs: Node) -> None:
    """The gradient is zero in mathematics (integers, comparisons, steps); said, not forgotten."""
    return None
