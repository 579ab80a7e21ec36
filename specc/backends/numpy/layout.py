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
SHORT_ROW = 64  # elements: shorter than a batch mostly is
PLAIN = ("erf",)  # is made row by row
FOLLOWING = ("pad", "max_pool", "max_pool_gradient")  # and what is made as elements of its shape


def rows_first(rank: int) -> Order:
    """Of images [b, c, rows, columns ...]."""
    return (2, 1, *range(3, rank), 0)


def filters_order(rank: int) -> Order:
    """Of filters [o, c, taps ...]."""
    return (*range(2, rank), 1, 0)


def plain(rank: int) -> Order:
    return tuple(range(rank))


def stored(graph: Graph) -> dict[str, Order]:
    """How weights and their gradients best lie, by the names of the inputs and outputs, where that
    is not the plain order: those that products read turned alone, turned, and filters as the
    patches run that they are multiplied with.

    On one core of an AMD EPYC x @ W.T takes 1.06 to 1.17 times as long as a product without a
    turned side, for 64 x 128 x 64 to 64 x 1024 x 1024.
    """
    readers: dict[int, list[Node]] = {}
    for node in toposort(graph.results):
        for each in node.inputs:
            readers.setdefault(id(each), []).append(node)
    found: dict[str, Order] = {}
    for node in graph.inputs:
        if node.attributes["role"] == "parameter" and node.rank == 2:
            reading = readers.get(id(node), [])
            turned = [each for each in reading if each.op.name == "permute"]
            multiplied = [r for each in turned for r in readers.get(id(each), [])]
            rest = all(each.op.elementwise or each in turned for each in reading)
            if (
                multiplied
                and rest
                and all(each.op.name in ("matmul", "scan") for each in multiplied)
            ):
                found[node.attributes["name"]] = (1, 0)
        elif node.attributes["role"] == "parameter" and node.rank > 2:
            reading = readers.get(id(node), [])
            convolved = [r for r in reading if r.op.name in CONVOLUTIONS and r.inputs[1] is node]
            rest = all(each.op.elementwise or each in convolved for each in reading)
            if rest and any(each.op.name == "convolve" for each in convolved):
                found[node.attributes["name"]] = filters_order(node.rank)
    gradients = {f"gradient.{name}": order for name, order in found.items()}
    found.update((o.name, gradients[o.name]) for o in graph.outputs if o.name in gradients)
    return found


def layout(graph: Graph, stored: Mapping[str, Order]) -> dict[int, Order]:
    """Orders by id of the node, of those that don't have the plain one."""
    nodes = toposort([*graph.inputs, *graph.results])
    given = {id(n): stored[n.attributes["name"]] for n in graph.inputs if _name(n) in stored}
    convolved = any(node.op.name in CONVOLUTIONS for node in nodes)
    for node in nodes:
        if convolved and _is_flat(node):
            given.update(_made_of(node.inputs[0], (1, 0)))
        if _has_short_rows(node):
            given.update(_made_of(node.inputs[0], (1, 0)))
        if node.op.name in ("reshape", "concat"):
            for moved in node.inputs:
                given.update(_merged(moved))
    for output in graph.outputs:
        if output.name in stored:
            given.update(_made_of(output.node, stored[output.name]))
    wished: set[int] = set()  # what is best made for a convolution in the first place
    for node in nodes:
        if node.op.name in CONVOLUTIONS:
            wished.update(id(each) for each in node.inputs[: _images(node)])
    order_of: dict[int, Order] = {}
    for node in nodes:
        if node.op.name == "scan":
            continue  # its items lie plainly
        order = given.get(id(node)) or _order(node, order_of, wished)
        if order != plain(node.rank):
            order_of[id(node)] = order
    return order_of


def _name(node: Node) -> str:
    return node.attributes["name"]


def _is_flat(node: Node) -> bool:
    """Are features made images [b, ...]? As rows of the batch they are read in long runs."""
    if node.op.name != "reshape":  # a scan has several results, and so no rank
        return False
    (x,) = node.inputs
    return x.rank == 2 < node.rank and x.shape[0] == node.shape[0]


