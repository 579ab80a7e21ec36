"""`expect`: claims about a run or a model, decided on its figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from specc.diagnostics import Span, fault
from specc.ir.model import (
    Expect,
)
from specc.language import syntax
from specc.language.build.dispatch import evaluate
from specc.language.build.frame import Builder, Frame
from specc.language.build.library import Home
from specc.language.build.values import Value, describe


def build_expect(builder: Builder, home: Home, item: syntax.Expect) -> Expect | None:
    """A claim: which figures it reads, and whether they hold."""
    names: list[str] = []
    frame = Frame(builder, "expect", "expect", home, False)

    def collect(expression: Any) -> None:
        stack: list[Any] = [expression]
        while stack:
            each = stack.pop()
            dotted = _dotted(each)
            if dotted and ("." in dotted or dotted == "parameters"):
                names.append(dotted)
                continue
            if isinstance(each, tuple):
                stack.extend(reversed(each))  # type: ignore[arg-type]
            elif hasattr(each, "__slots__") and not isinstance(each, Span):
                stack.extend(getattr(each, slot) for slot in reversed(each.__slots__))

    collect(item.condition)
    with frame.statement():
        if not names:
            raise fault(
                "M019",
                "a claim reads a figure of the run or the model",
                item.condition.span,
                expected="expect test.accuracy > 0.95, or expect parameters == 4_810",
            )

    def holds(figures: Mapping[str, float]) -> bool:
        value = _figure(builder, home, item.condition, figures)
        if not isinstance(value, bool):
            raise fault(
                "M019",
                f"a claim is true or false, and this is {describe(value)}",
                item.condition.span,
                expected="a comparison",
            )
        return value

    with frame.statement():
        holds(dict.fromkeys(names, 1.0))
    if frame.failed:
        return None
    return Expect(item.condition.span.text, tuple(dict.fromkeys(names)), holds, item.span)


def _dotted(expression: Any) -> str:
    if isinstance(expression, syntax.Name):
        return expression.id
    if isinstance(expression, syntax.Attribute):
        base = _dotted(expression.value)
        return f"{base}.{expression.name}" if base else ""
    return ""


def _figure(builder: Builder, home: Home, expression: Any, figures: Mapping[str, float]) -> Value:
    """Evaluates a claim with every dotted name replaced by its figure."""

    def replaced(each: Any) -> Any:
        dotted = _dotted(each)
        if dotted in figures:
            value = figures[dotted]
            return syntax.Number(repr(value), value, each.span)
        if isinstance(each, tuple):
            return tuple(map(replaced, each))  # type: ignore[arg-type]
        if isinstance(each, syntax.Binary):
            return syntax.Binary(
                each.operator, replaced(each.left), replaced(each.right), each.span, each.at
            )
        if isinstance(each, syntax.Unary):
            return syntax.Unary(each.operator, replaced(each.operand), each.span)
        if isinstance(each, syntax.Call):
            return syntax.Call(each.function, replaced(each.arguments), each.span)
        if isinstance(each, syntax.Argument):
            return syntax.Argument(each.name, replaced(each.value), each.span)
        return each

    frame = Frame(builder, "expect", "expect", home, False)
    return evaluate(frame, replaced(expression))
