"""The grammar is LALR(1), its tables are current, and the quick ones say the same as lark's own."""

from __future__ import annotations

import random
import re
from pathlib import Path

import lark
import pytest

from specc.diagnostics import Report, Source
from specc.language import tables
from specc.language.automaton import PATH, Tables, load
from specc.language.parse import Faults, Parser, grammar

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "grammar" / "nn.lark").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def generated() -> Tables:
    return tables.generate(TEXT)


def test_the_tables_are_those_of_the_grammar(generated):
    """Also proves that there are no conflicts: `generate` is strict."""
    written = Path(PATH).read_text(encoding="utf-8")
    assert tables.text_of(generated) == written, "python -m specc.language.tables"


def test_a_conflict_is_refused():
    ambiguous = TEXT.replace("?sum: product\n", "?sum: product | sum sum\n")
    ambiguous = ambiguous.replace("?!sum: product\n", "?!sum: product\n    | sum sum -> binary\n")
    assert ambiguous != TEXT
    with pytest.raises(lark.exceptions.GrammarError):
        tables.generate(ambiguous)


def test_every_terminal_is_defined_in_the_grammar():
    kinds = {kind for row in load().rows for kind in row if not kind.startswith("<")}
    named = {kind for kind in kinds if re.fullmatch(r"[A-Z]+", kind)}
    assert named == {
        "NAME", "PRIMED", "NUMBER", "STRING", "INDEX", "DOC", "COMMENT", "NEWLINE"
    }  # fmt: skip
    assert all(f'"{kind}"' in TEXT for kind in kinds - named - {"$END"})


def test_reserved_words_are_those_of_the_language():
    reserved = "return if else repeat as in for and or not true false none"
    assert set(load().reserved) == set(reserved.split())


def _lark_accepts(parser: lark.Lark, kinds: list[str], names: dict[str, str]) -> bool:
    interactive = parser.parse_interactive(start="module")
    try:
        for kind in kinds:
            interactive.feed_token(lark.Token(names[kind], ""))
    except lark.exceptions.UnexpectedToken:
        return False
    return True


def test_the_quick_tables_accept_what_larks_own_accept():
    """Whole specs, and specs with a token left out, doubled or exchanged."""
    parser = lark.Lark(TEXT, parser="lalr", lexer="basic", start=list(tables.STARTS))
    names = {each.name: each.name for each in parser.terminals} | {
        each.pattern.value: each.name
        for each in parser.terminals
        if isinstance(each.pattern, lark.lexer.PatternStr)
    }
    names["$END"] = "$END"
    dice = random.Random(0)
    texts = [path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("specs/*.nn"))]
    verdicts: set[bool] = set()
    for _ in range(200):
        text = dice.choice(texts)
        tokens = grammar().layout.tokens(text, 0, len(text))
        kinds = tokens.kinds
        if dice.random() < 0.9:
            at, other = dice.randrange(len(kinds) - 1), dice.randrange(len(kinds) - 1)
            kinds[at : at + 1] = dice.choice([[], [kinds[at]] * 2, [kinds[other]]])
        ours = _accepted(kinds)
        assert ours == _lark_accepts(parser, kinds, names), kinds
        verdicts.add(ours)
    assert verdicts == {True, False}


def _accepted(kinds: list[str]) -> bool:
    """Runs the automaton alone: what the rules make of the tokens does not matter here."""
    quick = load()
    states = [quick.starts["module"]]
    for kind in kinds:
        while True:
            action = quick.rows[states[-1]].get(kind)
            if action is None:
                return False
            if action >= 0:
                states.append(action)
                break
            origin, _, length, _ = quick.rules[-action - 1]
            if length:
                del states[-length:]
            states.append(quick.rows[states[-1]][origin])
    return True


def test_acceptance_is_foretold():
    """`accepts` says what `run` will do, without doing it."""
    parser = Parser(Source("spec.nn", ""), Faults(), "module")
    assert parser.accepts("NAME")
    assert parser.accepts("$END")
    assert not parser.accepts(")")
    assert isinstance(parser.report, Report)
