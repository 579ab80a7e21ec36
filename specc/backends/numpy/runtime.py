"""What NumPy lacks: the functions that generated programs call. Imports NumPy alone.

Programs carry the source of those that they need, so each one reads as it stands: it may use `np`,
other functions of this file, and nothing else. `out` is C-contiguous throughout.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np


# ── buffers ──────────────────────────────────────────────────────────────────────────────────────
def cut(slot: np.ndarray, dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
    """An array at the front of a slot, which is a row of bytes."""
    count = np.dtype(dtype).itemsize
    for extent in shape:
        count *= extent
    return slot[:count].view(dtype).reshape(shape)


class Bindings:
    """Programs bound to sizes, least used dropped first, over slots that only grow."""

    limit = 16

    def __init__(self, capacities: Any, bind: Any) -> None:
        self.capacities, self.bind = capacities, bind
        self.slots: list[np.ndarray] = []
        self.bound: dict[tuple[int, ...], Any] = {}

    def __call__(self, sizes: tuple[int, ...]) -> Any:
        """(the function, the arrays of its own that its outputs go to) for these sizes."""
        made = self.bound.pop(sizes, None)
        if made is None:
            self.grow(self.capacities(*sizes))
            made = self.bind(self.slots, *sizes)
        self.bound[sizes] = made
        if len(self.bound) > self.limit:
            del self.bound[next(iter(self.bound))]
        return made

    def grow(self, capacities: Sequence[int]) -> None:
        if self.slots and all(s.size >= c for s, c in zip(self.slots, capacities, strict=True)):
            return
        held = [slot.size for slot in self.slots] or [0] * len(capacities)
        self.bound.clear()  # they hold the old slots
        sizes = [-(-max(pair) // 64) * 64 for pair in zip(held, capacities, strict=True)]
        # In one piece they lie in huge pages, which NumPy asks for from 4 MB on: a Transformer's
        # step took 0.96 of its time, an LSTM's 0.98.
        whole, start = aligned(sum(sizes)), 0
        self.slots = []
        for size in sizes:
            self.slots.append(whole[start : start + size])
            start += size


def aligned(count: int) -> np.ndarray:
    """Bytes that begin at a cache line."""
    room = np.empty(count + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + count]


def poison(array: np.ndarray) -> None:
    """NaN, -1 or neither true nor false: a test's mark on memory that nothing may read again."""
    array.reshape(-1).view(np.uint8).fill(0xFF)


