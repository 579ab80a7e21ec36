"""The workloads: shapes, initial weights and batches, the same for all. Runs nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SPECS = Path(__file__).parent.parent / "specs"
Batch = dict[str, np.ndarray]


@dataclass(frozen=True)
class Workload:
    """Weights are named as in the spec and shaped as torch shapes them."""

    name: str
    title: str
    batch: int
    inputs: Mapping[str, tuple[int, ...]]  # an example's shape of each
    parameters: Mapping[str, tuple[int, ...]]
    states: Mapping[str, int]
    classes: int = 10
    tokens: bool = False  # inputs are numbers of words, of as many as there are classes

    @property
    def spec(self) -> Path:
        return SPECS / f"{self.name}.nn"


def _layers(**weights: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Each layer's weight and its bias, as long as the weight's first axis."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, shape in weights.items():
        shapes |= {f"{layer}.weight": shape, f"{layer}.bias": shape[:1]}
    return shapes


def _lstm(layers: int, width: int) -> dict[str, tuple[int, ...]]:
    """torch's names: the weights of the inputs, then of the states."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(layers):
        shapes |= {f"lstm.weight_{of}_l{layer}": (4 * width, width) for of in ("ih", "hh")}
        shapes |= {f"lstm.bias_{of}_l{layer}": (4 * width,) for of in ("ih", "hh")}
    return shapes


def _transformer(stack: str, layers: int, width: int, inner: int) -> dict[str, tuple[int, ...]]:
    """torch's names of an encoder's or a decoder's layers, and of the norm after them."""
    decodes = stack == "decoder"
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(layers):
        path = f"transformer.{stack}.layers.{layer}"
        for name in ("self_attn", "multihead_attn")[: 1 + decodes]:
            shapes |= {
                f"{path}.{name}.in_proj_weight": (3 * width, width),
                f"{path}.{name}.in_proj_bias": (3 * width,),
                f"{path}.{name}.out_proj.weight": (width, width),
                f"{path}.{name}.out_proj.bias": (width,),
            }
        norms = {f"norm{number}": (width,) for number in range(1, 3 + decodes)}
        layer_of = {"linear1": (inner, width), "linear2": (width, inner), **norms}
        shapes |= {f"{path}.{name}": shape for name, shape in _layers(**layer_of).items()}
    return shapes | {f"transformer.{stack}.norm.{kind}": (width,) for kind in ("weight", "bias")}


WORKLOADS = {
    each.name: each
    for each in (
        Workload(
            "mlp", "784-128-64-10, SGD with momentum, batch 64", 64, {"image": (784,)},
            _layers(fc1=(128, 784), fc2=(64, 128), fc3=(10, 64)), {},
        ),
        Workload(
            "wide", "1024-1024-1024-10, Adam, batch 256", 256, {"image": (1024,)},
            _layers(fc1=(1024, 1024), fc2=(1024, 1024), fc3=(10, 1024)), {},
        ),
        Workload(
            "lenet", "LeNet on 1×28×28, Adam, batch 64", 64, {"image": (1, 28, 28)},
            _layers(conv1=(6, 1, 5, 5), conv2=(16, 6, 5, 5), fc1=(120, 400), fc2=(84, 120),
                    fc3=(10, 84)), {},
        ),
        Workload(
            "convolutions", "three 3×3 convolutions with batch norm on 3×32×32, Adam, batch 32",
            32, {"image": (3, 32, 32)},
            _layers(conv1=(32, 3, 3, 3), norm1=(32,), conv2=(64, 32, 3, 3), norm2=(64,),
                    conv3=(64, 64, 3, 3), norm3=(64,), fc=(10, 1024)),
            {"norm1": 32, "norm2": 64, "norm3": 64},
        ),
        Workload(
            "lstm", "two LSTM layers of 200, 5,000 words, 35 steps, SGD, clip 0.25, batch 20",
            20, {"tokens": (35,)},
            {"embed.weight": (5000, 200), **_lstm(2, 200), **_layers(out=(5000, 200))}, {},
            classes=5000, tokens=True,
        ),
        Workload(
            "transformer",
            "2 + 2 layers of 256, 4 heads, 1,024 within, 5,000 words, length 32, Adam, batch 16",
            16, {"source": (32,), "previous": (32,)},
            {"embed.weight": (5000, 256), **_transformer("encoder", 2, 256, 1024),
             **_transformer("decoder", 2, 256, 1024), **_layers(out=(5000, 256))}, {},
            classes=5000, tokens=True,
        ),
    )
}  # fmt: skip


def initial_weights(workload: Workload, seed: int = 0) -> dict[str, np.ndarray]:
    """Parameters and states by name: weights and biases uniform within ± 1 / √fan in (norms' near
    1 and 0), running statistics off their defaults, so that a system that ignores them is seen.
    """
    random = np.random.default_rng(seed)
    made: dict[str, np.ndarray] = {}
    for name, shape in workload.parameters.items():
        layer, _, kind = name.rpartition(".")
        weight = workload.parameters.get(f"{layer}.weight", shape)
        bound = 1 / math.sqrt(math.prod(weight[1:]) or weight[0])
        centre = 1 if kind == "weight" and len(shape) == 1 else 0
        made[name] = random.uniform(centre - bound, centre + bound, shape).astype(np.float32)
    for name, features in workload.states.items():
        made[f"{name}.running_mean"] = random.normal(0, 0.1, features).astype(np.float32)
        made[f"{name}.running_var"] = random.uniform(0.5, 1.5, features).astype(np.float32)
    return made


def batches(workload: Workload, count: int, seed: int = 1) -> list[Batch]:
    """Synthetic: inputs, and int64 labels that a linear map of the image makes, or that are the
    words after those of the last input in a fixed order.
    """
    random = np.random.default_rng(seed)
    made: list[Batch] = []
    if workload.tokens:
        following = random.permutation(workload.classes)
        for _ in range(count):
            batch = _words(workload, workload.batch, random)
            made.append({**batch, "label": following[list(batch.values())[-1]]})
        return made
    rule = random.normal(size=(math.prod(workload.inputs["image"]), workload.classes))
    for _ in range(count):
        batch = _images(workload, workload.batch, random)
        label = (batch["image"].reshape(workload.batch, -1) @ rule).argmax(1)
        made.append({**batch, "label": label})
    return made


def questions(workload: Workload, batch: int, seed: int = 2) -> Batch:
    """Inputs to predict from."""
    random = np.random.default_rng(seed)
    return (_words if workload.tokens else _images)(workload, batch, random)


def _words(workload: Workload, batch: int, random: np.random.Generator) -> Batch:
    """Numbers of words, int64, all as likely."""
    return {
        name: random.integers(workload.classes, size=(batch, *shape))
        for name, shape in workload.inputs.items()
    }


def _images(workload: Workload, batch: int, random: np.random.Generator) -> Batch:
    """float32 from N(0, 1)."""
    return {
        name: random.normal(size=(batch, *shape)).astype(np.float32)
        for name, shape in workload.inputs.items()
    }
