"""Twenty steps of each optimizer against torch.optim's, on gradients from nowhere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from specc import pipeline
from specc.ir.model import Variable
from specc.language import loads
from specc.passes import update

SPEC = """
model M {{
    input x: float[batch, 3]
    y = x -> Linear(4) as l
    output y
    loss mean(y)
}}
train {{
    optimizer {optimizer}
    steps 20
}}
"""
Make = Callable[[list[torch.Tensor]], torch.optim.Optimizer]

OPTIMIZERS: dict[str, tuple[str, Make]] = {
    text: (text.split("(")[0], make)
    for text, make in {
        "sgd(lr = 0.1)": lambda p: torch.optim.SGD(p, 0.1),
        "sgd()": lambda p: torch.optim.SGD(p),
        "sgd(lr = 0.1, momentum = 0.9)": lambda p: torch.optim.SGD(p, 0.1, 0.9),
        "sgd(0.1, momentum = 0.9, dampening = 0.3)": lambda p: torch.optim.SGD(p, 0.1, 0.9, 0.3),
        "sgd(lr = 0.1, weight_decay = 0.2)": lambda p: torch.optim.SGD(p, 0.1, weight_decay=0.2),
        "sgd(0.1, momentum = 0.8, weight_decay = 0.2, nesterov = true)": lambda p: torch.optim.SGD(
            p, 0.1, 0.8, weight_decay=0.2, nesterov=True
        ),
        "adam()": lambda p: torch.optim.Adam(p),
        "adam(lr = 0.03, beta1 = 0.8, beta2 = 0.95, eps = 1e-4)": lambda p: torch.optim.Adam(
            p, 0.03, (0.8, 0.95), 1e-4
        ),
        "adam(weight_decay = 0.1)": lambda p: torch.optim.Adam(p, weight_decay=0.1),
        "adamw()": lambda p: torch.optim.AdamW(p),
        "adamw(lr = 0.03, weight_decay = 0.3)": lambda p: torch.optim.AdamW(
            p, 0.03, weight_decay=0.3
        ),
        "rmsprop()": lambda p: torch.optim.RMSprop(p),
        "rmsprop(lr = 0.02, alpha = 0.9, weight_decay = 0.1, momentum = 0.7)": lambda p: (
            torch.optim.RMSprop(p, 0.02, 0.9, weight_decay=0.1, momentum=0.7)
        ),
        "adagrad()": lambda p: torch.optim.Adagrad(p),
        "adagrad(lr = 0.1, lr_decay = 0.05, weight_decay = 0.1)": lambda p: torch.optim.Adagrad(
            p, 0.1, 0.05, 0.1
        ),
    }.items()
}


def static(variable: Variable) -> tuple[int, ...]:
    """The shape of a parameter, which holds no dynamic axis."""
    return tuple(extent for extent in variable.type.shape if isinstance(extent, int))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_twenty_steps(optimizer: str, dtype: str) -> None:
    train = loads(SPEC.format(optimizer=optimizer)).trains[0]
    graph = pipeline.update_graph(train)
    program = pipeline.compile(graph, dtype)
    names = {node.attributes["name"] for node in graph.inputs}
    random = np.random.default_rng(3)
    shapes = {each.name: static(each) for each in train.model.parameters}
    parameters = {
        name: random.standard_normal(shape).astype(dtype) for name, shape in shapes.items()
    }
    moments = {
        node.attributes["name"]: np.zeros(shapes[node.attributes["name"].split(":")[0]], dtype)
        for node in update(train).taking("moment").values()
    }
    mirrors = {n: torch.from_numpy(v.copy()).requires_grad_() for n, v in parameters.items()}
    mirror = OPTIMIZERS[optimizer][1](list(mirrors.values()))
    for step in range(20):
        slopes = {n: random.standard_normal(s).astype(dtype) for n, s in shapes.items()}
        feeds = {
            **parameters,
            **moments,
            **{f"gradient.{name}": slope for name, slope in slopes.items()},
            "step": np.float64(step),
            "scale": np.float64(1),
        }
        made = program({name: value for name, value in feeds.items() if name in names})
        parameters = {name: made[name] for name in parameters}
        moments = {name: made[name] for name in moments}
        for name, each in mirrors.items():
            each.grad = torch.from_numpy(slopes[name])
        mirror.step()
    tolerance = {"float64": 1e-12, "float32": 2e-6}[dtype]
    for name, each in mirrors.items():
        right = each.detach().numpy()
        error = np.linalg.norm(parameters[name] - right) / np.linalg.norm(right)
        assert error <= tolerance, f"{name} is off by {error:.3g}"
