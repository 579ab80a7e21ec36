"""A compiled graph to call: checks what it is fed, binds sizes, runs. Writes no source."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from specc.backends.numpy.frame import ACCEPTED, bound_axes
from specc.backends.numpy.generate import Generated, generate
from specc.backends.numpy.runtime import Bindings
from specc.diagnostics import Diagnostic, SpecError, did_you_mean, fault, labels
from specc.ir import Extent, Graph, Node, Requirement, Size, toposort
from specc.ir.size import axes, evaluate

Array = np.ndarray[Any, Any]
NOTHING: Mapping[str, Any] = {}
WORDS = {"f": "floats", "i": "ints", "u": "ints", "b": "bools"}


def compile(
    graph: Graph,
    dtype: str = "float32",
    *,
    updates: Mapping[str, str] = NOTHING,
    reuse: bool = True,
    poison: bool = False,
) -> Program:
    """A program for a graph without calls.

    Args:
        dtype: the run's precision, "float32" or "float64".
        updates: an output's name → the input whose array its result is written over.
        reuse, poison: for tests, as in `generate`.

    Raises:
        SpecError: B001 for a scan, B003 for an axis that no input tells.
    """
    return Program(graph, _generated(graph, dtype, updates, reuse, poison), dtype, updates)


def export(graph: Graph, dtype: str = "float32") -> str:
    """The source that `compile` would run, as a module that needs NumPy alone."""
    return _generated(graph, dtype, NOTHING, True, False).text


def _generated(
    graph: Graph, dtype: str, updates: Mapping[str, str], reuse: bool, poison: bool
) -> Generated:
    assert dtype in ("float32", "float64"), dtype
    names = [output.name for output in graph.outputs]
    assert len(set(names)) == len(names), f"outputs of {graph} share a name: {sorted(names)}"
    fed = [node.attributes["name"] for node in graph.inputs]
    assert len(set(fed)) == len(fed), f"inputs of {graph} share a name: {sorted(fed)}"
    for node in toposort(graph.results):
        if node.op.name == "scan":
            raise fault(
                "B001",
                "`scan` can't be run yet",
                node.origin.span,
                help="`specc check` accepts it; there is no way to run it in this version",
            )
        assert node.op.name not in ("call", "item"), f"{node} is to be inlined before"
    return generate(graph, dtype, updates, reuse=reuse, poison=poison)


def load_source(source: str, name: str) -> dict[str, Any]:
    """The one place that runs generated source."""
    namespace: dict[str, Any] = {"__name__": name}
    exec(builtins.compile(source, f"<{name}>", "exec"), namespace)  # noqa: S102
    return namespace


class Program:
    """A graph over buffers that are kept from run to run."""

    def __init__(
        self, graph: Graph, made: Generated, dtype: str, updates: Mapping[str, str]
    ) -> None:
        self.graph, self.source, self.dtype = graph, made.text, dtype
        self.axes, self._operations = made.axes, made.operations
        module = load_source(made.text, "specc_program")
        self._axes, self._shapes = module["AXES"], module["shapes"]
        self._bindings = Bindings(module["capacities"], module["bind"])
        self._out_of_range: type[Exception] = module.get("OutOfRange", _Never)
        self.inputs = tuple(str(node.attributes["name"]) for node in graph.inputs)
        self.outputs = tuple(output.name for output in graph.outputs)
        self._dtypes = [np.dtype(row[2]) for row in module["INPUTS"]]
        self._direct = [self.outputs[place] for place in made.outputs]
        self._written = [name in updates.values() for name in self.inputs]
        self._requires = (*graph.requires, *_implied(graph))
        self._known: dict[tuple[tuple[int, ...], ...], tuple[int, ...]] = {}

    @property
    def slots(self) -> Sequence[Array]:
        """The memory that it holds, in bytes."""
        return self._bindings.slots

    def __call__(self, feeds: Mapping[str, Any] = NOTHING) -> dict[str, Array]:
        """Results by name, as arrays of the caller's own.

        Raises:
            SpecError: R101 .. R108, where the feeds don't fit or an index is out of range.
        """
        return {name: np.array(each) for name, each in self.run(feeds).items()}

    def run(self, feeds: Mapping[str, Any], out: Mapping[str, Array] = NOTHING) -> dict[str, Array]:
        """Results by name, valid until the next run.

        Args:
            out: arrays that the results of these names are written into; none may be a feed.
        """
        arrays = self._arrays(feeds)
        shapes = tuple([array.shape for array in arrays])
        sizes = self._known.get(shapes)
        if sizes is None:
            sizes = self._sizes(shapes)
        try:
            run, homes = self._bindings(sizes)
            if out:
                homes = [out.get(name, h) for name, h in zip(self._direct, homes, strict=True)]
            made = run(arrays, homes)
        except self._out_of_range as error:
            raise self._out_of_range_fault(error) from None
        results = {
            name: each if type(each) is np.ndarray else np.asarray(each)
            for name, each in zip(self.outputs, made, strict=True)
        }
        for name, array in out.items():
            if results[name] is not array:
                np.copyto(array, results[name])
                results[name] = array
        return results

    # ── what is fed ──────────────────────────────────────────────────────────────────────────────
    def _arrays(self, feeds: Mapping[str, Any]) -> list[Array]:
        if len(feeds) != len(self.inputs) or not all(name in feeds for name in self.inputs):
            raise self._wrong_names(feeds)
        arrays: list[Array] = []
        for name, dtype, written in zip(self.inputs, self._dtypes, self._written, strict=True):
            array = feeds[name]
            if type(array) is not np.ndarray or array.dtype != dtype:
                array = self._converted(name, array, dtype, written)
            elif written and not array.flags.writeable:
                raise self._unwriteable(name, dtype)
            arrays.append(array)
        return arrays

    def _converted(self, name: str, given: Any, dtype: np.dtype[Any], written: bool) -> Array:
        if written:
            raise self._unwriteable(name, dtype)
        array = np.asarray(given)
        if array.dtype.kind not in ACCEPTED[dtype.kind]:
            found = WORDS.get(array.dtype.kind, f"elements of {array.dtype}")
            raise fault(
                "R103",
                f"`{name}` takes {WORDS[dtype.kind]}",
                self._input(name).origin.span,
                expected=str(self._input(name).type),
                found=f"an array of {found} ({array.dtype})",
                help="round it and make it ints first" if found == "floats" else "",
            )
        return array.astype(dtype)

    def _unwriteable(self, name: str, dtype: np.dtype[Any]) -> SpecError:
        message = f"`{name}` is written in place: it takes a writeable NumPy array of {dtype}"
        return fault("R108", message, self._input(name).origin.span)

    def _wrong_names(self, feeds: Mapping[str, Any]) -> SpecError:
        missing = [name for name in self.inputs if name not in feeds]
        found = [
            Diagnostic(
                "R101",
                f"nothing is given for `{name}`",
                labels(self._input(name).origin.span),
                expected=str(self._input(name).type),
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

    def _input(self, name: str) -> Node:
        return self.graph.inputs[self.inputs.index(name)]

    # ── sizes ────────────────────────────────────────────────────────────────────────────────────
    def _sizes(self, shapes: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
        """The dynamic axes' lengths, once everything about the shapes has been checked."""
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
        sizes = bound_axes(self._axes, shapes)
        if shapes != self._shapes(*sizes) or min(sizes, default=0) < 0:
            raise self._wrong_sizes(shapes, dict(zip(self.axes, sizes, strict=True)))
        length_of = dict(zip(self.axes, sizes, strict=True))
        for requirement in self._requires:
            value = evaluate(requirement.extent, length_of)
            if not (value == 0 if requirement.relation == "==" else value >= 0):
                told = ", ".join(f"{name} = {length}" for name, length in length_of.items())
                raise fault("R106", requirement.message, requirement.span, found=told)
        if len(self._known) >= 1024:
            self._known.clear()
        self._known[shapes] = sizes
        return sizes

    def _wrong_sizes(
        self, shapes: Sequence[tuple[int, ...]], length_of: Mapping[str, int]
    ) -> SpecError:
        told_by = {
            name: self.graph.inputs[place]
            for name, (place, *_) in zip(self.axes, self._axes, strict=True)
        }
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

    def _out_of_range_fault(self, error: Any) -> SpecError:
        node = self._operations[error.operation]
        return fault(
            "R107",
            f"index {error.value} is out of range",
            node.origin.span,
            expected=f"0 .. {error.count - 1}",
            found=str(error.value),
        )


def _implied(graph: Graph) -> list[Requirement]:
    """What every operation needs of sizes: none below 0, and a maximum of something."""
    found: dict[tuple[Extent, int], Requirement] = {}
    for node in toposort(graph.results):
        asked = [
            (extent, 0, f"`{node.op.name}` has fewer than no elements") for extent in node.shape
        ]
        if node.op.name in ("max", "argmax"):
            extent = node.inputs[0].shape[node.attributes["axis"]]
            asked.append((extent, 1, f"`{node.op.name}` over an axis without elements"))
        for extent, least, message in asked:
            if isinstance(extent, Size) and (extent, least) not in found:
                span = node.origin.span
                found[extent, least] = Requirement(extent - least, ">=", message, span)
    return list(found.values())


class _Never(Exception):
    """Of programs without indices: nothing raises it."""


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