def _has_short_rows(node: Node) -> bool:
    """Are short rows reduced? They are then better columns, each a long run of the batch.

    A softmax and its products take for 64 rows of 10, 0.9 of the time, for 256 rows of 10, 0.8, of
    64, 0.9; of 1000, 1.02 (one core of an AMD EPYC).
    """
    along = {"max": node.attributes.get("axis"), "sum": node.attributes.get("axes")}
    if along.get(node.op.name) not in (1, (1,)) or node.inputs[0].rank != 2:
        return False
    rows, length = node.inputs[0].shape
    return isinstance(length, int) and length <= SHORT_ROW and not isinstance(rows, int)


def _made_of(node: Node, order: Order) -> dict[int, Order]:
    """The product, and what is done to its elements, that an output in this order is."""
    found: dict[int, Order] = {}
    open_ = [node]
    while open_:
        node = open_.pop()
        made = node.op.name in ("matmul", "convolve_filters")
        if node.rank == len(order) and (_free(node) or made):
            if id(node) not in found:
                found[id(node)] = order
                open_ += node.inputs if _free(node) else ()
    return found


def _merged(moved: Node) -> dict[int, Order]:
    """Stacked products that are moved before they are merged or joined, such as those of heads:
    each matrix goes straight to where it is wanted, if its rows or its columns are runs there.
    """
    if moved.op.name != "permute":
        return {}
    order: Order = tuple(moved.attributes["axes"])
    made = _made_of(moved.inputs[0], order)
    ends = order[-1] >= len(order) - 2
    return made if ends and _are_stacked(moved.inputs[0]) else {}


def _are_stacked(node: Node) -> bool:
    """Is it made of the elements of products of stacked matrices alone?"""
    seen: set[Node] = set()
    open_ = [node]
    while open_:
        node = open_.pop()
        stacked = node.op.name == "matmul" and not any(_is_spread(each) for each in node.inputs)
        if node in seen or stacked or (_is_spread(node) and not node.inputs[0].rank):
            continue
        if not _free(node):
            return False
        seen.add(node)
        open_ += node.inputs
    return True


def _is_spread(node: Node) -> bool:
    return node.op.name == "broadcast"


def _free(node: Node) -> bool:
    """Can it be made in any order?"""
    return node.op.elementwise and node.op.name not in PLAIN


def needed(graph: Graph) -> dict[int, Order]:
    """The orders that there is no choice of: a convolution writes in its own."""
    convolved = [n for n in toposort(graph.results) if n.op.name in CONVOLUTIONS[:2]]
    return {id(node): rows_first(node.rank) for node in convolved}


def _images(node: Node) -> int:
    """How many of a convolution's operands are images; the rest are filters."""
    return 2 if node.op.name == "convolve_filters" else 1


def _order(node: Node, order_of: Mapping[int, Order], wished: set[int]) -> Order:
    name, rank = node.op.name, node.rank
    if name == "item":
        return plain(rank)
    given = [order_of.get(id(each), plain(each.rank)) for each in node.inputs]
    if name in ("convolve", "convolve_input"):
        return rows_first(rank)
    if name in VIEWS:
        return order_of_view(node, given[0]) or _flat(node, given[0])
    if _free(node) or name == "added_along" or name in FOLLOWING:
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


def _flat(node: Node, order: Order) -> Order:
    """Of features copied from images [b, ...]: a feature a row, as the images' rows run."""
    (x,) = node.inputs
    rows = node.rank == 2 < x.rank and order[-1] == 0 and node.shape[0] == x.shape[0]
    return (1, 0) if rows else plain(node.rank)


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


def only_splits(reshape: Node) -> bool:
    """Is each axis of what it makes one of before or a part of one?"""
    groups = _groups(reshape.inputs[0].shape, reshape.shape)
    return groups is not None and all(len(before) == 1 for before, _ in groups)


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
