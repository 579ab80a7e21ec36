"""Rounding made visible: every result of arithmetic, moved by one unit in the last place or not.

    y = a + b  →  y · (1 ± u), element by element, by random signs

(Vignes 1974, the CESTAC method.) Knows no precision but the unit that it is given.
"""

from __future__ import annotations

from specc.ir import Graph, Node, constant, emit
from specc.ir.graph import replace, rewrite

ROUNDED = frozenset({
    "exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tanh", "sigmoid", "erf", "add",
    "subtract", "multiply", "divide", "power", "sum", "cumulative_sum", "matmul", "overlap_add",
    "add_at", "add_along",
})  # fmt: skip
PURPOSE = 3  # a stream of random bits of its own
FLOATS = ("float", "float64")


def shake(graph: Graph, unit: float, seed: int) -> Graph:
    """A graph without calls whose results are rounded otherwise; the seed chooses how."""
    key = emit("constant", value=(seed, 0), dtype="int")
    count = 0

    def shaken(node: Node, inputs: tuple[Node, ...]) -> Node:
        nonlocal count
        made = replace(node, inputs)
        if node.op.name not in ROUNDED or node.dtype not in FLOATS:
            return made
        count += 1
        bits = emit(
            "random_bits", key, constant(count, "int"), bits=16, shape=node.shape, purpose=PURPOSE
        )
        up = emit("less", bits, constant(2**15, "int", node.shape))
        return emit("where", up, made * (1 + unit), made * (1 - unit))

    return rewrite(graph, shaken)
