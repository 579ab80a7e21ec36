"""The lines of a program's steps: names for values and buffers, views where they can be made early.

What a spec says reaches the source in three ways alone: names through `names.identifier`, text and
numbers through `repr`, and axes through `names.expression`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from specc.backends.names import Names, expression
from specc.backends.numpy import fuse
from specc.backends.numpy.fuse import Loop
from specc.backends.numpy.kernel import ROOM, Function
from specc.backends.numpy.kernels import kernels
from specc.backends.numpy.layout import Order, layout
from specc.backends.numpy.layout import plain as plain_order
from specc.backends.numpy.plan import make_plan
from specc.backends.numpy.scan import wrapped
from specc.backends.numpy.steps import Part, Step, Value
from specc.diagnostics import fault
from specc.ir import Extent, Graph, Node
from specc.ir.size import axes

WIDTH = 100  # a line's end takes a comment only as far as this
SUFFIX = {"T": "T", "reshape": "flat", "view": "bits"}  # what a view is named after


@dataclass(slots=True, eq=False)
class Scope:
    """A function that is bound once and run often: lines of the binding, lines of a run.

    `fixed` are the names that its binding is handed, `takes` those that a run is, `gives` those
    that a run hands on to later ones.
    """

    head: list[str] = field(default_factory=list[str])
    body: list[str] = field(default_factory=list[str])
    early: set[str] = field(default_factory=set[str])  # names that the head makes
    known: set[str] = field(default_factory=set[str])  # buffers and views that it has already
    fixed: dict[str, None] = field(default_factory=dict[str, None])
    takes: dict[str, None] = field(default_factory=dict[str, None])
    gives: dict[str, None] = field(default_factory=dict[str, None])


@dataclass(slots=True, eq=False)
class Module:
    """What all functions of a module share."""

    dtype: str
    names: Names
    axis_names: Mapping[str, str]
    slots: list[dict[Extent, None]]  # the plan's, then those of the functions of bodies
    loops: bool = True
    reuse: bool = True
    poison: bool = False
    threads: int = 0
    tables: list[str] = field(default_factory=list[str])
    functions: dict[str, None] = field(default_factory=dict[str, None])  # of the runtime
    operations: list[Node] = field(default_factory=list[Node])
    texts: list[str] = field(default_factory=list[str])  # the functions of bodies, inner ones first


class Writer:
    """Writes steps in order: into a head what the sizes alone decide, into a body the rest.

    It is the `Site` of the kernel table as well: `node`, `inputs`, `operands`, `out` and `scratch`
    are those of the step being written. Long programs have a scope every so many steps.
    """

    def __init__(self, module: Module, first: int = 0) -> None:
        self.module, self.first = module, first  # the first slot of its plan
        self.names, self.axis_names = module.names, module.axis_names
        self.wide = module.dtype == "float64"
        self.threads = module.threads
        self.main = self.scope = Scope()
        self._constants: set[str] = set()
        self._name_of: dict[int, str] = {}  # by id of the value: what has one name in all scopes
        self._home: dict[int, Scope] = {}  # by id of the value: the scope that makes it in a run
        self._buffers: dict[tuple[Any, ...], str] = {}  # (slot, dtype, shape) → its name
        self._views: dict[tuple[str, str], str] = {}
        self._shapes: dict[tuple[Extent, ...], str] = {}
        self._extents: dict[Extent, str] = {}
        self._types: dict[Any, str] = {}
        self._checked: set[tuple[int, Extent]] = set()  # indices that are fed, and counts
        self._place: tuple[Any, ...] = ()
        self._loop: Loop | None = None  # whose steps are being written
        self._lengths: dict[int, str] = {}  # by a loop's first step: how long its blocks are
        # by id of the value, and its axis: its part in the loop's block
        self._parts: dict[tuple[int, int | None], str] = {}
        self._cuts: dict[str, tuple[str, bool]] = {}  # a part: what it is, is that known early?
        self._outer: list[str] = []
        self.node: Node = None  # type: ignore[assignment]
        self.inputs: Sequence[str] = ()
        self.operands: Sequence[Node] = ()
        self.out = ""
        self.scratch: Sequence[str] = ()
        self._values: Sequence[Value] = ()
        self._value: Value = None  # type: ignore[assignment]
        self._now: Step = None  # type: ignore[assignment]
        self._lines = self.scope.body

    # ── steps ────────────────────────────────────────────────────────────────────────────────────
    def step(self, step: Step) -> None:
        if step.kernel is ROOM:
            return
        if not step.value.static:
            self._step(step, self.scope.body)
            return
        scope, self.scope = self.scope, self.main
        self._step(step, self.main.head)
        self.scope = scope

    def loop(self, loop: Loop) -> None:
        """Its steps on one block after another."""
        if loop.first not in self._lengths:
            self._lengths[loop.first] = self.names.new("rows")
        rows, extent = self._lengths[loop.first], self.extent(loop.shape[loop.axis])
        rest = self.extent(loop.rest)
        self.scope.head.append(f"{rows} = max(1, {fuse.BLOCK} // max(1, {rest}))")
        self._loop, self._parts, self._cuts = loop, {}, {}
        outer, self.scope.body = self.scope.body, []
        self._outer = outer
        for step in loop.steps:
            self._step(step, self.scope.body)
        inner, self.scope.body = self.scope.body, outer
        self._loop = None
        early = {name: text for name, (text, made) in self._cuts.items() if made}
        late = [f"{name} = {text}" for name, (text, made) in self._cuts.items() if not made]
        blocks, items = self.names.new("blocks"), ", ".join(["at", *early.values()])
        self.scope.head += [
            f"{blocks} = [",
            *wrapped("    (" if early else "    ", [items], ")" if early else ""),
            f"    for at in {self.use('slices')}({extent}, {rows})",
            "]",
        ]
        outer.append(f"for {', '.join(['at', *early])} in {blocks}:")
        outer += ["    " + line for line in (*late, *inner)]

    def _part(self, value: Value) -> str:
        """What the source calls this block's part of a value."""
        loop = self._loop
        assert loop
        axis = loop.axis_of(self._now, value)
        name = self._parts.get((id(value), axis))
        if name is not None:
            return name
        if value.block:
            whole = self._block(value, loop)
            text = f"{whole}[{':, ' * loop.axis}: at.stop - at.start]"
        else:
            whole = self.read(value)
            if value.kind == "literal" or axis is None:
                return whole
            text = f"{whole}[{':, ' * axis}at]"
        key = (text, str(loop.first))
        name = self._views.get(key)
        if name is None:
            name = self._views[key] = self.names.new(f"{whole}_part")
        self._cuts.setdefault(name, (text, whole in self.scope.early))
        self._parts[id(value), axis] = name
        return name

    def _block(self, value: Value, loop: Loop) -> str:
        dtype, rows = self.dtype(value.node.dtype), self._lengths[loop.first]
        key = (value.slot, dtype, loop.first)
        name = self._buffers.get(key)
        if name is None:
            name = self._buffers[key] = self.names.new(f"b{self.first + value.slot}")
        if name not in self.scope.known:
            order = (loop.axis, *(axis for axis in loop.order if axis != loop.axis))
            lying = [rows if a == loop.axis else self.extent(loop.shape[a]) for a in order]
            slot = f"slots[{self.first + value.slot}]"
            text = f"{self.use('cut')}({slot}, {dtype}, ({', '.join(lying)},))"
            if order != plain_order(len(order)):
                text += f".transpose({tuple(order.index(axis) for axis in range(len(order)))!r})"
            self.scope.head.append(f"{name} = {text}")
            self.scope.early.add(name)
            self.scope.known.add(name)
        return name

    def _step(self, step: Step, lines: list[str]) -> None:
        value, kernel = step.value, step.kernel
        node = self.node = value.node
        self._value, self._now = value, step
        self._lines = lines
        self._comment(node)
        self._values = step.operands
        self.operands = [each.node for each in step.operands]
        name = self._part if self._loop else self.read
        self.inputs = [name(each) for each in step.operands]
        if node.rank:
            self.out = name(value)
            self.scratch = [
                self.buffer(slot, self.dtype(type.dtype), type.shape)
                for slot, type in step.scratch
                if not self._loop
            ]
            assert kernel.write, f"{node.op.name} has no lines"
            written = kernel.write(self)
        else:
            self.inputs = self._scalars(node)
            assert kernel.scalar, f"{node.op.name} has no expression"
            made, sign = kernel.scalar(self), "+=" if self._loop else "="
            name = self._new_scalar(value)
            if self._loop:
                self._outer.append(f"{name} = {self.dtype(node.dtype)}(0)")
            written = [f"{name} {sign} {made}"]
        end = f"  # {self._type(node)}"
        if len(written[-1]) + len(end) + 8 <= WIDTH:
            written[-1] += end
        lines += written

    def _scalars(self, node: Node) -> list[str]:
        """Operands of a scalar expression: at least one has the node's own NumPy type."""
        bare = [each.kind == "literal" for each in self._values]
        typed = all(bare) or node.op.name == "where"
        made: list[str] = []
        for text, value, literal in zip(self.inputs, self._values, bare, strict=True):
            if literal and typed:
                text = f"{self.dtype(value.node.dtype)}({text})"
            elif literal and text.startswith("-"):
                text = f"({text})"
            made.append(text)
        return made

    def _new_scalar(self, value: Value) -> str:
        name = self._name_of[id(value)] = self.names.new(value.node.origin.name or "s")
        if value.static:
            self.main.early.add(name)
        else:
            self._home[id(value)] = self.scope
        return name

    def _comment(self, node: Node) -> None:
        span = node.origin.span
        if span is None:
            return
        line = span.source.position(span.start)[0]
        place = (id(self._lines), span.source, line)
        if place != self._place:
            self._place = place
            text = plain(span.source.line(line).strip())
            self._lines.append(f"# {plain(span.source.path)}:{line}  {text}"[: WIDTH - 8].rstrip())

    # ── names of values ──────────────────────────────────────────────────────────────────────────
    def read(self, value: Value) -> str:
        """What the source calls it, here."""
        name = self._name_of.get(id(value))
        if name is None:
            return self._named(value)
        if value.kind not in ("literal", "table"):
            self._fetch(value, name)
        return name

    def give(self, value: Value, name: str) -> None:
        """It has this name in a run of the whole."""
        self._name_of[id(value)] = name
        self._home[id(value)] = self.main

    def _fetch(self, value: Value, name: str) -> None:
        """A name from another scope: an argument of this one."""
        home = self._home.get(id(value))
        if self.scope is self.main:
            if home is not None and home is not self.main:
                home.gives[name] = None
        elif home is None:
            self.scope.fixed[name] = None
            self.scope.early.add(name)
        elif home is not self.scope:
            self.scope.takes[name] = None
            if home is not self.main:
                home.gives[name] = None

    def _named(self, value: Value) -> str:
        node = value.node
        if value.kind == "literal":
            name = self._name_of[id(value)] = self.number(node.attributes["value"], node.dtype)
            return name
        if value.kind == "table":
            name = self._name_of[id(value)] = self._table(node)
            return name
        if value.kind == "view":
            assert value.parent
            return self._view_of(value, value.parent)
        assert value.kind == "array", f"{node} is read before it is made"
        if value.feed:
            return self.read(value.feed)
        if value.part:
            return self._part_of_joined(value.part)
        if value.static:
            name = self._name_of[id(value)] = self.names.new(node.origin.name or "fixed")
            dtype = self.dtype(node.dtype)
            self.main.head.append(f"{name} = np.empty({self.shape(node.shape)}, {dtype})")
            self.main.early.add(name)
            return self.read(value)
        return self.buffer(value.slot, self.dtype(node.dtype), node.shape, value.order)

    def _part_of_joined(self, part: Part) -> str:
        stretch = f"{self.extent(part.start)}:{self.extent(part.stop)}"
        text = f"{{}}[{':, ' * part.axis}{stretch}]"
        if part.axes != plain_order(len(part.axes)):
            turned = tuple(part.axes.index(axis) for axis in range(len(part.axes)))
            text += f".transpose({turned!r})"
        return self.view(self.read(part.whole), text)

    def buffer(self, slot: int, dtype: str, shape: Sequence[Extent], order: Order = ()) -> str:
        moved = bool(order) and order != plain_order(len(order))
        key = (slot, dtype, tuple(shape), order if moved else ())
        name = self._buffers.get(key)
        if name is None:
            name = self._buffers[key] = self.names.new(f"b{self.first + slot}")
        if name not in self.scope.known:
            lying = tuple(shape[axis] for axis in order) if moved else shape
            cut = f"{self.use('cut')}(slots[{self.first + slot}], {dtype}, {self.shape(lying)})"
            if moved:
                cut += f".transpose({tuple(order.index(axis) for axis in range(len(order)))!r})"
            self.scope.head.append(f"{name} = {cut}")
            self.scope.early.add(name)
            self.scope.known.add(name)
        return name

    def _table(self, node: Node) -> str:
        name = self.names.new((node.origin.name or "table").upper())
        rows = self._rows(node.attributes["value"], node.dtype)
        self._constants.add(name)
        self.module.tables.append(f"{name} = np.array({rows}, {self.dtype(node.dtype)})")
        if 0 in node.shape:
            self.module.tables[-1] += f".reshape({self.shape(node.shape)})"
        return name

    def _rows(self, value: Any, dtype: str) -> str:
        if isinstance(value, tuple):
            return f"[{', '.join(self._rows(row, dtype) for row in value)}]"  # pyright: ignore
        return self.number(value, dtype)

    def _view_of(self, value: Value, base: Value) -> str:
        node = value.node
        kept = self.node, self.operands, self.inputs
        name = self.read(base)
        if base.kind == "literal":
            name = f"{self.dtype(node.dtype)}({name})"
        self.node, self.operands, self.inputs = node, [base.node], [name]
        view = kernels[node.op.name].view
        assert view, node
        made = self.view(name, view(self))
        self.node, self.operands, self.inputs = kept
        return made

    # ── what a row may ask for ───────────────────────────────────────────────────────────────────
    def view(self, name: str, expression: str, *others: str) -> str:
        key = (name, expression)
        scope = self.scope
        early = all(each in scope.early or each in self._constants for each in (name, *others))
        full = not name.isidentifier()  # a number that is broadcast
        made = self._views.get(key)
        if made is None:
            word = expression.removeprefix("{}").lstrip(".").split("(")[0]
            number = "ones" if word == "np.ones" else "full"
            wanted = number if full else f"{name}_{SUFFIX.get(word, 'view')}"
            made = self._views[key] = self.names.new(wanted)
        if made not in scope.known:
            scope.known.add(made)
            lines = scope.head if early or full else scope.body
            if self._loop and lines is scope.body and name not in self._parts.values():
                lines = self._outer  # the same for every block
            lines.append(f"{made} = {expression.replace('{}', name)}")
            if lines is scope.head:
                scope.early.add(made)
        return made

    def early(self, wanted: str, expression: str) -> str:
        name = self._views.get((wanted, expression))
        if name is None:
            name = self._views[wanted, expression] = self.names.new(wanted)
        if name not in self.scope.known:
            self.scope.known.add(name)
            self.scope.early.add(name)
            self.scope.head.append(f"{name} = {expression}")
        return name

    def bits(self, index: int) -> str:
        dtype = self.node.dtype
        width = "I" if dtype == "float" else "np.int64"
        if index < 0:
            return self.out if dtype == "int" else self.view(self.out, f"{{}}.view({width})")
        value, text = self._values[index], self.inputs[index]
        if value.kind == "literal":
            return repr(_bits(value.node.attributes["value"], dtype, self.wide))
        if dtype == "int":
            return text
        if not value.node.rank:
            return f"{text}.view({width})"
        return self.view(text, f"{{}}.view({width})")

    def number(self, value: float | bool, dtype: str) -> str:
        if dtype == "bool":
            return repr(bool(value))
        if dtype == "int":
            return repr(int(value))
        number = float(value)
        if math.isfinite(number):
            return repr(number)
        return "np.nan" if math.isnan(number) else "np.inf" if number > 0 else "-np.inf"

    def filled(self, index: int) -> str:
        value, text = self._values[index], self.inputs[index]
        if value.kind != "literal":
            return text
        order, shape = self._value.order, list(self.node.shape)
        if self._loop:
            shape[self._loop.axis] = 1  # blocks differ in length
        lying = self.shape([shape[axis] for axis in order])
        made = f"{self.use('filled')}({text}, {self.dtype(self.node.dtype)}, {lying})"
        if order != plain_order(len(order)):
            made += f".transpose({tuple(order.index(axis) for axis in range(len(order)))!r})"
        return self.view(text, made)

    def contiguous(self, index: int) -> bool:
        return self._values[index].contiguous

    def checked(self, index: int, count: Extent) -> bool:
        root = self._values[index].root
        if root is None or root.kind != "feed":
            return False
        key = (id(root), count)
        done = key in self._checked
        self._checked.add(key)
        return done

    def order(self, index: int) -> Order | None:
        value = self._value if index < 0 else self._values[index]
        return value.order if value.dense else None

    def use(self, function: str) -> str:
        self.module.functions[function] = None
        return function

    def name(self, wanted: str) -> str:
        return self.names.new(wanted)

    def function(self, body: Graph, over: int) -> Function:
        """The body's steps as a function of their own, with memory of its own."""
        module, first = self.module, len(self.module.slots)
        orders = layout(body, {})
        written = {place: place for place in range(over)}
        plan = make_plan(
            body, module.dtype, written, orders=orders, loops=module.loops, reuse=module.reuse
        )
        module.slots += plan.slots
        inner = Writer(module, first)
        direct = [value for place, value in enumerate(plan.outputs) if value.output == place]
        takes: list[str] = []
        for node in body.inputs:
            takes.append(self.names.new(node.attributes["name"]))
            inner.give(plan.feeds[id(node)], takes[-1])
        for value in direct:
            takes.append(self.names.new(body.outputs[value.output].name))
            inner.give(value, takes[-1])
        for place, step in enumerate(plan.steps):
            if step.loop is None:
                inner.step(step)
            elif place == step.loop.last:
                inner.loop(step.loop)
            if module.poison:
                inner.poison(step)
        lines = inner.main.body
        for value, feed in plan.copies:
            lines.append(f"np.copyto({inner.read(feed)}, {inner.read(value)})")
        back = [
            inner.read(value)
            for place, value in enumerate(plan.outputs)
            if place >= over and value.output != place
        ]
        if back:
            lines.append(f"return {', '.join(back)}")
        name = self.names.new(body.name)
        arguments = "".join(f", {each}" for each in self.axis_names.values())
        indent = "    "
        module.texts += [
            f"def {name}(slots{arguments}):",
            *[indent + line for line in inner.main.head],
            "",
            *wrapped("    def step(", takes, "):"),
            *[indent * 2 + line for line in lines or ["pass"]],
            "",
            "    return step",
            "",
            "",
        ]
        bound = self.names.new(f"step_{name}")
        self.scope.head.append(f"{bound} = {name}(slots{arguments})")
        return Function(bound, tuple(value.output for value in direct))

    def poison(self, step: Step) -> None:
        """Marks the memory that nothing reads after a step."""
        done = [self.buffer(slot, DTYPES[t.dtype], t.shape) for slot, t in step.scratch]
        done += [self.read(value) for value in step.dying]
        self.scope.body += [f"{self.use('poison')}({name})" for name in done]

    def place(self) -> str:
        self.module.operations.append(self.node)
        span = self.node.origin.span
        where = self.node.op.name if span is None else f"{span} {self.node.op.name}"
        return f"{len(self.module.operations) - 1}, {where!r}"

    def dtype(self, name: str) -> str:
        return DTYPES[name]

    def shape(self, shape: Sequence[Extent]) -> str:
        shape = tuple(shape)
        made = self._shapes.get(shape)
        if made is None:
            parts = [self.extent(extent) for extent in shape]
            made = self._shapes[shape] = f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
        return made

    def extent(self, extent: Extent) -> str:
        made = self._extents.get(extent)
        if made is None:
            for name in axes(extent):
                if name not in self.axis_names:
                    raise _unreadable(name, self.node)
            made = self._extents[extent] = expression(extent, self.axis_names.__getitem__)
        return made

    def _type(self, node: Node) -> str:
        made = self._types.get(node.type)
        if made is None:
            made = self._types[node.type] = plain(str(node.type))
        return made


DTYPES = {"float": "F", "float64": "np.float64", "int": "np.int64", "bool": "np.bool_"}


def plain(text: str) -> str:
    """A user's text for a comment or a docstring: nothing in it can end either."""
    return repr(text)[1:-1].replace('"', "'")


def _bits(value: float, dtype: str, wide: bool) -> int:
    if dtype == "int":
        return int(value)
    if dtype == "float" and not wide:
        try:
            return struct.unpack("<i", struct.pack("<f", value))[0]
        except OverflowError:  # beyond float32: what rounding gives is inf
            return struct.unpack("<i", struct.pack("<f", math.copysign(math.inf, value)))[0]
    return struct.unpack("<q", struct.pack("<d", value))[0]


def _unreadable(name: str, node: Node) -> Exception:
    return fault(
        "B003",
        f"the length of the axis `{name}` can't be read off any input",
        node.origin.span,
        help=f"give an input that has `{name}` as an axis of its own",
    )
