"""Models and train blocks made by hand, so that training is tested without the language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from specc import ops as _ops  # noqa: F401  registers the primitives
from specc.ir import Graph, Output, Type, constant, emit, make_input
from specc.ir.model import (
    Data,
    Loss,
    Made,
    Metric,
    Model,
    Optimizer,
    Spec,
    Train,
    Update,
    Variable,
)
from specc.ir.size import axis

BATCH = axis("batch")
ROWS = axis("row")


def fill(value: float, *shape: int) -> Graph:
    return Graph("fill", (), (Output("value", "result", constant(value, "float", shape)),))


def drawn(*shape: int) -> Graph:
    """Uniform in ±1/2 by Philox."""
    key, draw = (
        make_input("key", "key", Type("int", (2,))),
        make_input("draw.0", "draw", Type("int")),
    )
    bits = emit("random_bits", key, draw, bits=32, shape=shape, purpose=1)
    value = emit("cast", bits, dtype="float") * 2.0**-32 - 0.5
    return Graph("drawn", (key, draw), (Output("value", "result", value),))


def variable(name: str, *shape: int, number: int | None = None) -> Variable:
    type = Type("float", shape)
    if number is None:
        return Variable(name, type, fill(0.0, *shape))
    return Variable(name, type, drawn(*shape), {"draw.0": number})


def body(training: bool, hidden: int, dropout: bool) -> Graph:
    """tanh(x W₁ᵀ + b) W₂ᵀ, its squared error, a running mean of x, a metric with a state."""
    x = make_input("x", "input", Type("float", (BATCH, 4)))
    y = make_input("y", "target", Type("float", (BATCH, 1)))
    key = make_input("key", "key", Type("int", (2,)))
    first = make_input("first.weight", "parameter", Type("float", (hidden, 4)))
    bias = make_input("first.bias", "parameter", Type("float", (hidden,)))
    last = make_input("last.weight", "parameter", Type("float", (1, hidden)))
    mean = make_input("mean", "state", Type("float", (4,)))
    seen = make_input("seen", "metric_state", Type("float64"))
    wide = emit("broadcast", bias, shape=(BATCH, hidden))
    h = emit("tanh", x @ emit("permute", first, axes=(1, 0)) + wide)
    if training and dropout:
        draw = emit("constant", value=5, dtype="int")
        bits = emit("random_bits", key, draw, bits=16, shape=(BATCH, hidden), purpose=0)
        keep = emit("less", bits, constant(49152, "int", (BATCH, hidden)))
        h = emit("where", keep, h / 0.75, constant(0.0, "float", (BATCH, hidden)))
    prediction = h @ emit("permute", last, axes=(1, 0))
    count = emit("size", extent=BATCH)
    error = prediction - y
    loss = emit("sum", error * error, axes=(0, 1)) / emit("cast", count, dtype="float")
    total = seen + emit("cast", count, dtype="float64")
    average = emit("sum", x, axes=(0,)) / emit(
        "broadcast", emit("cast", count, dtype="float"), shape=(4,)
    )
    moved = mean * 0.9 + average * 0.1 if training else mean
    inputs = (x, y, key, first, bias, last, mean, seen)
    outputs = (
        Output("prediction", "output", prediction),
        Output("loss", "loss", loss),
        Output("count", "metric", total),
        Output("mean", "state", moved),
        Output("seen", "metric_state", total),
    )
    return Graph("net", inputs, outputs)


def model(hidden: int = 8, *, dropout: bool = True) -> Model:
    return Model(
        "Net",
        body(True, hidden, dropout),
        body(False, hidden, dropout),
        (
            variable("first.weight", hidden, 4, number=1),
            variable("first.bias", hidden),
            variable("last.weight", 1, hidden, number=2),
        ),
        (variable("mean", 4),),
        (),
        (Loss("loss"),),
        (Metric("count", (Variable("seen", Type("float64"), exact_zero()),)),),
        {"hidden": hidden},
    )


def exact_zero() -> Graph:
    return Graph("zero", (), (Output("value", "result", constant(0.0, "float64")),))


def momentum(lr: float = 0.05, beta: float = 0.9, on: tuple[str, ...] = ()) -> Optimizer:
    """sgd with momentum; `average` is the mean of the two last thetas."""
    made: dict[Type, Update] = {}

    def update(type: Type) -> Update:
        if type not in made:
            made[type] = _momentum(type, beta)
        return made[type]

    return Optimizer("momentum", "momentum", lr, {}, update, on)


def _momentum(type: Type, beta: float) -> Update:
    theta, grad = make_input("theta", "theta", type), make_input("grad", "grad", type)
    lr, step = make_input("lr", "lr", Type("float64")), make_input("step", "step", Type("float64"))
    m = make_input("m", "moment", type)
    moved = m * beta + grad
    rate = emit("cast", lr, dtype="float")
    wide = emit("broadcast", rate, shape=type.shape) if type.shape else rate
    after = theta - wide * moved
    outputs = (
        Output("theta", "theta", after),
        Output("m", "moment", moved),
        Output("average", "average", (theta + after) * 0.5),
    )
    graph = Graph("momentum", (theta, grad, lr, step, m), outputs)
    shape = tuple(extent for extent in type.shape if isinstance(extent, int))
    return Update(graph, (Variable("m", type, fill(0.0, *shape)),), True)


def data(
    arrays: Mapping[str, np.ndarray] | None = None,
    *,
    folder: str = ".",
    ratios: Mapping[str, float] | None = None,
) -> Data:
    """A block over net.npz of a folder, which `arrays` are written to."""
    if arrays is not None:
        np.savez(f"{folder}/net.npz", **arrays)  # type: ignore[arg-type]
    shares = {"train": 0.8, "dev": 0.1, "test": 0.1} if ratios is None else ratios

    def none(types: Mapping[str, Type]) -> Made:
        return Made(Graph("none", (), ()), {}, {}, {})

    return Data("Rows", "npz", "net.npz", folder, shares, tuple(shares), (), none, none)


def arrays(rows: int = 200, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 4))
    return {"x": x, "y": np.sin(x[:, :1]) + x[:, 1:2] * x[:, 2:3]}


def train(of: Model, on: Data | None, **changes: Any) -> Train:
    given = {
        "name": "train", "model": of, "data": on, "origin": None, "optimizers": (momentum(),),
        "schedule": None, "plateaus": (), "clip": ("norm", 1.0), "penalties": (), "freeze": (),
        "batch": 16, "epochs": 3, "steps": None, "seed": 7, "stop": None, "keep": None,
    }  # fmt: skip
    return Train(**{**given, **changes})


def spec(*trains: Train, path: str = "net.nn", expects: tuple = ()) -> Spec:
    models = {each.model.name: each.model for each in trains}
    datas = {each.data.name: each.data for each in trains if each.data}
    return Spec(path, "# made by hand\n", models, trains, datas, expects)
