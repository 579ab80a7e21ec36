"""What torch calls each primitive: an oracle of gradients that shares nothing with ours.

An op that torch lacks is absent, and held by differences alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def _slice(x: Tensor, starts: Sequence[int], stops: Sequence[int], steps: Sequence[int]) -> Tensor:
    return x[tuple(slice(*each) for each in zip(starts, stops, steps, strict=True))]


def _pad(x: Tensor, low: Sequence[int], high: Sequence[int], value: float) -> Tensor:
    flat = [n for pair in reversed(list(zip(low, high, strict=True))) for n in pair]
    return torch.nn.functional.pad(x, flat, value=value)


def _windows(
    x: Tensor,
    axes: Sequence[int],
    sizes: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> Tensor:
    for axis, size, stride, dilation in zip(axes, sizes, strides, dilations, strict=True):
        x = x.unfold(axis, dilation * (size - 1) + 1, stride)[..., ::dilation]
    return x


def _add_at(index: Tensor, updates: Tensor, length: int) -> Tensor:
    rest = updates.shape[index.dim() :]
    rows = updates.reshape(-1, *rest)
    return torch.zeros(length, *rest, dtype=updates.dtype).index_add(0, index.reshape(-1), rows)


def _add_along(index: Tensor, updates: Tensor, axis: int, length: int) -> Tensor:
    shape = [*updates.shape]
    shape[axis] = length
    return torch.zeros(shape, dtype=updates.dtype).scatter_add(axis, index, updates)


torch_of: dict[str, Callable[..., Any]] = {
    # elementwise
    "neg": torch.neg,
    "abs": torch.abs,
    "sign": torch.sign,
    "exp": torch.exp,
    "expm1": torch.expm1,
    "log": torch.log,
    "log1p": torch.log1p,
    "sqrt": torch.sqrt,
    "sin": torch.sin,
    "cos": torch.cos,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "erf": torch.erf,
    "floor": torch.floor,
    "round": torch.round,
    "add": torch.add,
    "subtract": torch.sub,
    "multiply": torch.mul,
    "divide": torch.div,
    "remainder": torch.remainder,
    "power": torch.pow,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "where": torch.where,
    "stop_gradient": lambda a: a.detach(),
    # reduce
    "sum": lambda a, axes: a.sum(axes) if axes else a,
    "max": lambda a, axis: a.max(axis).values,
    "cumulative_sum": lambda a, axis: a.cumsum(axis),
    # movement
    "reshape": lambda a, shape: a.reshape(shape),
    "permute": lambda a, axes: a.permute(axes),
    "broadcast": lambda a, shape: a.broadcast_to(shape),
    "slice": _slice,
    "pad": _pad,
    "concat": lambda *parts, axis: torch.cat(parts, axis),
    # linear, window, indexing
    "matmul": torch.matmul,
    "windows": _windows,
    "take": lambda a, index: a[index],
    "take_along_axis": lambda a, index, axis: torch.gather(a, axis, index),
    "add_at": _add_at,
    "add_along": _add_along,
}
