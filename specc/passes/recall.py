"""What a scan's gradient would compute again as the scan did is stacked by the scan, and read.

Every step of both computes it of the same slices and the same values, so the numbers are the same.
Knows no backend.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from specc.ir import Graph, Node, Output, emit, make_input, origin, toposort
from specc.ir import replace as on_inputs
from specc.passes.consing import Kinds, Table

MOVED = ("reshape", "permute", "broadcast", "slice", "stop_gradient")  # made of it again: views


@dataclass(slots=True)
class _Scan:
    """A scan's parts, and what later ones recall of its body."""

    node: Node
    table: Table
    nodes: list[Node]
    recalled: dict[Node, int] = field(default_factory=dict[Node, int])  # → its result's place
    recalls: dict[Node, tuple[_Scan, Node]] = field(
        default_factory=dict[Node, "tuple[_Scan, Node]"]
    )

    @property
    def body(self) -> Graph:
        return self.node.attributes["body"]

    @property
    def states(self) -> int:
        return self.node.attributes["states"]

    @property
    def end(self) -> int:
        """Where the inputs begin that are the same at each step."""
        return self.states + self.node.attributes["scanned"]

    def place(self, node: Node) -> int:
        """Of the value, stacked, among the results."""
        results = self.body.results
        if node in results[self.states :]:
            return results.index(node, self.states)
        return self.recalled.setdefault(node, len(results) + len(self.recalled))


def recall(graph: Graph) -> Graph:
    """The same, bit for bit, with nothing of a scan's body computed again by a later scan."""
    order = toposort([*graph.inputs, *graph.results])
    kinds = Kinds()
    scans: dict[Node, _Scan] = {}
    for node in order:
        if node.op.name == "scan":
            scan = scans[node] = _Scan(
                node, Table(kinds), toposort(node.attributes["body"].results)
            )
            for each in scan.nodes:
                scan.table.share(each)
            _find(scan, scans, kinds)
    if not any(scan.recalls for scan in scans.values()):
        return graph
    made: dict[Node, Node] = {}
    for node in order:
        inputs = [made[each] for each in node.inputs]
        if node in scans:
            with origin(node.origin):
                made[node] = _rebuilt(scans[node], inputs, made)
        else:
            made[node] = on_inputs(node, inputs)
    outputs = tuple([Output(o.name, o.role, made[o.node]) for o in graph.outputs])
    return replace(graph, outputs=outputs)


# ── what is the same ─────────────────────────────────────────────────────────────────────────────
def _find(scan: _Scan, scans: Mapping[Node, _Scan], kinds: Kinds) -> None:
    """Notes what the scan computes as one before it did, one whose results it reads."""
    given = scan.node.inputs[scan.states : scan.end]
    before = dict.fromkeys(each.inputs[0] for each in given if each.op.name == "item")
    for first in [scans[each] for each in before if each in scans]:
        if first.recalls:  # then its body is to change
            continue
        same = _same(scan, first, kinds)
        wanted = _wanted(scan, same)
        scan.recalls = {own: (first, same[own]) for own in wanted}
        for own in wanted:
            first.place(same[own])
        if wanted:
            return


def _same(scan: _Scan, first: _Scan, kinds: Kinds) -> dict[Node, Node]:
    """Values of the scan's body that are values of the other's, at every step."""
    of_slice = {whole: own for own, whole in _slices(first).items()}
    of_rest = dict(zip(first.node.inputs[first.end :], first.body.inputs[first.end :], strict=True))
    same: dict[Node, Node] = {}
    known: Node | None
    for at, (own, whole) in enumerate(zip(scan.body.inputs, scan.node.inputs, strict=True)):
        if at < scan.states:
            continue
        known = (of_slice if at < scan.end else of_rest).get(whole)
        if at < scan.end and whole.op.name == "item" and whole.inputs[0] is first.node:
            place: int = whole.attributes["index"]
            known = first.body.results[place] if place >= first.states else None
        if known is not None:
            same[own] = known
    for node in scan.nodes:
        if node.op.name == "input" or any(each not in same for each in node.inputs):
            continue
        inputs = tuple([same[each] for each in node.inputs])
        found = first.table.find(kinds.number(node.op, node.attributes), inputs)
        if found is not None:
            same[node] = found
    return same


def _slices(scan: _Scan) -> dict[Node, Node]:
    """The body's slices → what they are slices of."""
    steps = slice(scan.states, scan.end)
    return dict(zip(scan.body.inputs[steps], scan.node.inputs[steps], strict=True))


def _wanted(scan: _Scan, same: Mapping[Node, Node]) -> list[Node]:
    """What is computed again and read by what isn't: not what is a view of it."""
    fixed = set(scan.body.inputs[scan.end :])
    for node in scan.nodes:
        if node.op.name != "input" and all(each in fixed for each in node.inputs):
            fixed.add(node)
    read = dict.fromkeys(scan.body.results)
    read |= {each: None for node in scan.nodes if node not in same for each in node.inputs}
    found: dict[Node, None] = {}
    open_ = [node for node in read if node in same]
    while open_:
        node = open_.pop()
        if node.op.name in MOVED:
            open_ += node.inputs
        elif node.op.name != "input" and node not in fixed:
            found[node] = None
    return list(found)


# ── the scans that are left ──────────────────────────────────────────────────────────────────────
def _rebuilt(scan: _Scan, inputs: list[Node], made: Mapping[Node, Node]) -> Node:
    """The scan with what it recalls as slices, and with what is recalled of it as results."""
    body = scan.body
    pairs = list(zip(body.inputs, inputs, strict=True))
    states, slices, rest = pairs[: scan.states], pairs[scan.states : scan.end], pairs[scan.end :]
    new: dict[Node, Node] = {}
    for own, (first, theirs) in scan.recalls.items():
        new[own] = make_input(f"recalled.{len(new)}", "step", own.type, own.origin)
        whole = emit("item", made[first.node], index=first.place(theirs))
        slices.append((new[own], whole))
    for node in scan.nodes:
        if node not in new:
            new[node] = on_inputs(node, [new[each] for each in node.inputs])
    outputs = [Output(o.name, o.role, new[o.node]) for o in body.outputs]
    outputs += [
        Output(f"recalled.{place}", "result", new[node]) for node, place in scan.recalled.items()
    ]
    read = set(toposort(output.node for output in outputs))
    slices = [pair for pair in slices if pair[0] in read] or slices[:1]
    rest = [pair for pair in rest if pair[0] in read]
    pairs = [*states, *slices, *rest]
    body = replace(body, inputs=tuple([own for own, _ in pairs]), outputs=tuple(outputs))
    return emit(
        "scan",
        *[whole for _, whole in pairs],
        body=body,
        states=scan.states,
        scanned=len(slices),
        reverse=scan.node.attributes["reverse"],
    )
