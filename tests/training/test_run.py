"""Runs of hand-made models: the arithmetic against NumPy, and what may go wrong."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specc.diagnostics import SpecError
from specc.ir.model import Expect, From, Keep, Patience, Plateau
from specc.training.columns import load
from specc.training.evaluate import Evaluator
from specc.training.folder import CHECKPOINT
from specc.training.learner import Learner
from specc.training.order import EPOCH, permutation
from specc.training.progress import Silent
from specc.training.results import Result
from specc.training.run import Options, execute
from specc.training.tensors import read_tensors, write_tensors
from tests.training import models

NET = models.model(dropout=False)


def run(*trains, options: dict[str, Any] | None = None, expects=(), progress=None) -> Result:
    given = {"dtype": "float64", "save": False, **(options or {})}
    return execute(models.spec(*trains, expects=expects), Options(**given), progress)


def refusal(*trains, **keywords) -> SpecError:
    with pytest.raises(SpecError) as error:
        run(*trains, **keywords)
    return error.value


def code(error: SpecError) -> str:
    return error.diagnostics[0].code


# ── the arithmetic ───────────────────────────────────────────────────────────────────────────────
class Reference:
    """tanh(x W₁ᵀ + b) w₂ᵀ under momentum with clipping, in ten lines of NumPy."""

    def __init__(self, parameters: Mapping[str, np.ndarray]) -> None:
        self.p = {name: value.copy() for name, value in parameters.items()}
        self.m = {name: np.zeros_like(value) for name, value in parameters.items()}

    def loss(self, x: np.ndarray, y: np.ndarray) -> float:
        h = np.tanh(x @ self.p["first.weight"].T + self.p["first.bias"])
        return float((((h @ self.p["last.weight"].T) - y) ** 2).sum() / len(x))

    def step(self, x: np.ndarray, y: np.ndarray) -> float:
        h = np.tanh(x @ self.p["first.weight"].T + self.p["first.bias"])
        e = h @ self.p["last.weight"].T - y
        back = 2 * e / len(x)
        inner = back @ self.p["last.weight"] * (1 - h * h)
        g = {
            "first.weight": inner.T @ x,
            "first.bias": inner.sum(0),
            "last.weight": back.T @ h,
        }
        norm = np.sqrt(sum((v * v).sum() for v in g.values()))
        for name, value in g.items():
            self.m[name] = 0.9 * self.m[name] + min(1, 1 / (norm + 1e-6)) * value
            self.p[name] = self.p[name] - 0.05 * self.m[name]
        return float((e**2).sum() / len(x))


@pytest.mark.parametrize("batch", [1, 16, None, 1000])
def test_epochs_are_those_of_the_formulas(tmp_path: Path, batch: int | None) -> None:
    data = models.data(models.arrays(50), folder=str(tmp_path), ratios={"dev": 0.2})
    train = models.train(NET, data, epochs=3, batch=batch)
    learner = Learner(train, seed=7, dtype="float64")
    reference = Reference(learner.parameters)
    dataset = load(data, 7, {"x", "y"})
    rows, x, y = dataset.splits["train"], dataset.columns["x"], dataset.columns["y"]
    assert len(rows) == 40
    result = run(train)
    before = reference.p
    for epoch in range(3):
        size = min(batch or 40, 40)
        order = rows if size == 40 else rows[permutation(40, 7, epoch, EPOCH)]
        losses = []
        for start in range(0, 40, size):
            taken = order[start : start + size]
            before = {name: value.copy() for name, value in reference.p.items()}
            losses.append((reference.step(x[taken], y[taken]), len(taken)))
        mean = sum(loss * count for loss, count in losses) / 40
        assert result.history[epoch]["train.loss"] == pytest.approx(mean, rel=1e-12)
        assert result.history[epoch]["train.count"] == 40
    for name, value in reference.p.items():
        # What is kept is the optimizer's average: here of the last two.
        np.testing.assert_allclose(result.parameters[name], (value + before[name]) / 2, rtol=1e-11)
    averaged = Reference(result.parameters)
    dev = dataset.splits["dev"]
    assert result.metrics["dev.loss"] == pytest.approx(averaged.loss(x[dev], y[dev]), rel=1e-12)
    assert result.metrics["dev.count"] == 10


@pytest.mark.parametrize("batch", [1, 3, 4, 7, 100])
def test_a_measurement_is_that_of_the_whole_set_however_it_is_cut(batch: int) -> None:
    columns = models.arrays(11)
    weights = Learner(models.train(NET, None), seed=7, dtype="float64").weights()
    evaluator = Evaluator(NET, seed=7, dtype="float64")
    rows = np.arange(1, 11)
    found = evaluator.measure(weights, columns, rows, batch, 0)
    right = Reference(weights).loss(columns["x"][rows], columns["y"][rows])
    assert found == {"loss": pytest.approx(right, rel=1e-12), "count": 10}


def test_every_step_draws_anew_and_every_training_alike() -> None:
    still = models.train(models.model(), None, optimizers=(models.momentum(0.0),))
    batch = models.arrays(20)
    seen = [
        [learner.step(batch)["loss"] for _ in range(6)]
        for learner in (Learner(still, seed=7, dtype="float64") for _ in range(2))
    ]
    assert seen[0] == seen[1]
    assert len(set(seen[0])) == 6


def test_before_the_first_step_the_weights_are_the_initial_ones() -> None:
    learner = Learner(models.train(models.model(), None), seed=7, dtype="float64")
    weights = learner.weights()
    assert learner.averages
    for name, values in learner.parameters.items():
        np.testing.assert_array_equal(weights[name], values)


def test_steps_end_within_an_epoch(tmp_path: Path) -> None:
    data = models.data(models.arrays(50), folder=str(tmp_path), ratios={"dev": 0.2})
    result = run(models.train(NET, data, epochs=None, steps=7, batch=10))
    assert [record["step"] for record in result.history] == [4, 7]
    assert result.history[1]["train.count"] == 30


@pytest.mark.parametrize("length", [{"epochs": 0}, {"epochs": None, "steps": 0}], ids=str)
def test_no_steps_leave_the_weights_and_are_judged(length: dict[str, Any], tmp_path: Path) -> None:
    data = models.data(models.arrays(50), folder=str(tmp_path))
    for watched in ({}, {"keep": Keep("train.loss", False)}, {"stop": Patience("train.loss", 2)}):
        train = models.train(NET, data, **length, **watched)
        first = Learner(train, seed=7, dtype="float64").parameters
        result = run(train, expects=(claim("train.loss > 0", "train.loss", lambda v: v > 0),))
        np.testing.assert_array_equal(result.parameters["first.weight"], first["first.weight"])
        assert not result.history
        assert result.verdicts[0].holds


def test_frozen_parameters_stay(tmp_path: Path) -> None:
    data = models.data(models.arrays(50), folder=str(tmp_path))
    train = models.train(NET, data, freeze=("first.*",))
    first = Learner(train, seed=7, dtype="float64").parameters
    result = run(train)
    np.testing.assert_array_equal(result.parameters["first.weight"], first["first.weight"])
    assert not np.array_equal(result.parameters["last.weight"], first["last.weight"])


def test_groups_of_optimizers_are_theirs(tmp_path: Path) -> None:
    data = models.data(models.arrays(50), folder=str(tmp_path))
    still = models.momentum(lr=0.0, on=("first.*",))
    train = models.train(NET, data, optimizers=(still, models.momentum()), batch=None, epochs=2)
    first = Learner(train, seed=7, dtype="float64").parameters
    result = run(train)
    np.testing.assert_array_equal(result.parameters["first.weight"], first["first.weight"])
    assert not np.array_equal(result.parameters["last.weight"], first["last.weight"])


def test_the_seed_alone_decides(tmp_path: Path) -> None:
    data = models.data(models.arrays(60), folder=str(tmp_path))
    train = models.train(models.model(), data)
    one, same, other = run(train), run(train), run(train, options={"seed": 8})
    for name, values in one.parameters.items():
        assert values.tobytes() == same.parameters[name].tobytes()
    assert one.parameters["first.weight"].tobytes() != other.parameters["first.weight"].tobytes()


# ── between epochs ───────────────────────────────────────────────────────────────────────────────
def test_the_best_weights_are_kept_and_measured(tmp_path: Path) -> None:
    data = models.data(models.arrays(60), folder=str(tmp_path))
    wild = models.momentum(lr=2.0)
    train = models.train(
        NET, data, optimizers=(wild,), clip=None, epochs=12, keep=Keep("dev.loss", False)
    )
    out = tmp_path / "out"
    result = run(train, options={"out": out, "save": True})
    best = min(record["dev.loss"] for record in result.history)
    assert best < result.history[-1]["dev.loss"]
    assert result.metrics["dev.loss"] == best
    saved = read_tensors(out / "best.safetensors")[0]
    for name, values in result.parameters.items():
        np.testing.assert_array_equal(saved[name], values)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert lines == result.history
    assert (out / "net.nn").read_text() == "# made by hand\n"
    described = json.loads((out / "run.json").read_text())
    assert described["seeds"] == [7]
    assert described["versions"].keys() == {"specc", "python", "numpy", "machine"}


def test_patience_stops(tmp_path: Path) -> None:
    data = models.data(models.arrays(60), folder=str(tmp_path))
    still = models.momentum(lr=0.0)
    train = models.train(NET, data, optimizers=(still,), epochs=50, stop=Patience("dev.loss", 4))
    assert len(run(train).history) == 5


def test_plateaus_scale_the_rate(tmp_path: Path) -> None:
    data = models.data(models.arrays(60), folder=str(tmp_path))
    train = models.train(
        NET, data, epochs=3, batch=None, clip=None, optimizers=(models.momentum(0.0),),
        plateaus=(Plateau("dev.loss", 0.5, 0),),
    )  # fmt: skip
    seen: list[float] = []

    class Spy(Silent):
        def step(self, done, epoch, metrics, speed) -> None:
            seen.append(float(learners[-1].scale))

    learners: list[Learner] = []
    original = Learner.__init__

    def remember(self, *arguments, **keywords) -> None:
        original(self, *arguments, **keywords)
        learners.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "__init__", remember)
        run(train, progress=Spy())
    assert seen == [1.0, 1.0, 0.5]


# ── several blocks ───────────────────────────────────────────────────────────────────────────────
def test_blocks_run_in_order_from_one_another(tmp_path: Path) -> None:
    data = models.data(models.arrays(60), folder=str(tmp_path))
    still = (models.momentum(lr=0.0),)
    first = models.train(NET, data, name="pretrain")
    second = models.train(
        NET, data, name="finetune", origin=From("pretrain", False), optimizers=still, seed=9
    )
    third = replace(second, name="half", origin=From("pretrain", False, ("first.*",)))
    out = tmp_path / "out"
    result = run(first, second, third, options={"out": out, "save": True})
    weights = {
        name: read_tensors(out / name / "last.safetensors")[0]
        for name in ("pretrain", "finetune", "half")
    }
    for name in ("first.weight", "last.weight", "mean"):
        started = weights["pretrain"][name]
        if name != "mean":
            np.testing.assert_array_equal(weights["finetune"][name], started)
    np.testing.assert_array_equal(
        weights["half"]["first.weight"], weights["pretrain"]["first.weight"]
    )
    assert not np.array_equal(weights["half"]["last.weight"], weights["pretrain"]["last.weight"])
    assert result.parameters["first.weight"] is not None


def test_all_blocks_have_one_split(tmp_path: Path) -> None:
    data = models.data(models.arrays(60), folder=str(tmp_path))
    one = load(data, 7, {"x"}).splits["test"]
    spec = models.spec(
        models.train(NET, data, name="a", seed=7), models.train(NET, data, name="b", seed=8)
    )
    from specc.training.run import Running
    from specc.training.signals import Signals

    running = Running(spec, Options(save=False), Silent(), Signals())
    np.testing.assert_array_equal(running.datasets["b"].splits["test"], one)


def test_weights_come_from_a_file_in_the_folder(tmp_path: Path) -> None:
    data = models.data(models.arrays(60), folder=str(tmp_path))
    still = (models.momentum(lr=0.0),)
    weights = {n: np.full_like(v, 0.25) for n, v in run(models.train(NET, data)).parameters.items()}
    write_tensors(tmp_path / "w.safetensors", weights, {})
    train = models.train(NET, data, optimizers=still, origin=From("w.safetensors", True))
    spec = replace(models.spec(train), path=str(tmp_path / "net.nn"))
    result = execute(spec, Options(save=False))
    assert (result.parameters["first.weight"] == 0.25).all()
    outside = replace(train, origin=From("../w.safetensors", True))
    with pytest.raises(SpecError) as error:
        execute(replace(spec, trains=(outside,)), Options(save=False))
    assert code(error.value) == "I101"


def test_a_weight_file_is_read_before_the_first_block_runs(tmp_path: Path) -> None:
    data = models.data(models.arrays(60), folder=str(tmp_path))
    first = models.train(NET, data, name="first")
    later = replace(first, name="later", origin=From("none.safetensors", True))
    spec = replace(models.spec(first, later), path=str(tmp_path / "net.nn"))
    with pytest.raises(SpecError) as error:
        execute(spec, Options(out=tmp_path / "out"))
    assert code(error.value) == "R203"
    assert not (tmp_path / "out").exists()


# ── claims ───────────────────────────────────────────────────────────────────────────────────────
def claim(text: str, name: str, holds) -> Expect:
    return Expect(text, (name,), lambda measured: holds(measured[name]))


def test_claims_are_judged_with_their_values(tmp_path: Path) -> None:
    data = models.data(models.arrays(60), folder=str(tmp_path))
    expects = (
        claim("parameters == 48", "parameters", lambda v: v == 48),
        claim("test.loss < 0", "test.loss", lambda v: v < 0),
        claim("train.loss < 100", "train.loss", lambda v: v < 100),
    )
    result = run(models.train(NET, data), expects=expects)
    assert [verdict.holds for verdict in result.verdicts] == [True, False, True]
    assert result.status == 1
    assert "FALSE" in str(result.verdicts[1])
    assert run(models.train(NET, data), expects=expects[:1]).status == 0


def test_claims_about_nothing_are_found_before_the_first_step(tmp_path: Path) -> None:
    data = models.data(models.arrays(60), folder=str(tmp_path))
    wrong = (claim("test.los < 1", "test.los", bool), claim("val.loss < 1", "val.loss", bool))
    error = refusal(models.train(NET, data), expects=wrong)
    assert [each.code for each in error.diagnostics] == ["M027", "M027"]
    assert "test.loss" in error.diagnostics[0].help
    keep = models.train(NET, data, keep=Keep("test.loss", False))
    assert code(refusal(keep)) == "M027"


# ── data that doesn't fit ────────────────────────────────────────────────────────────────────────
def faulty(tmp_path: Path, **changes: np.ndarray | None) -> SpecError:
    arrays = {**models.arrays(60), **changes}
    kept = {name: value for name, value in arrays.items() if value is not None}
    return refusal(models.train(NET, models.data(kept, folder=str(tmp_path))))


def test_data_faults(tmp_path: Path) -> None:
    arrays = models.arrays(60)
    missing = faulty(tmp_path, x=None, ex=arrays["x"])
    assert code(missing) == "D005"
    assert "`ex`" in missing.diagnostics[0].help
    assert code(faulty(tmp_path, x=arrays["x"][:, :3])) == "D007"
    assert code(faulty(tmp_path, x=arrays["x"][:, :, None])) == "D007"
    assert code(faulty(tmp_path, y=arrays["y"][:50])) == "D012"
    assert code(faulty(tmp_path, x=arrays["x"][:0], y=arrays["y"][:0])) == "D011"
    hole = arrays["x"].copy()
    hole[[3, 5], 1] = np.nan
    error = faulty(tmp_path, x=hole)
    assert code(error) == "D008"
    assert "2 in 2 rows" in error.diagnostics[0].found
    assert "row 3" in error.diagnostics[0].found
    word = faulty(tmp_path, x=np.array(["a"] * 60))
    assert code(word) == "D005"
    assert "dtype is <U1" in word.diagnostics[0].found


def test_all_faults_of_the_data_are_said_at_once(tmp_path: Path) -> None:
    arrays = models.arrays(60)
    error = faulty(tmp_path, x=arrays["x"][:, :3], y=None)
    assert sorted(each.code for each in error.diagnostics) == ["D005", "D007"]


def test_ints_and_bools_become_floats(tmp_path: Path) -> None:
    arrays = models.arrays(60)
    whole = {"x": arrays["x"].astype(int), "y": arrays["y"] > 0}
    result = run(models.train(NET, models.data(whole, folder=str(tmp_path))))
    assert np.isfinite(result.metrics["test.loss"])


def test_a_split_without_rows(tmp_path: Path) -> None:
    data = models.data(models.arrays(5), folder=str(tmp_path))
    assert code(refusal(models.train(NET, data))) == "D011"


def test_a_block_without_data(tmp_path: Path) -> None:
    assert code(refusal(models.train(NET, None))) == "D014"


# ── numbers that are no numbers ──────────────────────────────────────────────────────────────────
def test_a_nan_is_found_where_it_began(tmp_path: Path) -> None:
    arrays = models.arrays(60)
    arrays["x"][17] = 1e200
    data = models.data(arrays, folder=str(tmp_path), ratios={"dev": 0.2})
    # 1e200 leaves tanh at ±1, but its error overflows where y is as large.
    arrays["y"][17] = 1e200
    data = models.data(arrays, folder=str(tmp_path), ratios={"dev": 0.2})
    out = tmp_path / "out"
    train = models.train(NET, data, batch=4, seed=3)
    error = refusal(train, options={"out": out, "save": True, "seed": 3})
    assert code(error) == "R201"
    text = str(error)
    assert "infinite" in text
    assert "multiply" in text
    saved, about = read_tensors(out / "checkpoint.safetensors")
    assert all(np.isfinite(values).all() for values in saved.values())
    step = about["position"]["step"]
    assert f"step {step + 1} of epoch 1" in text


def test_an_update_that_overflows_is_not_saved(tmp_path: Path) -> None:
    data = models.data(models.arrays(60), folder=str(tmp_path))
    train = models.train(NET, data, optimizers=(models.momentum(1e308),), clip=None)
    out = tmp_path / "out"
    error = refusal(train, options={"out": out, "save": True})
    assert code(error) in ("R201", "R202")
    if (out / "checkpoint.safetensors").exists():
        saved, _ = read_tensors(out / "checkpoint.safetensors")
        assert all(np.isfinite(values).all() for values in saved.values())


# ── folders ──────────────────────────────────────────────────────────────────────────────────────
def test_a_second_run_doesn_t_overwrite_the_first(tmp_path: Path) -> None:
    data = models.data(models.arrays(60), folder=str(tmp_path))
    options = {"out": tmp_path / "out", "save": True}
    run(models.train(NET, data), options=options)
    assert code(refusal(models.train(NET, data), options=options)) == "R206"


@pytest.mark.parametrize("change", ["seed", "spec", "data"])
def test_a_changed_run_doesn_t_resume(tmp_path: Path, change: str) -> None:
    data = models.data(models.arrays(60), folder=str(tmp_path))
    out = tmp_path / "out"
    train = models.train(NET, data)
    run(train, options={"out": out, "save": True})
    if change == "seed":
        train = replace(train, seed=8)
    elif change == "spec":
        train = replace(train, clip=("norm", 2.0))
    else:
        models.data(models.arrays(60, seed=1), folder=str(tmp_path))
    with pytest.raises(SpecError) as error:
        execute(
            models.spec(train), Options(dtype="float64", out=out, resume=True), Silent(), out
        )  # fmt: skip
    assert code(error.value) == "R209"


def test_a_signal_stops_between_steps(tmp_path: Path) -> None:
    data = models.data(models.arrays(60), folder=str(tmp_path))

    class Impatient(Silent):
        def step(self, done, epoch, metrics, speed) -> None:
            if done == 5:
                os.kill(os.getpid(), signal.SIGTERM)

    out = tmp_path / "out"
    options = {"out": out, "save": True}
    result = run(models.train(NET, data, batch=8), options=options, progress=Impatient())
    assert result.status == 143
    assert read_tensors(out / "checkpoint.safetensors")[1]["position"]["step"] == 5
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize("spoilt", ["epoch", "watches", "averages"])
def test_a_checkpoint_that_no_run_wrote_is_refused(spoilt: str, tmp_path: Path) -> None:
    data = models.data(models.arrays(60), folder=str(tmp_path))
    spec = models.spec(models.train(NET, data))
    out = tmp_path / "out"
    execute(spec, Options(out=out))
    tensors, metadata = read_tensors(out / CHECKPOINT)
    metadata["position"][spoilt] = None
    write_tensors(out / CHECKPOINT, tensors, metadata)
    with pytest.raises(SpecError) as error:
        execute(spec, Options(out=out, resume=True), folder=out)
    assert code(error.value) == "R203"
