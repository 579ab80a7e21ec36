"""A data block's columns and splits, computed; and the arrays that feed a model. Draws no batch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from specc import pipeline
from specc.diagnostics import Diagnostic, Span, SpecError, did_you_mean, fault
from specc.ir.graph import Graph, Node
from specc.ir.model import Data, Made
from specc.ir.recipe import Equal, Lengths, Segments
from specc.ir.size import axis
from specc.ir.types import Type
from specc.training import bounds
from specc.training.feeds import fitted
from specc.training.order import SPLIT, permutation
from specc.training.ragged import Column, Ragged
from specc.training.sources import read_table
from specc.training.table import Table
from specc.training.texts import Texts

Arrays = dict[str, np.ndarray]
Columns = dict[str, Column]
Place = tuple[Span, str] | None


TEXT = "it is text, and only a vocabulary makes numbers of that"


@dataclass(frozen=True, slots=True)
class Dataset:
    """The rows of a data block: its columns, float64 int64 or bool, and its splits' row numbers.

    Where texts are cut into segments, a row is a segment.
    """

    block: Data
    columns: Columns
    splits: Mapping[str, np.ndarray]  # ascending int64 row numbers; "train" is always there
    names: tuple[str, ...]  # of all columns, read or not
    unusable: Mapping[str, str]
    vocabularies: Mapping[str, tuple[str, ...]]


def load(block: Data, seed: int, needed: set[str]) -> Dataset:
    """Reads the source and computes what the block makes of it, and the `needed` columns."""
    table = read_table(block)
    _check_rows(block, table)
    types = {"row": Type("int", (axis("row"),)), **table.types}
    dividing, making = _computed(block, table, types)
    plain = {name for name in needed if name in types and name not in table.texts}
    direct = plain - set(block.column_names)
    source = _read(block, table, direct | _column_names(dividing) | _column_names(making))
    texts = Texts(table.texts)
    splits = _splits(block, dividing, source, texts, seed)
    texts.train = splits["train"]
    segments = [each for each in making.given.values() if isinstance(each, Segments)]
    counts = _segment_counts(segments, splits, texts)
    made = {name: source[name] for name in direct} | _made(making, source, texts, splits)
    vocabularies = {name: texts.vocabulary(each) for name, each in making.vocabularies.items()}
    columns = made | {name: texts.numbers(each) for name, each in making.ragged.items()}
    text = [name for name in (*table.texts, *block.column_names) if name not in columns]
    dataset = Dataset(
        block,
        columns,
        splits,
        (*block.column_names, *types),
        {**dict.fromkeys(text, TEXT), **table.unusable},
        vocabularies,
    )
    return _of_segments(dataset, making.graph, segments[0], counts) if segments else dataset


def _computed(block: Data, table: Table, types: Mapping[str, Type]) -> tuple[Made, Made]:
    """How the splits and the columns are made, or all that is wrong with both."""
    found: list[Made] = []
    faults: list[Diagnostic] = []
    for compute in (block.splits, block.columns):
        try:
            found.append(compute(types))
        except SpecError as error:
            faults += [_of_columns(each, table) for each in error.diagnostics]
    if faults:
        raise SpecError(faults)
    return found[0], found[1]


def _of_columns(told: Diagnostic, table: Table) -> Diagnostic:
    """A name that means nothing is told what the source holds under it, or at all."""
    if told.code not in ("N001", "N004", "T003") or not told.labels:
        return told
    name = told.labels[0].span.text.removeprefix("train.")
    read = re.findall(r"\w+", name) if told.code == "T003" else [name]
    for each in read:
        if each in table.unusable:
            why = table.unusable[each]
            return replace(told, message=f"`{each}` can't be computed with", found=why, help="")
    if told.code == "T003":
        return told
    held = dict.fromkeys([*table.types, *table.unusable, "row"])
    near = did_you_mean(name, held) or told.help
    return replace(told, expected="a column: " + ", ".join(held), help=near)


def _column_names(made: Made) -> set[str]:
    """The source's columns that numbers are made of; text gives the others."""
    read = [node for node in made.graph.inputs if node.attributes["name"] not in made.given]
    return {_source_name(node) for node in read}


def _source_name(node: Node) -> str:
    """A training column is read as `train.x`, from the source's x."""
    return node.attributes["name"].removeprefix("train.")


