"""Adds results at call boundaries, and cuts a graph there into calls of their own. Runs nothing.

    observe: outputs → outputs, and the value of each site
    isolate: every site by itself, an input for each value that it read

A site is a call of a function, or an operation outside of any; layers are opened, so that a site
stands in its layer's scope.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from specc.diagnostics import Span
from specc.ir import Graph, Node, Output, Tuple, make_input, toposort
from specc.passes.expand import expand

# What computes no number: no site, and no place for an error to begin.
SILENT = frozenset({
    "input", "constant", "iota", "size", "item", "reshape", "permute", "broadcast", "slice", "cast",
    "stop_gradient",
})  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One call, known by its layer's path, what it is, and which of several such it is."""

    scope: str
    name: str
    application: int
    span: Span | None
    node: Node
    results: tuple[Node, ...]
    before: tuple[int, ...]  # the numbers of the sites that it reads from

    def __str__(self) -> str:
        place = f"{self.scope}." if self.scope else ""
        return f"{place}{self.name}" + (f" ({self.application})" if self.application > 1 else "")


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """A graph whose layers are open, its sites in order, and the names of the values it shows.

    `shown` are the outputs "value.<n>": what sites give and what they read.
    """

    graph: Graph
    sites: tuple[Site, ...]
    shown: Mapping[Node, str]


def observe(graph: Graph) -> Observed:
    """The graph with its outputs and, beside them, what every site gives and reads."""
    opened = expand(graph, lambda node: node.origin.scope == "")
    order = toposort(opened.results)
    results_of: dict[Node, list[Node]] = {}
    for node in order:
        if node.op.name == "item":
            results_of.setdefault(node.inputs[0], []).append(node)
    sites: list[Site] = []
    counted: dict[tuple[str, str], int] = {}
    feeding: dict[Node, tuple[int, ...]] = {}  # the last sites on the way to each node
    for node in order:
        before = tuple(sorted({at for each in node.inputs for at in feeding[each]}))
        feeding[node] = before
        if node.op.name in SILENT or not _is_numeric(node):
            continue
        name = node.attributes["body"].name if node.op.name == "call" else node.op.name
        key = node.origin.scope, name
        counted[key] = counted.get(key, 0) + 1
        results = tuple(results_of.get(node, [node]))
        made = Site(*key, counted[key], node.origin.span, node, results, before)
        feeding[node] = (len(sites),)
        sites.append(made)
    shown: dict[Node, str] = {}
    for site in sites:
        for node in (*site.results, *_read(site.node)):
            if node.op.name not in ("input", "constant"):
                shown.setdefault(node, f"value.{len(shown)}")
    outputs = [Output(name, "observed", node) for node, name in shown.items()]
    whole = replace(opened, outputs=(*opened.outputs, *outputs))
    return Observed(whole, tuple(sites), shown)


def isolate(observed: Observed) -> Graph:
    """Every site by itself: results "site.<n>.<k>", inputs "value.<n>" for what it reads.

    The graph's own inputs stay: they tell the lengths of axes, and some are read directly. Its
    requirements held when the values were computed.
    """
    cut: dict[Node, Node] = {}

    def fed(node: Node) -> Node:
        if node.op.name in ("input", "constant"):
            return node
        if node not in cut:
            cut[node] = make_input(observed.shown[node], "input", node.type)
        return cut[node]

    outputs: list[Output] = []
    for number, site in enumerate(observed.sites):
        node = site.node
        alone = Node(node.op, tuple(map(fed, node.inputs)), node.attributes, node.type, node.origin)
        results = site.results
        if isinstance(node.type, Tuple):
            made = [Node(r.op, (alone,), r.attributes, r.type, r.origin) for r in results]
        else:
            made = [alone]
        outputs += [Output(f"site.{number}.{k}", "observed", each) for k, each in enumerate(made)]
    graph = observed.graph
    return Graph(graph.name, (*graph.inputs, *cut.values()), tuple(outputs))


def _read(node: Node) -> tuple[Node, ...]:
    return node.inputs


def _is_numeric(node: Node) -> bool:
    return node.op.name != "call" or bool(node.attributes["body"].outputs)
