"""Functions of tensors applied to their arguments: one body for each kind of arguments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from specc.diagnostics import Span, fault
from specc.ir import Graph, Origin, Type, make_input, origin
from specc.language import syntax
from specc.language.build.arguments import Given, assign, check_hyper, missing
from specc.language.build.axis_arguments import axis_argument
from specc.language.build.dispatch import evaluate
from specc.language.build.frame import Frame, applied_at, failed_body
from specc.language.build.names import no_result
from specc.language.build.shapes import TENSOR_DTYPES, match
from specc.language.build.statements import run
from specc.language.build.tensors import cast, lift
from specc.language.build.values import (
    ALL,
    Body,
    Item,
    Several,
    Spread,
    Tensor,
    Value,
    describe,
    is_list,
    key_of,
)
from specc.language.build.walk import free_names

FUNCTIONS = ("function", "activation", "loss", "metric", "init", "schedule")


def apply_function(frame: Frame, item: Item, arguments: list[Given], span: Span) -> Value:
    definition = item.definition
    what = f"`{item.name}`"
    parameters = definition.parameters or ()
    assigned = assign(what, [each.name for each in parameters], arguments, span)
    frame.builder.applied.add(id(definition))
    values: dict[str, Value] = {}
    spans: dict[str, Span] = {}
    hypers = frame.inner(item.kind, item.name, item.home, span)  # where defaults are evaluated
    from specc.language.build.expressions import together

    eager = [each for each in parameters if each.name in assigned and not _is_axis(each)]
    found = together([lambda each=each: assigned[each.name].evaluate(frame) for each in eager])
    for parameter, value in zip(eager, found, strict=True):
        values[parameter.name] = value
        spans[parameter.name] = assigned[parameter.name].span
    first = next((v for v in values.values() if isinstance(v, Tensor) or is_list(v)), None)
    for parameter in parameters:
        name = parameter.name
        if name in assigned and _is_axis(parameter):
            spans[name] = assigned[name].span
            values[name] = axis_argument(frame, assigned[name], first)
        elif name not in assigned:
            if parameter.default is None:
                if not (parameter.type and parameter.type.optional):
                    raise missing(what, name, parameter.type, span)
                values[name] = None
            else:
                hypers.values.update(values)
                _bind_axes(hypers, item, parameter.default, values, spans)
                values[name] = ALL if _is_all(parameter) else evaluate(hypers, parameter.default)
            spans[name] = span
        value = values[name]
        told = f"`{name}` of {what}"
        if _is_tensor(parameter):
            assert parameter.type is not None
            if value is None:
                if not parameter.type.optional:
                    raise fault(
                        "T009",
                        f"{told} may be none, and is needed",
                        (spans[name], "none here"),
                        expected=parameter.type.span.text,
                    )
            else:
                values[name] = _to_dtype(lift(value, spans[name]), parameter.type, spans[name])
        else:
            values[name] = check_hyper(hypers, parameter.type, value, spans[name], told)
    body = _function_body(frame, item, values, spans, span)
    tensors = [value for value in values.values() if isinstance(value, Tensor)]
    path = f"{frame.prefix}{item.name}"
    if body.states and frame.measuring is None and frame.kind != "metric":
        raise fault(
            "M001",
            f"the metric `{item.name}` keeps a state, and is read outside a metric",
            span,
            help="`metric name = ...` in the model evaluates it",
        )
    if body.states:
        number = frame.count(f"{item.name}@")
        path = f"{frame.measuring or frame.prefix.rstrip('.')}.{item.name}{number or ''}"
    with origin(Origin(span, item.name)):
        results = frame.apply(body, tensors, path, (id(item.definition), path), span)
    result = results[0] if len(results) == 1 else Several(tuple(results))
    defaults = {p.name for p in parameters if p.default is not None}
    _check_kind(item, values, result, span, plain=not (defaults & set(assigned)), frame=frame)
    return result


def _bind_axes(
    hypers: Frame,
    item: Item,
    default: syntax.Expression,
    values: dict[str, Value],
    spans: dict[str, Span],
) -> None:
    """Lets a default read the axes that the tensor arguments bind: `scale = 1 / sqrt(e)`."""
    typed = [each for each in item.definition.parameters or () if _is_tensor(each)]
    named = set(free_names(tuple(each.type for each in typed)))
    if hypers.axes.bound or not named.intersection(free_names(default)):
        return
    for parameter in typed:
        value = values.get(parameter.name)
        if isinstance(value, Tensor) and parameter.type is not None:
            told = f"`{parameter.name}` of `{item.name}`"
            match(hypers, parameter.type, value, spans[parameter.name], told)
    hypers.axes.settle()


def _is_axis(parameter: syntax.Parameter) -> bool:
    return parameter.type is not None and parameter.type.name == "axis"


def _is_all(parameter: syntax.Parameter) -> bool:
    return (
        _is_axis(parameter)
        and isinstance(parameter.default, syntax.Name)
        and (parameter.default.id == "all")
    )


def _is_tensor(parameter: syntax.Parameter) -> bool:
    type = parameter.type
    return (
        type is not None
        and type.axes is not None
        and not type.listed
        and type.name in TENSOR_DTYPES
    )


def _to_dtype(value: Tensor, type: syntax.TypeExpression, span: Span) -> Tensor:
    """An int tensor where a float one is asked is converted, as in arithmetic."""
    if type.name == "float" and value.dtype == "int" and value.rank == 0:
        return cast(value, "float64", span)
    return value


def _function_body(
    frame: Frame, item: Item, values: dict[str, Value], spans: dict[str, Span], span: Span
) -> Body:
    builder = frame.builder
    asked = frame.asked if item.kind == "init" else None
    outer = (frame.kind == "metric", item.kind) if item.kind == "function" else item.kind
    key = (
        id(item.definition),
        outer,
        (asked[0], frame.purpose) if asked else frame.purpose,
        tuple(key_of(value) for value in values.values()),
    )
    body = builder.memo.get((key, frame.training))
    if body is not None:
        return body
    inner = _enter_function(frame, item, values, spans, span, asked)
    with builder.building((key, frame.training), f"the {item.kind} `{item.name}`", span):
        results = _run_function(inner, item, span)
    if inner.failed:
        body = failed_body(inner)
    else:
        body = inner.finish(results, (item.home.key, item.name))
        hypers = {k: v for k, v in values.items() if not isinstance(v, Tensor)}
        gradients = _gradients(frame, item, values, spans, span, asked, inner, body)
        body = replace(body, graph=replace(body.graph, hypers=hypers, gradients=gradients))
        if inner.failed:
            body = failed_body(inner)
    remember(frame, key, body, item, list(values.values()))
    return body


def remember(frame: Frame, key: Any, body: Body, *keep: Any) -> None:
    """Both modes share a body that doesn't read `training`."""
    builder = frame.builder
    builder.keep.append(keep)
    builder.memo[key, frame.training] = body
    if not body.reads_training and not body.failed:
        builder.memo[key, not frame.training] = body