def _read(block: Data, table: Table, used: set[str]) -> Arrays:
    named = sorted(used - {"row"})
    lengths = {name: table.lengths[name] for name in named} or table.lengths
    if len(set(lengths.values())) > 1:
        (one, first), (other, second) = _two_that_differ(lengths)
        raise fault(
            "D012",
            f"columns of {table.name} have different numbers of rows",
            block.span,
            expected=f"{first} rows, as `{one}` has",
            found=f"{second} rows in `{other}`",
        )
    rows = next(iter(lengths.values()))
    columns = {name: table.readers[name]() for name in named}
    return {"row": np.arange(rows, dtype=np.int64), **columns}


def _check_rows(block: Data, table: Table) -> None:
    """Of an empty file nothing else is said: it doesn't even tell what is text."""
    if not any(table.lengths.values()):
        unusable = [f"`{name}`: {why}" for name, why in table.unusable.items()]
        raise fault(
            "D011",
            f"{table.name} has no {'column that can be read' if unusable else 'rows'}",
            block.span,
            found="; ".join(unusable),
        )


def _two_that_differ(lengths: Mapping[str, int]) -> list[tuple[str, int]]:
    pairs = list(lengths.items())
    return [pairs[0], next(pair for pair in pairs if pair[1] != pairs[0][1])]


def _splits(
    block: Data, dividing: Made, source: Arrays, texts: Texts, seed: int
) -> dict[str, np.ndarray]:
    """Boolean splits take their rows, ratios share the shuffled others, the rest is train."""
    rows = len(source["row"])
    owner = np.full(rows, -1, dtype=np.int64)  # the place of a row's split in `names`
    names = list(dict.fromkeys([*block.split_names, *block.ratios, "train"]))
    masks = _run(dividing.graph, _fed(dividing, source, texts, {}))
    for name, mask in masks.items():
        taken = mask & (owner >= 0)
        if taken.any():
            row = int(np.argmax(taken))
            raise fault(
                "D010",
                f"the splits `{names[owner[row]]}` and `{name}` overlap",
                block.span,
                found=f"{int(taken.sum())} rows in both, the first is row {row}",
                help=f"exclude one: split {name} = ... and not (...)",
            )
        owner[mask] = names.index(name)
    free = np.flatnonzero(owner < 0)
    shuffled = free[permutation(len(free), seed, 0, SPLIT)] if block.ratios else free
    share, start = 0.0, 0
    for name, ratio in block.ratios.items():
        share += ratio
        stop = min(len(free), round(len(free) * share))
        owner[shuffled[start:stop]] = names.index(name)
        start = stop
    owner[owner < 0] = names.index("train")
    splits = {name: np.flatnonzero(owner == place) for place, name in enumerate(names)}
    for name, members in splits.items():
        if not len(members):
            raise fault("D011", f"no row is in the split `{name}`", block.span)
    return splits


def _made(making: Made, source: Arrays, texts: Texts, splits: Mapping[str, np.ndarray]) -> Arrays:
    training = making.graph.taking("train").values()
    feeds = _fed(making, source, texts, splits)
    for node in training:
        feeds[node] = feeds[node][splits["train"]]
    return _run(making.graph, feeds)


def _fed(
    made: Made, source: Arrays, texts: Texts, splits: Mapping[str, np.ndarray]
) -> dict[Node, np.ndarray]:
    """What the graph of a data block reads: the source's columns, and what text gives."""
    feeds: dict[Node, np.ndarray] = {}
    for node in made.graph.inputs:
        given = made.given.get(node.attributes["name"])
        if given is None:
            feeds[node] = source[_source_name(node)]
        elif isinstance(given, Segments):
            parts = [texts.segments(given, splits[name]) for name in splits]
            feeds[node] = np.concatenate(parts)
        elif isinstance(given, Lengths):
            feeds[node] = texts.lengths(given)
        elif isinstance(given, Equal):
            feeds[node] = texts.equal(given)
        else:
            feeds[node] = texts.numbers(given).flat
    return feeds


def _segment_counts(
    segments: Sequence[Segments], splits: Mapping[str, np.ndarray], texts: Texts
) -> list[int]:
    """How many there are of each split, the same of all."""
    counts = {
        each: [len(texts.segments(each, rows)) for rows in splits.values()] for each in segments
    }
    first = next(iter(counts), None)
    for other in counts:
        assert first is not None
        if counts[first] != counts[other]:
            raise fault(
                "D012",
                "segments of one data block differ in number",
                (first.span, f"{sum(counts[first])} segments"),
                (other.span, f"{sum(counts[other])} segments"),
                help="give them one length and one stride, over tokens of the same rows",
            )
    return counts[first] if first else []


