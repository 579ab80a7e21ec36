"""What is raced computes the same: first losses and predictions of every system there is."""

import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks.page import TITLE, write
from benchmarks.steps.child import FIRST
from benchmarks.steps.launch import TOLERANCE, agree
from benchmarks.steps.systems import BY_HAND, EAGER, SYSTEMS, Absent
from benchmarks.steps.workloads import WORKLOADS, batches, initial_weights, questions
from specc import language
from specc.diagnostics import Source
from specc.language.format import format

ROOT = Path(__file__).parent.parent.parent
QUICK = ("mlp", "lenet", "convolutions")  # wide is mlp's code; each launch compares its losses too
OTHERS = [name for name in SYSTEMS if name != BY_HAND]


def pairs(training):
    return [
        pytest.param(
            workload,
            system,
            id=f"{name}-{system}",  # torch.compile's own modules use what torch deprecates
            marks=pytest.mark.filterwarnings("ignore::DeprecationWarning:torch"),
        )
        for name, workload in WORKLOADS.items()
        for system in OTHERS
        if name in QUICK and SYSTEMS[system].takes(workload, training)
        if name == "mlp" or not system.endswith("compiled")  # a compiler takes its time
    ]


@cache
def first_losses(name, system):
    workload = WORKLOADS[name]
    training = SYSTEMS[system].training(workload, initial_weights(workload))
    return [training.step(**batch) for batch in batches(workload, FIRST)]


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
        given = questions(workload, batch)
        one, two = other.predict(**given), by_hand.predict(**given)
        np.testing.assert_allclose(one, two, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["mlp", "lenet"])
def test_by_hand_goes_on_as_torch_does(name):
    workload = WORKLOADS[name]
    by_hand, other = (
        SYSTEMS[system].training(workload, initial_weights(workload)) for system in (BY_HAND, EAGER)
    )
    given = batches(workload, 1) * 10
    losses = [(by_hand.step(**batch), other.step(**batch)) for batch in given]
    one, two = losses[-1]
    assert abs(one - two) < 1e-3
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_specs_are_formatted_and_have_the_weights(workload):
    text = workload.spec.read_text(encoding="utf-8")
    (built,) = language.load(workload.spec).models.values()
    assert format(language.parse(Source(str(workload.spec), text))) == text
    found = {each.name: each.type.shape for each in built.parameters}
    assert found == workload.parameters


def test_a_section_is_replaced_alone(tmp_path):
    page = tmp_path / "page.md"
    write(page, ["## one\n\n1\n", "## two\n\n2\n"])
    write(page, ["## one\n\n3\n"])
    assert page.read_text(encoding="utf-8") == f"{TITLE}\n## one\n\n3\n\n## two\n\n2\n"


def test_a_wrong_loss_does_not_race():
    right = [2.3, 2.2, 2.1]
    agree({"one": right, "other": [2.3, 2.2, 2.1001]})
    with pytest.raises(AssertionError, match="other gives"):
        agree({"one": right, "other": [2.3, 2.2, 2.11]})
    with pytest.raises(AssertionError):
        agree({"one": right, "other": [2.3, 2.2, float("nan")]})


def test_a_quick_look_prints_the_table():
    words = ["--quick", "--workloads", "mlp", "--systems", f"{BY_HAND},specc", "--threads", "1"]
    for what in ([], ["--inference"]):
        command = [sys.executable, "-m", "benchmarks.steps", *words, *what]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "NumPy by hand" in done.stdout
        assert "specc, NumPy" in done.stdout
