"""Products of stacks of matrices. Broadcasts nothing."""

from __future__ import annotations

from collections.abc import Sequence

from specc.ir import Node, Op, Refusal, Sample, Type, TypeFault, register
from specc.ir.op import Attributes
from specc.ops.rules import FLOATS, WORDS, check_dtype, swap_last, values


def _infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    a, b = values("matmul", inputs, 2)
    check_dtype("matmul", a, FLOATS)
    check_dtype("matmul", b, FLOATS)
    if a.dtype != b.dtype:
        raise TypeFault(
            f"`@` of {WORDS[a.dtype]} and {WORDS[b.dtype]}",
            expected=a.dtype,
            found=b.dtype,
            help="cast one with `float(x)`",
        )
    if a.rank < 2 or a.rank != b.rank:
        raise TypeFault(
            "`@` multiplies stacks of matrices of equal rank",
            expected="at least 2 axes each, equally many",
            found=f"{a} @ {b}",
        )
    if a.shape[-1] != b.shape[-2]:
        raise TypeFault(
            f"the rows of {a} don't meet the columns of {b}",
            expected=f"{a.shape[-1]} rows in the second matrix",
            found=f"{b.shape[-2]} rows in {b}",
            help=_transposition(a, b),
        )
    if a.shape[:-2] != b.shape[:-2]:
        raise TypeFault(
            "`@` needs equal leading axes",
            expected=str(Type(b.dtype, (*a.shape[:-2], *b.shape[-2:]))),
            found=str(b),
        )
    return Type(a.dtype, (*a.shape[:-1], b.shape[-1]))


def _transposition(a: Type, b: Type) -> str:
    """The transposition that would fit, if one does."""
    if a.shape[-1] == b.shape[-1]:
        return "the second matrix fits when transposed: swap its last two axes"
    if a.shape[-2] == b.shape[-2]:
        return "the first matrix fits when transposed: swap its last two axes"
    return ""


def _vjp(g: Node, y: Node, a: Node, b: Node) -> tuple[Node, Node]:
    return g @ swap_last(b), swap_last(a) @ g


def _float(*shape: int) -> Type:
    return Type("float", shape)


matmul = register(
    Op(
        "matmul",
        "linear",
        "a[..., m, k] times b[..., k, n]: sums of products over k.",
        _infer,
        _vjp,
        "a @ b",
        (
            Sample(("float 3 4", "float 4 5")),
            Sample(("float 2 3 4", "float 2 4 5")),
            Sample(("float 2 1 3 4", "float 2 1 4 1")),
            Sample(("float 1 4", "float 4 1")),
            Sample(("float 2 0", "float 0 3")),
        ),
        (
            Refusal((_float(3, 4), _float(5, 4)), "don't meet"),
            Refusal((_float(3, 4), _float(4)), "equal rank"),
            Refusal((_float(2, 3, 4), _float(5, 4, 3)), "leading axes"),
            Refusal((Type("int", (3, 3)), Type("int", (3, 3))), "not defined"),
            Refusal((_float(3, 3), Type("float64", (3, 3))), "of floats and"),
        ),
        tolerance=2.0,
    )
)
