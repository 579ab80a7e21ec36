"""Definitions of the standard library that ONNX has an operator for: a row each.

A row is chosen by the definition's identity, never by its name alone, and only where the operator
means the same in this precision; everything else is expanded to primitives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from specc.backends.onnx.builder import Lowering
from specc.ir import Node


@dataclass(frozen=True, slots=True)
class Composite:
    """How a call is written, where `fits` (precision, opset and call) says that it may be."""

    lower: Lowering
    fits: Callable[[str, int, Node], bool]


composites: dict[Any, Composite] = {}


def can_run(precision: str, opset: int) -> Callable[[Node], bool]:
    """Which calls stay calls, as `expand` asks it."""

    def keeps(node: Node) -> bool:
        row = composites.get(node.attributes["body"].definition)
        return row is not None and row.fits(precision, opset, node)

    return keeps


def lowering_of(node: Node, precision: str, opset: int) -> Lowering:
    body = node.attributes["body"]
    row = composites[body.definition]
    assert row.fits(precision, opset, node), f"{body} should have been expanded"
    return row.lower
