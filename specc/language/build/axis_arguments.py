"""Axis arguments: a name, a number, a list or `...`, told as numbers of one tensor's axes."""

from __future__ import annotations

from typing import Any

from specc.diagnostics import Span, did_you_mean, fault
from specc.language import syntax
from specc.language.build.arguments import Given
from specc.language.build.dispatch import evaluate
from specc.language.build.frame import Frame
from specc.language.build.tensors import lift
from specc.language.build.values import ALL, Either, Label, Spread, Tensor, Value, describe, is_list


def axis_argument(frame: Frame, argument: Given, of: Value) -> Value:
    """`axis = time`, `axis = -1`, `axis = [batch, ...]`: positions, each in 0 .. rank - 1."""
    if is_list(of) and of:
        of = of[0]
    if not isinstance(of, Tensor):
        of = lift(0.0 if of is None else of, argument.span)
    expression = argument.expression
    if expression is None:
        return numbers(argument.value, of, argument.span)
    if isinstance(expression, syntax.List):
        places: list[int] = []
        for item in expression.items:
            if isinstance(item, syntax.Ellipsis):
                places += _spread(frame, of, item.span)
            else:
                place = _one(frame, item, of)
                places += place if is_list(place) else [place]
        return _distinct(places, argument.span)
    return _one(frame, expression, of)


def _one(frame: Frame, expression: syntax.Expression, of: Tensor) -> Any:
    if isinstance(expression, syntax.Name) and not expression.primed:
        name = expression.id
        held = [place for place, label in enumerate(of.labels) if label == name]
        if len(held) > 1:
            raise fault(
                "T007",
                f"two axes of {of} are called `{name}`",
                expression.span,
                help="say its number",
            )
        if held:
            return held[0]
        value = frame.values.get(name)
        if value is None and name == "all" and name not in frame.values:
            return ALL
        is_axis = name in frame.axes.bound and not (isinstance(value, (int, list)) or value is ALL)
        if is_axis or (value is None and name not in frame.values):
            names = [each for each in of.labels if isinstance(each, str)]
            raise fault(
                "T007",
                f"{of} has no axis `{name}`",
                (expression.span, "asked here"),
                expected=" or ".join(f"`{each}`" for each in names) or "a number",
                help=did_you_mean(name, names),
            )
    return numbers(evaluate(frame, expression), of, expression.span)


def numbers(value: Value, of: Tensor, span: Span) -> Any:
    """Positions from 0; negative ones count from the end."""
    if value is ALL or value is None:
        return value
    if is_list(value):
        items: list[Value] = value
        return _distinct([numbers(each, of, span) for each in items], span)
    if isinstance(value, bool) or not isinstance(value, int):
        raise fault(
            "T007",
            f"an axis argument is a name, a number or a list, not {describe(value)}",
            (span, describe(value)),
        )
    if not -of.rank <= value < of.rank:
        raise fault(
            "T007",
            f"the axis {value} lies outside {of}",
            span,
            expected=f"-{of.rank} to {of.rank - 1}" if of.rank else "no axis: it is a scalar",
            found=str(value),
        )
    return value % of.rank


def _distinct(places: list[int], span: Span) -> list[int]:
    if len(set(places)) != len(places):
        raise fault("T007", "an axis is named twice", span)
    return places


def _spread(frame: Frame, of: Tensor, span: Span) -> list[int]:
    """The axes that came in through `...`."""

    def spreads(label: Label) -> bool:
        return isinstance(label, (Spread, Either))

    places = [place for place, label in enumerate(of.labels) if spreads(label)]
    if not places and frame.axes.spread is None:
        raise fault("T007", "`...` stands for nothing here", span)
    return places
