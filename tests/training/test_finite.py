"""What is told of a step's numbers without looking at each: never less than looking would tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import specc
from specc.api import Trainer
from specc.training.finite import bounded

PERCEPTRON = Path(__file__).parents[2] / "benchmarks" / "specs" / "mlp.nn"
DRAW = np.random.default_rng(0)


def trained(images: np.ndarray, **weights: np.ndarray) -> Trainer:
    """A step's trainer, or what the step raises: nothing has changed then."""
    trainer = specc.load(PERCEPTRON).trainer()
    if weights:
        trainer.load({name.replace("_", "."): values for name, values in weights.items()})
    before = trainer.parameters | trainer.state
    try:
        trainer.step(image=images.astype(np.float32), label=np.arange(64) % 10)
    except specc.SpecError:
        for name, values in (trainer.parameters | trainer.state).items():
            np.testing.assert_array_equal(values, before[name])
        raise
    return trainer


def codes(images: np.ndarray, **weights: np.ndarray) -> list[str]:
    with pytest.raises(specc.SpecError) as error:
        trained(images, **weights)
    return [each.code for each in error.value.diagnostics]


def test_large_gradients_are_told_of_by_their_factors() -> None:
    learner = specc.load(PERCEPTRON).trainer()._learner
    _, factors = bounded(learner.graph, 64)
    assert list(factors) == ["gradient.fc1.weight"]
    assert bounded(learner.graph, 1000)[1] == {}  # they have more numbers than their product
    (stretch,) = learner._looked_at
    assert stretch.size == learner._flat_gradient.size - 784 * 128


def test_a_gradient_that_overflows_is_found_though_its_factors_are_finite() -> None:
    large = {"fc1_weight": np.zeros((128, 784)), "fc2_weight": np.full((64, 128), 1e10)}
    images = np.full((64, 784), 1e32)  # times 0 they leave the loss as it is
    assert codes(images, **large, fc1_bias=np.ones(128)) == ["R201"]


def test_factors_too_large_to_tell_are_no_fault() -> None:
    images = DRAW.normal(size=(64, 784)) * 1e22  # the sum of their squares overflows
    trainer = trained(images, fc1_weight=np.zeros((128, 784)), fc1_bias=np.ones(128))
    moved = trainer.parameters["fc1.weight"]
    assert np.isfinite(moved).all()
    assert abs(moved).max() > 1e10


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("place", [(0, 0), (63, 783)])
def test_an_image_is_named_before_its_gradient(number: float, place: tuple[int, int]) -> None:
    images = DRAW.normal(size=(64, 784))
    images[place] = number
    assert codes(images) == ["D008"]


@pytest.mark.parametrize("name", ["gradient.fc1.bias", "gradient.fc3.weight", "gradient.fc3.bias"])
def test_gradients_without_factors_are_looked_at(name: str) -> None:
    learner = specc.load(PERCEPTRON).trainer()._learner
    told = dict.fromkeys([each for pair in learner._factors.values() for each in pair], 1.0)
    assert learner._are_finite(told)
    learner.gradients[name].reshape(-1)[-1] = np.nan
    assert not learner._are_finite(told)
