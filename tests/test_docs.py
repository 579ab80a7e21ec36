"""The pages are true: their specs check, their commands run, their Python works, their links lead.

A block ```nn is a file that checks; ```nn body are statements of a model with an input
`x: float[n, 16]`; ```nn error CODE is a file with that fault alone; ```sh are commands that
succeed; ```python are parts of one program a page.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from specc.codes import handbook
from specc.diagnostics import SpecError
from specc.language import loads

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BODY = "model Example {{\n    input x: float[n, 16]\n{}\n    output x\n}}\n"


class Block(NamedTuple):
    page: str
    line: int
    kind: str
    words: list[str]
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(kind: str) -> list[Block]:
    return list(_blocks(kind))


def _blocks(kind: str) -> Iterator[Block]:
    for page in PAGES:
        if page.name == "errors.md":
            continue
        text = page.read_text(encoding="utf-8")
        for found in FENCE.finditer(text):
            if found[1] == kind:
                line = text.count("\n", 0, found.start()) + 1
                yield Block(page.name, line, kind, found[2].split(), found[3])


def faults(text: str) -> list[str]:
    try:
        loads(text)
    except SpecError as error:
        return [each.code for each in error.diagnostics]
    return []


@pytest.mark.parametrize("block", blocks("nn"), ids=str)
def test_a_spec_checks(block: Block) -> None:
    match block.words:
        case []:
            assert faults(block.text) == []
        case ["body"]:
            assert faults(BODY.format(block.text)) == []
        case ["error", code]:
            assert faults(block.text) == [code]
        case other:
            pytest.fail(f"{block}: no such kind of example: {other}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader stands: a folder with the specs."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "specs", folder / "specs")
    return folder


@pytest.mark.parametrize("block", blocks("sh"), ids=str)
def test_commands_run(block: Block, folder: Path) -> None:
    for line in block.text.splitlines():
        program, *words = line.split()
        assert program == "specc", f"{block}: only commands of specc are run"
        done = run(["-m", "specc", *words], folder)
        # 1 is the answer of a run that was cut short: its claims need not hold.
        assert done.returncode in ((0, 1) if words[0] == "run" else (0,)), done.stderr


@pytest.mark.parametrize("page", [page for page in PAGES if page.name == "python.md"], ids=str)
def test_python_works(page: Path, folder: Path) -> None:
    text = "\n".join(block.text for block in blocks("python") if block.page == page.name)
    done = run(["-c", text], folder)
    assert done.returncode == 0, done.stderr


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    lost = [
        target
        for target in re.findall(r"\]\(([^)#][^)#]*)\)", text)
        if not target.startswith("http") and not (page.parent / target).exists()
    ]
    assert not lost


def test_the_sections_of_a_page_are_where_its_contents_say() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        heads = {
            re.sub(r"[^\w -]", "", head).lower().replace(" ", "-")
            for head in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        }
        assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= heads, page.name


def test_the_handbook_is_current() -> None:
    written = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert written == handbook(), "`make docs` writes docs/errors.md from specc/codes"
