"""What a row of the kernel table says, and the place in the source that it writes to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from specc.backends.numpy.layout import Order
from specc.ir import Extent, Graph, Node, Type


@dataclass(frozen=True, slots=True)
class Function:
    """It takes the body's inputs, then arrays for the results that are `direct`; it gives back
    those that are neither written there nor over inputs, as a tuple where they aren't one."""

    name: str
    direct: tuple[int, ...]


class Site(Protocol):
    """Where a node's lines go: names of its operands and its result, and what may be written."""

    node: Node
    inputs: Sequence[str]  # names of arrays and scalars; a number as a literal
    operands: Sequence[Node]  # the nodes that they are, broadcasts undone where the row allows it
    out: str
    scratch: Sequence[str]
    threads: int  # of a product; 0: of these, nothing is known

    def extent(self, extent: Extent) -> str:
        """A size as an expression."""
        ...

    def shape(self, shape: Sequence[Extent]) -> str:
        """A shape as a tuple."""
        ...

    def dtype(self, name: str) -> str:
        """The NumPy type of one of the graph's dtypes."""
        ...

    def view(self, name: str, expression: str, *others: str) -> str:
        """A name for `expression`, in which {} is the array `name`; made early if it can be, that
        is if that array and the `others` that it speaks of are known then.
        """
        ...

    def early(self, wanted: str, expression: str) -> str:
        """A name for what the sizes alone decide."""
        ...

    def bits(self, index: int) -> str:
        """Operand `index` as integers of its own width, a literal's bits; -1 is the result."""
        ...

    def number(self, value: float | bool, dtype: str) -> str:
        """A number as Python and NumPy both read it."""
        ...

    def filled(self, index: int) -> str:
        """Operand `index` as an array, if it is a literal: of the result's shape, or a part."""
        ...

    def contiguous(self, index: int) -> bool:
        """Is operand `index` surely contiguous?"""
        ...

    def checked(self, index: int, count: Extent) -> bool:
        """Was operand `index`, a feed or a view of one, checked against that count before?"""
        ...

    def order(self, index: int) -> Order | None:
        """Its axes from the outermost to the innermost if it is dense, else None; -1 is `out`."""
        ...

    def use(self, function: str) -> str:
        """A function of the runtime, which the module then carries."""
        ...

    def function(self, body: Graph, over: int) -> Function:
        """A body as a function, bound here; so many first results go over the first inputs."""
        ...

    def name(self, wanted: str) -> str:
        """A name that is new."""
        ...

    def place(self) -> str:
        """Arguments that name this operation in a run-time fault."""
        ...


Write = Callable[[Site], list[str]]
View = Callable[[Site], str]


def no(*_: object) -> bool:
    return False


def yes(*_: object) -> bool:
    return True


def _never(*_: object) -> None:
    return None


def _nothing(_: Node) -> Sequence[Type]:
    return ()


@dataclass(frozen=True, slots=True)
class Kernel:
    """How NumPy runs one primitive.

    `write` gives the lines that fill `out`; `scalar` the expression of a result without axes.
    `view` gives the expression of a view of the first operand, {} being its name, where
    `views(node, that operand's order if it is dense)` is not None; it then says if the view is
    dense. An array is dense if it fills a stretch of memory, its axes in some order.
    """

    write: Write | None = None
    scalar: View | None = None
    view: View | None = None
    views: Callable[[Node, Order | None], bool | None] = _never
    in_place: tuple[int, ...] = ()  # the operands whose memory `out` may be
    may: Callable[[Node], bool] = yes  # where it may be theirs
    # May NumPy itself broadcast, from what is first to the operand that is second?
    broadcasts: Callable[[Node, Node], bool] = no
    alias: Callable[[Node], bool] = no  # the result is the first operand
    scratch: Callable[[Node], Sequence[Type]] = _nothing
    # The order in which an operand must be dense; None where any will do.
    wants: Callable[[Node, int], Order | None] = _never


ROOM = Kernel(lambda _: [])  # memory that a later step fills beside its own
