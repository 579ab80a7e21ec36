"""`specc show`: the table of a model, and every stage of the compiler by its name."""

from __future__ import annotations

import json

import pytest

from specc import pipeline
from specc.cli import main


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "specs/digits.nn"]) == 0
    text = capsys.readouterr().out
    assert "input   image: float[batch, 64]" in text
    (fc1,) = [line for line in text.splitlines() if line.startswith("fc1")]
    assert fc1.split() == [
        *("fc1", "Linear", "float[batch,", "64]", "4,160"),
        *("8,256", "*", "batch", "256", "*", "batch", "+", "16,640", "B"),
    ]
    assert "parameters   4,810 (19.2 kB)" in text


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "specs/digits.nn", "--json"]) == 0
    (model,) = json.loads(capsys.readouterr().out)["models"]
    assert model["name"] == "Digits"
    assert model["parameters"] == 4810
    assert model["inputs"] == {"image": "float[batch, 64]"}
    assert [each["layer"] for each in model["layers"] if each["layer"]] == ["fc1", "fc2"]


def test_overrides(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "specs/digits.nn", "--set", "Digits.hidden=128"]) == 0
    assert "float[batch, 128]" in capsys.readouterr().out


def test_depth(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "specs/digits.nn", "--depth", "2"]) == 0
    assert "  -" in capsys.readouterr().out


@pytest.mark.parametrize("stage", [stage for stage in pipeline.STAGES if stage != "forward"])
def test_a_stage_of_a_training(stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "specs/xor.nn", "--stage", stage]) == 0
    assert len(capsys.readouterr().out) > 100


def test_a_stage_that_the_file_has_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "specs/xor.nn", "--stage", "forward"]) == 2
    assert "C005" in capsys.readouterr().err


def test_the_stages_are_those_that_the_pipeline_gives() -> None:
    names = [name for name, _ in pipeline.stages("specs/xor.nn")]
    assert names == [stage for stage in pipeline.STAGES if stage != "forward"]


def test_the_last_stage_is_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "specs/xor.nn", "--stage", pipeline.STAGES[-1]]) == 0
    compile(capsys.readouterr().out, "<program>", "exec")


def test_the_first_stage_is_the_text_in_its_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "specs/xor.nn", "--stage", "parse"]) == 0
    with open("specs/xor.nn", encoding="utf-8") as file:
        assert capsys.readouterr().out == file.read()
