"""Recurrent cells have torch's parameters, by name and shape, and are accepted in a scan."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from specc.cli import main
from specc.language import loads

CELLS = {
    "RNNCell": torch.nn.RNNCell,
    "GRUCell": torch.nn.GRUCell,
    "LSTMCell": torch.nn.LSTMCell,
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_parameters_are_torchs(cell: str, bias: bool) -> None:
    options = "" if bias else ", bias_ih = false, bias_hh = false"
    spec = loads(
        "model M {\n    input xs: float[batch, time, 4]\n"
        f"    ys, last = scan({cell}(3{options}), xs)\n    output ys\n}}\n"
    )
    prefix = {"RNNCell": "rnn_cell", "GRUCell": "gru_cell", "LSTMCell": "lstm_cell"}[cell]
    found = {each.name: tuple(each.type.shape) for each in spec.models["M"].parameters}
    mirror = CELLS[cell](4, 3, bias=bias).state_dict()
    assert found == {f"{prefix}.{name}": tuple(each.shape) for name, each in mirror.items()}


def names(body: str) -> set[str]:
    spec = loads(f"model M {{\n    input xs: float[batch, time, 4]\n{body}\n    output ys\n}}\n")
    return {each.name for each in spec.models["M"].parameters}


@pytest.mark.parametrize(
    ("stage", "prefix"),
    [
        ("scan(RNNCell(3)) as enc", "enc."),
        ("scan(RNNCell(3)) as stack.0", "stack.0."),
        ('scan(RNNCell(3)) as ""', ""),
        ("scan(RNNCell(3))", "rnn_cell."),
    ],
)
def test_a_scan_s_stage_names_the_cell_that_is_built_in_it(stage: str, prefix: str) -> None:
    found = names(f"    ys, last = xs -> {stage}")
    assert found == {f"{prefix}{each}" for each in torch.nn.RNNCell(4, 3).state_dict()}


def test_a_tag_ends_the_parameters_names() -> None:
    found = names(
        "    repeat k in range(2) {\n"
        '        xs, last = xs -> scan(GRUCell(4, "_l" + k)) as ""\n    }\n    ys = xs'
    )
    assert found == set(torch.nn.GRU(4, 4, 2).state_dict())


def test_a_state_given_as_none_begins_as_the_cell_says() -> None:
    made = loads(
        "model M {\n    input xs: float[batch, time, 4]\n    cell = RNNCell(3)\n"
        "    a, last = scan(cell, xs, h = none)\n    b, last = scan(cell, xs)\n"
        "    output a, b\n}\n"
    )
    a, b = made.models["M"].inference.results
    scans = [each.inputs[0].inputs[0] for each in (a, b)]  # its outputs are moved back
    begins = [each.inputs[0].attributes["body"] for each in scans]
    assert begins[0] is begins[1]


DEEP = """
model M {
    input x: float[batch, time, 4]
    input n: int[batch]
    target z: float[batch, time, 6]
    a, h, c = x -> LSTM(3, layers = 2, p = 0.3, bidirectional = true)(n)
    ys, last = a -> GRU(6, layers = 2, p = 0.3)
    output ys, h, c, last
    loss mse(ys, z)
}
"""


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_deep_layers_train_alike_with_dropout_between_them(
    dtype: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On three backends, by the same draws; batch and time are dynamic, and rows have lengths."""
    path = tmp_path / "deep.nn"
    path.write_text(DEEP)
    assert main(["compare", str(path), "--dtype", dtype, "--steps", "5"]) == 0, (
        capsys.readouterr().out
    )
