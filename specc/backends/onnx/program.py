"""A graph to call, run by onnxruntime as the model that an export would hold. Writes no file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import onnxruntime as ort
from onnxruntime.capi.onnxruntime_pybind11_state import (  # pyright: ignore[reportMissingImports]
    Fail,  # pyright: ignore[reportAttributeAccessIssue]
    InvalidArgument,  # pyright: ignore[reportAttributeAccessIssue]
    RuntimeException,  # pyright: ignore[reportAttributeAccessIssue]
)

from specc.backends.entrance import Array, Entrance
from specc.backends.onnx.model import OPSET, Form, lower, model_of
from specc.diagnostics import SpecError, fault
from specc.ir import Extent, Graph, Node, Output, toposort
from specc.ir.size import evaluate

NOTHING: Mapping[str, Any] = {}
MOVING = ("reshape", "permute", "broadcast")  # what shows every value that was there, and no other
# What onnxruntime raises when a kernel refuses its inputs.
REFUSALS = (InvalidArgument, Fail, RuntimeException)


def compile(
    graph: Graph, dtype: str = "float32", *, opset: int = OPSET, threads: int = 0
) -> Program:
    """A program for a graph, whose calls become operators or are expanded.

    Args:
        dtype: the run's precision, "float32" or "float64".
        threads: how many may compute one operator; 0 leaves it to onnxruntime.

    Raises:
        SpecError: B001 for an index within a scan, B003 for an axis that no input tells.
    """
    return Program(lower(graph, dtype, opset), dtype, opset, threads)


def session_of(model: bytes, threads: int = 0) -> ort.InferenceSession:
    """A session for a model of our own making, with the options that anyone has by default."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or _least_threads()
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _least_threads() -> int:
    """1 where the process is held to one core, whose threads would wait for one another in turns;
    0, onnxruntime's own choice, which goes by the machine alone, where it isn't.
    """
    if hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) == 1:
        return 1
    return 0


@dataclass(frozen=True, slots=True)
class Index:
    """An index that data decides: below `count`, as the operation `node` reads it.

    `fed` is the input whose values it shows, or else `shown` names an output that holds it.
    """

    node: Node
    count: Extent
    fed: str = ""
    shown: str = ""


class Program:
    """A graph in a session of onnxruntime."""

    def __init__(self, graph: Graph, dtype: str, opset: int, threads: int) -> None:
        self.graph, self.dtype = graph, dtype
        self.outputs = tuple(output.name for output in graph.outputs)
        self.entrance = Entrance(graph, dtype)
        self.inputs = self.entrance.inputs
        self._indices, shown = indices_of(graph)
        self._watched = replace(graph, outputs=(*graph.outputs, *shown))
        self._form = Form(dtype, opset, name=place_of(self._watched))
        self.model = model_of(self._watched, self._form).SerializeToString()
        self._threads = threads
        self._session = session_of(self.model, threads)
        self._fed = [each.name for each in self._session.get_inputs()]

    def __call__(self, feeds: Mapping[str, Any] = NOTHING) -> dict[str, Array]:
        """Results by name, as arrays of the caller's own.

        Raises:
            SpecError: R101 .. R107, where the feeds don't fit or an index is out of range.
        """
        arrays = self.entrance.arrays(feeds)
        lengths = self.entrance.lengths(arrays)
        given = dict(zip(self.inputs, arrays, strict=True))
        check_fed(self._indices, given, lengths)
        try:
            made = _run(self._session, {name: given[name] for name in self._fed})
        except REFUSALS:
            self._check_shown(self._shown(given), lengths)
            raise
        count = len(self.outputs)
        self._check_shown(made[count:], lengths)
        return {n: np.array(v) for n, v in zip(self.outputs, made[:count], strict=True)}

    def run(self, feeds: Mapping[str, Any], out: Mapping[str, Array] = NOTHING) -> dict[str, Array]:
        """Results by name; those that are named in `out` are written into its arrays too."""
        results = self(feeds)
        for name, array in out.items():
            np.copyto(array, results[name])
            results[name] = array
        return results

    def _shown(self, given: Mapping[str, Array]) -> Sequence[Array]:
        """The computed indices, by a session that does nothing else."""
        outputs = self._watched.outputs[len(self.outputs) :]
        if not outputs:
            return []
        part = replace(self._watched, outputs=outputs)
        form = replace(self._form, name=place_of(part))
        session = session_of(model_of(part, form).SerializeToString(), self._threads)
        names = [each.name for each in session.get_inputs()]
        return _run(session, {name: given[name] for name in names})

    def _check_shown(self, values: Sequence[Array], lengths: Mapping[str, int]) -> None:
        shown = [each for each in self._indices if not each.fed]
        for index, value in zip(shown, values, strict=True):
            check_range(index, np.asarray(value), lengths)


