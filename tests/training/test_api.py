"""The Python interface, on the specs that users read first."""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

import specc
from specc import pipeline
from specc.api import Spec, text_of
from specc.training.tensors import write_tensors

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "specs" / "digits.nn"


@pytest.fixture(scope="module")
def digits() -> Spec:
    return specc.load(DIGITS)


def test_importing_specc_imports_nothing_heavy() -> None:
    heavy = ("numpy", "lark", "rich", "safetensors", "specc.language", "specc.pipeline")
    code = f"import sys, specc; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert out.strip() == "[]"


def test_a_model_runs_with_given_weights(digits: Spec) -> None:
    program = digits.model("Digits", hidden=5).compile("numpy", dtype="float64", seed=3)
    weights = program.weights
    assert {name: values.shape for name, values in weights.items()} == {
        "fc1.weight": (5, 64), "fc1.bias": (5,), "fc2.weight": (10, 5), "fc2.bias": (10,)
    }  # fmt: skip
    x = np.random.default_rng(0).standard_normal((7, 64))
    hidden = np.maximum(x @ weights["fc1.weight"].T + weights["fc1.bias"], 0)
    wanted = hidden @ weights["fc2.weight"].T + weights["fc2.bias"]
    np.testing.assert_allclose(program(image=x)["logits"], wanted, rtol=1e-12, atol=1e-14)
    given = {name: np.zeros_like(values) for name, values in weights.items()}
    zero = digits.model("Digits", hidden=5).compile(weights=given)
    assert not zero(image=x)["logits"].any()


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_one_number_that_is_not_finite_is_found_before_anything_changes(
    digits: Spec, number: float
) -> None:
    """The program's own product tells of it (`finite.witnessed`): here of the last row's last."""
    x = np.ones((64, 64), np.float32)
    x[-1, -1] = number
    trainer, program = digits.trainer(), digits.model().compile()
    before = trainer.parameters
    for call in (lambda: trainer.step(image=x, label=np.zeros(64, int)), lambda: program(image=x)):
        with pytest.raises(specc.SpecError) as error:
            call()
        assert error.value.diagnostics[0].code == "D008"
    for name, values in trainer.parameters.items():
        np.testing.assert_array_equal(values, before[name])


def test_large_finite_inputs_are_no_fault(digits: Spec) -> None:
    found = digits.model().compile()(image=np.full((2, 64), 1e30, np.float32))
    assert np.isfinite(found["logits"]).all()


@pytest.mark.parametrize("name", ["mlp", "wide"])
def test_a_warm_step_and_a_warm_prediction_hold_nothing_large(name: str) -> None:
    """With all that the interface does around the program; NumPy casts a mask in 32 KB."""
    spec = specc.load(ROOT / "benchmarks" / "specs" / f"{name}.nn")
    draw = np.random.default_rng(0)
    image = draw.standard_normal((64, {"mlp": 784, "wide": 1024}[name])).astype(np.float32)
    trainer, program = spec.trainer(), spec.model().compile()
    for call in (
        lambda: trainer.step(image=image, label=draw.integers(0, 10, 64)),
        lambda: program(image=image),
    ):
        for _ in range(5):
            call()
        # What another thread of the test runner takes meanwhile, it doesn't take three times.
        left, passing = map(min, zip(*(memory_of(call) for _ in range(3)), strict=True))
        assert left < 4800, f"10 calls left {left} bytes"
        assert passing < 65_536, f"a call allocated {passing} bytes"


def memory_of(call: Callable[[], object]) -> tuple[int, int]:
    """What ten calls leave and pass, in bytes."""
    tracemalloc.start()
    try:
        call()
        gc.collect()
        gc.disable()  # what other tests have left says and allocates much when it is freed
        began, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(10):
            call()
        _, peak = tracemalloc.get_traced_memory()
        gc.collect()
        ended, _ = tracemalloc.get_traced_memory()
    finally:
        gc.enable()
        tracemalloc.stop()
    return ended - began, peak - began


def test_inputs_that_don_t_fit(digits: Spec) -> None:
    program = digits.model().compile()
    for wrong, code in (
        ({}, "D005"),
        ({"imag": np.zeros((1, 64))}, "D005"),
        ({"image": np.zeros((1, 63))}, "D007"),
        ({"image": np.full((1, 64), np.nan)}, "D008"),
        ({"image": np.full((1, 64), "a")}, "D006"),
    ):
        with pytest.raises(specc.SpecError) as error:
            program(**wrong)
        assert error.value.diagnostics[0].code == code


def test_a_run_without_a_folder_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = specc.load(DIGITS, {"train.epochs": "2"})
    result = spec.run(backend="numpy")
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")
    assert result.metrics.keys() >= {"train.loss", "dev.accuracy", "test.loss", "test.accuracy"}
    assert [record["epoch"] for record in result.history] == [1, 2]
    assert result.parameters["fc1.weight"].shape == (64, 64)
    again = spec.run()
    assert again.metrics == result.metrics


def test_a_trainer_makes_the_loop_s_steps() -> None:
    text = DIGITS.read_text().replace("dropout(0.1)", "dropout(0.5)")
    full = specc.loads(text.replace("batch     64\n", ""), {"train.epochs": "1"})
    trainer = full.trainer(seed=7)
    from specc.training.columns import load

    train = full.built.trains[0]
    assert train.data is not None
    dataset = load(train.data, 7, {"image", "label"})
    rows = dataset.splits["train"]
    metrics = trainer.step(
        image=dataset.columns["image"][rows], label=dataset.columns["label"][rows]
    )
    result = full.run(seed=7)
    assert metrics["loss"] == result.history[0]["train.loss"]
    for name, values in trainer.parameters.items():
        np.testing.assert_array_equal(values, result.parameters[name])
    assert trainer.steps == 1
    assert trainer.state["fc1.weight:m"].shape == (64, 64)
    assert trainer.state["fc2.bias:v"].any()


