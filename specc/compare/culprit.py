"""Where two parties part: each call's error as it arrived, and as the call itself makes it.

Accumulated: the call's results in one run of everything. Local: the call fed with what the
reference fed it. The culprit is the first whose local error is over tolerance; where there is none,
rounding has been amplified on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from specc import passes, pipeline
from specc.compare.numbers import FORWARD, GRADIENT, SPREADS, TRAINED, relative
from specc.compare.parties import Party, Shaken, feeds_of
from specc.compare.subject import Subject, moved, nudged
from specc.diagnostics import Span
from specc.ir import Graph, Node, Output, emit
from specc.passes.observe import Observed, Site, isolate, observe
from specc.training.initial import array_dtype

Results = Mapping[str, np.ndarray]
FLOATS = ("float", "float64")


@dataclass(frozen=True, slots=True)
class Point:
    """One site of a graph: its two errors, and how far the reference's own result moves."""

    stage: str  # inference, training, gradient, update
    scope: str
    name: str
    application: int
    place: str  # file:line:column
    line: str  # the spec's line
    accumulated: float
    local: float
    spread: float
    tolerance: float
    before: tuple[int, ...] = ()

    @property
    def is_wrong(self) -> bool:
        return self.local > max(self.tolerance, SPREADS * self.spread)

    def __str__(self) -> str:
        path = f"{self.scope}." if self.scope else ""
        return f"{path}{self.name}" + (f" ({self.application})" if self.application > 1 else "")


def points_of(
    stage: str, graph: Graph, subject: Subject, reference: Party, other: Party, dtype: str
) -> list[Point]:
    """Each site of a graph, in the order in which it is computed."""
    observed = observe(graph)
    if not observed.sites:
        return []
    feeds = feeds_of(graph, subject, reference.dtype)
    values = dict(reference.compile(observed.graph)(feeds))
    arrived = other.compile(observed.graph)(feeds_of(graph, subject, other.dtype))
    alone = isolate(observed)
    given = {**feeds, **{n: values[n] for n in observed.shown.values()}}
    right = reference.compile(alone)(_in(given, alone, reference))
    found = other.compile(alone)(_in(given, alone, other))
    random = np.random.default_rng(0)
    shaken = {name: nudged(np.asarray(v), dtype, random) for name, v in given.items()}
    shifted = reference.compile(alone)(_in(shaken, alone, reference))
    return [
        _point(
            stage, number, site,
            max(_apart(arrived[observed.shown[n]], values[observed.shown[n]])
                for n in site.results),
            max(_apart(found[key], right[key]) for key in _keys(number, site)),
            max(_apart(shifted[key], right[key]) for key in _keys(number, site)),
            FORWARD[dtype],
        )
        for number, site in enumerate(observed.sites)
    ]  # fmt: skip


def gradient_points(
    graph: Graph, subject: Subject, reference: Party, other: Party, dtype: str
) -> list[Point]:
    """Each site's own gradient: of a weighted sum of its results, for what it reads."""
    observed = observe(graph)
    alone = isolate(observed)
    feeds = feeds_of(graph, subject, reference.dtype)
    values = dict(reference.compile(observed.graph)(feeds))
    given = {**feeds, **{n: values[n] for n in observed.shown.values()}}
    random = np.random.default_rng(0)
    shaken = {name: nudged(np.asarray(v), dtype, random) for name, v in given.items()}
    points: list[Point] = []
    for number, site in enumerate(observed.sites):
        part = _weighted(observed, alone, number)
        if part is None:
            continue
        one, names = part
        right = reference.local_gradients(one, "total", names)(_in(given, one, reference))
        found = other.local_gradients(one, "total", names)(_in(given, one, other))
        shifted = reference.local_gradients(one, "total", names)(_in(shaken, one, reference))
        local = max(_apart(found[key], right[key]) for key in right)
        spread = max(_apart(shifted[key], right[key]) for key in right)
        points.append(_point("gradient", number, site, local, local, spread, GRADIENT[dtype]))
    return points


