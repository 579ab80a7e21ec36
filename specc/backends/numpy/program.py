"""A compiled graph to call: checks what it is fed, binds sizes, runs. Writes no source."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np

from specc.backends.entrance import Entrance, array_dtype
from specc.backends.numpy.generate import Generated, generate
from specc.backends.numpy.runtime import Bindings
from specc.backends.numpy.wired import Wired
from specc.diagnostics import SpecError, fault
from specc.ir import Graph, toposort

Array = np.ndarray[Any, Any]
NOTHING: Mapping[str, Any] = {}


def compile(
    graph: Graph,
    dtype: str = "float32",
    *,
    updates: Mapping[str, str] = NOTHING,
    without: Collection[str] = (),
    reuse: bool = True,
    poison: bool = False,
    threads: int = 0,
) -> Program:
    """A program for a graph without calls.

    Args:
        dtype: the run's precision, "float32" or "float64".
        updates: an output's name → the input whose array its result is written over.
        without: names of this backend's passes that are left out, to find which one is at fault.
        reuse, poison: for tests, as in `generate`.
        threads: those that NumPy has for a product; 0: as many as there may be.

    Raises:
        SpecError: B003 for an axis that no input tells.
    """
    made = _generated(
        graph, dtype, updates, without=without, reuse=reuse, poison=poison, threads=threads
    )
    return Program(graph, made, dtype, updates)


def export(
    graph: Graph,
    dtype: str = "float32",
    *,
    without: Collection[str] = (),
    begins: Mapping[str, float] = NOTHING,
) -> str:
    """The source that `compile` would run, as a module that needs NumPy alone.

    `begins` has the states that its caller may leave out, with the number that they then hold.
    """
    return _generated(graph, dtype, NOTHING, without=without, begins=begins).text


def _generated(
    graph: Graph,
    dtype: str,
    updates: Mapping[str, str],
    *,
    without: Collection[str],
    reuse: bool = True,
    poison: bool = False,
    threads: int = 0,
    begins: Mapping[str, float] = NOTHING,
) -> Generated:
    assert dtype in ("float32", "float64"), dtype
    names = [output.name for output in graph.outputs]
    assert len(set(names)) == len(names), f"outputs of {graph} share a name: {sorted(names)}"
    fed = [node.attributes["name"] for node in graph.inputs]
    assert len(set(fed)) == len(fed), f"inputs of {graph} share a name: {sorted(fed)}"
    for node in toposort(graph.results):
        assert node.op.name != "call", f"{node} is to be inlined before"
    return generate(
        graph, dtype, updates, without=without, reuse=reuse, poison=poison, threads=threads,
        begins=begins,
    )  # fmt: skip


def load(made: Generated) -> dict[str, Any]:
    """The names that a module defines, but for its frame's. The one place that runs generated
    source: what many modules carry is compiled once.
    """
    namespace: dict[str, Any] = {"__name__": "specc_program"}
    for text in (made.heading, *made.carried):
        exec(_code(text), namespace)  # noqa: S102
    exec(builtins.compile(made.own, "<specc_program>", "exec"), namespace)  # noqa: S102
    return namespace


@lru_cache(maxsize=256)
def _code(text: str) -> CodeType:
    return builtins.compile(text, "<specc_program>", "exec")


class Program:
    """A graph over buffers that are kept from run to run."""

    def __init__(
        self, graph: Graph, made: Generated, dtype: str, updates: Mapping[str, str]
    ) -> None:
        self.graph, self.dtype, self._made = graph, dtype, made
        self.axes, self._operations = made.axes, made.operations
        # Inputs and outputs that are quickest in another order than the plain one.
        self.stored = made.stored
        module = load(made)
        self._bindings = Bindings(module["capacities"], module["bind"])
        self._out_of_range: type[Exception] = module.get("OutOfRange", _Never)
        self._entrance = Entrance(graph, dtype)
        self.inputs = self._entrance.inputs
        self.dtypes = {
            name: array_dtype(node.dtype, dtype)
            for name, node in zip(self.inputs, graph.inputs, strict=True)
        }
        self.outputs = tuple(output.name for output in graph.outputs)
        self._direct = [self.outputs[place] for place in made.outputs]
        self._written = {name: self.dtypes[name] for name in updates.values()}

    @property
    def source(self) -> str:
        """The module that runs, with what lets it run without specc."""
        return self._made.text

    def twin(self) -> Program:
        """The same program over memory of its own, to run beside this one."""
        other = copy(self)
        other._bindings = Bindings(self._bindings.capacities, self._bindings.bind)
        return other

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
        self.check_writeable(feeds)
        arrays = self._entrance.arrays(feeds)
        run, homes = self.bound(self.sizes(arrays))
        results = self.results(run, arrays, self.homes(homes, out), out)
        return {
            name: each if type(each) is np.ndarray else np.asarray(each)
            for name, each in results.items()
        }

    def wired(self, fixed: Mapping[str, Array], out: Mapping[str, Array] = NOTHING) -> Wired:
        """The program as a function of what is not in `fixed`, arrays that are always the same.

        Raises:
            SpecError: R108.
        """
        return Wired(self, fixed, out)

    # ── what a run is made of ────────────────────────────────────────────────────────────────────
    def sizes(self, arrays: Sequence[Array]) -> tuple[int, ...]:
        """The lengths of the dynamic axes, of arrays in the order of the inputs."""
        lengths = self._entrance.lengths(arrays)
        return tuple([lengths[name] for name in self.axes])

    def bound(self, sizes: tuple[int, ...]) -> tuple[Any, Sequence[Array]]:
        """The function for these sizes and the arrays of its own that it would write to."""
        try:
            return self._bindings(sizes)
        except self._out_of_range as error:  # of what is known once the sizes are
            raise self._out_of_range_fault(error) from None

    def homes(self, own: Sequence[Array], out: Mapping[str, Array]) -> Sequence[Array]:
        """Where the results go that are written straight into `out`, or else into its own."""
        if not out:
            return own
        taken = self.taken(out)
        return [out[n] if n in taken else home for n, home in zip(self._direct, own, strict=True)]

    def taken(self, out: Mapping[str, Array]) -> set[str]:
        """Of which results the arrays lie as its steps write them; others are copied there."""
        orders = {name: self.stored.get(name, range(out[name].ndim)) for name in out}
        lying = {n for n, order in orders.items() if out[n].transpose(*order).flags.c_contiguous}
        return lying.intersection(self._direct)

    def results(
        self, run: Any, arrays: Sequence[Array], homes: Sequence[Array], out: Mapping[str, Array]
    ) -> dict[str, Any]:
        """Runs it: arrays and NumPy's numbers by name."""
        results = dict(zip(self.outputs, self.made(run, arrays, homes), strict=True))
        for name, array in out.items():
            if results[name] is not array:
                np.copyto(array, results[name])
                results[name] = array
        return results

    def made(self, run: Any, arrays: Sequence[Array], homes: Sequence[Array]) -> Sequence[Any]:
        """Runs it: its results, in the order of the outputs."""
        try:
            return run(arrays, homes)
        except self._out_of_range as error:
            raise self._out_of_range_fault(error) from None

    def check_writeable(self, feeds: Mapping[str, Any]) -> None:
        """Of what is written in place."""
        for name, dtype in self._written.items():
            array = feeds.get(name)
            if array is None:
                continue
            fits = type(array) is np.ndarray and array.dtype == dtype and array.flags.writeable
            if not fits:
                message = (
                    f"`{name}` is written in place: it takes a writeable NumPy array of {dtype}"
                )
                raise fault("R108", message, self._entrance.input(name).origin.span)

    def _out_of_range_fault(self, error: Any) -> SpecError:
        node = self._operations[error.operation]
        return fault(
            "R107",
            f"index {error.value} is out of range",
            node.origin.span,
            expected=f"0 .. {error.count - 1}",
            found=str(error.value),
        )


class _Never(Exception):
    """Of programs without indices: nothing raises it."""
