"""A step on several threads: each computes a part of the batch, and what they find is added up.

The parts and the order of the sums follow from the number of threads alone, so the same number
gives the same bits. Divides no graph: `passes.divide` does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from specc import pipeline
from specc.ir.graph import Graph, toposort
from specc.ir.size import Size, axes, evaluate
from specc.passes import Division, Undividable
from specc.passes.costs import flops

if TYPE_CHECKING:
    from specc.backends.numpy import Program

Arrays = dict[str, np.ndarray]
NOTHING: Mapping[str, np.ndarray] = {}
FEWEST = 4  # examples of a part; of a smaller batch the whole is computed at once
WORTHWHILE = 1_000_000  # arithmetic operations of a graph's node on average
LENGTH = 32  # what other dynamic axes count as
FREE = ("input", "constant", "broadcast", "reshape", "permute")


class Divided:
    """A program over parts of its batch, one a thread."""

    def __init__(
        self, program: Program, division: Division, threads: int, without: Collection[str]
    ) -> None:
        def compiled(graph: Graph | None) -> Program | None:
            return graph and pipeline.compile(graph, program.dtype, without=without, threads=1)

        self.program, self.division, self.threads = program, division, threads
        self.source = program.source
        self.drawn, self.end = compiled(division.drawn), compiled(division.end)
        part = compiled(division.graph)
        assert part is not None
        self.parts = [part, *(part.twin() for _ in range(threads - 1))]
        self.pool = ThreadPoolExecutor(threads - 1, "specc part")
        self.first = [np.array(float(place == 0), program.dtype) for place in range(threads)]

    def run(
        self, feeds: Mapping[str, np.ndarray], out: Mapping[str, np.ndarray] = NOTHING
    ) -> Arrays:
        """As the whole program's `run`, to rounding."""
        count = len(feeds[self.division.rows[0]])
        if count < FEWEST * self.threads:
            return self.program.run(feeds, out)
        given = {**feeds, **_run(self.drawn, feeds)}
        own = [self._fed(given, place, count) for place in range(self.threads)]
        with libraries().limit(limits=1, user_api="blas"):
            others = [
                self.pool.submit(part.run, fed)
                for part, fed in zip(self.parts[1:], own[1:], strict=True)
            ]
            try:
                results = self.parts[0].run(own[0], out)
            finally:
                for each in others:
                    each.exception()  # none may still run when the first one's fault is told
            for each in others:
                self._add(results, each.result(), out)
        return results | _run(self.end, results)

    def wired(
        self, feeds: Mapping[str, np.ndarray], out: Mapping[str, np.ndarray] = NOTHING
    ) -> Callable[[Mapping[str, np.ndarray]], Arrays]:
        """`run` of what is fed alike each time and what is new."""
        return lambda fresh: self.run({**feeds, **fresh}, out)

    def _fed(self, given: Mapping[str, np.ndarray], place: int, count: int) -> Arrays:
        start, stop = (count * each // self.threads for each in (place, place + 1))
        own = {"examples": np.array(count), "first": self.first[place]}
        own |= {name: given[name][start:stop] for name in self.division.rows if name in given}
        return {name: own[name] if name in own else given[name] for name in self.parts[0].inputs}

    def _add(
        self, results: Arrays, more: Mapping[str, np.ndarray], out: Mapping[str, np.ndarray]
    ) -> None:
        for name, values in more.items():
            if name not in self.division.once:
                results[name] = np.asarray(np.add(results[name], values, out=out.get(name)))


def _run(program: Program | None, given: Mapping[str, np.ndarray]) -> Arrays:
    return program.run({name: given[name] for name in program.inputs}) if program else {}


def in_threads(
    program: Program, threads: int, batch: int | None, without: Collection[str] = ()
) -> Program | Divided:
    """The program on so many threads: over parts of its batch if that can be and pays.

    Otherwise the threads are those of its products.
    """
    graph = program.graph
    axis = examples_axis(graph)
    if threads == 1 or axis is None or not _pays(graph, axis, batch or 1):
        return program
    try:
        return Divided(program, pipeline.divide(graph, axis), threads, without)
    except Undividable:
        return program


def examples_axis(graph: Graph) -> str | None:
    """The dynamic axis that every input and target has first."""
    fed = [*graph.taking("input").values(), *graph.taking("target").values()]
    first, *others = {node.shape[0] if node.shape else None for node in fed} or {None}
    return str(first) if isinstance(first, Size) and not others else None


def _pays(graph: Graph, axis: str, batch: int) -> bool:
    """Do its steps take long enough that threads don't wait for Python's lock by turns?"""
    steps = sum(node.op.name not in FREE for node in toposort(graph.results))
    total = flops(graph)
    lengths = {name: batch if name == axis else LENGTH for name in _axes(total)}
    return evaluate(total, lengths) >= WORTHWHILE * steps


def _axes(extent: int | Size) -> list[str]:
    return axes(extent) if isinstance(extent, Size) else []


# ── the libraries' own threads ───────────────────────────────────────────────────────────────────
@cache
def libraries() -> Any:
    """The threads of NumPy's linear algebra."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def limit(threads: int) -> None:
    """From now on NumPy's linear algebra takes so many threads, in the whole process."""
    libraries().limit(limits=threads, user_api="blas")
