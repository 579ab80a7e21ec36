"""Sliding windows and their adjoint, from slices: what convolution is without a kernel of its own.

An element of a window at a time, never a gather: a slice is copied by rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from specc.backends.onnx.builder import Builder
from specc.ir import Extent, Node


def windows(b: Builder, node: Node) -> str:
    """The windows' elements one after another as leading axes, then turned to the end."""
    at = node.attributes
    axes, rank = at["axes"], node.inputs[0].rank
    x = b.value(node.inputs[0])
    rows = zip(axes, at["sizes"], at["strides"], at["dilations"], strict=True)
    for done, (axis, size, stride, dilation) in enumerate(rows):
        reach = (node.shape[axis] - 1) * stride + 1
        taps = [
            _cut(b, x, axis + done, tap * dilation, reach + tap * dilation, stride)
            for tap in range(size)
        ]
        parts = [b("Unsqueeze", tap, b.ints(0)) for tap in taps]
        x = parts[0] if size == 1 else b("Concat", *parts, axis=0)
    count = len(axes)
    return b("Transpose", x, perm=(*range(count, count + rank), *reversed(range(count))))


def overlap_add(b: Builder, node: Node) -> str:
    """Each element of the windows spread to where it was read, and all of them added."""
    at, source = node.attributes, node.inputs[0]
    x, shape = b.value(source), list(source.shape)
    rows = zip(at["axes"], at["extents"], at["strides"], at["dilations"], strict=True)
    for axis, extent, stride, dilation in reversed(list(rows)):
        count, size = shape[axis], shape.pop()
        assert isinstance(size, int), f"{node} has windows of {size}"
        shape[axis] = extent
        x = _added(b, x, shape, axis, count, size, stride, dilation, node.dtype)
    return x


def _added(
    b: Builder, x: str, shape: Sequence[Extent], axis: int, count: Extent, size: int,
    stride: int, dilation: int, dtype: str,
) -> str:  # fmt: skip
    rank, extent = len(shape), shape[axis]
    reach = (count - 1) * stride + 1
    if stride >= size and dilation == 1 and isinstance(extent - reach, int):
        return _side_by_side(b, x, shape, axis, count, size, stride)
    if stride > 1:
        x = _apart(b, x, shape, axis, size, stride, reach)
    parts: list[str] = []
    for tap in range(size):
        part = b("Gather", x, b.number(tap, "int"), axis=rank)
        low: list[Extent] = [0] * rank
        high: list[Extent] = [0] * rank
        low[axis] = tap * dilation
        high[axis] = extent - reach - tap * dilation
        pads = any((*low, *high))
        parts.append(b("Pad", part, b.extents([*low, *high])) if pads else part)
    if dtype != "int" and len(parts) > 1:
        return b("Sum", *parts)
    total = parts[0]
    for part in parts[1:]:
        total = b("Add", total, part)
    return total


def _side_by_side(
    b: Builder, x: str, shape: Sequence[Extent], axis: int, count: Extent, size: int, stride: int
) -> str:
    """Windows that don't overlap: a window and its gap in each place, then joined."""
    rank, extent = len(shape), shape[axis]
    turned = (*range(axis + 1), rank, *range(axis + 1, rank))
    if turned != tuple(range(rank + 1)):
        x = b("Transpose", x, perm=turned)
    if stride > size:
        x = b("Pad", x, b.extents([*[0] * (rank + 1), *_at(rank + 1, axis + 1, stride - size)]))
    x = _joined(b, x, shape[:axis], shape[axis + 1 :])
    left = extent - count * stride
    assert isinstance(left, int)
    if left > 0:
        x = b("Pad", x, b.extents([*[0] * rank, *_at(rank, axis, left)]))
    if left < 0:
        x = _cut(b, x, axis, 0, extent, 1)
    return x


def _apart(
    b: Builder, x: str, shape: Sequence[Extent], axis: int, size: int, stride: int, reach: Extent
) -> str:
    """Zeros between the elements along an axis; x has one axis more than the shape."""
    rank = len(shape) + 1
    x = b("Unsqueeze", x, b.ints(axis + 1))
    x = b("Pad", x, b.extents([*[0] * (rank + 1), *_at(rank + 1, axis + 1, stride - 1)]))
    x = _joined(b, x, shape[:axis], [*shape[axis + 1 :], size])
    return _cut(b, x, axis, 0, reach, 1)


def _joined(b: Builder, x: str, before: Sequence[Extent], after: Sequence[Extent]) -> str:
    """The two axes between `before` and `after` as one."""
    return b("Reshape", x, b.extents([*[0] * len(before), -1, *after]))


def _cut(b: Builder, x: str, axis: int, start: Extent, stop: Extent, step: int) -> str:
    steps = [b.ints(step)] if step != 1 else []
    return b("Slice", x, b.extents([start]), b.extents([stop]), b.ints(axis), *steps)


def _at(rank: int, axis: int, value: int) -> list[int]:
    return [value if each == axis else 0 for each in range(rank)]
