"""What simplifies to what: a rule a line, by operation. Each is exact; none looks far.

A rule takes a node whose inputs are simple and gives what stands in its place, or None; what it
emits is simplified in its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from specc.ir import Extent, Graph, Node, Tuple, constant, emit
from specc.ops import registry
from specc.passes.folding import convert, fold

Rule = Callable[[Node], Node | None]


# ── looking ──────────────────────────────────────────────────────────────────────────────────────
def is_(node: Node, name: str) -> bool:
    return node.op.name == name


def scalar(node: Node) -> Any:
    """The number that every element equals; None where it isn't one known now."""
    if is_(node, "broadcast"):
        node = node.inputs[0]
    if is_(node, "constant") and not node.shape:
        return node.attributes["value"]
    return None


def equals(node: Node, number: float) -> bool:
    """Every element is this very number; 0.0 and -0.0 are two."""
    value = scalar(node)
    return value is not None and value == number and str(float(value)) == str(float(number))


def source_if(node: Node, name: str) -> Node | None:
    """What the node applies the operation to, if it does."""
    return node.inputs[0] if is_(node, name) else None


# ── elementwise ──────────────────────────────────────────────────────────────────────────────────
def across_broadcasts(node: Node) -> Node | None:
    """f(broadcast a, broadcast b) → broadcast f(a, b), where a and b have one shape."""
    sources: list[Node] = []
    for each in node.inputs:
        if not is_(each, "broadcast"):
            return None
        sources.append(each.inputs[0])
    if any(source.shape != sources[0].shape for source in sources[1:]):
        return None
    return emit("broadcast", emit(node.op.name, *sources, **node.attributes), shape=node.shape)


def folded(node: Node) -> Node | None:
    """f(1, 2) → 3"""
    if node.shape or not all(is_(each, "constant") for each in node.inputs):
        return None
    value = fold(node.op.name, list(node.inputs), node.dtype)
    return None if value is None else emit("constant", value=value, dtype=node.dtype)


def twice(name: str) -> Rule:
    """f(f(x)) → x"""
    return lambda node: source_if(node.inputs[0], name)


def settled(name: str) -> Rule:
    """f(f(x)) → f(x)"""
    return lambda node: node.inputs[0] if is_(node.inputs[0], name) else None


def unless(number: float, place: int = 1) -> Rule:
    """f(x, number) → x"""
    return lambda node: node.inputs[1 - place] if equals(node.inputs[place], number) else None


def unless_either(number: float) -> tuple[Rule, Rule]:
    """f(x, number) → x;  f(number, x) → x"""
    return unless(number, 1), unless(number, 0)


def decided_by(number: float) -> tuple[Rule, Rule]:
    """f(x, number) → number;  f(number, x) → number"""

    def at(place: int) -> Rule:
        return lambda node: node.inputs[place] if equals(node.inputs[place], number) else None

    return at(1), at(0)


def idempotent(node: Node) -> Node | None:
    """f(x, x) → x"""
    return node.inputs[0] if node.inputs[0] is node.inputs[1] else None


def for_ints(rule: Rule) -> Rule:
    """Holds for ints alone."""
    return lambda node: rule(node) if node.inputs[0].dtype == "int" else None


def reflexive(node: Node) -> Node | None:
    """x = x → true, where no NaN can be"""
    a, b = node.inputs
    return constant(True, "bool", node.shape) if a is b and a.dtype in ("int", "bool") else None


def minus_one(node: Node) -> Node | None:
    """x * -1 → -x"""
    for place in (0, 1):
        if equals(node.inputs[place], -1.0):
            return emit("neg", node.inputs[1 - place])
    return None


def power_zero(node: Node) -> Node | None:
    """x ^ 0 → 1, NaN too"""
    return constant(1.0, node.dtype, node.shape) if scalar(node.inputs[1]) == 0 else None


def abs_of_neg(node: Node) -> Node | None:
    """|-x| → |x|"""
    inner = source_if(node.inputs[0], "neg")
    return None if inner is None else emit("abs", inner)


def add_neg(node: Node) -> Node | None:
    """a + -b → a - b;  -a + b → b - a"""
    a, b = node.inputs
    if is_(b, "neg"):
        return emit("subtract", a, b.inputs[0])
    return emit("subtract", b, a.inputs[0]) if is_(a, "neg") else None


