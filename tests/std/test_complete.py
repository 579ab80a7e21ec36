"""Every name of the standard library has a doc, an oracle, and its place in the index."""

from __future__ import annotations

from pathlib import Path

from specc.diagnostics import Source
from specc.language import parse
from specc.language.format import format
from specc.std import index
from tests.std.records import RECORDS
from tests.std.test_inits import DRAWN
from tests.std.test_metrics import METRICS
from tests.std.test_optimizers import OPTIMIZERS
from tests.std.test_schedules import SCHEDULES

ELSEWHERE = {"zeros", "ones", "constant", "bernoulli"}  # in test_inits


def test_every_definition_has_an_oracle() -> None:
    tested = {record.of for record in RECORDS} | ELSEWHERE
    for texts in (DRAWN, METRICS, OPTIMIZERS, SCHEDULES):
        tested |= {text.split("(")[0] for text in texts}
    missing = sorted(set(index.made()) - tested)
    assert not missing, f"no record names an oracle for {', '.join(missing)}: see tests/std"


def test_every_definition_has_a_doc() -> None:
    for name, entry in index.made().items():
        text = (Path(index.FOLDER) / entry["file"]).read_text()[entry["start"] : entry["end"]]
        assert text.startswith('"""'), f"{name} says nothing about itself"


def test_every_file_is_as_the_formatter_prints_it() -> None:
    for path in sorted(Path(index.FOLDER).glob("*.nn")):
        text = path.read_text()
        assert format(parse(Source(path.name, text))) == text, f"`specc fmt` {path}"


def test_the_index_is_current() -> None:
    assert index.PATH.read_text() == index.printed(), "run `python -m specc.std.index`"
