"""`data` blocks: columns as graphs of the source's columns. The source itself is read by a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from specc.diagnostics import SpecError, did_you_mean, fault
from specc.ir import Graph, Output, Type, make_input, recipe, toposort
from specc.ir.model import Data, Made
from specc.ir.recipe import PYTHON, TEXT_FILE, Column, Dense, Lookup
from specc.language import syntax
from specc.language.build.arguments import Given, assign, given
from specc.language.build.dispatch import evaluate
from specc.language.build.frame import Builder, Frame
from specc.language.build.names import first_word, keyword_at
from specc.language.build.tensors import broadcast, lift
from specc.language.build.texts import (
    ROW,
    SEGMENT,
    TRAIN_ROW,
    Numbers,
    Text,
    Vocabulary,
)
from specc.language.build.values import POISON, Item, Poisoned, Tensor, Value, describe

SOURCES = ("npz", "csv", "parquet", "text", "sklearn", "python")
UNITS = ("line", "paragraph")  # of a text file


def build_data(builder: Builder, item: Item, hypers: Mapping[str, Value]) -> Data | None:
    """A data block; what depends on the source's columns waits for a run."""
    definition, home = item.definition, item.home
    frame = Frame(builder, "data", item.name, home, False)
    frame.values.update(hypers)
    builder.applied.add(id(definition))
    sources: list[syntax.Clause] = []
    columns: list[syntax.Binding] = []
    splits: list[syntax.Argument] = []
    for statement in definition.body:
        with frame.statement():
            if isinstance(statement, syntax.Clause) and statement.keyword == "source":
                sources.append(statement)
            elif isinstance(statement, syntax.Clause) and statement.keyword == "split":
                splits += statement.arguments
            elif isinstance(statement, syntax.Binding):
                _check_column(statement)
                columns.append(statement)
            elif not isinstance(statement, syntax.Remark):
                word = first_word(statement)
                raise fault(
                    "M008",
                    f"`{word}` has no meaning in a data block",
                    keyword_at(statement.span, word),
                    expected="source, split, or a column: `name = expression`",
                    help=did_you_mean(word, ["source", "split"]),
                )
    kind = argument = unit = ""
    ratios: dict[str, float] = {}
    booleans: list[syntax.Argument] = []
    with frame.statement():
        kind, argument, unit = _source(frame, definition, sources)
    for part in splits:
        with frame.statement():
            _split(frame, part, ratios, booleans)
    with frame.statement():
        if sum(ratios.values()) > 1 + 1e-9:
            raise fault(
                "M020",
                f"the parts of the split sum to {sum(ratios.values()):g}, more than 1",
                splits[0].span,
            )
    if frame.failed:
        return None
    maker = _Columns(builder, item, dict(hypers), columns, booleans)
    known = TEXT_FILE if kind == "text" else PYTHON.get(argument) if kind == "python" else None
    if known is not None:  # what is wrong with their columns can be told before any is read
        types = {"row": Type("int", (ROW,)), **{n: Type(k, (ROW,)) for n, k in known.items()}}
        for compute in (maker.splits, maker.columns):
            with frame.statement():
                compute(types)
        if frame.failed:
            return None
    return Data(
        item.name,
        kind,
        argument,
        str(home.folder or ""),
        ratios,
        tuple(str(each.name) for each in booleans),
        tuple(each.targets[0].name for each in columns),
        maker.splits,
        maker.columns,
        definition.at,
        unit,
    )


def _check_column(statement: syntax.Binding) -> None:
    if len(statement.targets) != 1 or statement.targets[0].primed:
        raise fault("M021", "a column is made by `name = expression`", statement.span)


def _source(
    frame: Frame, definition: syntax.Definition, sources: list[syntax.Clause]
) -> tuple[str, str, str]:
    if len(sources) != 1:
        raise fault(
            "M022",
            "a data block has one source",
            sources[1].span if sources else definition.at,
            help='`source sklearn("digits")`' if not sources else "",
        )
    clause = sources[0]
    call = clause.arguments[0].value if len(clause.arguments) == 1 else None
    if not isinstance(call, syntax.Call) or not isinstance(call.function, syntax.Name):
        raise fault(
            "M025",
            'a source is a call, as in `source csv("f.csv")`',
            clause.span,
            expected=", ".join(SOURCES),
        )
    kind = call.function.id
    if kind not in SOURCES:
        raise fault(
            "M025",
            f"there is no source `{kind}`",
            call.function.span,
            expected=", ".join(SOURCES),
            help=did_you_mean(kind, SOURCES),
        )
    names = ["name", "by"] if kind == "text" else ["name"]
    assigned = assign(f"`{kind}`", names, given(call.arguments), call.span)
    if "name" not in assigned:
        raise fault("M025", f"`{kind}` takes a name in quotes", call.span)
    value = assigned["name"].evaluate(frame)
    if not isinstance(value, str):
        raise fault("M025", f"`{kind}` takes a name in quotes, not {describe(value)}", call.span)
    return kind, value, _unit(frame, assigned.get("by"))


def _unit(frame: Frame, by: Given | None) -> str:
    """What a row of a text file is."""
    value = "line" if by is None else by.evaluate(frame)
    if by is not None and value not in UNITS:
        raise fault(
            "M025",
            f"a row of text is a line or a paragraph, not {describe(value)}",
            by.span,
            expected=" or ".join(f'"{each}"' for each in UNITS),
            help=did_you_mean(value, UNITS) if isinstance(value, str) else "",
        )
    return value