def filled(value: float, dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
    """An array of one number to operate with: whole if that is small, else inner rows of it."""
    for axis in range(len(shape)):
        if math.prod(shape) > FILLED:
            shape = (1,) * (axis + 1) + shape[axis + 1 :]
    return np.full(shape, value, dtype)


FILLED = 1 << 16  # elements


def slices(length: int, rows: int) -> list[slice]:
    """So many rows after others."""
    starts = range(0, length, rows)
    return [slice(start, min(start + rows, length)) for start in starts]


# ── functions of one element ─────────────────────────────────────────────────────────────────────
def select(condition: Any, a: Any, b: Any, out: np.ndarray) -> None:
    """where(condition, a, b) on the bits: a branch for each element would cost ten times as much.

    `a` and `b` are integers or integer views; out may be a, and may not be b.
    """
    np.bitwise_xor(a, b, out=out)
    np.multiply(out, condition, out=out)
    np.bitwise_xor(out, b, out=out)


def erf(x: np.ndarray, out: np.ndarray, work: np.ndarray) -> None:
    """erf within 2 ulp, in blocks of work's rows; out may be x.

    Below 1: x + x Q(x^2), Q the Taylor series economised in Chebyshev polynomials. Above: 1 - erfc,
    erfc in float64 by W. J. Cody, "Rational Chebyshev approximations for the error function",
    Math. Comp. 23 (1969), and in float32 as exp of a polynomial fitted to log(erfc) on [1, 4].
    """
    if x is not out:
        np.copyto(out, x)
    flat = out.reshape(-1)
    inner, tail = ERF_INNER[work.dtype.char], ERF_TAIL[work.dtype.char]
    bits = np.int32 if work.dtype.char == "f" else np.int64
    for start in range(0, flat.size, work.shape[1]):
        z = flat[start : start + work.shape[1]]
        a, y, r, s, t = work[:, : z.size]
        np.absolute(z, out=a)
        np.multiply(z, z, out=y)
        polynomial(inner, y, r)
        np.multiply(r, z, out=r)
        np.add(r, z, out=r)
        small = a < 1
        if not small.all():
            np.minimum(a, 4 if bits is np.int32 else 6, out=a)
            if bits is np.int32:
                np.subtract(a, 2, out=y)
                polynomial(tail[0], y, s)
                np.exp(s, out=s)
            else:
                polynomial(tail[0], a, s)
                polynomial(tail[1], a, t)
                np.divide(s, t, out=s)
                np.multiply(a, a, out=t)
                np.negative(t, out=t)
                np.exp(t, out=t)
                np.multiply(s, t, out=s)
            np.subtract(1, s, out=s)
            np.copysign(s, z, out=s)
            select(small, r.view(bits), s.view(bits), r.view(bits))
        np.copyto(z, r)


def polynomial(coefficients: Sequence[float], x: np.ndarray, out: np.ndarray) -> None:
    """Horner's rule, the highest power first."""
    np.multiply(x, coefficients[0], out=out)
    for coefficient in coefficients[1:-1]:
        np.add(out, coefficient, out=out)
        np.multiply(out, x, out=out)
    np.add(out, coefficients[-1], out=out)


ERF_INNER = {
    "f": (7.882497110086663e-05, -0.0008018854992786387, 0.005189311942686617,
          -0.026854328796067244, 0.11283597463488053, -0.3761262690358044, 0.12837916588150264),
    "d": (5.958930743134908e-11, -1.1373902296430893e-09, 1.4660051998394843e-08,
          -1.6350354461959655e-07, 1.6461004480962034e-06, -1.4925595519506043e-05,
          0.00012055331122299266, -0.0008548326981129666, 0.005223977624823223,
          -0.026866170645077334, 0.11283791670954882, -0.3761263890318375, 0.1283791670955126),
}  # fmt: skip
ERF_TAIL = {
    "f": ((0.00018557798602079594, -0.0007127121490737938, 0.0035436873952049736,
           -0.016487275674033852, -0.9237530732741279, -4.418159357962668, -5.364941054347736),),
    "d": ((2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0,
           6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2,
           1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3),
          (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
           1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3,
           3.43936767414372164e3, 1.23033935480374942e3)),
}  # fmt: skip


def erf_number(x: Any) -> Any:
    """erf of a single number, in its own precision."""
    out = np.array([x])
    erf(out, out, np.empty((5, 1), out.dtype))
    return out[0]


def frame_of(y: np.ndarray, starts: tuple[int, ...], stops: tuple[int, ...]) -> list[np.ndarray]:
    """What of an array is not y[starts : stops], in parts that don't overlap."""
    sides: list[np.ndarray] = []
    for axis, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        before = (slice(None),) * axis
        sides += [y[(*before, slice(0, start))], y[(*before, slice(stop, None))]]
        y = y[(*before, slice(start, stop))]
    return [side for side in sides if side.size]


# ── products ─────────────────────────────────────────────────────────────────────────────────────
def strips(rows: int, factors: int) -> int:
    """In how many strips of rows a product of so many multiplications a row is made: as few as let
    OpenBLAS pack nothing, or one where that is no gain.
    """
    if UNPACKED < rows * factors <= STRIPPED:
        for count in range(2, rows // 4 + 1):
            fits = rows % count == 0 and rows // count * factors <= UNPACKED
            if fits and (rows // count >= 8 or rows // count == 4):
                return count
    return 1


UNPACKED = 1_000_000  # multiplications up to which OpenBLAS packs nothing: good for narrow matrices
STRIPPED = 7_000_000  # and up to which what isn't cut stays in the cache from strip to strip


# ── reduce ───────────────────────────────────────────────────────────────────────────────────────
def row_maxima(x: np.ndarray, out: np.ndarray, columns: np.ndarray) -> None:
    """The largest of each row; many short rows are turned, a piece at a time, into long columns.

    NumPy begins each row anew: for 2048 rows of 32 floats, turned, it takes 0.27 of the time; of
    64, 0.55; of 128, 1.4 (one core of a Xeon with AVX-512). `columns` is scratch.
    """
    rows, length = out.size, x.shape[-1]
    if length > SHORT_ROW or rows < SHORT_ROW:
        np.maximum.reduce(x, -1, out=out)
        return
    x, out = x.reshape(rows, length), out.reshape(rows)
    for at in slices(rows, columns.size // length):
        turned = columns[: out[at].size * length].reshape(length, -1)
        np.copyto(turned, x[at].T)
        np.maximum.reduce(turned, 0, out=out[at])


SHORT_ROW = 64


# ── windows ──────────────────────────────────────────────────────────────────────────────────────
def windows(
    x: np.ndarray,
    axes: tuple[int, ...],
    sizes: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    *,
    writeable: bool = False,
) -> np.ndarray:
    """A view in which each of `axes` counts windows, and their elements come last."""
    shape, steps = list(x.shape), list(x.strides)
    for axis, size, stride, dilation in zip(axes, sizes, strides, dilations, strict=True):
        shape[axis] = max((x.shape[axis] - dilation * (size - 1) - 1) // stride + 1, 0)
        steps[axis] = x.strides[axis] * stride
        shape.append(size)
        steps.append(x.strides[axis] * dilation)
    return np.lib.stride_tricks.as_strided(x, shape, steps, writeable=writeable)


def overlap_add(
    x: np.ndarray,
    axes: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    out: np.ndarray,
) -> None:
    """The adjoint of `windows`: every element of every window is added where it was read."""
    out.fill(0)
    sizes = x.shape[x.ndim - len(axes) :]
    for tap in product(*map(range, sizes)):
        place = [slice(None)] * out.ndim
        for axis, at, stride, dilation in zip(axes, tap, strides, dilations, strict=True):
            start = at * dilation
            place[axis] = slice(start, start + (x.shape[axis] - 1) * stride + 1, stride)
        target = out[tuple(place)]
        np.add(target, x[(..., *tap)], out=target)


def pieces(y: np.ndarray) -> Iterator[slice]:
    """Cuts the outermost axis so that a piece stays in the cache."""
    rows = max(1, PIECE * len(y) // max(1, y.size)) if len(y) else 1
    for start in range(0, len(y), rows):
        yield slice(start, start + rows)


PIECE = 1 << 16  # elements: with fewer, calls cost more than a second cache's misses


def pooling(seen: np.ndarray, y: np.ndarray) -> list[tuple[list[np.ndarray], np.ndarray]]:
    """What `max_pool` goes through: each window's elements, the axes of `seen` after y's own."""
    taps = [seen[..., *tap] for tap in product(*map(range, seen.shape[y.ndim :]))]
    return [([tap[at] for tap in taps], y[at]) for at in pieces(y)]


def max_pool(pooling: Sequence[tuple[Sequence[np.ndarray], np.ndarray]]) -> None:
    """The largest of each window."""
    for (largest, *taps), top in pooling:
        for tap in taps:
            np.maximum(largest, tap, out=top)
            largest = top
        if not taps:
            np.copyto(top, largest)


def pooling_back(
    seen: np.ndarray,
    y: np.ndarray,
    g: np.ndarray,
    into: np.ndarray,
    left: np.ndarray,
    part: np.ndarray,
    same: np.ndarray,
) -> list[tuple[Any, ...]]:
    """What `max_pool_gradient` goes through: y, g, what is left of it, and taps to and from."""
    taps = list(product(*map(range, seen.shape[y.ndim :])))
    made: list[tuple[Any, ...]] = []
    for at in pieces(y):
        room = [each[: y[at].size].reshape(y[at].shape) for each in (left, part, same)]
        pairs = [(seen[..., *tap][at], into[..., *tap][at]) for tap in taps]
        made.append((y[at], g[at], *room, pairs))
    return made


def max_pool_gradient(pooling_back: Sequence[tuple[Any, ...]], apart: bool) -> None:
    """Each window's g goes to its first element that is y; `apart`: no element is in two."""
    for y, g, left, part, same, taps in pooling_back:
        bits = f"i{y.itemsize}"
        np.copyto(left, g)
        for seen, into in taps[:-1]:
            np.equal(seen, y, out=same)
            np.multiply(left.view(bits), same, out=part.view(bits))
            np.subtract(left, part, out=left)
            if apart:
                np.copyto(into, part)
            else:
                np.add(into, part, out=into)
        into = taps[-1][1]
        if apart:
            np.copyto(into, left)
        else:
            np.add(into, left, out=into)


TINY = 1e-10  # what is scaled by less may be lost in a product


def routed_dot(
    quick: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    g: np.ndarray,
    scale: np.ndarray,
    over: tuple[int, ...],
    steps: Sequence[tuple[int, ...]],
    out: np.ndarray,
) -> None:
    """Σ x · `max_pool_gradient`(x · scale, y, g), which is `quick` unless the scale is tiny."""
    if out is not quick:
        np.copyto(out, quick)
    lost = np.abs(scale) < TINY
    if lost.any():
        seen = windows(x * np.expand_dims(scale, over), *steps)
        routed = np.zeros_like(x)
        into = windows(routed, *steps, writeable=True)
        room = np.empty(y.size, x.dtype), np.empty(y.size, x.dtype), np.empty(y.size, np.bool_)
        max_pool_gradient(pooling_back(seen, y, g, into, *room), False)
        np.copyto(out, np.sum(routed * x, over), where=lost)


# ── indexing ─────────────────────────────────────────────────────────────────────────────────────
class OutOfRange(IndexError):
    """An index that is no row: the value, the number of rows, and which operation read it."""

    def __init__(self, value: int, count: int, operation: int, place: str) -> None:
        super().__init__(f"{place}: index {value} is not in 0 .. {count - 1}")
        self.value, self.count, self.operation = value, count, operation


def check(index: Any, count: int, operation: int, place: str) -> None:
    """Negative numbers are no indices here: nothing wraps around."""
    # As an unsigned number an index below 0 is beyond every count: one pass sees both ends. Of a
    # few dozen numbers `argmax` takes a sixth of a reduction's time.
    index = np.asarray(index)
    numbers = index.view(np.uint64)
    if index.size and numbers.item(numbers.argmax()) >= count:
        low, high = np.min(index), np.max(index)
        raise OutOfRange(int(low if low < 0 else high), count, operation, place)


def pick(x: np.ndarray, index: Any, count: int, operation: int, place: str) -> Any:
    """x[index], one number."""
    check(index, count, operation, place)
    return x[index]


def along(index: np.ndarray, axis: int) -> tuple[Any, ...]:
    """What picks x[..., index, ...] along one axis and each place's own along the others."""
    picks: list[Any] = list(np.ogrid[tuple(map(slice, index.shape))])
    picks[axis] = index
    return tuple(picks)


def row_starts(index: np.ndarray, length: int) -> np.ndarray:
    """Where each row of `length` elements begins, to add to indices along the last axis."""
    rows = math.prod(index.shape[:-1])
    return np.arange(rows).reshape(*index.shape[:-1], 1) * length


def add_at(
    index: Any, updates: np.ndarray, out: np.ndarray, rows: np.ndarray, sums: np.ndarray
) -> None:
    """Zeros with row updates[i] added at row index[i]: sorted, so that a row is added up once.

    `rows` and `sums` are scratch of the shape (rows of updates, elements of a row).
    """
    out.fill(0)
    if rows.size == 0:
        return
    if not updates.flags.c_contiguous:
        np.copyto(sums.reshape(updates.shape), updates)
        updates = sums
    updates, out = updates.reshape(rows.shape), out.reshape(-1, rows.shape[1])
    given = np.reshape(index, -1)
    order = np.argsort(given, kind="stable")
    index = given[order]
    starts = np.flatnonzero(np.concatenate(([True], index[1:] != index[:-1])))
    if index.size <= 2 * starts.size:  # most come once: NumPy's sums of single rows are slow
        out[given] = updates  # what comes again is made anew
        counts = np.diff(starts, append=index.size)
        for place in range(int(counts.max())):
            again = starts[counts > max(place, 1)]  # half of all at most: `rows` holds them twice
            more, before = rows[: again.size], rows[again.size : 2 * again.size]
            np.take(updates, order[again + place], axis=0, out=more, mode="clip")
            if place:
                np.take(out, index[again], axis=0, out=before, mode="clip")
                np.add(before, more, out=more)
            out[index[again]] = more
    else:
        np.take(updates, order, axis=0, out=rows, mode="clip")
        np.add.reduceat(rows, starts, axis=0, out=sums[: starts.size])
        out[index[starts]] = sums[: starts.size]


def add_along(index: np.ndarray, updates: np.ndarray, axis: int, out: np.ndarray) -> None:
    """Zeros with updates added at `index` along one axis; an index may come more than once."""
    out.fill(0)
    if index.shape[axis] == 1:  # then none does
        out[along(index, axis)] = updates
    else:
        np.add.at(out, along(index, axis), updates)


# ── random bits ──────────────────────────────────────────────────────────────────────────────────
def philox(words: np.ndarray, products: np.ndarray, key: tuple[int, int]) -> None:
    """Philox4x32-10 in place: words[0..3] are a counter's words, each in a uint64.

    Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """
    a, b, c, d = words
    low, high = products
    first, second = key
    for _ in range(10):
        np.multiply(a, 0xD2511F53, out=low)
        np.multiply(c, 0xCD9E8D57, out=high)
        np.right_shift(high, 32, out=a)
        np.bitwise_xor(a, b, out=a)
        np.bitwise_xor(a, first, out=a)
        np.right_shift(low, 32, out=c)
        np.bitwise_xor(c, d, out=c)
        np.bitwise_xor(c, second, out=c)
        np.bitwise_and(high, 0xFFFFFFFF, out=b)
        np.bitwise_and(low, 0xFFFFFFFF, out=d)
        first = (first + 0x9E3779B9) & 0xFFFFFFFF
        second = (second + 0xBB67AE85) & 0xFFFFFFFF


def random_bits(
    key: Any, draw: int, bits: int, purpose: int, out: np.ndarray, work: np.ndarray | None = None
) -> None:
    """Integers below 2^bits. Element i comes from block i // (128 / bits), low bits first.

    `work` is scratch: int64[8, blocks at a time].
    """
    flat = out.reshape(-1)
    each = 128 // bits  # elements of a block
    blocks = -(-flat.size // each)
    if work is None:
        work = np.empty((8, max(1, min(4096, blocks))), np.int64)
    width = work.shape[1]
    seed, step = int(key[0]), int(key[1])
    for start in range(0, blocks, width):
        count = min(width, blocks - start)
        words = work[:4, :count].view(np.uint64)
        words[0] = np.arange(start, start + count)
        words[1] = int(draw) >> 32  # the step of a scan
        words[2] = int(draw) & 0xFFFFFFFF
        words[3] = purpose
        philox(words, work[4:6, :count].view(np.uint64), (seed, step))
        drawn = work[6:].reshape(-1)[: 2 * count].view("<u4").reshape(count, 4)
        np.copyto(drawn.T, words, casting="unsafe")
        rest = flat[start * each : (start + count) * each]
        rest[:] = drawn.view("<u2" if bits == 16 else "<u4").reshape(-1)[: rest.size]


def random_number(key: Any, draw: int, bits: int, purpose: int) -> np.int64:
    """A single draw."""
    out = np.empty(1, np.int64)
    random_bits(key, draw, bits, purpose, out)
    return out[0]
