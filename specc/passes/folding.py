"""Arithmetic on constants with Python's numbers, where every backend gives exactly that. No NumPy.

A constant of dtype float is a Python float that is rounded once, where a program uses it. So its
arithmetic is folded only where the operands and the result survive that rounding unchanged.
"""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable
from typing import Any

from specc.ir import Node

Fold = Callable[..., Any]


def _floor(x: float) -> float:
    return math.copysign(math.floor(x), x)  # -0.0 stays


def _round(x: float) -> float:
    return math.copysign(round(x), x)


def _divide(a: float, b: float) -> float:
    return a / b


def _floor_divide(a: int, b: int) -> int:
    return a // b


def _and(a: bool, b: bool) -> bool:
    return a and b


def _or(a: bool, b: bool) -> bool:
    return a or b


# What IEEE 754 rounds correctly, so that one answer is the only right one.
ARITHMETIC: dict[str, Fold] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": _divide,
    "sqrt": math.sqrt,
    "floor": _floor,
    "round": _round,
}
# What commutes with rounding.
MONOTONE: dict[str, Fold] = {
    "neg": operator.neg,
    "abs": abs,
    "maximum": max,
    "minimum": min,
}
INTEGER: dict[str, Fold] = {"floor_divide": _floor_divide, "remainder": operator.mod}
COMPARISON: dict[str, Fold] = {
    "equal": operator.eq,
    "less": operator.lt,
    "less_equal": operator.le,
}
LOGIC: dict[str, Fold] = {
    "not": operator.not_,
    "and": _and,
    "or": _or,
}


def fold(name: str, operands: list[Node], dtype: str) -> Any:
    """The value of an elementwise operation on scalar constants; None where it isn't sure."""
    values = [node.attributes["value"] for node in operands]
    source = operands[0].dtype
    if source == "bool":
        function = LOGIC.get(name) or COMPARISON.get(name)
        return None if function is None else bool(function(*values))
    if not all(math.isfinite(value) for value in values):
        return None
    if name in MONOTONE:
        if len(values) == 2 and values[0] == values[1]:  # which of 0.0 and -0.0 is a choice
            return None
        return _held(MONOTONE[name](*values), dtype)
    if source == "float" and not all(map(survives, values)):
        return None
    if name in COMPARISON:
        return bool(COMPARISON[name](*values))
    table = ARITHMETIC if name in ARITHMETIC or source != "int" else INTEGER
    if name not in table or (name == "sqrt" and values[0] < 0):
        return None
    if name in ("divide", "floor_divide", "remainder") and values[1] == 0:
        return None
    try:
        value = _held(table[name](*values), dtype)
    except OverflowError:
        return None
    return None if dtype == "float" and value is not None and not survives(value) else value


def convert(node: Node, dtype: str) -> Any:
    """A scalar constant's value in another dtype; None where it isn't sure."""
    value, source = node.attributes["value"], node.dtype
    if source == "float" and dtype != "bool" and not survives(value):
        return None
    if dtype == "bool":
        return bool(value) if source != "float" or value == 0 or survives(value) else None
    if dtype == "int":
        return _held(int(value), "int") if math.isfinite(value) else None
    if source == "int" and abs(value) > 2**53:
        return None
    return float(value)


def survives(value: float) -> bool:
    """Whether rounding to 32 bits leaves it as it is."""
    try:
        return struct.unpack("f", struct.pack("f", value))[0] == value
    except OverflowError:
        return False


def _held(value: Any, dtype: str) -> Any:
    """The value if the dtype holds it: ints have 64 bits, and what overflowed isn't folded."""
    if dtype == "int":
        return value if -(2**63) <= value < 2**63 else None
    return float(value) if math.isfinite(value) else None
