"""What a body declares: inputs, parameters and states, how they begin and what comes next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from specc.diagnostics import Span, SpecError, did_you_mean, fault
from specc.ir import Graph, Origin, Type, origin
from specc.ir.size import Axis, atoms
from specc.language import syntax
from specc.language.build.dispatch import evaluate
from specc.language.build.frame import Frame, filled
from specc.language.build.shapes import declared_type
from specc.language.build.tensors import broadcast, cast, lift
from specc.language.build.values import (
    POISON,
    Item,
    Label,
    Override,
    Owned,
    Poisoned,
    Tensor,
    Value,
    article,
    describe,
    describe_type,
)
from specc.language.build.walk import free_names


def name_at(entry: syntax.Entry) -> Span:
    """Where the name of a declaration stands."""
    start = entry.span.start
    return Span(entry.span.source, start, start + len(entry.name))


def no_state(name: str, span: Span, states: Iterable[str]) -> SpecError:
    return fault(
        "N006",
        f"`{name}'` is the next value of a state, and `{name}` is not one",
        span,
        help=did_you_mean(name, states) or f"declare it: `state {name}: float[...] = 0`",
    )


def assign_state(frame: Frame, name: str, value: Value, span: Span) -> None:
    """`s' = ...`: once on each path, and of the state's own type."""
    if name in frame.broken:
        raise Poisoned
    if name in frame.assigned:
        raise fault(
            "N005",
            f"`{name}'` is assigned twice",
            (span, "assigned here again"),
            (frame.assigned[name], "assigned here first"),
        )
    if name in frame.unassigned:
        raise fault(
            "N005",
            f"`{name}'` is read before it is assigned",
            (frame.unassigned[name], f"read here, where it is still `{name}`"),
            (span, "assigned here"),
            help=f"`{name}` is the value on entry",
        )
    if name == "theta" and frame.kind == "optimizer":
        like = frame.values["theta"]
    elif name in frame.state_paths:
        like = frame.current[frame.state_paths[name]]
    else:
        raise no_state(name, span, frame.state_paths)
    tensor = lift(value, span, "float" if like.dtype == "float" else None)
    if tensor.dtype != like.dtype:
        if tensor.dtype == "bool" or like.dtype == "bool" or (like.dtype == "int"):
            raise fault(
                "T015",
                f"`{name}'` is {tensor.dtype}, and `{name}` is {like.dtype}",
                (span, str(tensor)),
                expected=str(like),
                found=str(tensor),
            )
        tensor = cast(tensor, like.dtype, span)
    if tensor.shape != like.shape:
        if tensor.rank == 0 and not isinstance(value, Tensor):
            tensor = broadcast(tensor, like.shape, like.labels, span)
        else:
            raise fault(
                "T015",
                "a state's shape never changes",
                (span, f"`{name}'` is {tensor}"),
                (frame.places[name], f"`{name}` is {like}") if name in frame.places else None,
                expected=str(like),
                found=str(tensor),
            )
    frame.assigned[name] = span
    tensor = Tensor(tensor.node, like.labels)
    frame.values[f"{name}'"] = tensor
    if name in frame.state_paths:
        frame.current[frame.state_paths[name]] = tensor


def misplaced(body: str, kind: str, entry: syntax.Entry) -> SpecError | None:
    """The fault of a declaration in a body of another kind than it belongs to."""
    if kind == "given" and body != "cell":
        message = "`given` belongs to a cell: what is constant over the steps"
        return fault("M008", message, name_at(entry), help="elsewhere it is an `input`")
    if kind == "param" and body not in ("layer", "cell", "model"):
        help = "layers are Capitalised and own parameters: write a `layer`"
        return fault("M008", f"{article(body)} owns no parameters", name_at(entry), help=help)
    if kind == "state" and body not in _KEEPERS:
        help = "a layer, a cell, a metric or an optimizer keeps one"
        return fault("M008", f"{article(body)} keeps no state", name_at(entry), help=help)
    if kind == "target" and body != "model":
        help = "a target belongs to the model that is trained; elsewhere it is an `input`"
        return fault("M008", f"{article(body)} has no target", name_at(entry), help=help)
    if kind == "input" and body not in ("layer", "cell", "model", "optimizer"):
        help = "its arguments stand in its parentheses"
        return fault("M008", f"{article(body)} declares no inputs", name_at(entry), help=help)
    return None


