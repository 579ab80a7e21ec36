"""What numbers, texts and docs say: from their spelling to their value.

Knows no grammar; a spelling that says nothing is reported, and read as well as it can be.
"""

from __future__ import annotations

import sys

from specc import limits
from specc.diagnostics import Diagnostic, Report, Source, Span, labels

ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


def number(text: str, place: Span, report: Report) -> int | float | None:
    """The value of a number; None if it is none, which is reported."""
    limit = limits.DIGITS
    if len(text) > limit.value:
        message = f"a number of {len(text)} characters; the limit is {limit.value}"
        report.add(Diagnostic(limit.code, message, labels(place)))
        return None
    try:
        value = int(text) if text.replace("_", "").isdecimal() else float(text)
    except ValueError:
        message, help = f"`{text}` is no number", "as in 200, 10_000, 1e-3, .5"
        report.add(Diagnostic("S007", message, labels(place), help=help))
        return None
    if value > sys.float_info.max and text != "inf":
        message = "this number is larger than float64 can hold"
        help = "the largest is about 1.8e308; write `inf` for infinity"
        report.add(Diagnostic("S008", message, labels(place), help=help))
        return None
    return value


def unquoted(source: Source, start: int, quoted: str, report: Report) -> str:
    """What a text in double quotes says; it begins at `start` of the source."""
    inner = quoted[1:-1]
    if "\\" not in inner:
        return inner
    made: list[str] = []
    at = 0
    while at < len(inner):
        if inner[at] != "\\":
            made.append(inner[at])
            at += 1
            continue
        escaped = inner[at + 1]
        if escaped not in ESCAPES:
            place = Span(source, start + 1 + at, start + 3 + at)
            message = f"`\\{escaped}` means nothing in a text"
            help = 'a backslash is written `\\\\`; others are `\\"`, `\\n`, `\\t`, `\\r`'
            report.add(Diagnostic("S006", message, labels(place), help=help))
        made.append(ESCAPES.get(escaped, escaped))
        at += 2
    return "".join(made)


def doc(quoted: str | None) -> str:
    """The text of a doc without its quotes and its common indent; empty where there is none."""
    if quoted is None:
        return ""
    first, *lines = quoted[3:-3].replace("\r", "").expandtabs(4).split("\n")
    common = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join([first.strip(), *(line[common:].rstrip() for line in lines)]).strip("\n")
