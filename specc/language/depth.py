"""How deep a file nests, so that no later stage meets more than Python's recursion can bear.

Runs only over files in which the layout saw long statements or deep brackets. Is iterative itself.
"""

from __future__ import annotations

from typing import cast

from specc import limits
from specc.diagnostics import Diagnostic, Report, Source, Span, labels
from specc.language.layout import Tokens
from specc.language.node import Node
from specc.language.syntax import Argument, Expression, Module, Slice

CLOSING = {")": "(", "]": "[", "}": "{"}


def nested_too_deeply(source: Source, tokens: Tokens, report: Report) -> bool:
    """Whether brackets and blocks nest beyond the limit; reports the first that does."""
    limit = limits.NESTING
    open_places: list[tuple[int, int]] = []  # how deep it counts, where
    depth = chained = 0  # an `else if` is within its `if`
    previous = ""
    for kind, start in zip(tokens.kinds, tokens.starts, strict=True):
        if kind in CLOSING.values():
            cost = 1 + (chained if kind == "{" else 0)
            chained = 0
            depth += cost
            open_places.append((cost, start))
            if depth > limit.value:
                outermost = open_places[0][1]
                places = labels(
                    (Span(source, start, start + 1), f"level {depth}"),
                    (Span(source, outermost, outermost + 1), "level 1"),
                )
                message = f"nested too deeply: {depth} levels; the limit is {limit.value}"
                help = "give an inner part a name, or put it into a function or layer of its own"
                report.add(Diagnostic(limit.code, message, places, help=help))
                return True
        elif kind in CLOSING and open_places:
            cost = open_places.pop()[0]
            depth -= cost
            chained = cost if kind == "}" else 0
        elif not (kind == "else" and previous == "}") and kind == "NEWLINE":
            chained = 0
        previous = kind
    return False


def grown_too_deep(module: Module, report: Report) -> None:
    """Reports each statement in which operators and applications nest beyond the limit."""
    limit = limits.EXPRESSION
    waiting: list[tuple[Node, int, Span]] = [(module, 0, module.span)]
    while waiting:
        node, depth, place = waiting.pop()
        if isinstance(node, Expression | Argument | Slice):
            if depth == 0:
                place = node.span
            depth += 1
        else:
            depth = 0
        if depth > limit.value:
            message = f"an expression of more than {limit.value} parts within one another"
            help = "give a part of it a name, or use `repeat` or `sum`"
            report.add(Diagnostic(limit.code, message, labels(place), help=help))
            return
        for name in type(node).__match_args__:
            value = getattr(node, name)
            if isinstance(value, Node):
                waiting.append((value, depth, place))
            elif isinstance(value, tuple):
                parts = cast("tuple[object, ...]", value)
                waiting += [(each, depth, place) for each in parts if isinstance(each, Node)]
