"""The meaning of each rule of the grammar: from the values of its parts to a node of the tree.

A method has the name of its rule or alias in nn.lark, and gets the place of the whole in the text,
then the values. Faults that the grammar can't see are reported here, and the tree goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from specc.diagnostics import Diagnostic, Report, Source, Span, labels
from specc.language import literals
from specc.language.syntax import (
    Argument,
    Attribute,
    Binary,
    Binding,
    Broken,
    Call,
    Clause,
    Comprehension,
    Conditional,
    Declaration,
    Definition,
    Dropped,
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

LITERALS = {"true": True, "false": False, "none": None}
NAMELESS = ("data", "train")  # a file's only one needs no name


class _Head(NamedTuple):
    """`language 1`, or the file's doc, among the items until the module takes it."""

    said: int | str
    remark: str
    span: Span


Block = tuple[str, tuple[Statement, ...]]  # the comment after its `{`, and what it holds
HoleParser = Callable[[int, int], Expression]


class Transform:
    """Makes the tree of one source. `starts` is where each part on the parser's stack begins."""

    def __init__(self, source: Source, report: Report, starts: list[int], hole: HoleParser) -> None:
        self.source = source
        self.report = report
        self.starts = starts
        self._hole = hole

    def _span(self, start: int, end: int) -> Span:
        return Span(self.source, start, end)

    def _fault(
        self, code: str, message: str, start: int, end: int, note: str = "", help: str = ""
    ) -> None:
        places = labels((self._span(start, end), note))
        self.report.add(Diagnostic(code, message, places, help=help))

    # ── a file ───────────────────────────────────────────────────────────────────────────────────
    def module(self, start: int, end: int, items: Sequence[Any] = ()) -> Module:
        language: int | None = None
        doc = ""
        header: list[Remark] = []  # comments before `language` and the doc, or at their lines' ends
        kept: list[Item] = []
        for item in items:
            if not isinstance(item, _Head):
                if not _nameless(item):
                    kept.append(item)
                continue
            if not all(isinstance(each, Remark) for each in kept):
                message = "`language` stands once, before everything else"
                self._fault("S020", message, item.span.start, item.span.end)
                continue
            if isinstance(item.said, int):
                language = item.said
            else:
                doc = item.said
            header += [each for each in kept if isinstance(each, Remark) and each.text]
            header += [Remark(item.remark, item.span)] if item.remark else []
            kept.clear()
        return Module(
            language,
            doc,
            _spaced(kept),
            self._span(0, len(self.source.text)),
            tuple(header),
        )

    def language(self, start: int, end: int, version: str, remark: str) -> _Head:
        if version != "1":
            message = f"there is no language {version}: this specc reads language 1"
            self._fault("S020", message, start, end, help="`language 1`, or a newer specc")
        return _Head(1, remark, self._span(start, end))

    def file_doc(self, start: int, end: int, text: str, remark: str) -> _Head:
        return _Head(literals.doc(text), remark, self._span(start, end))

    def file(self, start: int, end: int, text: str) -> tuple[str, Span]:
        return self._text(start, text), self._span(start, end)

    def import_file(self, start: int, end: int, file: tuple[str, Span], remark: str) -> Import:
        return Import(file[0], (), remark, self._span(start, end), file[1])

    def import_names(
        self, start: int, end: int, file: tuple[str, Span], first: str, *more: Any
    ) -> Import:
        *others, remark = more
        names = (first, *(others[0] if others else ()))
        return Import(file[0], names, remark, self._span(start, end), file[1])

    def expect(
        self, start: int, end: int, doc: str | None, condition: Expression, remark: str
    ) -> Expect:
        return Expect(condition, remark, literals.doc(doc), self._span(start, end))

    def title(self, start: int, end: int, kind: str, name: str | None) -> tuple[str, str, Span]:
        place = self._span(start if name is None else self.starts[-1], end)
        if name is None and kind not in NAMELESS:
            article = "an" if kind[0] in "aio" else "a"
            self._fault("S009", f"{article} {kind} needs a name", start, end, f"which {kind}?")
        return kind, name or "", place

    def definition(
        self,
        start: int,
        end: int,
        doc: str | None,
        title: tuple[str, str, Span],
        parameters: tuple[Parameter, ...] | None,
        block: Block,
        remark: str,
    ) -> Definition:
        kind, name, at = title
        span = self._span(start, end)
        return Definition(
            kind, name, parameters, block[1], None, literals.doc(doc), block[0], span, at
        )

    def formula(
        self,
        start: int,
        end: int,
        doc: str | None,
        title: tuple[str, str, Span],
        parameters: tuple[Parameter, ...] | None,
        expression: Expression,
        remark: str,
    ) -> Definition:
        kind, name, at = title
        span = self._span(start, end)
        return Definition(
            kind, name, parameters, (), expression, literals.doc(doc), remark, span, at
        )

    def parameter(
        self,
        start: int,
        end: int,
        name: str,
        type: TypeExpression | None,
        default: Expression | None,
    ) -> Parameter:
        return Parameter(name, type, default, self._span(start, end))

    # ── statements ───────────────────────────────────────────────────────────────────────────────
    def block(
        self, start: int, end: int, remark: str, statements: Sequence[Statement] = ()
    ) -> Block:
        return remark, tuple(statements)

    def binding(self, start: int, end: int, doc: str | None, first: Target, *more: Any) -> Binding:
        *others, value, remark = more
        targets = (first, *(others[0] if others else ()))
        return Binding(targets, value, remark, literals.doc(doc), self._span(start, end))

    def target(self, start: int, end: int, name: str, type: TypeExpression | None) -> Target:
        primed = name[-1] == "'"
        return Target(name[:-1] if primed else name, primed, type, self._span(start, end))

    def return_(self, start: int, end: int, _word: str, first: Expression, *more: Any) -> Return:
        *others, remark = more
        values = (first, *(others[0] if others else ()))
        return Return(values, remark, self._span(start, end))

    def gradient(self, start: int, end: int, name: str, value: Expression, remark: str) -> Gradient:
        return Gradient(name, value, remark, self._span(start, end))

    def dropped(self, start: int, end: int, value: Expression, remark: str) -> Dropped:
        help = "bind it, `name = ...`, or take the line away"
        if isinstance(value, String):
            help = 'a doc stands in three quotes, """like this""", before what it describes'
        self._fault("S005", "the value of this expression goes nowhere", start, end, help=help)
        return Dropped(value, remark, self._span(start, end))

    def remark(self, start: int, end: int, text: str) -> Remark:
        return Remark(text, self._span(start, end))

    def declaration(
        self, start: int, end: int, doc: str | None, kind: str, first: Entry, *more: Any
    ) -> Declaration:
        *others, remark = more
        entries = (first, *(others[0] if others else ()))
        return Declaration(kind, entries, remark, literals.doc(doc), self._span(start, end))

    def entry(
        self,
        start: int,
        end: int,
        name: str,
        _as: str | None,
        scope: Scope | None,
        type: TypeExpression | None,
        default: Expression | None,
    ) -> Entry:
        return Entry(name, scope, type, default, self._span(start, end))

    def clause(
        self,
        start: int,
        end: int,
        doc: str | None,
        keyword: str,
        arguments: tuple[Argument, ...],
        on: Expression | None,
        remark: str,
    ) -> Clause:
        return Clause(keyword, arguments, on, remark, literals.doc(doc), self._span(start, end))

    def if_(
        self, start: int, end: int, _word: str, test: Expression, block: Block, remark: str
    ) -> If | Remark:
        return self._if(start, end, test, block, ())

    def if_else(
        self,
        start: int,
        end: int,
        _word: str,
        test: Expression,
        block: Block,
        _else: str,
        otherwise: Block,
        remark: str,
    ) -> If | Remark:
        said = (Remark(otherwise[0], self._span(end, end)),) if otherwise[0] else ()
        return self._if(start, end, test, block, said + otherwise[1])

    def if_chain(
        self,
        start: int,
        end: int,
        _word: str,
        test: Expression,
        block: Block,
        _else: str,
        rest: If | Remark,
    ) -> If | Remark:
        return self._if(start, end, test, block, (rest,))

    def _if(
        self,
        start: int,
        end: int,
        test: Expression,
        block: Block,
        otherwise: tuple[Statement, ...],
    ) -> If | Remark:
        if isinstance(test, Name) and not test.id:  # recover.py's: a block that belongs to nothing
            return Remark("", self._span(start, end))
        return If(test, block[1], otherwise, block[0], self._span(start, end))

    def repeat(
        self,
        start: int,
        end: int,
        _word: str,
        count: Expression,
        _as: str | None,
        scope: Scope | None,
        block: Block,
        remark: str,
    ) -> Repeat:
        return Repeat(None, count, scope, block[1], block[0], self._span(start, end))

    def repeat_over(
        self,
        start: int,
        end: int,
        _word: str,
        name: str,
        _in: str,
        iterable: Expression,
        _as: str | None,
        scope: Scope | None,
        block: Block,
        remark: str,
    ) -> Repeat:
        return Repeat(name, iterable, scope, block[1], block[0], self._span(start, end))

    # ── types ────────────────────────────────────────────────────────────────────────────────────
    def type(self, start: int, end: int, name: str, optional: str | None) -> TypeExpression:
        return TypeExpression(name, None, optional is not None, False, self._span(start, end))

    def tensor(
        self,
        start: int,
        end: int,
        name: str,
        axes: tuple[Expression | Ellipsis, ...],
        optional: str | None,
    ) -> TypeExpression:
        return TypeExpression(name, axes, optional is not None, False, self._span(start, end))

    def listed(
        self,
        start: int,
        end: int,
        name: str,
        axes: tuple[Expression | Ellipsis, ...],
        optional: str | None,
    ) -> TypeExpression:
        return TypeExpression(name, axes, optional is not None, True, self._span(start, end))

    # ── expressions ──────────────────────────────────────────────────────────────────────────────
    def hole(self, start: int, end: int, value: Expression, remark: str) -> Expression:
        return value

    def conditional(
        self,
        start: int,
        end: int,
        then: Expression,
        _if: str,
        test: Expression,
        _else: str,
        otherwise: Expression,
    ) -> Conditional:
        return Conditional(then, test, otherwise, self._span(start, end))

    def pipe(
        self,
        start: int,
        end: int,
        value: Expression,
        arrow: str,
        stage: Expression,
        _as: str | None,
        scope: Scope | None,
    ) -> Pipe:
        span = Span(self.source, start, end)
        if arrow == "->":
            return Pipe(value, stage, scope, span)
        _, remark, *above = arrow.split("\n")
        return Pipe(value, stage, scope, span, True, remark, tuple(above))

    def binary(
        self, start: int, end: int, left: Expression, operator: str, right: Expression
    ) -> Binary:
        source, at = self.source, self.starts[-2]
        return Binary(
            operator, left, right, Span(source, start, end), Span(source, at, at + len(operator))
        )

    def unary(self, start: int, end: int, operator: str, operand: Expression) -> Unary:
        return Unary(operator, operand, self._span(start, end))

    def call(
        self, start: int, end: int, function: Expression, arguments: tuple[Argument, ...] | None
    ) -> Call:
        return Call(function, arguments or (), Span(self.source, start, end))

    def attribute(self, start: int, end: int, value: Expression, name: str) -> Attribute:
        at = self.starts[-1]
        if name[0] == ".":
            name = name[1:]
            at += 1
            if isinstance(value, Number) and value.span.start == start:
                self._fault("S007", f"`{value.text}.{name}` is no number", start, end)
        return Attribute(value, name, self._span(start, end), self._span(at, end))

    def index(self, start: int, end: int, value: Expression, *items: Any) -> Index:
        return Index(value, self.sequence(start, end, *items), self._span(start, end))

    def name(self, start: int, end: int, name: str) -> Name:
        return Name(name, False, Span(self.source, start, end))

    def primed(self, start: int, end: int, name: str) -> Name:
        return Name(name[:-1], True, Span(self.source, start, end))

    def literal(self, start: int, end: int, word: str) -> Literal:
        return Literal(LITERALS[word], self._span(start, end))

    def number(self, start: int, end: int, text: str) -> Number | Broken:
        span = Span(self.source, start, end)
        value = literals.number(text, span, self.report)
        return Broken(span) if value is None else Number(text, value, span)

    def string(self, start: int, end: int, text: str) -> String:
        return String(self._text(start, text), self._span(start, end))

    def _text(self, start: int, quoted: str) -> str:
        return literals.unquoted(self.source, start, quoted, self.report)

    def list(self, start: int, end: int, *items: Any) -> List:
        return List(self.sequence(start, end, *items), self._span(start, end))

    def comprehension(
        self, start: int, end: int, element: Expression, _for: str, name: str, *more: Any
    ) -> Comprehension:
        *others, _in, iterable = more
        names = (name, *(others[0] if others else ()))
        return Comprehension(element, names, iterable, self._span(start, end))

    def ellipsis(self, start: int, end: int) -> Ellipsis:
        return Ellipsis(self._span(start, end))

    def slice(
        self,
        start: int,
        end: int,
        first: Expression | None,
        stop: Expression | None,
        step: Expression | None,
    ) -> Slice:
        return Slice(first, stop, step, self._span(start, end))

    def argument(self, start: int, end: int, value: Expression) -> Argument:
        return Argument(None, value, Span(self.source, start, end))

    def named(self, start: int, end: int, name: str, value: Expression) -> Argument:
        return Argument(name, value, Span(self.source, start, end))

    def scope(self, start: int, end: int, path: str) -> Scope:
        return Scope(path, False, self._span(start, end))

    def path(self, start: int, end: int, name: str) -> str:
        return name

    def path_name(self, start: int, end: int, path: str, name: str) -> str:
        return f"{path}.{name}"

    def path_index(self, start: int, end: int, path: str, index: str) -> str:
        return path + index

    def template(self, start: int, end: int, text: str) -> Scope:
        inner = text[1:-1]
        holes: list[Expression] = []
        at = inner.find("{")
        while at >= 0:
            close = inner.find("}", at)
            if close < 0:
                self._fault("S006", "this `{` is never closed", start + 1 + at, start + 2 + at)
                break
            holes.append(self._hole(start + 2 + at, start + 1 + close))
            at = inner.find("{", close)
        return Scope(inner, True, self._span(start, end), tuple(holes))

    # ── what lists and words share ───────────────────────────────────────────────────────────────
    def sequence(self, start: int, end: int, *parts: Any) -> tuple[Any, ...]:
        """The first, then the list of the others where there are any."""
        if not parts:
            return ()
        return (parts[0], *parts[1]) if len(parts) == 2 else (parts[0],)

    def collect(self, start: int, end: int, *parts: Any) -> Any:
        """One more of the lists that the grammar's `*` makes."""
        if len(parts) == 1:
            return [parts[0]]
        parts[0].append(parts[1])
        return parts[0]

    def same(self, start: int, end: int, value: Any) -> Any:
        return value

    kind = declared = keyword = unit = same


def _nameless(item: Item) -> bool:
    """Whether an item lacks a name that it needs: a fault was reported, and nothing can use it."""
    return isinstance(item, Definition) and not item.name and item.kind not in NAMELESS


def _spaced(items: Sequence[Item]) -> tuple[Item, ...]:
    """A file's items without the blank lines that say nothing."""
    kept: list[Item] = []
    blank: Remark | None = None
    for item in items:
        if isinstance(item, Remark) and not item.text:
            blank = item
            continue
        if blank is not None and kept and not stand_apart(kept[-1], item):
            kept.append(blank)
        blank = None
        kept.append(item)
    return tuple(kept)