_KEEPERS = ("layer", "cell", "model", "metric", "optimizer", "schedule")


def declare(frame: Frame, kind: str, entry: syntax.Entry) -> None:
    done = False
    with frame.statement():
        wrong = misplaced(frame.kind, kind, entry)
        if wrong is not None:
            raise wrong
        _DECLARE[kind](frame, kind, entry)
        done = True
    if not done:
        frame.values.setdefault(entry.name, POISON)
        if kind == "state":
            frame.broken.add(entry.name)


def _input(frame: Frame, kind: str, entry: syntax.Entry) -> None:
    if frame.root is not None:
        frame.root.declare_input(frame, kind, entry)
        return
    if kind == "target":
        frame.declare(entry.name, POISON, name_at(entry))
        return
    if frame.kind == "optimizer":
        return
    frame.declare(entry.name, frame.given.get(entry.name, POISON), name_at(entry))


def _param(frame: Frame, kind: str, entry: syntax.Entry) -> None:
    from specc.language.build.apply import scope_text

    if entry.type is None:
        raise fault(
            "T006",
            f"the parameter `{entry.name}` needs a type",
            name_at(entry),
            expected=f"param {entry.name}: float[axes] = init",
        )
    override: Any = frame.overrides.get(entry.name)
    if isinstance(override, Override) and override.key == "none":
        frame.declare(entry.name, None, name_at(entry))
        return
    type, labels = declared_type(frame, entry.type, f"the parameter `{entry.name}`")
    if type.dtype != "float":
        raise fault(
            "T003",
            f"a parameter is float, not {type.dtype}",
            entry.type.span,
            help="a `state` may be int or bool",
        )
    if isinstance(override, Tensor):
        if override.node.type != type:
            at = frame.override_spans.get(entry.name)
            raise fault(
                "T001",
                f"what is given for `{entry.name}` has another shape",
                (at, f"this is {override}") if at else None,
                (entry.type.span, f"{describe_type(type, labels)} is asked here"),
                expected=str(type),
                found=str(override),
            )
        frame.declare(entry.name, Tensor(override.node, labels), name_at(entry))
        frame.own_parameters.add(entry.name)
        return
    _demand_static(frame, type, entry)
    path = frame.prefix + (scope_text(frame, entry.scope) if entry.scope else entry.name)
    if override is None and entry.default is None:
        raise fault(
            "M005",
            f"the parameter `{entry.name}` says no initial value",
            name_at(entry),
            help=f"`param {entry.name}: {entry.type.span.text} = normal(0, 0.02)`",
        )
    graph = initial(frame, entry.default, type, labels, override, f"{path}")
    owned = Owned(path, type, graph, entry.span, labels=labels)
    with origin(Origin(entry.span, entry.name)):
        parameter = frame.parameter(owned, ("own", frame.prefix, entry.name), name_at(entry))
        frame.declare(entry.name, parameter, name_at(entry))
    frame.own_parameters.add(entry.name)


def _demand_static(frame: Frame, type: Type, entry: syntax.Entry) -> None:
    """A parameter's axes are known, or hyper-parameters that a run will give."""
    for extent in type.shape:
        for each in atoms(extent):
            if not isinstance(each, Axis) or each.name not in frame.builder.rigid:
                told = f"the parameter `{entry.name}`"
                raise fault(
                    "T006",
                    f"the shape of {told} depends on the dynamic axis `{each}`",
                    (entry.type.span if entry.type else entry.span, f"this is {type}"),
                    expected="axes that are known when compiled",
                    help="give the axis a size in the model's input: a number or a hyper-parameter",
                )


