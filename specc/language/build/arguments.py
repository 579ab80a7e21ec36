"""Arguments to parameters: who gets what, and whether it is of the kind that was asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from specc.diagnostics import Diagnostic, Span, SpecError, did_you_mean, fault
from specc.ir import Size
from specc.language import syntax
from specc.language.build.dispatch import evaluate
from specc.language.build.frame import Frame
from specc.language.build.values import (
    ALL,
    Instance,
    Item,
    Native,
    Record,
    Several,
    Tensor,
    Value,
    article,
    counted,
    describe,
    is_list,
    is_number,
)

KINDS = (
    "function",
    "activation",
    "loss",
    "metric",
    "init",
    "schedule",
    "optimizer",
    "layer",
    "cell",
    "model",
)
PLAIN = ("int", "float", "bool", "string")
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Given:
    """One argument: an expression yet to be evaluated, or a value that a pipeline brings."""

    name: str | None
    span: Span
    expression: syntax.Expression | None = None
    value: Value = _MISSING
    at: Span | None = None  # of the name and all, where there is one

    @property
    def name_at(self) -> Span:
        """Where the argument's name stands, else the argument."""
        if self.name is None or self.at is None:
            return self.span
        return Span(self.at.source, self.at.start, self.at.start + len(self.name))

    def evaluate(self, frame: Frame) -> Value:
        if self.expression is None:
            return self.value
        return evaluate(frame, self.expression)


def given(arguments: Sequence[syntax.Argument]) -> list[Given]:
    return [Given(each.name, each.value.span, each.value, at=each.span) for each in arguments]


# What users of other libraries write, and what it is here.
_FOREIGN = {
    "dim": "axis",
    "axes": "axis",
    "kernel_size": "kernel",
    "pool_size": "kernel",
    "strides": "stride",
    "out_features": "out",
    "out_channels": "out",
    "filters": "out",
    "units": "out",
    "keepdim": "keepdims",
    "num_embeddings": "count",
    "input_dim": "count",
    "embedding_dim": "dim",
    "output_dim": "dim",
    "normalized_shape": "features",
    "learning_rate": "lr",
    "negative_slope": "alpha",
    "dropout": "p",
    "rate": "p",
    "hidden_size": "n",
    "T_max": "n",
    "num_classes": "n",
    "betas": "beta1 and beta2",
}
_INFERRED = ("in_features", "in_channels", "num_features", "input_size", "input_shape")


def assign(
    what: str,
    names: Sequence[str],
    arguments: Sequence[Given],
    span: Span,
    also: Sequence[str] = (),
) -> dict[str, Given]:
    """Parameter name → argument. `also` may be given by name only."""
    made: dict[str, Given] = {}
    faults: list[Diagnostic] = []
    position = 0
    for each in arguments:
        name = each.name
        if name is None:
            if position >= len(names):
                faults += fault(
                    "H003",
                    f"{what} takes {counted(len(names), 'argument')}, and this is one more",
                    each.span,
                    expected=", ".join(names) or "no arguments",
                ).diagnostics
                continue
            name = names[position]
            position += 1
        elif name not in names and name not in also:
            faults += fault(
                "H002",
                f"{what} has no argument `{name}`",
                each.name_at,
                expected=", ".join(dict.fromkeys([*names, *also])) or "no arguments",
                help=_foreign(name, [*names, *also]),
            ).diagnostics
            continue
        if name in made:
            faults += fault(
                "H006",
                f"`{name}` is given twice",
                (each.name_at, "given here again"),
                (made[name].name_at, "given here first"),
            ).diagnostics
            continue
        made[name] = each
    if faults:
        raise SpecError(faults)
    return made


def _foreign(name: str, names: Sequence[str]) -> str:
    """What an argument of another library is here; else the nearest name."""
    here = _FOREIGN.get(name, "")
    if name in _INFERRED:
        return "leave it out: the input's axis says it"
    if here and set(here.split(" and ")) <= set(names):
        return f"here it is `{here.replace(' and ', '` and `')}`"
    return did_you_mean(name, names)


def missing(what: str, name: str, type: syntax.TypeExpression | None, span: Span) -> Exception:
    asked = f": {type.span.text}" if type else ""
    return fault(
        "H001",
        f"{what} needs `{name}`",
        (span, f"`{name}{asked}` is not given"),
        expected=f"{name}{asked}",
    )


