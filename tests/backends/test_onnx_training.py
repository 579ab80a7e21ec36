"""A learner in onnxruntime against NumPy's: the same numbers, the same refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from specc import loads, pipeline
from specc.diagnostics import SpecError
from specc.language import load
from specc.training.engines import engine
from specc.training.exports import write_onnx_step
from specc.training.learner import Learner
from tests.backends.test_onnx_export import FOLDER, SPECS, batch_of, session_of, steps
from tests.check import assert_close
from tests.small import built

every = pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)

BATCHED = """
model M {
    input x: float[batch, 3, 6, 6]
    target label: int[batch]

    h = x -> Conv2d(4, 3, stride = 2, padding = 1) as conv -> BatchNorm as norm -> relu
    h = h -> max_pool2d(2, stride = 1) -> flatten -> dropout(0.2)
    logits = h -> Linear(5) as head

    output logits
    loss cross_entropy(logits, label)
    metric perplexity = perplexity(logits, label)
}

train {
    optimizer sgd(lr = 0.1, momentum = 0.9)
    freeze "conv.bias"
    clip norm(1.0)
    batch 4
    steps 5
}
"""


def onnx_learner(train, dtype: str) -> Learner:
    return engine(train, "onnx", seed=train.seed, dtype=dtype, how={"threads": 1})[0]


def arrays(learner: Learner) -> dict[str, np.ndarray]:
    return {
        **learner.parameters,
        **learner.states,
        **learner.optimizer_states(),
        **learner.metric_states,
    }


def compare(train, dtype: str, steps: int, tolerance: float) -> None:
    reference = Learner(train, seed=train.seed, dtype=dtype)
    learner = onnx_learner(train, dtype)
    for step in range(steps):
        batch = batch_of(reference.graph, 4 + step % 3, dtype, seed=step)
        expected, made = reference.step(batch), learner.step(batch)
        assert made.keys() == expected.keys()
        for name, value in expected.items():
            assert made[name] == pytest.approx(value, rel=tolerance, abs=tolerance), name
    found = arrays(learner)
    for name, values in arrays(reference).items():
        assert_close(found[name], values, what=name, tolerance=tolerance)


@every
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float64", 1e-11)])
def test_five_steps(path: Path, dtype: str, tolerance: float) -> None:
    compare(built(path).trains[-1], dtype, 5, tolerance)


@pytest.mark.parametrize("stem", ["digits", "lenet", "xor"])
def test_a_hundred_steps(stem: str) -> None:
    compare(load(str(FOLDER / f"{stem}.nn")).trains[-1], "float64", 100, 1e-9)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float64", 1e-11)])
def test_states_masks_and_frozen_parameters(dtype: str, tolerance: float) -> None:
    compare(loads(BATCHED).built.trains[-1], dtype, 5, tolerance)


def test_what_is_given_between_steps_counts() -> None:
    """Assignments reach the set that the next step reads, and what is frozen in both."""
    train = loads(BATCHED).built.trains[-1]
    learner, reference = onnx_learner(train, "float64"), Learner(train, seed=0, dtype="float64")
    for step in range(4):
        for each in (learner, reference):
            each.parameters["conv.bias"][...] = step
            each.parameters["head.weight"][...] = 0.01 * step
        batch = batch_of(reference.graph, 4, "float64", seed=step)
        assert learner.step(batch)["loss"] == pytest.approx(reference.step(batch)["loss"])


def test_a_step_that_isn_t_finite_changes_nothing() -> None:
    train = load(str(FOLDER / "xor.nn")).trains[-1]
    learner = onnx_learner(train, "float32")
    batch = batch_of(learner.graph, 4, "float32")
    learner.step(batch)
    before = {name: values.copy() for name, values in arrays(learner).items()}
    with pytest.raises(SpecError) as caught:
        learner.step({**batch, "pair": batch["pair"] * np.float32("nan")})
    assert caught.value.diagnostics[0].code == "R201"
    for name, values in arrays(learner).items():
        np.testing.assert_array_equal(values, before[name])
    learner.step(batch)
    assert learner.steps == 2


@pytest.mark.parametrize("label", [-1, 10])
def test_a_label_out_of_range_is_refused(label: int) -> None:
    train = load(str(FOLDER / "digits.nn")).trains[-1]
    learner = onnx_learner(train, "float32")
    batch = batch_of(learner.graph, 4, "float32")
    batch["label"][1] = label
    with pytest.raises(SpecError) as caught:
        learner.step(batch)
    assert caught.value.diagnostics[0].code == "R107"


def test_a_computed_index_out_of_range_is_refused() -> None:
    text = """
model M {
    input x: float[batch]
    output take([1.5, 2.5, 3.5], int(x))
}
"""
    forward = loads(text).model("M").compile("onnx")
    assert forward(x=np.array([2.0, 0.0]))["output_1"].tolist() == [3.5, 1.5]
    for wrong in (-1.0, 3.0):
        with pytest.raises(SpecError) as caught:
            forward(x=np.array([1.0, wrong]))
        assert caught.value.diagnostics[0].code == "R107"


def test_a_run_meets_its_claims_and_resumes(tmp_path: Path) -> None:
    path, out = FOLDER / "lenet.nn", tmp_path / "run"
    options = {"backend": "onnx", "out": out, "quiet": True}
    first = pipeline.run(path, **options)
    assert first.status == 0
    again = pipeline.run(path, **options, resume=True)
    for name, values in first.parameters.items():
        np.testing.assert_array_equal(again.parameters[name], values)


NAMED = """
model M {
    param NAME: float[] = 0.3
    input x: float[batch, 2]
    target t: float[batch]
    p = (x * NAME -> dropout(0.2) -> Linear(1))[:, 0]
    output p
    loss mse(p, t)
}

train {
    optimizer adam(lr = 0.1)
    clip norm(1.0)
    batch 4
    steps 4
}
"""


@pytest.mark.parametrize("name", ["norm", "loss", "objective", "seed"])
def test_a_parameter_may_be_called_as_a_result_is(name: str, tmp_path: Path) -> None:
    spec = loads(NAMED.replace("NAME", name)).built
    compare(spec.trains[-1], "float64", 4, 1e-11)
    file = tmp_path / "step.onnx"
    write_onnx_step(spec, file, "float64", None, None)
    session = session_of(file)
    taken = {each.name for each in (*session.get_inputs(), *session.get_overridable_initializers())}
    assert {"x", "t", name, "step"} <= taken
    _, state = steps(session, spec.trains[-1], 4, "float64")
    learner = Learner(spec.trains[-1], seed=spec.trains[-1].seed, dtype="float64")
    for step in range(4):
        learner.step(batch_of(learner.graph, 4 + step, "float64", seed=step))
    for each, values in learner.parameters.items():
        assert_close(state[each], values, what=each, tolerance=1e-11)


@pytest.mark.parametrize("name", ["key", "step", "scale"])
def test_a_parameter_can_t_be_called_as_what_a_run_feeds(name: str) -> None:
    with pytest.raises(SpecError) as caught:
        loads(NAMED.replace("NAME", name))
    assert caught.value.diagnostics[0].code == "N009"
