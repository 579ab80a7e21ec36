"""What went wrong in a user's file, where, and how to mend it. Knows no stage of the compiler."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field


class Source:
    """A file's name as the user gave it, and its text."""

    __slots__ = ("_line_starts", "path", "text")

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self._line_starts: list[int] | None = None

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1, of a character offset."""
        starts = self._starts()
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def line(self, number: int) -> str:
        starts = self._starts()
        end = starts[number] if number < len(starts) else len(self.text) + 1
        return self.text[starts[number - 1] : end - 1].rstrip("\r")

    def _starts(self) -> list[int]:
        if self._line_starts is None:
            starts = [0]
            at = self.text.find("\n")
            while at >= 0:
                starts.append(at + 1)
                at = self.text.find("\n", at + 1)
            self._line_starts = starts
        return self._line_starts


class Span:
    """A stretch of a source, as character offsets [start, end)."""

    __slots__ = ("end", "source", "start")

    def __init__(self, source: Source, start: int, end: int) -> None:
        self.source = source
        self.start = start
        self.end = end

    def to(self, other: Span) -> Span:
        return Span(self.source, self.start, other.end)

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def __str__(self) -> str:
        line, column = self.source.position(self.start)
        return f"{self.source.path}:{line}:{column}"

    __repr__ = __str__


@dataclass(frozen=True, slots=True)
class Label:
    """One place that matters, and what is there."""

    span: Span
    text: str = ""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One fault. `labels[0]` is where it is; the others are the places that it follows from."""

    code: str
    message: str
    labels: tuple[Label, ...] = ()
    expected: str = ""
    found: str = ""
    help: str = ""
    severity: str = "error"  # or "note", which fails nothing

    @property
    def place(self) -> str:
        return str(self.labels[0].span) if self.labels else ""

    def json(self) -> dict[str, object]:
        """The machine's form: what `--json` prints."""
        places: list[dict[str, object]] = []
        for label in self.labels:
            line, column = label.span.source.position(label.span.start)
            place = {"file": label.span.source.path, "line": line, "column": column}
            places.append({**place, "text": label.text})
        keys = ("code", "severity", "message", "expected", "found", "help")
        return {**{key: getattr(self, key) for key in keys}, "labels": places}


class SpecError(Exception):
    """A user's input is wrong: the diagnostics say how."""

    def __init__(self, diagnostics: Diagnostic | Sequence[Diagnostic]) -> None:
        if isinstance(diagnostics, Diagnostic):
            diagnostics = (diagnostics,)
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        super().__init__("\n".join(render(each) for each in self.diagnostics))


def fault(
    code: str,
    message: str,
    *places: Span | tuple[Span, str] | Label | None,
    expected: str = "",
    found: str = "",
    help: str = "",
) -> SpecError:
    """A SpecError of one diagnostic; a place is a span, or a span and what is there."""
    return SpecError(Diagnostic(code, message, labels(*places), expected, found, help))


def labels(*places: Span | tuple[Span, str] | Label | None) -> tuple[Label, ...]:
    made: list[Label] = []
    for place in places:
        if isinstance(place, Span):
            made.append(Label(place))
        elif isinstance(place, tuple):
            made.append(Label(*place))
        elif place is not None:
            made.append(place)
    return tuple(made)


@dataclass(slots=True)
class Report:
    """Collects diagnostics; the same code at the same place is said once."""

    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])
    _seen: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def add(self, diagnostic: Diagnostic) -> None:
        key = (diagnostic.code, diagnostic.place or diagnostic.message)
        if key not in self._seen:
            self._seen.add(key)
            self.diagnostics.append(diagnostic)

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        for each in diagnostics:
            self.add(each)

    def take_back(self, diagnostics: Iterable[Diagnostic]) -> None:
        for diagnostic in diagnostics:
            self.diagnostics.remove(diagnostic)
            self._seen.discard((diagnostic.code, diagnostic.place or diagnostic.message))

    @property
    def errors(self) -> list[Diagnostic]:
        return [each for each in self.diagnostics if each.severity == "error"]

    def raise_errors(self) -> None:
        if self.errors:
            raise SpecError(sorted(self.errors, key=_reading_order))


def _reading_order(diagnostic: Diagnostic) -> tuple[str, int]:
    if not diagnostic.labels:
        return ("", 0)
    span = diagnostic.labels[0].span
    return (span.source.path, span.start)


