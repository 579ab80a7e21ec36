"""Draws and inner states in scanned cells: anew at each step, the same on every backend."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import specc
from specc import pipeline
from specc.compare.compare import compare
from specc.diagnostics import SpecError

SPEC = """
cell Dropped(n: int) {
    input x: float[batch, features]
    state h: float[batch, n] = 0
    y = GRUCell(n)(dropout(x, 0.5))
    h' = tanh(y + Linear(n, bias = false)(dropout(h, 0.3)))
    return h'
}

model M(n: int = 6) {
    input  x: float[batch, time, 3]
    input  length: int[batch]
    target label: int[batch]
    ys, last = scan(Dropped(n), x, length = 1 + length)
    logits = last -> Linear(4)
    output logits
    loss   cross_entropy(logits, label)
}

train {
    optimizer adam(lr = 1e-2)
    batch     8
    steps     5
}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "m.nn").write_text(SPEC)
    return tmp_path / "m.nn"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_backends_draw_alike(path: Path, dtype: str) -> None:
    assert compare(path, dtype=dtype, steps=5).status == 0


def test_each_step_draws_anew() -> None:
    """Of ones that are dropped, the same places at every step would leave a row's sums alike."""
    spec = specc.loads(
        "cell Sum() {\n    input x: float[batch, n]\n    state h: float[batch, n] = 0\n"
        "    h' = h + dropout(x, 0.5)\n    return h'\n}\n"
        "model M() {\n    input x: float[batch, time, 64]\n    param w: float[64] = 1\n"
        "    ys, last = scan(Sum(), x * w)\n    loss seen = mean(last)\n"
        "    loss square = mean(last * last)\n    output last\n}\n"
        "train {\n    optimizer sgd(lr = 0)\n    batch 4\n    steps 1\n}\n"
    )
    steps = 16
    for backend in ("numpy", "torch", "onnx"):
        trainer = spec.trainer(backend=backend, dtype="float64")
        found = trainer.step(x=np.ones((4, steps, 64)))
        variance = found["square"] - found["seen"] ** 2
        assert found["seen"] == pytest.approx(steps, abs=1.5)
        # Of 16 draws that are 0 or 2 the variance is 16; of one draw 16 times it would be 256.
        assert 10 < variance < 24, backend


def test_the_torch_file_draws_in_training_alone(path: Path, tmp_path: Path) -> None:
    import torch

    pipeline.export(path, to="torch", output=tmp_path / "scan_draws_file.py")
    sys.path.insert(0, str(tmp_path))
    try:
        import scan_draws_file  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(tmp_path))
    module = scan_draws_file.M()
    given = torch.randn(5, 7, 3), torch.full((5,), 6)
    assert not torch.equal(module.train()(*given), module(*given))
    assert torch.equal(module.eval()(*given), module(*given))


NESTED = """
layer Inner(n: int) {{
    input x: float[batch, time, features]
    ys, last = scan(Dropped(n), x)
    return last
}}

cell Outer(n: int) {{
    input x: float[batch, time, features]
    state k: float[batch, n] = 0
    {step}
    k' = k + last
    return k'
}}
"""


@pytest.mark.parametrize("step", ["ys, last = scan(Dropped(n), x)", "last = Inner(n)(x)"])
def test_a_drawing_scan_within_a_scanned_cell_is_refused(step: str) -> None:
    """Stepped by the cell itself, or by a layer that it applies: both steps would be one number."""
    text = SPEC.replace("scan(Dropped(n), x, length = 1 + length)", "scan(Outer(n), x[:, none])")
    with pytest.raises(SpecError) as error:
        specc.loads(NESTED.format(step=step) + text)
    assert "M013" in [each.code for each in error.value.diagnostics]
