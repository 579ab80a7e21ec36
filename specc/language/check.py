"""What is wrong with a file whatever it is applied to: its names, in every branch of every body.

A body that is applied is checked, types and all, where it is built. What no application reaches (a
definition that nobody uses, the branch that wasn't taken) is read here, for its names only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from specc.diagnostics import Report, Span, SpecError
from specc.language import syntax
from specc.language.build.arguments import KINDS, PLAIN, no_type
from specc.language.build.builtins import builtins
from specc.language.build.declarations import misplaced, no_state
from specc.language.build.library import Home
from specc.language.build.names import no_result, no_theta, undefined
from specc.language.build.natives import Builtin
from specc.language.build.shapes import TENSOR_DTYPES
from specc.language.build.walk import parts, walk

FUNCTIONS = ("function", "activation", "loss", "metric", "init", "schedule")
# What a body of a kind sees besides its own names and its file's.
GIVEN = {
    "optimizer": ("theta", "grad", "lr", "step"),
    "schedule": ("step",),
    "function": ("step",),
}


def check(home: Home, applied: Collection[int], report: Report) -> None:
    """Adds the faults that the build of the file didn't come by.

    `applied` holds the ids of the definitions that the build has been through.
    """
    assert home.module is not None
    for item in home.module.items:
        if isinstance(item, syntax.Binding):
            if home.items.get(item.targets[0].name) is item:
                _Body(home, "file", report).statement(item)
        elif isinstance(item, syntax.Definition) and item.kind == "data":
            _columns(home, item, report)
        elif isinstance(item, syntax.Definition) and item.kind != "train":
            _Body(home, item.kind, report).definition(item, id(item) in applied)


class _Body:
    """The names in sight while a body is read from its top to its end."""

    def __init__(self, home: Home, kind: str, report: Report) -> None:
        self.home, self.kind, self.report = home, kind, report
        self.sight: set[str] = {"training", *GIVEN.get(kind, ())}
        self.states: set[str] = {"theta"} if kind == "optimizer" else set()

    def add(self, error: SpecError) -> None:
        self.report.extend(error.diagnostics)

    def definition(self, item: syntax.Definition, applied: bool) -> None:
        for parameter in item.parameters or ():
            if parameter.type is not None:
                self.type(parameter.type)
                self.bind(parameter.type.axes)
            self.expression(parameter.default)
            self.sight.add(parameter.name)
        if item.expression is not None:
            self.expression(item.expression)
            return
        if not applied:
            self.shape(item)
        self.statements(item.body)

    def shape(self, item: syntax.Definition) -> None:
        """What a body lacks or holds in vain, of one that the build hasn't been through."""
        held = list(walk(item.body))
        for part in held:
            if isinstance(part, syntax.TypeExpression) and part.axes is not None:
                if part.name not in TENSOR_DTYPES and part.name not in (*PLAIN, *KINDS):
                    self.add(no_type(part))
            elif isinstance(part, syntax.Declaration):
                for entry in part.entries:
                    wrong = misplaced(self.kind, part.kind, entry)
                    if wrong is not None:
                        self.add(wrong)
        results = any(isinstance(part, syntax.Return) for part in held)
        if not results and self.kind in (*FUNCTIONS, "layer", "cell"):
            self.add(no_result(item))
        if self.kind == "optimizer" and not any(map(_is_theta, held)):
            self.add(no_theta(item))

    def statements(self, body: Iterable[syntax.Statement]) -> None:
        for statement in body:
            self.statement(statement)

    def statement(self, each: syntax.Statement) -> None:
        if isinstance(each, syntax.Binding):
            self.expression(each.value)
            for target in each.targets:
                if target.primed:
                    self.next_value(target.name, target.span)
                else:
                    self.sight.add(target.name)
                self.bind(target.type.axes if target.type else ())
        elif isinstance(each, syntax.Declaration):
            for entry in each.entries:
                self.entry(each.kind, entry)
        elif isinstance(each, syntax.If):
            self.expression(each.test)
            self.statements(each.body)
            self.statements(each.otherwise)
        elif isinstance(each, syntax.Repeat):
            self.expression(each.iterable)
            self.sight |= {each.name} if each.name else set()
            self.expression(each.scope)
            self.sight |= {each.scope.text.split(".")[0]} if each.scope else set()
            self.statements(each.body)
        elif isinstance(each, syntax.Gradient):
            before = set(self.sight)
            self.sight.add("g")
            self.expression(each.value)
            self.sight = before
        elif isinstance(each, syntax.Return):
            self.expression(each.values)
        elif isinstance(each, syntax.Clause) and each.keyword in ("output", "loss", "metric"):
            self.expression((each.arguments, each.on))

    def entry(self, kind: str, entry: syntax.Entry) -> None:
        if kind == "state":
            self.states.add(entry.name)
        if entry.type is not None:
            if kind not in ("param", "state"):
                self.bind(entry.type.axes)
            self.expression(entry.type.axes)
        self.expression((entry.scope, entry.default))
        self.sight.add(entry.name)

    def bind(self, axes: Any) -> None:
        """The names of a type's axes are in sight from there on."""
        self.sight.update(part.id for part in walk(axes) if isinstance(part, syntax.Name))

    def type(self, type: syntax.TypeExpression) -> None:
        if type.name not in (*PLAIN, "axis", *KINDS):
            self.add(no_type(type))

    def next_value(self, name: str, span: Span) -> None:
        if name not in self.states:
            self.add(no_state(name, span, self.states))

    def expression(self, expression: Any) -> None:
        for part in _read(expression, self.home):
            if isinstance(part, syntax.Comprehension):
                self.sight.update(part.names)
            elif isinstance(part, syntax.Pipe) and part.scope is not None:
                self.sight.add(part.scope.text.split(".")[0])
            elif isinstance(part, syntax.Name) and part.primed:
                self.next_value(part.id, part.span)
            elif isinstance(part, syntax.Name) and not self.sees(part.id):
                self.add(
                    undefined(part.id, part.span, [*self.sight, *self.home.names()], self.home)
                )

    def sees(self, name: str) -> bool:
        return name in self.sight or self.home.knows(name)


