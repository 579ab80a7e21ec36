"""What a train block means: one or two steps, on numbers that were worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import specc
from specc.api import Trainer

# The loss 3 a + 4 b has the gradients 3 and 4, of norm 5, wherever a and b are.
MODEL = """
model M {
    input x: float[batch]
    param a: float[] = constant(2)
    param b: float[] = constant(-1)
    y = x + 3 * a + 4 * b
    output y
    loss mean(y)
}
"""
X = np.zeros(2)


def trainer(clauses: str, model: str = MODEL) -> Trainer:
    if "optimizer" not in clauses:
        clauses = f"optimizer sgd(lr = 1)\n{clauses}"
    return specc.loads(f"{model}\ntrain {{\n{clauses}\nsteps 10\n}}\n").trainer(dtype="float64")


def after(clauses: str, steps: int = 1, model: str = MODEL) -> tuple[float, float]:
    """a and b after some steps."""
    made = trainer(clauses, model)
    for _ in range(steps):
        made.step(x=X)
    return float(made.parameters["a"]), float(made.parameters["b"])


def test_descent() -> None:
    assert after("") == (2 - 3, -1 - 4)
    assert after("optimizer sgd(lr = 0.5)", steps=2) == (2 - 3, -1 - 4)


def test_clipping_by_norm_is_torchs() -> None:
    factor = 1 / (5 + 1e-6)
    assert after("clip norm(1)") == pytest.approx((2 - 3 * factor, -1 - 4 * factor), rel=1e-14)
    assert after("clip norm(6)") == (2 - 3, -1 - 4)


def test_clipping_by_value() -> None:
    assert after("clip value(3.5)") == (2 - 3, -1 - 3.5)


def test_a_penalty_is_part_of_the_objective_alone() -> None:
    made = trainer("penalty l2(0.5)")
    metrics = made.step(x=X)
    assert metrics["loss"] == 3 * 2 - 4
    assert metrics["objective"] == 3 * 2 - 4 + 0.25 * (4 + 1)
    assert made.parameters["a"] == 2 - (3 + 0.5 * 2)
    assert made.parameters["b"] == -1 - (4 - 0.5)


def test_penalties_are_clipped_with_the_rest() -> None:
    a, b = 3 + 0.5 * 2, 4 - 0.5
    factor = 1 / (math.hypot(a, b) + 1e-6)
    found = after("penalty l2(0.5)\nclip norm(1)")
    assert found == pytest.approx((2 - a * factor, -1 - b * factor), rel=1e-14)


def test_a_penalty_of_some_parameters() -> None:
    assert after('penalty l1(0.5, on = "b")') == (2 - 3, -1 - 3.5)


def test_weight_decay_acts_after_clipping() -> None:
    factor = 1 / (5 + 1e-6)
    found = after("optimizer sgd(lr = 1, weight_decay = 0.5)\nclip norm(1)")
    assert found == pytest.approx((2 - 3 * factor - 1, -1 - 4 * factor + 0.5), rel=1e-14)


def test_schedules_count_from_0_and_multiply() -> None:
    rates = [1 / 2 * 1, 1 * 0.5]
    found = after("schedule warmup(2) * exponential_decay(0.5)", steps=2)
    assert found == pytest.approx((2 - 3 * sum(rates), -1 - 4 * sum(rates)), rel=1e-14)


def test_an_optimizer_counts_from_1() -> None:
    model = "optimizer counted(lr: float = 1) {\n    theta' = theta - lr * step * grad\n}\n" + MODEL
    found = after("optimizer counted(lr = 0.1)", steps=3, model=model)
    assert found == pytest.approx((2 - 0.6 * 3, -1 - 0.6 * 4), rel=1e-14)


def test_a_scheduled_number_of_an_optimizer_counts_from_0() -> None:
    assert after("optimizer sgd(lr = warmup(4))") == (2 - 3 / 4, -1 - 4 / 4)
    assert after("optimizer sgd(lr = warmup(4))", steps=2) == (2 - 9 / 4, -1 - 12 / 4)


UNIT = """
optimizer unit(lr: float) {
    theta' = theta - lr * grad / sqrt(sum(grad * grad))
}
"""
SIZED = """
optimizer sized(lr: float) {
    theta' = theta - lr * grad / size(theta)
}
"""
MATRICES = """
optimizer matrices(lr: float) {
    input theta: float[rows, columns]
    theta' = theta - lr * grad
}
"""
VECTORS = """
model M {
    input x: float[batch]
    param a: float[1, 4] = constant(2)
    param b: float[2] = constant(-1)
    param c: float[3] = constant(0)
    y = x + 3 * sum(a) + 4 * sum(b) + 5 * sum(c)
    output y
    loss mean(y)
}
"""


def test_an_optimizer_that_looks_at_a_whole_parameter_sees_each_alone() -> None:
    assert after("optimizer unit(lr = 1)", model=UNIT + MODEL) == (2 - 1, -1 - 1)
    assert after("optimizer sized(lr = 1)", model=SIZED + MODEL) == (2 - 3, -1 - 4)
    thirds = 1 / math.sqrt(3)
    for text, steps in ((UNIT, (1 / 2, 1 / math.sqrt(2), thirds)), (SIZED, (3 / 4, 4 / 2, 5 / 3))):
        made = trainer(f"optimizer {text.split()[1].split('(')[0]}(lr = 1)", text + VECTORS)
        made.step(x=X)
        np.testing.assert_allclose(made.parameters["a"], np.full((1, 4), 2 - steps[0]))
        np.testing.assert_allclose(made.parameters["b"], np.full(2, -1 - steps[1]))
        np.testing.assert_allclose(made.parameters["c"], np.full(3, -steps[2]))


def test_an_optimizer_may_ask_for_the_axes_of_its_parameters() -> None:
    said = 'optimizer matrices(lr = 1) on "a"\noptimizer sgd(lr = 1)'
    made = trainer(said, MATRICES + VECTORS)
    made.step(x=X)
    np.testing.assert_array_equal(made.parameters["a"], np.full((1, 4), 2 - 3))
    np.testing.assert_array_equal(made.parameters["b"], np.full(2, -1 - 4))


def test_an_optimizers_state_is_its_parameters_own() -> None:
    made = trainer("optimizer sgd(lr = 1, momentum = 0.5)")
    made.step(x=X)
    made.step(x=X)
    assert float(made.parameters["a"]) == 2 - 3 - 4.5
    assert float(made.state["a:m"]) == 4.5
    assert float(made.state["b:m"]) == 6


def test_the_rest_goes_to_the_optimizer_without_a_glob() -> None:
    assert after('optimizer sgd(lr = 1)\noptimizer sgd(lr = 0.1, on = "b")') == pytest.approx(
        (2 - 3, -1 - 0.4), rel=1e-14
    )


def test_the_frozen_stay_and_take_no_part_in_the_norm() -> None:
    factor = 1 / (3 + 1e-6)
    found = after('freeze "b"\nclip norm(1)')
    assert found == pytest.approx((2 - 3 * factor, -1), rel=1e-14)


def test_a_loss_reaches_the_parameters_that_it_names() -> None:
    model = MODEL.replace("loss mean(y)", 'loss mean(y) on "a"\n    loss other = -mean(y) on "b"')
    made = trainer("", model)
    metrics = made.step(x=X)
    assert metrics["loss"] == 0
    assert metrics["other"] == -2
    assert made.parameters["a"] == 2 - 3
    assert made.parameters["b"] == -1 + 4


def test_a_layers_own_loss_counts_in_the_models() -> None:
    model = """
