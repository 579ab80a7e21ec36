"""The syntax tree: what a file says, with the exact place of each word. Means nothing by itself.

Trees compare by what they say: spans take no part. A comment on a line of its own is a `Remark`
among the statements; one at a statement's end is its `remark`.
"""

from __future__ import annotations

from specc.diagnostics import Span
from specc.language.node import NOWHERE, Break, Node


# ── expressions ──────────────────────────────────────────────────────────────────────────────────
class Number(Node):
    text: str  # as written: `1_000`, `1e-3`, `inf`
    value: int | float
    span: Span = NOWHERE


class String(Node):
    value: str
    span: Span = NOWHERE


class Literal(Node):
    value: bool | None
    span: Span = NOWHERE


class Name(Node):
    id: str
    primed: bool = False  # h' is the next value of the state h
    span: Span = NOWHERE


class Unary(Node):
    operator: str  # - not
    operand: Expression
    span: Span = NOWHERE


class Binary(Node):
    operator: str  # or and == != < <= > >= + - * / // % @ ^
    left: Expression
    right: Expression
    span: Span = NOWHERE
    at: Span = NOWHERE  # the operator's own place


class Conditional(Node):
    then: Expression
    test: Expression
    otherwise: Expression
    span: Span = NOWHERE


class Scope(Node):
    """What `as` names: a path `downsample.0`, or a template in quotes `"layer{s + 1}"`."""

    text: str
    template: bool
    span: Span = NOWHERE
    holes: tuple[Expression, ...] = ()  # the expressions in braces, in order


class Pipe(Node):
    value: Expression
    stage: Expression  # Name, Call or Attribute
    scope: Scope | None = None
    span: Span = NOWHERE
    broken: Break = False  # its `->` begins a line
    remark: str = ""  # the comment at the end of the line before
    above: tuple[str, ...] = ()  # the comments on lines of their own between that and its own


class Argument(Node):
    name: str | None
    value: Expression
    span: Span = NOWHERE


class Call(Node):
    function: Expression
    arguments: tuple[Argument, ...]
    span: Span = NOWHERE


class Attribute(Node):
    value: Expression
    name: str  # a word, or digits: `ws.0`
    span: Span = NOWHERE
    at: Span = NOWHERE  # the word's own place


class Slice(Node):
    start: Expression | None
    stop: Expression | None
    step: Expression | None = None
    span: Span = NOWHERE


class Ellipsis(Node):
    span: Span = NOWHERE


class Index(Node):
    value: Expression
    items: tuple[Expression | Slice | Ellipsis, ...]
    span: Span = NOWHERE


class List(Node):
    items: tuple[Expression | Ellipsis, ...]
    span: Span = NOWHERE


class Comprehension(Node):
    element: Expression
    names: tuple[str, ...]
    iterable: Expression
    span: Span = NOWHERE


class Broken(Node):
    """Stands where a fault in the text was reported: builds to nothing and is never printed."""

    span: Span = NOWHERE


Expression = (
    Number | String | Literal | Name | Unary | Binary | Conditional | Pipe | Call | Attribute
    | Index | List | Comprehension | Broken
)  # fmt: skip


# ── types ────────────────────────────────────────────────────────────────────────────────────────
class TypeExpression(Node):
    """`float[batch, 2 * d]?`: axes is None for a type without brackets, () for `float[]`."""

    name: str  # float int bool string axis, or a kind: layer activation ...
    axes: tuple[Expression | Ellipsis, ...] | None
    optional: bool = False
    listed: bool = False  # `list int[n]`
    span: Span = NOWHERE


class Parameter(Node):
    """One entry of a signature: `alpha: float = 0.01`."""

    name: str
    type: TypeExpression | None
    default: Expression | None
    span: Span = NOWHERE


# ── statements ───────────────────────────────────────────────────────────────────────────────────
class Target(Node):
    name: str
    primed: bool = False
    type: TypeExpression | None = None
    span: Span = NOWHERE


