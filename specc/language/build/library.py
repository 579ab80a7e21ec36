"""Files and their names: a spec, what it imports, and the standard library by its index."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from specc.diagnostics import (
    Diagnostic,
    Label,
    Report,
    Source,
    Span,
    SpecError,
    did_you_mean,
    fault,
    labels,
)
from specc.language import syntax
from specc.language.build.builtins import builtins
from specc.language.build.dispatch import evaluate
from specc.language.build.frame import Frame
from specc.language.build.statements import typed
from specc.language.build.values import POISON, Item, Namespace, Poisoned, Value
from specc.language.parse import parse
from specc.limits import IMPORTS, SOURCE_BYTES

STD = Path(__file__).parents[2] / "std"
_OPEN = object()  # a constant that is being evaluated


@dataclass(slots=True, eq=False)
class Home:
    """A file's names. `key` is part of the identity of what it defines."""

    key: str
    library: Library
    folder: Path | None
    items: dict[str, syntax.Definition | syntax.Binding] = field(
        default_factory=dict[str, syntax.Definition | syntax.Binding]
    )
    imported: dict[str, tuple[Home, str | None]] = field(
        default_factory=dict[str, "tuple[Home, str | None]"]
    )
    constants: dict[str, Value] = field(default_factory=dict[str, Value])
    reached: dict[str, Home] = field(default_factory=dict[str, "Home"])  # by the path as written
    places: dict[str, Span] = field(default_factory=dict[str, Span])  # where each was defined
    unknown: set[str] = field(default_factory=set[str])  # names that a faulty import would bring
    module: syntax.Module | None = None

    def lookup(self, frame: Frame, name: str, span: Span) -> Value:
        """What a name means in this file, or None: its own, imported, std's, the compiler's."""
        item = self.own(name)
        if isinstance(item, syntax.Definition):
            return Item(item, self)
        if isinstance(item, syntax.Binding):
            return self._constant(frame, name, item)
        if name in self.imported:
            home, inner = self.imported[name]
            return Namespace(home) if inner is None else home.lookup(frame, inner, span)
        if name in self.unknown:
            return POISON
        if self.key != "std":
            found = self.library.std.lookup(frame, name, span)
            if found is not None:
                return found
        return builtins.get(name)

    def own(self, name: str) -> syntax.Definition | syntax.Binding | None:
        return self.items.get(name)

    def is_constant(self, name: str) -> bool:
        return isinstance(self.items.get(name), syntax.Binding)

    def knows(self, name: str) -> bool:
        """Whether `lookup` would find the name; reads and evaluates nothing."""
        own = name in self.items or name in self.imported or name in self.unknown
        return own or name in self.library.std.index or name in builtins

    def holder(self, name: str) -> str:
        """The file, as this one's imports write it, that has an item of that name."""
        for file, other in self.reached.items():
            if name in other.items:
                return file
        return ""

    def names(self) -> Iterator[str]:
        yield from self.items
        yield from self.imported
        yield from self.library.std.index
        yield from builtins

    def _constant(self, frame: Frame, name: str, item: syntax.Binding) -> Value:
        """A file's own `name = expression`, evaluated at its first use."""
        if name not in self.constants:
            self.constants[name] = _OPEN
            inner = Frame(frame.builder, "file", name, self, frame.training, frame.depth + 1)
            value = POISON
            with inner.statement():
                target = item.targets[0]
                value = (
                    typed(inner, target, item.value) if target.type else evaluate(inner, item.value)
                )
            self.constants[name] = value
        if self.constants[name] is _OPEN:
            raise fault(
                "N007",
                f"the value of `{name}` depends on itself",
                item.targets[0].span,
            )
        return self.constants[name]

    def training_column(self, frame: Frame, name: str, at: syntax.Attribute) -> Value:
        """`train.x` in a data block: the training rows of the column x."""
        found = frame.values.get(f"train.{name}")
        if found is None:
            columns = [each[6:] for each in frame.values if each.startswith("train.")]
            raise fault(
                "N004", f"there is no column `{name}`", at.at, help=did_you_mean(name, columns)
            )
        if found is POISON:
            raise Poisoned
        return found


class Standard(Home):
    """The standard library: a definition is parsed when it is first reached."""

    def __init__(self, library: Library) -> None:
        super().__init__("std", library, None)
        self.index: dict[str, dict[str, Any]] = json.loads((STD / "index.json").read_text("utf-8"))
        self.texts: dict[str, str] = {}

    def own(self, name: str) -> syntax.Definition | syntax.Binding | None:
        if name not in self.items:
            entry = self.index.get(name)
            if entry is None:
                return None
            file = entry["file"]
            if file not in self.texts:
                self.texts[file] = (STD / file).read_text("utf-8")
            text = self.texts[file]
            start = entry["start"]
            # what comes before is blanked, so that places are the file's own
            blank = re.sub(r"[^\n]", " ", text[:start])
            module = parse(Source(f"std/{file}", blank + text[start : entry["end"]]))
            for item in module.items:
                if isinstance(item, syntax.Definition):
                    self.items[item.name] = item
                elif isinstance(item, syntax.Binding):
                    self.items[item.targets[0].name] = item
        return self.items.get(name)

    def is_constant(self, name: str) -> bool:
        entry = self.index.get(name)
        return entry is not None and entry["kind"] == "value" and name in self.items


