"""Which inputs number places of an axis, so that a device need not. Runs nothing.

CUDA stops its whole process at an index out of range, and can't say which one it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from specc.diagnostics import fault
from specc.ir import Extent, Graph, Node, toposort
from specc.ir.size import axes, evaluate

INDEXED = {"take": 1, "take_along_axis": 1, "add_at": 0, "add_along": 0}  # the index's place
MOVED = ("reshape", "permute", "broadcast")  # every number of theirs is one of the input's


@dataclass(frozen=True, slots=True)
class Bound:
    """An input's numbers are places 0 .. count - 1; `node` picks by them."""

    name: str
    count: Extent
    node: Node

    def check(self, values: np.ndarray, lengths: Mapping[str, int]) -> None:
        """
        Raises:
            SpecError: R107.
        """
        if not values.size:
            return
        count = evaluate(self.count, lengths)
        low, high = int(values.min()), int(values.max())
        if low < 0 or high >= count:
            wrong = low if low < 0 else high
            raise fault(
                "R107",
                f"index {wrong} of `{self.name}` is out of range",
                self.node.origin.span,
                expected=f"0 .. {count - 1}",
                found=str(wrong),
            )


def bounds(graph: Graph) -> list[Bound]:
    """Of the inputs that reach an index whole, through calls and scans too."""
    found: list[Bound] = []
    names = {node: node.attributes["name"] for node in graph.inputs if node.dtype == "int"}
    _follow(graph, names, found)
    return found


def check(found: Sequence[Bound], feeds: Mapping[str, Any], lengths: Mapping[str, int]) -> None:
    """
    Raises:
        SpecError: R107 for the first number that is no place.
    """
    for each in found:
        each.check(feeds[each.name], lengths)


def _follow(graph: Graph, names: Mapping[Node, str], found: list[Bound]) -> None:
    """`names`: which of the graph's inputs hold what is fed, and under which name."""
    held: dict[Any, str] = dict(names)
    for node in toposort(graph.results):
        at = INDEXED.get(node.op.name)
        if at is not None and node.inputs[at] in held:
            found.append(Bound(held[node.inputs[at]], _count(node), node))
        elif node.op.name in MOVED and node.inputs[0] in held:
            held[node] = held[node.inputs[0]]
        elif isinstance(body := node.attributes.get("body"), Graph):
            given = zip(body.inputs, node.inputs, strict=True)
            inner = {own: held[each] for own, each in given if each in held}
            within: list[Bound] = []
            _follow(body, inner, within)
            found += [each for each in within if not axes(each.count)]  # whose axes are its own


def _count(node: Node) -> Extent:
    if "length" in node.attributes:
        return node.attributes["length"]
    return node.inputs[0].shape[node.attributes.get("axis", 0)]
