"""Training in torch beside NumPy's where more than arithmetic decides: masks, labels, restarts."""

from __future__ import annotations

import numpy as np
import pytest

import specc
from specc.diagnostics import SpecError

SPEC = """
model M {
    input  x: float[batch, 20]
    target label: int[batch]
    h = x -> Linear(30) as a -> dropout(0.3) -> relu -> Linear(4) as b
    output h
    loss   cross_entropy(h, label)
}
train {
    optimizer adam(lr = 0.01)
    steps     20
}
"""


def batches(count: int) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    return [
        {"x": random.standard_normal((16, 20)), "label": random.integers(0, 4, 16)}
        for _ in range(count)
    ]


def test_masks_are_the_same() -> None:
    spec = specc.loads(SPEC)
    both = [spec.trainer(backend=each, dtype="float64", seed=3) for each in ("numpy", "torch")]
    for batch in batches(6):
        said = [trainer.step(**batch) for trainer in both]
        assert said[0] == pytest.approx(said[1], rel=1e-9)


@pytest.mark.parametrize("label", [-100, -1, 4])
@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_label_that_is_no_class_is_refused(backend: str, label: int) -> None:
    trainer = specc.loads(SPEC).trainer(backend=backend, seed=3)
    (batch,) = batches(1)
    batch["label"][5] = label
    with pytest.raises(SpecError, match="R10"):
        trainer.step(**batch)
