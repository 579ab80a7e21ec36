"""What users bring along from Python and its neighbours: told what it is here, and put right.

Works on tokens, so that a statement with two such habits gets two answers and its rest is read.
Runs only on files that the parser has refused.
"""

from __future__ import annotations

import re

from specc.diagnostics import Diagnostic, Report, Source, Span, labels
from specc.language.automaton import END
from specc.language.layout import OPERANDS, Tokens

# Two tokens that touch, or a character that is no token: what stands for them here, and the help.
PAIRS = {
    ("*", "*"): ("^", "a power is written `x^2`"),
    (":", "="): ("=", "a name is bound by `=`"),
    ("=", ">"): ("->", "a pipeline is written `x -> f`"),
    ("<", ">"): ("!=", "`!=` means unequal"),
    ("==", "="): ("==", "`==` compares"),
    ("!=", "="): ("!=", "`!=` means unequal"),
    **{
        (operator, "="): ("=", f"write it out: `x = x {operator} ...`")
        for operator in ("+", "-", "*", "/", "//", "%", "@", "^")
    },
}
CHARACTERS = {
    "&": ("and", "write `and`; it works on bool tensors too"),
    "|": ("or", "write `or`; it works on bool tensors too; a pipeline is `x -> f`"),
    "~": ("not", "write `not`; it works on bool tensors too"),
    "!": ("not", "write `not`"),
}
# What stands in copied texts for a sign of the language.
LOOKALIKES = {
    "–": "-", "—": "-", "−": "-", "×": "*", "·": "*", "÷": "/", "≤": "<=", "≥": ">=", "≠": "!=",
    "→": "->",
}  # fmt: skip
LITERALS = {"True": "true", "False": "false", "None": "none"}
# A word at a statement's beginning, with another word after it.
BEGINNINGS = {
    "def": ("function", "`function name(x) { ... }`, or `function name(x) = ...`"),
    "func": ("function", "`function name(x) { ... }`"),
    "fn": ("function", "`function name(x) { ... }`"),
    "class": ("layer", "`layer Name(hyper: int) { ... }` has parameters, `function` has none"),
    "let": ("", "a name is bound by `name = ...` alone"),
    "var": ("", "a name is bound by `name = ...` alone"),
    "const": ("", "a name is bound by `name = ...` alone"),
    "elif": ("else if", "write `else if`"),
    "elseif": ("else if", "write `else if`"),
    "while": ("if", "a model's loops are `repeat n { ... }`: their rounds are known when compiled"),
}

_quoted = re.compile(r"'[^'\n]*'|[“”„][^“”\n]*[“”]")
_word = re.compile(r"\w*")


def respelt(source: Source, tokens: Tokens, report: Report) -> str:
    """The text with a `;` as a line's end and 'texts' in double quotes; no place changes."""
    made = list(source.text)
    end = 0
    for kind, value, start in zip(tokens.kinds, tokens.values, tokens.starts, strict=True):
        if kind != "WRONG" or start < end:
            continue
        if value == ";":
            help = "a statement ends with its line: take the `;` away"
            place = Span(source, start, start + 1)
            message = "no `;` ends a statement"
            report.add(Diagnostic("S004", message, labels(place), help=help))
            made[start] = "\n"
        elif value in "'“”„" and (quoted := _quoted.match(source.text, start)):
            end = quoted.end()
            help = f'"{source.text[start + 1 : end - 1]}"'
            message = "a text stands in plain double quotes"
            place = Span(source, start, end)
            report.add(Diagnostic("S006", message, labels(place), help=help))
            made[start] = made[end - 1] = '"'
    return "".join(made)


def put_right(source: Source, tokens: Tokens, report: Report) -> Tokens:
    """The tokens with every foreign one replaced by what it means here, and reported."""
    return _Mender(source, tokens, report).run()


