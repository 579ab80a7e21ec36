"""A graph over a batch → one over a part of it, whose results add up to the whole's. Runs nothing.

Each value is one of four: equal in every part (of parameters, keys, numbers of examples), rows of
the whole's along an axis, a summand of the whole's, or made of whole sums. A sum over examples
makes summands of rows; what is linear keeps them, and what is not is left to the end. Where rows
read such an end, as batch norm's do the variance, nothing can be divided, and `divide` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from specc.diagnostics import Span
from specc.ir import Extent, Graph, Node, Output, Type, emit, make_input, toposort
from specc.ir.graph import constant, origin
from specc.ir.graph import replace as on
from specc.ir.size import Axis, Size, atom, axes, product

WHOLE, SUMMAND, END = -1, -2, -3  # kinds of values; any other kind is the axis along which rows lie
EXAMPLES, FIRST = "examples", "first"  # inputs: how many the whole batch has; is it the first part?


class Undividable(Exception):
    """An operation needs the whole batch at once."""

    def __init__(self, node: Node, why: str) -> None:
        super().__init__(f"{node.op.name} {why}")
        self.span: Span | None = node.origin.span


@dataclass(frozen=True, slots=True)
class Division:
    """`graph` takes a part's `rows`, and what is `drawn` of the whole batch, cut like them."""

    graph: Graph
    drawn: Graph | None  # random numbers, which tell one example from another by its place
    end: Graph | None  # from results of the parts, added up, to the other results of the whole
    rows: tuple[str, ...]  # the inputs that are cut
    once: tuple[str, ...]  # the results that are the same in each part; the others add up


def divide(graph: Graph, axis: str) -> Division:
    """The graph over a part of its examples, which lie along the dynamic axis of that name.

    Raises:
        Undividable: where a result of the whole is no sum over the parts.
    """
    return _Divider(graph, axis).division()


