"""A block's step in onnxruntime: the exported step itself, over two sets of arrays in turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from specc import pipeline
from specc.backends import backend
from specc.ir.graph import Graph
from specc.ir.model import Train
from specc.training.finite import all_finite
from specc.training.initial import array_dtype, flat_views
from specc.training.learner import Arrays, Learner
from specc.training.steps import step_graph

REPORTED = ("loss", "metric", "norm")  # the roles of a step's results that are numbers to tell


class OnnxLearner(Learner):
    """A learner whose step is one model, which reads one set of its arrays and writes the other.

    What the learner shows is always the set that was written last. A step that isn't finite is
    never taken over: the old set stays.
    """

    def __init__(
        self, train: Train, *, seed: int, dtype: str, how: Mapping[str, Any] | None = None
    ) -> None:
        self._threads = int((how or {}).get("threads", 0))
        super().__init__(train, seed=seed, dtype=dtype)

    def _make_programs(self, update: Graph) -> None:
        graph = step_graph(self.train)
        held = ("parameter", "moment", "key", "step", "scale")
        fixed = {each.name for each in self.train.model.states}
        names = (
            node.attributes["name"]
            for node in graph.inputs
            if node.attributes["role"] not in held and node.attributes["name"] not in fixed
        )
        # A parameter may be called `norm` or `loss`; nothing in a spec has a blank in its name.
        self._whole = graph = replace(
            graph,
            outputs=tuple(
                replace(each, name=f"reported {each.name}") if each.role in REPORTED else each
                for each in graph.outputs
            ),
        )
        self.stepper = backend("onnx").step_of(graph, self.dtype, frozenset(names), self._threads)

    def _wire(self, update: Graph) -> None:
        super()._wire(update)
        graph = self._whole
        self._carried = [o.name for o in graph.outputs if o.role in ("metric_state", "state")]
        self._scalars = {
            each.name: np.zeros((), array_dtype(each.node.dtype, self.dtype))
            for each in graph.outputs
            if each.role in REPORTED
        }
        own = (self._flat, self.parameters, self.moments, self.averages, self.states)
        self._sets = [own, self._copies()]
        self._bindings = [self._bound(0), self._bound(1)]
        self._now = 0

    def _copies(self) -> tuple[np.ndarray, Arrays, Arrays, Arrays, Arrays]:
        types = {each.name: each.type for each in self.train.model.parameters}
        flat, parameters = flat_views({name: types[name] for name in self.parameters}, self.dtype)
        flat[...] = self._flat
        others = (self.moments, self.averages, self.states)
        moments, averages, states = ({n: v.copy() for n, v in each.items()} for each in others)
        # What no step writes is one array in both sets: frozen parameters, states at rest.
        written = {output.name for output in self._whole.outputs}
        parameters |= {n: v for n, v in self.parameters.items() if n not in written}
        states |= {n: v for n, v in self.states.items() if n not in written}
        return flat, parameters, moments, averages, states

    def _bound(self, place: int) -> Any:
        read, written = self._members_of(place), self._members_of(1 - place)
        own = {"key": self._key, "step": self._step, "scale": self.scale}
        names = {each.name for each in self._whole.outputs}
        results = {name: array for name, array in written.items() if name in names}
        return self.stepper.bind({**read, **own}, {**results, **self._scalars})

    def _members_of(self, place: int) -> Arrays:
        """One set's arrays by the names of the step's inputs and outputs."""
        shown = self._shown_set()
        self._show(self._sets[place])
        averages = self._members(self.averages, lambda group: f"average.{group.name}")
        found = {
            **self.parameters,
            **self.optimizer_states(),
            **{f"average.{name}": array for name, array in averages.items()},
            **self.states,
        }
        self._show(shown)
        return found

    def _shown_set(self) -> Any:
        return (self._flat, self.parameters, self.moments, self.averages, self.states)

    def _show(self, arrays: Any) -> None:
        self._flat, self.parameters, self.moments, self.averages, self.states = arrays

    # ── a step ───────────────────────────────────────────────────────────────────────────────────
    def step(self, batch: Mapping[str, np.ndarray]) -> dict[str, float]:
        """As the learner's.

        Raises:
            SpecError: R201 before anything has changed, if the loss or a gradient isn't finite;
                R202 if the update made a parameter that isn't.
        """
        self._key[1] = self.steps
        self._step[...] = self.steps
        streams = self.streams.at(self.graph, batch)
        fresh = {**self.metric_states, **streams, **batch}
        moved = {name: np.empty_like(values) for name, values in self._passing(streams).items()}
        self.stepper.run(self._bindings[self._now], fresh, moved)
        reported = {name: float(self._scalars[f"reported {name}"]) for name in self._reported}
        norm = self._scalars["reported norm"]
        finite = np.isfinite(reported["objective"]) and np.isfinite(norm)
        if not finite:
            self._check_gradients(fresh)
        self._now = 1 - self._now
        self._show(self._sets[self._now])
        for name, values in moved.items():
            carried = self.metric_states if name in self.metric_states else self.streams.values
            carried[name] = values
        if not all_finite(self._flat):
            self._check_parameters()
        self.steps += 1
        return reported

    def _passing(self, streams: Arrays) -> Arrays:
        """What is carried from step to step in arrays that may be made anew."""
        carried = {**self.metric_states, **streams}
        return {name: values for name, values in carried.items() if name in self._carried}

    def _check_gradients(self, fresh: Mapping[str, np.ndarray]) -> None:
        """A norm may overflow though no gradient is infinite: NumPy's program decides."""
        from specc.training.nonfinite import explain

        own = {**self.parameters, **self.states, "key": self._key, "step": self._step, **fresh}
        names = {node.attributes["name"] for node in self.graph.inputs}
        feeds = {name: values for name, values in own.items() if name in names}
        results = pipeline.compile(self.graph, self.dtype).run(feeds)
        roles = ("gradient", "loss")
        shown = [o.name for o in self.graph.outputs if o.role in roles]
        if not all(np.isfinite(results[name]).all() for name in shown):
            raise explain(self.train, self.graph, self.dtype, feeds, self._when())

    def digest(self) -> str:
        return self.stepper.digest()