class _Mender:
    def __init__(self, source: Source, tokens: Tokens, report: Report) -> None:
        self.source = source
        self.report = report
        self.old = tokens
        self.new = Tokens()
        self.at = 0

    def run(self) -> Tokens:
        old, new = self.old, self.new
        while self.at < len(old.kinds):
            kind = old.kinds[self.at]
            if kind == "NEWLINE" and old.kinds[self.at + 1] == "{":
                place = old.starts[self.at + 1]
                message = "a block's `{` stands on the line of its header"
                self._say("S019", message, place, place + 1)
                self.at += 1
                kind = "{"
            if not (self._pair() or (kind == "WRONG" and self._wrong()) or self._word(kind)):
                new.add(kind, old.values[self.at], old.starts[self.at], old.ends[self.at])
                self.at += 1
        new.deep = old.deep
        return new

    def _say(self, code: str, message: str, start: int, end: int, help: str = "") -> None:
        places = labels(Span(self.source, start, end))
        self.report.add(Diagnostic(code, message, places, help=help))

    def _pair(self) -> bool:
        old, at = self.old, self.at
        if at + 1 >= len(old.kinds) or old.ends[at] != old.starts[at + 1]:
            return False
        kind, following = old.kinds[at], old.kinds[at + 1]
        if kind == "NUMBER" and following in ("NAME", "PRIMED"):
            start, end = old.starts[at], old.ends[at + 1]
            text = self.source.text[start:end]
            self._say("S007", f"`{text}` is no number", start, end, "as in 200, 10_000, 1e-3, .5")
            self.new.add("NUMBER", "0", start, end)
            self.at += 2
            return True
        meaning, help = PAIRS.get((kind, following), ("", ""))
        if not help:
            return False
        start, end = old.starts[at], old.ends[at + 1]
        self._say("S010", f"there is no `{kind}{following}` here", start, end, help)
        self.new.add(meaning, meaning, start, end)
        self.at += 2
        return True

    def _wrong(self) -> bool:
        old, at, text = self.old, self.at, self.source.text
        start, character = old.starts[at], old.values[at]
        if character in LITERALS:
            meaning = LITERALS[character]
            message = f"`{character}` is written `{meaning}` here"
            self._say("S011", message, start, old.ends[at])
            self._replace(meaning, old.ends[at])
        elif character in CHARACTERS:
            end = start + (2 if text[start : start + 2] == character * 2 else 1)
            meaning, help = CHARACTERS[character]
            self._say("S010", f"there is no `{text[start:end]}` here", start, end, help)
            if meaning == "not" and self.new.kinds and self.new.kinds[-1] in OPERANDS:
                self._skip(end)
            else:
                self._replace(meaning, end)
        elif character in LOOKALIKES:
            meaning = LOOKALIKES[character]
            message = f"`{character}` has no meaning here"
            self._say("S013", message, start, start + 1, f"write `{meaning}`")
            self._replace(meaning, start + 1)
        elif character == '"':
            self._open_text(start)
        elif len(character) > 1:
            end = old.ends[at]
            help = "a name has letters, digits and `_`; a power is written `x^2`"
            self._say("S013", f"`{character}` is no name", start, end, help)
            self.new.add("NAME", character, start, end)
            self._skip(end)
        else:
            help = ""
            if character == "\\":
                help = "a line goes on by itself inside brackets, after an operator and before `->`"
            elif character == "'":
                help = "h' is the next value of a state h: the prime touches its name"
            self._say("S013", f"{described(character)} has no meaning here", start, start + 1, help)
            self._skip(start + 1)
        return True

    def _open_text(self, start: int) -> None:
        """A quote without its partner: a text to the end of its line, or a doc without end."""
        text, new = self.source.text, self.new
        if text[start - 2 : start + 1] == '"""' and new.kinds and new.values[-1] == '""':
            message = 'this doc is never closed by `"""`'
            self._say("S006", message, start - 2, start + 1)
            self._take_back()
            self._skip(len(text))
            return
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        help = "a text ends on its line; a line break in it is written `\\n`"
        self._say("S006", 'this text is never closed by `"`', start, end, help)
        new.add("STRING", '""', start, end)
        self._skip(end)

    def _word(self, kind: str) -> bool:
        old, at = self.old, self.at
        if kind not in ("NAME", "for"):
            return False
        word, start, end = old.values[at], old.starts[at], old.ends[at]
        before = self.new.kinds[-1] if self.new.kinds else "NEWLINE"
        following = old.kinds[at + 1]
        beginning = before in ("NEWLINE", "{", "}", "COMMENT", "DOC")
        if kind == "for":
            if not beginning:
                return False
            self._say(
                "S011", "a loop is a `repeat` here", start, end, "`repeat i in range(n) { ... }`"
            )
            self._replace("repeat", end)
            return True
        if word == "is" and before in OPERANDS and following != "NEWLINE":
            if following == "not":
                end = old.ends[at + 1]
            message = f"there is no `{self.source.text[start:end]}` here"
            self._say("S011", message, start, end, "`==` and `!=` compare, with `none` too")
            self._replace("!=" if following == "not" else "==", end)
            return True
        if word == "lambda" and before not in OPERANDS and following in ("NAME", ":"):
            help = "a function is an item: `function f(x) = ...`, then its name"
            self._say("S011", "there is no `lambda` here", start, end, help)
            self.new.add("NAME", word, start, end)
            stop = at
            while old.kinds[stop] not in (":", "NEWLINE", "}", END):
                stop += 1
            while old.kinds[stop] not in (",", ")", "]", "NEWLINE", "}", END):
                stop += 1
            self.at = stop
            return True
        if word in BEGINNINGS and beginning and following in ("NAME", "true", "false", "not"):
            meaning, help = BEGINNINGS[word]
            self._say("S011", f"there is no `{word}` here", start, end, help)
            if meaning.startswith("else") and self.new.kinds[-2:] == ["}", "NEWLINE"]:
                self._take_back()
                before = "}"
            if before != "}" and meaning.startswith("else"):
                meaning = "if"
            for each in meaning.split():
                self.new.add(each, each, start, end)
            self.at += 1
            return True
        return False

    def _take_back(self) -> None:
        for each in (self.new.kinds, self.new.values, self.new.starts, self.new.ends):
            each.pop()

    def _replace(self, kind: str, end: int) -> None:
        self.new.add(kind, kind, self.old.starts[self.at], end)
        self._skip(end)

    def _skip(self, end: int) -> None:
        """To the first token that begins at `end` or later."""
        while self.old.starts[self.at] < end and self.old.kinds[self.at] != END:
            self.at += 1


def described(character: str) -> str:
    """A character as a message shows it: a control character by its number."""
    if character.isprintable() and character.strip():
        return f"`{character}`"
    import unicodedata

    name = unicodedata.name(character, "a control character").lower()
    return f"U+{ord(character):04X} ({name})"
