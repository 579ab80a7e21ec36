"""What to tell who wrote a token that can't stand where it stands.

Speaks of the text, never of the grammar's names. Runs only on files that the parser has refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from specc.diagnostics import Diagnostic, Span, did_you_mean, labels
from specc.language.automaton import END
from specc.language.layout import CONTINUES, OPERANDS, Tokens

if TYPE_CHECKING:
    from specc.language.parse import Parser

COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
STARTS = frozenset({"NAME", "PRIMED", "NUMBER", "STRING", "true", "false", "none"})  # an operand
DECLARED = frozenset({"input", "given", "target", "param", "state"})
ONLY_ITEMS = frozenset(
    {"import", "expect", "language", "function", "activation", "init", "layer", "cell"}
)
DEFINED = frozenset({"loss", "metric", "schedule", "optimizer", "model", "data", "train"})
OPERATORS = COMPARISONS | frozenset("or and + - * / // % @ ^".split())
BLOCKS = frozenset({"layer", "cell", "model", "optimizer", "data", "train"})
# The order in which what could stand there is told, and how.
PHRASES = {
    "NUMBER": "an expression",
    "NAME": "a name",
    "STRING": "a text in double quotes",
    "=": "`=`",
    ":": "`:`",
    ",": "`,`",
    ")": "`)`",
    "]": "`]`",
    "{": "`{`",
    "}": "`}`",
    "NEWLINE": "the end of the line",
}
FOUND = {"NEWLINE": "the end of the line", END: "the end of the file", "COMMENT": "a comment"}


def explain(parser: Parser, tokens: Tokens, at: int) -> Diagnostic:
    """The diagnostic for a token that the parser refuses."""
    return _Fault(parser, tokens, at).diagnostic()


class _Fault:
    def __init__(self, parser: Parser, tokens: Tokens, at: int) -> None:
        self.parser = parser
        self.tokens = tokens
        self.at = at
        self.kind = tokens.kinds[at]
        self.before = tokens.kinds[at - 1] if at else ""
        self.begin = statement_start(tokens, at)
        self.first = tokens.kinds[self.begin]
        self.in_body = any(value == "{" for value in _open_blocks(tokens, at))

    def diagnostic(self) -> Diagnostic:
        rules = (
            self._misplaced_statement,
            self._unfinished_line,
            self._chained_comparison,
            self._binding_of_no_name,
            self._colon_block,
            self._stage,
            self._operator_word,
            self._unknown_statement,
            self._two_in_a_row,
            self._missing_value,
        )
        for rule in rules:
            found = rule()
            if found is not None:
                return found
        return self._generic()

    # ── tools ────────────────────────────────────────────────────────────────────────────────────
    def _place(self, at: int) -> Span:
        start, end = self.tokens.starts[at], self.tokens.ends[at]
        return Span(self.parser.source, start, max(end, start + 1))

    def _text(self, at: int) -> str:
        text = self.parser.source.text[self.tokens.starts[at] : self.tokens.ends[at]]
        return text if len(text) <= 40 else text[:37] + "..."

    def _accepts(self, kind: str) -> bool:
        return self.parser.accepts(kind)

    def _found(self) -> str:
        if self.kind in FOUND:
            return FOUND[self.kind]
        word = {"NAME": "the name ", "NUMBER": "the number ", "STRING": "the text "}
        return f"{word.get(self.kind, '')}`{self._text(self.at)}`"

    def _say(
        self,
        code: str,
        message: str,
        note: str = "",
        *others: tuple[Span, str] | None,
        help: str = "",
    ) -> Diagnostic:
        places = labels((self._place(self.at), note), *others)
        return Diagnostic(code, message, places, help=help)

    def _continued(self) -> tuple[Span, str] | None:
        """What made the line before go on into this one."""
        text = self.parser.source.text
        for at in range(self.at - 1, self.begin - 1, -1):
            if "\n" in text[self.tokens.ends[at] : self.tokens.starts[at + 1]]:
                if self.tokens.kinds[at] in CONTINUES:
                    return self._place(
                        at
                    ), f"the line ends in `{self.tokens.kinds[at]}`, so goes on"
                return None
        return None

    # ── rules, the more particular first ─────────────────────────────────────────────────────────
    def _misplaced_statement(self) -> Diagnostic | None:
        kind, word = self.kind, self._text(self.at)
        if self.at == self.begin:
            if kind == "else":
                return self._say(
                    "S016", "this `else` follows no `if`", help="`} else {` on one line"
                )
            if kind == "DOC" or self.before == "DOC":
                return self._doc()
            if kind == "language":
                return self._say("S020", "`language` stands once, at the file's beginning")
            if kind in ONLY_ITEMS and self.in_body:
                message = f"`{word}` begins an item of the file: it can't stand in braces"
                block = self._block()
                note = (block, "inside this block") if block is not None else None
                return self._say(
                    "S016", message, "", note, help="move it out, or close the block before"
                )
            if not self.in_body and kind in DECLARED | {"gradient", "output"}:
                message = f"`{word}` belongs in the braces of a model, layer or cell"
                return self._say("S016", message)
            if not self.in_body and kind in ("source", "split"):
                return self._say("S016", f"`{word}` belongs in the braces of a `data` block")
            if not self.in_body and kind in ("return", "if", "repeat"):
                return self._say("S016", f"`{word}` belongs in the braces of an item")
            if not self.in_body and self._accepts("COMMENT") and kind in self._clauses():
                return self._say("S016", f"`{word}` belongs in the braces of a `train` block")
        if kind == "{" and self.in_body and self.first in DEFINED:
            message = f"`{self.first}` defines an item of the file: it can't stand in braces"
            return self._say("S016", message, "", (self._place(self.begin), ""))
        if kind == "NEWLINE" and self._accepts("{"):
            place = self._place(self.at - 1)
            message = f"`{self._text(self.begin)}` lacks its block in braces"
            if self._accepts("=") and self.first not in BLOCKS:
                message = f"`{self._text(self.begin)}` lacks `= ...`, or a block in braces"
            return Diagnostic("S019", message, labels(place), help="a block is `{ ... }`")
        return None

    def _doc(self) -> Diagnostic:
        at = self.at if self.kind == "DOC" else self.at - 1
        message = "this doc describes nothing"
        help = (
            "a doc stands directly before an item, a binding, a declaration or a clause;\n"
            "the file's own is its first, with a blank line after"
        )
        return Diagnostic("S017", message, labels(self._place(at)), help=help)

    def _unfinished_line(self) -> Diagnostic | None:
        """`x = a +`, and the next statement is taken for the rest."""
        first = self.at - 1  # of the line, the one before what can't follow it
        text = self.parser.source.text
        if first <= self.begin or self.tokens.kinds[first - 1] not in CONTINUES:
            return None
        if "\n" not in text[self.tokens.ends[first - 1] : self.tokens.starts[first]]:
            return None
        if self.kind not in STARTS | {"=", ":"} or self._in_brackets():
            return None
        sign = self.tokens.kinds[first - 1]
        rest = (self._place(first), "so this line is taken for its rest")
        places = labels(self._place(first - 1), rest)
        return Diagnostic("S001", f"nothing follows this `{sign}` on its line", places)

    def _chained_comparison(self) -> Diagnostic | None:
        if self.kind not in COMPARISONS or not self._accepts("and"):
            return None
        depth, at = 0, self.at - 1
        while at > self.begin:
            kind = self.tokens.kinds[at]
            depth += (kind in (")", "]")) - (kind in ("(", "["))
            if depth == 0 and kind in COMPARISONS:
                break
            at -= 1
        help = "two comparisons are joined by `and`: `a < b and b < c`"
        note = (self._place(at), "the first comparison")
        return self._say("S012", "comparisons can't be chained", "the second", note, help=help)

    def _binding_of_no_name(self) -> Diagnostic | None:
        if self.kind != "=":
            return None
        if self.first in ("if", "return", "expect", "repeat"):
            return self._say("S015", "`=` binds a name; it can't stand here", help="`==` compares")
        continued = self._continued()
        if "=" in self.tokens.kinds[self.begin : self.at] and not self._in_brackets():
            at = self.tokens.kinds.index("=", self.begin)
            note = continued or (self._place(at), "the first `=`")
            return self._say("S015", "a statement binds once: this is its second `=`", "", note)
        place = Span(
            self.parser.source, self.tokens.starts[self.begin], self.tokens.ends[self.at - 1]
        )
        if self._in_brackets():
            help = "an argument is named by one word: `f(name = value)`"
            return self._say("S015", "only a word can name an argument", help=help)
        help = "values never change; bind a new name"
        if self.before == ")" and not self.in_body:
            help = f"a function is defined by `function {place.text} = ...`"
        message = f"`{place.text}` can't be bound: only names can"
        return Diagnostic("S015", message, labels(place, self._place(self.at)), help=help)

    def _colon_block(self) -> Diagnostic | None:
        if self.kind != ":" or self.tokens.kinds[self.at + 1] not in ("NEWLINE", "COMMENT", END):
            return None
        if not self._accepts("{"):
            return None
        return self._say("S019", "a block stands in braces, not after a colon", help="`{ ... }`")

    def _stage(self) -> Diagnostic | None:
        help = "a stage is a name, a call or an attribute: `x -> f`, `x -> f(2)`, `x -> block.f`"
        if self.before == "->" and self.kind in ("NEWLINE", "}", ")", "]", END):
            place = self._place(self.at - 1)
            return Diagnostic("S018", "no stage follows this `->`", labels(place), help=help)
        if self.before == "->":
            return self._say("S018", f"{self._found()} is no stage of a pipeline", help=help)
        if self.kind in OPERATORS and self._accepts("->") and not self._accepts(self.kind):
            help = "put the pipeline in parentheses: `(x -> f) + y`"
            return self._say("S018", f"`{self.kind}` can't follow a stage of a pipeline", help=help)
        if self.kind == "[" and self._accepts("as") and self._accepts("->"):
            return self._say("S018", "a stage of a pipeline can't be indexed", help=help)
        return None

    def _operator_word(self) -> Diagnostic | None:
        if self.kind == "as":
            help = (
                "`as` names a pipeline's stage, `x -> Linear(64) as fc1`; else `fc1 = Linear(64)`"
            )
            if self.first in ("import", "from"):
                help = '`import "blocks.nn"` brings `blocks.Encoder`, `from` the bare name'
            return self._say("S001", "`as` can't stand here", help=help)
        if self.kind in "+" and self._accepts("NUMBER"):
            return self._say("S010", "there is no `+` before a number", help="take it away")
        if self.kind == "*" and self._accepts("NUMBER"):
            return self._say("S010", "arguments can't be unpacked", help="name each of them")
        if self.kind == "," and self.before not in ("(", ",", "[") and self._in_brackets() == "(":
            opening = self._opening()
            if opening and self.tokens.kinds[opening - 1] not in OPERANDS:
                help = "several values are a list: `[a, b]`"
                return self._say("S010", "there are no tuples", help=help)
        if self.kind == "{" and self._accepts("NUMBER"):
            return self._say("S010", "there are no dictionaries or sets", help="a list is `[a, b]`")
        if (
            self.kind.isalpha()
            and self.kind in self.parser.grammar.tables.reserved
            and self._accepts("NAME")
        ):
            if not self._accepts("NUMBER") or self.kind in ("as", "in", "for", "repeat", "return"):
                message = f"`{self.kind}` is a word of the language: it can't be a name"
                return self._say("S001", message, help="choose another name")
        return None

    def _unknown_statement(self) -> Diagnostic | None:
        """`foo bar`: a word that begins no statement."""
        kind_begins = self.first == "NAME" and self.at == self.begin + 1
        if not kind_begins or self.kind not in STARTS | {"{", "[", "-", "not"}:
            return None
        if self.tokens.ends[self.begin] == self.tokens.starts[self.at]:
            return None
        word = self._text(self.begin)
        place = self._place(self.begin)
        help = did_you_mean(word, self._clauses() if self.in_body else ONLY_ITEMS | DEFINED)
        return Diagnostic("S014", f"`{word}` begins no statement", labels(place), help=help)

    def _two_in_a_row(self) -> Diagnostic | None:
        """An operand where an operator should be, or a second statement."""
        begins_operand = self.kind in STARTS or self.kind in ("return", "if", "repeat", "(", "[")
        if self.before == "}" and self.kind != "else":
            message = "a second statement on the line"
            return self._say("S004", message, help="begin it on a line of its own")
        ended = self.before in OPERANDS and self._accepts("NEWLINE")
        if ended and begins_operand and not self._in_brackets():
            following = self.tokens.kinds[self.at + 1]
            if self.kind not in STARTS or (
                self.kind in ("NAME", "PRIMED") and following in ("=", ",", ":")
            ):
                message = "a second statement on the line"
                return self._say("S004", message, help="begin it on a line of its own")
        if self.before in OPERANDS and self.kind in STARTS and self._accepts("+"):
            between = f"`{self._text(self.at - 1)}` and `{self._text(self.at)}`"
            separator = " or a comma" if self._in_brackets() else ""
            message = f"an operator{separator} is missing between {between}"
            return self._say("S001", message, "", self._continued())
        if self.before == "NAME" and self.kind == "NAME" and self._accepts(":"):
            name, type = self._text(self.at - 1), self._text(self.at)
            help = f"a type stands after a colon: `{name}: {type}`"
            return self._say("S001", "a colon is missing before the type", help=help)
        return None

    def _missing_value(self) -> Diagnostic | None:
        if self.kind != "NEWLINE" or not self._accepts("NAME"):
            return None
        place = self._place(self.at - 1)
        word = self._text(self.at - 1)
        if self.at - 1 == self.begin:
            what = "a value" if self._accepts("NUMBER") else "a name"
            return Diagnostic("S001", f"`{word}` lacks {what}", labels(place))
        return None

    def _generic(self) -> Diagnostic:
        expected = [phrase for kind, phrase in PHRASES.items() if self._accepts(kind)]
        if "an expression" in expected:
            expected = [
                each for each in expected if each not in ("a name", "a text in double quotes")
            ]
        elif self._accepts("+") and not self._accepts("NUMBER"):
            expected.insert(0, "an operator")
        listed = (
            ", ".join(expected[:-1]) + (" or " if expected[1:] else "") + "".join(expected[-1:])
        )
        found = self._found()
        places = labels(self._place(self.at), self._continued())
        return Diagnostic("S001", f"{found} can't stand here", places, expected=listed, found=found)

    # ── where the fault is ───────────────────────────────────────────────────────────────────────
    def _clauses(self) -> frozenset[str]:
        return frozenset(self.parser.grammar.tables.soft) - ONLY_ITEMS | {"return", "repeat", "if"}

    def _opening(self) -> int | None:
        """The bracket that is open here."""
        depth = 0
        for at in range(self.at - 1, self.begin - 1, -1):
            kind = self.tokens.kinds[at]
            depth += (kind in (")", "]")) - (kind in ("(", "["))
            if depth < 0:
                return at
        return None

    def _in_brackets(self) -> str:
        opening = self._opening()
        return self.tokens.kinds[opening] if opening is not None else ""

    def _block(self) -> Span | None:
        """The header's first word of the block that is open here."""
        depth = 0
        for at in range(self.at - 1, -1, -1):
            kind = self.tokens.kinds[at]
            depth += (kind == "}") - (kind == "{")
            if depth < 0:
                return self._place(statement_start(self.tokens, at))
        return None


def statement_start(tokens: Tokens, at: int) -> int:
    """The first token of the statement that the token at `at` stands in."""
    while at > 0 and tokens.kinds[at - 1] not in ("NEWLINE", "{", "}", "COMMENT", "DOC"):
        at -= 1
    return at


def _open_blocks(tokens: Tokens, at: int) -> list[str]:
    blocks: list[str] = []
    for kind in tokens.kinds[:at]:
        if kind == "{":
            blocks.append(kind)
        elif kind == "}" and blocks:
            blocks.pop()
    return blocks
