"""Bodies as functions of torch: one a body, calls in place of calls. Writes no module.

What a spec says reaches the source in three ways alone: names through `names.identifier`, text and
numbers through `repr`, and axes through `names.expression`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from specc.backends.cells import Cell, cell_of
from specc.backends.names import Names, expression
from specc.backends.torch import composites, primitives
from specc.backends.torch.modes import Merged, Pair, key_of, merged
from specc.backends.torch.pieces import pieces
from specc.backends.torch.value import Value, joined, listed, number
from specc.diagnostics import fault
from specc.ir import Extent, Graph, Node, Output, Size, Tuple, toposort
from specc.ir.size import axes as axes_of
from specc.ir.size import axis as axis_size
from specc.ir.size import evaluate

WIDTH = 96
INLINE = 48  # an expression of one use is written where it is used up to this length
DTYPES = {"float64": "torch.float64", "int": "torch.int64", "bool": "torch.bool"}
SPOKEN = ("torch", "nn", "F", "math", "Tensor", "self", "NAMES", "MODEL", "ROLES", "forward",
          "copysign", "inf", "nan", "Any", "Callable", "Sequence")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Function:
    """A body that the source has as a function: what it takes and how its results come."""

    name: str
    inputs: tuple[tuple[str, str], ...]  # (role, name) of each argument
    axes: tuple[str, ...]  # lengths that it can't read off an argument
    by_mode: bool  # takes `training`
    placed: bool  # makes tensors of none, so takes their `device` last
    results: tuple[Value, ...]  # their shapes, and whether they are Python numbers


@dataclass(slots=True)
class Source:
    """A module being written."""

    dtype: str = "float32"
    trainable: bool = False  # gradients that a definition states become autograd's
    names: Names = field(default_factory=lambda: Names([*SPOKEN, *pieces()]))
    locals: set[str] = field(default_factory=set)  # names inside functions, which hide outer ones
    helpers: dict[str, None] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    functions: dict[Any, Function] = field(default_factory=dict)
    needed: dict[int, tuple[str, ...]] = field(default_factory=dict)
    parts: dict[tuple[int, ...], Graph] = field(default_factory=dict)  # of bodies
    hints: dict[int, str] = field(default_factory=dict)  # names of outputs, by their nodes
    kept: list[Any] = field(default_factory=list)  # so that the ids of what is keyed stay its own

    def function(self, pair: Pair, host: tuple[bool, ...]) -> Function:
        """The function of a body for these kinds of arguments, written when first asked for."""
        key = (id(pair.training), id(pair.inference), host)
        if key not in self.functions:
            self.kept.append(pair)
            self.functions[key] = self._function(pair, host)
        return self.functions[key]

    def _function(self, pair: Pair, host: tuple[bool, ...]) -> Function:
        name = self.global_name(snake(pair.training.name))
        local = self.local_names(["training", "device"])
        inputs = [each for each in pair.inputs if each.attributes["role"] != "key"]
        texts = [local.new(_argument(each)) for each in inputs]
        env = {
            (each.attributes["role"], each.attributes["name"]): Value(
                text, () if is_host else each.shape, is_host
            )
            for each, text, is_host in zip(inputs, texts, host, strict=True)
        }
        extra = missing_axes(pair, host, self)
        lengths = {each: local.new(each) for each in extra}
        writer = BodyWriter(self, pair, env, lengths, local, "training")
        lines, results = writer.lines()
        by_mode = writer.asked_mode
        last = [*(["training"] if by_mode else []), *(["device"] if writer.asked_device else [])]
        taken = [*texts, *lengths.values(), *last]
        doc = comment_of(pair.training)
        head = [f"def {name}({', '.join(taken)}):{doc}"]
        self.texts.append("\n".join([*head, *(f"    {line}" for line in lines)]))
        made = Function(
            name,
            tuple((each.attributes["role"], each.attributes["name"]) for each in inputs),
            extra,
            by_mode,
            writer.asked_device,
            tuple(results),
        )
        gradients = pair.training.gradients
        plain = not (pair.differs or by_mode or any(host) or extra or made.placed)
        if self.trainable and gradients and plain:
            return self._differentiable(made, pair.training)
        return made

    def _differentiable(self, plain: Function, body: Graph) -> Function:
        """An autograd.Function around it, whose backward is what the definition states."""
        if any(result.host or len(body.outputs) != 1 for result in plain.results):
            return plain
        name = self.global_name(f"{plain.name.capitalize()}Function")
        local = self.local_names(["ctx", "g", "y"])
        inputs = [local.new(each) for _, each in plain.inputs]
        gradients: list[str] = []
        rest = [
            place
            for place, node in enumerate(body.inputs)
            if node.dtype in ("float", "float64") and place not in body.gradients
        ]
        lines: list[str] = []
        for place, node in enumerate(body.inputs):
            if place in body.gradients:
                stated = self.function(Pair(body.gradients[place]), (False,) * (len(inputs) + 2))
                lines.append(f"d_{place} = {stated.name}({', '.join([*inputs, 'y', 'g'])})")
                gradients.append(f"d_{place}")
            elif node.dtype in ("float", "float64"):
                gradients.append(f"others[{rest.index(place)}]")
            else:
                gradients.append("None")
        if rest:
            given = ", ".join(inputs)
            watched = [f"{inputs[p]} = {inputs[p]}.detach().requires_grad_()" for p in rest]
            lines += ["with torch.enable_grad():", *(f"    {each}" for each in watched)]
            wanted = listed([inputs[p] for p in rest])
            lines += [
                f"    others = torch.autograd.grad({plain.name}({given}), {wanted}, g,"
                " allow_unused=True)",
            ]
        text = [
            f"class {name}(torch.autograd.Function):",
            f'    """{plain.name}, with the gradient that its definition states."""',
            "",
            "    @staticmethod",
            f"    def forward(ctx, {', '.join(inputs)}):",
            f"        y = {plain.name}({', '.join(inputs)})",
            f"        ctx.save_for_backward({', '.join([*inputs, 'y'])})",
            "        return y",
            "",
            "    @staticmethod",
            "    def backward(ctx, g):",
            f"        {', '.join([*inputs, 'y'])} = ctx.saved_tensors",
            *(f"        {line}" for line in lines),
            f"        return {', '.join(gradients)}",
        ]
        self.texts.append("\n".join(text))
        return Function(f"{name}.apply", plain.inputs, (), False, False, plain.results)

    def with_outputs(self, graph: Graph, places: Sequence[int]) -> Graph:
        """The body with these outputs alone, one object however often it is asked for."""
        key = (id(graph), *places)
        if key not in self.parts:
            self.kept.append(graph)
            outputs = tuple(graph.outputs[at] for at in places)
            self.parts[key] = replace(graph, outputs=outputs)
        return self.parts[key]

    def global_name(self, wanted: str) -> str:
        """A name for a function or a class that no local one hides."""
        while (name := self.names.new(wanted)) in self.locals:
            pass
        return name

    def local_names(self, taken: Iterable[str] = ()) -> Locals:
        return Locals(self, taken)

    def use(self, helper: str) -> str:
        self.helpers[helper] = None
        return helper


class Locals(Names):
    """Names inside one function: they hide no name outside it."""

    def __init__(self, source: Source, taken: Iterable[str] = ()) -> None:
        super().__init__([*SPOKEN, *taken])
        self.source = source

    def new(self, wanted: str) -> str:
        while self.source.names.has(name := super().new(wanted)):
            pass
        self.source.locals.add(name)
        return name

    def copy(self) -> Locals:
        return Locals(self.source, self._taken)


def _argument(node: Node) -> str:
    return "draw" if node.attributes["role"] == "draw" else node.attributes["name"]


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def comment_of(body: Graph) -> str:
    for node in (*body.results, *body.inputs):
        if node.origin.span is not None:
            span = node.origin.span
            return f"  # {plain(span.source.path)}:{span.source.position(span.start)[0]}"
    return ""


def plain(text: str) -> str:
    """A user's text for a comment: nothing in it can end one."""
    return repr(text)[1:-1].replace('"', "'")


