"""The training step as one graph, for a runtime that runs it whole. Runs nothing."""

from __future__ import annotations

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


def counted(graph: Graph) -> Graph:
    """The step with ints for its random key and its number: `seed` and `step`, from 0.

    Before: key int[2], step float64[]. A name that an input has already is followed by a '.
    """
    taken = {node.attributes["name"] for node in graph.inputs} - {"key", "step"}
    names = {each: f"{each}'" if each in taken else each for each in ("seed", "step")}
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
