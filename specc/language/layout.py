"""From text to the tokens that the grammar speaks of: words, lines and comments put in place.

Knows where statements begin and end, and nothing of what stands between.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from specc import limits
from specc.language.automaton import END, Tables

# A line that ends in one of these goes on.
CONTINUES = frozenset(", = -> + - * / // % @ ^ == != < <= > >= and or".split())
# After one of these no name can stand, so that `on` and `import` are keywords there.
OPERANDS = frozenset("NAME PRIMED NUMBER STRING INDEX ) ] true false none".split())
HEAD = frozenset({"DOC", "COMMENT", "NEWLINE", "language", "NUMBER"})  # before a file's items
FOREIGN_LITERALS = ("True", "False", "None")  # no names here: who writes them means ours
INNER = frozenset({"on", "list"})  # keywords that begin no statement

CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")  # no text has these: editors hide them
# What follows a word that is a name although it looks like a keyword.
_after_a_name = re.compile(r"[(\[.]|[ \t\r]*(?:=(?!=)|,|:|\.(?!\d))|(?:\s|#[^\n]*\n)*->")

_element_type = re.compile(r"[ \t]+(?!(?:if|else|and|or|as|in|for|not)\b)[^\W\d]")


class Tokens:
    """Parallel lists: token i has a kind, a value, and its place [start, end) in the text.

    The value of NEWLINE and `{` is the comment at the line's end; of a COMMENT its text, which is
    empty for a blank line. That of a `->` which begins a line is a newline and the comments before.
    """

    __slots__ = ("deep", "ends", "kinds", "starts", "values")

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.values: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.deep = False  # something may be nested too deeply: look closer

    def add(self, kind: str, value: str, start: int, end: int) -> None:
        self.kinds.append(kind)
        self.values.append(value)
        self.starts.append(start)
        self.ends.append(end)

    def insert(self, at: int, kind: str, value: str, place: int) -> None:
        self.kinds.insert(at, kind)
        self.values.insert(at, value)
        self.starts.insert(at, place)
        self.ends.insert(at, place)


class Layout:
    """The lexer of one grammar."""

    def __init__(self, tables: Tables) -> None:
        self._scan = re.compile(tables.pattern).finditer
        self._reserved = {word: word for word in tables.reserved}
        self._reserved |= dict.fromkeys(FOREIGN_LITERALS, "WRONG")
        self._soft = frozenset(tables.soft) - INNER

    def tokens(
        self, text: str, start: int, end: int, closed: Mapping[int, str] = {}, fresh: bool = True
    ) -> Tokens:
        """The tokens of text[start:end]; `fresh` says that a statement can begin there.

        `closed` has brackets to supply before certain places.
        """
        lines = _Lines(text)
        tokens = lines.tokens
        add = tokens.add
        reserved, soft = self._reserved, self._soft
        ascii_only = text.isascii()
        gap: list[tuple[str, int, int]] = []  # the newlines and comments since the last token
        last = ""
        for match in self._scan(text, start, end):
            kind = match.lastgroup
            assert kind is not None
            begin, stop = match.span(kind)
            value = text[begin:stop]
            if begin in closed:
                last = lines.close(closed[begin], begin)
            if kind == "NEWLINE" or kind == "COMMENT":
                gap.append((kind, begin, stop))
                continue
            if kind == "LITERAL":
                kind = value
            elif kind == "NAME" or kind == "PRIMED":
                if not ascii_only:
                    value = unicodedata.normalize("NFC", value)
                    if not value.rstrip("'").isidentifier():
                        kind = "WRONG"
                kind = reserved.get(value, kind)
            if gap and kind == "->":
                value = lines.broken_arrow(gap)
                fresh = False
                gap.clear()
            elif gap or kind == "}":
                fresh = lines.cross(gap, kind, begin)
                gap.clear()
            if kind == "NAME":
                if fresh:
                    if value in soft and not _after_a_name.match(text, stop, end):
                        kind = value
                elif last in OPERANDS and (value == "on" or value == "import"):
                    kind = value
                elif last == ":" and value == "list" and _element_type.match(text, stop, end):
                    kind = value
            elif kind == "(" or kind == "[":
                lines.brackets += 1
                lines.deepen()
            elif (kind == ")" or kind == "]") and lines.brackets:
                lines.brackets -= 1
            elif kind == "{":
                lines.open_block(begin, stop)
                fresh, last = True, kind
                continue
            elif kind == "}":
                lines.close_block()
            fresh = kind == "DOC"
            add(kind, value, begin, stop)
            last = kind
        lines.close(closed.get(end, ""), end)
        lines.cross(gap, END, end)
        add(END, "", end, end)
        return tokens


class _Lines:
    """Puts the ends of statements, and the comments and blank lines between them, into tokens."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = Tokens()
        self.brackets = 0
        self._blocks: list[int] = []  # how deep each counts: an `else if` is within its `if`
        self._depth = 0  # their sum
        self._closed = 0  # how deep the block counted that closed last
        self._statement = 0  # where in the tokens the present statement begins
        self._hoisted: list[tuple[str, int]] = []  # comments within it
        self._file_doc = False  # the file's first doc was seen, be it the file's or an item's

    def deepen(self) -> None:
        if self._depth + self.brackets > limits.NESTING.value:
            self.tokens.deep = True

    def close(self, brackets: str, place: int) -> str:
        for bracket in brackets:
            self.tokens.add(bracket, bracket, place, place)
        self.brackets -= len(brackets)
        return brackets[-1:]

    def open_block(self, start: int, end: int) -> None:
        tokens = self.tokens
        depth = 1
        if self._after_else():
            depth += self._closed
            tokens.add("{", "", start, end)
            self._emit_hoisted(len(tokens.kinds))
        else:
            self._emit_hoisted(self._statement)
            tokens.add("{", "", start, end)
        self._blocks.append(depth)
        self._depth += depth
        self.deepen()
        self._statement = len(tokens.kinds)

    def close_block(self) -> None:
        self._closed = self._blocks.pop() if self._blocks else 0
        self._depth -= self._closed

    def broken_arrow(self, gap: list[tuple[str, int, int]]) -> str:
        """The value of a `->` that begins a line: what the line before says, then those between."""
        trailing = ""
        if gap[0][0] == "COMMENT":
            trailing = self._said(gap.pop(0)).strip()
        between = [self._said(each) for each in gap if each[0] == "COMMENT"]
        return "\n".join(["", trailing, *between])

    def cross(self, gap: list[tuple[str, int, int]], kind: str, begin: int) -> bool:
        """From the last token over a gap to one of `kind`; says if that begins a statement."""
        tokens = self.tokens
        kinds = tokens.kinds
        last = kinds[-1] if kinds else ""
        if self.brackets > 0 or last in CONTINUES or (kind, last) == ("else", "}"):
            self._hoist(gap)
            if kind == END and not self.brackets:
                tokens.add("NEWLINE", "", begin, begin)
            return False
        if not gap and (last == "" or last == "{"):
            return True
        trailing = ""
        if gap and gap[0][0] == "COMMENT" and last not in ("", "}", "DOC"):
            trailing = self._said(gap.pop(0)).strip()
        if last == "DOC" and not self._ends_file_doc(gap, kind):
            self._hoist(gap)
            self._emit_hoisted(self._statement)
            return True
        if last == "{":
            tokens.values[-1] = trailing
        elif last:
            at = tokens.ends[-1]
            if len(kinds) - self._statement > limits.EXPRESSION.value:
                tokens.deep = True
            self._emit_hoisted(self._statement)
            tokens.add("NEWLINE", trailing, at, at)
        self._between(gap, kind, begin)
        self._statement = len(kinds)
        return True

    def _between(self, gap: list[tuple[str, int, int]], kind: str, begin: int) -> None:
        """Comments on lines of their own, and one blank line of several, not at a block's ends."""
        tokens = self.tokens
        blank = False
        for each in gap:
            what, start, end = each
            if what == "NEWLINE":
                blank = self.text.count("\n", start, end) > 1
                continue
            if blank and tokens.kinds and tokens.kinds[-1] != "{":
                tokens.add("COMMENT", "", start, start)
            tokens.add("COMMENT", self._said(each), start, end)
            blank = False
        if blank and tokens.kinds and tokens.kinds[-1] != "{" and kind not in ("}", END):
            tokens.add("COMMENT", "", begin, begin)

    def _ends_file_doc(self, gap: list[tuple[str, int, int]], kind: str) -> bool:
        """A doc at the head of a file, followed by a blank line, another doc or nothing."""
        if self._file_doc:
            return False
        self._file_doc = True
        if not HEAD.issuperset(self.tokens.kinds):
            return False
        if kind in ("DOC", END):
            return True
        first = next((each for each in gap if each[0] == "NEWLINE"), None)
        return first is not None and self.text.count("\n", first[1], first[2]) > 1

    def _after_else(self) -> bool:
        kinds = self.tokens.kinds
        at = len(kinds) - 1
        while at > 0 and kinds[at] not in ("else", "NEWLINE", "{", "}"):
            at -= 1
        return at > 0 and kinds[at] == "else" and kinds[at - 1] == "}"

    def _said(self, comment: tuple[str, int, int]) -> str:
        """What a comment says; a bare `#` says one blank, because nothing is a blank line."""
        said = self.text[comment[1] + 1 : comment[2]].rstrip()
        return said.removeprefix(" ") or " "

    def _hoist(self, gap: list[tuple[str, int, int]]) -> None:
        self._hoisted += [(self._said(each), each[1]) for each in gap if each[0] == "COMMENT"]

    def _emit_hoisted(self, at: int) -> None:
        for said, place in self._hoisted:
            self.tokens.insert(at, "COMMENT", said, place)
            at += 1
        self._statement += len(self._hoisted)
        self._hoisted.clear()
