"""Random syntax trees for property tests: any that a text can say, in the form parsing gives."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from hypothesis import strategies as st

from specc.diagnostics import Source
from specc.language.format import format
from specc.language.syntax import (
    Argument,
    Attribute,
    Binary,
    Binding,
    Call,
    Clause,
    Comprehension,
    Conditional,
    Declaration,
    Definition,
    Ellipsis,
    Entry,
    Expect,
    Expression,
    Gradient,
    If,
    Import,
    Index,
    Item,
    List,
    Literal,
    Module,
    Name,
    Number,
    Parameter,
    Pipe,
    Remark,
    Repeat,
    Return,
    Scope,
    Slice,
    Statement,
    String,
    Target,
    TypeExpression,
    Unary,
    stand_apart,
)

# Keywords are names where no statement begins; θ and é are not ASCII, and é has two forms.
words = st.sampled_from(
    "x y h a_1 theta Linear θ café data loss input state on import list train metric from "
    "information a_rather_long_name_for_a_value another_name_that_takes_much_room".split()
)
digits = st.sampled_from(["0", "1", "12"])
texts = st.text("ab {}()#\\\"\n\té→'", max_size=12)
remarks = st.text("ab#\"'{( é", min_size=1, max_size=12).map(str.strip).filter(bool)
comments = st.one_of(remarks, st.just(" "))
lines = st.text("ab#'{( é", min_size=1, max_size=12).map(str.strip).filter(bool)
docs = st.one_of(
    st.just(""), lines, st.lists(lines, min_size=2, max_size=3).map("\n".join), st.just('say "a"')
)
numbers = st.sampled_from(
    [("0", 0), ("1_000", 1000), ("1e-3", 1e-3), (".5", 0.5), ("2.", 2.0), ("inf", float("inf"))]
).map(lambda each: Number(*each))
names = st.builds(Name, words, st.booleans())


def few(strategy: st.SearchStrategy, least: int = 0, most: int = 3) -> st.SearchStrategy:
    return st.lists(strategy, min_size=least, max_size=most).map(tuple)


paths = st.builds(
    lambda first, rest: ".".join([first, *rest]), words, st.lists(words | digits, max_size=2)
)


def _template(before: str, holes: tuple[Expression, ...], after: str) -> Scope:
    said = [format(Module(None, "", (Expect(each),))).removeprefix("expect ") for each in holes]
    return Scope(
        before + "".join(f"{{{each.strip()}}}-" for each in said) + after, True, holes=holes
    )


simple = st.recursive(
    numbers | names,
    lambda inner: st.builds(Binary, st.sampled_from("+-*^"), inner, inner),
    max_leaves=3,
)
plain = st.text("ab.-é ", max_size=6)
scopes = st.builds(Scope, paths, st.just(False)) | st.builds(_template, plain, few(simple), plain)
leaves = (
    numbers
    | names
    | st.builds(String, texts)
    | st.builds(Literal, st.sampled_from([True, False, None]))
)
operators = st.sampled_from("or and == != < <= > >= + - * / // % @ ^".split())


def _larger(inner: st.SearchStrategy) -> st.SearchStrategy:
    arguments = few(st.builds(Argument, st.none() | words, inner))
    ellipses = st.builds(Ellipsis)
    slices = st.builds(Slice, st.none() | inner, st.none() | inner, st.none() | inner)
    attributed = st.builds(Attribute, inner, words | digits)
    stages = st.recursive(
        st.builds(Name, words),
        lambda stage: (
            st.builds(Call, stage, arguments) | st.builds(Attribute, stage, words | digits)
        ),
        max_leaves=3,
    )
    pipes = st.builds(Pipe, inner, stages, st.none() | scopes) | st.builds(
        Pipe,
        inner,
        stages,
        st.none() | scopes,
        broken=st.just(True),
        remark=st.just("") | remarks,
        above=few(comments, most=2),
    )
    return st.one_of(
        st.builds(Unary, st.sampled_from(["-", "not"]), inner),
        st.builds(Binary, operators, inner, inner),
        st.builds(Conditional, inner, inner, inner),
        pipes,
        st.builds(Call, inner, arguments),
        attributed,
        st.builds(Index, inner, few(inner | slices | ellipses, least=1)),
        st.builds(List, few(inner | ellipses)),
        st.builds(Comprehension, inner, few(words, least=1, most=2), inner),
    )


expressions = st.recursive(leaves, _larger, max_leaves=8)
axes = st.none() | few(expressions | st.builds(Ellipsis))


def _type(name: str, axes: tuple | None, optional: bool, listed: bool) -> TypeExpression:
    return TypeExpression(name, axes, optional, listed and axes is not None)


types = st.builds(_type, words, axes, st.booleans(), st.booleans())
trailing = st.just("") | remarks
targets = st.builds(Target, words, st.booleans(), st.none() | types)
bindings = st.builds(Binding, few(targets, least=1), expressions, trailing, docs)
entries = st.builds(Entry, words, st.none() | scopes, st.none() | types, st.none() | expressions)
keywords = st.sampled_from(
    "output loss metric source split model data from optimizer schedule clip penalty freeze batch "
    "epochs steps seed stop keep".split()
)
flat = st.one_of(
    bindings,
    st.builds(
        Declaration,
        st.sampled_from("input given target param state".split()),
        few(entries, least=1),
        trailing,
        docs,
    ),
    st.builds(Return, few(expressions, least=1), trailing),
    st.builds(Gradient, words, expressions, trailing),
    st.builds(
        Clause,
        keywords,
        few(st.builds(Argument, st.none() | words, expressions), least=1),
        st.none() | expressions,
        trailing,
        docs,
    ),
    st.builds(Remark, comments | st.just("")),
)


def _settled(statements: list[Statement]) -> tuple[Statement, ...]:
    """One blank line of several, none at the ends."""
    kept: list[Statement] = []
    for each in statements:
        if each == Remark("") and (not kept or kept[-1] == each):
            continue
        kept.append(each)
    return tuple(kept[:-1] if kept and kept[-1] == Remark("") else kept)


def _blocks(inner: st.SearchStrategy) -> st.SearchStrategy:
    body = st.lists(inner, max_size=4).map(_settled)
    return st.one_of(
        st.builds(If, expressions, body, body, trailing),
        st.builds(Repeat, st.none() | words, expressions, st.none() | scopes, body, trailing),
    )


statements = st.recursive(flat, _blocks, max_leaves=6)
bodies = st.lists(statements, max_size=5).map(_settled)
parameters = st.none() | few(
    st.builds(Parameter, words, st.none() | types, st.none() | expressions)
)
in_braces = st.builds(
    Definition,
    st.sampled_from("function activation loss metric init schedule optimizer layer model".split()),
    words,
    parameters,
    bodies,
    doc=docs,
    remark=trailing,
)
unnamed = st.builds(
    Definition,
    st.sampled_from(["data", "train"]),
    st.just("") | words,
    parameters,
    bodies,
    doc=docs,
    remark=trailing,
)
formulas = st.builds(
    Definition,
    st.sampled_from("function activation loss metric init schedule cell".split()),
    words,
    parameters,
    st.just(()),
    expressions,
    docs,
    trailing,
)
items = st.one_of(
    st.builds(Import, texts, few(words), trailing),
    bindings,
    in_braces,
    unnamed,
    formulas,
    st.builds(Expect, expressions, trailing, docs),
    st.builds(Remark, comments | st.just("")),
)


def _module(language: int | None, doc: str, items: list[Item], header: list[str]) -> Module:
    kept: list[Item] = []
    blank = False
    for each in items:
        if each == Remark(""):
            blank = True
            continue
        if blank and kept and not stand_apart(kept[-1], each):
            kept.append(Remark(""))
        blank = False
        kept.append(each)
    before = tuple(Remark(each) for each in header) if language or doc else ()
    return Module(language, doc, tuple(kept), header=before)


modules = st.builds(
    _module,
    st.none() | st.just(1),
    docs,
    st.lists(items, max_size=5),
    st.lists(comments, max_size=2),
)


def composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def source(text: str) -> Source:
    return Source("spec.nn", text)


__all__ = ["composed", "expressions", "modules", "replace", "source"]
