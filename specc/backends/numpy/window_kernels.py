"""How NumPy runs what looks through windows: rows of the kernel table. Plans nothing."""

from __future__ import annotations

from collections.abc import Sequence

from specc.backends.numpy.kernel import ROOM, Kernel, Site, no
from specc.backends.numpy.layout import Order, filters_order, plain, rows_first
from specc.ir import Extent, Node, Type
from specc.ir.size import maximum, product

WORK = 1 << 19  # elements of the patches that a convolution works on at a time
SHARES = 1 << 16  # elements of the filters' gradients that it adds up at a time


def _windows(s: Site) -> str:
    at = s.node.attributes
    steps = ", ".join(repr(at[key]) for key in ("axes", "sizes", "strides", "dilations"))
    return f"{s.use('windows')}({{}}, {steps})"


def _overlap_add(s: Site) -> list[str]:
    at = s.node.attributes
    steps = ", ".join(repr(at[key]) for key in ("axes", "strides", "dilations"))
    return [f"{s.use('overlap_add')}({s.inputs[0]}, {steps}, {s.out})"]


def _physical(s: Site, index: int, order: Order) -> str:
    """An operand, or with -1 the result, with its axes in the order in which they lie."""
    name = s.out if index < 0 else s.inputs[index]
    if order == plain(len(order)):
        return name
    return s.view(name, f"{{}}.transpose({order!r})")


# ── convolution ──────────────────────────────────────────────────────────────────────────────────
def _images(s: Site, index: int) -> str:
    """Images as [rows, channels, columns ..., batch]."""
    node = s.node if index < 0 else s.operands[index]
    return _physical(s, index, rows_first(node.rank))


def _steps(s: Site, sizes: Sequence[Extent]) -> str:
    return ", ".join(repr(each) for each in (tuple(sizes), *_strides(s)))


def _strides(s: Site) -> Sequence[tuple[int, ...]]:
    return s.node.attributes["strides"], s.node.attributes["dilations"]


def _halved(s: Site) -> str:
    return ", halved=True" if s.node.attributes["halved"] else ""


def _convolve(s: Site) -> list[str]:
    filters = s.operands[1]
    x, y = _images(s, 0), _images(s, -1)
    kept = _kept(s)
    work = kept or s.scratch[0]
    steps = f"{_steps(s, filters.shape[2:])}, {y}, {work}{_halved(s)}"
    steps += f", at_once={WORK}" if kept else ""
    views = s.view(x, f"{s.use('convolution')}({{}}, {steps})", y)
    order = filters_order(filters.rank)
    rows = s.shape((product(filters.shape[1:]), filters.shape[0]))
    matrix = s.view(s.inputs[1], f"{{}}.transpose({order!r}).reshape({rows}).T")
    return [f"{s.use('convolve')}({views}, {matrix})"]


def _convolve_filters(s: Site) -> list[str]:
    sizes = s.node.attributes["sizes"]
    *rooms, shares, part, total = s.scratch
    kept = _kept(s)
    work = kept or rooms[0]
    x, g = _images(s, 0), _images(s, 1)
    steps = f"{_steps(s, sizes)}, {g}, {work}"
    halved = repr(s.node.attributes["halved"])
    made = "kept_bands" if kept else "bands"
    views = s.view(x, f"{s.use(made)}({{}}, {steps}, {halved})", g)
    order = filters_order(s.node.rank)
    if s.order(-1) == order:
        rows = s.shape((product(s.node.shape[1:]), s.node.shape[0]))
        whole = s.view(s.out, f"{{}}.transpose({order!r}).reshape({rows})")
        return [f"{s.use('convolve_filters')}({views}, {shares}, {part}, {whole})"]
    channels, filters = s.node.shape[1], s.node.shape[0]
    shape = s.shape((*sizes, channels, filters))
    last = len(sizes) + 1
    found = s.view(
        total, f"{{}}.reshape({shape}).transpose({(last, last - 1, *range(last - 1))!r})"
    )
    return [
        f"{s.use('convolve_filters')}({views}, {shares}, {part}, {total})",
        f"np.copyto({s.out}, {found})",
    ]


def _kept(s: Site) -> str:
    """The room for patches that outlast the convolution, in a row, if there is some."""
    return s.view(s.inputs[2], "{}.reshape(-1)") if len(s.inputs) > 2 else ""


def _convolve_input(s: Site) -> list[str]:
    filters, (strides, dilations) = s.operands[1], _strides(s)
    turned, work = s.scratch
    sizes, low = filters.shape[2:], s.node.attributes["low"]
    g, x = _images(s, 0), _images(s, -1)
    steps = f"{_steps(s, sizes)}, {low!r}, {x}, {turned}, {work}{_halved(s)}"
    views = s.view(x, f"{s.use('convolution_back')}({g}, {steps})", g)
    inner = tuple(range(3, filters.rank))
    channels, outs = filters.shape[1], filters.shape[0]
    if strides[0] == dilations[0] == 1:
        lying, shape = (
            f"[:, :, ::-1].transpose({(*inner, 1, 2, 0)!r})",
            (*sizes[1:], channels, sizes[0]),
        )
    else:
        lying, shape = f".transpose({(2, *inner, 1, 0)!r})", (*sizes, channels)
    target = s.view(turned, f"{{}}.reshape({s.shape((*shape, outs))})")
    return [
        f"np.copyto({target}, {s.inputs[1]}{lying})",
        f"{s.use('convolve_input')}({views}, {x})",
    ]