def _of_segments(dataset: Dataset, graph: Graph, first: Segments, counts: list[int]) -> Dataset:
    """The data whose rows are segments, split by split; columns of the source's rows are none."""
    splits: dict[str, np.ndarray] = {}
    start = 0
    for name, count in zip(dataset.splits, counts, strict=True):
        if not count:
            raise fault(
                "D011",
                f"the split `{name}` has too few tokens for one segment",
                first.span,
                expected=f"{first.length} tokens",
            )
        splits[name] = np.arange(start, start + count)
        start += count
    cut = {output.name for output in graph.outputs if output.node.shape[0] == axis("segment")}
    apart = {
        name: "it has a row of the source, and the rows that are fed are segments"
        for name in dataset.columns
        if name not in cut
    }
    columns = {name: values for name, values in dataset.columns.items() if name in cut}
    return replace(dataset, columns=columns, splits=splits, unusable={**dataset.unusable, **apart})


def _run(graph: Graph, feeds: Mapping[Node, np.ndarray]) -> Arrays:
    """Columns are computed in float64, whatever the run's precision: they are rounded once."""
    if not graph.outputs:
        return {}
    program = pipeline.compile(pipeline.lower(graph), "float64")
    named = {node.attributes["name"]: value for node, value in feeds.items()}
    return program({name: named[name] for name in program.inputs})


# ── what a model is fed ──────────────────────────────────────────────────────────────────────────
def feeds_of(dataset: Dataset, inputs: Mapping[str, Node], graph: Graph, dtype: str) -> Columns:
    """One array an input, in the run's precision; all that doesn't fit is reported at once."""
    faults: list[SpecError] = []
    feeds: Columns = {}
    for name, node in inputs.items():
        try:
            values = _column(dataset, node)
            feeds[name] = (
                _ragged(node, values) if isinstance(values, Ragged) else fitted(node, values, dtype)
            )
        except SpecError as error:
            faults.append(error)
    if faults:
        raise SpecError([each for error in faults for each in error.diagnostics])
    _check_axes(inputs, feeds)
    bounds.check(graph, feeds, dataset.block.span)
    return feeds


def _ragged(node: Node, rows: Ragged) -> Ragged:
    """Rows of different lengths, for an input that takes them."""
    name, type = node.attributes["name"], node.type
    place = (node.origin.span, "declared here") if node.origin.span else None
    if type.dtype != "int" or type.rank != 2 or isinstance(type.shape[1], int):
        raise fault(
            "D007",
            f"the rows of `{name}` have different lengths",
            place,
            expected=str(type),
            found="int[rows, tokens of each]",
            help="its input is `int[batch, time]`, with an axis that has no size",
        )
    if rows.padding < 0:
        raise fault(
            "D015",
            f"the rows of `{name}` have different lengths, and nothing to fill the shorter with",
            place,
            help="let its vocabulary have a padding token: `padding = true`",
        )
    return rows


def _check_axes(inputs: Mapping[str, Node], feeds: Mapping[str, Column]) -> None:
    """Two columns along one axis have rows of the same lengths: they are padded alike."""
    seen: dict[object, str] = {}
    for name, rows in feeds.items():
        if not isinstance(rows, Ragged):
            continue
        along = inputs[name].type.shape[1]
        other = feeds[seen.setdefault(along, name)]
        assert isinstance(other, Ragged)
        differ = np.flatnonzero(rows.lengths != other.lengths)
        if len(differ):
            row = int(differ[0])
            raise fault(
                "D012",
                f"`{seen[along]}` and `{name}` have rows of different lengths along `{along}`",
                inputs[name].origin.span,
                found=f"{other.lengths[row]} and {rows.lengths[row]} tokens in row {row}",
            )


def _column(dataset: Dataset, node: Node) -> Column:
    name = node.attributes["name"]
    if name in dataset.columns:
        return dataset.columns[name]
    why = dataset.unusable.get(name, "")
    raise fault(
        "D005",
        f"the data `{dataset.block.name}` has no column for the {node.attributes['role']} `{name}`",
        (node.origin.span, "needs a column") if node.origin.span else None,
        (dataset.block.span, "the data") if dataset.block.span else None,
        found=f"`{name}` is no column: {why}" if why else "",
        help=(why == TEXT and f"give it numbers: {name} = vocab(words(...))")
        or did_you_mean(name, dataset.names)
        or f"make one in the data block: {name} = ... (it has {', '.join(dataset.names)})",
    )
