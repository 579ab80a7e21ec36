"""Functions that ONNX lacks, or runtimes lack in float64, from those that are there."""

from __future__ import annotations

from collections.abc import Sequence

from specc.backends.onnx.builder import Builder
from specc.ir import Node


def expm1(b: Builder, node: Node) -> str:
    """tanh(x / 2) · (e^x + 1), in which nothing cancels near 0."""
    (x,), dtype = b.values(node), node.dtype
    half = b("Mul", x, b.number(0.5, dtype))
    return b("Mul", b("Tanh", half), b("Add", b("Exp", x), b.number(1, dtype)))


def log1p(b: Builder, node: Node) -> str:
    """log(u) · x / (u - 1) with u = 1 + x as it was rounded (Kahan); log(u) where that is exact."""
    (x,), dtype = b.values(node), node.dtype
    one = b.number(1, dtype)
    u = b("Add", x, one)
    rounded = b("Sub", u, one)
    logarithm = b("Log", u)
    scaled = b("Mul", logarithm, b("Div", x, rounded))
    tiny = b("Where", b("Equal", u, one), x, scaled)
    return b("Where", b("Equal", x, rounded), logarithm, tiny)


def erf(b: Builder, node: Node) -> str:
    """Erf in float32; in float64 two rational functions.

    W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969):
    erf up to 0.46875, erfc beyond, whose own third function adds nothing to 1 - erfc.
    """
    (x,), dtype = b.values(node), node.dtype
    if dtype == "float" and b.precision == "float32":
        return b("Erf", x)
    square = b("Mul", x, x)
    size = b("Min", b("Abs", x), b.number(6, dtype))  # erf(6) is 1
    inner = b("Mul", x, _ratio(b, _NEAR, b("Mul", size, size), dtype))
    bell = b("Exp", b("Neg", b("Mul", size, size)))
    tail = b("Mul", bell, _ratio(b, _FAR, size, dtype))
    outer = b("Mul", b("Sign", x), b("Sub", b.number(1, dtype), tail))
    near = b("Less", square, b.number(0.46875**2, dtype))
    return b("Where", near, inner, outer)


def _ratio(b: Builder, pair: Sequence[Sequence[float]], x: str, dtype: str) -> str:
    above, below = (_polynomial(b, each, x, dtype) for each in pair)
    return b("Div", above, below)


def _polynomial(b: Builder, coefficients: Sequence[float], x: str, dtype: str) -> str:
    """Horner's rule, the highest power first."""
    total = b("Mul", x, b.number(coefficients[0], dtype))
    for coefficient in coefficients[1:-1]:
        total = b("Mul", b("Add", total, b.number(coefficient, dtype)), x)
    return b("Add", total, b.number(coefficients[-1], dtype))


_NEAR = (
    (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2,
     3.77485237685302021e2, 3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
     2.84423683343917062e3),
)  # fmt: skip
_FAR = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0,
     6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2,
     1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
     1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3,
     3.43936767414372164e3, 1.23033935480374942e3),
)  # fmt: skip


# ── division that rounds down ────────────────────────────────────────────────────────────────────
def remainder(b: Builder, node: Node, inputs: Sequence[str]) -> str:
    """a mod b with the sign of b; of ints 0 where b is 0, as NumPy has it."""
    x, y = inputs
    if node.dtype != "int":
        return _float_remainder(b, x, y, node.dtype)
    safe, none = _divisor(b, y)
    return b("Where", none, b.number(0, "int"), b("Mod", x, safe))


def floor_divide(b: Builder, node: Node, inputs: Sequence[str]) -> str:
    """(a - a mod b) / b, which is whole up to rounding; a / b rounded down may be one too many."""
    x, y = inputs
    if node.dtype != "int":
        rest = _float_remainder(b, x, y, node.dtype)
        exact = b("Round", b("Div", b("Sub", x, rest), y))
        return b("Where", b("Equal", y, b.number(0, node.dtype)), b("Div", x, y), exact)
    safe, none = _divisor(b, y)
    quotient = b("Div", b("Sub", x, b("Mod", x, safe)), safe)
    return b("Where", none, b.number(0, "int"), quotient)


def _divisor(b: Builder, y: str) -> tuple[str, str]:
    """Ints to divide by, and where they stand for 0: an int division by 0 ends the process."""
    none = b("Equal", y, b.number(0, "int"))
    return b("Where", none, b.number(1, "int"), y), none


def _float_remainder(b: Builder, x: str, y: str, dtype: str) -> str:
    zero = b.number(0, dtype)
    rest = b("Mod", x, y, fmod=1)  # with the sign of x
    apart = b("Less", b("Mul", b("Sign", rest), b("Sign", y)), zero)
    return b("Where", apart, b("Add", rest, y), rest)
