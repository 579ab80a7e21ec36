"""Elements by their number, and their adjoints that add. Wraps no index around.

An index outside its axis is a run-time fault: a backend must end in a diagnostic.
"""

from __future__ import annotations

from collections.abc import Sequence

from specc.ir import Node, Op, Refusal, Sample, Type, TypeFault, emit, register
from specc.ir.op import Attributes
from specc.ops.rules import NUMBERS, check_axis, check_dtype, values, with_extent


def _check_index(name: str, index: Type) -> None:
    if index.dtype != "int":
        raise TypeFault(
            f"`{name}` takes its index as ints",
            expected="int",
            found=str(index),
            help="cast it with `int(x)`",
        )


def _take_infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    x, index = values("take", inputs, 2)
    _check_index("take", index)
    if x.rank == 0:
        raise TypeFault("`take` from a scalar", expected="at least one axis", found=str(x))
    return Type(x.dtype, (*index.shape, *x.shape[1:]))


def _take_along_infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    x, index = values("take_along_axis", inputs, 2)
    axis: int = attributes["axis"]
    _check_index("take_along_axis", index)
    if x.rank != index.rank or x.rank == 0:
        raise TypeFault(
            "`take_along_axis` needs an index of the same rank",
            expected=f"{x.rank} axes, as in {x}",
            found=str(index),
            help="`index[..., none]` adds an axis",
        )
    check_axis("take_along_axis", axis, x.rank)
    wanted = with_extent(x.shape, axis, index.shape[axis])
    if index.shape != wanted:
        raise TypeFault(
            f"`take_along_axis` along axis {axis} needs every other axis equal",
            expected=str(Type("int", wanted)),
            found=str(index),
        )
    return Type(x.dtype, index.shape)


def _add_at_infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    index, updates = values("add_at", inputs, 2)
    _check_index("add_at", index)
    check_dtype("add_at", updates, NUMBERS)
    if updates.shape[: index.rank] != index.shape:
        raise TypeFault(
            "`add_at` needs a row for each index",
            expected=f"first axes {index.shape}",
            found=str(updates),
        )
    return Type(updates.dtype, (attributes["length"], *updates.shape[index.rank :]))


def _add_along_infer(inputs: Sequence[Type], attributes: Attributes) -> Type:
    index, updates = values("add_along", inputs, 2)
    _check_index("add_along", index)
    check_dtype("add_along", updates, NUMBERS)
    if updates.shape != index.shape:
        raise TypeFault(
            "`add_along` needs an index for each element",
            expected=str(Type("int", updates.shape)),
            found=str(index),
        )
    check_axis("add_along", attributes["axis"], updates.rank)
    shape = with_extent(updates.shape, attributes["axis"], attributes["length"])
    return Type(updates.dtype, shape)


def _take_vjp(g: Node, y: Node, x: Node, index: Node) -> tuple[Node, None]:
    return emit("add_at", index, g, length=x.shape[0]), None


def _take_along_vjp(g: Node, y: Node, x: Node, index: Node) -> tuple[Node, None]:
    axis: int = y.attributes["axis"]
    return emit("add_along", index, g, axis=axis, length=x.shape[axis]), None


def _add_at_vjp(g: Node, y: Node, index: Node, updates: Node) -> tuple[None, Node]:
    return None, emit("take", g, index)


def _add_along_vjp(g: Node, y: Node, index: Node, updates: Node) -> tuple[None, Node]:
    return None, emit("take_along_axis", g, index, axis=y.attributes["axis"])


MATRIX, INDEX = Type("float", (3, 4)), Type("int", (3, 2))

take = register(
    Op(
        "take",
        "indexing",
        "The rows of x whose numbers the index holds.",
        _take_infer,
        _take_vjp,
        "a[b]",
        (
            Sample(("float 5 3", "int 4 below 5")),
            Sample(("float 5", "int 2 3 below 5")),
            Sample(("float 5 2 3", "int below 5")),
            Sample(("float 5 3", (1, 1, 4))),
            Sample(("int 5 below 9", "int 3 below 5")),
            Sample(("bool 5 2", "int 3 below 5")),
        ),
        (
            Refusal((MATRIX, MATRIX), "as ints"),
            Refusal((Type("float"), INDEX), "from a scalar"),
        ),
    )
)
take_along_axis = register(
    Op(
        "take_along_axis",
        "indexing",
        "At each place the element of x whose number along `axis` the index holds.",
        _take_along_infer,
        _take_along_vjp,
        "np.take_along_axis(a, b, axis)",
        (
            Sample(("float 3 4", "int 3 2 below 4"), {"axis": 1}),
            Sample(("float 3 4 2", "int 5 4 2 below 3"), {"axis": 0}),
            Sample(("float 4", (1, 1, 3)), {"axis": 0}),
            Sample(("int 3 4 below 9", "int 3 2 below 4"), {"axis": 1}),
            Sample(("bool 3 4", "int 3 1 below 4"), {"axis": 1}),
        ),
        (
            Refusal((MATRIX, Type("int", (3,))), "same rank", {"axis": 1}),
            Refusal((MATRIX, Type("int", (2, 4))), "every other axis", {"axis": 1}),
            Refusal((MATRIX, MATRIX), "as ints", {"axis": 1}),
        ),
    )
)
add_at = register(
    Op(
        "add_at",
        "indexing",
        "`length` rows of zeros, with each update added to the row of its number.",
        _add_at_infer,
        _add_at_vjp,
        "np.tensordot(np.eye(length)[a], b, (range(a.ndim), range(a.ndim)))",
        (
            Sample(("int 4 below 5", "float 4 3"), {"length": 5}),
            Sample(("int 2 3 below 5", "float 2 3"), {"length": 5}),
            Sample(("int below 5", "float 2 3"), {"length": 5}),
            Sample(((1, 1, 4), "float 3 2"), {"length": 5}),
            Sample(("int 4 below 5", "int 4 below 9"), {"length": 5}),
        ),
        (
            Refusal((INDEX, Type("float", (2, 2))), "row for each", {"length": 5}),
            Refusal((MATRIX, MATRIX), "as ints", {"length": 5}),
        ),
    )
)
add_along = register(
    Op(
        "add_along",
        "indexing",
        "Zeros, `length` of them along `axis`, with each update added where its index says.",
        _add_along_infer,
        _add_along_vjp,
        # [length, index...]: is this the place? times the update, summed along the axis.
        "np.moveaxis(((np.arange(length).reshape(-1, *[1] * a.ndim) == a) * b).sum(axis + 1), 0,"
        " axis)",
        (
            Sample(("int 3 2 below 4", "float 3 2"), {"axis": 1, "length": 4}),
            Sample(("int 5 4 2 below 3", "float 5 4 2"), {"axis": 0, "length": 3}),
            Sample(((1, 1, 3), "float 3"), {"axis": 0, "length": 4}),
            Sample(("int 3 2 below 4", "int 3 2 below 9"), {"axis": 1, "length": 4}),
        ),
        (
            Refusal((INDEX, MATRIX), "index for each", {"axis": 1, "length": 4}),
            Refusal((MATRIX, MATRIX), "as ints", {"axis": 1, "length": 4}),
        ),
    )
)
