"""The compiler's own functions by name, the elementwise ones and the reductions among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specc.diagnostics import Span, fault
from specc.ir import Size
from specc.ir.size import maximum as larger
from specc.ir.size import product
from specc.language.build.arguments import Given
from specc.language.build.arithmetic import static_function
from specc.language.build.demands import DEMANDS
from specc.language.build.frame import Frame
from specc.language.build.movement import MOVEMENT
from specc.language.build.natives import Arguments, Builtin, kept
from specc.language.build.patterns import einsum, rearrange
from specc.language.build.tensors import cast, common, lift, op, promote
from specc.language.build.texts import TEXTS
from specc.language.build.values import Native, Tensor, Value, describe, is_number


# ── elementwise ──────────────────────────────────────────────────────────────────────────────────
def _unary(name: str) -> Callable[[Arguments], Value]:
    def build(a: Arguments) -> Value:
        value = a["x"]
        if is_number(value) and not isinstance(value, Size):
            return static_function(name, value, a.at)
        keeps_int = name in ("abs",) or (name in ("floor", "round", "sign"))
        tensor = a.tensor("x") if keeps_int else a.floats("x")
        if tensor.dtype == "int" and name in ("floor", "round"):
            return tensor
        if tensor.dtype != "int" or name != "abs":
            tensor = a.floats("x")
        return Tensor(op(a.at, name, tensor.node), tensor.labels)

    return build


def _finite(a: Arguments) -> Value:
    value = a["x"]
    if is_number(value) and not isinstance(value, Size):
        return value == value and abs(value) != float("inf")
    tensor = a.floats("x")
    return Tensor(op(a.at, "is_finite", tensor.node), tensor.labels)


def _binary(name: str, static: Callable[[Any, Any], Any]) -> Callable[[Arguments], Value]:
    def build(a: Arguments) -> Value:
        left, right = a["a"], a["b"]
        if is_number(left) and is_number(right):
            if isinstance(left, Size) or isinstance(right, Size):
                if (
                    name == "maximum"
                    and not isinstance(left, float)
                    and not isinstance(right, float)
                ):
                    return larger(left, right)
            else:
                return static(left, right)
        x, y = common(a.frame, [(left, a.spans["a"]), (right, a.spans["b"])], a.at)
        if x.dtype == "bool":
            raise fault("T003", "truth values have no order", a.at)
        return Tensor(op(a.at, name, x.node, y.node), x.labels)

    return build


def _where(a: Arguments) -> Value:
    test = a["condition"]
    if isinstance(test, bool):
        raise fault(
            "T012",
            "this condition is decided when compiled",
            a.spans["condition"],
            help="write `a if condition else b`",
        )
    condition = a.tensor("condition")
    if condition.dtype != "bool":
        raise fault(
            "T003",
            f"`where` needs a condition of truth values, not {condition.dtype}",
            (a.spans["condition"], str(condition)),
            expected="bool",
            found=condition.dtype,
            help="compare it: `x > 0`",
        )
    from specc.language.build.tensors import spread_out

    one, other = promote(a.frame, [(a["a"], a.spans["a"]), (a["b"], a.spans["b"])], a.at)
    if one.dtype == "float64" and (condition.rank or one.rank or other.rank):
        one, other = cast(one, "float", a.at), cast(other, "float", a.at)
    spans = [a.spans[name] for name in ("condition", "a", "b")]
    condition, one, other = spread_out([condition, one, other], spans, a.at)
    return Tensor(op(a.at, "where", condition.node, one.node, other.node), one.labels)


def _cast(dtype: str) -> Callable[[Arguments], Value]:
    def build(a: Arguments) -> Value:
        value = a["x"]
        if isinstance(value, Size):
            return value if dtype == "int" else cast(lift(value, a.at), "float64", a.at)
        if isinstance(value, (bool, int, float)):
            try:
                return {"float": float, "int": int, "bool": bool}[dtype](value)
            except (OverflowError, ValueError):
                raise fault("T017", f"{value} is no whole number", a.spans["x"]) from None
        tensor = a.tensor("x")
        if dtype == "float" and tensor.dtype == "float64":
            return tensor
        return cast(tensor, dtype, a.at)

    return build


def _detach(a: Arguments) -> Value:
    if is_number(a["x"]):
        return a["x"]
    tensor = a.tensor("x")
    return Tensor(op(a.at, "stop_gradient", tensor.node), tensor.labels)


# ── reductions ───────────────────────────────────────────────────────────────────────────────────


def _sum(a: Arguments) -> Value:
    tensor = a.tensor("x")
    if tensor.dtype == "bool":
        tensor = cast(tensor, "int", a.at)
    axes = a.axes("axis", tensor)
    node = op(a.at, "sum", tensor.node, axes=tuple(sorted(axes))) if axes else tensor.node
    return kept(a, node, tensor, axes)


def _any(a: Arguments) -> Value:
    tensor = a.tensor("x")
    if tensor.dtype != "bool":
        raise a.wrong("x", f"`any` needs truth values, not {describe(tensor)}", "T003")
    axes = a.axes("axis", tensor)
    node = op(a.at, "any", tensor.node, axes=tuple(sorted(axes))) if axes else tensor.node
    return kept(a, node, tensor, axes)


def _max(a: Arguments) -> Value:
    tensor = a.tensor("x")
    axes = sorted(a.axes("axis", tensor))
    if not axes:
        return tensor
    node = tensor.node
    if len(axes) > 1:  # the axes together are one, in row-major order, so that ties go to the first
        rest = [place for place in range(tensor.rank) if place not in axes]
        node = op(a.at, "permute", node, axes=(*rest, *axes))
        shape = (*(tensor.shape[p] for p in rest), product(tuple(tensor.shape[p] for p in axes)))
        node = op(a.at, "reshape", node, shape=shape)
        node = op(a.at, "max", node, axis=len(rest))
    else:
        node = op(a.at, "max", node, axis=axes[0])
    return kept(a, node, tensor, axes)


def _along(name: str) -> Callable[[Arguments], Value]:
    def build(a: Arguments) -> Value:
        tensor = a.tensor("x")
        axis = a.axis("axis", tensor)
        node = op(a.at, name, tensor.node, axis=axis)
        if name == "argmax":
            return Tensor(node, tensor.labels[:axis] + tensor.labels[axis + 1 :])
        return Tensor(node, tensor.labels)

    return build


# ── movement ─────────────────────────────────────────────────────────────────────────────────────


# ── indexing ─────────────────────────────────────────────────────────────────────────────────────


def _rearrange_placeholder(a: Arguments) -> Value:
    raise AssertionError("rearrange and einsum read their own arguments")


class Patterned(Builtin):
    """rearrange and einsum: patterns with sizes by name, or any number of tensors."""

    def __init__(self, name: str, build: Callable[..., Value]) -> None:
        super().__init__(name, "pattern", _rearrange_placeholder)
        self.patterned = build

    def apply(self, frame: Frame, arguments: list[Given], at: Span) -> Value:
        return self.patterned(frame, arguments, at)


class Scan(Builtin):
    """scan(cell, xs): a cell over an axis."""

    def __init__(self) -> None:
        super().__init__("scan", "cell", _rearrange_placeholder)

    def apply(self, frame: Frame, arguments: list[Given], at: Span) -> Value:
        from specc.language.build.scans import scan

        return scan(frame, arguments, at)


_TABLE: list[tuple[str, str, Callable[[Arguments], Value]]] = [
    *(
        (name, "x", _unary(name))
        for name in (
            "abs",
            "sign",
            "exp",
            "expm1",
            "log",
            "log1p",
            "sqrt",
            "sin",
            "cos",
            "tanh",
            "sigmoid",
            "erf",
            "floor",
            "round",
        )
    ),
    ("is_finite", "x", _finite),
    ("maximum", "a, b", _binary("maximum", max)),
    ("minimum", "a, b", _binary("minimum", min)),
    ("where", "condition, a, b", _where),
    ("float", "x", _cast("float")),
    ("int", "x", _cast("int")),
    ("bool", "x", _cast("bool")),
    ("detach", "x", _detach),
    ("sum", "x, axis = all, keepdims = false", _sum),
    ("max", "x, axis = all, keepdims = false", _max),
    ("any", "x, axis = all, keepdims = false", _any),
    ("argmax", "x, axis = -1", _along("argmax")),
    ("cumulative_sum", "x, axis = -1", _along("cumulative_sum")),
]

builtins: dict[str, Native] = {
    name: Builtin(name, signature, build)
    for name, signature, build in [*_TABLE, *MOVEMENT, *DEMANDS]
}
builtins["rearrange"] = Patterned("rearrange", rearrange)
builtins["einsum"] = Patterned("einsum", einsum)
builtins["scan"] = Scan()
builtins.update(TEXTS)


class Later(Native):
    """A name of the language that this version reads, and can't build yet."""

    def __init__(self, name: str, what: str) -> None:
        self.name, self.what = name, what

    def apply(self, frame: Frame, arguments: list[Given], at: Span) -> Value:
        raise fault("B004", f"`{self.name}` isn't built by this version: {self.what}", at)


builtins["generate"] = Later("generate", "decoding comes with sequence-to-sequence models")
