"""Scans of the standard library's cells that libraries have as one function. Writes neither."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from specc.ir import Graph, Node

KINDS = {"RNNCell": "rnn", "GRUCell": "gru", "LSTMCell": "lstm"}
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")  # what its parameters' names begin with


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell stepped from first to last, or the other way; `weights` has both biases or none."""

    kind: str  # "rnn_tanh", "rnn_relu", "gru" or "lstm"
    states: tuple[Node, ...]  # (batch, n) each
    x: Node  # (time, batch, features)
    weights: tuple[Node, ...]
    reverse: bool


def cell_of(scan: Node, read: Collection[int]) -> Cell | None:
    """The cell of a scan of which these results are read, if it is one that libraries have.

    They do not tell the states before each step, and torch's have no bias on one side alone. A scan
    with lengths has a body of its own.
    """
    body: Graph = scan.attributes["body"]
    states: int = scan.attributes["states"]
    definition = body.definition
    if not isinstance(definition, tuple) or definition[0] != "std" or definition[1] not in KINDS:
        return None
    if any(at > states for at in read):
        return None
    if any(each is not body.results[0] for each in body.results[states : states + 1]):
        return None
    kind = KINDS[definition[1]]
    if kind == "rnn":
        act = _activation(body.results[0])
        if act is None:
            return None
        kind = f"rnn_{act}"
    found = dict[str, Node]()
    for own, given in list(zip(body.inputs, scan.inputs, strict=True))[states + 1 :]:
        name = next((n for n in WEIGHTS if own.attributes["name"].startswith(n)), "")
        found[name] = given
    if found.keys() not in ({*WEIGHTS}, {*WEIGHTS[:2]}):
        return None
    weights = tuple(found[name] for name in WEIGHTS if name in found)
    reverse: bool = scan.attributes["reverse"]
    return Cell(kind, scan.inputs[:states], scan.inputs[states], weights, reverse)


def _activation(result: Node) -> str | None:
    if result.op.name == "tanh":
        return "tanh"
    if result.op.name == "call" and result.attributes["body"].definition == ("std", "relu"):
        return "relu"
    return None