def subtract_neg(node: Node) -> Node | None:
    """a - -b → a + b"""
    a, b = node.inputs
    return emit("add", a, b.inputs[0]) if is_(b, "neg") else None


def signs_cancel(node: Node) -> Node | None:
    """-a * -b → a * b;  -a / -b → a / b"""
    a, b = node.inputs
    if not (is_(a, "neg") and is_(b, "neg")):
        return None
    return emit(node.op.name, a.inputs[0], b.inputs[0])


def where_known(node: Node) -> Node | None:
    """where(true, a, b) → a;  where(c, a, a) → a;  where(not c, a, b) → where(c, b, a)"""
    condition, a, b = node.inputs
    known = scalar(condition)
    if known is not None:
        return a if known else b
    if a is b:
        return a
    inner = source_if(condition, "not")
    return None if inner is None else emit("where", inner, b, a)


# what a cast loses nothing of
WIDER = {
    ("bool", "int"), ("bool", "float"), ("bool", "float64"), ("float", "float64"),
}  # fmt: skip


def cast_of(node: Node) -> Node | None:
    """cast(x; its own) → x;  cast(1; float) → 1.0;  cast(cast x) → cast x, where no step loses"""
    (x,) = node.inputs
    dtype = node.dtype
    if x.dtype == dtype:
        return x
    if is_(x, "constant") and not x.shape:
        value = convert(x, dtype)
        return None if value is None else emit("constant", value=value, dtype=dtype)
    if is_(x, "cast") and (x.inputs[0].dtype, x.dtype) in WIDER:
        return emit("cast", x.inputs[0], dtype=dtype)
    return None


# ── movement ─────────────────────────────────────────────────────────────────────────────────────
def unchanged(node: Node) -> Node | None:
    """f(x) → x, where f neither moves nor changes anything"""
    return node.inputs[0] if node.type == node.inputs[0].type else None


def of_uniform(node: Node) -> Node | None:
    """f(broadcast s) → broadcast s, for a scalar s that f only moves"""
    s = source_if(node.inputs[0], "broadcast")
    return None if s is None or s.shape else emit("broadcast", s, shape=node.shape)


def reshape_reshape(node: Node) -> Node | None:
    """reshape(reshape x) → reshape x"""
    inner = source_if(node.inputs[0], "reshape")
    return None if inner is None else emit("reshape", inner, shape=node.shape)


def permute_permute(node: Node) -> Node | None:
    """permute(permute x) → permute x;  permute(x; 0, 1, 2) → x"""
    axes: Sequence[int] = node.attributes["axes"]
    if list(axes) == list(range(node.rank)):
        return node.inputs[0]
    inner = source_if(node.inputs[0], "permute")
    if inner is None:
        return None
    first: Sequence[int] = node.inputs[0].attributes["axes"]
    return emit("permute", inner, axes=tuple(first[axis] for axis in axes))


def broadcast_broadcast(node: Node) -> Node | None:
    """broadcast(broadcast x) → broadcast x"""
    inner = source_if(node.inputs[0], "broadcast")
    return None if inner is None else emit("broadcast", inner, shape=node.shape)


def broadcast_reshape(node: Node) -> Node | None:
    """broadcast(reshape x), which only puts 1s before x's axes → broadcast x"""
    inner = source_if(node.inputs[0], "reshape")
    if inner is None:
        return None
    put = node.inputs[0].rank - inner.rank
    if put <= 0 or node.inputs[0].shape != (1,) * put + inner.shape:
        return None
    return emit("broadcast", inner, shape=node.shape)


def slice_slice(node: Node) -> Node | None:
    """slice(slice x) → slice x, the inner one without steps"""
    inner = source_if(node.inputs[0], "slice")
    if inner is None or any(step != 1 for step in node.inputs[0].attributes["steps"]):
        return None
    offsets: Sequence[Extent] = node.inputs[0].attributes["starts"]
    return emit(
        "slice",
        inner,
        starts=tuple(a + b for a, b in zip(offsets, node.attributes["starts"], strict=True)),
        stops=tuple(a + b for a, b in zip(offsets, node.attributes["stops"], strict=True)),
        steps=node.attributes["steps"],
    )


