"""What every backend refuses before it runs, in the same words."""

from __future__ import annotations

import numpy as np
import pytest

from specc import loads
from specc.backends import BACKENDS, entrance
from specc.diagnostics import SpecError

every = pytest.mark.parametrize("backend", BACKENDS)


def forward(backend: str, line: str, x: str = "float[batch, time, 2]"):
    text = f"model M {{\n    input x: {x}\n    y = {line}\n    output y\n}}\n"
    return loads(text).model("M").compile(backend)


def refused(program, array: np.ndarray) -> str:
    with pytest.raises(SpecError) as caught:
        program(x=array)
    return caught.value.diagnostics[0].code


@every
@pytest.mark.parametrize("line", ["x[:, 0]", "x[:, -1]", "x[:, 1]", "x[:, -2] + x[:, 1]"])
def test_an_index_of_an_axis_that_is_too_short(backend: str, line: str) -> None:
    program = forward(backend, line)
    least = 2 if "1]" in line and "-1" not in line else 1
    assert program(x=np.zeros((3, least, 2), "float32"))["y"].shape == (3, 2)
    assert refused(program, np.zeros((3, least - 1, 2), "float32")) == "R106"


@every
@pytest.mark.parametrize("line", ["EINSUM", "mean(EINSUM)", "EINSUM[:, 0]"])
def test_what_no_memory_holds(backend: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known before any memory is taken: NumPy would refuse it, others be killed for it."""
    monkeypatch.setattr(entrance, "memory", lambda: 10_000)
    product = 'einsum("a b t, c d t -> a b c d", x, x)'
    program = forward(backend, line.replace("EINSUM", product))
    program(x=np.zeros((2, 3, 2), "float32"))
    assert refused(program, np.zeros((200, 3, 2), "float32")) == "L012"


def test_the_machine_s_memory_is_known() -> None:
    assert entrance.memory() > 2**28


@every
def test_an_index_that_is_cut_off_may_be_anything(backend: str) -> None:
    program = forward(backend, "x[:, :-1] -> Embedding(5, 3)", "int[batch, time]")
    assert program(x=np.array([[1, 2, -1], [4, 0, 9]]))["y"].shape == (2, 2, 3)
    for wrong in (-1, 5):
        assert refused(program, np.array([[1, wrong, 2]])) == "R107"
