"""Metrics over a set in three batches against scikit-learn's over the whole."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk

from specc import pipeline
from specc.ir.model import Model
from specc.language import loads

random = np.random.default_rng(2)
LOGITS = random.standard_normal((23, 6))
LABELS = random.integers(0, 6, 23)
CHANCES = random.random(23)
TRUTHS = random.integers(0, 2, 23)
VALUES = random.standard_normal(23) + 40
TARGETS = VALUES + 0.5 * random.standard_normal(23)
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)

CLASSES = "x: float[batch, 6], i: int[batch]"
BINARY = "x: float[batch], i: int[batch]"
NUMBERS = "x: float[batch], i: float[batch]"

METRICS = {
    "accuracy(x, i)": (CLASSES, LOGITS, LABELS, sk.accuracy_score(LABELS, LOGITS.argmax(1))),
    "top_k_accuracy(x, i, k = 2)": (
        CLASSES, LOGITS, LABELS, sk.top_k_accuracy_score(LABELS, LOGITS, k=2, labels=range(6))),
    "top_k_accuracy(x, i)": (
        CLASSES, LOGITS, LABELS, sk.top_k_accuracy_score(LABELS, LOGITS, k=5, labels=range(6))),
    "binary_accuracy(x, i)": (BINARY, CHANCES, TRUTHS, sk.accuracy_score(TRUTHS, CHANCES > 0.5)),
    "binary_accuracy(x, i, threshold = 0.7)": (
        BINARY, CHANCES, TRUTHS, sk.accuracy_score(TRUTHS, CHANCES > 0.7)),
    "f1(x, i)": (BINARY, CHANCES, TRUTHS, sk.f1_score(TRUTHS, CHANCES > 0.5)),
    "perplexity(x, i)": (
        CLASSES, LOGITS, LABELS, np.exp(sk.log_loss(LABELS, PROBABILITIES, labels=range(6)))),
    "mean_absolute_error(x, i)": (
        NUMBERS, VALUES, TARGETS, sk.mean_absolute_error(TARGETS, VALUES)),
    "root_mean_squared_error(x, i)": (
        NUMBERS, VALUES, TARGETS, sk.root_mean_squared_error(TARGETS, VALUES)),
    "r2(x, i)": (NUMBERS, VALUES, TARGETS, sk.r2_score(TARGETS, VALUES)),
}  # fmt: skip


def evaluate(model: Model, x: np.ndarray, i: np.ndarray, sizes: list[int]) -> float:
    """The metric after the batches: its last value if it keeps a state, else their average."""
    (metric,) = model.metrics
    program = pipeline.compile(pipeline.lower(model.inference), "float64")
    states = {each.name: np.zeros(()) for each in metric.states}
    found: list[float] = []
    start = 0
    for size in sizes:
        made = program({"x": x[start : start + size], "i": i[start : start + size], **states})
        states = {name: made.get(f"{name}'", made.get(name)) for name in states}
        found.append(float(made[metric.name]))
        start += size
    assert start == len(x)
    return found[-1] if metric.states else float(np.average(found, weights=sizes))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("sizes", [[23], [10, 10, 3]])
def test_metric(metric: str, sizes: list[int]) -> None:
    inputs, x, i, right = METRICS[metric]
    model = loads(
        f"model M {{\n    input {inputs}\n    output y = sum(x)\n    metric score = {metric}\n}}\n"
    ).models["M"]
    assert evaluate(model, x, i, sizes) == pytest.approx(float(right), rel=1e-12)
