"""Values as tensors: promotion, broadcasting, labels. One rule of each, for every operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from specc.diagnostics import Span, SpecError, fault
from specc.ir import Axis, Extent, Node, Origin, Size, Type, TypeFault, constant, emit, origin
from specc.language.build.frame import Frame
from specc.language.build.values import (
    POISON,
    Either,
    Instance,
    Item,
    Label,
    Native,
    Poisoned,
    Spread,
    Tensor,
    Value,
    describe,
    is_list,
    is_tuple,
)
from specc.limits import ELEMENTS, RANK


def op(at: Span, name: str, *inputs: Node, **attributes: Any) -> Node:
    """A primitive, with what it refuses told at the place where it was asked."""
    try:
        with origin(Origin(at)):
            made = emit(name, *inputs, **attributes)
        hold(made.type, at)
        return made
    except TypeFault as refused:
        raise fault(
            "T010",
            str(refused),
            at,
            expected=refused.expected,
            found=refused.found,
            help=refused.help,
        ) from None


def hold(type: Type, at: Span) -> None:
    """Refuses a tensor that no machine would hold."""
    if len(type.shape) > RANK.value:
        message = f"more than {RANK.value} {RANK.what}"
        raise fault(RANK.code, message, (at, f"this has {len(type.shape)}"))
    count = 1
    for extent in type.shape:
        count *= extent if isinstance(extent, int) else max(abs(f) for _, f in extent.terms)
    if count > ELEMENTS.value:
        message = f"more than {ELEMENTS.value:,} {ELEMENTS.what}"
        raise fault(ELEMENTS.code, message, (at, f"this is {type}"))


def unguarded(at: Span) -> SpecError:
    """The fault of computing with a value that may have been left out."""
    if at.text == "none":
        return fault("T009", "`none` takes no part in a computation", at)
    return fault(
        "T009",
        f"`{at.text}` may be none, and is used unguarded",
        (at, "none here"),
        help=f"decide first: `... if {at.text} == none else ...`",
    )


# ── static values as tensors ─────────────────────────────────────────────────────────────────────
def lift(value: Value, at: Span, dtype: str | None = None) -> Tensor:
    """A tensor as it is; a number as an exact scalar; a list as a constant."""
    if value is POISON:
        raise Poisoned
    if isinstance(value, Tensor):
        return value
    with origin(Origin(at)):
        if isinstance(value, Size):
            node = emit("size", extent=value)
            return Tensor(node, ())
        if isinstance(value, bool):
            return Tensor(constant(value, "bool"), ())
        if isinstance(value, int) and dtype != "float":
            return Tensor(constant(value, "int"), ())
        if isinstance(value, (int, float)):
            return Tensor(constant(float(value), dtype or "float64"), ())
        if is_list(value) and value:
            return _listed(value, at)
    raise fault(
        "T003",
        f"a tensor is needed, not {describe(value)}",
        at,
        expected="a tensor or a number",
        found=describe(value),
        help=apply_first(value),
    )


def apply_first(value: Value) -> str:
    """What makes a tensor of a layer or a function."""
    if isinstance(value, Item) and value.kind in ("layer", "cell", "model"):
        return f"build it and apply it: `{value.name}(...)(x)`, or `x -> {value.name}(...)`"
    if isinstance(value, (Instance, Item, Native)):
        return "apply it to a tensor first"
    return ""


def _listed(value: list[Any], at: Span) -> Tensor:
    def freeze(each: Any) -> Any:
        if is_list(each):
            return tuple(map(freeze, each))
        if isinstance(each, (bool, int, float)):
            return each
        raise fault("T003", f"a list of numbers is needed, not one with {describe(each)}", at)

    frozen = freeze(value)
    flat: list[Any] = []

    def shape_of(each: Any) -> tuple[int, ...]:
        if not is_tuple(each):
            flat.append(each)
            return ()
        inner = set(map(shape_of, each))
        if len(inner) != 1:
            raise fault("T003", "the lists inside have different lengths", at)
        return (len(each), *inner.pop())

    rank = len(shape_of(frozen))
    if all(isinstance(each, bool) for each in flat):
        dtype = "bool"
    elif all(isinstance(each, int) and not isinstance(each, bool) for each in flat):
        dtype = "int"
    elif any(isinstance(each, bool) for each in flat):
        raise fault("T003", "a list mixes numbers and truth values", at)
    else:
        dtype = "float"
    return Tensor(op(at, "constant", value=frozen, dtype=dtype), (None,) * rank)


def cast(value: Tensor, dtype: str, at: Span) -> Tensor:
    if value.dtype == dtype:
        return value
    return Tensor(op(at, "cast", value.node, dtype=dtype), value.labels)


def broadcast(value: Tensor, shape: Sequence[Extent], labels: Sequence[Label], at: Span) -> Tensor:
    if tuple(shape) == value.shape:
        return Tensor(value.node, tuple(labels))
    return Tensor(op(at, "broadcast", value.node, shape=tuple(shape)), tuple(labels))


# ── labels ───────────────────────────────────────────────────────────────────────────────────────
def merge(left: Label, right: Label) -> Label:
    """The name of an axis that two operands share."""
    if left == right or right is None:
        return left
    if left is None:
        return right
    if isinstance(left, str) and isinstance(right, str):
        return None
    return Either(left, right)


def label_out(label: Label, extent: Extent, arguments: Sequence[Tensor]) -> Label:
    """What the caller calls an axis of a result."""
    if isinstance(label, Spread):
        if label.argument < len(arguments) and label.axis < arguments[label.argument].rank:
            return arguments[label.argument].labels[label.axis]
    elif isinstance(label, Either):
        left = label_out(label.left, extent, arguments)
        right = label_out(label.right, extent, arguments)
        return merge(left, right)
    return own_name(extent)


def own_name(extent: Extent) -> str | None:
    """A dynamic axis has its own name everywhere."""
    if isinstance(extent, Size) and len(extent.terms) == 1:
        monomial, factor = extent.terms[0]
        if factor == 1 and len(monomial) == 1 and monomial[0][1] == 1:
            atom = monomial[0][0]
            return atom.name if isinstance(atom, Axis) else None
    return None


# ── promotion and broadcasting ───────────────────────────────────────────────────────────────────
def common(frame: Frame, values: Sequence[tuple[Value, Span]], at: Span) -> list[Tensor]:
    """The values as tensors of one dtype and one shape."""
    return spread_out(promote(frame, values, at), [span for _, span in values], at)


def promote(frame: Frame, values: Sequence[tuple[Value, Span]], at: Span) -> list[Tensor]:
    """One dtype: int with float gives float; an exact scalar is rounded where it meets a tensor."""
    tensors = [value for value, _ in values if isinstance(value, Tensor)]
    dtypes = {each.dtype for each in tensors}
    numbers = [value for value, _ in values if not isinstance(value, Tensor)]
    if "bool" in dtypes or any(isinstance(each, bool) for each in numbers):
        if dtypes <= {"bool"} and all(isinstance(each, bool) for each in numbers):
            return [lift(value, span) for value, span in values]
        places = [(span, describe(value)) for value, span in values]
        raise fault(
            "T003",
            "a bool does no arithmetic with numbers",
            *places,
            help="make it a number with `float(...)` or choose with `where(condition, a, b)`",
        )
    if "float" in dtypes:
        exact = frame.kind == "metric" and all(each.rank == 0 for each in tensors)
        dtype = "float64" if exact and "float64" in dtypes else "float"
    elif "float64" in dtypes:
        scalars = all(each.rank == 0 for each in tensors)
        dtype = (
            "float64" if scalars or all(each.dtype == "float64" for each in tensors) else "float"
        )
    elif any(isinstance(each, float) for each in numbers):
        dtype = "float64" if all(each.rank == 0 for each in tensors) else "float"
    else:
        dtype = "int"
    made: list[Tensor] = []
    for value, span in values:
        if isinstance(value, float) and dtype == "float":
            made.append(lift(value, span, "float"))
        elif isinstance(value, int) and dtype == "float":
            made.append(lift(value, span, "float"))
        else:
            made.append(cast(lift(value, span), dtype, span))
    return made


def spread_out(tensors: Sequence[Tensor], spans: Sequence[Span], at: Span) -> list[Tensor]:
    """One shape: axes line up from the right; a literal 1 and missing leading axes broadcast."""
    if all(each.shape == tensors[0].shape for each in tensors[1:]):
        labels = tensors[0].labels
        for each in tensors[1:]:
            labels = tuple(map(merge, labels, each.labels))
        return [Tensor(each.node, labels) for each in tensors]
    rank = max(each.rank for each in tensors)
    shape: list[Extent] = [1] * rank
    labels_made: list[Label] = [None] * rank
    for position in range(1, rank + 1):
        owner: Tensor | None = None
        for each in tensors:
            if each.rank < position:
                continue
            extent, label = each.shape[-position], each.labels[-position]
            labels_made[-position] = merge(labels_made[-position], label)
            if extent == 1 or extent == shape[-position]:
                owner = owner if shape[-position] != 1 else each
            elif shape[-position] == 1:
                shape[-position], owner = extent, each
            else:
                raise _disagree(tensors, spans, position, at)
    return [broadcast(each, shape, labels_made, at) for each in tensors]


def _disagree(
    tensors: Sequence[Tensor], spans: Sequence[Span], position: int, at: Span
) -> SpecError:
    places = [(span, str(each)) for each, span in zip(tensors, spans, strict=True)]
    extents = [each.shape[-position] for each in tensors if each.rank >= position]
    extents = list(dict.fromkeys(each for each in extents if each != 1))
    place = "last axes" if position == 1 else f"axes at place {position} from the right"
    return fault(
        "T001",
        f"axes do not agree: {extents[0]} is not {extents[1]}",
        *places,
        expected=f"equal {place}, or a literal 1",
        found=" against ".join(map(str, extents[:2])),
        help=_shape_help(tensors, extents),
    )


def _shape_help(tensors: Sequence[Tensor], extents: list[Extent]) -> str:
    if len(tensors) == 2:
        left, right = tensors
        small, large = (left, right) if left.rank <= right.rank else (right, left)
        if 0 < small.rank <= large.rank:
            names = [own_name(each) or each for each in small.shape]
            everywhere = [own_name(each) or each for each in large.shape]
            if all(each in everywhere for each in names) and small.rank < large.rank:
                return "`align(v, x)` puts v's axes under those of the same name in x"
            if left.rank == right.rank == 2 and left.shape == right.shape[::-1]:
                return 'one is the other transposed: `rearrange(x, "a b -> b a")`'
    if all(isinstance(each, Size) for each in extents):
        return "two dynamic axes agree only if they are the same axis"
    return ""


# ── operators ────────────────────────────────────────────────────────────────────────────────────


def type_of(value: Value) -> Type | None:
    return value.node.type if isinstance(value, Tensor) else None
