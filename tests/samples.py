"""Samples made real: declarations such as "float 3 4 in 0.5 2" become arrays, and cases to test.

The numbers come from the op's name and the sample's place alone, so a failure can be repeated.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import specc.ops
from specc.ir import Graph, Output, Sample, Type, TypeFault, emit, make_input
from specc.ir.op import Op
from specc.ir.size import axis
from tests.evaluate import Array, numpy_dtype

DECLARATION = re.compile(
    r"(?P<dtype>float64|float|int|bool)(?P<shape>( \d+)*)"
    r"( in (?P<low>[-+.\de]+) (?P<high>[-+.\de]+))?( below (?P<below>\d+))?"
)


EXTENTS = ("shape", "length", "extents", "stops")  # attributes that may hold sizes


def named(extent: Any, known: Container[Any]) -> Any:
    if isinstance(extent, tuple):
        return tuple(named(each, known) for each in extent)
    return axis(f"n{extent}") if extent > 1 and extent in known else extent


@dataclass(frozen=True)
class Case:
    """One op, one sample, one precision."""

    op: Op
    place: int
    precision: str = "float64"

    @property
    def sample(self) -> Sample:
        return self.op.samples[self.place]

    @property
    def seed(self) -> int:
        return zlib.crc32(f"{self.op.name} {self.place}".encode())

    def __str__(self) -> str:
        return f"{self.op.name}-{self.place}-{self.precision}"

    def inputs(self) -> list[Array]:
        random = np.random.default_rng(self.seed)
        sample = self.sample
        return [_array(each, random, sample.away_from, self.precision) for each in sample.inputs]

    def graph(self) -> Graph:
        """Inputs a, b, c, ... and the op's result y."""
        nodes = [
            make_input(chr(ord("a") + place), "input", _type(declared, array))
            for place, (declared, array) in enumerate(
                zip(self.sample.inputs, self.inputs(), strict=True)
            )
        ]
        made = emit(self.op.name, *nodes, **self.sample.attributes)
        return Graph(self.op.name, tuple(nodes), (Output("y", "result", made),))

    def symbolic(self) -> Graph | None:
        """The same graph with an axis n in the place of each length n > 1; None if it can't be."""
        try:
            nodes = [
                make_input(
                    node.attributes["name"],
                    "input",
                    Type(node.dtype, named(node.shape, node.shape)),
                )
                for node in self.graph().inputs
            ]
            known = {length for node in self.graph().inputs for length in node.shape}
            attributes = {
                key: named(value, known) if key in EXTENTS else value
                for key, value in self.sample.attributes.items()
            }
            made = emit(self.op.name, *nodes, **attributes)
        except TypeFault:
            return None
        return Graph(self.op.name, tuple(nodes), (Output("y", "result", made),))

    def feeds(self) -> dict[str, Array]:
        return {chr(ord("a") + place): each for place, each in enumerate(self.inputs())}


def cases(ops: Sequence[Op], precisions: Sequence[str] = ("float32", "float64")) -> Iterator[Case]:
    for op in ops:
        for place in range(len(op.samples)):
            for precision in precisions:
                yield Case(op, place, precision)


def computing() -> list[Op]:
    """The ops that have an oracle: all but inputs and what applies bodies."""
    return [op for op in specc.ops.registry.values() if op.oracle]


def _array(declared: Any, random: np.random.Generator, kinks: Sequence[float], precision: str):
    if not isinstance(declared, str):
        array = np.array(declared)
        return array.astype(precision) if array.dtype.kind == "f" else array
    match = DECLARATION.fullmatch(declared)
    assert match, f"{declared!r} is no declaration of an input"
    shape = tuple(int(each) for each in match["shape"].split())
    dtype = numpy_dtype(match["dtype"], precision)
    if dtype.kind == "b":
        return random.random(shape) < 0.5
    if dtype.kind == "i":
        low, high = int(match["low"] or 0), int(match["high"] or match["below"] or 2)
        return random.integers(low, high, shape)
    if match["low"]:
        array = random.uniform(float(match["low"]), float(match["high"]), shape)
    else:
        array = random.standard_normal(shape)
    for kink in kinks:
        near = np.abs(array - kink) < 0.05
        array = np.where(near, kink + 0.1, array)
    return np.asarray(array, dtype)


def _type(declared: Any, array: Array) -> Type:
    if isinstance(declared, str):
        return Type(declared.split()[0], array.shape)
    return Type({"f": "float", "i": "int", "b": "bool"}[array.dtype.kind], array.shape)
