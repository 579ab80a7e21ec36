"""Dropout in training: what share it keeps, what it does to what is kept, and its gradient."""

from __future__ import annotations

import numpy as np
import pytest

from specc.language import loads
from specc.passes import differentiate
from tests.std.record import run

SPEC = """
model M {{
    input x: float[200, 300]
    y = dropout(x, {p})
    output y
    loss sum(y)
}}
"""
X = np.random.default_rng(1).standard_normal((200, 300))


def masked(p: float, seed: int = 1, step: int = 0) -> tuple[np.ndarray, np.ndarray]:
    graph = loads(SPEC.format(p=p)).models["M"].training
    made = run(
        differentiate(graph, [("loss", ["x"])]),
        {"x": X, "key": np.array([seed, step])},
        "float64",
    )
    return made["y"], made["gradient.x"]


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_kept_and_scaled(p: float) -> None:
    y, gradient = masked(p)
    kept = y != 0
    assert kept.mean() == pytest.approx(1 - p, abs=4 * np.sqrt(p * (1 - p) / X.size))
    np.testing.assert_allclose(y, np.where(kept, X / (1 - p), 0), rtol=1e-15)
    np.testing.assert_allclose(gradient, kept / (1 - p), rtol=1e-15)


def test_everything_dropped() -> None:
    y, gradient = masked(1)
    assert not y.any()
    assert not gradient.any()


def test_each_step_draws_anew() -> None:
    first, again = masked(0.5)[0] != 0, masked(0.5)[0] != 0
    later, elsewhere = masked(0.5, step=1)[0] != 0, masked(0.5, seed=2)[0] != 0
    assert (first == again).all()
    assert abs((first == later).mean() - 0.5) < 0.01
    assert abs((first == elsewhere).mean() - 0.5) < 0.01


def test_two_applications_differ() -> None:
    graph = loads(
        "model M {\n    input x: float[200, 300]\n"
        "    output a = dropout(x), b = dropout(x)\n}\n"
    ).models["M"].training  # fmt: skip
    made = run(graph, {"x": X, "key": np.array([1, 0])}, "float64")
    assert abs(((made["a"] != 0) == (made["b"] != 0)).mean() - 0.5) < 0.01
