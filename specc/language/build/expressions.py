"""Expressions, one rule a form: literals, names, operators, pipelines, indexing, lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from specc.diagnostics import Diagnostic, Span, SpecError, did_you_mean, fault
from specc.language import syntax
from specc.language.build.apply import apply_stage, call
from specc.language.build.arithmetic import arithmetic, logical, matmul, negate
from specc.language.build.declarations import no_state
from specc.language.build.dispatch import evaluate, rule
from specc.language.build.frame import Frame, unbound
from specc.language.build.names import undefined
from specc.language.build.tensors import op, unguarded
from specc.language.build.texts import Text, equality
from specc.language.build.values import (
    POISON,
    DataName,
    Instance,
    Item,
    Namespace,
    Poisoned,
    Record,
    ScopeName,
    Tensor,
    Value,
    describe,
    is_list,
)
from specc.limits import REPETITIONS


def together(thunks: list[Callable[[], Value]]) -> list[Value]:
    """Evaluates all of them, and raises the faults of all together."""
    made: list[Value] = []
    faults: list[Diagnostic] = []
    poisoned = False
    for thunk in thunks:
        try:
            made.append(thunk())
        except SpecError as error:
            faults.extend(error.diagnostics)
        except Poisoned:
            poisoned = True
    if faults:
        raise SpecError(faults)
    if poisoned:
        raise Poisoned
    return made


@rule(syntax.Number)
def _number(frame: Frame, expression: syntax.Number, naming: str | None) -> Value:
    return expression.value


@rule(syntax.String)
def _string(frame: Frame, expression: syntax.String, naming: str | None) -> Value:
    return expression.value


@rule(syntax.Literal)
def _literal(frame: Frame, expression: syntax.Literal, naming: str | None) -> Value:
    return expression.value


@rule(syntax.Broken)
def _broken(frame: Frame, expression: syntax.Broken, naming: str | None) -> Value:
    return POISON


@rule(syntax.Name)
def _name(frame: Frame, expression: syntax.Name, naming: str | None) -> Value:
    if expression.primed:
        return _primed(frame, expression)
    return lookup(frame, expression.id, expression.span)


def lookup(frame: Frame, name: str, span: Span) -> Value:
    """What a name means in an expression: a value, else an axis, else an item in sight."""
    if name in frame.values:
        value = frame.values[name]
        if value is not None or name not in frame.axes.bound:
            return value
    if name in frame.axes.bound:
        return frame.axes.resolve(frame.axes.bound[name])
    if name == "training":
        frame.reads_training = True
        return frame.training
    if name == "step" and frame.kind in ("schedule", "optimizer", "train", "function", "penalty"):
        return frame.the_step()
    found = frame.home.lookup(frame, name, span)
    if found is not None:
        return found
    scope = frame.values.get(f"{name} scope")
    if scope is POISON:
        raise Poisoned
    if scope is not None:
        raise fault(
            "N001",
            f"`{name}` names a scope, not a value",
            span,
            help=f"`{name} = Linear(64)` builds a layer that can be applied by its name",
        )
    raise undefined(name, span, _names_in_sight(frame), frame.home)


def _names_in_sight(frame: Frame) -> Iterator[str]:
    yield from (name for name in frame.values if name.isidentifier())
    yield from frame.axes.bound
    yield from frame.home.names()


def _primed(frame: Frame, expression: syntax.Name) -> Value:
    name = expression.id
    if f"{name}'" in frame.values:
        return frame.values[f"{name}'"]
    if name in frame.state_paths:
        frame.unassigned.setdefault(name, expression.span)
        return frame.current[frame.state_paths[name]]
    if name in frame.broken:
        raise Poisoned
    raise no_state(name, expression.span, frame.state_paths)


@rule(syntax.Unary)
def _unary(frame: Frame, expression: syntax.Unary, naming: str | None) -> Value:
    value = evaluate(frame, expression.operand)
    if expression.operator == "-":
        return negate(value, expression.span)
    if isinstance(value, bool):
        return not value
    if isinstance(value, Tensor) and value.dtype == "bool":
        return Tensor(op(expression.span, "not", value.node), value.labels)
    raise fault(
        "T003",
        f"`not` needs truth values, not {describe(value)}",
        (expression.operand.span, describe(value)),
        expected="bool",
    )


@rule(syntax.Binary)
def _binary(frame: Frame, expression: syntax.Binary, naming: str | None) -> Value:
    # A chain a + b + c leans to the left: walk down it, so that its length needs no recursion.
    chain: list[syntax.Binary] = []
    first: syntax.Expression = expression
    while isinstance(first, syntax.Binary):
        chain.append(first)
        first = first.left
    if chain[-1].operator in ("and", "or"):
        value = evaluate(frame, first)
    else:
        value, right = together(
            [lambda: evaluate(frame, first), lambda: evaluate(frame, chain[-1].right)]
        )
        value = _apply_binary(frame, chain.pop(), value, right)
    for each in reversed(chain):
        if isinstance(value, bool) and each.operator == ("or" if value else "and"):
            continue  # decided by its left side
        value = _apply_binary(frame, each, value, evaluate(frame, each.right))
    return value


def _apply_binary(frame: Frame, at: syntax.Binary, left: Value, right: Value) -> Value:
    if at.operator in ("and", "or"):
        return logical(at.operator, left, right, at.span, at.left.span, at.right.span, frame)
    if at.operator == "@":
        return matmul(frame, left, right, at.span, at.left.span, at.right.span)
    if at.operator in ("==", "!=") and (left is None or right is None):
        return (left is right) == (at.operator == "==")
    for value, side in ((left, at.left), (right, at.right)):
        if value is None:
            raise unguarded(side.span)
    if at.operator in ("==", "!=") and (isinstance(left, Text) or isinstance(right, Text)):
        same = equality(frame, left, right, at.span)
        return same if at.operator == "==" else Tensor(op(at.span, "not", same.node), same.labels)
    return arithmetic(frame, at.operator, left, right, at.span, at.left.span, at.right.span)


def condition(frame: Frame, expression: syntax.Expression) -> bool:
    """A test that is decided when compiled."""
    value = evaluate(frame, expression)
    if isinstance(value, bool):
        return value
    raise fault(
        "T012",
        "a condition is on hyper-parameters and `training`, decided when compiled",
        (expression.span, describe(value)),
        expected="true or false",
        found=describe(value),
        help="`where(condition, a, b)` chooses between tensors",
    )


@rule(syntax.Conditional)
def _conditional(frame: Frame, expression: syntax.Conditional, naming: str | None) -> Value:
    taken = expression.then if condition(frame, expression.test) else expression.otherwise
    return evaluate(frame, taken, naming)


@rule(syntax.Pipe)
def _pipe(frame: Frame, expression: syntax.Pipe, naming: str | None) -> Value:
    stages: list[syntax.Pipe] = []
    first: syntax.Expression = expression
    while isinstance(first, syntax.Pipe):
        stages.append(first)
        first = first.value
    value = evaluate(frame, first)
    at = first.span
    for stage in reversed(stages):
        value = apply_stage(frame, value, at, stage)
        if value is POISON:
            raise Poisoned
        at = stage.stage.span
    return value


@rule(syntax.Call)
def _call(frame: Frame, expression: syntax.Call, naming: str | None) -> Value:
    return call(frame, expression, naming)


@rule(syntax.Attribute)
def _attribute(frame: Frame, expression: syntax.Attribute, naming: str | None) -> Value:
    name = expression.name
    if isinstance(expression.value, syntax.Name) and not expression.value.primed:
        base = expression.value.id
        value = frame.values.get(base)
        if not _has(value, name) and f"{base} scope" in frame.values:
            return field_of(frame, frame.values[f"{base} scope"], name, expression)
        if value is None and base in ("train",) and frame.kind == "data":
            return frame.home.training_column(frame, name, expression)
    return field_of(frame, evaluate(frame, expression.value), name, expression)


def _has(value: Value, name: str) -> bool:
    if isinstance(value, Record):
        return name in value.fields
    return isinstance(value, (Instance, Namespace, ScopeName, list))


def field_of(frame: Frame, value: Value, name: str, at: syntax.Attribute) -> Value:
    """value.name: a record's field, a layer's parameter, an imported item, an element."""
    if value is POISON:
        raise Poisoned
    if isinstance(value, Record):
        if name in value.fields:
            return value.fields[name]
        raise _no_field(value, name, at, value.fields)
    if isinstance(value, Namespace):
        found = value.home.own(name)
        if found is None:
            raise _no_field(value, name, at, value.home.items)
        return value.home.lookup(frame, name, at.span)
    if isinstance(value, Item) and value.kind == "data":
        return _made_by_data(frame, value, name, at)
    if isinstance(value, DataName) and name == "size":
        return frame.builder.size_of(f"{value.block}.{value.name}.size", at.span)
    if is_list(value):
        if name.isdigit() and int(name) < len(value):
            return value[int(name)]
        raise fault("N004", f"a list of {len(value)} has no element `{name}`", at.at)
    if isinstance(value, (Instance, ScopeName)):
        path = f"{value.path}.{name}" if value.path else name
        if path in frame.parameters:
            owned, node = frame.parameters[path]
            return Tensor(node, owned.labels)
        if path in frame.current:
            return frame.current[path]
        inner = [
            each for each in (*frame.parameters, *frame.current) if each.startswith(f"{path}.")
        ]
        if inner:
            return ScopeName(path)
        if isinstance(value, Instance) and value.applications == 0:
            raise unbound(value, name, at.at)
        near = [
            each[len(value.path) + 1 :]
            for each in frame.parameters
            if each.startswith(f"{value.path}.")
        ]
        raise _no_field(value, name, at, near)
    if isinstance(value, Tensor) and name in ("shape", "T"):
        advice = {"shape": "`size(x, axis = ...)`", "T": '`rearrange(x, "a b -> b a")`'}[name]
        raise fault("N004", f"a tensor has no `{name}`", at.at, help=f"here it is {advice}")
    if isinstance(value, Tensor):
        help = f"a function stands before its argument: `{name}(x)`, or `x -> {name}`"
        known = frame.home.lookup(frame, name, at.at) is not None
        raise fault("N004", f"a tensor has no `{name}`", at.at, help=help if known else "")
    raise _no_field(value, name, at, ())


def _made_by_data(frame: Frame, item: Item, name: str, at: syntax.Attribute) -> DataName:
    if item.home is not frame.home:
        help = "write the data block in the file that trains with it"
        raise fault("N004", f"{describe(item)} is of another file", at.at, help=help)
    bindings = [each for each in item.definition.body if isinstance(each, syntax.Binding)]
    names = [target.name for each in bindings for target in each.targets]
    if name not in names:
        raise _no_field(item, name, at, names)
    return DataName(item.name, name)


def _no_field(value: Value, name: str, at: syntax.Attribute, candidates: Any) -> SpecError:
    return fault(
        "N004",
        f"{describe(value)} has no `{name}`",
        (at.at, "asked here"),
        help=did_you_mean(name, candidates),
    )


@rule(syntax.List)
def _list(frame: Frame, expression: syntax.List, naming: str | None) -> Value:
    made: list[Value] = []
    for index, item in enumerate(expression.items):
        if isinstance(item, syntax.Ellipsis):
            raise fault("T007", "`...` in a list is for axis arguments", item.span)
        inner = f"{naming}.{index}" if naming else None
        made.append(evaluate(frame, item, inner))
    return made


@rule(syntax.Comprehension)
def _comprehension(frame: Frame, expression: syntax.Comprehension, naming: str | None) -> Value:
    made: list[Value] = []
    before = {name: frame.values[name] for name in expression.names if name in frame.values}
    for index, bound in enumerate(rounds(frame, expression.names, expression.iterable)):
        frame.values.update(bound)
        inner = f"{naming}.{index}" if naming else None
        made.append(evaluate(frame, expression.element, inner))
    for name in expression.names:
        frame.values.pop(name, None)
    frame.values.update(before)
    return made


def rounds(
    frame: Frame, names: tuple[str, ...], iterable: syntax.Expression
) -> Iterator[dict[str, Value]]:
    """What the names are in each round; the number of rounds of a whole build is bounded."""
    value = evaluate(frame, iterable)
    if not is_list(value):
        raise fault(
            "H004",
            f"this repeats over a list, not {describe(value)}",
            (iterable.span, describe(value)),
            help=f"`range({iterable.span.text})`" if isinstance(value, int) else "",
        )
    items: list[Value] = value
    for item in items:
        frame.builder.rounds += 1
        if frame.builder.rounds > REPETITIONS.value:
            raise fault(
                REPETITIONS.code, f"more than {REPETITIONS.value} {REPETITIONS.what}", iterable.span
            )
        if len(names) == 1:
            yield {names[0]: item}
        elif is_list(item) and len(item) == len(names):
            yield dict(zip(names, item, strict=True))
        else:
            raise fault(
                "H004",
                f"each element must be a list of {len(names)}",
                iterable.span,
                found=describe(item),
            )


# ── indexing ─────────────────────────────────────────────────────────────────────────────────────
