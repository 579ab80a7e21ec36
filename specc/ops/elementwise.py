"""One result for each element: arithmetic, functions, comparisons, logic. Broadcasts nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from specc.ir import Node, Op, Refusal, Sample, Type, TypeFault, emit, register, zero_gradient
from specc.ir.op import Attributes, Infer
from specc.ops.rules import (
    ANY,
    FLOATS,
    NUMBERS,
    check_dtype,
    check_same,
    full,
    is_zero,
    values,
    where,
    zeros,
)

BOOL = ("bool",)
SHAPES = ("", " 5", " 3 4", " 2 0 3")
INT_MATRIX = Type("int", (2, 3))
BOOL_MATRIX = Type("bool", (2, 3))
FLOAT_MATRIX = Type("float", (2, 3))


def _infer(name: str, count: int, dtypes: Sequence[str], gives: str) -> Infer:
    def infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
        types = values(name, inputs, count)
        for each in types:
            check_dtype(name, each, dtypes)
        check_same(name, types)
        return Type(gives or types[0].dtype, types[0].shape)

    return infer


def _samples(dtypes: Sequence[str], count: int, domains: Sequence[str]) -> list[Sample]:
    """Each shape in floats within the domains, and a matrix of every other dtype."""
    made: list[Sample] = []
    if "float" in dtypes:
        made += [Sample(tuple(f"float{shape}{domain}" for domain in domains)) for shape in SHAPES]
    if "int" in dtypes:
        made += [Sample(tuple(f"int 3 4{domain}" for domain in (" in -9 10", " in 1 6")[:count]))]
    if "bool" in dtypes:
        made += [Sample(("bool 3 4",) * count)]
    return made


def _refusals(dtypes: Sequence[str], count: int) -> list[Refusal]:
    made = [
        Refusal((wrong,) * count, "not defined")
        for wrong in (INT_MATRIX, BOOL_MATRIX, FLOAT_MATRIX)
        if wrong.dtype not in dtypes
    ]
    if count == 2:
        right = Type(dtypes[0], (2, 3))
        made += [
            Refusal((right, Type(dtypes[0], (3, 2))), "equal shapes"),
            Refusal((right, Type(dtypes[0], (3,))), "equal shapes"),
        ]
        if len(dtypes) > 1:
            made.append(Refusal((right, Type(dtypes[1], (2, 3))), "of floats and"))
    return made


def unary(
    name: str,
    doc: str,
    oracle: str,
    vjp: Callable[[Node, Node, Node], Node | None],
    *,
    dtypes: Sequence[str] = FLOATS,
    gives: str = "",
    within: str = "",
    samples: Sequence[Sample] = (),
    away_from: tuple[float, ...] = (),
) -> Op:
    made = _samples(dtypes, 1, (f" in {within}" if within else "",))
    if away_from:
        made = [Sample(each.inputs, each.attributes, away_from) for each in made]
    return register(
        Op(
            name,
            "elementwise",
            doc,
            _infer(name, 1, dtypes, gives),
            vjp,
            oracle,
            (*made, *samples),
            tuple(_refusals(dtypes, 1)),
            elementwise=True,
        )
    )


def binary(
    name: str,
    doc: str,
    oracle: str,
    vjp: Callable[[Node, Node, Node, Node], tuple[Node, Node] | None],
    *,
    dtypes: Sequence[str] = FLOATS,
    gives: str = "",
    within: tuple[str, str] = ("", ""),
    samples: Sequence[Sample] = (),
) -> Op:
    domains = [f" in {each}" if each else "" for each in within]
    return register(
        Op(
            name,
            "elementwise",
            doc,
            _infer(name, 2, dtypes, gives),
            vjp,
            oracle,
            (*_samples(dtypes, 2, domains), *samples),
            tuple(_refusals(dtypes, 2)),
            elementwise=True,
        )
    )


def _of(name: str) -> Callable[[Node], Node]:
    return lambda x: emit(name, x)


_exp, _log, _sin, _cos, _sign = (_of(each) for each in ("exp", "log", "sin", "cos", "sign"))

# ── one input ────────────────────────────────────────────────────────────────────────────────────
KINK = Sample(((-1.0, 0.0, 2.0),), gradients=((-1.0, 0.0, 1.0),))
STEPS = Sample(((-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.0),), gradients=(None,))
ODD = Sample(((0.0, math.inf, -math.inf, math.nan, 1e30),), gradients=(None,))

neg = unary("neg", "-x.", "-a", lambda g, y, x: -g, dtypes=NUMBERS)
abs_ = unary(
    "abs", "|x|; its slope at 0 is 0.", "np.abs(a)", lambda g, y, x: g * _sign(x),
    dtypes=NUMBERS, away_from=(0.0,), samples=(KINK,),
)  # fmt: skip
sign = unary(
    "sign", "-1, 0 or 1, as x is below, at or above 0.", "np.sign(a)", zero_gradient,
    away_from=(0.0,), samples=(STEPS,),
)  # fmt: skip
exp = unary("exp", "e to the power x.", "np.exp(a)", lambda g, y, x: g * y)
expm1 = unary(
    "expm1", "e^x - 1, exact near 0.", "np.expm1(a)", lambda g, y, x: g * _exp(x),
    samples=(Sample(("float 5 in -1e-9 1e-9",)),),
)  # fmt: skip
log = unary("log", "The natural logarithm.", "np.log(a)", lambda g, y, x: g / x, within="0.1 4")
log1p = unary(
    "log1p", "log(1 + x), exact near 0.", "np.log1p(a)", lambda g, y, x: g / (x + 1.0),
    within="-0.5 3", samples=(Sample(("float 5 in -1e-9 1e-9",)),),
)  # fmt: skip
sqrt = unary("sqrt", "The square root.", "np.sqrt(a)", lambda g, y, x: g * 0.5 / y, within="0.1 4")
sin = unary("sin", "The sine, in radians.", "np.sin(a)", lambda g, y, x: g * _cos(x))
cos = unary("cos", "The cosine, in radians.", "np.cos(a)", lambda g, y, x: -g * _sin(x))
tanh = unary("tanh", "The hyperbolic tangent.", "np.tanh(a)", lambda g, y, x: g * (1.0 - y * y))
sigmoid = unary(
    "sigmoid", "1 / (1 + e^-x), without overflow.", "0.5 * (1 + np.tanh(0.5 * a))",
    lambda g, y, x: g * y * (1.0 - y), samples=(Sample(((-800.0, 800.0, 0.0),)),),
)  # fmt: skip
erf = unary(
    "erf", "The error function, 2/√π · ∫₀ˣ e^-t² dt.", "np.vectorize(math.erf, 'd')(a)",
    lambda g, y, x: g * _exp(-x * x) * (2 / math.sqrt(math.pi)),
    samples=(Sample(("float 40 in -6 6",)), Sample(("float 9 in -1e-6 1e-6",))),
)  # fmt: skip
floor = unary(
    "floor", "The largest whole number not above x.", "np.floor(a)", zero_gradient,
    away_from=(-2.0, -1.0, 0.0, 1.0, 2.0), samples=(STEPS,),
)  # fmt: skip
round_ = unary(
    "round", "The nearest whole number; halves go to the even one.", "np.round(a)", zero_gradient,
    away_from=(-2.5, -1.5, -0.5, 0.5, 1.5, 2.5), samples=(STEPS,),
)  # fmt: skip
is_finite = unary(
    "is_finite", "Neither infinite nor NaN.", "np.isfinite(a)", zero_gradient, gives="bool",
    samples=(ODD,),
)  # fmt: skip
not_ = unary("not", "True where x is false.", "np.logical_not(a)", zero_gradient, dtypes=BOOL)


# ── two inputs ───────────────────────────────────────────────────────────────────────────────────
def _power_vjp(g: Node, y: Node, a: Node, b: Node) -> tuple[Node, Node]:
    """b·a^(b-1), which is 0 where b is 0 also at a = 0; y·log(a), taken as 0 at a = 0.

    Each guard replaces the operand, not the result: NaN in a branch not taken would come back
    in the gradient of this gradient.
    """
    exponent = where(is_zero(b), full(b, 1.0), b) - 1.0
    logarithm = _log(where(is_zero(a), full(a, 1.0), a))
    along_b = where(is_zero(a), zeros(y), y) * logarithm
    return g * b * emit("power", a, exponent), g * along_b


def _share(g: Node, b_wins: Node, tie: Node) -> tuple[Node, Node]:
    """All to the one that is chosen; half each at a tie."""
    half, none = g * 0.5, zeros(g)
    return (
        where(b_wins, none, where(tie, half, g)),
        where(b_wins, g, where(tie, half, none)),
    )


def _maximum_vjp(g: Node, y: Node, a: Node, b: Node) -> tuple[Node, Node]:
    return _share(g, emit("less", a, b), emit("equal", a, b))


def _minimum_vjp(g: Node, y: Node, a: Node, b: Node) -> tuple[Node, Node]:
    return _share(g, emit("less", b, a), emit("equal", a, b))


def _remainder_vjp(g: Node, y: Node, a: Node, b: Node) -> tuple[Node, Node]:
    return g, -g * emit("floor_divide", a, b)


TIES = ((1.0, 2.0, -1.0, 5.0), (1.0, 3.0, -2.0, 5.0))
DIVISORS = Sample(((7, -7, 7, -7, 6, -6), (3, 3, -3, -3, 3, 3)))
SIGNS = Sample(((7.5, -7.5, 7.5, -7.5), (2.0, 2.0, -2.0, -2.0)))
TIES_MAX = Sample(TIES, gradients=((0.5, 0.0, 1.0, 0.5), (0.5, 1.0, 0.0, 0.5)))
TIES_MIN = Sample(TIES, gradients=((0.5, 1.0, 0.0, 0.5), (0.5, 0.0, 1.0, 0.5)))
COMPARED = (Sample(((1, 2, 3), (3, 2, 1))), Sample(TIES, gradients=(None, None)))
AT_ZERO = (
    Sample(((0.0, 0.0, 0.0, 3.0), (0.0, 1.0, 2.0, 0.0)),
           gradients=((0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 0.0, math.log(3.0)))),
    Sample(((-2.0, -2.0, -1.0), (2.0, 3.0, -1.0)), gradients=((-4.0, 12.0, -1.0), None)),
)  # fmt: skip

add = binary("add", "a + b.", "a + b", lambda g, y, a, b: (g, g), dtypes=NUMBERS)
subtract = binary("subtract", "a - b.", "a - b", lambda g, y, a, b: (g, -g), dtypes=NUMBERS)
multiply = binary("multiply", "a · b.", "a * b", lambda g, y, a, b: (g * b, g * a), dtypes=NUMBERS)
divide = binary(
    "divide", "a / b.", "a / b", lambda g, y, a, b: (g / b, -g * y / b), within=("", "0.5 3")
)
floor_divide = binary(
    "floor_divide", "⌊a / b⌋.", "np.floor_divide(a, b)", zero_gradient, dtypes=NUMBERS,
    within=("0.2 0.8", "0.9 2"), samples=(DIVISORS, SIGNS),
)  # fmt: skip
remainder = binary(
    "remainder", "a - b·⌊a / b⌋; it has the sign of b.", "np.remainder(a, b)", _remainder_vjp,
    dtypes=NUMBERS, within=("2.1 2.9", "0.8 1"), samples=(DIVISORS, SIGNS),
)  # fmt: skip
power = binary(
    "power", "a to the power b; 0^0 is 1.", "np.power(a, b)", _power_vjp,
    within=("0.2 2", "-2 3"), samples=AT_ZERO,
)  # fmt: skip
maximum = binary(
    "maximum", "The larger one; the gradient is shared at ties.", "np.maximum(a, b)", _maximum_vjp,
    dtypes=NUMBERS, within=("-1 1", "-1 1"), samples=(TIES_MAX,),
)  # fmt: skip
minimum = binary(
    "minimum", "The smaller one; the gradient is shared at ties.", "np.minimum(a, b)",
    _minimum_vjp, dtypes=NUMBERS, within=("-1 1", "-1 1"), samples=(TIES_MIN,),
)  # fmt: skip
equal = binary(
    "equal", "a = b.", "a == b", zero_gradient, dtypes=ANY, gives="bool", samples=COMPARED
)
less = binary(
    "less", "a < b.", "a < b", zero_gradient, dtypes=NUMBERS, gives="bool", samples=COMPARED
)
less_equal = binary(
    "less_equal", "a ≤ b.", "a <= b", zero_gradient, dtypes=NUMBERS, gives="bool", samples=COMPARED
)
and_ = binary("and", "Both are true.", "np.logical_and(a, b)", zero_gradient, dtypes=BOOL)
or_ = binary("or", "At least one is true.", "np.logical_or(a, b)", zero_gradient, dtypes=BOOL)


# ── choosing, casting, cutting ───────────────────────────────────────────────────────────────────
def _where_infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    condition, a, b = values("where", inputs, 3)
    if condition.dtype != "bool":
        raise TypeFault(
            "`where` chooses by bools",
            expected="bool",
            found=str(condition),
            help="compare: `where(x > 0, a, b)`",
        )
    check_same("where", (a, b))
    check_same("where", (Type("bool", a.shape), condition))
    return a


def _where_vjp(g: Node, y: Node, c: Node, a: Node, b: Node) -> tuple[None, Node, Node]:
    return None, where(c, g, zeros(g)), where(c, zeros(g), g)


where_ = register(
    Op(
        "where",
        "elementwise",
        "a where the condition is true, else b.",
        _where_infer,
        _where_vjp,
        "np.where(a, b, c)",
        (
            Sample(("bool 3 4", "float 3 4", "float 3 4")),
            Sample(("bool", "float", "float")),
            Sample(("bool 4", "int 4 below 9", "int 4 below 9")),
            Sample(("bool 4", "bool 4", "bool 4")),
            Sample(
                ((True, False), (1.0, 2.0), (3.0, 4.0)), gradients=(None, (1.0, 0.0), (0.0, 1.0))
            ),
        ),
        (
            Refusal((FLOAT_MATRIX, FLOAT_MATRIX, FLOAT_MATRIX), "chooses by bools"),
            Refusal((BOOL_MATRIX, FLOAT_MATRIX, INT_MATRIX), "of floats and"),
            Refusal((BOOL_MATRIX, FLOAT_MATRIX, Type("float", (3,))), "equal shapes"),
            Refusal((Type("bool", (3,)), FLOAT_MATRIX, FLOAT_MATRIX), "equal shapes"),
        ),
        elementwise=True,
    )
)


def _cast_infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    (x,) = values("cast", inputs, 1)
    assert attributes["dtype"] in ANY, attributes["dtype"]
    return Type(attributes["dtype"], x.shape)


def _cast_vjp(g: Node, y: Node, x: Node) -> Node | None:
    return emit("cast", g, dtype=x.dtype) if x.dtype in FLOATS and y.dtype in FLOATS else None


cast = register(
    Op(
        "cast",
        "elementwise",
        "Another dtype: floats to ints by cutting the fraction, to bools by x ≠ 0; true is 1.",
        _cast_infer,
        _cast_vjp,
        "{'int': np.trunc(a), 'bool': a != 0}.get(dtype, a * 1)",
        (
            Sample(("float 3 4",), {"dtype": "float64"}),
            Sample(("float64 3 4",), {"dtype": "float"}),
            Sample(((-1.7, -0.2, 0.0, 0.2, 1.7),), {"dtype": "int"}, gradients=(None,)),
            Sample(((-1.7, 0.0, 0.2),), {"dtype": "bool"}, gradients=(None,)),
            Sample(((-3, 0, 2),), {"dtype": "float"}),
            Sample(((-3, 0, 2),), {"dtype": "bool"}),
            Sample(("bool 3 4",), {"dtype": "float"}),
            Sample(("bool 3 4",), {"dtype": "int"}),
        ),
        elementwise=True,
    )
)
stop_gradient = register(
    Op(
        "stop_gradient",
        "elementwise",
        "x, through which no gradient passes.",
        _infer("stop_gradient", 1, ANY, ""),
        zero_gradient,
        "a",
        (
            Sample(("float 3 4",), gradients=(None,)),
            Sample(("int 3 below 9",)),
            Sample(("bool 3",)),
        ),
        elementwise=True,
    )
)
