"""Recurrent cells have torch's parameters, by name and shape, and are accepted in a scan."""

from __future__ import annotations

import pytest
import torch

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