def _enter_function(
    frame: Frame,
    item: Item,
    values: dict[str, Value],
    spans: dict[str, Span],
    span: Span,
    asked: Any,
) -> Frame:
    inner = frame.inner(item.kind, item.name, item.home, span)
    inner.trail = (*frame.trail, span)
    inner.asked = asked
    parameters = {each.name: each for each in item.definition.parameters or ()}
    number = 0
    tensors: list[tuple[syntax.Parameter, Tensor]] = []
    for name, value in values.items():
        if not isinstance(value, Tensor):
            inner.values[name] = value
            continue
        with origin(Origin(parameters[name].span, name)):
            node = make_input(name, "input", value.node.type)
        inner.inputs.append(node)
        labels = tuple(Spread(number, axis) for axis in range(value.rank))
        inner.values[name] = Tensor(node, labels)
        inner.places[name] = parameters[name].span
        tensors.append((parameters[name], Tensor(node, value.labels)))
        number += 1
    with applied_at(span):
        for index, (parameter, tensor) in enumerate(tensors):
            if _is_tensor(parameter):
                assert parameter.type is not None
                told = f"`{parameter.name}` of `{item.name}`"
                inner.values[parameter.name] = match(
                    inner, parameter.type, tensor, spans[parameter.name], told, index
                )
        inner.axes.settle()
    return inner


