"""The rules of agreement, on numbers that were worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from specc.compare.numbers import (
    AGREES,
    DIFFERS,
    UNDETERMINED,
    floor_of_gradients,
    relative,
    rows_of,
    ulps,
    verdict,
    worst,
)

inf, nan = np.inf, np.nan


def test_relative_error_is_of_the_norm() -> None:
    assert relative(np.array([3.0, 4.5]), np.array([3.0, 4.0])) == 0.5 / 5
    assert relative(np.array([1.0]), np.array([0.0])) == 1
    assert relative(np.array([inf, nan]), np.array([inf, nan])) == 0
    assert relative(np.array([nan]), np.array([1.0])) == inf
    assert relative(np.zeros(2), np.zeros(3)) == inf


def test_ulps_are_of_the_coarser_precision() -> None:
    one = np.array([1.0])
    assert ulps(one + 2 * np.finfo("float32").eps, one, "float32") == 2
    assert ulps(np.nextafter(one, 2), one, "float64") == 1
    assert ulps(np.array([3]), np.array([1]), "float32") == 2
    assert worst(np.array([nan, 1.0]), np.array([0.0, 1.0])) == inf


def test_a_gradient_that_is_noise_is_measured_against_the_others() -> None:
    values = {("gradient", "w"): np.full(3, 2.0), ("gradient", "b"): np.full(1, 1e-17)}
    rms = floor_of_gradients(values)
    assert rms == pytest.approx(np.sqrt(3))
    actual = {**values, ("gradient", "b"): np.full(1, -1e-17)}
    rows = rows_of(actual, values, {}, "float64")
    assert rows[1].relative == pytest.approx(2e-17 / np.sqrt(3))
    assert rows[1].verdict == AGREES


@pytest.mark.parametrize(
    ("kind", "error", "spread", "said"),
    [
        ("output", 9e-13, 0.0, AGREES),
        ("output", 2e-12, 0.0, DIFFERS),
        ("output", 2e-12, 9e-13, DIFFERS),  # ten spreads are for trained tensors
        ("output", 2e-12, 2e-12, UNDETERMINED),
        ("output", 0.0, 2e-12, UNDETERMINED),  # never agreement
        ("output", 3e-11, 2e-12, DIFFERS),
    ],
)
def test_verdicts_of_one_pass(kind: str, error: float, spread: float, said: str) -> None:
    assert verdict(kind, error, spread, 1e-12) == said


@pytest.mark.parametrize(
    ("error", "spread", "said"),
    [
        (9e-10, 0.0, AGREES),
        (2e-9, 1e-10, DIFFERS),
        (2e-9, 5e-10, AGREES),
        (6e-9, 5e-10, DIFFERS),
        (2e-9, 2e-9, UNDETERMINED),
        (0.0, 2e-9, UNDETERMINED),
        (3e-8, 2e-9, DIFFERS),
    ],
)
def test_verdicts_after_training(error: float, spread: float, said: str) -> None:
    assert verdict("trained", error, spread, 1e-9) == said


def test_ints_and_bools_are_exact() -> None:
    value = ("output", "n")
    (row,) = rows_of({value: np.array([1, 2])}, {value: np.array([1, 3])}, {}, "float32")
    assert row.verdict == DIFFERS
