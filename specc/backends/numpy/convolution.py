"""Convolutions as products of copied taps: functions that generated programs carry, as `runtime`'s.

Imports NumPy and `runtime` alone. Images lie as [rows, channels, columns ..., batch] and are dense.
For each tap of a row its columns are copied once, and the rows of a window lie next to each other:
k copies of the image instead of k² (after Cho and Brand, "MEC: memory-efficient convolution for
deep neural network", ICML 2017). What depends on sizes alone is made once, as lists of views.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from specc.backends.numpy.runtime import UNPACKED, windows


# ── convolutions ─────────────────────────────────────────────────────────────────────────────────
def taps_of(
    x: np.ndarray,
    sizes: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    halved: bool,
) -> np.ndarray:
    """Each row's taps, [rows, taps ..., channels, columns ..., batch], or those of each window's
    rows if these are no neighbours.
    """
    inner = len(sizes) - 1
    taps = windows(x, tuple(range(2, 2 + inner)), sizes[1:], strides[1:], dilations[1:])
    taps = taps.transpose(0, *range(3 + inner, taps.ndim), *range(1, 3 + inner))
    if not are_near(sizes, strides, dilations):
        taps = windows(taps, (0,), sizes[:1], strides[:1], dilations[:1])
        taps = np.moveaxis(taps, -1, 1)
    return in_halves(taps) if halved else taps


def are_near(sizes: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...]) -> bool:
    """Are a window's rows neighbours?"""
    return dilations[0] == 1 and strides[0] <= sizes[0]