# ── lengths of axes ──────────────────────────────────────────────────────────────────────────────
def axes_in(graph: Graph, source: Source) -> tuple[str, ...]:
    """The dynamic axes that writing the body may ask for, those of bodies that it calls too."""
    if id(graph) not in source.needed:
        source.kept.append(graph)
        found: dict[str, None] = {}
        for node in toposort(graph.results):
            for value in node.attributes.values():
                if isinstance(value, Graph):
                    found.update(dict.fromkeys(missing_axes(Pair(value), None, source)))
                elif isinstance(value, (tuple, Size)):
                    found.update(dict.fromkeys(_axes_of(value)))
            for type in node.type.items if isinstance(node.type, Tuple) else (node.type,):
                found.update(dict.fromkeys(_axes_of(type.shape)))
        source.needed[id(graph)] = tuple(found)
    return source.needed[id(graph)]


def _axes_of(value: Any) -> list[str]:
    if isinstance(value, tuple):
        return [name for each in value for name in _axes_of(each)]
    return axes_of(value) if isinstance(value, Size) else []


def missing_axes(pair: Pair, host: Sequence[bool] | None, source: Source) -> tuple[str, ...]:
    """Those that can't be read off its arguments."""
    found: dict[str, None] = {}
    for graph in pair.graphs:
        found.update(dict.fromkeys(axes_in(graph, source)))
    nodes = [each for each in pair.inputs if each.attributes["role"] != "key"]
    shapes = [each.shape for place, each in enumerate(nodes) if host is None or not host[place]]
    return tuple(n for n in found if not any(reading(n, e) for shape in shapes for e in shape))


