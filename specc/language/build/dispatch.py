"""One table from a syntax class to the rule that builds it. The rules live beside this."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from specc.language.build.values import POISON, Poisoned, Value

if TYPE_CHECKING:
    from specc.language.build.frame import Frame

Rule = Callable[["Frame", Any, "str | None"], Value]
_rules: dict[type, Rule] = {}


def rule(of: type) -> Callable[[Rule], Rule]:
    """Registers how a syntax class is built: rule(frame, expression, naming)."""

    def register(function: Rule) -> Rule:
        _rules[of] = function
        return function

    return register


def evaluate(frame: Frame, expression: Any, naming: str | None = None) -> Value:
    """An expression's value. `naming` is what a layer built at its top is called."""
    value = _rules[type(expression)](frame, expression, naming)
    if value is POISON:
        raise Poisoned
    return value
