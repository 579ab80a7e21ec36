"""The two closeness tests that every test of numbers uses; each one raises, with what to do next.

Error is relative to the norm of the reference: one wrong element of many small ones is seen, noise
of a large one isn't. NaN never passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from specc.ir import Graph, Node, Output, constant, emit, toposort
from specc.ir.op import Op
from specc.ops.rules import reshape
from tests.evaluate import Array, realise, run

FORWARD = {"float64": 1e-12, "float32": 1e-5}
GRADIENT = {"float64": 1e-11, "float32": 1e-4}
Evaluate = Callable[[Graph, Mapping[str, Array]], Mapping[str, Array]]


def error(actual: Array, reference: Array) -> float:
    """‖actual - reference‖ / ‖reference‖ in float64; equal infinities differ by nothing."""
    difference, wide = _difference(actual, reference)
    finite = np.where(np.isfinite(wide), wide, 0.0)
    scale = float(np.linalg.norm(finite.ravel()))
    distance = float(np.linalg.norm(difference.ravel()))
    return distance / scale if scale else distance


def _difference(actual: Array, reference: Array) -> tuple[Array, Array]:
    wide = np.asarray(reference, np.float64)
    same = np.asarray(actual) == np.asarray(reference)
    with np.errstate(invalid="ignore"):
        return np.where(same, 0.0, np.asarray(actual, np.float64) - wide), wide


def assert_close(
    actual: Any,
    reference: Any,
    *,
    what: str,
    tolerance: float | None = None,
    times: float = 1.0,
    repeat: str = "",
) -> None:
    """Shape and dtype equal, ints and bools exactly, floats within the dtype's tolerance.

    `times` multiplies the dtype's own tolerance; `repeat` is the command that shows it again.
    """
    actual, reference = np.asarray(actual), np.asarray(reference)
    allowed = (FORWARD.get(reference.dtype.name, 0.0) if tolerance is None else tolerance) * times
    assert actual.shape == reference.shape, _report(
        what, repeat, f"shape {actual.shape}, not {reference.shape}"
    )
    assert actual.dtype == reference.dtype, _report(
        what, repeat, f"dtype {actual.dtype}, not {reference.dtype}"
    )
    off = error(actual, reference)
    if off <= allowed:
        return
    difference, _ = _difference(actual, reference)
    size = np.where(np.isnan(difference), np.inf, np.abs(difference))
    worst = np.unravel_index(int(np.argmax(size)), size.shape)
    index = tuple(int(each) for each in worst)
    raise AssertionError(
        _report(
            what,
            repeat,
            f"error {off:.3g} over the tolerance {allowed:.3g};"
            f" worst at {index}: {actual[worst]!r}, not {reference[worst]!r}",
        )
    )


def _report(what: str, repeat: str, how: str) -> str:
    return f"{what}: {how}" + (f"\n  repeat with: {repeat}" if repeat else "")


def assert_meaning(
    op: Op,
    feeds: Mapping[str, Array],
    attributes: Mapping[str, Any],
    actual: Array,
    *,
    what: str,
    repeat: str = "",
) -> None:
    """A primitive's result against its oracle, which is computed in float64 and rounded once."""
    reference = realise(op, list(feeds.values()), attributes, np.asarray(actual).dtype)
    assert_close(actual, reference, what=what, times=op.tolerance, repeat=repeat)


# ── gradients ────────────────────────────────────────────────────────────────────────────────────
Rule = Callable[[Op, Node, Node], Sequence[Node | None]]


def parts(op: Op, g: Node, y: Node) -> Sequence[Node | None]:
    """What the op's rule gives, one gradient an input."""
    made = op.vjp(g, y, *y.inputs)
    if made is None or isinstance(made, Node):
        return [made] if len(y.inputs) == 1 else [None] * len(y.inputs)
    return made


def gradient_graph(graph: Graph, names: Sequence[str], rule: Rule = parts) -> Graph:
    """The gradients of the graph's first output, a scalar, for the inputs `names`, by the ops' vjp.

    A reverse sweep of its own, in a dozen lines, so that a rule is tested apart from the passes.
    """
    target = graph.results[0]
    gradient: dict[int, Node] = {id(target): constant(1.0, target.dtype)}
    for node in reversed(toposort([target])):
        if id(node) not in gradient or node.op.name == "input":
            continue
        for each, part in zip(node.inputs, rule(node.op, gradient[id(node)], node), strict=True):
            if part is not None:
                assert part.type == each.type, f"{node.op}: {part.type} for {each.type}"
                before = gradient.get(id(each))
                gradient[id(each)] = part if before is None else before + part
    inputs = graph.taking("input")
    zeros = {name: constant(0.0, inputs[name].dtype, inputs[name].shape) for name in names}
    outputs = [Output(n, "gradient", gradient.get(id(inputs[n]), zeros[n])) for n in names]
    return Graph(f"gradient of {graph.name}", graph.inputs, tuple(outputs))


