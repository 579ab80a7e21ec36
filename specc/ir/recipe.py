"""How a column is made of text, step by step: a tree of what is read and what is done to it.

Graphs hold numbers; what stands between a source's text and its numbers is told by these. The
training executes them (`specc.training.texts`). Knows no syntax and reads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from specc.diagnostics import Span


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the source: a text a row, or `cut` already, tokens a row."""

    name: str
    train: bool = False  # the training rows alone
    cut: bool = False


class _Made:
    """What is made of another: of all rows or of the training rows, as that is."""

    __slots__ = ()
    of: Any

    @property
    def train(self) -> bool:
        return self.of.train


@dataclass(frozen=True, slots=True)
class Cut(_Made):
    """A text's tokens: its `characters`, its `words`, or the `fields` between separators."""

    of: Column
    how: str
    separator: str | None = None  # of fields; None is any white space


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens of the training rows, numbered: special ones first, then by falling count."""

    of: Column | Cut
    size: int | None
    unknown: bool
    padding: bool
    start: bool
    end: bool
    span: Span

    @property
    def special(self) -> list[str]:
        flags = (self.padding, self.unknown, self.start, self.end)
        return [name for name, wanted in zip(SPECIAL, flags, strict=True) if wanted]


SPECIAL = (PADDING, UNKNOWN, START, END) = ("<pad>", "<unk>", "<start>", "<end>")


@dataclass(frozen=True, slots=True)
class Lookup(_Made):
    """Tokens' numbers in a vocabulary: int[row] of whole texts, int[row, time] of cut ones."""

    vocabulary: Vocabulary
    of: Column | Cut

    @property
    def ragged(self) -> bool:
        return isinstance(self.of, Cut) or self.of.cut


@dataclass(frozen=True, slots=True)
class Lengths(_Made):
    """How many tokens each row has: int[row]."""

    of: Column | Cut | Lookup


@dataclass(frozen=True, slots=True)
class Equal(_Made):
    """Where a column's text is this one: bool[row]."""

    of: Column
    text: str


@dataclass(frozen=True, slots=True)
class Segments(_Made):
    """A split's rows one after another, cut into pieces of one length: int[segment, length]."""

    of: Lookup
    length: int
    stride: int
    span: Span


# Sources whose columns are known before they are read: of texts, or of tokens.
PYTHON = {
    "documentation": {"topic": "text", "text": "text"},
    "source": {"token": "tokens", "kind": "tokens"},
    "summaries": {"text": "text", "kind": "text"},
}
TEXT_FILE = {"text": "text"}

Text = Column | Cut  # what a vocabulary is made of
Dense = Lookup | Lengths | Equal | Segments  # what gives a rectangular array


__all__ = [
    "END",
    "PADDING",
    "SPECIAL",
    "START",
    "UNKNOWN",
    "Column",
    "Cut",
    "Dense",
    "Equal",
    "Lengths",
    "Lookup",
    "Segments",
    "Text",
    "Vocabulary",
]  # fmt: skip
