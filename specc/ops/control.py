"""Bodies applied: once, or along an axis. Runs and differentiates none: passes do, once a body."""

from __future__ import annotations

from collections.abc import Sequence

from specc.ir import Extent, Graph, Node, Op, Tuple, Type, TypeFault, register
from specc.ir.op import Attributes
from specc.ops.rules import check_axis, tensors, without


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
    """Inputs: first states, scanned values, the length of each row if asked for, givens."""
    types = tensors("scan", inputs)
    body: Graph = attributes["body"]
    axis: int = attributes["axis"]
    count: int = attributes["states"]
    states, rest = types[:count], types[count:]
    scanned, rest = rest[: attributes["scanned"]], rest[attributes["scanned"] :]
    lengths, givens = (rest[:1], rest[1:]) if attributes["length"] else ([], rest)
    assert scanned, "scan along nothing"
    for each in scanned:
        check_axis("scan", axis, each.rank)
    steps = scanned[0].shape[axis]
    for each in scanned:
        if each.shape[axis] != steps:
            raise TypeFault(
                "`scan` steps through its inputs together",
                expected=f"{steps} along axis {axis}",
                found=str(each),
            )
    _check_lengths(lengths)
    slices = [Type(each.dtype, without(each.shape, (axis,))) for each in scanned]
    _check_fit(body, [*states, *slices, *givens], "a scan")
    results = [node.type for node in body.results]
    for before, after in zip(states, results, strict=False):
        if before != after:
            message = "a state keeps its type from step to step"
            raise TypeFault(message, expected=str(before), found=str(after))
    return Tuple((*states, *(_stacked(each, axis, steps) for each in results[count:])))


def _check_lengths(lengths: Sequence[Type]) -> None:
    for each in lengths:
        if each.dtype != "int" or each.rank != 1:
            message = "`length` of a scan is the number of steps of each row"
            raise TypeFault(message, expected="int[batch]", found=str(each))


def _stacked(each: Type, axis: int, steps: Extent) -> Type:
    if each.rank < axis:
        message = f"an output without axes before {axis} can't be stacked along it"
        raise TypeFault(message, expected=f"at least {axis} axes", found=str(each))
    return Type(each.dtype, (*each.shape[:axis], steps, *each.shape[axis:]))


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
        "`body` stepped along `axis`: the last states, then each output stacked along it.",
        _scan_infer,
        by_body,
    )
)
