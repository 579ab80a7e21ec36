"""What a caller gives a model: each input converted and checked, nothing unknown. Reads no file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from specc.diagnostics import Span, did_you_mean, fault
from specc.ir.graph import Graph, Node
from specc.ir.size import Extent
from specc.training.finite import all_finite

Place = tuple[Span, str] | None


def batch_inputs(*graphs: Graph) -> dict[str, Node]:
    """The inputs and targets that the graphs read, by name."""
    return {
        node.attributes["name"]: node
        for graph in graphs
        for node in graph.inputs
        if node.attributes["role"] in ("input", "target")
    }


class Feeds:
    """`feeds(batch)`: each input that a graph reads, converted.

    Args:
        known: names that may be given though the graph doesn't read them.
        missing, unknown: what to say of an input that isn't given, and of a name that is none.
        seen: inputs whose numbers aren't looked at, because the program tells (`finite.witnessed`).
    """

    def __init__(
        self,
        graph: Graph,
        known: Mapping[str, Any],
        dtype: str,
        *,
        missing: str,
        unknown: str,
        seen: Collection[str] = (),
    ) -> None:
        self.wanted, self.dtype = batch_inputs(graph), dtype
        self.known = tuple(dict.fromkeys([*known, *self.wanted]))
        self.missing, self.unknown, self.seen = missing, unknown, seen
        self._fitting = [self._fit(name, node) for name, node in self.wanted.items()]

    def _fit(
        self, name: str, node: Node
    ) -> tuple[str, np.dtype[Any], int, tuple[Extent, ...], bool]:
        """What an array is that needs no conversion, and whether its numbers are looked at."""
        kind = self.dtype if node.dtype == "float" else ARRAYS[node.dtype]
        look = name not in self.seen and node.dtype not in ("int", "bool")
        # No array has -1 axes: a number of its own is always converted.
        return name, np.dtype(kind), node.rank or -1, node.shape[1:], look

    def __call__(self, given: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """
        Raises:
            SpecError: D005 .. D008.
        """
        if len(given) == len(self._fitting):
            found: dict[str, np.ndarray] = {}
            for name, dtype, rank, rest, look in self._fitting:
                values = given.get(name)
                if type(values) is not np.ndarray or values.dtype != dtype or values.ndim != rank:
                    break
                if values.shape[1:] != rest or not values.flags.c_contiguous:
                    break
                if look and not all_finite(values):
                    break
                found[name] = values
            else:
                return found
        return self._converted(given)

    def _converted(self, given: Mapping[str, Any]) -> dict[str, np.ndarray]:
        for name in self.wanted:
            if name not in given:
                place = self.wanted[name].origin.span
                message = self.missing.format(name)
                raise fault("D005", message, place, help=did_you_mean(name, given))
        for name in given:
            if name not in self.known:
                raise fault(
                    "D005",
                    self.unknown.format(name),
                    expected=", ".join(self.known),
                    help=did_you_mean(name, self.known),
                )
        return {
            name: fitted(node, given[name], self.dtype, name in self.seen)
            for name, node in self.wanted.items()
        }

    def check_finite(self, name: str, values: np.ndarray) -> None:
        """
        Raises:
            SpecError: D008.
        """
        span = self.wanted[name].origin.span
        _check_finite(name, values, (span, "declared here") if span else None)


def fitted(node: Node, given: Any, dtype: str, seen: bool = False) -> np.ndarray:
    """An array for an input: int and bool become float, all else that differs is a D code."""
    values = np.asarray(given)
    name, wanted = node.attributes["name"], node.type
    place = (node.origin.span, "declared here") if node.origin.span else None
    found = _dtype_of(values)
    if found not in BECOMES.get(wanted.dtype, (wanted.dtype,)):
        raise fault(
            "D006",
            f"`{name}` can't take a column of {found}",
            place,
            expected=wanted.dtype,
            found=found,
            help=f"convert it in the data block: {name} = int(...)"
            if wanted.dtype == "int"
            else "",
        )
    _check_shape(node, values, place)
    if wanted.dtype in ("float", "float64") and not seen:
        _check_finite(name, values, place)
    to = dtype if wanted.dtype == "float" else ARRAYS[wanted.dtype]
    with np.errstate(over="ignore"):
        made = np.ascontiguousarray(values, dtype=to)
    if made.dtype.itemsize < values.dtype.itemsize and wanted.dtype == "float":
        _check_finite(name, made, place, f"in {to}")
    return made


BECOMES = {"float": ("float", "int", "bool"), "float64": ("float", "int", "bool")}
ARRAYS = {"float64": "float64", "int": "int64", "bool": "bool"}
KINDS = {"f": "float", "i": "int", "u": "int", "b": "bool"}


def _dtype_of(values: np.ndarray) -> str:
    return KINDS.get(values.dtype.kind) or str(values.dtype)


def _check_shape(node: Node, values: np.ndarray, place: Place) -> None:
    name, shape = node.attributes["name"], node.type.shape
    lengths = zip(shape[1:], values.shape[1:], strict=False)
    if shape and values.ndim == len(shape):
        if all(length == extent or not isinstance(extent, int) for extent, length in lengths):
            return
    found = f"{_dtype_of(values)}[{', '.join(['rows', *map(str, values.shape[1:])])}]"
    if not shape or values.ndim != len(shape):
        raise fault(
            "D007",
            f"`{name}` takes {len(shape)} axes, the first of them the example's",
            place,
            expected=str(node.type),
            found=f"{found}, {values.ndim} axes",
        )
    for at, (extent, length) in enumerate(zip(shape[1:], values.shape[1:], strict=True), start=1):
        if isinstance(extent, int) and extent != length:
            raise fault(
                "D007",
                f"axis {at} of `{name}` has another length",
                place,
                expected=str(node.type),
                found=found,
            )


def _check_finite(name: str, values: np.ndarray, place: Place, where: str = "") -> None:
    if values.dtype.kind != "f" or all_finite(values):
        return
    wrong = ~np.isfinite(values).reshape(len(values), -1)
    rows = np.flatnonzero(wrong.any(axis=1))
    if len(rows):
        row = int(rows[0])
        value = values.reshape(len(values), -1)[row][wrong[row]][0]
        raise fault(
            "D008",
            " ".join(filter(None, (f"`{name}` has numbers that are missing or infinite", where))),
            place,
            found=f"{int(wrong.sum())} in {len(rows)} rows; the first, {value}, is in row {row}",
            help="replace them in the data block, or leave their rows out of the file",
        )
