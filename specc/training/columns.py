"""A data block's columns and splits, computed; and the arrays that feed a model. Draws no batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from specc import pipeline
from specc.diagnostics import Diagnostic, Span, SpecError, did_you_mean, fault
from specc.ir.graph import Graph, Node
from specc.ir.model import Data
from specc.ir.size import axis
from specc.ir.types import Type
from specc.training import bounds
from specc.training.feeds import fitted
from specc.training.order import SPLIT, permutation
from specc.training.sources import Table, read_table

Columns = dict[str, np.ndarray]
Place = tuple[Span, str] | None


@dataclass(frozen=True, slots=True)
class Dataset:
    """The rows of a data block: its columns, float64 int64 or bool, and its splits' row numbers."""

    block: Data
    columns: Columns
    splits: Mapping[str, np.ndarray]  # ascending int64 row numbers; "train" is always there
    names: tuple[str, ...]  # of all columns, read or not
    unusable: Mapping[str, str]


def load(block: Data, seed: int, needed: set[str]) -> Dataset:
    """Reads the source and computes what the block makes of it, and the `needed` columns."""
    table = read_table(block)
    types = {"row": Type("int", (axis("row"),)), **table.types}
    try:
        splits_graph = block.splits(types)
        made_graph = block.columns(types)
    except SpecError as error:
        raise SpecError([_of_columns(each, table) for each in error.diagnostics]) from None
    direct = {name for name in needed if name not in block.column_names and name in types}
    used = direct | _column_names(splits_graph) | _column_names(made_graph)
    source = _read(block, table, used)
    rows = len(source["row"])
    splits = _splits(block, splits_graph, source, rows, seed)
    made = _made(made_graph, source, splits["train"])
    columns = {name: source[name] for name in direct} | made
    names = (*block.column_names, *types)
    return Dataset(block, columns, splits, names, table.unusable)


def _of_columns(told: Diagnostic, table: Table) -> Diagnostic:
    """A name that means nothing is told what the source holds under it, or at all."""
    if told.code not in ("N001", "N004") or not told.labels:
        return told
    name = told.labels[0].span.text.removeprefix("train.")
    if name in table.unusable:
        why = table.unusable[name]
        return replace(told, message=f"`{name}` can't be computed with", found=why, help="")
    held = dict.fromkeys([*table.types, *table.unusable, "row"])
    near = did_you_mean(name, held) or told.help
    return replace(told, expected="a column: " + ", ".join(held), help=near)


def _column_names(graph: Graph) -> set[str]:
    return {_source_name(node) for node in graph.inputs}


def _source_name(node: Node) -> str:
    """A training column is read as `train.x`, from the source's x."""
    return node.attributes["name"].removeprefix("train.")


def _read(block: Data, table: Table, used: set[str]) -> Columns:
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
    rows = next(iter(lengths.values()), 0)
    if not rows:
        raise fault("D011", f"{table.name} has no rows", block.span)
    columns = {name: table.readers[name]() for name in named}
    return {"row": np.arange(rows, dtype=np.int64), **columns}


def _two_that_differ(lengths: Mapping[str, int]) -> list[tuple[str, int]]:
    pairs = list(lengths.items())
    return [pairs[0], next(pair for pair in pairs if pair[1] != pairs[0][1])]


def _splits(
    block: Data, graph: Graph, source: Columns, rows: int, seed: int
) -> dict[str, np.ndarray]:
    """Boolean splits take their rows, ratios share the shuffled others, the rest is train."""
    owner = np.full(rows, -1, dtype=np.int64)  # the place of a row's split in `names`
    names = list(dict.fromkeys([*block.split_names, *block.ratios, "train"]))
    masks = _run(graph, {node: source[_source_name(node)] for node in graph.inputs})
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


def _made(graph: Graph, source: Columns, train: np.ndarray) -> Columns:
    training = graph.taking("train").values()
    feeds = {node: source[_source_name(node)] for node in graph.inputs}
    for node in training:
        feeds[node] = feeds[node][train]
    return _run(graph, feeds)


def _run(graph: Graph, feeds: Mapping[Node, np.ndarray]) -> Columns:
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
            feeds[name] = fitted(node, _column(dataset, node), dtype)
        except SpecError as error:
            faults.append(error)
    if faults:
        raise SpecError([each for error in faults for each in error.diagnostics])
    bounds.check(graph, feeds, dataset.block.span)
    return feeds


def _column(dataset: Dataset, node: Node) -> np.ndarray:
    name = node.attributes["name"]
    if name in dataset.columns:
        return dataset.columns[name]
    why = dataset.unusable.get(name, "")
    raise fault(
        "D005",
        f"the data `{dataset.block.name}` has no column for the {node.attributes['role']} `{name}`",
        (node.origin.span, "needs a column") if node.origin.span else None,
        (dataset.block.span, "the data") if dataset.block.span else None,
        found=f"the source's `{name}` is no column: {why}" if why else "",
        help=did_you_mean(name, dataset.names)
        or f"make one in the data block: {name} = ... (it has {', '.join(dataset.names)})",
    )