def _read(expression: Any, home: Home) -> Iterator[Any]:
    """An expression's parts without its axis arguments: those may be named by the caller."""
    stack: list[Any] = [expression]
    while stack:
        part = stack.pop()
        yield part
        if isinstance(part, syntax.Call):
            stack += [
                argument.value
                for place, argument in reversed([*enumerate(part.arguments)])
                if not _is_axis(argument, place, part.function, home)
            ]
            stack.append(part.function)
        elif isinstance(part, syntax.Comprehension):
            stack += [part.element, part.iterable]
        else:
            stack += reversed(parts(part))


def _is_axis(argument: syntax.Argument, place: int, function: Any, home: Home) -> bool:
    if argument.name is not None or not isinstance(function, syntax.Name):
        return argument.name == "axis"
    own = builtins.get(function.id)
    if isinstance(own, Builtin):
        return own.names[place : place + 1] == ["axis"]
    item = home.own(function.id) or home.library.std.own(function.id)
    named = item.parameters or () if isinstance(item, syntax.Definition) else ()
    # the piped value, if there is one, is before the written arguments
    near = [each for each in named[place : place + 2] if each.type is not None]
    return any(each.type.name == "axis" for each in near if each.type)


def _is_theta(part: Any) -> bool:
    return isinstance(part, syntax.Target) and part.primed and part.name == "theta"


def _columns(home: Home, item: syntax.Definition, report: Report) -> None:
    """A data block's columns are known when its source is read; its functions are known now."""
    own = {each.name for each in item.parameters or ()}
    own |= {part.name for part in walk(item.body) if isinstance(part, syntax.Target)}
    for part in walk(item.body, into=lambda each: not _is_source(each)):
        called = part.stage if isinstance(part, syntax.Pipe) else part
        called = called.function if isinstance(called, syntax.Call) else called
        if part is called or not isinstance(called, syntax.Name):
            continue
        if called.id not in own and not home.knows(called.id):
            report.extend(undefined(called.id, called.span, home.names(), home).diagnostics)


def _is_source(part: Any) -> bool:
    return isinstance(part, syntax.Clause) and part.keyword == "source"
