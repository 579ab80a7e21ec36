"""Convolution and pooling of images, and their gradients, by the operators for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from specc.backends.onnx.builder import Builder
from specc.ir import Graph, Node
from specc.ir.size import product


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _steps(body: Graph) -> dict[str, tuple[int, ...]]:
    padding = _pair(body.hypers["padding"])
    return {"strides": _pair(body.hypers["stride"]), "pads": (*padding, *padding)}


# ── convolution ──────────────────────────────────────────────────────────────────────────────────
def _attributes(body: Graph) -> dict[str, Any]:
    at = {**_steps(body), "dilations": _pair(body.hypers["dilation"])}
    groups = int(body.hypers["groups"])
    return {**at, **({"group": groups} if groups != 1 else {})}


def fits(body: Graph, node: Node) -> bool:
    return all(key in body.hypers for key in ("stride", "padding", "dilation", "groups"))


def conv2d(b: Builder, node: Node) -> str:
    given, body = b.given(node), node.attributes["body"]
    bias = [given["bias"]] if "bias" in given else []
    return b("Conv", given["x"], given["weight"], *bias, **_attributes(body))


def _shape_of(body: Graph, name: str) -> tuple[Any, ...]:
    for node in body.inputs:
        if node.attributes["name"] == name:
            return node.shape
    for output in body.outputs:
        if output.name == f"gradient.{name}":
            return output.node.shape
    return ()


def fits_vjp(body: Graph, node: Node) -> bool:
    """One group, and lengths that are known: the rest of a stride is an attribute."""
    if not fits(body, node) or body.hypers["groups"] != 1:
        return False
    wanted = {output.name for output in body.outputs}
    shapes = [_shape_of(body, "gradient.result0")]
    if wanted & {"gradient.x", "gradient.weight"}:
        shapes += [_shape_of(body, "x"), _shape_of(body, "weight")]
    return all(len(s) == 4 and all(isinstance(e, int) for e in s[1:]) for s in shapes)


def conv2d_vjp(b: Builder, node: Node) -> str | tuple[str, ...]:
    body: Graph = node.attributes["body"]
    given = b.given(node)
    made: list[str] = []
    for output in body.outputs:
        if output.name == "gradient.x":
            made.append(_gradient_of_image(b, body, given))
        elif output.name == "gradient.weight":
            made.append(_gradient_of_weight(b, body, given))
        else:
            made.append(b("ReduceSum", given["gradient.result0"], b.ints(0, 2, 3), keepdims=0))
    return made[0] if len(made) == 1 else tuple(made)


def _gradient_of_image(b: Builder, body: Graph, given: dict[str, str]) -> str:
    """The transposed convolution; what a stride left over at the end is padding of the output."""
    at = _attributes(body)
    extents, sizes = _shape_of(body, "x")[2:], _shape_of(body, "weight")[2:]
    padding = _pair(body.hypers["padding"])
    left = tuple(
        (extent + 2 * pad - dilation * (size - 1) - 1) % stride
        for extent, pad, dilation, size, stride in zip(
            extents, padding, at["dilations"], sizes, at["strides"], strict=True
        )
    )
    if any(left):
        at["output_padding"] = left
    return b("ConvTranspose", given["gradient.result0"], given["weight"], **at)


def _gradient_of_weight(b: Builder, body: Graph, given: dict[str, str]) -> str:
    """The image's convolution with the gradient, the examples as channels, strides as dilations."""
    at = _steps(body)
    sizes = _shape_of(body, "weight")[2:]
    swapped = [b("Transpose", given[name], perm=(1, 0, 2, 3)) for name in ("x", "gradient.result0")]
    strides, pads = _pair(body.hypers["dilation"]), at["pads"]
    made = b("Conv", *swapped, strides=strides, dilations=at["strides"], pads=pads)
    found = [
        (extent + 2 * pad - stride * (count - 1) - 1) // dilation + 1
        for extent, pad, stride, count, dilation in zip(
            _shape_of(body, "x")[2:],
            _pair(body.hypers["padding"]),
            at["strides"],
            _shape_of(body, "gradient.result0")[2:],
            strides,
            strict=True,
        )
    ]
    turned = b("Transpose", made, perm=(1, 0, 2, 3))
    if tuple(found) == tuple(sizes):
        return turned
    return b("Slice", turned, b.ints(0, 0), b.ints(*sizes), b.ints(2, 3))


# ── pooling ──────────────────────────────────────────────────────────────────────────────────────
def fits_pool(body: Graph, node: Node) -> bool:
    """Padding of less than a window: of more, there would be windows of padding alone."""
    known = all(key in body.hypers for key in ("kernel", "stride", "padding"))
    return known and all(
        2 * pad <= size
        for pad, size in zip(
            _pair(body.hypers["padding"]), _pair(body.hypers["kernel"]), strict=True
        )
    )


def _window(body: Graph) -> dict[str, Sequence[int]]:
    return {"kernel_shape": _pair(body.hypers["kernel"]), **_steps(body)}


def max_pool2d(b: Builder, node: Node) -> str:
    # The second result, the places, is left out where no gradient asks for it.
    x = b.value(node.inputs[0])
    return b.several("MaxPool", 2, x, **_window(node.attributes["body"]))[0]


def avg_pool2d(b: Builder, node: Node) -> str:
    x = b.value(node.inputs[0])
    return b("AveragePool", x, **_window(node.attributes["body"]), count_include_pad=1)


def fits_pool_vjp(body: Graph, node: Node) -> bool:
    return fits_pool(body, node) and len(_shape_of(body, "x")) == 4


def max_pool2d_vjp(b: Builder, node: Node) -> str:
    """Added at the places that MaxPool names, numbered through the whole of x."""
    body: Graph = node.attributes["body"]
    given = b.given(node)
    _, places = b.several("MaxPool", 2, given["x"], **_window(body))
    flat = b.ints(-1)
    count = product(_shape_of(body, "x"))
    zeros = b("Expand", b.number(0, "float"), b.extents([count]))
    updates = b("Reshape", given["gradient.result0"], flat)
    made = b("ScatterElements", zeros, b("Reshape", places, flat), updates, axis=0, reduction="add")
    return b("Reshape", made, b("Shape", given["x"]))
