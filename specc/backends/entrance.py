"""What a program may be fed, and the lengths of the axes that it tells. Runs nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from specc.diagnostics import Diagnostic, SpecError, did_you_mean, fault, labels
from specc.ir import Extent, Graph, Node, Requirement, Size, toposort
from specc.ir.size import axes, evaluate
from specc.ir.size import axis as axis_size

Array = np.ndarray[Any, Any]
Lengths = Mapping[str, int]
ACCEPTED = {"f": "fiub", "i": "iub", "b": "b"}  # an input's kind: the kinds that become it
WORDS = {"f": "floats", "i": "ints", "u": "ints", "b": "bools"}
DTYPES = {"float64": "float64", "int": "int64", "bool": "bool"}


@cache
def memory() -> int:
    """The machine's, in bytes; without end where it doesn't tell."""
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return sys.maxsize
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def array_dtype(dtype: str, precision: str) -> np.dtype[Any]:
    """NumPy's of a graph's dtype in a run of that precision."""
    return np.dtype(precision if dtype == "float" else DTYPES[dtype])


def dynamic_axes(graph: Graph) -> dict[str, tuple[int, int, int, int]]:
    """Each dynamic axis of the inputs that one of them tells, with its reading."""
    found = dict.fromkeys(
        name for node in graph.inputs for extent in node.shape for name in axes(extent)
    )
    read = {name: reading(graph, name) for name in found}
    return {name: row for name, row in read.items() if row is not None}


def reading(graph: Graph, name: str) -> tuple[int, int, int, int] | None:
    """An input, its axis, offset and factor: the length there is offset + factor · this axis."""
    for plain_only in (True, False):
        for place, node in enumerate(graph.inputs):
            for position, extent in enumerate(node.shape):
                if isinstance(extent, Size) and axes(extent) == [name]:
                    if extent == axis_size(name):
                        return place, position, 0, 1
                    if not plain_only and (line := _line(extent, name)):
                        return place, position, *line
    return None


def _line(extent: Size, name: str) -> tuple[int, int] | None:
    """(offset, factor) if the extent is a straight line in the axis."""
    at = [evaluate(extent, {name: length}) for length in (0, 1)]
    factor = at[1] - at[0]
    return (at[0], factor) if factor and extent == axis_size(name) * factor + at[0] else None


class Entrance:
    """The checks of a graph's feeds: names, dtypes, shapes, and what must hold of sizes."""

    def __init__(self, graph: Graph, dtype: str) -> None:
        self.graph, self.dtype = graph, dtype
        self.inputs = tuple(str(node.attributes["name"]) for node in graph.inputs)
        self.axes = dynamic_axes(graph)
        self._dtypes = [array_dtype(node.dtype, dtype) for node in graph.inputs]
        self._requires = (*graph.requires, *_implied(graph))
        self._held = {
            node: array_dtype(node.dtype, dtype).itemsize
            for node in toposort(graph.results)
            if node in graph.results or node.op.name == "matmul"
        }
        self._known: dict[tuple[tuple[int, ...], ...], Lengths] = {}

    def arrays(self, feeds: Mapping[str, Any]) -> list[Array]:
        """The feeds in the order of the inputs, as arrays of their dtypes.

        Raises:
            SpecError: R101 .. R103.
        """
        if len(feeds) != len(self.inputs) or not all(name in feeds for name in self.inputs):
            raise self._wrong_names(feeds)
        arrays: list[Array] = []
        for name, dtype in zip(self.inputs, self._dtypes, strict=True):
            array = feeds[name]
            if type(array) is not np.ndarray or array.dtype != dtype:
                array = self._converted(name, array, dtype)
            arrays.append(array)
        return arrays

    def lengths(self, arrays: Sequence[Array]) -> Lengths:
        """The dynamic axes' lengths, once everything about the shapes has been checked.

        Raises:
            SpecError: R104 .. R106, and L012 where a result is larger than the machine's memory.
        """
        shapes = tuple([array.shape for array in arrays])
        found = self._known.get(shapes)
        if found is None:
            found = self._lengths(shapes)
            if len(self._known) >= 1024:
                self._known.clear()
            self._known[shapes] = found
        return found

    def input(self, name: str) -> Node:
        return self.graph.inputs[self.inputs.index(name)]

    # ── names and dtypes ─────────────────────────────────────────────────────────────────────────
    def _converted(self, name: str, given: Any, dtype: np.dtype[Any]) -> Array:
        array = np.asarray(given)
        if array.dtype.kind not in ACCEPTED[dtype.kind]:
            found = WORDS.get(array.dtype.kind, f"elements of {array.dtype}")
            raise fault(
                "R103",
                f"`{name}` takes {WORDS[dtype.kind]}",
                self.input(name).origin.span,
                expected=str(self.input(name).type),
                found=f"an array of {found} ({array.dtype})",
                help="round it and make it ints first" if found == "floats" else "",
            )
        return array.astype(dtype)

    def _wrong_names(self, feeds: Mapping[str, Any]) -> SpecError:
        missing = [name for name in self.inputs if name not in feeds]
        found = [
            Diagnostic(
                "R101",
                f"nothing is given for `{name}`",
                labels(self.input(name).origin.span),
                expected=str(self.input(name).type),
            )
            for name in missing
        ]
        found += [
            Diagnostic(
                "R102",
                f"there is no input `{name}`",
                expected=", ".join(f"`{each}`" for each in self.inputs),
                help=did_you_mean(name, missing or self.inputs),
            )
            for name in feeds
            if name not in self.inputs
        ]
        return SpecError(found)

    # ── shapes ───────────────────────────────────────────────────────────────────────────────────
    def _lengths(self, shapes: tuple[tuple[int, ...], ...]) -> Lengths:
        for node, shape in zip(self.graph.inputs, shapes, strict=True):
            if len(shape) != node.rank:
                raise fault(
                    "R104",
                    f"`{node.attributes['name']}` has {_count(len(shape), 'axis', 'axes')},"
                    f" not {node.rank}",
                    node.origin.span,
                    expected=str(node.type),
                    found=f"the shape {list(shape)}",
                )
        found = {
            name: (shapes[place][axis] - offset) // factor
            for name, (place, axis, offset, factor) in self.axes.items()
        }
        wanted = tuple(
            tuple(evaluate(extent, found) for extent in node.shape) for node in self.graph.inputs
        )
        if shapes != wanted or min(found.values(), default=0) < 0:
            raise self._wrong_sizes(shapes, found)
        for requirement in self._requires:
            value = evaluate(requirement.extent, found)
            if not (value == 0 if requirement.relation == "==" else value >= 0):
                told = ", ".join(f"{name} = {length}" for name, length in found.items())
                own = (requirement.applied, "in this application") if requirement.applied else None
                raise fault("R106", requirement.message, own, requirement.span, found=told)
        self._check_memory(found)
        return found

    def _check_memory(self, lengths: Lengths) -> None:
        """Of what is an array whatever else a backend keeps: results and products of matrices."""
        for node, itemsize in self._held.items():
            size = evaluate(node.type.elements, lengths) * itemsize
            if size > memory():
                raise fault(
                    "L012",
                    "this machine has not enough memory for it",
                    node.origin.span,
                    expected=f"at most {memory():,} bytes",
                    found=f"{size:,} bytes for {node.type}",
                    help="fewer rows at a time need less",
                )

    def _wrong_sizes(self, shapes: Sequence[tuple[int, ...]], length_of: Lengths) -> SpecError:
        told_by = {name: self.graph.inputs[place] for name, (place, *_) in self.axes.items()}
        found: list[Diagnostic] = []
        for node, shape in zip(self.graph.inputs, shapes, strict=True):
            for position, (extent, length) in enumerate(zip(node.shape, shape, strict=True)):
                wanted = evaluate(extent, length_of)
                if wanted == length:
                    continue
                name = node.attributes["name"]
                others = [told_by[each] for each in axes(extent) if told_by[each] is not node]
                because = "".join(
                    f", because `{each.attributes['name']}` says so" for each in others[:1]
                )
                code = "R105" if axes(extent) else "R104"
                found.append(
                    Diagnostic(
                        code,
                        f"axis {position} of `{name}` has {length} elements",
                        labels(node.origin.span, *(each.origin.span for each in others)),
                        expected=f"{extent} = {wanted}{because}" if axes(extent) else str(extent),
                        found=f"the shape {list(shape)} for {node.type}",
                    )
                )
        assert found, "an axis was read as a negative length"
        return SpecError(found)


