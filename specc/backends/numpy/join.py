"""Part of numpy.plan: what is joined is made where it is joined. Assigns no memory.

A joined array has room before the first of its parts is made, and those that can be are made in
there: a product's matrices, what is done to elements, and along the first axis anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from specc.backends.numpy.kernel import ROOM, yes
from specc.backends.numpy.kernels import COPY, kernels
from specc.backends.numpy.layout import Order, plain
from specc.backends.numpy.steps import Part, Step, Value

READERS = ("concat", "matmul", "sum", "dot", "max")  # and what is done to elements: of any lines


def join(steps: Sequence[Step], outputs: Sequence[Value]) -> list[Step]:
    """The steps less what they copied into joined arrays."""
    joins = [each for each in steps if each.kernel is kernels["concat"] and _has_room(each.value)]
    if not joins:
        return list(steps)
    uses = _Uses(steps, outputs)
    before: dict[int, list[Step]] = {}  # by id of the step that it comes before: a joined array
    instead: dict[int, list[Step]] = {}  # by id of the join: the parts that are copied still
    for each in joins:
        parts = _parts(each)
        makers = [uses.moved(x, part) for x, part in zip(each.operands, parts, strict=True)]
        if any(makers):
            first = min(place for place in makers if place is not None)
            before.setdefault(id(steps[first]), []).append(Step(each.value, ROOM, ()))
            instead[id(each)] = [
                _copied(x, part)
                for x, part, place in zip(each.operands, parts, makers, strict=True)
                if place is None
            ]
    return [
        new
        for step in steps
        for new in (*before.get(id(step), ()), *instead.get(id(step), (step,)))
    ]


def _has_room(value: Value) -> bool:
    return value.is_own and value.order == plain(value.node.rank)


def _parts(join: Step) -> list[Part]:
    axis, start, found = join.value.node.attributes["axis"], 0, list[Part]()
    for operand in join.operands:
        stop = start + operand.node.shape[axis]
        found.append(Part(join.value, axis, start, stop))
        start = stop
    return found


def _copied(x: Value, part: Part) -> Step:
    rank = x.node.rank
    dense = part.axis == 0
    here = replace(part, axes=plain(rank))
    return Step(Value(x.node, "array", root=part.whole, dense=dense, part=here), COPY, (x,))


class _Uses:
    """Who makes and who reads each array, to see which ones may lie elsewhere."""

    def __init__(self, steps: Sequence[Step], outputs: Sequence[Value]) -> None:
        self._steps = steps
        self._made_at = {id(step.value): place for place, step in enumerate(steps)}
        self._readers: dict[int, list[Step]] = {}  # by id of the root
        self._views: dict[int, dict[int, Value]] = {}  # by id of the root, and their own
        self._given = {id(value.root) for value in outputs}
        for step in steps:
            for operand in step.operands:
                self._readers.setdefault(id(operand.root), []).append(step)
                while operand.parent is not None:
                    self._views.setdefault(id(operand.root), {})[id(operand)] = operand
                    operand = operand.parent

    def moved(self, x: Value, part: Part) -> int | None:
        """The place of the step that first writes there, if what makes it does from now on."""
        value = x.root
        place = self._made_at.get(id(value))
        lies = x.lies(plain(x.node.rank))
        if value is None or place is None or not lies or not self._may_move(x, value, part):
            return None
        dense, axes = part.axis == 0 and x is value, _axes(x, value)
        while True:
            for each in (value, *self._views.get(id(value), {}).values()):
                each.root, each.dense = part.whole, dense
            value.part = replace(part, axes=axes)
            before = self._written_over(place, part)
            if before is None:
                return place
            value, place = before, self._made_at[id(before)]

    def _written_over(self, place: int, part: Part) -> Value | None:
        """What the step there alone reads, and may be made in the memory that it writes to."""
        step = self._steps[place]
        for index in step.kernel.in_place:
            x = step.operands[index] if index < len(step.operands) else step.value
            alone = id(x) in self._made_at and self._readers.get(id(x)) == [step]
            alike = x.node.type == step.value.node.type and x.order == step.value.order
            if alone and alike and step.kernel.may(step.value.node) and self._may_move(x, x, part):
                return x
        return None

    def _may_move(self, x: Value, value: Value, part: Part) -> bool:
        if not value.is_own or id(value) in self._given or value.node.op.name in OTHERS:
            return False
        if part.axis == 0 and x is value and value.order == plain(value.node.rank):
            return True  # it is as dense there
        step = self._steps[self._made_at[id(value)]]
        matrices = value.node.op.name == "matmul" and all(
            each.node.rank == value.node.rank for each in step.operands
        )
        views = self._views.get(id(value), {}).values()
        return (
            (matrices or step.kernel.broadcasts is yes)
            and all(view.node.op.name == "permute" for view in views)
            and all(_reads_anything(reader) for reader in self._readers[id(value)])
            and x.dense
        )


OTHERS = ("item", "concat")  # a scan fills its items, and a joined array has its own parts


def _reads_anything(step: Step) -> bool:
    return (
        step.kernel is COPY or step.kernel.broadcasts is yes or step.value.node.op.name in READERS
    )


def _axes(x: Value, value: Value) -> Order:
    """Which of the value's axes are those of x, that is the value with its axes moved."""
    axes = plain(x.node.rank)
    while x is not value:
        moved = x.node.attributes["axes"]
        axes = tuple(moved[axis] for axis in axes)
        assert x.parent
        x = x.parent
    return axes
