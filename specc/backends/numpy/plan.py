"""Which memory each value lives in: slots, shared by values that never live at once. No source.

The plan knows no lengths: a slot's size is the largest of the sizes that its values have when a
program is bound. A value is written over an operand that dies with it wherever its row allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from specc.backends.numpy.fuse import Loop, fuse
from specc.backends.numpy.join import join
from specc.backends.numpy.kernel import ROOM, Kernel
from specc.backends.numpy.kernels import COPY, FILL, kernels
from specc.backends.numpy.layout import Order, order_of_view, plain
from specc.backends.numpy.steps import Step, Value
from specc.ir import Extent, Graph, Node, Type, emit, toposort
from specc.ir.size import axes, evaluate, product

WASTE = 4  # a slot so many times too large is left alone
LINE = 64  # bytes in a cache line
ASSUMED = 64  # a dynamic axis' length where slots of unknown sizes are compared


@dataclass(slots=True)
class Plan:
    steps: list[Step] = field(default_factory=list[Step])
    outputs: list[Value] = field(default_factory=list[Value])
    feeds: dict[int, Value] = field(default_factory=dict[int, Value])  # by id of the input node
    slots: list[dict[Extent, None]] = field(default_factory=list[dict[Extent, None]])  # bytes
    copies: list[tuple[Value, Value]] = field(default_factory=list[tuple[Value, Value]])


def make_plan(
    graph: Graph,
    dtype: str,
    updates: Mapping[int, int] | None = None,
    *,
    orders: Mapping[int, Order] | None = None,
    stored: Mapping[str, Order] | None = None,
    loops: bool = True,
    reuse: bool = True,
) -> Plan:
    """Plans a graph without calls.

    Args:
        dtype: what "float" is: "float32" or "float64".
        updates: an output's place → that of the input that it is written over.
        orders: by id of the node, the order of its axes in memory, where it isn't the plain one.
        stored: by an output's name, the order in which it is wanted, where it isn't the plain one.
        loops: are elementwise steps fused?
        reuse: False gives each value memory of its own, for tests.
    """
    planner = _Planner(graph, dtype, orders or {}, reuse)
    planner.place(updates or {}, stored or {})
    if reuse:
        planner.plan.steps = join(planner.plan.steps, planner.plan.outputs)
    if loops:
        planner.plan.steps = fuse(planner.plan.steps, planner.estimate)
    planner.find_last_reads()
    planner.write_over_feeds()
    if reuse:
        planner.write_through()
    planner.assign_slots()
    return planner.plan


class _Planner:
    def __init__(self, graph: Graph, dtype: str, orders: Mapping[int, Order], reuse: bool) -> None:
        self.graph, self.orders, self.reuse = graph, orders, reuse
        self.copies: dict[tuple[int, Order], Value] = {}  # by id of what they copy, and order
        self.itemsize = {"float": 4 if dtype == "float32" else 8, "float64": 8, "int": 8, "bool": 1}
        self.same_float = dtype == "float64"
        self.plan = Plan()
        self.values: dict[int, Value] = {}
        self.spreads: dict[int, Value] = {}  # broadcasts that were needed as arrays
        self.bytes_of: dict[Type, Extent] = {}
        self.estimates: dict[Extent, int] = {}
        self.read_last: dict[int, int] = {}  # by id of a feed that is written over: when it is read
        self.updates: list[tuple[Value, Value]] = []  # (result, the feed that it is written over)
        self.items: dict[int, list[Node]] = {}  # by id of a scan: what is read of it

    # ── what each value is ───────────────────────────────────────────────────────────────────────
    def place(self, updates: Mapping[int, int], stored: Mapping[str, Order]) -> None:
        results = [output.node for output in self.graph.outputs]
        # What is written over an input comes last: by then, most often, the input has been read.
        early = [node for place, node in enumerate(results) if place not in updates]
        nodes = toposort([*self.graph.inputs, *_nearest_first(early), *results])
        for node in nodes:
            if node.op.name == "item":
                self.items.setdefault(id(node.inputs[0]), []).append(node)
        for node in nodes:
            if node.op.name == "scan":
                self._scan(node)
            elif node.op.name != "item":
                self.values[id(node)] = self._value(node)
        for node in self.graph.inputs:
            self.plan.feeds[id(node)] = self.values[id(node)]
        feeds = [self.values[id(node)] for node in self.graph.inputs]
        written = [feeds[place] for place in updates.values()]
        kept: dict[int, Value] = {}  # old values of feeds that are written over, saved at the start
        for place, node in enumerate(results):
            value = self.materialised(self.values[id(node)])
            target = feeds[updates[place]] if place in updates else None
            if value is target:
                target = None  # unchanged
            elif value.root in written:
                value = self._saved(value, kept)
            if target is not None:
                self.updates.append((value, target))
            elif value.kind == "array" and not value.static and value.output < 0:
                wanted = stored.get(self.graph.outputs[place].name)
                if value.dense and value.lies(wanted or plain(value.node.rank)):
                    value.output = place
            self.plan.outputs.append(value)

    def _saved(self, value: Value, kept: dict[int, Value]) -> Value:
        if id(value) not in kept:
            saved = Value(value.node, "array")
            saved.root = saved
            kept[id(value)] = saved
            self.plan.steps.insert(0, Step(saved, COPY, (value,)))
        return kept[id(value)]

    def _value(self, node: Node) -> Value:
        name, inputs = node.op.name, [self.values[id(each)] for each in node.inputs]
        row = kernels[name]
        if name == "input":
            order = self.orders.get(id(node), ())
            return self._rooted(Value(node, "feed" if node.rank else "scalar", order=order))
        if name == "constant":
            if node.rank:
                return self._rooted(Value(node, "table", static=True))
            return Value(node, "literal", static=True)
        if row.alias(node) or (name == "cast" and self._same_dtype(node)):
            return inputs[0]
        if name == "broadcast":
            return self._spread(node, inputs[0])
        if row.view and inputs[0].node.rank and node.rank:
            base = self.materialised(inputs[0])
            dense = row.views(node, base.order if base.dense else None)
            if dense is not None:
                order = order_of_view(node, base.order) or ()
                return Value(
                    node, "view", base, base.root, static=base.static, order=order, dense=dense
                )
        operands = tuple(
            [self._operand(row, value, node, index) for index, value in enumerate(inputs)]
        )
        order = self.orders.get(id(node), ())
        static = name != "random_bits" and not order and all(value.static for value in operands)
        value = Value(node, "array" if node.rank else "scalar", static=static, order=order)
        self.plan.steps.append(Step(value, row, operands))
        return self._rooted(value)

    def _scan(self, node: Node) -> None:
        """Memory for each item, then one step that fills them side by side."""
        given = [self.materialised(self.values[id(each)]) for each in node.inputs]
        for at in range(node.attributes["states"] + node.attributes["scanned"], len(given)):
            if given[at].node.rank > 1 and not given[at].contiguous:  # read at every step
                given[at] = self._copied(given[at], plain(given[at].node.rank))
        made: list[Value] = []
        for index in range(len(node.type.items)):
            read = [n for n in self.items[id(node)] if n.attributes["index"] == index]
            # a state is carried whether or not its last value is read
            item = read[0] if read else emit("item", node, index=index)
            made.append(self._rooted(Value(item, "array")))
            self.values.update((id(each), made[-1]) for each in read)
        *others, last = made
        self.plan.steps += [Step(value, ROOM, ()) for value in others]
        self.plan.steps.append(Step(last, kernels["scan"], (*given, *others)))

    def _operand(self, row: Kernel, value: Value, node: Node, index: int) -> Value:
        operand = node.inputs[index]
        if value.kind == "spread":
            assert value.parent
            if row.broadcasts(value.parent.node, operand):
                return value.parent
            value = self.materialised(value)
        wanted = row.wants(node, index)
        if wanted is None or (value.dense and value.lies(wanted)):
            return value
        return self._copied(value, wanted)

    def _copied(self, value: Value, order: Order) -> Value:
        """The same elements, dense in this order."""
        made = self.copies.get((id(value), order))
        if made is None:
            made = self._rooted(Value(value.node, "array", order=order))
            self.copies[id(value), order] = made
            self.plan.steps.append(Step(made, COPY, (value,)))
        return made

    def _spread(self, node: Node, shown: Value) -> Value:
        if shown.kind == "spread":
            assert shown.parent
            shown = shown.parent
        return Value(node, "spread", shown, shown.root, static=shown.static, dense=False)

    def materialised(self, value: Value) -> Value:
        """A broadcast as an array: a view where there is something to view."""
        if value.kind != "spread":
            return value
        made = self.spreads.get(id(value.node))
        if made is None:
            shown = value.parent
            assert shown
            if shown.node.rank or shown.static:
                made = Value(value.node, "view", shown, shown.root, shown.static, dense=False)
            else:
                made = self._rooted(Value(value.node, "array"))
                self.plan.steps.append(Step(made, FILL, (shown,)))
            self.spreads[id(value.node)] = made
        return made

    def _rooted(self, value: Value) -> Value:
        if value.node.rank:
            value.root = value
        return value

    def _same_dtype(self, node: Node) -> bool:
        pair = {node.dtype, node.inputs[0].dtype}
        return len(pair) == 1 or (self.same_float and pair == {"float", "float64"})

    # ── how long it lives ────────────────────────────────────────────────────────────────────────
    def find_last_reads(self) -> None:
        for place, step in enumerate(self.plan.steps):
            for operand in step.operands:
                if operand.root:
                    operand.root.last = place
            if step.value.root and step.value.last < place:
                step.value.last = place
        for value in self.plan.outputs:
            if value.root:
                value.root.last = len(self.plan.steps)

    def write_over_feeds(self) -> None:
        """An update goes straight into the fed array if nothing reads that any more."""
        place_of = {id(step.value): place for place, step in enumerate(self.plan.steps)}
        for value, feed in self.updates:
            place = place_of.get(id(value), -1)
            own = value.kind == "array" and not value.static and value.output < 0
            own = own and value.contiguous
            if own and value.feed is None and place >= 0 and self._read_before(place, feed):
                value.feed = feed
                self.read_last[id(feed)] = feed.last
                feed.last = len(self.plan.steps)
            else:
                self.plan.copies.append((value, feed))

    def write_through(self) -> None:
        """What an update is made of, in place, is made in the updated memory in the first place,
        if that has been read by then: `add(0.9 m, g)` over m begins with `0.9 m` over m.
        """
        made_at = {id(step.value): place for place, step in enumerate(self.plan.steps)}
        for place in reversed(range(len(self.plan.steps))):
            step = self.plan.steps[place]
            feed = step.value.feed
            if feed is None:
                continue
            for part in [o for i, o in enumerate(step.operands) if i in step.kernel.in_place]:
                at = made_at.get(id(part))
                if at is not None and self._goes_through(part, at, step, place, feed):
                    part.feed = feed
                    self.read_last[id(feed)] = at
                    break

    def _goes_through(self, part: Value, at: int, step: Step, place: int, feed: Value) -> bool:
        made = self.plan.steps[at]
        own = part.kind == "array" and not part.static and part.output < 0 and part.feed is None
        alike = part.node.type == feed.node.type and part.contiguous
        index = next(i for i, each in enumerate(step.operands) if each is part)
        alone = part.last == place and self._only_at(step, part, index)
        alone = alone and all(o is part for o in step.operands if o.root is part)
        if not (own and alike and alone and made.loop is step.loop):
            return False
        return self._may_overwrite(made, at, feed, self.read_last[id(feed)])

    def _read_before(self, place: int, feed: Value) -> bool:
        return self._may_overwrite(self.plan.steps[place], place, feed)

    def _may_overwrite(self, step: Step, place: int, root: Value, last: int | None = None) -> bool:
        """Is the memory read before at most, or by operands that the row may write over?

        Args:
            last: its last reader, where it is not `root.last`.
        """
        first = step.loop.first if step.loop else place
        last = root.last if last is None else last
        if last < first:
            return True
        if last > place or (step.loop and not step.loop.reads_aligned(root)):
            return False
        node = step.value.node
        if self._size(root.node.type) != self._size(node.type):
            return False
        for index, operand in enumerate(step.operands):
            if operand.root is root and not (
                index in step.kernel.in_place
                and step.kernel.may(node)
                and operand.node.shape == node.shape
                and operand.dense
                and operand.lies(step.value.order)
                and self._size(operand.node.type) == self._size(node.type)
            ):
                return False
        return True

    # ── where it lives ───────────────────────────────────────────────────────────────────────────
    def assign_slots(self) -> None:
        free = _Free(self.plan.slots, self.estimate)
        for place, step in enumerate(self.plan.steps):
            value, loop = step.value, step.loop
            dying = self._dying(step, place)
            if loop:
                loop.dying += [root for root in dying if not root.block]
                dying = loop.dying
            placed = value.feed is not None or value.part is not None or value.slot >= 0
            if value.is_own and not placed:
                if not self._assign_over(step, place, dying):
                    alone = loop and value.output < 0 and value.last <= loop.last
                    if loop and alone and value.node.shape == loop.shape:
                        if not self._assign_target(value, place, loop, free):
                            self._assign_block(step, place, loop, free)
                    else:
                        value.slot = free.take(self._size(value.node.type))
            if loop:
                if place == loop.last:
                    step.scratch = tuple(loop.blocks)
                    self._release(step, loop.dying, free)
                continue
            if value.static:
                step.dying = tuple(dying)
                continue
            wanted = step.kernel.scratch(value.node) if value.node.rank else ()
            step.scratch = tuple([(free.take(self._size(type)), type) for type in wanted])
            self._release(step, dying, free)

    def _assign_over(self, step: Step, place: int, dying: list[Value]) -> bool:
        """Gives it the memory of what dies here, if some may be written over."""
        value = step.value
        for root in dying if self.reuse else ():
            if root is not value and self._may_overwrite(step, place, root):
                value.slot = root.slot
                dying.remove(root)
                return True
        return False

    def _assign_target(self, value: Value, now: int, loop: Loop, free: _Free) -> bool:
        """Gives it the memory of what is made of it in place and read after the loop, where that
        takes new memory: a block for it would be so much more to write and to read.
        """
        steps = self.plan.steps[loop.first : loop.last + 1]
        readers = [step for step in steps if value in step.operands]
        if not self.reuse or len(readers) != 1:
            return False
        (step,) = readers
        made, place = step.value, loop.first + steps.index(step)
        at = [index for index, operand in enumerate(step.operands) if operand is value]
        over = all(index in step.kernel.in_place for index in at) and step.kernel.may(made.node)
        alike = made.node.type == value.node.type and made.order == value.order
        own = made.is_own and made.output < 0 and made.feed is None and made.part is None
        if not (over and alike and own and value.last == place and made.last > loop.last):
            return False
        later = range(now + 1, place + 1)
        dying = [root for at in later for root in self._dying(self.plan.steps[at], at)]
        others = [root for root in (*loop.dying, *dying) if root is not value and not root.block]
        if any(self._may_overwrite(step, place, root) for root in others):
            return False
        made.slot = value.slot = free.take(self._size(made.node.type))
        value.root = made
        return True

    def _release(self, step: Step, dying: list[Value], free: _Free) -> None:
        step.dying = tuple(dying)
        if self.reuse:
            for slot, type in step.scratch:
                free.give(slot, self._size(type))
            for root in dying:
                free.give(root.slot, self._size(root.node.type))

    def _assign_block(self, step: Step, place: int, loop: Loop, free: _Free) -> None:
        """A block of the loop's that nothing needs any more, or a new one."""
        value = step.value
        value.block = True
        size = self.itemsize[value.node.dtype]
        living = {each.slot for each in self._living(loop, place)}
        for index, operand in enumerate(step.operands if self.reuse else ()):
            dies = operand.block and operand.last == place and operand.slot not in living
            fits = index in step.kernel.in_place and self.itemsize[operand.node.dtype] == size
            if dies and fits and self._only_at(step, operand, index):
                value.slot = operand.slot
                return
        busy = living | {operand.slot for operand in step.operands if operand.block}
        for slot, type in loop.blocks if self.reuse else ():
            if slot not in busy and self.itemsize[type.dtype] == size:
                value.slot = slot
                return
        type = loop.block(value.node.dtype)
        value.slot = free.take(self._size(type))
        loop.blocks.append((value.slot, type))

    def _living(self, loop: Loop, place: int) -> list[Value]:
        """What earlier steps of the loop have put into blocks and later ones read."""
        done = loop.steps[: place - loop.first]
        return [each.value for each in done if each.value.block and each.value.last > place]

    def _only_at(self, step: Step, operand: Value, index: int) -> bool:
        """Every place that reads the operand is one that may be written over."""
        places = [at for at, each in enumerate(step.operands) if each is operand]
        return all(at in step.kernel.in_place for at in places)

    def _dying(self, step: Step, place: int) -> list[Value]:
        """Roots in slots that this step is the last to touch, each once."""
        found: list[Value] = []
        for value in (*step.operands, step.value):
            root = value.root
            if not root or root.last != place or root in found:
                continue
            if root.kind == "array" and not root.static and root.feed is None:
                found.append(root)
        return found

    def _size(self, type: Type) -> Extent:
        made = self.bytes_of.get(type)
        if made is None:
            made = self.bytes_of[type] = product(type.shape) * self.itemsize[type.dtype]
        return made

    def estimate(self, size: Extent) -> int:
        if isinstance(size, int):
            return size
        made = self.estimates.get(size)
        if made is None:
            made = self.estimates[size] = evaluate(size, dict.fromkeys(axes(size), ASSUMED))
        return made


