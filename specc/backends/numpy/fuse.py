"""numpy.fuse: which elementwise steps run together, a block at a time. Assigns no memory.

A block is worked on by every step of a loop while it is in the cache, so that a chain of steps
reads and writes memory once; what only the loop itself reads needs memory for one block. A sum of
products over all elements is added up on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from specc.backends.numpy.kernel import yes
from specc.backends.numpy.layout import Order
from specc.ir import Extent, Type
from specc.ir.size import maximum, product

if TYPE_CHECKING:
    from specc.backends.numpy.plan import Step, Value

BLOCK = 1 << 16  # elements; a smaller array is worked on as a whole
UNFIT = ("erf",)  # has blocks of its own


@dataclass(slots=True, eq=False)
class Loop:
    """Steps that go over arrays of one shape together, along their outermost axis."""

    shape: tuple[Extent, ...]
    order: Order
    steps: list[Step] = field(default_factory=list["Step"])
    first: int = -1  # the places of its first and last steps
    last: int = -1
    dying: list[Value] = field(default_factory=list["Value"])
    blocks: list[tuple[int, Type]] = field(default_factory=list[tuple[int, Type]])  # its memory

    @property
    def axis(self) -> int:
        return next((axis for axis in self.order if self.shape[axis] != 1), self.order[0])

    @property
    def rest(self) -> Extent:
        """How many elements one step along the axis has."""
        return product(tuple(e for axis, e in enumerate(self.shape) if axis != self.axis))

    def block(self, dtype: str) -> Type:
        return Type(dtype, (maximum(BLOCK, self.rest),))

    def reads_aligned(self, root: Value) -> bool:
        """Does it read that memory block by block alone?"""
        return all(
            operand.node.shape == self.shape and operand.dense and operand.lies(self.order)
            for step in self.steps
            for operand in step.operands
            if operand.root is root
        )


def fuse(steps: Sequence[Step], elements: Callable[[Extent], int]) -> list[Step]:
    """The steps in an order in which those of a loop are neighbours; each knows its loop.

    From the last step to the first: each one that can be joins the loop that reads it first, so
    everything is made as late as can be. `elements` estimates a size.
    """
    readers: dict[int, list[tuple[Step, Value]]] = {}
    for step in steps:
        for operand in step.operands:
            source = operand.root or operand
            readers.setdefault(id(source), []).append((step, operand))
    items: list[Step | Loop] = []
    place_of: dict[int, int] = {}  # by id of the step: of its item, counted from the end
    for step in reversed(steps):
        place = None
        over = step.value if _fits(step) else _summed(step)
        if over and elements(product(over.node.shape)) < BLOCK:
            over = None
        if over is step.value:
            place = _joined(step, readers.get(id(step.value), []), items, place_of)
        if place is None:
            place = len(items)
            items.append(Loop(over.node.shape, over.order) if over else step)
        place_of[id(step)] = place
        item = items[place]
        if isinstance(item, Loop):
            item.steps.append(step)
    return _flat(items)


def _fits(step: Step) -> bool:
    value, kernel = step.value, step.kernel
    fit = kernel.broadcasts is yes and value.node.op.name not in UNFIT
    return fit and value.kind == "array" and not value.static and value.node.op.elementwise


def _summed(step: Step) -> Value | None:
    """What a product of all elements goes over: it is added up block by block."""
    if step.value.node.op.name != "dot" or step.value.kind != "scalar":
        return None
    a, b = step.operands
    return a if a.contiguous and b.contiguous else None


def _joined(
    step: Step,
    reading: Sequence[tuple[Step, Value]],
    items: Sequence[Step | Loop],
    place_of: dict[int, int],
) -> int | None:
    """The place of the loop that reads the step first, if it reads it block by block."""
    if not reading:
        return None
    place = max(place_of[id(reader)] for reader, _ in reading)
    item = items[place]
    if not isinstance(item, Loop) or item.shape != step.value.node.shape:
        return None
    direct = all(
        operand is step.value for reader, operand in reading if place_of[id(reader)] == place
    )
    return place if direct and step.value.lies(item.order) else None


def _flat(items: Sequence[Step | Loop]) -> list[Step]:
    found: list[Step] = []
    for item in reversed(items):
        if not isinstance(item, Loop):
            found.append(item)
            continue
        item.steps.reverse()
        if len(item.steps) > 1:
            item.first, item.last = len(found), len(found) + len(item.steps) - 1
            for step in item.steps:
                step.loop = item
        found += item.steps
    return found