def _split(
    frame: Frame, part: syntax.Argument, ratios: dict[str, float], booleans: list[syntax.Argument]
) -> None:
    if part.name is None:
        raise fault(
            "M020", "a part of a split has a name: `split train = 0.8, test = 0.2`", part.span
        )
    if part.name in ratios or any(each.name == part.name for each in booleans):
        raise fault("N002", f"the part `{part.name}` is split twice", part.span)
    try:
        value = evaluate(frame, part.value)
    except SpecError:  # it reads columns, which are there when the run is
        booleans.append(part)
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise fault(
            "M020",
            f"a part is a share from 0 to 1, or a column of truth values, not {describe(value)}",
            (part.value.span, describe(value)),
        )
    ratios[part.name] = float(value)


class _Columns:
    """The graphs of a data block for the columns that its source turns out to have."""

    def __init__(
        self,
        builder: Builder,
        item: Item,
        hypers: dict[str, Value],
        columns: list[syntax.Binding],
        booleans: list[syntax.Argument],
    ) -> None:
        self.builder, self.item, self.hypers = builder, item, hypers
        self.made, self.booleans = columns, booleans

    def _frame(self, types: Mapping[str, Type]) -> Frame:
        frame = Frame(self.builder, "data", self.item.name, self.item.home, False)
        frame.values.update(self.hypers)
        for prefix, role, first in (("", "column", ROW), ("train.", "train", TRAIN_ROW)):
            for name, type in types.items():
                if type.dtype in ("text", "tokens"):
                    column = Column(name, bool(prefix), type.dtype == "tokens")
                    frame.values[prefix + name] = Text(column)
                    continue
                shape = (first, *type.shape[1:])
                node = make_input(prefix + name, role, Type(type.dtype, shape))
                frame.inputs.append(node)
                label = str(first)
                frame.values[prefix + name] = Tensor(node, (label, *(None,) * (type.rank - 1)))
        return frame

    def _bind(self, frame: Frame, binding: syntax.Binding) -> Value:
        """A column over all rows, and over the training rows under `train.`."""
        name = binding.targets[0].name
        value = evaluate(frame, binding.value)
        outer = dict(frame.values)
        try:
            for key in [each for each in outer if each.startswith("train.")]:
                frame.values[key[6:]] = outer[key]
            own: Value = POISON
            inner = Frame(self.builder, "data", self.item.name, self.item.home, False)
            inner.values, inner.inputs = dict(frame.values), frame.inputs
            inner.recipes = frame.recipes
            with _quiet(inner):
                own = evaluate(inner, binding.value)
        finally:
            frame.values = outer
        frame.values[name] = value
        frame.values[f"train.{name}"] = own
        return value

    def splits(self, types: Mapping[str, Type]) -> Made:
        before = len(self.builder.report.diagnostics)
        frame = self._frame(types)
        made: list[Output] = []
        for binding in self.made:
            try:
                self._bind(frame, binding)
            except (SpecError, Poisoned):  # told by `columns`; a split that reads it can't go on
                frame.values.setdefault(binding.targets[0].name, POISON)
        for part in self.booleans:
            with frame.statement():
                value = evaluate(frame, part.value)
                if not isinstance(value, Tensor) or value.dtype != "bool" or value.shape != (ROW,):
                    raise fault(
                        "M020",
                        f"a part is a truth value a row, not {describe(value)}",
                        (part.value.span, describe(value)),
                        expected="bool[row]",
                    )
                made.append(Output(str(part.name), "split", value.node))
        self._raise(before)
        return Made(*_closed(frame, made, f"{self.item.name}.splits"), {}, {})

    def columns(self, types: Mapping[str, Type]) -> Made:
        before = len(self.builder.report.diagnostics)
        frame = self._frame(types)
        made: dict[str, Output] = {}
        ragged: dict[str, Lookup] = {}
        vocabularies: dict[str, recipe.Vocabulary] = {}
        for binding in self.made:
            name = binding.targets[0].name
            frame.values.setdefault(name, POISON)
            with frame.statement():
                bound = self._bind(frame, binding)
                if isinstance(bound, Numbers):
                    ragged[name] = bound.recipe
                if isinstance(bound, Vocabulary):
                    vocabularies[name] = bound.recipe
                if isinstance(bound, (Numbers, Vocabulary, Text)):
                    made.pop(name, None)
                    continue
                value = lift(bound, binding.value.span, "float")
                if value.rank == 0:
                    value = broadcast(value, (ROW,), ("row",), binding.value.span)
                if value.shape[0] not in (ROW, SEGMENT):
                    raise fault(
                        "M021",
                        f"a column has a row for each example, and this is {value}",
                        (binding.value.span, str(value)),
                        expected="a first axis `row`",
                    )
                made[name] = Output(name, "column", value.node)
        self._raise(before)
        graph, texts = _closed(frame, list(made.values()), f"{self.item.name}.columns")
        return Made(graph, texts, ragged, vocabularies)

    def _raise(self, before: int) -> None:
        found = self.builder.report.diagnostics[before:]
        errors = [each for each in found if each.severity == "error"]
        if errors:
            self.builder.report.take_back(errors)
            raise SpecError(errors)


class _quiet:
    """A column that can't be made of training rows alone is one that nobody may fit on."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        return kind is not None and issubclass(kind, (SpecError, Poisoned))


def _closed(frame: Frame, outputs: list[Output], name: str) -> tuple[Graph, dict[str, Dense]]:
    """A graph over the columns that it reads, no others; and how text gives some of them."""
    read = {id(node) for node in toposort([each.node for each in outputs])}
    inputs = [node for node in frame.inputs if id(node) in read]
    drawn = [*frame.draws.values(), *([frame.key] if frame.key else [])]
    graph = Graph(name, (*inputs, *drawn), tuple(outputs), requires=tuple(frame.axes.requires))
    names = {node.attributes["name"] for node in inputs}
    return graph, {name: each for name, each in frame.recipes.items() if name in names}


__all__ = ["SOURCES", "build_data"]