def _nearest_first(results: Sequence[Node]) -> list[Node]:
    """By the longest way from an input: a gradient is then made as soon as what it is made of,
    while that is in the cache, and not after those of all layers before it.
    """
    depth: dict[Node, int] = {}
    for node in toposort(results):
        depth[node] = 1 + max((depth[each] for each in node.inputs), default=0)
    return sorted(results, key=depth.__getitem__)


class _Free:
    """The slots that hold nothing, by the size of what they held last."""

    def __init__(self, slots: list[dict[Extent, None]], estimate: Callable[[Extent], int]) -> None:
        self._slots, self._estimate = slots, estimate
        self._free: dict[Extent, list[int]] = {}

    def take(self, size: Extent) -> int:
        """A slot of that size, else the nearest, else a new one; the last one given comes first."""
        found = size if size in self._free else self._nearest(self._estimate(size))
        if found is None:
            self._slots.append({})
            slot = len(self._slots) - 1
        else:
            slots = self._free[found]
            slot = slots.pop()
            if not slots:
                del self._free[found]
        self._slots[slot][size] = None
        return slot

    def give(self, slot: int, size: Extent) -> None:
        self._free.setdefault(size, []).append(slot)

    def _nearest(self, needed: int) -> Extent | None:
        """Growing a small slot costs less than a new one; a far larger one is left to others."""
        fitting = [s for s in self._free if self._estimate(s) <= WASTE * max(needed, LINE)]
        return min(fitting, key=lambda s: abs(self._estimate(s) - needed), default=None)
