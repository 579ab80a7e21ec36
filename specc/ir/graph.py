"""The graph: immutable nodes with identity, and bodies that calls share. Knows no primitive.

A `Node` equals itself alone. A `Graph` is closed: whatever it reads is among its inputs. Walks are
iterative, so a chain may be as long as memory allows.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from specc.diagnostics import Span
from specc.ir.op import Op, registry
from specc.ir.size import Extent
from specc.ir.types import Tuple, Type


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a node comes from: the spec's line, and the name it was bound to there.

    On the call of a layer `scope` is the layer's path within the body that makes the call; `expand`
    joins the paths, so that a node inlined from it says `encoder.layer.0`. A function's is "".
    """

    span: Span | None = None
    name: str = ""
    scope: str = ""


NOWHERE = Origin()


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    op: Op
    inputs: tuple[Node, ...]
    attributes: Mapping[str, Any]
    type: Any  # Type, or Tuple for a call or scan with other than one result
    origin: Origin = NOWHERE

    @property
    def shape(self) -> tuple[Extent, ...]:
        return self.type.shape

    @property
    def dtype(self) -> str:
        return self.type.dtype

    @property
    def rank(self) -> int:
        return len(self.type.shape)

    # Infix maths for gradient rules and passes; a Python number becomes a constant of this shape.
    def __add__(self, other: Node | float) -> Node:
        return emit("add", self, like(other, self))

    def __radd__(self, other: float) -> Node:
        return emit("add", like(other, self), self)

    def __sub__(self, other: Node | float) -> Node:
        return emit("subtract", self, like(other, self))

    def __rsub__(self, other: float) -> Node:
        return emit("subtract", like(other, self), self)

    def __mul__(self, other: Node | float) -> Node:
        return emit("multiply", self, like(other, self))

    def __rmul__(self, other: float) -> Node:
        return emit("multiply", like(other, self), self)

    def __truediv__(self, other: Node | float) -> Node:
        return emit("divide", self, like(other, self))

    def __rtruediv__(self, other: float) -> Node:
        return emit("divide", like(other, self), self)

    def __matmul__(self, other: Node) -> Node:
        return emit("matmul", self, other)

    def __neg__(self) -> Node:
        return emit("neg", self)

    def __repr__(self) -> str:
        return f"<{self.op.name}: {self.type}>"


@dataclass(frozen=True, slots=True)
class Output:
    name: str
    role: str  # result output loss metric state gradient parameter moment column ...
    node: Node


@dataclass(frozen=True, slots=True)
class Requirement:
    """What must hold of the dynamic axes when a program is bound: `extent` `relation` 0."""

    extent: Extent
    relation: str  # "==" or ">="
    message: str
    span: Span | None = None
    # where the user's file applies what requires it, if that stands in the standard library
    applied: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A closed body. `definition` is its identity in the standard library or the user's file.

    `gradients` are the derivatives that a definition states itself: input's place → a graph from
    all inputs, the results and the gradients of the results (float ones only), to that gradient.
    """

    name: str
    inputs: tuple[Node, ...]
    outputs: tuple[Output, ...]
    definition: Any = None
    hypers: Mapping[str, Any] = field(default_factory=dict[str, Any])
    gradients: Mapping[int, Graph] = field(default_factory=dict[int, "Graph"])
    requires: tuple[Requirement, ...] = ()

    @property
    def results(self) -> tuple[Node, ...]:
        return tuple(output.node for output in self.outputs)

    @property
    def type(self) -> Type | Tuple:
        types = tuple(node.type for node in self.results)
        return types[0] if len(types) == 1 else Tuple(types)

    def named(self, role: str) -> dict[str, Node]:
        """The outputs of one role by name."""
        return {output.name: output.node for output in self.outputs if output.role == role}

    def taking(self, role: str) -> dict[str, Node]:
        """The inputs of one role by name."""
        return {i.attributes["name"]: i for i in self.inputs if i.attributes["role"] == role}

    def __repr__(self) -> str:
        return f"<graph {self.name}>"


# ── making nodes ─────────────────────────────────────────────────────────────────────────────────
_origin = NOWHERE


@contextmanager
def origin(of: Origin) -> Generator[None, None, None]:
    """Nodes emitted inside come from there."""
    global _origin
    outer, _origin = _origin, of
    try:
        yield
    finally:
        _origin = outer


def emit(name: str, *inputs: Node, **attributes: Any) -> Node:
    """A node of the primitive `name`; raises TypeFault if the types don't fit."""
    op = registry[name]
    made = op.infer([node.type for node in inputs], attributes)
    return Node(op, inputs, attributes, made, _origin)


