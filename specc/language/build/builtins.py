"""The functions that the compiler brings itself: each one a primitive or two, under its usual name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specc.diagnostics import Span, fault
from specc.ir import Extent, Size
from specc.ir.size import maximum as larger
from specc.ir.size import product
from specc.language.build.arguments import Given, assign, missing
from specc.language.build.axis_arguments import axis_argument
from specc.language.build.frame import Frame
from specc.language.build.patterns import einsum, rearrange
from specc.language.build.tensors import (
    broadcast,
    cast,
    common,
    lift,
    op,
    promote,
    static_function,
)
from specc.language.build.values import (
    ALL,
    Label,
    Native,
    Several,
    Spread,
    Tensor,
    Value,
    describe,
    is_number,
)
from specc.limits import REPETITIONS


class Arguments:
    """The evaluated arguments of one call, and where each stands."""

    def __init__(
        self, frame: Frame, at: Span, values: dict[str, Value], spans: dict[str, Span]
    ) -> None:
        self.frame, self.at, self.values, self.spans = frame, at, values, spans

    def __getitem__(self, name: str) -> Value:
        return self.values[name]

    def tensor(self, name: str) -> Tensor:
        value = self.values[name]
        if value is None:
            raise fault("T009", f"`{name}` may be none, and is used unguarded", self.spans[name])
        return lift(value, self.spans[name])

    def floats(self, name: str) -> Tensor:
        """The argument as floats: ints are converted, as in arithmetic."""
        tensor = self.tensor(name)
        if tensor.dtype == "bool":
            raise fault(
                "T003",
                "a bool does no arithmetic",
                (self.spans[name], str(tensor)),
                help="make it a number with `float(...)`",
            )
        if tensor.dtype == "int":
            return cast(tensor, "float64" if tensor.rank == 0 else "float", self.spans[name])
        return tensor

    def wrong(self, name: str, message: str, code: str = "H004") -> Exception:
        return fault(code, message, (self.spans[name], describe(self.values[name])))

    def extents(self, name: str, like: int | None = None) -> list[Extent]:
        """A list of whole numbers; one number stands for a list of a known length."""
        value = self.values[name]
        if like is not None and isinstance(value, (int, Size)) and not isinstance(value, bool):
            value = [value] * like
        if not isinstance(value, list) or any(
            isinstance(each, bool) or not isinstance(each, (int, Size))
            for each in value  # type: ignore[union-attr]
        ):
            raise self.wrong(name, f"`{name}` is a list of whole numbers, not {describe(value)}")
        items: list[Extent] = value
        if like is not None and len(items) != like:
            raise self.wrong(name, f"`{name}` is a list of {like}, and this has {len(items)}")
        return items

    def ints(self, name: str, like: int | None = None) -> list[int]:
        made: list[int] = []
        for each in self.extents(name, like):
            if not isinstance(each, int):
                raise self.wrong(name, f"`{name}` must be known when compiled")
            made.append(each)
        return made

    def axes(self, name: str, of: Tensor) -> list[int]:
        value = self.values[name]
        if value is ALL or value is None:
            return list(range(of.rank))
        return value if isinstance(value, list) else [value]

    def axis(self, name: str, of: Tensor) -> int:
        value = self.values[name]
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong(name, "this takes one axis", "T007")
        return value

    def flag(self, name: str) -> bool:
        if not isinstance(self.values[name], bool):
            raise self.wrong(name, f"`{name}` is true or false, not {describe(self.values[name])}")
        return self.values[name]


class Builtin(Native):
    """One function: its parameters as in a signature (`x, axis = all`), and how it is built."""

    def __init__(self, name: str, signature: str, build: Callable[[Arguments], Value]) -> None:
        self.name, self.build, self.signature = name, build, signature
        self.names: list[str] = []
        self.defaults: dict[str, Value] = {}
        for part in signature.split(", "):
            word, _, default = part.partition(" = ")
            self.names.append(word)
            if default:
                self.defaults[word] = _DEFAULTS[default] if default in _DEFAULTS else float(default)

    def apply(self, frame: Frame, arguments: list[Given], at: Span) -> Value:
        from specc.language.build.expressions import together

        what = f"`{self.name}`"
        assigned = assign(what, self.names, arguments, at)
        plain = [name for name in self.names if name in assigned and name != "axis"]
        found = together([lambda name=name: assigned[name].evaluate(frame) for name in plain])
        values: dict[str, Value] = dict(zip(plain, found, strict=True))
        spans = {name: each.span for name, each in assigned.items()}
        if "axis" in self.names:
            of = values.get(self.names[0])
            if isinstance(of, (int, float)) and not isinstance(of, bool):
                of = lift(of, at)
            argument = assigned.get("axis", Given("axis", at, value=self.defaults.get("axis")))
            if "axis" not in assigned and "axis" not in self.defaults:
                raise missing(what, "axis", None, at)
            values["axis"] = axis_argument(frame, argument, of)
        for name in self.names:
            if name not in values:
                if name not in self.defaults:
                    raise missing(what, name, None, at)
                values[name] = self.defaults[name]
            spans.setdefault(name, at)
        return self.build(Arguments(frame, at, values, spans))


_DEFAULTS: dict[str, Value] = {
    "all": ALL,
    "none": None,
    "false": False,
    "true": True,
    "-1": -1,
    "0": 0,
    "1": 1,
}


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
def kept(a: Arguments, reduced: Any, of: Tensor, axes: list[int]) -> Tensor:
    """Puts the axes that a reduction dropped back, of length 1, if asked."""
    labels = tuple(label for place, label in enumerate(of.labels) if place not in axes)
    if not a.flag("keepdims"):
        return Tensor(reduced, labels)
    shape = tuple(1 if place in axes else extent for place, extent in enumerate(of.shape))
    node = op(a.at, "reshape", reduced, shape=shape)
    return Tensor(
        node, tuple(None if place in axes else of.labels[place] for place in range(of.rank))
    )


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
        node = op(a.at, "permute", node, axes=tuple([*rest, *axes]))
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


def _size(a: Arguments) -> Value:
    if isinstance(a["x"], list):
        return len(a["x"])
    tensor = a.tensor("x")
    return product(tuple(tensor.shape[place] for place in a.axes("axis", tensor)))


def _rank(a: Arguments) -> Value:
    return a.tensor("x").rank


# ── movement ─────────────────────────────────────────────────────────────────────────────────────
def _reshape(a: Arguments) -> Value:
    tensor = a.tensor("x")
    shape = a.extents("shape")
    holes = [place for place, extent in enumerate(shape) if extent == -1]
    if len(holes) > 1:
        raise a.wrong("shape", "one axis at most is -1, the rest that is left")
    if holes:
        rest = product(tuple(extent for extent in shape if extent != -1))
        total = product(tensor.shape)
        if rest == 0:
            raise a.wrong("shape", "what is left is undetermined beside an axis of 0")
        shape = [total // rest if extent == -1 else extent for extent in shape]
        a.frame.axes.require(
            total - shape[holes[0]] * rest,
            "==",
            f"{total} elements are not divisible by {rest}",
            a.at,
        )
    if product(tuple(shape)) != product(tensor.shape):
        raise fault(
            "T005",
            f"{tensor} can't be reshaped to {describe(list(shape))}",
            a.at,
            expected=f"{product(tensor.shape)} elements",
            found=f"{product(tuple(shape))} elements",
        )
    kept_labels: list[Label] = [None] * len(shape)
    for place, (new, old) in enumerate(zip(shape, tensor.shape, strict=False)):
        if new != old:
            break
        kept_labels[place] = tensor.labels[place]
    return Tensor(op(a.at, "reshape", tensor.node, shape=tuple(shape)), tuple(kept_labels))


def _broadcast(a: Arguments) -> Value:
    tensor = a.tensor("x")
    shape = a.extents("shape")
    return broadcast(tensor, shape, [None] * (len(shape) - tensor.rank) + list(tensor.labels), a.at)


def _concat(a: Arguments) -> Value:
    items = a["xs"].values if isinstance(a["xs"], Several) else a["xs"]
    if not isinstance(items, (list, tuple)) or not items:
        raise a.wrong("xs", f"`concat` takes a list of tensors, not {describe(a['xs'])}")
    span = a.spans["xs"]
    tensors = promote(a.frame, [(each, span) for each in items], a.at)  # type: ignore[misc]
    axis = a.axis("axis", tensors[0])
    for each in tensors[1:]:
        same_rank = each.rank == tensors[0].rank
        if not same_rank or any(
            x != y
            for place, (x, y) in enumerate(zip(each.shape, tensors[0].shape, strict=True))
            if place != axis
        ):
            raise fault(
                "T001",
                "what is joined agrees in every other axis",
                a.at,
                expected=str(tensors[0]),
                found=str(each),
            )
    node = op(a.at, "concat", *(each.node for each in tensors), axis=axis)
    labels = tuple(
        None if place == axis else label for place, label in enumerate(tensors[0].labels)
    )
    return Tensor(node, labels)


def _split(a: Arguments) -> Value:
    tensor = a.tensor("x")
    axis = a.axis("axis", tensor)
    extent = tensor.shape[axis]
    if isinstance(a["n"], list):
        sizes = a.extents("n")
        total: Extent = 0
        for each in sizes:
            total = total + each
        if total != extent:
            raise fault(
                "T005",
                f"the parts sum to {total}, and the axis has {extent}",
                (a.spans["n"], describe(a["n"])),
                (a.spans["x"], str(tensor)),
            )
    else:
        count = a["n"]
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise a.wrong(
                "n", f"`n` is a number of parts or a list of sizes, not {describe(count)}"
            )
        a.frame.axes.require(extent % count, "==", f"{extent} is not divisible by {count}", a.at)
        sizes = [extent // count] * count
    parts: list[Value] = []
    start: Extent = 0
    labels = tuple(None if place == axis else label for place, label in enumerate(tensor.labels))
    for each in sizes:
        starts = tuple(start if place == axis else 0 for place in range(tensor.rank))
        stops = tuple(start + each if place == axis else n for place, n in enumerate(tensor.shape))
        node = op(a.at, "slice", tensor.node, starts=starts, stops=stops, steps=(1,) * tensor.rank)
        parts.append(Tensor(node, labels))
        start = start + each
    return parts[0] if len(parts) == 1 else Several(tuple(parts))


def _pad(a: Arguments) -> Value:
    tensor = a.tensor("x")
    low, high = a.extents("low", tensor.rank), a.extents("high", tensor.rank)
    value = a["value"]
    if not is_number(value) or isinstance(value, Size):
        raise a.wrong("value", f"`value` is a number, not {describe(value)}")
    for each in (*low, *high):
        a.frame.axes.require(each, ">=", f"padding by {each}", a.at)
    if not any(each != 0 for each in (*low, *high)):
        return tensor
    filling = float(value) if tensor.dtype in ("float", "float64") else value
    node = op(a.at, "pad", tensor.node, low=tuple(low), high=tuple(high), value=filling)
    labels = tuple(
        label if x == 0 and y == 0 else None
        for label, x, y in zip(tensor.labels, low, high, strict=True)
    )
    return Tensor(node, labels)


def _align(a: Arguments) -> Value:
    """v's axes under those of the same name in x."""
    v, x = a.tensor("v"), a.tensor("x")
    places: list[int] = []
    for label, extent in zip(v.labels, v.shape, strict=True):
        held = [p for p, name in enumerate(x.labels) if name == label and label is not None]
        if not held and isinstance(label, Spread):
            held = [p for p, other in enumerate(x.shape) if other == extent]
        if len(held) != 1:
            word = f"`{label}`" if isinstance(label, str) else "an axis without a name"
            raise fault(
                "T007",
                f"{word} of {v} can't be found in {x}",
                (a.spans["v"], str(v)),
                (a.spans["x"], str(x)),
                help="name its axes: `v: float[features] = ...`",
            )
        if x.shape[held[0]] != extent and extent != 1:
            raise fault(
                "T001",
                f"axes do not agree: {extent} is not {x.shape[held[0]]}",
                (a.spans["v"], str(v)),
                (a.spans["x"], str(x)),
            )
        places.append(held[0])
    order = sorted(range(v.rank), key=lambda place: places[place])
    node = v.node
    if order != list(range(v.rank)):
        node = op(a.at, "permute", node, axes=tuple(order))
    first = min(places, default=x.rank)
    shape: list[Extent] = [1] * (x.rank - first)
    labels: list[Label] = [None] * (x.rank - first)
    for place, (label, extent) in zip(places, zip(v.labels, v.shape, strict=True), strict=True):
        shape[place - first], labels[place - first] = extent, label
    return Tensor(op(a.at, "reshape", node, shape=tuple(shape)), tuple(labels))


