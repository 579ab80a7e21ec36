"""Every optimizer of the library, twenty steps in torch beside NumPy's update."""

from __future__ import annotations

import numpy as np
import pytest

import specc
from specc.backends.torch import row_of

SPEC = """
model M {{
    input  x: float[batch, 6]
    target y: float[batch, 3]
    h = x -> Linear(5) as a -> tanh -> Linear(3) as b
    output h
    loss   mse(h, y)
}}
train {{
    optimizer {}
    {}
    steps 20
}}
"""
OPTIMIZERS = [
    "sgd(lr = 0.1)",
    "sgd(lr = 0.1, weight_decay = 0.1)",
    "sgd(lr = 0.1, momentum = 0.9)",
    "sgd(lr = 0.1, momentum = 0.9, nesterov = true, weight_decay = 0.01)",
    "sgd(lr = 0.1, momentum = 0.9, dampening = 0.5)",
    "adam(lr = 0.01)",
    "adam(lr = 0.01, beta1 = 0.8, beta2 = 0.95, eps = 1e-4, weight_decay = 0.1)",
    "adamw(lr = 0.01)",
    "rmsprop(lr = 0.01)",
    "rmsprop(lr = 0.01, momentum = 0.9, weight_decay = 0.1)",
    "adagrad(lr = 0.1)",
    "adagrad(lr = 0.1, lr_decay = 0.1, weight_decay = 0.1)",
    'adam(lr = 0.01)\n    optimizer sgd(lr = 0.1, on = "a.*")',
]
CLAUSES = [
    "",
    "clip norm(0.05)",
    "clip value(0.01)",
    "schedule warmup(5) * cosine(20)",
    'penalty l2(0.1, on = "*.weight")',
    'freeze "a.*"',
]
CASES = [(each, "") for each in OPTIMIZERS] + [("adam(lr = 0.01)", each) for each in CLAUSES[1:]]


@pytest.mark.parametrize(("optimizer", "clause"), CASES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_twenty_steps(optimizer: str, clause: str, dtype: str) -> None:
    spec = specc.loads(SPEC.format(optimizer, clause))
    both = [spec.trainer(backend=each, dtype=dtype, seed=3) for each in ("numpy", "torch")]
    random = np.random.default_rng(0)
    for _ in range(20):
        x, y = random.standard_normal((8, 6)), random.standard_normal((8, 3))
        said = [trainer.step(x=x, y=y) for trainer in both]
        assert said[0] == pytest.approx(said[1], rel=1e-9 if dtype == "float64" else 1e-3)
    right, made = both
    for ours, theirs in ((right.parameters, made.parameters), (right.state, made.state)):
        assert ours.keys() == theirs.keys()
        for name, values in ours.items():
            tolerance = 1e-10 if dtype == "float64" else 1e-3
            off = np.linalg.norm(values - theirs[name]) / (np.linalg.norm(values) or 1.0)
            assert off <= tolerance, f"{name}: {off:.3g}"


@pytest.mark.parametrize(("optimizer", "known"), [
    ("sgd(lr = 0.1, momentum = 0.9)", True),
    ("sgd(lr = 0.1, momentum = 0.9, dampening = 0.5)", False),
    ("adam(lr = 0.01)", True),
])  # fmt: skip
def test_which_are_torchs(optimizer: str, known: bool) -> None:
    (train,) = specc.loads(SPEC.format(optimizer, "")).built.trains
    assert (row_of(train.optimizers[0]) is not None) is known
