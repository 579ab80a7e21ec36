"""The nodes of an ONNX graph while it is made: values, constants and sizes by name.

Knows no primitive: what one becomes is said in `lowerings`, what a composite becomes in
`composites`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from specc.backends.entrance import array_dtype, reading
from specc.diagnostics import fault
from specc.ir import Axis, Extent, Graph, Node
from specc.ir.size import Derived, axis

Array = np.ndarray[Any, Any]
LATE = ("broadcast", "permute")  # written when a value is read as it stands; many readers don't
HELD = ("parameter", "state")  # the roles of inputs that a file may hold as constants
END = 2**63 - 1  # as the end of a slice: all that there is


@dataclass(frozen=True, slots=True)
class Row:
    """A node to be; "" is an input that is left out, or an output that nobody reads."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    captured: tuple[str, ...] = ()  # what its subgraph reads of the graph around it


Lowering = Callable[["Builder", Node], "str | tuple[str, ...]"]


class Builder:
    """One ONNX graph, from a graph's inputs on; equal nodes are written once."""

    def __init__(
        self,
        graph: Graph,
        precision: str,
        opset: int,
        lower: Callable[[Node], Lowering],
        around: tuple[Builder, str, Mapping[Node, str]] | None = None,
    ) -> None:
        """`around`, for a subgraph: the graph it stands in, what its names begin with, and which
        values there some of its inputs are."""
        self.graph, self.precision, self.opset = graph, precision, opset
        self.outer, self.prefix, captured = around or (None, "", {})
        self.rows: list[Row] = []
        self.constants: dict[str, Array] = {}
        self._lower = lower
        self._value_of: dict[Node, str | tuple[str, ...]] = {}
        self._constant_of: dict[Any, str] = {}
        self._row_of: dict[Any, tuple[str, ...]] = {}
        self._count_of: dict[str, int] = {}
        self._scope = ""
        self._fed: set[str] = set()  # what no runtime knows before it is fed
        for node in graph.inputs:
            name = f"{self.prefix}{node.attributes['name']}"
            self._value_of[node] = captured.get(node) or name
            if node not in captured and node.attributes["role"] not in HELD:
                self._fed.add(name)

    def inner(self, body: Graph, name: str, captured: Mapping[Node, str]) -> Builder:
        """For a body that stands in this graph as a subgraph."""
        return Builder(body, self.precision, self.opset, self._lower, (self, f"{name}/", captured))

    # ── nodes of the graph ───────────────────────────────────────────────────────────────────────
    def write(self, nodes: Iterable[Node]) -> None:
        """Lowers nodes, inputs first."""
        for node in nodes:
            if node not in self._value_of and node.op.name not in LATE:
                self._write(node)

    def value(self, node: Node) -> str:
        """The name of a node's value, as it stands."""
        chain: list[Node] = []
        each = node
        while each not in self._value_of:
            chain.append(each)
            each = each.inputs[0]
        for late in reversed(chain):
            self._write(late)
        found = self._value_of[node]
        assert isinstance(found, str), f"{node} is several values"
        return found

    def item(self, node: Node, index: int) -> str:
        found = self._value_of[node]
        return found[index] if isinstance(found, tuple) else found

    def values(self, node: Node) -> list[str]:
        return [self.value(each) for each in node.inputs]

    def given(self, node: Node) -> dict[str, str]:
        """The values that a call gives its body's inputs, by their names there."""
        body: Graph = node.attributes["body"]
        return {
            inner.attributes["name"]: self.value(outer)
            for inner, outer in zip(body.inputs, node.inputs, strict=True)
        }

    def _write(self, node: Node) -> None:
        outer, self._scope = self._scope, node.origin.scope
        self._value_of[node] = self._lower(node)(self, node)
        self._scope = outer

    # ── rows ─────────────────────────────────────────────────────────────────────────────────────
    def __call__(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """An operator's only result."""
        return self.several(kind, 1, *inputs, **attributes)[0]

    def several(self, kind: str, count: int, *inputs: str, **attributes: Any) -> tuple[str, ...]:
        """An operator's results."""
        key = (kind, count, inputs, tuple(sorted(attributes.items())))
        found = self._row_of.get(key)
        if found is None:
            name = self.place(kind)
            found = tuple(f"{name}_output_{index}" for index in range(count))
            self.append(Row(kind, name, inputs, found, attributes))
            self._row_of[key] = found
        return found

    def append(self, row: Row) -> None:
        self.rows.append(row)
        if row.kind == "Scan" or (row.kind != "Shape" and any(map(self.is_fed, row.inputs))):
            self._fed.update(row.outputs)

    def is_fed(self, name: str) -> bool:
        """Whether a value depends on what is fed, by more than its shape."""
        return name in self._fed or (self.outer is not None and self.outer.is_fed(name))

    def place(self, kind: str) -> str:
        """A name for a node here."""
        place = "/".join([self.prefix.rstrip("/"), *filter(None, self._scope.split(".")), kind])
        number = self._count_of.get(place, 0)
        self._count_of[place] = number + 1
        return f"{place}_{number}" if number else place

    # ── constants ────────────────────────────────────────────────────────────────────────────────
    def constant(self, array: Array) -> str:
        if self.outer:
            return self.outer.constant(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        found = self._constant_of.get(key)
        if found is None:
            found = self._constant_of[key] = f"/constants/{len(self._constant_of)}"
            self.constants[found] = array
        return found

    def number(self, value: float, dtype: str) -> str:
        """A number without axes, of a graph's dtype."""
        return self.constant(np.array(value, array_dtype(dtype, self.precision)))

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    # ── sizes ────────────────────────────────────────────────────────────────────────────────────
    def extents(self, extents: Sequence[Extent]) -> str:
        """int64[n]: a constant where all are known."""
        if all(isinstance(each, int) for each in extents):
            return self.ints(*(each for each in extents if isinstance(each, int)))
        parts = [self.extent(each) for each in extents]
        return parts[0] if len(parts) == 1 else self("Concat", *parts, axis=0)

    def extent(self, extent: Extent) -> str:
        """int64[1]."""
        if isinstance(extent, int):
            return self.ints(extent)
        total = ""
        for monomial, factor in extent.terms:
            product = "" if factor == 1 and monomial else self.ints(factor)
            for atom, power in monomial:
                for _ in range(power):
                    part = self._atom(atom)
                    product = self("Mul", product, part) if product else part
            total = self("Add", total, product) if total else product
        return total

    def _atom(self, atom: object) -> str:
        if isinstance(atom, Axis):
            return self._axis(atom.name)
        assert isinstance(atom, Derived), f"{atom} is bound before a model is made"
        left, right = self.extent(atom.left), self.extent(atom.right)
        if atom.function == "max":
            return self("Max", left, right)
        rest = self("Mod", left, right)
        return rest if atom.function == "%" else self("Div", self("Sub", left, rest), right)

    def _axis(self, name: str) -> str:
        """A dynamic axis, read off the input that tells it."""
        if self.outer:
            return self.outer.extent(axis(name))
        found = reading(self.graph, name)
        if found is None:
            raise fault(
                "B003",
                f"no input tells how long the axis `{name}` is",
                help="give the model an input that has it as one of its axes",
            )
        place, position, offset, factor = found
        source = self.graph.inputs[place].attributes["name"]
        length = self("Shape", source, start=position, end=position + 1)
        if offset:
            length = self("Sub", length, self.ints(offset))
        return self("Div", length, self.ints(factor)) if factor != 1 else length
