"""A body under construction: its names, axes, parameters, states and draws. Reads no syntax."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from zlib import crc32

from specc.diagnostics import Diagnostic, Label, Report, Span, SpecError, fault
from specc.ir import (
    Axis,
    Extent,
    Graph,
    Node,
    Output,
    Requirement,
    Type,
    constant,
    emit,
    make_input,
)
from specc.ir.size import atom
from specc.language.build.axes import Axes
from specc.language.build.values import (
    Body,
    Instance,
    Owned,
    Poisoned,
    Result,
    Spread,
    Tensor,
    Value,
)
from specc.limits import CALL_DEPTH


@dataclass(slots=True)
class Builder:
    """What all bodies of one build share."""

    library: Any  # library.Library
    report: Report
    memo: dict[Any, Body] = field(default_factory=dict[Any, Body])
    keep: list[Any] = field(default_factory=list[Any])  # what memo keys name by id
    rigid: dict[str, Span] = field(
        default_factory=dict[str, Span]
    )  # hyper-parameters without value
    applied: set[int] = field(default_factory=set[int])  # ids of the definitions used
    open: set[Any] = field(default_factory=set[Any])  # keys of the bodies that are being built
    rounds: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict[str, int])  # that data gave, by name

    def size_of(self, name: str, span: Span) -> Extent:
        """A size that data gives, `Tokens.vocab.size`: a number in a run, a name before it."""
        if name in self.sizes:
            return self.sizes[name]
        self.rigid[name] = span
        return atom(Axis(name))

    @contextmanager
    def building(self, key: Any, what: str, span: Span) -> Generator[None]:
        """While a body is built; it can't be asked for again before it is done."""
        if key in self.open:
            raise fault(
                CALL_DEPTH.code,
                f"{what} applies itself without end",
                (span, "applied within itself"),
                help="write a `repeat`, or let an `if` on a hyper-parameter end it",
            )
        self.open.add(key)
        try:
            yield
        finally:
            self.open.discard(key)


