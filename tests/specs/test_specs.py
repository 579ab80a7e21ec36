"""The specs that users read first: each one checks, trains, and meets its claims from its seed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import specc
from specc.diagnostics import Source
from specc.language import load, parse
from specc.language.format import format
from tests.small import LEARNS

FOLDER = Path(__file__).parents[2] / "specs"
SPECS = sorted(FOLDER.glob("*.nn"))

every = pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)


def settings(path: Path) -> dict[str, str]:
    """A small setting for a spec of text."""
    return LEARNS[path.stem][0] if path.stem in LEARNS else {}


def _with_long() -> list[Any]:
    """Those that take a minute are run whole by `make long`."""
    return [pytest.param(p, marks=pytest.mark.long) if p.stem in LEARNS else p for p in SPECS]


@every
def test_it_checks_and_claims_something(path: Path) -> None:
    spec = load(str(path))
    assert spec.trains
    assert spec.expects, "a spec says what it achieves"
    assert not spec.notes


@every
def test_its_baseline_stands_beside_its_claim(path: Path) -> None:
    claims = [line for line in path.read_text().splitlines() if line.startswith("expect test.")]
    assert claims
    assert all("#" in line for line in claims)


@every
def test_it_is_as_the_formatter_prints_it(path: Path) -> None:
    text = path.read_text()
    assert format(parse(Source(path.name, text))) == text


@every
def test_the_first_step(path: Path) -> None:
    result = specc.load(path, {**settings(path), "train.steps": "1"}).run()
    assert result.history
    assert all(key in result.metrics for key in ("test.loss",))


@pytest.mark.parametrize("path", _with_long(), ids=lambda path: path.stem)
def test_it_meets_its_claims(path: Path) -> None:
    result = specc.load(path).run()
    assert result.verdicts
    assert result.holds, [verdict for verdict in result.verdicts if not verdict.holds]


@every
def test_its_claims_fail_without_learning(path: Path, tmp_path: Path) -> None:
    """A claim that holds of the initial weights claims nothing."""
    for table in FOLDER.glob("*.csv"):
        shutil.copy(table, tmp_path)
    frozen = tmp_path / path.name
    frozen.write_text(path.read_text().replace("train {", 'train {\n    freeze "*"'))
    assert not specc.load(frozen, {**settings(path), "train.steps": "1"}).run().holds


@pytest.mark.parametrize("name", LEARNS)
def test_it_learns_in_a_small_setting(name: str, tmp_path: Path) -> None:
    overrides, claim = LEARNS[name]
    small = tmp_path / f"{name}.nn"
    text = (FOLDER / f"{name}.nn").read_text()
    small.write_text(re.sub(r"^expect .*$", f"expect {claim}", text, flags=re.MULTILINE))
    result = specc.load(small, overrides).run()
    assert result.verdicts
    assert result.holds, result.verdicts
