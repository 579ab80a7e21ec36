"""Each primitive as an expression of torch, in the order of the families. Writes no statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from specc.backends.torch.value import listed
from specc.ir import Extent

if TYPE_CHECKING:
    from specc.backends.torch.write import Block

Row = Callable[["Block"], str]
LOOSE = "loose "  # what begins with it needs brackets as an operand


def infix(symbol: str) -> Row:
    return lambda s: f"{LOOSE}{s.a} {symbol} {s.b}"


def method(name: str) -> Row:
    return lambda s: f"{s.a}.{name}()"


def function(name: str) -> Row:
    """A function of tensors alone: what is a Python number becomes one."""
    return lambda s: f"{name}({s.tensor(0)}, {s.tensor(1)})"


def _where(s: Block) -> str:
    both = s.values[1].host and s.values[2].host
    return f"torch.where({s[0]}, {s.tensor(1) if both else s[1]}, {s[2]})"


def _cast(s: Block) -> str:
    return f"{s.a}.to({s.dtype(s.node.dtype)})"


def _sum(s: Block) -> str:
    axes: tuple[int, ...] = s.attributes["axes"]
    if not axes:
        return s.full(0)
    return f"{s.full(0)}.sum({_axes(axes, s.operands[0].rank)})"


def _axes(axes: Sequence[int], rank: int) -> str:
    if len(axes) == rank:
        return ""
    return repr(axes[0]) if len(axes) == 1 else repr(tuple(axes))


def _max(s: Block) -> str:
    axis = s.attributes["axis"]
    if s.cut_off:  # no gradient goes through, so it need not be the first's
        return f"{s.full(0)}.amax({axis})"
    return f"{s.full(0)}.max({axis}).values"


def _any(s: Block) -> str:
    axes = s.attributes["axes"]
    return f"{s.full(0)}.any({_axes(axes, s.operands[0].rank)})" if axes else s.full(0)


def _reshape(s: Block) -> str:
    shape: tuple[Extent, ...] = s.attributes["shape"]
    dynamic = [extent for extent in shape if not isinstance(extent, int)]
    if len(dynamic) == 1 and all(shape):
        return (
            f"{s.full(0)}.reshape({', '.join('-1' if e is dynamic[0] else str(e) for e in shape)})"
        )
    return f"{s.full(0)}.reshape({s.shape(shape)})"


def _permute(s: Block) -> str:
    axes: tuple[int, ...] = s.attributes["axes"]
    rank = len(axes)
    if axes == (*range(rank - 2), rank - 1, rank - 2):
        return f"{s.full(0)}.mT"
    return f"{s.full(0)}.permute({', '.join(map(str, axes))})"


def _slice(s: Block) -> str:
    keys = (s.attributes[key] for key in ("starts", "stops", "steps"))
    parts: list[str] = []
    for start, stop, step, extent in zip(*keys, s.operands[0].shape, strict=True):
        first = "" if start == 0 else s.extent(start)
        last = "" if stop == extent else s.extent(stop)
        parts.append(f"{first}:{last}" + ("" if step == 1 else f":{s.extent(step)}"))
    while parts and parts[-1] == ":":
        parts.pop()
    return f"{s.full(0)}[{', '.join(parts)}]" if parts else s.full(0)


def _pad(s: Block) -> str:
    sides = list(zip(s.attributes["low"], s.attributes["high"], strict=True))
    while sides and sides[0] == (0, 0):
        del sides[0]
    if not sides:
        return s.full(0)
    flat = ", ".join(s.extent(each) for pair in reversed(sides) for each in pair)
    return f"F.pad({s.full(0)}, ({flat}), value={s.number(s.attributes['value'])})"


def _concat(s: Block) -> str:
    parts = listed([s.full(place) for place in range(len(s.values))])
    return f"torch.cat({parts}, {s.attributes['axis']})"


def _constant(s: Block) -> str:
    value = s.rows(s.attributes["value"])
    made = f"torch.tensor({value}, dtype={s.dtype(s.node.dtype)}{s.device})"
    return made + (f".reshape({s.shape(s.node.shape)})" if 0 in s.node.shape else "")


def _iota(s: Block) -> str:
    return f"torch.arange({s.extent(s.attributes['length'])}{s.device})"


def _windows(s: Block) -> str:
    text = s.full(0)
    keys = (s.attributes[key] for key in ("axes", "sizes", "strides", "dilations"))
    for axis, size, stride, dilation in zip(*keys, strict=True):
        if dilation == 1:
            text = f"{text}.unfold({axis}, {size}, {stride})"
        else:
            text = f"{s.use('clear_windows')}({text}, {axis}, {size}, {stride}, {dilation})"
    return text


def _overlap_add(s: Block) -> str:
    steps = f"{s.attributes['strides']}, {s.attributes['dilations']}"
    extents = listed([s.extent(each) for each in s.attributes["extents"]])
    return f"{s.use('overlap_add')}({s.full(0)}, {s.attributes['axes']}, {extents}, {steps})"


def _take(s: Block) -> str:
    if s.operands[0].rank == 2 and s.operands[0].dtype == "float":
        return f"F.embedding({s.full(1)}, {s.full(0)})"
    return f"{s.use('rows_of')}({s.full(0)}, {s.full(1)})"


def _take_along(s: Block) -> str:
    return f"torch.gather({s.full(0)}, {s.attributes['axis']}, {s.full(1)})"


def _add_at(s: Block) -> str:
    length = s.extent(s.attributes["length"])
    return f"{s.use('add_rows')}({s.full(0)}, {s.full(1)}, {length})"


def _add_along(s: Block) -> str:
    to = f"{s.attributes['axis']}, {s.extent(s.attributes['length'])}"
    return f"{s.use('add_along')}({s.full(0)}, {s.full(1)}, {to})"


def _random_bits(s: Block) -> str:
    shape = listed([s.extent(each) for each in s.attributes["shape"]])
    rest = f"{s.attributes['bits']}, {shape}, {s.attributes['purpose']}"
    if s.operands[0].op.name == "input" and s.operands[0].attributes["role"] == "key":
        return f"{s.use('random_bits')}({s[1]}, {rest}{s.device})"
    return f"{s.use('keyed_bits')}({s.full(0)}, {s[1]}, {rest})"


rows: Mapping[str, Row] = {
    # elementwise, one input
    "neg": lambda s: f"{LOOSE}-{s.a}",
    "abs": method("abs"),
    "sign": method("sign"),
    "exp": method("exp"),
    "expm1": method("expm1"),
    "log": method("log"),
    "log1p": method("log1p"),
    "sqrt": method("sqrt"),
    "sin": method("sin"),
    "cos": method("cos"),
    "tanh": method("tanh"),
    "sigmoid": method("sigmoid"),
    "erf": method("erf"),
    "floor": method("floor"),
    "round": method("round"),
    "is_finite": method("isfinite"),
    "not": lambda s: f"{LOOSE}~{s.a}",
    # elementwise, two inputs
    "add": infix("+"),
    "subtract": infix("-"),
    "multiply": infix("*"),
    "divide": infix("/"),
    "floor_divide": lambda s: f"torch.div({s[0]}, {s[1]}, rounding_mode='floor')",
    "remainder": infix("%"),
    "power": infix("**"),
    "maximum": function("torch.maximum"),
    "minimum": function("torch.minimum"),
    "equal": infix("=="),
    "less": infix("<"),
    "less_equal": infix("<="),
    "and": infix("&"),
    "or": infix("|"),
    # elementwise, the others
    "where": _where,
    "cast": _cast,
    "stop_gradient": method("detach"),
    # reduce
    "sum": _sum,
    "max": _max,
    "argmax": lambda s: f"{s.full(0)}.argmax({s.attributes['axis']})",
    "any": _any,
    "cumulative_sum": lambda s: f"{s.full(0)}.cumsum({s.attributes['axis']})",
    # movement
    "reshape": _reshape,
    "permute": _permute,
    "broadcast": lambda s: s.full(0),
    "slice": _slice,
    "pad": _pad,
    "concat": _concat,
    # creation
    "constant": _constant,
    "iota": _iota,
    "size": lambda s: s.extent(s.attributes["extent"]),
    # linear
    "matmul": lambda s: f"{LOOSE}{s.full(0)} @ {s.full(1)}",
    # window
    "windows": _windows,
    "overlap_add": _overlap_add,
    # indexing
    "take": _take,
    "take_along_axis": _take_along,
    "add_at": _add_at,
    "add_along": _add_along,
    # random
    "random_bits": _random_bits,
}


def real(name: str) -> Row:
    return lambda s: f"{s.use('real')}(math.{name}, {s[0]})"


def helper(name: str) -> Row:
    return lambda s: f"{s.use(name)}({', '.join(value.text for value in s.values)})"


def logarithm(s: Block) -> str:
    return f"{s.use('logarithm')}({s[0]})"


def logarithm1p(s: Block) -> str:
    return f"{s.use('logarithm')}({s[0]}, math.log1p, -1.0)"


def divided(symbol: str, safe: str) -> Row:
    """An operator of Python where the divisor is a number that is not 0."""

    def row(s: Block) -> str:
        plain = s.b.strip("(-)").replace(".", "", 1).isdigit() and float(s.b.strip("()"))
        return f"{LOOSE}{s.a} {symbol} {s.b}" if plain else f"{s.use(safe)}({s[0]}, {s[1]})"

    return row


# What Python computes of Python numbers: exact scalars, sizes, the optimizers' rates.
host_rows: Mapping[str, Row] = {
    "neg": lambda s: f"{LOOSE}-{s.a}",
    "abs": lambda s: f"abs({s[0]})",
    "sign": helper("sign_of"),
    "exp": real("exp"),
    "expm1": real("expm1"),
    "log": logarithm,
    "log1p": logarithm1p,
    "sqrt": real("sqrt"),
    "sin": real("sin"),
    "cos": real("cos"),
    "tanh": lambda s: f"math.tanh({s[0]})",
    "sigmoid": helper("logistic"),
    "erf": lambda s: f"math.erf({s[0]})",
    "floor": lambda s: f"{s.a} // 1.0",
    "round": lambda s: f"round({s[0]}, 0)",
    "is_finite": lambda s: f"math.isfinite({s[0]})",
    "not": lambda s: f"{LOOSE}not {s.a}",
    "add": infix("+"),
    "subtract": infix("-"),
    "multiply": infix("*"),
    "divide": divided("/", "ratio"),
    "floor_divide": divided("//", "quotient"),
    "remainder": divided("%", "rest"),
    "power": helper("power"),
    "maximum": lambda s: f"max({s[0]}, {s[1]})",
    "minimum": lambda s: f"min({s[0]}, {s[1]})",
    "equal": infix("=="),
    "less": infix("<"),
    "less_equal": infix("<="),
    "and": infix("and"),
    "or": infix("or"),
    "where": lambda s: f"{LOOSE}{s[1]} if {s[0]} else {s[2]}",
    "stop_gradient": lambda s: s[0],
}
