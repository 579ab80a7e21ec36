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


def test_a_cell_draws_in_training_alone_where_a_layer_scans_it_too() -> None:
    """The layer's body is another in inference: it isn't the one that training made."""
    spec = specc.loads(
        "cell Sum() {\n    input x: float[batch, n]\n    state h: float[batch, n] = 0\n"
        "    h' = h + dropout(x, 0.5)\n    return h'\n}\n"
        "layer Sums() {\n    input x: float[batch, time, n]\n    ys, last = scan(Sum(), x)\n"
        "    return ys\n}\n"
        "model M() {\n    input x: float[batch, time, 64]\n    ys = x -> Sums()\n"
        "    loss mean(ys)\n    output ys\n}\n"
    )
    x = np.ones((4, 5, 64))
    sums = np.broadcast_to(np.arange(1.0, 6)[:, None], x.shape)
    for backend in ("numpy", "torch", "onnx"):
        program = spec.model().compile(backend, dtype="float64")
        np.testing.assert_array_equal(program(x=x)["ys"], sums, err_msg=backend)


BEGUN = """
cell Inner(n: int) {
    input x: float[batch, features]
    state a: float[batch, n] = uniform(0, 1)
    a' = 0.5 * a + tanh(Linear(n)(x))
    return a'
}

cell Begun(n: int) {
    input x: float[batch, features]
    state h: float[batch, n] = normal()
    h' = h + Inner(n)(x -> BatchNorm() as norm)
    loss 0.1 * mean(h'^2)
    return h'
}

model M(n: int = 6) {
    input  x: float[batch, time, 3]
    target label: int[batch]
    cell = Begun(n)
    ys, one = scan(cell, x)
    zs, two = scan(cell, x, reverse = true)
    logits = one + two -> Linear(4)
    output logits
    loss   cross_entropy(logits, label)
}

train {
    optimizer adam(lr = 1e-2)
    batch     8
    steps     5
}
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_backends_draw_alike_what_a_scan_begins_with(tmp_path: Path, dtype: str) -> None:
    (tmp_path / "begun.nn").write_text(BEGUN)
    assert compare(tmp_path / "begun.nn", dtype=dtype, steps=5).status == 0


@pytest.mark.parametrize("backend", ["numpy", "torch", "onnx"])
def test_each_scan_draws_what_it_begins_with_anew(backend: str) -> None:
    spec = specc.loads(
        "cell Still(n: int) {\n    input x: float[batch, features]\n"
        "    state h: float[batch, n] = normal(3, 0.5)\n    h' = h\n    return h'\n}\n"
        "cell Outer(n: int) {\n    input xs: float[batch, places, features]\n"
        "    state k: float[batch, n] = 0\n    ys, last = scan(Still(n), xs)\n"
        "    k' = last\n    return k'\n}\n"
        "layer Two() {\n    input x: float[batch, places, 2]\n    cell = Still(400)\n"
        "    ys, one = scan(cell, x)\n    zs, two = scan(cell, x)\n    return ys, one, two\n}\n"
        "model M() {\n    input x: float[batch, time, places, 2]\n"
        "    ys, one, two = Two()(x[:, 0])\n    own, last = scan(Outer(400), x)\n"
        "    output ys, one, two, own\n}\n"
    )
    found = spec.model().compile(backend, dtype="float64")(x=np.zeros((5, 3, 2, 2)))
    assert np.array_equal(found["ys"][:, 0], found["one"])
    assert np.array_equal(found["ys"][:, 1], found["one"])
    draws = [found["one"], found["two"], *found["own"].swapaxes(0, 1)]
    for at, each in enumerate(draws):
        assert abs(each.mean() - 3) < 0.05
        assert abs(each.std() - 0.5) < 0.05
        for other in draws[:at]:
            assert abs(np.corrcoef(each.ravel(), other.ravel())[0, 1]) < 0.1


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