def _weighted(observed: Observed, alone: Graph, number: int) -> tuple[Graph, list[str]] | None:
    """One site's results times 1 + sin(i) / 2, summed; and the floats that it reads, by name."""
    outputs = [o for o in alone.outputs if o.name.startswith(f"site.{number}.")]
    terms: list[Node] = []
    for output in outputs:
        node = output.node
        if node.dtype not in FLOATS:
            continue
        place = emit("cast", emit("iota", length=node.type.elements), dtype="float")
        weights = emit("reshape", emit("sin", place) * 0.5 + 1.0, shape=node.shape)
        whole = emit("cast", node, dtype="float") * weights
        terms.append(emit("sum", whole, axes=tuple(range(node.rank))))
    if not terms:
        return None
    total = sum(terms[1:], start=terms[0]) if len(terms) > 1 else terms[0]
    read = [node for node in _call_of(outputs[0].node).inputs if node.op.name == "input"]
    names = list(dict.fromkeys(n.attributes["name"] for n in read if n.dtype == "float"))
    if not names:
        return None
    return replace(alone, outputs=(Output("total", "loss", total),)), names


def _call_of(node: Node) -> Node:
    return node.inputs[0] if node.op.name == "item" else node


def _in(given: Results, graph: Graph, party: Party) -> dict[str, np.ndarray]:
    return {
        node.attributes["name"]: np.asarray(
            given[node.attributes["name"]], array_dtype(node.dtype, party.dtype)
        )
        for node in graph.inputs
        if node.attributes["name"] in given
    }


def _keys(number: int, site: Site) -> list[str]:
    return [f"site.{number}.{place}" for place in range(len(site.results))]


def _apart(actual: np.ndarray, reference: np.ndarray) -> float:
    return relative(np.asarray(actual), np.asarray(reference))


def _point(
    stage: str, number: int, site: Site, accumulated: float, local: float, spread: float,
    tolerance: float,
) -> Point:  # fmt: skip
    span, line = site.span, _line(site.span)
    return Point(
        stage, site.scope, site.name, site.application, str(span) if span else "", line,
        accumulated, local, spread, tolerance, site.before,
    )  # fmt: skip


def _line(span: Span | None) -> str:
    """The spec's line there."""
    if span is None:
        return ""
    return span.source.line(span.source.position(span.start)[0]).strip()


def search(
    subject: Subject, reference: Party, other: Party, dtype: str, kinds: set[str]
) -> tuple[Point | None, list[Point]]:
    """The culprit among the kinds of values that differ, and the points of the forward graph."""
    train = subject.train
    forward = passes.objective(train)
    roles = ("loss", "metric", "state", "output")
    graphs = [("training", pipeline.pruned(forward, lambda o: o.role in roles))]
    if "output" in kinds:
        graphs.insert(0, ("inference", pipeline.forward(subject.model)))
    seen: list[Point] = []
    for stage, graph in graphs:
        points = points_of(stage, graph, subject, reference, other, dtype)
        seen = seen or points
        for point in points:
            if point.is_wrong:
                return point, points
    if kinds & {"gradient", "trained", "trained state"}:
        for point in gradient_points(graphs[-1][1], subject, reference, other, dtype):
            if point.is_wrong:
                return point, seen
    if kinds & {"trained", "trained state"}:
        point = update_point(subject, reference, other, dtype)
        if point.is_wrong:
            return point, seen
    return None, seen


def update_point(subject: Subject, reference: Party, other: Party, dtype: str) -> Point:
    """The first step's update of the parameter that it differs most in beyond its spread."""
    one = replace(subject, steps=1, batches=subject.batches[:1])
    right, found = reference.train(one).values, other.train(one).values
    shifted = [reference.train(moved(one, dtype, 0)).values, Shaken(dtype, 0).train(one).values]
    apart = {value: _apart(found[value], right[value]) for value in right}
    spread = {value: max(_apart(each[value], right[value]) for each in shifted) for value in right}
    allowed = {value: max(TRAINED[dtype], SPREADS * spread[value]) for value in right}
    worst = max(apart, key=lambda value: apart[value] / allowed[value])
    optimizers = subject.train.optimizers
    named = [each for each in optimizers if each.on and passes.matches(worst[1], each.on)]
    optimizer = (named or [each for each in optimizers if not each.on])[0]
    line = _line(optimizer.span)
    return Point(
        "update", worst[1], optimizer.name, 1, str(optimizer.span or ""), line, apart[worst],
        apart[worst], spread[worst], TRAINED[dtype],
    )  # fmt: skip


def growth(points: list[Point]) -> list[tuple[str, float]]:
    """The accumulated error at the end of each layer, in order: how it grows through the model."""
    layers: dict[str, float] = {}
    for point in points:
        layer = point.scope or point.name
        layers.pop(layer, None)
        layers[layer] = point.accumulated
    return list(layers.items())
