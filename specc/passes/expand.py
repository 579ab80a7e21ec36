"""Puts bodies in the place of their calls, all but those that a backend keeps. Knows no backend.

Bodies are expanded innermost first and once each, so that equal calls cost one another little; what
two calls compute alike is computed once. What no one reads of a scan goes last, when all is shared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from specc.diagnostics import fault
from specc.ir import Graph, Node, Op, Origin, Output, bodies, toposort
from specc.limits import NODES
from specc.passes.consing import Kinds, Table
from specc.passes.trim import trim


def _none(_: Node) -> bool:
    return False


def expand(graph: Graph, can_run: Callable[[Node], bool] = _none) -> Graph:
    """The graph with each call that `can_run` refuses replaced by its body's nodes.

    A node from a body keeps its own span; its scope is joined to that of the call. Requirements of
    the bodies become the graph's.

    Raises:
        SpecError: L003 where more nodes would be made than the limit.
    """
    expanding = _Expanding(can_run)
    for body in bodies(graph):
        expanding.flat_of[body] = expanding.flatten(body)
    return trim(expanding.flat_of[graph])


@dataclass(frozen=True, slots=True)
class _Step:
    """One node of a flat body, its inputs given by their places in the body's order."""

    op: Op
    number: int  # of its kind; 0 for an input
    attributes: Any
    type: Any
    origin: Origin
    sources: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    inputs: tuple[int, ...]  # places of the body's inputs
    steps: list[_Step]
    results: tuple[int, ...]


class _Expanding:
    def __init__(self, can_run: Callable[[Node], bool]) -> None:
        self.can_run = can_run
        self.kinds = Kinds()
        self.flat_of: dict[Graph, Graph] = {}
        self.plan_of: dict[Graph, _Plan] = {}
        self.joined: dict[tuple[Origin, str], Origin] = {}

    def flatten(self, graph: Graph) -> Graph:
        table = Table(self.kinds)
        requires = dict.fromkeys(graph.requires)
        value_of: dict[Node, Node] = {}
        results_of: dict[Node, tuple[Node, ...]] = {}  # of an expanded call with several
        made = 0
        for node in toposort([*graph.inputs, *graph.results]):
            name = node.op.name
            if name == "input":
                value_of[node] = node
                continue
            if name == "item" and node.inputs[0] in results_of:
                results = results_of[node.inputs[0]]
                value_of[node] = results[node.attributes["index"]]
                continue
            inputs = tuple([value_of[each] for each in node.inputs])
            if name == "call" and not self.can_run(node):
                flat = self.flat_of[node.attributes["body"]]
                requires.update(dict.fromkeys(flat.requires))
                results_of[node] = self.inline(flat, inputs, node.origin.scope, table)
                if len(flat.outputs) == 1:
                    (value_of[node],) = results_of.pop(node)
                made += len(self.plan_of[flat].steps)
                if made > NODES.value:
                    what = f"more than {NODES.value:,} {NODES.what}"
                    raise fault(NODES.code, what, node.origin.span)
            else:
                if name == "scan":
                    requires.update(dict.fromkeys(self.flat_of[node.attributes["body"]].requires))
                value_of[node] = table.share(self.on(node, inputs))
        outputs = tuple(Output(o.name, o.role, value_of[o.node]) for o in graph.outputs)
        return replace(graph, outputs=outputs, requires=tuple(requires))

    def on(self, node: Node, inputs: tuple[Node, ...]) -> Node:
        """The same node on other inputs; a scan's body is expanded within it."""
        attributes = node.attributes
        if node.op.name == "scan":
            attributes = {**attributes, "body": self.flat_of[attributes["body"]]}
        elif inputs == node.inputs:
            return node
        return Node(node.op, inputs, attributes, node.type, node.origin)

    def inline(
        self, body: Graph, inputs: tuple[Node, ...], scope: str, table: Table
    ) -> tuple[Node, ...]:
        """The body's results as nodes of the table's graph."""
        plan = self.plan_of.get(body) or self.plan_of.setdefault(body, self.plan(body))
        values: list[Any] = [None] * len(plan.steps)
        for place, node in zip(plan.inputs, inputs, strict=True):
            values[place] = node
        find, keep = table.find, table.keep
        for place, step in enumerate(plan.steps):
            if step.number == 0:
                continue
            sources = tuple([values[source] for source in step.sources])
            node = find(step.number, sources)
            if node is None:
                origin = self.join(step.origin, scope) if scope else step.origin
                made = Node(step.op, sources, step.attributes, step.type, origin)
                node = keep(step.number, made)
            values[place] = node
        return tuple([values[place] for place in plan.results])

    def plan(self, flat: Graph) -> _Plan:
        place_of: dict[Node, int] = {}
        steps: list[_Step] = []
        for node in toposort([*flat.inputs, *flat.results]):
            is_input = node.op.name == "input"
            number = 0 if is_input else self.kinds.number(node.op, node.attributes)
            sources = tuple([place_of[each] for each in node.inputs])
            place_of[node] = len(steps)
            steps.append(_Step(node.op, number, node.attributes, node.type, node.origin, sources))
        return _Plan(
            tuple(place_of[node] for node in flat.inputs),
            steps,
            tuple(place_of[node] for node in flat.results),
        )

    def join(self, origin: Origin, scope: str) -> Origin:
        found = self.joined.get((origin, scope))
        if found is None:
            inner = f"{scope}.{origin.scope}" if origin.scope else scope
            found = self.joined[origin, scope] = Origin(origin.span, origin.name, inner)
        return found
