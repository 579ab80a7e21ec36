"""Each schedule against torch's, step by step, or the formula it is published as."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from specc import pipeline
from specc.language import loads

SPEC = """
model M {{
    input x: float[batch, 1]
    y = x -> Linear(1) as l
    output y
    loss mean(y)
}}
train {{
    optimizer sgd(lr = 1)
    schedule  {schedule}
    steps     1
}}
"""


def stepped(make: Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler], steps: int = 30):
    """The learning rates of a torch scheduler on a rate of 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    scheduler = make(optimizer)
    rates: list[float] = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def formula(of: Callable[[int], float], steps: int = 30) -> list[float]:
    return [of(step) for step in range(steps)]


SCHEDULES = {
    "warmup(10)": stepped(lambda o: lr_scheduler.LinearLR(o, 0.1, 1.0, 9)),
    "warmup(1)": formula(lambda s: 1.0),
    "cosine(20)": stepped(lambda o: lr_scheduler.CosineAnnealingLR(o, 20), 21) + [0.0] * 9,
    "cosine(29, floor = 0.1)": stepped(lambda o: lr_scheduler.CosineAnnealingLR(o, 29, 0.1)),
    "linear_decay(12)": stepped(lambda o: lr_scheduler.LinearLR(o, 1.0, 0.0, 12)),
    "linear_decay(12, 0.5, 0.2)": [
        0.5 * rate / 0.5 for rate in stepped(lambda o: lr_scheduler.LinearLR(o, 0.5, 0.2, 12))
    ],
    "polynomial_decay(12, power = 2)": stepped(lambda o: lr_scheduler.PolynomialLR(o, 12, 2.0)),
    "polynomial_decay(12)": stepped(lambda o: lr_scheduler.PolynomialLR(o, 12)),
    "exponential_decay(0.9)": stepped(lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
    "step_decay(7)": stepped(lambda o: lr_scheduler.StepLR(o, 7)),
    "step_decay(5, gamma = 0.5)": stepped(lambda o: lr_scheduler.StepLR(o, 5, 0.5)),
    "inverse_sqrt(8)": formula(lambda s: min((s + 1) / 8, math.sqrt(8 / (s + 1)))),
    "warmup(4) * cosine(20)": formula(
        lambda s: min(1, (s + 1) / 4) * (1 + math.cos(math.pi * min(s, 20) / 20)) / 2
    ),
    "0.5 * warmup(4)": formula(lambda s: 0.5 * min(1, (s + 1) / 4)),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedule(schedule: str) -> None:
    graph = loads(SPEC.format(schedule=schedule)).trains[0].schedule
    assert graph is not None
    program = pipeline.compile(pipeline.lower(graph), "float32")
    reads = bool(graph.inputs)
    made = [
        float(next(iter(program({"step": np.float64(step)} if reads else {}).values())))
        for step in range(30)
    ]
    np.testing.assert_allclose(made, SCHEDULES[schedule], rtol=1e-13, atol=1e-15)
