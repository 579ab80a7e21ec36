"""From a source to its syntax tree: runs the grammar's tables over the layout's tokens.

What a rule makes is transform.py's matter, what a fault is told recover.py's.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from specc import limits
from specc.diagnostics import Report, Source, fault
from specc.language import tables as tables_module
from specc.language.layout import Layout, Tokens
from specc.language.syntax import Expression, Module
from specc.language.tables import ACCEPT
from specc.language.transform import Transform

TABLES = tables_module.load()
LAYOUT = Layout(TABLES)
# Takes a rule's values from the stack; index 0 is the bottom, which holds None for what is absent.
_PICK = [
    itemgetter(*handed)
    if len(handed) > 1
    else itemgetter(slice(handed[0], handed[0] + 1 or None) if handed else slice(0))
    for _, _, _, handed in TABLES.rules
]


class Parser:
    """One parse: a stack of states, with each part's value and where it begins."""

    def __init__(self, source: Source, report: Report, start: str) -> None:
        self.source = source
        self.report = report
        self.states = [TABLES.starts[start]]
        self.values: list[Any] = [None]
        self.starts: list[int] = [0]
        transform = Transform(source, report, self.starts, self._hole)
        self._reductions: list[tuple[int, Callable[..., Any], Callable[..., Any], str]] = [
            (length, _PICK[number], getattr(transform, callback, transform.same), origin)
            for number, (origin, callback, length, _) in enumerate(TABLES.rules)
        ]
        self._reductions.reverse()  # rule -k is the k-th from the end

    def run(self, tokens: Tokens, index: int = 0) -> int:
        """Reads tokens from `index` on; gives that of the first that can't stand there, or -1."""
        rows, reductions = TABLES.rows, self._reductions
        states, values, starts = self.states, self.values, self.starts
        kinds, texts, begins, ends = tokens.kinds, tokens.values, tokens.starts, tokens.ends
        row = rows[states[-1]]
        end = ends[index - 1] if index else 0
        while True:
            action = row.get(kinds[index])
            if action is None:
                return index
            if action > 0:
                states.append(action)
                values.append(texts[index])
                starts.append(begins[index])
                end = ends[index]
                index += 1
                row = rows[action]
            elif action < 0:
                length, pick, make, origin = reductions[action]
                if length:
                    start = starts[-length]
                    value = make(start, end, *pick(values))
                    del states[-length:], values[-length:], starts[-length:]
                else:
                    start = end
                    value = make(end, end)
                values.append(value)
                starts.append(start)
                action = rows[states[-1]][origin]
                states.append(action)
                row = rows[action]
            else:
                return -1

    @property
    def result(self) -> Any:
        return self.values[-1]

    def _hole(self, start: int, end: int) -> Expression:
        tokens = LAYOUT.tokens(self.source.text, start, end)
        inner = Parser(self.source, self.report, "hole")
        at = inner.run(tokens)
        assert at == -1
        return inner.result


def parse(source: Source, report: Report | None = None) -> Module:
    """The tree of a source; raises SpecError with every fault, or adds them to a report."""
    own = Report()
    text = source.text
    start = 1 if text.startswith("\ufeff") else 0
    tokens = LAYOUT.tokens(text, start, len(text))
    parser = Parser(source, own, "module")
    at = parser.run(tokens)
    if at >= 0:
        from specc.diagnostics import Span
        raise fault("S001", f"unexpected {tokens.kinds[at]}", Span(source, tokens.starts[at], tokens.ends[at]))
    if report is None:
        own.raise_errors()
    else:
        report.extend(own.diagnostics)
    return parser.result