def bands(
    x: np.ndarray,
    sizes: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    y: np.ndarray,
    work: np.ndarray,
    halved: bool,
) -> list[tuple[Any, np.ndarray, np.ndarray, np.ndarray]]:
    """Some rows of y after others: the taps, where they are copied to, the patches that they then
    are [rows, patch, columns], and the rows of y [rows, filters, columns].
    """
    taps, near = taps_of(x, sizes, strides, dilations, halved), are_near(sizes, strides, dilations)
    rows, columns, item = len(y), math.prod(y.shape[2:]), x.itemsize
    lines = y.reshape(rows, -1, columns)
    patch, row = math.prod(sizes) * x.shape[1], max(1, math.prod(taps.shape[1:]))
    step, over = (strides[0], sizes[0] - strides[0]) if near else (1, 0)
    steps = (step * row * item, columns * item, item)
    count = max(1, (work.size // row - over) // step)
    made: list[tuple[Any, np.ndarray, np.ndarray, np.ndarray]] = []
    for start in range(0, rows, count):
        stop = min(start + count, rows)
        taken: Any = taps[start * step : stop * step + over]
        seen = work[: taken.size].reshape(taken.shape)
        if near and not halved and taken.flags.c_contiguous:
            taken, seen = None, taken  # one tap a row: the image is what a copy would be
        shape = (stop - start, patch, columns)
        patches = np.lib.stride_tricks.as_strided(seen, shape, steps)
        made.append((taken, seen, patches, lines[start:stop]))
    return made


def kept_bands(
    x: np.ndarray,
    sizes: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    y: np.ndarray,
    kept: np.ndarray,
    halved: bool,
    at_once: int = 0,
) -> list[tuple[Any, np.ndarray, np.ndarray, np.ndarray]]:
    """As `bands`, about so many elements at once, with all patches side by side in `kept`; without
    a number all at once and no taps, for the patches are there. A window's rows are neighbours.
    """
    taps = taps_of(x, sizes, strides, dilations, halved)
    rows, columns, item = len(y), math.prod(y.shape[2:]), x.itemsize
    seen, row = kept[: taps.size].reshape(taps.shape), max(1, math.prod(taps.shape[1:]))
    lines = y.reshape(rows, -1, columns)
    shape = (rows, math.prod(sizes) * x.shape[1], columns)
    steps = (strides[0] * row * item, columns * item, item)
    patches = np.lib.stride_tricks.as_strided(seen, shape, steps)
    if not at_once:
        return [(None, seen, patches, lines)]
    made: list[tuple[Any, np.ndarray, np.ndarray, np.ndarray]] = []
    count, done = max(1, at_once // (row * strides[0])), 0
    for start in range(0, rows, count):
        stop = min(start + count, rows)
        new = slice(done, (stop - 1) * strides[0] + sizes[0])  # the band above has copied the rest
        made.append((taps[new], seen[new], patches[start:stop], lines[start:stop]))
        done = new.stop
    return made


def in_halves(images: np.ndarray) -> np.ndarray:
    """[..., columns, batch] as [..., 2, columns / 2, batch]: the even columns, then the odd."""
    *rest, columns, batch = images.shape
    return images.reshape(*rest, columns // 2, 2, batch).swapaxes(-3, -2)


def in_parts(matrices: np.ndarray, factors: int) -> np.ndarray:
    """[rows, m, columns] as [rows, parts, m, part], narrow enough for products of so many factors
    that OpenBLAS packs nothing, or else for the cache.
    """
    rows, m, columns = matrices.shape
    narrow = UNPACKED // max(1, factors)
    parts = [n for n in (1, 2, 4) if columns % n == 0 and columns // n <= narrow]
    parts += [n for n in range(1, 65) if columns % n == 0 and columns // n <= COLUMNS]
    count = parts[0] if parts else 1
    return matrices.reshape(rows, m, count, columns // count).swapaxes(1, 2)


COLUMNS = 2048  # of a product: with more, OpenBLAS leaves the cache, at a third of its speed


def convolution(
    x: np.ndarray,
    sizes: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    y: np.ndarray,
    work: np.ndarray,
    halved: bool = False,
    at_once: int = 0,
) -> list[tuple[Any, np.ndarray, np.ndarray, np.ndarray]]:
    """What `convolve` goes through: bands, their columns in parts. About so many elements at once
    where the patches are kept in `work`.
    """
    factors = math.prod(sizes) * x.shape[1] * y.shape[1]
    steps = (x, sizes, strides, dilations, y, work, halved)
    made = kept_bands(*steps, at_once) if at_once else bands(*steps)
    return [
        (taken, seen, in_parts(patches, factors), in_parts(rows, factors))
        for taken, seen, patches, rows in made
    ]


def convolve(convolution: Sequence[Any], filters: np.ndarray) -> None:
    """y[rows, o, columns] = filters[o, :] @ patches, a band of rows at a time."""
    for taken, seen, patches, y in convolution:
        if taken is not None:
            np.copyto(seen, taken)
        np.matmul(filters, patches, out=y)


def convolve_filters(
    bands: Sequence[Any], shares: np.ndarray, part: np.ndarray, total: np.ndarray
) -> None:
    """total[patch, o] = Σ patches @ g' over the rows; `shares` has room for those of some rows."""
    total.fill(0)
    for taken, seen, patches, g in bands:
        if taken is not None:
            np.copyto(seen, taken)
        for start in range(0, len(g), len(shares)):
            rows = slice(start, start + len(shares))
            found = shares[: len(g[rows])]
            np.matmul(patches[rows], g[rows].swapaxes(1, 2), out=found)
            share = np.add.reduce(found, 0, out=part) if len(found) > 1 else found[0]
            np.add(total, share, out=total)


def convolution_back(
    g: np.ndarray,
    sizes: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    low: tuple[int, ...],
    x: np.ndarray,
    turned: np.ndarray,
    work: np.ndarray,
    halved: bool = False,
) -> list[tuple[list[tuple[Any, ...]], list[tuple[np.ndarray, np.ndarray]]]]:
    """What `convolve_input` goes through: for some rows of x the products, a matrix of `turned`,
    what it is multiplied with and where the shares of x go, and which share is added where. x
    begins `low` after what was convolved.

    Where the windows' rows are neighbours, a row of x is a product over all of them, and `turned`
    is [taps of a row, c; rows of taps from the last, o]; else it is [taps, c; o].
    """
    near = strides[0] == dilations[0] == 1
    rows, filters, columns = len(g), g.shape[1], math.prod(g.shape[2:])
    lines = g.reshape(rows, filters, columns)
    axes = (*(() if near else (0,)), *range(2, x.ndim - 1))
    skipped = len(sizes) - len(axes)
    shape = (*sizes[skipped:], x.shape[1], *g.shape[2:])
    matrix = turned.reshape(math.prod(shape[: 1 + len(axes)]), -1)
    room = max(1, work.size // max(1, math.prod(shape)))
    steps = [each[skipped:] for each in (strides, dilations, low)]
    made: list[Any] = []
    for group in joined(reaching(len(x), rows, sizes[0], low[0], room, near), room):
        total, done = sum(count for _, _, count, _ in group), 0
        shares = work[: total * math.prod(shape)].reshape(total, *shape)
        products: list[tuple[Any, ...]] = []
        for _, first, count, taps in group:
            if near:
                depth, step = len(range(*taps.indices(sizes[0]))) * filters, lines.strides
                seen = np.lib.stride_tricks.as_strided(
                    lines[first:], (count, depth, columns), (step[0], step[1], step[2])
                )
                used = matrix[:, taps.start * filters : taps.stop * filters]
            else:
                seen, used = lines[first : first + count], matrix
            found = shares[done : done + count].reshape(count, len(matrix), columns)
            products.append((used, in_parts(seen, used.size), in_parts(found, used.size)))
            done += count
        target = x[group[0][0].start : group[-1][0].stop]
        made.append((products, additions(target, shares, axes, steps, group[0][1], halved)))
    return made


def joined(
    pieces: Iterator[tuple[slice, int, int, slice]], room: int
) -> list[list[tuple[slice, int, int, slice]]]:
    """Pieces of neighbouring rows of x that there is room for together."""
    groups: list[list[tuple[slice, int, int, slice]]] = []
    for piece in pieces:
        target, _, count, _ = piece
        last = groups[-1] if groups else [piece]
        near = target.start is not None and last[-1][0].stop == target.start
        if near and sum(each[2] for each in last) + count <= room:
            last.append(piece)
        else:
            groups.append([piece])
    return groups


def reaching(
    extent: int, rows: int, size: int, low: int, room: int, near: bool
) -> Iterator[tuple[slice, int, int, slice]]:
    """Pieces of up to `room` rows: rows of x, the first of g's and how many, and which taps of the
    turned filters; with windows that aren't near, all of x and of the taps.
    """
    if not near:
        for start in range(0, rows, room):
            yield slice(None), start, min(room, rows - start), slice(0, size)
        return
    start = 0
    while start < extent:
        top = start + low - size + 1  # the first row of g in its reach, were there as many
        taps = slice(max(0, -top), min(size, rows - top))
        count = 1
        if taps == slice(0, size):
            count = min(room, extent - start, rows - size - top + 1)
        if taps.start < taps.stop:
            yield slice(start, start + count), top + taps.start, count, taps
        start += count


def additions(
    x: np.ndarray,
    shares: np.ndarray,
    axes: tuple[int, ...],
    steps: Sequence[tuple[int, ...]],
    first: int,
    halved: bool,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Parts of x, and the shares [rows, taps ..., c, columns ..., b] that are added to each."""
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for tap in product(*map(range, shares.shape[1 : 1 + len(axes)])):
        for half in (0, 1) if halved else (0,):
            share = shares[:, *tap]
            if halved:
                share = share[..., half, :, :]
            target, source = [slice(None)] * x.ndim, [slice(None)] * x.ndim
            for axis, at, stride, dilation, low in zip(axes, tap, *steps, strict=True):
                start = at * dilation - low + (first * stride if axis == 0 else 0)
                if halved and axis == x.ndim - 2:
                    start, stride = start + half * stride, 2 * stride
                begin = max(0, -(start // stride))
                end = max(begin, min(share.shape[axis], (x.shape[axis] - 1 - start) // stride + 1))
                source[axis] = slice(begin, end)
                start += begin * stride
                target[axis] = slice(start, start + (end - begin) * stride, stride)
            found.append((x[tuple(target)], share[tuple(source)]))
    return found


def convolve_input(convolution_back: Sequence[Any], x: np.ndarray) -> None:
    """x = what the filters' turned matrix makes of g, each share added where it was read."""
    x.fill(0)
    for products, added in convolution_back:
        for filters, g, shares in products:
            np.matmul(filters, g, out=shares)
        for target, share in added:
            np.add(target, share, out=target)
