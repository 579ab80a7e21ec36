"""How NumPy runs each primitive: one row each, in the order of the families. Plans nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from specc.backends.numpy.kernel import Kernel, Site, Write, no, yes
from specc.backends.numpy.layout import Order, only_splits, order_of_view, plain
from specc.backends.numpy.runtime import SHORT_ROW, STRIPPED, UNPACKED
from specc.backends.numpy.scan import scan
from specc.backends.numpy.window_kernels import window_kernels
from specc.ir import Extent, Node, Type
from specc.ir.size import axes, evaluate, product

SHORT = 8  # a reduction calls its loop once a row: over fewer elements, whole slices are quicker
ASSUMED = 64  # a dynamic axis' length where it decides what may be worth while
LONG_ROW = 64  # elements: from there on a product with ones adds up a row faster than a sum does
COLUMNS = (
    8192  # elements of short rows that are turned at a time: with what they are made of, 64 KB
)
BLOCK = 8192  # elements that erf works on at a time: five rows of them stay in the cache


# ── elementwise ──────────────────────────────────────────────────────────────────────────────────
def ufunc(name: str, infix: str = "") -> Kernel:
    """A NumPy ufunc; a result without axes is written infix where Python has a sign for it."""

    def scalar(s: Site) -> str:
        return infix.format(*s.inputs) if infix else f"np.{name}({', '.join(s.inputs)})"

    return elementwise(lambda s: [f"np.{name}({', '.join(s.inputs)}, out={s.out})"], scalar)


def elementwise(write: Write, scalar: Callable[[Site], str]) -> Kernel:
    return Kernel(write, scalar, in_place=(0, 1), broadcasts=yes)


def extreme(name: str) -> Kernel:
    """NumPy's loop over two arrays uses vector instructions, that over an array and a number none:
    a row of zeros is read 3.5 times as fast as the number 0 is compared with (64 x 128 floats).
    """

    def write(s: Site) -> list[str]:
        operands = ", ".join(s.filled(index) for index in range(2))
        return [f"np.{name}({operands}, out={s.out})"]

    return elementwise(write, lambda s: f"np.{name}({', '.join(s.inputs)})")


def _sigmoid(s: Site) -> list[str]:
    # exp may overflow to inf: then the quotient is 0, which is right.
    (x,), out = s.inputs, s.out
    return [
        f"np.negative({x}, out={out})",
        f"np.exp({out}, out={out})",
        f"np.add({out}, 1, out={out})",
        f"np.reciprocal({out}, out={out})",
    ]


def _erf(s: Site) -> list[str]:
    return [f"{s.use('erf')}({s.inputs[0]}, {s.out}, {s.scratch[0]})"]


def _erf_scalar(s: Site) -> str:
    return f"{s.use('erf_number')}({s.inputs[0]})"


def _where(s: Site) -> list[str]:
    condition, a, b = s.inputs
    out = s.out
    if s.node.dtype == "bool":
        return [
            f"np.logical_xor({a}, {b}, out={out})",
            f"np.logical_and({out}, {condition}, out={out})",
            f"np.logical_xor({out}, {b}, out={out})",
        ]
    a, b, out = s.bits(1), s.bits(2), s.bits(-1)
    if b == "0":
        return [f"np.multiply({a}, {condition}, out={out})"]
    if a == "0":
        return [
            f"np.multiply({b}, {condition}, out={out})",
            f"np.bitwise_xor({out}, {b}, out={out})",
        ]
    return [f"{s.use('select')}({condition}, {a}, {b}, {out})"]


def _where_scalar(s: Site) -> str:
    return "{1} if {0} else {2}".format(*s.inputs)


def _cast(s: Site) -> list[str]:
    if s.node.dtype == "bool":
        return [f"np.not_equal({s.inputs[0]}, 0, out={s.out})"]
    return [f'np.copyto({s.out}, {s.inputs[0]}, casting="unsafe")']


def _cast_scalar(s: Site) -> str:
    return f"{s.dtype(s.node.dtype)}({s.inputs[0]})"


# ── reduce ───────────────────────────────────────────────────────────────────────────────────────
def reduction(ufunc: str) -> Kernel:
    """Over `axes`; over all of them to a scalar, and over none of them to the same."""
    return Kernel(
        lambda s: [f"np.{ufunc}.reduce({s.inputs[0]}, {_axes(s)}, out={s.out})"],
        lambda s: f"np.{ufunc}.reduce({s.inputs[0]}, None)",
        alias=lambda node: not node.attributes["axes"],
    )


def _axes(s: Site) -> str:
    axes = s.node.attributes["axes"]
    return repr(axes[0] if len(axes) == 1 else axes)


def _sum(s: Site) -> list[str]:
    product_ = _with_ones(s)
    return [product_] if product_ else [f"np.add.reduce({s.inputs[0]}, {_axes(s)}, out={s.out})"]


def _with_ones(s: Site) -> str | None:
    """Down the rows of a matrix, or along its rows where those lie as columns, as a product with
    ones: 0.25 to 0.9 of the time of a sum, for 64 x 10 to 2048 x 512 floats.
    """
    x, axes, order = s.operands[0], s.node.attributes["axes"], s.order(0)
    count = len(axes)
    if s.node.dtype != "float" or not order or s.order(-1) != plain(s.node.rank):
        return None
    if axes == (x.rank - 1,) and order == plain(x.rank) and _is_long(x.shape[-1]):
        ones = s.view("1.0", f"np.ones({s.extent(x.shape[-1])}, F)")
        return f"np.vecdot({s.inputs[0]}, {ones}, out={s.out})"
    if order == (1, 0) and axes == (1,):
        ones = s.view("1.0", f"np.ones({s.extent(x.shape[1])}, F)")
        return f"np.dot({s.inputs[0]}, {ones}, out={s.out})"
    if axes != tuple(range(count)) or x.rank != count + 1:
        return None
    if order not in (plain(x.rank), (1, 0)):
        return None
    rows, name = product(tuple(x.shape[:-1])), s.inputs[0]
    if count > 1:
        name = s.view(name, f"{{}}.reshape({s.shape((rows, x.shape[-1]))})")
    return f"np.dot({s.view('1.0', f'np.ones({s.extent(rows)}, F)')}, {name}, out={s.out})"


def _is_long(extent: Extent) -> bool:
    return isinstance(extent, int) and extent >= LONG_ROW


def over_axis(call: str) -> Kernel:
    return Kernel(
        lambda s: [f"{call}({s.inputs[0]}, {s.node.attributes['axis']!r}, out={s.out})"],
        lambda s: f"{call}({s.inputs[0]}, {s.node.attributes['axis']!r})",
    )


def _max(s: Site) -> list[str]:
    axis = s.node.attributes["axis"]
    extent = s.operands[0].shape[axis]
    if not (isinstance(extent, int) and axis and 2 <= extent <= SHORT):
        return [_row_maxima(s) or f"np.maximum.reduce({s.inputs[0]}, {axis!r}, out={s.out})"]
    before = ":, " * axis
    parts = [s.view(s.inputs[0], f"{{}}[{before}{at!r}]") for at in range(extent)]
    lines = [f"np.maximum({parts[0]}, {parts[1]}, out={s.out})"]
    return lines + [f"np.maximum({s.out}, {part}, out={s.out})" for part in parts[2:]]


def _row_maxima(s: Site) -> str | None:
    """Of rows that may be short, as far as is known here."""
    x, plainly = s.operands[0], plain(s.operands[0].rank)
    length = x.shape[-1]
    short = not isinstance(length, int) or length <= SHORT_ROW
    rows = s.node.attributes["axis"] == x.rank - 1 and x.dtype == "float"
    if not (short and rows and s.order(0) == plainly and s.order(-1) == plainly[:-1]):
        return None
    columns = s.early("columns", f"np.empty({COLUMNS}, F)")
    return f"{s.use('row_maxima')}({s.inputs[0]}, {s.out}, {columns})"


# ── movement ─────────────────────────────────────────────────────────────────────────────────────
def _ones_aside(shape: Sequence[Extent]) -> tuple[Extent, ...]:
    return tuple(extent for extent in shape if extent != 1)


def _reshape_views(node: Node, order: Order | None) -> bool | None:
    """A view where nothing moves: of a dense array, where only axes of 1 come and go, or where
    axes of a part are cut in two: a product's heads are read where they lie.
    """
    if order is not None and order_of_view(node, order) is not None:
        return True
    (x,) = node.inputs
    same = _ones_aside(node.shape) == _ones_aside(x.shape)
    part = x.op.name == "slice" and all(step == 1 for step in x.attributes["steps"])
    return False if x.rank and (same or (part and only_splits(node))) else None


def _reshape(s: Site) -> list[str]:
    if not s.operands[0].rank:
        return [f"{s.out}.fill({s.inputs[0]})"]
    target = s.view(s.out, f"{{}}.reshape({s.shape(s.operands[0].shape)})")
    return [f"np.copyto({target}, {s.inputs[0]})"]


def _as_dense(_: Node, order: Order | None) -> bool:
    return order is not None


def _permute(s: Site) -> str:
    axes = s.node.attributes["axes"]
    return "{}.T" if axes == (1, 0) else f"{{}}.transpose({axes!r})"


def _broadcast(s: Site) -> list[str]:
    return [f"np.copyto({s.out}, {s.inputs[0]})"]


def _slices(
    s: Site,
    shape: Sequence[Extent],
    starts: Sequence[Extent],
    stops: Sequence[Extent],
    steps: Sequence[Extent],
) -> str:
    parts: list[str] = []
    for start, stop, step, extent in zip(starts, stops, steps, shape, strict=True):
        whole = start == 0 and stop == extent
        part = ":" if whole else f"{s.extent(start)}:{s.extent(stop)}"
        parts.append(part if step == 1 else f"{part}:{s.extent(step)}".replace(":::", "::"))
    return ", ".join(parts)


def _slice(s: Site) -> str:
    at = s.node.attributes
    return f"{{}}[{_slices(s, s.operands[0].shape, at['starts'], at['stops'], at['steps'])}]"


def _slice_views(node: Node, order: Order | None) -> bool:
    """Dense still where no axis but the outermost is cut short, and that one without steps."""
    if order is None:
        return False
    pairs = zip(node.shape, node.inputs[0].shape, strict=True)
    cut = [axis for axis, (new, old) in enumerate(pairs) if new != old]
    return cut in ([], [order[0]]) and node.attributes["steps"][order[0]] == 1


def _pad(s: Site) -> list[str]:
    starts, ones = s.node.attributes["low"], (1,) * s.node.rank
    stops = [low + extent for low, extent in zip(starts, s.operands[0].shape, strict=True)]
    inside = s.view(s.out, f"{{}}[{_slices(s, s.node.shape, starts, stops, ones)}]")
    frame = s.view(s.out, f"{s.use('frame_of')}({{}}, {s.shape(starts)}, {s.shape(stops)})")
    value = s.number(s.node.attributes["value"], s.node.dtype)
    return [
        f"for side in {frame}:",
        f"    side.fill({value})",
        f"np.copyto({inside}, {s.inputs[0]})",
    ]


def _unpadded(node: Node) -> bool:
    return all(each == 0 for each in (*node.attributes["low"], *node.attributes["high"]))


def _concat(s: Site) -> list[str]:
    joined = f"({', '.join(s.inputs)},)"
    return [f"np.concatenate({joined}, {s.node.attributes['axis']!r}, out={s.out})"]


# ── creation ─────────────────────────────────────────────────────────────────────────────────────
def _iota(s: Site) -> list[str]:
    return [f"np.copyto({s.out}, np.arange({s.extent(s.node.attributes['length'])}))"]


def _size(s: Site) -> str:
    return f"np.int64({s.extent(s.node.attributes['extent'])})"


# ── linear ───────────────────────────────────────────────────────────────────────────────────────
def _matmul(s: Site) -> list[str]:
    return _in_strips(s) or _whole_product(s)


def _whole_product(s: Site) -> list[str]:
    a, b = s.operands
    left, right = s.inputs
    out = s.out
    if a.rank > 2 and b.rank == 2 and s.contiguous(0) and s.order(-1) == plain(s.node.rank):
        # One product of all the rows, instead of one for each matrix of the stack.
        rows = product(a.shape[:-1])
        left = s.view(left, f"{{}}.reshape({s.shape((rows, a.shape[-1]))})")
        out = s.view(out, f"{{}}.reshape({s.shape((rows, b.shape[-1]))})")
    return [f"np.matmul({left}, {right}, out={out})"]


def _in_strips(s: Site) -> list[str] | None:
    """The rows of the result as it lies, some at a time: small products that OpenBLAS packs nothing
    for. That pays on one thread, where what isn't cut lies plainly.
    """
    (a, b), (left, right), out, plainly = s.operands, s.inputs, s.out, plain(2)
    if s.threads != 1 or a.rank != 2 or b.rank != 2 or not stripped(s.node):
        return None
    cut, whole, depth = 0, 1, a.shape[1]
    if s.order(-1) != plainly:  # (a @ b).T = b.T @ a.T
        cut, whole, plainly = 1, 0, (1, 0)
        left, right, out = (s.view(name, "{}.T") for name in (right, left, out))
    if s.order(whole) != plainly or s.order(cut) is None or s.order(-1) != plainly:
        return None
    rows, columns = s.extent(s.operands[cut].shape[cut]), s.operands[whole].shape[whole]
    factors = s.extent(product((depth, columns)))
    count = s.early("strips", f"{s.use('strips')}({rows}, {factors})")
    left, out = (
        s.view(name, f"{{}}.reshape({count}, {rows} // {count}, {s.extent(extent)})")
        for name, extent in ((left, depth), (out, columns))
    )
    return [f"np.matmul({left}, {right}, out={out})"]


def stripped(node: Node) -> bool:
    """May the product be worth cutting, where a dynamic axis is from a quarter to four times as
    long as it is assumed to be?
    """
    size = product((*node.shape, node.inputs[0].shape[-1]))
    count = evaluate(size, dict.fromkeys(axes(size), ASSUMED))
    spread = 1 if isinstance(size, int) else 4
    return spread * count > UNPACKED and count <= spread * STRIPPED


def _same_matrices(source: Node, operand: Node) -> bool:
    return source.rank >= 2 and source.shape[-2:] == operand.shape[-2:]


# ── sums of products ─────────────────────────────────────────────────────────────────────────────
def _rows_of(s: Site, index: int, order: Order, count: int) -> str:
    """A dense operand as a matrix, its innermost `count` axes in a row."""
    shape = [s.operands[index].shape[axis] for axis in order]
    kept, summed = product(tuple(shape[:-count])), product(tuple(shape[-count:]))
    text = "{}" if order == plain(len(order)) else f"{{}}.transpose({order!r})"
    return s.view(s.inputs[index], f"{text}.reshape({s.shape((kept, summed))})")


def _dot(s: Site) -> list[str]:
    axes: tuple[int, ...] = s.node.attributes["axes"]
    order, count = s.order(0), len(axes)
    rows = plain(s.operands[0].rank)
    if axes == rows[-1:] and order == s.order(1) == rows and s.order(-1) == rows[:-1]:
        return [f"np.vecdot({s.inputs[0]}, {s.inputs[1]}, out={s.out})"]
    if order and order == s.order(1) and set(order[-count:]) == set(axes):
        kept = order[:-count]
        if kept == tuple(sorted(kept)) and s.order(-1) == plain(s.node.rank):
            a, b = (_rows_of(s, index, order, count) for index in (0, 1))
            out = s.view(s.out, f"{{}}.reshape({s.shape((product(s.node.shape),))})")
            return [f"np.vecdot({a}, {b}, out={out})"]
    letters = "abcdefghijklmnopqrstuvwxyz"[: s.operands[0].rank]
    left = "".join(letter for axis, letter in enumerate(letters) if axis not in axes)
    return [f"np.einsum('{letters},{letters}->{left}', {s.inputs[0]}, {s.inputs[1]}, out={s.out})"]


def _dot_scalar(s: Site) -> str:
    order = s.order(0)
    if order and order == s.order(1):
        turned = "" if order == plain(len(order)) else f".transpose({order!r})"
        row = f"{{}}{turned}.reshape(-1)"
        a, b = (name if len(order) == 1 else s.view(name, row) for name in s.inputs)
        return f"np.dot({a}, {b})"
    return f"np.vdot({s.inputs[0]}, {s.inputs[1]})"


# ── indexing ─────────────────────────────────────────────────────────────────────────────────────
def _checked(s: Site, index: int, count: Extent) -> list[str]:
    if s.checked(index, count):
        return []
    return [f"{s.use('check')}({s.inputs[index]}, {s.extent(count)}, {s.place()})"]


def _flat(s: Site, name: str, order: Order | None) -> str | None:
    """A name for the elements in a row as they lie, where the last axis is in- or outermost."""
    if order == plain(s.node.rank):
        return s.view(name, "{}.reshape(-1)")
    return s.view(name, "{}.T.reshape(-1)") if order == (1, 0) else None


def _flat_places(s: Site, index: int, shape: Sequence[Extent], order: Order | None) -> list[str]:
    """Makes scratch of the places in such a row that indices along the last axis mean."""
    if order == plain(len(shape)):
        starts = f"{s.use('row_starts')}({{}}, {s.extent(shape[-1])})"
        return [f"np.add({s.inputs[index]}, {s.view(s.scratch[0], starts)}, out={s.scratch[0]})"]
    columns = s.view(s.scratch[0], f"{s.use('row_starts')}({{}}, 1)")
    return [
        f"np.multiply({s.inputs[index]}, {s.extent(shape[0])}, out={s.scratch[0]})",
        f"np.add({s.scratch[0]}, {columns}, out={s.scratch[0]})",
    ]


def _places_of(index: int) -> Callable[[Node], Sequence[Type]]:
    return lambda node: (Type("int", node.inputs[index].shape),)


def _take(s: Site) -> list[str]:
    x, index = s.inputs
    return [
        *_checked(s, 1, s.operands[0].shape[0]),
        f'{x}.take({index}, 0, out={s.out}, mode="clip")',
    ]


def _take_scalar(s: Site) -> str:
    x, index = s.inputs
    return f"{s.use('pick')}({x}, {index}, {s.extent(s.operands[0].shape[0])}, {s.place()})"


def _take_along(s: Site) -> list[str]:
    (x, index), axis = s.inputs, s.node.attributes["axis"]
    shape, order = s.operands[0].shape, s.order(0)
    flat = _flat(s, x, order) if axis == s.node.rank - 1 else None
    if flat:
        return [
            *_checked(s, 1, shape[-1]),
            *_flat_places(s, 1, shape, order),
            f'{flat}.take({s.scratch[0]}, out={s.out}, mode="clip")',
        ]
    return [
        *_checked(s, 1, shape[axis]),
        f"np.copyto({s.out}, {x}[{s.use('along')}({index}, {axis!r})])",
    ]


def _add_at(s: Site) -> list[str]:
    index, updates = s.inputs
    arguments = ", ".join([index, updates, s.out, *s.scratch])
    return [
        *_checked(s, 0, s.node.attributes["length"]),
        f"{s.use('add_at')}({arguments})",
    ]


def _rows(node: Node) -> Sequence[Type]:
    index, updates = node.inputs
    rows = Type(updates.dtype, (product(index.shape), product(updates.shape[index.rank :])))
    return (rows, rows)


def _add_along(s: Site) -> list[str]:
    (index, updates), axis = s.inputs, s.node.attributes["axis"]
    order, length = s.order(-1), s.node.attributes["length"]
    alone = axis == s.node.rank - 1 and s.operands[0].shape[-1] == 1
    flat = _flat(s, s.out, order) if alone else None
    if flat:
        return [
            *_checked(s, 0, length),
            *_flat_places(s, 0, s.node.shape, order),
            f"{s.out}.fill(0)",
            f"{flat}[{s.scratch[0]}] = {updates}",
        ]
    return [
        *_checked(s, 0, length),
        f"{s.use('add_along')}({index}, {updates}, {axis!r}, {s.out})",
    ]


def _added_along(s: Site) -> list[str]:
    (x, index, updates), order = s.inputs, s.order(-1)
    flat = _flat(s, s.out, order)
    begin = [*_checked(s, 1, s.node.shape[-1])]
    begin += [] if x == s.out else [f"np.copyto({s.out}, {x})"]
    if flat:
        places = _flat_places(s, 1, s.node.shape, order)
        return [*begin, *places, f"{flat}[{s.scratch[0]}] += {updates}"]
    return [*begin, f"{s.out}[{s.use('along')}({index}, {s.node.rank - 1})] += {updates}"]


# ── random ───────────────────────────────────────────────────────────────────────────────────────
def _draw(s: Site) -> str:
    return f"{', '.join(s.inputs)}, {s.node.attributes['bits']!r}, {s.node.attributes['purpose']!r}"


kernels: dict[str, Kernel] = {
    # elementwise
    "neg": ufunc("negative", "-{0}"),
    "abs": ufunc("absolute", "abs({0})"),
    "sign": ufunc("sign"),
    "exp": ufunc("exp"),
    "expm1": ufunc("expm1"),
    "log": ufunc("log"),
    "log1p": ufunc("log1p"),
    "sqrt": ufunc("sqrt"),
    "sin": ufunc("sin"),
    "cos": ufunc("cos"),
    "tanh": ufunc("tanh"),
    "sigmoid": elementwise(_sigmoid, lambda s: f"1 / (1 + np.exp(-{s.inputs[0]}))"),
    "erf": Kernel(
        _erf,
        _erf_scalar,
        in_place=(0,),
        scratch=lambda node: (Type(node.dtype, (5, BLOCK)),),
    ),
    "floor": ufunc("floor"),
    "round": ufunc("rint"),
    "is_finite": ufunc("isfinite"),
    "not": ufunc("logical_not"),
    "add": ufunc("add", "{0} + {1}"),
    "subtract": ufunc("subtract", "{0} - {1}"),
    "multiply": ufunc("multiply", "{0} * {1}"),
    "divide": ufunc("divide", "{0} / {1}"),
    "floor_divide": ufunc("floor_divide", "{0} // {1}"),
    "remainder": ufunc("remainder", "{0} % {1}"),
    "power": ufunc("power", "{0} ** {1}"),
    "maximum": extreme("maximum"),
    "minimum": extreme("minimum"),
    "equal": ufunc("equal", "{0} == {1}"),
    "less": ufunc("less", "{0} < {1}"),
    "less_equal": ufunc("less_equal", "{0} <= {1}"),
    "and": ufunc("logical_and"),
    "or": ufunc("logical_or"),
    "where": Kernel(_where, _where_scalar, in_place=(1,), broadcasts=yes),
    "cast": Kernel(_cast, _cast_scalar, broadcasts=yes),
    "stop_gradient": Kernel(alias=yes),
    # reduce
    "sum": replace(reduction("add"), write=_sum),
    "max": Kernel(_max, over_axis("np.maximum.reduce").scalar),
    "argmax": over_axis("np.argmax"),
    "any": reduction("logical_or"),
    "cumulative_sum": over_axis("np.cumsum"),
    "dot": Kernel(_dot, _dot_scalar),
    # movement
    "reshape": Kernel(
        _reshape,
        lambda s: f"{s.inputs[0]}.reshape(())[()]",
        lambda s: f"{{}}.reshape({s.shape(s.node.shape)})",
        _reshape_views,
        alias=lambda node: node.shape == node.inputs[0].shape,
    ),
    "permute": Kernel(
        view=_permute,
        views=_as_dense,
        alias=lambda node: node.attributes["axes"] == tuple(range(node.rank)),
    ),
    "broadcast": Kernel(
        _broadcast,
        view=lambda s: f"np.broadcast_to({{}}, {s.shape(s.node.shape)})",
        views=no,
        alias=lambda node: node.shape == node.inputs[0].shape,
    ),
    "slice": Kernel(
        view=_slice,
        views=_slice_views,
        alias=lambda node: not node.rank,
    ),
    "pad": Kernel(_pad, alias=_unpadded),
    "concat": Kernel(_concat, alias=lambda node: len(node.inputs) == 1),
    # creation: `input` and `constant` have no lines of their own, the plan places them
    "input": Kernel(),
    "constant": Kernel(),
    "iota": Kernel(_iota),
    "size": Kernel(scalar=_size),
    # linear
    "matmul": Kernel(_matmul, broadcasts=_same_matrices),
    # window
    **window_kernels,
    # indexing
    "take": Kernel(_take, _take_scalar),
    "take_along_axis": Kernel(_take_along, scratch=_places_of(1)),
    "add_at": Kernel(_add_at, scratch=_rows),
    "add_along": Kernel(_add_along, scratch=_places_of(0)),
    "added_along": Kernel(_added_along, in_place=(0,), scratch=_places_of(1)),
    # random
    "random_bits": Kernel(
        lambda s: [f"{s.use('random_bits')}({_draw(s)}, {s.out}, {s.scratch[0]})"],
        lambda s: f"{s.use('random_number')}({_draw(s)})",
        scratch=lambda _: (Type("int", (8, 4096)),),  # rounds of 4096 blocks stay in the cache
    ),
    # control: calls are inlined before a program is made; an item's memory is filled by its scan
    "call": Kernel(),
    "item": Kernel(),
    "scan": Kernel(scan),
}
COPY = Kernel(lambda s: [f"np.copyto({s.out}, {s.inputs[0]})"])
FILL = Kernel(lambda s: [f"{s.out}.fill({s.inputs[0]})"])