def _run_function(inner: Frame, item: Item, span: Span) -> list[Value]:
    definition = item.definition
    if definition.expression is not None:
        with inner.statement():
            value = evaluate(inner, definition.expression)
            return list(value.values) if isinstance(value, Several) else [value]
        return []
    run(inner, definition.body)
    if inner.returned is None:
        if not inner.failed:
            with inner.statement():
                raise no_result(definition)
        return []
    return inner.returned


def _gradients(
    frame: Frame,
    item: Item,
    values: dict[str, Value],
    spans: dict[str, Span],
    span: Span,
    asked: Any,
    inner: Frame,
    body: Body,
) -> dict[int, Graph]:
    """The derivatives that a definition states: built like the body, with `g` in sight."""
    made: dict[int, Graph] = {}
    names = [node.attributes["name"] for node in inner.inputs]
    for line in inner.gradients:
        with inner.statement():
            if line.name not in names:
                if line.name in values:
                    continue  # a number here: it has no gradient in this application
                raise fault("N001", f"`{line.name}` is no argument of `{item.name}`", line.span)
            again = _enter_function(frame, item, values, spans, span, asked)
            results = _run_function(again, item, span)
            tensors = [each for each in results if isinstance(each, Tensor)]
            extra = [make_input(f"result{i}", "result", t.node.type) for i, t in enumerate(tensors)]
            incoming = [
                make_input("g" if i == 0 else f"g{i}", "gradient", t.node.type)
                for i, t in enumerate(tensors)
                if t.dtype in ("float", "float64")
            ]
            if len(incoming) != 1:
                raise fault("M003", "a stated gradient needs one float result", line.span)
            again.values["g"] = Tensor(incoming[0], tensors[0].labels)
            place = names.index(line.name)
            target = again.inputs[place].type
            value = lift(evaluate(again, line.value), line.value.span)
            value = _as_type(value, target, line)
            closed = again.finish([value], (item.home.key, f"{item.name}.gradient {line.name}"))
            graph = closed.graph
            made[place] = replace(graph, inputs=(*graph.inputs, *extra, *incoming))
            if len(graph.inputs) != len(body.graph.inputs):
                raise fault("M003", "a stated gradient can't draw or own anything", line.span)
    return made


def _as_type(value: Tensor, type: Type, line: syntax.Gradient) -> Tensor:
    from specc.language.build.tensors import broadcast

    value = cast(value, type.dtype, line.span)
    if value.rank == 0 and type.rank:
        return broadcast(value, type.shape, (None,) * type.rank, line.span)
    if value.shape != type.shape:
        raise fault(
            "T001",
            f"the gradient of `{line.name}` has another shape than it",
            (line.value.span, str(value)),
            expected=str(type),
            found=str(value),
        )
    return value


def _check_kind(
    item: Item, values: dict[str, Value], result: Value, span: Span, plain: bool, frame: Frame
) -> None:
    """What a kind promises: an activation keeps its shape, a loss and a metric are scalars."""
    at = item.definition.at
    if item.kind == "activation":
        first = next((value for value in values.values() if isinstance(value, Tensor)), None)
        if first is not None and not (isinstance(result, Tensor) and result.shape == first.shape):
            raise fault(
                "T008",
                f"the activation `{item.name}` changes its argument's shape",
                (span, ""),
                (at, f"gives {describe(result)}"),
                expected=str(first),
                found=describe(result),
                help="a `function` may",
            )
    scalar = (isinstance(result, Tensor) and result.rank == 0) or isinstance(result, (int, float))
    if item.kind in ("loss", "metric") and plain and not scalar:
        raise fault(
            "T008",
            f"the {item.kind} `{item.name}` gives no scalar",
            (span, ""),
            (at, f"gives {describe(result)}"),
            expected="float[]",
            found=describe(result),
            help="take the `mean` or the `sum`",
        )
    if item.kind == "schedule" and not scalar:
        raise fault(
            "T008",
            f"the schedule `{item.name}` gives no scalar",
            (span, ""),
            (at, f"gives {describe(result)}"),
            expected="a number",
            found=describe(result),
        )
