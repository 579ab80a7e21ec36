"""What parties are given: batches from types or data, a training where the spec has none."""

from __future__ import annotations

import numpy as np
import pytest

from specc.compare.subject import Subject, moved, prepared, subject_of
from specc.diagnostics import SpecError
from specc.language import loads
from tests.compare.parties import SPEC, subject


def made(body: str, steps: int = 2) -> Subject:
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return prepared(loads(f"model M {{\n{lines}\n}}\n", "m.nn"), {}, 0, steps, None, "float64")


def test_dynamic_axes_differ_and_ints_keep_to_their_use() -> None:
    found = made(
        "input a: float[batch, time, 3]\ninput i: int[batch]\ninput j: int[batch]\n"
        "input m: bool[batch]\n"
        "e = i -> Embedding(7, 3)\n"
        "output y = e + mean(a, axis = 1) * float(j + 1)[:, none] * float(m)[:, none]"
    )
    batch = found.batches[0]
    count, time = batch["a"].shape[:2]
    assert count != time
    assert 0 <= batch["i"].min() <= batch["i"].max() < 7
    assert 0 <= batch["j"].min() <= batch["j"].max() < 10
    assert batch["m"].dtype == bool


def test_lengths_reach_all_along_their_axis() -> None:
    """In a scan and in a padding mask; a length of 0 or 1 would leave the rest unlooked at."""
    found = made(
        "input x: float[batch, time, 3]\ninput n: int[batch]\ninput m: int[batch]\n"
        "ys, h = x -> GRU(4)(n)\n"
        "keep = padding_mask(m, size(x, axis = time))\n"
        "y = x -> MultiheadAttention(3, 1)(mask = keep)\noutput y\nloss mean(h) + mean(y)",
        steps=30,
    )
    time = found.batches[0]["x"].shape[1]
    for name in ("n", "m"):
        drawn = {int(v) for batch in found.batches for v in batch[name]}
        assert drawn == set(range(1, time + 1))


def test_ints_are_wide_unless_an_index_is_made_of_them() -> None:
    found = made(
        "input a: int[batch]\ninput b: int[batch]\ninput c: int[batch]\n"
        "x = float(a)[:, none] + (b + 1 -> Embedding(3, 2)) + (c -> Embedding(30, 2))\n"
        "y = x -> Linear(1)\noutput y\nloss mean(y^2)",
        steps=30,
    )
    drawn = {n: {int(v) for batch in found.batches for v in batch[n]} for n in "abc"}
    assert drawn["a"] == set(range(10))
    assert drawn["b"] == {0, 1}
    assert max(drawn["c"]) > 20


def test_requirements_decide_the_lengths() -> None:
    found = made('input x: float[n, m]\noutput y = rearrange(x, "(a b) m -> a b m", a = 4)')
    count = found.batches[0]["x"].shape[0]
    assert count % 4 == 0


def test_a_model_without_train_gets_one() -> None:
    found = made("input x: float[batch, 2]\ny = x -> Linear(1)\noutput y\nloss mean(y^2)")
    assert found.train.optimizers[0].name == "sgd"
    assert found.steps == 2
    assert "no train block: sgd(lr = 0.01), no clip" in found.notes


def test_a_model_without_loss_is_not_trained() -> None:
    found = made("input x: float[batch, 2]\noutput y = x -> Linear(1)")
    assert found.steps == 0
    assert any("mean(output²)" in note for note in found.notes)
    assert [loss.name for loss in found.model.losses] == ["loss"]


def test_a_model_without_loss_gets_one_in_inference_as_in_training() -> None:
    found = made("input x: float[batch, 2]\noutput y = x -> dropout(0.5) -> Linear(1)").model
    for graph in (found.training, found.inference):
        assert [each.name for each in graph.outputs if each.role == "loss"] == ["loss"]


def test_real_data_comes_as_a_run_has_it() -> None:
    found = subject_of("specs/iris.nn", steps=3)
    assert len(found.batches) == 3
    assert any("sklearn" in note for note in found.notes)


def test_everything_moves_by_one_unit_in_the_last_place() -> None:
    found = subject(precision="float32")
    shaken = moved(found, "float32", 0)
    for before, after in ((found.weights, shaken.weights), (found.batches[0], shaken.batches[0])):
        for name, values in before.items():
            narrow = values.astype("float32")
            unit = np.maximum(np.spacing(np.abs(narrow)), np.spacing(np.float32(0)))
            steps = np.abs(after[name].astype("float32") - narrow) / unit
            assert ((steps == 1) | (steps == 0.5)).all()
    assert (found.weights["last.weight"].astype("float32") == found.weights["last.weight"]).all()


def test_a_seed_is_a_subject() -> None:
    first, second = subject(), subject()
    for name, values in first.batches[0].items():
        np.testing.assert_array_equal(values, second.batches[0][name])


def test_batches_of_the_steps_differ() -> None:
    found = subject(SPEC, steps=2)
    assert (found.batches[0]["x"] != found.batches[1]["x"]).any()


def test_lengths_that_cannot_be_found_are_said() -> None:
    with pytest.raises(SpecError, match="D101"):
        made('input x: float[n, m]\noutput y = rearrange(x, "(a b) m -> a b m", a = 1_009)')