def reading(name: str, extent: Extent) -> tuple[int, int] | None:
    """(offset, factor) where the extent is a straight line in the axis."""
    if not isinstance(extent, Size) or axes_of(extent) != [name]:
        return None
    at = [evaluate(extent, {name: length}) for length in (0, 1)]
    factor = at[1] - at[0]
    return (at[0], factor) if factor and extent == axis_size(name) * factor + at[0] else None


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────
Env = Mapping[tuple[str, str], Value]


@dataclass(slots=True)
class BodyWriter:
    """The lines of a body in both modes: one text where they agree, else two."""

    source: Source
    pair: Pair
    env: Env
    lengths: Mapping[str, str]
    names: Locals
    training: str  # how the source says the mode: "training" or "self.training"
    asked_mode: bool = False
    asked_device: bool = False

    def lines(self) -> tuple[list[str], list[Value]]:
        shared = merged(self.pair)
        if shared is not None:
            block = self.block(shared)
            returned, results = block.returned()
            return [*block.head, *block.lines, *returned], results
        self.asked_mode = True
        blocks = [self.block(Merged(graph)) for graph in self.pair.graphs]
        (first, results), (second, others) = [block.returned() for block in blocks]
        same = [
            a.host == b.host and a.shape == b.shape for a, b in zip(results, others, strict=True)
        ]
        if not all(same):
            blocks = [self.block(Merged(graph)) for graph in self.pair.graphs]
            (first, results), (second, _) = [block.returned(whole=True) for block in blocks]
        one, other = blocks
        inner = [*one.head, *one.lines, *first]
        lines = [f"if {self.training}:", *(f"    {line}" for line in inner)]
        return [*lines, *other.head, *other.lines, *second], results

    def block(self, body: Merged) -> Block:
        return Block(self, body)


