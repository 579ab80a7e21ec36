"""--threads: the same bits each time, the whole batch's numbers to rounding, faults as ever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import specc
from specc.cli import main
from specc.training import threads
from specc.training.threads import Divided, examples_axis, in_threads

DIGITS = Path(__file__).parent.parent.parent / "specs/digits.nn"
SMALL = {"train.epochs": "2"}


@pytest.fixture(autouse=True)
def _always_worthwhile(monkeypatch):
    monkeypatch.setattr(threads, "WORTHWHILE", 0)
    with threads.libraries().limit(limits=None):  # puts back what a test sets
        yield


def run(count, **options):
    return specc.load(DIGITS, SMALL).run(dtype="float64", threads=count, **options)


def test_a_number_of_threads_gives_the_same_bits():
    one, two = run(2), run(2)
    assert one.metrics == two.metrics
    for name, values in one.parameters.items():
        np.testing.assert_array_equal(values, two.parameters[name])


def test_threads_change_rounding_alone():
    one, two = run(1), run(2)
    for name, values in one.parameters.items():
        error = np.linalg.norm(values - two.parameters[name]) / np.linalg.norm(values)
        assert error < 1e-9, name
    assert any((one.parameters[name] != two.parameters[name]).any() for name in one.parameters)


def test_a_resumed_run_takes_its_threads_from_the_folder(tmp_path, capfd):
    words = ["run", str(DIGITS), "--set", "train.epochs=1", "--out", str(tmp_path / "run")]
    main([*words, "--threads", "2"])
    again = ["run", str(DIGITS), "--out", str(tmp_path / "run"), "--resume"]
    capfd.readouterr()
    main(again)
    assert "note: the run began" not in "".join(capfd.readouterr())
    main([*again, "--threads", "3"])
    assert "note: the run began with 2 threads and goes on with 3" in "".join(capfd.readouterr())


def test_a_fault_in_any_part_is_told():
    trainer = specc.load(DIGITS).trainer(threads=2)
    assert isinstance(trainer._learner.objective, Divided)
    image, label = np.zeros((16, 64)), np.zeros(16, np.int64)
    trainer.step(image=image, label=label)
    for place in (0, 15):
        wrong = label.copy()
        wrong[place] = 10
        with pytest.raises(specc.SpecError, match="index 10 is out of range"):
            trainer.step(image=image, label=wrong)
    assert trainer.steps == 1


def test_small_batches_are_computed_at_once():
    trainer = specc.load(DIGITS).trainer(threads=2, seed=1)
    other = specc.load(DIGITS).trainer(seed=1)
    batch = {"image": np.ones((3, 64)), "label": np.zeros(3, np.int64)}
    assert trainer.step(**batch) == other.step(**batch)


def test_what_does_not_pay_is_not_divided(monkeypatch):
    program = specc.load(DIGITS).trainer()._learner.objective
    assert not isinstance(program, Divided)
    assert examples_axis(program.graph) == "batch"
    assert isinstance(in_threads(program, 2, 64), Divided)
    monkeypatch.setattr(threads, "WORTHWHILE", 1_000_000)
    assert in_threads(program, 2, 64) is program


@pytest.mark.parametrize("count", [0, -1, 257, 1.5, True])
def test_no_number_of_threads(count):
    with pytest.raises(specc.SpecError, match="no number of threads"):
        specc.load(DIGITS).trainer(threads=count)