class Library:
    """Every file of one build, each read once."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.std = Standard(self)
        self.homes: dict[Path, Home] = {}
        self.texts = 0

    def open(self, source: Source, folder: Path | None, chain: tuple[Path, ...] = ()) -> Home:
        """A file's names; what it imports is read too."""
        module = parse(source, self.report)
        home = Home(source.path, self, folder, module=module)
        if chain:
            self.homes[chain[-1]] = home
        for item in module.items:
            if isinstance(item, syntax.Import):
                self._import(home, item, chain)
            elif isinstance(item, (syntax.Definition, syntax.Binding)):
                self._own(home, item)
        return home

    def _own(self, home: Home, item: syntax.Definition | syntax.Binding) -> None:
        if isinstance(item, syntax.Definition):
            if item.kind == "train" and not item.name:
                return
            name, span = item.name, item.at
        else:
            target = item.targets[0]
            name, span = target.name, target.span
            if len(item.targets) > 1 or target.primed:
                home.unknown.update(each.name for each in item.targets)
                self.report.add(
                    Diagnostic(
                        "N010",
                        "outside of blocks a line binds one plain name",
                        labels(item.span),
                        expected="name = expression",
                    )
                )
                return
        if name and self._first(home, name, span):
            home.items[name] = item

    def _first(self, home: Home, name: str, span: Span) -> bool:
        """Whether a file defines that name for the first time; else it is a fault."""
        first = home.places.setdefault(name, span)
        if first is not span:
            self.report.add(
                Diagnostic(
                    "N002",
                    f"`{name}` is defined twice",
                    (Label(span, "defined here again"), Label(first, "defined here first")),
                )
            )
        return first is span

    def _import(self, home: Home, item: syntax.Import, chain: tuple[Path, ...]) -> None:
        try:
            other, path = self._reach(home, item, chain)
        except SpecError as error:
            self.report.extend(error.diagnostics)
            home.unknown.update(item.names or (Path(item.path).stem,))
            return
        home.reached[item.path] = other
        if not item.names:
            stem = path.stem
            if not stem.isidentifier():
                self.report.add(
                    Diagnostic(
                        "I005",
                        f"`{stem}` can't be a name here",
                        labels(item.at),
                        help='import its items by name: `from "..." import A`',
                    )
                )
                return
            if self._first(home, stem, item.at):
                home.imported[stem] = (other, None)
        for name in item.names:
            span = _name_in(item, name)
            if other.own(name) is None:
                home.unknown.add(name)
                self.report.add(
                    Diagnostic(
                        "N001",
                        f"`{item.path}` has no `{name}`",
                        labels(span),
                        help=did_you_mean(name, other.items),
                    )
                )
            elif self._first(home, name, span):
                home.imported[name] = (other, name)

    def _reach(self, home: Home, item: syntax.Import, chain: tuple[Path, ...]) -> tuple[Home, Path]:
        if home.folder is None:
            raise fault(
                "I006",
                "a text that stands in no file imports nothing",
                item.at,
                help="load it from a file, whose folder says where to look",
            )
        written = Path(item.path)
        if written.is_absolute() or ".." in written.parts or "\\" in item.path or "\0" in item.path:
            raise fault(
                "I002",
                "an import stays in its file's own folder, or below",
                item.at,
                expected="a relative path without `..`",
                found=item.path,
            )
        try:
            path = (home.folder / written).resolve()
        except (OSError, RuntimeError) as error:  # a link that leads to itself
            raise fault("I004", f"`{item.path}` can't be read: {error}", item.at) from None
        if not path.is_relative_to(home.folder.resolve()):
            raise fault(
                "I002",
                "an import stays in its file's own folder, or below",
                (item.at, "a link leads out of it"),
            )
        if path in chain:
            names = " → ".join(each.name for each in (*chain[chain.index(path) :], path))
            raise fault("I003", f"the imports go round in a circle: {names}", item.at)
        if path in self.homes:
            return self.homes[path], path
        if len(self.homes) >= IMPORTS.value:
            raise fault(IMPORTS.code, f"more than {IMPORTS.value} {IMPORTS.what}", item.at)
        source = Source(str(Path(home.key).parent / written), read(path, item.path, item.at))
        return self.open(source, path.parent, (*chain, path)), path


def _name_in(item: syntax.Import, name: str) -> Span:
    """Where an imported name stands."""
    source, end = item.span.source, item.at.end
    found = re.compile(rf"\b{re.escape(name)}\b").search(source.text, end, item.span.end)
    return item.span if found is None else Span(source, *found.span())


def read(path: Path, shown: str, at: Span | None = None) -> str:
    """A spec's text.

    Raises:
        SpecError: I001 not there, I004 not readable or not UTF-8 text, L001 too long.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(SOURCE_BYTES.value + 1)
    except FileNotFoundError:
        near = [each.name for each in path.parent.glob("*.nn")] if path.parent.is_dir() else []
        raise fault(
            "I001", f"there is no file `{shown}`", at, help=did_you_mean(path.name, near)
        ) from None
    except IsADirectoryError:
        raise fault("I004", f"`{shown}` is a folder", at) from None
    except OSError as error:
        raise fault("I004", f"`{shown}` can't be read: {error.strerror}", at) from None
    if len(raw) > SOURCE_BYTES.value:
        raise fault(SOURCE_BYTES.code, f"`{shown}` has more than {SOURCE_BYTES.value:,} bytes", at)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise fault("I004", f"`{shown}` is no UTF-8 text: see line {line}", at) from None
