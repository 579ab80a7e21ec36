"""What a value may hold, as far as the operations before it tell. Knows no number of a run."""

from __future__ import annotations

import math
from typing import Any

from specc.ir import Graph, Node, Tuple

# Never -inf, whatever finite numbers they are made of.
BOUNDED = frozenset({"matmul", "exp", "tanh", "sigmoid", "sin", "cos", "erf", "sqrt", "abs"})


def may_be_minus_infinity(node: Node) -> bool:
    """Whether -inf could be meant among its elements: by a constant, a logarithm, or an input.

    Overflow isn't looked for: it is a fault that no operator hides.
    """
    outside: dict[Node, Any] = {}  # of no body: its inputs are unknown
    open_: list[tuple[Node, dict[Node, Any]]] = [(node, outside)]
    seen: set[tuple[int, int]] = set()
    kept: list[dict[Node, Any]] = []  # so that ids stay their own
    while open_:
        each, bound = open_.pop()
        if (id(each), id(bound)) in seen:
            continue
        seen.add((id(each), id(bound)))
        name = each.op.name
        if name in BOUNDED or (not isinstance(each.type, Tuple) and each.dtype in ("int", "bool")):
            continue
        if name == "log" or (name == "constant" and _holds(each.attributes["value"])):
            return True
        if name == "pad" and each.attributes["value"] == -math.inf:
            return True
        if name == "input":
            if each in bound:
                open_.append(bound[each])
            elif each.attributes["role"] not in ("parameter", "state"):
                return True
        elif name in ("call", "item"):
            call = each if name == "call" else each.inputs[0]
            if call.op.name != "call":
                return True
            body: Graph = call.attributes["body"]
            inner = {i: (o, bound) for i, o in zip(body.inputs, call.inputs, strict=True)}
            kept.append(inner)
            place = each.attributes["index"] if name == "item" else 0
            open_.append((body.results[place], inner))
        else:
            open_ += [(source, bound) for source in each.inputs]
    return False


def _holds(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(map(_holds, value))
    return value == -math.inf
