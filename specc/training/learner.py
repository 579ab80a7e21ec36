"""What a train block's step reads and writes, and the step itself. Knows no data, epoch or file."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from specc import pipeline
from specc.diagnostics import fault
from specc.ir.graph import Graph
from specc.ir.model import Train, Variable
from specc.ir.size import Axis, Size, evaluate
from specc.ir.types import Type
from specc.training.feeds import Feeds, batch_inputs
from specc.training.finite import SURE, all_finite, bounded, measured, witnessed
from specc.training.initial import Initials, array_dtype, arrays_of, flat_views, laid, static
from specc.training.packing import Group, groups_of, packed
from specc.training.reach import Reaches, reaching

if TYPE_CHECKING:
    from specc.backends.numpy import Wired

Arrays = dict[str, np.ndarray]


class Learner:
    """The arrays of a training by name, and the two programs that change them.

    Parameters are views of one flat vector, their gradients of another; the update is in place.
    """

    def __init__(
        self,
        train: Train,
        *,
        seed: int,
        dtype: str,
        without: Collection[str] = (),
        threads: int = 0,
    ) -> None:
        self.train, self.seed, self.dtype = train, seed, dtype
        self.without = without  # passes of the NumPy backend that are left out
        self.threads = threads  # 0: as many as NumPy's linear algebra takes, and a whole batch
        self.steps = 0  # updates made
        self.epoch = 0  # the one under way, for messages; 0 outside epochs
        self.scale = np.ones(())  # what the plateaus make of the learning rate
        self._key = np.array([seed, 0], dtype=np.int64)
        self._step = np.zeros(())
        self._initials = Initials(seed)
        self.graph = pipeline.training_graph(train)
        self._groups = groups_of(train)
        update = pipeline.update_graph(packed(train, self._groups))
        update = pipeline.pruned(update, lambda output: output.role != "norm")  # it is not read
        self._stored: Mapping[str, tuple[int, ...]] = {}
        self._witnesses: Mapping[str, str] = {}
        self._factors: Mapping[str, list[str]] = {}  # by name of a gradient: what tells of it
        self._reaches = Reaches({}, update)
        self._make_programs(update)
        self._make_parameters()
        self._make_states(update)
        self._wire(update)

    def _make_programs(self, update: Graph) -> None:
        """What a step runs; another backend's learner has its own."""
        graph, self._factors = bounded(self.graph, self.train.batch or 1)
        graph, self._witnesses = witnessed(graph)
        self.objective: Any = pipeline.compile(
            graph, self.dtype, without=self.without, threads=self.threads
        )
        self._stored = self.objective.stored
        if self.threads:
            from specc.training.threads import in_threads

            batch = self.train.batch
            self.objective = in_threads(self.objective, self.threads, batch, self.without)
        update, told = reaching(update)
        update = measured(update, told)
        self._reaches = Reaches(told, update)
        changed = {name: name for role in ("parameter", "moment") for name in update.taking(role)}
        self.update = pipeline.compile(update, self.dtype, updates=changed, without=self.without)

    def _make_parameters(self) -> None:
        """The trained ones come first, group by group, so that gradients lie at the same places."""
        variables = [each for group in self._groups for each in group.members]
        trained = {each.name: each.type for each in variables}
        types = trained | {each.name: each.type for each in self.train.model.parameters}
        # An update of elements alone takes them in any order.
        packed = [each.name for g in self._groups for each in g.members if g.name != each.name]
        self._orders = {name: self._stored[name] for name in packed if name in self._stored}
        self._flat, self.parameters = flat_views(types, self.dtype, self._orders)
        gradients = {f"gradient.{name}": type for name, type in trained.items()}
        self._flat_gradient, self.gradients = flat_views(
            gradients, self.dtype, {f"gradient.{name}": o for name, o in self._orders.items()}
        )
        self._looked_at = self._stretches()
        for each in self.train.model.parameters:
            self.parameters[each.name][...] = self._initials.value(each)

    def _make_states(self, update: Graph) -> None:
        model = self.train.model
        self.moments: Arrays = {}
        for group in self._groups:
            assert group.optimizer is not None, f"update refuses {group.name}"
            states = group.optimizer.update(group.type).states
            made = arrays_of(states, self._initials, self.dtype)
            self.moments |= {f"{group.name}:{name}": values for name, values in made.items()}
        taken = {name: node.type for name, node in update.named("average").items()}
        _, self.averages = flat_views(taken, self.dtype)
        self.begin_averages()
        self.states = arrays_of(model.states, self._initials, self.dtype)
        self.streams = Streams(model.streams, self._initials, self.dtype)
        self.begin_pass()

    def _wire(self, update: Graph) -> None:
        """Which arrays each program is fed: always the same ones, so wired once."""
        own = {**self.parameters, **self.states, "key": self._key, "step": self._step}
        wanted = {node.attributes["name"] for node in self.graph.inputs}
        self._feeds = {name: values for name, values in own.items() if name in wanted}
        name = self.train.model.name
        self.fitted = Feeds(
            self.graph,
            batch_inputs(self.train.model.training),
            self.dtype,
            missing="the step needs `{}`",
            unknown=f"`{{}}` is no input or target of `{name}`",
            seen=self._witnesses,
        )
        offered = {
            **self._by_group(self._flat, ""),
            **self._by_group(self._flat_gradient, "gradient."),
            **self.moments,
            "step": self._step,
            "scale": self.scale,
        }
        wanted = [node.attributes["name"] for node in update.inputs]
        self._update_feeds = {name: offered[name] for name in wanted} | self._reaches.feeds
        self._next_states = [name for name in self.graph.named("state") if name in self.states]
        self._reported = [*self.graph.named("loss"), *self.graph.named("metric")]

    # Another backend's learner has no such programs, and so no such property is asked for.
    @cached_property
    def _measure(self) -> Callable[[Mapping[str, np.ndarray]], Arrays]:
        return self.objective.wired(self._feeds, self.gradients)

    @cached_property
    def _change(self) -> Wired:
        return self.update.wired(self._update_feeds, self.averages)

    def _by_group(self, flat: np.ndarray, prefix: str) -> Arrays:
        views: Arrays = {}
        start = 0
        for group in self._groups:
            shape = static(group.type)
            count = math.prod(shape)
            views[f"{prefix}{group.name}"] = flat[start : start + count].reshape(shape)
            start += count
        return views

    # ── a step ───────────────────────────────────────────────────────────────────────────────────
    @np.errstate(all="ignore")
    def step(self, batch: Mapping[str, np.ndarray]) -> dict[str, float]:
        """One update on a batch; its losses and metrics.

        Raises:
            SpecError: D008 or R201 before anything has changed, if the batch or the loss or a
                gradient isn't finite; R202 if the update made a parameter that isn't.
        """
        self._key[1] = self.steps
        self._step[...] = self.steps
        fresh = batch
        if self.metric_states or self.streams.variables:
            fresh = {**self.metric_states, **self.streams.at(self.graph, batch), **batch}
        results = self._measure(fresh)
        for name, witness in self._witnesses.items():
            if not math.isfinite(results[witness]):
                self.fitted.check_finite(name, fresh[name])
        reported = {name: float(results[name]) for name in self._reported}
        if not (math.isfinite(reported["objective"]) and self._are_finite(results)):
            from specc.training.nonfinite import explain

            feeds = {**self._feeds, **fresh}
            raise explain(self.train, self.graph, self.dtype, feeds, self._when())
        for name in self._next_states:
            np.copyto(self.states[name], results[name])
        for name, values in self.metric_states.items():
            np.copyto(values, results[name])
        self.streams.take(results)
        if not self._reaches.take(self._change({})):
            self._check_parameters()
            self._reaches.measure(self._update_feeds)
        self.steps += 1
        return reported

    def _are_finite(self, results: Mapping[str, Any]) -> bool:
        """Are all gradients? Notes how far they reach."""
        squares = 0.0
        for one, other in self._factors.values():
            squares += float(results[one]) * float(results[other])
        for part in self._looked_at:
            squares += float(np.dot(part, part))
        self._reaches.begin(squares)
        return squares < SURE or all_finite(self._flat_gradient)

    def _stretches(self) -> list[np.ndarray]:
        """The parts of the gradients' vector that no factors tell of."""
        found: list[np.ndarray] = []
        start = stop = 0
        for name, values in [*self.gradients.items(), ("", self._flat_gradient)]:
            if name in self._factors or not name:
                found += [self._flat_gradient[start:stop]] if start < stop else []
                start = stop + values.size
            stop += values.size
        return found

    def _when(self) -> str:
        epoch = f" of epoch {self.epoch}" if self.epoch else ""
        return f"step {self.steps + 1}{epoch}"

    def _check_parameters(self) -> None:
        for name, values in self.parameters.items():
            if not np.isfinite(values).all():
                variable = next(v for v in self.train.model.parameters if v.name == name)
                raise fault(
                    "R202",
                    f"the update of {self._when()} made numbers in `{name}` that are not finite",
                    (variable.span, "this parameter") if variable.span else None,
                    help="a smaller lr, or clip norm(1.0), keeps the steps within bounds",
                )

    def begin_pass(self) -> None:
        """Streams and the metrics' own states begin anew with each pass over the data."""
        self.streams.reset()
        variables = [state for metric in self.train.model.metrics for state in metric.states]
        wanted = self.graph.taking("metric_state")
        carried = [each for each in variables if each.name in wanted]
        self.metric_states = arrays_of(carried, self._initials, self.dtype)

    def begin_averages(self) -> None:
        """An average that an optimizer keeps begins at the parameters."""
        groups = self._by_group(self._flat, "average.")
        for name, values in self.averages.items():
            np.copyto(values, groups[name])

    def changed(self) -> None:
        """Its arrays were written from outside: the next step begins from what they hold."""
        self._reaches.forget()

    def fetch(self) -> None:
        """Has its arrays hold what was trained: who reads them after a step asks for it first."""

    def weights(self) -> Arrays:
        """What evaluation uses and files keep: averages where an optimizer has them, and states."""
        self.fetch()
        averaged = self._members(self.averages, lambda group: f"average.{group.name}")
        return {**self.parameters, **averaged, **self.states}

    def optimizer_states(self) -> Arrays:
        """The optimizers' states by `parameter:state`, views of the packed ones."""
        self.fetch()
        names = {name.rpartition(":")[2] for name in self.moments}
        return {
            f"{parameter}:{state}": values
            for state in sorted(names)
            for parameter, values in self._members(
                self.moments, lambda group, state=state: f"{group.name}:{state}"
            ).items()
        }

    def _members(self, packed_arrays: Arrays, name_of: Callable[[Group], str]) -> Arrays:
        """Each parameter's part of what groups hold."""
        views: Arrays = {}
        for group in self._groups:
            values = packed_arrays.get(name_of(group))
            if values is None:
                continue
            start = 0
            for each in group.members:
                stop = start + self.parameters[each.name].size
                whole = values.shape != group.type.shape or len(group.members) == 1
                part = values if whole else values[start:stop]
                fits = part.size == self.parameters[each.name].size
                order = self._orders.get(each.name)
                views[each.name] = laid(part, static(each.type), order) if fits else part
                start = stop
        return views

    def digest(self) -> str:
        """What the two programs compute, as one short text: equal where a resumed run goes on."""
        return sha256(f"{self.objective.source}\n{self.update.source}".encode()).hexdigest()[:32]


