"""Which parameters a loss reaches, found backwards through calls. Differentiates nothing."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from specc.diagnostics import Diagnostic, Report, Span, did_you_mean, labels
from specc.ir import Graph, Node
from specc.ir.model import Model, Train

_DIFFERENTIABLE = ("float", "float64")


def reached(results: Iterable[Node], memo: dict[tuple[int, int], frozenset[int]]) -> set[int]:
    """The ids of the inputs on which the results depend in a way that has a gradient."""
    found: set[int] = set()
    stack = [(node, None) for node in results]
    seen: set[tuple[int, int | None]] = set()
    while stack:
        node, place = stack.pop()
        if (id(node), place) in seen or node.op.name == "stop_gradient":
            continue
        seen.add((id(node), place))
        if node.op.name == "input":
            found.add(id(node))
        elif node.op.name == "item":
            stack.append((node.inputs[0], node.attributes["index"]))
        elif node.op.name == "call":
            used = _used(node.attributes["body"], place or 0, memo)
            stack += [(each, None) for at, each in enumerate(node.inputs) if at in used]
        else:
            stack += [(each, None) for each in node.inputs if _may_differ(each)]
    return found


def _may_differ(node: Node) -> bool:
    return not hasattr(node.type, "dtype") or node.type.dtype in _DIFFERENTIABLE


def _used(body: Graph, place: int, memo: dict[tuple[int, int], frozenset[int]]) -> frozenset[int]:
    """The places of the inputs that one result of a body depends on."""
    key = (id(body), place)
    if key not in memo:
        memo[key] = frozenset()  # a body can't apply itself
        ids = reached([body.results[place]], memo)
        stated = body.gradients.keys()
        memo[key] = frozenset(
            at for at, node in enumerate(body.inputs) if id(node) in ids or at in stated
        )
    return memo[key]


def note_unreached(model: Model, report: Report) -> None:
    """A parameter that no loss reaches is worth a note: it stays as it began."""
    losses = [output.node for output in model.training.outputs if output.role == "loss"]
    if not losses:
        return
    ids = reached(losses, {})
    parameters = model.training.taking("parameter")
    for variable in model.parameters:
        node = parameters.get(variable.name)
        if node is None or id(node) not in ids:
            report.add(
                Diagnostic(
                    "M024",
                    f"no loss reaches the parameter `{variable.name}`: it stays as it began",
                    labels(variable.span or model.span),
                    severity="note",
                )
            )


def check_globs(train: Train, freeze: Span | None, report: Report) -> None:
    """A pattern that names no parameter is a mistake; so is a parameter without an optimizer."""
    names = [variable.name for variable in train.model.parameters]
    asked: list[tuple[tuple[str, ...], Span | None]] = [(train.freeze, freeze or train.span)]
    asked += [(each.on, each.span) for each in (*train.optimizers, *train.penalties)]
    asked += [(each.on, train.model.span) for each in train.model.losses]
    for patterns, span in asked:
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in names):
                report.add(
                    Diagnostic(
                        "M023",
                        f"no parameter is called `{pattern}`",
                        labels(span),
                        expected=_some(names),
                        help=did_you_mean(pattern, names),
                    )
                )
    if any(not each.on for each in train.optimizers):
        return
    for variable in train.model.parameters:
        covered = [*train.freeze, *(glob for each in train.optimizers for glob in each.on)]
        if not any(fnmatchcase(variable.name, glob) for glob in covered):
            report.add(
                Diagnostic(
                    "M090",
                    f"the parameter `{variable.name}` has no optimizer",
                    labels(train.span, (variable.span, "declared here") if variable.span else None),
                    help="add an optimizer without `on`, which takes the rest, or `freeze` it",
                )
            )


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:6])
    return f"{shown}, ..." if len(names) > 6 else shown
