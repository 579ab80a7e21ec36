"""`expect`: claims about a run or a model, decided on its figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from specc.diagnostics import fault
from specc.ir.model import (
    Expect,
)
from specc.language import syntax
from specc.language.build.dispatch import evaluate
from specc.language.build.frame import Builder, Frame
from specc.language.build.library import Home
from specc.language.build.values import Value, describe, is_number
from specc.language.build.walk import rebuilt, walk


def build_expect(builder: Builder, home: Home, item: syntax.Expect) -> Expect | None:
    """A claim: which figures it reads, and whether they hold."""
    found = map(_dotted, walk(item.condition, into=lambda each: not _is_figure(_dotted(each))))
    names = list(filter(_is_figure, found))
    frame = Frame(builder, "expect", "expect", home, False)
    with frame.statement():
        if not names:
            raise fault(
                "M019",
                "a claim reads a figure of the run or the model",
                item.condition.span,
                expected="expect test.accuracy > 0.95, or expect parameters == 4_810",
            )

    def judged(claim: syntax.Expression, figures: Mapping[str, float]) -> bool:
        value = _figure(builder, home, claim, figures)
        if not isinstance(value, bool):
            raise fault(
                "M019",
                f"a claim is true or false, and this is {_kind(value)}",
                claim.span,
                expected="a comparison, as in `test.accuracy > 0.95`",
            )
        return value

    def holds(figures: Mapping[str, float]) -> bool:
        return judged(item.condition, figures)

    # unequal numbers that no claim means, so that a difference of two isn't 0
    stand_ins = {name: 0.6180339887 + place for place, name in enumerate(names)}
    for claim in _claims(item.condition) if names else ():
        with frame.statement():
            judged(claim, stand_ins)
    if frame.failed:
        return None
    return Expect(item.condition.span.text, tuple(dict.fromkeys(names)), holds, item.span)


def _claims(condition: syntax.Expression) -> Iterator[syntax.Expression]:
    """What `and`, `or` and `not` join: each is a claim by itself."""
    stack: list[syntax.Expression] = [condition]
    while stack:
        each = stack.pop()
        if isinstance(each, syntax.Binary) and each.operator in ("and", "or"):
            stack += [each.right, each.left]
        elif isinstance(each, syntax.Unary) and each.operator == "not":
            stack.append(each.operand)
        else:
            yield each


def _kind(value: Value) -> str:
    return "a number" if is_number(value) else describe(value)


def _dotted(expression: Any) -> str:
    if isinstance(expression, syntax.Name):
        return expression.id
    if isinstance(expression, syntax.Attribute):
        base = _dotted(expression.value)
        return f"{base}.{expression.name}" if base else ""
    return ""


def _is_figure(dotted: str) -> bool:
    return "." in dotted or dotted == "parameters"


def _figure(builder: Builder, home: Home, expression: Any, figures: Mapping[str, float]) -> Value:
    """Evaluates a claim with every dotted name replaced by its figure."""

    def figure(each: Any) -> Any:
        value = figures.get(_dotted(each))
        return None if value is None else syntax.Number(repr(value), value, each.span)

    frame = Frame(builder, "expect", "expect", home, False)
    return evaluate(frame, rebuilt(expression, figure))
