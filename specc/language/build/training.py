"""`train` and `expect`: how a model is trained, and what is claimed of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specc.diagnostics import did_you_mean, fault
from specc.ir.model import (
    Data,
    From,
    Keep,
    Model,
    Patience,
    Train,
)
from specc.language import syntax
from specc.language.build.blocks import Block, plain_numbers, watched
from specc.language.build.dispatch import evaluate
from specc.language.build.models import globs
from specc.language.build.names import CLAUSES
from specc.language.build.optimizers import (
    optimizers,
    penalties,
    plateaus,
    schedule,
    try_updates,
)
from specc.language.build.shapes import static_int
from specc.language.build.values import Item, Value, describe


def _model(block: Block) -> Model | None:
    clauses = block.clauses("model")
    if clauses:
        found = block.one("model")
        assert found is not None
        expression = found[0]
        call = expression if isinstance(expression, syntax.Call) else None
        value = evaluate(block.frame, call.function if call else expression)
        if not isinstance(value, Item) or value.kind != "model":
            raise fault("M014", f"`model` names a model, not {describe(value)}", found[1])
        return block.models(value, call)
    items = [
        each
        for each in block.home.items.values()
        if isinstance(each, syntax.Definition) and each.kind == "model"
    ]
    if len(items) != 1:
        told = "no model" if not items else f"{len(items)} models"
        raise fault(
            "M015",
            f"the file has {told}: the train block says which to train",
            block.definition.at,
            help="`model Name`",
        )
    return block.models(Item(items[0], block.home), None)


def _data(block: Block) -> Data | None:
    found = block.one("data")
    if found is None:
        return None
    expression, span = found
    if isinstance(expression, syntax.Name) and expression.id in block.datas:
        return block.datas[expression.id]
    name = expression.span.text
    item = block.home.own(name) if isinstance(expression, syntax.Name) else None
    if isinstance(item, syntax.Definition) and item.kind == "data":
        from specc.language.build.values import Poisoned

        raise Poisoned  # its own faults are reported
    raise fault(
        "M014",
        f"`data` names a data block, and `{name}` is none",
        span,
        help=did_you_mean(name, block.datas),
    )


def _from(block: Block) -> From | None:
    for clause in block.clauses("from"):
        source: Value = None
        on: tuple[str, ...] = ()
        is_file = False
        for argument in clause.arguments:
            if argument.name == "on":
                on = globs(block.frame, argument.value)
            elif argument.name is not None or source is not None:
                raise fault(
                    "H002", "`from` takes a weight file or a train block, and `on`", argument.span
                )
            elif isinstance(argument.value, syntax.Name):
                source = argument.value.id
                if source not in block.earlier:
                    raise fault(
                        "M016",
                        f"no train block `{source}` stands above this one",
                        argument.span,
                        help=did_you_mean(source, block.earlier),
                    )
            else:
                source, is_file = evaluate(block.frame, argument.value), True
        if clause.on is not None:
            on = globs(block.frame, clause.on)
        if not isinstance(source, str):
            raise fault(
                "M014", "`from` takes a weight file in quotes or a train block's name", clause.span
            )
        return From(source, is_file, on, clause.span)
    return None


def _clip(block: Block) -> tuple[str, float] | None:
    for name, arguments, _, span in block.calls("clip"):
        if name not in ("norm", "value"):
            raise fault(
                "M014",
                f"gradients are clipped by `norm` or by `value`, not `{name}`",
                span,
                help=did_you_mean(name, ["norm", "value"]),
            )
        bound = plain_numbers(block, f"`clip {name}`", ["bound"], arguments, span, {})["bound"]
        if bound <= 0:
            raise fault("H004", "a bound is above 0", span)
        return name, float(bound)
    return None


def _stop(block: Block) -> Patience | None:
    for name, arguments, clause, span in block.calls("stop"):
        if name != "patience":
            raise fault("M014", f"`stop` takes `patience(metric, epochs)`, not `{name}`", span)
        metric, rest = watched(block, "`patience`", arguments, span)
        epochs = plain_numbers(block, "`patience`", ["epochs"], rest, span, {})["epochs"]
        return Patience(metric, static_int(epochs, span, "`epochs`"), clause.span)
    return None


def _keep(block: Block) -> Keep | None:
    for name, arguments, clause, span in block.calls("keep"):
        if name not in ("highest", "lowest"):
            raise fault(
                "M014",
                f"`keep` takes `highest(metric)` or `lowest(metric)`, not `{name}`",
                span,
                help=did_you_mean(name, ["highest", "lowest"]),
            )
        metric, rest = watched(block, f"`{name}`", arguments, span)
        if rest:
            raise fault("H003", f"`{name}` takes one metric", rest[0].span)
        return Keep(metric, name == "highest", clause.span)
    return None


def _freeze(block: Block) -> tuple[str, ...]:
    made: list[str] = []
    for clause in block.clauses("freeze"):
        for argument in clause.arguments:
            made += globs(block.frame, argument.value)
    return tuple(made)


_RULES: dict[str, Callable[[Block], Any]] = {
    "model": _model,
    "data": _data,
    "origin": _from,
    "optimizers": optimizers,
    "schedule": schedule,
    "plateaus": plateaus,
    "clip": _clip,
    "penalties": penalties,
    "freeze": _freeze,
    "batch": lambda block: block.number("batch", 1),
    "epochs": lambda block: block.number("epochs", 0),
    "steps": lambda block: block.number("steps", 0),
    "seed": lambda block: block.number("seed", 0) or 0,
    "stop": _stop,
    "keep": _keep,
}


def build_train(block: Block) -> Train | None:
    """The block whole, or None: its faults are reported."""
    frame = block.frame
    for statement in block.definition.body:
        with frame.statement():
            block.sort(statement)
    for keyword, (expression, span) in block.overrides.items():
        with frame.statement():
            if keyword not in CLAUSES:
                raise fault(
                    "H007",
                    f"a train block has no clause `{keyword}`",
                    span,
                    help=did_you_mean(keyword, CLAUSES),
                )
            argument = syntax.Argument(None, expression, span)
            clause = syntax.Clause(keyword, (argument,), span=span)
            block.found[keyword] = [clause]
            if keyword in ("epochs", "steps"):
                block.found.pop("steps" if keyword == "epochs" else "epochs", None)
    made: dict[str, Any] = {}
    for name, rule in _RULES.items():
        with frame.statement():
            made[name] = rule(block)
    if frame.failed or made.get("model") is None:
        return None
    train = Train(name=block.definition.name or "train", span=block.definition.at, **made)
    with frame.statement():
        try_updates(train)
    return None if frame.failed else train
