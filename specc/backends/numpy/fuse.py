"""numpy.fuse: which elementwise steps run together, a block at a time. Assigns no memory.

A block is worked on by every step of a loop while it is in the cache, so that a chain of steps
reads and writes memory once; what only the loop itself reads needs memory for one block. A sum of
products over all elements is added up on the way. So is what a block's rows add up to, or their
largest, and what is made of that goes on in the loop: a softmax is one. What else reads it waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from specc.backends.numpy.kernel import yes
from specc.backends.numpy.layout import Order, plain
from specc.ir import Extent, Type
from specc.ir.size import maximum, product

if TYPE_CHECKING:
    from specc.backends.numpy.steps import Step, Value

BLOCK = 1 << 16  # elements; a smaller array is worked on as a whole
UNFIT = ("erf",)  # has blocks of its own
REDUCTIONS = ("max", "sum", "dot")
Place = tuple[int, int]  # of an item, from the end; 1: before it


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
            self.reads_parts(step, operand)
            for step in self.steps
            for operand in step.operands
            if operand.root is root
        )

    def reads_parts(self, step: Step, operand: Value) -> bool:
        """Does its step read that, whose blocks lie one after another, block by block?"""
        if operand.node.shape == self.shape and operand.dense and operand.lies(self.order):
            return True
        return self.has_rows and operand.contiguous and self.axis_of(step, operand) == 0

    @property
    def has_rows(self) -> bool:
        """May what is smaller go along with it, a number or a few for each of its rows?"""
        return self.axis == 0 and self.order == plain(len(self.shape))

    def axis_of(self, step: Step, value: Value) -> int | None:
        """Its own axis that the blocks are parts of; None where each block needs all of it."""
        rank = value.node.rank
        reduced = not step.value.node.op.elementwise
        own = reduced or step.value is value
        axis = self.axis if own else self.axis - step.value.node.rank + rank
        return axis if 0 <= axis < rank and value.node.shape[axis] != 1 else None


def fuse(steps: Sequence[Step], elements: Callable[[Extent], int]) -> list[Step]:
    """The steps in an order in which those of a loop are neighbours; each knows its loop.

    From the last step to the first: each one that can be joins the loop that reads it first, so
    everything is made as late as can be. `elements` estimates a size.
    """
    readers: dict[int, list[tuple[Step, Value]]] = {}
    of_rows: set[int] = set()  # ids of values: a few numbers for each row of a large array
    late: set[Step] = set()
    for step in steps:
        for operand in step.operands:
            source = operand.root or operand
            readers.setdefault(id(source), []).append((step, operand))
        if _reduced(step, elements):
            of_rows.add(id(step.value))
        elif _follows(step, of_rows, elements):
            of_rows.add(id(step.value))
            late.add(step)
    items: list[Step | Loop | None] = [None]
    waiting: list[list[Step]] = [[]]  # what is made just before each item, as late as can be
    place_of: dict[int, Place] = {}  # by id of the step: of its item, counted from the end
    for step in reversed(steps):
        reading = readers.get(id(step.value), [])
        over = _over(step, elements)
        place = None
        if over is not None or step in late:
            place = _joined(step, reading, items, place_of)
        if place is None and step in late:
            place = max((place_of[id(reader)][0] for reader, _ in reading), default=0), 1
            waiting[place[0]].append(step)
        if place is None:
            place = len(items), 0
            items.append(Loop(over.node.shape, over.order) if over else step)
            waiting.append([])
        place_of[id(step)] = place
        item = items[place[0]]
        if isinstance(item, Loop) and not place[1]:
            item.steps.append(step)
    return _flat(items, waiting)


def _over(step: Step, elements: Callable[[Extent], int]) -> Value | None:
    """The large array that a step goes over, if it can be one of a loop's."""
    over = step.value if _fits(step) else _summed(step)
    if over is not None and elements(product(over.node.shape)) < BLOCK:
        over = None
    return over or (step.operands[0] if _reduced(step, elements) else None)


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


def _reduced(step: Step, elements: Callable[[Extent], int]) -> bool:
    """Does it reduce the rows of a large array to a number each?"""
    value = step.value
    axes = {
        "max": (value.node.attributes.get("axis"),),
        "sum": value.node.attributes.get("axes"),
        "dot": value.node.attributes.get("axes"),
    }.get(value.node.op.name)
    if axes is None or value.kind != "array" or value.static or not value.contiguous:
        return False
    x = step.operands[0]
    alike = all(each.contiguous and each.node.shape == x.node.shape for each in step.operands)
    large = elements(product(x.node.shape)) >= BLOCK
    return alike and large and axes == (x.node.rank - 1,) and x.node.shape[0] != 1


def _follows(step: Step, of_rows: set[int], elements: Callable[[Extent], int]) -> bool:
    """Is it made of such numbers, and small as they are?"""
    value = step.value
    known = [id(each.root or each) in of_rows for each in step.operands]
    small = all(
        each.kind == "literal" or elements(product((each.root or each).node.shape)) < BLOCK
        for each in (*step.operands, value)
    )
    made = value.kind in ("array", "scalar") and not value.static and value.part is None
    made = made and value.node.op.name != "item"
    return any(known) and small and made and value.node.op.name != "scan"


def _joined(
    step: Step,
    reading: Sequence[tuple[Step, Value]],
    items: Sequence[Step | Loop | None],
    place_of: dict[int, Place],
) -> Place | None:
    """The place of the loop that reads the step first, if it reads it block by block."""
    if not reading:
        return None
    place = max(place_of[id(reader)] for reader, _ in reading)
    item = items[place[0]]
    if not isinstance(item, Loop) or place[1]:
        return None
    whole, value = step.value.node.shape == item.shape, step.value
    if not whole and not (item.has_rows and _has_row_of(step, item)):
        return None
    direct = all(
        operand is value if whole else item.reads_parts(reader, operand)
        for reader, operand in reading
        if place_of[id(reader)] == place
    )
    return place if direct and value.lies(item.order if whole else plain(value.node.rank)) else None


def _has_row_of(step: Step, loop: Loop) -> bool:
    """Has it a part for each part of the loop, made of parts alone?"""
    value, rows = step.value, loop.shape[0]
    if value.kind != "array" or value.node.shape[0] != rows:
        return False
    if not value.node.op.elementwise:
        return value.node.op.name in REDUCTIONS and step.operands[0].node.shape == loop.shape
    axes = [loop.axis_of(step, each) for each in step.operands if each.node.rank]
    return _fits(step) and all(axis in (None, 0) for axis in axes)


def _flat(items: Sequence[Step | Loop | None], waiting: Sequence[Sequence[Step]]) -> list[Step]:
    found: list[Step] = []
    for item, before in zip(reversed(items), reversed(waiting), strict=True):
        found += reversed(before)
        if item is None:
            continue
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
