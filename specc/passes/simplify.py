"""Smaller graphs that compute bit for bit the same: rules, shared subexpressions, no dead code.

Every rule holds in IEEE arithmetic for every input, NaN and -0.0 included; what only holds in
mathematics isn't here. Knows no backend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from specc.ir import Graph, Node, Origin, Output, bodies, toposort
from specc.passes.consing import Kinds, Table
from specc.passes.rules import RULES, Rule, across_broadcasts


def simplify(graph: Graph, rules: Mapping[str, Sequence[Rule]] = RULES) -> Graph:
    """The graph and each body that it calls, simplified; a graph already simple is itself.

    A backend may give other rules, by the operation that they look at.
    """
    simple: dict[Graph, Graph] = {}
    kinds = Kinds()
    for body in bodies(graph):
        simple[body] = _Simplifying(kinds, simple, rules).graph(body)
    return simple[graph]


class _Simplifying:
    """Nodes of one graph, made simple inputs first."""

    def __init__(
        self, kinds: Kinds, simple: dict[Graph, Graph], rules: Mapping[str, Sequence[Rule]]
    ) -> None:
        self.simple, self.rules = simple, rules
        self.table = Table(kinds)
        self.done: set[Node] = set()  # the simple nodes

    def graph(self, graph: Graph) -> Graph:
        value_of = {node: node for node in graph.inputs}
        self.done.update(value_of)
        for node in toposort(graph.results):
            if node.op.name != "input":
                inputs = tuple([value_of[each] for each in node.inputs])
                value_of[node] = self.settle(self.on(node, inputs))
        outputs = tuple(Output(o.name, o.role, value_of[o.node]) for o in graph.outputs)
        if all(new.node is old.node for new, old in zip(outputs, graph.outputs, strict=True)):
            return graph
        return replace(graph, outputs=outputs)

    def on(self, node: Node, inputs: tuple[Node, ...]) -> Node:
        """The same node on simple inputs, and with a simple body if it has one."""
        attributes = node.attributes
        if "body" in attributes:
            body = self.simple[attributes["body"]]
            if body is not attributes["body"]:
                attributes = {**attributes, "body": body}
        if attributes is node.attributes and inputs == node.inputs:
            return node
        return Node(node.op, inputs, attributes, node.type, node.origin)

    def settle(self, node: Node) -> Node:
        """What stands in the place of a node whose inputs are simple."""
        found = across_broadcasts(node) if node.op.elementwise else None
        if found is None:
            for rule in self.rules.get(node.op.name, ()):
                found = rule(node)
                if found is not None:
                    break
            else:
                shared = self.table.share(node)
                self.done.add(shared)
                return shared
        return self.place(found, node.origin)

    def place(self, node: Node, origin: Origin) -> Node:
        """What a rule emitted, simple; rules take away, so this ends, and soon."""
        if node in self.done:
            return node
        inputs = tuple([self.place(each, origin) for each in node.inputs])
        return self.settle(Node(node.op, inputs, node.attributes, node.type, origin))