class _Divider:
    def __init__(self, graph: Graph, axis: str) -> None:
        self.graph, self.axis = graph, axis
        self.kind: dict[int, int] = {}  # by id of the node
        self.made: dict[int, Node] = {}  # of the divided graph
        self.unfed: set[int] = set()  # what depends on keys and numbers alone
        self.placed: set[int] = set()  # of these: rows that know which examples they are
        self.drawn: dict[int, tuple[Node, Node]] = {}  # the node, and the input in its place
        self.ended: dict[int, tuple[Node, Node]] = {}  # what an end reads, likewise
        self.ends: dict[int, Node] = {}  # of the graph of ends
        self.examples = make_input(EXAMPLES, "division", Type("int"))
        self.first = make_input(FIRST, "division", Type("float"))

    def division(self) -> Division:
        for each in self.graph.requires:
            if self.axis in axes(each.extent):
                raise Undividable(self.graph.results[0], "asks something of the number of examples")
        for node in toposort([*self.graph.inputs, *self.graph.results]):
            with origin(node.origin):
                self._divide(node)
        for each in self.graph.outputs:
            if self.kind[id(each.node)] >= 0:
                raise Undividable(each.node, f"gives `{each.name}` of each example")
        ends = [each for each in self.graph.outputs if self.kind[id(each.node)] == END]
        read = [
            Output(made.attributes["name"], "result", node) for node, made in self.ended.values()
        ]
        given = [*(each for each in self.graph.outputs if each not in ends), *read]
        outputs = [replace(each, node=self.made[id(each.node)]) for each in given]
        inputs = [self.made[id(node)] for node in self.graph.inputs]
        drawn = [made for _, made in self.drawn.values()]
        needed = {id(node) for node in toposort(each.node for each in outputs)}
        own = [each for each in (self.examples, self.first) if id(each) in needed]
        return Division(
            replace(self.graph, inputs=(*inputs, *drawn, *own), outputs=tuple(outputs)),
            self._drawn(),
            self._end(ends),
            tuple(
                node.attributes["name"]
                for node in (*self.graph.inputs, *drawn)
                if self.axis in _axes(node.type)
            ),
            tuple(each.name for each in given if self.kind[id(each.node)] == WHOLE),
        )

    def _drawn(self) -> Graph | None:
        outputs = [
            Output(made.attributes["name"], "result", node) for node, made in self.drawn.values()
        ]
        return replace(self.graph, outputs=tuple(outputs)) if outputs else None

    def _end(self, ends: Sequence[Output]) -> Graph | None:
        outputs = [replace(each, node=self.ends[id(each.node)]) for each in ends]
        inputs = [made for _, made in self.ended.values()]
        whole = replace(self.graph, inputs=tuple(inputs), outputs=tuple(outputs))
        return whole if outputs else None

    # ── a node ───────────────────────────────────────────────────────────────────────────────────
    def _divide(self, node: Node) -> None:
        name = node.op.name
        lies = self._lies(node)
        fed = name == "input" and node.attributes["role"] != "key"
        if not fed and all(id(each) in self.unfed for each in node.inputs):
            self.unfed.add(id(node))
        if lies >= 0 and self._is_placed(node):
            self.placed.add(id(node))
        else:
            for each in node.inputs:
                if id(each) in self.placed:
                    self._draw(each)
        self.kind[id(node)] = self._kind(node, lies)
        if self.kind[id(node)] == END:
            self.ends[id(node)] = on(node, [self._ended(each) for each in node.inputs])
            return
        if name == "size" and self.axis in axes(node.attributes["extent"]):
            self.made[id(node)] = self._length(node, node.attributes["extent"])
        else:
            self.made[id(node)] = on(node, [self._operand(node, each) for each in node.inputs])

    def _lies(self, node: Node) -> int:
        """The axis of its examples, or WHOLE where it has none."""
        found = [a for a, e in enumerate(_shape(node)) if self.axis in _names(e)]
        if len(found) > 1:
            raise Undividable(node, "pairs examples with examples")
        return found[0] if found else WHOLE

    def _is_placed(self, node: Node) -> bool:
        if node.op.name in ("random_bits", "iota"):
            return True
        inherits = node.op.elementwise and id(node) in self.unfed
        return inherits and any(id(each) in self.placed for each in node.inputs)

    def _draw(self, node: Node) -> None:
        if id(node) in self.drawn:
            return
        if self.kind[id(node)] != 0:
            raise Undividable(node, "has its examples along another axis than the first")
        made = make_input(f"drawn.{len(self.drawn)}", "division", node.type)
        self.drawn[id(node)] = (node, made)
        self.made[id(node)] = made

    def _ended(self, node: Node) -> Node:
        """What the graph of ends reads in the place of a node."""
        if self.kind[id(node)] == END:
            return self.ends[id(node)]
        if id(node) not in self.ended:
            made = make_input(f"sum.{len(self.ended)}", "division", node.type)
            self.ended[id(node)] = (node, made)
        return self.ended[id(node)][1]

    def _kind(self, node: Node, lies: int) -> int:
        name = node.op.name
        kinds = [self.kind[id(each)] for each in node.inputs]
        if name == "input" and lies > 0:
            raise Undividable(node, "has its examples along another axis than the first")
        if name in ("scan", "call", "item"):
            raise Undividable(node, "is not looked into")
        if SUMMAND in kinds or END in kinds:
            if lies >= 0 or max(kinds) >= 0:
                raise Undividable(node, "has examples read a sum over all of them")
            return SUMMAND if END not in kinds and _is_linear(node, kinds) else END
        if lies >= 0:
            if not _keeps_rows(node, kinds, lies):
                raise Undividable(node, "mixes examples")
            return lies
        if all(kind == WHOLE for kind in kinds):
            return WHOLE
        if _sums_rows(node, kinds):
            return SUMMAND
        raise Undividable(node, "takes all examples together, and not as a sum")

    def _operand(self, node: Node, each: Node) -> Node:
        """A summand that stands beside one is what is the same in each part, in the first alone."""
        made = self.made[id(each)]
        beside = self.kind[id(node)] == SUMMAND and node.op.name in BESIDE
        if not beside or self.kind[id(each)] != WHOLE or each.dtype == "bool":
            return made
        first = emit("cast", self.first, dtype=each.dtype)
        return made * emit("broadcast", first, shape=each.shape)

    def _length(self, node: Node, extent: Size) -> Node:
        """A number that counts the whole's examples."""
        total: Node | None = None
        for monomial, factor in extent.terms:
            term = constant(factor, "int")
            for each, power in monomial:
                whole = isinstance(each, Axis) and each.name == self.axis
                if not whole and self.axis in axes(atom(each)):
                    raise Undividable(node, "counts more than multiples of the examples")
                count = self.examples if whole else emit("size", extent=atom(each))
                for _ in range(power):
                    term = term * count
            total = term if total is None else total + term
        assert total is not None
        return total


def _names(extent: Extent) -> list[str]:
    return axes(extent) if isinstance(extent, Size) else []


def _shape(node: Node) -> tuple[Extent, ...]:
    return node.type.shape if isinstance(node.type, Type) else ()


def _axes(type: Type) -> set[str]:
    return {name for extent in type.shape for name in _names(extent)}


# ── what is linear in summands ───────────────────────────────────────────────────────────────────
BESIDE = ("add", "subtract", "concat", "where")  # a summand beside what each part has is none
ALONE = (
    "neg", "stop_gradient", "reshape", "permute", "broadcast", "slice", "sum", "windows",
    "overlap_add", "cumulative_sum",
)  # fmt: skip


