"""Reverse mode over the structure of calls: a call's gradient is a call. Knows no backend.

A body's derivative is made once for each set of results that have a gradient and inputs that need
one. It computes the body again inside; expansion shares that with the first time.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from specc.diagnostics import fault
from specc.ir import (
    Graph,
    Node,
    Output,
    Tuple,
    Type,
    call,
    constant,
    make_input,
    origin,
    toposort,
    zero_gradient,
)


def differentiate(graph: Graph, pairs: Sequence[tuple[str, Sequence[str]]]) -> Graph:
    """Adds the gradients of scalars to a graph.

    Args:
        graph: what to differentiate.
        pairs: (a scalar output's name, names of float inputs). An output "gradient.<input>" of
            role gradient is added for each input, the sum over the pairs that name it; zeros where
            no scalar depends on it.

    Raises:
        SpecError: B001 where a gradient would flow through a scan.
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


def _pull_back(node: Node, arriving: Mapping[int, Node]) -> list[Node | None]:
    if node.op.name == "scan":
        raise fault(
            "B001",
            "training through a scan isn't there yet",
            node.origin.span,
            help="`specc check` accepts it; write the steps out with `repeat` to train now",
        )
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
