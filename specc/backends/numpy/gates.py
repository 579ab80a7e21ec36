"""The gates of a scan's step side by side, all by one tanh: sigmoid(x) = tanh(x / 2) / 2 + 1/2.

For 20 rows of 4 gates of 200 that takes 0.4 of the time of three sigmoids and a tanh, and their
product with a state takes 0.7 where each gate lies in one piece (float32, one core of a Xeon with
AVX-512). Plans nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from specc import passes
from specc.ir import Extent, Graph, Node, Output, constant, emit, toposort
from specc.ir import replace as on_inputs
from specc.ir import rewrite as rewritten
from specc.ops.rules import broadcast, cut, reshape
from specc.passes.rules import is_

# Of a sigmoid that is nearly 0 these read its digits, which the sum with 1/2 rounds off.
CAREFUL = ("log", "log1p", "divide", "power", "sqrt")
Section = tuple[int, int, Node]  # where it begins and ends, and the sigmoid or tanh of it


def gates(graph: Graph) -> Graph:
    """The same, to rounding."""
    gated: dict[Graph, Graph] = {}

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        if not is_(node, "scan"):
            return on_inputs(node, inputs)
        body: Graph = node.attributes["body"]
        if body not in gated:
            gated[body] = _gated(body, node.attributes["states"])
        return emit("scan", *inputs, **{**node.attributes, "body": gated[body]})

    if not any(is_(node, "scan") for node in toposort(graph.results)):
        return graph
    return passes.simplify(rewritten(graph, rule))


def _gated(body: Graph, states: int) -> Graph:
    order = toposort(body.results)
    free = set(body.inputs[states:])  # what waits for no state
    for node in order:
        if not is_(node, "input") and all(each in free for each in node.inputs):
            free.add(node)
    readers: dict[Node, list[Node]] = {}
    for node in order:
        for each in node.inputs:
            readers.setdefault(each, []).append(node)
    for node in body.results:
        readers.setdefault(node, []).append(node)  # read by none that gates may be read by
    made: dict[Node, Node] = {}
    gate_of: dict[Node, Node] = {}
    for node in order:
        made[node] = gate_of.get(node) or on_inputs(node, [made[each] for each in node.inputs])
        sections = _sections(node, readers)
        if sections:
            parts = _whole(made[node], sections, free)
            gate_of.update(zip([gate for *_, gate in sections], parts, strict=True))
    outputs = tuple([Output(o.name, o.role, made[o.node]) for o in body.outputs])
    return replace(body, outputs=outputs)


def _sections(node: Node, readers: dict[Node, list[Node]]) -> list[Section] | None:
    """The parts of its last axis, if it is read in parts alone and each by a sigmoid or a tanh."""
    if is_(node, "input") or is_(node, "scan") or node.dtype != "float" or node.rank < 2:
        return None
    found: list[Section] = []
    for part in readers.get(node, ()):
        if not is_(part, "slice") or len(readers[part]) != 1:
            return None
        (gate,) = readers[part]
        at = part.attributes
        if not (is_(gate, "sigmoid") or is_(gate, "tanh")) or part.shape[:-1] != node.shape[:-1]:
            return None
        if is_(gate, "sigmoid") and any(each.op.name in CAREFUL for each in readers[gate]):
            return None
        start, stop = at["starts"][-1], at["stops"][-1]
        if not isinstance(start, int) or not isinstance(stop, int) or at["steps"][-1] != 1:
            return None
        found.append((start, stop, gate))
    found.sort(key=lambda section: section[:2])
    edges = [0, *[stop for _, stop, _ in found]]
    whole = edges[:-1] == [start for start, _, _ in found] and edges[-1] == node.shape[-1]
    return found if whole and sum(is_(gate, "sigmoid") for *_, gate in found) > 1 else None


def _whole(x: Node, sections: Sequence[Section], free: set[Node]) -> list[Node]:
    """Every section's sigmoid or tanh, by one tanh: of halves where it is a sigmoid.

    Sections of one length lie one after another, each in one piece: [..., sections n] is then
    [sections, ..., n].
    """
    lengths = {stop - start for start, stop, _ in sections}
    count, last = len(sections), x.rank - 1
    apart = len(lengths) == 1
    before = x.shape[:-1]

    def row(sigmoid: float, tanh: float, before: Sequence[Extent]) -> Node:
        parts = [
            broadcast(
                constant(sigmoid if is_(gate, "sigmoid") else tanh, "float"),
                (*([1] if apart else []), *before, stop - start),
            )
            for start, stop, gate in sections
        ]
        return emit("concat", *parts, axis=0 if apart else last)

    scale = row(0.5, 1.0, before)
    halved = _apart(x, row(0.5, 1.0, [1] * last), free) if apart else x * scale
    whole = emit("tanh", halved) * scale + row(0.5, 0.0, before)
    if not apart:
        return [cut(whole, last, start, stop) for start, stop, _ in sections]
    return [reshape(cut(whole, 0, at, at + 1), whole.shape[1:]) for at in range(count)]


def _apart(x: Node, scale: Node, free: set[Node]) -> Node:
    """[..., count n] as [count, ..., n] times the scale, [count, 1 ..., n]: by weights and biases
    that are scaled, and lie so, in the first place.
    """
    count, *_, each = scale.shape
    before = x.shape[:-1]
    if is_(x, "add"):
        a, b = x.inputs
        return _apart(a, scale, free) + _apart(b, scale, free)
    if is_(x, "broadcast") and x.inputs[0].rank == 1:
        row = reshape(x.inputs[0], scale.shape) * scale
        return broadcast(row, (count, *before, each))
    if is_(x, "matmul") and x.rank == 2 and x.inputs[1] in free:
        left, right = x.inputs
        if left in free:  # made of all steps at once, and moved then
            columns = reshape(scale, (count * each,))
            return _moved(left @ (right * broadcast(columns, right.shape)), count)
        return broadcast(left, (count, *left.shape)) @ _apart(right, scale, free)
    return _moved(x, count) * broadcast(scale, (count, *before, each))


def _moved(x: Node, count: Extent) -> Node:
    *before, last = x.shape
    whole = reshape(x, (*before, count, last // count))
    return emit("permute", whole, axes=(len(before), *range(len(before)), len(before) + 1))