WIDTH = 96  # columns of a source line that are shown; a longer one is cut around its carets
MARGIN = 24  # of those, what stands before the first caret
LONGEST = 400  # characters of a message or an advice


def render(diagnostic: Diagnostic) -> str:
    """The text that a person reads: place, message, source lines with carets, then the advice."""
    head = f"{diagnostic.severity}[{diagnostic.code}]: {_short(diagnostic.message)}"
    if diagnostic.labels:
        head = f"{diagnostic.place}: {head}"
    lines = [head]
    width = max((len(str(_line_of(label))) for label in diagnostic.labels), default=1)
    shown: Source | None = None
    for source, number, marked in _by_line(diagnostic.labels):
        if shown is not source:
            if shown is not None:
                lines.append(f"{' ' * width} --> {marked[0][0].span}")
            lines.append(f"{' ' * width} |")
        shown = source
        for gutter, text in _shown_line(source, number, marked):
            lines.append(f"{gutter:>{width}} | {text}".rstrip())
    for word, text in (
        ("expected", diagnostic.expected),
        ("found", diagnostic.found),
        ("help", diagnostic.help),
    ):
        if text:
            indent = "\n" + " " * (width + 5 + len(word))
            lines.append(f"{' ' * width} = {word}: {indent.join(_short(text).splitlines())}")
    return "\n".join(lines)


Marked = list[tuple[Label, str]]  # labels with the character that underlines each


def _by_line(labels: Sequence[Label]) -> Iterator[tuple[Source, int, Marked]]:
    """Labels that follow one another on one line are shown under one copy of it."""
    group: Marked = []
    for index, label in enumerate(labels):
        if group:
            last = group[-1][0]
            if last.span.source is not label.span.source or _line_of(last) != _line_of(label):
                yield last.span.source, _line_of(last), group
                group = []
        group.append((label, "^" if index == 0 else "-"))
    if group:
        last = group[-1][0]
        yield last.span.source, _line_of(last), group


def _shown_line(source: Source, number: int, marked: Marked) -> Iterator[tuple[str, str]]:
    """A source line, or what of it surrounds the labels, then a row of carets for each label."""
    text = _visible(source.line(number))
    begin, end = 0, len(text)
    if end > WIDTH:
        starts = [_stretch(label, text)[0] for label, _ in marked]
        if max(starts) - min(starts) > WIDTH - 2 * MARGIN:  # too far apart for one cut
            for each in marked:
                yield from _shown_line(source, number, [each])
            return
        begin = max(0, min(starts) - MARGIN)
        end = min(end, begin + WIDTH)
    before, after = "…" if begin else "", "…" if end < len(text) else ""
    yield str(number), before + text[begin:end] + after
    for label, mark in marked:
        start, stop = _stretch(label, text)
        indent = " " * (len(before) + _columns(text[begin:start]))
        carets = mark * max(1, _columns(text[start : min(stop, end)]))
        yield "", f"{indent}{carets} {_short(label.text)}"


def _stretch(label: Label, text: str) -> tuple[int, int]:
    """The part of its first line that a label marks, as offsets in the line."""
    _, column = label.span.source.position(label.span.start)
    start = min(column - 1, len(text))
    return start, min(start + max(0, label.span.end - label.span.start), len(text))


def _columns(text: str) -> int:
    """How wide a terminal shows it: letters of East Asia take two columns, accents none."""
    if text.isascii():
        return len(text)
    import unicodedata  # few specs need its table

    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in text)
    return len(text) + wide - sum(unicodedata.combining(each) != 0 for each in text)


def _line_of(label: Label) -> int:
    return label.span.source.position(label.span.start)[0]


def _visible(text: str) -> str:
    """Tabs as one blank, so that carets stand under what they mean; control characters shown."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if c == "\t" else c if c.isprintable() else "�" for c in text)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """`did you mean "x"?` when a candidate is near, else nothing."""
    from difflib import get_close_matches  # a fault was found: its 3 ms are the user's gain

    known = sorted(set(candidates) - {name})
    plain = _plain(name)
    near = [each for each in known if _plain(each) == plain]
    near = near or get_close_matches(name, known, n=1, cutoff=0.65)
    return f"did you mean `{near[0]}`?" if near else ""


def _plain(name: str) -> str:
    """ReLU, re_lu and relu are the same to who looks for a name."""
    return name.replace("_", "").lower()
