"""Scans of the standard library's cells as the operators that ONNX has for them. Runs nothing.

They show no gates and keep no states on the way, so they are for inference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from specc.backends.cells import Cell, cell_of
from specc.backends.onnx.builder import Builder
from specc.ir import Graph, Node


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator, and where its gates are among the spec's."""

    kind: str
    gates: tuple[int, ...]
    attributes: Mapping[str, int] = field(default_factory=dict[str, int])


operators = {
    "lstm": Operator("LSTM", (0, 3, 1, 2)),  # i, f, g, o → i, o, f, c
    "gru": Operator("GRU", (1, 0, 2), {"linear_before_reset": 1}),  # r, z, c → z, r, h
    "rnn_tanh": Operator("RNN", (0,)),
}


def layer_of(scan: Node, precision: str) -> Cell | None:
    """What an operator runs of a scan: onnxruntime has no kernel of these in float64."""
    body: Graph = scan.attributes["body"]
    cell = cell_of(scan, range(len(body.results)))
    return cell if cell and cell.kind in operators and precision == "float32" else None


def layer(b: Builder, node: Node, cell: Cell) -> tuple[str, ...]:
    """The last states and, where the scan gives them, the outputs of every step."""
    body: Graph = node.attributes["body"]
    operator, states = operators[cell.kind], len(cell.states)
    weights = [_ordered(b, each, operator) for each in cell.weights]
    biases = b("Unsqueeze", b("Concat", *weights[2:], axis=0), b.ints(0)) if weights[2:] else ""
    made = b.several(
        operator.kind,
        1 + states,
        b.value(cell.x),
        *(b("Unsqueeze", each, b.ints(0)) for each in weights[:2]),
        biases,
        "",  # every row is as long as the others
        *(b("Unsqueeze", b.value(each), b.ints(0)) for each in cell.states),
        hidden_size=body.results[0].shape[-1],
        direction="reverse" if cell.reverse else "forward",
        **operator.attributes,
    )
    outputs = [b("Squeeze", made[0], b.ints(1))] * (len(body.results) - states)
    return (*(b("Squeeze", each, b.ints(0)) for each in made[1:]), *outputs)


def _ordered(b: Builder, weight: Node, operator: Operator) -> str:
    """A weight with its gates where the operator has them."""
    count = len(operator.gates)
    if count == 1:
        return b.value(weight)
    parts = b.several("Split", count, b.value(weight), axis=0, num_outputs=count)
    return b("Concat", *(parts[gate] for gate in operator.gates), axis=0)