def _implied(graph: Graph) -> list[Requirement]:
    """What every operation needs of sizes: none below 0, and a maximum of something."""
    found: dict[tuple[Extent, int], Requirement] = {}
    for node in _primitives(graph):
        asked = [
            (extent, 0, f"`{node.op.name}` has fewer than no elements") for extent in node.shape
        ]
        if node.op.name in ("max", "argmax"):
            extent = node.inputs[0].shape[node.attributes["axis"]]
            asked.append((extent, 1, f"`{node.op.name}` over an axis without elements"))
        if node.op.name == "slice":
            at, shape = node.attributes, node.inputs[0].shape
            for start, stop, extent in zip(at["starts"], at["stops"], shape, strict=True):
                message = f"`{start}:{stop}` lies outside an axis of {extent}"
                asked += [(start, 0, message), (extent - stop, 0, message)]
        for extent, least, message in asked:
            if isinstance(extent, Size) and (extent, least) not in found:
                span = node.origin.span
                found[extent, least] = Requirement(extent - least, ">=", message, span)
    return list(found.values())


def _primitives(graph: Graph) -> Iterator[Node]:
    """The nodes of the graph and of what it scans and calls, though a backend runs calls whole."""
    seen = {graph}
    open_ = [graph]
    while open_:
        for node in toposort(open_.pop().results):
            if node.op.name not in ("scan", "call"):
                yield node
            elif (body := node.attributes["body"]) not in seen:
                seen.add(body)
                open_.append(body)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
