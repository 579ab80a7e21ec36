"""What is printed: colours only where they are wanted, columns that stand under one another."""

from __future__ import annotations

import io

import pytest

from specc.cli.output import count, report, table, wants_colour
from specc.diagnostics import Diagnostic, Label, Source, Span


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


SOURCE = Source("a.nn", "x = y ^^ z\n")
FAULT = Diagnostic("S001", "not an operator", (Label(Span(SOURCE, 6, 8), "here"),), help="use ^")


def test_a_pipe_gets_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    report([FAULT])
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_gets_the_same_text_in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    plain, painted = io.StringIO(), Terminal()
    monkeypatch.setattr("sys.stderr", plain)
    report([FAULT])
    monkeypatch.setattr("sys.stderr", painted)
    report([FAULT])
    text = painted.getvalue()
    assert "\x1b[31merror[S001]\x1b[0m" in text
    for mark in ("\x1b[31m", "\x1b[34m", "\x1b[1m", "\x1b[0m"):
        text = text.replace(mark, "")
    assert text == plain.getvalue()


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colour(Terminal())
    monkeypatch.delenv("NO_COLOR")
    assert wants_colour(Terminal())
    monkeypatch.setenv("TERM", "dumb")
    assert not wants_colour(Terminal())


def test_columns() -> None:
    rows = [("layer", "parameters"), ("fc1", "4,160"), ("fc2", "650")]
    assert table(rows, right=(1,)).splitlines() == [
        "layer  parameters",
        "─────  ──────────",
        "fc1         4,160",
        "fc2           650",
    ]


def test_counts() -> None:
    assert [count(n, "error") for n in (0, 1, 1200)] == ["0 errors", "1 error", "1,200 errors"]
