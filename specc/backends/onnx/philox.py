"""Philox4x32-10 in ONNX's integer operators, bit for bit what every backend draws. Keeps no state.

Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from specc.backends.onnx.builder import Builder
from specc.ir import Extent, Node
from specc.ir.size import product

ROUNDS = 10
MULTIPLIERS = np.array([[0xD2511F53], [0xCD9E8D57]], np.uint64)
KEY_STEPS = np.array([[0xBB67AE85], [0x9E3779B9]], np.uint64)
UINT64, INT64 = 13, 7


def random_bits(b: Builder, node: Node) -> str:
    """All blocks at once: x holds the counters' words 0 and 2, y their words 3 and 1.

    A round multiplies x. The high halves with y and the key are the new words 2 and 0, to be put
    in order; the low halves are the new words 3 and 1.
    """
    key, draw = (b("Cast", b.value(each), to=UINT64) for each in node.inputs)
    each = 128 // node.attributes["bits"]
    total = product(node.shape)
    counter = _counter(b, (total + (each - 1)) // each)  # [1, blocks]
    zeros = b("Mul", counter, _word(b, 0))
    number = b("BitwiseAnd", draw, _word(b, 0xFFFFFFFF))
    step = b("BitShift", draw, _word(b, 32), direction="RIGHT")  # of a scan
    x = b("Concat", counter, b("Add", zeros, number), axis=0)  # [2, blocks]
    purpose = b("Add", zeros, _word(b, node.attributes["purpose"]))
    y = b("Concat", purpose, b("Add", zeros, step), axis=0)
    swap = b.ints(1, 0)
    keys = b("Unsqueeze", b("Gather", key, swap, axis=0), b.ints(1))  # [2, 1]
    for turn in range(ROUNDS):
        products = b("Mul", x, b.constant(MULTIPLIERS))
        high = b("BitShift", products, _word(b, 32), direction="RIGHT")
        steps = b.constant(KEY_STEPS * np.uint64(turn))
        now = b("BitwiseAnd", b("Add", keys, steps), _word(b, 0xFFFFFFFF))
        x = b("Gather", b("BitwiseXor", b("BitwiseXor", high, y), now), swap, axis=0)
        y = b("BitwiseAnd", products, _word(b, 0xFFFFFFFF))
    words = b("Gather", b("Concat", x, y, axis=0), b.ints(0, 3, 1, 2), axis=0)  # [4, blocks]
    words = b("Transpose", words, perm=(1, 0))
    if each == 8:
        low = b("BitwiseAnd", words, _word(b, 0xFFFF))
        high = b("BitShift", words, _word(b, 16), direction="RIGHT")
        last = b.ints(2)
        words = b("Concat", b("Unsqueeze", low, last), b("Unsqueeze", high, last), axis=2)
    flat = b("Reshape", b("Cast", words, to=INT64), b.ints(-1))
    cut = b("Slice", flat, b.ints(0), b.extents([total]), b.ints(0))
    return _shaped(b, cut, node.shape)


def _counter(b: Builder, blocks: Extent) -> str:
    if isinstance(blocks, int):
        return b.constant(np.arange(blocks, dtype=np.uint64)[None])
    end = b("Squeeze", b.extent(blocks), b.ints(0))
    numbers = b("Range", b.number(0, "int"), end, b.number(1, "int"))
    return b("Cast", b("Unsqueeze", numbers, b.ints(0)), to=UINT64)


def _word(b: Builder, value: int) -> str:
    return b.constant(np.array(value, np.uint64))


def _shaped(b: Builder, flat: str, shape: Sequence[Extent]) -> str:
    dynamic = [extent for extent in shape if not isinstance(extent, int)]
    if len(dynamic) == 1 and 0 not in shape:
        return b("Reshape", flat, b.ints(*(e if isinstance(e, int) else -1 for e in shape)))
    return b("Reshape", flat, b.extents(shape), allowzero=1)
