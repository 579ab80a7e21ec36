"""scan(cell, xs): the cell's body as a graph within the graph. Runs nothing.

The primitive steps along first axes, all rows alike: `axis` is moved to the front here, and a row
that `length` has ended keeps its states by a `where` in the body.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import compress

from specc.diagnostics import Span, fault
from specc.ir import (
    Extent,
    Graph,
    Node,
    Origin,
    Output,
    Type,
    call,
    constant,
    emit,
    make_input,
    origin,
    toposort,
)
from specc.language.build.arguments import Given, assign
from specc.language.build.axis_arguments import axis_argument
from specc.language.build.frame import Frame
from specc.language.build.layers import build_layer, declarations, input_values, layer_body
from specc.language.build.tensors import lift, op, own_name
from specc.language.build.values import (
    Body,
    Instance,
    Item,
    Owned,
    Poisoned,
    Record,
    Several,
    Tensor,
    Value,
    describe,
)
from specc.ops.control import step_through

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
    rows = (*of.shape[:axis], *of.shape[axis + 1 :])[:1]  # what is first of a step
    if tensor.dtype != "int" or tensor.shape != rows:
        raise fault(
            "T001",
            "`length` has one whole number a row",
            (options["length"].span, str(tensor)),
            expected=f"int[{rows[0]}]" if rows else "a sequence of rows to step over",
            found=str(tensor) if rows else str(of),
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
    frame.reads_training |= probe.reads_training | body.reads_training
    if body.draws and _draws_in_scans(body.graph):
        raise fault("M013", "a scan whose steps draw isn't there yet within a scanned cell", at)
    number = frame.count(f"{cell.path}#")
    scope = f"{cell.path}." if cell.path else ""
    starts: list[Tensor] = []
    for name in states:
        own = owned[name]
        start = given.get(name)
        if start is None:
            start = _first(frame, own, f"{cell.path}#{number}")
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
    parameters = [
        frame.parameter(replace(each, path=f"{scope}{each.path}"), (id(cell), each.path), at)
        for each in body.parameters
    ]
    cell.applications += 1
    # the body's inputs, put in the primitive's order: states, slices, givens and parameters
    graph = body.graph
    by_name = {node.attributes["name"]: node for node in graph.inputs[: len(present) + len(states)]}
    rest = list(graph.inputs[len(present) + len(states) :])
    overrides = [each.tensor for each in cell.overrides.values() if each.tensor is not None]
    inner, drawn, shared = _sorted(rest, len(overrides) + len(parameters), body)
    results, losses = [each for each in graph.outputs if each.role == "result"], body.losses
    outs, nexts = results[: len(results) - len(states)], results[len(results) - len(states) :]
    ordered = [
        Output(f"{name}'", "state", each.node) for name, each in zip(states, nexts, strict=True)
    ]
    # What its layers keep goes through the steps as it goes through applications one by one.
    held = [_held(frame, cell, each, f"{cell.path}#{number}", at) for each in body.states]
    next_of = {each.name: each for each in graph.outputs if each.role == "state"}
    moving = [f"{each.path}'" in next_of for each in body.states]
    ordered += [next_of[f"{each.path}'"] for each in compress(body.states, moving)]
    starts += compress(held, moving)
    still = [not each for each in moving]
    inputs = [*(by_name[name] for name in states), *compress(inner, moving)]
    inputs += [*(by_name[name] for name in sequences), *drawn]
    inputs += [*(by_name[name] for name in constants), *compress(inner, still), *shared]
    graph = replace(graph, inputs=tuple(inputs), outputs=(*ordered, *outs, *_losses(graph)))
    steps = [_in_front(at, values[name].node, axis) for name in sequences]
    for each in body.draws:
        draw = frame.draw(f"{cell.path}#{number}/{each}")
        steps.append(_numbered(draw, steps[0].shape[0], at))
    if length is not None:
        _without_losses(graph, at)
        graph = _until(graph, len(starts), len(steps), length.node.shape[0], at)
        steps.append(_lives(steps[0].shape[0], length.node, at))
    nodes = [*(each.node for each in starts), *steps, *(values[name].node for name in constants)]
    nodes += [each.node for each in compress(held, still)]
    nodes += [each.node for each in overrides] + [each.node for each in parameters]
    if body.needs_key:
        nodes.append(frame.the_key())
    if body.needs_step:
        nodes.append(frame.the_step().node)
    for each in outs:
        if each.node.rank < axis:
            raise fault(
                "T002",
                f"an output with {each.node.rank} axes can't be stacked along axis {axis}",
                at,
                expected=f"at least {axis} axes",
                found=str(each.node.type),
            )
    with origin(Origin(at, cell.item.name, cell.path)):
        parts = step_through(
            graph, nodes, states=len(starts), scanned=len(steps), reverse=reverse, kept=True
        )
    last = [named(node) for node in parts[: len(states)]]
    for each, node in zip(compress(body.states, moving), parts[len(states) :], strict=False):
        if each.life != "cell":
            frame.current[f"{scope}{each.path}"] = Tensor(node, each.labels)
    rest, ends = parts[len(starts) :], len(outs) + losses
    stacked = [named(_back(at, node, axis)) for node in rest[: len(outs)]]
    for node in rest[len(outs) : ends]:
        frame.losses.append(("loss", Tensor(op(at, "sum", node, axes=(0,)), ()), ()))
    final: Value = last[0] if len(last) == 1 else Record(dict(zip(states, last, strict=True)))
    return Several((*stacked, final))


def _first(frame: Frame, owned: Owned, place: str) -> Tensor:
    """What a cell's own state begins with in this scan; drawn anew in each, if it is drawn."""
    assert owned.init is not None
    nodes: list[Node] = []
    for each in owned.init.inputs:
        drawn = each.attributes["role"] == "draw"
        name = f"{place}/{owned.path}/{each.attributes['name']}"
        nodes.append(frame.draw(name) if drawn else frame.the_key())
    return Tensor(emit("call", *nodes, body=owned.init), owned.labels)


