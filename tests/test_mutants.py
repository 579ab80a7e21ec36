"""Every row of tests/mutants.toml can still be planted; `make mutate` plants them."""

from __future__ import annotations

import ast

import pytest

from tests.mutants import ROOT, Fault, Place, places

PLACES = places()
ROWS = [(place, fault) for place in PLACES for fault in place.faults]


@pytest.mark.parametrize(
    ("place", "fault"), ROWS, ids=[f"{place.file}: {fault.what}" for place, fault in ROWS]
)
def test_it_can_be_planted(place: Place, fault: Fault) -> None:
    text = place.planted(fault)
    if place.file.endswith(".py"):
        ast.parse(text)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.file)
def test_its_tests_are_there(place: Place) -> None:
    for name in (*place.near, *place.wider):
        assert (ROOT / name).exists(), name


def test_no_fault_is_there_twice() -> None:
    said = [(place.file, fault.what) for place, fault in ROWS]
    assert len(set(said)) == len(said)
    assert len(ROWS) >= 70
