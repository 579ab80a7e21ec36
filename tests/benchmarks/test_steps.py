"""What is raced computes the same: first losses and predictions of every system there is."""

import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks.steps.child import FIRST
from benchmarks.steps.launch import TOLERANCE, agree
from benchmarks.steps.systems import BY_HAND, EAGER, SYSTEMS, Absent
from benchmarks.steps.workloads import WORKLOADS, batches, images, initial_weights

ROOT = Path(__file__).parent.parent.parent
OTHERS = [name for name in SYSTEMS if name != BY_HAND]


def pairs(training):
    return [
        pytest.param(workload, system, id=f"{name}-{system}")
        for name, workload in WORKLOADS.items()
        for system in OTHERS
        if SYSTEMS[system].takes(workload, training)
    ]


@cache
def first_losses(name, system):
    workload = WORKLOADS[name]
    training = SYSTEMS[system].training(workload, initial_weights(workload))
    return [training.step(*batch) for batch in batches(workload, FIRST)]


@pytest.mark.parametrize(("workload", "system"), pairs(training=True))
def test_first_losses_agree(workload, system):
    try:
        losses = first_losses(workload.name, system)
    except Absent as reason:
        pytest.skip(str(reason))
    agree({BY_HAND: first_losses(workload.name, BY_HAND), system: losses})


@pytest.mark.parametrize(("workload", "system"), pairs(training=False))
def test_predictions_agree(workload, system):
    weights = initial_weights(workload)
    by_hand = SYSTEMS[BY_HAND].inference(workload, weights)
    try:
        other = SYSTEMS[system].inference(workload, weights)
    except Absent as reason:
        pytest.skip(str(reason))
    for batch in (1, 64):
        image = images(workload, batch)
        one, two = other.predict(image), by_hand.predict(image)
        np.testing.assert_allclose(one, two, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["mlp", "lenet"])
def test_by_hand_goes_on_as_torch_does(name):
    pytest.importorskip("torch")
    workload = WORKLOADS[name]
    by_hand, other = (
        SYSTEMS[system].training(workload, initial_weights(workload)) for system in (BY_HAND, EAGER)
    )
    given = batches(workload, 20)
    losses = [(by_hand.step(*batch), other.step(*batch)) for batch in given]
    one, two = losses[-1]
    assert abs(one - two) < 1e-3
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def test_a_wrong_loss_does_not_race():
    right = [2.3, 2.2, 2.1]
    agree({"one": right, "other": [2.3, 2.2, 2.1001]})
    with pytest.raises(AssertionError, match="other gives"):
        agree({"one": right, "other": [2.3, 2.2, 2.11]})
    with pytest.raises(AssertionError):
        agree({"one": right, "other": [2.3, 2.2, float("nan")]})


def test_a_quick_look_prints_the_table():
    words = ["--quick", "--workloads", "mlp", "--systems", f"{BY_HAND},specc", "--threads", "1"]
    command = [sys.executable, "-m", "benchmarks.steps", *words, "--no-inference"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "NumPy by hand" in done.stdout
    assert "specc, NumPy" in done.stdout