def _is_linear(node: Node, kinds: Sequence[int]) -> bool:
    name, count = node.op.name, kinds.count(SUMMAND)
    if name in ALONE or name in ("add", "subtract", "concat"):
        return True
    if name == "where":
        return kinds[0] == WHOLE
    if name in ("multiply", "matmul"):
        return count == 1
    if name in ("divide", "take", "take_along_axis"):
        return kinds[1] == WHOLE
    if name in ("add_at", "add_along"):
        return kinds[0] == WHOLE
    if name == "pad":
        return node.attributes["value"] == 0
    return name == "cast" and node.dtype in ("float", "float64")


# ── what keeps examples apart ────────────────────────────────────────────────────────────────────
def _keeps_rows(node: Node, kinds: Sequence[int], lies: int) -> bool:
    """Is each row made of the same row of what it reads, and of what each part has?"""
    if node.op.elementwise:  # its operands have its shape
        return all(kind == lies for kind in kinds)
    keeps = KEEPS.get(node.op.name)
    return keeps is not None and keeps(node, kinds, lies)


def _kept_reduced(node: Node, kinds: Sequence[int], lies: int) -> bool:
    (kind,) = kinds
    attributes = node.attributes
    gone: Sequence[int] = attributes["axes"] if "axes" in attributes else (attributes["axis"],)
    return kind not in gone and kind - sum(axis < kind for axis in gone) == lies


def _kept_along(node: Node, kinds: Sequence[int], lies: int) -> bool:
    """Of operations along one axis that leave the axes where they are."""
    return all(kind == lies for kind in kinds) and node.attributes["axis"] != lies


def _kept_reshaped(node: Node, kinds: Sequence[int], lies: int) -> bool:
    old, new = node.inputs[0].shape, node.shape
    return product(old[: kinds[0]]) == product(new[:lies])


def _kept_broadcast(node: Node, kinds: Sequence[int], lies: int) -> bool:
    added = node.rank - node.inputs[0].rank
    return kinds[0] == WHOLE or kinds[0] + added == lies


def _kept_sliced(node: Node, kinds: Sequence[int], lies: int) -> bool:
    starts, stops, steps = (node.attributes[key] for key in ("starts", "stops", "steps"))
    whole = (0, node.inputs[0].shape[lies], 1)
    return kinds[0] == lies and (starts[lies], stops[lies], steps[lies]) == whole


def _kept_padded(node: Node, kinds: Sequence[int], lies: int) -> bool:
    return kinds[0] == lies and node.attributes["low"][lies] == node.attributes["high"][lies] == 0


def _kept_multiplied(node: Node, kinds: Sequence[int], lies: int) -> bool:
    left, right = kinds
    last = node.rank - 1
    if lies < last - 1:  # a stack of products
        return left == right == lies
    if lies == last - 1:
        return left == lies and right == WHOLE
    return right == lies and left == WHOLE


def _kept_windowed(node: Node, kinds: Sequence[int], lies: int) -> bool:
    return kinds[0] == lies and lies not in node.attributes["axes"]


def _kept_taken(node: Node, kinds: Sequence[int], lies: int) -> bool:
    table, index = kinds
    return table == WHOLE and index == lies


KEEPS: Mapping[str, Callable[[Node, Sequence[int], int], bool]] = {
    "input": lambda node, kinds, lies: True,
    "random_bits": lambda node, kinds, lies: True,
    "iota": lambda node, kinds, lies: True,
    "sum": _kept_reduced,
    "max": _kept_reduced,
    "any": _kept_reduced,
    "argmax": _kept_reduced,
    "cumulative_sum": _kept_along,
    "concat": _kept_along,
    "take_along_axis": _kept_along,
    "add_along": _kept_along,
    "reshape": _kept_reshaped,
    "permute": lambda node, kinds, lies: node.attributes["axes"][lies] == kinds[0],
    "broadcast": _kept_broadcast,
    "slice": _kept_sliced,
    "pad": _kept_padded,
    "matmul": _kept_multiplied,
    "windows": _kept_windowed,
    "overlap_add": _kept_windowed,
    "take": _kept_taken,
}


# ── what adds them up ────────────────────────────────────────────────────────────────────────────
def _sums_rows(node: Node, kinds: Sequence[int]) -> bool:
    name, attributes = node.op.name, node.attributes
    if name == "sum":
        return kinds[0] in attributes["axes"]
    if name == "matmul":
        return kinds == [node.rank - 1, node.rank - 2]
    if name == "add_at":
        rank = node.inputs[0].rank
        return kinds[0] == kinds[1] < rank and _no(attributes["length"])
    return False


def _no(extent: Any) -> bool:
    return isinstance(extent, int)
