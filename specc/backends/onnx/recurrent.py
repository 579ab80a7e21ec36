"""Scans of the standard library's cells as the operators that ONNX has for them. Runs nothing.

They show no gates and keep no states on the way, so they are for inference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from specc.backends.entrance import array_dtype
from specc.backends.onnx.builder import Builder
from specc.ir import Graph, Node


@dataclass(frozen=True, slots=True)
class Cell:
    """An operator, how many states it has, and where its gates are among the spec's."""

    kind: str
    states: int
    gates: tuple[int, ...]
    attributes: Mapping[str, int]

    def runs(self, node: Node) -> bool:
        """Whether the scan is a layer's: over x alone, giving nothing but states."""
        body: Graph = node.attributes["body"]
        return (
            (node.attributes["states"], node.attributes["scanned"]) == (self.states, 1)
            and _names(body)[self.states] == "x"
            and all(each is body.results[0] for each in body.results[self.states :])
            and all(each.dtype == "float" for each in node.inputs)
        )

    def lower(self, b: Builder, node: Node) -> tuple[str, ...]:
        body: Graph = node.attributes["body"]
        given = dict(zip(_names(body), b.values(node), strict=True))
        first = [b("Unsqueeze", given[name], b.ints(0)) for name in ("h", "c")[: self.states]]
        weights = [self._weight(b, given[name]) for name in ("weight_ih", "weight_hh")]
        n = body.results[0].shape[-1]
        assert isinstance(n, int)
        made = b.several(
            self.kind,
            1 + self.states,
            given["x"],
            *weights,
            self._biases(b, given, n),
            "",  # every row is as long as the others
            *first,
            hidden_size=n,
            direction="reverse" if node.attributes["reverse"] else "forward",
            **self.attributes,
        )
        y = b("Squeeze", made[0], b.ints(1))
        last = [b("Squeeze", each, b.ints(0)) for each in made[1:]]
        return (*last, *[y] * (len(body.results) - self.states))

    def _weight(self, b: Builder, value: str) -> str:
        return b("Unsqueeze", self._ordered(b, value), b.ints(0))

    def _biases(self, b: Builder, given: Mapping[str, str], n: int) -> str:
        none = np.zeros(n * len(self.gates), array_dtype("float", b.precision))
        parts = [
            self._ordered(b, given[name]) if name in given else b.constant(none)
            for name in ("bias_ih", "bias_hh")
        ]
        return b("Unsqueeze", b("Concat", *parts, axis=0), b.ints(0))

    def _ordered(self, b: Builder, value: str) -> str:
        count = len(self.gates)
        parts = b.several("Split", count, value, axis=0, num_outputs=count)
        return b("Concat", *(parts[gate] for gate in self.gates), axis=0)


def _names(body: Graph) -> list[str]:
    """The cell's own names of its inputs, without the tag that parameters' names end in."""
    tag = str(body.hypers["tag"])
    return [each.attributes["name"].removesuffix(tag) for each in body.inputs]


cells = {
    ("std", "LSTMCell"): Cell("LSTM", 2, (0, 3, 1, 2), {}),  # i, f, g, o → i, o, f, c
    ("std", "GRUCell"): Cell("GRU", 1, (1, 0, 2), {"linear_before_reset": 1}),  # r, z, c → z, r, h
}


def cell_of(node: Node, precision: str) -> Cell | None:
    """What runs a scan, if an operator does: onnxruntime has no kernel of these in float64."""
    body: Graph = node.attributes["body"]
    cell = cells.get(body.definition)
    return cell if cell and precision == "float32" and cell.runs(node) else None