class Block:
    """The statements of one body in one mode, or in both where they agree.

    It is what the rows of the tables are given: `node`, `values`, `operands` and `attributes` are
    those of the node being written.
    """

    def __init__(self, writer: BodyWriter, body: Merged) -> None:
        self.writer, self.source, self.body = writer, writer.source, body
        self.names = writer.names.copy()
        self.head: list[str] = []  # lengths of axes
        self.lines: list[str] = []
        self.value_of: dict[Node, Value] = {}
        self.results_of: dict[Node, list[Value]] = {}
        self._lengths = dict(writer.lengths)
        self._place: Any = None
        self.node: Node = None  # type: ignore[assignment]
        self.values: Sequence[Value] = ()
        self.outputs = self.wanted()
        self.order = toposort([output.node for output in self.outputs])
        self.uses = Counter(id(each) for node in self.order for each in node.inputs)
        self.uses.update(id(output.node) for output in self.outputs)
        self.returned_ids = {id(output.node) for output in self.outputs}
        self.detached = {
            id(node.inputs[0]) for node in self.order if node.op.name == "stop_gradient"
        }
        for node in self.order:
            self.write(node)

    def wanted(self) -> list[Output]:
        return list(self.body.graph.outputs)

    def given(self) -> list[tuple[Node, Value]]:
        """The results, those of training in its order; a state that stays is what it was."""
        found = {(output.role, output.name): output.node for output in self.outputs}
        results: list[tuple[Node, Value]] = []
        for output in self.writer.pair.training.outputs:
            node = found.get((output.role, output.name))
            if node is None:
                assert output.role == "state", f"inference lacks {output.name}"
                results.append((output.node, self.writer.env["state", output.name.rstrip("'")]))
            else:
                results.append((node, self.value_of[node]))
        return results

    # ── nodes ────────────────────────────────────────────────────────────────────────────────────
    def write(self, node: Node) -> None:
        name = node.op.name
        if name == "input":
            key = (node.attributes["role"], node.attributes["name"])
            if key in self.writer.env:
                self.value_of[node] = self.writer.env[key]
            return
        if name == "item":
            self.value_of[node] = self.results_of[node.inputs[0]][node.attributes["index"]]
            return
        self.node = node
        if name == "scan":
            self.scan(node)
            return
        if name == "call":
            self.call(node)
            return
        self.values = [self.value_of[each] for each in node.inputs if each in self.value_of]
        self.value_of[node] = self.keep(node, self.made(node))

    def made(self, node: Node) -> Value:
        """The value of a primitive, as an expression of its operands."""
        name, values = node.op.name, self.values
        if name == "constant" and not isinstance(node.attributes["value"], tuple):
            text = number(node.attributes["value"], node.dtype)
            if "math." in text:
                self.use("math")
            return Value(text, (), True, text.startswith("-"))
        if name == "broadcast":
            return values[0]
        if name == "size":
            text = self.extent(node.attributes["extent"])
            return Value(text, (), True, not text.isidentifier())
        if name == "cast" and node.dtype == node.inputs[0].dtype:
            return values[0]
        if name == "random_bits":
            self.values = [self.value_of.get(each, Value("None")) for each in node.inputs]
            return Value(primitives.rows[name](self), node.shape)
        if values and all(value.host for value in values):
            if name == "cast":
                return self.cast_number(node, values[0])
            if name in primitives.host_rows:
                return self.loosened(primitives.host_rows[name](self), (), True)
        shape = joined([v.shape for v in values]) if node.op.elementwise else node.shape
        return self.loosened(primitives.rows[name](self), shape, False)

    def cast_number(self, node: Node, value: Value) -> Value:
        source = node.inputs[0].dtype
        if node.dtype == "bool":
            return Value(f"bool({value.text})", (), True)
        if node.dtype == "int":
            return Value(f"int({value.text})", (), True)
        if source == "bool":
            return Value(f"float({value.text})", (), True)
        return value

    @staticmethod
    def loosened(text: str, shape: tuple[Extent, ...], host: bool) -> Value:
        loose = text.startswith(primitives.LOOSE)
        return Value(text.removeprefix(primitives.LOOSE), shape, host, loose)

    def keep(self, node: Node, value: Value) -> Value:
        """Under a name of its own where it is used again, or is long."""
        once = self.uses[id(node)] <= 1
        if once and id(node) in self.returned_ids:
            return value
        if value.is_atom or (once and len(value.text) <= INLINE):
            return value
        if node.op.name in ("broadcast", "reshape") and once:
            return value
        return self.assign(node, value)

    def assign(self, node: Node, value: Value) -> Value:
        self.comment(node)
        name = self.names.new(self.wanted_name(node))
        self.lines.append(f"{name} = {value.text}")
        return Value(name, value.shape, value.host)

    def wanted_name(self, node: Node) -> str:
        if id(node) in self.source.hints:
            return self.source.hints[id(node)]
        return snake(node.origin.name or node.op.name)

    def comment(self, node: Node) -> None:
        span = node.origin.span
        if span is None:
            return
        line = span.source.position(span.start)[0]
        if self._place != (span.source, line):
            self._place = (span.source, line)
            text = plain(span.source.line(line).strip())
            self.lines.append(f"# {plain(span.source.path)}:{line}  {text}"[: WIDTH - 8].rstrip())

    # ── calls ────────────────────────────────────────────────────────────────────────────────────
    def call(self, node: Node) -> None:
        pair = self.body.pair_of(node)
        arguments = self.body.arguments(node, pair)
        given = {k: each for k, each in arguments.items() if k[0] != "key"}
        self.operands_of_call(node, pair, given)

    def operands_of_call(
        self, node: Node, pair: Pair, given: Mapping[tuple[str, str], Node]
    ) -> None:
        values = {key: self.value_of[each] for key, each in given.items()}
        row = composites.row_of(pair.training)
        text = None
        one = len(pair.training.outputs) == 1
        known = row is not None and pair.training.definition[1] in composites.BY_MODE
        if row is not None and one and (known or merged(pair) is not None):
            text = self.composite(node, pair, given, values)
        if text is not None:
            self.results_of[node] = [self.keep(node, Value(text, node.type.shape))]
        else:
            self.apply(node, pair, given, values)
        if not isinstance(node.type, Tuple):
            (self.value_of[node],) = self.results_of[node]

    def composite(
        self,
        node: Node,
        pair: Pair,
        given: Mapping[tuple[str, str], Node],
        values: Mapping[tuple[str, str], Value],
    ) -> str | None:
        texts: dict[str, Value] = {}
        for key, each in given.items():
            value = values[key]
            texts[key[1]] = value if key[0] == "draw" else self.in_full(each, value)
        row = composites.row_of(pair.training)
        assert row is not None
        self.node = node
        try:
            mode = self.writer.training if pair.differs else "True"
            self.writer.asked_mode |= pair.differs
            return row(composites.Call(self, pair.training, texts, mode))
        except composites.Unsaid:
            return None

    def apply(
        self,
        node: Node,
        pair: Pair,
        given: Mapping[tuple[str, str], Node],
        values: Mapping[tuple[str, str], Value],
    ) -> None:
        """A call of the body's function."""
        keys = [(n.attributes["role"], n.attributes["name"]) for n in pair.inputs]
        keys = [key for key in keys if key[0] != "key"]
        host = tuple(values[key].host and given[key].rank == 0 for key in keys)
        function = self.source.function(pair, host)
        texts = [
            values[key].text if is_host else self.whole(given[key], values[key])
            for key, is_host in zip(keys, host, strict=True)
        ]
        texts += [self.extent(axis_size(name)) for name in function.axes]
        if function.by_mode:
            texts.append(self.writer.training)
            self.writer.asked_mode = True
        if function.placed:
            texts.append(self.device.removeprefix(", device=") or "None")
        self.finish(node, f"{function.name}({', '.join(texts)})", list(function.results))

    def scan(self, node: Node) -> None:
        """A loop over the steps, that calls the body's function."""
        states: int = node.attributes["states"]
        end: int = states + node.attributes["scanned"]
        read = {n.attributes["index"] for n in self.order if n.inputs[:1] == (node,)}
        kept = [at for at in range(len(node.type.items)) if at < states or at in read]
        whole_pair = self.body.pair_of(node)
        cell = None if whole_pair.differs else cell_of(node, read)
        if cell is not None:
            self.cell(node, cell)
            return
        pair = Pair(*[self.source.with_outputs(graph, kept) for graph in whole_pair.graphs])
        given = self.body.arguments(node, whole_pair)
        values = {key: self.value_of[each] for key, each in given.items() if key[0] != "key"}
        keys = [key_of(each) for each in pair.inputs if key_of(each)[0] != "key"]
        stepped = {key_of(each) for each in pair.training.inputs[:end]}
        host = tuple(
            [key not in stepped and values[key].host and not given[key].rank for key in keys]
        )
        function = self.source.function(pair, host)
        self.comment(node)
        texts: list[str] = []
        for at, (key, is_host) in enumerate(zip(keys, host, strict=True)):
            text = values[key].text if is_host else self.whole(given[key], values[key])
            if at < states or (at < end and not text.isidentifier()):
                name = self.names.new(snake(key[1]))
                self.lines.append(f"{name} = {text}")
                text = name
            texts.append(text)
        step = self.names.new("t")
        texts[states:end] = [f"{text}[{step}]" for text in texts[states:end]]
        texts += [self.extent(axis_size(name)) for name in function.axes]
        if function.by_mode:
            texts.append(self.writer.training)
            self.writer.asked_mode = True
        if function.placed:
            texts.append(self.device.removeprefix(", device=") or "None")
        outputs = pair.training.outputs
        names = [*texts[:states], *[self.names.new(snake(o.name)) for o in outputs[states:]]]
        lists = [self.names.new(f"{name}s") for name in names[states:]]
        full = [
            self.whole(output.node, Value(name, result.shape, result.host))
            for output, name, result in zip(outputs, names, function.results, strict=True)
        ]
        steps = f"range({self.extent(node.inputs[states].shape[0])})"
        reverse: bool = node.attributes["reverse"]
        self.lines += [
            *[f"{each} = []" for each in lists],
            f"for {step} in {f'reversed({steps})' if reverse else steps}:",
            f"    {', '.join(names)} = {function.name}({', '.join(texts)})",
            *[
                f"    {name} = {text}"
                for name, text in zip(names[:states], full, strict=False)
                if text != name
            ],
            *[
                f"    {each}.append({text})"
                for each, text in zip(lists, full[states:], strict=True)
            ],
        ]
        results = {at: Value(names[at], outputs[at].node.shape) for at in range(states)}
        for at, each in zip(kept[states:], lists, strict=True):
            type = node.type.items[at]
            empty = self.filled(type.shape, Value("0", host=True), type.dtype)
            order = f"{each}[::-1]" if reverse else each
            self.lines.append(f"{each} = torch.stack({order}) if {each} else {empty}")
            results[at] = Value(each, type.shape)
        self.results_of[node] = [
            results.get(at, Value("None")) for at in range(len(node.type.items))
        ]

    def cell(self, node: Node, cell: Cell) -> None:
        """The scan of a cell that torch has whole."""
        self.comment(node)
        names = [self.names.new(each) for each in ("y", "h", "c")[: 1 + len(cell.states)]]
        for name, state in zip(names[1:], cell.states, strict=True):
            self.lines.append(f"{name} = {self.whole(state, self.value_of[state])}")
        x, *weights = [self.whole(each, self.value_of[each]) for each in (cell.x, *cell.weights)]
        given = f"{x}, {listed(names[1:])}, {listed(weights)}"
        reverse = ", reverse=True" if cell.reverse else ""
        call = f"{self.use('steps')}(torch.{cell.kind}, {given}{reverse})"
        self.lines.append(f"{', '.join(names)} = {call}")
        made = [*names[1:], names[0]]
        self.results_of[node] = [
            Value(name, type.shape) for name, type in zip(made, node.type.items, strict=False)
        ]

    def finish(self, node: Node, text: str, results: Sequence[Value]) -> None:
        """The results of an application by their names."""
        if not isinstance(node.type, Tuple):
            (result,) = results
            self.results_of[node] = [self.keep(node, Value(text, result.shape, result.host))]
            return
        if not results:
            self.lines.append(text)
            self.results_of[node] = []
            return
        self.comment(node)
        wanted = [snake(node.origin.name or "y"), *["state"] * (len(results) - 1)]
        names = [self.names.new(each) for each in wanted]
        self.lines.append(f"{', '.join(names)} = {text}")
        self.results_of[node] = [
            Value(name, result.shape, result.host)
            for name, result in zip(names, results, strict=True)
        ]

    def returned(self, whole: bool = False) -> tuple[list[str], list[Value]]:
        """The return statement, and how the results come."""
        given = self.given()
        values = [value for _, value in given]
        if whole or (self.source.trainable and self.body.graph.gradients):
            values = [Value(self.whole(node, value), node.shape) for node, value in given]
        texts = [value.text for value in values]
        results = [Value("", value.shape, value.host) for value in values]
        return [f"return {', '.join(texts)}" if texts else "return ()"], results

    # ── what a row may ask for ───────────────────────────────────────────────────────────────────
    @property
    def operands(self) -> Sequence[Node]:
        return self.node.inputs

    @property
    def attributes(self) -> Mapping[str, Any]:
        return self.node.attributes

    @property
    def cut_off(self) -> bool:
        """Whether the value goes nowhere but into a stop_gradient, perhaps reshaped."""
        node = self.node
        while self.uses[id(node)] == 1:
            if id(node) in self.detached:
                return True
            reader = next((n for n in self.order if node in n.inputs), None)
            if reader is None or reader.op.name not in ("reshape", "broadcast", "stop_gradient"):
                return False
            if reader.op.name == "stop_gradient":
                return True
            node = reader
        return False

    def __getitem__(self, place: int) -> str:
        return self.values[place].text

    @property
    def a(self) -> str:
        return self.values[0].operand

    @property
    def b(self) -> str:
        return self.values[1].operand

    def full(self, place: int) -> str:
        """An operand in its node's own shape, as an operand."""
        value = self.values[place]
        node = self.node.inputs[place]
        if not value.host and value.shape == node.shape:
            return value.operand
        return self.whole(node, value)

    def tensor(self, place: int) -> str:
        """An operand as a tensor, of whatever shape."""
        value = self.values[place]
        if not value.host:
            return value.text
        return self.filled((), value, self.node.inputs[place].dtype)

    def whole(self, node: Node, value: Value) -> str:
        """The text of a value in its node's shape."""
        if value.host:
            return self.filled(node.shape, value, node.dtype)
        if value.shape == node.shape:
            return value.text
        return f"{value.operand}.expand({self.shape(node.shape)})"

    def in_full(self, node: Node, value: Value) -> Value:
        """A value that has its node's shape."""
        if not value.host and value.shape == node.shape:
            return value
        return Value(self.whole(node, value), node.shape)

    def filled(self, shape: tuple[Extent, ...], value: Value, dtype: str) -> str:
        return (
            f"torch.full({self.shape(shape)}, {value.text}, dtype={self.dtype(dtype)}{self.device})"
        )

    def shape(self, shape: Sequence[Extent]) -> str:
        return listed([self.extent(each) for each in shape])

    def extent(self, extent: Extent) -> str:
        return expression(extent, self.length)

    def length(self, name: str) -> str:
        """The variable that holds an axis's length."""
        if name not in self._lengths:
            text = self._read(name)
            self._lengths[name] = self.names.new(name)
            self.head.append(f"{self._lengths[name]} = {text}")
        return self._lengths[name]

    def _read(self, name: str) -> str:
        found: list[tuple[int, str]] = []
        for value in self.writer.env.values():
            if value.host:
                continue
            for place, extent in enumerate(value.shape):
                line = reading(name, extent)
                if line is not None:
                    offset, factor = line
                    text = f"{value.text}.shape[{place}]"
                    text = f"({text} - {offset})" if offset else text
                    cost = (offset != 0) + (factor != 1)
                    found.append((cost, text if factor == 1 else f"{text} // {factor}"))
        if not found:
            raise fault(
                "B003",
                f"the length of the axis `{name}` can't be read off any input",
                self.node.origin.span,
                help=f"give an input that has `{name}` as an axis of its own",
            )
        return min(found, key=lambda pair: pair[0])[1]

    def _like(self, dtypes: Sequence[str]) -> str | None:
        inputs = self.writer.pair.inputs
        for node in inputs:
            key = (node.attributes["role"], node.attributes["name"])
            value = self.writer.env.get(key)
            if value is not None and not value.host and node.dtype in dtypes:
                return value.text
        return None

    def dtype(self, name: str) -> str:
        if name != "float":
            return DTYPES[name]
        like = self._like(("float",))
        return f"{like}.dtype" if like else f"torch.{self.source.dtype}"

    @property
    def device(self) -> str:
        like = self._like(("float", "float64", "int", "bool"))
        if like is None and self.writer.training == "training":
            self.writer.asked_device = True  # in a function, whose callers know it
            return ", device=device"
        return f", device={like}.device" if like else ""

    def number(self, value: float) -> str:
        text = number(value, self.node.dtype)
        return self.use("math") and text if "math." in text else text

    def rows(self, value: Any) -> str:
        if isinstance(value, tuple):
            return f"[{', '.join(self.rows(each) for each in value)}]"  # pyright: ignore
        return self.number(value)

    def use(self, helper: str) -> str:
        return self.source.use(helper)
