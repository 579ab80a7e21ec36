"""Recurrent layers against torch's, whose weights they take by name; lengths are packed there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tests.std.layers import textbook
from tests.std.record import Record

X = {"x": "float 3 5 4"}
LENGTHS = {"n": [2, 5, 1]}


class Packed(nn.Module):
    """A layer of torch's over packed sequences; outputs are padded again."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor, n: Tensor | None, *state: Tensor) -> Tensor:
        """Outputs and last states, one after another."""
        first = next(iter(state), None)
        start = state if len(state) > 1 else first
        if n is None:
            y, last = self.inner(x, start)
        else:
            packed = pack_padded_sequence(x, n, batch_first=True, enforce_sorted=False)
            made, last = self.inner(packed, start)
            y, _ = pad_packed_sequence(made, batch_first=True, total_length=x.shape[1])
        states = last if isinstance(last, tuple) else (last,)
        return torch.cat([y.flatten(), *(each.flatten() for each in states)])


def of(kind: Callable[..., nn.RNNBase], weights: Mapping[str, Tensor], *given, **options) -> Tensor:
    inner = kind(4, 2, batch_first=True, **options)
    named = {f"inner.{name}": weights[f"m_{name}"] for name, _ in inner.named_parameters()}
    assert len(named) == len(weights)
    return functional_call(Packed(inner).double(), named, given)


def by_the_book(x: Tensor, n: Tensor, w: Mapping[str, Tensor]) -> Tensor:
    """One textbook GRU each way, step by step and row by row."""
    outputs, lasts = [], []
    for tag, way in (("_l0", 1), ("_l0_reverse", -1)):
        own = [w[f"m_{name}{tag}"] for name in ("weight_ih", "weight_hh", "bias")]
        rows, ends = [], []
        for row, length in zip(x, n.tolist(), strict=True):
            h = torch.zeros(1, 2).double()
            made = {}
            for place in range(length)[::way]:
                h = made[place] = textbook(row[place : place + 1], h, w=own[0], u=own[1], b=own[2])
            empty = torch.zeros(1, 2).double()
            rows.append(torch.cat([made.get(place, empty) for place in range(x.shape[1])]))
            ends.append(h)
        outputs.append(torch.stack(rows))
        lasts.append(torch.cat(ends))
    return torch.cat([torch.cat(outputs, -1).flatten(), torch.stack(lasts).flatten()])


def record(layer: str, call: str, states: str, inputs: Mapping[str, str], oracle, **options):
    """The outputs and the last states of `call`, one after another."""
    names = ", ".join(states)
    parts = ", ".join(f"reshape({each}, [-1])" for each in ("ys", *states))
    body = f"m = {layer}\nys, {names} = m{call}\ny = concat([{parts}])"
    return Record(layer.split("(")[0], body, inputs, oracle, **options)


RECORDS: tuple[Record, ...] = (
    record("RNN(2)", "(x)", "h", X, lambda x, **w: of(nn.RNN, w, x, None)),
    record("RNN(2, relu, layers = 2, bidirectional = true)", "(x, n)", "h", X,
           lambda x, n, **w: of(nn.RNN, w, x, n, nonlinearity="relu", num_layers=2,
                                bidirectional=True), fixed=LENGTHS),
    record("GRU(2, bias = false)", "(x, h = h_0)", "h", {**X, "h_0": "float 1 3 2"},
           lambda x, h_0, **w: of(nn.GRU, w, x, None, h_0, bias=False)),
    record("GRU(2, layers = 2, bidirectional = true)", "(x, n, h_0)", "h",
           {**X, "h_0": "float 4 3 2"},
           lambda x, n, h_0, **w: of(nn.GRU, w, x, n, h_0, num_layers=2, bidirectional=True),
           fixed=LENGTHS),
    record("LSTM(2)", "(x)", "hc", X, lambda x, **w: of(nn.LSTM, w, x, None)),
    record("LSTM(2, layers = 2, p = 0.3)", "(x, n)", "hc", X,
           lambda x, n, **w: of(nn.LSTM, w, x, n, num_layers=2), fixed=LENGTHS),
    record("LSTM(2, layers = 2, bidirectional = true, bias = false)",
           "(x, n, h = h_0, c = c_0)", "hc", {**X, "h_0": "float 4 3 2", "c_0": "float 4 3 2"},
           lambda x, n, h_0, c_0, **w: of(nn.LSTM, w, x, n, h_0, c_0, num_layers=2,
                                          bidirectional=True, bias=False), fixed=LENGTHS),
    record("TextbookGRU(2, bidirectional = true)", "(x, n)", "h", X,
           lambda x, n, **w: by_the_book(x, n, w), fixed=LENGTHS),
)  # fmt: skip