def weighted(graph: Graph, seed: int | None) -> Graph:
    """The graph with one scalar result: its float results times 1 + sin(seed + i) / 2, summed.

    Without a seed the weights are 1.
    """
    total: Node | None = None
    for node in graph.results:
        if node.dtype not in ("float", "float64"):
            continue
        term = node
        if seed is not None:
            place = emit("cast", emit("iota", length=node.type.elements), dtype=node.dtype)
            weights = emit("sin", place + float(seed % 1000)) * 0.5 + 1.0
            term = node * reshape(weights, node.shape)
        term = emit("sum", term, axes=tuple(range(node.rank)))
        total = term if total is None or total.dtype != term.dtype else total + term
    assert total is not None, f"{graph} has no float result"
    return Graph(graph.name, graph.inputs, (Output("total", "loss", total),))


def float_names(graph: Graph) -> list[str]:
    return [n.attributes["name"] for n in graph.inputs if n.dtype in ("float", "float64")]


def assert_gradient(
    graph: Graph,
    feeds: Mapping[str, Array],
    *,
    what: str,
    order: int = 1,
    seed: int = 0,
    tolerance: float = 1e-8,
    evaluate: Evaluate = run,
    differentiate: Callable[[Graph, Sequence[str]], Graph] = gradient_graph,
    repeat: str = "",
) -> None:
    """The gradient of a scalar graph against differences along one random direction, in float64.

    Order 2 is the same check of the gradient along another direction.
    """
    names = float_names(graph)
    if not names:
        return
    random = np.random.default_rng(seed)
    direction = {name: _unit(random, feeds[name].shape) for name in names}
    slope_graph = differentiate(graph, names)
    slopes = evaluate(slope_graph, feeds)
    along = sum(float(np.sum(slopes[_match(slopes, n)] * direction[n])) for n in names)
    reference = _difference_quotient(graph, feeds, direction, evaluate)
    # Along one direction terms may cancel: the gradient's own norm says what rounding is.
    scale = max(abs(reference), *(float(np.linalg.norm(slopes[_match(slopes, n)])) for n in names))
    off = abs(along - reference) / max(scale, 1e-3)
    assert off <= tolerance, _report(
        what,
        repeat,
        f"order {order}: slope {along!r} by the rule, {reference!r} by differences; error {off:.3g}"
        f" over the tolerance {tolerance:.3g}",
    )
    if order > 1:
        assert_gradient(
            _along(slope_graph, seed + 1),
            feeds,
            what=what,
            order=order - 1,
            seed=seed + 2,
            tolerance=tolerance * 10,
            evaluate=evaluate,
            differentiate=differentiate,
            repeat=repeat,
        )


def _match(slopes: Mapping[str, Array], name: str) -> str:
    return name if name in slopes else f"gradient.{name}"


def _along(slopes: Graph, seed: int) -> Graph:
    gradients = tuple(o for o in slopes.outputs if o.role == "gradient")
    return weighted(Graph(slopes.name, slopes.inputs, gradients), seed)


def _unit(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    direction = random.standard_normal(shape)
    return direction / (np.linalg.norm(direction.ravel()) or 1.0)


def _difference_quotient(
    graph: Graph,
    feeds: Mapping[str, Array],
    direction: Mapping[str, Array],
    evaluate: Evaluate,
    step: float = 2e-3,
) -> float:
    """Central differences at three steps, extrapolated twice: the error is of order step⁶."""

    def central(h: float) -> float:
        ends = []
        for sign in (1, -1):
            moved = {**feeds, **{n: feeds[n] + sign * h * d for n, d in direction.items()}}
            (value,) = evaluate(graph, moved).values()
            ends.append(float(value))
        return (ends[0] - ends[1]) / (2 * h)

    coarse, middle, fine = central(step), central(step / 2), central(step / 4)
    first, second = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
    return (16 * second - first) / 15
