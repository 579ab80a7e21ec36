"""Operators: static where both sides are, elementwise or a matrix product where not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from specc.diagnostics import Span, fault
from specc.ir import Extent, Size
from specc.ir.size import product
from specc.language.build.frame import Frame
from specc.language.build.tensors import (
    apply_first,
    broadcast,
    cast,
    common,
    lift,
    merge,
    op,
    promote,
)
from specc.language.build.values import Label, Tensor, Value, describe, is_list, is_number


def arithmetic(
    frame: Frame, operator: str, left: Value, right: Value, at: Span, left_at: Span, right_at: Span
) -> Value:
    """a operator b, for + - * / // % ^ and comparisons, static where both are."""
    if not isinstance(left, Tensor) and not isinstance(right, Tensor):
        return _static(frame, operator, left, right, at, left_at, right_at)
    if operator in _COMPARISONS:
        return compare(frame, operator, left, right, at, left_at, right_at)
    if operator == "^":
        return _power(frame, left, right, at, left_at, right_at)
    a, b = common(frame, [(left, left_at), (right, right_at)], at)
    if a.dtype == "bool":
        raise fault(
            "T003",
            "a bool does no arithmetic",
            (left_at, str(left)),
            (right_at, str(right)),
            help="make it a number with `float(...)`",
        )
    if operator == "/" and a.dtype == "int":
        dtype = "float64" if a.rank == 0 else "float"
        a, b = cast(a, dtype, at), cast(b, dtype, at)
    return Tensor(op(at, _ARITHMETIC[operator], a.node, b.node), a.labels)


def compare(
    frame: Frame, operator: str, left: Value, right: Value, at: Span, left_at: Span, right_at: Span
) -> Tensor:
    a, b = common(frame, [(left, left_at), (right, right_at)], at)
    name, swapped, negated = _COMPARISONS[operator]
    if a.dtype == "bool" and name != "equal":
        raise fault(
            "T003", "truth values have no order", (left_at, str(left)), (right_at, str(right))
        )
    first, second = (b, a) if swapped else (a, b)
    node = op(at, name, first.node, second.node)
    if negated:
        node = op(at, "not", node)
    return Tensor(node, a.labels)


def _power(
    frame: Frame, left: Value, right: Value, at: Span, left_at: Span, right_at: Span
) -> Value:
    if isinstance(right, (int, float)) and isinstance(left, Tensor) and right in (1, 2):
        if left.dtype == "bool":
            raise fault("T003", "a bool does no arithmetic", (left_at, str(left)))
        node = left.node if right == 1 else op(at, "multiply", left.node, left.node)
        return Tensor(node, left.labels)
    a, b = common(frame, [(left, left_at), (right, right_at)], at)
    if a.dtype == "int":
        dtype = "float64" if a.rank == 0 else "float"
        a, b = cast(a, dtype, at), cast(b, dtype, at)
    return Tensor(op(at, "power", a.node, b.node), a.labels)


_ARITHMETIC = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "//": "floor_divide",
    "%": "remainder",
}


_COMPARISONS = {  # primitive, operands swapped, negated
    "==": ("equal", False, False),
    "!=": ("equal", False, True),
    "<": ("less", False, False),
    "<=": ("less_equal", False, False),
    ">": ("less", True, False),
    ">=": ("less_equal", True, False),
}


_STATIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "^": lambda a, b: a**b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _static(
    frame: Frame, operator: str, left: Value, right: Value, at: Span, left_at: Span, right_at: Span
) -> Value:
    """Both known when compiled: Python's own exact arithmetic."""
    if operator in ("==", "!="):
        if isinstance(left, Size) or isinstance(right, Size):
            if left == right:
                return operator == "=="
            if not (is_number(left) and is_number(right)):
                return operator == "!="
            raise fault(
                "T012",
                "this is not decided until the data is there",
                at,
                found=f"{describe(left)} {operator} {describe(right)}",
            )
        same = left == right and isinstance(left, bool) == isinstance(right, bool)
        return same if operator == "==" else not same
    if operator == "+" and is_list(left) and is_list(right):
        return [*left, *right]
    if operator == "+" and isinstance(left, str) and isinstance(right, (str, int)):
        if not isinstance(right, bool):  # as in a name's template: words and whole numbers
            return f"{left}{right}"
    for value, span in ((left, left_at), (right, right_at)):
        if not is_number(value):
            raise fault(
                "T003",
                f"`{operator}` needs numbers or tensors, not {describe(value)}",
                (span, describe(value)),
                help=apply_first(value),
            )
    if isinstance(left, Size) or isinstance(right, Size):
        if isinstance(left, float) and left.is_integer() and operator in "+-*":
            left = int(left)
        if operator in ("/", "^") or isinstance(left, float) or isinstance(right, float):
            if (
                isinstance(left, Size)
                and operator == "^"
                and isinstance(right, int)
                and right in range(9)
            ):
                return product((left,) * right)
            return arithmetic(
                frame, operator, lift(left, left_at), lift(right, right_at), at, left_at, right_at
            )
        if operator in _COMPARISONS:
            raise fault(
                "T012",
                "this is not decided until the data is there",
                at,
                found=f"{describe(left)} {operator} {describe(right)}",
                help="a condition is on hyper-parameters; `where` is for tensors",
            )
    if operator == "^" and isinstance(left, int) and isinstance(right, int) and right < 0:
        left = float(left)
    if operator == "^" and isinstance(right, int) and abs(right) > 4096 and isinstance(left, int):
        left = float(left)
    try:
        made = _STATIC[operator](left, right)
    except ZeroDivisionError:
        raise fault("T017", "division by zero", at, (right_at, "this is 0")) from None
    except OverflowError:
        raise fault("T017", "the result is too large for a number", at) from None
    if isinstance(made, complex):
        raise fault("T017", "a root of a negative number", at)
    if isinstance(made, int) and made.bit_length() > 1100:
        raise fault("T017", "the result is too large for a number", at)
    return made


def negate(value: Value, at: Span) -> Value:
    if isinstance(value, Tensor):
        if value.dtype == "bool":
            raise fault("T003", "a bool does no arithmetic", (at, str(value)), help="write `not`")
        return Tensor(op(at, "neg", value.node), value.labels)
    if is_number(value):
        return -value
    raise fault("T003", f"`-` needs a number or a tensor, not {describe(value)}", at)


def logical(
    operator: str, left: Value, right: Value, at: Span, left_at: Span, right_at: Span, frame: Frame
) -> Value:
    """and, or: on truth values when compiled, elementwise on bool tensors."""
    if isinstance(left, bool) and isinstance(right, bool):
        return (left and right) if operator == "and" else (left or right)
    for value, span in ((left, left_at), (right, right_at)):
        if not isinstance(value, bool) and not (
            isinstance(value, Tensor) and value.dtype == "bool"
        ):
            raise fault(
                "T003",
                f"`{operator}` needs truth values, not {describe(value)}",
                (span, describe(value)),
                expected="bool",
            )
    a, b = common(frame, [(left, left_at), (right, right_at)], at)
    return Tensor(op(at, operator, a.node, b.node), a.labels)