def _windows(a: Arguments) -> Value:
    tensor = a.tensor("x")
    axes = a.axes("axis", tensor)
    count = len(axes)
    sizes, strides = a.ints("kernel", count), a.ints("stride", count)
    dilations = a.ints("dilation", count)
    for name, numbers in (("kernel", sizes), ("stride", strides), ("dilation", dilations)):
        if any(each < 1 for each in numbers):
            raise a.wrong(name, f"`{name}` is 1 at least")
    for axis, size, dilation in zip(axes, sizes, dilations, strict=True):
        reach = dilation * (size - 1) + 1
        extent = tensor.shape[axis]
        a.frame.axes.require(
            extent - reach,
            ">=",
            f"a window over {reach} doesn't fit an axis of {extent}",
            a.at,
            "T005",
        )
    node = op(
        a.at,
        "windows",
        tensor.node,
        axes=tuple(axes),
        sizes=tuple(sizes),
        strides=tuple(strides),
        dilations=tuple(dilations),
    )
    labels = tuple(None if place in axes else label for place, label in enumerate(tensor.labels))
    return Tensor(node, (*labels, *(None,) * count))


# ── indexing ─────────────────────────────────────────────────────────────────────────────────────
def _integers(a: Arguments, name: str) -> Tensor:
    tensor = a.tensor(name)
    if tensor.dtype != "int":
        raise fault(
            "T003",
            f"`{name}` holds whole numbers, not {tensor.dtype}",
            (a.spans[name], str(tensor)),
            expected="int",
            found=tensor.dtype,
        )
    return tensor


