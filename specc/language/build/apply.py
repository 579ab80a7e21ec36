"""Application: functions, layers, cells and models to their arguments, each body elaborated once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from specc.diagnostics import Span, SpecError, fault
from specc.ir import Graph, Origin, Output, Type, make_input, origin
from specc.language import syntax
from specc.language.build.arguments import Given, assign, check_hyper, given, missing
from specc.language.build.axis_arguments import axis_argument
from specc.language.build.dispatch import evaluate
from specc.language.build.frame import Frame, failed_body
from specc.language.build.shapes import TENSOR_DTYPES, match
from specc.language.build.statements import run
from specc.language.build.tensors import cast, lift
from specc.language.build.values import (
    ALL,
    POISON,
    Body,
    Instance,
    Item,
    Native,
    Override,
    Record,
    ScopeName,
    Several,
    Spread,
    Tensor,
    Value,
    describe,
    key_of,
)

FUNCTIONS = ("function", "activation", "loss", "metric", "init", "schedule")
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
        result = apply_layer(frame, built, [piped], pipe.span)
    elif isinstance(callee, Native) and callee.name == "scan":
        result = apply(frame, callee, [*arguments[:1], piped, *arguments[1:]], pipe.span)
    else:
        if pipe.scope and not (isinstance(callee, Instance) and isinstance(stage, syntax.Call)):
            raise fault(
                "N008",
                "`as` names a layer that is built in this stage",
                pipe.scope.span,
                help="bind a value with `name = ...`",
            )
        result = apply(frame, callee, [piped, *arguments], pipe.span)
    return result


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


# ── functions ────────────────────────────────────────────────────────────────────────────────────
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
    first = next((value for value in values.values() if isinstance(value, (Tensor, list))), None)
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
        asked[0] if asked else None,
        tuple(key_of(value) for value in values.values()),
    )
    body = builder.memo.get((key, frame.training))
    if body is not None:
        return body
    inner = _enter_function(frame, item, values, spans, span, asked)
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
                raise fault(
                    "M002",
                    f"`{item.name}` gives no result",
                    definition.at,
                    help="end it with `return ...`",
                )
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
    """The derivatives that the definition states: built like the body, with `g` beside its names."""
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


# ── layers, cells, models ────────────────────────────────────────────────────────────────────────
def declarations(definition: syntax.Definition) -> dict[str, tuple[str, syntax.Entry]]:
    """Every name that a body declares, with its kind; conditional ones among them."""
    made: dict[str, tuple[str, syntax.Entry]] = {}
    stack: list[Any] = list(reversed(definition.body))
    while stack:
        statement = stack.pop()
        if isinstance(statement, syntax.Declaration):
            for entry in statement.entries:
                made.setdefault(entry.name, (statement.kind, entry))
        elif isinstance(statement, syntax.If):
            stack += [*reversed(statement.otherwise), *reversed(statement.body)]
        elif isinstance(statement, syntax.Repeat):
            stack += reversed(statement.body)
    return made


def build_layer(
    frame: Frame, item: Item, arguments: list[Given], span: Span, naming: str | None
) -> Instance:
    """`Linear(64)`: hyper-parameters, and what is put in place of its parameters."""
    definition = item.definition
    what = f"`{item.name}`"
    parameters = definition.parameters or ()
    declared = declarations(definition)
    own = [name for name, (kind, _) in declared.items() if kind in ("param", "state")]
    assigned = assign(what, [each.name for each in parameters], arguments, span, own)
    frame.builder.applied.add(id(definition))
    hypers = bind_hypers(frame, item, assigned, span)
    overrides = {
        name: _override(frame, assigned[name], declared[name][1], item)
        for name in own
        if name in assigned and not any(name == each.name for each in parameters)
    }
    overrides = {name: each for name, each in overrides.items() if each is not None}
    if naming is None:
        path = frame.scope_for(item.name)
    else:
        path = (frame.prefix + naming) if naming else frame.prefix.rstrip(".")
    return Instance(item, hypers, overrides, path, span)


def bind_hypers(
    frame: Frame, item: Item, assigned: dict[str, Given], span: Span
) -> dict[str, Value]:
    """The values of a block's hyper-parameters: given, or by default, and of the right type."""
    inner = frame.inner(item.kind, item.name, item.home, span)
    for parameter in item.definition.parameters or ():
        name = parameter.name
        if name in assigned:
            value, at = assigned[name].evaluate(frame), assigned[name].span
        elif parameter.default is not None:
            value, at = evaluate(inner, parameter.default), parameter.default.span
        elif parameter.type is not None and parameter.type.optional:
            value, at = None, parameter.span
        else:
            raise missing(f"`{item.name}`", name, parameter.type, span)
        told = f"`{name}` of `{item.name}`"
        inner.values[name] = check_hyper(inner, parameter.type, value, at, told)
    return dict(inner.values)


