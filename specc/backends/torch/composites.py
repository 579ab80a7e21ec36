"""Definitions of the standard library that torch has whole, by their identity. Writes no other.

A row gives the expression, or None where torch's function means something else for these
hyper-parameters; then the definition's own body is written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from specc.ir import Graph, Node, toposort

if TYPE_CHECKING:
    from specc.backends.torch.modes import Pair
    from specc.backends.torch.value import Value
    from specc.backends.torch.write import Block


class Unsaid(Exception):
    """A hyper-parameter is no number that is known now: the body is written out."""


@dataclass(frozen=True, slots=True)
class Call:
    """The application of a body: its arguments' texts by name."""

    block: Block
    body: Graph
    values: Mapping[str, Value]
    mode: str = "True"  # whether it is training, as the source says it

    def __getitem__(self, name: str) -> str:
        return self.values[name].text if name in self.values else "None"

    def operand(self, name: str) -> str:
        return self.values[name].operand

    def has(self, name: str) -> bool:
        return name in self.values

    def hyper(self, name: str) -> Any:
        if name not in self.body.hypers:
            raise Unsaid(name)
        return self.body.hypers[name]

    def input(self, name: str) -> Node:
        return next(node for node in self.body.inputs if node.attributes["name"] == name)

    def attribute(self, op: str, name: str) -> Any:
        """That of the body's first node of an operation: axes are said there as numbers."""
        found = next((n for n in toposort(self.body.results) if n.op.name == op), None)
        if found is None:
            raise Unsaid(op)  # of a scalar there is nothing to go over
        return found.attributes[name]


Row = Callable[[Call], str | None]


def elementwise(function: str, *hypers: str) -> Row:
    return lambda c: f"{function}({', '.join((c['x'], *(repr(c.hyper(h)) for h in hypers)))})"


def pair(values: Sequence[int]) -> str:
    first, second = values
    return repr(first) if first == second else f"({first}, {second})"


def _celu(c: Call) -> str | None:
    """torch 2.13 has the factor 1 / alpha of its gradient in float32, whatever x is."""
    if c.block.source.dtype == "float64" and math.frexp(c.hyper("alpha"))[0] != 0.5:
        return None
    return elementwise("F.celu", "alpha")(c)


def _hardswish(c: Call) -> str | None:
    """torch 2.13 has 1 / 6 in float32 on CUDA, whatever x is."""
    return None if c.block.source.dtype == "float64" else elementwise("F.hardswish")(c)


def _conv2d(c: Call) -> str:
    options = "".join(
        f", {name}={pair(c.hyper(name))}"
        for name, usual in (("stride", 1), ("padding", 0), ("dilation", 1))
        if list(c.hyper(name)) != [usual, usual]
    )
    groups = f", groups={c.hyper('groups')}" if c.hyper("groups") != 1 else ""
    bias = f", {c['bias']}" if c.has("bias") else ""
    return f"F.conv2d({c['x']}, {c['weight']}{bias}{options}{groups})"


def pool(function: str) -> Row:
    def row(c: Call) -> str | None:
        kernel, stride, padding = (list(c.hyper(h)) for h in ("kernel", "stride", "padding"))
        if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
            return None
        options = f", {pair(stride)}" if stride != kernel or any(padding) else ""
        options += f", {pair(padding)}" if any(padding) else ""
        return f"{function}({c['x']}, {pair(kernel)}{options})"

    return row


def _linear(c: Call) -> str:
    bias = f", {c['bias']}" if c.has("bias") else ""
    return f"F.linear({c['x']}, {c['weight']}{bias})"


def _embedding(c: Call) -> str:
    return f"F.embedding({c['index']}, {c['weight']})"


def _axis(c: Call) -> int | None:
    """The one axis of the input that the body takes a maximum over."""
    nodes = [node for node in toposort(c.body.results) if node.op.name == "max"]
    whole = len(nodes) == 1 and nodes[0].inputs[0] is c.input("x")
    return nodes[0].attributes["axis"] if whole else None


def _softmax(c: Call) -> str | None:
    axis = _axis(c)
    if axis is None:
        return None
    # Rows of -inf give zeros. By torch.ops, as torch.compile takes no torch._safe_softmax.
    return f"torch.ops.aten._safe_softmax({c['x']}, {axis})"


