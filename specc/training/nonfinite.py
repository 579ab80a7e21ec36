"""Where a NaN or an infinity came from: the first value that isn't finite though its inputs are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from specc import pipeline
from specc.diagnostics import SpecError, fault
from specc.ir.graph import Graph, Node, Output, toposort
from specc.ir.model import Train


def explain(
    train: Train, graph: Graph, dtype: str, feeds: Mapping[str, np.ndarray], when: str
) -> SpecError:
    """Runs the step once more with every value shown, and follows the fault to where it began.

    A value may be infinite and harmless (the -inf of a mask), so only those are followed that the
    loss or a gradient depends on through values that aren't finite either.
    """
    nodes = [n for n in toposort(graph.results) if n.op.name != "scan"]  # whose items are shown
    nodes = [node for node in nodes if node.dtype in ("float", "float64")]
    shown = tuple(Output(f"value.{at}", "observed", node) for at, node in enumerate(nodes))
    # As the spec says it: a rewritten step may not make each of these values.
    plain = ("rewrite", "layout", "fuse")
    program = pipeline.compile(replace(graph, outputs=shown), dtype, without=plain)
    with np.errstate(all="ignore"):
        results = program.run(feeds)
    wrong = {
        id(node): np.asarray(results[f"value.{at}"])
        for at, node in enumerate(nodes)
        if not np.isfinite(results[f"value.{at}"]).all()
    }
    ends = [o for o in graph.outputs if o.role in ("loss", "gradient") and id(o.node) in wrong]
    culprit = first_cause([output.node for output in ends], wrong)
    named = ", ".join(f"`{output.name}`" for output in ends[:4]) or "the gradient"
    if culprit is None:
        return fault("R201", f"{named} is not finite in {when}", train.span, help=ADVICE)
    values = wrong[id(culprit)]
    kind = "NaN" if np.isnan(values).any() else "infinite"
    count = int((~np.isfinite(values)).sum())
    source = culprit.origin
    operation = "scan" if culprit.op.name == "item" else culprit.op.name
    what = f"`{source.name}`" if source.name else f"a value of `{operation}`"
    layer = f" in the layer `{source.scope}`" if source.scope else ""
    before = "\n".join(["its inputs are finite:", *_inputs(culprit, results, nodes)])
    return fault(
        "R201",
        f"{what}{layer} is {kind} in {when}; no parameter was changed by it",
        (source.span, f"{count} of {values.size} values of this {operation}")
        if source.span
        else None,
        found=f"{kind} values, and so in {named}; {before}",
        help=ADVICE,
    )


ADVICE = """the last good checkpoint is kept; a smaller lr, clip norm(1.0), or a guard where it
began (an epsilon in a logarithm or under a division) keeps numbers finite"""


def first_cause(ends: list[Node], wrong: Mapping[int, np.ndarray]) -> Node | None:
    """Of the values that led to `ends`, the first in topological order with only finite inputs."""
    seen: set[int] = set()
    stack = list(ends)
    candidates: list[Node] = []
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        before = [each for each in _read(node) if id(each) in wrong]
        meant = all(_is_constant(each) for each in before)
        if meant and not _is_constant(node):
            candidates.append(node)
        stack.extend(before)
    order = {id(node): at for at, node in enumerate(toposort(ends))}
    candidates.sort(key=lambda node: order[id(node)])
    return candidates[0] if candidates else None


def _read(node: Node) -> Sequence[Node]:
    """What a value is made of; an item of a scan, of what the scan takes."""
    return node.inputs[0].inputs if node.op.name == "item" else node.inputs


def _is_constant(node: Node) -> bool:
    while node.op.name in ("broadcast", "reshape", "cast"):
        node = node.inputs[0]
    return node.op.name == "constant"


def _inputs(node: Node, results: Mapping[str, np.ndarray], nodes: list[Node]) -> list[str]:
    place = {id(each): at for at, each in enumerate(nodes)}
    lines: list[str] = []
    for each in _read(node):
        if id(each) in place and not _is_constant(each):
            values = np.asarray(results[f"value.{place[id(each)]}"])
            span = f"{values.min():.6g} to {values.max():.6g}" if values.size else "empty"
            lines.append(f"  {each.origin.name or each.op.name}: {each.type}, {span}")
    return lines
