"""The rows of faults are current: each text is in its file, once, and there are enough of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutations.faults import FAULTS, Fault
from tests.mutations.mutate import TESTS_OF

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "fault", FAULTS, ids=lambda fault: f"{Path(fault.file).name}: {fault.what}"
)
def test_a_fault_can_be_planted(fault: Fault) -> None:
    text = (ROOT / fault.file).read_text(encoding="utf-8")
    assert text.count(fault.old) == 1, f"{fault.file}: {fault.old!r}"
    assert fault.old != fault.new
    assert any(fault.file.startswith(room) for room in TESTS_OF)


def test_there_are_at_least_sixty() -> None:
    assert len(FAULTS) >= 60
    assert len({(fault.file, fault.old) for fault in FAULTS}) == len(FAULTS)
