"""Statements of a body, in order: bindings, declarations, states, repetition, decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from specc.diagnostics import Label, Span, fault
from specc.ir import Origin, origin
from specc.language import syntax
from specc.language.build.arguments import check_hyper
from specc.language.build.declarations import apply_init, assign_state, declare
from specc.language.build.dispatch import evaluate
from specc.language.build.frame import Frame
from specc.language.build.names import keyword_at, no_place
from specc.language.build.shapes import TENSOR_DTYPES, declared_type, match
from specc.language.build.tensors import broadcast, cast, lift
from specc.language.build.values import (
    POISON,
    Instance,
    Item,
    Poisoned,
    ScopeName,
    Several,
    Tensor,
    Value,
    describe,
)
from specc.language.build.walk import walk


def run(frame: Frame, statements: Sequence[syntax.Statement]) -> None:
    """Every statement up to the return; a fault in one doesn't keep the others from being read."""
    for statement in statements:
        if frame.returned is not None:
            if isinstance(statement, (syntax.Remark, syntax.Gradient)):
                if isinstance(statement, syntax.Gradient):
                    frame.gradients.append(statement)
                continue
            with frame.statement():
                raise fault("M006", "nothing after `return` is reached", statement.span)
            return
        if isinstance(statement, syntax.Binding):
            bind(frame, statement)
        elif isinstance(statement, syntax.Declaration):
            for entry in statement.entries:
                declare(frame, statement.kind, entry)
        elif isinstance(statement, syntax.If):
            decide(frame, statement)
        elif isinstance(statement, syntax.Repeat):
            repeat(frame, statement)
        elif isinstance(statement, syntax.Return):
            give(frame, statement)
        elif isinstance(statement, syntax.Gradient):
            with frame.statement():
                if frame.kind in ("model", "layer", "cell", "optimizer", "metric"):
                    raise no_place("gradient", frame.kind, statement.span)
            frame.gradients.append(statement)
        elif isinstance(statement, syntax.Clause):
            with frame.statement():
                clause(frame, statement)


def _skips(frame: Frame) -> bool:
    """A model used as a layer computes its outputs only: what needs its targets is left out."""
    return frame.kind == "model" and frame.root is None


# ── bindings ─────────────────────────────────────────────────────────────────────────────────────
def bind(frame: Frame, statement: syntax.Binding) -> None:
    done = False
    with frame.statement():
        try:
            _bind(frame, statement)
            done = True
        except Poisoned:
            if not _skips(frame):
                raise
    if not done:
        poison(frame, statement)


def poison(frame: Frame, parts: Any) -> None:
    """What a faulty statement would have bound is unknown: that is no fault where it is used."""
    for part in walk(parts):
        if isinstance(part, syntax.Target):
            name = f"{part.name}'" if part.primed else part.name
            if not part.primed or name not in frame.values:
                frame.values[name] = POISON
        elif isinstance(part, syntax.Declaration):
            for entry in part.entries:
                frame.values.setdefault(entry.name, POISON)
                if part.kind == "state" and entry.name not in frame.state_paths:
                    frame.broken.add(entry.name)
        elif isinstance(part, syntax.Pipe) and part.scope is not None:
            first = part.scope.text.split(".")[0]
            frame.values.setdefault(f"{first} scope", POISON)


def _bind(frame: Frame, statement: syntax.Binding) -> None:
    targets = statement.targets
    if len(targets) == 1:
        target = targets[0]
        naming = None if target.primed else target.name
        if target.type is not None:
            value = typed(frame, target, statement.value)
        else:
            with origin(Origin(statement.span, target.name)):
                value = evaluate(frame, statement.value, naming)
        if isinstance(value, Several):
            raise fault(
                "M007",
                f"this gives {len(value.values)} results, and one name takes them",
                (statement.value.span, describe(value)),
                help="name each: `a, b = ...`",
            )
        _put(frame, target, value)
        return
    value = evaluate(frame, statement.value)
    items = value.values if isinstance(value, Several) else value
    if not isinstance(items, (tuple, list)):
        raise fault(
            "M007",
            f"this gives one result, and {len(targets)} names wait",
            (statement.value.span, describe(value)),
        )
    elements: list[Value] = [*items]
    if len(elements) != len(targets):
        raise fault(
            "M007",
            f"this gives {len(elements)} results, and {len(targets)} names wait",
            (statement.value.span, describe(value)),
        )
    for target, each in zip(targets, elements, strict=True):
        if target.type is not None and isinstance(each, Tensor):
            each = match(frame, target.type, each, statement.value.span, f"`{target.name}`")
            frame.axes.settle()
        _put(frame, target, each)


