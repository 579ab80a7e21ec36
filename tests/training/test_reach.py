"""What bounds an update's numbers is never below them, and a parameter that overflows is told."""

from __future__ import annotations

import numpy as np
import pytest

import specc
from specc import pipeline
from specc.api import Trainer
from specc.ir.graph import Graph, Output, emit
from specc.ir.model import Train
from specc.training.packing import groups_of, packed
from specc.training.reach import GRADIENTS, SMALL, name_of, reaching

SPEC = """
model M {{
    input x: float[batch, 3]
    y = x -> Linear(1, bias = false) as l
    output y
    loss mean(y)
}}
train {{
    optimizer {optimizer}
    {clip}
    steps 20
}}
"""
OPTIMIZERS = [
    "sgd()",
    "sgd(lr = 3, momentum = 0.9, dampening = 0.3, weight_decay = 0.5, nesterov = true)",
    "sgd(lr = 1e-15, momentum = 0.99)",
    "adam()",
    "adam(lr = 1e-9, beta1 = 0.8, beta2 = 0.95, eps = 1e-4, weight_decay = 0.2)",
    "adamw(lr = 2, weight_decay = 0.9)",
    "rmsprop()",
    "rmsprop(lr = 1e-6, alpha = 0.9, weight_decay = 0.1, momentum = 0.7)",
    "adagrad(lr = 0.1, lr_decay = 0.05)",
]


def trainer_of(optimizer: str, clip: str = "") -> Trainer:
    return specc.loads(SPEC.format(optimizer=optimizer, clip=clip)).trainer()


def update_of(optimizer: str, clip: str = "") -> Graph:
    train: Train = specc.loads(SPEC.format(optimizer=optimizer, clip=clip)).built.trains[-1]
    return pipeline.update_graph(packed(train, groups_of(train)))


@pytest.mark.parametrize("clip", ["", "clip norm(1.0)", "clip value(0.1)"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_no_number_is_beyond_its_reach(optimizer: str, clip: str) -> None:
    update, told = reaching(update_of(optimizer, clip))
    assert set(told) == {*update.taking("parameter"), *update.taking("moment")}
    program = pipeline.compile(update)
    draw = np.random.default_rng(0)

    def drawn(positive: bool = False) -> np.ndarray:
        values = draw.normal(size=3) * 10.0 ** draw.integers(-30, 12)
        return (abs(values) if positive else values).astype(np.float32)

    checked = 0
    for _ in range(30):
        arrays = {name: drawn(positive) for name, positive in told.items()}
        reaches = {name_of(name): 1.0 + abs(values).max() for name, values in arrays.items()}
        for step in range(20):
            gradients = {name: drawn() for name in update.taking("gradient")}
            most = 1.0 + max(float(abs(values).max()) for values in gradients.values())
            own = {name_of(GRADIENTS): most, "step": float(step), "scale": 1.0}
            feeds = {**arrays, **reaches, **gradients, **own}
            with np.errstate(all="ignore"):
                given = {n: np.asarray(feeds[n], program.dtypes[n]) for n in program.inputs}
                results = program(given)
            reaches = {name_of(name): float(results[name_of(name)]) for name in told}
            arrays = {name: results[name] for name in told}
            for name, values in arrays.items():
                if any(reaches[name_of(each)] >= SMALL for each in update.taking("parameter")):
                    continue
                checked += 1
                assert (abs(values) <= reaches[name_of(name)]).all(), name
                assert (values >= 0).all() or not told[name], name
    assert checked > 100


def test_an_operation_without_a_rule_bounds_nothing() -> None:
    graph = update_of("sgd()")
    (theta,) = graph.named("parameter").values()
    odd = Graph("update", graph.inputs, (Output("group 0", "parameter", emit("exp", theta)),))
    reaching_graph, told = reaching(odd)
    assert told == {}
    assert reaching_graph.named("reach") == {}


def repeat(trainer: Trainer, x: float) -> None:
    for _ in range(1000):
        trainer.step(x=np.full((1, 3), x, np.float32))


def steps_until_refused(trainer: Trainer, x: float) -> int:
    before = trainer.steps
    with pytest.raises(specc.SpecError) as error:
        repeat(trainer, x)
    assert [each.code for each in error.value.diagnostics] == ["R202"]
    return trainer.steps - before + 1


@pytest.mark.parametrize("optimizer", ["sgd(lr = 3e38)", "sgd(lr = 1e37, momentum = 0.9)"])
def test_the_step_that_makes_a_parameter_infinite_says_so(optimizer: str) -> None:
    trainer = trainer_of(optimizer)
    trainer.load({"l.weight": np.zeros((1, 3), np.float32)})
    rate = np.float32(optimizer.split("= ")[1].split(")")[0].split(",")[0])
    momentum = np.float32(0.9 if "momentum" in optimizer else 0)
    weight, velocity, steps = np.float32(0), np.float32(0), 0
    with np.errstate(over="ignore"):
        while np.isfinite(weight):
            velocity = momentum * velocity + np.float32(0.1)
            weight -= rate * velocity
            steps += 1
    assert steps > 5
    assert steps_until_refused(trainer, 0.1) == steps


def test_weights_that_are_loaded_are_measured_anew() -> None:
    trainer = trainer_of("sgd(lr = 1e37)")
    trainer.load({"l.weight": np.zeros((1, 3), np.float32)})
    for _ in range(3):
        trainer.step(x=np.full((1, 3), 1e-30, np.float32))
    assert all(float(each) < SMALL for each in trainer._learner._reaches.feeds.values())
    trainer.load({"l.weight": np.full((1, 3), -3.4e38, np.float32)})
    assert steps_until_refused(trainer, 0.1) == 1


def test_without_an_epsilon_a_gradient_of_zero_is_still_found() -> None:
    assert steps_until_refused(trainer_of("adam(eps = 0)"), 0.0) == 1


def test_parameters_that_stay_small_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_of("adam()")
    learner, looks = trainer._learner, []
    monkeypatch.setattr(learner, "_check_parameters", lambda: looks.append(learner.steps))
    for _ in range(50):
        trainer.step(x=np.ones((2, 3), np.float32))
    assert looks == [0]
    assert all(map(np.isfinite, learner._reaches.feeds.values()))
