"""Random bits as a value of a key: the same key, the same bits, on every backend."""

from __future__ import annotations

from collections.abc import Sequence

from specc.ir import Op, Refusal, Sample, Type, TypeFault, register, zero_gradient
from specc.ir.op import Attributes
from specc.ops.rules import is_extent, values


def _infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    key, draw = values("random_bits", inputs, 2)
    assert attributes["bits"] in (16, 32), attributes["bits"]
    assert attributes["purpose"] in range(2**32), attributes["purpose"]
    assert all(is_extent(extent) for extent in attributes["shape"]), attributes["shape"]
    for each, wanted in ((key, Type("int", (2,))), (draw, Type("int"))):
        if each != wanted:
            message = "`random_bits` takes a key, int[2], and a draw's number, int[]"
            raise TypeFault(message, expected=str(wanted), found=str(each))
    return Type("int", tuple(attributes["shape"]))


def _bits(key: tuple[int, int], draw: int, bits: int, *shape: int, purpose: int = 0) -> Sample:
    return Sample((key, draw), {"bits": bits, "shape": shape, "purpose": purpose})


# Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", Philox4x32-10.
random_bits = register(
    Op(
        "random_bits",
        "random",
        """Uniform ints in [0, 2^bits): Philox4x32-10 of key (seed, step).

        The counter is (block, scan iteration = 0, draw, purpose). A block gives 8 elements of 16
        bits or 4 of 32: element i, row-major, is in block i // 8 (i // 4), the low half of a word
        first. Purposes: 0 a model's draws, 1 initial values, 2 the order of data.
        """,
        _infer,
        zero_gradient,
        "random_bits(a, b, bits, shape, purpose)",  # a reference of the tests' own, in Python ints
        (
            _bits((7, 0), 0, 16, 3, 5),
            _bits((7, 1), 3, 32, 3, 3),
            _bits((2**32 - 1, 2**32 - 1), 2**32 - 1, 16, 17, purpose=1),
            _bits((0, 0), 0, 32, purpose=2),
            _bits((1, 2), 3, 16, 0),
        ),
        (
            Refusal(
                (Type("float", (2,)), Type("int")),
                "takes a key",
                {"bits": 16, "shape": (3,), "purpose": 0},
            ),
        ),
    )
)
