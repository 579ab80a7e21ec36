"""`specc run`, `predict` and `export` as a user meets them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from specc.cli import main

XOR = "specs/xor.nn"


def test_a_run_that_holds_is_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", XOR, "--out", str(tmp_path / "run")]) == 0
    text = capsys.readouterr().out
    assert f"results in {tmp_path / 'run'}" in text
    assert "expect test.accuracy == 1: true" in text


def test_a_claim_that_fails_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", XOR, "--out", str(tmp_path / "run"), "--set", "train.epochs=1"]
    assert main(words) == 1
    assert "FALSE" in capsys.readouterr().out


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", XOR, "--out", str(tmp_path / "run"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["status"] == 0
    assert answer["metrics"]["test.accuracy"] == 1
    assert {each["claim"] for each in answer["expect"]} == {"test.accuracy == 1", "test.loss < 0.1"}
    assert answer["folder"] == str(tmp_path / "run")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--backend", "abacus"), "B101"),
        (("--dtype", "float13"), "B102"),
        (("--set", "train.epoch=3"), "H"),
        (("--weights", "none.safetensors"), "R"),
        (("--out", "specs/xor.nn"), "R"),
    ],
)
def test_a_wrong_option_is_2(
    words: tuple[str, ...], code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = () if "--out" in words else ("--out", str(tmp_path / "run"))
    assert main(["run", XOR, *out, *words]) == 2
    shown = capsys.readouterr().err
    assert f"error[{code}" in shown
    assert "Traceback" not in shown


def test_weights_are_used_and_the_export_agrees(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, program = tmp_path / "run", tmp_path / "xor.py"
    assert main(["run", XOR, "--out", str(out)]) == 0
    pair = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
    np.savez(tmp_path / "x.npz", pair=pair)
    weights = str(out / "last.safetensors")
    words = ["--weights", weights, "--input", str(tmp_path / "x.npz")]
    assert main(["predict", XOR, *words, "--output", str(tmp_path / "y.npz")]) == 0
    predicted = np.load(tmp_path / "y.npz")
    (name,) = predicted.files
    assert (predicted[name] > 0.5).tolist() == [False, True, True, False]
    assert main(["export", XOR, "--to", "numpy", "-o", str(program), "--weights", weights]) == 0
    capsys.readouterr()
    used = f"""
import sys
for name in ("specc", "torch", "onnx", "scipy"):
    sys.modules[name] = None
import numpy as np
import xor
outputs = xor.predict(np.load("xor.npz"), pair=np.load("x.npz")["pair"])
print(outputs[{name!r}].tolist())
"""
    done = subprocess.run(
        [sys.executable, "-c", used], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(json.loads(done.stdout), predicted[name], rtol=1e-6)


@pytest.mark.parametrize("to", ["onx", "abacus"])
def test_what_cant_be_exported_is_said(
    to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", XOR, "--to", to, "-o", str(tmp_path / "x")]) == 2
    assert "error[B101]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ("numpy", ["--threads", "2"]),
        ("onnx", ["--threads", "2"]),
        ("numpy", ["--without", "fuse"]),
        ("torch", ["--compile"]),
    ],
)
def test_a_choice_of_training_is_not_ignored_where_nothing_is_trained(
    backend: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, inputs = tmp_path / "forward.nn", tmp_path / "x.npz"
    spec.write_text("model F() {\n    input x: float[batch, 4]\n    output y = 2 * x\n}\n")
    np.savez(inputs, x=np.ones((3, 4)))
    run = ["run", str(spec), "--input", str(inputs), "--backend", backend]
    assert main([*run, *words]) == 2
    assert f"error[B103]: `{words[0]}` is a choice of training" in capsys.readouterr().err


@pytest.mark.parametrize("backend", ["numpy", "torch", "onnx"])
def test_a_resumed_run_takes_its_backend_from_the_folder(
    backend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    run = ["run", XOR, "--out", out, "--backend", backend, "--set", "train.epochs=20"]
    assert main([*run, "--threads", "1"]) == 1  # the claim isn't met yet
    again = ["run", XOR, "--out", out, "--resume"]
    assert main(again) == 1
    assert main([*again, "--backend", backend]) == 1
    capsys.readouterr()
    other = "numpy" if backend == "torch" else "torch"
    assert main([*again, "--backend", other]) == 2
    assert "the run began with another backend" in capsys.readouterr().err


def test_nothing_is_written_over_what_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, data = tmp_path / "net.nn", tmp_path / "net.npz"
    spec.write_text("""
model Net {
    input x: float[batch, 2]
    target y: float[batch]
    logits = (x -> Linear(1))[:, 0]
    output logits
    loss mse(logits, y)
}
data D {
    source npz("net.npz")
    x = x
    y = y
}
train {
    data D
    optimizer sgd(lr = 0.1)
    batch 2
    epochs 1
}
""")
    np.savez(data, x=np.ones((4, 2)), y=np.ones(4))
    before = {path: path.read_bytes() for path in (spec, data)}
    out = tmp_path / "run"
    assert main(["run", str(spec), "--out", str(out)]) == 0
    weights = str(out / "last.safetensors")
    said = ["--weights", weights, "--input", str(data), "--output"]
    for words in (
        ["export", str(spec), "--to", "numpy", "-o", str(spec)],
        ["export", str(spec), "--to", "onnx", "-o", str(data)],
        ["export", str(spec), "--to", "numpy", "-o", f"{tmp_path}/net.py", "--weights", weights],
        ["export", str(spec), "--to", "torch", "-o", weights, "--weights", weights],
        ["predict", str(spec), *said, str(data)],
        ["predict", str(spec), *said, f"{tmp_path}/../{tmp_path.name}/net.nn"],
        ["compare", str(spec), "--html", str(spec)],
    ):
        capsys.readouterr()
        assert main(words) == 2, words
        assert "error[C007]" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in (spec, data)}
    assert main(["predict", str(spec), *said, str(tmp_path / "y.npz")]) == 0


def test_a_number_that_float32_can_t_hold_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, inputs = tmp_path / "forward.nn", tmp_path / "x.npz"
    spec.write_text("model F() {\n    input x: float[batch, 2]\n    output y = x + 1\n}\n")
    np.savez(inputs, x=np.array([[1.0, 2.0], [3.0, 1e300]]))
    run = ["run", str(spec), "--input", str(inputs), "--out", str(tmp_path / "run")]
    assert main(run) == 2
    said = capsys.readouterr().err
    assert "error[D008]" in said
    assert "in float32" in said
    assert main([*run, "--dtype", "float64"]) == 0


def test_a_file_of_pickles_is_not_said_to_be_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "x.npz", pair=np.array([{"a": 1}, None], dtype=object))
    spec = tmp_path / "xor.nn"
    text = Path(XOR).read_text(encoding="utf-8").replace('csv("xor.csv")', 'npz("x.npz")')
    spec.write_text(text.replace("concat([a[:, none], b[:, none]], axis = 1)", "pair"))
    assert main(["run", str(spec), "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert "no column that can be read" in said
    assert "pickled Python objects, which are never loaded" in said
