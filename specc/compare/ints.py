"""What the ints of a made batch may be, by what a model does with them. Draws nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from specc.ir import Extent, Graph, Node, toposort
from specc.ir.size import evaluate
from specc.training.bounds import MOVES

PLAIN = 10  # below which ints are that nothing bounds
ADDRESSED = 2  # and those that an index is computed from: what becomes of them isn't known
INDEXED = {"take": 1, "take_along_axis": 1, "add_at": 0, "add_along": 0}  # which input is one


Table = dict[str, set[Extent]]


@dataclass(slots=True)
class Uses:
    """Of each int input: the axes that it indexes or counts, and whether an index is made of it."""

    indexed: Table = field(default_factory=dict)
    counted: Table = field(default_factory=dict)
    addressing: set[str] = field(default_factory=set[str])

    def __or__(self, other: Uses) -> Uses:
        def joined(left: Table, right: Table) -> Table:
            return {n: left.get(n, set()) | right.get(n, set()) for n in left.keys() | right.keys()}

        return Uses(
            joined(self.indexed, other.indexed),
            joined(self.counted, other.counted),
            self.addressing | other.addressing,
        )

    def range_of(self, name: str, known: int | None, lengths: Mapping[str, int]) -> tuple[int, int]:
        """From where to below which: the lengths of an axis are 1 to all of it."""
        ends = [evaluate(extent, lengths) for extent in self.indexed.get(name, ())]
        ends += [] if known is None else [known]
        counted = [evaluate(extent, lengths) for extent in self.counted.get(name, ())]
        if counted and not ends:
            return 1, min(counted) + 1
        if ends:
            return 0, max(min(ends), 1)
        return 0, ADDRESSED if name in self.addressing else PLAIN


def uses_of(graph: Graph) -> Uses:
    """The uses of a graph without calls."""
    found = Uses()
    fed = [n for n in graph.inputs if n.dtype == "int" and n.attributes["role"] in ROLES]
    _look(graph, {node: node.attributes["name"] for node in fed}, {}, found)
    return found


ROLES = ("input", "target")


def _look(graph: Graph, whole: dict[Node, str], places: dict[Node, Extent], found: Uses) -> None:
    """`whole`: what is an input, moved about; `places`: what is 0, 1, ... along an axis."""
    made: dict[Node, set[str]] = {node: {name} for node, name in whole.items()}  # of which inputs
    for node in toposort(graph.results):
        name = node.op.name
        if name == "iota":
            places[node] = node.attributes["length"]
        if name == "scan":
            body: Graph = node.attributes["body"]
            pairs = list(zip(body.inputs, node.inputs, strict=True))
            inner = {o: whole[n] for o, n in pairs if n in whole}
            _look(body, inner, {o: places[n] for o, n in pairs if n in places}, found)
        elif name in MOVES and node.type.dtype == "int":
            source = node.inputs[0]
            if source in whole:
                whole[node] = whole[source]
            if source in places:
                places[node] = places[source]
        if name in INDEXED:
            _indexed(node, whole, made, found)
        elif name in ("less", "less_equal"):
            _counted(node, whole, places, found)
        if name != "input" and (sources := [made[each] for each in node.inputs if each in made]):
            made[node] = set().union(*sources)


def _indexed(
    node: Node, whole: Mapping[Node, str], made: Mapping[Node, set[str]], found: Uses
) -> None:
    index = node.inputs[INDEXED[node.op.name]]
    if index not in whole:
        found.addressing |= made.get(index, set())
        return
    axis = node.attributes.get("axis", 0)
    adds = node.op.name.startswith("add")
    extent = node.attributes["length"] if adds else node.inputs[0].shape[axis]
    found.indexed.setdefault(whole[index], set()).add(extent)


def _counted(
    node: Node, whole: Mapping[Node, str], places: Mapping[Node, Extent], found: Uses
) -> None:
    """Places along an axis before an input, or not before it: a length, as in a padding mask."""
    for place, length in (node.inputs, node.inputs[::-1]):
        if place in places and length in whole:
            found.counted.setdefault(whole[length], set()).add(places[place])