def _log_softmax(c: Call) -> str | None:
    axis = _axis(c)
    return None if axis is None else f"{c.block.use('log_softmax')}({c['x']}, {axis})"


def _mean(c: Call) -> str | None:
    if c.input("x").dtype not in ("float", "float64"):
        return None
    axes = c.attribute("sum", "axes")
    if not axes:
        return None
    whole = len(axes) == c.input("x").rank
    keep = ", keepdim=True" if c.body.results[0].rank == c.input("x").rank else ""
    if whole and not keep:
        return f"{c.operand('x')}.mean()"
    return f"{c.operand('x')}.mean({axes[0] if len(axes) == 1 else axes}{keep})"


def _layer_norm(c: Call) -> str:
    features = c.block.extent(c.input("x").shape[-1])
    weight, bias = c["weight"], c["bias"]
    return f"F.layer_norm({c['x']}, ({features},), {weight}, {bias}, {c.hyper('eps')!r})"


def _attention(c: Call) -> str | None:
    q, k, v = (c.input(name) for name in "qkv")
    if not 3 <= q.rank == k.rank == v.rank:
        return None
    options = ""
    if c.has("mask"):
        mask = c.input("mask")
        if mask.dtype != "bool" or mask.rank < 2:
            return None
        shape = (mask.shape[0], *(1,) * (q.rank - mask.rank), *mask.shape[1:])
        text = c.operand("mask")
        if mask.rank < q.rank:
            text = f"{text}.reshape({c.block.shape(shape)})"
        options += f", {text}"
    if c.has("scale"):
        return None
    options += f", scale={c.hyper('scale')!r}"
    number = _only_draw(c)
    if number is None:  # in inference, or p is 0
        return f"F.scaled_dot_product_attention({c['q']}, {c['k']}, {c['v']}{options})"
    if c.hyper("p") == 1:
        return None
    mask = "" if c.has("mask") else ", None"
    mode = f", training={c.mode}" if c.mode != "True" else ""
    given = f"{c['q']}, {c['k']}, {c['v']}{mask}{options}"
    return f"{c.block.use('attention')}({given}, p={c.hyper('p')!r}, number={number}{mode})"


def _only_draw(c: Call) -> str | None:
    """The number of the one draw that a body's results depend on; in inference there is none."""
    draws = [n.attributes["name"] for n in _read(c.body) if n.attributes["role"] == "draw"]
    return c[draws[0]] if len(draws) == 1 else None


def _read(body: Graph) -> list[Node]:
    """The inputs that a body's results depend on, bodies that it calls looked into."""
    found: dict[Node, None] = {}
    stack = list(body.results)
    while stack:
        node = stack.pop()
        if node in found:
            continue
        found[node] = None
        given = node.inputs
        if node.op.name == "call":
            inner: Graph = node.attributes["body"]
            read = set(_read(inner))
            given = [a for a, b in zip(given, inner.inputs, strict=True) if b in read]
        stack += given
    return [node for node in found if node.op.name == "input"]


def _dropout(c: Call) -> str | None:
    p = c.hyper("p")
    number = _only_draw(c)
    if number is None or not 0 < p < 1:
        return None
    mode = "" if c.mode == "True" else f", {c.mode}"
    return f"{c.block.use('dropout')}({c['x']}, {p!r}, {number}{mode})"


def reduced(function: str, *hypers: tuple[str, str]) -> Row:
    """A loss of predictions and targets of one shape."""

    def row(c: Call) -> str:
        options = "".join(f", {name}={c.hyper(hyper)!r}" for hyper, name in hypers)
        if c.hyper("reduction") != "mean":
            options += f", reduction={c.hyper('reduction')!r}"
        first, second = list(c.values)[:2]
        return f"{function}({c[first]}, {c[second]}{options})"

    return row


def classes(function: str, *hypers: str) -> Row:
    """A loss of scores whose last axis is the classes."""

    def row(c: Call) -> str | None:
        scores, label = list(c.values)[:2]
        if c.input(scores).rank < 2 or c.has("weight"):
            return None  # torch has no gradient for the weights
        options = "".join(f", {h}={c.hyper(h)!r}" for h in hypers if c.hyper(h))
        reduction = c.hyper("reduction")
        if c.input(scores).rank == 2 or reduction != "none":
            options += f", ignore_index={c.block.use('NO_LABEL')}"
            options += f", reduction={reduction!r}" if reduction != "mean" else ""
            rows, labels = c[scores], c[label]
            if c.input(scores).rank > 2:
                rows = f"{c.operand(scores)}.flatten(0, -2)"
                labels = f"{c.operand(label)}.flatten()"
            return f"{function}({rows}, {labels}{options})"
        return f"{c.block.use('class_rows')}({function}, {c[scores]}, {c[label]}{options})"

    return row