def _put(frame: Frame, target: syntax.Target, value: Value) -> None:
    if target.primed:
        assign_state(frame, target.name, value, target.span)
        return
    kind = "state" if target.name in frame.state_paths else "parameter"
    if target.name in frame.state_paths or target.name in frame.own_parameters:
        raise fault(
            "N005",
            f"`{target.name}` is declared as a {kind}",
            (target.span, "bound here"),
            (frame.places[target.name], "declared here"),
            help=f"its next value is `{target.name}'`" if target.name in frame.state_paths else "",
        )
    frame.values[target.name] = value
    if isinstance(value, Instance):
        frame.values[f"{target.name} scope"] = ScopeName(value.path)


def typed(frame: Frame, target: syntax.Target, expression: syntax.Expression) -> Value:
    """`scores: float[batch, query, key] = ...` asserts and names axes; an init is told them."""
    type = target.type
    assert type is not None
    if type.axes is None or type.listed or type.name not in TENSOR_DTYPES:
        value = evaluate(frame, expression, target.name)
        return check_hyper(frame, type, value, expression.span, f"`{target.name}`")
    outer = frame.asked
    if _names_known(frame, type):
        frame.asked = declared_type(frame, type, f"`{target.name}`")
    else:
        frame.asked = None
    try:
        with origin(Origin(expression.span, target.name)):
            value = evaluate(frame, expression, target.name)
            if isinstance(value, Item) and value.kind == "init":
                value = apply_init(frame, value, expression.span)
    finally:
        frame.asked = outer
    if value is None and type.optional:
        return None
    tensor = lift(value, expression.span, "float" if type.name == "float" else None)
    if tensor.dtype == "float64" and type.name == "float":
        tensor = cast(tensor, "float", expression.span)
    if (
        tensor.rank == 0
        and type.axes
        and _names_known(frame, type)
        and not isinstance(value, Tensor)
    ):
        made, labels = declared_type(frame, type, f"`{target.name}`")
        tensor = broadcast(tensor, made.shape, labels, expression.span)
    matched = match(frame, type, tensor, expression.span, f"`{target.name}`")
    frame.axes.settle()
    return matched


def _names_known(frame: Frame, type: syntax.TypeExpression) -> bool:
    stack: list[Any] = list(type.axes or ())
    while stack:
        each = stack.pop()
        if isinstance(each, syntax.Ellipsis):
            if frame.axes.spread is None:
                return False
        elif isinstance(each, syntax.Name):
            known = frame.values.get(each.id)
            if each.id not in frame.axes.bound and (known is None or isinstance(known, Tensor)):
                if not frame.home.is_constant(each.id):
                    return False
        elif isinstance(each, syntax.Binary):
            stack += [each.left, each.right]
        elif isinstance(each, syntax.Unary):
            stack.append(each.operand)
    return True


# ── decisions and repetition ─────────────────────────────────────────────────────────────────────
def decide(frame: Frame, statement: syntax.If) -> None:
    from specc.language.build.expressions import condition

    link = statement
    decided = False
    taken: tuple[syntax.Statement, ...] = ()
    with frame.statement():
        while True:  # an else-if chain, walked rather than descended
            if condition(frame, link.test):
                taken = link.body
                break
            rest = link.otherwise
            if len(rest) == 1 and isinstance(rest[0], syntax.If):
                link = rest[0]
                continue
            taken = rest
            break
        decided = True
    if not decided:
        poison(frame, (statement.body, statement.otherwise))
    for each in taken:
        if (
            isinstance(each, syntax.Declaration)
            and each.kind in ("param", "state")
            and (frame.training_test(statement))
        ):
            with frame.statement():
                raise fault(
                    "M009",
                    "parameters and states are declared outside `if training`",
                    keyword_at(each.span, each.kind),
                    help="both modes share them",
                )
    run(frame, taken)


