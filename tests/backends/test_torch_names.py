"""A spec's names in torch's source, whatever they are, and layers that lie in one another."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import specc

LAYERS = """
layer Gain() {
    input x: float[..., d]
    param b: float[d] = ones()
    return x * b
}
layer Inner() {
    input x: float[..., d]
    return x -> Linear(d) as b
}
layer Seen() {
    input x: float[..., d]
    state seen: float[] = 0
    if training {
        seen' = seen + 1
    }
    return x + seen
}
layer Strange() {
    input x: float[..., d]
    state π: float[d] = 0
    state lambda: float[d] = 1
    if training {
        π' = π + lambda
        lambda' = lambda + π
    }
    return x * lambda + π
}
layer Stack() {
    input x: float[..., d]
    repeat 2 as z {
        x = x -> Linear(d) as "" -> BatchNorm as norm
    }
    return x -> Gain as b -> Linear(d) as b.b
}
"""

NESTED = {
    "a scope in a layer": "x -> Linear(4) as a -> Linear(4) as a.b",
    "before the layer": "x -> Linear(4) as a.b -> Linear(4) as a",
    "in a layer of a layer": "x -> Inner as a -> Gain as a.b.c",
    "one called as a parameter": "x -> Gain as a -> LayerNorm as a.b",
    "one called as a state": "x -> Seen as a -> Linear(4) as a.seen",
    "with states": "x -> BatchNorm as a -> BatchNorm as a.b -> Linear(4) as a.0",
    "two at one place": "x -> Linear(4) as a -> Gain as a",
    "two at one place of a layer": "x -> Inner as a -> Seen as a.b -> Seen as c.b -> Inner as c",
    "lists of layers": "x -> Stack as a -> Stack as block.0 -> Linear(4) as block.0.q",
    "hidden": "x -> Gain as __a -> Linear(4) as __a.__b -> Gain as class -> BatchNorm as __a.π",
    "states": "x -> Strange as lambda -> Strange as π",
}
REPEATED = """repeat i in range(3) as block {
        x = x -> Linear(4) as "" -> LayerNorm() as norm
        if i == 1 {
            x = x -> BatchNorm as b
        }
    }"""


def alike(text: str) -> None:
    """The module's names are the spec's; in both modes it gives what NumPy does."""
    model = specc.loads(text).model()
    x = np.random.default_rng(0).standard_normal((5, 4))
    module = model.torch(dtype="float64", seed=3)
    wanted = {each.name for each in (*model.built.parameters, *model.built.states)}
    assert set(module.state_dict()) == wanted
    right = model.compile(dtype="float64", seed=3)(x=x)["y"]
    made = module.eval()(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(made, right, rtol=1e-12, atol=1e-14)
    trained = specc.loads(f"{text}\ntrain {{\n    optimizer sgd(0.01)\n    steps 9\n}}\n")
    both = [trained.trainer(backend=each, dtype="float64") for each in ("numpy", "torch")]
    for _ in range(3):
        first, second = (each.step(x=x, t=x) for each in both)
        assert first == pytest.approx(second, rel=1e-10)
    for name, values in both[0].state.items():
        np.testing.assert_allclose(both[1].state[name], values, rtol=1e-9, atol=1e-12)


def spec_of(layers: str, body: str, result: str) -> str:
    lines = [
        "input x: float[batch, 4]", "target t: float[batch, 4]", body, f"y = {result}",
        "output y", "loss mse(y, t)",
    ]  # fmt: skip
    return f"{layers}\nmodel M {{\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


@pytest.mark.parametrize("chain", NESTED.values(), ids=NESTED)
def test_layers_in_layers(chain: str) -> None:
    alike(spec_of(LAYERS, "", chain))


def test_layers_in_a_repeated_layer() -> None:
    alike(spec_of(LAYERS, REPEATED, "x"))


@pytest.mark.parametrize(
    "name",
    ["torch", "nn", "self", "class", "lambda", "super", "F", "math", "__x", "_parameters", "range",
     "forward", "π", "Tensor", "training", "Odd", "Linear", "ratio"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["param", "state", "hyper"])
def test_names_in_a_layer(kind: str, name: str) -> None:
    hyper = f"{name}: float = 1.5" if kind == "hyper" else ""
    held = f"{kind} {name}: float[d] = {'ones()' if kind == 'param' else 2}" if not hyper else ""
    layer = f"layer Odd({hyper}) {{\n    input x: float[..., d]\n    {held}\n"
    layer += f"    param w: float[d] = ones()\n    return x * {name} + w\n}}\n"
    alike(spec_of(layer, "", "x -> Odd as a -> Linear(4) as b"))