def _override(frame: Frame, argument: Given, entry: syntax.Entry, item: Item) -> Override | None:
    """An argument that reads no value or parameter is an init; one that does takes the place."""
    expression = argument.expression
    assert expression is not None
    names = free_names(expression)
    if any(_holds_tensor(frame, name) for name in names):
        value = evaluate(frame, expression)
        if isinstance(value, Tensor):
            return Override(tensor=value)
        raise fault("H004", f"`{entry.name}` needs a tensor, not {describe(value)}", argument.span)
    if isinstance(expression, (syntax.Literal, syntax.Name)):
        value = evaluate(frame, expression)
        if value is True:
            return None
        if value is False or value is None:
            if entry.type is None or not entry.type.optional:
                raise fault(
                    "H004",
                    f"`{entry.name}` of `{item.name}` can't be left out",
                    argument.span,
                    (entry.span, "it is not optional"),
                )
            return Override(key="none")
    known = {name: frame.values[name] for name in names if name in frame.values}
    known |= {
        name: frame.axes.bound[name]
        for name in names
        if name in frame.axes.bound and name not in known
    }
    key = (id(expression), tuple((name, key_of(value)) for name, value in known.items()))
    return Override(init=expression, names=known, home=frame.home, key=key)


def _holds_tensor(frame: Frame, name: str) -> bool:
    value = frame.values.get(name)
    return (
        isinstance(value, (Tensor, Instance, Record, ScopeName)) or f"{name} scope" in frame.values
    )


def free_names(expression: Any) -> list[str]:
    """The words that an expression reads, in order."""
    made: list[str] = []
    stack: list[Any] = [expression]
    while stack:
        each = stack.pop()
        if isinstance(each, syntax.Name):
            made.append(each.id)
        elif isinstance(each, tuple):
            stack.extend(reversed(each))  # type: ignore[arg-type]
        elif hasattr(each, "__slots__") and not isinstance(each, Span):
            stack.extend(getattr(each, slot) for slot in reversed(each.__slots__) if slot != "span")
    return made


def apply_layer(frame: Frame, instance: Instance, arguments: list[Given], span: Span) -> Value:
    """A built layer to its inputs; each application reads the states that the last one left."""
    item = instance.item
    what = f"`{item.name}`"
    declared = declarations(item.definition)
    inputs = {name: entry for name, (kind, entry) in declared.items() if kind in ("input", "given")}
    states = [name for name, (kind, _) in declared.items() if kind == "state"]
    by_name = states if item.kind == "cell" else []
    assigned = assign(what, list(inputs), arguments, span, by_name)
    values, spans = input_values(frame, item, inputs, assigned, span)
    given_states = [name for name in by_name if name in assigned]
    if item.kind == "cell" and frame.kind != "cell" and len(given_states) < len(states):
        lacking = next(name for name in states if name not in given_states)
        raise fault(
            "M004",
            f"one step of the cell {what} needs its states",
            (span, f"`{lacking}` is not given"),
            help="`scan(cell, xs)` steps it over a sequence; "
            f"`y, {lacking}' = cell(x, {lacking} = {lacking})` is one step",
        )
    for name in given_states:
        values[name] = lift(assigned[name].evaluate(frame), assigned[name].span)
        spans[name] = assigned[name].span
    body = layer_body(frame, instance, values, spans, span, bool(given_states) or not states)
    tensors = [value for value in values.values() if isinstance(value, Tensor)]
    tensors += [each.tensor for each in instance.overrides.values() if each.tensor is not None]
    instance.applications += 1
    with origin(Origin(span, item.name, instance.path)):
        results = frame.apply(body, tensors, instance.path, id(instance), span)
    if item.kind == "model" and len(results) > 1:
        return Record(dict(zip(body.record, results, strict=True)))
    return results[0] if len(results) == 1 else Several(tuple(results))


def input_values(
    frame: Frame,
    item: Item,
    inputs: dict[str, syntax.Entry],
    assigned: dict[str, Given],
    span: Span,
) -> tuple[dict[str, Value], dict[str, Span]]:
    from specc.language.build.expressions import together

    values: dict[str, Value] = {}
    spans: dict[str, Span] = {}
    here = [name for name in inputs if name in assigned]
    found = dict(
        zip(here, together([lambda n=n: assigned[n].evaluate(frame) for n in here]), strict=True)
    )
    for name, entry in inputs.items():
        spans[name] = assigned[name].span if name in assigned else span
        value = found.get(name)
        optional = entry.type is not None and entry.type.optional
        if name not in assigned and entry.default is not None:
            value = evaluate(frame, entry.default)
        if name not in assigned and entry.default is None and not optional:
            raise missing(f"`{item.name}`", name, entry.type, span)
        if value is None:
            if not optional:
                raise fault(
                    "T009",
                    f"`{name}` of `{item.name}` may be none, and is needed",
                    (spans[name], "none here"),
                )
            values[name] = None
        else:
            values[name] = lift(value, spans[name])
    return values, spans


