"""Syntax to graphs: every model, data and train block of a file, or all that is wrong with them."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from specc import ops
from specc.diagnostics import (
    Diagnostic,
    Report,
    Source,
    Span,
    SpecError,
    did_you_mean,
    fault,
    labels,
)
from specc.ir.figures import faulty_figures
from specc.ir.model import Data, Expect, Model, Spec, Train
from specc.language import syntax
from specc.language.build import expressions, indexing
from specc.language.build.arguments import assign, given
from specc.language.build.blocks import Block
from specc.language.build.claims import build_expect
from specc.language.build.datas import build_data
from specc.language.build.dispatch import evaluate
from specc.language.build.frame import Builder, Frame
from specc.language.build.library import Home, Library, read
from specc.language.build.models import build_model, hypers_of
from specc.language.build.reach import check_globs, note_unreached
from specc.language.build.training import build_train
from specc.language.build.values import Item, Value, key_of
from specc.language.check import check
from specc.language.parse import parse
from specc.limits import CALL_DEPTH, ERRORS

PYTHON_FRAMES = 20_000  # CALL_DEPTH applications, each within some levels of an expression
# Something is missing; perhaps it stands on a line that couldn't be read.
LACKING = ("M002", "M015", "M017", "M022")
FILLED = (ops, expressions, indexing)  # importing them fills the registry and the rules
Overrides = Mapping[str, tuple[syntax.Expression, Span]]


def load(path: str | Path, overrides: Mapping[str, str] | None = None) -> Spec:
    """A spec file, built.

    Raises:
        SpecError: with every error that could be found.
    """
    place = Path(path)
    text = read(place, str(path))
    return _build(Source(str(path), text), place.resolve(), overrides or {})


def loads(text: str, path: str = "<text>", overrides: Mapping[str, str] | None = None) -> Spec:
    """A spec's text, built. It imports nothing, for it stands in no folder."""
    return _build(Source(path, text), None, overrides or {})


def _build(
    source: Source,
    place: Path | None,
    overrides: Mapping[str, str],
    sizes: Mapping[str, int] | None = None,
) -> Spec:
    def rebuilt(sizes: Mapping[str, int]) -> Spec:
        return _build(source, place, overrides, sizes)

    report = Report()
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, PYTHON_FRAMES))
    try:
        spec = _built(source, place, overrides, sizes or {}, report)
    except SpecError as error:
        report.extend(error.diagnostics)
        spec = None
    except RecursionError:
        message = f"more than {CALL_DEPTH.value} {CALL_DEPTH.what}, in expressions too deep"
        report.add(Diagnostic(CALL_DEPTH.code, message, labels(Span(source, 0, 0))))
        spec = None
    finally:
        sys.setrecursionlimit(before)
    if report.errors:
        found = sorted(_without_echoes(report.errors), key=partial(_reading_order, source))
        if len(found) > ERRORS.value:
            rest = len(found) - ERRORS.value
            found = found[: ERRORS.value]
            found.append(Diagnostic(ERRORS.code, f"{rest} more errors are not shown"))
        raise SpecError(found)
    assert spec is not None
    notes = tuple(each for each in report.diagnostics if each.severity == "note")
    return replace(spec, notes=notes, rebuilt=rebuilt)


def _built(
    source: Source,
    place: Path | None,
    overrides: Mapping[str, str],
    sizes: Mapping[str, int],
    report: Report,
) -> Spec:
    library = Library(report)
    folder = place.parent if place else None
    home = library.open(source, folder, (place,) if place else ())
    assert home.module is not None
    builder = Builder(library, report, sizes=sizes)
    try:
        return _File(builder, home, _parsed(overrides)).build(source)
    finally:
        check(home, builder.applied, report)


def _reading_order(main: Source, diagnostic: Diagnostic) -> tuple[bool, str, int]:
    """The user's own file first, each file from its top."""
    if not diagnostic.labels:
        return True, "", 0
    span = diagnostic.labels[0].span
    return span.source is not main, span.source.path, span.start


def _without_echoes(errors: list[Diagnostic]) -> list[Diagnostic]:
    """Drops what only follows from a line that could not be read: the names it would have made."""
    lost: set[str] = set()
    for each in errors:
        if each.code.startswith("S"):
            for label in each.labels:
                line, _ = label.span.source.position(label.span.start)
                lost.update(re.findall(r"\w+", label.span.source.line(line)))
    spoilt = [label.span for each in errors if each.code.startswith("S") for label in each.labels]

    def echoes(each: Diagnostic) -> bool:
        if not each.labels or each.code.startswith("S"):
            return False
        at = each.labels[0].span
        named = each.code == "N001" and at.text in lost
        lacking = each.code in LACKING and bool(spoilt)
        within = not each.code.startswith("I") and any(
            at.source is span.source and span.start <= at.start <= span.end for span in spoilt
        )
        return named or lacking or within

    return [each for each in errors if not echoes(each)]


def _parsed(overrides: Mapping[str, str]) -> Mapping[str, Overrides]:
    """`Digits.hidden` = "128" as {"Digits": {"hidden": expression}}."""
    made: dict[str, dict[str, tuple[syntax.Expression, Span]]] = {}
    for place, text in overrides.items():
        block, dot, name = place.rpartition(".")
        source = Source(f"--set {place}", text)
        whole = Span(source, 0, len(text))
        if not dot:
            raise fault("H007", f"`{place}` names no block", whole, expected="Block.name=value")
        shifted = Source(f"--set {place}", f"{name} = {text}")
        item = next(
            (each for each in parse(shifted).items if isinstance(each, syntax.Binding)), None
        )
        if item is None:
            raise fault("H007", f"`{text}` is no value", whole)
        made.setdefault(block, {})[name] = (item.value, item.value.span)
    return made


