"""Layers, cells and models: built with hyper-parameters, then applied to inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from specc.diagnostics import Span, SpecError, fault
from specc.ir import Origin, make_input, origin
from specc.language import syntax
from specc.language.build.arguments import Given, assign, check_hyper, missing
from specc.language.build.declarations import not_closed
from specc.language.build.dispatch import evaluate
from specc.language.build.frame import Frame, applied_at, failed_body
from specc.language.build.functions import remember
from specc.language.build.names import no_result
from specc.language.build.shapes import match
from specc.language.build.statements import run
from specc.language.build.tensors import lift
from specc.language.build.values import (
    Body,
    Instance,
    Item,
    Override,
    Record,
    ScopeName,
    Several,
    Spread,
    Tensor,
    Value,
    describe,
    is_list,
    key_of,
)
from specc.language.build.walk import free_names, walk


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
        name: _override(frame, assigned[name], *declared[name], item)
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


def _override(
    frame: Frame, argument: Given, kind: str, entry: syntax.Entry, item: Item
) -> Override | None:
    """An argument that reads no value or parameter is an init; one that does takes the place."""
    from specc.language.build.expressions import condition

    expression = argument.expression
    assert expression is not None
    while isinstance(expression, syntax.Conditional):
        expression = expression.then if condition(frame, expression.test) else expression.otherwise
    names = free_names(expression)
    if any(_holds_tensor(frame, name) for name in names):
        value = evaluate(frame, expression)
        if isinstance(value, Tensor) and kind == "state":
            raise not_closed(argument.span, entry.name if item.kind == "cell" else "")
        if isinstance(value, Tensor):
            return Override(tensor=value, span=argument.span)
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
                    (entry.type.span if entry.type else entry.span, "this is not optional"),
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


def apply_layer(frame: Frame, instance: Instance, arguments: list[Given], span: Span) -> Value:
    """A built layer to its inputs; each application reads the states that the last one left."""
    item = instance.item
    what = f"`{item.name}`"
    declared = declarations(item.definition)
    kinds = ("input", "given") if item.kind == "cell" else ("input",)
    inputs = {name: entry for name, (kind, entry) in declared.items() if kind in kinds}
    states = [name for name, (kind, _) in declared.items() if kind == "state"]
    by_name = states if item.kind == "cell" else []
    assigned = assign(what, list(inputs), arguments, span, by_name)
    values, spans = input_values(frame, item, inputs, assigned, span)
    given_states = [name for name in by_name if name in assigned]
    if item.kind == "cell" and frame.kind != "cell" and len(given_states) < len(states):
        lacking = [f"`{name}`" for name in states if name not in given_states]
        raise fault(
            "M004",
            f"one step of the cell {what} needs its states",
            (span, f"{' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not given"),
            help="`scan(cell, xs)` steps it over a sequence; "
            f"`{_one_step(item, inputs, states)}` is one step",
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


def _one_step(item: Item, inputs: dict[str, syntax.Entry], states: list[str]) -> str:
    """`y, h_next, c_next = cell(x, h = h, c = c)`: a name for each result, no prime outside."""
    returned = next((p for p in walk(item.definition.body) if isinstance(p, syntax.Return)), None)
    count = len(returned.values) if returned else 1
    outputs = ["y"] if count == 1 else [f"y_{place + 1}" for place in range(count)]
    needed = [
        name
        for name, entry in inputs.items()
        if entry.default is None and not (entry.type is not None and entry.type.optional)
    ]
    arguments = [*needed[:1], *(f"{name} = {name}" for name in [*needed[1:], *states])]
    targets = [*outputs, *(f"{name}_next" for name in states)]
    return f"{', '.join(targets)} = cell({', '.join(arguments)})"


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
        what = f"the {item.kind} `{item.name}`"
        with frame.builder.building((key, frame.training), what, span):
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
                raise no_result(item.definition)
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
        if is_list(value) and parameter.type is not None and parameter.type.axes:
            axis = parameter.type.axes[0]
            if isinstance(axis, syntax.Name) and axis.id not in inner.values:
                inner.axes.bound[axis.id] = len(value)
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
    with applied_at(span):
        for name, place, tensor in tensors:
            type = declared[name][1].type
            if type is None or type.axes is None:
                inner.given[name] = tensor
                continue
            told = f"`{name}` of `{item.name}`"
            inner.given[name] = match(inner, type, tensor, spans[name], told, place)
        inner.axes.settle()
    for name, override in instance.overrides.items():
        if override.span is not None:
            inner.override_spans[name] = override.span
        if override.tensor is not None:
            node = make_input(name, "parameter", override.tensor.node.type)
            inner.inputs.append(node)
            labels = tuple(Spread(number, axis) for axis in range(override.tensor.rank))
            inner.overrides[name] = Tensor(node, labels)
            number += 1
        else:
            inner.overrides[name] = override
    return inner
