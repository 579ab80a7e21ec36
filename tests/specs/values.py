"""Runs what a small spec says on numbers given by hand. Compares nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from specc import pipeline
from specc.ir import Graph
from specc.ir.model import Model, Spec, Variable
from specc.language import loads
from specc.passes import differentiate

Arrays = dict[str, np.ndarray]


def spec_of(body: str) -> Spec:
    """A model of these statements; a text that defines its own is taken as it is."""
    if "model " in body:
        return loads(body)
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return loads(f"model M {{\n{lines}\n}}\n")


def model_of(body: str) -> Model:
    return list(spec_of(body).models.values())[-1]


def initial(variable: Variable, seed: int = 0) -> np.ndarray:
    """A parameter's or a state's first value."""
    graph = pipeline.lower(variable.init)
    program = pipeline.compile(graph, "float64")
    names = {node.attributes["name"] for node in graph.inputs}
    feeds: Arrays = {"key": np.array([seed, 0])}
    feeds.update({name: np.array(number) for name, number in variable.draws.items()})
    (value,) = program({name: feeds[name] for name in names}).values()
    return value


def run(body: str, training: bool = False, dtype: str = "float64", **given: Any) -> Arrays:
    """Everything that a model gives, from its initial parameters and states."""
    model = model_of(body)
    return execute(model, model.training if training else model.inference, dtype, given)


def gradients(body: str, *names: str, training: bool = True, **given: Any) -> Arrays:
    """The gradients of the model's loss for inputs or parameters, beside everything else."""
    model = model_of(body)
    graph = model.training if training else model.inference
    return execute(model, differentiate(graph, [("loss", list(names))]), "float64", given)


def execute(model: Model, graph: Graph, dtype: str, given: dict[str, Any]) -> Arrays:
    feeds: Arrays = {"key": np.array([0, 0]), "step": np.array(0.0)}
    variables = (*model.parameters, *model.states, *model.streams)
    metric_states = [each for metric in model.metrics for each in metric.states]
    for variable in (*variables, *metric_states):
        feeds[variable.name] = initial(variable)
    feeds.update({name: np.asarray(value) for name, value in given.items()})
    graph = pipeline.lower(graph)
    program = pipeline.compile(graph, dtype)
    exact = {
        node.attributes["name"] for node in graph.inputs if node.type.dtype == "float64"
    }  # whole scalars stay exact in every run
    return program({
        node.attributes["name"]: _as(feeds, node.attributes["name"], dtype, exact)
        for node in graph.inputs
    })  # fmt: skip


def _as(feeds: Arrays, name: str, dtype: str, exact: set[str]) -> np.ndarray:
    value = feeds[name]
    if value.dtype.kind != "f":
        return value
    return value.astype("float64" if name in exact else dtype)
