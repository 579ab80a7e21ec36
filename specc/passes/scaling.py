"""Factors that are small, gathered: equal to rounding. Adam's update has fewer passes by them."""

from __future__ import annotations

from collections.abc import Mapping

from specc.ir import Node
from specc.ops.rules import broadcast
from specc.passes.rules import Rule, is_, source_if


def scaled(node: Node) -> tuple[Node, Node] | None:
    """(x, c) of x · broadcast(c)."""
    if not is_(node, "multiply") or node.dtype != "float":
        return None
    for x, scale in (node.inputs, node.inputs[::-1]):
        if is_(scale, "broadcast") and not is_(x, "broadcast"):
            return x, scale.inputs[0]
    return None


def scaled_twice(node: Node) -> Node | None:
    """(x a) b → x (a b), with a and b small"""
    outer = scaled(node)
    inner = None if outer is None else scaled(outer[0])
    if outer is None or inner is None:
        return None
    (_, b), (x, a) = outer, inner
    if a.rank and b.rank and a.shape != b.shape:
        return None
    shape = a.shape or b.shape
    return x * broadcast(broadcast(a, shape) * broadcast(b, shape), node.shape)


def scaled_neg(node: Node) -> Node | None:
    """-(x a) → x (-a)"""
    found = scaled(node.inputs[0])
    return None if found is None else found[0] * broadcast(-found[1], node.shape)


def divided_twice(node: Node) -> Node | None:
    """x / (y / a + b) → (x a) / (y + a b), with a and b numbers: Adam's step divides once"""
    x, root = node.inputs
    if node.dtype != "float" or not is_(root, "add"):
        return None
    inner, bias = root.inputs
    if not is_(inner, "divide"):
        inner, bias = bias, inner
    b = number(bias)
    a = number(inner.inputs[1]) if is_(inner, "divide") else None
    if a is None or b is None:
        return None
    y = inner.inputs[0]
    return x * broadcast(a, node.shape) / (y + broadcast(a * b, node.shape))


def scaled_divided(node: Node) -> Node | None:
    """x a / y → x / y a, with a number: Adam's step then needs memory for y alone"""
    x, y = node.inputs
    found = scaled(x)
    if found is None or found[1].rank or is_(y, "broadcast"):
        return None
    return found[0] / y * broadcast(found[1], node.shape)


def number(node: Node) -> Node | None:
    """The number that the node repeats."""
    source = source_if(node, "broadcast")
    return source if source is not None and not source.rank else None


GATHERED: Mapping[str, tuple[Rule, ...]] = {
    "multiply": (scaled_twice,),
    "neg": (scaled_neg,),
    "divide": (divided_twice,),
}
