"""Sliding windows and their adjoint: what convolution and pooling are made of. Pads nothing."""

from __future__ import annotations

from collections.abc import Sequence

from specc.ir import Extent, Node, Op, Refusal, Sample, Type, TypeFault, emit, register
from specc.ir.op import Attributes
from specc.ops.rules import NUMBERS, check_axes, check_dtype, values, with_extent


def count_of(extent: Extent, size: Extent, stride: int, dilation: int) -> Extent:
    """How many windows fit."""
    return (extent - dilation * (size - 1) - 1) // stride + 1


def _check_steps(attributes: Attributes, sizes: Sequence[Extent]) -> None:
    count = len(attributes["axes"])
    strides, dilations = attributes["strides"], attributes["dilations"]
    assert len(sizes) == len(strides) == len(dilations) == count, attributes
    for each in (*sizes, *strides, *dilations):
        if not isinstance(each, int) or each < 1:
            message = "a window's size, stride and dilation are numbers of 1 or more"
            raise TypeFault(message, expected="1 or more", found=str(each))


def _windows_infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    (x,) = values("windows", inputs, 1)
    axes: tuple[int, ...] = attributes["axes"]
    sizes: tuple[int, ...] = attributes["sizes"]
    check_axes("windows", axes, x.rank)
    _check_steps(attributes, sizes)
    shape = x.shape
    steps = zip(axes, sizes, attributes["strides"], attributes["dilations"], strict=True)
    for axis, size, stride, dilation in steps:
        extent = x.shape[axis]
        span = dilation * (size - 1) + 1
        if isinstance(extent, int) and extent < span:
            raise TypeFault(
                f"a window of {span} does not fit in {extent}",
                expected=f"at least {span} along axis {axis}",
                found=str(x),
                help="pad the input, or take a smaller window",
            )
        shape = with_extent(shape, axis, count_of(extent, size, stride, dilation))
    return Type(x.dtype, (*shape, *sizes))


def _overlap_infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    (x,) = values("overlap_add", inputs, 1)
    check_dtype("overlap_add", x, NUMBERS)
    axes: tuple[int, ...] = attributes["axes"]
    extents, strides, dilations = (attributes[key] for key in ("extents", "strides", "dilations"))
    rank = x.rank - len(axes)
    check_axes("overlap_add", axes, rank)
    shape, sizes = x.shape[:rank], x.shape[rank:]
    _check_steps(attributes, sizes)
    steps = zip(axes, extents, sizes, strides, dilations, strict=True)
    for axis, extent, size, stride, dilation in steps:
        count = count_of(extent, size, stride, dilation)
        if x.shape[axis] != count:
            raise TypeFault(
                f"{extent} elements hold {count} windows of {size}",
                expected=f"{count} along axis {axis}",
                found=str(x),
            )
        shape = with_extent(shape, axis, extent)
    return Type(x.dtype, shape)


def _steps(y: Node) -> dict[str, tuple[int, ...]]:
    return {key: y.attributes[key] for key in ("axes", "strides", "dilations")}


def _windows_vjp(g: Node, y: Node, x: Node) -> Node:
    axes: tuple[int, ...] = y.attributes["axes"]
    extents = tuple(x.shape[axis] for axis in axes)
    return emit("overlap_add", g, extents=extents, **_steps(y))


def _overlap_vjp(g: Node, y: Node, x: Node) -> Node:
    return emit("windows", g, sizes=x.shape[y.rank :], **_steps(y))


def _windowed(shape: str, axes: Sequence[int], *rest: Sequence[int]) -> Sample:
    keys = ("sizes", "strides", "dilations")
    attributes = dict(zip(keys, map(tuple, rest), strict=True))
    return Sample((f"float {shape}",), {"axes": tuple(axes), **attributes})


def _overlapped(shape: str, axes: Sequence[int], *rest: Sequence[int]) -> Sample:
    keys = ("extents", "strides", "dilations")
    attributes = dict(zip(keys, map(tuple, rest), strict=True))
    return Sample((f"float {shape}",), {"axes": tuple(axes), **attributes})


ONE = {"axes": (1,), "strides": (1,), "dilations": (1,)}

windows = register(
    Op(
        "windows",
        "window",
        "Each of `axes` becomes a count of windows; their elements are new last axes.",
        _windows_infer,
        _windows_vjp,
        # The place of element k of window c along an axis is c · stride + k · dilation.
        "functools.reduce(lambda x, each: np.moveaxis(np.take(x, "
        "np.arange((x.shape[each[0]] - each[3] * (each[1] - 1) - 1) // each[2] + 1)[:, None]"
        " * each[2] + np.arange(each[1]) * each[3], each[0]), each[0] + 1, -1), "
        "zip(axes, sizes, strides, dilations), a)",
        (
            _windowed("2 7", (1,), (3,), (1,), (1,)),
            _windowed("2 7", (1,), (3,), (2,), (1,)),
            _windowed("2 8", (1,), (2,), (3,), (3,)),
            _windowed("2 5 6 3", (1, 2), (2, 3), (1, 2), (2, 1)),
            _windowed("5 6", (1, 0), (2, 3), (2, 2), (1, 1)),
            _windowed("3 4", (0,), (3,), (1,), (1,)),
            _windowed("2 9", (1,), (2,), (4,), (1,)),
            Sample(("int 6 below 9",), {**ONE, "axes": (0,), "sizes": (2,)}),
            Sample(("bool 2 6",), {**ONE, "sizes": (3,)}),
        ),
        (
            Refusal((Type("float", (2, 3)),), "does not fit", {**ONE, "sizes": (4,)}),
            Refusal((Type("float", (2, 3)),), "1 or more", {**ONE, "sizes": (0,)}),
        ),
    )
)
overlap_add = register(
    Op(
        "overlap_add",
        "window",
        "Windows put back where they came from, and added where they overlap.",
        _overlap_infer,
        _overlap_vjp,
        # The same places as in windows, as an indicator [extent, count, size] to sum with.
        "functools.reduce(lambda x, each: np.moveaxis(np.tensordot(x, np.arange(each[1])[:, None,"
        " None] == np.arange(x.shape[each[0]])[:, None] * each[2] + np.arange(x.shape[-1])"
        " * each[3], ((each[0], x.ndim - 1), (1, 2))), -1, each[0]), "
        "list(zip(axes, extents, strides, dilations))[::-1], a)",
        (
            _overlapped("2 5 3", (1,), (7,), (1,), (1,)),
            _overlapped("2 3 3", (1,), (8,), (2,), (1,)),
            _overlapped("2 2 2", (1,), (8,), (3,), (3,)),
            _overlapped("2 3 2 3 2 3", (1, 2), (5, 6), (1, 2), (2, 1)),
            _overlapped("2 3 2 3", (1, 0), (6, 5), (2, 2), (1, 1)),
            _overlapped("2 2 2", (1,), (9,), (4,), (1,)),
            Sample(("int 2 5 3 below 9",), {**ONE, "extents": (7,)}),
        ),
        (
            Refusal((Type("float", (2, 4, 3)),), "hold 5 windows", {**ONE, "extents": (7,)}),
            Refusal((Type("bool", (2, 5, 3)),), "not defined", {**ONE, "extents": (7,)}),
        ),
    )
)