class Streams:
    """Carried states with a dynamic axis, made when a batch tells their lengths."""

    def __init__(self, variables: tuple[Variable, ...], initials: Initials, dtype: str) -> None:
        self.variables, self.initials, self.dtype = variables, initials, dtype
        self.values: Arrays = {}

    def reset(self) -> None:
        self.values.clear()

    def at(self, graph: Graph, batch: Mapping[str, np.ndarray]) -> Arrays:
        """The streams for a batch: the first ones if it has fewer; of other lengths, anew."""
        if not self.variables:
            return self.values
        lengths = lengths_of(graph, batch)
        for each in self.variables:
            shape = _shape(each.type, lengths)
            value = self.values.get(each.name)
            if value is not None and value.shape != shape and _within(shape, value.shape):
                first = value[tuple(map(slice, shape))]
                value = self.values[each.name] = np.ascontiguousarray(first)
            if value is None or value.shape != shape:
                first = self.initials.value(each, lengths)
                kind = array_dtype(each.type.dtype, self.dtype)
                self.values[each.name] = np.array(np.broadcast_to(first, shape), dtype=kind)
        return self.values

    def take(self, results: Mapping[str, np.ndarray]) -> None:
        for name, value in self.values.items():
            np.copyto(value, results[name])


def _within(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(mine <= theirs for mine, theirs in zip(shape, other, strict=True))


def _shape(type: Type, lengths: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(evaluate(extent, lengths) for extent in type.shape)


def lengths_of(graph: Graph, batch: Mapping[str, np.ndarray]) -> dict[str, int]:
    """The lengths of the dynamic axes that a batch's arrays show."""
    lengths: dict[str, int] = {}
    for node in graph.inputs:
        values = batch.get(node.attributes["name"])
        if values is None:
            continue
        for extent, length in zip(node.type.shape, values.shape, strict=False):
            if isinstance(extent, Size) and len(extent.terms) == 1:
                (monomial, factor), *_ = extent.terms
                if factor == 1 and len(monomial) == 1 and monomial[0][1] == 1:
                    (atom, _), *_ = monomial
                    if isinstance(atom, Axis):
                        lengths[atom.name] = length
    return lengths
