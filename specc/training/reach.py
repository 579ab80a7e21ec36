"""How far an update can move numbers: a few scalars made beside its arrays. Runs no program.

Of an array it is known that no number is larger than `most`, whatever its sign, and of one without
negative numbers that none is smaller than `least`. Factors are taken for 1 where they would lessen
a result: it is beyond all that leads to it, in whatever order that is multiplied. As long as what a
parameter can reach is small nothing that made it has overflowed, and nobody looks at its numbers.
Parameters' and moments' own `most` goes from step to step as they do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import numpy as np

from specc.ir.graph import Graph, Node, Output, constant, emit, make_input, toposort
from specc.ir.size import product
from specc.ir.types import Type

GRADIENTS = "gradients"  # one `most` for all of them
CARRIED = ("parameter", "moment")
SMALL = 1e30  # float32 ends at 3e38, and its operations are rounded
ONE, ZERO = constant(1.0, "float64"), constant(0.0, "float64")


@dataclass(frozen=True, slots=True)
class Reach:
    """0 ≤ least ≤ 1 ≤ most, as nodes of float64; without `least` numbers may be negative."""

    most: Node
    least: Node | None = None


Rule = Callable[[Node, Sequence[Reach]], Reach | None]


def name_of(array: str) -> str:
    """What the update calls the `most` of an array, or of GRADIENTS."""
    return f"reach of {array}"


def reaching(update: Graph) -> tuple[Graph, dict[str, bool]]:
    """With the `most` of what it carries from step to step, fed and given; and of which arrays it
    tells, by name: may they hold no negative number?

    What becomes of others is unknown: an operation without a rule makes them.
    """
    changed = {name: node for role in CARRIED for name, node in update.named(role).items()}
    told = dict.fromkeys(changed, True)
    while True:
        fed = {name: make_input(name_of(name), "reach", Type("float64")) for name in told}
        every = make_input(name_of(GRADIENTS), "reach", Type("float64"))
        known: dict[Node, Reach | None] = dict.fromkeys(update.taking("gradient").values())
        known = {node: Reach(every) for node in known}
        for role in CARRIED:
            for name, node in update.taking(role).items():
                least = ZERO if told.get(name) else None
                known[node] = Reach(fed[name], least) if name in told else None
        _follow(update, known)
        found = {name: known[changed[name]] for name in told}
        holding = {
            name: told[name] and reach.least is not None
            for name, reach in found.items()
            if reach and found.get(name.partition(":")[0])  # a moment's is that of its parameter
        }
        if holding == told:
            break
        told = holding  # what follows from less
    made = [Output(name_of(name), "reach", reach.most) for name, reach in found.items() if reach]
    inputs = (*update.inputs, *fed.values(), every) if told else update.inputs
    return replace(update, inputs=inputs, outputs=(*update.outputs, *made)), told


class Reaches:
    """What is known of a training's arrays from step to step; `told` as `reaching` gives it.

    It changes no number, so it is no part of a checkpoint: what isn't known is measured.
    """

    def __init__(self, told: Mapping[str, bool], update: Graph) -> None:
        self.told = told
        names = [name_of(name) for name in (*told, *([GRADIENTS] if told else []))]
        self.feeds = {name: np.full((), math.inf) for name in names}
        self._gradients = self.feeds.get(name_of(GRADIENTS), np.zeros(()))
        self._carried = [(self.feeds[name_of(name)], name_of(name)) for name in told]
        decisive = [name_of(name) for name in update.named("parameter") if name in told]
        self._limits = [
            *zip(decisive, repeat(SMALL)),
            *zip(update.named("squares"), repeat(math.inf)),
        ]

    def begin(self, squares: float) -> None:
        """The gradients' squares add up to no more, to rounding."""
        self._gradients[...] = 1 + 2 * math.sqrt(squares) if squares < math.inf else math.inf

    def take(self, changed: Mapping[str, Any]) -> bool:
        """From an update's results: are its parameters sure to be finite?"""
        for array, name in self._carried:
            array[...] = changed[name]
        return all(changed[name] < limit for name, limit in self._limits)

    def measure(self, arrays: Mapping[str, np.ndarray]) -> None:
        for name, positive in self.told.items():
            least = float(arrays[name].min(initial=0))
            most = float(arrays[name].max(initial=0))
            fits = least >= 0 or not positive
            self.feeds[name_of(name)][...] = 1 + max(most, -least) if fits else math.inf

    def forget(self) -> None:
        for array in self.feeds.values():
            array[...] = math.inf


