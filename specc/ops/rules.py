"""What the families share: type rules in a user's words, and primitives as functions of nodes.

Knows no family and no backend.
"""

from __future__ import annotations

from collections.abc import Sequence

from specc.ir import Extent, Node, Size, Tuple, Type, TypeFault, constant, emit

FLOATS = ("float", "float64")
NUMBERS = (*FLOATS, "int")
ANY = (*NUMBERS, "bool")
WORDS = {"float": "floats", "float64": "exact floats", "int": "ints", "bool": "bools"}


# ── type rules ───────────────────────────────────────────────────────────────────────────────────
def values(name: str, inputs: Sequence[Type | Tuple], count: int) -> list[Type]:
    """The input types, `count` of them and none a tuple: else the graph was made wrongly."""
    assert len(inputs) == count, f"{name} takes {count} inputs, not {len(inputs)}"
    return tensors(name, inputs)


def tensors(name: str, inputs: Sequence[Type | Tuple]) -> list[Type]:
    found: list[Type] = []
    for each in inputs:
        assert isinstance(each, Type), f"{name} reads a tuple; only item may"
        found.append(each)
    return found


def check_dtype(name: str, type: Type, dtypes: Sequence[str]) -> None:
    if type.dtype in dtypes:
        return
    wanted = [WORDS[dtype] for dtype in dtypes if dtype != "float64" or "float" not in dtypes]
    advice = ""
    if type.dtype == "bool" and "float" in dtypes:
        advice = "bool does no arithmetic: cast it with `float(x)`"
    elif type.dtype == "int" and "float" in dtypes:
        advice = "cast it with `float(x)`"
    elif "bool" in dtypes and len(dtypes) == 1:
        advice = "a comparison such as `x > 0` gives bools"
    raise TypeFault(
        f"`{name}` is not defined for {WORDS[type.dtype]}",
        expected=" or ".join(wanted),
        found=str(type),
        help=advice,
    )


def check_same(name: str, types: Sequence[Type]) -> None:
    """Equal dtypes and equal shapes: elementwise primitives are strict, build broadcasts."""
    first = types[0]
    for other in types[1:]:
        if other.dtype != first.dtype:
            raise TypeFault(
                f"`{name}` of {WORDS[first.dtype]} and {WORDS[other.dtype]}",
                expected=f"another {first.dtype}",
                found=str(other),
                help="cast one with `float(x)` or `int(x)`",
            )
        if other.shape != first.shape:
            raise TypeFault(
                f"`{name}` needs equal shapes",
                expected=str(first),
                found=str(other),
                help="only a literal 1 and missing leading axes broadcast",
            )


def check_axis(name: str, axis: int, rank: int) -> None:
    assert axis in range(rank), f"{name}: axis {axis} of {rank}"


def check_axes(name: str, axes: Sequence[int], rank: int) -> None:
    for axis in axes:
        check_axis(name, axis, rank)
    assert len(set(axes)) == len(axes), f"{name}: an axis is named twice in {axes}"


def below_zero(extent: Extent) -> bool:
    """Surely negative; what is symbolic is a requirement of the graph, checked when it is bound."""
    return isinstance(extent, int) and extent < 0


def ceiling(extent: Extent, step: Extent) -> Extent:
    return (extent + step - 1) // step


def without(shape: Sequence[Extent], axes: Sequence[int]) -> tuple[Extent, ...]:
    return tuple(extent for axis, extent in enumerate(shape) if axis not in axes)


def with_extent(shape: Sequence[Extent], axis: int, extent: Extent) -> tuple[Extent, ...]:
    return (*shape[:axis], extent, *shape[axis + 1 :])


# ── primitives as functions, for gradient rules and passes ───────────────────────────────────────
def where(condition: Node, a: Node, b: Node) -> Node:
    return emit("where", condition, a, b)


def zeros(node: Node) -> Node:
    return constant(0 if node.dtype == "int" else 0.0, node.dtype, node.shape)


def full(node: Node, value: float) -> Node:
    return constant(value, node.dtype, node.shape)


def is_zero(node: Node) -> Node:
    return emit("equal", node, zeros(node))


def reshape(x: Node, shape: Sequence[Extent]) -> Node:
    return x if x.shape == tuple(shape) else emit("reshape", x, shape=tuple(shape))


def broadcast(x: Node, shape: Sequence[Extent]) -> Node:
    return x if x.shape == tuple(shape) else emit("broadcast", x, shape=tuple(shape))


def spread(x: Node, axes: Sequence[int], shape: Sequence[Extent]) -> Node:
    """Puts `axes`, which a reduction dropped, back by repeating along them, to `shape`."""
    ones = tuple(1 if axis in axes else extent for axis, extent in enumerate(shape))
    leading = 0
    while leading < len(ones) and leading in axes:
        leading += 1
    return broadcast(reshape(x, ones[leading:]), shape)


def cut(x: Node, axis: int, start: Extent, stop: Extent) -> Node:
    """x[start:stop] along one axis."""
    starts = tuple(start if each == axis else 0 for each in range(x.rank))
    stops = tuple(stop if each == axis else extent for each, extent in enumerate(x.shape))
    return emit("slice", x, starts=starts, stops=stops, steps=(1,) * x.rank)


def swap_last(x: Node) -> Node:
    """The transpose of each matrix in a stack."""
    return emit("permute", x, axes=(*range(x.rank - 2), x.rank - 1, x.rank - 2))


def is_extent(value: object) -> bool:
    return isinstance(value, (int, Size)) and not isinstance(value, bool)