layer Balanced() {
    input x: float[batch]
    param a: float[] = constant(2)
    param b: float[] = constant(-1)
    loss 10 * a
    return x + a + b
}
model M {
    input x: float[batch]
    output y = x -> Balanced() as ""
    loss mean(x)
}
"""
    made = trainer("", model)
    assert made.step(x=X)["loss"] == 20
    assert made.parameters["a"] == 2 - 10


def test_states_move_once_a_step() -> None:
    model = MODEL.replace("y = x +", "n = (x[:, none] -> BatchNorm() as norm)[:, 0]\n    y = n +")
    made = trainer("", model)
    made.step(x=np.array([1.0, 3.0]))
    assert made.state["norm.running_mean"] == pytest.approx([0.2])
    made.step(x=np.array([1.0, 3.0]))
    assert made.state["norm.running_mean"] == pytest.approx([0.9 * 0.2 + 0.2])


def test_the_last_partial_batch_is_used(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=np.arange(5.0))
    (tmp_path / "rows.nn").write_text(
        MODEL
        + 'data Rows {\n    source npz("rows.npz")\n}\n'
        + "train {\n    data Rows\n    optimizer sgd(lr = 1)\n    batch 2\n    epochs 2\n}\n"
    )
    result = specc.load(tmp_path / "rows.nn").run(dtype="float64")
    assert result.parameters["a"] == 2 - 3 * (3 * 2)  # three batches an epoch


def test_losses_of_two_batches_are_their_means() -> None:
    made = trainer("", MODEL)
    assert made.step(x=np.array([1.0, 2.0, 6.0]))["loss"] == pytest.approx(3 + 3 * 2 - 4)
