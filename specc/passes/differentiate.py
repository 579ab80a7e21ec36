"""Reverse mode over the structure of calls: a call's gradient is a call. Knows no backend.

A body's derivative is made once for each set of results that have a gradient and inputs that need
one. It computes the body again inside; expansion shares that with the first time. A scan's gradient
is a scan the other way, of a body that steps the derivative of its body.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from specc.ir import (
    Graph,
    Node,
    Output,
    Tuple,
    Type,
    call,
    constant,
    emit,
    make_input,
    origin,
    toposort,
    zero_gradient,
)
from specc.ops.control import before_of, keeping, step_through


def differentiate(graph: Graph, pairs: Sequence[tuple[str, Sequence[str]]]) -> Graph:
    """Adds the gradients of scalars to a graph.

    Args:
        graph: what to differentiate.
        pairs: (a scalar output's name, names of float inputs). An output "gradient.<input>" of
            role gradient is added for each input, the sum over the pairs that name it; zeros where
            no scalar depends on it.
    """
    taken = {node.attributes["name"]: node for node in reversed(graph.inputs)}
    taken.update(graph.taking("parameter"))
    given = {output.name: output.node for output in reversed(graph.outputs)}
    given.update(graph.named("loss"))
    scalars_of: dict[tuple[str, ...], list[Node]] = {}  # one walk for each set of inputs
    for scalar, names in pairs:
        scalars_of.setdefault(tuple(dict.fromkeys(names)), []).append(given[scalar])
    reverse, parts_of = _Reverse(), dict[str, list[Node]]()
    for names, scalars in scalars_of.items():
        seeds: _Seeds = []
        for scalar in scalars:
            assert _is_float(scalar.type), f"{scalar} has no gradient"
            assert scalar.shape == (), f"{scalar} is no scalar"
            with origin(scalar.origin):
                seeds.append((scalar, constant(1.0, scalar.dtype)))
        wanted = [taken[name] for name in names]
        for name, gradient in zip(names, reverse.run(seeds, wanted), strict=True):
            parts = parts_of.setdefault(name, [])
            if gradient is not None:
                parts.append(gradient)
    made = [
        Output(f"gradient.{name}", "gradient", _total(parts) or _zeros(taken[name]))
        for name, parts in parts_of.items()
    ]
    return replace(graph, outputs=(*graph.outputs, *made))


_Seeds = list[tuple[Node, Node]]  # (a value, the gradient that comes to it)
_Request = tuple[Graph, tuple[int, ...], tuple[int, ...]]  # (body, results with one, inputs wanted)


@dataclass(frozen=True, slots=True)
class _Derivative:
    """A body's derivative, by places: from the body's inputs it `reads`, then the gradients of its
    results, to the gradients of the inputs that it `reaches`."""

    graph: Graph
    reads: tuple[int, ...]
    reaches: tuple[int, ...]


# A walk asks for the derivatives of the bodies that it meets and is sent them.
_Walk = Generator[_Request, _Derivative, list["Node | None"]]
_Making = Generator[_Request, _Derivative, _Derivative]


class _Reverse:
    """The derivatives made so far; calls nest as deep as memory allows."""

    def __init__(self) -> None:
        self.derivative_of: dict[_Request, _Derivative] = {}

    def run(self, seeds: _Seeds, wanted: Sequence[Node]) -> list[Node | None]:
        """The gradient of each wanted node; None where nothing reaches it."""
        walks: list[tuple[_Request | None, _Walk | _Making]] = [(None, _backward(seeds, wanted))]
        answers: list[Any] = [None]  # what the walk on top is sent next; None starts it
        while True:
            request, walk = walks[-1]
            try:
                asked = walk.send(answers.pop())
            except StopIteration as done:
                walks.pop()
                if request is None:
                    return done.value
                answers.append(self.derivative_of.setdefault(request, done.value))
            else:
                known = self.derivative_of.get(asked)
                answers.append(known)
                if known is None:
                    walks.append((asked, _derivative(*asked)))


def _derivative(body: Graph, given: tuple[int, ...], needed: tuple[int, ...]) -> _Making:
    """The body of a call's gradient; `gradient x = ...` lines of the definition come first."""
    results = body.results
    arriving = {
        place: make_input(f"gradient.{body.outputs[place].name}", "gradient", results[place].type)
        for place in given
    }
    found: dict[int, Node] = {}
    for place in needed:
        if place in body.gradients:
            with origin(results[0].origin):
                incoming = [
                    arriving.get(at) or _zeros(result)
                    for at, result in enumerate(results)
                    if _is_float(result.type)
                ]
                stated = body.gradients[place]
                (found[place],) = call(stated, (*body.inputs, *results, *incoming))
    rest = [place for place in needed if place not in body.gradients]
    if rest:
        seeds = [(results[place], gradient) for place, gradient in arriving.items()]
        walked = yield from _backward(seeds, [body.inputs[place] for place in rest])
        found.update((p, g) for p, g in zip(rest, walked, strict=True) if g is not None)
    reaches = tuple(sorted(found))
    used = set(toposort(found.values()))
    reads = tuple(at for at, node in enumerate(body.inputs) if node in used)
    graph = Graph(
        f"{body.name}.vjp",
        (*(body.inputs[at] for at in reads), *arriving.values()),
        tuple(
            Output(f"gradient.{body.inputs[at].attributes['name']}", "gradient", found[at])
            for at in reaches
        ),
        definition=("vjp", body.definition) if body.definition else None,
        hypers=body.hypers,
    )
    return _Derivative(graph, reads, reaches)


def _backward(seeds: _Seeds, wanted: Sequence[Node]) -> _Walk:
    """From the seeds back to the wanted nodes; contributions add up in the order of the walk."""
    order = toposort([scalar for scalar, _ in seeds])
    active = _depending(order, wanted)
    parts_of: dict[tuple[Node, int], list[Node]] = {}  # (node, result) → what came to it so far
    for value, gradient in seeds:
        parts_of.setdefault((value, 0), []).append(gradient)
    for node in reversed(order):
        if node not in active or not node.inputs:
            continue
        if node.op.name == "item":
            (source,) = node.inputs
            if parts := parts_of.pop((node, 0), None):
                parts_of.setdefault((source, node.attributes["index"]), []).extend(parts)
            continue
        results = node.type.items if isinstance(node.type, Tuple) else (node.type,)
        parts = [parts_of.pop((node, place), ()) for place in range(len(results))]
        if not any(parts):
            continue
        with origin(node.origin):
            arriving = {at: total for at, part in enumerate(parts) if (total := _total(part))}
        if node.op.name == "call":
            needed = tuple(at for at, source in enumerate(node.inputs) if source in active)
            derivative = yield (node.attributes["body"], tuple(arriving), needed)
            shares = _apply(derivative, node, tuple(arriving.values()))
        elif node.op.name == "scan":
            given, needed = _asked(node, arriving, active)
            derivative = yield (node.attributes["body"], given, needed)
            shares = _step_back(derivative, node, arriving, needed)
        else:
            shares = _pull_back(node, arriving)
        for source, share in zip(node.inputs, shares, strict=True):
            if share is not None and source in active:
                assert share.type == source.type, f"{node}: {share} for {source}"
                parts_of.setdefault((source, 0), []).append(share)
    gradients: list[Node | None] = []
    for node in wanted:
        with origin(node.origin):
            gradients.append(_total(parts_of.get((node, 0), ())))
    return gradients


def _apply(derivative: _Derivative, node: Node, arriving: tuple[Node, ...]) -> list[Node | None]:
    """The gradient of a call: a call of the body's derivative, from the same line."""
    if not derivative.reaches:
        return [None] * len(node.inputs)
    with origin(node.origin):
        reads = (node.inputs[at] for at in derivative.reads)
        made = call(derivative.graph, (*reads, *arriving))
    share_of = dict(zip(derivative.reaches, made, strict=True))
    return [share_of.get(at) for at in range(len(node.inputs))]


# ── scans ────────────────────────────────────────────────────────────────────────────────────────
def _asked(
    node: Node, arriving: Mapping[int, Node], active: set[Node]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of a scan's body: the results with a gradient and the inputs that need one, each state's
    gradient being handed from step to step."""
    states: int = node.attributes["states"]
    body: Graph = node.attributes["body"]
    carried = [at for at in range(states) if _is_float(body.inputs[at].type)]
    stacked = [at for at in arriving if at >= states]
    rest = [at for at in range(states, len(node.inputs)) if node.inputs[at] in active]
    return (*carried, *stacked), (*carried, *rest)


def _step_back(
    derivative: _Derivative, node: Node, arriving: Mapping[int, Node], needed: Sequence[int]
) -> list[Node | None]:
    """The gradient of a scan: a scan the other way. It carries the states' gradients, and the sums
    of those of what is the same at each step."""
    attributes = node.attributes
    body: Graph = attributes["body"]
    states: int = attributes["states"]
    end: int = states + attributes["scanned"]
    carried = [at for at in needed if at < states]
    stacked = [at for at in arriving if at >= states]
    sums = [at for at in derivative.reaches if at >= end]
    slices = [at for at in derivative.reaches if states <= at < end]
    own = {at: body.inputs[at] for at in derivative.reads}

    def gradient(kind: str, of: Node, name: str) -> Node:
        return make_input(f"{kind}.{name}", "gradient", of.type)

    with origin(node.origin):
        names = [each.attributes["name"] for each in body.inputs]
        coming = {at: gradient("gradient", body.inputs[at], names[at]) for at in carried}
        so_far = {at: gradient("sum", body.inputs[at], names[at]) for at in sums}
        given = {
            at: gradient("gradient", body.results[at], f"{at}.{body.outputs[at].name}")
            for at in stacked
        }
        made = call(derivative.graph, (*own.values(), *coming.values(), *given.values()))
        share_of = dict(zip(derivative.reaches, made, strict=True))
        outputs = [
            *[(f"gradient.{names[at]}", share_of.get(at) or _zeros(coming[at])) for at in carried],
            *[(f"sum.{names[at]}", so_far[at] + share_of[at]) for at in sums],
            *[(f"gradient.{names[at]}", share_of[at]) for at in slices],
        ]
        stepped = [
            *[each for at, each in own.items() if at < end],
            *given.values(),
        ]
        constants = [each for at, each in own.items() if at >= end]
        back = Graph(
            f"{body.name}.back",
            (*coming.values(), *so_far.values(), *stepped, *constants),
            tuple(Output(name, "gradient", value) for name, value in outputs),
        )
        before = _before(node, [at for at in own if at < states])
        starts = [arriving.get(at) or _zeros(node.inputs[at]) for at in carried]
        starts += [_zeros(node.inputs[at]) for at in sums]
        results = step_through(
            back,
            (
                *starts,
                *[before[at] if at < states else node.inputs[at] for at in own if at < end],
                *[arriving[at] for at in stacked],
                *[node.inputs[at] for at in own if at >= end],
            ),
            states=len(starts),
            scanned=len(stepped),
            reverse=not attributes["reverse"],
            kept=False,
        )
    found = dict(zip((*carried, *sums, *slices), results, strict=True))
    return [found.get(at) for at in range(len(node.inputs))]


def _before(node: Node, wanted: Sequence[int]) -> dict[int, Node]:
    """Each of these states as the scan's steps find it, stacked."""
    states: int = node.attributes["states"]
    body = keeping(node.attributes["body"], states)
    place_of = before_of(body, states)
    if body is not node.attributes["body"] and wanted:
        node = emit("scan", *node.inputs, **{**node.attributes, "body": body})
    return {at: emit("item", node, index=place_of[at]) for at in wanted}


def _pull_back(node: Node, arriving: Mapping[int, Node]) -> list[Node | None]:
    with origin(node.origin):
        shares = node.op.vjp(arriving[0], node, *node.inputs)
    if shares is None or isinstance(shares, Node):
        return [shares, *[None] * (len(node.inputs) - 1)]
    return list(shares)


def _depending(order: Iterable[Node], wanted: Sequence[Node]) -> set[Node]:
    """The nodes that a gradient may cross: float, and computed from a wanted one."""
    active = set(wanted)
    for node in order:
        if node.op.vjp is zero_gradient or not _is_float(node.type):
            continue
        if any(source in active for source in node.inputs):
            active.add(node)
    return active


def _is_float(type: Type | Tuple) -> bool:
    """Whether it, or one of its items, has a gradient."""
    if isinstance(type, Tuple):
        return any(item.dtype in ("float", "float64") for item in type.items)
    return type.dtype in ("float", "float64")


def _total(parts: Sequence[Node]) -> Node | None:
    if not parts:
        return None
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _zeros(node: Node) -> Node:
    return constant(0.0, node.dtype, node.shape)
