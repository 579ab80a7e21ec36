"""The specs that users read first: each one checks, trains, and meets its claims from its seed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import specc
from specc.diagnostics import Source
from specc.language import load, parse
from specc.language.format import format

FOLDER = Path(__file__).parents[2] / "specs"
SPECS = sorted(FOLDER.glob("*.nn"))

every = pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)


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
    result = specc.load(path, {"train.epochs": "1"}).run()
    assert result.history
    assert all(key in result.metrics for key in ("test.loss",))


@every
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
    assert not specc.load(frozen, {"train.epochs": "1"}).run().holds