class Binding(Node):
    """`a, b = f(x)`, `h' = ...`, `y: float[batch, d] = ...`; a file's own `name = expr` too."""

    targets: tuple[Target, ...]
    value: Expression
    remark: str = ""
    doc: str = ""
    span: Span = NOWHERE


class Entry(Node):
    """One declared name of an input, given, target, param or state."""

    name: str
    scope: Scope | None  # `param w as "weight_ih{tag}"`: its published name
    type: TypeExpression | None
    default: Expression | None
    span: Span = NOWHERE


class Declaration(Node):
    kind: str  # input given target param state
    entries: tuple[Entry, ...]
    remark: str = ""
    doc: str = ""
    span: Span = NOWHERE


class Return(Node):
    values: tuple[Expression, ...]
    remark: str = ""
    span: Span = NOWHERE


class Gradient(Node):
    """`gradient x = g * sigmoid(x)` in a function's body."""

    name: str
    value: Expression
    remark: str = ""
    span: Span = NOWHERE


class Clause(Node):
    """A keyword and what follows: `output a, b = c`, `loss name = expr on "glob"`, `batch 64`,
    `split train = 0.8`, `from pretrain, on = "enc.*"`, `source csv("f.csv")`, `freeze "enc.*"`."""

    keyword: str
    arguments: tuple[Argument, ...]
    on: Expression | None = None
    remark: str = ""
    doc: str = ""
    span: Span = NOWHERE


class If(Node):
    """`else if` is an If alone in `otherwise`."""

    test: Expression
    body: tuple[Statement, ...]
    otherwise: tuple[Statement, ...] = ()
    remark: str = ""
    span: Span = NOWHERE


class Repeat(Node):
    """`repeat 6 as block {`: name is None; `repeat i in range(n) {`: iterable is a list."""

    name: str | None
    iterable: Expression
    scope: Scope | None
    body: tuple[Statement, ...]
    remark: str = ""
    span: Span = NOWHERE


class Dropped(Node):
    """An expression whose value nobody takes: a fault that the checker explains."""

    value: Expression
    remark: str = ""
    span: Span = NOWHERE


class Remark(Node):
    """A comment on a line of its own, without its `#`. An empty `text` is a blank line kept."""

    text: str
    span: Span = NOWHERE


Statement = (
    Binding | Declaration | Return | Gradient | Clause | If | Repeat | Dropped | Remark
)  # fmt: skip


# ── items ────────────────────────────────────────────────────────────────────────────────────────
class Definition(Node):
    """A function-like kind, or a block. `relu(x) = expr` has `expression`, the others a body."""

    kind: (
        str  # function activation loss metric init schedule | layer cell model optimizer data train
    )
    name: str  # "" for a train or data block without one
    parameters: tuple[Parameter, ...] | None  # None: no parentheses were written
    body: tuple[Statement, ...]
    expression: Expression | None = None
    doc: str = ""
    remark: str = ""
    span: Span = NOWHERE
    at: Span = NOWHERE  # the name's own place, else the keyword's


class Import(Node):
    """`import "blocks.nn"`: names is (); `from "blocks.nn" import A, B`: names are A, B."""

    path: str
    names: tuple[str, ...]
    remark: str = ""
    span: Span = NOWHERE
    at: Span = NOWHERE  # the path's own place


class Expect(Node):
    condition: Expression
    remark: str = ""
    doc: str = ""
    span: Span = NOWHERE


Item = Import | Binding | Definition | Expect | Dropped | Remark


class Module(Node):
    """A whole file."""

    language: int | None  # `language 1`
    doc: str
    items: tuple[Item, ...]
    span: Span = NOWHERE
    header: tuple[Remark, ...] = ()  # the comments before `language` and the doc


def stand_apart(previous: Item, following: Item) -> bool:
    """Whether a blank line always stands between two items, so that it says nothing.

    A definition in braces stands apart; a comment may belong to what follows it. Between other
    items a blank line is the author's, and kept as an empty `Remark`.
    """
    return _in_braces(previous) or (_in_braces(following) and not isinstance(previous, Remark))


def _in_braces(item: Item) -> bool:
    return isinstance(item, Definition) and item.expression is None