@dataclass(slots=True)
class Frame:
    """One body. `kind` is its definition's; `training` is the mode it is built in."""

    builder: Builder
    kind: str
    name: str
    home: Any  # whose names it sees
    training: bool
    depth: int = 0
    values: dict[str, Value] = field(default_factory=dict[str, Value])
    places: dict[str, Span] = field(default_factory=dict[str, Span])
    axes: Axes = field(default_factory=Axes)
    asked: tuple[Type, tuple[Any, ...]] | None = None  # the shape that an init is to give
    purpose: int = 0  # of what it draws: 0 a model's draws, 1 initial values
    inputs: list[Node] = field(default_factory=list[Node])
    parameters: dict[str, tuple[Owned, Node]] = field(default_factory=dict[str, tuple[Owned, Node]])
    states: dict[str, tuple[Owned, Node]] = field(default_factory=dict[str, tuple[Owned, Node]])
    current: dict[str, Tensor] = field(default_factory=dict[str, Tensor])  # of states, by path
    assigned: dict[str, Span] = field(default_factory=dict[str, Span])  # primed names, once each
    unassigned: dict[str, Span] = field(default_factory=dict[str, Span])  # read as they were
    state_paths: dict[str, str] = field(default_factory=dict[str, str])  # this body's own names
    owners: dict[str, Any] = field(default_factory=dict[str, Any])
    makers: dict[str, Span] = field(default_factory=dict[str, Span])  # what made each of them
    broken: set[str] = field(default_factory=set[str])  # states whose declaration is wrong
    draws: dict[str, Node] = field(default_factory=dict[str, Node])
    counts: dict[str, int] = field(default_factory=dict[str, int])
    losses: list[tuple[str, Tensor, tuple[str, ...]]] = field(
        default_factory=list[tuple[str, Tensor, tuple[str, ...]]]
    )
    prefix: str = ""
    round: tuple[Label, ...] = ()  # the rounds of `repeat` that are being built, but the first
    measuring: str | None = None  # the metric whose expression is being built
    key: Node | None = None
    step: Node | None = None
    exact_step: Tensor | None = None  # what `step` means here, if not the input
    reads_training: bool = False
    overrides: dict[str, Any] = field(default_factory=dict[str, Any])
    override_spans: dict[str, Span] = field(default_factory=dict[str, Span])
    own_parameters: set[str] = field(default_factory=set[str])
    given_states: bool = False  # a cell's states come as arguments
    failed: bool = False
    trail: tuple[Span, ...] = ()  # the applications that led here, outermost first
    returned: list[Value] | None = None
    gradients: list[Any] = field(default_factory=list[Any])  # syntax.Gradient lines
    given: dict[str, Value] = field(default_factory=dict[str, Value])  # inputs, matched
    outputs: dict[str, Value] = field(default_factory=dict[str, Value])  # a model's
    recipes: dict[str, Any] = field(default_factory=dict[str, Any])  # of inputs that text gives
    root: Any = None  # a model's own record of inputs and metrics, at the top only

    # ── faults ──────────────────────────────────────────────────────────────────────────────────
    @contextmanager
    def statement(self) -> Generator[None]:
        """A fault inside is reported, and building goes on with the next statement."""
        try:
            yield
        except SpecError as error:
            self.failed = True
            self.builder.report.extend(self.traced(each) for each in error.diagnostics)
        except Poisoned:
            self.failed = True

    def traced(self, diagnostic: Diagnostic) -> Diagnostic:
        """The fault with the applications that led to it; the user's own file comes first."""
        if not diagnostic.labels:
            return diagnostic
        diagnostic = with_labels(diagnostic, *self.round)
        if not self.trail:
            return diagnostic
        here = diagnostic.labels[0].span.source
        known = {(each.span.source.path, each.span.start) for each in diagnostic.labels}
        steps = [
            each for each in reversed(self.trail) if (each.source.path, each.start) not in known
        ]
        own = next((each for each in steps if not each.source.path.startswith("std/")), None)
        if here.path.startswith("std/") and own is not None:
            return with_labels(diagnostic, Label(own, "in this application"), after=0)
        if not steps:
            return diagnostic
        beside = [i for i, each in enumerate(diagnostic.labels) if each.span.source is here]
        return with_labels(diagnostic, Label(steps[0], "applied here"), after=max(beside) + 1)

    # ── what a body asks its caller for ─────────────────────────────────────────────────────────
    def parameter(self, owned: Owned, owner: Any, at: Span) -> Tensor:
        """The parameter at that path, made at its first use by this owner; `at` is that use."""
        known = self.parameters.get(owned.path)
        if known is None:
            node = make_input(owned.path, "parameter", owned.type)
            self.parameters[owned.path] = known = (owned, node)
            self.owners[owned.path] = owner
            self.makers[owned.path] = at
        elif self.owners[owned.path] != owner:
            raise self._made_twice("parameter", owned.path, at)
        elif known[0].type != owned.type:
            raise fault(
                "T016",
                f"the shared parameter `{owned.path}` would need two shapes",
                (at, f"here {owned.type}"),
                (self.makers[owned.path], f"and {known[0].type} before"),
                help="a layer that is used twice needs inputs of the same axes each time",
            )
        return Tensor(known[1], owned.labels)

    def _made_twice(self, kind: str, path: str, at: Span) -> SpecError:
        return fault(
            "N003",
            f"the {kind} `{path}` is made twice",
            (at, "made here again"),
            (self.makers[path], "made here first"),
            help="give one of them another name; a layer that is bound, `fc = Linear(64)`, and "
            "applied twice shares its parameters",
        )

    def state(self, owned: Owned, owner: Any, at: Span) -> Tensor:
        """What the state at that path holds now."""
        if owned.path not in self.states:
            role = "metric_state" if owned.life == "metric" else "state"
            node = make_input(owned.path, role, owned.type)
            self.states[owned.path] = (owned, node)
            self.owners[owned.path] = owner
            self.makers[owned.path] = at
            self.current[owned.path] = Tensor(node, owned.labels)
        elif self.owners[owned.path] != owner:
            raise self._made_twice("state", owned.path, at)
        return self.current[owned.path]

    def draw(self, path: str) -> Node:
        if self.root is not None:
            return self.root.draw(path)
        node = make_input(path, "draw", Type("int"))
        self.draws[path] = node
        return node

    def the_key(self) -> Node:
        if self.key is None:
            self.key = make_input("key", "key", Type("int", (2,)))
        return self.key

    def the_step(self) -> Tensor:
        """The number of updates already made, exact."""
        if self.exact_step is not None:
            return self.exact_step
        if self.step is None:
            self.step = make_input("step", "step", Type("float64"))
        return Tensor(self.step, ())

    # ── names ───────────────────────────────────────────────────────────────────────────────────
    def count(self, word: str) -> int:
        """How often that word was counted in this scope before."""
        key = f"{self.prefix}\0{word}"
        self.counts[key] = self.counts.get(key, 0) + 1
        return self.counts[key] - 1

    def scope_for(self, kind: str) -> str:
        """The path of an unnamed layer: linear, linear_2, ..."""
        word = snake_case(kind)
        before = self.count(word)
        return self.prefix + (word if before == 0 else f"{word}_{before + 1}")

    def declare(self, name: str, value: Value, span: Span) -> None:
        """Inputs, targets, parameters and states are declared once."""
        key = self.prefix + name  # a `repeat` with a scope declares it anew in each round
        if key in self.places:
            raise fault(
                "N002",
                f"`{name}` is declared twice",
                (span, "declared here again"),
                (self.places[key], "declared here first"),
                help="a `repeat` gives each round names of its own: `repeat n as block {`"
                if self.places[key].start == span.start
                else "",
            )
        self.places[key] = self.places[name] = span
        self.assigned.pop(name, None)
        self.unassigned.pop(name, None)
        self.values[name] = value

    def training_test(self, statement: Any) -> bool:
        """Whether a decision reads `training`."""
        return "training" in statement.test.span.text.split()

    # ── bodies within this one ──────────────────────────────────────────────────────────────────
    def inner(self, kind: str, name: str, home: Any, span: Span) -> Frame:
        """A closed body that this one applies."""
        if self.depth >= CALL_DEPTH.value:
            raise fault(
                CALL_DEPTH.code,
                f"more than {CALL_DEPTH.value} applications within one another",
                (span, f"`{name}` is applied too deeply"),
                help="write a `repeat`, or let an `if` on a hyper-parameter end it",
            )
        made = Frame(self.builder, kind, name, home, self.training, self.depth + 1)
        made.purpose = self.purpose
        return made

    def apply(
        self, body: Body, arguments: Sequence[Tensor], path: str, owner: Any, span: Span
    ) -> list[Value]:
        """Calls a body: brings what it asks for under `path`, and gives its results."""
        self.reads_training |= body.reads_training
        if body.failed:
            raise Poisoned
        inner = f"{path}." if path else ""
        nodes = [each.node for each in arguments]
        for owned in body.parameters:
            here = _moved(owned, inner + owned.path)
            nodes.append(self.parameter(here, (owner, owned.path), span).node)
        for owned in body.states:
            here = _moved(owned, inner + owned.path)
            nodes.append(self.state(here, (owner, owned.path), span).node)
        if body.draws:
            number = self.count(f"{path}#")
            nodes += [self.draw(f"{path}#{number}/{each}") for each in body.draws]
        if body.needs_key:
            nodes.append(self.the_key())
        if body.needs_step:
            nodes.append(self.the_step().node)
        for each in body.graph.requires:
            if each not in self.axes.requires:
                self.axes.requires.append(_applied(each, span))
        if not body.graph.outputs:
            outputs: list[Node] = []
        else:
            made = emit("call", *nodes, body=body.graph)
            count = len(body.graph.outputs)
            outputs = [made] if count == 1 else [emit("item", made, index=i) for i in range(count)]
        tensors = sum(1 for each in body.results if each.index >= 0)
        for state_path, node in zip(body.changed, outputs[tensors:], strict=False):
            full = inner + state_path
            self.current[full] = Tensor(node, self.current[full].labels)
        for node in outputs[tensors + len(body.changed) :]:
            self.losses.append(("loss", Tensor(node, ()), ()))
        return [
            Tensor(outputs[each.index], _labels_out(each.labels, outputs[each.index], arguments))
            if each.index >= 0
            else each.static
            for each in body.results
        ]

    def finish(
        self, results: Sequence[Value], definition: Any, record: tuple[str, ...] = ()
    ) -> Body:
        """Closes the body over what it asked for."""
        outputs: list[Output] = []
        places: list[Result] = []
        for index, value in enumerate(results):
            if isinstance(value, Tensor):
                name = record[index] if record else f"result{index}"
                places.append(Result(len(outputs), value.labels))
                outputs.append(Output(name, "result", value.node))
            else:
                places.append(Result(-1, static=value))
        changed: list[str] = []
        for path, (owned, node) in self.states.items():
            if self.current[path].node is not node:
                changed.append(path)
                role = "metric_state" if owned.life == "metric" else "state"
                outputs.append(Output(f"{path}'", role, self.current[path].node))
        for index, (_, tensor, _) in enumerate(self.losses):
            outputs.append(Output(f"loss{index}", "loss", tensor.node))
        inputs = [
            *self.inputs,
            *(node for _, node in self.parameters.values()),
            *(node for _, node in self.states.values()),
            *self.draws.values(),
            *([self.key] if self.key else []),
            *([self.step] if self.step else []),
        ]
        graph = Graph(
            self.name, tuple(inputs), tuple(outputs), definition, requires=tuple(self.axes.requires)
        )
        return Body(
            graph,
            tuple(places),
            record,
            tuple(owned for owned, _ in self.parameters.values()),
            tuple(owned for owned, _ in self.states.values()),
            tuple(changed),
            tuple(self.draws),
            len(self.losses),
            self.key is not None,
            self.step is not None,
            self.reads_training,
            self.failed,
        )


