"""`specc check`: every error of every file, and the other answers it can give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from specc.cli import main

RIGHT = "model M {\n    input x: float[batch, 4]\n    output x -> Linear(2)\n}\n"
WRONG = "model M {\n    input x: float[batch, 4]\n    output x @ x, y = relux(x)\n}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "right.nn").write_text(RIGHT)
    (tmp_path / "wrong.nn").write_text(WRONG)
    (tmp_path / "latin.nn").write_bytes("# caf\xe9\n".encode("latin-1"))
    (tmp_path / "empty.nn").write_text("")
    return tmp_path


def test_right(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder / "right.nn")]) == 0
    assert capsys.readouterr().out == "no errors in 1 file\n"


def test_several_files_are_all_reported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [folder / name for name in ("wrong.nn", "none.nn", "right.nn", "latin.nn")]
    assert main(["check", *map(str, files), str(folder)]) == 2
    shown = capsys.readouterr()
    for name in ("wrong.nn", "none.nn", "latin.nn"):
        assert name in shown.err
    assert "right.nn" not in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


@pytest.mark.parametrize("name", ["none.nn", "latin.nn", "."])
def test_files_that_cant_be_read(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(folder / name)]) == 2
    shown = capsys.readouterr().err
    assert "error[I" in shown
    assert shown.endswith("1 error\n")


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json", str(folder / "right.nn")]) == 0
    assert json.loads(capsys.readouterr().out) == {"errors": 0, "diagnostics": []}
    assert main(["check", "--json", str(folder / "wrong.nn")]) == 2
    shown = capsys.readouterr()
    answer = json.loads(shown.out)
    assert answer["errors"] == len(answer["diagnostics"]) >= 1
    label = answer["diagnostics"][0]["labels"][0]
    assert (label["file"], label["line"]) == (str(folder / "wrong.nn"), 3)
    assert shown.err == ""


def test_overrides_reach_the_spec(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "specs/digits.nn", "--set", "Digits.hidden=32"]) == 0
    assert main(["check", "specs/digits.nn", "--set", "Digits.hiden=32"]) == 2
    assert "hiden" in capsys.readouterr().err


@pytest.mark.parametrize("file", sorted(Path("specs").glob("*.nn")), ids=lambda file: file.name)
def test_the_specs_check(file: Path) -> None:
    assert main(["check", str(file)]) == 0