def _follow(update: Graph, known: dict[Node, Reach | None]) -> None:
    """Adds what is known of each value that is made."""
    for node in toposort(update.results):
        if node in known:
            continue
        if node.rank == 0:
            known[node] = _number(node)
            continue
        # A condition's numbers reach nothing, only that of the two which it chooses.
        inputs = node.inputs[1:] if node.op.name == "where" else node.inputs
        reaches = [known.get(each) for each in inputs]
        rule = RULES.get(node.op.name)
        given = [each for each in reaches if each]
        known[node] = rule(node, given) if rule and len(given) == len(reaches) else None


def _number(node: Node) -> Reach | None:
    """A value without axes is at hand when the update runs."""
    if node.op.name == "constant" and node.dtype in ("float", "float64"):
        value = node.attributes["value"]
        most = constant(max(abs(value), 1.0), "float64")
        if value < 0:
            return Reach(most)
        # As it is in the run's precision: what is 0 there must be 0 here.
        return Reach(most, ONE if value >= 1 else ZERO if value == 0 else _precise(node))
    if node.dtype not in ("float", "float64"):
        return None
    value = _precise(node)
    while node.op.name == "cast":
        (node,) = node.inputs
    return Reach(value * value + 1.0, ZERO if node.op.name in ("sqrt", "abs", "exp") else None)


def _precise(node: Node) -> Node:
    return node if node.dtype == "float64" else emit("cast", node, dtype="float64")


# ── what each operation makes of it ──────────────────────────────────────────────────────────────
def _times(a: Node, b: Node) -> Node:
    if ZERO in (a, b):
        return ZERO
    return b if a is ONE else a if b is ONE else a * b


def _both(reaches: Sequence[Reach]) -> Node | None:
    """A `least` of whichever of the two, and of their product."""
    a, b = (each.least for each in reaches)
    return None if a is None or b is None else _times(a, b)


def _sum(_: Node, reaches: Sequence[Reach]) -> Reach:
    a, b = reaches
    known = _both(reaches) is not None
    return Reach(a.most + b.most, (b.least if a.least is ZERO else a.least) if known else None)


def _difference(_: Node, reaches: Sequence[Reach]) -> Reach:
    a, b = reaches
    return Reach(a.most + b.most)


def _product(node: Node, reaches: Sequence[Reach]) -> Reach:
    a, b = reaches
    square = node.inputs[0] is node.inputs[1]
    return Reach(_times(a.most, b.most), ZERO if square else _both(reaches))


def _quotient(node: Node, reaches: Sequence[Reach]) -> Reach | None:
    a, b = reaches
    least = ZERO if _both(reaches) is not None else None
    divisor = node.inputs[1]
    if divisor.op.name == "broadcast" and divisor.inputs[0].rank == 0:
        value = _precise(divisor.inputs[0])
        return Reach(_times(a.most, 1.0 / (value * value) + 1.0), least)
    if b.least is None:
        return None
    # By 0 it is infinite, or not a number, and then it is no bound.
    return Reach(a.most / b.least + b.most, least)


def _root(_: Node, reaches: Sequence[Reach]) -> Reach | None:
    (a,) = reaches
    return None if a.least is None else a


def _maximum(_: Node, reaches: Sequence[Reach]) -> Reach:
    a, b = reaches
    return Reach(a.most + b.most, b.least if a.least in (None, ZERO) else a.least)


def _either(_: Node, reaches: Sequence[Reach]) -> Reach:
    a, b = reaches
    return Reach(a.most + b.most, _both(reaches))


def _total(node: Node, reaches: Sequence[Reach]) -> Reach | None:
    (a,) = reaches
    shape = node.inputs[0].shape
    count = product(tuple(shape[axis] for axis in node.attributes["axes"]))
    if not isinstance(count, int):
        return None
    least = None if a.least is None else ZERO
    return Reach(_times(a.most, constant(max(float(count), 1.0), "float64")), least)


RULES: Mapping[str, Rule] = {
    "neg": lambda _, reaches: Reach(reaches[0].most),
    "abs": lambda _, reaches: Reach(reaches[0].most, ZERO),
    "sign": lambda _, reaches: Reach(reaches[0].most),
    "sqrt": _root,
    "add": _sum,
    "subtract": _difference,
    "multiply": _product,
    "divide": _quotient,
    "maximum": _maximum,
    "minimum": _either,
    "where": _either,
    "sum": _total,
    **dict.fromkeys(
        ("broadcast", "reshape", "permute", "cast", "stop_gradient"), lambda _, r: r[0]
    ),
}
