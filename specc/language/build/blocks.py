"""A train block while it is read: its clauses by keyword."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from specc.diagnostics import Span, did_you_mean, fault
from specc.ir.model import (
    Data,
    Model,
)
from specc.language import syntax
from specc.language.build.arguments import Given, assign, given
from specc.language.build.dispatch import evaluate
from specc.language.build.frame import Builder, Frame
from specc.language.build.library import Home
from specc.language.build.names import CLAUSES, first_word, keyword_at
from specc.language.build.shapes import static_int
from specc.language.build.values import Item, describe

_MANY = ("optimizer", "schedule", "penalty", "freeze")


@dataclass(slots=True)
class Block:
    """A train block while it is read."""

    builder: Builder
    home: Home
    definition: syntax.Definition
    models: Callable[[Item, syntax.Call | None], Model | None]
    datas: Mapping[str, Data]
    earlier: tuple[str, ...]
    overrides: Mapping[str, tuple[syntax.Expression, Span]]
    found: dict[str, list[syntax.Clause]] = field(default_factory=dict[str, list[syntax.Clause]])
    frame: Frame = field(init=False)

    def __post_init__(self) -> None:
        self.frame = Frame(self.builder, "train", self.definition.name or "train", self.home, True)

    def sort(self, statement: Any) -> None:
        if isinstance(statement, syntax.Remark):
            return
        if not isinstance(statement, syntax.Clause) or statement.keyword not in CLAUSES:
            word = first_word(statement)
            raise fault(
                "M008",
                f"`{word}` has no meaning in a train block",
                keyword_at(statement.span, word),
                expected=", ".join(CLAUSES),
                help=did_you_mean(word, CLAUSES),
            )
        before = self.found.setdefault(statement.keyword, [])
        if before and statement.keyword not in _MANY:
            raise fault(
                "N002",
                f"`{statement.keyword}` is said twice",
                (statement.span, "said here again"),
                (before[0].span, "said here first"),
            )
        before.append(statement)

    def clauses(self, keyword: str) -> list[syntax.Clause]:
        return self.found.get(keyword, [])

    def one(self, keyword: str) -> tuple[syntax.Expression, Span] | None:
        """The value of a clause of one value."""
        for clause in self.clauses(keyword):
            if len(clause.arguments) != 1 or clause.arguments[0].name:
                raise fault("M014", f"`{keyword}` takes one value", clause.span)
            return clause.arguments[0].value, clause.arguments[0].value.span
        return None

    def number(self, keyword: str, least: int) -> int | None:
        found = self.one(keyword)
        if found is None:
            return None
        value = static_int(evaluate(self.frame, found[0]), found[1], f"`{keyword}`")
        if value < least:
            raise fault("H004", f"`{keyword}` is {least} at least", (found[1], describe(value)))
        return value

    def calls(self, keyword: str) -> Iterator[tuple[str, list[Given], syntax.Clause, Span]]:
        """Clauses of the form `keyword name(arguments)`, for the compiler's own names."""
        for clause in self.clauses(keyword):
            if len(clause.arguments) != 1 or clause.arguments[0].name:
                raise fault("M014", f"`{keyword}` takes one value", clause.span)
            for argument in clause.arguments:
                call = argument.value
                if not isinstance(call, syntax.Call) or not isinstance(call.function, syntax.Name):
                    raise fault(
                        "M014",
                        f"`{keyword}` takes a call, as in `{_EXAMPLE[keyword]}`",
                        argument.value.span,
                    )
                yield call.function.id, given(call.arguments), clause, call.span


_EXAMPLE = {
    "clip": "clip norm(1.0)",
    "stop": "stop patience(dev.loss, epochs = 5)",
    "keep": "keep highest(dev.accuracy)",
    "schedule": "schedule warmup(100)",
}


def plain_numbers(
    block: Block,
    what: str,
    names: list[str],
    arguments: list[Given],
    span: Span,
    defaults: Mapping[str, Any],
) -> dict[str, Any]:
    assigned = assign(what, names, arguments, span)
    made: dict[str, Any] = dict(defaults)
    for name in names:
        if name in assigned:
            value = assigned[name].evaluate(block.frame)
            if not isinstance(value, (int, float)) or isinstance(value, bool):
                raise fault(
                    "H004",
                    f"`{name}` of {what} is a number, not {describe(value)}",
                    (assigned[name].span, describe(value)),
                )
            made[name] = value
        elif name not in defaults:
            raise fault("H001", f"{what} needs `{name}`", span)
    return made


def watched(block: Block, what: str, arguments: list[Given], span: Span) -> tuple[str, list[Given]]:
    """The metric that a clause watches: `dev.loss`, as the run's report names it."""
    if not arguments:
        raise fault("H001", f"{what} needs a metric, such as `dev.loss`", span)
    first = arguments[0].expression
    if not isinstance(first, syntax.Attribute) or not isinstance(first.value, syntax.Name):
        raise fault("M014", f"{what} watches a metric, such as `dev.loss`", arguments[0].span)
    return f"{first.value.id}.{first.name}", arguments[1:]
