"""Every code has a page, and its first spec has that fault alone, its second none."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from specc.codes import LETTERS, codes, explanation, handbook
from specc.diagnostics import SpecError
from specc.language import loads

ROOT = Path(__file__).parent.parent.parent
CODE = re.compile(rf"[{''.join(LETTERS)}]\d{{3}}")
SPEC = re.compile(r"^```nn\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def raised() -> Iterator[str]:
    """Every code that stands as a text in the package."""
    for file in (ROOT / "specc").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            value = node.value if isinstance(node, ast.Constant) else None
            if isinstance(value, str) and CODE.fullmatch(value):
                yield value


def faults(text: str) -> list[str]:
    try:
        loads(text)
    except SpecError as error:
        return [each.code for each in error.diagnostics]
    return []


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert set(raised()) == set(codes())


@pytest.mark.parametrize("code", codes())
def test_a_page_is_true(code: str) -> None:
    text = explanation(code)
    head, blank, *rest = text.split("\n")
    assert re.fullmatch(rf"# {code}: \S.*[^.]", head)
    assert blank == ""
    assert rest[0].strip()
    specs = SPEC.findall(text)
    assert text.count("```") == 2 * len(specs)
    assert len(specs) in (0, 2), "one spec with the fault and one without, or none"
    if specs:
        notes = faults(specs[0]) or [each.code for each in loads(specs[0]).notes]
        assert notes == [code]
        assert faults(specs[1]) == []


def test_what_a_spec_alone_can_show_is_shown() -> None:
    """Faults of the build need no file, no data and no run, but for those of imports."""
    shown = {code for code in codes() if SPEC.search(explanation(code))}
    told = [code for code in codes() if code[0] in "NTHM" and code not in shown]
    assert told == ["H007", "H101"], "an override and a seed come from outside of a spec"


def test_the_handbook_holds_all_pages() -> None:
    text = handbook()
    assert [code for code in codes() if f"## {code}: " not in text] == []
