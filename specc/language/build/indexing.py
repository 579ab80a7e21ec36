"""x[...]: slices, places, new axes and rows, each proven or required to lie on its axis."""

from __future__ import annotations

from typing import Any

from specc.diagnostics import Span, fault
from specc.ir import Extent, Size
from specc.language import syntax
from specc.language.build.dispatch import evaluate, rule
from specc.language.build.frame import Frame
from specc.language.build.tensors import lift, op, unguarded
from specc.language.build.values import Label, Several, Tensor, Value, counted, describe


@rule(syntax.Index)
def _index(frame: Frame, expression: syntax.Index, naming: str | None) -> Value:
    value = evaluate(frame, expression.value)
    if isinstance(value, (list, str, Several)):
        return _index_list(frame, value, expression)
    if value is None:
        raise unguarded(expression.value.span)
    tensor = lift(value, expression.value.span)
    items = list(expression.items)
    dots = [i for i, item in enumerate(items) if isinstance(item, syntax.Ellipsis)]
    if len(dots) > 1:
        raise fault("T011", "one `...` is enough in an index", items[dots[1]].span)
    kinds = [_index_kind(frame, item) for item in items]
    taken = sum(1 for kind in kinds if kind not in ("new", "..."))
    if taken > tensor.rank:
        raise fault(
            "T011",
            f"{counted(taken, 'index', 'indices')} for {tensor.rank} axes",
            (expression.span, f"of {tensor}"),
        )
    if not dots:
        items.append(syntax.Ellipsis())
        kinds.append("...")
    starts: list[Extent] = []
    stops: list[Extent] = []
    steps: list[int] = []
    shape: list[Extent] = []
    labels: list[Label] = []
    axis = 0
    for item, kind in zip(items, kinds, strict=True):
        if kind == "new":
            shape.append(1)
            labels.append(None)
        elif kind == "...":
            for _ in range(tensor.rank - taken):
                starts.append(0)
                stops.append(tensor.shape[axis])
                steps.append(1)
                shape.append(tensor.shape[axis])
                labels.append(tensor.labels[axis])
                axis += 1
        elif kind == "slice":
            assert isinstance(item, syntax.Slice)
            start, stop, step = _bounds(frame, item, tensor.shape[axis], tensor)
            starts.append(start)
            stops.append(stop)
            steps.append(step)
            whole = start == 0 and stop == tensor.shape[axis] and step == 1
            shape.append(stop - start if step == 1 else (stop - start + step - 1) // step)
            labels.append(tensor.labels[axis] if whole else None)
            axis += 1
        else:
            position = kind
            if isinstance(position, Tensor):
                return _take(frame, tensor, position, expression, items)
            place = _normal(frame, position, tensor.shape[axis], item.span, tensor, "index")
            starts.append(place)
            stops.append(place + 1)
            steps.append(1)
            axis += 1
    node = tensor.node
    if any(
        s != 0 or e != n or k != 1
        for s, e, n, k in zip(starts, stops, tensor.shape, steps, strict=True)
    ):
        node = op(
            expression.span,
            "slice",
            node,
            starts=tuple(starts),
            stops=tuple(stops),
            steps=tuple(steps),
        )
    if tuple(shape) != node.type.shape:
        node = op(expression.span, "reshape", node, shape=tuple(shape))
    return Tensor(node, tuple(labels))


def _index_kind(frame: Frame, item: Any) -> Any:
    if isinstance(item, syntax.Ellipsis):
        return "..."
    if isinstance(item, syntax.Slice):
        return "slice"
    value = evaluate(frame, item)
    if value is None:
        return "new"
    if isinstance(value, Tensor) and value.dtype == "int":
        return value
    if isinstance(value, bool) or not isinstance(value, (int, Size)):
        raise fault(
            "T011",
            f"an index is a whole number, a slice or an int tensor, not {describe(value)}",
            (item.span, describe(value)),
        )
    return value


def _bounds(
    frame: Frame, item: syntax.Slice, extent: Extent, of: Tensor
) -> tuple[Extent, Extent, int]:
    step = evaluate(frame, item.step) if item.step else 1
    if isinstance(step, bool) or not isinstance(step, int) or step < 1:
        raise fault(
            "T011",
            "a slice's step is a whole number from 1",
            item.step.span if item.step else item.span,
        )

    def bound(expression: syntax.Expression | None, otherwise: Extent) -> Extent:
        if expression is None:
            return otherwise
        value = evaluate(frame, expression)
        if isinstance(value, bool) or not isinstance(value, (int, Size)):
            raise fault(
                "T011",
                f"a slice's bound is a whole number, not {describe(value)}",
                (expression.span, describe(value)),
            )
        return _normal(frame, value, extent, expression.span, of, "bound")

    start, stop = bound(item.start, 0), bound(item.stop, extent)
    frame.axes.require(
        stop - start, ">=", f"the slice `{item.span.text}` ends before it starts", item.span, "T011"
    )
    return start, stop, step


def _normal(
    frame: Frame, value: Extent, extent: Extent, span: Span, of: Tensor, what: str
) -> Extent:
    """A place on an axis, counted from its start, and proven or required to lie on it."""
    place = value + extent if isinstance(value, int) and value < 0 else value
    room = extent - place - (1 if what == "index" else 0)
    message = f"the {what} {value} lies outside an axis of {extent} (of {of})"
    frame.axes.require(place, ">=", message, span, "T011")
    frame.axes.require(room, ">=", message, span, "T011")
    return place


def _index_list(frame: Frame, value: Any, expression: syntax.Index) -> Value:
    items: Any = value.values if isinstance(value, Several) else value
    if len(expression.items) != 1 or isinstance(expression.items[0], syntax.Ellipsis):
        raise fault("T011", "a list has one index", expression.span)
    item = expression.items[0]
    if isinstance(item, syntax.Slice):
        parts = [
            evaluate(frame, each) if each else None for each in (item.start, item.stop, item.step)
        ]
        for part, each in zip(parts, (item.start, item.stop, item.step), strict=True):
            if part is not None and (isinstance(part, bool) or not isinstance(part, int)):
                raise fault(
                    "T011", "a slice's bound is a whole number", each.span if each else item.span
                )
        if parts[2] == 0:
            raise fault("T011", "a slice's step is a whole number from 1", item.span)
        return items[slice(*parts)]
    place = evaluate(frame, item)
    if isinstance(place, bool) or not isinstance(place, int):
        raise fault(
            "T011",
            f"a list's index is a whole number, not {describe(place)}",
            (item.span, describe(place)),
        )
    if not -len(items) <= place < len(items):
        raise fault("T011", f"the index {place} lies outside a list of {len(items)}", item.span)
    return items[place]


def _take(frame: Frame, tensor: Tensor, index: Tensor, at: syntax.Index, items: list[Any]) -> Value:
    """x[i] with an int tensor: rows of x."""
    if len([each for each in items if not isinstance(each, syntax.Ellipsis)]) != 1:
        raise fault(
            "T011",
            "an int tensor indexes alone: `x[i]` takes rows along the first axis",
            at.span,
            help="`take_along_axis(x, index, axis = ...)` for the others",
        )
    node = op(at.span, "take", tensor.node, index.node)
    return Tensor(node, (*index.labels, *tensor.labels[1:]))