def place_of(graph: Graph) -> Any:
    """Names for results that no input has: their places."""
    name_of = {id(output): f"/results/{place}" for place, output in enumerate(graph.outputs)}
    return lambda output: name_of[id(output)]


def _run(session: ort.InferenceSession, given: Mapping[str, Array]) -> list[Array]:
    """Every result; a graph of ours has tensors alone."""
    return cast("list[Array]", session.run(None, given))


# ── indices ──────────────────────────────────────────────────────────────────────────────────────
def indices_of(graph: Graph) -> tuple[list[Index], list[Output]]:
    """The indices that data decides, and the results that show those which are computed.

    Operators of ONNX count negative numbers from the end and some read past it: the host looks.

    Raises:
        SpecError: B001 for an index that only a step of a scan knows.
    """
    indices: dict[tuple[Node, Extent], Index] = {}
    outputs: list[Output] = []
    for node, count, source in _looked_up(graph, ()):
        if (source, count) in indices:
            continue
        if source.op.name == "input":
            indices[source, count] = Index(node, count, fed=source.attributes["name"])
        else:
            name = f"index {len(outputs)}"
            indices[source, count] = Index(node, count, shown=name)
            outputs.append(Output(name, "index", source))
    return list(indices.values()), outputs


def _looked_up(graph: Graph, scans: tuple[Node, ...]) -> Iterator[tuple[Node, Extent, Node]]:
    """Each operation that looks something up, below which number, and where the index is from."""
    for node in toposort(graph.results):
        if node.op.name == "scan":
            yield from _looked_up(node.attributes["body"], (*scans, node))
        if node.op.name not in ("take", "take_along_axis", "add_at", "add_along"):
            continue
        adding = node.op.name.startswith("add")
        axis = node.attributes.get("axis", 0)
        index = node.inputs[0] if adding else node.inputs[1]
        count = node.attributes["length"] if adding else node.inputs[0].shape[axis]
        for source in _outside(index, count, scans):
            yield node, count, source


def _outside(index: Node, count: Extent, scans: tuple[Node, ...]) -> Iterator[Node]:
    """Where an index within scans is from, outside of them, but for what can't be out of range."""
    source = _shown_source(index)
    if _in_range(source, count):
        return
    if not scans:
        yield source
        return
    *outer, scan = scans
    body: Graph = scan.attributes["body"]
    places = [place for place, given in enumerate(body.inputs) if given is source]
    known = isinstance(count, int) and all(
        _stays_in_range(body.results[place], source, count)
        for place in places
        if place < scan.attributes["states"]
    )
    if not (places and known):
        raise fault(
            "B001",
            "ONNX can't check an index that a step of a scan computes",
            scan.origin.span,
            help="look up outside of the scan, all steps at once",
        )
    yield from _outside(scan.inputs[places[0]], count, tuple(outer))


def _in_range(source: Node, count: Extent) -> bool:
    """By how it is made."""
    found = source.op.name == "argmax" and _reduced(source) == count
    return found or source.op.name in ("iota", "constant")


def _stays_in_range(after: Node, state: Node, count: Extent) -> bool:
    """Whether a state's next value is in range if it is itself."""
    source = _shown_source(after)
    if source.op.name == "where":
        return all(_stays_in_range(each, state, count) for each in source.inputs[1:])
    return source is state or _in_range(source, count)


def _shown_source(node: Node) -> Node:
    while node.op.name in MOVING:
        node = node.inputs[0]
    return node


def _reduced(node: Node) -> Extent:
    return node.inputs[0].shape[node.attributes["axis"]]


def check_fed(
    indices: Sequence[Index], given: Mapping[str, Array], lengths: Mapping[str, int]
) -> None:
    for each in indices:
        if each.fed:
            check_range(each, given[each.fed], lengths)


def check_range(index: Index, values: Array, lengths: Mapping[str, int]) -> None:
    if not values.size:
        return
    count = evaluate(index.count, lengths)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= count:
        raise _out_of_range(index, low if low < 0 else high, count)


def _out_of_range(index: Index, value: int, count: int) -> SpecError:
    return fault(
        "R107",
        f"index {value} is out of range",
        index.node.origin.span,
        expected=f"0 .. {count - 1}",
        found=str(value),
    )
