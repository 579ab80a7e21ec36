"""A training step run by onnxruntime over arrays that the caller keeps. Knows no optimizer.

A step reads one set of arrays and writes another, bound once each; nothing is copied. One array
bound as both would be written before all its readers have run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np
import onnxruntime as ort

from specc.backends.entrance import Array, Entrance
from specc.backends.onnx.model import OPSET, Form, lower, model_of
from specc.backends.onnx.program import (
    check_fed,
    check_range,
    indices_of,
    place_of,
    session_of,
)
from specc.ir import Graph


@dataclass(frozen=True, slots=True)
class Binding:
    """Arrays that a step reads and writes, with what keeps their memory alive."""

    bound: Any
    held: tuple[Any, ...]


class Stepper:
    """A step graph in a session of onnxruntime.

    Args:
        fresh: the inputs that change with every step; all others are bound once.
    """

    def __init__(self, graph: Graph, dtype: str, fresh: frozenset[str], threads: int = 0) -> None:
        self.graph = lower(graph, dtype)
        self.dtype = dtype
        self._indices, shown = indices_of(self.graph)
        whole = replace(self.graph, outputs=(*self.graph.outputs, *shown))
        name_of = place_of(whole)
        self._place_of = {each.name: name_of(each) for each in whole.outputs}
        self.model = model_of(whole, Form(dtype, OPSET, name=name_of)).SerializeToString()
        self._session = session_of(self.model, threads)
        self._read = {each.name for each in self._session.get_inputs()}
        inputs = tuple(n for n in self.graph.inputs if n.attributes["name"] in fresh)
        self._entrance = Entrance(replace(self.graph, inputs=inputs), dtype)
        self._shown = [each for each in self._indices if not each.fed]
        self._fed = [each for each in self._indices if each.fed in fresh]

    def digest(self) -> str:
        """What it computes, as one short text."""
        return sha256(self.model).hexdigest()[:32]

    def bind(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> Binding:
        """The arrays of some inputs, by name, and those that results of these names go to.

        Every other result is reported: it has no axes, and `run` gives it.
        """
        bound = self._session.io_binding()
        held: list[Any] = []
        for name, array in inputs.items():
            if name in self._read:
                held.append(ort.OrtValue.ortvalue_from_numpy(array))
                bound.bind_ortvalue_input(name, held[-1])
        for name, array in outputs.items():
            held.append(ort.OrtValue.ortvalue_from_numpy(array))
            bound.bind_ortvalue_output(self._place_of[name], held[-1])
        return Binding(bound, (*held, *inputs.values(), *outputs.values()))

    def run(self, binding: Binding, feeds: Mapping[str, Any], outputs: Mapping[str, Array]) -> None:
        """One step on the bound arrays and these: what is fresh, and where else results go.

        Raises:
            SpecError: R101 .. R107, where the feeds don't fit or an index is out of range.
        """
        arrays = self._entrance.arrays(feeds)
        lengths = self._entrance.lengths(arrays)
        given = dict(zip(self._entrance.inputs, arrays, strict=True))
        check_fed(self._fed, given, lengths)
        bound = binding.bound
        held = []
        for name, array in given.items():
            if name in self._read:
                held.append(ort.OrtValue.ortvalue_from_numpy(np.asarray(array, order="C")))
                bound.bind_ortvalue_input(name, held[-1])
        for name, array in outputs.items():
            held.append(ort.OrtValue.ortvalue_from_numpy(array))
            bound.bind_ortvalue_output(self._place_of[name], held[-1])
        for each in self._shown:  # last, and anew: an array that is kept has the first batch's size
            bound.bind_output(self._place_of[each.shown])
        self._session.run_with_iobinding(bound)
        if self._shown:
            made = bound.get_outputs()[-len(self._shown) :]
            for index, value in zip(self._shown, made, strict=True):
                check_range(index, value.numpy(), lengths)