def make_input(name: str, role: str, type: Type, from_: Origin | None = None) -> Node:
    return Node(registry["input"], (), {"name": name, "role": role}, type, from_ or _origin)


def constant(value: Any, dtype: str, shape: Sequence[Extent] = ()) -> Node:
    """A number (or a nested tuple of numbers) as a value; a number is broadcast to `shape`."""
    node = emit("constant", value=value, dtype=dtype)
    return emit("broadcast", node, shape=tuple(shape)) if shape else node


def like(value: Node | float, node: Node) -> Node:
    return value if isinstance(value, Node) else constant(value, node.dtype, node.shape)


def call(body: Graph, inputs: Sequence[Node]) -> tuple[Node, ...]:
    """Applies a body and gives its results."""
    made = emit("call", *inputs, body=body)
    if not isinstance(made.type, Tuple):
        return (made,)
    return tuple(emit("item", made, index=index) for index in range(len(made.type.items)))


def replace(node: Node, inputs: Sequence[Node]) -> Node:
    """The same operation on other inputs of the same types; the node itself if they are its own."""
    if all(new is old for new, old in zip(inputs, node.inputs, strict=True)):
        return node
    return Node(node.op, tuple(inputs), node.attributes, node.type, node.origin)


# ── walking ──────────────────────────────────────────────────────────────────────────────────────
def toposort(results: Iterable[Node]) -> list[Node]:
    """Every node that the results need, inputs first; iterative, and stable."""
    order: list[Node] = []
    done: set[Node] = set()
    stack = list(results)[::-1]
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        height = len(stack)
        for each in node.inputs[::-1]:
            if each not in done:
                stack.append(each)
        if len(stack) == height:
            stack.pop()
            done.add(node)
            order.append(node)
    return order


def rewrite(graph: Graph, rule: Callable[[Node, tuple[Node, ...]], Node]) -> Graph:
    """The graph with each node replaced by `rule(node, new inputs)`, inputs first."""
    new: dict[int, Node] = {}
    for node in toposort([*graph.inputs, *graph.results]):
        new[id(node)] = rule(node, tuple(new[id(each)] for each in node.inputs))
    return with_nodes(graph, new)


def with_nodes(graph: Graph, new: Mapping[int, Node]) -> Graph:
    """The graph with `new[id(node)]` for its inputs and results."""
    return Graph(
        graph.name,
        tuple(new[id(node)] for node in graph.inputs),
        tuple(Output(o.name, o.role, new[id(o.node)]) for o in graph.outputs),
        graph.definition,
        graph.hypers,
        graph.gradients,
        graph.requires,
    )


def bodies(graph: Graph) -> list[Graph]:
    """Every graph that it applies or takes a gradient from, once; inner ones first, itself last."""
    order: list[Graph] = []
    done: set[int] = set()
    stack: list[tuple[Graph, bool]] = [(graph, False)]
    while stack:
        each, ready = stack.pop()
        if ready:
            order.append(each)
        elif id(each) not in done:
            done.add(id(each))
            stack.append((each, True))
            stack.extend((inner, False) for inner in reversed(applied(each)))
    return order


def applied(graph: Graph) -> list[Graph]:
    """The bodies that it names itself, in order, with repetitions."""
    named = [
        value
        for node in toposort([*graph.inputs, *graph.results])
        for value in node.attributes.values()
        if isinstance(value, Graph)
    ]
    return [*named, *graph.gradients.values()]
