"""`specc compare`: its tables, JSON, page and exit status."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from specc.cli import main
from specc.compare import page, parties, report
from specc.compare.compare import compared
from specc.compare.parties import Party
from tests.compare.parties import Faulty, off, subject


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "m.nn"
    path.write_text(
        "model M {\n    input x: float[batch, 3]\n"
        "    y = x -> Linear(4) as fc -> BatchNorm() as norm -> dropout(0.3)\n"
        "    output y\n    loss mean(y^2)\n}\n"
    )
    return path


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_three_backends_agree(spec: Path, dtype: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(spec), "--dtype", dtype, "--steps", "3", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [(pair["first"], pair["second"]) for pair in answer["pairs"]] == [
        ("numpy", "torch"), ("numpy", "onnx"), ("torch", "onnx"),
    ]  # fmt: skip
    kinds = {row["kind"] for row in answer["pairs"][0]["tensors"]}
    assert kinds == {"output", "loss", "state", "gradient", "trained", "trained state"}
    assert len(answer["losses"]["torch"]) == 3


def test_the_table_says_what_is_shared(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(spec), "--backends", "numpy,torch", "--all"]) == 0
    out = capsys.readouterr().out
    assert "gradients by torch.autograd" in out
    assert "no train block: sgd(lr = 0.01), no clip" in out
    assert "shared by both: the language" in out
    assert "differentiate)" not in out.split("shared by both")[1]
    assert "fc.weight" in out


def test_what_is_missing_is_said_and_never_agreement(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(parties, "installed", lambda module: module != "torch")
    assert main(["compare", str(spec)]) == 0
    out = capsys.readouterr().out
    assert "torch is not compared: torch isn't installed" in out
    assert "numpy and onnx" in out
    assert "numpy and torch" not in out
    assert main(["compare", str(spec), "--backends", "numpy,torch"]) == 2
    assert "C101" in capsys.readouterr().err


def test_an_unknown_backend_is_refused(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(spec), "--backends", "numpy,tensorflow"]) == 2
    assert "`tensorflow` is no backend to compare" in capsys.readouterr().err


def test_a_difference_is_told_with_its_line() -> None:
    found = compared(subject(), [Party("float64"), Faulty("tanh", off)], [])
    assert found.status == 1
    said = report.text(found)
    assert "culprit: `first.tanh` in inference" in said
    assert "return tanh(y)" in said
    assert "how the error grows:" in said
    answer = report.json(found)
    assert answer["status"] == 1
    assert answer["pairs"][0]["culprit"]["line"] == "return tanh(y)"
    json.dumps(answer, allow_nan=False)


class Links(HTMLParser):
    """Collects what a page would load, and checks that its tags close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href", "data")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        return

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_loads_nothing_and_shows_the_graph(spec: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    words = ["compare", str(spec), "--backends", "numpy,torch", "--html", str(out)]
    assert main(words) == 0
    text = out.read_text()
    links = Links()
    links.feed(text)
    assert not links.open
    assert not links.loaded
    assert not re.search(r"https?://|@import|url\(", text)
    assert text.count("<svg") == 3  # curves, error by layer, the graph
    assert "fc" in text
    assert "norm" in text


def test_the_page_marks_the_culprit() -> None:
    text = page.html(compared(subject(), [Party("float64"), Faulty("tanh", off)], []))
    assert 'class="culprit"' in text
    assert "first.tanh" in text


def test_another_files_model(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "m.onnx"
    assert main(["export", str(spec), "--to", "onnx", "-o", str(file)]) == 0
    capsys.readouterr()
    assert main(["compare", str(spec), "--backends", "numpy", "--against", str(file)]) == 0
    assert "1 of 1 tensors agree" in capsys.readouterr().out
    words = ["compare", str(spec), "--backends", "numpy", "--against", str(file), "--seed", "5"]
    assert main(words) == 1


PLAIN = "model M {\n    input x: float[batch, 3]\n    y = x -> Linear(3)\n    output y\n}\n"


def foreign(path: Path, kind: int, taken: list, given: list, op: str = "Identity", **how) -> Path:
    """A model of one node from x to y."""
    from onnx import helper, save

    node = helper.make_node(op, ["x"], ["y"], **how)
    x = helper.make_tensor_value_info("x", kind, taken)
    y = helper.make_tensor_value_info("y", how.get("to", kind), given)
    graph = helper.make_graph([node], "g", [x], [y])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return path


@pytest.mark.parametrize(
    ("kind", "shape", "expected", "found"),
    [
        (1, ["n", "m", 3], "tensor(float) of [n, m, 3]", "float32 of [4, 3]"),  # another rank
        (1, ["n", 5], "tensor(float) of [n, 5]", "float32 of [4, 3]"),
        (1, [7, 3], "tensor(float) of [7, 3]", "float32 of [4, 3]"),  # a batch of its own
        (10, ["n", 3], "tensor(float16) of [n, 3]", "float32 of [4, 3]"),
        (7, ["n", 3], "tensor(int64) of [n, 3]", "float32 of [4, 3]"),
    ],
)
def test_a_file_of_other_inputs_is_refused(
    kind: int, shape: list, expected: str, found: str,
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    spec = tmp_path / "m.nn"
    spec.write_text(PLAIN)
    file = foreign(tmp_path / "f.onnx", kind, shape, shape)
    assert main(["compare", str(spec), "--against", str(file)]) == 2
    err = capsys.readouterr().err
    assert "R205" in err
    assert f"expected: {expected}" in err
    assert f"found: {found}" in err


CARRYING = """
layer Carried(n: int) {
    input x: float[batch, time, features]
    state h: float[1, batch, n] = 0.5
    ys, last = GRU(n)(x, h = h)
    h' = last
    return ys
}
model M {
    input token: int[batch, time]
    y = token -> Embedding(7, 5) -> Carried(6) as carried -> Linear(7)
    output y
}
"""


def test_a_file_of_a_model_that_carries_states(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, file = tmp_path / "m.nn", tmp_path / "m.onnx"
    spec.write_text(CARRYING)
    assert main(["export", str(spec), "--to", "onnx", "-o", str(file)]) == 0
    assert main(["compare", str(spec), "--against", str(file)]) == 0
    assert "1 of 1 tensors agree" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("how", "shape", "said"),
    [
        ({"op": "Transpose", "perm": (1, 0)}, [3, "n"], "[3, 4] where [4, 3] is expected"),
        ({"op": "Cast", "to": 7}, ["n", 3], "int64 where float32 is expected"),
    ],
)
def test_another_output_says_what_is_otherwise(
    how: dict, shape: list, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "m.nn"
    spec.write_text(PLAIN)
    file = foreign(tmp_path / "f.onnx", 1, ["n", 3], shape, **how)
    page = tmp_path / "page.html"
    assert main(["compare", str(spec), "--against", str(file), "--html", str(page)]) == 1
    assert f"differs: {said}" in capsys.readouterr().out
    assert said in page.read_text()


def test_without_onnxruntime_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "m.nn"
    spec.write_text(PLAIN)
    file = foreign(tmp_path / "f.onnx", 1, ["n", 3], ["n", 3])
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for loaded in ("program", "stepper", "foreign"):
        monkeypatch.delitem(sys.modules, f"specc.backends.onnx.{loaded}", raising=False)
        monkeypatch.delattr(f"specc.backends.onnx.{loaded}", raising=False)
    for words in (
        ["compare", str(spec), "--against", str(file)],
        ["run", "specs/xor.nn", "--backend", "onnx", "--out", str(tmp_path / "run")],
    ):
        assert main(words) == 2
        err = capsys.readouterr().err
        assert "B005" in err
        assert "needs onnxruntime, which is not installed" in err


def test_what_is_no_onnx_model_is_refused(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "no.onnx"
    file.write_bytes(b"nothing")
    assert main(["compare", str(spec), "--against", str(file)]) == 2
    assert "R203" in capsys.readouterr().err


def test_weights_from_a_file(spec: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights"
    assert main(["run", "specs/xor.nn", "--out", str(out), "--set", "train.epochs=1"]) in (0, 1)
    words = ["compare", "specs/xor.nn", "--weights", str(out / "last.safetensors"), "--steps", "1"]
    assert main(words) == 0
