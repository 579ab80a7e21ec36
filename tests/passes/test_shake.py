"""Shaken graphs: each rounded result moves by a last place, exact ones and well-conditioned ones
hardly, and what cancels is seen to be lost."""

from __future__ import annotations

import numpy as np
import pytest

from specc import pipeline
from specc.ir import Graph, Output, Type, emit, make_input
from specc.passes import shake

UNIT = 2.0**-53


def results(build, x, seed):
    node = make_input("x", "input", Type("float", x.shape))
    graph = Graph("g", (node,), (Output("y", "result", build(node)),))
    program = pipeline.compile(shake(graph, UNIT, seed), "float64")
    return program({"x": x})["y"]


@pytest.mark.parametrize("name", ["exp", "tanh", "sqrt"])
def test_each_result_moves_by_a_last_place(name):
    x = np.random.default_rng(0).uniform(0.5, 2, 1000)
    still, moved = getattr(np, name)(x), results(lambda n: emit(name, n), x, 1)
    apart = np.abs(moved - still) / np.spacing(still)
    assert apart.max() <= 2
    assert (apart > 0).mean() > 0.2
    again = results(lambda n: emit(name, n), x, 1)
    np.testing.assert_array_equal(moved, again)
    assert (moved != results(lambda n: emit(name, n), x, 2)).any()


@pytest.mark.parametrize("name", ["neg", "abs", "floor"])
def test_what_is_exact_stays(name):
    x = np.random.default_rng(0).normal(size=100)
    still = results(lambda n: emit(name, n), x, 1)
    np.testing.assert_array_equal(still, results(lambda n: emit(name, n), x, 2))


def test_cancellation_is_seen():
    x = np.random.default_rng(0).uniform(0.5, 2, 1000)
    one = emit_difference(x, 1)
    assert np.abs(one - emit_difference(x, 2)).max() / 1e-8 > 1e-9  # of a true value of 1e-8


def emit_difference(x, seed):
    return results(lambda n: (n + 1e-8) - n, x, seed)