def _state(frame: Frame, kind: str, entry: syntax.Entry) -> None:
    from specc.language.build.apply import scope_text

    labels: tuple[Label, ...] = ()
    if entry.type is not None:
        type, labels = declared_type(frame, entry.type, f"the state `{entry.name}`")
    elif frame.kind == "metric":
        type = Type("float64")
    elif frame.kind == "optimizer":
        theta = frame.values["theta"]
        type, labels = theta.node.type, theta.labels
    else:
        raise fault(
            "T006",
            f"the state `{entry.name}` needs a type",
            name_at(entry),
            expected=f"state {entry.name}: float[axes] = 0",
        )
    if entry.default is None:
        raise fault(
            "M005",
            f"the state `{entry.name}` says no initial value",
            name_at(entry),
            help=f"`state {entry.span.text} = 0`",
        )
    path = frame.prefix + (scope_text(frame, entry.scope) if entry.scope else entry.name)
    given: Any = frame.given.get(entry.name)
    if isinstance(given, Tensor):
        if given.shape != type.shape:
            raise fault(
                "T015",
                f"the state `{entry.name}` is given in another shape",
                (frame.trail[-1], f"given {given}") if frame.trail else None,
                (entry.type.span if entry.type else entry.span, f"{type} is asked here"),
                expected=str(type),
                found=str(given),
            )
        tensor = Tensor(cast(given, type.dtype, entry.span).node, labels)
        frame.current[path] = tensor
    else:
        override = frame.overrides.get(entry.name)
        stepped = entry.name if frame.kind == "cell" else ""
        graph = initial(frame, entry.default, type, labels, override, path, stepped)
        life = frame.kind if frame.kind in ("metric", "cell") else "layer"
        owned = Owned(path, type, graph, entry.span, life, labels)
        tensor = frame.state(owned, ("own", frame.prefix, entry.name), name_at(entry))
    frame.declare(entry.name, tensor, name_at(entry))
    frame.state_paths[entry.name] = path


_DECLARE = {"input": _input, "given": _input, "target": _input, "param": _param, "state": _state}


def not_closed(at: Span, stepped: str) -> SpecError:
    """The fault of an initial value that reads a tensor; `stepped` is the state, if a cell's."""
    help = (
        f"`{stepped}` begins with numbers or draws here; a tensor is given where the cell is "
        f"stepped: `scan(cell, xs, {stepped} = ...)`"
        if stepped
        else "it is evaluated once, before there is any input"
    )
    return fault("M026", "an initial value can't read a tensor", at, help=help)


def initial(
    frame: Frame,
    expression: syntax.Expression | None,
    type: Type,
    labels: tuple[Label, ...],
    override: Any,
    path: str,
    stepped: str = "",  # the name of a cell's state
) -> Graph:
    """How a parameter or state begins: a closed graph of one value, evaluated once."""
    from specc.language.build.apply import as_graph

    inner = frame.inner(
        "init", f"init.{path}", frame.home, frame.trail[-1] if frame.trail else Span0
    )
    inner.trail = frame.trail
    inner.values = {n: v for n, v in frame.values.items() if not isinstance(v, Tensor)}
    inner.axes.bound = dict(frame.axes.bound)
    inner.axes.spread = frame.axes.spread
    inner.asked = (type, labels)
    inner.purpose = 1
    if isinstance(override, Override) and override.init is not None:
        expression = override.init
        inner.home = override.home
        inner.values = dict(override.names)
        inner.axes.bound = {}
    assert expression is not None
    for name in free_names(expression):
        if isinstance(frame.values.get(name), Tensor) and name not in inner.values:
            raise not_closed(expression.span, stepped)
    value = evaluate(inner, expression)
    if isinstance(value, Item) and value.kind == "init":
        value = apply_init(inner, value, expression.span)
    frame.reads_training |= inner.reads_training
    if isinstance(value, (bool, int, float)):
        fits = {"bool": isinstance(value, bool), "int": isinstance(value, int)}
        if not fits.get(type.dtype, not isinstance(value, bool)):
            raise fault(
                "T003",
                f"the initial value is {describe(value)}, and what it begins is {type.dtype}",
                (expression.span, describe(value)),
                expected=type.dtype,
            )
        number = value if type.dtype in ("bool", "int") else float(value)
        tensor = Tensor(filled(number, type), labels)
    else:
        tensor = cast(lift(value, expression.span), type.dtype, expression.span)
        if tensor.shape != type.shape:
            tensor = broadcast_or_fault(tensor, type, labels, expression.span)
    return as_graph("value", inner, tensor)


def broadcast_or_fault(tensor: Tensor, type: Type, labels: tuple[Label, ...], span: Span) -> Tensor:
    if tensor.rank == 0:
        return broadcast(tensor, type.shape, labels, span)
    raise fault(
        "T001",
        "the initial value has another shape",
        (span, str(tensor)),
        expected=str(type),
        found=str(tensor),
    )


def apply_init(frame: Frame, item: Item, span: Span) -> Value:
    from specc.language.build.functions import apply_function

    return apply_function(frame, item, [], span)


Span0 = Span(syntax.Module(None, "", ()).span.source, 0, 0)