def layer_body(
    frame: Frame,
    instance: Instance,
    values: dict[str, Value],
    spans: dict[str, Span],
    span: Span,
    stateless: bool,
) -> Body:
    item = instance.item
    key = (
        id(item.definition),
        stateless,
        tuple((name, key_of(value)) for name, value in instance.hypers.items()),
        tuple((name, key_of(each)) for name, each in instance.overrides.items()),
        tuple((name, key_of(value)) for name, value in values.items()),
    )
    body = frame.builder.memo.get((key, frame.training))
    if body is None:
        inner = _enter_layer(frame, instance, values, spans, span)
        inner.given_states = stateless and item.kind == "cell"
        run(inner, item.definition.body)
        results, record = layer_results(inner, item)
        if inner.failed:
            body = failed_body(inner)
        else:
            try:
                body = inner.finish(results, (item.home.key, item.name), record)
                body = replace(body, graph=replace(body.graph, hypers=instance.hypers))
            except SpecError as error:
                frame.builder.report.extend(error.diagnostics)
                body = failed_body(inner)
        remember(frame, key, body, item, instance, list(values.values()))
    return body


def layer_results(inner: Frame, item: Item) -> tuple[list[Value], tuple[str, ...]]:
    """What a body gives: its `return`, or a model's outputs; a cell's next states after it."""
    if item.kind == "model":
        return list(inner.outputs.values()), tuple(inner.outputs)
    if inner.returned is None:
        if not inner.failed:
            with inner.statement():
                raise fault(
                    "M002",
                    f"`{item.name}` gives no result",
                    item.definition.at,
                    help="end it with `return ...`",
                )
        return [], ()
    results = list(inner.returned)
    if inner.given_states:
        results += [inner.current[path] for path in inner.state_paths.values()]
        for path in inner.state_paths.values():
            inner.states.pop(path, None)
    return results, ()


def _enter_layer(
    frame: Frame, instance: Instance, values: dict[str, Value], spans: dict[str, Span], span: Span
) -> Frame:
    item = instance.item
    inner = frame.inner(item.kind, item.name, item.home, span)
    inner.trail = (*frame.trail, span)
    inner.values.update(instance.hypers)
    for name, value in instance.hypers.items():
        parameter = next(p for p in item.definition.parameters or () if p.name == name)
        if isinstance(value, list) and parameter.type is not None and parameter.type.axes:
            axis = parameter.type.axes[0]
            if isinstance(axis, syntax.Name) and axis.id not in inner.values:
                inner.axes.bound[axis.id] = len(value)  # type: ignore[arg-type]
    declared = declarations(item.definition)
    number = 0
    tensors: list[tuple[str, int, Tensor]] = []
    for name, value in values.items():
        if value is None:
            inner.given[name] = None
            continue
        entry = declared[name][1]
        with origin(Origin(entry.span, name)):
            node = make_input(name, "input", value.node.type)
        inner.inputs.append(node)
        tensors.append((name, number, Tensor(node, value.labels)))
        number += 1
    for name, place, tensor in tensors:
        entry, kind = declared[name][1], declared[name][0]
        if entry.type is None or entry.type.axes is None:
            inner.given[name] = tensor
            continue
        told = f"`{name}` of `{item.name}`"
        typed = tensor
        if kind != "state" and entry.type.name == "float" and tensor.dtype == "int":
            raise fault(
                "T003",
                f"{told} is int, not float",
                (spans[name], f"this is {tensor}"),
                (entry.type.span, "float is asked here"),
                expected="float",
                found="int",
                help="cast it: `float(x)`",
            )
        inner.given[name] = match(inner, entry.type, typed, spans[name], told, place)
    inner.axes.settle()
    for name, override in instance.overrides.items():
        if override.tensor is not None:
            node = make_input(name, "parameter", override.tensor.node.type)
            inner.inputs.append(node)
            labels = tuple(Spread(number, axis) for axis in range(override.tensor.rank))
            inner.overrides[name] = Tensor(node, labels)
            number += 1
        else:
            inner.overrides[name] = override
    return inner


def poison(frame: Frame, names: Sequence[str]) -> None:
    for name in names:
        frame.values[name] = POISON


def as_graph(name: str, frame: Frame, value: Tensor, definition: Any = None) -> Graph:
    """A closed graph of one value, over what the frame asked for."""
    body = frame.finish([value], definition)
    return replace(body.graph, name=name, outputs=(Output(name, "result", value.node),))
