"""The frame of a generated module, written as a program that reads nothing and gives nothing.

Imports NumPy alone. A generated module has tables and functions of these names, and its own copy of
what is marked as carried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from specc.backends.numpy.runtime import Bindings

INPUTS = tuple[tuple[str, str, Any, int], ...]()  # name, role, dtype, rank
OUTPUTS: tuple[str, ...] = ()
AXES: tuple[tuple[int, int, int, int], ...] = ()  # an input, its axis, offset and factor
ORDERS: dict[str, tuple[int, ...]] = {}  # of the axes of weights that lie otherwise in memory
BEGINS: dict[str, float] = {}  # what is carried from call to call, and its numbers before the first


def shapes() -> tuple[tuple[int, ...], ...]:
    """The inputs' shapes for these sizes."""
    return ()


def capacities() -> tuple[int, ...]:
    """How many bytes each slot needs for these sizes."""
    return ()


def bind(_slots: Sequence[np.ndarray]) -> Any:
    """Cuts the buffers for these sizes; gives `run` and the arrays of its outputs."""
    return lambda *_: (), ()


# what a module carries
ACCEPTED = {"f": "fiub", "i": "iub", "b": "b"}  # an input's kind: the kinds that become it
ROLES = ("parameter", "state")  # of the inputs that are weights


def bound_axes(axes: Sequence[tuple[int, int, int, int]], shapes: Any) -> tuple[int, ...]:
    """Each dynamic axis, read off an input: (input, its axis, offset, factor) a row."""
    return tuple([(shapes[i][axis] - offset) // factor for i, axis, offset, factor in axes])


def prepared(name: str, values: Any) -> np.ndarray:
    """A weight as the steps read it: one that they read in another order lies in that."""
    array = np.asarray(values)
    order = ORDERS.get(name, tuple(range(array.ndim)))
    return np.ascontiguousarray(array.transpose(order)).transpose(np.argsort(order))


def predict(weights: Mapping[str, Any], /, **inputs: Any) -> dict[str, np.ndarray]:
    """Runs the program once: weights by name (as `numpy.load` gives them), inputs by name."""
    return Program(weights)(**inputs)


class Program:
    """The program over one set of weights: `Program(weights)(image=...)["logits"]`."""

    inputs = INPUTS
    outputs = OUTPUTS
    parameters = tuple(name for name, role, *_ in INPUTS if role in ROLES)

    def __init__(self, weights: Mapping[str, Any]) -> None:
        self.weights = {name: prepared(name, weights[name]) for name in self.parameters}
        self.bindings = Bindings(capacities, bind)

    def __call__(self, /, **inputs: Any) -> dict[str, np.ndarray]:
        """The outputs by name, as arrays of the caller's own."""
        given = {**self.weights, **inputs}
        names = [name for name, *_ in INPUTS]
        if set(names) - BEGINS.keys() - given.keys() or given.keys() - set(names):
            raise TypeError(f"expected {names}, got {sorted(given)}")
        arrays: list[np.ndarray] = []
        for name, _, dtype, rank in INPUTS:
            array = np.asarray(given.get(name, np.empty((0,) * rank, dtype)))
            if array.dtype.kind not in ACCEPTED[np.dtype(dtype).kind]:
                raise TypeError(f"{name} holds {array.dtype}, not {np.dtype(dtype)}")
            if array.ndim != rank:
                raise ValueError(f"{name} has {array.ndim} axes, not {rank}")
            lying = np.asarray if name in self.weights else np.ascontiguousarray
            arrays.append(lying(array, dtype).reshape(array.shape))
        sizes = bound_axes(AXES, [array.shape for array in arrays])
        for place, (name, wanted) in enumerate(zip(names, shapes(*sizes), strict=True)):
            if name not in given:
                arrays[place] = np.full(wanted, BEGINS[name], INPUTS[place][2])
            elif arrays[place].shape != wanted:
                raise ValueError(f"{name} has the shape {arrays[place].shape}, not {wanted}")
        run, results = self.bindings(sizes)
        made = run(arrays, results)
        return {name: np.array(each) for name, each in zip(OUTPUTS, made, strict=True)}
