"""Hash-consing: nodes of one operation, inputs and attributes become one node. Rewrites nothing."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, cast

from specc.ir import Node, Op

COMMUTATIVE = frozenset({"add", "multiply", "maximum", "minimum", "equal", "and", "or"})


class Kinds:
    """Numbers each operation with its attributes, so that equal ones are told apart cheaply."""

    __slots__ = ("_number_of", "_seen")

    def __init__(self) -> None:
        self._number_of: dict[Hashable, int] = {}
        self._seen: dict[tuple[str, int], tuple[Mapping[str, Any], int]] = {}

    def number(self, op: Op, attributes: Mapping[str, Any]) -> int:
        """Equal for equal operations with equal attributes; negative where inputs commute."""
        if not attributes:
            key: Hashable = op.name
            number = self._number_of.get(key)
        else:
            seen = self._seen.get((op.name, id(attributes)))
            if seen is not None:
                return seen[1]
            if len(attributes) == 1:
                ((name, value),) = attributes.items()
                key = (op.name, name, _exact(value))
            else:
                key = (op.name, *[(name, _exact(attributes[name])) for name in sorted(attributes)])
            number = self._number_of.get(key)
        if number is None:
            number = len(self._number_of) + 1
            if op.name in COMMUTATIVE:
                number = -number
            self._number_of[key] = number
        if attributes:  # held, so that its id stays its own
            self._seen[op.name, id(attributes)] = (attributes, number)
        return number


class Table:
    """The nodes of one graph so far. Inputs are themselves and are never merged."""

    __slots__ = ("_kinds", "_node_of")

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._node_of: dict[tuple[int, tuple[Node, ...]], Node] = {}

    def find(self, number: int, inputs: tuple[Node, ...]) -> Node | None:
        found = self._node_of.get((number, inputs))
        if found is None and number < 0:
            found = self._node_of.get((number, inputs[::-1]))
        return found

    def keep(self, number: int, node: Node) -> Node:
        self._node_of[number, node.inputs] = node
        return node

    def share(self, node: Node) -> Node:
        """The node that says the same and came first, else this one."""
        if node.op.name == "input":
            return node
        number = self._kinds.number(node.op, node.attributes)
        return self.find(number, node.inputs) or self.keep(number, node)


def _exact(value: Any) -> Hashable:
    """A key that keeps apart what == does not: 1, 1.0 and True; 0.0 and -0.0."""
    if isinstance(value, tuple):
        return tuple(map(_exact, cast("tuple[Any, ...]", value)))
    if isinstance(value, (bool, float)):
        return (type(value), repr(value))
    return value
