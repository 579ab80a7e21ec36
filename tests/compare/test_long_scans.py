"""Scans of 200 steps: what they round adds up, and the three backends still agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from specc.compare.compare import compare

LONG = """
model Long(n: int = 8) {
    input  x: float[batch, 200, 3]
    input  length: int[batch]
    target label: int[batch]
    hs, _, _ = LSTM(n, layers = 2, bidirectional = true)(x)
    gs, _ = GRU(n)(hs, length = 150 + length)
    ys, last = scan(RNNCell(n), gs, reverse = true)
    seen = attention(ys, gs, gs, mask = causal_mask(200))
    logits = seen[:, -1] + last -> Linear(4)
    output logits
    loss   cross_entropy(logits, label)
}

train {
    optimizer sgd(lr = 0.1, momentum = 0.9)
    clip      norm(1.0)
    batch     8
    steps     5
}
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_two_hundred_steps_agree(dtype: str, tmp_path: Path) -> None:
    (tmp_path / "long.nn").write_text(LONG)
    found = compare(tmp_path / "long.nn", dtype=dtype, steps=5)
    assert len(found.pairs) == 3
    assert found.status == 0, [pair.differs for pair in found.pairs]
