"""What a plan is made of: values, and the steps that make them. Plans nothing."""

from __future__ import annotations

from dataclasses import dataclass

from specc.backends.numpy.fuse import Loop
from specc.backends.numpy.kernel import Kernel
from specc.backends.numpy.layout import Order, plain
from specc.ir import Extent, Node, Type

# literal: a number in the source · scalar: a variable of the source · table: a constant array
# feed: an input's array · array: a buffer · view: of another value · spread: a broadcast that no
# one has needed as an array yet
KINDS = ("literal", "scalar", "table", "feed", "array", "view", "spread")


@dataclass(slots=True, eq=False)
class Value:
    node: Node
    kind: str
    parent: Value | None = None  # of a view or a spread: what it shows
    root: Value | None = None  # the feed, array or table whose memory it is; None for scalars
    static: bool = False  # known from the sizes alone: made when a program is bound
    order: Order = ()  # its axes from the outermost to the innermost
    dense: bool = True  # does it fill a stretch of memory?
    slot: int = -1
    last: int = -1  # the last step that reads this root's memory
    block: bool = False  # is it read in its loop alone, and has memory for one block?
    output: int = -1  # the output that is written straight into the caller's array
    feed: Value | None = None  # the fed array that it is written into
    part: Part | None = None  # of a joined array, where it lies

    def __post_init__(self) -> None:
        self.order = self.order or plain(self.node.rank)

    @property
    def is_own(self) -> bool:
        """Is it an array that a run makes?"""
        return self.kind == "array" and not self.static

    @property
    def contiguous(self) -> bool:
        return self.dense and self.lies(plain(self.node.rank))

    def lies(self, order: Order) -> bool:
        """Is this its order, wherever axes of 1 may stand?"""
        shape = self.node.shape
        if self.order == order:
            return True
        return [a for a in self.order if shape[a] != 1] == [a for a in order if shape[a] != 1]


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a joined array, along one of its axes."""

    whole: Value
    axis: int
    start: Extent
    stop: Extent
    axes: Order = ()  # of what lies there, in the order of the whole's


@dataclass(slots=True, eq=False)
class Step:
    """Lines that make one value; `dying` are the roots whose memory nothing reads afterwards."""

    value: Value
    kernel: Kernel
    operands: tuple[Value, ...]
    scratch: tuple[tuple[int, Type], ...] = ()
    dying: tuple[Value, ...] = ()
    loop: Loop | None = None  # that it is one step of
