"""The training step as one graph, for a runtime that runs it whole. Runs nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from specc import passes, pipeline
from specc.ir.graph import Graph, Node, emit, make_input, rewrite, toposort
from specc.ir.graph import replace as on_inputs
from specc.ir.model import Train
from specc.ir.types import Type


def step_graph(train: Train) -> Graph:
    """The whole step as one graph with its calls: what a runtime that trains by itself needs."""
    roles = ("loss", "metric", "metric_state", "state", "parameter", "moment", "average", "norm")
    return pipeline.pruned(passes.step(train), lambda output: output.role in roles)


def free(name: str, taken: Collection[str]) -> str:
    """The name, with as many _ after it as it takes to be nobody else's."""
    while name in taken:
        name += "_"
    return name


def counted(graph: Graph) -> Graph:
    """The step with ints for its random key and its number: `seed` and `step`, from 0.

    Before: key int[2], step float64[]. A name that an input has already is followed by a _, and so
    is that of a loss, a metric or the norm.
    """
    roles = {node.attributes["name"]: node.attributes["role"] for node in graph.inputs}
    taken = {name for name, role in roles.items() if role not in ("key", "step")}
    names = {each: free(each, taken) for each in ("seed", "step")}
    told = ("loss", "metric", "norm")
    outputs = tuple(
        replace(each, name=free(each.name, taken)) if each.role in told else each
        for each in graph.outputs
    )
    graph = replace(graph, outputs=outputs)
    seed, step = (make_input(names[each], "key", Type("int")) for each in ("seed", "step"))
    pair = [emit("reshape", each, shape=(1,)) for each in (seed, step)]
    made = {
        "key": emit("concat", *pair, axis=0),
        "step": emit("cast", step, dtype="float64"),
    }

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node.op.name == "input" and node.attributes["role"] in made:
            return made[node.attributes["role"]]
        return on_inputs(node, inputs)

    new = rewrite(graph, rule)
    kept = [node for node in new.inputs if node.op.name == "input"]
    reached = set(toposort(new.results))
    counts = [node for node in (seed, step) if node in reached]
    return replace(new, inputs=(*kept, *counts))
