"""The compiler's own functions that move, join, cut and look up elements."""

from __future__ import annotations

from collections.abc import Callable

from specc.diagnostics import fault
from specc.ir import Extent, Size
from specc.ir.size import product
from specc.language.build.natives import Arguments
from specc.language.build.tensors import broadcast, op, promote
from specc.language.build.values import (
    Label,
    Several,
    Spread,
    Tensor,
    Value,
    describe,
    is_list,
    is_number,
)
from specc.limits import REPETITIONS


def _size(a: Arguments) -> Value:
    if is_list(a["x"]):
        return len(a["x"])
    tensor = a.tensor("x")
    return product(tuple(tensor.shape[place] for place in a.axes("axis", tensor)))


def _rank(a: Arguments) -> Value:
    return a.tensor("x").rank


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
        given = a["shape"]
        counted = tuple(n for place, n in enumerate(shape) if place not in holes)
        raise fault(
            "T005",
            f"{tensor} can't be reshaped to {describe(given)}",
            (a.spans["x"], str(tensor)),
            (a.spans["shape"], ""),
            expected=f"a number of elements that {product(counted)} divides, whatever the axes"
            if holes
            else f"{product(tensor.shape)} elements",
            found=f"{product(tensor.shape if holes else counted)} elements",
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
    values: list[Value] = [*items]
    spans = a.element_spans("xs", len(values))
    tensors = promote(a.frame, list(zip(values, spans, strict=True)), a.at)
    first = tensors[0]
    axis = a.axis("axis", first)
    for each, span in zip(tensors[1:], spans[1:], strict=True):
        places = [(spans[0], str(first)), (span, str(each))]
        if each.rank != first.rank:
            raise fault(
                "T002",
                f"what is joined has as many axes each: {first.rank} are not {each.rank}",
                *places,
            )
        pairs = enumerate(zip(first.shape, each.shape, strict=True))
        unequal = [pair for place, pair in pairs if place != axis and pair[0] != pair[1]]
        if unequal:
            raise fault(
                "T001",
                f"axes do not agree: {unequal[0][0]} is not {unequal[0][1]}",
                *places,
                expected=f"what is joined along the axis {axis} to agree in every other",
                found=" against ".join(map(str, unequal[0])),
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
    if is_list(a["n"]):
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
    for name, sides in (("low", low), ("high", high)):
        for each in sides:
            told = f"an axis can't be padded by {each}"
            a.frame.axes.require(each, ">=", told, a.spans[name], help="a slice cuts it")
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
            help="a smaller kernel fits, or `padding`",
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
    start, stop, step = numbers[0], numbers[1], numbers[2] or 1
    made = range(start, stop, step)
    if (stop - start) // step > REPETITIONS.value:  # `len` takes no number beyond 2^63
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
    node = op(
        a.at,
        "random_bits",
        frame.the_key(),
        draw,
        bits=a["n"],
        shape=type.shape,
        purpose=frame.purpose,
    )
    return Tensor(node, labels)


MOVEMENT: list[tuple[str, str, Callable[[Arguments], Value]]] = [
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
