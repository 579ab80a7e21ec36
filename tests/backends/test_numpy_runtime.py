"""What NumPy lacks, against independent sources: math.erf, published vectors, loops in Python."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from specc.backends.numpy import runtime

ERF = np.vectorize(math.erf)


def erf(x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    with np.errstate(all="ignore"):  # as in a program: what overflows is not chosen
        runtime.erf(x, out, np.empty((5, 8192), x.dtype))
    return out


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_erf_is_right_to_two_units_in_the_last_place(dtype: str) -> None:
    smallest = -44 if dtype == "float32" else -320
    x = np.concatenate(
        [np.linspace(-7, 7, 100_001), np.logspace(smallest, 0, 5_001), [1, -1, 30, 1e30]]
    ).astype(dtype)
    wanted = ERF(x.astype(float))
    unit = np.spacing(np.abs(wanted).astype(dtype)).astype(float)
    assert np.max(np.abs(erf(x).astype(float) - wanted) / unit) <= 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_erf_at_the_edges(dtype: str) -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype)
    found = erf(x)
    np.testing.assert_array_equal(found, np.array([0.0, -0.0, 1.0, -1.0, np.nan], dtype))
    assert np.signbit(found[:2]).tolist() == [False, True]
    tiny = np.finfo(dtype).smallest_subnormal
    assert erf(np.array([tiny], dtype)) == tiny
    assert runtime.erf_number(x[0]) == 0
    assert runtime.erf_number(x[0]).dtype == dtype


def test_erf_over_its_own_memory() -> None:
    x = np.linspace(-3, 3, 20_000)
    wanted = erf(x)
    runtime.erf(x, x, np.empty((5, 64)))
    np.testing.assert_array_equal(x, wanted)


# Random123's kat_vectors, philox4x32 10: counter, key, result.
KNOWN = [
    (
        "00000000 00000000 00000000 00000000",
        "00000000 00000000",
        "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    ),
    (
        "ffffffff ffffffff ffffffff ffffffff",
        "ffffffff ffffffff",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ),
    (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


def words_of(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_philox_gives_its_published_answers(counter: str, key: str, result: str) -> None:
    words = np.array([words_of(counter)] * 3, np.uint64).T.copy()
    seed, step = words_of(key)
    runtime.philox(words, np.empty((2, 3), np.uint64), (seed, step))
    assert words.T.tolist() == [words_of(result)] * 3


def test_bits_come_from_the_words_in_order() -> None:
    """Key 0, counter (block, 0, 0, 0): the first block is the first known answer."""
    answer = words_of(KNOWN[0][2])
    whole, halves = np.empty(4, np.int64), np.empty((2, 4), np.int64)
    runtime.random_bits((0, 0), 0, 32, 0, whole)
    runtime.random_bits((0, 0), 0, 16, 0, halves)
    assert whole.tolist() == answer
    assert halves.ravel().tolist() == [h for w in answer for h in (w & 0xFFFF, w >> 16)]


@pytest.mark.parametrize("bits", [16, 32])
def test_the_size_of_a_block_of_work_changes_no_bit(bits: int) -> None:
    wanted, found = np.empty(70_001, np.int64), np.empty(70_001, np.int64)
    runtime.random_bits((1, 2), 3, bits, 4, wanted)
    runtime.random_bits((1, 2), 3, bits, 4, found, np.empty((8, 100), np.int64))
    np.testing.assert_array_equal(found, wanted)
    assert wanted.min() >= 0
    assert wanted.max() < 2**bits
    assert abs(wanted.mean() / 2**bits - 0.5) < 0.01


@pytest.mark.parametrize("count", [7, 90, 10_000], ids=["often", "some twice", "once"])
def test_rows_are_added_however_often_they_come(count: int) -> None:
    draw = np.random.default_rng(0)
    index, updates = draw.integers(0, count, (40, 3)), draw.normal(size=(40, 3, 2, 5))
    out, wanted = np.empty((count + 2, 2, 5)), np.zeros((count + 2, 2, 5))
    for place in np.ndindex(index.shape):
        wanted[index[place]] += updates[place]
    for lying in (updates, np.asfortranarray(updates)):
        out.fill(np.nan)
        runtime.add_at(index, lying, out, np.full((120, 10), np.nan), np.full((120, 10), np.nan))
        np.testing.assert_allclose(out, wanted, rtol=1e-13)


@pytest.mark.parametrize("shape", [(0, 5), (3, 1), (64, 1), (70, 64), (9, 20, 32), (2, 99, 100)])
def test_the_largest_of_each_row_whatever_stands_there(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    x[1:2, ..., 0], x[2:3, ..., -1], x[3:5] = np.nan, np.inf, -np.inf
    found, columns = np.empty(shape[:-1], x.dtype), np.full(500, np.nan, x.dtype)
    runtime.row_maxima(x, found, columns)
    np.testing.assert_array_equal(found, x.max(-1))


def test_windows_and_back() -> None:
    """⟨windows(x), y⟩ = ⟨x, overlap_add(y)⟩: each is the other's adjoint."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(2, 9, 11))
    steps: dict[str, Any] = {"axes": (1, 2), "strides": (2, 1), "dilations": (1, 3)}
    shown = runtime.windows(x, sizes=(3, 2), **steps)
    assert shown.shape == (2, 4, 8, 3, 2)
    assert shown[1, 2, 5, 1, 1] == x[1, 2 * 2 + 1, 5 + 3]
    y, back = draw.normal(size=shown.shape), np.empty_like(x)
    runtime.overlap_add(y, **steps, out=back)
    np.testing.assert_allclose((shown * y).sum(), (x * back).sum(), rtol=1e-12)


def test_an_index_is_never_wrapped() -> None:
    for index in (-1, 5, np.array([0, 5]), np.array([[-1, 2]])):
        with pytest.raises(runtime.OutOfRange, match=r"here: index (-1|5) is not in 0 \.\. 4"):
            runtime.check(index, 5, 0, "here")
    runtime.check(np.array([], np.int64), 0, 0, "here")


@pytest.mark.parametrize(
    ("starts", "stops"), [((1, 0, 2), (3, 4, 3)), ((0, 0, 0), (3, 4, 5)), ((3, 0, 0), (3, 0, 0))]
)
def test_a_frame_is_what_surrounds_once_each(starts: tuple, stops: tuple) -> None:
    y = np.zeros((3, 4, 5), int)
    for side in runtime.frame_of(y, starts, stops):
        side += 1
    inside = tuple(slice(*pair) for pair in zip(starts, stops, strict=True))
    assert (y[inside] == 0).all()
    y[inside] = 1
    assert (y == 1).all()
