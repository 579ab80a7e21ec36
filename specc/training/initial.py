"""How parameters and states begin: each init graph evaluated in float64. Trains nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from specc import pipeline
from specc.ir.graph import Graph, Node, Output, toposort
from specc.ir.model import Variable
from specc.ir.op import registry
from specc.ir.size import Axis, Extent, substitute
from specc.ir.types import Type

if TYPE_CHECKING:
    from specc.backends.numpy import Program

DTYPES = {"float64": "float64", "int": "int64", "bool": "bool"}


def array_dtype(dtype: str, precision: str) -> str:
    """NumPy's name of a graph's dtype in a run of that precision."""
    return precision if dtype == "float" else DTYPES[dtype]


class Initials:
    """Evaluates init graphs: one program a graph, however many variables share it."""

    def __init__(self, seed: int) -> None:
        self.key = np.array([seed, 0], dtype=np.int64)
        self._programs: dict[int, tuple[Graph, Program]] = {}

    def value(self, variable: Variable, lengths: Mapping[str, int] | None = None) -> np.ndarray:
        """float64, int64 or bool of the variable's shape; `lengths` binds its dynamic axes."""
        graph = variable.init
        if lengths:
            program = _compiled(bound(graph, lengths))
        elif id(graph) in self._programs:
            program = self._programs[id(graph)][1]
        else:
            program = _compiled(graph)
            # With the graph, so that no other one can come to have its id.
            self._programs[id(graph)] = graph, program
        feeds = {
            name: self.key if name == "key" else np.array(variable.draws[name])
            for name in program.inputs
        }
        (result,) = program.twin().run(feeds).values()  # in memory that goes with it
        return result


def _compiled(graph: Graph) -> Program:
    return pipeline.compile(pipeline.lower(graph), "float64")


def bound(graph: Graph, lengths: Mapping[str, int]) -> Graph:
    """The graph with its dynamic axes replaced by their lengths."""
    flat = pipeline.lower(graph)

    def value(extent: Extent) -> Extent:
        return substitute(extent, lambda a: lengths.get(a.name) if isinstance(a, Axis) else None)

    def attribute(given: object) -> object:
        if isinstance(given, tuple):
            return tuple(attribute(each) for each in given)
        return given if isinstance(given, int | float | str | bool) else value(given)  # type: ignore[arg-type]

    new: dict[int, Node] = {}
    for node in toposort([*flat.inputs, *flat.results]):
        inputs = tuple(new[id(each)] for each in node.inputs)
        attributes = {name: attribute(given) for name, given in node.attributes.items()}
        type = Type(node.type.dtype, tuple(value(extent) for extent in node.type.shape))
        op = node.op
        if op.name == "size" and isinstance(attributes["extent"], int):
            op, attributes = registry["constant"], {"value": attributes["extent"], "dtype": "int"}
        new[id(node)] = Node(op, inputs, attributes, type, node.origin)
    outputs = tuple(Output(o.name, o.role, new[id(o.node)]) for o in flat.outputs)
    return Graph(flat.name, tuple(new[id(node)] for node in flat.inputs), outputs)


def static(type: Type) -> tuple[int, ...]:
    """The shape of what has no dynamic axis, as parameters and states of models do not."""
    extents = [extent for extent in type.shape if isinstance(extent, int)]
    assert len(extents) == len(type.shape), f"{type} has a dynamic axis"
    return tuple(extents)


def flat_views(
    types: Mapping[str, Type], precision: str, orders: Mapping[str, tuple[int, ...]] | None = None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """One zeroed vector, and a view of it for each name in turn; it begins on a cache line.

    `orders` lists the axes of some from the outermost to the innermost in memory.
    """
    counts = {name: math.prod(static(type)) for name, type in types.items()}
    flat = aligned(sum(counts.values()), precision)
    views: dict[str, np.ndarray] = {}
    start = 0
    for name, type in types.items():
        part = flat[start : start + counts[name]]
        views[name] = laid(part, static(type), (orders or {}).get(name))
        start += counts[name]
    return flat, views


def laid(part: np.ndarray, shape: tuple[int, ...], order: tuple[int, ...] | None) -> np.ndarray:
    """A vector as an array whose axes lie in this order, or in their own."""
    if order is None:
        return part.reshape(shape)
    inverse = [order.index(axis) for axis in range(len(order))]
    return part.reshape([shape[axis] for axis in order]).transpose(inverse)


def stored(values: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    """The same array with its axes in this order in memory."""
    made = laid(aligned(values.size, values.dtype.name), values.shape, order)
    made[...] = values
    return made


def aligned(count: int, precision: str, to: int = 64) -> np.ndarray:
    """Zeros whose first byte is at a multiple of `to`, so that every run adds in the same order."""
    size = np.dtype(precision).itemsize
    room = np.zeros(count * size + to, dtype=np.uint8)
    start = -room.ctypes.data % to
    return room[start : start + count * size].view(precision)


def arrays_of(
    variables: Sequence[Variable], initials: Initials, precision: str
) -> dict[str, np.ndarray]:
    """Each variable's first value in the run's precision."""
    return {
        each.name: np.array(initials.value(each), dtype=array_dtype(each.type.dtype, precision))
        for each in variables
    }
