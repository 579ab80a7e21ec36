"""Bodies applied: once, or along an axis. Runs and differentiates none: passes do, once a body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from specc.ir import (
    Graph,
    Node,
    Op,
    Output,
    Tuple,
    Type,
    TypeFault,
    emit,
    make_input,
    register,
)
from specc.ir import call as applied
from specc.ir.op import Attributes
from specc.ops.rules import reshape, tensors


def by_body(g: Node, y: Node, *inputs: Node) -> None:
    """Said, not forgotten: differentiate makes the gradient of a body once and calls that."""
    raise AssertionError(f"the gradient of {y.op.name} is its body's, which differentiate makes")


def _check_fit(body: Graph, types: Sequence[Type], what: str) -> None:
    wanted = [node.type for node in body.inputs]
    assert list(types) == wanted, (
        f"{what} of {body.name}: takes ({', '.join(map(str, wanted))}),"
        f" is given ({', '.join(map(str, types))})"
    )


def _call_infer(inputs: Sequence[Type], attributes: Attributes) -> Type | Tuple:
    body: Graph = attributes["body"]
    _check_fit(body, tensors("call", inputs), "a call")
    return body.type


def _item_infer(inputs: Sequence[Type | Tuple], attributes: Attributes) -> Type:
    (whole,) = inputs
    index: int = attributes["index"]
    assert isinstance(whole, Tuple), f"item of {whole}"
    return whole.items[index]


def _scan_infer(inputs: Sequence[Type], attributes: Attributes) -> Tuple:
    """Inputs: first states, scanned values, what is the same at each step."""
    types = tensors("scan", inputs)
    body: Graph = attributes["body"]
    count: int = attributes["states"]
    states, rest = types[:count], types[count:]
    scanned, givens = rest[: attributes["scanned"]], rest[attributes["scanned"] :]
    assert scanned, "scan along nothing"
    assert all(each.rank for each in (*states, *scanned)), "scan of a number"
    steps = scanned[0].shape[0]
    for each in scanned:
        if each.shape[0] != steps:
            raise TypeFault(
                "`scan` steps through its inputs together",
                expected=f"{steps} along the first axis",
                found=str(each),
            )
    slices = [Type(each.dtype, each.shape[1:]) for each in scanned]
    _check_fit(body, [*states, *slices, *givens], "a scan")
    results = [node.type for node in body.results]
    for before, after in zip(states, results, strict=False):
        if before != after:
            message = "a state keeps its type from step to step"
            raise TypeFault(message, expected=str(before), found=str(after))
    stacked = [Type(each.dtype, (steps, *each.shape)) for each in results[count:]]
    return Tuple((*states, *stacked))


def before_of(body: Graph, states: int) -> dict[int, int]:
    """Where a scan of the body stacks a state as each step finds it: state → result."""
    places = range(states, len(body.outputs))
    found = {body.results[place]: place for place in places}
    return {at: found[node] for at, node in enumerate(body.inputs[:states]) if node in found}


def step_through(
    body: Graph, inputs: Sequence[Node], *, states: int, scanned: int, reverse: bool, kept: bool
) -> tuple[Node, ...]:
    """The last states and the stacked outputs of a scan; a number is carried as one element.

    `kept`: each state as a step finds it is stacked as well, for the gradient to read.
    """
    numbers = [at for at in range(states) if not body.inputs[at].rank]
    given = list(inputs)
    if numbers:
        own = list(body.inputs)
        for at in numbers:
            node = own[at]
            named, one = node.attributes, Type(node.dtype, (1,))
            own[at] = make_input(named["name"], named["role"], one, node.origin)
            given[at] = reshape(given[at], (1,))
        made = list(
            applied(body, [reshape(n, w.shape) for n, w in zip(own, body.inputs, strict=True)])
        )
        for at in numbers:
            made[at] = reshape(made[at], (1,))
        outputs = [
            Output(output.name, output.role, node)
            for output, node in zip(body.outputs, made, strict=True)
        ]
        body = Graph(body.name, tuple(own), tuple(outputs))
    if kept:
        body = keeping(body, states)
    made = emit("scan", *given, body=body, states=states, scanned=scanned, reverse=reverse)
    results = [emit("item", made, index=at) for at in range(len(body.outputs))]
    return tuple(reshape(each, ()) if at in numbers else each for at, each in enumerate(results))


def keeping(body: Graph, states: int) -> Graph:
    """The body, whose scan stacks each state as a step finds it as well."""
    known = before_of(body, states)
    kept = [
        Output(f"{node.attributes['name']} before", "before", node)
        for at, node in enumerate(body.inputs[:states])
        if at not in known
    ]
    return replace(body, outputs=(*body.outputs, *kept)) if kept else body


call = register(
    Op(
        "call",
        "control",
        "The results of `body` for these inputs; a tuple if they aren't one.",
        _call_infer,
        by_body,
    )
)
item = register(Op("item", "control", "One result of a tuple.", _item_infer, by_body))
scan = register(
    Op(
        "scan",
        "control",
        "`body` stepped along first axes: the last states, then each output, stacked.",
        _scan_infer,
        by_body,
    )
)