def check_hyper(
    frame: Frame, type: syntax.TypeExpression | None, value: Value, span: Span, what: str
) -> Value:
    """A hyper-parameter's value, held against its declared type; a number fills a list."""
    if type is None:
        return closed(value, span, what)
    if value is ALL:
        return value
    if value is None:
        if type.optional:
            return None
        raise _wrong(type, value, span, what)
    if type.name == "axis":
        return value
    if type.name not in (*PLAIN, *KINDS):
        raise no_type(type)
    if type.axes is not None:
        return _list_hyper(frame, type, value, span, what)
    if isinstance(value, Tensor) and value.rank == 0 and type.name in ("int", "float"):
        if value.dtype == "float64":
            return value  # an exact scalar: a schedule's, or made of `step`
        raise fault(
            "H004",
            f"{what} is known when compiled; this is a tensor",
            (span, str(value)),
            help=f"a tensor argument is declared `{type.name}[]`",
        )
    fits = {
        "int": lambda: isinstance(value, (int, Size)) and not isinstance(value, bool),
        "float": lambda: is_number(value),
        "bool": lambda: isinstance(value, bool),
        "string": lambda: isinstance(value, str),
    }.get(type.name)
    if fits is not None:
        if not fits():
            raise _wrong(type, value, span, what)
        return value
    if not _is_kind(value, type.name):
        raise _wrong(type, value, span, what)
    return value


def closed(value: Value, span: Span, what: str) -> Value:
    """A value, unless it would bring tensors of one body into another unseen."""
    if isinstance(value, Record):
        help = f"give one of its parts: `{span.text}.{next(iter(value.fields), 'h')}`"
    elif isinstance(value, Several):
        help = "bind each: `a, b = ...`"
    elif isinstance(value, Instance):
        help = "give the layer's name, `inner: layer`, and build it inside"
    elif is_list(value) and any(isinstance(each, (Tensor, Instance, list)) for each in value):
        if not any(isinstance(each, (Tensor, Instance)) for each in _flat(value)):
            return value
        help = "give each tensor as an argument of its own, or join them: `concat([a, b])`"
    else:
        return value
    told = "a list of tensors" if is_list(value) else describe(value)
    raise fault("T003", f"{what} can't be {told}", (span, told), help=help)


def _flat(value: list[Value]) -> Iterator[Value]:
    for each in value:
        if is_list(each):
            yield from _flat(each)
        else:
            yield each


def no_type(type: syntax.TypeExpression) -> SpecError:
    start = type.span.start
    return fault(
        "N001",
        f"`{type.name}` is no type",
        Span(type.span.source, start, start + len(type.name)),
        help=did_you_mean(type.name, [*PLAIN, "axis", *KINDS]),
    )


def _is_kind(value: Value, kind: str) -> bool:
    if isinstance(value, Item):
        return (
            value.kind == kind
            or (kind == "function" and value.kind in ("activation", "loss"))
            or (kind == "layer" and value.kind == "model")
        )
    # a compiler's own function serves as a function or an activation: `act = tanh`
    return isinstance(value, Native) and kind in ("function", "activation")


def _list_hyper(
    frame: Frame, type: syntax.TypeExpression, value: Value, span: Span, what: str
) -> Value:
    assert type.axes is not None
    if len(type.axes) != 1 or isinstance(type.axes[0], syntax.Ellipsis):
        raise fault("H004", "a list has one axis", type.span)
    axis = type.axes[0]
    length: Any = None
    if isinstance(axis, syntax.Number):
        length = axis.value
    elif isinstance(axis, syntax.Name):
        length = frame.axes.bound.get(axis.id, frame.values.get(axis.id))
    if is_number(value) and isinstance(length, int):
        value = [value] * length
    if not is_list(value):
        raise _wrong(type, value, span, what)
    element = syntax.TypeExpression(type.name, None)
    items: list[Value] = value
    for each in items:
        check_hyper(frame, element, each, span, f"an element of {what}")
    if length is None and isinstance(axis, syntax.Name):
        frame.axes.bound[axis.id] = len(items)
    elif isinstance(length, int) and len(items) != length:
        raise fault(
            "H004",
            f"{what} is a list of {length}, and this has {len(items)}",
            (span, describe(items)),
            (type.span, "asked here"),
            expected=f"{length} numbers",
            found=f"{len(items)}",
        )
    return items


def _wrong(type: syntax.TypeExpression, value: Value, span: Span, what: str) -> Exception:
    return fault(
        "H004",
        f"{what} is {article(type.span.text or type.name)}, not {describe(value)}",
        (span, describe(value)),
        expected=type.span.text or type.name,
        found=describe(value),
        help=_advice(type, value),
    )


def _advice(type: syntax.TypeExpression, value: Value) -> str:
    if type.name == "int" and isinstance(value, float):
        return f"write {int(value)}" if value.is_integer() else "`//` divides whole numbers"
    if type.name == "layer" and isinstance(value, Instance):
        return "give the layer's name, not a built one: it is built inside"
    if isinstance(value, Tensor) and type.axes is None and type.name in PLAIN:
        return f"a tensor's type says its axes: `{type.name}[...]`"
    return ""