def failed_body(frame: Frame) -> Body:
    """What is remembered of a body in which something is wrong."""
    graph = Graph(frame.name, (), ())
    nothing: tuple[Any, ...] = ()
    return Body(
        graph,
        nothing,
        nothing,
        nothing,
        nothing,
        nothing,
        nothing,
        0,
        False,
        False,
        frame.reads_training,
        failed=True,
    )


def draw_id(path: str) -> int:
    """The 32-bit number of a draw, from its scope path and application number alone."""
    return crc32(path.encode())


def snake_case(word: str) -> str:
    """Linear → linear, GRUCell → gru_cell, Conv2d → conv2d."""
    made = ""
    for index, letter in enumerate(word):
        before = word[index - 1 : index]
        after = word[index + 1 : index + 2]
        if letter.isupper() and before and (before.islower() or (after and after.islower())):
            made += "_"
        made += letter.lower()
    return made


def unbound(instance: Instance, name: str, span: Span) -> SpecError:
    return fault(
        "N004",
        f"`{instance.item.name}` has no `{name}` yet",
        (span, "a layer's parameters exist once it is applied"),
        (instance.span, "built here"),
    )


def filled(value: float | bool, type: Type) -> Node:
    return constant(value, type.dtype, type.shape)


def with_labels(diagnostic: Diagnostic, *more: Label, after: int | None = None) -> Diagnostic:
    """The same fault, with more places: at its end, or after the first few."""
    place = len(diagnostic.labels) if after is None else after
    labels = (*diagnostic.labels[:place], *more, *diagnostic.labels[place:])
    return replace(diagnostic, labels=labels)