def matmul(
    frame: Frame, left: Value, right: Value, at: Span, left_at: Span, right_at: Span
) -> Value:
    """a @ b as the array API has it: leading axes broadcast; a vector is a row or a column."""
    left = lift(left, left_at) if isinstance(left, list) else left
    right = lift(right, right_at) if isinstance(right, list) else right
    for value, span in ((left, left_at), (right, right_at)):
        if not isinstance(value, Tensor) or value.rank == 0:
            raise fault("T003", f"`@` needs tensors with axes, not {describe(value)}", span)
    a, b = promote(frame, [(left, left_at), (right, right_at)], at)
    if a.dtype == "int":
        a, b = cast(a, "float", left_at), cast(b, "float", right_at)
    inner_b = b.shape[0] if b.rank == 1 else b.shape[-2]
    if a.shape[-1] != inner_b:
        swapped = b.rank >= 2 and b.shape[-1] == a.shape[-1]
        raise fault(
            "T001",
            f"axes do not agree: {a.shape[-1]} is not {inner_b}",
            (left_at, str(a)),
            (right_at, str(b)),
            expected="the last axis of the left to equal the last but one of the right",
            found=f"{a.shape[-1]} against {inner_b}",
            help='transpose the right: `rearrange(w, "... a b -> ... b a")`' if swapped else "",
        )
    if b.rank == 1:
        column = Tensor(op(at, "reshape", b.node, shape=(*b.shape, 1)), (*b.labels, None))
        product = matmul(frame, a if a.rank > 1 else _row(a, at), column, at, left_at, right_at)
        shape = a.shape[:-1]
        return Tensor(op(at, "reshape", product.node, shape=shape), a.labels[:-1])
    if a.rank == 1:
        product = matmul(frame, _row(a, at), b, at, left_at, right_at)
        shape = (*b.shape[:-2], b.shape[-1])
        return Tensor(op(at, "reshape", product.node, shape=shape), (*b.labels[:-2], b.labels[-1]))
    if b.rank == 2:
        flat = a
        if a.rank > 2:
            rows: Extent = 1
            for extent in a.shape[:-1]:
                rows = rows * extent
            flat = Tensor(op(at, "reshape", a.node, shape=(rows, a.shape[-1])), (None, None))
        node = op(at, "matmul", flat.node, b.node)
        if a.rank > 2:
            node = op(at, "reshape", node, shape=(*a.shape[:-1], b.shape[-1]))
        return Tensor(node, (*a.labels[:-1], b.labels[-1]))
    lead_a = Tensor(a.node, a.labels)
    lead: list[Extent] = []
    labels: list[Label] = []
    rank = max(a.rank, b.rank) - 2
    for position in range(rank):
        at_a, at_b = position - rank + a.rank - 2, position - rank + b.rank - 2
        x = a.shape[at_a] if at_a >= 0 else 1
        y = b.shape[at_b] if at_b >= 0 else 1
        if x != y and 1 not in (x, y):
            raise fault(
                "T001",
                f"axes do not agree: {x} is not {y}",
                (left_at, str(a)),
                (right_at, str(b)),
                expected="equal leading axes",
            )
        lead.append(y if x == 1 else x)
        labels.append(
            merge(a.labels[at_a] if at_a >= 0 else None, b.labels[at_b] if at_b >= 0 else None)
        )
    wide_a = broadcast(lead_a, (*lead, *a.shape[-2:]), (*labels, *a.labels[-2:]), at)
    wide_b = broadcast(b, (*lead, *b.shape[-2:]), (*labels, *b.labels[-2:]), at)
    node = op(at, "matmul", wide_a.node, wide_b.node)
    return Tensor(node, (*labels, a.labels[-2], b.labels[-1]))


def _row(value: Tensor, at: Span) -> Tensor:
    return Tensor(op(at, "reshape", value.node, shape=(1, *value.shape)), (None, *value.labels))


def static_function(name: str, value: Any, at: Span) -> Value:
    """A unary function of a number, exact as Python's own."""
    try:
        return _MATHS[name](value)
    except ValueError:
        if name == "log" and value == 0:
            return -math.inf
        raise fault("T017", f"{name}({value}) is not a number", at) from None
    except OverflowError:
        raise fault("T017", f"{name}({value}) is too large for a number", at) from None


_MATHS: dict[str, Callable[[Any], Any]] = {
    "exp": math.exp,
    "expm1": math.expm1,
    "log": math.log,
    "log1p": math.log1p,
    "sqrt": math.sqrt,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "erf": math.erf,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x)),
    "floor": math.floor,
    "round": round,
    "abs": abs,
    "sign": lambda x: (x > 0) - (x < 0),
}