def _take(a: Arguments) -> Value:
    tensor, index = a.tensor("x"), _integers(a, "index")
    node = op(a.at, "take", tensor.node, index.node)
    return Tensor(node, (*index.labels, *tensor.labels[1:]))


def _take_along_axis(a: Arguments) -> Value:
    tensor, index = a.tensor("x"), _integers(a, "index")
    axis = a.axis("axis", tensor)
    if index.rank != tensor.rank:
        raise fault(
            "T002",
            f"`take_along_axis` needs equal ranks, and these are {tensor.rank} and {index.rank}",
            (a.spans["x"], str(tensor)),
            (a.spans["index"], str(index)),
            help="add an axis: `index[..., none]`",
        )
    for place, (x, y) in enumerate(zip(tensor.shape, index.shape, strict=True)):
        if place != axis and x != y:
            raise fault(
                "T001",
                f"axes do not agree: {x} is not {y}",
                (a.spans["x"], str(tensor)),
                (a.spans["index"], str(index)),
            )
    node = op(a.at, "take_along_axis", tensor.node, index.node, axis=axis)
    return Tensor(node, index.labels)


def _one_hot(a: Arguments) -> Value:
    index = _integers(a, "i")
    count = a["n"]
    if isinstance(count, bool) or not isinstance(count, (int, Size)):
        raise a.wrong("n", f"`n` is a whole number, not {describe(count)}")
    shape = (*index.shape, count)
    iota = op(a.at, "iota", length=count)
    wide = op(
        a.at, "broadcast", op(a.at, "reshape", index.node, shape=(*index.shape, 1)), shape=shape
    )
    node = op(a.at, "equal", wide, op(a.at, "broadcast", iota, shape=shape))
    return Tensor(node, (*index.labels, None))


