"""A model's losses and metrics over a split, exact for the whole set. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from specc import pipeline
from specc.ir.graph import Graph, Output
from specc.ir.model import Model
from specc.training.averages import Averages
from specc.training.batches import Batches, starts
from specc.training.initial import Initials, arrays_of
from specc.training.learner import Streams
from specc.training.order import streams_of
from specc.training.ragged import Column, lengths_of

if TYPE_CHECKING:
    from specc.backends.numpy import Program


Compile = Callable[[Graph, str], Any]


class Evaluator:
    """The inference program of a model; compiled when it is first used."""

    def __init__(
        self,
        model: Model,
        *,
        seed: int,
        dtype: str,
        compile: Compile | None = None,
        without: Collection[str] = (),
    ) -> None:
        self.model, self.seed, self.dtype = model, seed, dtype
        self.compile = compile  # another backend's, of a graph with its calls
        self.without = without  # passes of the NumPy backend that are left out
        self.initials = Initials(seed)

    @cached_property
    def measured(self) -> Graph:
        """The part of the model that an evaluation reads, its calls in place."""
        streams = {each.name for each in self.model.streams}

        def wanted(output: Output) -> bool:
            carried = output.role == "state" and output.name in streams
            return carried or output.role in ("loss", "metric", "metric_state")

        return pipeline.pruned(self.model.inference, wanted)

    @cached_property
    def graph(self) -> Graph:
        return self.measured if self.compile else pipeline.lower(self.measured)

    @cached_property
    def program(self) -> Program:
        if self.compile:
            return self.compile(self.graph, self.dtype)
        return pipeline.compile(self.graph, self.dtype, without=self.without)

    def measure(
        self,
        weights: Mapping[str, np.ndarray],
        columns: Mapping[str, Column],
        rows: np.ndarray,
        batch: int,
        step: int,
    ) -> dict[str, float]:
        """Every loss, their sum `loss`, and every metric; batches in the order of the rows, or of
        their lengths where these differ, or in streams where the model carries a state on."""
        metrics = [metric for metric in self.model.metrics if metric.states]
        averages = Averages([metric.name for metric in metrics])
        states = [state for metric in metrics for state in metric.states]
        carried = arrays_of(states, self.initials, self.dtype)
        streams = Streams(self.model.streams, self.initials, self.dtype)
        names = {node.attributes["name"] for node in self.graph.inputs}
        needed = {name: values for name, values in columns.items() if name in names}
        fixed = {**weights, "step": np.array(float(step))}
        size = min(batch, len(rows))
        batches = Batches(needed, size)
        if self.model.streams:
            rows = rows[streams_of(len(rows), size)]
        elif (lengths := lengths_of(needed)) is not None:
            rows = rows[np.argsort(lengths[rows], kind="stable")]
        for number, start in enumerate(starts(len(rows), batch)):
            taken = batches.take(rows[start : start + batch])
            key = np.array([self.seed, number], dtype=np.int64)
            now = streams.at(self.graph, taken)
            offered = {**fixed, **carried, **now, **taken, "key": key}
            results = self.program.run({n: v for n, v in offered.items() if n in names})
            averages.add(self._values(results), len(rows[start : start + batch]))
            for name in carried:
                np.copyto(carried[name], results[name])
            streams.take(results)
        return averages.values()

    def _values(self, results: Mapping[str, np.ndarray]) -> dict[str, float]:
        losses = {name: float(results[name]) for name in self.graph.named("loss")}
        metrics = {name: float(results[name]) for name in self.graph.named("metric")}
        return {**losses, **({"loss": sum(losses.values())} if losses else {}), **metrics}
