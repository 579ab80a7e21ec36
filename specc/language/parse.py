"""From a source to its syntax tree: runs the grammar's tables over the layout's tokens.

What a rule makes is transform.py's matter, what a fault is told recover.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

from specc import limits
from specc.diagnostics import Diagnostic, Report, Source, Span, labels
from specc.language.automaton import ACCEPT, load
from specc.language.depth import grown_too_deep, nested_too_deeply
from specc.language.layout import CONTROL, Layout, Tokens
from specc.language.syntax import Broken, Expression, Module
from specc.language.transform import Transform

EMPTY = Module(None, "", ())


class Grammar:
    """The tables in the form in which they are run."""

    def __init__(self) -> None:
        self.tables = load()
        self.layout = Layout(self.tables)
        # Takes a rule's values from the stack, whose bottom, 0, holds None for what is absent.
        self.picks: list[Callable[[list[Any]], Sequence[Any]]] = [
            itemgetter(*handed)
            if len(handed) > 1
            else itemgetter(slice(handed[0], handed[0] + 1 or None) if handed else slice(0))
            for _, _, _, handed in self.tables.rules
        ]


@cache
def grammar() -> Grammar:
    return Grammar()


class Faults(Report):
    """The faults of one file, as many as anyone reads."""

    @property
    def full(self) -> bool:
        return len(self.diagnostics) >= limits.ERRORS.value

    def add(self, diagnostic: Diagnostic) -> None:
        if not self.full:
            super().add(diagnostic)

    def say_if_full(self) -> None:
        if self.full:
            last = max(self.diagnostics, key=lambda each: each.labels[0].span.start)
            message = f"{limits.ERRORS.value} faults so far: the rest of the file was not looked at"
            super().add(Diagnostic(limits.ERRORS.code, message, last.labels[:1]))


class Parser:
    """One parse: a stack of states, with each part's value and where it begins."""

    def __init__(self, source: Source, report: Faults, start: str) -> None:
        self.source = source
        self.report = report
        self.grammar = grammar()
        self.states = [self.grammar.tables.starts[start]]
        self.values: list[Any] = [None]
        self.starts: list[int] = [0]
        transform = Transform(source, report, self.starts, self._hole)
        rules = zip(self.grammar.tables.rules, self.grammar.picks, strict=True)
        self._reductions: list[tuple[int, Callable[..., Any], Callable[..., Any], str]] = [
            (length, pick, getattr(transform, callback), origin)
            for (origin, callback, length, _), pick in rules
        ]
        self._reductions.reverse()  # rule -k is the k-th from the end

    def run(self, tokens: Tokens, index: int = 0) -> int:
        """Reads tokens from `index` on; gives that of the first that can't stand there, or -1."""
        rows, reductions = self.grammar.tables.rows, self._reductions
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

    def accepts(self, kind: str) -> bool:
        """Whether a token of this kind can come next."""
        tables, states = self.grammar.tables, list(self.states)
        while True:
            action = tables.rows[states[-1]].get(kind)
            if action is None or action >= ACCEPT:
                return action is not None
            origin, _, length, _ = tables.rules[-action - 1]
            if length:
                del states[-length:]
            states.append(tables.rows[states[-1]][origin])

    def _hole(self, start: int, end: int) -> Expression:
        """The expression in a template's braces."""
        tokens = self.grammar.layout.tokens(self.source.text, start, end, fresh=False)
        inner = Parser(self.source, self.report, "hole")
        at = inner.run(tokens)
        if at < 0:
            return inner.result
        place = Span(self.source, start, end)
        message = "the braces of a template hold one expression"
        help = 'as in `as "layer{i + 1}"`'
        self.report.add(Diagnostic("S022", message, labels(place), help=help))
        return Broken(place)


def parse(source: Source, report: Report | None = None) -> Module:
    """The tree of a source; raises SpecError with every fault in it.

    With a report the faults are added to that instead, and the tree lacks what could not be read.
    """
    own = Faults()
    module = _parse(source, own)
    own.say_if_full()
    if report is None:
        own.raise_errors()
    else:
        report.extend(sorted(own.diagnostics, key=lambda each: each.labels[0].span.start))
    return module


def _parse(source: Source, report: Faults) -> Module:
    text = source.text
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    limit = limits.SOURCE_BYTES
    if size > limit.value:
        message = f"this file has {size:,} bytes; the limit is {limit.value:,}"
        report.add(Diagnostic(limit.code, message, labels(Span(source, 0, 0))))
        return EMPTY
    start = 1 if text.startswith("\ufeff") else 0
    tokens = grammar().layout.tokens(text, start, len(text))
    if tokens.deep and nested_too_deeply(source, tokens, report):
        return EMPTY
    parser = Parser(source, report, "module")
    if parser.run(tokens) >= 0 or CONTROL.search(text):
        from specc.language.recover import recover  # only who errs waits for it

        parser = Parser(source, report, "module")
        recover(parser, tokens)
    if tokens.deep:
        grown_too_deep(parser.result, report)
    return parser.result
