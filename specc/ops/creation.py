"""Values from nothing: inputs, constants, counts, sizes. Draws no random number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from specc.ir import Op, Refusal, Sample, Size, Type, TypeFault, register, zero_gradient
from specc.ir.op import Attributes
from specc.ops.rules import ANY, below_zero, is_extent, values


def _input_infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    raise AssertionError("an input's type is given, not inferred: make_input makes it")


def _length(row: Any) -> int:
    """How many elements a row has; -1 for a number."""
    return len(cast("tuple[Any, ...]", row)) if isinstance(row, tuple) else -1


def _constant_infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    values("constant", inputs, 0)
    dtype, shape = attributes["dtype"], list[int]()
    assert dtype in ANY, dtype
    level: list[Any] = [attributes["value"]]
    while level and isinstance(level[0], tuple):
        length = _length(level[0])
        if any(_length(row) != length for row in level):
            message = "the rows of a list of lists differ in length"
            raise TypeFault(message, expected=f"{length} elements in each")
        shape.append(length)
        level = [each for row in level for each in row]
    kinds = {"bool": bool, "int": int}.get(dtype, (int, float))
    for each in level:
        if not isinstance(each, kinds) or (isinstance(each, bool) and dtype != "bool"):
            raise TypeFault("a list holds values of one dtype", expected=dtype, found=repr(each))
    return Type(dtype, tuple(shape))


def _iota_infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    values("iota", inputs, 0)
    length = attributes["length"]
    assert is_extent(length), length
    if below_zero(length):
        raise TypeFault("a length can't be negative", expected="0 or more", found=str(length))
    return Type("int", (length,))


def _size_infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    values("size", inputs, 0)
    assert isinstance(attributes["extent"], (int, Size)), attributes["extent"]
    return Type("int")


input_ = register(
    Op(
        "input",
        "creation",
        "What the graph is given: `name` says which, `role` what for.",
        _input_infer,
        zero_gradient,
        samples=(Sample(()),),
    )
)
constant = register(
    Op(
        "constant",
        "creation",
        "A number, or a nested tuple of numbers of one length a level.",
        _constant_infer,
        zero_gradient,
        "np.array(value)",
        (
            Sample((), {"value": 0.1, "dtype": "float"}),
            Sample((), {"value": 0.1, "dtype": "float64"}),
            Sample((), {"value": 7, "dtype": "int"}),
            Sample((), {"value": True, "dtype": "bool"}),
            Sample((), {"value": -float("inf"), "dtype": "float"}),
            Sample((), {"value": ((1.0, 2.0, 3.0), (4.0, 5.0, 6.5)), "dtype": "float"}),
            Sample((), {"value": (), "dtype": "int"}),
        ),
        (
            Refusal((), "differ in length", {"value": ((1, 2), (3,)), "dtype": "int"}),
            Refusal((), "one dtype", {"value": (1, 2.5), "dtype": "int"}),
        ),
    )
)
iota = register(
    Op(
        "iota",
        "creation",
        "0, 1, ..., length - 1.",
        _iota_infer,
        zero_gradient,
        "np.arange(length)",
        (Sample((), {"length": 5}), Sample((), {"length": 0})),
        (Refusal((), "negative", {"length": -1}),),
    )
)
size = register(
    Op(
        "size",
        "creation",
        "The value of a symbolic extent.",
        _size_infer,
        zero_gradient,
        "np.array(extent)",
        (Sample((), {"extent": 5}),),
    )
)