def repeat(frame: Frame, statement: syntax.Repeat) -> None:
    from specc.language.build.apply import scope_text
    from specc.language.build.expressions import rounds

    outer, round_before = frame.prefix, frame.round
    done = False
    with frame.statement():
        names = (statement.name,) if statement.name else ("",)
        iterable = statement.iterable
        if statement.name is None:
            count = evaluate(frame, iterable)
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise fault(
                    "H004",
                    f"a `repeat` counts a whole number, not {describe(count)}",
                    (iterable.span, describe(count)),
                )
            every = _counted(frame, count, iterable.span)
        else:
            every = list(rounds(frame, names, iterable))
        for index, bound in enumerate(every):
            frame.values.update({name: value for name, value in bound.items() if name})
            if statement.scope is not None:
                text = scope_text(frame, statement.scope)
                path = text if statement.scope.template else f"{text}.{index}"
                frame.prefix = f"{outer}{path}." if path else outer
            if index > 0:
                told = ", ".join(f"`{n}` = {describe(v)}" for n, v in bound.items())
                label = Label(
                    iterable.span, f"in round {index + 1}" + (f", {told}" if told else "")
                )
                frame.round = (*round_before, label)
            before = len(frame.builder.report.diagnostics)
            run(frame, statement.body)
            frame.prefix = outer
            if len(frame.builder.report.diagnostics) > before or frame.returned is not None:
                break  # the next rounds would say it again
        done = True
    if not done:
        poison(frame, statement.body)
    frame.prefix, frame.round = outer, round_before


def _counted(frame: Frame, count: int, span: Span) -> list[dict[str, Value]]:
    from specc.limits import REPETITIONS

    frame.builder.rounds += count
    if frame.builder.rounds > REPETITIONS.value:
        raise fault(REPETITIONS.code, f"more than {REPETITIONS.value} {REPETITIONS.what}", span)
    return [{} for _ in range(count)]


def give(frame: Frame, statement: syntax.Return) -> None:
    if frame.kind in ("model", "optimizer", "train", "data"):
        with frame.statement():
            raise fault(
                "M008",
                f"`return` has no meaning in a {frame.kind}",
                statement.span,
                help="a model says `output ...`" if frame.kind == "model" else "",
            )
        return
    with frame.statement():
        values: list[Value] = []
        for expression in statement.values:
            value = evaluate(frame, expression)
            values += value.values if isinstance(value, Several) else [value]
        for value in values:
            if isinstance(value, Instance):
                raise fault(
                    "M010",
                    "a built layer can't be returned: it belongs to this body",
                    statement.span,
                )
        frame.returned = values


# ── clauses ──────────────────────────────────────────────────────────────────────────────────────
def clause(frame: Frame, statement: syntax.Clause) -> None:
    keyword = statement.keyword
    if frame.root is not None:
        frame.root.clause(frame, statement)
    elif frame.kind == "model" and keyword in ("output", "loss", "metric"):
        if keyword == "output":
            outputs(frame, statement)
    elif keyword == "loss" and frame.kind in ("layer", "cell"):
        for argument in statement.arguments:
            value = lift(evaluate(frame, argument.value), argument.value.span, "float")
            frame.losses.append(("loss", scalar(value, argument.value.span, "a loss"), ()))
    elif keyword == "output" and frame.kind == "optimizer":
        for argument in statement.arguments:
            span = argument.value.span
            value = lift(evaluate(frame, argument.value), span, "float")
            like = frame.values["theta"]
            if value.shape != like.shape:
                raise fault(
                    "T008",
                    "what evaluation uses in theta's place has theta's shape",
                    (span, str(value)),
                    expected=str(like),
                    found=str(value),
                )
            frame.outputs["average"] = cast(value, "float", span)
    else:
        raise no_place(keyword, frame.kind, statement.span)


def scalar(value: Tensor, span: Span, what: str) -> Tensor:
    if value.rank or value.dtype not in ("float", "float64"):
        raise fault(
            "T008",
            f"{what} is a scalar",
            (span, str(value)),
            expected="float[]",
            found=str(value),
            help="take the `mean` or the `sum`" if value.rank else "",
        )
    return value


def outputs(frame: Frame, statement: syntax.Clause) -> None:
    """`output logits, probs = softmax(x)`: a plain name keeps its name, others are output_1, ..."""
    for argument in statement.arguments:
        value = evaluate(frame, argument.value)
        name = argument.name
        if name is None and isinstance(argument.value, syntax.Name) and not argument.value.primed:
            name = argument.value.id
        if name is None:
            name = f"output_{len(frame.outputs) + 1}"
        if name in frame.outputs:
            raise fault("N002", f"the output `{name}` is given twice", argument.span)
        values = value.values if isinstance(value, Several) else (value,)
        for index, each in enumerate(values):
            place = name if len(values) == 1 else f"{name}_{index + 1}"
            frame.outputs[place] = lift(each, argument.value.span, "float")
