"""What build makes of a file: graphs, and what training needs to know beside them. Runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from specc.diagnostics import Diagnostic, Span
from specc.ir.graph import Graph
from specc.ir.recipe import Dense, Lookup, Vocabulary
from specc.ir.types import Type


@dataclass(frozen=True, slots=True)
class Variable:
    """A parameter or a state: its path of scopes, type, and how it begins.

    `init` is a graph of one output; its inputs are at most `key` (int[2]: seed, step) and `draw.*`
    (int[]), whose values are `draws`. It is evaluated once, in float64.
    """

    name: str
    type: Type
    init: Graph
    draws: Mapping[str, int] = field(default_factory=dict[str, int])
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    name: str  # "loss" for one without a name; a named one is also reported
    on: tuple[str, ...] = ()  # globs of the parameters that its gradient reaches; () is all


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    states: tuple[Variable, ...] = ()  # with states it is exact over a set: the last value counts


@dataclass(frozen=True, slots=True)
class Model:
    """A model elaborated for both modes.

    Graph inputs by role: parameter, state, metric_state, input, target, key (int[2] seed and step,
    named "key"), step (float64[], updates already made, named "step").
    Outputs by role: output, loss, metric, state (next values), metric_state (next values).
    """

    name: str
    training: Graph
    inference: Graph
    parameters: tuple[Variable, ...]
    states: tuple[Variable, ...]  # of a fixed shape: saved with the weights
    streams: tuple[Variable, ...]  # with a dynamic axis: reset at the start of each pass
    losses: tuple[Loss, ...]
    metrics: tuple[Metric, ...]
    hypers: Mapping[str, Any]
    draws: Mapping[str, int] = field(default_factory=dict[str, int])  # scope path → draw id
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """An optimizer's body for one parameter type.

    `graph` inputs by role: theta, grad (float of the type), lr (float64[], already times the
    schedules), step (float64[], from 1), moment (by state name). Outputs: role theta ("theta"),
    role moment (next values), and role average (what evaluation uses) if the optimizer has one.
    """

    graph: Graph
    states: tuple[Variable, ...]
    elementwise: bool


@dataclass(frozen=True, slots=True, eq=False)
class Optimizer:
    name: str
    definition: Any
    lr: float
    hypers: Mapping[str, Any]
    update: Callable[[Type], Update]  # memoised
    on: tuple[str, ...] = ()  # globs; () takes the rest
    span: Span | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Penalty:
    """One scalar a parameter, added to the objective. `body(type)`: one input, one output."""

    body: Callable[[Type], Graph]
    on: tuple[str, ...] = ()
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Plateau:
    metric: str  # "dev.loss"
    factor: float
    patience: int
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    metric: str
    epochs: int
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Keep:
    metric: str
    highest: bool
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class From:
    """Where weights come from: a file, or an earlier train block."""

    source: str
    is_file: bool
    on: tuple[str, ...] = ()
    span: Span | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """What a data block makes of a source's columns: numbers by a graph, and what it reads.

    The graph's inputs have the role column (all rows) or train (the training rows of that column,
    first axis `train_row`); its outputs the role split or column. An output's first axis is `row`,
    or `segment` where texts are cut into segments.
    """

    graph: Graph
    given: Mapping[str, Dense]  # inputs of the graph that text gives
    ragged: Mapping[str, Lookup]  # columns whose rows have different lengths
    vocabularies: Mapping[str, Vocabulary]


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """A data block. What it makes depends on the types of the source's columns.

    A number's first axis is `row`; a column of texts has the dtype "text", one of tokens "tokens".
    """

    name: str
    source: str  # npz csv parquet text python sklearn
    argument: str  # a file's path (as written, relative to the spec's folder) or a set's name
    folder: str
    ratios: Mapping[str, float]
    split_names: tuple[str, ...]
    column_names: tuple[str, ...]  # those that the block makes itself
    splits: Callable[[Mapping[str, Type]], Made]
    columns: Callable[[Mapping[str, Type]], Made]
    span: Span | None = None
    unit: str = ""  # of a text source's rows: line or paragraph


@dataclass(frozen=True, slots=True, eq=False)
class Train:
    name: str
    model: Model
    data: Data | None
    origin: From | None
    optimizers: tuple[Optimizer, ...]
    schedule: Graph | None  # input: step (float64[], from 0); one output float64[]
    plateaus: tuple[Plateau, ...]
    clip: tuple[str, float] | None  # ("norm" | "value", bound)
    penalties: tuple[Penalty, ...]
    freeze: tuple[str, ...]
    batch: int | None  # None: full batch
    epochs: int | None
    steps: int | None
    seed: int
    stop: Patience | None
    keep: Keep | None
    span: Span | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Expect:
    """A claim. `names` are what it reads ("test.accuracy", "parameters"); `holds` decides."""

    text: str
    names: tuple[str, ...]
    holds: Callable[[Mapping[str, float]], bool]
    span: Span | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Spec:
    """A whole file, built."""

    path: str
    text: str
    models: Mapping[str, Model]
    trains: tuple[Train, ...]
    datas: Mapping[str, Data]
    expects: tuple[Expect, ...]
    notes: tuple[Diagnostic, ...] = ()
    open: Mapping[str, Span] = field(default_factory=dict[str, Span])  # sizes that its data gives
    rebuilt: Callable[[Mapping[str, int]], Spec] | None = None  # with these sizes
