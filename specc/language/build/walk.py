"""A look at all that an expression holds. Evaluates nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from specc.language import syntax
from specc.language.build.values import is_tuple
from specc.language.node import Node


def parts(each: Any) -> tuple[Any, ...]:
    """What a part of the tree is made of, in reading order."""
    if isinstance(each, Node):
        return tuple(getattr(each, name) for name in each.__match_args__)
    return each if is_tuple(each) else ()


def walk(expression: Any, into: Callable[[Any], bool] = lambda each: True) -> Iterator[Any]:
    """The expression and every part of it, in reading order; past those that `into` refuses."""
    stack: list[Any] = [expression]
    while stack:
        each = stack.pop()
        yield each
        if into(each):
            stack += reversed(parts(each))


def rebuilt(each: Any, rule: Callable[[Any], Any]) -> Any:
    """The tree with each part replaced by `rule(part)` where that isn't None."""
    new = rule(each)
    if new is not None:
        return new
    if isinstance(each, Node):
        return type(each)(*(rebuilt(part, rule) for part in parts(each)))
    if isinstance(each, tuple):
        return tuple(rebuilt(part, rule) for part in parts(each))
    return each


def free_names(expression: Any) -> list[str]:
    """The words that an expression reads, in order."""
    return [each.id for each in walk(expression) if isinstance(each, syntax.Name)]