def _arange(a: Arguments) -> Value:
    count = a["n"]
    if isinstance(count, bool) or not isinstance(count, (int, Size)):
        raise a.wrong("n", f"`n` is a whole number, not {describe(count)}")
    return Tensor(op(a.at, "iota", length=count), (None,))


def _range(a: Arguments) -> Value:
    numbers = [a["start"], a["stop"], a["step"]]
    for name, each in zip(("start", "stop", "step"), numbers, strict=True):
        if each is not None and (isinstance(each, bool) or not isinstance(each, int)):
            raise a.wrong(
                name, f"`range` counts whole numbers known when compiled, not {describe(each)}"
            )
    if numbers[1] is None:
        numbers = [0, numbers[0], 1]
    if numbers[2] == 0:
        raise a.wrong("step", "a range's step can't be 0")
    made = range(numbers[0], numbers[1], numbers[2] or 1)
    if len(made) > REPETITIONS.value:
        raise fault(REPETITIONS.code, f"more than {REPETITIONS.value} {REPETITIONS.what}", a.at)
    return list(made)


def _random_bits(a: Arguments) -> Value:
    frame = a.frame
    if frame.asked is None:
        raise fault(
            "T013",
            "a draw needs a shape",
            a.at,
            help="give the name a type: `noise: float[batch, latent] = normal()`",
        )
    type, labels = frame.asked
    if a["n"] not in (16, 32):
        raise a.wrong("n", "`n` is 16 or 32")
    draw = frame.draw(f"bits#{frame.count('bits')}")
    purpose = 1 if frame.name.startswith("init.") else 0
    node = op(
        a.at, "random_bits", frame.the_key(), draw, bits=a["n"], shape=type.shape, purpose=purpose
    )
    return Tensor(node, labels)


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
    ("size", "x, axis = none", _size),
    ("rank", "x", _rank),
    ("reshape", "x, shape", _reshape),
    ("broadcast", "x, shape", _broadcast),
    ("concat", "xs, axis = 0", _concat),
    ("split", "x, n, axis = -1", _split),
    ("pad", "x, low, high, value = 0", _pad),
    ("align", "v, x", _align),
    ("windows", "x, axis, kernel, stride = 1, dilation = 1", _windows),
    ("take", "x, index", _take),
    ("take_along_axis", "x, index, axis = -1", _take_along_axis),
    ("one_hot", "i, n", _one_hot),
    ("arange", "n", _arange),
    ("range", "start, stop = none, step = none", _range),
    ("random_bits", "n", _random_bits),
]

builtins: dict[str, Builtin] = {
    name: Builtin(name, signature, build) for name, signature, build in _TABLE
}
builtins["rearrange"] = Patterned("rearrange", rearrange)
builtins["einsum"] = Patterned("einsum", einsum)
builtins["scan"] = Scan()
