"""One record: a definition of the standard library, samples, and who else knows its value.

Builds the tiny spec around the definition and compiles it forwards and backwards; compares nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from zlib import crc32

import numpy as np
import torch

from specc import pipeline
from specc.ir import Graph, Node, Output, emit, make_input
from specc.ir.model import Model, Variable
from specc.language import loads
from specc.passes import differentiate, expand

Arrays = dict[str, np.ndarray]
Tensors = dict[str, torch.Tensor]
KEY = {"key": np.array([0, 0])}  # of draws that change no value that is compared


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """`body` holds statements that leave the result in y.

    `inputs` are declarations: "float 3 4", "float 3 4 in 0.1 0.9", "int 5 below 7", "bool 3". The
    oracle takes inputs, parameters and states by name (dots as underscores) and gives y, or y and
    the next value of each state.
    """

    of: str
    body: str
    inputs: Mapping[str, str]
    oracle: Callable[..., torch.Tensor | tuple[torch.Tensor, Tensors]]
    training: bool = False
    differentiable: bool = True
    twice: bool = True  # a second derivative exists, and torch has it
    fixed: Mapping[str, object] = field(default_factory=dict[str, object])  # inputs' values

    def __str__(self) -> str:
        return f"{self.of}: {' '.join(self.body.split())}"


def one(of: str, expression: str, inputs: Mapping[str, str], oracle, **options) -> Record:
    """A record whose body is one expression."""
    return Record(of, f"y = {expression}", inputs, oracle, **options)


def draw(declaration: str, random: np.random.Generator) -> np.ndarray:
    """Values as a declaration says; floats are float32's, so that both precisions read the same."""
    words = declaration.split()
    ends = [index for index, word in enumerate(words) if word in ("in", "below")]
    shape = tuple(map(int, words[1 : ends[0] if ends else None]))
    bounds = words[ends[0] + 1 :] if ends else []
    if words[0] == "int":
        return random.integers(0, int(bounds[0]), shape)
    if words[0] == "bool":
        return random.random(shape) < 0.6
    if bounds:
        low, high = map(float, bounds)
        return random.uniform(low, high, shape).astype(np.float32)
    return random.standard_normal(shape).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """A record's spec, with values for all that its graph reads."""

    model: Model
    graph: Graph
    feeds: Arrays
    variable: tuple[str, ...]  # the float inputs and parameters, whose gradients are compared
    answer: np.ndarray
    states: Arrays


@cache
def build(record: Record) -> Built:
    """Builds the spec, draws the values, and asks the oracle."""
    random = np.random.default_rng(crc32(str(record).encode()))
    given = {name: draw(said, random) for name, said in record.inputs.items()}
    given.update({name: np.asarray(value) for name, value in record.fixed.items()})
    model = loads(text(record, given)).models["M"]
    parameters = {each.name: draw(_declared(each), random) for each in model.parameters}
    states = {each.name: abs(draw(_declared(each), random)) for each in model.states}
    answer, next_states = ask(record, {**given, **parameters, **states})
    pull = random.standard_normal(answer.shape).astype(np.float32)
    graph = model.training if record.training else model.inference
    graph = _with_loss(graph, pull.shape)
    feeds: Arrays = {**given, **parameters, **states, **KEY, "pull": pull}
    return Built(
        model,
        graph,
        feeds,
        tuple(name for name in (*given, *parameters) if feeds[name].dtype.kind == "f"),
        answer,
        next_states,
    )


def text(record: Record, given: Mapping[str, np.ndarray]) -> str:
    """The spec of a record."""
    lines = [f"    input {name}: {_type(value)}" for name, value in given.items()]
    lines += [f"    {line}" for line in record.body.strip().splitlines()]
    return "model M {\n" + "\n".join([*lines, "    output y"]) + "\n}\n"


def _type(value: np.ndarray) -> str:
    dtype = {"f": "float", "i": "int", "b": "bool"}[value.dtype.kind]
    return f"{dtype}[{', '.join(map(str, value.shape))}]"


def _declared(variable: Variable) -> str:
    return " ".join(["float", *map(str, variable.type.shape)])


def tensors(values: Mapping[str, np.ndarray]) -> Tensors:
    """The oracle's arguments, in float64 and watched for gradients."""
    made = {name.replace(".", "_"): torch.from_numpy(value) for name, value in values.items()}
    return {
        name: value.double().requires_grad_() if value.is_floating_point() else value
        for name, value in made.items()
    }


def ask(record: Record, values: Mapping[str, np.ndarray]) -> tuple[np.ndarray, Arrays]:
    """What the oracle says: y, and the next states."""
    y, states = answer(record, tensors(values))
    return y.detach().numpy(), {name: state.detach().numpy() for name, state in states.items()}


def answer(record: Record, arguments: Tensors) -> tuple[torch.Tensor, Tensors]:
    said = record.oracle(**arguments)
    return said if isinstance(said, tuple) else (said, {})


def _with_loss(graph: Graph, shape: tuple[int, ...]) -> Graph:
    """Adds the scalar sum(y · pull), whose gradients reach every element of y differently."""
    y = graph.named("output")["y"]
    if y.dtype != "float":
        return graph
    pull = make_input("pull", "input", y.type)
    loss = emit("sum", y * pull, axes=tuple(range(len(shape)))) if shape else y * pull
    return Graph(
        graph.name,
        (*graph.inputs, pull),
        (*graph.outputs, Output("pulled", "loss", loss)),
        requires=graph.requires,
    )


def run(graph: Graph, feeds: Arrays, dtype: str) -> Arrays:
    """Compiles and runs a graph; what it does not read is not fed."""
    graph = pipeline.lower(graph)
    program = pipeline.compile(graph, dtype)
    names = {node.attributes["name"] for node in graph.inputs}
    return program({name: _as(value, dtype) for name, value in feeds.items() if name in names})


def _as(value: np.ndarray, dtype: str) -> np.ndarray:
    return value.astype(dtype) if value.dtype.kind == "f" else value


def with_gradients(built: Built) -> Graph:
    return differentiate(built.graph, [("pulled", list(built.variable))])


def with_second(built: Built, along: Mapping[str, np.ndarray]) -> Graph:
    """The gradient of the slope along fixed directions: a product with the Hessian."""
    first = expand(with_gradients(built))
    gradient_of = first.named("gradient")
    slope: Node | None = None
    directions: list[Node] = []
    for name in along:
        gradient = gradient_of[f"gradient.{name}"]
        direction = make_input(f"along.{name}", "input", gradient.type)
        directions.append(direction)
        part = gradient * direction
        part = emit("sum", part, axes=tuple(range(part.rank))) if part.rank else part
        slope = part if slope is None else slope + part
    assert slope is not None
    sloped = Graph(
        first.name,
        (*first.inputs, *directions),
        (Output("slope", "loss", slope),),
        requires=first.requires,
    )
    return differentiate(sloped, [("slope", list(along))])
