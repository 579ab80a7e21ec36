"""The living definition: a graph evaluated node by node, each by its own oracle, in float64.

Independent of every backend, slow, and meant to stay so.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import specc.ops
from specc.ir import Graph, Node, Size, toposort
from specc.ir.op import Op
from specc.ir.size import axis, evaluate

Array = NDArray[Any]
MASK = 2**32 - 1
assert specc.ops.registry


def random_bits(key: Array, draw: Array, bits: int, shape: Sequence[int], purpose: int) -> Array:
    """The primitive's own words, in Python ints."""
    per_block = 128 // bits
    elements: list[int] = []
    for index in range(math.prod(shape)):
        step, number = divmod(int(draw), 2**32)
        counter = (index // per_block, step, number, purpose)
        words = philox(counter, (int(key[0]), int(key[1])))
        place = index % per_block
        if bits == 32:
            elements.append(words[place])
        else:
            elements.append(words[place // 2] >> (16 * (place % 2)) & 0xFFFF)
    return np.array(elements, np.int64).reshape(shape)


def philox(counter: tuple[int, ...], key: tuple[int, int], rounds: int = 10) -> tuple[int, ...]:
    """Philox4x32 as in figure 4 and table 2 of Salmon et al. 2011."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(rounds):
        first, second = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (
            (second >> 32) ^ c1 ^ k0,
            second & MASK,
            (first >> 32) ^ c3 ^ k1,
            first & MASK,
        )
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c0, c1, c2, c3


SCOPE: dict[str, Any] = {
    "np": np,
    "math": math,
    "functools": functools,
    "random_bits": random_bits,
}


@functools.cache
def _code(op: Op) -> Any:
    return compile(op.oracle, f"<oracle of {op.name}>", "eval")


def oracle(op: Op, inputs: Sequence[Array], attributes: Mapping[str, Any]) -> Any:
    """What the op's oracle says; floats are computed in float64 whatever they come in."""
    wide = [each.astype(np.float64) if each.dtype.kind == "f" else each for each in inputs]
    scope = {**SCOPE, **dict(zip("abc", wide, strict=False)), "inputs": wide, **attributes}
    with np.errstate(all="ignore"):
        return eval(_code(op), scope)  # noqa: S307  the registry's own text


def numpy_dtype(dtype: str, precision: str) -> np.dtype[Any]:
    return np.dtype({"float": precision, "int": "int64"}.get(dtype, dtype))


def realise(op: Op, inputs: Sequence[Array], attributes: Mapping[str, Any], like: Any) -> Array:
    """The oracle's result, rounded once to the dtype that the op's type says."""
    with np.errstate(all="ignore"):
        return np.asarray(oracle(op, inputs, attributes)).astype(like)


def lengths(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, int]:
    """The dynamic axes' lengths, read from inputs where an axis stands alone."""
    found: dict[str, int] = {}
    for node in graph.inputs:
        for extent, length in zip(node.shape, feeds[node.attributes["name"]].shape, strict=True):
            if isinstance(extent, Size) and extent == axis(str(extent)):
                found[str(extent)] = length
    return found


def bound(value: Any, length_of: Mapping[str, int]) -> Any:
    """An attribute with its sizes as numbers."""
    if isinstance(value, tuple):
        return tuple(bound(each, length_of) for each in value)
    return evaluate(value, length_of) if isinstance(value, Size) else value


def run(graph: Graph, feeds: Mapping[str, Array], precision: str = "float64") -> dict[str, Array]:
    """Every output by name. Feeds are by the inputs' names."""
    named = lengths(graph, feeds)
    results = _run(graph, [np.asarray(feeds[n.attributes["name"]]) for n in graph.inputs],
                   precision, named)  # fmt: skip
    return {output.name: array for output, array in zip(graph.outputs, results, strict=True)}


def _run(
    graph: Graph, arguments: Sequence[Array], precision: str, named: Mapping[str, int]
) -> list[Array]:
    value: dict[int, Any] = {}
    for node, array in zip(graph.inputs, arguments, strict=True):
        value[id(node)] = array.astype(numpy_dtype(node.dtype, precision))
    for node in toposort(graph.results):
        if id(node) not in value:
            inputs = [value[id(each)] for each in node.inputs]
            value[id(node)] = _node(node, inputs, precision, named)
    return [value[id(node)] for node in graph.results]


def _scan(
    attributes: Mapping[str, Any], inputs: list[Any], step: Callable[[list[Any]], list[Any]]
) -> list[Any]:
    """The last states, then the outputs of the steps, stacked in the order of time."""
    end = attributes["states"] + attributes["scanned"]
    states, scanned, rest = (
        inputs[: attributes["states"]],
        inputs[attributes["states"] : end],
        inputs[end:],
    )
    made = {}
    order = range(len(scanned[0]))
    for t in reversed(order) if attributes["reverse"] else order:
        results = step([*states, *[each[t] for each in scanned], *rest])
        states, made[t] = results[: len(states)], results[len(states) :]
    stacked = zip(*[made[t] for t in order], strict=True)
    return [*states, *map(np.stack, stacked)]


def _node(node: Node, inputs: list[Any], precision: str, named: Mapping[str, int]) -> Any:
    if node.op.name == "call":
        results = _run(node.attributes["body"], inputs, precision, named)
        return results[0] if len(results) == 1 else results
    if node.op.name == "item":
        return inputs[0][node.attributes["index"]]
    if node.op.name == "scan":
        return _scan(node.attributes, inputs, lambda given: _run(
            node.attributes["body"], given, precision, named))  # fmt: skip
    attributes = {key: bound(value, named) for key, value in node.attributes.items()}
    made = realise(node.op, inputs, attributes, numpy_dtype(node.dtype, precision))
    shape = tuple(evaluate(each, named) for each in node.shape)
    assert made.shape == shape, f"{node} has the shape {made.shape}, not {shape}"
    return made
