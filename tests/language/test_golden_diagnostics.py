"""Every spec in golden/diagnostics is refused in the very words of the text beside it.

`SPECC_UPDATE_GOLDEN=1 pytest tests/language/test_golden_diagnostics.py` writes the texts anew; read
the difference before it is committed. A file's name begins with the code that it is there for.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from specc.diagnostics import SpecError, render
from specc.language import load

FOLDER = Path(__file__).parent.parent / "golden" / "diagnostics"
SPECS = sorted(FOLDER.glob("*.nn"))
UPDATE = os.environ.get("SPECC_UPDATE_GOLDEN") == "1"


def overrides(path: str) -> dict[str, str]:
    """What the lines `# --set Net.hidden=3` of a spec ask for."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    asked = [line.removeprefix("# --set ") for line in lines if line.startswith("# --set ")]
    return {name: value for name, _, value in (each.partition("=") for each in asked)}


def refusal(path: str) -> str:
    try:
        load(path, overrides(path))
    except SpecError as error:
        return "\n\n".join(render(each) for each in error.diagnostics) + "\n"
    return "no error\n"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_a_fault_is_told_in_these_words(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    told = refusal(spec.name)
    expected = spec.with_suffix(".txt")
    if UPDATE:
        expected.write_text(told, encoding="utf-8")
    assert told == expected.read_text(encoding="utf-8")
    code = spec.stem[:4]
    assert f"error[{code}]" in told


def test_each_text_has_its_spec() -> None:
    texts = {path.stem for path in FOLDER.glob("*.txt")}
    assert texts == {path.stem for path in SPECS}


def test_no_message_speaks_of_the_parser() -> None:
    """Token kinds of the grammar (NEWLINE, PRIMED, ...) mean nothing to who wrote the spec."""
    kinds = ("NEWLINE", "PRIMED", "INDEX", "LITERAL", "WRONG", "ARROW", "$END", "Token", "lark")
    for text in FOLDER.glob("[SL]*.txt"):
        said = text.read_text(encoding="utf-8")
        assert not [kind for kind in kinds if kind in said], text.name
