"""numpy.layout: the order in which each value's axes lie in memory. Assigns no memory.

An order lists the axes from the outermost to the innermost. A convolution and all around it have
rows outermost, then channels, and the batch innermost: every step of a window is then a copy of
long runs, the rows of a window lie next to each other, and a row of the result is a product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from specc.ir import Extent, Graph, Node, toposort
from specc.ir.size import product

Order = tuple[int, ...]
CONVOLUTIONS = ("convolve", "convolve_input", "convolve_filters")
PLAIN = ("erf",)  # is made row by row
FOLLOWING = ("pad", "max_pool", "max_pool_gradient")  # and what is elementwise


def rows_first(rank: int) -> Order:
    """Of images [b, c, rows, columns ...]."""
    return (2, 1, *range(3, rank), 0)


def plain(rank: int) -> Order:
    return tuple(range(rank))


def layout(graph: Graph) -> dict[int, Order]:
    """Orders by id of the node, of those that don't have the plain one."""
    nodes = toposort([*graph.inputs, *graph.results])
    wished: set[int] = set()  # what is best made for a convolution in the first place
    for node in nodes:
        if node.op.name in CONVOLUTIONS:
            wished.update(id(each) for each in node.inputs[: _images(node)])
    order_of: dict[int, Order] = {}
    for node in nodes:
        order = _order(node, order_of, wished)
        if order != plain(node.rank):
            order_of[id(node)] = order
    return order_of


def needed(graph: Graph) -> dict[int, Order]:
    """The orders that there is no choice of: a convolution writes in its own."""
    convolved = [n for n in toposort(graph.results) if n.op.name in CONVOLUTIONS[:2]]
    return {id(node): rows_first(node.rank) for node in convolved}


def _images(node: Node) -> int:
    """How many of a convolution's operands are images; the rest are filters."""
    return 2 if node.op.name == "convolve_filters" else 1


def _order(node: Node, order_of: Mapping[int, Order], wished: set[int]) -> Order:
    name, rank = node.op.name, node.rank
    given = [order_of.get(id(each), plain(each.rank)) for each in node.inputs]
    if name in ("convolve", "convolve_input"):
        return rows_first(rank)
    if name in VIEWS:
        return order_of_view(node, given[0]) or plain(rank)
    if (node.op.elementwise and name not in PLAIN) or name in FOLLOWING:
        if id(node) in wished:
            return rows_first(rank)
        moved = [
            order
            for each, order in zip(node.inputs, given, strict=True)
            if each.shape == node.shape or name in FOLLOWING
            if order != plain(rank) and len(order) == rank and each.op.name != "broadcast"
        ]
        return moved[0] if moved else plain(rank)
    return plain(rank)


# ── views ────────────────────────────────────────────────────────────────────────────────────────
VIEWS = ("permute", "reshape", "slice", "windows", "stop_gradient")


def order_of_view(node: Node, order: Order) -> Order | None:
    """The order of a view of what has this order; None where a reshape is no view."""
    name = node.op.name
    if name == "permute":
        axes: Sequence[int] = node.attributes["axes"]
        return tuple(axes.index(axis) for axis in order)
    if name == "reshape":
        return _reshaped(node.inputs[0].shape, node.shape, order)
    if name == "windows":
        # A window's own axes lie beside the innermost one.
        return (*order[:-1], *range(len(order), node.rank), order[-1])
    return order


def _reshaped(old: Sequence[Extent], new: Sequence[Extent], order: Order) -> Order | None:
    """Where each new axis is made of old ones that are neighbours in memory, in their order."""
    groups = _groups(old, new)
    if groups is None:
        return None
    new_of: dict[int, list[int]] = {}  # the first old axis of a group: the new axes
    followers: dict[int, int] = {}  # an old axis of a group: the one before it
    for before, after in groups:
        new_of[before[0]] = after
        followers.update(zip(before[1:], before[:-1], strict=True))
    found = [axis for axis, extent in enumerate(new) if extent == 1]
    previous = None
    for axis in order:
        if old[axis] == 1:
            continue
        if axis in followers:
            if followers[axis] != previous:
                return None
        else:
            found += new_of[axis]
        previous = axis
    return tuple(found)


def _groups(
    old: Sequence[Extent], new: Sequence[Extent]
) -> list[tuple[list[int], list[int]]] | None:
    """The axes, but those of 1, in the smallest groups that hold equally many elements."""
    befores = [axis for axis, extent in enumerate(old) if extent != 1]
    afters = [axis for axis, extent in enumerate(new) if extent != 1]
    groups: list[tuple[list[int], list[int]]] = []
    while befores or afters:
        for count in range(1, len(befores) + len(afters) + 1):
            split = _split(old, new, befores, afters, count)
            if split:
                break
        else:
            return None
        taken, given = split
        groups.append((befores[:taken], afters[:given]))
        befores, afters = befores[taken:], afters[given:]
    return groups


def _split(
    old: Sequence[Extent],
    new: Sequence[Extent],
    befores: Sequence[int],
    afters: Sequence[int],
    count: int,
) -> tuple[int, int] | None:
    """How many axes of each make a group of `count + 1` axes together."""
    for taken in range(1, count + 1):
        given = count + 1 - taken
        if taken <= len(befores) and given <= len(afters) and given >= 1:
            left = product(tuple(old[axis] for axis in befores[:taken]))
            if left == product(tuple(new[axis] for axis in afters[:given])):
                return taken, given
    return None
