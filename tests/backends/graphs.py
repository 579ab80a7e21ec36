"""Graphs for the backend's own tests: random ones of views, buffers and scalars; small nets."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np

import specc.ops
from specc.ir import Graph, Node, Output, Type, emit, make_input
from specc.ir.size import axis, evaluate
from specc.ops.rules import broadcast, full, reshape, swap_last, where, zeros
from tests.evaluate import Array

BATCH, TIME = axis("batch"), axis("time")
assert specc.ops.registry


def given(name: str, *shape: object, dtype: str = "float", role: str = "input") -> Node:
    return make_input(name, role, Type(dtype, shape))  # type: ignore[arg-type]


def graph_of(inputs: Sequence[Node], **outputs: Node) -> Graph:
    made = tuple(Output(name, "output", node) for name, node in outputs.items())
    return Graph("small", tuple(inputs), made)


def total(node: Node) -> Node:
    return emit("sum", node, axes=tuple(range(node.rank)))


def mixed(seed: int, steps: int = 25) -> Graph:
    """One of many graphs of about `steps` operations; equal seeds give equal graphs."""
    choose = random.Random(seed)
    inputs = [
        given("x", BATCH, 4),
        given("y", BATCH, 4),
        given("w", 4, 4, role="parameter"),
        given("v", 4, role="parameter"),
        given("scale", dtype="float64"),
    ]
    nodes = [*inputs[:3], broadcast(inputs[3], (BATCH, 4))]
    nodes.append(emit("cast", broadcast(inputs[4], (BATCH, 4)), dtype="float"))
    for _ in range(steps):
        nodes.append(_more(nodes, choose))
    last = nodes[len(inputs) :]
    picked = [nodes[-1], *choose.sample(last, 3), total(nodes[-1] * nodes[-1])]
    outputs = {f"r{place}": node for place, node in enumerate(picked)}
    return graph_of(inputs, **outputs)


def _more(nodes: list[Node], choose: random.Random) -> Node:
    matrices = [node for node in nodes if node.rank == 2]
    a = choose.choice(matrices)
    like_a = [node for node in matrices if node.shape == a.shape]
    b = choose.choice(like_a)
    rows, columns = a.shape
    match choose.randrange(14):
        case 0:
            return emit(choose.choice(("tanh", "sigmoid", "erf", "sin", "neg", "abs")), a)
        case 1 | 2:
            return emit(choose.choice(("add", "subtract", "maximum", "minimum")), a, b)
        case 3:
            return where(emit("less", a, b), a, choose.choice((b, zeros(a), full(a, -0.5))))
        case 4:
            return swap_last(a)
        case 5:
            return reshape(swap_last(reshape(a, (rows * columns, 1))), a.shape)
        case 6:
            return emit("tanh", emit("matmul", a, emit("sin", swap_last(b)))) @ b
        case 7:
            low = emit("slice", a, starts=(1, 0), stops=(rows, columns), steps=(1, 1))
            return emit("pad", low, low=(0, 0), high=(1, 0), value=0.25)
        case 8:
            mean = emit("sum", a, axes=(1,)) * 0.25
            return a - broadcast(reshape(mean, (rows, 1)), a.shape)
        case 9:
            return emit("cumulative_sum", emit("tanh", a), axis=choose.randrange(2))
        case 10:
            joined = emit("concat", a, b, axis=1)
            starts, stops = (0, columns), (rows, columns + columns)
            return emit("slice", joined, starts=starts, stops=stops, steps=(1, 1))
        case 11:
            index = emit("argmax", a, axis=1)
            top = emit("cast", index, dtype="float")
            return a + broadcast(reshape(top, (rows, 1)), a.shape) * 0.1
        case 12:
            return emit("tanh", a * broadcast(total(b), a.shape))
        case _:
            at = {"axes": (0,), "strides": (1,), "dilations": (1,)}
            windows = emit("windows", a, sizes=(2,), **at)
            return emit("tanh", emit("overlap_add", windows * 0.5, extents=(rows,), **at))


def feeds_for(graph: Graph, seed: int, **sizes: int) -> Mapping[str, Array]:
    """Normal floats, small ints, in float64 and int64."""
    draw = np.random.default_rng(seed)
    made: dict[str, Array] = {}
    for node in graph.inputs:
        shape = [evaluate(extent, sizes) for extent in node.shape]
        if node.dtype == "int":
            made[node.attributes["name"]] = draw.integers(0, 3, shape)
        elif node.dtype == "bool":
            made[node.attributes["name"]] = draw.random(shape) < 0.5
        else:
            made[node.attributes["name"]] = np.asarray(draw.normal(size=shape))
    return made


def network(layers: int, width: int = 8) -> Graph:
    """relu(x W' + b), so many times."""
    x = h = given("x", BATCH, width)
    inputs = [x]
    for place in range(layers):
        weight = given(f"fc{place}.weight", width, width, role="parameter")
        bias = given(f"fc{place}.bias", width, role="parameter")
        inputs += [weight, bias]
        h = h @ swap_last(weight) + broadcast(bias, (BATCH, width))
        h = where(emit("less", zeros(h), h), h, zeros(h))
    return graph_of(inputs, y=h)


def sgd(*shape: object) -> Graph:
    """theta - 0.1 (grad + 0.01 theta), and a moment."""
    theta = given("theta", *shape, role="parameter")
    grad = given("gradient.theta", *shape, role="gradient")
    moment = given("theta:m", *shape, role="moment")
    m = moment * 0.9 + grad + theta * 0.01
    outputs = (
        Output("theta", "parameter", theta - m * 0.1),
        Output("theta:m", "moment", m),
    )
    return Graph("sgd", (theta, grad, moment), outputs)
