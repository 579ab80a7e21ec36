"""scan(cell, xs): the cell's body as a graph within the graph. Typed here, run by later work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from specc.diagnostics import Span, fault
from specc.ir import Node, Origin, Output, Type, emit, make_input, origin
from specc.language.build.arguments import Given, assign
from specc.language.build.axis_arguments import axis_argument
from specc.language.build.frame import Frame
from specc.language.build.layers import build_layer, declarations, input_values, layer_body
from specc.language.build.tensors import lift, own_name
from specc.language.build.values import (
    Instance,
    Item,
    Poisoned,
    Record,
    Several,
    Tensor,
    Value,
    describe,
)

_OPTIONS = ("axis", "reverse", "length")


def scan(frame: Frame, arguments: list[Given], at: Span) -> Value:
    """The stacked outputs, and the final state: a tensor, or a record where there are several."""
    if not arguments or arguments[0].name is not None:
        raise fault("H001", "`scan` takes a cell, then what it steps over", at)
    cell = arguments[0].evaluate(frame)
    if isinstance(cell, Item) and cell.kind == "cell":
        cell = build_layer(frame, cell, [], arguments[0].span, None)
    if not isinstance(cell, Instance) or cell.item.kind != "cell":
        raise fault(
            "H004",
            f"`scan` steps a cell, not {describe(cell)}",
            (arguments[0].span, ""),
            help="a `layer` takes the whole sequence at once",
        )
    declared = declarations(cell.item.definition)
    entries = {
        name: entry for name, (kind, entry) in declared.items() if kind in ("input", "given")
    }
    scanned_names = [name for name, (kind, _) in declared.items() if kind == "input"]
    states = [name for name, (kind, _) in declared.items() if kind == "state"]
    if not states:
        raise fault(
            "M013",
            f"the cell `{cell.item.name}` keeps no state: its steps don't depend on one another",
            (arguments[0].span, describe(cell)),
            help="write a `layer`, which takes the whole sequence at once",
        )
    options = {each.name: each for each in arguments[1:] if each.name in _OPTIONS}
    rest = [each for each in arguments[1:] if each.name not in _OPTIONS]
    assigned = assign(f"`scan` of `{cell.item.name}`", scanned_names, rest, at, [*entries, *states])
    values, spans = input_values(frame, cell.item, entries, assigned, at)
    sequences = {name: values[name] for name in scanned_names if values[name] is not None}
    if not sequences:
        raise fault("H001", "`scan` needs a sequence to step over", at)
    first = next(iter(sequences.values()))
    axis = 1
    if "axis" in options:
        axis = axis_argument(frame, options["axis"], first)
    reverse = options["reverse"].evaluate(frame) if "reverse" in options else False
    if not isinstance(reverse, bool):
        raise fault(
            "H004", f"`reverse` is true or false, not {describe(reverse)}", options["reverse"].span
        )
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise fault("T007", "a scan steps along one axis", options["axis"].span)
    for name, value in sequences.items():
        if value.rank <= axis:
            raise fault(
                "T002", f"`{name}` has no axis {axis} to step along", (spans[name], str(value))
            )
        if value.shape[axis] != first.shape[axis]:
            raise fault(
                "T001",
                f"axes do not agree: {first.shape[axis]} is not {value.shape[axis]}",
                (spans[name], str(value)),
                (at, "one scan steps along one axis"),
            )
    length = _length(frame, options, first, axis)
    stepped = {
        name: _slice(value, axis) if name in sequences else value for name, value in values.items()
    }
    found = {name: assigned[name].evaluate(frame) for name in states if name in assigned}
    given = {
        name: lift(value, assigned[name].span, "float")
        for name, value in found.items()
        if value is not None  # begins as the cell says
    }
    spans |= {name: assigned[name].span for name in given}
    return _emit(
        frame, cell, values, stepped, given, spans, states, scanned_names, axis, reverse, length, at
    )


def _length(frame: Frame, options: Mapping[str, Given], of: Tensor, axis: int) -> Tensor | None:
    if "length" not in options:
        return None
    value = options["length"].evaluate(frame)
    if value is None:
        return None
    tensor = lift(value, options["length"].span)
    if tensor.dtype != "int" or tensor.rank != 1 or tensor.shape[0] != of.shape[0]:
        raise fault(
            "T001",
            "`length` has one whole number a row",
            (options["length"].span, str(tensor)),
            expected=f"int[{of.shape[0]}]",
            found=str(tensor),
        )
    return tensor


def _slice(value: Tensor, axis: int) -> Tensor:
    """What the cell sees of a sequence at one step: a stand-in of the right type."""
    shape = value.shape[:axis] + value.shape[axis + 1 :]
    labels = value.labels[:axis] + value.labels[axis + 1 :]
    return Tensor(make_input("slice", "input", Type(value.dtype, shape)), labels)


def _emit(
    frame: Frame,
    cell: Instance,
    values: dict[str, Value],
    stepped: dict[str, Value],
    given: dict[str, Tensor],
    spans: dict[str, Span],
    states: list[str],
    scanned: list[str],
    axis: int,
    reverse: bool,
    length: Tensor | None,
    at: Span,
) -> Value:
    # The states' types come with the body: built once to ask for them, once to be given them.
    probe = layer_body(frame, cell, stepped, spans, at, False)
    if probe.failed:
        raise Poisoned
    owned = {each.path: each for each in probe.states}
    carried: dict[str, Value] = {}
    for name in states:
        own = owned.get(name)
        if own is None:
            raise fault("M013", f"the state `{name}` of a scanned cell stands at its top", at)
        with origin(Origin(own.span, name)):
            carried[name] = Tensor(make_input(name, "state", own.type), own.labels)
    body = layer_body(
        frame, cell, {**stepped, **carried}, {**spans, **dict.fromkeys(carried, at)}, at, True
    )
    if body.failed:
        raise Poisoned
    if body.draws or body.states:
        raise fault("M013", "draws and inner states in a scanned cell aren't there yet", at)
    starts: list[Tensor] = []
    for name in states:
        own = owned[name]
        start = given.get(name)
        if start is None:
            assert own.init is not None
            (node,) = (emit("call", body=own.init),)
            start = Tensor(node, own.labels)
        elif start.node.type != own.type:
            raise fault(
                "T015",
                f"the state `{name}` is given in another shape",
                (spans.get(name, at), f"this is {start}"),
                (own.span, f"this is {own.type}"),
                expected=str(own.type),
                found=str(start),
            )
        starts.append(start)
    present = [name for name in values if values[name] is not None]
    sequences = [name for name in present if name in scanned]
    constants = [name for name in present if name not in scanned]
    scope = f"{cell.path}." if cell.path else ""
    parameters = [
        frame.parameter(replace(each, path=f"{scope}{each.path}"), (id(cell), each.path), at)
        for each in body.parameters
    ]
    cell.applications += 1
    # the body's inputs, put in the primitive's order: states, slices, givens and parameters
    graph = body.graph
    by_name = {node.attributes["name"]: node for node in graph.inputs[: len(present) + len(states)]}
    own_inputs = graph.inputs[len(present) + len(states) :]
    overrides = [each.tensor for each in cell.overrides.values() if each.tensor is not None]
    inputs = [by_name[name] for name in (*states, *sequences, *constants)] + list(own_inputs)
    results = list(graph.outputs)
    outs, nexts = results[: len(results) - len(states)], results[len(results) - len(states) :]
    ordered = [
        Output(f"{name}'", "state", each.node) for name, each in zip(states, nexts, strict=True)
    ]
    graph = replace(graph, inputs=tuple(inputs), outputs=(*ordered, *outs))
    nodes = [*(each.node for each in starts), *(values[name].node for name in sequences)]
    if length is not None:
        nodes.append(length.node)
    nodes += [values[name].node for name in constants]
    nodes += [each.node for each in overrides] + [each.node for each in parameters]
    with origin(Origin(at, cell.item.name, cell.path)):
        made = emit(
            "scan",
            *nodes,
            body=graph,
            states=len(states),
            scanned=len(sequences),
            axis=axis,
            reverse=reverse,
            length=length is not None,
        )
        count = len(states) + len(outs)
        parts = [emit("item", made, index=i) for i in range(count)]

    def named(node: Node) -> Tensor:
        labels = tuple(map(own_name, node.type.shape))
        return Tensor(node, labels)

    last = [named(node) for node in parts[: len(states)]]
    stacked = [named(node) for node in parts[len(states) :]]
    final: Value = last[0] if len(last) == 1 else Record(dict(zip(states, last, strict=True)))
    return Several((*stacked, final))
