"""Brackets and braces without their partners: found, reported at both places, and supplied.

Runs only on files that the parser has refused.
"""

from __future__ import annotations

from specc.diagnostics import Diagnostic, Report, Source, Span, labels
from specc.language.automaton import END
from specc.language.layout import CONTINUES, Tokens

CLOSES = {"(": ")", "[": "]", "{": "}"}
OPENS = {close: open for open, close in CLOSES.items()}
# Words that begin an item and nothing in a body.
ITEMS = frozenset({"function", "activation", "init", "layer", "cell", "expect", "import"})


def unclosed(source: Source, tokens: Tokens, report: Report) -> dict[int, str]:
    """Reports brackets that never close; says before which places they should be supplied."""
    waiting: list[int] = []
    ends: dict[int, str] = {}
    for at, kind in enumerate(tokens.kinds):
        if kind in ("(", "["):
            waiting.append(at)
            continue
        lost: list[int] = []
        if kind in (")", "]") and waiting:
            partner = len(waiting) - 1
            while partner and tokens.kinds[waiting[partner]] != OPENS[kind]:
                partner -= 1
            if tokens.kinds[waiting[partner]] == OPENS[kind]:
                lost = waiting[partner + 1 :]
                del waiting[partner:]
            else:
                waiting.pop()  # `balanced` puts it right
        elif waiting and kind in ("{", "}", "return", END):
            lost = list(waiting)
            waiting.clear()
        for opening in reversed(lost):
            bracket = tokens.kinds[opening]
            still_open = (_span(source, tokens, at), "still open here")
            noticed = still_open if kind != END else None
            message = f"this `{bracket}` is never closed"
            report.add(Diagnostic("S002", message, labels(_span(source, tokens, opening), noticed)))
            end = min(_line_end(source.text, tokens, opening), tokens.starts[at])
            ends[end] = ends.get(end, "") + CLOSES[bracket]
    return ends


def balanced(source: Source, tokens: Tokens, report: Report) -> Tokens:
    """The tokens with wrong closers put right or left out, and missing braces supplied."""
    made = Tokens()
    made.deep = tokens.deep
    waiting: list[int] = []  # indices in `tokens` of what is open
    beginning = True
    dropped = False  # the line has had nothing but what closes nothing: its end goes with it
    for at, kind in enumerate(tokens.kinds):
        value, start, end = tokens.values[at], tokens.starts[at], tokens.ends[at]
        place = _span(source, tokens, at)
        if waiting and (kind == END or (beginning and _begins_item(source.text, tokens, at))):
            for opening in reversed(waiting):
                where = "before the file ends" if kind == END else "before this"
                message = f"this `{{` is never closed: a `}}` is missing {where}"
                noticed = None if kind == END else (place, "begins an item of the file")
                report.add(
                    Diagnostic("S002", message, labels(_span(source, tokens, opening), noticed))
                )
                made.add("}", "}", start, start)
                made.add("NEWLINE", "", start, start)
            waiting.clear()
        if dropped and kind == "NEWLINE":
            dropped = False
            continue
        dropped, began = False, beginning
        beginning = kind in ("NEWLINE", "{", "COMMENT", "DOC")
        if kind in CLOSES:
            waiting.append(at)
        elif kind in OPENS:
            if not waiting or (kind == "}") != (tokens.kinds[waiting[-1]] == "{"):
                report.add(Diagnostic("S003", f"this `{kind}` closes nothing", labels(place)))
                dropped = beginning = began
                continue
            opening = waiting.pop()
            wanted = CLOSES[tokens.kinds[opening]]
            if wanted != kind:
                opened = (_span(source, tokens, opening), f"opened here: closed by `{wanted}`")
                message = f"`{kind}` does not close `{tokens.kinds[opening]}`"
                report.add(Diagnostic("S003", message, labels(place, opened)))
                kind = value = wanted
        made.add(kind, value, start, end)
    return made


def _begins_item(text: str, tokens: Tokens, at: int) -> bool:
    """Whether an item begins here, at the left edge, although a block is open."""
    start = tokens.starts[at]
    if start and text[start - 1] != "\n":
        return False
    if tokens.kinds[at] in ITEMS:
        return True
    words = ("model", "data", "train", "optimizer", "loss", "metric", "schedule")
    if tokens.kinds[at] not in words:
        return False
    while tokens.kinds[at] not in ("NEWLINE", "{", "}", END):
        at += 1
    return tokens.kinds[at] == "{"


def _line_end(text: str, tokens: Tokens, at: int) -> int:
    """The end of the first line from a token on that does not plainly go on."""
    while True:
        newline = text.find("\n", tokens.starts[at])
        newline = len(text) if newline < 0 else newline
        while at + 1 < len(tokens.kinds) and tokens.starts[at + 1] < newline:
            at += 1
        goes_on = tokens.kinds[at] in CONTINUES or tokens.kinds[at] in ("(", "[")
        if not goes_on or at + 2 >= len(tokens.kinds):
            return newline
        at += 1


def _span(source: Source, tokens: Tokens, at: int) -> Span:
    return Span(source, tokens.starts[at], max(tokens.ends[at], tokens.starts[at] + 1))