def test_a_trainer_loads_by_name(digits: Spec) -> None:
    trainer = digits.trainer(seed=0)
    trainer.load({"fc1.weight": np.ones((64, 64))})
    assert (trainer.parameters["fc1.weight"] == 1).all()
    assert not (trainer.parameters["fc2.weight"] == 1).any()
    for wrong, code in (
        ({"fc3.weight": np.ones(1)}, "R204"),
        ({"fc1.weight": np.ones((64, 64)), "fc1.wieght": np.ones(1)}, "R204"),
        ({"fc1.weight": np.ones((64, 63))}, "R205"),
    ):
        with pytest.raises(specc.SpecError) as error:
            trainer.load(wrong)
        assert error.value.diagnostics[0].code == code
    with pytest.raises(specc.SpecError) as error:
        trainer.step(image=np.zeros((2, 64)))
    assert error.value.diagnostics[0].code == "D005"


def test_what_isn_t_there_yet_is_said(digits: Spec, tmp_path: Path) -> None:
    for call in (
        lambda: digits.run(backend="abacus"),
        lambda: digits.trainer(backend="abacus"),
    ):
        with pytest.raises(specc.SpecError) as error:
            call()
        assert error.value.diagnostics[0].code == "B101"
    with pytest.raises(specc.SpecError) as error:
        digits.run(dtype="float16")
    assert error.value.diagnostics[0].code == "B102"
    with pytest.raises(specc.SpecError) as error:
        digits.trainer(seed=2**32)
    assert error.value.diagnostics[0].code == "H101"
    with pytest.raises(specc.SpecError) as error:
        digits.model("Digit")
    assert "Digits" in error.value.diagnostics[0].help


def test_python_values_as_the_language_writes_them() -> None:
    values = [True, None, 3, 0.5, 'a "b" \\', [1, (2, 3)]]
    assert [text_of(value) for value in values] == [
        "true", "none", "3", "0.5", '"a \\"b\\" \\\\"', "[1, [2, 3]]"
    ]  # fmt: skip


def test_prediction_and_export_agree(digits: Spec, tmp_path: Path) -> None:
    program = digits.model().compile(seed=5)
    x = np.random.default_rng(1).standard_normal((9, 64)).astype(np.float32)
    write_tensors(tmp_path / "w.safetensors", program.weights, {})
    np.savez(tmp_path / "x.npz", image=x)
    weights = tmp_path / "w.safetensors"
    made = pipeline.predict(
        DIGITS, weights=weights, inputs=tmp_path / "x.npz", output=tmp_path / "y.npz"
    )
    with np.load(tmp_path / "y.npz") as written:
        np.testing.assert_array_equal(written["logits"], made["logits"])
    np.testing.assert_array_equal(made["logits"], program(image=x)["logits"])
    pipeline.export(DIGITS, to="numpy", output=tmp_path / "digits.py", weights=weights)
    code = (
        "import numpy as np, digits\n"
        "weights = dict(np.load('digits.npz'))\n"
        "out = digits.predict(weights, image=np.load('x.npz')['image'])\n"
        "assert np.array_equal(out['logits'], np.load('y.npz')['logits'])\n"
        "import sys; assert not any(m.startswith('specc') for m in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_a_file_without_train_runs_forward(tmp_path: Path) -> None:
    spec = specc.loads(
        "model Double() {\n    input x: float[n, 2]\n    output y = 2 * x\n}\n"
        "expect parameters == 0\n"
    )
    assert spec.run().verdicts[0].holds
    np.savez(tmp_path / "x.npz", x=np.ones((3, 2)))
    result = spec.run(inputs=tmp_path / "x.npz", out=tmp_path / "out")
    assert (result.outputs["y"] == 2).all()
    with np.load(tmp_path / "out" / "outputs.npz") as written:
        assert written["y"].shape == (3, 2)


CARRIED = """
layer Carried(n: int) {
    input x: float[batch, time, f]
    state h: float[batch, n] = 0.5
    ys, last = scan(GRUCell(n), x, h = h)
    h' = last
    return ys
}
model M {
    input x: float[batch, time, 2]
    y = x -> Carried(3) as a
    output y
}
"""


def test_an_exported_program_is_given_what_it_carries(tmp_path: Path) -> None:
    """Beside onnxruntime's, of the ONNX file, which takes it at each call."""
    model = specc.loads(CARRIED).model()
    np.savez(tmp_path / "weights.npz", allow_pickle=False, **model.compile().weights)
    model.export(tmp_path / "carried.py")
    session = ort.InferenceSession(model.export(tmp_path / "carried.onnx"))
    random = np.random.default_rng(0)
    x, then = (random.standard_normal((2, 5, 2), np.float32) for _ in range(2))
    np.savez(tmp_path / "fed.npz", x=x, then=then)
    code = """
import numpy as np, carried
fed, weights = np.load("fed.npz"), np.load("weights.npz")
first = carried.predict(weights, x=fed["x"])
second = carried.predict(weights, x=fed["then"], **{"a.h": first["a.h'"]})
np.savez("made.npz", first=first["y"], second=second["y"])
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    made = np.load(tmp_path / "made.npz")
    begun = np.full((2, 3), 0.5, np.float32)
    y, h = session.run(["y", "a.h'"], {"x": x, "a.h": begun})
    np.testing.assert_allclose(made["first"], np.asarray(y), rtol=1e-5, atol=1e-6)
    y, _ = session.run(["y", "a.h'"], {"x": then, "a.h": h})
    np.testing.assert_allclose(made["second"], np.asarray(y), rtol=1e-5, atol=1e-6)