def _wanted(node: Node, index: int) -> Order | None:
    rank = node.inputs[index].rank
    if index == 2:
        return None
    if index == 0 or node.op.name == "convolve_filters":
        return rows_first(rank)
    return filters_order(rank) if node.op.name == "convolve" else None


def _work(patch: Extent, y: Node) -> Type:
    """Room for the patches of a few of y's rows, of one at least."""
    columns = product((y.shape[0], *y.shape[3:]))
    return Type(y.dtype, (maximum(WORK, product((patch, columns))),))


def _forward_room(node: Node) -> Sequence[Type]:
    _, filters, *kept = node.inputs
    return () if kept else (_work(product(filters.shape[1:]), node),)


def _filters_room(node: Node) -> Sequence[Type]:
    o, patch = node.shape[0], product(node.shape[1:])
    matrix = (patch, o)
    _, g, *kept = node.inputs
    return (
        *(() if kept else (_work(patch, g),)),
        Type(node.dtype, (_at_a_time(product(matrix)), *matrix)),
        Type(node.dtype, matrix),
        Type(node.dtype, matrix),
    )


def _at_a_time(size: Extent) -> int:
    return max(1, SHARES // max(1, size)) if isinstance(size, int) else 1


def _input_room(node: Node) -> Sequence[Type]:
    g, filters = node.inputs
    patch = product(filters.shape[1:])
    return (Type(node.dtype, (product(filters.shape),)), _work(patch, g))


# ── pooling ──────────────────────────────────────────────────────────────────────────────────────
def _pool_windows(s: Site, name: str, order: Order, written: bool = False) -> str:
    at = s.node.attributes
    steps = ", ".join(repr(at[key]) for key in ("axes", "sizes", "strides", "dilations"))
    ends = tuple(range(len(order), len(order) + len(at["axes"])))
    steps += ", writeable=True" if written else ""
    return s.view(name, f"{s.use('windows')}({{}}, {steps}).transpose({(*order, *ends)!r})")


def _max_pool(s: Site) -> list[str]:
    order = s.order(-1)
    assert order
    seen = _pool_windows(s, s.inputs[0], order)
    y = _physical(s, -1, order)
    views = s.view(seen, f"{s.use('pooling')}({{}}, {y})", y)
    return [f"{s.use('max_pool')}({views})"]


def _max_pool_gradient(s: Site) -> list[str]:
    order = s.order(-1)
    assert order
    seen = _pool_windows(s, s.inputs[0], order)
    into = _pool_windows(s, s.out, order, True)
    y, g = _physical(s, 1, order), _physical(s, 2, order)
    lines = [] if _covers(s.node) else [f"{s.out}.fill(0.0)"]
    arguments = ", ".join([y, g, into, *s.scratch])
    views = s.view(seen, f"{s.use('pooling_back')}({{}}, {arguments})", y, g, into)
    return [*lines, f"{s.use('max_pool_gradient')}({views}, {_apart(s.node)!r})"]


def _routed_dot(s: Site) -> list[str]:
    at = s.node.attributes
    steps = ", ".join(repr(at[key]) for key in ("axes", "sizes", "strides", "dilations"))
    return [f"{s.use('routed_dot')}({', '.join(s.inputs)}, {at['over']!r}, ({steps}), {s.out})"]


def _apart(node: Node) -> bool:
    """Is no element in two windows?"""
    at = node.attributes
    lengths = zip(at["sizes"], at["strides"], at["dilations"], strict=True)
    return all((size - 1) * step + 1 <= stride for size, stride, step in lengths)


def _covers(node: Node) -> bool:
    """Is each element in one window?"""
    at, counts = node.attributes, node.inputs[1].shape
    return _apart(node) and all(
        size == stride and counts[axis] * stride == node.shape[axis]
        for axis, size, stride in zip(at["axes"], at["sizes"], at["strides"], strict=True)
    )


def _pool_room(node: Node) -> Sequence[Type]:
    count = product(node.inputs[1].shape)
    return (Type(node.dtype, (count,)), Type(node.dtype, (count,)), Type("bool", (count,)))


window_kernels: dict[str, Kernel] = {
    "windows": Kernel(view=_windows, views=no),
    "overlap_add": Kernel(_overlap_add),
    "convolve": Kernel(_convolve, wants=_wanted, scratch=_forward_room),
    "patches": ROOM,
    "convolve_input": Kernel(_convolve_input, wants=_wanted, scratch=_input_room),
    "convolve_filters": Kernel(_convolve_filters, wants=_wanted, scratch=_filters_room),
    "max_pool": Kernel(_max_pool),
    "max_pool_gradient": Kernel(_max_pool_gradient, in_place=(0,), may=_covers, scratch=_pool_room),
    "routed_dot": Kernel(_routed_dot, in_place=(0,)),
}
