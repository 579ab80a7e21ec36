"""Type expressions: extents of their axes, and a value held against them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from specc.diagnostics import Span, did_you_mean, fault
from specc.ir import Extent, Size, Type
from specc.language import syntax
from specc.language.build.arithmetic import arithmetic
from specc.language.build.axes import Equation
from specc.language.build.dispatch import evaluate
from specc.language.build.frame import Frame
from specc.language.build.tensors import hold, own_name
from specc.language.build.values import (
    POISON,
    Label,
    Poisoned,
    Spread,
    Tensor,
    Value,
    counted,
    describe,
)

Entries = Sequence[syntax.Expression | syntax.Ellipsis]
TENSOR_DTYPES = ("float", "int", "bool")


def extent(frame: Frame, expression: syntax.Expression, bind: bool) -> Extent:
    """An axis of a type: names win over values; with `bind`, a new name is an unknown axis."""
    if isinstance(expression, syntax.Name) and not expression.primed:
        name = expression.id
        if name in frame.axes.bound:
            return frame.axes.resolve(frame.axes.bound[name])
        value = frame.values.get(name)
        if value is POISON:
            raise Poisoned
        if bind and (value is None or isinstance(value, Tensor)):
            return frame.axes.unknown(name)
    elif isinstance(expression, syntax.Binary) and expression.operator in "+ - * // %".split():
        left = extent(frame, expression.left, bind)
        right = extent(frame, expression.right, bind)
        made = arithmetic(
            frame,
            expression.operator,
            left,
            right,
            expression.span,
            expression.left.span,
            expression.right.span,
        )
        assert isinstance(made, (int, Size))
        return _length(made, expression.span)
    value = evaluate(frame, expression)
    if isinstance(value, bool) or not isinstance(value, (int, Size)):
        raise fault(
            "T006",
            f"an axis is a whole number or a name, not {describe(value)}",
            (expression.span, describe(value)),
            expected="a whole number, a name, or their sums and products",
            help="`//` divides whole numbers" if isinstance(value, float) else "",
        )
    return _length(value, expression.span)


def _length(value: Extent, span: Span) -> Extent:
    if isinstance(value, int) and value < 0:
        raise fault("T006", f"an axis can't have {value} elements", (span, str(value)))
    return value


def shape_of(
    frame: Frame, entries: Entries, span: Span
) -> tuple[tuple[Extent, ...], tuple[Label, ...]]:
    """A whole shape whose names are all known; `...` is what it is bound to."""
    shape: list[Extent] = []
    labels: list[Label] = []
    for entry in entries:
        if isinstance(entry, syntax.Ellipsis):
            if frame.axes.spread is None:
                raise fault(
                    "T004",
                    "`...` stands for nothing yet",
                    entry.span,
                    help="an input with `...` in its type binds it",
                )
            shape += frame.axes.spread
            labels += map(own_name, frame.axes.spread)
        else:
            shape.append(extent(frame, entry, bind=False))
            labels.append(entry.id if isinstance(entry, syntax.Name) else None)
    return tuple(shape), tuple(labels)


def match(
    frame: Frame,
    type: syntax.TypeExpression,
    value: Tensor,
    at: Span | None,
    what: str,
    argument: int | None = None,
) -> Tensor:
    """Holds a value against a declared type: binds its axes, and names the value's."""
    element_type(type)
    check_dtype(type, value, at, what)
    assert type.axes is not None
    dots = [i for i, entry in enumerate(type.axes) if isinstance(entry, syntax.Ellipsis)]
    if len(dots) > 1:
        raise fault("T006", "one `...` is enough in a type", type.axes[dots[1]].span)
    fixed = len(type.axes) - len(dots)
    if value.rank < fixed or (not dots and value.rank != fixed):
        axes = counted(value.rank, "axis", "axes")
        raise fault(
            "T002",
            f"{what} has {axes}, not {'at least ' if dots else ''}{fixed}",
            (at, f"this is {value}") if at else None,
            (type.span, f"`{type.span.text}` is asked here"),
            expected=type.span.text,
            found=str(value),
            help=_rank_help(fixed, value, at),
        )
    labels: list[Label] = []
    position = 0
    for entry in type.axes:
        if isinstance(entry, syntax.Ellipsis):
            here = value.shape[position : position + value.rank - fixed]
            _bind_spread(frame, here, value, entry.span, at, what)
            for offset in range(len(here)):
                place = position + offset
                own = value.labels[place]
                labels.append(own if argument is None else Spread(argument, place))
            position += len(here)
            continue
        declared = extent(frame, entry, bind=True)
        actual = value.shape[position]
        frame.axes.equate(Equation(declared, actual, entry.span, at, value, what))
        labels.append(entry.id if isinstance(entry, syntax.Name) else None)
        position += 1
    return Tensor(value.node, tuple(labels))