class _File:
    """The blocks of one file while they are built, in order."""

    def __init__(self, builder: Builder, home: Home, overrides: Mapping[str, Overrides]) -> None:
        self.builder, self.home, self.overrides = builder, home, overrides
        self.models: dict[object, Model | None] = {}
        self.named: dict[str, Model] = {}

    def build(self, source: Source) -> Spec:
        assert self.home.module is not None
        definitions = [
            each for each in self.home.module.items if isinstance(each, syntax.Definition)
        ]
        self._check_overrides(definitions)
        datas: dict[str, Data] = {}
        trains: list[Train] = []
        names: list[str] = []
        for definition in definitions:
            frame = Frame(self.builder, "file", definition.name, self.home, False)
            with frame.statement():
                if definition.kind == "data":
                    item = Item(definition, self.home)
                    made = build_data(self.builder, item, self._hypers(item, None, False))
                    if made is not None:
                        datas[definition.name] = made
        for definition in definitions:
            frame = Frame(self.builder, "file", definition.name, self.home, False)
            with frame.statement():
                if definition.kind == "train":
                    name = definition.name or "train"
                    if name in names:
                        self.builder.report.add(
                            Diagnostic(
                                "N002",
                                f"two train blocks are called `{name}`",
                                labels(definition.at),
                                help="name each: `train pretrain { ... }`",
                            )
                        )
                    block = Block(
                        self.builder,
                        self.home,
                        definition,
                        self.model,
                        datas,
                        tuple(names),
                        self.overrides.get(name, {}),
                    )
                    names.append(name)
                    train = build_train(block)
                    if train is not None:
                        frozen = block.clauses("freeze")
                        check_globs(train, frozen[0].span if frozen else None, self.builder.report)
                        trains.append(train)
        for definition in definitions:
            if definition.kind == "model" and definition.name not in self.named:
                frame = Frame(self.builder, "file", definition.name, self.home, False)
                with frame.statement():
                    self.model(Item(definition, self.home), None)
        for name, item in self.home.items.items():
            if isinstance(item, syntax.Binding):  # one that nothing reads can be wrong too
                frame = Frame(self.builder, "file", name, self.home, False)
                with frame.statement():
                    self.home.lookup(frame, name, item.span)
        expects: list[Expect] = []
        for each in self.home.module.items:
            if isinstance(each, syntax.Expect):
                claim = build_expect(self.builder, self.home, each)
                if claim is not None:
                    expects.append(claim)
        if len(trains) == sum(each.kind == "train" for each in definitions):
            self.builder.report.extend(faulty_figures(self.named, trains, expects))
        return Spec(
            source.path, source.text, self.named, tuple(trains), datas, tuple(expects),
            open={name: span for name, span in self.builder.rigid.items() if "." in name},
        )  # fmt: skip

    def model(self, item: Item, call: syntax.Call | None) -> Model | None:
        """A model with the hyper-parameters that a train block and the command line give."""
        hypers = self._hypers(item, call, rigid=True)
        key = (id(item.definition), tuple((name, key_of(value)) for name, value in hypers.items()))
        if key not in self.models:
            self.models[key] = build_model(self.builder, item, hypers)
        made = self.models[key]
        if made is not None and item.name not in self.named:
            self.named[item.name] = made
            note_unreached(made, self.builder.report)
        return made

    def _hypers(self, item: Item, call: syntax.Call | None, rigid: bool) -> dict[str, Value]:
        given_values: dict[str, tuple[Value, Span]] = {}
        frame = Frame(self.builder, "train", item.name, self.home, False)
        names = [each.name for each in item.definition.parameters or ()]
        if call is not None:
            assigned = assign(f"`{item.name}`", names, given(call.arguments), call.span)
            for name, argument in assigned.items():
                given_values[name] = (argument.evaluate(frame), argument.span)
        for name, (expression, span) in self.overrides.get(item.name, {}).items():
            given_values[name] = (evaluate(frame, expression), span)
        return hypers_of(self.builder, item, given_values, rigid)

    def _check_overrides(self, definitions: list[syntax.Definition]) -> None:
        blocks = {
            each.name or "train": each
            for each in definitions
            if each.kind in ("model", "data", "train")
        }
        for block, entries in self.overrides.items():
            for name, (_, span) in entries.items():
                definition = blocks.get(block)
                if definition is None:
                    self.builder.report.add(
                        Diagnostic(
                            "H007",
                            f"the file has no block `{block}`",
                            labels(span),
                            help=did_you_mean(block, blocks),
                        )
                    )
                    break
                names = [each.name for each in definition.parameters or ()]
                if definition.kind != "train" and name not in names:
                    self.builder.report.add(
                        Diagnostic(
                            "H007",
                            f"`{block}` has no hyper-parameter `{name}`",
                            labels(span),
                            expected=", ".join(names) or "none",
                            help=did_you_mean(name, names),
                        )
                    )


__all__ = ["load", "loads"]
