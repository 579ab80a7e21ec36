"""What commands print: diagnostics with their count, JSON, tables. Decides nothing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from specc.diagnostics import Diagnostic, render

RED, BLUE, BOLD, PLAIN = "\x1b[31m", "\x1b[34m", "\x1b[1m", "\x1b[0m"


def report(diagnostics: Sequence[Diagnostic], *, as_json: bool = False) -> None:
    """Diagnostics on standard error with a line that counts them; as JSON on standard output."""
    errors = sum(each.severity == "error" for each in diagnostics)
    if as_json:
        print_json({"errors": errors, "diagnostics": [each.json() for each in diagnostics]})
        return
    colour = wants_colour(sys.stderr)
    for each in diagnostics:
        text = render(each)
        print(f"{_painted(text, each) if colour else text}\n", file=sys.stderr)
    if errors:
        print(count(errors, "error"), file=sys.stderr)


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Columns under one another; those in `right` end together. The first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines: list[str] = []
    for index, row in enumerate(rows):
        cells = [
            text.rjust(width) if column in right else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
        if index == 0:
            lines.append("  ".join("─" * width for width in widths))
    return "\n".join(lines)


def wants_colour(stream: TextIO) -> bool:
    """On a terminal, unless NO_COLOR is set to anything (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _painted(text: str, diagnostic: Diagnostic) -> str:
    head, *lines = text.split("\n")
    tag = f"{diagnostic.severity}[{diagnostic.code}]"
    loud = RED if diagnostic.severity == "error" else BLUE
    painted = [f"{BOLD}{head.replace(tag, loud + tag + PLAIN + BOLD, 1)}{PLAIN}"]
    for line in lines:
        margin, bar, rest = line.partition(" | ")
        mark = rest.lstrip()[:1]
        if bar and not margin.strip() and mark in ("^", "-") and mark:
            painted.append(f"{margin}{bar}{loud if mark == '^' else BLUE}{rest}{PLAIN}")
        else:
            painted.append(line)
    return "\n".join(painted)