def element_type(type: syntax.TypeExpression) -> None:
    """Refuses a tensor of anything but numbers and truth values."""
    if type.name not in TENSOR_DTYPES:
        start = type.span.start
        raise fault(
            "T006",
            f"a tensor holds float, int or bool, not `{type.name}`",
            Span(type.span.source, start, start + len(type.name)),
            help=did_you_mean(type.name, TENSOR_DTYPES),
        )


def check_dtype(type: syntax.TypeExpression, value: Tensor, at: Span | None, what: str) -> None:
    have = "float" if value.dtype == "float64" else value.dtype
    if type.name != have:
        raise fault(
            "T003",
            f"{what} is {have}, not {type.name}",
            (at, f"this is {value}") if at else None,
            (type.span, f"{what} is {type.name} here"),
            expected=type.name,
            found=have,
            help=f"compare it: `{word(at)} > 0`"
            if type.name == "bool"
            else f"cast it: `{type.name}({word(at)})`",
        )


def word(at: Span | None) -> str:
    """What an advice calls the value that stands there."""
    text = at.text if at else ""
    return text if text.isidentifier() and not _is_stage(at) else "x"


def _is_stage(at: Span | None) -> bool:
    """Whether what stands there is a stage of a pipeline, and not the value that enters it."""
    return at is not None and at.source.text[: at.start].rstrip().endswith("->")


def _is_piped(at: Span | None) -> bool:
    """Whether a pipeline goes on from there."""
    if at is None:
        return False
    rest = at.source.text[at.end : at.end + 200]
    return re.match(r"\s*(as\s+\S+\s*)?->", rest) is not None


def declared_type(
    frame: Frame, type: syntax.TypeExpression, what: str
) -> tuple[Type, tuple[Label, ...]]:
    """The type of a parameter, a state or an asked value: every name in it is known."""
    element_type(type)
    if type.axes is None:
        raise fault(
            "T006", f"{what} needs a shape", type.span, help=f"`{type.name}[]` is a scalar tensor"
        )
    shape, labels = shape_of(frame, type.axes, type.span)
    made = Type(type.name, shape)
    hold(made, type.span)
    return made, labels


def _bind_spread(
    frame: Frame,
    here: tuple[Extent, ...],
    value: Tensor,
    span: Span,
    at: Span | None,
    what: str,
) -> None:
    spread = frame.axes.spread
    if spread is None:
        frame.axes.spread = here
        frame.axes.binders["..."] = at, value
    elif spread != here:
        bound = ", ".join(map(str, spread))
        found = ", ".join(map(str, here))
        raise fault(
            "T001",
            f"axes do not agree: `...` is [{bound}] and [{found}]",
            (at, f"this is {value}") if at else None,
            frame.axes.binder("...", f"`...` is [{bound}] by this", at),
            (span, f"{what} has the same axes in place of `...`"),
            expected=f"[{bound}]",
            found=f"[{found}]",
            help=_spread_help(spread, here, at),
        )


def _spread_help(bound: tuple[Extent, ...], here: tuple[Extent, ...], at: Span | None) -> str:
    if here == (*bound, 1):
        return f"take the last axis away: `{word(at)}[..., 0]`"
    if here and bound[: len(here)] == here:
        return "one value has more axes: `flatten(x)` makes one axis of all but the first"
    if bound and here[: len(bound)] == bound:
        return "one value has more axes: reduce them, or say which one is meant: `x[..., 0]`"
    return ""


def _rank_help(fixed: int, value: Tensor, at: Span | None) -> str:
    if value.rank == fixed - 1:
        return f"an axis of length 1 is added by `{word(at)}[:, none]`"
    if value.rank > fixed == 2:
        flatten = "`-> flatten` before it" if _is_piped(at) else f"`flatten({word(at)})`"
        return f"{flatten} makes one axis of all but the first"
    if value.rank == 2 and fixed == 4:
        pattern = '"b (c h w) -> b c h w", c = ..., h = ...'
        return f"rows are made images by `rearrange({word(at)}, {pattern})`"
    return ""


def static_int(value: Value, span: Span, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise fault(
            "H004",
            f"{what} is a whole number, not {describe(value)}",
            (span, describe(value)),
            expected="a whole number",
            found=describe(value),
        )
    return value
