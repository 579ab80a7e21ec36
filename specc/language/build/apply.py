"""Application: what a call and a pipeline's stage come to, by what is called."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from specc.diagnostics import Span, SpecError, fault
from specc.ir import Graph, Output
from specc.language import syntax
from specc.language.build.arguments import Given, given
from specc.language.build.dispatch import evaluate
from specc.language.build.frame import Frame
from specc.language.build.functions import FUNCTIONS, apply_function
from specc.language.build.layers import apply_layer, build_layer
from specc.language.build.values import (
    Instance,
    Item,
    Native,
    ScopeName,
    Tensor,
    Value,
    describe,
)

OWNERS = ("layer", "cell", "model")


# ── calls and pipelines ──────────────────────────────────────────────────────────────────────────
def call(frame: Frame, expression: syntax.Call, naming: str | None) -> Value:
    callee = evaluate(frame, expression.function, naming)
    return apply(frame, callee, given(expression.arguments), expression.span, naming)


def apply(
    frame: Frame, callee: Value, arguments: list[Given], span: Span, naming: str | None = None
) -> Value:
    """callee(arguments): a function's result, a layer built, or a built layer's result."""
    if isinstance(callee, Item):
        if callee.kind in FUNCTIONS:
            return apply_function(frame, callee, arguments, span)
        if callee.kind in OWNERS:
            return build_layer(frame, callee, arguments, span, naming)
        raise fault(
            "H005",
            f"the {callee.kind} `{callee.name}` is not applied here",
            span,
            help=_place_of(callee.kind),
        )
    if isinstance(callee, Instance):
        return apply_layer(frame, callee, arguments, span)
    if isinstance(callee, Native):
        return callee.apply(frame, arguments, span)
    raise fault(
        "H005",
        f"{describe(callee)} can't be called",
        span,
        help="write `*` to multiply" if isinstance(callee, (int, float)) else "",
    )


def _place_of(kind: str) -> str:
    return (
        "an optimizer stands in a `train` block: `optimizer adam(lr = 1e-3)`"
        if kind == "optimizer"
        else ""
    )


def apply_stage(frame: Frame, value: Value, at: Span, pipe: syntax.Pipe) -> Value:
    """x -> stage: the value is the stage's first argument; a layer is built and applied."""
    naming = scope_text(frame, pipe.scope) if pipe.scope else None
    stage = pipe.stage
    piped = Given(None, at, value=value)
    if isinstance(stage, syntax.Call):
        callee = evaluate(frame, stage.function, naming)
        arguments = given(stage.arguments)
    else:
        callee = evaluate(frame, stage, naming)
        arguments = []
    if isinstance(callee, Item) and callee.kind in OWNERS:
        built = build_layer(frame, callee, arguments, stage.span, naming)
        result = apply_layer(frame, built, [piped], stage.span)
    elif isinstance(callee, Native) and callee.name == "scan":
        if pipe.scope and arguments:
            arguments[0] = _named_cell(frame, arguments[0], naming, pipe.scope)
        result = apply(frame, callee, [*arguments[:1], piped, *arguments[1:]], stage.span)
    else:
        if pipe.scope and not (isinstance(callee, Instance) and isinstance(stage, syntax.Call)):
            raise _names_nothing(pipe.scope)
        result = apply(frame, callee, [piped, *arguments], stage.span)
    return result


def _named_cell(frame: Frame, argument: Given, naming: str | None, scope: syntax.Scope) -> Given:
    """The cell of `xs -> scan(Cell(...)) as name`, built under that name."""
    if argument.expression is None or argument.name is not None:
        return argument
    cell = evaluate(frame, argument.expression, naming)
    if isinstance(cell, Item) and cell.kind == "cell":
        cell = build_layer(frame, cell, [], argument.span, naming)
    elif not isinstance(argument.expression, syntax.Call):
        raise _names_nothing(scope)
    return replace(argument, expression=None, value=cell)


def _names_nothing(scope: syntax.Scope) -> SpecError:
    return fault(
        "N008",
        "`as` names a layer that is built in this stage",
        scope.span,
        help="bind a value with `name = ...`",
    )


def scope_text(frame: Frame, scope: syntax.Scope) -> str:
    """The path that `as` names, with a template's holes filled; its first word can be looked up."""
    text = scope.text
    if scope.template:
        pieces: list[str] = []
        rest = text
        for hole in scope.holes:
            before, _, rest = rest.partition("{")
            _, _, rest = rest.partition("}")
            value = evaluate(frame, hole)
            if isinstance(value, bool) or not isinstance(value, (int, str)):
                raise fault(
                    "N008",
                    f"a name is made of words and whole numbers, not {describe(value)}",
                    (hole.span, describe(value)),
                )
            pieces += [before, str(value)]
        text = "".join([*pieces, rest])
    if text and not all(part.isidentifier() or part.isdigit() for part in text.split(".")):
        raise fault(
            "N008",
            f"`{text}` is no path of names",
            scope.span,
            expected="words and whole numbers with dots between",
        )
    if text:
        first = text.split(".")[0]
        frame.values[f"{first} scope"] = ScopeName(frame.prefix + first)
    return text


def as_graph(name: str, frame: Frame, value: Tensor, definition: Any = None) -> Graph:
    """A closed graph of one value, over what the frame asked for."""
    body = frame.finish([value], definition)
    return replace(body.graph, name=name, outputs=(Output(name, "result", value.node),))
