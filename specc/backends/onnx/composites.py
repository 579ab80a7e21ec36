"""Definitions of the standard library that ONNX has an operator for: a row each.

A row is chosen by the definition's identity, never by its name alone, and only where the operator
means the same in this precision and opset; everything else is expanded to primitives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from specc.backends.entrance import array_dtype
from specc.backends.onnx import convolution
from specc.backends.onnx.bounds import may_be_minus_infinity
from specc.backends.onnx.builder import Builder, Lowering
from specc.backends.onnx.lowerings import expanded
from specc.ir import Graph, Node, bodies, toposort

Fits = Callable[[Graph, Node], bool]


@dataclass(frozen=True, slots=True)
class Composite:
    """How a call is written, and where it may be.

    `alone` rows are for inference: in training their gradient would compute the forward again,
    which the expansion shares. Without `wide` there is no float64 kernel.
    """

    lower: Lowering
    fits: Fits
    opset: int = 18
    wide: bool = False
    alone: bool = True


def hypers(node: Node) -> Mapping[str, Any]:
    return node.attributes["body"].hypers


def _always(body: Graph, node: Node) -> bool:
    return True


# ── activations ──────────────────────────────────────────────────────────────────────────────────
def unary(kind: str, *, opset: int = 18, **attributes: Any) -> Composite:
    """An operator of one input; an attribute that is a tuple of a name is that hyper-parameter."""

    def lower(b: Builder, node: Node) -> str:
        given = {
            key: float(hypers(node)[value[0]]) if isinstance(value, tuple) else value
            for key, value in attributes.items()
        }
        return b(kind, b.value(node.inputs[0]), **given)

    return Composite(lower, lambda body, node: len(node.inputs) == 1, opset)


def _relu(b: Builder, node: Node) -> str:
    return b("Relu", b.value(node.inputs[0]))


def _hardtanh(b: Builder, node: Node) -> str:
    low, high = (b.number(float(hypers(node)[key]), node.dtype) for key in ("low", "high"))
    return b("Clip", b.value(node.inputs[0]), low, high)


def _bounded(body: Graph, node: Node) -> bool:
    return len(node.inputs) == 1 and all(key in body.hypers for key in ("low", "high"))


def _relu6(b: Builder, node: Node) -> str:
    low, high = (b.number(bound, node.dtype) for bound in (0.0, 6.0))
    return b("Clip", b.value(node.inputs[0]), low, high)


def normalised(kind: str) -> Composite:
    """Softmax and its logarithm: ONNX's give NaN for a row that is -inf throughout, ours don't."""

    def lower(b: Builder, node: Node) -> str:
        return b(kind, b.value(node.inputs[0]), axis=int(hypers(node)["axis"]))

    def fits(body: Graph, node: Node) -> bool:
        return isinstance(body.hypers["axis"], int) and not may_be_minus_infinity(node.inputs[0])

    return Composite(lower, fits, wide=True)


# ── layers' functions ────────────────────────────────────────────────────────────────────────────
def _linear(b: Builder, node: Node) -> str:
    given = b.given(node)
    bias = [given["bias"]] if "bias" in given else []
    if node.rank == 2:
        return b("Gemm", given["x"], given["weight"], *bias, transB=1)
    y = b("MatMul", given["x"], b("Transpose", given["weight"], perm=(1, 0)))
    return b("Add", y, *bias) if bias else y


def _layer_norm(b: Builder, node: Node) -> str:
    given = b.given(node)
    features = node.shape[-1]
    assert isinstance(features, int)
    scale = given.get("weight") or b.constant(np.ones(features, array_dtype("float", b.precision)))
    bias = [given["bias"]] if "bias" in given else []
    epsilon = float(hypers(node)["eps"])
    return b("LayerNormalization", given["x"], scale, *bias, axis=-1, epsilon=epsilon)


def _last_is_known(body: Graph, node: Node) -> bool:
    return isinstance(node.shape[-1], int) and "eps" in body.hypers


def _batch_norm(b: Builder, node: Node) -> str:
    given = b.given(node)
    features = node.shape[1]
    assert isinstance(features, int)
    kind = array_dtype("float", b.precision)
    scale = given.get("weight") or b.constant(np.ones(features, kind))
    bias = given.get("bias") or b.constant(np.zeros(features, kind))
    statistics = (given["mean"], given["var"])
    epsilon = float(hypers(node)["eps"])
    return b("BatchNormalization", given["x"], scale, bias, *statistics, epsilon=epsilon)


def _features_are_known(body: Graph, node: Node) -> bool:
    return isinstance(node.shape[1], int) and "eps" in body.hypers


# ── attention ────────────────────────────────────────────────────────────────────────────────────
def _attention(b: Builder, node: Node) -> str:
    """Of stacks of heads; without them, of one head."""
    sources = _arguments(node)
    q, k = sources["q"], sources["k"]
    lone = q.rank == HEADS - 1

    def stacked(value: str) -> str:
        return b("Unsqueeze", value, b.ints(1)) if lone else value

    given = [stacked(b.value(sources[name])) for name in "qkv"]
    if (mask := sources.get("mask")) is not None:
        # Its missing axes go after its first; onnxruntime repeats it along the first two alone.
        given.append(b.value(mask))
        if missing := HEADS - mask.rank:
            given[-1] = b("Unsqueeze", given[-1], b.ints(*range(1, 1 + missing)))
        shape = (*mask.shape[:1], *[1] * missing, *mask.shape[1:])
        wanted = (*shape[:2], q.shape[-2], k.shape[-2])
        given[-1] = expanded(b, given[-1], shape, wanted)
    made = b("Attention", *given, scale=float(hypers(node)["scale"]))
    return b("Squeeze", made, b.ints(1)) if lone else made


def _arguments(node: Node) -> Mapping[str, Node]:
    body: Graph = node.attributes["body"]
    names = [each.attributes["name"] for each in body.inputs]
    return dict(zip(names, node.inputs, strict=True))


def _fits_attention(body: Graph, node: Node) -> bool:
    """Where no weight is dropped, as none is in inference."""
    given = _arguments(node)
    q, k, v = (given[name] for name in "qkv")
    inside = (each for inner in (body, *bodies(body)) for each in toposort(inner.results))
    return (
        all(each.op.name != "random_bits" for each in inside)
        and q.rank in (HEADS - 1, HEADS)
        and q.shape[:-2] == k.shape[:-2] == v.shape[:-2]
    )


HEADS = 4  # the rank of stacks of heads: batch, head, place, feature

composites: dict[Any, Composite] = {
    ("std", name): row
    for name, row in {
        # activations
        "relu": Composite(_relu, _always, wide=True, alone=False),
        # Not in float64: onnxruntime 1.31 loads no Relu with a Clip after it there.
        "relu6": Composite(_relu6, _always),
        "leaky_relu": unary("LeakyRelu", alpha=("alpha",)),
        "elu": unary("Elu", alpha=("alpha",)),
        "selu": unary("Selu", alpha=1.6732632423543772, gamma=1.0507009873554805),
        "celu": unary("Celu", alpha=("alpha",)),
        "gelu": unary("Gelu", opset=20),
        "gelu_tanh": unary("Gelu", opset=20, approximate="tanh"),
        "softplus": unary("Softplus"),
        "softsign": unary("Softsign"),
        "hardtanh": Composite(_hardtanh, _bounded),
        "hardsigmoid": unary("HardSigmoid", alpha=1 / 6, beta=0.5),
        "hardswish": unary("HardSwish"),
        "mish": unary("Mish"),
        "softmax": normalised("Softmax"),
        "log_softmax": normalised("LogSoftmax"),
        # layers' functions
        "linear": Composite(_linear, _always, wide=True, alone=False),
        "conv2d": Composite(convolution.conv2d, convolution.fits, alone=False),
        "max_pool2d": Composite(
            convolution.max_pool2d, convolution.fits_pool, wide=True, alone=False
        ),
        "avg_pool2d": Composite(convolution.avg_pool2d, convolution.fits_pool),
        "batch_norm": Composite(_batch_norm, _features_are_known),
        "layer_norm": Composite(_layer_norm, _last_is_known),
        "attention": Composite(_attention, _fits_attention, opset=23),
    }.items()
} | {
    ("vjp", ("std", "conv2d")): Composite(
        convolution.conv2d_vjp, convolution.fits_vjp, alone=False
    ),
    ("vjp", ("std", "max_pool2d")): Composite(
        convolution.max_pool2d_vjp, convolution.fits_pool_vjp, wide=True, alone=False
    ),
}


def can_run(precision: str, opset: int, training: bool = False) -> Callable[[Node], bool]:
    """Which calls stay calls, as `expand` asks it; in training only those that share nothing."""

    def keeps(node: Node) -> bool:
        body: Graph = node.attributes["body"]
        row = composites.get(body.definition)
        if row is None or opset < row.opset or (row.alone and training):
            return False
        if any(each.dtype == "float64" for each in (*node.inputs, *body.results)):
            return False  # exact scalars
        return (row.wide or precision == "float32") and row.fits(body, node)

    return keeps


def lowering_of(node: Node) -> Lowering:
    return composites[node.attributes["body"].definition].lower
