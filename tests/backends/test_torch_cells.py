"""Cells that torch has whole are torch's functions, and give what their own equations give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from specc import language
from specc.backends.torch import load_source, write
from specc.backends.torch.program import source_of
from specc.ir import Graph

BOUND = {"float32": 1e-5, "float64": 1e-12}
LAYERS = {
    "one": ("LSTM(3)", "torch.lstm", 1),
    "deep": ("LSTM(3, layers = 2, bidirectional = true)", "torch.lstm", 4),
    "unbiased": ("GRU(3, bias = false)", "torch.gru", 1),
    "both ways": ("GRU(3, bidirectional = true)", "torch.gru", 2),
    "tanh": ("RNN(3, layers = 2)", "torch.rnn_tanh", 2),
    "relu": ("RNN(3, relu)", "torch.rnn_relu", 1),
}


def graph_of(layer: str, given: bool, length: bool = False) -> Graph:
    places = (2 if "layers = 2" in layer else 1) * (2 if "bidirectional" in layer else 1)
    states = ["h", "c"] if layer.startswith("LSTM") else ["h"]
    stage = ", ".join([*(["n"] if length else []), *(f"{s} = {s}0" for s in states if given)])
    lines = [
        "input x: float[batch, time, 4]",
        *([f"input {s}0: float[{places}, batch, 3]" for s in states] if given else []),
        *(["input n: int[batch]"] if length else []),
        f"y, {', '.join(states)} = {layer}(x{', ' if stage else ''}{stage})",
        f"output y, {', '.join(states)}",
    ]
    return language.loads("\n".join(["model M {", *lines, "}"])).models["M"].inference


def written(graph: Graph, dtype: str) -> tuple[str, Callable[..., Any]]:
    source = source_of(graph, dtype, trainable=True)
    return source, load_source(source)["run"]


def expanded(graph: Graph, dtype: str, patch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The same without torch's functions."""
    with patch.context() as inner:
        inner.setattr(write, "cell_of", lambda *_: None)
        source, run = written(graph, dtype)
    assert "torch.lstm" not in source
    assert "torch.gru" not in source
    assert "torch.rnn" not in source
    return run


def feeds(graph: Graph, dtype: str, time: int) -> list[torch.Tensor]:
    draw = np.random.default_rng(0)
    lengths = {"batch": 5, "time": time}
    made: list[torch.Tensor] = []
    for node in graph.inputs:
        shape = [each if isinstance(each, int) else lengths[str(each)] for each in node.shape]
        if node.dtype == "int":
            made.append(torch.tensor([7, 2, 1, 5, 0]))
            continue
        made.append(torch.tensor(draw.normal(size=shape).astype(dtype), requires_grad=True))
    return made


def numbers(run: Callable[..., Any], given: list[torch.Tensor]) -> list[torch.Tensor]:
    """Results, and the gradients of a sum in which each element weighs something else."""
    results = run(*given)
    total = torch.zeros((), dtype=results[0].dtype)
    for each in results:
        weights = torch.linspace(-1, 2, each.numel(), dtype=each.dtype)
        total = total + (each * weights.reshape(each.shape)).sum()
    of = [each for each in given if each.requires_grad]
    return [*results, *torch.autograd.grad(total, of)]


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("given", [False, True], ids=["from zero", "from given states"])
@pytest.mark.parametrize("layer", LAYERS)
def test_torchs_functions_give_what_the_equations_give(
    layer: str, given: bool, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, function, count = LAYERS[layer]
    graph = graph_of(text, given)
    source, run = written(graph, dtype)
    assert source.count(f"steps({function}, ") == count
    assert "for t in range" not in source
    other = expanded(graph, dtype, monkeypatch)
    for steps in (1, 9):
        tensors = feeds(graph, dtype, steps)
        pairs = zip(numbers(run, tensors), numbers(other, tensors), strict=True)
        for found, wanted in pairs:
            assert found.shape == wanted.shape
            error = (found - wanted).norm()
            assert error <= BOUND[dtype] * wanted.norm().clamp(min=1e-3), error


def test_of_no_steps_the_states_are_left() -> None:
    graph = graph_of("LSTM(3)", True)
    _, run = written(graph, "float64")
    given = feeds(graph, "float64", 0)
    y, h, c = run(*given)
    assert y.shape == (5, 0, 3)
    assert torch.equal(h, given[1])
    assert torch.equal(c, given[2])


@pytest.mark.parametrize(
    "cell",
    ["RNNCell(3, gelu)", "RNNCell(3, bias_hh = false)", "TextbookGRUCell(3)"],
)
def test_what_torch_has_not_is_stepped(cell: str) -> None:
    text = f"""
model M {{
    input xs: float[batch, time, 4]
    ys, last = xs -> scan({cell})
    output ys, last
}}
"""
    source, _ = written(language.loads(text).models["M"].inference, "float32")
    assert "for t in range" in source


def test_rows_with_lengths_are_stepped() -> None:
    source, _ = written(graph_of("LSTM(3)", False, length=True), "float32")
    assert "for t in range" in source


def test_a_cell_of_the_same_name_in_a_file_is_its_own() -> None:
    text = """
cell GRUCell(n: int) {
    input x: float[batch, n]
    state h: float[batch, n] = 0
    h' = 0.5 * h + x
    return h'
}
model M {
    input xs: float[batch, time, 4]
    ys, last = xs -> scan(GRUCell(4))
    output ys
}
"""
    source, run = written(language.loads(text).models["M"].inference, "float64")
    assert "torch.gru" not in source
    (ys,) = run(torch.ones(1, 3, 4, dtype=torch.float64))
    assert torch.equal(ys[0, :, 0], torch.tensor([1, 1.5, 1.75], dtype=torch.float64))


def test_under_autocast_the_weights_precision_is_kept() -> None:
    graph = graph_of("LSTM(3)", False)
    _, run = written(graph, "float32")
    given = [each.detach() for each in feeds(graph, "float32", 4)]
    given[0] = given[0].to(torch.bfloat16).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, _, _ = run(*given)
    exact, _, _ = run(*given)
    assert (y.float() - exact).norm() <= 0.02 * exact.norm()
