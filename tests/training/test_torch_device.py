"""Training away from the caller's arrays: what a device computes comes back after each step."""

from __future__ import annotations

import numpy as np

from specc import language
from specc.training.torch import TorchLearner
from tests.check import assert_close

SPEC = """
model Net() {
    input  x: float[batch, 5]
    target y: int[batch]
    logits = x -> Linear(6, bias = false) -> BatchNorm() -> relu -> Linear(3)
    output logits
    loss   cross_entropy(logits, y)
}
train {
    optimizer adam(lr = 0.01)
    clip      norm(0.1)
    steps     4
}
"""


def test_a_device_s_parameters_and_moments_come_back() -> None:
    """ "cpu:0" stands in for a device: its tensors are copies, never the learner's own arrays."""
    held: list[dict[str, np.ndarray]] = []
    for device in ("cpu", "cpu:0"):
        learner = TorchLearner(
            language.loads(SPEC).trains[0], seed=3, dtype="float64", how={"device": device}
        )
        start = {name: values.copy() for name, values in learner.parameters.items()}
        draw = np.random.default_rng(0)
        for _ in range(4):
            learner.step({"x": draw.standard_normal((7, 5)), "y": draw.integers(0, 3, 7)})
        assert all((learner.parameters[name] != start[name]).any() for name in start)
        held.append({**learner.parameters, **learner.optimizer_states(), **learner.states})
    for name, values in held[0].items():
        assert_close(held[1][name], values, what=name, tolerance=1e-11)
