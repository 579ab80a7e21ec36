"""What an expression can be while a graph is built. Holds nodes, makes none.

Static values are Python's own: int, float, bool, str, None, list, and `Size` for a symbolic extent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeGuard

from specc.diagnostics import Span
from specc.ir import Extent, Graph, Node, Size, Type
from specc.language import syntax

Value = Any  # a static value, or one of the classes below


@dataclass(frozen=True, slots=True)
class Spread:
    """The label of an axis that an argument brought through `...`: its caller knows its name."""

    argument: int
    axis: int


@dataclass(frozen=True, slots=True)
class Either:
    """Two labels met in one axis; it keeps a name only if the caller finds them to be the same."""

    left: Label
    right: Label


Label = str | Spread | Either | None  # what an axis is called


@dataclass(frozen=True, slots=True)
class Tensor:
    node: Node
    labels: tuple[Label, ...]

    @property
    def shape(self) -> tuple[Extent, ...]:
        return self.node.type.shape

    @property
    def dtype(self) -> str:
        return self.node.type.dtype

    @property
    def rank(self) -> int:
        return len(self.labels)

    def __str__(self) -> str:
        return describe_type(self.node.type, self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A definition and the file whose names it sees."""

    definition: syntax.Definition
    home: Any  # library.Home

    @property
    def kind(self) -> str:
        return self.definition.kind

    @property
    def name(self) -> str:
        return self.definition.name


class Native:
    """A function that the compiler brings itself; `builtins` says how each is built."""

    name: str

    def apply(self, frame: Any, arguments: list[Any], at: Span) -> Value:
        raise NotImplementedError


@dataclass(slots=True, eq=False)
class Instance:
    """A layer, cell or model that was built: it owns the parameters under `path`."""

    item: Item
    hypers: dict[str, Value]
    overrides: dict[str, Override]
    path: str
    span: Span
    applications: int = 0


@dataclass(frozen=True, slots=True)
class Override:
    """What a built layer was given in place of a parameter: a value, an init, or nothing."""

    tensor: Tensor | None = None
    init: syntax.Expression | None = None
    names: dict[str, Value] = field(default_factory=dict[str, Value])  # static names of the init
    span: Span | None = None  # where it was given
    home: Any = None
    key: Any = None  # equal keys make equal bodies


@dataclass(frozen=True, slots=True)
class Record:
    fields: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Several:
    """The results of `a, b = f(x)`."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class ScopeName:
    """A word that `as` or a built layer made: `fc1` in `fc1.weight`."""

    path: str


@dataclass(frozen=True, slots=True)
class DataName:
    """`Tokens.vocab`: a name that a data block makes; its size is known when its data is."""

    block: str
    name: str


@dataclass(frozen=True, slots=True)
class Namespace:
    """`import "blocks.nn"` brings `blocks`."""

    home: Any


class _Sentinel:
    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


ALL = _Sentinel("all")  # every axis
POISON = _Sentinel("a value that an error above left unknown")


class Poisoned(Exception):
    """An operand is unknown because of an error that was already reported."""


@dataclass(frozen=True, slots=True)
class Result:
    """One result of a body: the output's number and its labels, or a static value."""

    index: int
    labels: tuple[Label, ...] = ()
    static: Value = None


@dataclass(frozen=True, slots=True)
class Owned:
    """A parameter or state that a body asks its caller for, by its path within the body."""

    path: str
    type: Type
    init: Graph | None  # None: the caller's argument or another body's
    span: Span
    life: str = "layer"  # of a state: layer cell metric
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A definition elaborated for some arguments: a graph, and what its caller must bring.

    The graph's inputs are the tensor arguments, then parameters, states, draws, key and step.
    """

    graph: Graph
    results: tuple[Result, ...]
    record: tuple[str, ...]  # the results' names, where there are several named ones
    parameters: tuple[Owned, ...]
    states: tuple[Owned, ...]
    changed: tuple[str, ...]  # the paths of the states whose next value is an output, in order
    draws: tuple[str, ...]
    losses: int
    needs_key: bool
    needs_step: bool
    reads_training: bool
    failed: bool = False


def describe(value: Value) -> str:
    """A value as a message shows it."""
    if isinstance(value, Tensor):
        return str(value)
    if isinstance(value, Item):
        return f"the {value.kind} `{value.name}`"
    if isinstance(value, Native):
        return f"the function `{value.name}`"
    if isinstance(value, Instance):
        return f"a built {value.item.kind} `{value.item.name}`"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "none"
    if isinstance(value, str):
        return f'the string "{value if len(value) <= 40 else value[:37] + "..."}"'
    if is_list(value):
        shown = [describe(each) for each in value[:6]] + ["..."] * (len(value) > 6)
        return "[" + ", ".join(shown) + "]"
    if isinstance(value, Several):
        return f"{len(value.values)} results"
    if isinstance(value, Record):
        return f"a record of {', '.join(value.fields)}"
    if isinstance(value, ScopeName):
        return f"the scope `{value.path}`"
    if isinstance(value, DataName):
        return f"`{value.name}` of the data `{value.block}`"
    if isinstance(value, Namespace):
        return f"the file `{value.home.key}`"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e16:
        return f"{value:.1f}"
    return str(value)


def describe_type(type: Type, labels: tuple[Label, ...]) -> str:
    def one(extent: Extent, label: Label) -> str:
        if isinstance(label, str) and str(extent) != label:
            return f"{label} = {extent}"
        return str(extent)

    dtype = "float" if type.dtype == "float64" else type.dtype
    return f"{dtype}[{', '.join(map(one, type.shape, labels))}]"


def article(word: str) -> str:
    return f"{'an' if word[:1] in 'aeiou' else 'a'} {word}"


def counted(number: int, word: str, plural: str = "") -> str:
    """no axes, 1 axis, 2 axes."""
    many = plural or f"{word}s"
    return f"no {many}" if number == 0 else f"1 {word}" if number == 1 else f"{number} {many}"


def is_list(value: Value) -> TypeGuard[list[Value]]:
    return isinstance(value, list)


def is_tuple(value: Value) -> TypeGuard[tuple[Value, ...]]:
    return isinstance(value, tuple)


def is_number(value: Value) -> bool:
    """A static number, a symbolic extent among them."""
    return isinstance(value, (int, float, Size)) and not isinstance(value, bool)


def key_of(value: Value) -> Any:
    """A hashable stand-in: equal keys elaborate to equal bodies."""
    if isinstance(value, Tensor):
        return ("tensor", value.node.type)
    if is_list(value):
        return ("list", *map(key_of, value))
    if isinstance(value, Item):
        return ("item", id(value.definition))
    if isinstance(value, (Instance, Native)):
        return ("instance", id(value))
    if isinstance(value, Override):
        return ("override", key_of(value.tensor), value.key)
    if isinstance(value, Record):
        return ("record", *((name, key_of(each)) for name, each in value.fields.items()))
    return (type(value).__name__, str(value) if isinstance(value, float) else value)