def pad_pad(node: Node) -> Node | None:
    """pad(pad x) → pad x, with one value"""
    inner = source_if(node.inputs[0], "pad")
    a, b = node.inputs[0].attributes, node.attributes
    if inner is None or repr(a["value"]) != repr(b["value"]):
        return None
    return emit(
        "pad",
        inner,
        low=tuple(x + y for x, y in zip(a["low"], b["low"], strict=True)),
        high=tuple(x + y for x, y in zip(a["high"], b["high"], strict=True)),
        value=b["value"],
    )


def concat_one(node: Node) -> Node | None:
    """concat(x) → x"""
    return node.inputs[0] if len(node.inputs) == 1 else None


def reduce_nothing(node: Node) -> Node | None:
    """any(x; no axes) → x"""
    return None if node.attributes["axes"] else node.inputs[0]


def reduce_ones(node: Node) -> Node | None:
    """max(x; an axis of 1) → reshape x"""
    (x,) = node.inputs
    return emit("reshape", x, shape=node.shape) if x.shape[node.attributes["axis"]] == 1 else None


# ── creation and control ─────────────────────────────────────────────────────────────────────────
def size_known(node: Node) -> Node | None:
    """size(; 3) → 3"""
    extent = node.attributes["extent"]
    return emit("constant", value=extent, dtype="int") if isinstance(extent, int) else None


def call_forward(node: Node) -> Node | None:
    """call(x; body), which gives x itself → x"""
    body: Graph = node.attributes["body"]
    return None if isinstance(node.type, Tuple) else _passed(body, 0, node)


def item_forward(node: Node) -> Node | None:
    """item(call(x; body); i), where the body gives x itself there → x"""
    (made,) = node.inputs
    if not is_(made, "call"):
        return None
    return _passed(made.attributes["body"], node.attributes["index"], made)


def _passed(body: Graph, index: int, made: Node) -> Node | None:
    result = body.results[index]
    for place, node in enumerate(body.inputs):
        if node is result:
            return made.inputs[place]
    return None


RULES: dict[str, tuple[Rule, ...]] = {
    "neg": (folded, twice("neg")),
    "abs": (folded, settled("abs"), abs_of_neg),
    "sign": (settled("sign"),),
    "sqrt": (folded,),
    "floor": (folded, settled("floor")),
    "round": (folded, settled("round")),
    "not": (folded, twice("not")),
    "add": (folded, *unless_either(-0.0), *map(for_ints, unless_either(0)), add_neg),
    "subtract": (folded, unless(0.0), subtract_neg),
    "multiply": (folded, *unless_either(1.0), minus_one, signs_cancel),
    "divide": (folded, unless(1.0), signs_cancel),
    "floor_divide": (folded, for_ints(unless(1))),
    "remainder": (folded,),
    "power": (unless(1.0), power_zero),
    "maximum": (folded, idempotent),
    "minimum": (folded, idempotent),
    "equal": (folded, reflexive),
    "less": (folded,),
    "less_equal": (folded,),
    "and": (folded, idempotent, *unless_either(True), *decided_by(False)),
    "or": (folded, idempotent, *unless_either(False), *decided_by(True)),
    "where": (where_known,),
    "cast": (cast_of,),
    "stop_gradient": (settled("stop_gradient"),),
    "any": (reduce_nothing,),
    "max": (reduce_ones,),
    "reshape": (unchanged, reshape_reshape, of_uniform),
    "permute": (permute_permute, of_uniform),
    "broadcast": (unchanged, broadcast_broadcast, broadcast_reshape),
    "slice": (unchanged, slice_slice, of_uniform),
    "pad": (unchanged, pad_pad),
    "concat": (concat_one,),
    "size": (size_known,),
    "call": (call_forward,),
    "item": (item_forward,),
}  # fmt: skip

assert RULES.keys() <= registry.keys(), RULES.keys() - registry.keys()


def with_rules(own: Mapping[str, Sequence[Rule]]) -> Mapping[str, tuple[Rule, ...]]:
    """These beside the exact ones, after them."""
    names = {*RULES, *own}
    return {n: (*RULES.get(n, ()), *own.get(n, ())) for n in names}