def _bce_with_logits(c: Call) -> str | None:
    if c.hyper("pos_weight") != 1:
        return None
    return reduced("F.binary_cross_entropy_with_logits")(c)


def _batch_norm_by_states(call: Call) -> str | None:
    """In inference; torch has no gradient by the statistics."""
    if call.block.source.trainable:
        return None
    texts = ", ".join(call[name] for name in ("x", "running_mean", "running_var", "weight", "bias"))
    return f"F.batch_norm({texts}, False, 0.0, {call.hyper('eps')!r})"


rows: Mapping[str, Row] = {
    # activations
    "relu": elementwise("F.relu"),
    "relu6": elementwise("F.relu6"),
    "leaky_relu": elementwise("F.leaky_relu", "alpha"),
    "elu": elementwise("F.elu", "alpha"),
    "selu": elementwise("F.selu"),
    "celu": _celu,
    "silu": elementwise("F.silu"),
    "gelu": elementwise("F.gelu"),
    "gelu_tanh": lambda c: f"F.gelu({c['x']}, approximate='tanh')",
    # From 20 on, torch's own threshold, log1p(e^-x) would be missing at 1e-10.
    "softplus": lambda c: f"F.softplus({c['x']}, threshold=40)",
    "log_sigmoid": elementwise("F.logsigmoid"),
    "softsign": elementwise("F.softsign"),
    "hardtanh": elementwise("F.hardtanh", "low", "high"),
    "hardswish": _hardswish,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    # functions
    "mean": _mean,
    "linear": _linear,
    "embedding": _embedding,
    "dropout": _dropout,
    "attention": _attention,
    # convolution, pooling, normalization
    "conv2d": _conv2d,
    "max_pool2d": pool("F.max_pool2d"),
    "avg_pool2d": pool("F.avg_pool2d"),
    "layer_norm": _layer_norm,
    "BatchNorm": _batch_norm_by_states,
    # losses
    "mse": reduced("F.mse_loss"),
    "mae": reduced("F.l1_loss"),
    "huber": reduced("F.huber_loss", ("delta", "delta")),
    "smooth_l1": reduced("F.smooth_l1_loss", ("beta", "beta")),
    "cross_entropy": classes("F.cross_entropy", "label_smoothing"),
    "nll": classes("F.nll_loss"),
    "binary_cross_entropy_with_logits": _bce_with_logits,
}


BY_MODE = ("dropout", "attention")  # torch's function is told whether it is training


def row_of(body: Graph) -> Row | None:
    """The row of a body, if it is the library's and torch has it."""
    definition = body.definition
    if isinstance(definition, tuple) and definition[0] == "std":
        return rows.get(definition[1])
    return None


# ── layers whose function moves their states ─────────────────────────────────────────────────────
def _batch_norm(pair: Pair, texts: Mapping[str, str]) -> list[str]:
    hypers = pair.training.hypers
    mean, var = texts["running_mean"], texts["running_var"]
    weight, bias = texts.get("weight", "None"), texts.get("bias", "None")
    how = f"self.training, {hypers['momentum']!r}, {hypers['eps']!r}"
    return [f"return F.batch_norm({texts['x']}, {mean}, {var}, {weight}, {bias}, {how})"]


LayerRow = Callable[["Pair", Mapping[str, str]], list[str]]
layers: Mapping[str, tuple[tuple[str, ...], LayerRow]] = {
    "BatchNorm": (("running_mean", "running_var"), _batch_norm),
}


def layer_row_of(pair: Pair, own: Mapping[tuple[str, str], str]) -> LayerRow | None:
    """The row of a layer whose states are the module's own."""
    definition = pair.training.definition
    if not isinstance(definition, tuple) or definition[0] != "std" or not pair.differs:
        return None
    states, row = layers.get(definition[1], ((), None))
    return row if row and all(("state", name) in own for name in states) else None
