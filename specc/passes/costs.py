"""What a graph costs: its layers, parameters, operations and bytes, as sizes. Changes no graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from specc.ir import Extent, Graph, Node, Tuple, Type, bodies, toposort

# Bytes an element where `float` is float32.
BYTES: Mapping[str, int] = {"float": 4, "float64": 8, "int": 8, "bool": 1}


@dataclass(frozen=True, slots=True)
class Row:
    """One application of a layer or a function: the costs of all that is inside it."""

    path: str  # the layer's scope; a function has none of its own
    kind: str  # the definition's name
    depth: int  # 0 in the model's own body
    results: tuple[Type, ...]
    parameters: Extent  # elements
    flops: Extent
    memory: Extent  # bytes of its results and its parameters


@dataclass(frozen=True, slots=True)
class Totals:
    parameters: Extent
    parameter_bytes: Extent
    flops: Extent
    activation_bytes: Extent  # of the results of the rows of depth 0


def layers(graph: Graph, depth: int = 1) -> list[Row]:
    """The applications that the graph's results need, in order, with those inside to `depth`."""
    return list(_rows(graph, "", 0, depth, flops_of_bodies(graph)))


def totals(graph: Graph) -> Totals:
    rows = layers(graph)
    held = [node.type for node in _needed(graph) if _is_parameter(node)]
    return Totals(
        sum_of(type.elements for type in held),
        sum_of(map(size_in_bytes, held)),
        flops(graph),
        sum_of(size_in_bytes(each) for row in rows for each in row.results),
    )


def flops(graph: Graph) -> Extent:
    """Additions, multiplications and the like that one evaluation makes, calls included."""
    return flops_of_bodies(graph)[graph]


def flops_of_bodies(graph: Graph) -> dict[Graph, Extent]:
    """The same for the graph and every body in it; a body that is called often is counted once."""
    known: dict[Graph, Extent] = {}
    for body in bodies(graph):
        known[body] = sum_of(_flops(node, known) for node in _needed(body))
    return known


def size_in_bytes(type: Type) -> Extent:
    return type.elements * BYTES[type.dtype]


def sum_of(extents: Iterator[Extent] | map[Extent]) -> Extent:
    total: Extent = 0
    for each in extents:
        total = total + each
    return total


def _rows(
    graph: Graph, scope: str, level: int, depth: int, known: Mapping[Graph, Extent]
) -> Iterator[Row]:
    for node in _needed(graph):
        body: Graph | None = node.attributes.get("body")
        if body is None:
            continue
        inner = ".".join(part for part in (scope, node.origin.scope) if part)
        results = node.type.items if isinstance(node.type, Tuple) else (node.type,)
        held = [each.type for each in dict.fromkeys(node.inputs) if _is_parameter(each)]
        yield Row(
            inner if node.origin.scope else "",
            body.name,
            level,
            results,
            sum_of(type.elements for type in held),
            _flops(node, known),
            sum_of(map(size_in_bytes, (*results, *held))),
        )
        if level + 1 < depth:
            yield from _rows(body, inner, level + 1, depth, known)


def _needed(graph: Graph) -> list[Node]:
    """The nodes of its results proper; without such, of all that it gives."""
    asked = [each.node for each in graph.outputs if each.role in ("output", "result")]
    return toposort(asked or graph.results)


def _is_parameter(node: Node) -> bool:
    return node.op.name == "input" and node.attributes["role"] == "parameter"


# ── operations of one node ───────────────────────────────────────────────────────────────────────
def _each_result(node: Node) -> Extent:
    return node.type.elements


def _each_input(node: Node) -> Extent:
    return node.inputs[0].type.elements


def _each_update(node: Node) -> Extent:
    return node.inputs[1].type.elements


def _product(node: Node) -> Extent:
    return 2 * node.inputs[0].shape[-1] * node.type.elements


# Moving, making and drawing values costs no floating-point operation.
FLOPS: Mapping[str, Callable[[Node], Extent]] = {
    "sum": _each_input,
    "max": _each_input,
    "argmax": _each_input,
    "any": _each_input,
    "cumulative_sum": _each_input,
    "matmul": _product,
    "overlap_add": _each_input,
    "add_at": _each_update,
    "add_along": _each_update,
}
FREE = ("cast", "stop_gradient")


def _flops(node: Node, known: Mapping[Graph, Extent]) -> Extent:
    attributes: Mapping[str, Any] = node.attributes
    if node.op.name == "call":
        return known[attributes["body"]]
    if node.op.name == "scan":
        states: int = attributes["states"]
        return node.inputs[states].shape[0] * known[attributes["body"]]
    if node.op.name in FLOPS:
        return FLOPS[node.op.name](node)
    return _each_result(node) if node.op.elementwise and node.op.name not in FREE else 0
