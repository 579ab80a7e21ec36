"""The specs that users read first: each one checks, trains, and meets its claims from its seed."""

from __future__ import annotations

from pathlib import Path

import pytest

import specc
from specc.api import Spec
from specc.diagnostics import SpecError
from specc.language import load, loads

FOLDER = Path(__file__).parents[2] / "specs"
SPECS = sorted(FOLDER.glob("*.nn"))
CHECKED_ONLY = {"textbook_gru"}  # what scans is accepted, and not run yet
LONG = {"digits", "lenet", "own"}

every = pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
runs = pytest.mark.parametrize(
    "path", [path for path in SPECS if path.stem not in CHECKED_ONLY], ids=lambda path: path.stem
)


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


@runs
def test_the_first_step(path: Path) -> None:
    result = specc.load(path, {"train.epochs": "1"}).run()
    assert result.history
    assert all(key in result.metrics for key in ("test.loss",))


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=pytest.mark.long if path.stem in LONG else ())
        for path in SPECS
        if path.stem not in CHECKED_ONLY
    ],
    ids=lambda path: path.stem,
)
def test_it_meets_its_claims(path: Path) -> None:
    result = specc.load(path).run()
    assert result.verdicts
    assert result.holds, [verdict for verdict in result.verdicts if not verdict.holds]


@runs
def test_its_claims_fail_without_learning(path: Path) -> None:
    """A claim that holds of the initial weights claims nothing."""
    text = path.read_text().replace("train {", 'train {\n    freeze "*"')
    overrides = {"train.epochs": "1"}
    spec = Spec(loads(text, str(path), overrides), overrides)
    assert not spec.run().holds


@pytest.mark.parametrize("name", sorted(CHECKED_ONLY))
def test_what_cannot_run_yet_says_so(name: str) -> None:
    with pytest.raises(SpecError, match="B001"):
        specc.load(FOLDER / f"{name}.nn").run()
