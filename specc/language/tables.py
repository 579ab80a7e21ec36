"""Makes the parser's tables of grammar/nn.lark: `python -m specc.language.tables` writes them.

Lark reads the grammar and finds its LALR automaton; this makes that small, quick and readable
without lark. What the rules mean is transform.py's matter.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import lark
from lark.grammar import Rule as LarkRule
from lark.lexer import PatternStr, TerminalDef
from lark.parsers.lalr_analysis import IntParseTable, LALR_Analyzer

from specc.language.automaton import ACCEPT, END, PATH, Row, Rule, Tables

STARTS = ("module", "hole")


def grammar_path() -> str:
    """Beside the package in a checkout, inside it in a wheel."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    inside = os.path.join(package, "grammar", "nn.lark")
    beside = os.path.join(os.path.dirname(package), "grammar", "nn.lark")
    return inside if os.path.exists(inside) else beside


def generate(grammar: str) -> Tables:
    """The tables of a grammar; raises lark's GrammarError where it is not LALR(1)."""
    options: dict[str, Any] = {"parser": "lalr", "lexer": "basic", "maybe_placeholders": True}
    built = lark.Lark(grammar, start=list(STARTS), **options)
    analysis = LALR_Analyzer(built.parser.parser_conf, strict=True)
    analysis.compute_lalr()

    text_of = {each.name: each.pattern.value for each in built.terminals}
    literals = {each.name for each in built.terminals if isinstance(each.pattern, PatternStr)}
    kind_of = {name: text if name in literals else name for name, text in text_of.items()}
    kind_of[END] = END
    rules = [_row_of(rule) for rule in built.rules]
    number_of = {rule: -number for number, rule in enumerate(built.rules, 1)}
    units = {-number for number, row in enumerate(rules, 1) if row[1] == "unit"}

    states: Any = analysis.parse_table  # lark's own types say less than there is
    table: Any = IntParseTable.from_ParseTable(states)
    actions: Mapping[int, Mapping[str, tuple[object, object]]] = table.states
    rows: list[Row] = []
    for state in range(len(actions)):
        row: Row = {}
        for symbol, (_, argument) in actions[state].items():
            known = number_of[argument] if isinstance(argument, LarkRule) else argument
            assert isinstance(known, int)
            row[kind_of.get(symbol, f"<{symbol}>")] = known + 1 if known >= 0 else known
        rows.append(row)
    for end in table.end_states.values():
        rows[end][END] = ACCEPT
    starts = {start: state + 1 for start, state in table.start_states.items()}
    rows, starts = _without_units([{}, *rows], starts, rules, units)

    words = [
        each for each in built.terminals if each.name in literals and text_of[each.name].isalpha()
    ]
    return Tables(
        digest=_digest(grammar, lark.__version__),
        pattern=_pattern(built.terminals, literals, set(built.ignore_tokens)),
        reserved=[each.pattern.value for each in words if each.priority],
        soft=[each.pattern.value for each in words if not each.priority],
        rules=rules,
        rows=rows,
        starts=starts,
    )


def _row_of(rule: LarkRule) -> Rule:
    """Which of a rule's values its callback gets, counted from the stack's top; 0 is none."""
    size = len(rule.expansion)
    absent = rule.options.empty_indices or (False,) * size
    handed: list[int] = []
    at = -size
    for missing in absent:
        if missing:
            handed.append(0)
            continue
        symbol = rule.expansion[at + size]
        if rule.options.keep_all_tokens or not (symbol.is_term and getattr(symbol, "filter_out")):
            handed.append(at)
        at += 1
    origin = str(rule.origin.name)
    callback = rule.alias or origin
    if origin.startswith("__"):
        callback = "collect"
    elif rule.options.expand1 and not rule.alias and len(handed) == 1:
        callback = "unit" if size == 1 and not rule.expansion[0].is_term else "same"
    return f"<{origin}>", callback, size, handed


def _without_units(
    rows: list[Row],
    starts: dict[str, int],
    rules: list[Rule],
    units: set[int],
) -> tuple[list[Row], dict[str, int]]:
    """The same language without the reductions that change nothing (`sum: product`).

    A goto leads to the state that the chain of such reductions would reach for each next token:
    an operand between eleven levels of precedence costs one step, not eleven.
    """
    nonterminals = {rule[0] for rule in rules}
    made: list[Row] = [{}]  # rows whose numbers still are those of the table given
    number_of: dict[frozenset[tuple[str, int]], int] = {}

    def intern(row: Row) -> int:
        key = frozenset(row.items())
        if key not in number_of:
            number_of[key] = len(made)
            made.append(row)
        return number_of[key]

    def after(row: Row, symbol: str) -> Row:
        merged: Row = {}
        visited = [row[symbol]]
        for token in sorted(set(rows[row[symbol]]) - nonterminals):
            action: int | None = rows[row[symbol]][token]
            while action in units:
                state = row[rules[-action - 1][0]]
                visited.append(state)
                action = rows[state].get(token)
            if action is not None:
                merged[token] = action
        for state in dict.fromkeys(visited):
            gotos = {name: goto for name, goto in rows[state].items() if name in nonterminals}
            assert all(merged.get(name, goto) == goto for name, goto in gotos.items())
            merged.update(gotos)
        return merged

    renumbered = {start: intern(rows[state]) for start, state in starts.items()}
    done: list[Row] = [{}]
    while len(done) < len(made):
        row = made[len(done)]
        done.append(
            {
                symbol: intern(after(row, symbol))
                if symbol in nonterminals
                else intern(rows[action])
                if action > 0
                else action
                for symbol, action in sorted(row.items())
            }
        )
    return done, renumbered


def _pattern(terminals: Iterable[TerminalDef], literals: set[str], ignored: set[str]) -> str:
    """Blanks, then one token: in lark's order of terminals; literals are one group, words NAMEs."""
    order = sorted(
        terminals,
        key=lambda each: (
            -each.priority,
            -each.pattern.max_width,
            -len(each.pattern.value),
            each.name,
        ),
    )
    groups = [
        f"(?P<{each.name}>{each.pattern.value})"
        for each in order
        if each.name not in literals | ignored
    ]
    punctuation = [
        each.pattern.to_regexp()
        for each in order
        if each.name in literals and not each.pattern.value.isalpha()
    ]
    blanks = "|".join(each.pattern.value for each in order if each.name in ignored)
    return (
        f"(?:{blanks})?(?:{'|'.join(groups)}|(?P<LITERAL>{'|'.join(punctuation)})|(?P<WRONG>\\S))"
    )


def _digest(grammar: str, version: str) -> str:
    return hashlib.sha256(f"{version}\n{grammar}".encode()).hexdigest()


def text_of(tables: Tables) -> str:
    """What tables.json holds: a line a rule and a state, so that a change can be read."""
    parts: list[str] = []
    for name, value in vars(tables).items():
        if name in ("rules", "rows"):
            value = "[\n" + ",\n".join(_json(each) for each in value) + "\n]"
        else:
            value = _json(value)
        parts.append(f'"{name}": {value}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def main() -> None:
    with open(grammar_path(), encoding="utf-8") as file:
        tables = generate(file.read())
    with open(PATH, "w", encoding="utf-8") as file:
        file.write(text_of(tables))
    print(f"{len(tables.rules)} rules, {len(tables.rows)} states", file=sys.stderr)


if __name__ == "__main__":
    main()
