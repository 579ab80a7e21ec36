"""Reads on after a fault, so that one run reports every fault of a file.

Runs only on files that the parser has refused. A statement that can't be read is left out. A block
whose header can't be read is read as if it belonged to an `if`; if it is a whole item, to one
without a name, which transform.py leaves out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from specc.diagnostics import Diagnostic, Span, labels
from specc.language.automaton import END
from specc.language.brackets import balanced, unclosed
from specc.language.explain import DEFINED, ONLY_ITEMS, explain, statement_start
from specc.language.foreign import described, put_right, respelt
from specc.language.layout import CONTINUES, CONTROL, Tokens

WITHIN = CONTINUES | {"(", "["}  # after one of these no block begins

if TYPE_CHECKING:
    from specc.language.parse import Parser


def recover(parser: Parser, tokens: Tokens) -> None:
    """Parses to the end of the file, whatever it takes; the parser's report says what was wrong."""
    source, report = parser.source, parser.report
    _control_characters(parser)
    text = respelt(source, tokens, report)
    start = 1 if text.startswith("\ufeff") else 0
    tokens = parser.grammar.layout.tokens(text, start, len(text))
    ends = unclosed(source, tokens, report)
    if ends:
        tokens = parser.grammar.layout.tokens(text, start, len(text), ends)
    tokens = balanced(source, put_right(source, tokens, report), report)
    at = parser.run(tokens)
    while at >= 0:
        fault = explain(parser, tokens, at)
        report.add(fault)
        if report.full:
            _give_up(parser, tokens)
            return
        if fault.code == "S019":
            at = _past_indented(parser, tokens, at)
        at = _resume(parser, tokens, at)


def _resume(parser: Parser, tokens: Tokens, at: int) -> int:
    """Leaves the present statement out and reads on; where the next fault is, or -1."""
    kinds = tokens.kinds
    stop = at
    if at and kinds[at - 1] == "DOC":  # the fault is the doc: what follows it may be sound
        _to_statement(parser)
        following = parser.run(tokens, at)
        if following != at:
            return following
    begin = statement_start(tokens, at)
    if at and kinds[at - 1] == "NEWLINE" and kinds[at] not in ("{", "}", END):
        stop += 1  # the fault is the statement's first word
    while kinds[stop] not in ("NEWLINE", "}", END):
        if kinds[stop] == "{":
            if kinds[stop - 1] not in WITHIN:
                break
            stop = kinds.index("}", stop)  # of a dictionary
        stop += 1
    _to_statement(parser)
    in_body = parser.accepts("}")
    if kinds[stop] == "{":
        header = "if NAME {" if kinds[begin] in ONLY_ITEMS | DEFINED else "if true {"
        _feed(parser, header if in_body else "layer NAME {")
        stop += 1
    elif kinds[stop] == "NEWLINE" or (kinds[stop] == "}" and not in_body):
        stop += 1
    elif kinds[stop] == END and in_body:
        while parser.accepts("}"):
            _feed(parser, "} NEWLINE")
            _to_statement(parser)
    return parser.run(tokens, stop)


def _past_indented(parser: Parser, tokens: Tokens, at: int) -> int:
    """The end of the lines that are further in than a header without braces: meant as its block."""
    position = parser.source.position
    line, _ = position(tokens.starts[at])
    begin = at
    while begin and position(tokens.starts[begin - 1])[0] == line:
        begin -= 1
    edge = position(tokens.starts[begin])[1]
    end = at
    while tokens.kinds[at] not in ("{", "}", END):
        if tokens.kinds[at] == "NEWLINE":
            end = at
            if position(tokens.starts[at + 1])[1] <= edge:
                break
        at += 1
    return end


def _to_statement(parser: Parser) -> None:
    """Takes what was read of the present statement from the stack; a statement can begin then."""
    while not parser.accepts("COMMENT"):
        del parser.states[-1], parser.values[-1], parser.starts[-1]
    _feed(parser, "COMMENT")


def _feed(parser: Parser, words: str) -> None:
    """Hands the parser tokens that are not in the text."""
    made = Tokens()
    place = parser.starts[-1]
    for word in words.split():
        made.add(word, "" if word in ("COMMENT", "NAME", "NEWLINE", "{") else word, place, place)
    made.add("WRONG", "", place, place)
    assert parser.run(made) == len(made.kinds) - 1, words


def _control_characters(parser: Parser) -> None:
    source = parser.source
    for match in CONTROL.finditer(source.text):
        place = Span(source, match.start(), match.end())
        message = f"{described(match.group())} can't stand in a spec"
        help = "it can't be seen in most editors: delete it"
        parser.report.add(Diagnostic("S013", message, labels(place), help=help))
        if parser.report.full:
            return


def _give_up(parser: Parser, tokens: Tokens) -> None:
    """Ends the parse where it stands."""
    _to_statement(parser)
    while parser.accepts("}"):
        _feed(parser, "} NEWLINE")
        _to_statement(parser)
    end = Tokens()
    end.add(END, "", tokens.ends[-1], tokens.ends[-1])
    parser.run(end)