@contextmanager
def applied_at(span: Span) -> Generator[None]:
    """A fault in what is given to a body tells which application it is given to."""
    try:
        yield
    except SpecError as error:
        raise SpecError([_with_application(each, span) for each in error.diagnostics]) from None


def _with_application(diagnostic: Diagnostic, span: Span) -> Diagnostic:
    at = diagnostic.labels[0].span if diagnostic.labels else span
    if at.source is span.source and span.start <= at.start and at.end <= span.end:
        return diagnostic  # it stands within the application
    return with_labels(diagnostic, Label(span, "applied here"), after=1)


def _applied(requirement: Requirement, at: Span) -> Requirement:
    """What the library requires, with the application of it that stands in the user's file."""
    inside = requirement.span is not None and requirement.span.source.path.startswith("std/")
    if not inside or requirement.applied or at.source.path.startswith("std/"):
        return requirement
    return replace(requirement, applied=at)


def _moved(owned: Owned, path: str) -> Owned:
    if owned.path == path:
        return owned
    return Owned(path, owned.type, owned.init, owned.span, owned.life, owned.labels)


def _labels_out(
    labels: tuple[Any, ...], node: Node, arguments: Sequence[Tensor]
) -> tuple[Any, ...]:
    from specc.language.build.tensors import label_out

    return tuple(
        label_out(label, extent, arguments)
        for label, extent in zip(labels, node.type.shape, strict=True)
    )


__all__ = ["Builder", "Frame", "Requirement", "Spread", "draw_id", "failed_body", "snake_case"]
