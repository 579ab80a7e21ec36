"""The living definition itself: published numbers, calls, axes bound from what is fed."""

from __future__ import annotations

import numpy as np
import pytest

from specc.ir import Graph, Output, Type, call, emit, make_input
from specc.ir.size import axis
from tests.evaluate import philox, run


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((2**32 - 1,) * 4, (2**32 - 1,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_the_published_answers(counter, key, answer: str) -> None:
    assert " ".join(f"{word:08x}" for word in philox(counter, key)) == answer


def test_half_words_come_low_half_first() -> None:
    key, draw = make_input("key", "key", Type("int", (2,))), make_input("draw", "draw", Type("int"))
    bits = [emit("random_bits", key, draw, bits=each, shape=(8,), purpose=0) for each in (16, 32)]
    outputs = tuple(Output(str(i), "result", each) for i, each in enumerate(bits))
    halves, words = run(
        Graph("g", (key, draw), outputs), {"key": np.array([7, 1]), "draw": np.array(3)}
    ).values()
    assert list(halves[::2] + (halves[1::2] << 16)) == list(words[:4])


def test_calls_and_sizes() -> None:
    n = axis("n")
    x = make_input("x", "input", Type("float", (n, 2)))
    length = emit("cast", emit("size", extent=n * 2), dtype="float")
    body = Graph("f", (x,), (Output("y", "result", x * 3.0), Output("n", "result", length)))
    z = make_input("z", "input", Type("float", (n, 2)))
    tripled, doubled = call(body, [z])
    graph = Graph("g", (z,), (Output("a", "result", tripled), Output("b", "result", doubled)))
    results = run(graph, {"z": np.ones((5, 2))})
    assert results["a"].tolist() == [[3.0, 3.0]] * 5
    assert results["b"] == 10.0