def _held(frame: Frame, cell: Instance, owned: Owned, place: str, at: Span) -> Tensor:
    """What a state within the cell is as the scan begins: a layer's lives on between scans."""
    if owned.life == "cell":
        return _first(frame, owned, place)
    path = f"{cell.path}.{owned.path}" if cell.path else owned.path
    return frame.state(replace(owned, path=path), (id(cell), owned.path), at)


def _losses(body: Graph) -> list[Output]:
    """What each step adds to the model's losses."""
    return [
        each
        if each.node.dtype == "float"
        else replace(each, node=emit("cast", each.node, dtype="float"))
        for each in body.outputs
        if each.role == "loss"
    ]


def _without_losses(body: Graph, at: Span) -> None:
    """A loss is of all rows: those that have ended can't be left out of it."""
    for each in body.outputs:
        if each.role == "loss":
            there = each.node.origin.span
            raise fault(
                "M013",
                "a scan with `length` can't leave the rows that have ended out of a step's `loss`",
                at,
                (there, "one number of all rows") if there else None,
                help="return what the loss is made of, which is 0 past a row's length, and write "
                "the `loss` where the cell is scanned",
            )


def _draws_in_scans(graph: Graph) -> bool:
    """Does a step of a scan in it draw? Its number says which step, and of one scan only."""
    for node in toposort(graph.results):
        if node.op.name not in ("call", "scan"):
            continue
        body: Graph = node.attributes["body"]
        drawn = any(each.attributes["role"] == "draw" for each in body.inputs)
        if (node.op.name == "scan" and drawn) or _draws_in_scans(body):
            return True
    return False


def _sorted(rest: list[Node], own: int, body: Body) -> tuple[list[Node], list[Node], list[Node]]:
    """A body's further inputs: inner states, draws, and what is the same at every step."""
    first, second = own + len(body.states), own + len(body.states) + len(body.draws)
    return rest[own:first], rest[first:second], rest[:own] + rest[second:]


def _numbered(draw: Node, steps: Extent, at: Span) -> Node:
    """int[time]: a draw's number with the step above its 32 bits, so that each step draws anew."""
    places = op(at, "iota", length=steps)
    high = op(at, "broadcast", constant(2**32, "int"), shape=(steps,))
    return op(at, "add", op(at, "multiply", places, high),
              op(at, "broadcast", draw, shape=(steps,)))  # fmt: skip


def named(node: Node) -> Tensor:
    labels = tuple(map(own_name, node.type.shape))
    return Tensor(node, labels)


def _in_front(at: Span, node: Node, axis: int) -> Node:
    axes = (axis, *(each for each in range(node.rank) if each != axis))
    return op(at, "permute", node, axes=axes) if axis else node


def _back(at: Span, node: Node, axis: int) -> Node:
    axes = (*range(1, axis + 1), 0, *range(axis + 1, node.rank))
    return op(at, "permute", node, axes=axes) if axis else node


# ── rows that end ────────────────────────────────────────────────────────────────────────────────
def _lives(steps: Extent, length: Node, at: Span) -> Node:
    """bool[time, batch]: is the step one of the row's?"""
    shape = (steps, length.shape[0])
    place = op(at, "reshape", op(at, "iota", length=steps), shape=(steps, 1))
    places = op(at, "broadcast", place, shape=shape)
    return op(at, "less", places, op(at, "broadcast", length, shape=shape))


def _until(body: Graph, states: int, scanned: int, rows: Extent, at: Span) -> Graph:
    """The body with `lives`, bool[batch]: a row that has ended keeps its states and gives zeros."""
    for each in body.outputs:
        type = each.node.type
        if not type.rank or type.shape[0] != rows:
            raise fault(
                "T001",
                "with `length` every state and output of a cell has the rows as its first axis",
                at,
                expected=f"{rows} rows",
                found=f"{type} of `{each.name}`" if each.role == "state" else str(type),
            )
    with origin(Origin(at)):
        lives = make_input("lives", "step", Type("bool", (rows,)))
    made = call(body, body.inputs)
    outputs: list[Output] = []
    for place, (output, new) in enumerate(zip(body.outputs, made, strict=True)):
        ones = (rows, *[1] * (new.rank - 1))
        row = op(at, "broadcast", op(at, "reshape", lives, shape=ones), shape=new.shape)
        zero = False if new.dtype == "bool" else 0 if new.dtype == "int" else 0.0
        old = body.inputs[place] if place < states else constant(zero, new.dtype, new.shape)
        outputs.append(Output(output.name, output.role, op(at, "where", row, new, old)))
    first = states + scanned
    inputs = (*body.inputs[:first], lives, *body.inputs[first:])
    return Graph(body.name, inputs, tuple(outputs))
